"""Flow as the 8-bit levels that the cache holds, and back (docs/data-contract.md)."""

from __future__ import annotations

import numpy as np

LEVELS = 127  # on either side of zero
ZERO = 128


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow in pixels -> uint8 in 1 to 255: round(clip(flow, -bound, bound) * 127 / bound) + 128; zero is 128."""
    clipped = np.clip(np.asarray(flow, np.float64), -bound, bound)
    return np.asarray(np.rint(clipped * (LEVELS / bound)) + ZERO, np.uint8)


def dequantise(values: np.ndarray, bound: float) -> np.ndarray:
    """The inverse, (values - 128) * bound / 127, float32 pixels; within half a level, bound / 254, of a flow in bounds."""
    return np.asarray((values.astype(np.float64) - ZERO) * (bound / LEVELS), np.float32)
