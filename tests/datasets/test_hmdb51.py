"""HMDB51: official lists and layout."""

from collections import Counter
from pathlib import Path

import pytest

from videossl.datasets import hmdb51
from videossl.errors import InputError


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_splits(real_clips: Path, split: int) -> None:
    videos = hmdb51.videos(real_clips / "hmdb51", split, {"lists": str(real_clips / "splits" / "hmdb51")})
    assert Counter(video.split for video in videos) == {"train": 3570, "test": 1530}
    each = Counter((video.label, video.split) for video in videos)
    assert len(each) == 102 and set(each.values()) == {70, 30}
    assert all(video.group for video in videos)
    # Within a class no title is on both sides.
    titles = {side: {(video.label, video.group) for video in videos if video.split == side} for side in ("train", "test")}
    assert not titles["train"] & titles["test"]
    unused = hmdb51.unused(real_clips / "hmdb51", split, {"lists": str(real_clips / "splits" / "hmdb51")})
    assert len(unused) == 6766 - 5100 and not unused & {video.path for video in videos}


def lists(root: Path, **classes: str) -> Path:
    folder = root / hmdb51.LISTS
    folder.mkdir()
    for label, text in classes.items():
        (folder / f"{label}_test_split1.txt").write_bytes(text.encode())
    return root


def test_flags(tmp_path: Path) -> None:
    lists(tmp_path, wave="a[1].avi 1 \r\nb.avi 2 \r\nc.avi 0 \r\n")
    videos = hmdb51.videos(tmp_path, 1, {})
    assert [(video.id, video.path, video.label, video.split, video.named_by) for video in videos] == [
        ("wave/a[1]", "videos/wave/a[1].avi", "wave", "train", "wave_test_split1.txt:1"),
        ("wave/b", "videos/wave/b.avi", "wave", "test", "wave_test_split1.txt:2"),
    ]
    assert hmdb51.unused(tmp_path, 1, {}) == {"videos/wave/c.avi"}


@pytest.mark.parametrize(
    ("label", "name", "group"),
    [
        ("sword_exercise", "KUNG_FU_HUSTLE_sword_exercise_f_cm_np10_ba_med_2", "KUNG_FU_HUSTLE"),
        ("sword", "KUNG_FU_HUSTLE_sword_f_cm_np2_ba_med_0", "KUNG_FU_HUSTLE"),
        ("wave", "The_wave_of_2_wave_h_nm_np1_fr_goo_5", "The_wave_of_2"),
        ("fencing", "Die_[HD]_avi_fencing_u_cm_np2_fr_goo_3", "Die_[HD]_avi"),
        ("wave", "mine", ""),
        ("clap", "A_wave_h_nm_np1_fr_goo_5", ""),
    ],
)
def test_the_group_is_the_title(tmp_path: Path, label: str, name: str, group: str) -> None:
    lists(tmp_path, **{label: f"{name}.avi 1\n"})
    assert [(video.id, video.group) for video in hmdb51.videos(tmp_path, 1, {})] == [(f"{label}/{name}", group)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.avi 3\n", r"split1\.txt:1: 3 stands behind"),
        ("a.avi\n", "nothing stands"),
        ("a.avi 1\na.avi 1\n", "also in line 1"),
    ],
)
def test_bad_lines(tmp_path: Path, text: str, message: str) -> None:
    lists(tmp_path, wave=text)
    with pytest.raises(InputError, match=message):
        hmdb51.videos(tmp_path, 1, {})


def test_a_class_without_a_list_does_not_vanish(tmp_path: Path) -> None:
    lists(tmp_path, wave="a.avi 1\n")
    (tmp_path / "videos/clap").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no list clap_test_split1\.txt"):
        hmdb51.videos(tmp_path, 1, {})


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="videos: no such folder; unpack"):
        hmdb51.check(tmp_path)
    with pytest.raises(InputError, match="testTrainMulti_7030_splits: no such folder"):
        hmdb51.videos(tmp_path, 1, {})
    with pytest.raises(InputError, match="no list <class>_test_split4"):
        hmdb51.videos(lists(tmp_path, wave="a.avi 1\n"), 4, {})
