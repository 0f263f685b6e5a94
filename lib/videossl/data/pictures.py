"""Clips of modalities whose steps are pictures, and what is made of them. Plain arrays.

N steps of the cache, T of a clip; a picture is (H, W, C) uint8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from videossl.data import clips
from videossl.data.cache import Cache

BLOCK = 1 << 22  # bytes of a video that are read at a time
GRID = 8  # cells a side of the grid that pictures are averaged on


def span(settings: Mapping[str, Any]) -> int:
    """Steps of the cache that a clip covers."""
    return clips.span(settings["clip"]["frames"], settings["clip"]["stride"])


def clip(cache: Cache, video: str, settings: Mapping[str, Any], start: int) -> np.ndarray:
    """Read the clip from step `start`: (T, H, W, C) uint8, steps `stride` apart."""
    return cache.read(video, start, start + span(settings), settings["clip"]["stride"])


def blocks(cache: Cache, video: str) -> Iterator[np.ndarray]:
    """Read a whole video some steps at a time, for its size may be more than memory: (n, H, W, C) uint8 of at most BLOCK bytes, or one step."""
    count, *step = cache.shape(video)
    size = max(1, BLOCK // math.prod(step))
    for start in range(0, count, size):
        yield cache.read(video, start, min(start + size, count))


def input_shape(channels: int, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape (C, T, S, S) of a clip after its augmentation."""
    size = settings["clip"]["size"]
    return channels, settings["clip"]["frames"], size, size


def grid_mean(image: np.ndarray) -> np.ndarray:
    """Mean of (H, W, C) float over the cells of an 8 x 8 grid: flat (64 C,), cell by cell from the top left."""
    import torch
    import torch.nn.functional as F

    cells = F.adaptive_avg_pool2d(torch.from_numpy(image).permute(2, 0, 1), GRID)
    return cells.permute(1, 2, 0).reshape(-1).numpy()
