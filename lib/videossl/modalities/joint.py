"""Joints of two bodies, (3, T, V, 2) float32 in the unit of the cache: a whole sequence, relative to its graph's origin."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl import skeleton_graphs
from videossl.data import skeletons
from videossl.data.cache import Cache
from videossl.modalities.base import Picture, Strip, evenly

if TYPE_CHECKING:
    from videossl.augment.skeleton import SkeletonAugment

check = skeletons.check
input_shape = skeletons.input_shape


def load(cache: Cache, video: str, settings: Mapping[str, Any], start: int) -> np.ndarray:
    """Read the whole sequence, resampled to T frames: (3, T, V, 2) float32; `start` does not matter (docs/methods/modalities.md)."""
    return skeletons.clip(_joints(cache, video, settings, settings["clip"]["frames"]))


def _joints(cache: Cache, video: str, settings: Mapping[str, Any], frames: int) -> np.ndarray:
    return skeletons.sequence(cache, video, settings, frames)


def span(settings: Mapping[str, Any]) -> None:
    """A clip is the whole video."""


def augmentation(settings: Mapping[str, Any], attrs: Mapping[str, Any]) -> SkeletonAugment:
    """A turn, shear and a crop in time."""
    from videossl.augment.skeleton import SkeletonAugment

    return SkeletonAugment(**settings["augment"])


def handmade(cache: Cache, video: str, settings: Mapping[str, Any]) -> np.ndarray:
    """The mean position of each joint of each body, (3 V 2,)."""
    return skeletons.mean(_joints(cache, video, settings, cache.length(video)))


# Drawing.

LEFT = {
    25: frozenset({4, 5, 6, 7, 12, 13, 14, 15, 21, 22}),
    20: frozenset({0, 4, 7, 9, 11, 13, 15, 17}),
    17: frozenset({1, 3, 5, 7, 9, 11, 13, 15}),
}
RIGHT = {
    25: frozenset({8, 9, 10, 11, 16, 17, 18, 19, 23, 24}),
    20: frozenset({1, 5, 8, 10, 12, 14, 16, 18}),
    17: frozenset({2, 4, 6, 8, 10, 12, 14, 16}),
}
HEAD = {25: 3, 20: 19, 17: 0}
"""The joints of either side, and the head or the nose, counted from 0, of Kinect v2's 25 joints, v1's 20 and COCO's 17."""


def pictures(cache: Cache, video: str, count: int) -> Strip:
    """The first body as lines, seen along z, at one scale for the whole video."""
    joints = _first_body(cache, video)
    around = square(joints)
    drawn = [(f"skeleton, frame {i}", joints[i]) for i in evenly(len(joints), count)]
    return Strip("skeleton", [Picture("svg", svg(pose, around, label), label) for label, pose in drawn])


def seen(view: np.ndarray, settings: Mapping[str, Any]) -> list[Picture]:
    """The first body of a view (3, T, V, 2) as lines."""
    joints = view[..., 0].transpose(1, 2, 0)
    around = square(joints)
    return [
        Picture("svg", svg(pose, around, label), label) for i, pose in enumerate(joints) for label in [f"skeleton, step {i} of the view"]
    ]


def thumbnail(cache: Cache, video: str) -> str:
    """The first body in the middle of the frames that it is in, as an SVG."""
    joints = _first_body(cache, video)
    there = [frame for frame, pose in enumerate(joints) if is_present(pose)] or [0]
    return svg(joints[there[len(there) // 2]], square(joints), "skeleton")


def _first_body(cache: Cache, video: str) -> np.ndarray:
    """(N, V, 3) of the first body of a whole video, relative to its middle."""
    body = cache.read(video, 0, cache.length(video))[..., :1]
    return skeletons.centred(body, skeleton_graphs.of(body.shape[1]))[..., 0]


def legend() -> Strip:
    """The legend of the colours."""
    left, right = ('<span style="color:var(--s{})">{}</span>'.format(*side) for side in ((0, "left"), (1, "right")))
    return Strip(f"Skeleton, seen along z: {left} and {right} limbs, spine and head in between.", [])


def is_present(joints: np.ndarray) -> bool:
    """True where a body is there: joints (..., V, 3) that are finite and not all zero."""
    return bool(np.isfinite(joints).all() and np.any(joints))


def square(joints: np.ndarray) -> tuple[float, float, float]:
    """The square (left, bottom, side) around all bodies of joints (n, V, 3), in their unit, with a margin.

    One square serves a whole sequence, so that its frames are drawn alike. Without a body it is the unit square.
    """
    bodies = [body for body in joints if is_present(body)]
    if not bodies:
        return 0.0, 0.0, 1.0
    points = np.concatenate(bodies)[:, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()) * 1.2, 0.1)
    left, bottom = (low + high) / 2 - side / 2
    return float(left), float(bottom), side


def svg(joints: np.ndarray, around: tuple[float, float, float], label: str) -> str:
    """An SVG of one body, joints (V, 3) of a graph, with x right and y up, seen along z in the square `around`.

    The classes left, right and middle tell the sides of the body apart; an absent body is said in words.
    """
    if not is_present(joints):
        return _element(label, '<text x="50" y="53" text-anchor="middle">no body</text>')
    left, bottom, side = around
    x = (joints[:, 0].astype(np.float64) - left) / side * 100
    y = 100 - (joints[:, 1].astype(np.float64) - bottom) / side * 100
    lines = [_bone(a - 1, b - 1, x, y) for a, b in skeleton_graphs.of(len(joints)).edges]
    top = HEAD[len(joints)]
    return _element(label, "".join([*lines, f'<circle class="middle" cx="{x[top]:.1f}" cy="{y[top]:.1f}" r="3.5"/>']))


def _bone(a: int, b: int, x: np.ndarray, y: np.ndarray) -> str:
    side = "left" if LEFT[len(x)] & {a, b} else "right" if RIGHT[len(x)] & {a, b} else "middle"
    return f'<line class="{side}" x1="{x[a]:.1f}" y1="{y[a]:.1f}" x2="{x[b]:.1f}" y2="{y[b]:.1f}"/>'


def _element(label: str, body: str) -> str:
    return f'<svg class="skeleton" viewBox="0 0 100 100" role="img" aria-label="{escape(label)}">{body}</svg>'
