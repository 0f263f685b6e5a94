"""Frames to measure on: of the dataset's own videos where some are there, else made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videossl.data import jpeg, video
from videossl.datasets import toy
from videossl.extract import flow

FRAMES = 5  # of each film
FALL = 1.5  # amplitudes of a made-up picture fall as 1/f^1.5
LEAST = 16  # pixels of its sides, where a dataset is of skeletons alone
CONTRAST, GREY = 50, 110  # standard deviation and mean of its pixels


def films(dataset: Mapping[str, Any], videos: Sequence[Path], size: tuple[int, int], short_side: int) -> list[np.ndarray]:
    """Frames at the size at which they are cached: those in the middle of each of `videos`, else one made-up film.

    Args:
        dataset: of params.
        videos: some that decode, perhaps none.
        size: (width, height) of a made-up film.
        short_side: pixels, of the others.

    Returns:
        (N, H, W, 3) uint8 a film, N from 2 to FRAMES.
    """
    shots = [_middle(video.frames(path, short_side)) for path in videos]
    if long := [shot for shot in shots if len(shot) > 1]:
        return long
    if dataset["name"] == "toy":
        shot = _middle(toy.film(toy.Take("Wave", 1, 1), toy.Options.of(dataset["options"])))
        return [np.stack([video.resize(frame, size) for frame in shot])]
    return [made_up(size, FRAMES)]


def _middle(frames: np.ndarray) -> np.ndarray:
    start = max(0, (len(frames) - FRAMES) // 2)
    return frames[start : start + FRAMES]


def made_up(size: tuple[int, int], count: int) -> np.ndarray:
    """A grey picture that drifts, (count, H, W, 3) uint8, in detail like a frame of video; size is (width, height).

    Its spectrum falls as that of pictures of the world does. JPEG of quality 90 takes 0.35 bytes a pixel of it at 171 x 128;
    of two clips of UCF101 and two of HMDB51, so cached, 0.25 to 0.45.
    """
    width, height = (max(side, LEAST) for side in size)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    noise = np.random.default_rng(0).standard_normal((height, width))
    picture = np.fft.irfft2(np.fft.rfft2(noise) / frequency**FALL, (height, width))
    picture = (picture - picture.mean()) / picture.std() * CONTRAST + GREY
    still = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return np.stack([np.roll(still, (n, 2 * n), (0, 1)) for n in range(count)])


def grey(film: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) -> (N, H, W) uint8."""
    return np.asarray(film.mean(axis=-1).astype(np.uint8))


def flow_of(film: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """The flow of a film as it is cached, (N - 1, H, W, 2) uint8; settings: `flow` of params."""
    return flow.quantise(flow.compute(settings["backend"], own_settings(settings), grey(film)), settings["bound"])


def own_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `flow` of params that are the backend's."""
    return {key: value for key, value in settings.items() if key not in ("backend", "bound")}


def jpeg_bytes(made: Sequence[np.ndarray], params: Mapping[str, Any]) -> dict[str, float]:
    """Bytes of JPEG a pixel, by cached modality ("rgb", "flow"), on average over films; {} where the codec is raw."""
    if params["cache"]["codec"] != "jpeg":
        return {}
    pictures = {"rgb": list(made)}
    if "flow" in params["modalities"]:
        pictures["flow"] = [flow_of(film, params["flow"]) for film in made]
    quality = params["cache"]["quality"]
    return {
        source: float(np.mean([len(jpeg.encode(one, quality).data) / one[..., 0].size for one in some]))
        for source, some in pictures.items()
    }
