"""Joints of a video as the pipeline finds them, as a ratio to torchvision's detector frame by frame, as its documents call it.

    python bench/pose.py [SHORT_SIDE [VIDEO]]

Without a video: noise of 171x128. Weights are random, set so that the detector sees one person, as large as the picture, in each frame; on the
GPU if there is one, else on one thread. Both in this process, in turn; the best of two. A second video has each frame twice, as one of half
the rate. Where real weights see what falls short of the score, its keypoints are spared as well: that is not in these numbers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videossl.data import video
from videossl.extract import pose

FRAMES, BATCH, SCORE = 8, 8, 0.7


def detectors(short_side: int) -> tuple[Any, Any]:
    """Ours, and torchvision's with its own threshold; the same weights, by which every proposal is the whole picture, and a person."""
    torch.manual_seed(0)
    ours, theirs = pose.untrained(short_side, SCORE), pose.untrained(short_side, 0.05)
    state = ours.state_dict()
    state["rpn.head.bbox_pred.weight"].zero_()
    state["rpn.head.bbox_pred.bias"].copy_(torch.tensor([0.0, 0.0, 9.0, 9.0]).repeat(3))
    for name, bias in (("cls_score", [0.0, 3.0]), ("bbox_pred", [0.0] * 8)):
        state[f"roi_heads.box_predictor.{name}.weight"].zero_()
        state[f"roi_heads.box_predictor.{name}.bias"].copy_(torch.tensor(bias))
    theirs.load_state_dict(state)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return ours.to(device), theirs.to(device)


def one_by_one(detector: Any, pictures: np.ndarray) -> list[np.ndarray]:
    """People of each frame, frame by frame."""
    found = []
    device = next(detector.parameters()).device
    for picture in pictures:
        with torch.no_grad():
            (seen,) = detector([torch.from_numpy(picture).to(device).permute(2, 0, 1) / 255])
        found.append(seen["keypoints"][seen["scores"] >= SCORE][..., :2].cpu().numpy())
    return found


def seconds(make: Callable[[], object]) -> float:
    """A frame, the best of two."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        make()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times) / FRAMES


def main() -> None:
    """Print a line for each video."""
    torch.set_num_threads(1)
    short_side = int(sys.argv[1]) if len(sys.argv) > 1 else 800 if torch.cuda.is_available() else 128
    shown = np.random.default_rng(0).integers(0, 256, (FRAMES, 128, 171, 3), np.uint8)
    if len(sys.argv) > 2:
        shown = video.frames(Path(sys.argv[2]), short_side)[:FRAMES]
    ours, theirs = detectors(short_side)
    for name, pictures in (("as it is", shown), ("of half the rate", shown[np.arange(FRAMES) // 2])):
        baseline = seconds(lambda: one_by_one(theirs, pictures))  # noqa: B023
        whole = seconds(lambda: pose.detect(ours, pictures, BATCH, SCORE))  # noqa: B023
        print(
            f"short side {short_side}, {name}: {1000 * whole:.0f} ms a frame, {BATCH} at once; torchvision frame by frame "
            f"{1000 * baseline:.0f} ms; ratio {whole / baseline:.2f}"
        )


if __name__ == "__main__":
    main()
