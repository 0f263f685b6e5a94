"""Decode videos with PyAV.

Headers are not trusted: some count a frame more than decodes (spec facts, Video), so frames are counted by decoding.
Rotation flags and pixel aspect ratios are ignored: pixels come out as they are stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videossl.errors import InputError

if TYPE_CHECKING:
    import av


def frames(path: str | Path, short_side: int | None = None, grey: bool = False) -> np.ndarray:
    """Decode all frames of a video.

    Args:
        path: the video.
        short_side: pixels of the shorter side after resizing (the aspect ratio is kept), or None to leave the size.
        grey: luminance only.

    Returns:
        (N, H, W, 3) uint8 RGB, or (N, H, W) uint8 grey.

    Raises:
        InputError: "PATH: REASON" where the video is absent, empty, unreadable or without pictures.
    """
    with _open(path) as container:
        size: tuple[int, int] | None = None
        pixels = []
        for frame in _decode(path, container):
            # A few files change their size midway: all frames take the size of the first.
            size = size or target_size(frame.width, frame.height, short_side)
            pixels.append(resize(frame.to_ndarray(format="gray" if grey else "rgb24"), size))
    return np.stack(pixels)


def probe(path: str | Path) -> tuple[int, float, int, int]:
    """(frames that decode, frames per second or 0 where unknown, width, height in pixels); errors as in `frames`."""
    with _open(path) as container:
        rate = container.streams.video[0].average_rate
        decoded = _decode(path, container)
        first = next(decoded)
        return 1 + sum(1 for _ in decoded), float(rate or 0), first.width, first.height


def target_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """(width, height) after resizing to `short_side` pixels; the longer side is rounded to a whole pixel."""
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    return round(width * scale), round(height * scale)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an (H, W[, 3]) uint8 image to (width, height): area averaging when it shrinks, bilinear when it grows."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    import cv2

    method = cv2.INTER_AREA if size[0] <= width and size[1] <= height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method))


@contextlib.contextmanager
def _open(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a container that has a video stream, or say in one line what is wrong with it."""
    import av

    try:
        if Path(path).stat().st_size == 0:
            raise InputError(f"{path}: empty: zero bytes")
        # One HMDB51 clip has metadata that is not UTF-8, and PyAV refuses it by default.
        container = av.open(str(path), metadata_errors="ignore")
    except FileNotFoundError as error:
        raise InputError(f"{path}: absent: no such file") from error
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: unreadable: {_text(error)}") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path}: audio only: no video stream")
        yield container


def _decode(path: str | Path, container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    """Yield the frames of the first video stream, at least one."""
    import av

    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1  # videos are decoded in parallel, not frames
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: unreadable: after {count} frames, {_text(error)}") from error
    if count == 0:
        raise InputError(f"{path}: empty: no frame decodes")


def _text(error: Exception) -> str:
    """What went wrong, without the path that PyAV repeats."""
    return getattr(error, "strerror", None) or str(error)
