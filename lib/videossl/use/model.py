"""A finished encoder with what it takes to show it videos."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from videossl import registry
from videossl.data import cache, jpeg, make_index, video
from videossl.data.clips import collate, uniform_starts
from videossl.data.index import Row
from videossl.data.listing import Video
from videossl.errors import InputError
from videossl.extract.frames import OfPictures
from videossl.extract.shard import Extractor
from videossl.tasks import encode
from videossl.tasks.batches import Clips
from videossl.train.assemble import Augment, Loader, input_shape, span

SECONDS = 40.0
"""Length of a window of a long video. A video of up to one and a half of them is one window, as in the pipeline."""
MOST = 48 * 2**20
"""Bytes of pictures that a window may have, and the last one and a half of it; twice as many may be in memory at once. Torch alone takes 0.5 GB."""
CPU = torch.device("cpu")
VIEWS = 8 * 2**20
"""Bytes of the views of one forward pass on a CPU, at least one clip: more take memory, of the maps many times as much, and save little time."""


class Embedded(NamedTuple):
    """The features of one window of a video, from `start_s` to `end_s` in seconds, (D,) float32: the mean over its clips."""

    video: str
    start_s: float
    end_s: float
    features: np.ndarray


class Broken(NamedTuple):
    """A video that cannot be read; the reason is one line that names it."""

    video: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """The way from a video to what a cache would hold of it.

    cached: the cached modality. extract: from a video or file to the values of a cache. made_of: "video" or "skeleton", the kind of file.
    quality: of JPEG, None where the cache holds the values as they are. dataset: that the encoder was trained on.
    """

    cached: str
    extract: Extractor
    made_of: str = "video"
    quality: int | None = None
    dataset: str = ""


@dataclass(frozen=True)
class Model:
    """An encoder, in evaluation mode, and its preprocessing; a call takes clips in memory to features.

    name: as it was asked for. encoder: views -> maps, with `pool(maps) -> (B, D)`. settings: of its stream. reading: how a video is read.
    augment: its `evaluate` takes clips to views, nothing random. clips: of a window, whose features are averaged. made_from: the provenance of
    the weights. results: the files of its numbers, where it is of a run. device: that the encoder is on.
    """

    name: str
    stream: str
    encoder: Any
    settings: Mapping[str, Any]
    reading: Reading
    augment: Augment
    clips: int
    made_from: Mapping[str, Any] = field(default_factory=dict)
    results: tuple[Path, ...] = ()
    device: torch.device = CPU

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the encoder's weights: names, types, shapes and bytes, sorted."""
        result = hashlib.sha256()
        for name, tensor in sorted(self.encoder.state_dict().items()):
            result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode() + tensor.cpu().contiguous().numpy().tobytes())
        return result.hexdigest()

    def on(self, device: str | None) -> Model:
        """The same on a device as torch names them, None: a GPU if there is one."""
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return replace(self, device=chosen, encoder=cast(nn.Module, self.encoder).to(chosen).requires_grad_(False).eval())

    def preprocess(self, clips: np.ndarray | Tensor) -> Tensor:
        """The views (B, C, T, ...) float32 that the encoder takes, on its device.

        clips: pictures (B, T, H, W, C) uint8, RGB or levels of flow, at the rate of the model's extractor; of skeletons (B, 3, T, V, 2) float32.

        >>> import numpy, videossl
        >>> model = videossl.load("runs/mine/mixup/rgb")
        >>> model.preprocess(numpy.zeros((2, 8, 48, 64, 3), "uint8")).shape
        torch.Size([2, 3, 8, 32, 32])
        """
        batch, sizes = collate(list(np.asarray(clips)))
        return self.augment.evaluate(batch.to(self.device), sizes)

    def __call__(self, clips: np.ndarray | Tensor) -> Tensor:
        """Features (B, D) float32 of clips as `preprocess` takes them.

        >>> import numpy, videossl
        >>> model = videossl.load("runs/mine/mixup/rgb")
        >>> model(numpy.zeros((2, 8, 48, 64, 3), "uint8")).shape
        torch.Size([2, 64])
        """
        with encode.frozen(self.encoder):
            return cast(Tensor, self.encoder.pool(self.encoder(self.preprocess(clips))).float())

    @property
    def at_once(self) -> int:
        """Clips in one forward pass."""
        return encode.BATCH if self.device.type != "cpu" else min(encode.BATCH, max(1, VIEWS // (4 * math.prod(self.input_shape))))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (1, C, T, ...) of the views of one clip."""
        return input_shape(self.settings)

    def embed(self, path: str | Path, window: float = SECONDS) -> Iterator[Embedded]:
        """The features of a video, window by window; of one that lasts up to one and a half windows there is one.

        The features of a short video are those of the pipeline, averaged over its clips: read in the same way, at the same clips.

        Args:
            path: a video, or a skeleton file for an encoder of skeletons from files.
            window: its length in seconds. Of large pictures it is shorter, so that they fit into memory (`MOST`).

        Raises:
            InputError: "PATH: REASON" for what cannot be read or is shorter than a clip.

        >>> import videossl
        >>> [row] = videossl.load("runs/mine/mixup/rgb").embed("clip.avi")
        >>> row.video, row.start_s, row.end_s, row.features.shape
        ('clip.avi', 0.0, 0.467, (64,))
        """
        for row in embed(self, [path], window):
            if isinstance(row, Broken):
                raise InputError(row.reason)
            yield row


def embed(model: Model, videos: Sequence[str | Path], window: float = SECONDS) -> Iterator[Embedded | Broken]:
    """The features of videos by a model, window by window, in their order; another thread reads the next window while one is worked at.

    window: its length in seconds. A video that cannot be read comes as `Broken`, behind the windows before it breaks.
    """
    windows = _windows(model, videos, window)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, windows, None)
        while (held := coming.result()) is not None:
            coming = reader.submit(next, windows, None)
            yield held if isinstance(held, Broken) else _features(model, held)


def _features(model: Model, held: Held) -> Embedded:
    """The features of what is held of a video."""
    starts = partial(uniform_starts, count=model.clips)
    clips = Clips(cast(cache.Cache, held), [held.row], model.stream, Loader(model.settings), span(model.settings), starts)
    columns = encode.extract(model.encoder, model.augment, clips, model.at_once, model.device)
    mean = columns["features"][0].astype(np.float64).mean(axis=0).astype(np.float32)
    return Embedded(held.row.id, round(held.start, 3), round(held.end, 3), mean)


def _windows(model: Model, videos: Sequence[str | Path], window: float) -> Iterator[Held | Broken]:
    """All windows of all videos, as they are read."""
    for path in map(str, videos):
        try:
            read = _in_windows if hasattr(model.reading.extract, "of") else _whole
            yield from read(model, path, window)
        except InputError as error:
            yield Broken(path, str(error) if path in str(error) else f"{path}: {error}")


def _in_windows(model: Model, path: str, seconds: float) -> Iterator[Held]:
    """The windows of a video by an extractor that takes any pictures. One too short for a clip is left out, unless it is all there is."""
    extract = cast(OfPictures, model.reading.extract)
    shorter, needed = cache.layout(model.reading.cached).shorter, span(model.settings) or 1
    for window in video.in_windows(path, seconds, MOST, extract.short_side, extract.grey, extract.fps):
        steps = len(window.pictures) - shorter
        if steps >= needed:
            yield Held(model.reading, path, extract.of(window.pictures), window.start, window.end)
        elif window.start == 0:
            raise InputError(f"{path}: short: {steps} steps of {model.reading.cached}, a clip takes {needed}")


def _whole(model: Model, path: str, seconds: float) -> Iterator[Held]:
    """A file by an extractor that takes it whole: skeletons, which are small, or people who are followed through a video."""
    file, extract = Path(path), model.reading.extract
    is_video = model.reading.made_of == "video"
    named = Video(id=path, path=file.name if is_video else "", skeleton="" if is_video else file.name)
    (row,) = make_index.build([named], file.parent, min_frames=span(model.settings) or 1, fps=getattr(extract, "fps", None))
    if row.reason:
        raise InputError(f"{path}: {row.reason}")
    held = Held(model.reading, path, extract(row, file.parent), 0.0, row.frames / (row.fps or video.USUAL))
    registry.module("modalities", model.settings["modality"]).check(held, model.settings)
    yield held


class Held:
    """A window of a video in memory, which reads as a cache with this one video: the same values, those that JPEG changes included.

    reading: how it was read; path: of the video, its `id` in the cache; values: (T, ...); start, end: seconds of the video.
    """

    def __init__(self, reading: Reading, path: str, values: Sequence[np.ndarray] | np.ndarray, start: float, end: float) -> None:
        self.values, self.quality, self.start, self.end = values, reading.quality, start, end
        self.shorter = cache.layout(reading.cached).shorter
        self.attrs: dict[str, Any] = {"modality": reading.cached, "dataset": path, **reading.extract.attrs()}
        self.ids = [path]
        steps = len(values)
        self.row = Row(
            id=path, path=path, label="", split="test", group=path, frames=steps, fps=0.0, steps=steps,
            width=0, height=0, skeleton="", sha256="", status="ok", reason="",
        )  # fmt: skip

    def __contains__(self, id: object) -> bool:
        return id == self.row.id

    def shape(self, id: str) -> tuple[int, ...]:
        """The shape of the video's array, time first."""
        return len(self.values), *self.values[0].shape

    def length(self, id: str) -> int:
        """Count its time steps."""
        return len(self.values)

    def read(self, id: str, start: int, stop: int, step: int = 1) -> np.ndarray:
        """Time steps start, start + step, ... below stop, as a cache gives them."""
        values = np.asarray(self.values[start:stop:step])
        if self.quality is None:
            return values
        encoded = jpeg.encode(values, self.quality)
        return jpeg.decode(np.split(encoded.data, encoded.offsets[1:-1]), encoded.step)
