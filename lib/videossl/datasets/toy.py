"""The toy benchmark: short synthetic videos of twelve actions, laid out as UCF101 or as NTU RGB+D, with skeletons.

What varies and what does not, and how hard the set is, stands in docs/toy.md. Every draw comes from a
generator named by the seed and the video, so that a video's bytes do not depend on the others or on the
number of processes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videossl import seeding
from videossl.data import listing, ntu_skeleton, pool
from videossl.data.listing import Archive, Counts, Video
from videossl.data.toy import motions, render, scenery
from videossl.data.toy.figure import Floats, draw_body, forward_kinematics
from videossl.datasets import ntu60, ntu_rgbd
from videossl.datasets.ntu_rgbd import Sample
from videossl.errors import InputError
from videossl.files import atomic

NAME = "toy"
LICENCE = "made by this project, under its licence"
CITATION = ""
LAYOUT = """\
<root>/UCF-101/<Class>/v_<Class>_g<subject>_c<repeat>.avi       24 frames of 64 x 64 at 30 a second
<root>/ucfTrainTestlist/{classInd,trainlist01,testlist01}.txt   one split, by subject
<root>/skeletons/S001C001P<subject>R<repeat>A<action>.skeleton  the same poses, seen by a sensor of its own
With the option `layout: ntu60` as NTU RGB+D (see ntu60): nturgb+d_rgb/, nturgb+d_skeletons/, NTU_RGBD_samples_with_missing_skeletons.txt
"""
ARCHIVES: tuple[Archive, ...] = ()  # `download` renders it
FOLDER, LISTS, SKELETONS = "UCF-101", "ucfTrainTestlist", "skeletons"
FOLDERS = (FOLDER, SKELETONS, ntu_rgbd.RGB, ntu_rgbd.SKELETONS[0])
LAYOUTS = ("ucf101", "ntu60")
CLASSES = tuple(motions.ACTIONS)
TURNS = (0.0, -45.0, 45.0)
"""Degrees that the cameras 1 to 3 of the layout ntu60 are turned about the figure, as those of NTU RGB+D (CVPR 2016)."""
TWO = ("Kick", "Punch")
"""Actions that have a second person in the skeletons of the layout ntu60, since NTU RGB+D kicks and punches another person (A050, A051)."""
_VIDEO = re.compile(r"(?P<label>\w+)/v_(?P=label)_g(?P<subject>\d+)_c(?P<repeat>\d+)\.avi")


@dataclass(frozen=True)
class Options:
    """The parts of a toy set (params: the dataset's options)."""

    seed: int = 0  # another seed: other subjects, other views, another room
    actions: int = 12  # how many of the twelve, from the first
    train_subjects: int = 12
    test_subjects: int = 8
    repeats: int = 1  # videos of a subject and action
    frames: int = 24
    size: int = 64  # pixels a side
    backgrounds: int = 1  # textures of the room; each video draws one
    scenes: float = 0  # share of the videos whose scenery goes with the action, the others' is any; 0: bare rooms
    layout: str = "ucf101"  # or ntu60: names, folders and both splits of NTU RGB+D
    cameras: int = 1  # that see a performance; in params the default is three where the layout is ntu60

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InputError(f"toy dataset: layout is {self.layout!r}; give {' or '.join(LAYOUTS)}")
        if type(self.scenes) not in (int, float) or not 0 <= self.scenes <= 1:
            raise InputError(f"toy dataset: scenes is {self.scenes!r}; give a number from 0 to 1")
        least = {"seed": 0, "frames": 2, "size": 16}
        for name in (field.name for field in fields(self) if field.type == "int"):
            value, low = getattr(self, name), least.get(name, 1)
            if type(value) is not int or value < low:
                raise InputError(f"toy dataset: {name} is {value!r}; give a whole number from {low}")
        for name, most in self._most().items():
            if getattr(self, name) > most:
                raise InputError(f"toy dataset: {name} is {getattr(self, name)}; with layout {self.layout} there are {most}")

    def _most(self) -> dict[str, int]:
        """The largest numbers; with the layout ntu60 they are NTU RGB+D's."""
        if self.layout == "ucf101":
            return {"actions": len(CLASSES), "cameras": 1}
        last, training = ntu60.EDITION.last, len(ntu60.SUBJECTS)
        sides = {"train_subjects": training, "test_subjects": last.performer - training}
        return {"actions": len(CLASSES), "cameras": last.camera, "repeats": last.replication, **sides}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """Options from params; an unknown one raises InputError."""
        listing.check_options(NAME, options)
        cameras = len(TURNS) if options.get("layout") == "ntu60" else 1
        return cls(**{"cameras": cameras} | dict(options))


@dataclass(frozen=True)
class Take:
    """One video: who does what, which of their repeats, and who sees it. Subjects, repeats, actions and cameras count from 1."""

    label: str
    subject: int
    repeat: int
    camera: int = 1

    @property
    def video(self) -> str:
        """Path of the video relative to the folder of videos, as UCF101 names them; draws that cameras share are named by it."""
        return f"{self.label}/v_{self.label}_g{self.subject:02d}_c{self.repeat:02d}.avi"

    @property
    def sample(self) -> Sample:
        """The name that NTU RGB+D would give it."""
        return Sample(1, self.camera, self.subject, self.repeat, CLASSES.index(self.label) + 1)

    @property
    def skeleton(self) -> str:
        """File name of the skeleton, as NTU RGB+D names them."""
        return f"{self.sample}.skeleton"

    @classmethod
    def named(cls, video: str) -> Take | None:
        """The take whose video that is, None for a name that the toy set does not have."""
        match = _VIDEO.fullmatch(video)
        if not match or match["label"] not in CLASSES:
            return None
        return cls(match["label"], int(match["subject"]), int(match["repeat"]))


def takes(options: Options, split: str) -> Iterator[Take]:
    """The videos of a split by subjects ("train" or "test"), by class, subject, repeat, camera; no subject is on both sides."""
    for label in CLASSES[: options.actions]:
        for subject in subjects(options, split):
            for repeat in range(1, options.repeats + 1):
                for camera in range(1, options.cameras + 1):
                    yield Take(label, subject, repeat, camera)


def subjects(options: Options, split: str) -> Sequence[int]:
    """Who is on a side ("train" or "test"): counted through or, with the layout ntu60, the first performers of that official side."""
    train, test = options.train_subjects, options.test_subjects
    if options.layout == "ucf101":
        return range(1, train + 1) if split == "train" else range(train + 1, train + test + 1)
    everyone = range(1, ntu60.EDITION.last.performer + 1)
    sides = {"train": sorted(ntu60.SUBJECTS)[:train], "test": sorted(set(everyone) - ntu60.SUBJECTS)[:test]}
    return sides[split]


def unusable(options: Options) -> Take | None:
    """The one take of the layout ntu60 whose skeleton nobody is in, and which its list of missing skeletons names."""
    if options.layout == "ucf101":
        return None
    return Take(CLASSES[0], subjects(options, "test")[-1], options.repeats, options.cameras)


# ------------------------------------------------------------------------------------------------------------
# One video


def pose(take: Take, options: Options) -> Floats:
    """The joints of a take, (frames, 25, 3) metres in body axes over the floor, without any noise."""
    body = draw_body(seeding.numpy_rng(options.seed, "toy", take.subject, "body"))
    rng = seeding.numpy_rng(options.seed, "toy", take.video, "motion")
    time = np.arange(options.frames)
    phase = 2 * np.pi * (time / rng.uniform(8, 13) + rng.uniform())
    angles, lift = motions.angles(take.label, phase, amplitude=rng.uniform(0.85, 1.1), left=bool(rng.integers(2)))
    return forward_kinematics(body, angles + manner(time, rng), lift)


def manner(time: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Sway a video's figure, whatever it does: (T, 25, 3) degrees to add."""
    held, sway = rng.normal(0, 3, (25, 3)), rng.normal(0, 1, (25, 3))
    cycles, start = rng.uniform(1 / 30, 1 / 10, (25, 3)), rng.uniform(0, 2 * np.pi, (25, 3))
    return np.asarray(held + sway * np.sin(2 * np.pi * cycles * time[:, None, None] + start))


def shake(frames: int, size: int, rng: np.random.Generator) -> Floats:
    """A hand-held camera: (frames, 2) pixels, two sinusoids an axis of 0.4-0.8 px (at 64) and 7-18 frames.

    Without it flow is zero outside the figure, and random features of it already retrieve two thirds.
    """
    amplitude, period = rng.uniform(0.4, 0.8, (2, 2)) * size / 64, rng.uniform(7, 18, (2, 2))
    start = rng.uniform(0, 2 * np.pi, (2, 2))
    waves = amplitude * np.sin(2 * np.pi * np.arange(frames)[:, None, None] / period + start)
    return np.asarray(waves.sum(axis=-1))


def film(take: Take, options: Options) -> render.Picture:
    """The frames of a take, (frames, size, size, 3) uint8 RGB."""
    camera = render.draw_camera(_view(take, options, "camera"))
    return render.draw(
        pose(take, options),
        replace(camera, yaw=camera.yaw + TURNS[take.camera - 1]),
        shake(options.frames, options.size, _view(take, options, "shake")),
        _clothes(take, options),
        _surroundings(take, options),
        options.size,
    )


def _view(take: Take, options: Options, purpose: str) -> np.random.Generator:
    """Make the generator for the draws of a camera. The first camera's is the same in a set of one camera and of three."""
    return seeding.numpy_rng(options.seed, "toy", take.video, purpose, *([take.camera] if take.camera > 1 else []))


def _background(take: Take, options: Options) -> int:
    """Give the room that a video is filmed in, from 0, whatever the action: with few videos, encoders of RGB learn rooms."""
    return int(seeding.numpy_rng(options.seed, "toy", take.video, "background").integers(options.backgrounds))


def _clothes(take: Take, options: Options) -> render.Clothes:
    """Give what a subject wears. Before scenery all wear the same: clothes are the easier thing to tell videos apart by."""
    drawn = render.draw_clothes(seeding.numpy_rng(options.seed, "toy", take.subject, "clothes"))
    return replace(render.UNIFORM, thickness=drawn.thickness) if options.scenes else drawn


def _surroundings(take: Take, options: Options) -> render.Picture:
    """Give the room of a video and what stands in it, the same for all cameras."""
    room = _room(options.seed, _background(take, options), options.size)
    if not options.scenes:
        return room
    kind, rng = _scenery(take, options)
    return scenery.furnished(room, kind, rng)


def _scenery(take: Take, options: Options) -> tuple[scenery.Kind, np.random.Generator]:
    """Give the kind of scenery of a video, of its action or of any, and the generator for the rest, which the kind does not move."""
    rng = seeding.numpy_rng(options.seed, "toy", take.video, "scenery")
    goes, action, number = rng.random() < options.scenes, int(rng.integers(len(CLASSES))), int(rng.integers(4))
    return scenery.kinds(CLASSES.index(take.label) if goes else action)[number], rng


@lru_cache(maxsize=64)
def _room(seed: int, number: int, size: int) -> render.Picture:
    """Room `number` of a set; the first is the same in a set of one and of many."""
    return render.backdrop(seeding.numpy_rng(seed, "toy", "room", *([number] if number else [])), size)


def sense(take: Take, options: Options) -> NDArray[np.float32]:
    """Make the depth sensor's view of a take: (frames, 25, 3, M) float32 metres in Kinect camera space, M one or two people.

    The sensor stands anywhere around the figure, not at the camera, and errs by 3 cm a joint, frame and axis:
    with easy views the untrained joints already retrieve 95 %.
    """
    people = [pose(take, options)]
    if options.layout == "ntu60" and take.label in TWO:
        people.append(bystander(take, options))
    rng = _view(take, options, "sensor")
    yaw, elevation, distance = rng.uniform(-180, 180), rng.uniform(0, 10), rng.uniform(2.6, 3.6)
    aside = np.array([rng.uniform(-0.4, 0.4), 0.0, 0.0])
    seen = (render.seen(joints, yaw, elevation, distance) + aside for joints in people)
    return np.stack([joints + rng.normal(0, 0.03, joints.shape) for joints in seen], axis=-1).astype(np.float32)


def bystander(take: Take, options: Options) -> Floats:
    """Whoever stands 1.2 m in front of the figure of a take, facing it: joints as in `pose`, arms hanging, swaying a little."""
    rng = seeding.numpy_rng(options.seed, "toy", take.video, "bystander")
    body = draw_body(rng)
    joints = forward_kinematics(body, manner(np.arange(options.frames), rng), np.zeros(options.frames))
    return np.asarray(joints * np.array([-1.0, 1.0, -1.0]) - np.array([0.0, 0.0, 1.2]))


# ------------------------------------------------------------------------------------------------------------
# The set


def download(out: Path, options: Mapping[str, Any], processes: int) -> None:
    """Make the set in `out`, without files of earlier options; the bytes do not depend on `processes`."""
    from tqdm import tqdm

    settings = Options.of(options)
    plan = {split: list(takes(settings, split)) for split in ("train", "test")}
    work = [Work(Path(out), take, settings) for split in plan.values() for take in split]
    done = pool.ordered(make, work, processes)
    for _ in tqdm(done, total=len(work), desc=NAME, unit="video", mininterval=1, disable=None):
        pass
    texts = _missing(settings) if settings.layout == "ntu60" else _lists(plan, settings)
    for name, text in texts.items():
        with atomic(Path(out) / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _prune(Path(out), {*texts, *(name for job in work for name in files(job.take, settings))})


def files(take: Take, options: Options) -> tuple[str, str]:
    """The places of the video and the skeleton of a take, relative to the root."""
    if options.layout == "ntu60":
        return f"{ntu_rgbd.RGB}/{take.sample}_rgb.avi", f"{ntu_rgbd.SKELETONS[0]}/{take.skeleton}"
    return f"{FOLDER}/{take.video}", f"{SKELETONS}/{take.skeleton}"


@dataclass(frozen=True)
class Work:
    """The input of a process that makes one take's files."""

    out: Path
    take: Take
    options: Options


def make(work: Work) -> None:
    """Write one take's video and skeleton."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    video, skeleton = files(work.take, work.options)
    with atomic(work.out / video) as temporary:
        render.write_video(temporary, film(work.take, work.options))
    sensed = sense(work.take, work.options)
    ntu_skeleton.write(work.out / skeleton, np.zeros_like(sensed) if work.take == unusable(work.options) else sensed)


def _lists(plan: Mapping[str, list[Take]], options: Options) -> dict[str, str]:
    """The lists as UCF101 writes them: name -> text. Only the training list holds class numbers."""
    number = {label: position for position, label in enumerate(CLASSES[: options.actions], 1)}
    return {
        f"{LISTS}/classInd.txt": "".join(f"{position} {label}\n" for label, position in number.items()),
        f"{LISTS}/trainlist01.txt": "".join(f"{take.video} {number[take.label]}\n" for take in plan["train"]),
        f"{LISTS}/testlist01.txt": "".join(f"{take.video}\n" for take in plan["test"]),
    }


def _missing(options: Options) -> dict[str, str]:
    """The list of missing skeletons as NTU RGB+D has it, three lines of text first: name -> text."""
    take = unusable(options)
    assert take, "each set of the layout ntu60 has one"
    about = "One sample of this toy set has a skeleton that nobody is in, as 302 of NTU RGB+D have.\nLeave it out.\n\n"
    return {ntu60.EDITION.missing: f"{about}{take.sample}\n"}


def _prune(root: Path, keep: Collection[str]) -> None:
    """Remove the videos, skeletons and lists of earlier options, all that are not among `keep`, and folders left empty."""
    made = [f"{folder}/{name}" for folder in FOLDERS for name in listing.find(root / folder, (".avi", ".skeleton"))]
    made += [f"{LISTS}/{name}" for name in listing.find(root / LISTS, ("classind.txt", "list01.txt"))] + [ntu60.EDITION.missing]
    for path in (root / name for name in made if name not in keep):
        path.unlink(missing_ok=True)
        if path.parent != root and not any(path.parent.iterdir()):
            path.parent.rmdir()


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """Count the videos that the options ask for, the unusable take of the layout ntu60 included; None for a split that there is not."""
    settings = Options.of(options)
    train, test = (list(takes(settings, side)) for side in ("train", "test"))
    if split == 2 and settings.layout == "ntu60":
        both = [*train, *test]
        train = [take for take in both if take.camera in ntu60.CAMERAS]
        test = [take for take in both if take.camera not in ntu60.CAMERAS]
    elif split != 1:
        return None
    return Counts(len(train), len(test), settings.actions, settings.frames, settings.size, settings.size, render.FPS)


def check(root: Path) -> None:
    """Raise InputError where the lists are missing, or a video or skeleton that they, or for ntu60 its other half, name."""
    layout = "ntu60" if any((Path(root) / folder).is_dir() for folder in ntu_rgbd.FOLDERS) else "ucf101"
    for video in videos(root, 1, {"layout": layout}):
        for name in (video.path, video.skeleton):
            if not (Path(root) / name).is_file():
                raise InputError(f"{Path(root) / name}, named by {video.named_by or video.id}, is missing; make the toy set again")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos of a split with their skeletons: of split 1, the only one, as its lists name them; the group is the subject.

    With the layout ntu60 as that dataset has them: split 1 is by performer, 2 by camera, and the group is the performance.
    """
    if Options.of(options).layout == "ntu60":
        return ntu60.videos(root, split, {})
    if split != 1:
        raise InputError(f"dataset toy has no split {split!r}: give 1, or set its option layout: ntu60, which has 1 and 2")
    folder = listing.lists_folder(Path(root), {}, LISTS, "the toy set (the download step makes it)")
    named = [(video, _take(video)) for video in listing.listed(folder, split, below=FOLDER)]
    return [replace(video, skeleton=f"{SKELETONS}/{take.skeleton}", group=f"g{take.subject:02d}") for video, take in named]


def _take(video: Video) -> Take:
    """The take that a listed video is of."""
    take = Take.named(video.path.removeprefix(f"{FOLDER}/"))
    if take is None:
        raise InputError(f"{video.named_by} names {video.path}, which the toy set does not have; make it again")
    return take
