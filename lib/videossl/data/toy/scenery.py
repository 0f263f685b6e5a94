"""Scenery, drawn into the room behind the figure: a wall with a pattern in two colours, and a few things of one shape before it.

A kind of scenery is a pattern, fine or coarse, in a pair of opposite colours, and a shape. Each action has two walls of its own and two shapes,
so four kinds; each pair of colours is shared by four actions, each shape by two. Place, size, turn and which of the two colours is where are
drawn alike for all kinds, and the two colours of a wall average to the room's, so that mean colours say little of the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from videossl.data.toy.figure import Floats
from videossl.data.toy.render import Picture

Plane = Callable[[Floats, Floats], Floats]


def _bars(phase: Floats, share: float = 0.5) -> Floats:
    """Give 1 in the first part of each unit, else 0."""
    return np.asarray(phase % 1 < share, dtype=np.float64)


def _either(*planes: Floats) -> Floats:
    return np.asarray(np.maximum.reduce(planes))


def _within(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The place in the unit cell, from -1/2 to 1/2."""
    return x % 1 - 0.5, y % 1 - 0.5


def _both(one: Floats, other: Floats) -> Floats:
    """Give 1 where both are 1 or both are 0."""
    return np.asarray(one == other, dtype=np.float64)


# Patterns of period 1: coordinates (N, N) right and down -> 1 light, 0 dark.
PATTERNS: dict[str, Plane] = {
    "planks": lambda x, y: _bars(x),
    "blinds": lambda x, y: _bars(y),
    "slant": lambda x, y: _bars((x + y) * 0.7),
    "tiles": lambda x, y: _both(_bars(x * 0.7), _bars(y * 0.7)),
    "lozenges": lambda x, y: _both(_bars((x + y) * 0.5), _bars((x - y) * 0.5)),
    "dots": lambda x, y: _disc(*_within(x * 0.9, y * 0.9), 0.36),
    "rings": lambda x, y: _bars(np.hypot(x, y)),
    "zigzag": lambda x, y: _bars(y + 2 * np.abs(x / 2 % 1 - 0.5)),
    "bricks": lambda x, y: _either(_bars(y, 0.3), _bars(x / 2 + np.floor(y) / 2, 0.15)),
    "waves": lambda x, y: _bars(x + 0.4 * np.sin(np.pi * y)),
    "scales": lambda x, y: _bars(np.hypot((x + np.floor(y) / 2) % 1 - 0.5, y % 1) * 2),
    "crosses": lambda x, y: _cross(*_within(x * 0.8, y * 0.8)),
}


def _disc(x: Floats, y: Floats, radius: float) -> Floats:
    return np.asarray(np.hypot(x, y) < radius, dtype=np.float64)


def _box(x: Floats, y: Floats, wide: float, high: float) -> Floats:
    return np.asarray((np.abs(x) < wide / 2) & (np.abs(y) < high / 2), dtype=np.float64)


def _cross(x: Floats, y: Floats) -> Floats:
    return _either(_box(x, y, 0.9, 0.28), _box(x, y, 0.28, 0.9))


# Shapes of size 1 about the origin: coordinates as above -> 1 inside, else 0.
SHAPES: dict[str, Plane] = {
    "ball": lambda x, y: _disc(x, y, 0.45),
    "hoop": lambda x, y: _disc(x, y, 0.5) - _disc(x, y, 0.34),
    "box": lambda x, y: _box(x, y, 0.85, 0.85),
    "frame": lambda x, y: _box(x, y, 0.95, 0.95) - _box(x, y, 0.6, 0.6),
    "cone": lambda x, y: _box(x, y, 1, 1) * (2 * np.abs(x) < y + 0.5),
    "cross": _cross,
    "post": lambda x, y: _box(x, y, 0.22, 1.6),
    "beam": lambda x, y: _box(x, y, 1.6, 0.22),
    "ladder": lambda x, y: _either(_box(np.abs(x) - 0.3, y, 0.14, 1.4), _box(x, y, 0.6, 1.4) * _bars(y * 3, 0.4)),
    "barbell": lambda x, y: _either(_box(x, y, 1.2, 0.14), _disc(np.abs(x) - 0.5, y, 0.26)),
    "bench": lambda x, y: _either(_box(x, y + 0.2, 1.4, 0.2), _box(np.abs(x) - 0.5, y - 0.1, 0.16, 0.7)),
    "arch": lambda x, y: _either(_disc(x, y, 0.5) * (y < 0), _box(x, y - 0.25, 1, 0.5)) - _box(x, y - 0.15, 0.5, 0.7),
}
FINE, COARSE = 0.1, 0.2
"""Periods of patterns, as shares of the picture's side."""

PAIRS = 6
"""Pairs of opposite colours: a turn of the circle of hues by 180 degrees over this each."""

LIGHT = 2.8
"""Times that a room with scenery is as light as a bare one."""

CONTRAST = 98.0
"""Levels that the two colours lie from the room's, in RGB."""


class Kind(NamedTuple):
    """A kind of scenery: a pattern, its period, the pair of its colours in 0..PAIRS-1, and a shape."""

    pattern: str
    period: float
    pair: int
    shape: str


def kinds(action: int) -> list[Kind]:
    """The four kinds that go with the action of that number in 0..11; no two actions share one."""
    patterns, shapes, far = list(PATTERNS), list(SHAPES), (action + 5) % 12
    return [
        Kind(pattern, period, pair, shape)
        for pattern, period, pair in ((patterns[action], FINE, action % PAIRS), (patterns[far], COARSE, (far + 3) % PAIRS))
        for shape in (shapes[action], shapes[(action + 7) % 12])
    ]


def furnished(room: Picture, kind: Kind, rng: np.random.Generator) -> Picture:
    """`room` (M, M, 3) with scenery of that kind at random places."""
    y, x = (np.mgrid[: len(room), : len(room)] + 0.5) / len(room) - 0.5
    colour = _colour(kind, rng)
    light = _wall(x, y, kind, rng)[..., None] * colour
    for _ in range(int(rng.integers(3, 6))):
        light = np.where(_thing(x, y, SHAPES[kind.shape], rng)[..., None] > 0, 2 * rng.choice([-1.0, 1.0]) * colour, light)
    return np.asarray(np.clip(LIGHT * room + light, 0, 255).astype(np.uint8))


def _wall(x: Floats, y: Floats, kind: Kind, rng: np.random.Generator) -> Floats:
    """Light and dark parts of a wall, two apart and 0 on average."""
    x, y = _placed(x, y, rng, away=0.15)
    start, period = rng.uniform(-1, 1, 2), kind.period * rng.uniform(0.88, 1.14)
    lit = PATTERNS[kind.pattern](x / period + start[0], y / period + start[1])
    return np.asarray(2 * (lit - lit.mean()))


def _thing(x: Floats, y: Floats, shape: Plane, rng: np.random.Generator) -> Floats:
    x, y = _placed(x, y, rng, away=0.4)
    size = rng.uniform(0.13, 0.19)
    return shape(x / size, y / size)


def _placed(x: Floats, y: Floats, rng: np.random.Generator, away: float) -> tuple[Floats, Floats]:
    """The coordinates of what stands off the middle by up to `away`, and is turned by up to 12 degrees."""
    right, down = rng.uniform(-away, away, 2)
    turn = np.radians(rng.uniform(-12, 12))
    x, y = x - right, y - down
    return x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)


def _colour(kind: Kind, rng: np.random.Generator) -> Floats:
    """Levels of red, green and blue, (3,), from the room's colour to one of the two colours; the other is the opposite."""
    hue = np.pi * kind.pair / PAIRS + rng.normal(0, 0.05)
    away = np.cos(hue) * np.array([1, -1, 0]) / np.sqrt(2) + np.sin(hue) * np.array([1, 1, -2]) / np.sqrt(6)
    return np.asarray(rng.choice([-1.0, 1.0]) * CONTRAST * away)
