"""The operations of `augment.video` on the CPU, frame by frame by OpenCV: a frame stays in the processor's cache from one to the next.

Views are those of whole batches (`augment.video`, GPU) to 1e-4 of their range. Only the CPU loads this module, and OpenCV with it.
"""

from __future__ import annotations

import cv2
import numpy as np

from videossl.augment.video import Crop, Level

cv2.setNumThreads(1)  # its threads would fight with those of neighbouring jobs, for frames that take microseconds


def resize(clip: np.ndarray, crop: Crop, into: np.ndarray) -> None:
    """Resize (bilinear) the crop of each frame of (T, H, W, C) uint8 into (T, S, S, C) float32, levels 0..255; not mirrored yet."""
    size = into.shape[1:3]
    for frame, place in zip(clip[:, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width], into, strict=True):
        cv2.resize(frame.astype(np.float32), size, dst=place, interpolation=cv2.INTER_LINEAR)


def fill(into: np.ndarray, seen: np.ndarray, crop: Crop) -> None:
    """Put a frame (S, S, C) into its place (C, S, S) in a view, mirrored where the crop is."""
    into[:] = (cv2.flip(seen, 1) if crop.flip else seen).transpose(2, 0, 1)


def colours(
    clip: np.ndarray,
    crop: Crop,
    direct: np.ndarray,
    pooled: np.ndarray,
    kernel: np.ndarray | None,
    normalise: tuple[Level, Level],
    frames: np.ndarray,
    into: np.ndarray,
) -> None:
    """Make one RGB view: cropped, recoloured, clamped to [0, 1], blurred and normalised.

    clip: (T, H, W, 3) uint8; direct, pooled: (3, 3), of `video.colour_maps`; kernel: (taps,) float32 of the blur, None for none; normalise:
    mean and deviation, of all colours or of each; frames: (T, S, S, 3) float32, room to work in; into: (3, T, S, S) float32, which it fills.
    """
    resize(clip, crop, frames)
    (mean, deviation), by_colour = normalise, None
    if not (isinstance(mean, (int, float)) and isinstance(deviation, (int, float))):
        mean, deviation, by_colour = 0.0, 1.0, normalise  # in the end, colour by colour
    offset = pooled @ cv2.mean(frames.reshape(-1, *frames.shape[2:]))[:3] / 255
    matrix = np.column_stack([direct / 255, offset - mean]) / deviation
    low, high = (np.float32((bound - mean) / deviation) for bound in (0, 1))
    for number, frame in enumerate(frames):  # one by one: which of a row's values are rounded how depends on where it begins
        cv2.transform(frame, matrix, dst=frame)
        frame.clip(low, high, out=frame)
        if kernel is not None:
            cv2.sepFilter2D(frame, -1, kernel, kernel, dst=frame, borderType=cv2.BORDER_REFLECT_101)
        fill(into[:, number], frame, crop)
    if by_colour:
        for plane, level, scale in zip(into, *(np.broadcast_to(level, 3) for level in by_colour), strict=True):
            plane -= np.float32(level)
            plane /= np.float32(scale)


def displacements(
    clip: np.ndarray, crop: Crop, factor: np.ndarray, bound: float, zero_mean: bool, frames: np.ndarray, into: np.ndarray
) -> None:
    """Make one view of quantised flow: cropped, scaled, clamped to +-bound, and less its mean if `zero_mean`.

    clip: (T, H, W, 2) uint8, 128 is no motion; factor: (2,), of a level of u and of v; frames: (T, S, S, 2) float32, room to work in; into:
    (2, T, S, S) float32, which it fills.
    """
    resize(clip, crop, frames)
    matrix, most = np.column_stack([np.diag(factor), -128 * factor]), np.float32(bound)
    for number, frame in enumerate(frames):
        cv2.transform(frame, matrix, dst=frame)
        frame.clip(-most, most, out=frame)
        if zero_mean:
            cv2.transform(frame, np.column_stack([np.eye(2), -np.array(cv2.mean(frame)[:2])]), dst=frame)
        fill(into[:, number], frame, crop)
