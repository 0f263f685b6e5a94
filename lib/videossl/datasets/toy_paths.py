"""Eight paths: a patch of one toy video moves over another, and the path is the class. A probe of motion for encoders that never saw them.

The n-th video of a side has the same background and the same patch on all eight paths, so neither tells a path. Each path lies where
another one lies that is gone along the other way: places tell the pair, and only time tells which of the two (docs/toy.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from videossl import seeding
from videossl.data import listing, pool
from videossl.data.listing import Archive, Counts, Video
from videossl.data.toy import render
from videossl.datasets import toy
from videossl.errors import InputError
from videossl.files import atomic

NAME = "toy-paths"
LICENCE = "made by this project, under its licence"
CITATION = ""
LAYOUT = """\
<root>/videos/<path>/{train,test}_<number>.avi      24 frames of 64 x 64 at 30 a second
"""
ARCHIVES: tuple[Archive, ...] = ()  # `download` renders it
FOLDER = "videos"
FOLDERS = (FOLDER,)
SIDES = ("train", "test")

Curve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _circle(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 0.5 + 0.5 * np.cos(2 * np.pi * times), 0.5 + 0.5 * np.sin(2 * np.pi * times)


PATHS: dict[str, Curve] = {
    "right": lambda t: (t, 0 * t + 0.5),
    "left": lambda t: (1 - t, 0 * t + 0.5),
    "down": lambda t: (0 * t + 0.5, t),
    "up": lambda t: (0 * t + 0.5, 1 - t),
    "falling": lambda t: (t, t),
    "rising": lambda t: (1 - t, 1 - t),
    "clockwise": _circle,
    "anticlockwise": lambda t: _circle(1 - t),
}
"""x and y in 0..1 of the middle three fifths of the frame, by times in 0..1."""
PART = (0.2, 0.8)
"""The shares of the frame at which those begin and end."""
PATCH = (0.2, 0.5)
"""Between which a side of the patch is drawn, shares of the frame's."""


@dataclass(frozen=True)
class Options:
    """The parts of a set (params: the dataset's options)."""

    seed: int = 1
    train: int = 16
    test: int = 8
    frames: int = 24
    size: int = 64
    backgrounds: int = 100
    scenes: float = 0.0  # as of the toy set; scenery is of any action

    def __post_init__(self) -> None:
        least = {"seed": 0, "frames": 2, "size": 16}
        for name in (field.name for field in fields(self) if field.type == "int"):
            value, low = getattr(self, name), least.get(name, 1)
            if type(value) is not int or value < low:
                raise InputError(f"toy-paths dataset: {name} is {value!r}; give a whole number from {low}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """Options from params; an unknown one raises InputError."""
        listing.check_options(NAME, options)
        return cls(**options)


@dataclass(frozen=True)
class Work:
    """The input of a process that makes the videos of one number, on all paths."""

    out: Path
    side: str
    number: int
    options: Options


def place(path: str, side: str, number: int) -> str:
    """The place of a video below the root."""
    return f"{FOLDER}/{path}/{side}_{number:04d}.avi"


def films(side: str, number: int, options: Options) -> dict[str, np.ndarray]:
    """The videos of one number by path, (frames, size, size, 3) uint8: the same patch on the same background."""
    rng = seeding.numpy_rng(options.seed, NAME, side, number)
    rooms = toy.Options(seed=options.seed, frames=options.frames, size=options.size, backgrounds=options.backgrounds, scenes=options.scenes)
    subject = 2 * number + (0 if side == "train" else 1_000_000)  # nobody is on both sides
    under, over = (toy.film(toy.Take(str(rng.choice(toy.CLASSES)), subject + who, 1), rooms) for who in (1, 2))
    height, width = (round(float(share) * options.size) for share in rng.uniform(*PATCH, 2))
    top, left = (int(rng.integers(options.size - extent + 1)) for extent in (height, width))
    patch = over[int(rng.integers(options.frames)), top : top + height, left : left + width]
    shown = _shape(int(rng.integers(3)), height, width)
    low, high = (share * options.size for share in PART)
    found = {}
    for path, curve in PATHS.items():
        centres = low + (high - low) * np.stack(curve(np.linspace(0, 1, options.frames)), axis=1)
        found[path] = np.stack([_pasted(*frame, patch, shown) for frame in zip(under, centres, strict=True)])
    return found


def _shape(kind: int, height: int, width: int) -> np.ndarray:
    """The pixels (height, width) bool of a patch that are seen: a rectangle, an ellipse or a rhombus."""
    y, x = (np.abs((np.arange(extent) + 0.5) / extent - 0.5) for extent in (height, width))
    return [np.maximum(y[:, None], x), np.hypot(y[:, None], x), y[:, None] + x][kind] < 0.5


def _pasted(frame: np.ndarray, centre: np.ndarray, patch: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """A frame (size, size, 3) with the patch about `centre` (x, y), at whole pixels; what leaves the frame is cut."""
    (height, width), size = shown.shape, len(frame)
    left, top = np.rint(centre - [width / 2, height / 2]).astype(int)
    rows, columns = slice(max(0, -top), size - top), slice(max(0, -left), size - left)
    seen, result = shown[rows, columns], frame.copy()
    part = result[max(0, top) : max(0, top) + seen.shape[0], max(0, left) : max(0, left) + seen.shape[1]]
    part[seen] = patch[rows, columns][seen]
    return result


def make(work: Work) -> None:
    """Write the videos of one number."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    for path, frames in films(work.side, work.number, work.options).items():
        with atomic(work.out / place(path, work.side, work.number)) as temporary:
            render.write_video(temporary, frames)


def download(out: Path, options: Mapping[str, Any], processes: int) -> None:
    """Make the set in `out`, without files of earlier options; the bytes do not depend on `processes`."""
    from tqdm import tqdm

    settings = Options.of(options)
    work = [Work(Path(out), side, number, settings) for side in SIDES for number in range(getattr(settings, side))]
    for _ in tqdm(pool.ordered(make, work, processes), total=len(work), desc=NAME, unit="patch", mininterval=1, disable=None):
        pass
    keep = {place(path, job.side, job.number) for job in work for path in PATHS}
    for name in listing.find(Path(out) / FOLDER, (".avi",)):
        if f"{FOLDER}/{name}" not in keep:
            (Path(out) / FOLDER / name).unlink()


def check(root: Path) -> None:
    """Raise InputError where there is no folder of a path."""
    for path in PATHS:
        if not (Path(root) / FOLDER / path).is_dir():
            raise InputError(f"{Path(root) / FOLDER / path} is missing; the download step makes it")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos that are there, of split 1, the only one; the group is the number, which names patch and background."""
    Options.of(options)
    if split != 1:
        raise InputError(f"dataset {NAME} has no split {split!r}: give 1")
    found = []
    for name in listing.find(Path(root) / FOLDER, (".avi",)):
        path, _, file = name.partition("/")
        side, _, number = file.removesuffix(".avi").partition("_")
        if path not in PATHS or side not in SIDES or not number.isdigit():
            raise InputError(f"{Path(root) / FOLDER / name} is none of this set; take it away, or make the set again")
        found.append(Video(f"{path}/{side}_{number}", f"{FOLDER}/{name}", label=path, split=side, group=f"{side}_{number}"))
    return sorted(found, key=lambda video: video.id)


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """Count the videos that the options ask for; None for a split that there is not."""
    made = Options.of(options)
    if split != 1:
        return None
    return Counts(len(PATHS) * made.train, len(PATHS) * made.test, len(PATHS), made.frames, made.size, made.size, render.FPS)
