"""The hash of the data behind a result."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from videossl.data import cache
from videossl.errors import InputError
from videossl.train.provenance import data_digest


def write(path: Path, value: int) -> Path:
    cache.write_shard(path, "rgb", "toy", [("a", "", np.full((2, 4, 4, 3), value, np.uint8))], {})
    return path


def test_by_hand(tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    index.write_text("an index\n")
    shards = [write(tmp_path / f"{number}.h5", number) for number in range(2)]
    parts = [index.read_bytes(), *(path.read_bytes()[512:] for path in shards)]
    text = "\n".join(hashlib.sha256(part).hexdigest() for part in parts)
    assert data_digest(index, shards) == hashlib.sha256(text.encode()).hexdigest()


def test_it_tells_data_apart_and_copies_not(tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    index.write_text("an index\n")
    one, same, other = (write(tmp_path / name, value) for name, value in (("a.h5", 1), ("b.h5", 1), ("c.h5", 2)))
    first = data_digest(index, [one])
    assert data_digest(index, [same]) == first
    assert len({first, data_digest(index, [other]), data_digest(index, [one, other]), data_digest(index, [])}) == 4
    index.write_text("another index\n")
    assert data_digest(index, [one]) != first


def test_the_videos_are_not_read(tmp_path: Path) -> None:
    index, shard = tmp_path / "index.csv", write(tmp_path / "a.h5", 1)
    index.write_text("an index\n")
    first = data_digest(index, [shard])
    shard.write_bytes(shard.read_bytes()[:512])
    assert data_digest(index, [shard]) == first


def test_a_shard_without_a_digest(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("an index\n")
    (tmp_path / "a.h5").write_bytes(b"no shard")
    with pytest.raises(InputError, match=r"a\.h5: damaged"):
        data_digest(tmp_path / "index.csv", [tmp_path / "a.h5"])
