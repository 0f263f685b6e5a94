"""Decoding a dataset into its index: every kind of bad video is kept with its reason."""

import hashlib
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from videossl.data import index, ntu, scan
from videossl.data.datasets import folder
from videossl.data.datasets.base import Video
from videossl.data.toy.render import write_video


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, 32, 48, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a good video, one with a skeleton, and one of every bad kind."""
    root = tmp_path / "raw"
    (root / "Wave [x] é").mkdir(parents=True)
    here = root / "Wave [x] é"
    for name in ("good", "with skeleton", "bad skeleton"):
        write_video(here / f"{name}.avi", noise(20))
    write_video(here / "short.avi", noise(15))
    (here / "zero.avi").write_bytes(b"")
    (here / "noise.avi").write_bytes(bytes(range(256)) * 9)
    with av.open(str(here / "sound.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    ntu.write(here / "with skeleton.skeleton", np.ones((20, 25, 3, 1), np.float32))
    (here / "bad skeleton.skeleton").write_text("2\n0\n")
    return root


def named(root: Path) -> list[Video]:
    absent = Video("Wave/gone", "Wave/gone.avi", "Wave", "test", named_by="testlist01.txt:7")
    lost = Video("Wave/lost", "Wave [x] é/good.avi", "Wave", "test", skeleton="lost.skeleton")
    return [*folder.videos(root, 1, {}), absent, lost]


def test_every_video_has_a_row_and_every_drop_its_reason(root: Path) -> None:
    rows = {row.id.rpartition("/")[2]: row for row in scan.build(named(root), root, min_frames=16)}
    good = rows["good"]
    assert (good.status, good.reason, good.frames, good.fps, good.width, good.height) == (
        "ok",
        "",
        20,
        30.0,
        48,
        32,
    )
    assert good.path == "Wave [x] é/good.avi" and good.label == "Wave [x] é"
    assert rows["with skeleton"].status == "ok" and rows["with skeleton"].skeleton == "Wave [x] é/with skeleton.skeleton"
    assert {name: row.reason for name, row in rows.items() if row.status == "dropped"} == {
        "bad skeleton": "skeleton: Wave [x] é/bad skeleton.skeleton:2: the file ends where a number of bodies is due",
        "short": "short: frames 15 < min_frames 16",
        "zero": "empty: zero bytes",
        "noise": "unreadable: Invalid data found when processing input",
        "sound": "audio only: no video stream",
        "gone": "absent: testlist01.txt:7 names it",
        "lost": "skeleton: lost.skeleton: no such file",
    }
    assert rows["short"].frames == 15


def test_the_digest_is_of_the_video_then_the_skeleton(root: Path) -> None:
    rows = {row.id.rpartition("/")[2]: row for row in scan.build(named(root), root)}
    video = (root / "Wave [x] é/with skeleton.avi").read_bytes()
    skeleton = (root / "Wave [x] é/with skeleton.skeleton").read_bytes()
    assert rows["with skeleton"].sha256 == hashlib.sha256(video + skeleton).hexdigest()
    assert rows["good"].sha256 == hashlib.sha256((root / "Wave [x] é/good.avi").read_bytes()).hexdigest()
    assert rows["gone"].sha256 == ""


def test_the_index_depends_neither_on_processes_nor_on_where_the_data_lies(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other" / "place"
    shutil.copytree(root, elsewhere)
    index.write(tmp_path / "a.csv", scan.build(named(root), root, processes=1, min_frames=16))
    index.write(tmp_path / "b.csv", scan.build(named(elsewhere), elsewhere, processes=2, min_frames=16))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_real_clips(real_clips: Path) -> None:
    from videossl.data.datasets import ucf101

    videos = ucf101.videos(real_clips / "ucf101", 1, {"lists": str(real_clips / "splits" / "ucfTrainTestlist")})
    rows = [row for row in scan.build(videos, real_clips / "ucf101", min_frames=32) if row.label == "SoccerJuggling"]
    usable = {row.id: (row.frames, row.split) for row in index.usable(rows)}
    assert usable == {
        "SoccerJuggling/v_SoccerJuggling_g23_c01": (240, "train"),
        "SoccerJuggling/v_SoccerJuggling_g24_c01": (251, "train"),
    }
    assert all(row.reason.startswith("absent: t") for row in rows if row.status == "dropped")
