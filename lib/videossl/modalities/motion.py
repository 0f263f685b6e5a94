"""Motion of joints, (3, T, V, 2) float32: the change of each joint to the next frame, zero at the end (docs/methods/modalities.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl.data import skeletons
from videossl.data.cache import Cache
from videossl.modalities.base import Strip

if TYPE_CHECKING:
    from videossl.augment.skeleton import SkeletonAugment

check = skeletons.check
input_shape = skeletons.input_shape


def load(cache: Cache, video: str, settings: Mapping[str, Any], start: int) -> np.ndarray:
    """Read the whole sequence, resampled to T frames, and take differences: (3, T, V, 2) float32; `start` does not matter."""
    return skeletons.clip(_motion(cache, video, settings, settings["clip"]["frames"]))


def _motion(cache: Cache, video: str, settings: Mapping[str, Any], frames: int) -> np.ndarray:
    return skeletons.difference(skeletons.sequence(cache, video, settings, frames))


def span(settings: Mapping[str, Any]) -> None:
    """A clip is the whole video."""


def augmentation(settings: Mapping[str, Any], attrs: Mapping[str, Any]) -> SkeletonAugment:
    """A turn, shear and a crop in time."""
    from videossl.augment.skeleton import SkeletonAugment

    return SkeletonAugment(**settings["augment"])


def handmade(cache: Cache, video: str, settings: Mapping[str, Any]) -> np.ndarray:
    """The mean |change to the next frame| of each joint of each body, (3 V 2,)."""
    return skeletons.mean(np.abs(_motion(cache, video, settings, cache.length(video))))


def pictures(cache: Cache, video: str, count: int) -> Strip:
    """None: the joints that it is made of are drawn."""
    return Strip("", [])
