"""Diving48: the lists of version 2, and faults in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.data.test_verify_dataset import write

from videossl.data import make_index, verify_dataset
from videossl.datasets import diving48
from videossl.errors import InputError

WORDS = [["Back", "15som", "05Twis", "FREE"], ["Forward", "Dive", "NoTwis", "STR"]]
TRAIN = [
    {"vid_name": "-mmq0PT-u8k_00155", "label": 1, "start_frame": 0, "end_frame": 20},
    {"vid_name": "-mmq0PT-u8k_00156", "label": 0, "start_frame": 0, "end_frame": 20},
]
TEST = [{"vid_name": "_tigfCJFLZg_00371", "label": 0, "start_frame": 0, "end_frame": 20}]


def lists(root: Path, train: Any = TRAIN, test: Any = TEST, words: Any = WORDS) -> Path:
    """The lists in `root`, and an empty folder of videos; a text is written as it is."""
    (root / "rgb").mkdir(parents=True, exist_ok=True)
    for name, entries in ((diving48.LISTS["train"], train), (diving48.LISTS["test"], test), (diving48.CLASSES_FILE, words)):
        (root / name).write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return root


def test_lists_name_the_videos_their_classes_and_their_recordings(tmp_path: Path) -> None:
    lists(tmp_path, [*TRAIN, {"vid_name": "dive-7", "label": 1}])
    (tmp_path / "rgb/-mmq0PT-u8k_00156.WebM").touch()  # as some copies have been encoded anew
    (tmp_path / "rgb/unlisted_00001.mp4").touch()
    diving48.check(tmp_path)
    found = [(video.id, video.path, video.label, video.split, video.group, video.named_by) for video in diving48.videos(tmp_path, 1, {})]
    back, forward = "Back 15som 05Twis FREE", "Forward Dive NoTwis STR"
    assert found == [
        ("-mmq0PT-u8k_00155", "rgb/-mmq0PT-u8k_00155.mp4", forward, "train", "-mmq0PT-u8k", "entry 1 of Diving48_V2_train.json"),
        ("-mmq0PT-u8k_00156", "rgb/-mmq0PT-u8k_00156.WebM", back, "train", "-mmq0PT-u8k", "entry 2 of Diving48_V2_train.json"),
        ("_tigfCJFLZg_00371", "rgb/_tigfCJFLZg_00371.mp4", back, "test", "_tigfCJFLZg", "entry 1 of Diving48_V2_test.json"),
        ("dive-7", "rgb/dive-7.mp4", forward, "train", "", "entry 3 of Diving48_V2_train.json"),
    ]


def test_lists_elsewhere(tmp_path: Path) -> None:
    plain = diving48.videos(lists(tmp_path / "plain"), 1, {})
    lists(tmp_path / "lists")
    (tmp_path / "copy/rgb").mkdir(parents=True)
    assert diving48.videos(tmp_path / "copy", 1, {"lists": str(tmp_path / "lists")}) == plain
    assert diving48.videos(tmp_path / "copy", 1, {"lists": "../lists"}) == plain


def test_the_index_drops_what_is_gone_and_what_no_list_names_is_no_fault(tmp_path: Path) -> None:
    """Version 2 leaves out clips that lie in the archive."""
    for name in (TRAIN[0]["vid_name"], TEST[0]["vid_name"], "unlistedabc_00001", "holiday"):
        write(tmp_path / f"rgb/{name}.mp4", 20)
    rows = make_index.build(diving48.videos(lists(tmp_path), 1, {}), tmp_path)
    assert [(row.id, row.frames, row.reason) for row in rows] == [
        ("-mmq0PT-u8k_00155", 20, ""),
        ("-mmq0PT-u8k_00156", 0, "absent: entry 2 of Diving48_V2_train.json names it"),
        ("_tigfCJFLZg_00371", 20, ""),
    ]
    report = verify_dataset.examine(diving48, tmp_path, None, {})
    assert [(one.kind, one.name) for one in report.problems] == [
        ("count", "split 1 test"),
        ("count", "split 1 train"),
        ("missing", "rgb/-mmq0PT-u8k_00156.mp4"),
        ("extra", "rgb/holiday.mp4"),
    ]
    assert not report.unused, "the lists are used"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": "[{"}, r"cannot read the list .*Diving48_V2_train\.json: Expecting property name"),
        ({"train": "[" * 100_000}, r"cannot read the list .*Diving48_V2_train\.json: "),
        ({"train": "[]"}, r"Diving48_V2_train\.json is not a JSON list with entries; take the official file"),
        ({"test": {"vid_name": "a", "label": 0}}, r"Diving48_V2_test\.json is not a JSON list"),
        ({"test": ["a"]}, r"Diving48_V2_test\.json: entry 1 has no vid_name .* but None"),
        ({"test": [{"label": 0}]}, "entry 1 has no vid_name"),
        ({"test": [{"vid_name": "../a", "label": 0}]}, r"entry 1 has no vid_name .* but '\.\./a'"),
        ({"test": [{"vid_name": "a\nb", "label": 0}]}, "entry 1 has no vid_name"),
        ({"test": [*TEST, {"vid_name": "a"}]}, r"entry 2, a, has the label None; Diving48_vocab\.json has 0 to 1"),
        ({"test": [{"vid_name": "a", "label": 2}]}, "has the label 2; "),
        ({"test": [{"vid_name": "a", "label": -1}]}, "has the label -1; "),
        ({"test": [{"vid_name": "a", "label": True}]}, "has the label True; "),
        ({"test": [{"vid_name": "a", "label": "0"}]}, "has the label '0'; "),
        ({"test": TRAIN[:1]}, r"two videos .*entry 1 of Diving48_V2_train\.json.*entry 1 of Diving48_V2_test\.json"),
        ({"words": {"Back": 0}}, r"Diving48_vocab\.json is not a JSON list"),
        ({"words": ["Back", "Forward"]}, r"Diving48_vocab\.json: entry 1 is not a list of words"),
        ({"words": [["Back"], []]}, "entry 2 is not a list of words"),
        ({"words": [["Back"], ["Back"]]}, "entry 2 is the class of entry 1 again"),
    ],
)
def test_a_malformed_list_is_named_by_entry(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        diving48.videos(lists(tmp_path, **change), 1, {})
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rgb: no such folder; unpack Diving48_rgb\.tar\.gz in "):
        diving48.check(tmp_path)
    lists(tmp_path)
    with pytest.raises(InputError, match="no split 2: give 1"):
        diving48.videos(tmp_path, 2, {})
    with pytest.raises(InputError, match="no option 'list': did you mean 'lists'"):
        diving48.videos(tmp_path, 1, {"list": "x"})
    with pytest.raises(InputError, match=r"nowhere: no such folder; put the official lists \(Diving48_V2_train\.json, "):
        diving48.videos(tmp_path, 1, {"lists": "nowhere"})
    (tmp_path / diving48.CLASSES_FILE).unlink()
    with pytest.raises(InputError, match=r"cannot read the list .*Diving48_vocab\.json: No such file"):
        diving48.videos(tmp_path, 1, {})


def test_one_clip_in_two_places(tmp_path: Path) -> None:
    for end in ("mp4", "avi"):
        (lists(tmp_path) / f"rgb/{TRAIN[0]['vid_name']}.{end}").touch()
    with pytest.raises(InputError, match=r"00155\.mp4 and .*00155\.avi are one clip; remove one of them"):
        diving48.videos(tmp_path, 1, {})
