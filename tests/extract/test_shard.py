"""Shards of every modality, from real small videos."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from videossl.data import index, ntu, scan, video
from videossl.data.cache import Cache
from videossl.data.datasets import folder
from videossl.data.index import Row
from videossl.data.toy.render import write_video
from videossl.errors import InputError
from videossl.extract import flow, shard
from videossl.extract.flow import Flow
from videossl.extract.frames import Frames
from videossl.extract.skeleton import Skeletons

FAST = {"warps": 1, "inner": 5, "outer": 2, "scales": 2}
EXTRACTORS = {"rgb": Frames(24), "flow": Flow(24, 10.0, FAST), "joint": Skeletons()}


def joints(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(6, 25, 3, 1)).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    (root / "Wave [1]").mkdir(parents=True)
    for number in range(5):
        shapes = np.random.default_rng(number).integers(0, 255, (6, 8, 3))
        still = np.kron(shapes, np.ones((8, 8, 1))).astype(np.uint8)
        write_video(
            root / f"Wave [1]/é {number}.avi",
            np.stack([np.roll(still, t, axis=1) for t in range(4 + number)]),
        )
        ntu.write(root / f"Wave [1]/é {number}.skeleton", joints(number))
    return root


@pytest.fixture
def rows(root: Path) -> list[Row]:
    return scan.build(folder.videos(root, 1, {}), root)


@pytest.mark.parametrize("modality", ["rgb", "flow", "joint"])
def test_the_same_bytes_in_one_process_and_in_two(tmp_path: Path, root: Path, rows: list[Row], modality: str) -> None:
    for processes in (1, 2):
        path = tmp_path / f"{processes}.h5"
        shard.build(path, modality, "mine", rows, root, EXTRACTORS[modality], processes)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


def build(path: Path, modality: str, rows: list[Row], root: Path) -> Cache:
    shard.build(path, modality, "mine", rows, root, EXTRACTORS[modality])
    return Cache([path])


def test_rgb_is_the_resized_frames(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    read = build(tmp_path / "a.h5", "rgb", rows, root)
    assert read.ids == [row.id for row in rows]
    assert [read.shape(id) for id in read.ids] == [(4 + number, 24, 32, 3) for number in range(5)]
    np.testing.assert_array_equal(read.read(rows[2].id, 0, 6), video.frames(root / rows[2].path, 24))
    assert json.loads(read.attrs["extractor"])["params"] == {"short_side": 24}


def test_flow_is_quantised_at_the_size_of_the_frames(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    read = build(tmp_path / "a.h5", "flow", rows, root)
    assert [read.shape(id) for id in read.ids] == [(3 + number, 24, 32, 2) for number in range(5)]
    grey = video.frames(root / rows[1].path, 24, grey=True)
    expected = flow.tvl1(grey, FAST)
    back = flow.dequantise(read.read(rows[1].id, 0, 4), read.attrs["bound"])
    assert (read.attrs["zero"], read.attrs["levels"], read.attrs["rounding"]) == (128, 127, "to the nearest, ties to even")
    assert np.abs(back - np.clip(expected, -10, 10)).max() <= 10 / 254 * 1.00001
    made_by = json.loads(read.attrs["extractor"])
    assert made_by["params"]["bound"] == 10 and made_by["params"]["warps"] == 1 and made_by["params"]["tau"] == 0.25
    assert "opencv" in made_by["version"] and "av" in made_by["version"]


def test_joints_are_as_parsed(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    read = build(tmp_path / "a.h5", "joint", rows, root)
    for number, id in enumerate(read.ids):
        found = read.read(id, 0, read.length(id))
        np.testing.assert_array_equal(found[..., :1], joints(number))
        assert found.shape == (6, 25, 3, 2) and not found[..., 1].any()


def test_the_script_takes_its_own_part(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    index.write(
        tmp_path / "mine.csv",
        [*rows, Row("x", "x.avi", "", "test", 0, 0.0, 0, 0, "", "", "dropped", "absent: x")],
    )
    params = {"dataset": {"name": "mine", "root": str(root)}, "cache": {"shards": 2, "short_side": 24}}
    found = []
    for number in range(2):
        arguments = [
            "--params",
            json.dumps(params),
            "--index",
            str(tmp_path / "mine.csv"),
            "--shard",
            str(number),
        ]
        args = shard.parser("text").parse_args([*arguments, "--out", str(tmp_path / f"{number}.h5")])
        assert isinstance(args, argparse.Namespace)
        shard.run(args, "rgb", Frames(24))
        ids = Cache([tmp_path / f"{number}.h5"]).ids
        assert ids == [row.id for row in rows if index.shard_of(row.id, 2) == number]
        found += ids
    assert sorted(found) == [row.id for row in rows]


def test_an_empty_shard(tmp_path: Path, root: Path) -> None:
    assert build(tmp_path / "a.h5", "flow", [], root).ids == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_video_changed_since_the_index(tmp_path: Path, root: Path, rows: list[Row], processes: int) -> None:
    write_video(root / rows[3].path, np.zeros((2, 48, 64, 3), np.uint8))
    with pytest.raises(InputError, match="é 3: 2 frames decode, the index has 7; make the index again"):
        shard.build(tmp_path / "a.h5", "rgb", "mine", rows, root, Frames(24), processes)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_video_without_a_skeleton(tmp_path: Path, root: Path) -> None:
    (root / "Wave [1]/é 0.skeleton").unlink()
    rows = scan.build(folder.videos(root, 1, {}), root)
    with pytest.raises(InputError, match="é 0 has no skeleton: take joint and motion out"):
        shard.build(tmp_path / "a.h5", "joint", "mine", rows, root, Skeletons())


def test_real_clips(tmp_path: Path, real_clips: Path) -> None:
    path = "hmdb51/videos/wave/RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    row = Row("a", path, "wave", "train", 72, 30.0, 560, 240, "", "", "ok", "")
    shard.build(tmp_path / "a.h5", "rgb", "hmdb51", [row], real_clips, Frames(64))
    assert Cache([tmp_path / "a.h5"]).shape("a") == (72, 64, 149, 3)
