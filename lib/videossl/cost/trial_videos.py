"""Videos to measure on: some of the dataset's own where they are there or can be rendered, else made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from videossl import job_code
from videossl.cost.work import extractors
from videossl.data import cache, jpeg, listing, make_index, ntu_skeleton, video
from videossl.data.index import Row
from videossl.data.listing import Counts
from videossl.errors import InputError
from videossl.params import run_plan, slices
from videossl.params.recipes import Params

SHORT = 5  # frames of a video that is cut short
WHOLE = 3e7  # pixels of a made-up video at most: 390 frames of 320 x 240
RENDERED = 16  # videos of a dataset that is rendered
FALL = 1.5  # amplitudes of a made-up picture fall as 1/f^1.5
CONTRAST, GREY = 50, 110  # standard deviation and mean of its pixels
RATE = 30  # frames a second where none is known


@dataclass(frozen=True)
class TrialVideos:
    """Videos in `folder` by their rows of an index: one as long as the dataset's, and the middle of some, losslessly cut out; and what the
    short ones are in each cached modality of pictures, (N, H, W, C) uint8 each."""

    folder: Path
    whole: Row
    short: list[Row]
    pictures: dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class Rendered:
    """The first videos of a dataset that is rendered, and what a frame took."""

    videos: tuple[Path, ...]
    seconds: float
    bytes: float


def take(folder: Path, params: Params, counts: Counts, videos: Sequence[Path]) -> TrialVideos:
    """The files that extractors and the index read, of the kinds that the run is made of.

    folder: to write to; counts: of the dataset; videos: some of its own that decode, perhaps none: then one is made up.
    """
    folder.mkdir(parents=True)
    skeletons = any(run_plan.extractor(params, cached)["made_of"] == "skeleton" for cached in run_plan.all_cached_modalities(params))
    entries = []
    for number, film in enumerate(_films(folder, counts, videos) if counts.width else ["", ""]):
        skeleton = f"{number}.skeleton" if skeletons else ""
        if skeleton:
            length = video.probe(folder / film).frames if film else max(2, round(counts.frames))
            ntu_skeleton.write(folder / skeleton, np.random.default_rng(0).standard_normal((length, len(ntu_skeleton.JOINTS), 3, 1)))
        entries.append(listing.Video(str(number), film, skeleton=skeleton))
    whole, *short = make_index.build(entries, folder, fps=params["index"]["fps"])
    drawn = {cached: extract for cached, extract in extractors(params).items() if cache.layout(cached).pictures}
    return TrialVideos(folder, whole, short, {cached: [extract(row, folder) for row in short] for cached, extract in drawn.items()})


def _films(folder: Path, counts: Counts, videos: Sequence[Path]) -> list[str]:
    """The names of video files in `folder`: a whole one first, then short ones."""
    width, height = round(counts.width), round(counts.height)
    if videos:
        smallest = min(videos, key=lambda path: path.stat().st_size)
        whole = folder / f"whole{smallest.suffix}"
        whole.symlink_to(smallest.resolve())
    else:
        whole, count = folder / "whole.avi", max(SHORT, round(min(counts.frames, WHOLE / (width * height))))
        write(whole, made_up((width // 2 * 2, height // 2 * 2), count), counts.fps)  # MPEG-4 wants even sides
    shots = [shot for path in videos if len(shot := _middle(path)) > 1] or [made_up((width, height), SHORT)]
    for number, shot in enumerate(shots):
        write(folder / f"{number}.avi", shot, counts.fps, lossless=True)
    return [whole.name, *(f"{number}.avi" for number in range(len(shots)))]


def _middle(path: Path) -> list[np.ndarray]:
    """The frames in the middle of a video."""
    start = max(0, (video.probe(path).frames - SHORT) // 2)
    return list(islice(video.each(path), start, start + SHORT))


def made_up(size: tuple[int, int], count: int) -> list[np.ndarray]:
    """A grey picture that drifts, `count` times (H, W, 3) uint8, in detail like a frame of video; size is (width, height).

    Its spectrum falls as in real pictures; phases alone are drawn. Shrunk to 128 pixels, JPEG of quality 90 takes 0.3 to 0.36 bytes
    a pixel. Two clips of UCF101 and two of HMDB51 take 0.25 to 0.45.
    """
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    noise = np.fft.rfft2(np.random.default_rng(0).standard_normal((height, width)))
    picture = np.fft.irfft2(noise / abs(noise) / frequency**FALL, (height, width))
    picture = (picture - picture.mean()) / picture.std() * CONTRAST + GREY
    still = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return [np.roll(still, (n, 2 * n), (0, 1)) for n in range(count)]


def write(path: Path, frames: Sequence[np.ndarray], rate: float, lossless: bool = False) -> None:
    """Write (H, W, 3) uint8 frames as MPEG-4, near to what UCF101 (Xvid) and Kinetics (H.264) take to decode; or losslessly, as FFV1."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1" if lossless else "mpeg4", rate=Fraction(rate or RATE).limit_denominator(1001))
        stream.pix_fmt = "bgr0" if lossless else "yuv420p"
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


def render(params: Params, name: str, frames: float, folder: Path) -> Rendered:
    """Do in `folder` what `download` does for a dataset that is rendered, up to some videos; frames: of a video.

    Raises InputError where that makes less than two.
    """
    given = ["--params", json.dumps(slices.dataset(params, name)), "--out", str(folder)]
    command = [sys.executable, str(job_code.ROOT / "stages" / "download.py"), *given]
    environment = os.environ | {"PYTHONPATH": str(job_code.LIBRARY)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as job:
        while job.poll() is None and len(_videos(folder)) < RENDERED:
            time.sleep(0.05)
        job.terminate()
    videos = _videos(folder)
    if len(videos) < 2:
        raise InputError(f"{name} cannot be rendered; its rule says why (snakemake data/raw/{name})")
    taken = videos[-1].stat().st_mtime - videos[0].stat().st_mtime
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Rendered(tuple(videos), taken / (len(videos) - 1) / frames, written / len(videos) / frames)


def _videos(folder: Path) -> list[Path]:
    """The videos that are whole, in the order in which they were made."""
    return sorted((path for path in folder.rglob("*") if path.suffix in listing.SUFFIXES), key=lambda path: path.stat().st_mtime_ns)


def jpeg_bytes(pictures: Mapping[str, Sequence[np.ndarray]], params: Params) -> dict[str, float]:
    """Bytes of JPEG a pixel by cached modality, on average over videos; {} where the codec is raw."""
    if params["cache"]["codec"] != "jpeg":
        return {}
    quality = params["cache"]["quality"]
    shares = {
        cached: [len(jpeg.encode(values, quality).data) / values[..., 0].size for values in videos] for cached, videos in pictures.items()
    }
    return {cached: float(np.mean(of_each)) for cached, of_each in shares.items()}
