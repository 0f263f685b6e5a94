"""The HDF5 cache: real files, read in this process and in others."""

import contextlib
import hashlib
import multiprocessing
import os
import pickle
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data import cache, jpeg
from videossl.data.cache import Cache
from videossl.errors import InputError
from videossl.train import assemble

MADE_BY = {"name": "frames", "version": "1", "params": {"short_side": 8}}
RNG = np.random.default_rng(0)
VIDEOS = {
    "Wave/a [1]": RNG.integers(0, 256, (9, 8, 12, 3), dtype=np.uint8),
    "Wave/é": RNG.integers(0, 256, (5, 8, 10, 3), dtype=np.uint8),
    "Clap/c": RNG.integers(0, 256, (7, 8, 8, 3), dtype=np.uint8),
}


ENCODED = {id: jpeg.encode(values, 90) for id, values in VIDEOS.items()}


def decoded(one: jpeg.Encoded) -> np.ndarray:
    return jpeg.decode(np.split(one.data, one.offsets[1:-1]), one.step)


DECODED = {id: decoded(one) for id, one in ENCODED.items()}
CODECS = {"raw": {}, "jpeg": {"codec": "jpeg", "quality": 90}}


def source(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()


def write(path: Path, *ids: str, made_by: dict[str, Any] = MADE_BY, codec: str = "raw") -> Path:
    videos = ENCODED if codec == "jpeg" else VIDEOS
    cache.write_shard(path, "rgb", "toy", [(id, source(id), videos[id]) for id in ids], made_by, **CODECS[codec])
    return path


@pytest.fixture(params=["raw", "jpeg"])
def codec(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def shards(tmp_path: Path, codec: str) -> list[Path]:
    return [
        write(tmp_path / "0.h5", "Wave/a [1]", "Wave/é", codec=codec),
        write(tmp_path / "1.h5", "Clap/c", codec=codec),
        write(tmp_path / "2.h5", codec=codec),
    ]


def test_slices_are_what_was_written(shards: list[Path], codec: str) -> None:
    read = Cache(shards)
    assert read.ids == list(VIDEOS)
    for id, values in (DECODED if codec == "jpeg" else VIDEOS).items():
        assert read.length(id) == len(values) and read.shape(id) == values.shape and id in read
        np.testing.assert_array_equal(read.read(id, 0, len(values)), values)
        for steps in (slice(1, 5, 2), slice(0, 5, 3), slice(0, 5, 9), slice(4, 5, 1)):
            np.testing.assert_array_equal(read.read(id, steps.start, steps.stop, steps.step), values[steps])
        assert read.read(id, 1, 3).dtype == np.uint8


def test_a_shard_follows_the_contract(shards: list[Path], codec: str) -> None:
    assert Cache(shards).attrs == {
        "schema": "videossl-cache/2",
        "modality": "rgb",
        "dataset": "toy",
        "codec": codec,
        "extractor": '{"name": "frames", "params": {"short_side": 8}, "version": "1"}',
        **({"quality": 90} if codec == "jpeg" else {}),
    }
    written = shards[0].read_bytes()
    assert written[:512] == b"videossl-cache/2\nsha256 %s\n" % hashlib.sha256(written[512:]).hexdigest().encode() + b"\0" * 423
    with h5py.File(shards[0]) as file:
        assert list(file["videos"]) == ["000000", "000001"]
        assert file["ids"].asstr()[1] == "Wave/é" and h5py.check_string_dtype(file["ids"].dtype).encoding == "utf-8"
        assert list(file["sources"].asstr()) == [source("Wave/a [1]"), source("Wave/é")]
        assert file["videos/000000"].chunks is None
        if codec == "jpeg":
            offsets = file["offsets/000001"]
            assert offsets.dtype == np.int64 and offsets.attrs["step"].tolist() == [8, 10, 3]
            assert len(offsets) == 6 and file["videos/000001"].shape == (offsets[-1],)
            one = file["videos/000001"][offsets[2] : offsets[3]].tobytes()
            assert one.startswith(b"\xff\xd8") and one.endswith(b"\xff\xd9")
        else:
            assert "offsets" not in file and file["videos/000001"].shape == (5, 8, 10, 3)


def test_further_attributes_come_back_as_plain_numbers(tmp_path: Path) -> None:
    flow = np.full((3, 4, 4, 2), 128, np.uint8)
    cache.write_shard(tmp_path / "f.h5", "flow", "toy", [("a", source("a"), flow)], MADE_BY, bound=20.0)
    assert type(Cache([tmp_path / "f.h5"]).attrs["bound"]) is float


def test_the_same_bytes_when_written_twice(tmp_path: Path) -> None:
    first = [write(tmp_path / f"a.{codec}", *VIDEOS, codec=codec).read_bytes() for codec in CODECS]
    time.sleep(1.1)  # HDF5 would keep times in seconds
    assert [write(tmp_path / f"b.{codec}", *VIDEOS, codec=codec).read_bytes() for codec in CODECS] == first


def bytes_read(read: Callable[[], object]) -> int:
    """By this process, from files, in `read`; Linux's count, less what it takes to look at it."""

    def count() -> int:
        with open("/proc/self/io") as counters:
            return int(counters.readline().split()[1])

    start, before = count(), count()
    read()
    return count() - before - (before - start)


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's count of bytes read")
@pytest.mark.parametrize(("start", "stop", "step"), [(2000, 2016, 1), (100, 164, 4), (3999, 4000, 1)])
def test_only_the_steps_are_read(tmp_path: Path, codec: str, start: int, stop: int, step: int) -> None:
    big = np.random.default_rng(0).integers(0, 256, (4000, 8, 16, 3), dtype=np.uint8)
    encoded = jpeg.encode(big, 50)
    cache.write_shard(tmp_path / "a.h5", "rgb", "toy", [("big", "", encoded if codec == "jpeg" else big)], MADE_BY, **CODECS[codec])
    read = Cache([tmp_path / "a.h5"])
    read.read("big", 0, 1)  # what HDF5 has to know of the file
    steps = np.arange(start, stop, step)
    wanted = len(steps) * 8 * 16 * 3
    if codec == "jpeg":
        wanted = int((encoded.offsets[steps + 1] - encoded.offsets[steps]).sum()) + 8 * (stop - start + 1)
    assert wanted <= bytes_read(lambda: read.read("big", start, stop, step)) <= wanted + 16  # digits of the counters


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def videos() -> Any:
        yield "Wave/é", source("Wave/é"), VIDEOS["Wave/é"]
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
        ("joint", np.zeros((2, 18, 3, 2), np.float32), r"joint must be float32 \(\*, 25 or 20 or 17, 3, 2\)"),
        ("motion", np.zeros((2, 25, 3, 2), np.float32), "'motion' is not cached: it is read from the cache of joint"),
    ],
)
def test_an_array_of_another_layout(tmp_path: Path, modality: str, values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cache.write_shard(tmp_path / "a.h5", modality, "toy", [("a", "", values)], MADE_BY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("modality", "video", "codec", "message"),
    [
        ("rgb", ENCODED["Clap/c"], "raw", "a is jpeg, the shard raw"),
        ("rgb", VIDEOS["Clap/c"], "jpeg", "a is raw, the shard jpeg"),
        ("flow", ENCODED["Clap/c"], "jpeg", r"a is uint8 \(7, 8, 8, 3\); flow must be"),
        ("joint", ENCODED["Clap/c"], "jpeg", "no codec 'jpeg' for joint"),
        ("rgb", VIDEOS["Clap/c"], "png", "no codec 'png' for rgb; there are raw and, for pictures, jpeg"),
    ],
)
def test_another_codec(tmp_path: Path, modality: str, video: Any, codec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cache.write_shard(tmp_path / "a.h5", modality, "toy", [("a", "", video)], MADE_BY, codec=codec)
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["disk", "limit"])
def no_room(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder where a file of 1 MB does not fit: on a disk of its own where this process may mount one, else by the process's limit."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if request.param == "disk" and os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("number", "shape"), [(20, (10, 64, 64, 3)), (4000, (1, 1, 1, 3))])
def test_a_full_disk_leaves_nothing(no_room: Path, number: int, shape: tuple[int, ...]) -> None:
    """In the data of a few large videos, and in what HDF5 writes of itself for many small ones."""
    small = [("a", "", VIDEOS["Clap/c"])]
    cache.write_shard(no_room / "old.h5", "rgb", "toy", small, MADE_BY)
    before, free, opened = (no_room / "old.h5").read_bytes(), os.statvfs(no_room).f_bavail, os.listdir("/proc/self/fd")
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with pytest.raises(InputError, match=r"cannot write .*old\.h5: (No space left on device|File too large); check space") as caught:
        cache.write_shard(no_room / "old.h5", "rgb", "toy", ((str(n), "", values) for n in range(number)), MADE_BY)
    assert "\n" not in str(caught.value)
    assert (no_room / "old.h5").read_bytes() == before and [path.name for path in no_room.iterdir()] == ["old.h5"]
    assert os.listdir("/proc/self/fd") == opened
    if os.path.ismount(no_room):
        assert os.statvfs(no_room).f_bavail == free
    cache.write_shard(no_room / "new.h5", "rgb", "toy", small, MADE_BY)
    assert (no_room / "new.h5").read_bytes() == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return {codec: write(folder / f"{codec}.h5", *VIDEOS, codec=codec) for codec in CODECS}


def places(content: bytes) -> dict[str, tuple[int, int]]:
    """Where what kind of bytes lies in a shard: from and to."""
    ids = content.index("Wave/é".encode())
    stored = next(data for data in (VIDEOS["Wave/é"].tobytes(), ENCODED["Wave/é"].data.tobytes()) if data in content)
    data = content.index(stored)
    return {
        "seal": (0, 89),
        "padding": (89, 512),
        "superblock": (512, 608),
        "ids": (ids, ids + 7),
        "data": (data, data + len(stored)),
        "tail": (len(content) - 8, len(content)),
        "any": (0, len(content)),
    }


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_verify_finds_a_flipped_byte(whole: dict[str, Path], data: st.DataObject) -> None:
    path = whole[data.draw(st.sampled_from(list(CODECS)))]
    content = bytearray(path.read_bytes())
    start, stop = places(bytes(content))[data.draw(st.sampled_from(list(places(bytes(content)))))]
    content[data.draw(st.integers(start, stop - 1))] ^= data.draw(st.integers(1, 255))
    damaged = path.with_suffix(".flipped")
    damaged.write_bytes(content)
    with pytest.raises(InputError, match="delete it and extract again") as caught:
        cache.verify(damaged)
    assert str(caught.value).startswith(f"{damaged}: ") and "\n" not in str(caught.value)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_verify_finds_what_is_cut_off_or_added(whole: dict[str, Path], data: st.DataObject) -> None:
    path = whole[data.draw(st.sampled_from(list(CODECS)))]
    content = path.read_bytes()
    changed = data.draw(
        st.integers(0, len(content) - 1).map(lambda end: content[:end]) | st.binary(min_size=1).map(lambda more: content + more)
    )
    damaged = path.with_suffix(".cut")
    damaged.write_bytes(changed)
    with pytest.raises(InputError, match="delete it and extract again"):
        cache.verify(damaged)


def test_verify_lets_whole_shards_pass(whole: dict[str, Path]) -> None:
    for path in whole.values():
        cache.verify(path)
        assert cache.digest(path) == hashlib.sha256(path.read_bytes()[512:]).hexdigest()
    with pytest.raises(InputError, match="no such shard"):
        cache.verify(whole["raw"].with_name("none.h5"))


def test_a_spoiled_picture_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", *VIDEOS, codec="jpeg")
    data = ENCODED["Wave/é"].data
    path.write_bytes(path.read_bytes().replace(data.tobytes(), bytes(len(data))))
    read = Cache([path])
    read.read("Clap/c", 0, 7)
    with pytest.raises(InputError, match=r"a\.h5: damaged \(no JPEG file.*\); delete it and extract again"):
        read.read("Wave/é", 0, 5)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_reading_a_flipped_byte_is_right_or_one_line(whole: dict[str, Path], data: st.DataObject) -> None:
    """The reader does not look at the digest; it never ends in anything but values of the right shape or an InputError."""
    path = whole["jpeg"]
    content = bytearray(path.read_bytes())
    start, stop = places(bytes(content))["data"]
    for _ in range(20):
        content[data.draw(st.integers(start, stop - 1))] ^= data.draw(st.integers(1, 255))
    damaged = path.with_suffix(".read")
    damaged.write_bytes(content)
    with contextlib.suppress(InputError):
        read = Cache([damaged])
        for id, values in VIDEOS.items():
            with contextlib.suppress(InputError):
                assert read.read(id, 0, len(values)).shape == values.shape


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_head_is_one_line_or_harmless(whole: dict[str, Path], data: st.DataObject) -> None:
    """What a shard says of itself, with a byte flipped in its attributes or ids: their text stands in the file as it is."""
    path = whole["raw"]
    content = bytearray(path.read_bytes())
    word = data.draw(
        st.sampled_from([b"videossl-cache/2", b"extractor", b"codec", b"modality", b"ids", b"sources", b"videos", "é".encode()])
    )
    place = content.index(word, 512) + data.draw(st.integers(0, len(word) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    damaged = path.with_suffix(".head")
    damaged.write_bytes(content)
    with contextlib.suppress(InputError):
        read = Cache([damaged])
        for id in read.ids:
            with contextlib.suppress(InputError):
                read.read(id, 0, 1)


def test_a_video_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given twice: Wave/é"):
        write(tmp_path / "a.h5", "Wave/é", "Clap/c", "Wave/é")
    pair = [write(tmp_path / "a.h5", "Clap/c"), write(tmp_path / "b.h5", "Clap/c")]
    with pytest.raises(InputError, match=r"b\.h5: Clap/c is also in .*a\.h5"):
        Cache(pair)


def test_shards_made_otherwise(tmp_path: Path) -> None:
    other = write(tmp_path / "b.h5", "Clap/c", made_by={**MADE_BY, "version": "2"})
    with pytest.raises(InputError, match=r"b\.h5 and .*a\.h5 differ in extractor"):
        Cache([write(tmp_path / "a.h5", "Wave/é"), other])


def test_another_schema(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", "Clap/c")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "videossl-cache/0"
    path.write_bytes(path.read_bytes().replace(b"videossl-cache/2\n", b"videossl-cache/0\n"))
    for use in (cache.describe, cache.verify, lambda path: Cache([path])):
        with pytest.raises(InputError, match="schema videossl-cache/0, not videossl-cache/2; delete it and extract again"):
            use(path)


def test_a_shard_of_the_schema_before(tmp_path: Path) -> None:
    """As version 0.1 wrote it: no digest before it, no sources."""
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(schema="videossl-cache/1", modality="rgb", dataset="toy", codec="raw", extractor="{}")
        file.create_dataset("videos/000000", data=VIDEOS["Clap/c"])
        file.create_dataset("ids", data=np.array(["Clap/c"], object), dtype=h5py.string_dtype("utf-8"))
    for use in (cache.digest, cache.verify, lambda path: Cache([path])):
        with pytest.raises(InputError, match=r"old\.h5: schema videossl-cache/1, not videossl-cache/2; delete it and extract again"):
            use(path)


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


def test_a_video_that_is_not_in_one_piece_is_one_line(tmp_path: Path) -> None:
    """Another program wrote it in chunks: asked for its length or read."""
    cache.write_shard(tmp_path / "a.h5", "rgb", "toy", [("v", "", VIDEOS["Clap/c"])], MADE_BY)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        values = file["videos/000000"][:]
        del file["videos/000000"]
        file.create_dataset("videos/000000", data=values, chunks=values.shape)
    for ask in (lambda: Cache([tmp_path / "a.h5"]).length("v"), lambda: Cache([tmp_path / "a.h5"]).read("v", 0, 1)):
        with pytest.raises(InputError, match=r"a\.h5: damaged \(/videos/000000 is not contiguous\); delete it and extract again"):
            ask()


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


def test_more_shards_than_files_that_may_be_open(tmp_path: Path) -> None:
    """Some are open at a time; whatever the order, the values are those of each video."""
    videos = [(f"v{number}", np.full((3, 8, 8, 3), number, np.uint8)) for number in range(60)]
    for id, values in videos:
        cache.write_shard(tmp_path / f"{id}.h5", "rgb", "toy", [(id, source(id), values)], MADE_BY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 24, hard))
    cache.open_at_a_time.cache_clear()
    try:
        whole = Cache([tmp_path / f"{id}.h5" for id, _ in videos])
        for position in np.random.default_rng(0).permutation(np.arange(180) % 60):
            id, values = videos[position]
            np.testing.assert_array_equal(whole.read(id, 0, 3), values)
        whole.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        cache.open_at_a_time.cache_clear()


def test_shards_of_another_modality_are_named(tmp_path: Path) -> None:
    """As after a copy into the wrong folder, or two caches exchanged: by whoever opens a folder of shards, and not as a KeyError of what flow has."""
    shard = tmp_path / "flow/0000.h5"
    cache.write_shard(shard, "rgb", "mine", [("a", "0" * 64, np.zeros((3, 8, 8, 3), np.uint8))], {"name": "x"})
    said = r"flow/0000\.h5 holds rgb, not flow; delete it and extract again"
    with pytest.raises(InputError, match=said):
        assemble.opened([shard])
    with pytest.raises(InputError, match=said):
        Cache([shard], "flow")
    assert Cache([shard], "rgb").ids == Cache([shard]).ids == ["a"]
