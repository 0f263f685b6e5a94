"""The operations of `augment.video` on the CPU, frame by frame by OpenCV: a frame stays in the processor's cache from one to the next.

Views are those of whole batches (`augment.video`, GPU) to 1e-4 of their range. Only the CPU loads this module, and OpenCV with it.
"""

from __future__ import annotations

import cv2
import numpy as np

from videossl.augment.video import Crop

cv2.setNumThreads(1)  # its threads would fight with those of neighbouring jobs, for frames that take microseconds


def resized(frame: np.ndarray, crop: Crop, size: int) -> np.ndarray:
    """The crop of a frame (H, W, C) uint8, resized (bilinear): (size, size, C) float32, levels 0..255; not mirrored yet."""
    seen = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width].astype(np.float32)
    return cv2.resize(seen, (size, size), interpolation=cv2.INTER_LINEAR)


def fill(into: np.ndarray, seen: np.ndarray, crop: Crop) -> None:
    """Put a frame (S, S, C) into its place (C, S, S) in a view, mirrored where the crop is."""
    into[:] = (seen[:, ::-1] if crop.flip else seen).transpose(2, 0, 1)


def colours(
    clip: np.ndarray,
    crop: Crop,
    direct: np.ndarray,
    pooled: np.ndarray,
    kernel: np.ndarray | None,
    normalise: tuple[float, float],
    into: np.ndarray,
) -> None:
    """Make one RGB view: cropped, recoloured, clamped to [0, 1], blurred and normalised.

    clip: (T, H, W, 3) uint8; direct, pooled: (3, 3), of `video.colour_maps`; kernel: (taps,) float32 of the blur, None for none; normalise:
    mean and deviation; into: (3, T, S, S) float32, which it fills.
    """
    frames = [resized(frame, crop, into.shape[-1]) for frame in clip]
    mean, deviation = normalise
    offset = pooled @ np.mean([cv2.mean(frame)[:3] for frame in frames], axis=0) / 255
    matrix = np.column_stack([direct / 255, offset - mean]) / deviation
    low, high = (np.float32((bound - mean) / deviation) for bound in (0, 1))
    for number, frame in enumerate(frames):
        seen = np.clip(cv2.transform(frame, matrix), low, high)
        if kernel is not None:
            seen = cv2.sepFilter2D(seen, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
        fill(into[:, number], seen, crop)


def displacements(clip: np.ndarray, crop: Crop, factor: np.ndarray, bound: float, zero_mean: bool, into: np.ndarray) -> None:
    """Make one view of quantised flow: cropped, scaled, clamped to +-bound, and less its mean if `zero_mean`.

    clip: (T, H, W, 2) uint8, 128 is no motion; factor: (2,), of a level of u and of v; into: (2, T, S, S) float32, which it fills.
    """
    matrix = np.column_stack([np.diag(factor), -128 * factor])
    for number, frame in enumerate(clip):
        seen = np.clip(cv2.transform(resized(frame, crop, into.shape[-1]), matrix), np.float32(-bound), np.float32(bound))
        if zero_mean:
            seen = cv2.transform(seen, np.column_stack([np.eye(2), -np.array(cv2.mean(seen)[:2])]))
        fill(into[:, number], seen, crop)
