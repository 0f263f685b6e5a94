"""Small caches on disk, a small encoder, and the scripts of stages/ called on them."""

from __future__ import annotations

import importlib
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.made import row, shard
from torch import nn

from videossl import registry, seeding
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import uniform_starts
from videossl.data.index import Row
from videossl.encoders.base import Encoder
from videossl.tasks.batches import Clips

MakeEncoder = Callable[[int], Encoder]
MakeCache = Callable[..., Cache]
MakeRows = Callable[[Sequence[tuple[str, str, str]]], list[Row]]
MakeClips = Callable[..., Clips]
MakeDataset = Callable[..., "Dataset"]
CallStage = Callable[..., Any]

VIDEOS = [("a/1", "jump", "train"), ("a/2", "run", "train"), ("b/1", "jump", "test"), ("b/2", "run", "test")]
SHAPES = {"a/1": (12, 20, 26), "a/2": (9, 24, 18), "b/1": (20, 20, 20), "b/2": (15, 17, 30)}
THREE = partial(uniform_starts, count=3)
AUGMENT = {
    "rgb": {
        "area": [0.5, 1.0],
        "flip": 0.5,
        "jitter": [0.1, 0.1, 0.1, 0.02],
        "jitter_p": 0.8,
        "grey_p": 0.1,
        "blur_p": 0.5,
        "blur_sigma": [0.1, 2.0],
        "normalise": [0.5, 0.25],
    },
    "flow": {"area": [0.5, 1.0], "flip": 0.5, "scale": 4.0},
}
TRAINING = {
    "epochs": 1,
    "batch": 4,
    "optimiser": "adam",
    "lr": 0.001,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "warmup": 0.0,
    "decay_norms": True,
    "accumulate": 1,
    "max_gradient": None,
}


def settings(modality: str) -> dict[str, Any]:
    """A stream's part of the params: a very narrow S3D on clips of 8 frames, 32 x 32."""
    clip = {"frames": 8, "stride": 1, "size": 32}
    return {"modality": modality, "encoder": "s3d", "width": 0.0625, "clip": clip, "augment": AUGMENT[modality]}


def clips_of(cache: Cache, rows: Sequence[Row], modality: str, clip: dict[str, int], starts: Callable[[int, int], list[int]]) -> Clips:
    """Clips of a modality, such as `{"frames": 4, "stride": 2}` says."""
    module, chosen = registry.module("modalities", modality), {"clip": clip}
    return Clips(cache, rows, modality, lambda *which: module.load(*which[:2], chosen, which[2]), module.span(chosen), starts)


def settle(encoder: nn.Module, x: torch.Tensor) -> None:
    """Make batch-norm's statistics those of `x`: at the initial ones the features of all clips would be nearly equal."""
    norms = [part for part in encoder.modules() if isinstance(part, nn.BatchNorm3d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        encoder.train()(x)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


@dataclass(frozen=True)
class Dataset:
    """The index and the caches of a tiny dataset, with what they hold."""

    name: str
    index: Path
    caches: dict[str, Path]
    rows: list[Row]
    videos: dict[str, dict[str, np.ndarray]]  # modality -> id -> array


@pytest.fixture
def make_encoder() -> MakeEncoder:
    """An encoder with batch-norm whose statistics are not the initial ones: `make_encoder(channels)`."""

    def make(channels: int) -> Encoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            blocks = OrderedDict(
                block1=nn.Sequential(nn.Conv3d(channels, 6, 3, stride=2, padding=1), nn.BatchNorm3d(6), nn.ReLU()),
                block2=nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU()),
            )
            encoder = Encoder(OrderedDict(blocks), 8)
            encoder(torch.randn(4, channels, 8, 16, 16))
        return encoder

    return make


@pytest.fixture
def make_rows() -> MakeRows:
    """Index rows of (id, label, split)."""

    def make(videos: Sequence[tuple[str, str, str]]) -> list[Row]:
        return [row(id, label, split) for id, label, split in videos]

    return make


@pytest.fixture
def make_cache(tmp_path: Path) -> MakeCache:
    """A cache on disk of `{id: array}`; `bound` for flow."""

    def make(modality: str, videos: dict[str, np.ndarray], **attrs: float) -> Cache:
        path = tmp_path / f"{modality}-{len(list(tmp_path.iterdir()))}.h5"
        return Cache([shard(path, modality, videos.items(), **attrs)])

    return make


@pytest.fixture
def rgb_videos() -> dict[str, np.ndarray]:
    """The four videos of VIDEOS, random, of different lengths and sizes."""
    return {id: seeding.numpy_rng(0, id).integers(0, 256, (*shape, 3)).astype(np.uint8) for id, shape in SHAPES.items()}


@pytest.fixture
def rgb_clips(make_cache: MakeCache, make_rows: MakeRows, rgb_videos: dict[str, np.ndarray]) -> MakeClips:
    """Clips of them: `rgb_clips(frames=4, stride=1, starts=three evenly spaced ones, videos=VIDEOS)`."""
    cache = make_cache("rgb", rgb_videos)

    def make(frames: int = 4, stride: int = 1, starts: Any = THREE, videos: Any = VIDEOS) -> Clips:
        return clips_of(cache, make_rows(videos), "rgb", {"frames": frames, "stride": stride}, starts)

    return make


@pytest.fixture
def make_dataset(tmp_path: Path, make_rows: MakeRows) -> MakeDataset:
    """An index and caches of rgb and flow on disk: 4 training and 2 test videos a class, random, 9 to 20 frames long."""

    def make(name: str, classes: Sequence[str], height: int, width: int, bound: float) -> Dataset:
        named = [(f"{c}/{i}", c, "test" if i % 3 == 2 else "train") for c in classes for i in range(6)]
        rng = seeding.numpy_rng(0, name)
        lengths = {id: int(rng.integers(9, 21)) for id, _, _ in named}
        draw = partial(rng.integers, 1, 256, dtype=np.uint8)
        videos = {
            "rgb": {id: draw((length, height, width, 3)) for id, length in lengths.items()},
            "flow": {id: draw((length - 1, height, width, 2)) for id, length in lengths.items()},
        }
        caches = {modality: tmp_path / name / modality / "0000.h5" for modality in videos}
        for modality, path in caches.items():
            shard(path, modality, videos[modality].items(), name, **({"bound": bound} if modality == "flow" else {}))
        rows = make_rows(named)
        index.write(tmp_path / name / "index.csv", rows)
        return Dataset(name, tmp_path / name / "index.csv", caches, rows, videos)

    return make


@pytest.fixture
def call_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CallStage:
    """Run a script of stages/ in this process: `call_stage("features", params, weights=[...], ...)`; returns what --out names."""

    def call(script: str, params: dict[str, Any], out: str, **arguments: Any) -> Path:
        words = ["--params", json.dumps({"threads": 1} | params), "--out", str(tmp_path / out)]
        for name, value in arguments.items():
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
        monkeypatch.setattr(sys, "argv", [script, *words])
        importlib.import_module(f"stages.{script}").main()
        return tmp_path / out

    return call
