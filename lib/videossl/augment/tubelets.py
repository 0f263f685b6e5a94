"""Synthetic tubelets: patches of one clip that move through two clips along the same path, so that motion alone makes those a positive pair.

Source: Thoker, Doughty, Snoek, *Tubelet-Contrastive Self-Supervision for Video-Efficient Generalization* (ICCV 2023), in the thesis section 5.3;
S in parentheses are its sections and equations, (code) what only the authors' code says. Shapes:

    B clips of a batch, M tubelets a clip, T frames, S the side of a frame (px), P the largest side of a patch (px), K keyframes, N points

Draws are made on the host, of one sample's own generator, in a fixed order; what is drawn is then cut, warped and pasted for a whole batch on
the device. Places are in px with x to the right and y down: pixel i covers [i, i + 1). Lengths are those of a side of 112 px, and scale with S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

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
MOTIONS = ("none", "linear", "non-linear")
LIMITS = {"scale": (0.5, 1.5), "shear": (-1.5, 1.5), "rotation": (-90.0, 90.0)}
"""Kinds of transformation, and between what each is drawn (5.3.4); rotation in degrees, clockwise as seen."""


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
    """The kind of tubelets that are drawn. count: M; motion: one of `MOTIONS`; transforms: some of `LIMITS`, without order.

    Raises InputError for other names, and for no tubelet.
    """

    count: int = 2
    motion: str = "non-linear"
    transforms: tuple[str, ...] = ("rotation",)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"tubelets: {self.count} of them; give 1 or more")
        if self.motion not in MOTIONS:
            raise InputError(f"tubelets: motion {self.motion!r}; choose {', '.join(MOTIONS)}")
        if wrong := set(self.transforms) - set(LIMITS):
            raise InputError(f"tubelets: transformation {', '.join(sorted(wrong))}; choose of {', '.join(LIMITS)}")

    def draw(self, rng: np.random.Generator, frames: int, side: int) -> list[Tubelet]:
        """The tubelets of a pair of clips of `frames` frames of `side` px, the largest patch first (code); all draws are from `rng`.

        Raises InputError where a clip has fewer frames than keyframes, or the smallest patch does not fit.
        """
        if frames < KEYFRAMES:
            raise InputError(f"tubelets: clips of {frames} frames, and a path has {KEYFRAMES} keyframes; take {KEYFRAMES} frames or more")
        if scaled(PATCH[0], side) < 1:
            raise InputError(f"tubelets: a patch of {PATCH[0]} px of {SIDE} is none in frames of {side} px; take larger frames")
        drawn = [self._one(rng, frames, side) for _ in range(self.count)]
        return sorted(drawn, key=lambda tubelet: -tubelet.height * tubelet.width)

    def _one(self, rng: np.random.Generator, frames: int, side: int) -> Tubelet:
        height, width = (int(extent) for extent in rng.integers(scaled(PATCH[0], side), scaled(PATCH[1], side) + 1, 2))
        frame, top, left = (int(rng.integers(0, end)) for end in (frames, side - height + 1, side - width + 1))
        shape = SHAPES[int(rng.choice(len(SHAPES), p=SHARES))]
        soft = float(rng.uniform(*SOFT)) if rng.random() < 0.5 else 0.5
        centres = self._path(rng, frames, side)
        transform = between(keyframes(rng, frames), self._transformations(rng), frames)
        opacity = between(keyframes(rng, frames), rng.uniform(*OPACITY, (KEYFRAMES, 1)), frames)[:, 0]
        return Tubelet(frame, top, left, height, width, shape, soft, centres, matrices(transform), opacity)

    def _path(self, rng: np.random.Generator, frames: int, side: int) -> np.ndarray:
        if self.motion == "none":
            return np.broadcast_to(rng.uniform(0, side, 2), (frames, 2)).copy()
        if self.motion == "linear":
            at = keyframes(rng, frames)
            return between(at, linear_centres(rng, side), frames)
        extent = int(rng.integers(scaled(EXTENT[0], side), scaled(EXTENT[1], side) + 1))
        shift = rng.integers(0, side - extent, 2)
        return non_linear(rng.uniform(0, side, (POINTS, 2)), extent, shift, frames)

    def _transformations(self, rng: np.random.Generator) -> np.ndarray:
        """(K, 5): scale of width and height, shear r and s, rotation in degrees; the first is the identity."""
        drawn = np.tile([1.0, 1.0, 0.0, 0.0, 0.0], (KEYFRAMES, 1))
        for name, columns in (("scale", [0, 1]), ("shear", [2, 3]), ("rotation", [4])):
            values = rng.uniform(*LIMITS[name], (KEYFRAMES - 1, len(columns)))  # drawn whether it is used or not
            if name in self.transforms:
                drawn[1:, columns] = values
        return drawn


def scaled(length: float, side: int) -> int:
    """`length`, px of frames of `SIDE` px, in frames of `side` px, to the nearest."""
    return round(length * side / SIDE)


# Paths and transformations over time.


def keyframes(rng: np.random.Generator, frames: int) -> np.ndarray:
    """The first frame, the last, and K - 2 others between, each of `frames` as likely, from `rng`: (K,) int, rising."""
    inner = 1 + rng.choice(frames - 2, KEYFRAMES - 2, replace=False)
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
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    whole = np.pad(points, ((reach, reach), (0, 0)), mode="symmetric")
    return np.stack([np.convolve(column, kernel / kernel.sum(), mode="valid") for column in whole.T], axis=1)


def matrices(transform: np.ndarray) -> np.ndarray:
    """(T, 2, 2) of `transform` (T, 5): scale w and h, shear r and s, and degrees: scaled, then x += r y and y += s x, then turned clockwise as seen."""
    w, h, r, s, degrees = transform.T
    scale = np.stack([np.stack([w, 0 * w], 1), np.stack([0 * h, h], 1)], 1)
    shear = np.stack([np.stack([1 + 0 * r, r], 1), np.stack([s, 1 + r * s], 1)], 1)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    result: np.ndarray = turn @ shear @ scale
    return result


# Patches, and how they are pasted.


def mask(shape: str, height: int, width: int, soft: float = 0.5) -> np.ndarray:
    """The share (height, width) in 0..1 that a patch of `shape` has of each pixel; soft: the distance from the centre, in sides, from which it
    falls to 0 at the edge; 0.5 for a hard edge."""
    y = np.abs(np.arange(height) - height // 2)[:, None] / height
    x = np.abs(np.arange(width) - width // 2)[None] / width
    distance = {"rectangle": np.maximum(x, y), "ellipse": np.hypot(x, y), "rhombus": x + y}[shape]
    inside = np.ones_like(distance) if shape == "rectangle" else (distance < 0.5).astype(float)
    return inside if soft >= 0.5 else inside * np.clip((0.5 - distance) / (0.5 - soft), 0, 1)


def cut(clip: Tensor, tubelets: Sequence[Tubelet], side: int) -> Tensor:
    """The patches of one `clip` (C, T, S, S) float by `tubelets`, times their masks, and the masks: (M, C + 1, side, side), each above and left, zero beyond."""
    result = clip.new_zeros(len(tubelets), len(clip) + 1, side, side)
    for patch, one in zip(result, tubelets, strict=True):
        share = torch.from_numpy(mask(one.shape, one.height, one.width, one.soft)).to(clip)
        picture = clip[:, one.frame, one.top : one.top + one.height, one.left : one.left + one.width]
        patch[:, : one.height, : one.width] = torch.cat([picture * share, share[None]])
    return result


def paste(clips: Tensor, patches: Tensor, tubelets: Sequence[Sequence[Tubelet]]) -> Tensor:
    """`clips` (B, C, T, S, S) float with the `patches` (B, M, C + 1, P, P) of `cut` on them, one after the other (eq. 5.3, 5.4); `clips` stay.

    tubelets: of each clip, in the order of its patches.

    v (1 - alpha) + patch alpha, each warped bilinearly; a patch is warped times its mask, so that its edge has no rim of another colour. What
    leaves the frame is cut.
    """
    channels, size, result = clips.shape[1], (clips.shape[3], clips.shape[4]), clips
    for number in range(patches.shape[1]):
        one = [several[number] for several in tubelets]
        warped = warp(patches[:, number], one, size)  # (B, T, C + 1, S, S)
        opacity = torch.from_numpy(np.stack([tubelet.opacity for tubelet in one])).to(clips)[:, :, None, None, None]
        warped = (warped * opacity).transpose(1, 2)
        result = result * (1 - warped[:, channels:]) + warped[:, :channels]
    return result


def warp(patches: Tensor, tubelets: Sequence[Tubelet], size: tuple[int, int]) -> Tensor:
    """`patches` (B, C, P, P), which lie above and left, at the places of `tubelets` in each frame of `size` (height, width): (B, T, C, *size),
    zero elsewhere."""
    batch, channels, side, _ = patches.shape
    centres = np.stack([tubelet.centres for tubelet in tubelets])  # (B, T, 2)
    inverse = np.linalg.inv(np.stack([tubelet.transform for tubelet in tubelets]))  # (B, T, 2, 2)
    middle = np.array([[tubelet.width / 2, tubelet.height / 2] for tubelet in tubelets])[:, None]  # (B, 1, 2)
    frames = centres.shape[1]
    # Where in the patch a pixel of the frame lies: inverse (p - centre) + middle, and then in the -1 ... 1 of grid_sample.
    linear = torch.from_numpy(inverse * 2 / side).to(patches).flatten(0, 1)
    constant = torch.from_numpy((middle - np.einsum("btij,btj->bti", inverse, centres)) * 2 / side - 1).to(patches).flatten(0, 1)
    y, x = (torch.arange(length, device=patches.device, dtype=patches.dtype) + 0.5 for length in size)
    place = torch.stack([x[None].expand(size), y[:, None].expand(size)], dim=-1)  # (S, S, 2)
    grid = torch.einsum("nij,hwj->nhwi", linear, place) + constant[:, None, None]
    sources = patches[:, None].expand(-1, frames, -1, -1, -1).flatten(0, 1)
    warped = F.grid_sample(sources, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return warped.reshape(batch, frames, channels, *size)


def paired(query: Tensor, key: Tensor, drawing: Drawing, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Two batches of clips (B, C, T, S, S) float with the same tubelets: patches of `query`, on it and on `key`, along the same paths (5.3.2).

    The clips of a row are of different videos, so the tubelets are all that they have in common. All draws of row b are from `rngs[b]`;
    drawing: their kind.
    """
    frames, side = query.shape[2], query.shape[-1]
    tubelets = [drawing.draw(rng, frames, side) for rng in rngs]
    patches = torch.stack([cut(clip, one, scaled(PATCH[1], side)) for clip, one in zip(query, tubelets, strict=True)])
    return paste(query, patches, tubelets), paste(key, patches, tubelets)
