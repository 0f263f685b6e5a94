"""Flow of a video as the pipeline makes it, quantised, as a ratio to OpenCV's calc alone on the same frames.

    python bench/flow.py [VIDEO]

Without a video: a texture that moves. Both in this process on one thread, in turn; the best of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from videossl.data import video
from videossl.extract import flow

PAIRS = 8


def frames(short_side: int) -> np.ndarray:
    """(PAIRS + 1, H, W) uint8."""
    if len(sys.argv) > 1:
        return video.frames(Path(sys.argv[1]), short_side, grey=True)[: PAIRS + 1]
    down, right = np.mgrid[:short_side, : short_side * 4 // 3].astype(float)
    return np.stack([np.uint8(128 + 60 * np.sin((right - t) / 5) * np.cos((down - t / 2) / 7)) for t in range(PAIRS + 1)])


def milliseconds(make: Callable[[], object]) -> float:
    """A pair, the best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        make()
        times.append(time.perf_counter() - start)
    return 1000 * min(times) / PAIRS


def main() -> None:
    """Print one line a backend and size."""
    cv2.setNumThreads(1)
    tvl1, dis = cv2.optflow.DualTVL1OpticalFlow_create(), cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    alone = {"tvl1-opencv": tvl1, "tvl1-torch": tvl1, "dis": dis}
    for short_side in (64, 128, 240):
        grey = frames(short_side)
        for backend, method in alone.items():

            def ours() -> list[np.ndarray]:
                return [flow.quantise(values, 20) for values in flow.compute(backend, {}, grey)]  # noqa: B023

            bare = milliseconds(lambda: [method.calc(now, following, None) for now, following in pairwise(grey)])  # noqa: B023
            whole = milliseconds(ours)
            size = f"{grey.shape[2]}x{grey.shape[1]}"
            print(
                f"{backend} {size}: {whole:.2f} ms a pair, cv2 calc alone {bare:.2f} ms; ratio {whole / bare:.2f}; {1000 / whole:.0f} pairs/s a core"
            )


if __name__ == "__main__":
    main()
