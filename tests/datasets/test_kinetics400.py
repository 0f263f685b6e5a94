"""Kinetics-400: class folders under train and val, or what csv files name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from videossl.datasets import kinetics400
from videossl.errors import InputError

GOOD = (
    "train/playing guitar/--abc [x]_000010_000020.mp4",
    "train/abseiling/0347ZoDXyP0_000095_000105.mp4",
    "val/abseiling/3E7Jib8Yq5M_000118_000128.MKV",
)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_are_classes_and_val_is_the_test_split(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD, "train/abseiling/.hidden.mp4", "train/abseiling/notes.txt", "test/clip.mp4")
    kinetics400.check(tmp_path)
    found = [(video.id, video.path, video.label, video.split) for video in kinetics400.videos(tmp_path, 1, {})]
    assert found == [
        ("abseiling/0347ZoDXyP0_000095_000105", GOOD[1], "abseiling", "train"),
        ("abseiling/3E7Jib8Yq5M_000118_000128", GOOD[2], "abseiling", "test"),
        ("playing guitar/--abc [x]_000010_000020", GOOD[0], "playing guitar", "train"),
    ]
    assert [video.group for video in kinetics400.videos(tmp_path, 1, {})] == ["0347ZoDXyP0", "3E7Jib8Yq5M", "--abc [x]"]


def test_a_folder_of_other_annotations_changes_nothing(tmp_path: Path) -> None:
    plain = kinetics400.videos(touch(tmp_path, *GOOD), 1, {})
    assert kinetics400.videos(touch(tmp_path, "annotations/boxes.json"), 1, {}) == plain


def test_a_class_without_validation_clips_is_trained_on(tmp_path: Path) -> None:
    labels = {video.label for video in kinetics400.videos(touch(tmp_path, *GOOD), 1, {}) if video.split == "test"}
    assert labels == {"abseiling"}


def test_a_clip_on_both_sides_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD, GOOD[1].replace("train", "val"))
    with pytest.raises(InputError, match=r"train/abseiling/0347.*and val/abseiling/0347"):
        kinetics400.videos(tmp_path, 1, {})


def test_a_clip_under_two_classes_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD, "val/playing guitar/0347ZoDXyP0_000095_000105.mp4")
    with pytest.raises(InputError, match=r"train/abseiling/0347.*and val/playing guitar/0347.*remove one"):
        kinetics400.videos(tmp_path, 1, {})


def test_a_class_spelt_in_two_ways_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD, "val/playing_guitar/x_000000_000010.mp4")
    with pytest.raises(InputError, match=r"val/playing_guitar/x.*: train has no video of the class 'playing_guitar'"):
        kinetics400.videos(tmp_path, 1, {})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((GOOD[2],), r"train: no such folder; put the clips there as train/<class>/<id>_<start>_<end>\.mp4"),
        (GOOD[:2], "val: no such folder"),
        ((*GOOD[:2], "val/abseiling/readme.txt"), "val: no video"),
        ((*GOOD, "val/loose.mp4"), r"val/loose\.mp4 is not in the folder of a class"),
        ((*GOOD, "train/a/b/deep.mp4"), r"train/a/b/deep\.mp4 is not in the folder of a class"),
    ],
)
def test_what_is_missing_or_misplaced_is_named(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        kinetics400.videos(touch(tmp_path, *names), 1, {})
    assert "\n" not in str(caught.value)


def test_a_check_looks_at_folders_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="val: no such folder; put the clips there"):
        kinetics400.check(touch(tmp_path, GOOD[0]))
    kinetics400.check(touch(tmp_path, "val/abseiling/readme.txt"))


def test_there_is_one_split_and_no_such_option(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD)
    with pytest.raises(InputError, match="no split 2: give 1"):
        kinetics400.videos(tmp_path, 2, {})
    with pytest.raises(InputError, match="no option 'list': did you mean 'lists'"):
        kinetics400.videos(tmp_path, 1, {"list": "somewhere"})
    with pytest.raises(InputError, match="somewhere: no such folder; put the official lists"):
        kinetics400.videos(tmp_path, 1, {"lists": "somewhere"})


# What csv files name.

HEADER = "label,youtube_id,time_start,time_end,split\n"
TRAIN = HEADER + 'abseiling,0347ZoDXyP0,95,105,train\n"pull ups, weighted",-_x,0,10,train\nabseiling,gone0000000,3,13,train\n'
VAL = HEADER + "abseiling,3E7Jib8Yq5M,118,128,val\n"


def csvs(
    root: Path, train: str = TRAIN, val: str = VAL, folder: str = "annotations", names: tuple[str, str] = ("train.csv", "val.csv")
) -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, (train, val), strict=True):
        (root / folder / name).write_bytes(text.encode())
    return touch(
        root,
        "train/abseiling/0347ZoDXyP0_000095_000105.mp4",
        "val/3E7Jib8Yq5M_000118_000128.webm",
        "train/pull_ups,_weighted/-_x_000000_000010.MKV",
    )


def test_csv_files_say_what_there_should_be(tmp_path: Path) -> None:
    touch(csvs(tmp_path), "train/abseiling/unnamed_000000_000010.mp4", "test/x_000000_000010.mp4")
    found = [(video.id, video.path, video.label, video.split, video.named_by, video.group) for video in kinetics400.videos(tmp_path, 1, {})]
    assert found == [
        (
            "abseiling/0347ZoDXyP0_000095_000105",
            "train/abseiling/0347ZoDXyP0_000095_000105.mp4",
            "abseiling",
            "train",
            "train.csv:2",
            "0347ZoDXyP0",
        ),
        ("abseiling/3E7Jib8Yq5M_000118_000128", "val/3E7Jib8Yq5M_000118_000128.webm", "abseiling", "test", "val.csv:2", "3E7Jib8Yq5M"),
        (
            "abseiling/gone0000000_000003_000013",
            "train/abseiling/gone0000000_000003_000013.mp4",
            "abseiling",
            "train",
            "train.csv:4",
            "gone0000000",
        ),
        (
            "pull ups, weighted/-_x_000000_000010",
            "train/pull_ups,_weighted/-_x_000000_000010.MKV",
            "pull ups, weighted",
            "train",
            "train.csv:3",
            "-_x",
        ),
    ]


def test_csv_files_elsewhere_with_windows_line_ends_a_byte_order_mark_and_further_columns(tmp_path: Path) -> None:
    plain = kinetics400.videos(csvs(tmp_path / "plain"), 1, {})
    (tmp_path / "other").mkdir()
    windows = ("\ufeff" + TRAIN.replace("split\n", "split,is_cc\n").replace(",train\n", ",train,0\n")).replace("\n", "\r\n")
    csvs(tmp_path / "copy", windows, VAL, "../lists", ("train.csv", "validate.csv"))
    other = kinetics400.videos(tmp_path / "copy", 1, {"lists": str(tmp_path / "lists")})
    assert [(video.id, video.named_by.replace("validate", "val")) for video in other] == [(video.id, video.named_by) for video in plain]


def test_no_file_is_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """240 thousand questions to a file server are hours; the walk of the folders answers them."""
    rows = "".join(f"abseiling,{number:011d},0,10,train\n" for number in range(300))
    asked: list[str] = []
    stat = os.stat
    csvs(tmp_path, TRAIN + rows)
    monkeypatch.setattr(os, "stat", lambda path, *args, **options: (asked.append(str(path)), stat(path, *args, **options))[1])
    assert len(kinetics400.videos(tmp_path, 1, {})) == 304
    assert len(asked) < 50


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("label,youtube_id,start\na,b,1\n", r"train\.csv:1: no column 'time_start'"),
        ("", r"train\.csv:1: no column 'label'"),
        (TRAIN + "abseiling,x,soon,10,train\n", r"train\.csv:5: 'soon' and '10' are not seconds"),
        (TRAIN + "abseiling\n", r"train\.csv:5: 'abseiling' and '' are not a class and a YouTube id"),
        (TRAIN + ",x,1,2,train\n", r"train\.csv:5: '' and 'x' are not a class"),
        (TRAIN + "../up,x,1,2,train\n", r"train\.csv:5: '../up' and 'x' are not a class"),
        (TRAIN + "abseiling,0347ZoDXyP0,95,105,train\n", r"named twice.*train\.csv:2.*train\.csv:5"),
        (TRAIN + "abseiling,3E7Jib8Yq5M,118,128,train\n", r"named twice.*train\.csv:5.*val\.csv:2"),
        (TRAIN.replace("abseiling", "Abseiling"), r"val\.csv:2: train has no video of the class 'abseiling'"),
    ],
)
def test_a_malformed_csv_is_named_by_line(tmp_path: Path, train: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        kinetics400.videos(csvs(tmp_path, train), 1, {})
    assert "\n" not in str(caught.value)


def test_one_csv_without_the_other_and_one_that_is_not_text(tmp_path: Path) -> None:
    csvs(tmp_path, names=("train.csv", "test.csv"))
    with pytest.raises(InputError, match=r"cannot read the list .*annotations/val\.csv: No such file"):
        kinetics400.videos(tmp_path, 1, {})
    (tmp_path / "annotations/train.csv").write_bytes(b"label,\xff\xfe\n")
    with pytest.raises(InputError, match=r"cannot read the list .*train\.csv"):
        kinetics400.videos(tmp_path, 1, {})


def test_one_clip_in_two_places(tmp_path: Path) -> None:
    touch(csvs(tmp_path), "train/0347ZoDXyP0_000095_000105.mp4")
    with pytest.raises(InputError, match=r"0347ZoDXyP0_000095_000105\.mp4 and .* are one clip"):
        kinetics400.videos(tmp_path, 1, {})
