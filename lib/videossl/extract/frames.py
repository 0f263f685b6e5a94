"""RGB frames as the cache holds them: decoded, resampled in time and resized, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from videossl.data import video
from videossl.data.index import Row
from videossl.errors import InputError


class OfPictures(Protocol):
    """An extractor that makes a modality of any consecutive pictures, not only of a whole video.

    short_side, grey, fps: of the pictures, as `video.frames` takes them.
    """

    @property
    def short_side(self) -> int | None: ...
    @property
    def grey(self) -> bool: ...
    @property
    def fps(self) -> float | None: ...
    def of(self, pictures: Sequence[np.ndarray]) -> Sequence[np.ndarray] | np.ndarray: ...


@dataclass(frozen=True)
class Frames:
    """Extracts (N, H, W, 3) uint8 RGB.

    short_side: pixels of the shorter side, None: as it is; fps: frames a second, None: each video keeps its own.
    """

    short_side: int | None
    fps: float | None = None
    grey = False

    def of(self, pictures: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """The same of decoded pictures: they are what is extracted."""
        return pictures

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The frames of one video."""
        return decode(row, root, self.short_side, self.fps)

    def shape(self, row: Row) -> tuple[int, ...]:
        """(N, H, W, 3), by the index."""
        return *steps(row, self.short_side), 3

    def made_by(self) -> dict[str, Any]:
        """Name, versions and params, for the cache."""
        return {"name": "frames", "version": versions(), "params": {"short_side": self.short_side, "fps": self.fps}}

    def attrs(self) -> dict[str, Any]:
        """Nothing more to know."""
        return {}


def make(params: Mapping[str, Any]) -> Frames:
    """The extractor for a slice of params (modalities/rgb.yaml)."""
    return Frames(params["cache"]["short_side"], params["index"]["fps"])


def decode(row: Row, root: Path, short_side: int | None, fps: float | None = None, grey: bool = False) -> np.ndarray:
    """The frames of a video (data/video.py); raises InputError where they are not as many as the index has."""
    expected = steps(row, short_side)[0]
    frames = video.frames(root / row.path, short_side, grey, fps)
    _check_count(row, len(frames), expected)
    return frames


def each(row: Row, root: Path, short_side: int | None, fps: float | None = None) -> Iterator[np.ndarray]:
    """The same frames, of RGB, one by one; the InputError comes behind the last."""
    expected = steps(row, short_side)[0]
    count = 0
    for frame in video.each(root / row.path, short_side, fps):
        count += 1
        yield frame
    _check_count(row, count, expected)


def _check_count(row: Row, decoded: int, expected: int) -> None:
    if decoded != expected:
        raise InputError(f"{row.id}: {decoded} steps decode, the index has {expected}; make the index again (delete its file, run again)")


def steps(row: Row, short_side: int | None) -> tuple[int, int, int]:
    """(N, H, W) of a video's frames in the cache, by the index; raises InputError where it has a skeleton alone."""
    if not row.path:
        raise InputError(f"{row.id} has a skeleton and no video: take the streams that are made of videos out of the params")
    width, height = video.target_size(row.width, row.height, short_side)
    return row.steps, height, width


def versions() -> str:
    """Versions of the libraries that decode and resize."""
    import av
    import cv2

    return f"av {av.__version__}, opencv {cv2.__version__}"
