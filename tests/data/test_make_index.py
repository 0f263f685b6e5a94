"""Decoding a dataset into its index: every kind of bad video is kept with its reason."""

import dataclasses
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from tests.conftest import REPOSITORY

from videossl.data import index, make_index, ntu_skeleton, video
from videossl.data.listing import Video
from videossl.data.toy.render import write_video
from videossl.datasets import folder
from videossl.errors import InputError


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
    (here / "text.avi").write_text("a list of videos that somebody called .avi\n" * 9)
    whole = (here / "good.avi").read_bytes()
    with av.open(str(here / "good.avi")) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    (here / "cut between frames.avi").write_bytes(whole[: starts[17] - 8])
    (here / "cut within a frame.avi").write_bytes(whole[: starts[17] + 200])
    shutil.copy(here / "good.avi", here / "in truth AVI.mp4")
    with av.open(str(here / "sound.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    ntu_skeleton.write(here / "with skeleton.skeleton", np.ones((20, 25, 3, 1), np.float32))
    (here / "bad skeleton.skeleton").write_text("2\n0\n")
    return root


def named(root: Path) -> list[Video]:
    absent = Video("Wave/gone", "Wave/gone.avi", "Wave", "test", named_by="testlist01.txt:7")
    lost = Video("Wave/lost", "Wave [x] é/good.avi", "Wave", "test", skeleton="lost.skeleton")
    alone = Video("Wave/alone", "", "Wave", "test", skeleton="Wave [x] é/with skeleton.skeleton", group="Wave/s1")
    gone = Video("Wave/gone too", "", "Wave", "test", skeleton="Wave [x] é/none.skeleton", named_by="x:1")
    out = Video("Wave/out", "Wave [x] é/noise.avi", "Wave", "test", excluded="skeleton: missing.txt:4 names it")
    return [*folder.videos(root, 1, {}), absent, lost, alone, gone, out]


def test_every_video_has_a_row_and_every_drop_its_reason(root: Path) -> None:
    rows = {row.id.rpartition("/")[2]: row for row in make_index.build(named(root), root, min_frames=16)}
    assert len(rows) == len(named(root))
    good = rows["good"]
    assert dataclasses.replace(good, sha256="") == index.Row(
        id="Wave [x] é/good", path="Wave [x] é/good.avi", label="Wave [x] é", split=good.split, group="Wave [x] é/good",
        frames=20, fps=30.0, steps=20, clock="stamps", width=48, height=32, skeleton="", sha256="", status="ok", reason="",
    )  # fmt: skip
    assert rows["with skeleton"].status == "ok" and rows["with skeleton"].skeleton == "Wave [x] é/with skeleton.skeleton"
    assert {name: row.reason for name, row in rows.items() if row.status == "dropped"} == {
        "bad skeleton": "skeleton: Wave [x] é/bad skeleton.skeleton:2: the file ends where a number of bodies is due",
        "short": "short: steps 15 < min_frames 16",
        "zero": "empty: zero bytes",
        "noise": "unreadable: Invalid data found when processing input",
        "text": "unreadable: Invalid data found when processing input",
        "cut within a frame": "unreadable: after 17 frames, Invalid data found when processing input",
        "sound": "audio only: no video stream",
        "gone": "absent: testlist01.txt:7 names it",
        "gone too": "skeleton: Wave [x] é/none.skeleton: no such file",
        "lost": "skeleton: lost.skeleton: no such file",
        "out": "skeleton: missing.txt:4 names it",
    }
    assert (rows["short"].frames, rows["cut between frames"].frames, rows["in truth AVI"].frames) == (15, 17, 20)


def test_labels_are_in_the_row_whether_the_video_is_used_or_not(root: Path) -> None:
    labels = {"verbs": ["run", "jump"], "repetitions": 7}
    videos = [Video(name, f"Wave [x] é/{name}.avi", "Wave", labels=labels) for name in ("good", "zero")]
    rows = make_index.build([*videos, Video("bare", "Wave [x] é/good.avi")], root)
    assert [(row.status, row.of("class"), row.labels) for row in rows] == [
        ("ok", "Wave", labels),
        ("dropped", "Wave", labels),
        ("ok", None, {}),
    ]


def test_a_skeleton_alone_is_as_long_as_it_is(root: Path) -> None:
    row = next(row for row in make_index.build(named(root), root, fps=10) if row.id == "Wave/alone")
    assert (row.status, row.path, row.group, row.frames, row.steps) == ("ok", "", "Wave/s1", 20, 20)
    assert (row.fps, row.width, row.height) == (0, 0, 0)
    assert row.sha256 == hashlib.sha256((root / row.skeleton).read_bytes()).hexdigest()


def test_steps_are_counted_after_resampling_and_short_is_judged_by_them(root: Path) -> None:
    rows = {row.id.rpartition("/")[2]: row for row in make_index.build(named(root), root, min_frames=10, fps=15)}
    assert (rows["good"].frames, rows["good"].steps, rows["good"].status) == (20, 10, "ok")
    assert (rows["cut between frames"].steps, rows["cut between frames"].reason) == (9, "short: steps 9 < min_frames 10")


def test_what_an_official_list_takes_out_is_not_read(root: Path) -> None:
    row = next(row for row in make_index.build(named(root), root) if row.id == "Wave/out")
    assert (row.status, row.sha256, row.frames) == ("dropped", "", 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreadable(root: Path) -> None:
    (root / "Wave [x] é/good.avi").chmod(0)
    row = next(row for row in make_index.build(named(root), root) if row.id.endswith("good"))
    assert row.reason == "unreadable: Permission denied"


def test_the_digest_is_of_the_video_then_the_skeleton(root: Path) -> None:
    rows = {row.id.rpartition("/")[2]: row for row in make_index.build(named(root), root)}
    video = (root / "Wave [x] é/with skeleton.avi").read_bytes()
    skeleton = (root / "Wave [x] é/with skeleton.skeleton").read_bytes()
    assert rows["with skeleton"].sha256 == hashlib.sha256(video + skeleton).hexdigest()
    assert rows["good"].sha256 == hashlib.sha256((root / "Wave [x] é/good.avi").read_bytes()).hexdigest()
    assert rows["gone"].sha256 == ""


def test_the_index_depends_neither_on_processes_nor_on_where_the_data_lies(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other" / "place"
    shutil.copytree(root, elsewhere)
    index.write(tmp_path / "a.csv", make_index.build(named(root), root, processes=1, min_frames=16))
    index.write(tmp_path / "b.csv", make_index.build(named(elsewhere), elsewhere, processes=2, min_frames=16))
    journal = tmp_path / "journal.jsonl"
    for _ in range(2):  # filled, then read
        index.write(tmp_path / "c.csv", make_index.build(named(root), root, min_frames=16, journal=journal))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()


# The journal.


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded, as it goes."""
    names: list[str] = []
    probe = video.probe

    def note(path: Path, fps: float | None = None) -> video.Probe:
        names.append(path.name)
        return probe(path, fps)

    monkeypatch.setattr(video, "probe", note)
    return names


BAD = {"zero.avi", "noise.avi", "text.avi", "sound.avi", "cut within a frame.avi", "bad skeleton.avi"}


def test_what_decoded_once_is_not_decoded_again_and_what_did_not_is(root: Path, tmp_path: Path, decoded: list[str]) -> None:
    journal = tmp_path / "new/journal.jsonl"
    first = make_index.build(named(root), root, journal=journal)
    assert "good.avi" in decoded
    decoded.clear()
    assert make_index.build(named(root), root, journal=journal) == first and set(decoded) == BAD


@pytest.mark.parametrize("change", ["new", "contents", "contents under the old date", "skeleton"])
def test_a_new_or_changed_video_is_decoded_alone(root: Path, tmp_path: Path, decoded: list[str], change: str) -> None:
    journal = tmp_path / "journal.jsonl"
    make_index.build(named(root), root, journal=journal)
    here, name = root / "Wave [x] é", {"new": "new.avi", "skeleton": "with skeleton.avi"}.get(change, "good.avi")
    before = (here / "good.avi").stat()
    if change == "skeleton":
        ntu_skeleton.write(here / "with skeleton.skeleton", np.ones((19, 25, 3, 1), np.float32))
    else:
        (here / name).write_bytes((here / "short.avi").read_bytes())
    if change == "contents under the old date":
        (here / name).write_bytes((here / name).read_bytes().ljust(before.st_size, b"\0"))
        assert (here / name).stat().st_size == before.st_size
        os.utime(here / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    decoded.clear()
    rows = make_index.build(named(root), root, journal=journal)
    assert set(decoded) == BAD | {name}
    assert rows == make_index.build(named(root), root)


def test_another_rate_is_decoded_again_and_another_min_frames_is_not(root: Path, tmp_path: Path, decoded: list[str]) -> None:
    journal = tmp_path / "journal.jsonl"
    make_index.build(named(root), root, journal=journal)
    decoded.clear()
    rows = make_index.build(named(root), root, min_frames=18, journal=journal)
    assert set(decoded) == BAD and sum(row.reason.startswith("short") for row in rows) == 2
    make_index.build(named(root), root, fps=15, journal=journal)
    assert "good.avi" in decoded


def test_what_a_list_takes_out_later_is_out(root: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    good = next(video for video in named(root) if video.id.endswith("good"))
    assert make_index.build([good], root, journal=journal)[0].status == "ok"
    (row,) = make_index.build([dataclasses.replace(good, excluded="skeleton: list:1 names it")], root, journal=journal)
    assert (row.status, row.reason, row.sha256) == ("dropped", "skeleton: list:1 names it", "")


def test_a_video_that_changes_while_it_is_read_is_read_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, path, probe = tmp_path / "journal.jsonl", root / "Wave [x] é/good.avi", video.probe
    other = (root / "Wave [x] é/short.avi").read_bytes()

    def change(asked: Path, fps: float | None = None) -> video.Probe:
        found = probe(asked, fps)
        if asked == path:
            path.write_bytes(other)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(video, "probe", change)
        make_index.build(named(root), root, journal=journal)
    row = next(row for row in make_index.build(named(root), root, journal=journal) if row.id.endswith("good"))
    assert row.sha256 == hashlib.sha256(other).hexdigest()


def test_a_journal_that_cannot_be_used_is_a_warning(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    expected = make_index.build(named(root), root)
    for journal, problem in ((tmp_path / "file/journal.jsonl", "cannot write"), (tmp_path / "folder", "cannot read")):
        caplog.clear()
        assert make_index.build(named(root), root, journal=journal) == expected
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert sum(problem in warning for warning in warnings) == 1, "said once"


# The script.


def start(work: Path, root: Path, processes: int = 2) -> subprocess.Popen[str]:
    """stages/index.py in `work` on the videos in `root`, in a process of its own."""
    params = {
        "dataset": {"name": "folder", "root": str(root), "split": 1, "options": {"test_share": 0.3, "seed": 0}},
        "index": {"fps": 30, "min_frames": 16, "max_dropped": 0.9},
    }
    work.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, REPOSITORY / "stages/index.py", "--params", json.dumps(params), "--out", "index.csv", "--processes", str(processes), "--log", "log.txt"],
        cwd=work, env=os.environ | {"PYTHONPATH": str(REPOSITORY / "lib")}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    """What the script said, when it ended well."""
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def many(root: Path, count: int) -> None:
    """`count` videos of 100 frames, each some milliseconds of work, and some that are none."""
    (root / "a").mkdir(parents=True)
    write_video(root / "a/0.avi", noise(100))
    for number in range(1, count):
        shutil.copy(root / "a/0.avi", root / f"a/{number}.avi")
    for number in range(5):
        (root / f"a/bad {number}.avi").write_bytes(b"")


def test_the_log_file_names_every_drop_and_stderr_the_first(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    many(root, 4)
    (root / "trainlist01.txt").write_text("a/0.avi\na/gone.avi\n" + "".join(f"a/bad {number}.avi\n" for number in range(5)))
    (root / "testlist01.txt").write_text("a/1.avi\n")
    for name in ("notes.md", ".hidden.md"):
        (root / "a" / name).touch()
    said = finish(start(tmp_path / "work", root))
    log = (tmp_path / "work/log.txt").read_text()
    assert [f"dropped a/bad {number}: empty: zero bytes\n" in said for number in range(5)] == [True] * 3 + [False] * 2
    assert all(f"dropped a/bad {number}: empty: zero bytes\n" in log for number in range(5))
    assert "dropped 2 more, empty: the log file names them" in said
    assert "and not used: 2 .avi, 1 .md; 2 videos are on no side of the split, the first: a/2.avi; the log file names all\n" in said
    assert all(f"not used: a/{name}\n" in log for name in ("2.avi", "3.avi", "notes.md"))
    about = json.loads((tmp_path / "work/index.json").read_text())
    assert about["unused"] == {".avi": {"count": 2, "first": "a/2.avi"}, ".md": {"count": 1, "first": "a/notes.md"}}
    assert "8 named: 2 ok (train 1, test 1), 6 dropped (absent 1, empty 5)" in said
    assert "warning: the same bytes to train and to test with: results are too good: a/0 = a/1\n" in said


def test_fewer_than_there_are_officially_is_said(tmp_path: Path) -> None:
    """What no list names is in no count of drops: lists of UCF101 that were cut short."""
    root = tmp_path / "ucf101"
    for side, name in (("train", "v_Wave_g01_c01"), ("test", "v_Wave_g02_c01")):
        (root / "UCF-101/Wave").mkdir(parents=True, exist_ok=True)
        write_video(root / f"UCF-101/Wave/{name}.avi", noise(3))
        (root / "ucfTrainTestlist").mkdir(exist_ok=True)
        (root / f"ucfTrainTestlist/{side}list01.txt").write_text(f"Wave/{name}.avi\n")
    dataset = {"name": "ucf101", "root": str(root), "split": 1, "options": {}}
    params = {"dataset": dataset, "index": {"fps": None, "min_frames": 1, "max_dropped": 0.0}}
    command = [sys.executable, str(REPOSITORY / "stages/index.py"), "--params", json.dumps(params), "--out", "index.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "ucf101: 1 videos to train with are named, officially there are 9537" in done.stderr
    assert "ucf101: 1 videos to test with are named, officially there are 3783" in done.stderr


def indexed(monkeypatch: pytest.MonkeyPatch, work: Path, dataset: dict[str, object], **more: object) -> list[index.Row]:
    """The rows that stages/index.py writes, in this process."""
    from stages import index as stage

    monkeypatch.chdir(work)
    params = {"dataset": {"split": 1, **dataset}, "index": {"fps": None, "min_frames": 1, "max_dropped": 0.0}, **more}
    monkeypatch.setattr(sys, "argv", ["index.py", "--params", json.dumps(params), "--out", "index.csv"])
    stage.main()
    return index.read(Path("index.csv"))


FOUND = {"skeleton": {"backend": "keypoint-rcnn"}}
"""What the script is given where people are found in the videos."""


def test_where_people_are_found_skeleton_files_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is malformed drops no video, and one that changes does not change its row."""
    root = tmp_path / "raw"
    (root / "a").mkdir(parents=True)
    write_video(root / "a/1.avi", noise(3))
    dataset: dict[str, object] = {"name": "folder", "root": str(root), "options": {"test_share": 0}}
    alone = indexed(monkeypatch, tmp_path, dataset, **FOUND)
    for text in ("no skeleton", "2\n0\n"):
        (root / "a/1.skeleton").write_text(text)
        assert indexed(monkeypatch, tmp_path, dataset, **FOUND) == alone
    assert [(row.status, row.skeleton) for row in alone] == [("ok", "")]
    with pytest.raises(InputError, match="1 of 1 videos"):
        indexed(monkeypatch, tmp_path, dataset)


def test_nor_do_samples_without_a_skeleton_and_the_list_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    root, names = tmp_path / "ntu", [f"S001C001P00{performer}R001A001" for performer in (1, 2, 3)]
    for place in ("nturgb+d_rgb", "nturgb+d_skeletons"):
        (root / place).mkdir(parents=True)
    for name in names:
        write_video(root / f"nturgb+d_rgb/{name}_rgb.avi", noise(3))
    ntu_skeleton.write(root / f"nturgb+d_skeletons/{names[0]}.skeleton", np.ones((3, 25, 3, 1), np.float32))
    (root / "NTU_RGBD_samples_with_missing_skeletons.txt").write_text(f"{names[2]}\n")
    dataset: dict[str, object] = {"name": "ntu60", "root": str(root), "options": {}}
    rows = indexed(monkeypatch, tmp_path, dataset, **FOUND)
    assert [(row.id, row.status, row.skeleton) for row in rows] == [(name, "ok", "") for name in names]
    shutil.rmtree(root / "nturgb+d_rgb")
    params = {"dataset": dataset | {"split": 1}, "index": {"fps": None, "min_frames": 1, "max_dropped": 0.0}, **FOUND}
    said = refused("index", "--params", json.dumps(params), "--out", "other.csv")
    assert said.startswith(
        f"error: {root} has skeletons and no video to find people in, such as of {names[0]}: put the videos there, or set"
    )
    assert not Path("other.csv").exists()


def test_an_index_that_is_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    many(root, 40)
    finish(start(tmp_path / "undisturbed", root))
    work = tmp_path / "killed"
    journal = work / "data/scratch/index/folder.jsonl"
    process = start(work, root)
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 5):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = journal.read_bytes().count(b"\n")
    assert not (work / "index.csv").exists() and 5 <= kept < 40, "killed in the middle"
    said = finish(start(work, root))
    taken = int(said.partition(" of 45 videos")[0].rpartition("\n")[2])
    assert kept - 1 <= taken <= kept  # the last line may be torn
    assert (work / "index.csv").read_bytes() == (tmp_path / "undisturbed/index.csv").read_bytes()


def test_two_at_once_both_end_well(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    many(root, 12)
    finish(start(tmp_path / "alone", root))
    both = [start(tmp_path / "work", root, processes=1) for _ in range(2)]
    for process in both:
        finish(process)
    assert (tmp_path / "work/index.csv").read_bytes() == (tmp_path / "alone/index.csv").read_bytes()
    finish(start(tmp_path / "work", root))
    assert (tmp_path / "work/index.csv").read_bytes() == (tmp_path / "alone/index.csv").read_bytes()
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["data", "index.csv", "index.json", "log.txt"]


# Real files.


def test_real_clips(real_clips: Path) -> None:
    from videossl.datasets import ucf101

    videos = ucf101.videos(real_clips / "ucf101", 1, {"lists": str(real_clips / "splits" / "ucfTrainTestlist")})
    rows = [row for row in make_index.build(videos, real_clips / "ucf101", min_frames=32, fps=30) if row.label == "SoccerJuggling"]
    usable = {row.id: (row.frames, row.steps, row.split) for row in index.usable(rows)}
    assert usable == {
        "SoccerJuggling/v_SoccerJuggling_g23_c01": (240, 240, "train"),
        "SoccerJuggling/v_SoccerJuggling_g24_c01": (251, 251, "train"),
    }
    assert all(row.reason.startswith("absent: t") for row in rows if row.status == "dropped")
