"""Small caches on disk and a small encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from videossl import seeding
from videossl.data.cache import Cache, write_shard
from videossl.data.index import Row
from videossl.models.encoder import Encoder

MakeEncoder = Callable[[int], Encoder]
MakeCache = Callable[..., Cache]
MakeRows = Callable[[Sequence[tuple[str, str, str]]], list[Row]]


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
        return [Row(id, id + ".avi", label, split, 20, 25.0, 32, 32, "", "0" * 64, "ok", "") for id, label, split in videos]

    return make


@pytest.fixture
def make_cache(tmp_path: Path) -> MakeCache:
    """A cache on disk of `{id: array}`; `bound` for flow."""

    def make(modality: str, videos: dict[str, np.ndarray], **attrs: float) -> Cache:
        path = tmp_path / f"{modality}-{len(list(tmp_path.iterdir()))}.h5"
        write_shard(path, modality, "toy", videos.items(), {"name": "test", "version": "1", "params": {}}, **attrs)
        return Cache([path])

    return make


@pytest.fixture
def rgb_videos() -> dict[str, np.ndarray]:
    """Four random videos of different lengths and sizes."""
    shapes = {"a/1": (12, 20, 26), "a/2": (9, 24, 18), "b/1": (20, 20, 20), "b/2": (15, 17, 30)}
    return {id: seeding.numpy_rng(0, id).integers(0, 256, (*shape, 3)).astype(np.uint8) for id, shape in shapes.items()}
