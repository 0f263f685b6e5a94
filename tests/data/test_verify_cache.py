"""Shards against themselves, each other and the index; the script as people call it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videossl.data import cache, index, verify_cache
from videossl.data.index import Row
from videossl.errors import InputError

IDS = [f"Wave/{number}" for number in range(7)]
ROWS = [Row(id, f"{id}.avi", "Wave", "train", id, 3, 30.0, 3, 8, 8, "", f"hash of {id}", "ok", "") for id in IDS]


def write(path: Path, ids: list[str], dataset: str = "toy", modality: str = "rgb", **attrs: Any) -> Path:
    channels = {"rgb": 3, "flow": 2}[modality]
    videos = [(id, f"hash of {id}", np.full((3, 8, 8, channels), 7, np.uint8)) for id in ids]
    cache.write_shard(path, modality, dataset, videos, {"name": "test"}, **attrs)
    return path


@pytest.fixture
def caches(tmp_path: Path) -> Path:
    """data/cache with rgb in three shards, one of them empty, and flow in one."""
    root = tmp_path / "data/cache"
    for number, ids in enumerate((IDS[:3], IDS[3:], [])):
        write(root / f"toy/rgb/{number:04d}.h5", ids)
    write(root / "toy/flow/0000.h5", IDS, modality="flow", bound=20.0)
    return root


def examine(caches: Path, rows: list[Row] | None = None, processes: int = 1) -> verify_cache.Report:
    return verify_cache.examine(verify_cache.find([caches]), rows, processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_all_is_well(caches: Path, processes: int) -> None:
    report = examine(caches, ROWS, processes)
    assert report.well and not report.problems
    assert [(one.path.relative_to(caches).as_posix(), len(one.shard.ids), one.wrong) for one in report.shards if one.shard] == [
        ("toy/flow/0000.h5", 7, ""), ("toy/rgb/0000.h5", 3, ""), ("toy/rgb/0001.h5", 4, ""), ("toy/rgb/0002.h5", 0, ""),
    ]  # fmt: skip
    assert [one.size for one in report.shards] == [one.path.stat().st_size for one in report.shards]


def test_a_flipped_byte(caches: Path) -> None:
    path = caches / "toy/rgb/0001.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    report = examine(caches)
    assert not report.well
    assert [(one.path, one.wrong) for one in report.shards if one.wrong] == [
        (path, "damaged (its bytes are not those that its digest was made of); delete it and extract again")
    ]
    assert examine(caches, ROWS).problems == ["toy/rgb: 4 in the index and not here: Wave/3, Wave/4, Wave/5, ..."]


def test_shards_made_otherwise(caches: Path) -> None:
    write(caches / "toy/rgb/0001.h5", IDS[3:], other=1)
    report = examine(caches)
    assert not report.well
    assert {one.path.name: one.wrong for one in report.shards if one.wrong} == {
        "0001.h5": f"differs from {caches / 'toy/rgb/0000.h5'} in other"
    }


def test_a_video_in_two_shards(caches: Path) -> None:
    write(caches / "toy/rgb/0002.h5", IDS[2:3])
    assert examine(caches).problems == ["toy/rgb: 1 in two shards: Wave/2"]


def test_against_the_index(caches: Path) -> None:
    """Wave/0 dropped, Wave/1 changed, new/a added after the cache was made."""
    added = Row("new/a", "a.avi", "", "test", "new/a", 3, 30.0, 3, 8, 8, "", "", "ok", "")
    rows = [replace(ROWS[0], status="dropped"), replace(ROWS[1], sha256="other"), *ROWS[2:], added]
    assert examine(caches, rows).problems == [
        f"toy/{modality}: 1 {text}"
        for modality in ("flow", "rgb")
        for text in (
            "in the index and not here: new/a",
            "here and not in the index: Wave/0",
            "made of other files than the index: Wave/1",
        )
    ]


def test_an_index_is_of_one_dataset(caches: Path) -> None:
    write(caches / "other/rgb/0000.h5", ["a"], dataset="other")
    assert examine(caches).well
    with pytest.raises(InputError, match="an index belongs to one dataset, these shards to other, toy; name the folder of one dataset"):
        examine(caches, ROWS)


def test_places(caches: Path, tmp_path: Path) -> None:
    one = caches / "toy/rgb/0000.h5"
    assert verify_cache.find([one, caches / "toy/rgb"]) == [caches / f"toy/rgb/000{number}.h5" for number in range(3)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no shard \(\*\.h5\) in this folder"):
        verify_cache.find([caches, tmp_path / "empty"])
    with pytest.raises(InputError, match="none: no such file or folder"):
        verify_cache.find([tmp_path / "none"])


def call(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, "-m", "videossl", "verify-cache", *arguments]
    return subprocess.run(script, cwd=where, capture_output=True, text=True)


def test_the_script(caches: Path, tmp_path: Path) -> None:
    index.write(tmp_path / "toy.csv", ROWS)
    done = call(tmp_path, "--index", "toy.csv")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = [line.split() for line in done.stdout.splitlines()]
    assert head == ["file", "modality", "videos", "bytes", "state"]
    assert [(line[0], line[1], line[2], line[-1]) for line in lines] == [
        ("data/cache/toy/flow/0000.h5", "flow", "7", "well"),
        *((f"data/cache/toy/rgb/000{number}.h5", "rgb", videos, "well") for number, videos in enumerate("340")),
    ]
    (caches / "toy/rgb/0000.h5").write_bytes(b"")
    done = call(tmp_path, "data/cache/toy", "--index", "toy.csv", "--processes", "2")
    assert done.returncode == 1 and "damaged (" in done.stdout
    assert done.stdout.splitlines()[-1] == "toy/rgb: 3 in the index and not here: Wave/0, Wave/1, Wave/2"
    (tmp_path / "data/index").mkdir()
    index.write(tmp_path / "data/index/toy.csv", ROWS)
    (caches / "toy/rgb/0000.h5").unlink()
    done = call(tmp_path)  # by itself, with the index of the run
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "toy/rgb: 3 in the index and not here: Wave/0, Wave/1, Wave/2"
    done = call(tmp_path, "nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: nowhere: no such file or folder\n")
