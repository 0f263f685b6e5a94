"""RGB frames as the cache holds them: decoded and resized, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videossl.data import video
from videossl.data.index import Row
from videossl.errors import InputError


@dataclass(frozen=True)
class Frames:
    """Extracts (N, H, W, 3) uint8 RGB with a shorter side of `short_side` pixels (None: as it is)."""

    short_side: int | None

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The frames of one video."""
        return decode(row, root, self.short_side)

    def made_by(self) -> dict[str, Any]:
        """Name, versions and params, for the cache."""
        return {"name": "frames", "version": versions(), "params": {"short_side": self.short_side}}

    def attrs(self) -> dict[str, Any]:
        """Nothing more to know."""
        return {}


def decode(row: Row, root: Path, short_side: int | None, grey: bool = False) -> np.ndarray:
    """The frames of a video (data/video.py); an InputError where they are not as many as the index has."""
    frames = video.frames(root / row.path, short_side, grey)
    if len(frames) != row.frames:
        raise InputError(f"{row.id}: {len(frames)} frames decode, the index has {row.frames}; make the index again")
    return frames


def versions() -> str:
    """Versions of the libraries that decode and resize."""
    import av
    import cv2

    return f"av {av.__version__}, opencv {cv2.__version__}"
