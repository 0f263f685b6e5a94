"""RGB frames, (T, H, W, 3) uint8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl.data import pictures as frames
from videossl.data.cache import Cache
from videossl.modalities.base import Picture, Strip, evenly

if TYPE_CHECKING:
    from videossl.augment.video import VideoAugment

CHANNELS = 3

load = frames.clip
span = frames.span


def check(cache: Cache, settings: Mapping[str, Any]) -> None:
    """Nothing to check: any frames will do."""


def augmentation(settings: Mapping[str, Any], attrs: Mapping[str, Any]) -> VideoAugment:
    """Crop, flip, colour and blur, the same for all frames of a clip."""
    from videossl.augment.video import VideoAugment

    augment = settings["augment"]
    return VideoAugment(
        "rgb",
        settings["clip"]["size"],
        tuple(augment["area"]),
        augment["flip"],
        jitter=tuple(augment["jitter"]),
        jitter_p=augment["jitter_p"],
        grey_p=augment["grey_p"],
        blur_p=augment["blur_p"],
        blur_sigma=tuple(augment["blur_sigma"]),
        normalise=tuple(augment["normalise"]),
    )


def input_shape(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape (3, T, S, S) of a sample."""
    return frames.input_shape(CHANNELS, settings)


def handmade(cache: Cache, video: str, settings: Mapping[str, Any]) -> np.ndarray:
    """The mean colour in 0..1 on an 8 x 8 grid, (192,)."""
    total = sum(block.sum(axis=0, dtype=np.float64) for block in frames.blocks(cache, video))
    return frames.grid_mean(total / cache.length(video) / 255)


def pictures(cache: Cache, video: str, count: int) -> Strip:
    """Frames as they are."""
    shown = evenly(cache.length(video), count)
    return Strip("frames", [Picture("png", cache.read(video, i, i + 1)[0], f"frame {i}") for i in shown])


def seen(view: np.ndarray, settings: Mapping[str, Any]) -> list[Picture]:
    """The frames of a view (3, T, S, S), in their colours again."""
    mean, deviation = (np.reshape(level, (-1, 1, 1, 1)) for level in settings["augment"]["normalise"])
    frames = (view.astype(np.float64) * deviation + mean).clip(0, 1) * 255
    return [
        Picture("png", frame.round().astype(np.uint8).transpose(1, 2, 0), f"frame {i} of the view")
        for i, frame in enumerate(frames.swapaxes(0, 1))
    ]


def thumbnail(cache: Cache, video: str) -> np.ndarray:
    """The frame in the middle, (H, W, 3) uint8."""
    middle = cache.length(video) // 2
    return np.asarray(cache.read(video, middle, middle + 1)[0])
