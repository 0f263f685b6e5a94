"""Views of video clips: crop, flip, colour jitter, grey and blur, the same for all frames of a clip (docs/methods/modalities.md).

Everything runs on a padded batch at once, on the batch's device; random numbers are drawn on the host, a fixed number a
sample from the sample's own generator. So a sample's view depends on its generator alone: not on the other samples of
the batch, nor on which of the operations are switched on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

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
CHUNK = 2**21  # values of a batch that the CPU works on at a time: they fit its cache, which halves the time

# One uniform number each, in this order, for every sample of every view.
JITTER = ("brightness", "contrast", "saturation", "hue")
ORDER = ("first", "second", "third", "fourth")
DRAWS = ("area", "aspect", "top", "left", "flip", "jitter", *JITTER, *ORDER, "grey", "blur", "sigma")


@dataclass(frozen=True)
class Boxes:
    """One crop a sample, in pixels of its own frames: (B,) arrays; `flip` mirrors the crop left to right."""

    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray
    flip: np.ndarray

    def shares(self, sizes: Tensor) -> np.ndarray:
        """(B, 4) float64: top, left, height, width as shares of frames of true `sizes` (B, 2)."""
        height, width = sizes.cpu().double().numpy().T
        return np.stack([self.top / height, self.left / width, self.height / height, self.width / width], axis=1)


@dataclass(frozen=True)
class VideoAugment:
    """Augmentation of rgb or flow clips: uint8 (B, T, H, W, C) padded right and below, sizes (B, 2) true (H, W).

    Output float32 (B, C, T, size, size). rgb: (x / 255 - mean) / deviation, clamped to [0, 1] before that, once, after the
    colour operations. flow: pixels a frame of the *output*, clamped to [-bound, bound], over `flow_scale`; only crop and
    flip apply (docs/methods/modalities.md).

    size: output side, px. area: crop's share of the frame, drawn uniformly. flip, jitter_p, grey_p, blur_p:
    probabilities. jitter: strength of brightness, contrast, saturation (factors in 1 +- strength) and hue (a turn of
    +- strength of the full circle). blur_sigma: range of the Gaussian's sigma, output px. bound: of the flow's
    quantisation, px (the cache's attribute). normalise: mean and deviation of rgb in 0..1; what a convolution pads with
    is this mean, so far from the videos' own it makes every border an edge. flow_scale: px a frame that become 1.
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
    normalise: tuple[float, float] = (0.5, 0.25)
    bound: float = 20.0
    flow_scale: float = 4.0
    zero_mean: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("rgb", "flow"):
            raise InputError(f"augmentation of {self.kind!r}: video kinds are rgb and flow")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InputError(f"augment crop area {self.area}: give two shares of the frame, 0 < low <= high <= 1")
        if not 0 < self.blur_sigma[0] <= self.blur_sigma[1]:
            raise InputError(f"augment blur sigma {self.blur_sigma}: give two sigmas in px, 0 < low <= high")

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        """One random view of each clip, all draws for sample b from `rngs[b]`: (B, C, T, S, S) float32."""
        return self.train_with_geometry(clips, sizes, rngs)[0]

    def train_with_geometry(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, dict[str, Tensor]]:
        """The same views, and the part of the frames that each view shows.

        Returns:
            views, and on their device "box": (B, 4) float32, the crop's top, left, height and width as shares of the frame's height and
            width; "flip": (B,) bool, whether the crop is mirrored left to right.
        """
        numbers = np.stack([rng.random(len(DRAWS)) for rng in rngs], axis=1)
        count = len(rngs) if clips.device.type != "cpu" else max(1, CHUNK // clips[0].numel())
        parts = [slice(first, first + count) for first in range(0, len(rngs), count)]
        made = [self._train(clips[part], sizes[part], numbers[:, part]) for part in parts]
        shares = np.concatenate([boxes.shares(sizes[part]) for part, (_, boxes) in zip(parts, made, strict=True)])
        flip = np.concatenate([boxes.flip for _, boxes in made])
        geometry = {"box": placed(shares, clips.device), "flip": placed(flip, clips.device)}
        return torch.cat([views for views, _ in made]), geometry

    def _train(self, clips: Tensor, sizes: Tensor, numbers: np.ndarray) -> tuple[Tensor, Boxes]:
        """Views of some samples, and their crops; numbers: (len(DRAWS), B)."""
        draws = dict(zip(DRAWS, numbers, strict=True))
        boxes = random_boxes(draws, sizes, self.area, self.flip)
        return self._views(clips, boxes, draws), boxes

    def _views(self, clips: Tensor, boxes: Boxes, draws: dict[str, np.ndarray]) -> Tensor:
        """Crop `boxes` and recolour: (B, C, T, S, S)."""
        if self.kind == "flow":
            return self._flow(clips, boxes)
        views = resample(clips, boxes, self.size)
        views = recolour(views, *colour_maps(draws, self.jitter, self.jitter_p, self.grey_p)).clamp_(0, 1)
        blurred = np.flatnonzero(draws["blur"] < self.blur_p)
        if len(blurred):
            low, high = self.blur_sigma
            positions = placed(blurred, views.device)
            sigma = torch.from_numpy(low + (high - low) * draws["sigma"][blurred])
            views[positions] = blur(views[positions], sigma, math.ceil(3 * high))
        return views.sub_(self.normalise[0]).div_(self.normalise[1])

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
            if self.kind == "flow":
                yield self._flow(clips, boxes)
            else:
                yield resample(clips, boxes, self.size).div_(255).sub_(self.normalise[0]).div_(self.normalise[1])

    def without_blur(self) -> VideoAugment:
        """This augmentation for finetuning: all but the blur (P appendix 1)."""
        return replace(self, blur_p=0.0)

    def _flow(self, clips: Tensor, boxes: Boxes) -> Tensor:
        """Crop and resize quantised flow; u scales with the width and changes sign in a mirror, v with the height."""
        resized = np.stack([self.size / boxes.width * np.where(boxes.flip, -1, 1), self.size / boxes.height], axis=1)
        factor = placed(resized * self.bound / 127, clips.device)
        levels = resample(clips, boxes, self.size)
        flow = levels.sub_(128).mul_(factor[:, :, None, None, None]).clamp_(-self.bound, self.bound).div_(self.flow_scale)
        return flow.sub_(flow.mean(dim=(3, 4), keepdim=True)) if self.zero_mean else flow


def placed(numbers: np.ndarray, device: torch.device) -> Tensor:
    """Numbers of the host on a device, fractions as float32; nothing waits for the device."""
    tensor = torch.from_numpy(numbers)
    return tensor.to(device, torch.float32 if tensor.is_floating_point() else tensor.dtype, non_blocking=True)


def random_boxes(draws: dict[str, np.ndarray], sizes: Tensor, area: tuple[float, float], flip: float) -> Boxes:
    """Random resized crop: area uniform in `area` (shares of the frame), aspect log-uniform in 3/4..4/3.

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


def fixed_boxes(sizes: Tensor, views: int) -> Iterator[Boxes]:
    """Centre square (views 1 or 2), or centre and corners (views 10); each box is followed by its mirror if views > 1."""
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
    """Crop, resize (bilinear) and flip: uint8 (B, T, H, W, C) -> float32 (B, C, T, size, size), levels 0..255.

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
    """
    batch = len(draws["hue"])
    on = draws["jitter"] < jitter_p
    change = [np.where(on, strength * (2 * draws[name] - 1), 0.0) for name, strength in zip(JITTER, jitter, strict=True)]
    brightness, contrast, saturation = (np.maximum(1 + by, 0)[:, None, None] for by in change[:3])
    grey, same = np.outer(np.ones(3), LUMA), np.eye(3)
    blend = saturation * same + (1 - saturation) * grey
    linear = np.stack([brightness * same, contrast * same, blend, _hue(change[3])], axis=1)
    mean = np.zeros((batch, 4, 3, 3))
    mean[:, 1] = (1 - contrast) * grey
    order = np.argsort(np.stack([draws[name] for name in ORDER], axis=1), axis=1, kind="stable")
    direct, pooled = np.tile(same, (batch, 1, 1)), np.zeros((batch, 3, 3))
    for step in order.T:
        a, m = linear[np.arange(batch), step], mean[np.arange(batch), step]
        direct, pooled = a @ direct, a @ pooled + m @ direct
    last = np.where((draws["grey"] < grey_p)[:, None, None], grey, same)
    return last @ direct, last @ pooled


def _hue(turn: np.ndarray) -> np.ndarray:
    """Matrices (B, 3, 3) on RGB that turn the chroma by `turn` (B,) circles and leave the grey value."""
    cos, sin = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    rotation = np.tile(np.eye(3), (len(turn), 1, 1))
    rotation[:, 1, 1], rotation[:, 1, 2], rotation[:, 2, 1], rotation[:, 2, 2] = cos, -sin, sin, cos
    return np.asarray(np.linalg.inv(YIQ) @ rotation @ YIQ)


def recolour(clips: Tensor, direct: np.ndarray, pooled: np.ndarray) -> Tensor:
    """Apply `colour_maps` to clips (B, 3, T, S, S) of levels 0..255; the result is in units of 1, unclamped.

    Written as sums of products, not as matmul, whose rounding may depend on the batch.
    """
    a, m = (placed(maps / 255, clips.device) for maps in (direct, pooled))
    offset = (m * clips.mean((2, 3, 4))[:, None, :]).sum(2)[:, :, None, None, None]
    a = a[..., None, None, None]
    out = torch.addcmul(offset, a[:, :, 0], clips[:, 0:1])
    return out.addcmul_(a[:, :, 1], clips[:, 1:2]).addcmul_(a[:, :, 2], clips[:, 2:3])


def blur(clips: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Gaussian blur of every frame, (B, C, T, S, S), sigma (B,) px; reflected at the border, cut at `radius`."""
    b, c, t, height, width = clips.shape
    radius = min(radius, height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma.double()[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    if clips.device.type == "cpu":
        return _blurred(clips, kernel)
    weights = kernel.to(clips, non_blocking=True).repeat_interleave(c * t, 0)[:, None, None, :]
    planes = F.pad(clips.reshape(1, b * c * t, height, width), (radius,) * 4, mode="reflect")
    planes = F.conv2d(F.conv2d(planes, weights, groups=b * c * t), weights.transpose(2, 3), groups=b * c * t)
    return planes.view(clips.shape)


def _blurred(clips: Tensor, kernel: Tensor) -> Tensor:
    """The same on the CPU, where OpenCV takes a quarter to a half of the time; kernel: (B, taps)."""
    import cv2

    cv2.setNumThreads(1)
    clips = clips.contiguous()
    result = torch.empty_like(clips)
    for clip, into, taps in zip(clips, result, kernel.float().numpy(), strict=True):
        for plane, blurred in zip(clip.flatten(0, 1).numpy(), into.flatten(0, 1).numpy(), strict=True):
            cv2.sepFilter2D(plane, -1, taps, taps, dst=blurred, borderType=cv2.BORDER_REFLECT_101)
    return result
