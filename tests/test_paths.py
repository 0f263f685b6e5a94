"""Names of artefacts: shards in short."""

from __future__ import annotations

import argparse
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videossl import paths, script


@given(folder=st.text(string.ascii_letters + "/:. -", min_size=1), count=st.integers(0, 300))
def test_shards_in_short_are_the_first_of_their_folder(folder: str, count: int) -> None:
    named = paths.shards(f"{folder}:{count}")
    assert named == [f"{folder}/{number:04d}.h5" for number in range(count)]
    assert all(paths.shards(shard) == [shard] for shard in named)


@given(st.dictionaries(st.text(string.ascii_letters + "/:. -", min_size=1).filter(lambda folder: folder[-1] != "/"), st.integers(1, 30)))
def test_shards_of_several_folders_come_back(counts: dict[str, int]) -> None:
    named = [f"{folder}:{count}" for folder, count in counts.items()]
    assert paths.in_short(shard for one in named for shard in paths.shards(one)) == named


@pytest.mark.parametrize("path", ["0000.h5", "a/0001.h5", "a:b/0001.h5", "a/0001:2.h5", ":3"])
def test_a_shard_by_its_path(path: str) -> None:
    assert paths.shards(path) == [path]


def test_a_job_is_given_all_shards_of_several_folders() -> None:
    parser = argparse.ArgumentParser()
    script.add_cache(parser)
    given = parser.parse_args(["--cache", "data/cache/toy/rgb:2", "data/cache/toy/flow:1", "joint/0007.h5"]).cache
    assert given == [
        Path(name) for name in ("data/cache/toy/rgb/0000.h5", "data/cache/toy/rgb/0001.h5", "data/cache/toy/flow/0000.h5", "joint/0007.h5")
    ]
