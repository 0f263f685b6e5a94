"""MSR Action3D: names, the split by person, and its index."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.test_msr_skeleton import lines, save

from videossl.data import make_index, verify_dataset
from videossl.datasets import msr_action3d
from videossl.errors import InputError
from videossl.extract import skeleton


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / f"{name}_skeleton3D.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_odd_persons_train_and_even_ones_test(tmp_path: Path) -> None:
    touch(tmp_path, "x/a20_s10_e03", "a01_s09_e01", "a01_s02_e01")
    found = [(video.id, video.label, video.split, video.skeleton, video.path) for video in msr_action3d.videos(tmp_path, 1, {})]
    assert found == [
        ("a01_s02_e01", "high arm wave", "test", "a01_s02_e01_skeleton3D.txt", ""),
        ("a01_s09_e01", "high arm wave", "train", "a01_s09_e01_skeleton3D.txt", ""),
        ("a20_s10_e03", "pick up and throw", "test", "x/a20_s10_e03_skeleton3D.txt", ""),
    ]


@pytest.mark.parametrize("name", ["a21_s01_e01", "a00_s01_e01", "a01_s11_e01", "a01_s01_e04", "a1_s01_e01", "b", "a01_s01_e01_copy"])
def test_a_file_of_another_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a01_s01_e01", name)
    with pytest.raises(InputError, match=rf"{name}_skeleton3D\.txt is not named as a sequence .* rename or remove it"):
        msr_action3d.videos(tmp_path, 1, {})


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "a01_s01_e01", "copy/a01_s01_e01")
    (tmp_path / "screen").mkdir()
    (tmp_path / "screen/a01_s01_e01_skeleton.txt").touch()  # of the screen's pixels
    for folder, split, options, said in (
        (tmp_path, 1, {}, "are one sequence; remove one of them"),
        (tmp_path, 2, {}, "dataset msr-action3d has no split 2: give 1"),
        (tmp_path, 1, {"group": "x"}, "dataset msr-action3d has no option 'group': it has none"),
        (tmp_path / "screen", 1, {}, "unpack MSRAction3DSkeletonReal3D.rar there"),
        (tmp_path / "nowhere", 1, {}, "unpack MSRAction3DSkeletonReal3D.rar there"),
    ):
        with pytest.raises(InputError, match=said):
            msr_action3d.videos(folder, split, options)


def test_the_index_and_the_cache_of_small_files(tmp_path: Path) -> None:
    names = ["a01_s01_e01", "a01_s02_e01", "a13_s09_e02"]
    touch(tmp_path, *names)
    for name, rows in zip(names, (lines(1, None, 2), lines(1, 2)[:-1], lines(None)), strict=True):
        save(tmp_path / f"{name}_skeleton3D.txt", rows)
    rows = make_index.build(msr_action3d.videos(tmp_path, 1, {}), tmp_path, min_frames=2)
    assert [(row.id, row.steps, row.status, row.group) for row in rows] == [(names[0], 3, "ok", names[0])] + [
        (name, 0, "dropped", name) for name in names[1:]
    ]
    assert rows[1].reason == "skeleton: a01_s02_e01_skeleton3D.txt:39: 39 lines, which are not 20 a frame"
    assert rows[2].reason.startswith("skeleton: a13_s09_e02_skeleton3D.txt:20: no body in any of the 1 frames")
    extract = skeleton.make({"dataset": {"name": "msr-action3d"}})
    assert extract.shape(rows[0]) == extract(rows[0], tmp_path).shape == (3, 20, 3, 2)
    assert extract.made_by()["name"] == "msr-skeleton"
    problems = verify_dataset.examine(msr_action3d, tmp_path, None, {}).problems
    assert [(problem.kind, problem.name) for problem in problems] == [("skeleton", f"{name}_skeleton3D.txt") for name in names[1:]]


def test_the_real_files(real_clips: Path) -> None:
    if not (real_clips / "skeletons").is_dir():
        pytest.skip("the real skeletons (../shared/real/skeletons) are not here")
    videos = msr_action3d.videos(real_clips / "skeletons", 1, {})
    assert Counter(video.split for video in videos) == {"train": 150, "test": 136}
    classes = Counter(video.label for video in videos)
    assert classes["hammer"] == 27 and classes["forward punch"] == 26 and classes["jogging"] == 30 and len(classes) == 10
