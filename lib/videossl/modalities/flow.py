"""Optical flow from each frame to the next, (T, H, W, 2) uint8 levels: u to the right, v down (data/flow_levels.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl.data import flow_levels
from videossl.data import pictures as frames
from videossl.data.cache import Cache
from videossl.modalities.base import Picture, Strip, evenly

if TYPE_CHECKING:
    from videossl.augment.video import VideoAugment

CHANNELS = 2

load = frames.clip
span = frames.span


def check(cache: Cache, settings: Mapping[str, Any]) -> None:
    """Nothing to check: any flow will do."""


def augmentation(settings: Mapping[str, Any], attrs: Mapping[str, Any]) -> VideoAugment:
    """Crop and flip, the same for all steps of a clip, with the bound that the cache was quantised by."""
    from videossl.augment.video import VideoAugment

    augment = settings["augment"]
    return VideoAugment(
        "flow",
        settings["clip"]["size"],
        tuple(augment["area"]),
        augment["flip"],
        bound=float(attrs["bound"]),
        flow_scale=augment["scale"],
        zero_mean=augment.get("zero_mean", False),
    )


def input_shape(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape (2, T, S, S) of a sample."""
    return frames.input_shape(CHANNELS, settings)


def handmade(cache: Cache, video: str, settings: Mapping[str, Any]) -> np.ndarray:
    """The mean length of the flow, pixels a frame, on an 8 x 8 grid, (64,)."""
    steps, height, width, _ = cache.shape(video)
    total = np.zeros((height, width))
    for block in frames.blocks(cache, video):
        flow = (block.astype(np.float32) - flow_levels.ZERO) * (float(cache.attrs["bound"]) / flow_levels.LEVELS)
        for lengths in np.linalg.norm(flow, axis=-1):
            total += lengths  # one by one, so that the sum does not depend on the blocks
    return frames.grid_mean((total / steps)[..., None])


# Drawing.


def pictures(cache: Cache, video: str, count: int) -> Strip:
    """Flow as colours, from the frames that the strip of frames shows; from the last frame there is no flow, so the last is shown."""
    steps = cache.length(video)
    shown = evenly(steps + 1, count)
    read = [cache.read(video, step, step + 1)[0] for step in (min(i, steps - 1) for i in shown)]
    flow = flow_levels.dequantise(np.stack(read), float(cache.attrs["bound"]))
    limit = full_colour(flow)
    drawn = [Picture("png", colours(values, limit), f"flow at frame {i}") for i, values in zip(shown, flow, strict=True)]
    return Strip(f"flow, rim {limit:.1f} pixels a frame", drawn)


def seen(view: np.ndarray, settings: Mapping[str, Any]) -> list[Picture]:
    """The flow of a view (2, T, S, S) as colours, the fastest hundredth in full colour."""
    flow = view.transpose(1, 2, 3, 0)
    limit = full_colour(flow * settings["augment"].get("scale", 4.0)) / settings["augment"].get("scale", 4.0)
    return [Picture("png", colours(step, limit), f"flow at step {i} of the view") for i, step in enumerate(flow)]


def legend() -> Strip:
    """The wheel of colours."""
    text = (
        "Flow: the colour is the direction on the screen as on the wheel (red to the right, violet up), its strength the speed; white does"
        " not move. The rim is the speed stated with each sample."
    )
    return Strip(text, [Picture("png", wheel(), "Colour wheel of flow directions")])


def full_colour(flow: np.ndarray) -> float:
    """The speed (pixels a frame) to draw in full colour: the 99th percentile, at least 0.5.

    flow: (..., 2) float.
    """
    speed = np.linalg.norm(np.nan_to_num(flow.astype(np.float64)), axis=-1)
    return max(float(np.percentile(speed, 99)), 0.5) if speed.size else 0.5


def colours(flow: np.ndarray, limit: float) -> np.ndarray:
    """Flow (..., 2) float, u right and v down in pixels a frame, as colours (..., 3) uint8.

    Hue is the direction on the screen (red is right, then clockwise yellow-green down, cyan left, violet up),
    saturation the speed up to `limit`; no motion is white.
    """
    u, v = np.moveaxis(np.nan_to_num(flow.astype(np.float64)), -1, 0)
    saturation = np.clip(np.hypot(u, v) / limit, 0, 1)
    return _hsv_to_rgb(np.arctan2(v, u) / (2 * np.pi) % 1, saturation)


def _hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray) -> np.ndarray:
    """Colours (..., 3) uint8 of value 1; hue and saturation (...) in [0, 1]."""
    sector = (np.array([5, 3, 1]) + hue[..., None] * 6) % 6
    shade = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return np.asarray(np.round((1 - saturation[..., None] * shade) * 255), dtype=np.uint8)


def wheel(size: int = 96) -> np.ndarray:
    """The directions as `colours` draws them: (size, size, 4) uint8, the rim is `limit`, transparent outside."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    flow = np.stack(np.meshgrid(axis, axis), axis=-1)
    inside = np.linalg.norm(flow, axis=-1, keepdims=True) <= 1
    return np.concatenate([colours(flow, 1.0), np.where(inside, 255, 0).astype(np.uint8)], axis=-1)
