"""Shards of every modality, from real small videos."""

import argparse
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages import extract as stage
from tests.conftest import REPOSITORY

from videossl import files, made_from, registry
from videossl.data import cache, disk, flow_levels, index, jpeg, make_index, ntu_skeleton, video
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.data.toy.render import write_video
from videossl.datasets import folder
from videossl.errors import InputError
from videossl.extract import flow, frames, shard, skeleton
from videossl.extract.flow import Flow
from videossl.extract.frames import Frames
from videossl.extract.skeleton import Skeletons

FAST = {"warps": 1, "inner": 5, "outer": 2, "scales": 2}
EXTRACTORS = {"rgb": Frames(24), "flow": Flow(24, 10.0, FAST), "joint": Skeletons(25)}


def joints(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(6, 25, 3, 1)).astype(np.float32)


pytestmark = pytest.mark.usefixtures("in_a_run_of_its_own")


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
        ntu_skeleton.write(root / f"Wave [1]/é {number}.skeleton", joints(number))
    return root


@pytest.fixture
def rows(root: Path) -> list[Row]:
    return make_index.build(folder.videos(root, 1, {}), root)


@pytest.mark.parametrize(("modality", "quality"), [("rgb", None), ("rgb", 90), ("flow", None), ("flow", 90), ("joint", None)])
def test_the_same_bytes_in_one_process_and_in_two(tmp_path: Path, root: Path, rows: list[Row], modality: str, quality: int | None) -> None:
    for processes in (1, 2):
        path = tmp_path / f"{processes}.h5"
        shard.build(path, modality, "folder", rows, root, EXTRACTORS[modality], processes, quality)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


def build(path: Path, modality: str, rows: list[Row], root: Path, quality: int | None = None, tag: str = "") -> Cache:
    shard.build(path, modality, "folder", rows, root, EXTRACTORS[modality], quality=quality, tag=tag)
    cache.verify(path)
    return Cache([path])


def test_rgb_is_the_resized_frames(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    read = build(tmp_path / "a.h5", "rgb", rows, root)
    assert read.ids == [row.id for row in rows]
    assert [read.shape(id) for id in read.ids] == [(4 + number, 24, 32, 3) for number in range(5)]
    np.testing.assert_array_equal(read.read(rows[2].id, 0, 6), video.frames(root / rows[2].path, 24))
    assert json.loads(read.attrs["extractor"])["params"] == {"short_side": 24, "fps": None}
    assert cache.describe(tmp_path / "a.h5").sources == [row.sha256 for row in rows]


def test_flow_is_quantised_at_the_size_of_the_frames(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    read = build(tmp_path / "a.h5", "flow", rows, root)
    assert [read.shape(id) for id in read.ids] == [(3 + number, 24, 32, 2) for number in range(5)]
    grey = video.frames(root / rows[1].path, 24, grey=True)
    expected = flow.compute("tvl1", FAST, grey)
    back = flow_levels.dequantise(read.read(rows[1].id, 0, 4), read.attrs["bound"])
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


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_jpeg_holds_what_its_encoder_makes_of_the_raw_video(tmp_path: Path, root: Path, rows: list[Row], modality: str) -> None:
    raw, read = build(tmp_path / "raw.h5", modality, rows, root), build(tmp_path / "jpeg.h5", modality, rows, root, quality=80)
    assert (read.attrs["codec"], read.attrs["quality"]) == ("jpeg", 80)
    for id in raw.ids:
        one = jpeg.encode(raw.read(id, 0, raw.length(id)), 80)
        assert read.shape(id) == raw.shape(id)
        np.testing.assert_array_equal(read.read(id, 0, read.length(id)), jpeg.decode(np.split(one.data, one.offsets[1:-1]), one.step))


def test_frames_and_flow_are_resampled_to_the_rate(tmp_path: Path, root: Path) -> None:
    rows = make_index.build(folder.videos(root, 1, {}), root, fps=60)
    assert [row.steps for row in rows] != [row.frames for row in rows]
    for modality, extract in (("rgb", Frames(24, 60)), ("flow", Flow(24, 10.0, FAST, fps=60))):
        shard.build(tmp_path / "a.h5", modality, "folder", rows, root, extract)
        read = Cache([tmp_path / "a.h5"])
        assert [read.length(row.id) for row in rows] == [row.steps - (modality == "flow") for row in rows]
        assert json.loads(read.attrs["extractor"])["params"]["fps"] == 60
    with pytest.raises(InputError, match=r"4 steps decode, the index has \d+; make the index again"):
        shard.build(tmp_path / "a.h5", "rgb", "folder", rows, root, Frames(24))


@pytest.mark.parametrize("modality", ["rgb", "flow", "joint"])
def test_the_estimate_of_raw_shards_holds(tmp_path: Path, root: Path, rows: list[Row], modality: str) -> None:
    build(tmp_path / "a.h5", modality, rows, root)
    read, expected = Cache([tmp_path / "a.h5"]), shard.estimate(rows, modality, EXTRACTORS[modality], None)
    assert (tmp_path / "a.h5").stat().st_size <= expected
    values = sum(read.read(id, 0, read.length(id)).nbytes for id in read.ids)
    joints_off = sum(row.frames - 6 for row in rows) * 25 * 3 * 2 * 4 if modality == "joint" else 0  # of the video, of the skeleton
    assert expected == values + joints_off + shard.OVERHEAD * (len(rows) + 4)


def test_a_disk_without_room_is_told_before(tmp_path: Path, root: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = shard.estimate(rows, "rgb", EXTRACTORS["rgb"], None)
    monkeypatch.setattr(disk, "free", lambda folder: expected - 1 if folder == tmp_path else 0)
    with pytest.raises(InputError, match=r"deep/a\.h5 .*cache\.codec.* needs [\d.]+ kB, but .* has [\d.]+ kB free") as caught:
        build(tmp_path / "not/yet/deep/a.h5", "rgb", rows, root)
    assert "\n" not in str(caught.value) and [path.name for path in tmp_path.iterdir()] == ["raw"]
    monkeypatch.setattr(disk, "free", lambda folder: expected)
    build(tmp_path / "not/yet/deep/a.h5", "rgb", rows, root)


def test_an_estimate_by_hand() -> None:
    """250 frames of 320x240 are 300 steps of 171x128 at 30 a second and a short side of 128."""
    row = Row("a", "a.avi", "a", "train", "a", 250, 25.0, 300, 320, 240, "", "", "ok", "")
    beside = shard.OVERHEAD * 5
    assert shard.estimate([row], "rgb", Frames(128, 30), None) == 300 * 128 * 171 * 3 + beside
    assert shard.estimate([row], "flow", Flow(128, 20, {}, "dis", 30), None) == 299 * 128 * 171 * 2 + beside
    assert shard.estimate([row], "rgb", Frames(128, 30), 80) == round(300 * 128 * 171 * 3 * 0.105) + 300 * 632 + beside


def arguments(root: Path, where: Path, out: str, number: int = 0, shards: int = 1, **more: Any) -> list[str]:
    params = {
        "dataset": {"name": "folder", "root": str(root)},
        "cache": {"shards": shards, "short_side": 24, "codec": "raw"},
        "index": {"fps": None},
        **more,
    }
    return [
        "--params", json.dumps(params), "--index", str(where / "mine.csv"), "--shard", str(number), "--out", str(where / out),
    ]  # fmt: skip


def test_the_script_takes_its_own_part(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    dropped = Row("x", "x.avi", "", "test", "x", 0, 0.0, 0, 0, 0, "", "", "dropped", "absent: x")
    index.write(tmp_path / "mine.csv", [*rows, dropped])
    found = []
    for number in range(2):
        args = shard.parser("text").parse_args(arguments(root, tmp_path, f"{number}.h5", number, shards=2))
        assert isinstance(args, argparse.Namespace)
        shard.run(args, "rgb", Frames(24))
        ids = Cache([tmp_path / f"{number}.h5"]).ids
        assert ids == [row.id for row in rows if index.shard_of(row.id, 2) == number]
        found += ids
    assert sorted(found) == [row.id for row in rows]


def tag_of(given: list[str]) -> str:
    """The tag of a shard that a script makes with these arguments."""
    return made_from.tag(json.loads(given[1]))


def script(name: str, source: str, *given: str) -> subprocess.Popen[str]:
    """The script that extracts, by the extractor `name`, in a process group of its own."""
    command = [sys.executable, str(REPOSITORY / "stages/extract.py"), "--source", source, "--extractor", name, *given]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize(
    ("name", "modality", "codec"),
    [("frames", "rgb", "raw"), ("frames", "rgb", "jpeg"), ("flow", "flow", "jpeg"), ("skeleton", "joint", "jpeg")],
)
def test_the_scripts(tmp_path: Path, root: Path, rows: list[Row], name: str, modality: str, codec: str) -> None:
    index.write(tmp_path / "mine.csv", rows)
    stored = {"shards": 1, "short_side": 24, "codec": codec} | ({"quality": 80} if codec == "jpeg" else {})
    given = arguments(root, tmp_path, "a.h5", cache=stored, flow={"backend": "tvl1", "bound": 10, **FAST})
    done = script(name, modality, *given)
    _, errors = done.communicate()
    assert done.returncode == 0, errors
    quality = 80 if codec == "jpeg" and modality != "joint" else None
    build(tmp_path / "b.h5", modality, rows, root, quality, tag_of(given))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_extractors_of_a_slice_of_params() -> None:
    stored = {"shards": 2, "short_side": 24, "codec": "raw"}
    assert frames.make({"cache": stored, "index": {"fps": 25}}) == Frames(24, 25)
    settings = {"backend": "dis", "bound": 10, "preset": "fast"}
    assert flow.make({"cache": stored, "index": {"fps": None}, "flow": settings}) == Flow(24, 10, {"preset": "fast"}, "dis", None)
    assert "bound" in settings, "the slice stays as it is"
    assert skeleton.make({"dataset": {"name": "folder"}, "cache": {"shards": 2}}) == Skeletons(25)


def test_an_extractor_may_stand_in_its_modality_s_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file counts as the code that makes its shards."""
    module = types.ModuleType("videossl.modalities.sensor")
    monkeypatch.setattr(registry, "declared", lambda kind, name: {"extractors": {"": {"made_of": "video"}}})
    monkeypatch.setattr(registry, "module", lambda kind, name: module)
    assert stage._module("sensor", "") is stage._module("sensor", "sensor") is module
    monkeypatch.undo()
    assert stage._module("rgb", "frames") is frames and stage._module("joint", "pose").__name__ == "videossl.extract.pose"
    own = tmp_path / "sensor.py"
    monkeypatch.setattr(files, "sha256", lambda *paths: "\n".join(map(str, paths)))
    monkeypatch.setattr(shard.job_code, "closure", lambda *given: tuple(sorted([*given, "lib/videossl/modalities/other.py"])))
    monkeypatch.setattr(shard.inspect, "getfile", lambda _: str(own))
    assert set(shard.digest(Skeletons(25)).split("\n")) == {str(own), shard.__file__}


SLOW = {"outer": 5, "epsilon": 0.0}  # never content: a second or two in all


def test_killed_in_the_middle_of_a_shard(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    index.write(tmp_path / "mine.csv", rows)
    given = arguments(root, tmp_path, "a.h5", flow={"backend": "tvl1", "bound": 10.0, **SLOW})
    killed = script("flow", "flow", *given, "--processes", "2")
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 2048 for path in tmp_path.glob(".a.h5.*.part")):
        assert killed.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.002)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert len(list(tmp_path.glob(".a.h5.*.part"))) == 1 and not (tmp_path / "a.h5").exists()
    again = script("flow", "flow", *given, "--processes", "2")
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "mine.csv", "raw"]
    shard.build(tmp_path / "b.h5", "flow", "folder", rows, root, Flow(24, 10.0, SLOW), processes=2, tag=tag_of(given))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_two_runs_of_a_shard_at_once(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    index.write(tmp_path / "mine.csv", rows)
    given = arguments(root, tmp_path, "a.h5", flow={"backend": "tvl1", "bound": 10.0, **SLOW})
    both = [script("flow", "flow", *given) for _ in range(2)]
    deadline, most = time.monotonic() + 60, 0
    while most < 2 and any(one.poll() is None for one in both) and time.monotonic() < deadline:
        most = max(most, len(list(tmp_path.glob(".a.h5.*.part"))))
        time.sleep(0.002)
    errors = [one.communicate()[1] for one in both]
    assert most == 2, "they did not run at once"
    assert [one.returncode for one in both] == [0, 0], errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "mine.csv", "raw"]
    shard.build(tmp_path / "b.h5", "flow", "folder", rows, root, Flow(24, 10.0, SLOW), processes=2, tag=tag_of(given))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_empty_shard(tmp_path: Path, root: Path) -> None:
    assert build(tmp_path / "a.h5", "flow", [], root).ids == []


class Counting:
    """An extractor that says which videos it was asked for."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.asked = inner, list[str]()

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        self.asked.append(row.id)
        return self.inner(row, root)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize(("modality", "quality"), [("rgb", None), ("rgb", 90), ("flow", None), ("flow", 90), ("joint", None)])
def test_what_did_not_change_is_not_extracted_again(
    tmp_path: Path, root: Path, rows: list[Row], modality: str, quality: int | None
) -> None:
    """As both engines do it: the shard is deleted, the index is new, and one video with it. The bytes are those of a shard from nothing."""
    path, kept = tmp_path / "a.h5", tmp_path / "kept/a.h5"

    def make(rows: list[Row], path: Path, kept: Path | None) -> list[str]:
        path.unlink(missing_ok=True)
        extract = Counting(EXTRACTORS[modality])
        shard.build(path, modality, "folder", rows, root, extract, 1, quality, kept)
        return extract.asked

    ids = [row.id for row in rows]
    assert make(rows, path, kept) == ids
    assert make(rows, path, kept) == []
    write_video(root / rows[1].path, np.zeros((5, 64, 64, 3), np.uint8))
    changed = make_index.build(folder.videos(root, 1, {}), root)
    changed = [changed[4], *changed[:3]]  # one gone, another order
    assert make(changed, path, kept) == [ids[1]]
    make(changed, tmp_path / "fresh.h5", None)
    assert path.read_bytes() == (tmp_path / "fresh.h5").read_bytes()
    assert kept.samefile(path), "a second name, not a second copy"


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_what_was_kept_has_the_steps_that_the_index_says(tmp_path: Path, root: Path, rows: list[Row], modality: str) -> None:
    """Not reused for its bytes alone: the video is read again, which says that the index is not of it."""
    kept, one = tmp_path / "kept/a.h5", rows[0]
    shard.build(tmp_path / "a.h5", modality, "folder", rows, root, EXTRACTORS[modality], 1, None, kept)
    other = dataclasses.replace(one, steps=one.steps - 1)
    with pytest.raises(InputError, match=re.escape(one.id)):
        shard.build(tmp_path / "b.h5", modality, "folder", [other, *rows[1:]], root, EXTRACTORS[modality], 1, None, kept)
    assert not (tmp_path / "b.h5").exists()


def test_what_was_kept_must_be_whole_and_made_alike(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    path, kept = tmp_path / "a.h5", tmp_path / "kept/a.h5"
    for damage in (True, False):
        shard.build(path, "rgb", "folder", rows, root, Frames(24), 1, None, kept)
        path.unlink()
        if damage:
            content = bytearray(kept.read_bytes())
            content[-1] ^= 1
            kept.write_bytes(content)
        extract = Counting(Frames(24 if damage else 16))
        shard.build(path, "rgb", "folder", rows, root, extract, 1, None, kept)
        assert len(extract.asked) == len(rows)
        assert not cache.verify(path)


def test_what_other_code_made_is_not_taken(tmp_path: Path, root: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """As `run` does it, for a shard that looks the same: the name, the versions and the params that it holds do not tell."""
    index.write(tmp_path / "mine.csv", rows)
    args = shard.parser("text").parse_args(arguments(root, tmp_path, "a.h5"))
    kept = Path("data/scratch/cache/folder/rgb/a.h5")

    def asked() -> int:
        extract = Counting(Frames(24))
        args.out.unlink(missing_ok=True)
        shard.run(args, "rgb", extract)
        return len(extract.asked)

    assert (asked(), asked()) == (5, 0)
    first = args.out.read_bytes()
    monkeypatch.setattr(shard, "digest", lambda extract: "of other code")
    assert (asked(), asked()) == (5, 0) and args.out.read_bytes() == first == kept.read_bytes()
    shard.code_of(kept).unlink()  # as of a job that was killed between the two
    assert (asked(), asked()) == (5, 0)


@pytest.mark.parametrize(
    ("modality", "uses", "others"),
    [
        ("rgb", {"extract/frames", "data/video", "data/jpeg"}, {"extract/flow", "extract/pose", "data/ntu_skeleton"}),
        ("flow", {"extract/flow", "extract/frames", "data/flow_levels", "data/video", "data/jpeg"}, {"extract/pose", "data/bodies"}),
        (
            "joint",
            {"extract/skeleton", "data/skeleton_files", "data/ntu_skeleton", "data/msr_skeleton", "data/bodies"},
            {"extract/flow", "data/video"},
        ),
    ],
)
def test_the_code_of_a_shard_is_all_that_decides_its_values(
    modality: str, uses: set[str], others: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shard.digest(EXTRACTORS[modality])
    monkeypatch.setattr(files, "sha256", lambda *paths: "\n".join(map(str, paths)))
    named = {line.partition("lib/videossl/")[2].removesuffix(".py") for line in shard.digest(EXTRACTORS[modality]).split("\n")}
    assert uses | {"extract/shard", "data/cache"} <= named and not named & others and len(whole) == 64
    assert all(name.startswith(("extract/", "data/")) for name in named), "which videos there are is in the index"


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("changed", ["avi", "skeleton"])
@pytest.mark.parametrize("modality", ["rgb", "joint"])
def test_a_video_changed_since_the_index(tmp_path: Path, root: Path, rows: list[Row], processes: int, changed: str, modality: str) -> None:
    """A byte more, which nothing but the hash tells."""
    path = root / rows[3].path
    with path.with_suffix(f".{changed}").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(InputError, match="é 3 changed since it was indexed; make the index again"):
        shard.build(tmp_path / "a.h5", modality, "folder", rows, root, EXTRACTORS[modality], processes)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_video_gone_since_the_index(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    (root / rows[3].path).unlink()
    with pytest.raises(InputError, match=r"é 3 cannot be read \(.*é 3\.avi: No such file or directory\); make the index again"):
        build(tmp_path / "a.h5", "rgb", rows, root)


def test_a_count_that_is_not_the_index_s(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    """As another version of the decoder would find."""
    wrong = [dataclasses.replace(row, steps=row.steps + 1) for row in rows]
    with pytest.raises(InputError, match="é 0: 4 steps decode, the index has 5; make the index again"):
        build(tmp_path / "a.h5", "rgb", wrong, root)


def test_a_video_of_one_frame_has_no_flow(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    with pytest.raises(InputError, match=r"é 0 has 1 frame, flow needs two; set index\.min_frames"):
        build(tmp_path / "a.h5", "flow", [dataclasses.replace(rows[0], steps=1), *rows[1:]], root)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_a_skeleton_without_a_video(tmp_path: Path, root: Path, rows: list[Row], modality: str) -> None:
    """Told before any video is decoded; its joints are cached."""
    alone = dataclasses.replace(
        rows[2], path="", width=0, height=0, fps=0.0, frames=6, steps=6, sha256=files.sha256(root / rows[2].skeleton)
    )
    with pytest.raises(InputError, match="é 2 has a skeleton and no video: take the streams that are made of videos out"):
        build(tmp_path / "a.h5", modality, [*rows[:2], alone], root)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    np.testing.assert_array_equal(build(tmp_path / "b.h5", "joint", [alone], root).read(alone.id, 0, 6)[..., :1], joints(2))


def test_a_video_without_a_skeleton(tmp_path: Path, root: Path) -> None:
    (root / "Wave [1]/é 0.skeleton").unlink()
    rows = make_index.build(folder.videos(root, 1, {}), root)
    with pytest.raises(InputError, match="é 0 has no skeleton: take the streams that are made of skeletons out"):
        build(tmp_path / "a.h5", "joint", rows, root)


def test_frames_too_small_for_the_backend_name_the_video(tmp_path: Path, root: Path, rows: list[Row]) -> None:
    with pytest.raises(InputError, match="é 0: no flow of 11x8 pixels by these settings"):
        shard.build(tmp_path / "a.h5", "flow", "folder", rows, root, Flow(8, 10.0, {}, "dis"))
