"""The toy set as a whole: its files, its lists, and what its nuisances depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videossl import seeding
from videossl.data import ntu_skeleton, video
from videossl.data.toy import render, scenery
from videossl.datasets import toy
from videossl.errors import InputError
from videossl.files import sha256

SMALL = {"seed": 1, "actions": 3, "train_subjects": 2, "test_subjects": 1, "frames": 6}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("toy")
    toy.download(out, SMALL, processes=1)
    return out


def contents(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): sha256(path) for path in root.rglob("*") if path.is_file()}


def test_files_are_named_as_ucf101_and_ntu_name_them(made: Path) -> None:
    assert sorted(contents(made)) == sorted(
        [f"UCF-101/{label}/v_{label}_g{subject}_c01.avi" for label in ("Wave", "Clap", "Jump") for subject in ("01", "02", "03")]
        + [f"skeletons/S001C001P{subject:03d}R001A{action:03d}.skeleton" for action in (1, 2, 3) for subject in (1, 2, 3)]
        + ["ucfTrainTestlist/classInd.txt", "ucfTrainTestlist/testlist01.txt", "ucfTrainTestlist/trainlist01.txt"]
    )  # fmt: skip


def test_lists_are_as_ucf101_writes_them(made: Path) -> None:
    lists = made / "ucfTrainTestlist"
    assert (lists / "classInd.txt").read_text() == "1 Wave\n2 Clap\n3 Jump\n"
    assert (lists / "trainlist01.txt").read_text().splitlines()[2:4] == [
        "Clap/v_Clap_g01_c01.avi 2",
        "Clap/v_Clap_g02_c01.avi 2",
    ]
    assert (lists / "testlist01.txt").read_text() == "".join(f"{label}/v_{label}_g03_c01.avi\n" for label in ("Wave", "Clap", "Jump"))


def test_two_processes_make_the_same_bytes(made: Path, tmp_path: Path) -> None:
    toy.download(tmp_path, SMALL, processes=2)
    assert contents(tmp_path) == contents(made)


def test_a_second_download_leaves_no_file_of_the_first(made: Path, tmp_path: Path) -> None:
    toy.download(tmp_path, {**SMALL, "actions": 4, "train_subjects": 3}, processes=1)
    (tmp_path / "UCF-101" / "mine.txt").write_text("kept")
    toy.download(tmp_path, SMALL, processes=1)
    found = contents(tmp_path)
    assert found.pop("UCF-101/mine.txt")
    assert found == contents(made)
    assert not (tmp_path / "UCF-101" / "Squat").exists()


def test_videos_and_skeletons_read_back_as_made(made: Path) -> None:
    """Lossless: what is decoded is what was drawn; the skeleton file holds the sensed joints to the bit."""
    options = toy.Options.of(SMALL)
    for take in (toy.Take("Wave", 1, 1), toy.Take("Jump", 3, 1)):
        path = made / "UCF-101" / take.video
        np.testing.assert_array_equal(video.frames(path), toy.film(take, options))
        assert video.probe(path) == video.Probe(frames=6, steps=6, fps=30.0, width=64, height=64, clock="stamps")
        joints = ntu_skeleton.parse(made / "skeletons" / take.skeleton)
        np.testing.assert_array_equal(joints[..., :1], toy.sense(take, options))
        assert not joints[..., 1:].any()


def test_videos_names_split_and_skeleton(made: Path) -> None:
    videos = toy.videos(made, 1, SMALL)
    assert [item.id for item in videos] == sorted(item.id for item in videos)
    assert len(videos) == 9
    last = videos[-1]
    assert (last.id, last.path) == ("Wave/v_Wave_g03_c01", "UCF-101/Wave/v_Wave_g03_c01.avi")
    assert (last.label, last.split) == ("Wave", "test")
    assert last.skeleton == "skeletons/S001C001P003R001A001.skeleton"
    assert last.named_by == "testlist01.txt:1"
    train = {item.id.split("_g")[1] for item in videos if item.split == "train"}
    assert train == {"01_c01", "02_c01"}, "no subject may be on both sides"
    assert {(item.group, item.split) for item in videos} == {("g01", "train"), ("g02", "train"), ("g03", "test")}


def test_check_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ucfTrainTestlist"):
        toy.check(tmp_path)
    toy.download(tmp_path, {**SMALL, "actions": 1}, processes=1)
    toy.check(tmp_path)
    (tmp_path / "skeletons" / "S001C001P002R001A001.skeleton").unlink()
    with pytest.raises(InputError, match=r"P002R001A001\.skeleton.*trainlist01\.txt:2"):
        toy.check(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": 3}, "train_subjects|test_subjects"),
        ({"actions": 13}, "there are 12"),
        ({"frames": 1}, "frames is 1"),
        ({"repeats": 1.5}, "repeats is 1.5"),
        ({"seed": True}, "seed is True"),
        ({"backgrounds": 0}, "backgrounds is 0; give a whole number from 1"),
        ({"scenes": 1.5}, "scenes is 1.5; give a number from 0 to 1"),
        ({"scenes": True}, "scenes is True"),
        ({"scenes": float("nan")}, "scenes is nan"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_made(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        toy.download(tmp_path, options, processes=1)
    assert not list(tmp_path.iterdir())


def test_there_is_one_split(made: Path) -> None:
    with pytest.raises(InputError, match="split 2"):
        toy.videos(made, 2, {})


def test_a_list_that_names_a_stranger_is_refused(tmp_path: Path) -> None:
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "trainlist01.txt").write_text("Wave/v_Wave_g01_c01.avi 1\n")
    (lists / "testlist01.txt").write_text("Dance/v_Dance_g01_c01.avi\n")
    with pytest.raises(InputError, match=r"testlist01\.txt:1 names .*Dance"):
        toy.videos(tmp_path, 1, {})


def test_more_than_99_subjects_keep_their_names_apart() -> None:
    options = toy.Options(actions=2, train_subjects=100, test_subjects=2, repeats=2)
    takes = [*toy.takes(options, "train"), *toy.takes(options, "test")]
    assert len({take.video for take in takes}) == len({take.skeleton for take in takes}) == 2 * 102 * 2
    assert takes[-1].video == "Clap/v_Clap_g102_c02.avi"
    assert [toy.Take.named(take.video) for take in takes] == takes


def test_every_draw_depends_on_the_seed() -> None:
    take = toy.Take("Kick", 2, 1)
    one, same, other = (toy.Options(seed=seed, frames=4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(toy.film(take, one), toy.film(take, same))
    assert np.abs(toy.film(take, one).astype(int) - toy.film(take, other)).mean() > 5
    assert np.abs(toy.sense(take, one) - toy.sense(take, other)).mean() > 0.1


def test_a_video_does_not_depend_on_the_size_of_the_set() -> None:
    take = toy.Take("Bow", 1, 1)
    small, large = toy.Options(seed=1, frames=4, actions=7, train_subjects=1), toy.Options(seed=1, frames=4)
    np.testing.assert_array_equal(toy.film(take, small), toy.film(take, large))


@pytest.mark.parametrize(
    ("seed", "take", "picture", "joints"),
    [
        (0, toy.Take("Wave", 1, 1), "02a39468b337fe52", "2e0ac0eed2bcb877"),
        (0, toy.Take("RaiseArms", 20, 2), "5c8055ec3ef05126", "b791d5a0a0bc9a5c"),
        (1, toy.Take("Jump", 3, 1), "b57c112443a3042d", "29ba94ee44fc629c"),
    ],
)
def test_one_background_is_the_set_as_it_was_before_there_were_more(seed: int, take: toy.Take, picture: str, joints: str) -> None:
    """Hashes taken before the option came: results on the default set stay comparable."""
    options = toy.Options(seed=seed, frames=6)
    assert hashlib.sha256(toy.film(take, options).tobytes()).hexdigest()[:16] == picture
    assert hashlib.sha256(toy.sense(take, options).tobytes()).hexdigest()[:16] == joints


def test_a_background_hides_behind_the_same_figure() -> None:
    """Many rooms change the room and nothing else: the figure, the camera and the skeleton stay."""
    take, one, many = toy.Take("Squat", 2, 1), toy.Options(frames=3), toy.Options(frames=3, backgrounds=1000)
    alone, other = toy.film(take, one).astype(int), toy.film(take, many).astype(int)
    bright = alone.max(axis=-1) > 150
    assert bright.mean() > 0.02 and (alone[bright] == other[bright]).mean() > 0.9  # its rim is averaged with the room
    assert np.abs(alone - other)[~bright].mean() > 3
    np.testing.assert_array_equal(toy.sense(take, one), toy.sense(take, many))


def test_backgrounds_are_all_used_and_tell_nothing_of_the_class() -> None:
    """Independence by chi-squared: (12 - 1) * (4 - 1) = 33 degrees of freedom exceed 63.9 once in a thousand sets."""
    options = toy.Options(seed=1, train_subjects=100, backgrounds=4)
    counts = np.zeros((12, 4))
    for take in toy.takes(options, "train"):
        counts[toy.CLASSES.index(take.label), toy._background(take, options)] += 1
    assert (np.abs(counts / 100 - 0.25) < 0.2).all(), "each class is seen in each room about equally often"
    assert ((counts - 25) ** 2 / 25).sum() < 63.9
    rooms = {toy._room(1, number, 64).tobytes() for number in range(4)}
    assert len(rooms) == 4


KIND_OF = {kind: label for number, label in enumerate(toy.CLASSES) for kind in scenery.kinds(number)}


def shown(scenes: float, subjects: int) -> dict[toy.Take, scenery.Kind]:
    """The kind of scenery of each video."""
    options = toy.Options(seed=1, train_subjects=subjects, scenes=scenes)
    return {take: toy._scenery(take, options)[0] for take in toy.takes(options, "train")}


def test_each_action_has_four_kinds_of_scenery_that_no_other_has() -> None:
    """A pattern at its period goes with one action; a pattern, a period, a pair of colours or a shape alone goes with two or more."""
    assert len(KIND_OF) == 4 * 12
    assert len({(kind.pattern, kind.period) for kind in KIND_OF}) == 24
    for place, actions in enumerate((2, 12, 4, 2)):
        for value in {kind[place] for kind in KIND_OF}:
            assert len({label for kind, label in KIND_OF.items() if kind[place] == value}) == actions


def test_scenery_goes_with_the_action_to_the_degree_asked_for() -> None:
    """At 1 always, at 0.5 for half the videos and 1/12 of the others; who has it at 0.5 has it at 1."""
    always, half = shown(1.0, 50), shown(0.5, 50)
    assert all(KIND_OF[kind] == take.label for take, kind in always.items()) and set(always.values()) == set(KIND_OF)
    goes = {take for take, kind in half.items() if KIND_OF[kind] == take.label}
    assert abs(len(goes) / 600 - (0.5 + 0.5 / 12)) < 0.07
    assert sum(always[take] == half[take] for take in goes) > 0.9 * len(goes)  # by chance some have one of their action's anyway


def test_scenery_of_any_action_tells_nothing_of_the_class() -> None:
    """Independence by chi-squared: 11 * 11 = 121 degrees of freedom exceed 174 once in a thousand sets."""
    counts = np.zeros((12, 12))
    for take, kind in shown(1e-9, 100).items():
        counts[toy.CLASSES.index(take.label), toy.CLASSES.index(KIND_OF[kind])] += 1
    assert (counts.sum(axis=0) > 60).all()
    assert ((counts - 100 / 12) ** 2 / (100 / 12)).sum() < 174


def test_colours_of_the_scenery_tell_nothing_of_the_class() -> None:
    """One-way analysis of variance of the mean of each colour: with 12 classes of 25, F exceeds 3 once in a thousand draws."""
    options = toy.Options(seed=1, size=16, scenes=1)
    rooms = np.stack([[toy._surroundings(toy.Take(label, subject, 1), options) for subject in range(1, 26)] for label in toy.CLASSES])
    assert 100 < rooms.mean() < 130
    values = rooms.mean(axis=(2, 3))
    assert (25 * values.mean(axis=1).var(axis=0, ddof=1) / values.var(axis=1, ddof=1).mean(axis=0) < 3).all()


def test_scenery_stands_behind_the_same_figure_for_all_cameras() -> None:
    """Figures in two sceneries are alike, in the same clothes, and stand where the bare room's does; skeletons know nothing of scenery."""
    take, bare, one, other = toy.Take("Kick", 4, 1), *(toy.Options(frames=3, scenes=scenes) for scenes in (0.0, 1.0, 1e-9))
    assert toy._scenery(take, one)[0] != toy._scenery(take, other)[0]
    alone, first, second = (toy.film(take, options).astype(int) for options in (bare, one, other))
    np.testing.assert_array_equal(alone, toy.film(take, toy.Options(frames=3)))
    figure = alone.max(axis=-1) > 150
    assert figure.mean() > 0.02 and (first[figure] == second[figure]).mean() > 0.85
    assert np.abs(first - second)[~figure].mean() > 5
    clothes = {toy._clothes(toy.Take("Kick", subject, 1), one).shirt for subject in range(1, 9)}
    assert len(clothes) == 1 and len({toy._clothes(toy.Take("Kick", subject, 1), bare).shirt for subject in range(1, 9)}) == 8
    np.testing.assert_array_equal(toy.sense(take, bare), toy.sense(take, one))
    np.testing.assert_array_equal(toy._surroundings(take, one), toy._surroundings(toy.Take("Kick", 4, 1, camera=3), one))


def test_bones_keep_their_length_and_belong_to_the_subject() -> None:
    """Lengths are the same in all frames and all videos of a subject, and differ between subjects."""
    options = toy.Options(seed=1)
    lengths = []
    for subject, label in ((1, "Wave"), (1, "JumpingJack"), (2, "Wave")):
        joints = toy.pose(toy.Take(label, subject, 1), options)
        bones = (
            np.linalg.norm(joints[:, 3] - joints[:, 2], axis=-1),
            np.linalg.norm(joints[:, 13] - joints[:, 12], axis=-1),
        )
        lengths.append(np.stack(bones, axis=1))
    np.testing.assert_allclose(lengths[0], np.broadcast_to(lengths[0][0], lengths[0].shape), atol=1e-9)
    np.testing.assert_allclose(lengths[0], lengths[1], atol=1e-9)
    assert np.abs(lengths[0] - lengths[2]).max() > 1e-3


def nuisances(label: str, subjects: int) -> np.ndarray:
    """(subjects, 7): yaw, elevation, size, place and shake of a class's videos."""
    rows = []
    for subject in range(1, subjects + 1):
        name = toy.Take(label, subject, 1).video
        camera = render.draw_camera(seeding.numpy_rng(1, "toy", name, "camera"))
        moved = toy.shake(24, 64, seeding.numpy_rng(1, "toy", name, "shake"))
        rows.append([camera.yaw, camera.elevation, camera.metre, *camera.place, *np.abs(moved).mean(axis=0)])
    return np.array(rows)


def test_nuisances_tell_nothing_of_the_class() -> None:
    """One-way analysis of variance: with 12 classes of 60, F exceeds 2.6 by chance once in 300 draws."""
    values = np.stack([nuisances(label, 60) for label in toy.CLASSES])  # (class, video, nuisance)
    within = values.var(axis=1, ddof=1).mean(axis=0)
    between = 60 * values.mean(axis=1).var(axis=0, ddof=1)
    assert (between / within < 2.6).all()
    yaw, elevation = values[..., 0], values[..., 1]
    assert yaw.min() < -30 < 30 < yaw.max() and np.abs(yaw).max() <= 35
    assert elevation.min() >= 0 and elevation.max() <= 15


def test_the_sensor_errs_by_three_centimetres_and_stands_anywhere() -> None:
    """Bones measured by the sensor scatter by sqrt(2) * 3 cm; the shoulders point to all sides."""
    options = toy.Options(seed=1, frames=200)
    take = toy.Take("Bow", 1, 1)
    sensed, true = toy.sense(take, options)[..., 0], toy.pose(take, options)
    assert sensed.dtype == np.float32 and sensed.shape == (200, 25, 3)
    assert sensed[..., 2].min() > 2 and sensed[..., 2].max() < 5
    # A distance between joints is the same from everywhere, so that only the noise is left of the difference.
    apart = np.linalg.norm(sensed[:, 3] - sensed[:, 0], axis=-1) - np.linalg.norm(true[:, 3] - true[:, 0], axis=-1)
    assert 0.8 * 0.03 * 2**0.5 < apart.std() < 1.2 * 0.03 * 2**0.5
    headings = []
    for subject in range(1, 41):
        joints = toy.sense(toy.Take("Bow", subject, 1), toy.Options(seed=1, frames=2))[0, :, :, 0]
        headings.append(np.arctan2(*(joints[8] - joints[4])[[2, 0]]))
    assert np.histogram(headings, bins=4, range=(-np.pi, np.pi))[0].min() > 0
