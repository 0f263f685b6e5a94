"""Flow of a video as the pipeline makes it, quantised, against OpenCV's calc alone on the same frames, on one thread.

python -m bench.flow
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import torch
from bench import rows
from bench.rows import Row, in_turn

from videossl.extract import flow

PAIRS = 8
FAST = {"warps": 2, "inner": 10, "outer": 5, "scales": 3}
SETTINGS = {"warps": "WarpingsNumber", "inner": "InnerIterations", "outer": "OuterIterations", "scales": "ScalesNumber"}


def frames(short_side: int, pairs: int) -> np.ndarray:
    """(pairs + 1, H, W) uint8: a noisy texture that moves."""
    down, right = np.mgrid[:short_side, : short_side * 4 // 3].astype(float)
    rng = np.random.default_rng(0)
    moved = (128 + 60 * np.sin((right - t) / 5) * np.cos((down - t / 2) / 7) for t in range(pairs + 1))
    return np.stack([np.clip(grey + rng.normal(0, 4, grey.shape), 0, 255).astype(np.uint8) for grey in moved])


def opencvs(backend: str, settings: dict[str, int]) -> cv2.DenseOpticalFlow:
    """The method of OpenCV that a backend stands for."""
    if backend == "dis":
        return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    for name, value in settings.items():
        getattr(method, f"set{SETTINGS[name]}")(value)
    return method


def table(tiny: bool) -> Iterator[Row]:
    """A row for each backend and size."""
    cv2.setNumThreads(1)
    pairs = 2 if tiny else PAIRS
    for short_side in (32,) if tiny else (64, 128):
        grey = frames(short_side, pairs)
        for backend, settings in (("tvl1-opencv", {}), ("tvl1-torch", {}), ("tvl1-torch", FAST), ("dis", {})):
            method = opencvs(backend, settings)
            ours, bare = in_turn(
                lambda: [flow.quantise(values, 20) for values in flow.compute(backend, settings, grey)],  # noqa: B023
                lambda: [method.calc(now, following, None) for now, following in pairwise(grey)],  # noqa: B023
                rounds=3,
            )
            what = f"{backend} {grey.shape[2]}x{grey.shape[1]}{', the demo' if settings else ''}"
            yield Row(what, 1000 * ours / pairs, "ms a pair", f"OpenCV {1000 * bare / pairs:.3g}", bare / ours)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows.main(__doc__ or "", {"flow": table})
