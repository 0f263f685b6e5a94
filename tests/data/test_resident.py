"""Videos held in a device's memory are what the cache has."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.made import shard

from videossl import seeding
from videossl.data import clips, jpeg, resident
from videossl.data.cache import Cache
from videossl.data.clips import Source
from videossl.data.resident import Resident
from videossl.errors import InputError

CPU = torch.device("cpu")
SHAPES = {"a/1": (7, 12, 9, 3), "b": (3, 8, 8, 3), "c": (11, 5, 20, 3)}


def made(folder: Path, codec: str = "raw") -> Cache:
    """Three videos of different sizes, in two shards."""
    videos: list[Any] = [(id, seeding.numpy_rng(0, id).integers(0, 256, shape, np.uint8)) for id, shape in SHAPES.items()]
    if codec == "jpeg":
        videos = [(id, jpeg.encode(video, 90)) for id, video in videos]
    parts = [videos[:2], videos[2:]]
    return Cache([shard(folder / f"{number}.h5", "rgb", part, codec=codec) for number, part in enumerate(parts)])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return made(tmp_path_factory.mktemp("cache"))


@given(data=st.data())
def test_it_reads_as_the_cache(cache: Cache, data: st.DataObject) -> None:
    here = Resident(cache, SHAPES, CPU)
    id = data.draw(st.sampled_from(list(SHAPES)))
    start = data.draw(st.integers(0, cache.length(id) - 1))
    stop, step = data.draw(st.integers(start + 1, cache.length(id))), data.draw(st.integers(1, 4))
    assert np.array_equal(here.read(id, start, stop, step).numpy(), cache.read(id, start, stop, step))
    assert (here.length(id), here.shape(id), here.shorter, here.attrs) == (cache.length(id), cache.shape(id), cache.shorter, cache.attrs)


def test_it_holds_the_videos_it_is_asked_for_alone(cache: Cache) -> None:
    here = Resident(cache, ["b"], CPU)
    assert "b" in here and "c" not in here
    for start, stop in ((0, 4), (2, 2), (-1, 1)):
        with pytest.raises(InputError, match="b has 3 steps of rgb"):
            here.read("b", start, stop)


def test_pictures_are_decoded_once(tmp_path: Path) -> None:
    encoded = made(tmp_path, "jpeg")
    assert np.array_equal(Resident(encoded, ["c"], CPU).read("c", 2, 9, 3).numpy(), encoded.read("c", 2, 9, 3))


def test_batches_are_those_of_arrays(cache: Cache) -> None:
    """Padded right and below with zeros."""
    here = Resident(cache, SHAPES, CPU)
    arrays, tensors = ([source.read(id, 0, 3) for id in SHAPES] for source in (cache, here))
    for one, other in zip(clips.collate(arrays), clips.collate(tensors), strict=True):
        assert torch.equal(one, other)


def test_what_does_not_fit_is_read_as_ever(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    sources = [Source(cache, "rgb", ("query",), lambda cache, video, start: cache.read(video, start, start + 1), 1)]
    size = sum(np.prod(shape) for shape in SHAPES.values()) / 1e9
    assert resident.held(sources, list(SHAPES), CPU, 0)[0].cache is cache and not caplog.text
    with caplog.at_level(logging.INFO):
        assert resident.held(sources, list(SHAPES), CPU, 0.99 * size)[0].cache is cache
        assert isinstance(resident.held(sources, list(SHAPES), CPU, 1.01 * size)[0].cache, Resident)
    said = [record.getMessage() for record in caplog.records]
    assert (
        said[0].startswith("6.14e-06 GB of rgb do not fit the 6.08256e-06 GB of `resident`")
        and said[1] == "6.14e-06 GB of rgb are held on the cpu"
    )


def test_a_full_device_is_one_line(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **settings: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(InputError, match="GB of frames are more than the GPU has free; lower `resident`"):
        Resident(cache, SHAPES, CPU)
