"""Mini-Kinetics: the part of a copy of Kinetics-400 that two lists name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.test_verify_dataset import write
from tests.datasets.test_kinetics400 import GOOD, HEADER, touch

from videossl.data import make_index, verify_dataset
from videossl.data.listing import Video
from videossl.datasets import kinetics400, mini_kinetics
from videossl.errors import InputError

CLIPS = (
    "train/abseiling/0347ZoDXyP0_000095_000105.mp4",
    "train/abseiling/-not-listed_000000_000010.mp4",
    "train/zumba/_-abcdefghi_000010_000020.mkv",
    "val/abseiling/3E7Jib8Yq5M_000118_000128.MKV",
    "val/busking/aaaaaaaaaaa_000000_000010.mp4",  # a class that is not in Mini-Kinetics, and that train does not have
    "test/loose.mp4",
)
TRAIN, VAL = "0347ZoDXyP0\n_-abcdefghi\n", "3E7Jib8Yq5M\n"


def lists(root: Path, train: str = TRAIN, val: str = VAL, names: tuple[str, str] = ("train_ytid_list.txt", "val_ytid_list.txt")) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, (train, val), strict=True):
        (root / name).write_bytes(text.encode())
    return root


def copy(root: Path, train: str = TRAIN, val: str = VAL) -> Path:
    """A copy of Kinetics-400 in class folders, with the lists in annotations."""
    lists(root / "annotations", train, val)
    return touch(root, *CLIPS)


def videos(root: Path, **options: str) -> list[Video]:
    return mini_kinetics.videos(root, 1, options)


def test_it_is_the_listed_part_of_kinetics400(tmp_path: Path) -> None:
    mini_kinetics.check(copy(tmp_path))
    found = [(video.id, video.path, video.label, video.split, video.group) for video in videos(tmp_path)]
    assert found == [
        ("abseiling/0347ZoDXyP0_000095_000105", CLIPS[0], "abseiling", "train", "0347ZoDXyP0"),
        ("abseiling/3E7Jib8Yq5M_000118_000128", CLIPS[3], "abseiling", "test", "3E7Jib8Yq5M"),
        ("zumba/_-abcdefghi_000010_000020", CLIPS[2], "zumba", "train", "_-abcdefghi"),
    ]
    (tmp_path / CLIPS[4]).rename(tmp_path / "train/abseiling/aaaaaaaaaaa_000000_000010.mp4")
    assert set(videos(tmp_path)) < set(kinetics400.videos(tmp_path, 1, {}))


def test_lists_elsewhere_with_windows_line_ends_a_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    plain = videos(copy(tmp_path / "plain"))
    touch(tmp_path / "copy", *CLIPS)
    lists(tmp_path / "lists", "\ufeff" + TRAIN.replace("\n", "\r\n\r\n"), VAL.strip())
    assert videos(tmp_path / "copy", lists=str(tmp_path / "lists")) == videos(tmp_path / "copy", lists="../lists") == plain


def test_lists_with_times_and_numbers_of_classes(tmp_path: Path) -> None:
    """As the code of tubelet contrast has them. The class is the folder's, not the number."""
    plain = videos(copy(tmp_path))
    names = ("train_split_1.txt", "val_split_1.txt")
    lists(tmp_path / "lists", "0347ZoDXyP0_000095_000105 65\n_-abcdefghi_000010_000020 199\n", "3E7Jib8Yq5M_000118_000128 3\n", names)
    assert videos(tmp_path, lists="lists") == plain
    lists(tmp_path / "lists", "0347ZoDXyP0_000095_000105 65\n_-abcdefghi_000010_000021 199\n", "3E7Jib8Yq5M_000118_000128 3\n", names)
    assert [video.path for video in videos(tmp_path, lists="lists") if not video.label] == ["train/_-abcdefghi_000010_000021.mp4"]


@pytest.mark.parametrize("place", ["annotations", "lists"])
def test_csv_files_of_kinetics_say_classes_and_places(tmp_path: Path, place: str) -> None:
    """They lie beside the lists of Mini-Kinetics, or in annotations while those lie elsewhere."""
    touch(tmp_path, "train/0347ZoDXyP0_000095_000105.mp4", "train/x/-not-listed_000000_000010.mp4", "val/3E7Jib8Yq5M_000118_000128.mp4")
    lists(tmp_path / "lists", "0347ZoDXyP0\ngone-in-csv\n_-abcdefghi\n")
    (tmp_path / place).mkdir(exist_ok=True)
    rows = "abseiling,0347ZoDXyP0,95,105,train\nabseiling,-not-listed,0,10,train\nzumba,_-abcdefghi,10,20,train\n"
    (tmp_path / place / "train.csv").write_text(HEADER + rows)
    (tmp_path / place / "val.csv").write_text(HEADER + "abseiling,3E7Jib8Yq5M,118,128,val\n")
    found = [(video.id, video.path, video.label, video.split, video.named_by) for video in videos(tmp_path, lists="lists")]
    name = "0347ZoDXyP0_000095_000105"
    assert found == [
        (f"abseiling/{name}", f"train/{name}.mp4", "abseiling", "train", "train.csv:2"),
        ("abseiling/3E7Jib8Yq5M_000118_000128", "val/3E7Jib8Yq5M_000118_000128.mp4", "abseiling", "test", "val.csv:2"),
        ("gone-in-csv", "train/gone-in-csv.mp4", "", "train", "train_ytid_list.txt:2"),
        ("zumba/_-abcdefghi_000010_000020", "train/zumba/_-abcdefghi_000010_000020.mp4", "zumba", "train", "train.csv:4"),
    ]


def test_what_is_gone_is_in_the_index_and_what_no_list_names_is_no_fault(tmp_path: Path) -> None:
    lists(tmp_path / "annotations", TRAIN + "gone0000000\n")
    for name in (CLIPS[0], CLIPS[1], CLIPS[2], "train/abseiling/holiday.mp4", "val/abseiling/3E7Jib8Yq5M_000118_000128.mkv"):
        write(tmp_path / name, 5)
    rows = make_index.build(videos(tmp_path), tmp_path)
    assert [(row.id, row.label, row.status, row.reason) for row in rows if row.status != "ok"] == [
        ("gone0000000", "", "dropped", "absent: train_ytid_list.txt:3 names it")
    ]
    assert len(rows) == 4
    report = verify_dataset.examine(mini_kinetics, tmp_path, None, {})
    assert [(one.kind, one.name) for one in report.problems] == [
        ("missing", "train/gone0000000.mp4"),
        ("extra", "train/abseiling/holiday.mp4"),
    ]
    assert not report.unused, "the lists are used"
    assert "about 80000" in verify_dataset.table(report)


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ("0347ZoDXyP0\nabseiling\n", VAL, r"train_ytid_list\.txt:2: 'abseiling' is not a YouTube id of 11 characters"),
        ("0347ZoDXyP0_95_105\n", VAL, r"train_ytid_list\.txt:1: '0347ZoDXyP0_95_105' is not a YouTube id"),
        ("../47ZoDXyP0\n", VAL, r"train_ytid_list\.txt:1: '\.\./47ZoDXyP0' is not a YouTube id"),
        (TRAIN + "0347ZoDXyP0\n", VAL, r"train_ytid_list\.txt:3: 0347ZoDXyP0 is also named in train_ytid_list\.txt:1; remove one"),
        (
            TRAIN,
            VAL + "0347ZoDXyP0_000095_000105\n",
            r"val_ytid_list\.txt:2: 0347ZoDXyP0_000095_000105 is also named in train_ytid_list\.txt:1",
        ),
        ("somethingxx\n", "\n", "none of the 1 videos that the lists in .*annotations name is there; are they those of Mini-Kinetics"),
        (TRAIN, VAL + "aaaaaaaaaaa\n", r"val/busking/.*: train has no video of the class 'busking'"),
    ],
)
def test_a_mistake_in_the_lists_is_one_line(tmp_path: Path, train: str, val: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        videos(copy(tmp_path, train, val))
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train: no such folder; put the clips there"):
        mini_kinetics.check(tmp_path)
    touch(tmp_path, *GOOD)
    with pytest.raises(InputError, match=r"annotations: no such folder; put the lists of Mini-Kinetics \(train_ytid_list\.txt, val_yt"):
        videos(tmp_path)
    lists(tmp_path / "annotations", names=("train_ytid_list.txt", "validate.txt"))
    with pytest.raises(InputError, match=r"cannot read the list of Mini-Kinetics .*val_ytid_list\.txt: No such file"):
        videos(tmp_path)
    with pytest.raises(InputError, match="no option 'list': did you mean 'lists'"):
        videos(tmp_path, list="x")
    with pytest.raises(InputError, match="no split 2: give 1"):
        mini_kinetics.videos(tmp_path, 2, {})
