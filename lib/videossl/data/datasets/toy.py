"""The toy benchmark: short synthetic videos of twelve actions, laid out as UCF101, with skeletons as NTU RGB+D.

    {root}/UCF-101/{Class}/v_{Class}_g{subject}_c{repeat}.avi       24 frames of 64 x 64 at 30 a second
    {root}/ucfTrainTestlist/{classInd,trainlist01,testlist01}.txt   split by subject
    {root}/skeletons/S001C001P{subject}R{repeat}A{action}.skeleton  the same poses, seen by a sensor of its own

What varies and what does not, and how hard the set is, stands in docs/toy.md. Every draw comes from a generator named
by the seed and the video, so that a video's bytes do not depend on the others or on the number of processes.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videossl import seeding
from videossl.data import ntu
from videossl.data.datasets.base import Video
from videossl.data.toy import motions, render
from videossl.data.toy.figure import Floats, draw_body, forward_kinematics
from videossl.errors import InputError
from videossl.files import atomic

VIDEOS, LISTS, SKELETONS = "UCF-101", "ucfTrainTestlist", "skeletons"
CLASSES = tuple(motions.ACTIONS)
_NAME = re.compile(r"v_(?P<label>\w+)_g(?P<subject>\d+)_c(?P<repeat>\d+)\.avi")


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
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(options) - set(known)):
            raise InputError(f"toy dataset: unknown option {unknown[0]}; there are {', '.join(known)}")
        return cls(**options)


@dataclass(frozen=True)
class Take:
    """One video: who does what for which time. Subjects, repeats and actions count from 1."""

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
    def named(cls, video: str) -> Take:
        """The take of a video's path; ValueError when it is not one of the toy set."""
        found = _NAME.fullmatch(video.rpartition("/")[2])
        if not found or found["label"] not in CLASSES:
            raise ValueError(video)
        return cls(found["label"], int(found["subject"]), int(found["repeat"]))


def takes(options: Options, split: str) -> Iterator[Take]:
    """The videos of a split ("train" or "test"), by class, subject, repeat; no subject is in both."""
    first, count = (1, options.train_subjects) if split == "train" else (options.train_subjects + 1, options.test_subjects)
    for label in CLASSES[: options.actions]:
        for subject in range(first, first + count):
            for repeat in range(1, options.repeats + 1):
                yield Take(label, subject, repeat)


# ---------------------------------------------------------------------------------------------------------------------
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
    """How this video's figure holds itself and sways, whatever it does: (T, 25, 3) degrees to add to the angles."""
    held, sway = rng.normal(0, 4, (25, 3)), rng.normal(0, 2, (25, 3))
    cycles, start = rng.uniform(1 / 30, 1 / 12, (25, 3)), rng.uniform(0, 2 * np.pi, (25, 3))
    return np.asarray(held + sway * np.sin(2 * np.pi * cycles * time[:, None, None] + start))


def shake(frames: int, size: int, rng: np.random.Generator) -> Floats:
    """A hand-held camera: (frames, 2) pixels, two sinusoids an axis of 0.4-0.8 px (at 64) and 7-18 frames.

    Without it flow is zero outside the figure, and random features of flow already retrieve two thirds (spec, toy).
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
        _room(options.seed, options.size),
        options.size,
    )


@cache
def _room(seed: int, size: int) -> render.Picture:
    """The one room of all videos: with a room each, encoders of RGB learn rooms (spec, toy)."""
    return render.backdrop(seeding.numpy_rng(seed, "toy", "room"), size)


def sense(take: Take, options: Options) -> NDArray[np.float32]:
    """What the depth sensor makes of a take: (frames, 25, 3, 1) float32 metres in Kinect camera space.

    The sensor stands anywhere around the figure, not at the camera, and errs by 3 cm a joint, frame and axis: with
    easy views the untrained joints already retrieve 95 % (spec, toy).
    """
    rng = seeding.numpy_rng(options.seed, "toy", take.video, "sensor")
    joints = render.seen(
        pose(take, options), yaw=rng.uniform(-180, 180), elevation=rng.uniform(0, 10), distance=rng.uniform(2.6, 3.6)
    )
    joints[..., 0] += rng.uniform(-0.4, 0.4)
    return (joints + rng.normal(0, 0.03, joints.shape)).astype(np.float32)[..., None]


# ---------------------------------------------------------------------------------------------------------------------
# The set


def download(out: Path, options: dict[str, Any], processes: int) -> None:
    """Make the whole set in `out`, files of earlier options removed. The bytes do not depend on `processes`."""
    from tqdm import tqdm

    settings = Options.of(options)
    plan = {split: list(takes(settings, split)) for split in ("train", "test")}
    work = [(out, take, settings) for split in plan.values() for take in split]
    with tqdm(total=len(work), desc="toy", unit="video") as bar:
        for _ in _spread(work, processes):
            bar.update()
    lists = _lists(plan, settings)
    for name, text in lists.items():
        with atomic(out / LISTS / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _prune(out / VIDEOS, "*/v_*_g*_c*.avi", {take.video for _, take, _ in work})
    _prune(out / SKELETONS, "S*.skeleton", {take.skeleton for _, take, _ in work})


def _spread(work: list[tuple[Path, Take, Options]], processes: int) -> Iterator[None]:
    """Make the files of `work` in this process, or in several."""
    if processes <= 1:
        yield from map(_make, work)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy whatever threads and locks the caller holds
    with ProcessPoolExecutor(min(processes, len(work)), mp_context=context) as pool:
        yield from pool.map(_make, work, chunksize=8)


def _make(job: tuple[Path, Take, Options]) -> None:
    """Write one take's video and skeleton."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    out, take, options = job
    with atomic(out / VIDEOS / take.video) as temporary:
        render.write_video(temporary, film(take, options))
    with atomic(out / SKELETONS / take.skeleton) as temporary:
        ntu.write(temporary, sense(take, options))


def _lists(plan: Mapping[str, list[Take]], options: Options) -> dict[str, str]:
    """The three lists as UCF101 writes them: name -> text."""
    number = {label: position for position, label in enumerate(CLASSES[: options.actions], 1)}
    return {
        "classInd.txt": "".join(f"{position} {label}\n" for label, position in number.items()),
        "trainlist01.txt": "".join(f"{take.video} {number[take.label]}\n" for take in plan["train"]),
        "testlist01.txt": "".join(f"{take.video}\n" for take in plan["test"]),
    }


def _prune(folder: Path, pattern: str, keep: set[str]) -> None:
    """Remove videos or skeletons that another set of options left behind, and folders that this empties."""
    for path in list(folder.glob(pattern)):
        if path.relative_to(folder).as_posix() not in keep:
            path.unlink()
            if path.parent != folder and not any(path.parent.iterdir()):
                path.parent.rmdir()


def videos(root: Path, split: int | str, options: dict[str, Any]) -> list[Video]:
    """All videos that the lists of `root` name, in their order, with their skeletons. There is one split, 1."""
    Options.of(options)
    if int(split) != 1:
        raise InputError(f"toy dataset: split is {split}; there is only 1")
    found = []
    for part in ("train", "test"):
        name = f"{LISTS}/{part}list01.txt"
        for number, line in enumerate(_lines(root / name), 1):
            found.append(_video(line.split()[0], part, f"{name}:{number}"))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"toy dataset: cannot read {path}; make the set again with the download step") from error


def _video(video: str, split: str, named_by: str) -> Video:
    try:
        take = Take.named(video)
    except ValueError as error:
        raise InputError(f"toy dataset: {named_by} names {video}, which the toy set does not have; make it again") from error
    return Video(
        id=video.removesuffix(".avi"),
        path=f"{VIDEOS}/{video}",
        label=take.label,
        split=split,
        skeleton=f"{SKELETONS}/{take.skeleton}",
        named_by=named_by,
    )


def check(root: Path) -> None:
    """Every video and skeleton that the lists name is there; otherwise an InputError names the first that is not."""
    for video in videos(root, 1, {}):
        for name in (video.path, video.skeleton):
            if not (root / name).is_file():
                raise InputError(f"toy dataset: {root / name} is missing ({video.named_by}); make the set again")
