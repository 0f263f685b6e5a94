"""Augmented RGB views a second of one thread, against the ways of peers with the same draws' distribution.

    python -m bench.views

`PIL` takes frame by frame through Pillow's transforms, as most public code does; `torchvision v2` and `kornia` take the frames of a clip together as
a tensor; kornia is left out where it is not installed (`pip install --group bench`).
All read clips that are in memory; crop, colour jitter and blur are on in each view.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
import torchvision.transforms.functional as pil
import torchvision.transforms.v2.functional as v2
from bench import rows
from bench.rows import Row, in_turn
from PIL import Image
from torch import Tensor

from videossl import seeding
from videossl.augment.video import VideoAugment

SIZES = ((8, 8, 64, 64, 64), (4, 32, 128, 171, 128))
TINY = ((2, 2, 32, 32, 32),)


def draws(rng: np.random.Generator, height: int, width: int) -> tuple[list[int], list[float], float, float]:
    """A square crop (top, left, height, width), factors of brightness, contrast and saturation, a turn of the hue, and a sigma."""
    side = int(height * np.sqrt(rng.uniform(0.2, 1.0)))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    return [int(top), int(left), side, side], rng.uniform(0.6, 1.4, 3).tolist(), rng.uniform(-0.1, 0.1), rng.uniform(0.1, 2.0)


def by_pil(clips: np.ndarray, size: int, rng: np.random.Generator) -> Tensor:
    """(B, T, H, W, C) uint8 -> (B, C, T, S, S), frame by frame."""
    result = []
    for clip in clips:
        crop, (brightness, contrast, saturation), hue, sigma = draws(rng, *clip.shape[1:3])
        frames = []
        for frame in clip:
            image = pil.resized_crop(Image.fromarray(frame), *crop, [size, size])
            image = pil.adjust_saturation(pil.adjust_contrast(pil.adjust_brightness(image, brightness), contrast), saturation)
            image = pil.gaussian_blur(pil.adjust_hue(image, hue), [7, 7], [sigma, sigma])
            frames.append(pil.normalize(pil.to_tensor(image), [0.5] * 3, [0.25] * 3))
        result.append(torch.stack(frames, dim=1))
    return torch.stack(result)


def by_torchvision(clips: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """(B, T, C, H, W) uint8 -> (B, C, T, S, S), clip by clip."""
    result = []
    for clip in clips:
        crop, (brightness, contrast, saturation), hue, sigma = draws(rng, *clip.shape[2:])
        seen = v2.to_dtype(v2.resized_crop(clip, *crop, [size, size], antialias=False), torch.float32, scale=True)
        seen = v2.adjust_saturation(v2.adjust_contrast(v2.adjust_brightness(seen, brightness), contrast), saturation)
        seen = v2.gaussian_blur(v2.adjust_hue(seen, hue), [7, 7], [sigma, sigma])
        result.append(v2.normalize(seen, [0.5] * 3, [0.25] * 3).transpose(0, 1))
    return torch.stack(result)


def by_kornia(clips: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """(B, T, C, H, W) uint8 -> (B, C, T, S, S), clip by clip."""
    from kornia import enhance, filters
    from kornia.geometry.transform import resize

    result = []
    for clip in clips:
        (top, left, height, width), (brightness, contrast, saturation), hue, sigma = draws(rng, *clip.shape[2:])
        seen = resize(clip[..., top : top + height, left : left + width].float() / 255, (size, size), align_corners=False)
        seen = enhance.adjust_contrast_with_mean_subtraction(enhance.adjust_brightness_accumulative(seen, brightness), contrast)
        seen = enhance.adjust_hue(enhance.adjust_saturation_with_gray_subtraction(seen, saturation), 2 * np.pi * hue)
        seen = filters.gaussian_blur2d(seen, (7, 7), (sigma, sigma))
        result.append(enhance.normalize(seen, torch.tensor([0.5] * 3), torch.tensor([0.25] * 3)).transpose(0, 1))
    return torch.stack(result)


def table(tiny: bool) -> Iterator[Row]:
    """A row for each size and peer; the limit is memory: a view's values are written twice and read once at least."""
    for batch, frames, height, width, size in TINY if tiny else SIZES:
        clips = torch.randint(0, 256, (batch, frames, height, width, 3), dtype=torch.uint8, generator=seeding.torch_rng(0, size, "bench"))
        sizes, augment = torch.tensor([[height, width]] * batch), VideoAugment("rgb", size, jitter_p=1.0, blur_p=1.0, grey_p=0.0)
        values = torch.empty(batch, 3, frames, size, size)
        planes = clips.permute(0, 1, 4, 2, 3)
        peers = {"PIL": partial(by_pil, clips.numpy()), "torchvision v2": partial(by_torchvision, planes)}
        if find_spec("kornia"):
            peers["kornia"] = partial(by_kornia, planes)
        ours, copied, *taken = in_turn(
            lambda: augment.train(clips, sizes, [seeding.numpy_rng(0, number, "bench") for number in range(batch)]),  # noqa: B023
            lambda: values.add_(1).mul_(2),  # noqa: B023
            *(partial(peer, size, seeding.numpy_rng(0, "bench")) for peer in peers.values()),
        )
        for name, seconds in zip(peers, taken, strict=True):
            limit = f"{ours / copied:.0f} times as long as its values are read and written twice"
            yield Row(f"views {frames}x{size}x{size}", batch / ours, "views/s", f"{name} {batch / seconds:.3g}", seconds / ours, limit)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows.main(__doc__ or "", {"views": table})
