"""Views of video clips: crop, flip, colour jitter, grey and blur, the same for all frames of a clip (docs/methods/modalities.md).

A GPU works on a padded batch at once, a CPU on one frame after the other (`augment.by_frame`). Random numbers are drawn on the
host, a fixed number a sample from the sample's own generator. So a sample's view depends on its generator alone: not on the
other samples of the batch, nor on which of the operations are switched on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videossl.errors import InputError

ASPECT = (3 / 4, 4 / 3)  # width over height of a random crop
CORNER = 7 / 8  # side of a ten-crop's squares over the short side (224 of 256, as is customary)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: weights of the grey value
YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
# Source coordinates are multiples of 2^-14 pixel on a canvas whose sides are powers of two: grid_sample then maps its
# [-1, 1] coordinates back without rounding (canvas up to 1024 px), whatever the canvas a batch needed.
STEP = 2.0**-14

# One uniform number each, in this order, for every sample of every view.
JITTER = ("brightness", "contrast", "saturation", "hue")
ORDER = ("first", "second", "third", "fourth")
DRAWS = ("area", "aspect", "top", "left", "flip", "jitter", *JITTER, *ORDER, "grey", "blur", "sigma")


Level = float | Sequence[float]
"""A value of all colours, or one of each."""


class Crop(NamedTuple):
    """The crop of one sample, `top`, `left`, `height` and `width` in pixels of its frames; `flip` mirrors it left to right."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


@dataclass(frozen=True)
class Boxes:
    """One crop a sample, in pixels of its own frames: `top`, `left`, `height` and `width`, (B,) arrays; `flip` mirrors the crop left to right."""

    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray
    flip: np.ndarray

    def shares(self, sizes: Tensor) -> np.ndarray:
        """(B, 4) float64: top, left, height, width as shares of frames of true `sizes` (B, 2)."""
        height, width = sizes.cpu().double().numpy().T
        return np.stack([self.top / height, self.left / width, self.height / height, self.width / width], axis=1)

    def each(self) -> Iterator[Crop]:
        """The crop of one sample after the other."""
        whole = (edge.astype(int).tolist() for edge in (self.top, self.left, self.height, self.width))
        return map(Crop._make, zip(*whole, self.flip.tolist(), strict=True))


@dataclass(frozen=True)
class Colours:
    """Changes of the colours of each sample: `direct` and `pooled` (B, 3, 3) of `colour_maps`; sigma: (B,) px of its blur, 0 for none."""

    direct: np.ndarray
    pooled: np.ndarray
    sigma: np.ndarray

    @classmethod
    def same(cls, batch: int) -> Colours:
        """No change: every colour stays as it is."""
        return cls(np.tile(np.eye(3), (batch, 1, 1)), np.zeros((batch, 3, 3)), np.zeros(batch))


@dataclass(frozen=True)
class VideoAugment:
    """Augmentation of clips of a kind, rgb or flow: uint8 (B, T, H, W, C) padded right and below, sizes (B, 2) true (H, W).

    Output float32 (B, C, T, size, size). rgb: (x / 255 - mean) / deviation, clamped to [0, 1] before that, once, after the
    colour operations. flow: pixels a frame of the *output*, clamped to [-bound, bound], over `flow_scale`; only crop and
    flip apply (docs/methods/modalities.md).

    size: output side, px. area: crop's share of the frame, drawn uniformly. flip, jitter_p, grey_p, blur_p:
    probabilities. jitter: strength of brightness, contrast, saturation (factors in 1 +- strength) and hue (a turn of
    +- strength of the full circle). blur_sigma: range of the Gaussian's sigma, output px. bound: of the flow's
    quantisation, px (the cache's attribute). normalise: mean and deviation of rgb in 0..1, of all colours or of each; what a convolution pads with
    is this mean, so far from the videos' own it makes every border an edge. flow_scale: px a frame that become 1.
    squares: sides of a square crop, shares of the short side, of which one is drawn evenly, in place of area and aspect.
    zero_mean: whether the mean displacement of each step is taken off the flow, against the camera's motion (Simonyan & Zisserman, 2014, 3.1).
    """

    kind: Literal["rgb", "flow"]
    size: int
    area: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_p: float = 0.8
    grey_p: float = 0.2
    blur_p: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    normalise: tuple[Level, Level] = (0.5, 0.25)
    bound: float = 20.0
    flow_scale: float = 4.0
    zero_mean: bool = False
    squares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("rgb", "flow"):
            raise InputError(f"augmentation of {self.kind!r}: video kinds are rgb and flow")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InputError(f"augment crop area {self.area}: give two shares of the frame, 0 < low <= high <= 1")
        if not 0 < self.blur_sigma[0] <= self.blur_sigma[1]:
            raise InputError(f"augment blur sigma {self.blur_sigma}: give two sigmas in px, 0 < low <= high")
        if not all(0 < share <= 1 for share in self.squares):
            raise InputError(f"augment squares {self.squares}: give shares of the short side, above 0 and at most 1")

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        """One random view of each clip, all draws for sample b from `rngs[b]`: (B, C, T, S, S) float32."""
        return self.train_with_geometry(clips, sizes, rngs)[0]

    def train_with_geometry(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, dict[str, Tensor]]:
        """The same views as `train` makes with `rngs`, and the part of the frames that each view shows.

        Returns:
            views, and on their device "box": (B, 4) float32, the crop's top, left, height and width as shares of the frame's height and
            width; "flip": (B,) bool, whether the crop is mirrored left to right.
        """
        numbers = np.stack([rng.random(len(DRAWS)) for rng in rngs], axis=1)
        draws = dict(zip(DRAWS, numbers, strict=True))
        boxes = random_squares(draws, sizes, self.squares, self.flip) if self.squares else random_boxes(draws, sizes, self.area, self.flip)
        geometry = {"box": placed(boxes.shares(sizes), clips.device), "flip": placed(boxes.flip, clips.device)}
        return self._views(clips, boxes, self._colours(draws)), geometry

    def _colours(self, draws: dict[str, np.ndarray]) -> Colours:
        if self.kind == "flow":
            return Colours.same(len(draws["hue"]))
        low, high = self.blur_sigma
        sigma = np.where(draws["blur"] < self.blur_p, low + (high - low) * draws["sigma"], 0)
        return Colours(*colour_maps(draws, self.jitter, self.jitter_p, self.grey_p), sigma)

    def _views(self, clips: Tensor, boxes: Boxes, colours: Colours) -> Tensor:
        """Crop `boxes` and recolour: (B, C, T, S, S)."""
        make = self._frame_by_frame if clips.device.type == "cpu" else self._at_once
        return make(clips, boxes, colours)

    def _frame_by_frame(self, clips: Tensor, boxes: Boxes, colours: Colours) -> Tensor:
        from videossl.augment import by_frame

        batch, frames, _, _, channels = clips.shape
        views = torch.empty(batch, channels, frames, self.size, self.size)
        room = np.empty((frames, self.size, self.size, channels), np.float32)  # one for all: new memory costs as much as what is done in it
        factors = self._factors(boxes)
        for number, (clip, crop, into) in enumerate(zip(clips.numpy(), boxes.each(), views.numpy(), strict=True)):
            if self.kind == "flow":
                by_frame.displacements(clip, crop, factors[number], self.bound / self.flow_scale, self.zero_mean, room, into)
            else:
                sigma = colours.sigma[number]
                # What lies beyond four sigma is less than 1e-4 of a blur, and would take a third of its time.
                taps = gaussian(sigma, min(self._radius(), math.ceil(4 * sigma))).astype(np.float32) if sigma else None
                by_frame.colours(clip, crop, colours.direct[number], colours.pooled[number], taps, self.normalise, room, into)
        return views

    def _at_once(self, clips: Tensor, boxes: Boxes, colours: Colours) -> Tensor:
        levels = resample(clips, boxes, self.size)
        if self.kind == "flow":
            factor, bound = placed(self._factors(boxes), clips.device), self.bound / self.flow_scale
            flow = levels.sub_(128).mul_(factor[:, :, None, None, None]).clamp_(-bound, bound)
            return flow.sub_(flow.mean(dim=(3, 4), keepdim=True)) if self.zero_mean else flow
        views = recolour(levels, colours.direct, colours.pooled).clamp_(0, 1)
        blurred = np.flatnonzero(colours.sigma)
        if len(blurred):
            positions = placed(blurred, views.device)
            views[positions] = blur(views[positions], colours.sigma[blurred], self._radius())
        return normalised(views, self.normalise)

    def _radius(self) -> int:
        """Pixels to either side that a blur takes in: three of the largest sigma, and less than a whole side."""
        return min(math.ceil(3 * self.blur_sigma[1]), self.size - 1)

    def _factors(self, boxes: Boxes) -> np.ndarray:
        """The value of a level of quantised flow in a view, (B, 2): u scales with the width and changes sign in a mirror, v with the height."""
        resized = np.stack([self.size / boxes.width * np.where(boxes.flip, -1, 1), self.size / boxes.height], axis=1)
        return resized * self.bound / 127 / self.flow_scale

    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor:
        """Short side resized to `size`, centre crop, nothing random: (B, C, T, S, S) float32."""
        return next(self.crops(clips, sizes, 1))

    def crops(self, clips: Tensor, sizes: Tensor, views: int) -> Iterator[Tensor]:
        """The test-time crops of each clip, one batch (B, C, T, S, S) after the other (docs/methods/tasks.md).

        views: 1 the centre square; 2 that and its mirror image; 10 centre and corners, squares of 7/8 of the short
        side, and their mirror images. Others raise InputError.
        """
        if views not in (1, 2, 10):
            raise InputError(f"{views} test crops: choose 1 (centre), 2 (and flipped) or 10 (and corners)")
        for boxes in fixed_boxes(sizes, views):
            yield self._views(clips, boxes, Colours.same(len(clips)))

    def without_blur(self) -> VideoAugment:
        """This augmentation for finetuning: all but the blur (P appendix 1)."""
        return replace(self, blur_p=0.0)


def normalised(views: Tensor, normalise: tuple[Level, Level]) -> Tensor:
    """`views` (B, C, T, S, S) float in 0..1, in place, less the mean, over the deviation of `normalise`, each of all colours or of each."""
    mean, deviation = (placed(np.array(level, np.float32).reshape(-1, 1, 1, 1), views.device) for level in normalise)
    return views.sub_(mean).div_(deviation)


def placed(numbers: np.ndarray, device: torch.device) -> Tensor:
    """Numbers of the host on a device, fractions as float32; nothing waits for the device."""
    tensor = torch.from_numpy(numbers)
    return tensor.to(device, torch.float32 if tensor.is_floating_point() else tensor.dtype, non_blocking=True)


def random_boxes(draws: dict[str, np.ndarray], sizes: Tensor, area: tuple[float, float], flip: float) -> Boxes:
    """Random resized crop: area uniform in `area` (shares of the frame), aspect log-uniform in 3/4..4/3.

    draws: (B,) by the names of `DRAWS`. sizes: (B, 2), the true sides of the frames. flip: the probability of a mirror image.

    The aspect is drawn among those whose box fits the frame, where others draw again until one fits; a frame too long
    for any in 3/4..4/3 at the area drawn takes the nearest that fits, so the area is always the one drawn.
    """
    height, width = sizes.cpu().double().numpy().T
    share = area[0] + (area[1] - area[0]) * draws["area"]
    fits = np.log(share * width / height), np.log(width / (share * height))
    low, high = (np.clip(np.log(bound), *fits) for bound in ASPECT)
    aspect = np.exp(low + (high - low) * draws["aspect"])
    h = np.clip(np.rint(np.sqrt(share * height * width / aspect)), 1, height)
    w = np.clip(np.rint(np.sqrt(share * height * width * aspect)), 1, width)
    top, left = np.floor(draws["top"] * (height - h + 1)), np.floor(draws["left"] * (width - w + 1))
    return Boxes(top, left, h, w, draws["flip"] < flip)


def random_squares(draws: dict[str, np.ndarray], sizes: Tensor, shares: Sequence[float], flip: float) -> Boxes:
    """Random squares: the side one of `shares` of the short side, each as likely.

    draws, sizes, flip: as of `random_boxes`. A share of 112 / 128 is a random crop of 112 px from frames whose short side is 128 px.
    """
    height, width = sizes.cpu().double().numpy().T
    share = np.array(shares)[np.floor(draws["area"] * len(shares)).astype(int)]
    side = np.clip(np.rint(share * np.minimum(height, width)), 1, None)
    top, left = np.floor(draws["top"] * (height - side + 1)), np.floor(draws["left"] * (width - side + 1))
    return Boxes(top, left, side, side, draws["flip"] < flip)


def fixed_boxes(sizes: Tensor, views: int) -> Iterator[Boxes]:
    """Centre square (views 1 or 2), or centre and corners (views 10), of frames of true `sizes` (B, 2); if views > 1 each box comes with its mirror."""
    height, width = sizes.cpu().double().numpy().T
    side = np.minimum(height, width)
    if views == 10:
        side = np.maximum(np.rint(side * CORNER), 1)
    down, right = height - side, width - side
    places = [(down // 2, right // 2)]
    if views == 10:
        places += [(0 * down, 0 * right), (0 * down, right), (down, 0 * right), (down, right)]
    for top, left in places:
        for flip in (False, True)[: min(views, 2)]:
            yield Boxes(top, left, side, side, np.full(len(side), flip))


def resample(clips: Tensor, boxes: Boxes, size: int) -> Tensor:
    """Crop `boxes`, resize (bilinear) and flip: uint8 (B, T, H, W, C) -> float32 (B, C, T, size, size), levels 0..255.

    One grid_sample with the frames as channels. Equal to F.interpolate(crop, size, mode="bilinear",
    align_corners=False): coordinates stop at the centres of the crop's outermost pixels, so neither what lies around
    the crop nor the padding is ever read.
    """
    above, below = boxes.top.min(), (boxes.top + boxes.height).max()
    beside, beyond = boxes.left.min(), (boxes.left + boxes.width).max()
    clips = clips[:, :, int(above) : int(below), int(beside) : int(beyond)]
    b, t, h, w, c = clips.shape
    tall, wide = (1 << (side - 1).bit_length() for side in (h, w))
    planes = clips.permute(0, 4, 1, 2, 3)
    if (tall, wide) == (h, w):
        canvas = planes.to(torch.float32, memory_format=torch.contiguous_format)
    else:
        canvas = torch.zeros(b, c, t, tall, wide, device=clips.device)
        canvas[..., :h, :w] = planes
    x = _coordinates(boxes.left - beside, boxes.width, size)
    y = _coordinates(boxes.top - above, boxes.height, size)
    x = np.where(boxes.flip[:, None], x[:, ::-1], x)
    across, down = (placed((2 * pixel + 1) / side - 1, clips.device) for pixel, side in ((x, wide), (y, tall)))
    grid = torch.stack([across[:, None, :].expand(b, size, size), down[:, :, None].expand(b, size, size)], dim=-1)
    return F.grid_sample(canvas.flatten(1, 2), grid, align_corners=False).view(b, c, t, size, size)


def _coordinates(start: np.ndarray, length: np.ndarray, size: int) -> np.ndarray:
    """Source pixel of each of `size` output pixels along one axis, (B, size): pixel centres aligned, clamped."""
    inside = (np.arange(size) + 0.5) * (length[:, None] / size) - 0.5
    inside = np.clip(np.rint(inside / STEP) * STEP, 0, length[:, None] - 1)
    return np.asarray(start[:, None] + inside)


def colour_maps(draws: dict[str, np.ndarray], jitter: Sequence[float], jitter_p: float, grey_p: float) -> tuple[np.ndarray, np.ndarray]:
    """The jitter and grey of each sample as two matrices (B, 3, 3): a colour x in 0..1 becomes `direct x + pooled m`.

    m is the clip's mean colour, which contrast needs: it blends with the mean grey value of the whole clip (not of each
    frame: clip-consistent). brightness scales; saturation blends with the grey value; hue turns the plane of I and Q in
    YIQ by up to `hue` of a circle. All four are linear, so their composition, in the sample's own random order, is linear as well.
    Contrast comes once, so `direct` is all that its mean has been through. Grey comes last. Nothing is clamped in between.
    draws: (B,) by the names of `DRAWS`. jitter, jitter_p, grey_p: as of `VideoAugment`.
    """
    batch = len(draws["hue"])
    on = draws["jitter"] < jitter_p
    change = [np.where(on, strength * (2 * draws[name] - 1), 0.0) for name, strength in zip(JITTER, jitter, strict=True)]
    brightness, contrast, saturation = (np.maximum(1 + by, 0)[:, None, None] for by in change[:3])
    grey, same = np.outer(np.ones(3), LUMA), np.eye(3)
    blend = saturation * same + (1 - saturation) * grey
    linear = np.stack([brightness * same, contrast * same, blend, turned(change[3])], axis=1)
    mean = np.zeros((batch, 4, 3, 3))
    mean[:, 1] = (1 - contrast) * grey
    order = np.argsort(np.stack([draws[name] for name in ORDER], axis=1), axis=1, kind="stable")
    direct, pooled = np.tile(same, (batch, 1, 1)), np.zeros((batch, 3, 3))
    for step in order.T:
        a, m = linear[np.arange(batch), step], mean[np.arange(batch), step]
        direct, pooled = a @ direct, a @ pooled + m @ direct
    last = np.where((draws["grey"] < grey_p)[:, None, None], grey, same)
    return last @ direct, last @ pooled


def turned(turn: np.ndarray) -> np.ndarray:
    """Matrices (B, 3, 3) on RGB that turn the chroma by `turn` (B,) circles and leave the grey value."""
    cos, sin = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    rotation = np.tile(np.eye(3), (len(turn), 1, 1))
    rotation[:, 1, 1], rotation[:, 1, 2], rotation[:, 2, 1], rotation[:, 2, 2] = cos, -sin, sin, cos
    return np.asarray(np.linalg.inv(YIQ) @ rotation @ YIQ)


def recolour(clips: Tensor, direct: np.ndarray, pooled: np.ndarray) -> Tensor:
    """Apply `direct` and `pooled` of `colour_maps` to clips (B, 3, T, S, S) of levels 0..255; the result is in units of 1, unclamped.

    Written as sums of products, not as matmul, whose rounding may depend on the batch.
    """
    a, m = (placed(maps / 255, clips.device) for maps in (direct, pooled))
    offset = (m * clips.mean((2, 3, 4))[:, None, :]).sum(2)[:, :, None, None, None]
    a = a[..., None, None, None]
    out = torch.addcmul(offset, a[:, :, 0], clips[:, 0:1])
    return out.addcmul_(a[:, :, 1], clips[:, 1:2]).addcmul_(a[:, :, 2], clips[:, 2:3])


def blur(clips: Tensor, sigma: np.ndarray, radius: int) -> Tensor:
    """Gaussian blur of every frame, (B, C, T, H, W), sigma (B,) px; reflected at the border, cut at `radius`, which is below H and W."""
    b, c, t, height, width = clips.shape
    kernel = np.stack([gaussian(own, radius) for own in sigma])
    weights = placed(kernel, clips.device).repeat_interleave(c * t, 0)[:, None, None, :]
    planes = F.pad(clips.reshape(1, b * c * t, height, width), (radius,) * 4, mode="reflect")
    planes = F.conv2d(F.conv2d(planes, weights, groups=b * c * t), weights.transpose(2, 3), groups=b * c * t)
    return planes.view(clips.shape)


def gaussian(sigma: float, radius: int) -> np.ndarray:
    """The kernel of a blur by `sigma` px: (2 radius + 1,) float64 with sum 1."""
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(kernel / kernel.sum())
