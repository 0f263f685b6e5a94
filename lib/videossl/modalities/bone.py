"""Bones, (3, T, V, 2) float32: the vector to each joint from its parent towards the graph's centre, where it is zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl.data import skeletons
from videossl.data.cache import Cache
from videossl.modalities.base import Strip
from videossl.skeleton_graphs import GRAPHS

if TYPE_CHECKING:
    from videossl.augment.skeleton import SkeletonAugment

check = skeletons.check
input_shape = skeletons.input_shape


def load(cache: Cache, video: str, settings: Mapping[str, Any], start: int) -> np.ndarray:
    """Read the whole sequence, resampled to T frames, as bones: (3, T, V, 2) float32; `start` does not matter."""
    return skeletons.clip(_bones(cache, video, settings, settings["clip"]["frames"]))


def _bones(cache: Cache, video: str, settings: Mapping[str, Any], frames: int) -> np.ndarray:
    return skeletons.bones(skeletons.sequence(cache, video, settings, frames), GRAPHS[skeletons.graph_name(settings)])


def span(settings: Mapping[str, Any]) -> None:
    """A clip is the whole video."""


def augmentation(settings: Mapping[str, Any], attrs: Mapping[str, Any]) -> SkeletonAugment:
    """A turn, shear and a crop in time."""
    from videossl.augment.skeleton import SkeletonAugment

    return SkeletonAugment(**settings["augment"])


def handmade(cache: Cache, video: str, settings: Mapping[str, Any]) -> np.ndarray:
    """The mean vector to each joint of each body from its parent, (3 V 2,)."""
    return skeletons.mean(_bones(cache, video, settings, cache.length(video)))


def pictures(cache: Cache, video: str, count: int) -> Strip:
    """None: the joints that they are made of are drawn."""
    return Strip("", [])
