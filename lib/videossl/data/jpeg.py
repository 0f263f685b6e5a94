"""A video as JPEG files, one a time step, end to end in one array (docs/data-contract.md, The cache).

OpenCV encodes them, where videos are decoded anyway. OpenCV also decodes them where it is installed, else Pillow, which comes
with torchvision: 0.6 times as fast, the same pixels. (torchvision's own decoder is as fast as OpenCV's, and is to go.)
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

BLOCK = 16
"""Rows: the v of a flow starts at a multiple of this number, so that no block of the JPEG holds u and v."""


class Encoded(NamedTuple):
    """A video of N steps; step t is the JPEG file data[offsets[t]:offsets[t + 1]]."""

    data: np.ndarray  # (bytes,) uint8
    offsets: np.ndarray  # (N + 1,) int64
    step: tuple[int, ...]  # (H, W, C), C = 3 for RGB and 2 for flow

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C): of the video."""
        return len(self.offsets) - 1, *self.step


def encode(video: np.ndarray, quality: int) -> Encoded:
    """(N, H, W, 3) RGB or (N, H, W, 2) flow, uint8 -> JPEG of a quality from 1 to 100; colour at half the size (4:2:0)."""
    import cv2

    cv2.setNumThreads(1)  # videos are encoded in parallel, pixels are not
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    pictures = (_beneath(step) if video.shape[3] == 2 else cv2.cvtColor(step, cv2.COLOR_RGB2BGR) for step in video)
    files = [cv2.imencode(".jpg", picture, settings)[1].ravel() for picture in pictures]
    offsets = np.array([0, *accumulate(map(len, files))], np.int64)
    return Encoded(np.concatenate(files), offsets, video.shape[1:])


def decode(files: Sequence[np.ndarray], step: tuple[int, ...]) -> np.ndarray:
    """JPEG files, each (bytes,) uint8, of steps of shape (H, W, C) -> (N, H, W, C) uint8.

    A level of flow stays within 1 to 255, as it was (extract/flow.py). A file that is none, or of another size, is a
    ValueError.
    """
    height, width, channels = step
    start = _start_of_v(height)
    shape = (start + height, width) if channels == 2 else step
    decoder = _decoder()
    video = np.empty((len(files), *step), np.uint8)
    for target, file in zip(video, files, strict=True):
        try:
            picture = decoder(file, channels)
        except Exception as error:  # decoders have errors of their own
            raise ValueError(f"no JPEG file: {error}") from error
        if picture is None or picture.shape != shape:
            raise ValueError(f"no JPEG file of {shape[1]}x{shape[0]} pixels")
        if channels == 2:
            np.maximum(picture[:height], 1, out=target[..., 0])
            np.maximum(picture[start:], 1, out=target[..., 1])
        else:
            target[:] = picture
    return video


@cache
def _decoder() -> Callable[[np.ndarray, int], np.ndarray | None]:
    """(bytes,) uint8 and a step's channels -> (H, W, 3) RGB or, of flow, a grey (H, W)."""
    try:
        from cv2 import IMREAD_COLOR_RGB, IMREAD_GRAYSCALE, imdecode
    except ImportError:
        from PIL import Image

        return lambda file, channels: np.asarray(Image.open(io.BytesIO(file.tobytes())))
    return lambda file, channels: imdecode(file, IMREAD_GRAYSCALE if channels == 2 else IMREAD_COLOR_RGB)


def _beneath(flow: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) as one grey picture: u above v, the rows up to the start of v filled with u's last."""
    height = len(flow)
    above = np.pad(flow[..., 0], ((0, _start_of_v(height) - height), (0, 0)), mode="edge")
    return np.concatenate([above, flow[..., 1]])


def _start_of_v(height: int) -> int:
    return -(-height // BLOCK) * BLOCK
