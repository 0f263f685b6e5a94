"""The HDF5 cache: real files, read in this process and in others."""

import multiprocessing
import os
import pickle
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from videossl.data import cache
from videossl.data.cache import Cache
from videossl.errors import InputError

MADE_BY = {"name": "frames", "version": "1", "params": {"short_side": 8}}
RNG = np.random.default_rng(0)
VIDEOS = {
    "Wave/a [1]": RNG.integers(0, 256, (9, 8, 12, 3), dtype=np.uint8),
    "Wave/é": RNG.integers(0, 256, (5, 8, 10, 3), dtype=np.uint8),
    "Clap/c": RNG.integers(0, 256, (7, 8, 8, 3), dtype=np.uint8),
}


def write(path: Path, *ids: str, **attrs: Any) -> Path:
    cache.write_shard(path, "rgb", "toy", [(id, VIDEOS[id]) for id in ids], attrs.pop("made_by", MADE_BY), **attrs)
    return path


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path / "0.h5", "Wave/a [1]", "Wave/é"),
        write(tmp_path / "1.h5", "Clap/c"),
        write(tmp_path / "2.h5"),
    ]


def test_slices_are_what_was_written(shards: list[Path]) -> None:
    read = Cache(shards)
    assert read.ids == list(VIDEOS)
    for id, values in VIDEOS.items():
        assert read.length(id) == len(values) and read.shape(id) == values.shape and id in read
        np.testing.assert_array_equal(read.read(id, 0, len(values)), values)
        np.testing.assert_array_equal(read.read(id, 1, 5, 2), values[1:5:2])
        assert read.read(id, 1, 3).dtype == np.uint8


def test_attributes_follow_the_contract(shards: list[Path]) -> None:
    attrs = Cache(shards).attrs
    assert attrs == {
        "schema": "videossl-cache/1",
        "modality": "rgb",
        "dataset": "toy",
        "codec": "raw",
        "extractor": '{"name": "frames", "params": {"short_side": 8}, "version": "1"}',
    }
    with h5py.File(shards[0]) as file:
        assert list(file["videos"]) == ["000000", "000001"]
        assert file["ids"].asstr()[1] == "Wave/é" and h5py.check_string_dtype(file["ids"].dtype).encoding == "utf-8"
        assert file["videos/000000"].chunks is None


def test_further_attributes_come_back_as_plain_numbers(tmp_path: Path) -> None:
    flow = np.full((3, 4, 4, 2), 128, np.uint8)
    cache.write_shard(tmp_path / "f.h5", "flow", "toy", [("a", flow)], MADE_BY, bound=20.0)
    assert type(Cache([tmp_path / "f.h5"]).attrs["bound"]) is float


def test_the_same_bytes_when_written_twice(tmp_path: Path) -> None:
    first = write(tmp_path / "a.h5", *VIDEOS).read_bytes()
    time.sleep(1.1)  # HDF5 would keep times in seconds
    assert write(tmp_path / "b.h5", *VIDEOS).read_bytes() == first


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's count of bytes read")
def test_only_the_slice_is_read(tmp_path: Path) -> None:
    big = np.zeros((4000, 32, 32, 3), np.uint8)  # 12 MB
    cache.write_shard(tmp_path / "a.h5", "rgb", "toy", [("big", big)], MADE_BY)
    read = Cache([tmp_path / "a.h5"])
    read.read("big", 0, 1)
    with open("/proc/self/io") as counters:
        before = int(counters.readline().split()[1])
    read.read("big", 2000, 2016)
    with open("/proc/self/io") as counters:
        after = int(counters.readline().split()[1])
    assert after - before < 1_000_000


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def videos() -> Any:
        yield "Wave/é", VIDEOS["Wave/é"]
        raise InputError("broken")

    with pytest.raises(InputError, match="broken"):
        cache.write_shard(tmp_path / "a.h5", "rgb", "toy", videos(), MADE_BY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("modality", "values", "message"),
    [
        ("rgb", np.zeros((2, 4, 4, 3), np.float32), "rgb must be uint8"),
        ("rgb", np.zeros((2, 4, 4, 2), np.uint8), r"rgb must be uint8 \(\*, \*, \*, 3\)"),
        ("flow", np.zeros((0, 4, 4, 2), np.uint8), "flow must be"),
        ("joint", np.zeros((2, 25, 3), np.float32), "joint must be float32"),
        ("motion", np.zeros((2, 25, 3, 2), np.float32), "'motion' is not cached"),
    ],
)
def test_an_array_of_another_layout(tmp_path: Path, modality: str, values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cache.write_shard(tmp_path / "a.h5", modality, "toy", [("a", values)], MADE_BY)
    assert not list(tmp_path.iterdir())


def test_a_video_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given twice: Wave/é"):
        write(tmp_path / "a.h5", "Wave/é", "Clap/c", "Wave/é")
    pair = [write(tmp_path / "a.h5", "Clap/c"), write(tmp_path / "b.h5", "Clap/c")]
    with pytest.raises(InputError, match=r"b\.h5: Clap/c is in .*a\.h5 too"):
        Cache(pair)


def test_shards_made_otherwise(tmp_path: Path) -> None:
    other = write(tmp_path / "b.h5", "Clap/c", made_by={**MADE_BY, "version": "2"})
    with pytest.raises(InputError, match=r"b\.h5 and .*a\.h5 differ in extractor"):
        Cache([write(tmp_path / "a.h5", "Wave/é"), other])


def test_another_schema(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", "Clap/c")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "videossl-cache/0"
    with pytest.raises(InputError, match="schema videossl-cache/0, not videossl-cache/1"):
        Cache([path])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "no such shard"),
        (lambda path: path.write_bytes(b"not HDF5"), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-500]), "damaged"),
        (lambda path: h5py.File(path, "w").close(), "schema none"),
    ],
)
def test_a_spoiled_file(tmp_path: Path, spoil: Any, message: str) -> None:
    path = write(tmp_path / "a.h5", *VIDEOS)
    spoil(path)
    with pytest.raises(InputError) as caught:
        Cache([path])
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 6, 1), (-1, 2, 1), (3, 3, 1), (0, 3, 0)])
def test_steps_outside_the_video(shards: list[Path], start: int, stop: int, step: int) -> None:
    with pytest.raises(InputError, match="Wave/é has 5 steps of rgb"):
        Cache(shards).read("Wave/é", start, stop, step)


def test_a_video_that_is_not_there(shards: list[Path]) -> None:
    with pytest.raises(InputError, match="Wave/z is not in the rgb cache"):
        Cache(shards).length("Wave/z")


def total(read: Cache, id: str) -> int:
    return int(read.read(id, 0, read.length(id)).sum())


def answer(read: Cache, queue: Any) -> None:
    queue.put([total(read, id) for id in read.ids for _ in range(20)])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_opened_before_another_process_starts(shards: list[Path], method: str) -> None:
    read = Cache(shards)
    expected = [total(read, id) for id in read.ids for _ in range(20)]  # every file is open now
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    workers = [context.Process(target=answer, args=(read, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    here = [total(read, id) for id in read.ids for _ in range(20)]
    answers = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert [here, *answers] == [expected] * 3


def test_a_copy_by_pickle_opens_its_own_files(shards: list[Path]) -> None:
    read = Cache(shards)
    expected = total(read, "Clap/c")
    copy = pickle.loads(pickle.dumps(read))
    read.close()
    assert total(copy, "Clap/c") == expected == total(read, "Clap/c")


def test_reading_leaves_the_file_as_it_is(shards: list[Path]) -> None:
    before = os.stat(shards[0]).st_mtime_ns
    read = Cache(shards)
    read.read("Wave/é", 0, 1)
    read.close()
    assert os.stat(shards[0]).st_mtime_ns == before
