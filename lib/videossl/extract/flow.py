"""TV-L1 optical flow (Sanchez Perez, Meinhardt-Llopis, Facciolo, IPOL 2013) by OpenCV, and its 8-bit form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from videossl.data.index import Row
from videossl.errors import InputError
from videossl.extract import frames

LEVELS = 127  # on either side of zero
ZERO = 128
SETTINGS = {
    "tau": "Tau",
    "lambda": "Lambda",
    "theta": "Theta",
    "scales": "ScalesNumber",
    "scale_step": "ScaleStep",
    "warps": "WarpingsNumber",
    "epsilon": "Epsilon",
    "inner": "InnerIterations",
    "outer": "OuterIterations",
    "median": "MedianFiltering",
}
"""Our parameter -> the name in OpenCV's getters and setters."""


@dataclass(frozen=True)
class Flow:
    """Extracts (N - 1, H, W, 2) uint8 flow, quantised, of the frames at the size at which the cache holds them.

    short_side, bound: pixels; settings: of `tvl1`.
    """

    short_side: int | None
    bound: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The flow of one video."""
        if row.frames < 2:
            raise InputError(f"{row.id} has {row.frames} frame, flow needs two; set index.min_frames to 2 or more")
        return quantise(tvl1(frames.decode(row, root, self.short_side, grey=True), self.settings), self.bound)

    def made_by(self) -> dict[str, Any]:
        """Name, versions and params, for the cache."""
        made_by = extractor(self.settings)
        made_by["params"] |= {"short_side": self.short_side, "bound": self.bound}
        return made_by | {"version": frames.versions()}

    def attrs(self) -> dict[str, Any]:
        """What a reader needs to undo the quantisation; other tools truncate, so the rounding is said too."""
        return {"bound": float(self.bound), "zero": ZERO, "levels": LEVELS, "rounding": "to the nearest, ties to even"}


def tvl1(frames_grey: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    """Flow between consecutive frames.

    Args:
        frames_grey: (N, H, W) uint8, N at least 2.
        params: any of `SETTINGS`; None or absent is OpenCV's default.

    Returns:
        (N - 1, H, W, 2) float32, pixels a frame: what is at (x, y) in frame t is at (x + u, y + v) in frame t + 1.
    """
    if frames_grey.ndim != 3 or len(frames_grey) < 2:
        raise InputError(f"flow needs at least two grey frames (N, H, W), not an array of shape {frames_grey.shape}")
    method = _method(params)
    return np.stack([method.calc(now, following, None) for now, following in pairwise(frames_grey)])


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow in pixels -> uint8 in 1 to 255: round(clip(flow, -bound, bound) * 127 / bound) + 128; zero is 128."""
    clipped = np.clip(np.asarray(flow, np.float64), -bound, bound)
    return np.asarray(np.rint(clipped * (LEVELS / bound)) + ZERO, np.uint8)


def dequantise(values: np.ndarray, bound: float) -> np.ndarray:
    """The inverse, (values - 128) * bound / 127, float32 pixels; within half a level, bound / 254, of a flow in bounds."""
    return np.asarray((values.astype(np.float64) - ZERO) * (bound / LEVELS), np.float32)


def extractor(params: Mapping[str, Any]) -> dict[str, Any]:
    """What makes the flow: OpenCV's version, which changes it, and all of `SETTINGS`, the defaults included."""
    import cv2

    method = _method(params)
    settings = {name: getattr(method, f"get{setting}")() for name, setting in SETTINGS.items()}
    return {"name": "tvl1", "version": f"opencv {cv2.__version__}", "params": settings}


def _method(params: Mapping[str, Any]) -> Any:
    """OpenCV's TV-L1 with `params`."""
    import cv2

    optflow: Any = getattr(cv2, "optflow", None)
    if optflow is None:
        raise InputError("this OpenCV has no TV-L1: install opencv-contrib-python-headless, and no other opencv package")
    cv2.setNumThreads(1)  # videos are extracted in parallel, pixels are not
    method = optflow.DualTVL1OpticalFlow_create()
    for name, value in params.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.0)[0]
            raise InputError(f"TV-L1 has no setting {name!r}: did you mean {near!r}?")
        if value is not None:
            getattr(method, f"set{SETTINGS[name]}")(value)
    return method
