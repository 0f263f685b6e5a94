"""Toy paths: patches of held-out toy videos on eight paths."""

from pathlib import Path

import numpy as np
import pytest

from videossl.datasets import toy_paths
from videossl.datasets.toy_paths import PATHS, Options
from videossl.errors import InputError

SMALL = Options(train=2, test=1, frames=8, size=32, backgrounds=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("paths")
    toy_paths.download(root, vars(SMALL), 1)
    return root


def test_it_holds_what_it_says(made: Path) -> None:
    toy_paths.check(made)
    found, expected = toy_paths.videos(made, 1, vars(SMALL)), toy_paths.expected(1, vars(SMALL))
    assert expected and (len(found), expected.classes) == (24, 8) and (expected.train, expected.test) == (16, 8)
    assert {one.label for one in found} == set(PATHS)
    assert [one.split for one in found].count("test") == 8
    groups = {side: {one.group for one in found if one.split == side} for side in ("train", "test")}
    assert not groups["train"] & groups["test"] and len(groups["train"]) == 2


def test_videos_of_a_number_differ_by_the_place_of_the_patch_alone() -> None:
    """Where no path has its patch all are one; in the middle of a straight line all four have it at one place, at its ends two by two."""
    films = {path: film.astype(int) for path, film in toy_paths.films("test", 0, Options(frames=9, size=64)).items()}
    straight = ("right", "left", "down", "up", "falling", "rising")
    for path in straight[1:]:
        assert np.array_equal(films[path][4], films["right"][4]), "all pass through the middle at one time"
        assert not np.array_equal(films[path][0], films["right"][0])
    for one, other in (("right", "left"), ("down", "up"), ("falling", "rising")):
        moved = np.abs(films[one] - films[other]).sum((1, 2, 3)) > 0
        assert moved.tolist() == [True] * 4 + [False] + [True] * 4
        held = np.stack(
            [np.median([films[path][t] for path in PATHS], axis=0) for t in range(9)]
        )  # the background, where few have the patch
        there, back = ((np.abs(films[path] - held).sum(-1) > 60) for path in (one, other))
        overlap = [(there[t] & back[8 - t]).sum() / max(1, (there[t] | back[8 - t]).sum()) for t in (0, 8)]
        assert min(overlap) > 0.5, "the same places, gone along the other way"


def test_each_path_goes_its_way() -> None:
    """The patch, as what differs from where it has gone along another path: where it begins, and which way the circles turn."""
    films = {path: film.astype(int) for path, film in toy_paths.films("train", 0, Options(frames=9, size=64)).items()}
    quiet = [np.median([films[path][t] for path in PATHS], axis=0) for t in range(9)]

    def middle(path: str, t: int) -> tuple[float, float]:
        rows, columns = np.nonzero(np.abs(films[path][t] - quiet[t]).sum(-1) > 60)
        return float(columns.mean()), float(rows.mean())

    ways = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1), "falling": (1, 1), "rising": (-1, -1)}
    for path, (across, down) in ways.items():
        (x0, y0), (x1, y1) = middle(path, 0), middle(path, 8)
        for moved, way in ((x1 - x0, across), (y1 - y0, down)):
            assert moved * way > 20 if way else abs(moved) < 14, path
    for path, sense in (("clockwise", 1), ("anticlockwise", -1)):
        quarter = middle(path, 2)
        assert (quarter[1] - 32) * sense > 8, "from the right, down first as a clock's hand does"


def test_the_same_bytes_by_several_processes_and_nothing_of_earlier_options(made: Path, tmp_path: Path) -> None:
    toy_paths.download(tmp_path, vars(SMALL) | {"train": 3}, 1)
    toy_paths.download(tmp_path, vars(SMALL), 2)
    one, several = (sorted(path.relative_to(root) for path in root.rglob("*.avi")) for root in (made, tmp_path))
    assert one == several and all((made / name).read_bytes() == (tmp_path / name).read_bytes() for name in one)


def test_other_seeds_are_other_videos() -> None:
    one, other = (toy_paths.films("train", 0, Options(seed=seed, frames=4, size=32))["up"] for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda root: Options.of({"train": 0}), "toy-paths dataset: train is 0; give a whole number from 1"),
        (lambda root: Options.of({"size": 8}), "toy-paths dataset: size is 8; give a whole number from 16"),
        (lambda root: toy_paths.videos(root, 2, {}), "dataset toy-paths has no split 2: give 1"),
        (lambda root: toy_paths.check(root / "none"), "none/videos/right is missing; the download step makes it"),
    ],
)
def test_mistakes_are_one_line(act: object, line: str, made: Path) -> None:
    with pytest.raises(InputError) as error:
        act(made)  # type: ignore[operator]
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_its_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos" / "up").mkdir(parents=True)
    (tmp_path / "videos" / "up" / "mine.avi").write_bytes(b"x")
    with pytest.raises(InputError, match=r"videos/up/mine\.avi is none of this set; take it away, or make the set again"):
        toy_paths.videos(tmp_path, 1, {})
