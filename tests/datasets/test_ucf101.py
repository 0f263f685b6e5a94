"""UCF101: official lists and layout."""

from collections import Counter
from pathlib import Path

import pytest

from videossl.datasets import ucf101
from videossl.errors import InputError


@pytest.mark.parametrize(("split", "sizes"), [(1, (9537, 3783)), (2, (9586, 3734)), (3, (9624, 3696))])
def test_official_splits(real_clips: Path, split: int, sizes: tuple[int, int]) -> None:
    lists = real_clips / "splits" / "ucfTrainTestlist"
    videos = ucf101.videos(real_clips / "ucf101", split, {"lists": str(lists)})
    sides = Counter(video.split for video in videos)
    assert (sides["train"], sides["test"]) == sizes
    assert len({video.id for video in videos}) == 13320
    assert len({video.label for video in videos}) == 101
    # Every class has the groups g01 to g25 (CRCV-TR-12-01), and no group of clips from one source video is on both sides.
    assert {video.group for video in videos} == {
        f"{label}/g{number:02d}" for label in {video.label for video in videos} for number in range(1, 26)
    }
    groups = {side: {video.group for video in videos if video.split == side} for side in sides}
    assert not groups["train"] & groups["test"]


def test_real_clips_are_found(real_clips: Path) -> None:
    ucf101.check(real_clips / "ucf101")
    lists = real_clips / "splits" / "ucfTrainTestlist"
    videos = ucf101.videos(real_clips / "ucf101", 1, {"lists": str(lists)})
    there = [video for video in videos if (real_clips / "ucf101" / video.path).is_file()]
    assert [video.label for video in there] == ["SoccerJuggling"] * 2
    assert there[0].id == "SoccerJuggling/v_SoccerJuggling_g23_c01"
    line = (lists / "trainlist01.txt").read_text().splitlines()[int(there[0].named_by.split(":")[1]) - 1]
    assert line.split()[0] == "SoccerJuggling/v_SoccerJuggling_g23_c01.avi"


def test_lists_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "my lists").mkdir()
    (tmp_path / "my lists/trainlist01.txt").write_text("Wave/a.avi 1\n")
    (tmp_path / "my lists/testlist01.txt").write_text("Wave/b.avi\n")
    videos = ucf101.videos(tmp_path, 1, {"lists": "my lists"})
    assert [(video.path, video.split) for video in videos] == [
        ("UCF-101/Wave/a.avi", "train"),
        ("UCF-101/Wave/b.avi", "test"),
    ]
    assert [video.group for video in videos] == ["", ""], "names of another form"


def test_groups(tmp_path: Path) -> None:
    (tmp_path / ucf101.LISTS).mkdir()
    (tmp_path / ucf101.LISTS / "trainlist01.txt").write_text(
        "HandstandPushups/v_HandStandPushups_g07_c01.avi 1\nWave/v_Wave_g07_c12.avi 2\n"
    )
    (tmp_path / ucf101.LISTS / "testlist01.txt").write_text("Wave/v_Wave_g10_c02_2.avi\n")
    groups = {video.path: video.group for video in ucf101.videos(tmp_path, 1, {})}
    assert groups == {
        "UCF-101/HandstandPushups/v_HandStandPushups_g07_c01.avi": "HandstandPushups/g07",
        "UCF-101/Wave/v_Wave_g07_c12.avi": "Wave/g07",
        "UCF-101/Wave/v_Wave_g10_c02_2.avi": "",
    }


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"UCF-101: no such folder; unpack UCF101\.rar there"):
        ucf101.check(tmp_path)
    with pytest.raises(InputError, match="ucfTrainTestlist: no such folder; put the official lists"):
        ucf101.videos(tmp_path, 1, {})
    with pytest.raises(InputError, match="no option 'list': did you mean 'lists'"):
        ucf101.videos(tmp_path, 1, {"list": "x"})
