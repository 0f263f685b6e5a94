"""Skeletons as the cache holds them: parsed, nothing resampled, all frames kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from videossl.data import ntu
from videossl.data.index import Row
from videossl.errors import InputError


def joints(row: Row, root: str | Path) -> np.ndarray:
    """The skeleton of a video: (N, 25, 3, 2) float32, metres; a video without one is an InputError."""
    if not row.skeleton:
        raise InputError(
            f"{row.id} has no skeleton file: leave joint and motion out of the modalities, or add the file"
        )
    return ntu.parse(Path(root) / row.skeleton)


def extractor() -> dict[str, Any]:
    """What made the joints, for the cache."""
    return {"name": "ntu-skeleton", "version": "1", "params": {}}
