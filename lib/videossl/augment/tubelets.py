"""Synthetic tubelets: patches of one clip that move through two clips along the same path, so that motion alone makes those a positive pair.

Source: Thoker, Doughty, Snoek, *Tubelet-Contrastive Self-Supervision for Video-Efficient Generalization* (ICCV 2023), in the thesis section 5.3;
S in parentheses are its sections and equations, (code) what only the authors' code says. Shapes:

    B clips of a batch, M tubelets a clip, T frames, S the side of a frame (px), P the largest side of a patch (px), K keyframes, N points

Draws are made on the host, of one sample's own generator, in a fixed order; what is drawn is then cut, warped and pasted for a whole batch on
the device. Places are in px with x to the right and y down: pixel i covers [i, i + 1). Lengths are those of a side of 112 px, and scale with S.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videossl.augment import video
from videossl.augment.video import placed
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
COLOUR_P, BRIGHTNESS, CONTRAST, HUE, SATURATION = 0.2, 32 / 255, 0.2, 24.0, 0.1
"""Of the pair's shared colour: the probability of each change, the shift of brightness, the exponents of contrast and saturation, and degrees of hue (code)."""


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
        at = np.array([0, *np.sort(1 + rng.permutation(frames - 2)[:inner]), frames - 1])
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


IDENTITY = (1.0, 1.0, 0.0, 0.0, 0.0)
"""Scale of width and height, shear r and s, and rotation in degrees that change nothing."""
COLUMNS = {"scale": [0, 1], "shear": [2, 3], "rotation": [4]}
"""The places of each kind of transformation among those."""


def scaled(length: float, side: int) -> int:
    """`length`, px of frames of `SIDE` px, in frames of `side` px, to the nearest."""
    return round(length * side / SIDE)


# Paths and transformations over time.


def keyframes(rng: np.random.Generator, frames: int) -> np.ndarray:
    """The first frame, the last, and K - 2 others between, each of `frames` as likely, from `rng`: (K,) int, rising."""
    inner = 1 + rng.permutation(frames - 2)[: KEYFRAMES - 2]
    return np.array([0, *np.sort(inner), frames - 1])


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


# Patches, and how they are pasted.


class Layer(NamedTuple):
    """Tubelets as they lie over clips, whatever clips those are: a clip v becomes v `left` + `picture` (eq. 5.3, 5.4)."""

    picture: Tensor
    """(B, C, T, S, S), what the tubelets show, times their shares"""
    left: Tensor
    """(B, 1, T, S, S), the share in 0..1 that the clip keeps"""

    def on(self, clips: Tensor) -> Tensor:
        """`clips` (B, C, T, S, S) with the tubelets on them; `clips` stay."""
        return (clips * self.left).add_(self.picture)


def masks(tubelets: Sequence[Sequence[Tubelet]], side: int, device: torch.device | None = None) -> Tensor:
    """The share (B, M, side, side) in 0..1 that the patches of `tubelets`, M of each clip, have of each pixel, each above and left, 0 beyond.

    A soft edge falls from 1 at a distance `soft` of the centre, in sides, to 0 at the edge; a soft of 0.5 is a hard edge. device: of the result.
    """
    device = device or torch.device("cpu")
    height, width, soft = (_each(tubelets, name, device).float()[..., None, None] for name in ("height", "width", "soft"))
    shape = placed(np.array([[SHAPES.index(one.shape) for one in many] for many in tubelets]), device)[..., None, None]
    at = torch.arange(side, device=device)
    y, x = (at[:, None] - (height / 2).floor()).abs() / height, (at - (width / 2).floor()).abs() / width
    distance = torch.where(shape == 0, torch.maximum(x, y), torch.where(shape == 1, torch.hypot(x, y), x + y))
    inside = (at[:, None] < height) & (at < width) & ((shape == 0) | (distance < 0.5))
    edge = ((0.5 - distance) / (0.5 - soft).clamp_min(1e-6)).clamp(0, 1)
    return torch.where(soft < 0.5, edge, 1.0) * inside


def cut(clips: Tensor, tubelets: Sequence[Sequence[Tubelet]], side: int) -> Tensor:
    """The patches of `clips` (B, C, T, S, S) float by `tubelets`, M of each clip, times their masks, and the masks: (B, M, C + 1, side, side)."""
    share = masks(tubelets, side, clips.device).to(clips)
    frame, top, left = (_each(tubelets, name, clips.device) for name in ("frame", "top", "left"))
    at, rows = torch.arange(side, device=clips.device), torch.arange(len(clips), device=clips.device)
    y = (top[..., None] + at).clamp_max(clips.shape[3] - 1)[..., :, None]
    x = (left[..., None] + at).clamp_max(clips.shape[4] - 1)[..., None, :]
    pictures = clips[rows[:, None, None, None], :, frame[..., None, None], y, x]  # (B, M, side, side, C)
    return torch.cat([pictures.movedim(-1, 2) * share[:, :, None], share[:, :, None]], dim=2)


def _each(tubelets: Sequence[Sequence[Tubelet]], name: str, device: torch.device) -> Tensor:
    """The values `name` of each tubelet, (B, M, ...), on a device."""
    return placed(_stacked(tubelets, name), device)


def _stacked(tubelets: Sequence[Sequence[Tubelet]], name: str) -> np.ndarray:
    """The same on the host."""
    return np.array([[getattr(one, name) for one in many] for many in tubelets])


def layer(patches: Tensor, tubelets: Sequence[Sequence[Tubelet]], size: int) -> Layer:
    """The `patches` (B, M, C + 1, P, P) of `cut` along their paths over frames of `size` px, one after the other.

    tubelets: of each clip, in the order of its patches. A patch is warped bilinearly times its mask, so that its edge has no rim of another
    colour, and times its opacity. What leaves the frame is cut.
    """
    make = _one_by_one if patches.device.type == "cpu" else _at_once
    return make(patches, tubelets, size)


class _Places(NamedTuple):
    """The place in its patch of each pixel p of a frame, of M tubelets of B clips, in the -1 ... 1 of grid_sample: `linear` p + `constant`."""

    linear: np.ndarray
    """(B, M, T, 2, 2)"""
    constant: np.ndarray
    """(B, M, T, 2)"""
    opacity: np.ndarray
    """(B, M, T)"""

    @classmethod
    def of(cls, tubelets: Sequence[Sequence[Tubelet]], side: int) -> _Places:
        """The places in patches that lie above and left in squares of `side` px: inverse (p - centre) + the patch's middle."""
        transform, centres, opacity = (_stacked(tubelets, name) for name in ("transform", "centres", "opacity"))
        middle = np.stack([_stacked(tubelets, "width"), _stacked(tubelets, "height")], axis=-1)[:, :, None] / 2
        inverse = np.linalg.inv(transform)
        return cls(inverse * 2 / side, (middle - _times(inverse, centres)) * 2 / side - 1, opacity)

    def seen(self, windows: np.ndarray, device: torch.device) -> list[Tensor]:
        """On a device, the three of them for frames that begin at `windows` (B, M, T, 2), x, y, so that p is the pixel's number there."""
        constant = self.constant + _times(self.linear, windows + 0.5)
        return [placed(values, device) for values in (self.linear, constant, self.opacity)]


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    product: np.ndarray = (matrices @ vectors[..., None])[..., 0]
    return product


def _at_once(patches: Tensor, tubelets: Sequence[Sequence[Tubelet]], size: int) -> Layer:
    """A whole batch at a time, for a GPU."""
    batch, count, channels, side, _ = patches.shape
    places = _Places.of(tubelets, side)
    frames = places.opacity.shape[-1]
    seen = places.seen(np.zeros((batch, count, frames, 2)), patches.device)
    picture, left = patches.new_zeros(batch, channels - 1, frames, size, size), patches.new_ones(batch, 1, frames, size, size)
    for number in range(count):
        warped = _warped(patches[:, number], [values[:, number] for values in seen], (size, size)).transpose(1, 2)
        keep = 1 - warped[:, -1:]
        picture, left = torch.addcmul(warped[:, :-1], picture, keep), left * keep
    return Layer(picture, left)


def _one_by_one(patches: Tensor, tubelets: Sequence[Sequence[Tubelet]], size: int) -> Layer:
    """One tubelet after the other, in the part of the frame that it touches, for a CPU."""
    batch, count, channels, side, _ = patches.shape
    places, centres = _Places.of(tubelets, side), _stacked(tubelets, "centres")
    frames = centres.shape[2]
    extents = np.stack([_stacked(tubelets, "width"), _stacked(tubelets, "height")], axis=-1)[:, :, None]
    half = _times(np.abs(_stacked(tubelets, "transform")), extents / 2 + 0.5) + 1  # (B, M, T, 2): what a window has to hold on either side
    windows_of = np.minimum(np.ceil(2 * half.max(2)) + 1, size).astype(int)  # (B, M, 2): how wide, how tall
    begin = np.clip(np.floor(centres - windows_of[:, :, None] / 2), 0, size - windows_of[:, :, None]).astype(int)
    seen, whole = places.seen(begin, patches.device), patches.float()
    picture, left = np.zeros((batch, channels - 1, frames, size, size), np.float32), np.ones((batch, 1, frames, size, size), np.float32)
    for row, number in itertools.product(range(batch), range(count)):
        wide, tall = windows_of[row, number].tolist()
        warped = _warped(whole[row, None, number], [values[row, None, number] for values in seen], (tall, wide))[0].numpy()
        for frame, (x, y) in enumerate(begin[row, number].tolist()):
            keep, at = 1 - warped[frame, -1:], (row, slice(None), frame, slice(y, y + tall), slice(x, x + wide))
            picture[at] *= keep
            picture[at] += warped[frame, :-1]
            left[at] *= keep
    return Layer(torch.from_numpy(picture).to(patches), torch.from_numpy(left).to(patches))


def _warped(patches: Tensor, seen: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """`patches` (B, C, P, P) as they are seen in frames of `size` (height, width): (B, T, C, *size), zero elsewhere.

    seen: linear (B, T, 2, 2), constant (B, T, 2) and opacity (B, T) of `_Places.seen`.
    """
    linear, constant, opacity = seen
    y, x = (torch.arange(length, device=patches.device, dtype=linear.dtype) for length in size)
    across = constant[:, :, None] + linear[:, :, None, :, 0] * x[:, None]
    grid = across[:, :, None] + (linear[:, :, None, :, 1] * y[:, None])[:, :, :, None]
    sources = patches[:, None].expand(-1, linear.shape[1], -1, -1, -1).flatten(0, 1)
    warped = F.grid_sample(sources, grid.flatten(0, 1), mode="bilinear", padding_mode="zeros", align_corners=False)
    return warped.view(*linear.shape[:2], patches.shape[1], *size).mul_(opacity[:, :, None, None, None])


def paired(query: Tensor, key: Tensor, drawing: Drawing, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Two batches of clips (B, C, T, S, S) float with the same tubelets: patches of `query`, on it and on `key`, along the same paths (5.3.2).

    The clips of a row are of different videos, so the tubelets are all that they have in common. All draws of row b are from `rngs[b]`;
    drawing: their kind.
    """
    frames, side = query.shape[2], query.shape[-1]
    tubelets = [drawing.draw(rng, frames, side) for rng in rngs]
    found = layer(cut(query, tubelets, math.ceil(drawing.sides[1] * side / SIDE)), tubelets, side)
    return found.on(query), found.on(key)


# Colour.


def colours(rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Changes of colour, one drawn of each of `rngs`: (B, 3, 4), of which `recoloured` adds the last column to the product of the others and a
    colour in 0..1.

    Each comes with a probability of 0.2, in this order: brightness shifts; contrast scales; hue turns, and saturation scales, in YIQ
    (`augment.video`), where the code works in HSV.
    """
    draws = np.stack([rng.random(7) for rng in rngs], axis=1)
    on, sign = draws[:3] < COLOUR_P, 2 * draws[3:] - 1
    shift = np.where(on[0], BRIGHTNESS * sign[0], 0.0)
    contrast, saturation = np.exp(np.where(on[1], CONTRAST * sign[1], 0.0)), np.exp(np.where(on[2], SATURATION * sign[3], 0.0))
    saturation = saturation[:, None, None]
    chroma = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), video.LUMA)
    linear = contrast[:, None, None] * (video.turned(np.where(on[2], HUE / 360 * sign[2], 0.0)) @ chroma)
    return np.concatenate([linear, (linear @ np.ones(3) * shift[:, None])[..., None]], axis=2)


def recoloured(clips: Tensor, changes: np.ndarray, normalise: tuple[video.Level, video.Level]) -> Tensor:
    """`clips` (B, 3, T, S, S) float in 0..1 by `changes` (B, 3, 4) of `colours`, clamped to 0..1, then by the mean and deviation of `normalise`."""
    a = placed(changes, clips.device).to(clips.dtype)[..., None, None, None]
    out = torch.addcmul(a[:, :, 3], a[:, :, 0], clips[:, 0:1])
    out.addcmul_(a[:, :, 1], clips[:, 1:2]).addcmul_(a[:, :, 2], clips[:, 2:3]).clamp_(0, 1)
    return video.normalised(out, normalise)
