"""The toy benchmark: short synthetic videos of twelve actions as in UCF101, with skeletons as in NTU RGB+D.

What varies and what does not, and how hard the set is, stands in docs/toy.md. Every draw comes from a
generator named by the seed and the video, so that a video's bytes do not depend on the others or on the
number of processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videossl import seeding
from videossl.data import ntu, pool
from videossl.data.datasets import base
from videossl.data.datasets.base import Archive, Counts, Video
from videossl.data.toy import motions, render
from videossl.data.toy.figure import Floats, draw_body, forward_kinematics
from videossl.errors import InputError
from videossl.files import atomic

NAME = "toy"
LICENCE = "made by this project, under its licence"
CITATION = ""
LAYOUT = """\
<root>/UCF-101/<Class>/v_<Class>_g<subject>_c<repeat>.avi       24 frames of 64 x 64 at 30 a second
<root>/ucfTrainTestlist/{classInd,trainlist01,testlist01}.txt   one split, by subject
<root>/skeletons/S001C001P<subject>R<repeat>A<action>.skeleton  the same poses, seen by a sensor of its own
"""
SOURCES: tuple[Archive, ...] = ()  # `download` renders it
FOLDER, LISTS, SKELETONS = "UCF-101", "ucfTrainTestlist", "skeletons"
FOLDERS = (FOLDER, SKELETONS)
CLASSES = tuple(motions.ACTIONS)
_VIDEO = re.compile(r"(?P<label>\w+)/v_(?P=label)_g(?P<subject>\d+)_c(?P<repeat>\d+)\.avi")


@dataclass(frozen=True)
class Options:
    """What a toy set is made of (params: the dataset's options)."""

    seed: int = 0  # another seed: other subjects, other views, another room
    actions: int = 12  # the first so many of the twelve
    train_subjects: int = 12
    test_subjects: int = 8
    repeats: int = 1  # videos of a subject and action
    frames: int = 24
    size: int = 64  # pixels a side
    backgrounds: int = 1  # textures of the room, of which each video draws one

    def __post_init__(self) -> None:
        least = {"seed": 0, "frames": 2, "size": 16}
        for field in fields(self):
            value, low = getattr(self, field.name), least.get(field.name, 1)
            if type(value) is not int or value < low:
                raise InputError(f"toy dataset: {field.name} is {value!r}; give a whole number from {low}")
        if self.actions > len(CLASSES):
            raise InputError(f"toy dataset: actions is {self.actions}; there are {len(CLASSES)}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """Options from params; an unknown one is an InputError."""
        base.check_options(NAME, options, [field.name for field in fields(cls)])
        return cls(**options)


@dataclass(frozen=True)
class Take:
    """One video: who does what and which of their repeats. Subjects, repeats and actions count from 1."""

    label: str
    subject: int
    repeat: int

    @property
    def video(self) -> str:
        """Path of the video relative to the folder of videos, as UCF101 names them."""
        return f"{self.label}/v_{self.label}_g{self.subject:02d}_c{self.repeat:02d}.avi"

    @property
    def skeleton(self) -> str:
        """File name of the skeleton, as NTU RGB+D names them."""
        return f"S001C001P{self.subject:03d}R{self.repeat:03d}A{CLASSES.index(self.label) + 1:03d}.skeleton"

    @classmethod
    def named(cls, video: str) -> Take | None:
        """The take whose video that is, None for a name that the toy set does not have."""
        found = _VIDEO.fullmatch(video)
        if not found or found["label"] not in CLASSES:
            return None
        return cls(found["label"], int(found["subject"]), int(found["repeat"]))


def takes(options: Options, split: str) -> Iterator[Take]:
    """The videos of a split ("train" or "test"), by class, subject, repeat; no subject is in both."""
    last = options.train_subjects
    subjects = range(1, last + 1) if split == "train" else range(last + 1, last + options.test_subjects + 1)
    for label in CLASSES[: options.actions]:
        for subject in subjects:
            for repeat in range(1, options.repeats + 1):
                yield Take(label, subject, repeat)


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
    """How a video's figure holds itself and sways whatever it does: (T, 25, 3) degrees to add."""
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
    return render.draw(
        pose(take, options),
        render.draw_camera(seeding.numpy_rng(options.seed, "toy", take.video, "camera")),
        shake(options.frames, options.size, seeding.numpy_rng(options.seed, "toy", take.video, "shake")),
        render.draw_clothes(seeding.numpy_rng(options.seed, "toy", take.subject, "clothes")),
        _room(options.seed, _background(take, options), options.size),
        options.size,
    )


def _background(take: Take, options: Options) -> int:
    """Which room a video is filmed in, from 0, whatever the action: with few videos, encoders of RGB learn rooms."""
    return int(seeding.numpy_rng(options.seed, "toy", take.video, "background").integers(options.backgrounds))


@lru_cache(maxsize=64)
def _room(seed: int, number: int, size: int) -> render.Picture:
    """Room `number` of a set; the first is the same in a set of one and of many."""
    return render.backdrop(seeding.numpy_rng(seed, "toy", "room", *([number] if number else [])), size)


def sense(take: Take, options: Options) -> NDArray[np.float32]:
    """What the depth sensor makes of a take: (frames, 25, 3, 1) float32 metres in Kinect camera space.

    The sensor stands anywhere around the figure, not at the camera, and errs by 3 cm a joint, frame and axis:
    with easy views the untrained joints already retrieve 95 %.
    """
    rng = seeding.numpy_rng(options.seed, "toy", take.video, "sensor")
    joints = render.seen(
        pose(take, options),
        yaw=rng.uniform(-180, 180),
        elevation=rng.uniform(0, 10),
        distance=rng.uniform(2.6, 3.6),
    )
    joints[..., 0] += rng.uniform(-0.4, 0.4)
    return (joints + rng.normal(0, 0.03, joints.shape)).astype(np.float32)[..., None]


# ------------------------------------------------------------------------------------------------------------
# The set


def download(out: Path, options: Mapping[str, Any], processes: int) -> None:
    """Make the set in `out`, without files of earlier options; the bytes do not depend on `processes`."""
    from tqdm import tqdm

    settings = Options.of(options)
    plan = {split: list(takes(settings, split)) for split in ("train", "test")}
    work = [Work(Path(out), take, settings) for split in plan.values() for take in split]
    done = pool.ordered(make, work, processes)
    for _ in tqdm(done, total=len(work), desc=NAME, unit="video", mininterval=1):
        pass
    for name, text in _lists(plan, settings).items():
        with atomic(Path(out) / LISTS / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _prune(Path(out) / FOLDER, (item.take.video for item in work))
    _prune(Path(out) / SKELETONS, (item.take.skeleton for item in work))


@dataclass(frozen=True)
class Work:
    """What a process needs to make one take's files."""

    out: Path
    take: Take
    options: Options


def make(work: Work) -> None:
    """Write one take's video and skeleton."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    with atomic(work.out / FOLDER / work.take.video) as temporary:
        render.write_video(temporary, film(work.take, work.options))
    ntu.write(work.out / SKELETONS / work.take.skeleton, sense(work.take, work.options))


def _lists(plan: Mapping[str, list[Take]], options: Options) -> dict[str, str]:
    """The lists as UCF101 writes them: name -> text. Only the training list holds class numbers."""
    number = {label: position for position, label in enumerate(CLASSES[: options.actions], 1)}
    return {
        "classInd.txt": "".join(f"{position} {label}\n" for label, position in number.items()),
        "trainlist01.txt": "".join(f"{take.video} {number[take.label]}\n" for take in plan["train"]),
        "testlist01.txt": "".join(f"{take.video}\n" for take in plan["test"]),
    }


def _prune(folder: Path, keep: Iterable[str]) -> None:
    """Remove the videos or skeletons in `folder` that are not among `keep`, and folders left empty."""
    kept = set(keep)
    for name in base.find(folder, (".avi", ".skeleton")):
        if name not in kept:
            (folder / name).unlink()
            if not any((folder / name).parent.iterdir()):
                (folder / name).parent.rmdir()


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """What the options ask for; None for another split than 1."""
    if split != 1:
        return None
    settings = Options.of(options)
    train, test = (sum(1 for _ in takes(settings, side)) for side in ("train", "test"))
    return Counts(train, test, settings.actions, settings.frames, settings.size, settings.size, render.FPS)


def check(root: Path) -> None:
    """Raise an InputError where the lists are missing, or a video or skeleton that they name."""
    for video in videos(root, 1, {}):
        for name in (video.path, video.skeleton):
            if not (Path(root) / name).is_file():
                raise InputError(f"{Path(root) / name}, named by {video.named_by}, is missing; make the toy set again")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos that the lists of split 1, the only one, name, with their skeletons. The group is the subject."""
    Options.of(options)
    if split != 1:
        raise InputError(f"dataset toy has no split {split!r}: give 1")
    folder = base.lists_folder(Path(root), {}, LISTS, "the toy set (the download step makes it)")
    named = [(video, _take(video)) for video in base.listed(folder, split, below=FOLDER)]
    return [replace(video, skeleton=f"{SKELETONS}/{take.skeleton}", group=f"g{take.subject:02d}") for video, take in named]


def _take(video: Video) -> Take:
    """The take that a listed video is of."""
    take = Take.named(video.path.removeprefix(f"{FOLDER}/"))
    if take is None:
        raise InputError(f"{video.named_by} names {video.path}, which the toy set does not have; make it again")
    return take
