"""Synthetic tubelets: what is drawn of patches of one clip that move through two clips along the same path, so that motion alone makes those a
positive pair. `augment.pasting` puts them on clips.

Source: Thoker, Doughty, Snoek, *Tubelet-Contrastive Self-Supervision for Video-Efficient Generalization* (ICCV 2023), in the thesis section 5.3;
S in parentheses are its sections and equations, (code) what only the authors' code says. Shapes:

    M tubelets a clip, T frames, S the side of a frame (px), K keyframes, N points

Draws are made on the host, of one sample's own generator, in a fixed order. Places are in px with x to the right and y down: pixel i covers
[i, i + 1). Lengths are those of a side of 112 px, and scale with S.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np

from videossl.errors import InputError

SIDE = 112
"""The side of a frame, px, that the lengths below are of."""
PATCH = (16, 64)
"""Height and width of a patch, drawn evenly and apart (5.3.2)."""
STEP = (40, 80)
"""The furthest that a linear path moves between two keyframes, along each axis, drawn for each gap (5.3.3)."""
EXTENT = (20, 89)
"""The extent of a non-linear path along each axis (code)."""
POINTS, SIGMA, REACH = 48, 8.0, 32
"""Points of a non-linear path, and the Gaussian that smooths them, in points, with the end of its kernel (eq. 5.6)."""
SHAPES = ("rectangle", "ellipse", "rhombus")
SHARES = (0.5, 0.35, 0.15)
"""Shapes of masks, and how often each is taken (code)."""
SOFT = (0.30, 0.45)
"""The distance from the centre, in sides, at which a soft edge begins; half of the masks have one (code)."""
OPACITY = (0.8, 1.0)
"""Between what the opacity at a keyframe is drawn (code)."""
KEYFRAMES = 3
"""K, of each path, transformation and opacity (5.3.3)."""
MOTIONS = ("none", "linear", "non-linear", "crops")
"""Kinds of path (5.3.3); "crops" are the randomly scaled crops of table C.7, whose centre and scale are drawn anew in each frame."""
LIMITS = {"scale": (0.5, 1.5), "shear": (-1.5, 1.5), "rotation": (-90.0, 90.0)}
"""Kinds of transformation, and between what each is drawn (5.3.4); rotation in degrees, clockwise as seen."""
RELEASED = ("patches", "transformations")
"""Of what the authors' code draws another way than the text says, and what `Drawing.released` may name."""
SIDES, RATIOS, STRETCH = (16, 24, 28, 32, 48, 64), (0.5, 0.67, 0.75, 1, 1.33, 1.5, 2), 0.18
"""Sides of patches as released, px, their ratios of width to height, and the exponent by which either is stretched at most."""
WALK = {"scale": 1 / 30, "shear": 0.066, "rotation": 6.0}
"""The furthest that a transformation goes from one frame to the next as released; of the scale, which the code does not do, as much for its range."""
INNER, UNEVEN = (0.5, 0.3, 0.2), 0.3
"""As released: how often a transformation has 0, 1 and 2 inner keyframes, and how often it speeds up or slows down between two."""
IDENTITY = (1.0, 1.0, 0.0, 0.0, 0.0)
"""Scale of width and height, shear r and s, and rotation in degrees that change nothing."""
COLUMNS = {"scale": [0, 1], "shear": [2, 3], "rotation": [4]}
"""The places of each kind of transformation among those."""


class Tubelet(NamedTuple):
    """The draws of one tubelet, for T frames.

    frame, top, left, height, width: the patch, px of one frame of the clip that it is cut from. shape: one of `SHAPES`; soft: where its soft
    edge begins, 0.5 for none. centres (T, 2): x, y, px. transform (T, 2, 2): of the patch about its centre. opacity (T,).
    """

    frame: int
    top: int
    left: int
    height: int
    width: int
    shape: str
    soft: float
    centres: np.ndarray
    transform: np.ndarray
    opacity: np.ndarray


@dataclass(frozen=True)
class Drawing:
    """The kind of tubelets that are drawn.

    count: M; motion: one of `MOTIONS`; transforms: some of `LIMITS`, with what each is drawn between; patch: the least and the largest side of a
    patch, px of a side of 112; released: what is drawn as the authors' code does, some of `RELEASED`: patches without a look at `patch`,
    transformations without one at what they are drawn between, as the motion "crops" does.

    Raises InputError for other names, for no tubelet, for patches that are larger than the frame, and for a range that is none.
    """

    count: int = 2
    motion: str = "non-linear"
    transforms: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"rotation": LIMITS["rotation"]})
    patch: tuple[int, int] = PATCH
    released: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"tubelets: {self.count} of them; give 1 or more")
        if self.motion not in MOTIONS:
            raise InputError(f"tubelets: motion {self.motion!r}; choose {', '.join(MOTIONS)}")
        if wrong := set(self.transforms) - set(LIMITS):
            raise InputError(f"tubelets: transformation {', '.join(sorted(wrong))}; choose of {', '.join(LIMITS)}")
        if wrong := set(self.released) - set(RELEASED):
            raise InputError(f"tubelets: released {', '.join(sorted(wrong))}; choose of {', '.join(RELEASED)}")
        for name, (low, high) in self.transforms.items():
            if low > high or (name == "scale" and low <= 0):
                raise InputError(f"tubelets: {name} from {low:g} to {high:g}; give the least first{', above 0' if name == 'scale' else ''}")
        if not 1 <= self.patch[0] <= self.patch[1] <= SIDE:
            raise InputError(
                f"tubelets: patches of {self.patch[0]} to {self.patch[1]} px in a frame of {SIDE}; give 1 to {SIDE}, the least first"
            )

    def check(self, frames: int, side: int) -> None:
        """Raise InputError where clips of `frames` frames of `side` px are too short for a path, or too small for the least patch."""
        if frames < KEYFRAMES:
            raise InputError(f"tubelets: clips of {frames} frames, and a path has {KEYFRAMES} keyframes; take {KEYFRAMES} frames or more")
        if scaled(self.sides[0], side) < 1:
            raise InputError(f"tubelets: a patch of {self.sides[0]} px of {SIDE} is none in frames of {side} px; take larger frames")

    def draw(self, rng: np.random.Generator, frames: int, side: int) -> list[Tubelet]:
        """The tubelets of a pair of clips of `frames` frames of `side` px, the largest patch first (code); all draws are from `rng`.

        Raises InputError as `check` does.
        """
        self.check(frames, side)
        drawn = [self._one(rng, frames, side) for _ in range(self.count)]
        return sorted(drawn, key=lambda tubelet: -tubelet.height * tubelet.width)

    def _one(self, rng: np.random.Generator, frames: int, side: int) -> Tubelet:
        height, width = self._size(rng, side)
        frame = int(rng.integers(frames))
        place = rng.random(2)
        shape = SHAPES[int(np.searchsorted(np.cumsum(SHARES[:-1]), rng.random(), side="right"))]
        soft = float(rng.uniform(*SOFT)) if rng.random() < 0.5 else 0.5
        centres = self._path(rng, frames, side)
        transform = self._transformations(rng, frames)
        opacity = between(keyframes(rng, frames), rng.uniform(*OPACITY, (KEYFRAMES, 1)), frames)[:, 0]
        ends = np.array([side - height, side - width])
        if "patches" in self.released:  # where the tubelet itself is in that frame
            top, left = np.clip(np.rint(centres[frame][::-1] - [height / 2, width / 2]), 0, ends).astype(int)
        else:
            top, left = np.floor(place * (ends + 1)).astype(int)
        return Tubelet(frame, int(top), int(left), height, width, shape, soft, centres, matrices(transform), opacity)

    def _size(self, rng: np.random.Generator, side: int) -> tuple[int, int]:
        """Height and width of a patch."""
        if "patches" not in self.released:
            height, width = rng.integers(scaled(self.patch[0], side), scaled(self.patch[1], side) + 1, 2)
            return int(height), int(width)
        length, ratio = SIDES[rng.integers(len(SIDES))] * side / SIDE, RATIOS[rng.integers(len(RATIOS))]
        extents = np.array([length / np.sqrt(ratio), length * np.sqrt(ratio)]) * np.exp(rng.uniform(-STRETCH, STRETCH, 2))
        height, width = np.clip(np.rint(extents), 1, side)
        return int(height), int(width)

    @property
    def sides(self) -> tuple[int, int]:
        """The least and the largest side of a patch, px of a side of 112."""
        if "patches" not in self.released:
            return self.patch
        stretch = math.sqrt(max(RATIOS)) * math.exp(STRETCH)
        return math.floor(SIDES[0] / stretch), math.ceil(SIDES[-1] * stretch)

    def _path(self, rng: np.random.Generator, frames: int, side: int) -> np.ndarray:
        if self.motion == "none":
            return np.broadcast_to(rng.uniform(0, side, 2), (frames, 2)).copy()
        if self.motion == "crops":
            return rng.uniform(0, side, (frames, 2))
        if self.motion == "linear":
            at = keyframes(rng, frames)
            return between(at, linear_centres(rng, side), frames)
        extent = int(rng.integers(scaled(EXTENT[0], side), scaled(EXTENT[1], side) + 1))
        shift = rng.integers(0, side - extent, 2)
        return non_linear(rng.uniform(0, side, (POINTS, 2)), extent, shift, frames)

    def _transformations(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """(T, 5): scale of width and height, shear r and s, rotation in degrees (eq. 5.7); all are drawn, whether they are used or not."""
        if self.motion == "crops":
            drawn = np.tile(IDENTITY, (frames, 1))
            drawn[:, :2] = rng.uniform(*LIMITS["scale"], (frames, 1))
            return drawn
        if "transformations" in self.released:
            return self._walk(rng, frames)
        drawn = np.tile(IDENTITY, (KEYFRAMES, 1))
        at, shares = keyframes(rng, frames), rng.random((KEYFRAMES - 1, 5))
        for name, (low, high) in self.transforms.items():
            drawn[1:, COLUMNS[name]] = low + (high - low) * shares[:, COLUMNS[name]]
        return between(at, drawn, frames)

    def _walk(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Transformations (T, 5) as the authors' code draws them: a random walk over the keyframes, some of its gaps gone through unevenly."""
        inner = int(np.searchsorted(np.cumsum(INNER[:-1]), rng.random(), side="right"))
        at = keyframes(rng, frames, inner)
        steps = rng.uniform(-1, 1, (len(at) - 1, 5)) * np.diff(at)[:, None]
        along = [[1, 0], [0, 1], [1, 1]][rng.integers(3)]  # shear along x, along y, or both
        drawn = np.tile(IDENTITY, (len(at), 1))
        for name in self.transforms:
            values = np.cumsum(steps[:, COLUMNS[name]] * WALK[name], axis=0)
            drawn[1:, COLUMNS[name]] += values * along if name == "shear" else values
        drawn[:, COLUMNS["scale"]] = drawn[:, COLUMNS["scale"]].clip(*LIMITS["scale"])  # of long clips a walk would end below nothing
        times = np.arange(frames, dtype=float)
        for start, end in itertools.pairwise(at):
            share, (uneven, faster) = (times[start : end + 1] - start) / (end - start), rng.random(2)
            if uneven < UNEVEN:
                times[start : end + 1] = start + (end - start) * (share**2 if faster < 0.5 else 1 - (1 - share) ** 2)
        return np.stack([np.interp(times, at, column) for column in drawn.T], axis=1)


def scaled(length: float, side: int) -> int:
    """`length`, px of frames of `SIDE` px, in frames of `side` px, to the nearest."""
    return round(length * side / SIDE)


# Paths and transformations over time.


def keyframes(rng: np.random.Generator, frames: int, inner: int = KEYFRAMES - 2) -> np.ndarray:
    """The first frame, the last, and `inner` others between, each of `frames` as likely, from `rng`: (K,) int, rising."""
    return np.array([0, *np.sort(1 + rng.permutation(frames - 2)[:inner]), frames - 1])


def between(at: np.ndarray, values: np.ndarray, frames: int) -> np.ndarray:
    """`values` (K, D) at the keyframes `at` (K,), and linear between them: (frames, D) (eq. 5.5, 5.7)."""
    return np.stack([np.interp(np.arange(frames), at, column) for column in values.T], axis=1)


def linear_centres(rng: np.random.Generator, side: int) -> np.ndarray:
    """The centres (K, 2) of a linear path at its keyframes: the first anywhere in the frame, each next one in it, and within a step of the last
    along each axis (eq. 5.5). rng: of all draws; side: of the frame, px."""
    centres = [rng.uniform(0, side, 2)]
    for _ in range(KEYFRAMES - 1):
        step = rng.uniform(*STEP) * side / SIDE
        centres.append(rng.uniform(np.maximum(centres[-1] - step, 0), np.minimum(centres[-1] + step, side)))
    return np.stack(centres)


def non_linear(points: np.ndarray, extent: float, shift: np.ndarray, frames: int) -> np.ndarray:
    """A path (frames, 2) through `points` (N, 2), smoothed, stretched along each axis to 0 ... `extent`, and moved by `shift` (2,) (eq. 5.6; the
    stretch is the code's: without it paths span 14 px, always in the middle)."""
    smooth = smoothed(points)
    low, high = smooth.min(0), smooth.max(0)
    at = np.round(np.linspace(0, len(points) - 1, frames)).astype(int)
    path: np.ndarray = (smooth[at] - low) / (high - low) * extent + shift
    return path


def smoothed(points: np.ndarray, sigma: float = SIGMA, reach: int = REACH) -> np.ndarray:
    """`points` (N, D) under a Gaussian of `sigma` points that ends after `reach`; at the ends they are reflected, the last one repeated (eq. 5.6)."""
    result: np.ndarray = _smoothing(len(points), sigma, reach) @ points
    return result


@cache
def _smoothing(count: int, sigma: float, reach: int) -> np.ndarray:
    """The weight (count, count) of each point in each smoothed one."""
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    whole = np.pad(np.eye(count), ((reach, reach), (0, 0)), mode="symmetric")
    return np.stack([np.convolve(column, kernel / kernel.sum(), mode="valid") for column in whole.T], axis=1)


def matrices(transform: np.ndarray) -> np.ndarray:
    """(T, 2, 2) of `transform` (T, 5): scale w and h, shear r and s, and degrees: scaled, then x += r y and y += s x, then turned clockwise as seen."""
    w, h, r, s, degrees = transform.T
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    across, down = np.stack([w, r * h]), np.stack([s * w, (1 + r * s) * h])  # scaled and sheared, the rows of a matrix
    return np.stack([cos * across - sin * down, sin * across + cos * down]).transpose(2, 0, 1)
