"""TV-L1 optical flow (Sanchez Perez, Meinhardt-Llopis, Facciolo, IPOL 2013) by OpenCV, and its 8-bit form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from videossl.errors import InputError

LEVELS = 127  # on either side of zero
ZERO = 128
SETTINGS = {
    "tau": "Tau",
    "lambda": "Lambda",
    "theta": "Theta",
    "nscales": "ScalesNumber",
    "warps": "WarpingsNumber",
    "epsilon": "Epsilon",
    "inner": "InnerIterations",
    "outer": "OuterIterations",
    "scale_step": "ScaleStep",
    "median": "MedianFiltering",
}
"""Our parameter -> the name in OpenCV's getters and setters (the names of its constructor's arguments vary)."""


def tvl1(frames_grey: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    """Flow between consecutive frames.

    Args:
        frames_grey: (N, H, W) uint8, N at least 2.
        params: any of `SETTINGS`; None or absent is OpenCV's default.

    Returns:
        (N - 1, H, W, 2) float32: u to the right and v down, pixels a frame, where each pixel of frame t lies in t + 1.
    """
    if frames_grey.ndim != 3 or len(frames_grey) < 2:
        raise InputError(
            f"flow needs at least two grey frames (N, H, W), not an array of shape {frames_grey.shape}"
        )
    method = _method(params)
    pairs = zip(frames_grey[:-1], frames_grey[1:], strict=True)
    return np.stack([method.calc(now, following, None) for now, following in pairs])


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow in pixels -> uint8 in 1 to 255: round(clip(flow, -bound, bound) * 127 / bound) + 128; zero is 128."""
    clipped = np.clip(np.asarray(flow, np.float64), -bound, bound)
    return (np.rint(clipped * (LEVELS / bound)) + ZERO).astype(np.uint8)


def dequantise(values: np.ndarray, bound: float) -> np.ndarray:
    """The inverse, (values - 128) * bound / 127, float32 pixels; within half a level (bound / 254) of a flow in bounds."""
    return ((values.astype(np.float64) - ZERO) * (bound / LEVELS)).astype(np.float32)


def extractor(params: Mapping[str, Any]) -> dict[str, Any]:
    """What made the flow, for the cache: OpenCV's version changes it, so it belongs there, as do defaults taken."""
    import cv2

    method = _method(params)
    used = {name: getattr(method, f"get{setting}")() for name, setting in SETTINGS.items()}
    return {"name": "tvl1", "version": f"opencv {cv2.__version__}", "params": used}


def _method(params: Mapping[str, Any]) -> Any:
    """OpenCV's TV-L1 with `params`."""
    import cv2

    if not hasattr(cv2, "optflow"):
        raise InputError(
            "this OpenCV has no TV-L1: install opencv-contrib-python-headless, and no other opencv package"
        )
    cv2.setNumThreads(1)  # videos are extracted in parallel, pixels are not
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    for name, value in params.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.0)[0]
            raise InputError(f"TV-L1 has no parameter {name!r}: did you mean {near!r}?")
        if value is not None:
            getattr(method, f"set{SETTINGS[name]}")(value)
    return method
