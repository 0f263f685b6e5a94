"""A copy of a dataset against what there should be: real files of every kind of damage, and the command as a process."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests import made
from tests.conftest import REPOSITORY

from videossl.data import ntu_skeleton, verify_dataset
from videossl.data.verify_dataset import Problem, Report
from videossl.datasets import folder, hmdb51, kinetics400, ntu60, ucf101
from videossl.errors import InputError

PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


def write(path: Path, frames: int = 60, codec: str = "mpeg4", pauses: bool = False, front: bool = False) -> Path:
    """A video of `frames` moving frames at 30 a second, with a growing pause after each if asked for; `front`: an MP4 whose index comes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"} if front else {}) as container:
        stream = container.add_stream(codec, rate=30, options={} if codec == "mjpeg" else {"g": "6"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(PICTURE, number, 1), format="rgb24")
            frame.pts, frame.time_base = number + (number * number // 10 if pauses else 0), Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


WHOLE: dict[str, dict[str, Any]] = {
    "a.avi": {},
    "b.avi": {"codec": "mjpeg"},
    "pauses.avi": {"pauses": True},  # an AVI holds empty frames there, which its header counts
    "c.mp4": {},
    "pauses.mp4": {"pauses": True},
    "late.mp4": {"codec": "libx264"},  # frames are stored before they are shown
    "d.mkv": {},
    "pauses.mkv": {"pauses": True},
    "late.mkv": {"codec": "libx264"},
    "e.mov": {},
    "f.webm": {"codec": "libvpx"},
    "g.mpg": {"codec": "mpeg1video"},
    "one.avi": {"frames": 1},
    "one.mp4": {"frames": 1},
    "one.mkv": {"frames": 1},
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_video_is_well(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, **WHOLE[name])
    assert verify_dataset.skim(tmp_path, name) is None


@pytest.mark.parametrize("share", [0.4, 0.7])
@pytest.mark.parametrize("name", ["a.avi", "b.avi", "pauses.avi", "front.mp4", "late front.mp4", "d.mkv", "late.mkv", "f.webm"])
def test_a_video_that_was_cut_short_says_how_much_is_there(tmp_path: Path, name: str, share: float) -> None:
    settings = WHOLE.get(name) or {"front": True, "codec": "libx264" if "late" in name else "mpeg4"}
    cut(write(tmp_path / name, **settings), share)
    problem = verify_dataset.skim(tmp_path, name)
    assert problem and problem.kind == "short"
    reached, _, whole, unit = problem.detail.split()
    assert 0 < float(reached) < float(whole) and unit in ("frames", "s")
    if name in ("a.avi", "b.avi", "front.mp4", "late front.mp4"):
        with av.open(str(tmp_path / name)) as container:
            there = sum(packet.size > 0 for packet in container.demux(video=0))
        assert problem.detail == f"{there} of 60 frames"
    elif unit == "s":
        assert whole == "2.0"


def test_an_mp4_whose_index_was_cut_off_is_unreadable(tmp_path: Path) -> None:
    cut(write(tmp_path / "c.mp4"), 0.6)
    assert verify_dataset.skim(tmp_path, "c.mp4") == Problem("unreadable", "c.mp4", "Invalid data found when processing input")


@pytest.mark.parametrize(("name", "codec"), [("a.avi", b"FMP4"), ("d.mkv", b"MPEG4/ISO/ASP")])
def test_a_codec_that_nobody_knows(tmp_path: Path, name: str, codec: bytes) -> None:
    data = write(tmp_path / name).read_bytes()
    assert codec in data
    (tmp_path / name).write_bytes(data.replace(codec, b"Z" * len(codec)))
    assert verify_dataset.skim(tmp_path, name) == Problem("unreadable", name, "its codec is not known")


def test_real_clips_cut_short(real_clips: Path, tmp_path: Path) -> None:
    """A quarter of a UCF101 clip; and whole ones, of which HMDB51's headers count a frame more than decodes."""
    ucf = real_clips / "ucf101/UCF-101/SoccerJuggling"
    (tmp_path / "x.avi").write_bytes((ucf / "v_SoccerJuggling_g23_c01.avi").read_bytes()[:170_000])
    problem = verify_dataset.skim(tmp_path, "x.avi")
    assert problem and problem.kind == "short" and problem.detail.endswith(" of 240 frames")
    for clips in (ucf, real_clips / "hmdb51/videos/wave"):
        for path in clips.iterdir():
            assert verify_dataset.skim(clips, path.name) is None


# A folder with everything that can go wrong.

CLIPS = [f"{label}/v_{label}_g{group:02d}_c01.avi" for label in ("Clap", "Wave") for group in range(1, 6)]
SKELETON = "S001C001P001R001A{:03d}"


def lists(root: Path, split: int, train: list[str], test: list[str]) -> None:
    folder = root / "ucfTrainTestlist"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"trainlist0{split}.txt").write_text("\r\n".join(f"{name} 1" for name in train))
    (folder / f"testlist0{split}.txt").write_text("\r\n".join(test))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """UCF101 with ten clips, of which three are well."""
    videos = tmp_path / "UCF-101"
    for name in CLIPS:
        write(videos / name, 30)
    lists(tmp_path, 1, CLIPS[:6], CLIPS[6:])
    lists(tmp_path, 2, CLIPS[4:], CLIPS[:4])
    (videos / CLIPS[0]).unlink()
    (videos / CLIPS[1]).write_bytes(b"")
    (videos / CLIPS[2]).write_bytes(bytes(range(256)) * 9)
    made.sound(videos / CLIPS[3])
    cut(videos / CLIPS[4], 0.5)
    (videos / CLIPS[5]).rename(videos / "Clap" / Path(CLIPS[5]).name)  # in another class
    (videos / CLIPS[6]).rename(videos / "Wave/V_WAVE_G02_C01.avi")  # in other letters
    write(videos / "Wave/notes.mp4", 30)
    (videos / "Wave/notes.txt").touch()
    return tmp_path


def found(report: Report) -> set[tuple[str, str]]:
    return {(problem.kind, problem.name.removeprefix("UCF-101/")) for problem in report.problems if problem.kind not in ("count", "lists")}


EXPECTED = {
    ("missing", CLIPS[0]),
    ("missing", CLIPS[5]),
    ("missing", CLIPS[6]),
    ("empty", CLIPS[1]),
    ("unreadable", CLIPS[2]),
    ("audio only", CLIPS[3]),
    ("short", CLIPS[4]),
    ("extra", "Clap/v_Wave_g01_c01.avi"),
    ("extra", "Wave/V_WAVE_G02_C01.avi"),
    ("extra", "Wave/notes.mp4"),
}


@pytest.mark.parametrize("processes", [1, 2])
def test_every_kind_of_damage_is_found_once(damaged: Path, processes: int) -> None:
    report = verify_dataset.examine(ucf101, damaged, None, {}, processes)
    assert found(report) == EXPECTED
    assert [problem.kind for problem in report.problems] == sorted((one.kind for one in report.problems), key=verify_dataset.KINDS.index)
    counts = {(one.split, one.side): (one.official, one.named, one.excluded, one.present, one.missing) for one in report.sides}
    assert counts == {
        (1, "train"): (9537, 6, 0, 4, 2),
        (1, "test"): (3783, 4, 0, 3, 1),
        (2, "train"): (9586, 6, 0, 4, 2),
        (2, "test"): (3734, 4, 0, 3, 1),
        (3, "train"): (9624, None, 0, 0, 0),
        (3, "test"): (3696, None, 0, 0, 0),
    }
    kinds = Counter(problem.kind for problem in report.problems)
    assert kinds["count"] == 4 and kinds["lists"] == 1
    assert report.problems[0].name == "split 3" and "trainlist03.txt is missing" in report.problems[0].detail


def test_a_file_under_a_wrong_name_is_shown_with_the_missing_one(damaged: Path) -> None:
    hints = {one.name: one.detail for one in verify_dataset.examine(ucf101, damaged, 1, {}).problems if one.kind == "extra"}
    assert hints == {
        "UCF-101/Clap/v_Wave_g01_c01.avi": f"perhaps UCF-101/{CLIPS[5]}, which is missing",
        "UCF-101/Wave/V_WAVE_G02_C01.avi": f"perhaps UCF-101/{CLIPS[6]}, which is missing",
        "UCF-101/Wave/notes.mp4": "",
    }


def test_names_that_are_nearly_right(tmp_path: Path) -> None:
    """A slip in a name, and an accent that a file system writes as two letters."""
    lists(tmp_path, 1, ["Wave/caf\u00e9.avi", "Wave/v_Wave_g01_c01.avi"], ["Wave/x.avi"])
    for name in ("Wave/cafe\u0301.avi", "Wave/v_Wave_g1_c01.avi", "Wave/x.avi"):
        write(tmp_path / "UCF-101" / name, 2)
    hints = {one.name: one.detail for one in verify_dataset.examine(ucf101, tmp_path, 1, {}).problems if one.kind == "extra"}
    assert hints == {
        "UCF-101/Wave/cafe\u0301.avi": "perhaps UCF-101/Wave/caf\u00e9.avi, which is missing",
        "UCF-101/Wave/v_Wave_g1_c01.avi": "perhaps UCF-101/Wave/v_Wave_g01_c01.avi, which is missing",
    }


def test_one_split_needs_its_own_lists_alone_and_what_it_cannot_read_is_the_users_mistake(damaged: Path) -> None:
    assert {one.split for one in verify_dataset.examine(ucf101, damaged, 2, {}).sides} == {2}
    with pytest.raises(InputError, match=r"trainlist03\.txt is missing"):
        verify_dataset.examine(ucf101, damaged, 3, {})


def test_what_cannot_be_compared_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UCF-101: no such folder; unpack"):
        verify_dataset.examine(ucf101, tmp_path, None, {})
    (tmp_path / "UCF-101").mkdir()
    with pytest.raises(InputError, match="put the official lists"):
        verify_dataset.examine(ucf101, tmp_path, None, {})


def test_clips_that_hmdb51_marks_0_are_not_extra(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write(tmp_path / f"videos/wave/{name}.avi", 2)
    (tmp_path / "testTrainMulti_7030_splits").mkdir()
    (tmp_path / "testTrainMulti_7030_splits/wave_test_split1.txt").write_text("a.avi 1\nb.avi 2\nc.avi 0\n")
    report = verify_dataset.examine(hmdb51, tmp_path, 1, {})
    assert [one.name for one in report.problems if one.kind == "extra"] == ["videos/wave/d.avi"]
    assert [(one.named, one.present) for one in report.sides] == [(1, 1), (1, 1)]


def test_videos_and_skeletons_of_ntu(tmp_path: Path) -> None:
    """Whole; half; a skeleton cut short; one that the official list leaves out, which is not looked at."""
    names = [SKELETON.format(action) for action in range(1, 5)]
    for name in names:
        write(tmp_path / f"nturgb+d_rgb/{name}_rgb.avi", 20)
        ntu_skeleton.write(tmp_path / f"nturgb+d_skeletons/{name}.skeleton", np.ones((3, 25, 3, 1), np.float32))
    (tmp_path / f"nturgb+d_rgb/{names[1]}_rgb.avi").unlink()
    cut(tmp_path / f"nturgb+d_skeletons/{names[2]}.skeleton", 0.5)
    (tmp_path / f"nturgb+d_skeletons/{names[3]}.skeleton").write_text("0\n")
    (tmp_path / "NTU_RGBD_samples_with_missing_skeletons.txt").write_text(f"one\n\n\n{names[3]}\n")
    report = verify_dataset.examine(ntu60, tmp_path, 1, {})
    kinds = {(one.kind, one.name): one.detail for one in report.problems if one.kind != "count"}
    assert set(kinds) == {("missing", f"nturgb+d_rgb/{names[1]}_rgb.avi"), ("skeleton", f"nturgb+d_skeletons/{names[2]}.skeleton")}
    assert "due" in kinds["skeleton", f"nturgb+d_skeletons/{names[2]}.skeleton"]
    train = report.sides[0]
    assert (train.official, train.named, train.excluded, train.present, train.missing) == (40320, 4, 1, 2, 1)
    assert ("count", "split 1 train") in {(one.kind, one.name) for one in report.problems}


def test_kinetics_counts_are_about_and_what_no_csv_names_is_extra(tmp_path: Path) -> None:
    write(tmp_path / "train/wave/a_000000_000010.mp4", 5)
    write(tmp_path / "train/wave/c_000000_000010.mp4", 5)
    write(tmp_path / "val/b_000000_000010.mp4", 5)
    write(tmp_path / "test/d_000000_000010.mp4", 5)
    (tmp_path / "annotations").mkdir()
    for name, rows in {"train": "wave,a,0,10\nwave,gone,0,10\n", "val": "wave,b,0,10\n"}.items():
        (tmp_path / f"annotations/{name}.csv").write_text("label,youtube_id,time_start,time_end\n" + rows)
    report = verify_dataset.examine(kinetics400, tmp_path, None, {})
    assert {(one.kind, one.name) for one in report.problems} == {
        ("missing", "train/wave/gone_000000_000010.mp4"),
        ("extra", "train/wave/c_000000_000010.mp4"),
    }
    assert "about 240000" in verify_dataset.table(report)


def test_a_folder_is_looked_at_for_damage_alone(tmp_path: Path) -> None:
    for name in ("Wave/a.avi", "Wave/b.avi", "Clap/c.mkv"):
        write(tmp_path / name)
    assert verify_dataset.examine(folder, tmp_path, None, {"group": "[abc]$"}).problems == []
    cut(tmp_path / "Clap/c.mkv", 0.5)
    (tmp_path / "trainlist01.txt").write_text("Clap/c.mkv\n")
    (tmp_path / "testlist01.txt").write_text("Wave/a.avi\n")
    report = verify_dataset.examine(folder, tmp_path, None, {})
    assert [(one.kind, one.name) for one in report.problems] == [("short", "Clap/c.mkv")]
    assert [(one.official, one.named) for one in report.sides] == [(None, 1), (None, 1)]


def test_the_table_shows_the_first_of_each_kind() -> None:
    problems = [Problem("missing", f"{number}.avi") for number in range(5)] + [Problem("short", "x.avi", "1 of 9 frames")]
    sides = [verify_dataset.Side(1, "train", 9537, 7, 1, 1, 5), verify_dataset.Side(2, "test", None, None)]
    assert verify_dataset.table(Report(sides, problems, approximate=False)).splitlines() == [
        "split  side   official  named  excluded  present  missing",
        "1      train  9537      7      1         1        5",
        "2      test   -         -      -         -        -",
        "",
        "problem  number  first",
        "missing  5       0.avi",
        "                 1.avi",
        "                 2.avi",
        "                 ...",
        "short    1       x.avi (1 of 9 frames)",
    ]
    assert verify_dataset.table(Report(sides, [], approximate=True)).splitlines()[1::3] == [
        "1      train  about 9537  7      1         1        5",
        "nothing is wrong",
    ]


# The command.


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "videossl", "verify", *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": "lib"},
        capture_output=True,
        text=True,
    )


def test_the_command_writes_a_table_and_all_problems(damaged: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in damaged.rglob("*")}
    done = run("ucf101", damaged, "--split", "1", "--processes", "2", "--csv", tmp_path / "out/problems.csv")
    assert done.returncode == 1 and not done.stderr, done.stderr
    assert "1      train  9537      6      0         4        2" in done.stdout.splitlines()
    with (tmp_path / "out/problems.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["kind", "name", "detail"]
    assert {(kind, name.removeprefix("UCF-101/")) for kind, name, _ in rows if kind != "count"} == EXPECTED
    assert {path: path.stat().st_mtime_ns for path in before} == before, "a copy is only read"


def test_the_command_tells_well_wrong_and_mistaken_apart(tmp_path: Path) -> None:
    write(tmp_path / "Wave/rec1.avi", 5)
    write(tmp_path / "Wave/rec2.avi", 5)
    well = run("folder", tmp_path, "--option", r"group=rec(\d+)", "--option", "test_share=0.5")
    assert well.returncode == 0 and well.stdout.splitlines()[-1] == "nothing is wrong", well.stderr
    for arguments, message in (
        (("folder", tmp_path, "--option", "group=(x"), "error: dataset folder: option group is '(x', which is not a regular expression"),
        (("folder", tmp_path, "--option", "seed"), "error: --option seed: give it as KEY=VALUE"),
        (("folders", tmp_path), "error: unknown dataset 'folders': did you mean 'folder'?"),
    ):
        done = run(*arguments)
        assert done.returncode == 2 and done.stderr.startswith(message) and done.stderr.count("\n") == 1 and not done.stdout


def test_the_real_clips_are_two_of_13320(real_clips: Path, tmp_path: Path) -> None:
    lists = real_clips / "splits/ucfTrainTestlist"
    done = run("ucf101", real_clips / "ucf101", "--option", f"lists={lists}", "--csv", tmp_path / "problems.csv")
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[1:7] == [
        "1      train  9537      9537   0         2        9535",
        "1      test   3783      3783   0         0        3783",
        "2      train  9586      9586   0         2        9584",
        "2      test   3734      3734   0         0        3734",
        "3      train  9624      9624   0         2        9622",
        "3      test   3696      3696   0         0        3696",
    ]
    with (tmp_path / "problems.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["kind"] for row in rows) == {"missing": 13318}
    there = {f"UCF-101/SoccerJuggling/v_SoccerJuggling_{clip}.avi" for clip in ("g23_c01", "g24_c01")}
    assert not there & {row["name"] for row in rows}
