"""A user's own folder."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data.datasets import folder
from videossl.data.datasets.base import Video
from videossl.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_class_is_the_folder_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "x/Wave [1]/a.avi", "Clap/b.mp4", "Clap/b.skeleton")
    first, second = folder.videos(tmp_path, 1, {})
    assert (first.id, first.label, first.skeleton) == ("Clap/b", "Clap", "Clap/b.skeleton")
    assert (second.id, second.label, second.skeleton) == ("x/Wave [1]/a", "Wave [1]", "")


def test_videos_in_the_root_have_no_class(tmp_path: Path) -> None:
    touch(tmp_path, "a.avi", "b.avi")
    assert [video.label for video in folder.videos(tmp_path, 1, {})] == ["", ""]


def test_both_ways_at_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.avi", "Wave/b.avi")
    with pytest.raises(InputError, match=r"a\.avi lies directly in it"):
        folder.check(tmp_path)


def test_two_videos_of_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "Wave/a.avi", "Wave/a.mp4")
    with pytest.raises(InputError, match=r"Wave/a\.avi and Wave/a\.mp4"):
        folder.videos(tmp_path, 1, {})


@pytest.mark.parametrize("name", ["missing", "."])
def test_no_folder_or_nothing_in_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="put videos there as <class>/<video>"):
        folder.check(tmp_path / name)


def test_lists_in_the_root_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "Wave/a.avi", "Wave/b.avi", "Wave/unused.avi")
    (tmp_path / "trainlist01.txt").write_bytes(b"\xef\xbb\xbfWave/a.avi 1\r\n")
    (tmp_path / "testlist01.txt").write_bytes(b"Wave/b.avi\r\nWave/gone.avi\r\n")
    found = {video.id: (video.split, video.named_by) for video in folder.videos(tmp_path, 1, {})}
    assert found == {
        "Wave/a": ("train", "trainlist01.txt:1"),
        "Wave/b": ("test", "testlist01.txt:1"),
        "Wave/gone": ("test", "testlist01.txt:2"),
    }
    with pytest.raises(InputError, match=r"trainlist02\.txt is missing"):
        folder.videos(tmp_path, 2, {})


def many(*counts: int) -> list[Video]:
    return [Video(f"{label}/{number}", "", str(label)) for label, count in enumerate(counts) for number in range(count)]


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 100),
)
def test_every_class_of_two_is_on_both_sides(counts: list[int], share: float, seed: int) -> None:
    sides = Counter((video.label, video.split) for video in folder.draw_split(many(*counts), share, seed, 1))
    for label, count in enumerate(counts):
        assert sides[str(label), "train"] >= 1
        assert sides[str(label), "test"] >= (count > 1)


def test_the_share_is_about_what_is_asked_for() -> None:
    drawn = folder.draw_split(many(1000), 0.3, 0, 1)
    assert 250 < sum(video.split == "test" for video in drawn) < 350


def test_a_share_of_zero_keeps_all_for_training() -> None:
    assert {video.split for video in folder.draw_split(many(5, 5), 0.0, 0, 1)} == {"train"}


def test_a_new_video_moves_no_other_and_a_seed_does() -> None:
    videos = many(200)
    fewer = folder.draw_split(videos[:150], 0.3, 0, 1)
    assert folder.draw_split(videos, 0.3, 0, 1)[:150] == fewer
    assert folder.draw_split(videos[:150], 0.3, 1, 1) != fewer
    assert folder.draw_split(videos[:150], 0.3, 0, 2) != fewer
    assert folder.draw_split([replace(video, path="moved") for video in videos[:150]], 0.3, 0, 1)[0].split == fewer[0].split


@pytest.mark.parametrize("share", [1, -0.1, "0.3", True, None])
def test_a_share_outside_its_range(tmp_path: Path, share: object) -> None:
    touch(tmp_path, "Wave/a.avi")
    with pytest.raises(InputError, match="test_share"):
        folder.videos(tmp_path, 1, {"test_share": share})
