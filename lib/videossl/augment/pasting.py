"""Tubelets on clips: patches are cut, masked, warped and pasted for a whole batch, and a pair has its colours changed alike.

Source: as of `augment.tubelets`, which draws them. Shapes:

    B clips of a batch, M tubelets a clip, C channels, T frames, S the side of a frame (px), P the largest side of a patch (px)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videossl.augment import video
from videossl.augment.tubelets import SHAPES, SIDE, Drawing, Tubelet
from videossl.augment.video import placed

COLOUR_P, BRIGHTNESS, CONTRAST, HUE, SATURATION = 0.2, 32 / 255, 0.2, 24.0, 0.1
"""Of the pair's shared colour: the probability of each change, the shift of brightness, the exponents of contrast and saturation, and degrees of hue (code)."""


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
