"""The toy set laid out as NTU RGB+D: its names, both splits, three views of one performance, one sample without a skeleton."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videossl.data import make_index, ntu_skeleton, verify_dataset, video
from videossl.data.toy import render
from videossl.datasets import ntu60, ntu_rgbd, toy
from videossl.datasets.ntu_rgbd import Sample
from videossl.errors import InputError

SMALL = {"seed": 1, "actions": 2, "train_subjects": 2, "test_subjects": 1, "frames": 6, "size": 16, "layout": "ntu60"}
LEFT_OUT = "S001C003P003R001A001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("toy")
    toy.download(out, SMALL, processes=1)
    return out


def there(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_files_are_named_as_ntu_names_them(made: Path) -> None:
    """Performers 1 and 2 are the first for training, 3 is the first for testing."""
    names = [f"S001C{c:03d}P{p:03d}R001A{a:03d}" for c in (1, 2, 3) for p in (1, 2, 3) for a in (1, 2)]
    assert there(made) == sorted(
        [f"nturgb+d_rgb/{name}_rgb.avi" for name in names]
        + [f"nturgb+d_skeletons/{name}.skeleton" for name in names]
        + ["NTU_RGBD_samples_with_missing_skeletons.txt"]
    )
    lines = (made / ntu60.EDITION.missing).read_text().splitlines()
    assert len(lines) == 4 and lines[3] == LEFT_OUT and not any(map(Sample.named, lines[:3]))


def test_both_splits_and_as_ntu60_itself(made: Path) -> None:
    toy.check(made)
    ntu60.check(made)
    for split in (1, 2):
        videos = toy.videos(made, split, SMALL)
        assert videos == ntu60.videos(made, split, {})
        for item in videos:
            sample = Sample.named(item.id)
            assert sample and (item.split == "train") == (sample.performer in (1, 2) if split == 1 else sample.camera in (2, 3))
        said, sides = toy.expected(split, SMALL), Counter(item.split for item in videos)
        assert said and (said.train, said.test, said.classes) == (12, 6, 2) == (sides["train"], sides["test"], 2)
        assert {item.label for item in videos} == {"A001", "A002"}
        assert [item.id for item in videos if item.excluded] == [LEFT_OUT]
    assert toy.expected(3, SMALL) is None
    with pytest.raises(InputError, match="no split 3"):
        toy.videos(made, 3, SMALL)


def test_the_index_leaves_out_what_the_list_names_and_would_find_it_itself(made: Path) -> None:
    rows = make_index.build(toy.videos(made, 1, SMALL), made, min_frames=6)
    assert {row.id: row.reason for row in rows if row.status != "ok"} == {
        LEFT_OUT: "skeleton: NTU_RGBD_samples_with_missing_skeletons.txt:4 names it"
    }
    assert {(row.frames, row.width, row.fps) for row in rows if row.status == "ok"} == {(6, 16, 30.0)}
    (alone,) = [one for one in ntu60.videos(made, 1, {"missing": "none"}) if one.id == LEFT_OUT]
    (row,) = make_index.build([alone], made)
    assert row.reason.endswith("no body in any of the 6 frames")


def test_a_copy_is_whole_by_either_name(made: Path) -> None:
    report = verify_dataset.examine(toy, made, None, SMALL)
    assert not report.problems
    assert [(side.split, side.named, side.excluded, side.missing) for side in report.sides] == [
        (1, 12, 0, 0),
        (1, 6, 1, 0),
        (2, 12, 1, 0),
        (2, 6, 0, 0),
    ]


def test_three_cameras_see_one_performance() -> None:
    """Distances between joints do not depend on where one stands: what is left is the sensors' noise of 3 cm."""
    options = toy.Options.of(SMALL | {"frames": 40, "size": 64})
    assert options.cameras == 3
    takes = [toy.Take("Wave", 4, 1, camera) for camera in (1, 2, 3)]
    for take in takes[1:]:
        np.testing.assert_array_equal(toy.pose(take, options), toy.pose(takes[0], options))
    sensed = [toy.sense(take, options)[..., 0].astype(float) for take in takes]
    apart = [np.linalg.norm(joints[:, 1:] - joints[:, :1], axis=-1) for joints in sensed]
    for joints, distances in zip(sensed[1:], apart[1:], strict=True):
        assert np.abs(joints - sensed[0]).mean() > 0.2, "each sensor stands elsewhere"
        assert 0.03 < (distances - apart[0]).std() < 0.09
    films = [toy.film(take, options).astype(int) for take in takes]
    assert min(np.abs(one - other).mean() for i, one in enumerate(films) for other in films[:i]) > 2


def test_the_first_camera_sees_what_the_other_layout_has() -> None:
    ours, plain = toy.Options.of(SMALL), toy.Options(seed=1, frames=6, size=16)
    take = toy.Take("Jump", 3, 1)
    np.testing.assert_array_equal(toy.film(take, ours), toy.film(take, plain))
    np.testing.assert_array_equal(toy.sense(take, ours), toy.sense(take, plain))


@pytest.mark.parametrize("label", toy.TWO)
def test_whom_one_kicks_or_punches_is_the_second_body(label: str, tmp_path: Path) -> None:
    options = toy.Options(seed=1, frames=24, layout="ntu60", cameras=3)
    for subject in range(1, 6):
        take = toy.Take(label, subject, 1, 2)
        sensed = toy.sense(take, options)
        ntu_skeleton.write(tmp_path / take.skeleton, sensed)
        np.testing.assert_array_equal(ntu_skeleton.parse(tmp_path / take.skeleton), sensed)  # who acts moves more, so comes first
        middles = sensed.mean(axis=(0, 1))
        assert 1.0 < np.linalg.norm(middles[:, 0] - middles[:, 1]) < 1.5
        alone = toy.sense(take, toy.Options(seed=1, frames=24, layout="ucf101"))
        np.testing.assert_array_equal(sensed[..., :1], alone)
    facing = render.seen(toy.bystander(take, options), 0, 0, 3)[0]
    assert facing[8, 0] < facing[4, 0], "the right shoulder is on the other side than of who is faced"


def test_as_many_performers_as_there_are_officially() -> None:
    options = toy.Options.of({"layout": "ntu60", "train_subjects": 20, "test_subjects": 20, "repeats": 2})
    assert set(toy.subjects(options, "train")) == ntu60.SUBJECTS
    assert set(toy.subjects(options, "train")) | set(toy.subjects(options, "test")) == set(range(1, 41))
    for take in (take for side in ("train", "test") for take in toy.takes(options, side)):
        assert ntu_rgbd._fits(ntu60.EDITION, str(take.sample))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "ntu"}, "layout is 'ntu'; give ucf101 or ntu60"),
        ({"layout": 3}, "layout is 3"),
        ({"cameras": 2}, "cameras is 2; with layout ucf101 there are 1"),
        ({"layout": "ntu60", "cameras": 4}, "cameras is 4; with layout ntu60 there are 3"),
        ({"layout": "ntu60", "cameras": 0}, "cameras is 0; give a whole number from 1"),
        ({"layout": "ntu60", "repeats": 3}, "repeats is 3; with layout ntu60 there are 2"),
        ({"layout": "ntu60", "train_subjects": 21}, "train_subjects is 21; with layout ntu60 there are 20"),
        ({"layout": "ntu60", "test_subjects": 21}, "test_subjects is 21"),
    ],
)
def test_more_than_ntu_has_names_for_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        toy.Options.of(options)


def test_a_change_of_layout_leaves_no_file_of_the_other(tmp_path: Path) -> None:
    few = {"actions": 1, "train_subjects": 1, "test_subjects": 1, "frames": 2, "size": 16}
    toy.download(tmp_path, few, processes=1)
    before = there(tmp_path)
    toy.download(tmp_path, {**few, "layout": "ntu60", "cameras": 1}, processes=1)
    toy.check(tmp_path)
    assert len(there(tmp_path)) == 5 and not set(there(tmp_path)) & set(before)
    toy.download(tmp_path, few, processes=1)
    toy.check(tmp_path)
    assert there(tmp_path) == before


def test_check_names_what_is_missing(made: Path, tmp_path: Path) -> None:
    few = SMALL | {"actions": 1, "test_subjects": 1, "train_subjects": 1, "cameras": 1}
    toy.download(tmp_path, few, processes=1)
    (tmp_path / "nturgb+d_skeletons/S001C001P001R001A001.skeleton").unlink()
    with pytest.raises(InputError, match=r"S001C001P001R001A001\.skeleton, named by S001C001P001R001A001, is missing"):
        toy.check(tmp_path)


def test_videos_decode_as_they_were_drawn(made: Path) -> None:
    take = toy.Take("Clap", 3, 1, 2)
    drawn = toy.film(take, toy.Options.of(SMALL))
    np.testing.assert_array_equal(video.frames(made / "nturgb+d_rgb/S001C002P003R001A002_rgb.avi"), drawn)
