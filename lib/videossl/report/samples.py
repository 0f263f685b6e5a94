"""Pictures of what the encoders see: flow as colour, skeletons as lines, arrays as images inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from videossl import graphs

LEFT = {25: frozenset({4, 5, 6, 7, 12, 13, 14, 15, 21, 22}), 17: frozenset({1, 3, 5, 7, 9, 11, 13, 15})}
RIGHT = {25: frozenset({8, 9, 10, 11, 16, 17, 18, 19, 23, 24}), 17: frozenset({2, 4, 6, 8, 10, 12, 14, 16})}
HEAD = {25: 3, 17: 0}
"""The joints of either side, and the head or the nose, counted from 0, of the Kinect's 25 joints and of COCO's 17."""

SMALL = 96
"""Pictures are drawn about this many pixels wide at least."""


def flow_limit(flow: np.ndarray) -> float:
    """The speed (pixels a frame) to draw in full colour: the 99th percentile, at least 0.5.

    flow: (..., 2) float.
    """
    speed = np.linalg.norm(np.nan_to_num(flow.astype(np.float64)), axis=-1)
    return max(float(np.percentile(speed, 99)), 0.5) if speed.size else 0.5


def flow_to_rgb(flow: np.ndarray, limit: float) -> np.ndarray:
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


def flow_wheel(size: int = 96) -> np.ndarray:
    """The legend of `flow_to_rgb`: (size, size, 4) uint8, the rim is `limit`, transparent outside."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    flow = np.stack(np.meshgrid(axis, axis), axis=-1)
    inside = np.linalg.norm(flow, axis=-1, keepdims=True) <= 1
    return np.concatenate([flow_to_rgb(flow, 1.0), np.where(inside, 255, 0).astype(np.uint8)], axis=-1)


def png_uri(image: np.ndarray, width: int = 0) -> str:
    """A PNG of `image`, uint8 (h, w, 3 or 4), as a data URI; shrunk to `width` pixels if wider (0: not)."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    if width and picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=9)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def is_small(image: np.ndarray) -> bool:
    """Whether an image (h, w, channels) is drawn enlarged, so that its pixels should stay sharp."""
    return bool(image.shape[1] < SMALL)


def is_present(joints: np.ndarray) -> bool:
    """Whether a body is there: joints (..., V, 3) that are finite and not all zero."""
    return bool(np.isfinite(joints).all() and np.any(joints))


def skeleton_box(joints: np.ndarray) -> tuple[float, float, float]:
    """The square (left, bottom, side) around all bodies of joints (n, V, 3), in their unit, with a margin.

    One box for a whole sequence, so that the frames of it are drawn alike. Nobody there: the unit square.
    """
    bodies = [body for body in joints if is_present(body)]
    if not bodies:
        return 0.0, 0.0, 1.0
    points = np.concatenate(bodies)[:, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()) * 1.2, 0.1)
    left, bottom = (low + high) / 2 - side / 2
    return float(left), float(bottom), side


def skeleton_svg(joints: np.ndarray, box: tuple[float, float, float], label: str) -> Markup:
    """An SVG of one body, joints (V, 3) of a graph of 25 or 17, with x right and y up, seen along z in the square `box`.

    The classes left, right and middle tell the sides of the body apart; an absent body is said in words.
    """
    if not is_present(joints):
        return _svg(label, Markup('<text x="50" y="53" text-anchor="middle">no body</text>'))
    left, bottom, side = box
    x = (joints[:, 0].astype(np.float64) - left) / side * 100
    y = 100 - (joints[:, 1].astype(np.float64) - bottom) / side * 100
    lines = [_bone(a - 1, b - 1, x, y) for a, b in graphs.of(len(joints)).edges]
    top = HEAD[len(joints)]
    head = Markup('<circle class="middle" cx="{:.1f}" cy="{:.1f}" r="3.5"/>').format(x[top], y[top])
    return _svg(label, Markup("").join([*lines, head]))


def _bone(a: int, b: int, x: Any, y: Any) -> Markup:
    side = "left" if LEFT[len(x)] & {a, b} else "right" if RIGHT[len(x)] & {a, b} else "middle"
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(side, x[a], y[a], x[b], y[b])


def _svg(label: str, body: Markup) -> Markup:
    return Markup('<svg class="skeleton" viewBox="0 0 100 100" role="img" aria-label="{}">{}</svg>').format(label, body)


def evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` positions of range(count), evenly spaced, the first and the last included."""
    if count <= 0:
        return []
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())]


def strips(frames: np.ndarray, flow: np.ndarray | None, joints: np.ndarray | None, wanted: int, width: int = 160) -> dict[str, Any]:
    """At most `wanted` moments of a video as pictures of at most `width` pixels.

    frames: (n, h, w, 3) uint8; flow: (m, h, w, 2) float, m = n or n - 1; joints: (n, V, 3).
    Returns `shown` (positions), `frames` and `flow` (data URIs), `limit` (text, the speed in full colour) and
    `skeletons`.
    """
    given = [array for array in (frames, flow, joints) if array is not None and len(array)]
    shown = evenly(max(map(len, given), default=0), wanted)
    result: dict[str, Any] = {"shown": shown, "flow": [], "limit": "", "skeletons": []}
    result["frames"] = [png_uri(frames[i], width) for i in shown if i < len(frames)]
    if flow is not None and len(flow):
        limit = flow_limit(flow)
        result["flow"] = [png_uri(flow_to_rgb(flow[i], limit), width) for i in _within(shown, flow)]
        result["limit"] = f"{limit:.1f}"
    if joints is not None and len(joints):
        box = skeleton_box(joints)
        result["skeletons"] = [skeleton_svg(joints[i], box, f"skeleton, frame {i}") for i in _within(shown, joints)]
    return result


def _within(shown: Sequence[int], array: np.ndarray) -> list[int]:
    """`shown`, kept inside `array`: there is no flow from the last frame."""
    return [min(i, len(array) - 1) for i in shown]
