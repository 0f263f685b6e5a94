"""Kinetics-400: class folders under train and val."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from videossl.data.datasets import kinetics400
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


def test_a_class_without_validation_clips_is_trained_on(tmp_path: Path) -> None:
    labels = {video.label for video in kinetics400.videos(touch(tmp_path, *GOOD), 1, {}) if video.split == "test"}
    assert labels == {"abseiling"}


def test_a_clip_on_both_sides_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD, GOOD[1].replace("train", "val"))
    with pytest.raises(InputError, match=r"train/abseiling/0347.*and val/abseiling/0347"):
        kinetics400.videos(tmp_path, 1, {})


def test_a_class_spelt_in_two_ways_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD, "val/playing_guitar/x_000000_000010.mp4")
    with pytest.raises(InputError, match=r"val/playing_guitar: train has no video of the class 'playing_guitar'"):
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
@pytest.mark.parametrize("ask", [kinetics400.check, lambda root: kinetics400.videos(root, 1, {})], ids=["check", "videos"])
def test_what_is_missing_or_misplaced_is_named(ask: Callable[[Path], object], tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ask(touch(tmp_path, *names))
    assert "\n" not in str(caught.value)


def test_there_is_one_split_and_no_option(tmp_path: Path) -> None:
    touch(tmp_path, *GOOD)
    with pytest.raises(InputError, match="no split 2: give 1"):
        kinetics400.videos(tmp_path, 2, {})
    with pytest.raises(InputError, match="no option 'lists'"):
        kinetics400.videos(tmp_path, 1, {"lists": "somewhere"})
