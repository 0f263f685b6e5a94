"""Augmented RGB views a second, as a ratio to the way of the closest peers: frame by frame, one transform after another.

    python bench/views.py

The baseline applies torchvision's functional transforms to each frame of each clip with the same draws' distribution.
Both run in this process, on one thread, in turn; the best of three is taken. Both read clips that are in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
import torchvision.transforms.functional as tv

from videossl import seeding
from videossl.augment.video import VideoAugment


def rate(make: Callable[[], object], views: int) -> float:
    """Views a second, the best of three."""
    make()
    best = min(_seconds(make) for _ in range(3))
    return views / best


def _seconds(make: Callable[[], object]) -> float:
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def frame_by_frame(clips: torch.Tensor, size: int, rng: np.random.Generator) -> torch.Tensor:
    """(B, T, H, W, C) uint8 -> (B, C, T, S, S): the baseline."""
    result = []
    for clip in clips:
        height, width = clip.shape[1:3]
        side = int(height * np.sqrt(rng.uniform(0.2, 1.0)))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        brightness, contrast, saturation = rng.uniform(0.6, 1.4, 3)
        hue, sigma = rng.uniform(-0.1, 0.1), rng.uniform(0.1, 2.0)
        frames = []
        for frame in clip:
            image = tv.resized_crop(frame.permute(2, 0, 1), int(top), int(left), side, side, [size, size], antialias=False).float() / 255
            image = tv.adjust_brightness(image, brightness)
            image = tv.adjust_contrast(image, contrast)
            image = tv.adjust_saturation(image, saturation)
            image = tv.adjust_hue(image, hue)
            frames.append(tv.gaussian_blur(image, [7, 7], [sigma, sigma]))
        result.append(torch.stack(frames, dim=1))
    return torch.stack(result)


def main() -> None:
    """Print one line a size."""
    torch.set_num_threads(1)
    for batch, frames, height, width, size in ((8, 8, 64, 64, 64), (4, 32, 128, 171, 128)):
        generator = seeding.torch_rng(0, size, "bench")
        clips = torch.randint(0, 256, (batch, frames, height, width, 3), dtype=torch.uint8, generator=generator)
        sizes = torch.tensor([[height, width]] * batch)
        augment = VideoAugment("rgb", size, jitter_p=1.0, blur_p=1.0, grey_p=0.0)
        rngs = [seeding.numpy_rng(0, number, "bench") for number in range(batch)]
        ours = rate(lambda: augment.train(clips, sizes, rngs), batch)  # noqa: B023
        theirs = rate(lambda: frame_by_frame(clips, size, seeding.numpy_rng(0, "bench")), batch)  # noqa: B023
        print(f"{frames}x{size}x{size}: {ours:.0f} views/s, frame by frame {theirs:.1f}; ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
