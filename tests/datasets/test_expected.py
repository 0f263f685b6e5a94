"""How much a dataset is said to hold before it is there: what is made or listed is what was said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from videossl import registry
from videossl.data.listing import Counts
from videossl.datasets import diving48, folder, hmdb51, kinetics400, mini_kinetics, msr_action3d, ntu60, ntu120, toy, ucf101


def sides(videos: list[toy.Video]) -> tuple[int, int]:
    found = Counter(video.split for video in videos)
    return found["train"], found["test"]


def test_toy_says_what_it_makes(tmp_path: Path) -> None:
    options = {"seed": 1, "actions": 2, "train_subjects": 3, "test_subjects": 1, "repeats": 2, "frames": 5, "size": 16, "backgrounds": 4}
    said = toy.expected(1, options)
    assert said == Counts(train=12, test=4, classes=2, frames=5, width=16, height=16, fps=30)
    toy.download(tmp_path, options, processes=1)
    assert sides(toy.videos(tmp_path, 1, options)) == (said.train, said.test)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_lists_hold_what_is_said(real_clips: Path, split: int) -> None:
    lists = {"lists": str(real_clips / "splits/ucfTrainTestlist")}, {"lists": str(real_clips / "splits/hmdb51")}
    for module, options, name in ((ucf101, lists[0], "ucf101"), (hmdb51, lists[1], "hmdb51")):
        said = module.expected(split, options)
        assert said and sides(module.videos(real_clips / name, split, options)) == (said.train, said.test)


def test_every_ucf101_split_holds_all_videos() -> None:
    assert [counts.train + counts.test for split in (1, 2, 3) if (counts := ucf101.expected(split, {}))] == [13320] * 3
    assert ucf101.expected(4, {}) is None


def test_what_is_not_known_is_not_said() -> None:
    assert folder.expected(1, {}) is None
    said = kinetics400.expected(1, {})
    assert said and said.train == 240_000  # P section 4.1


@pytest.mark.parametrize(
    ("module", "splits"),
    [(ucf101, 3), (hmdb51, 3), (kinetics400, 1), (mini_kinetics, 1), (diving48, 1), (msr_action3d, 1), (ntu60, 2), (ntu120, 2), (toy, 1)],
)
def test_no_more_splits_than_there_are(module: ModuleType, splits: int) -> None:
    assert [module.expected(split, {}) is not None for split in range(1, 5)] == [split <= splits for split in range(1, 5)]


def test_frames_a_second() -> None:
    said = {name: registry.module("datasets", name).expected(1, {}) for name in registry.names("datasets")}
    rates = {name: counts.fps for name, counts in said.items() if counts}
    assert rates == dict.fromkeys(rates, 30) | {"ucf101": 25, "msr-action3d": 15}
    assert set(rates) == set(said) - {"folder"}
