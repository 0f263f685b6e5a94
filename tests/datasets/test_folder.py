"""A user's own folder."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data.listing import Video
from videossl.datasets import folder
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


def test_two_videos_of_one_name_both_count(tmp_path: Path) -> None:
    touch(tmp_path, "Wave/a.avi", "Wave/a.mp4", "Wave/b.mov", "Wave/a.skeleton")
    found = {video.id: (video.path, video.skeleton) for video in folder.videos(tmp_path, 1, {})}
    assert found == {
        "Wave/a.avi": ("Wave/a.avi", "Wave/a.skeleton"),
        "Wave/a.mp4": ("Wave/a.mp4", "Wave/a.skeleton"),
        "Wave/b": ("Wave/b.mov", ""),
    }


def test_videos_of_many_containers(tmp_path: Path) -> None:
    names = [
        f"Wave/v{number}{suffix}" for number, suffix in enumerate((".mpeg", ".3gp", ".WMV", ".flv", ".ts", ".ogv", ".gif", ".m2ts", ".avi"))
    ]
    touch(tmp_path, *names)
    assert sorted(video.path for video in folder.videos(tmp_path, 1, {})) == sorted(names)


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


# Clips of one recording.


def test_clips_of_one_recording_stay_together(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(f"{label}/rec{recording:02d} part{part}.avi" for label in ("Wave", "Clap") for recording in range(10) for part in range(3)),
    )
    videos = folder.videos(tmp_path, 1, {"group": r"(rec\d+) part"})
    sides = {(video.group, video.split) for video in videos}
    assert len(videos) == 60 and len(sides) == 10 and {side for _, side in sides} == {"train", "test"}
    assert {video.group for video in videos} == {f"rec{recording:02d}" for recording in range(10)}


def test_the_whole_match_names_the_recording_where_the_expression_has_no_group(tmp_path: Path) -> None:
    touch(tmp_path, "Wave/a1.avi", "Clap/a2.avi")
    assert [video.group for video in folder.videos(tmp_path, 1, {"group": r"\w+/a"})] == ["Clap/a", "Wave/a"]
    assert [video.group for video in folder.videos(tmp_path, 1, {})] == ["", ""]


def test_lists_go_before_the_draw_and_groups_are_known_all_the_same(tmp_path: Path) -> None:
    touch(tmp_path, "Wave/a1.avi", "Wave/a2.avi")
    (tmp_path / "trainlist01.txt").write_text("Wave/a1.avi\n")
    (tmp_path / "testlist01.txt").write_text("Wave/a2.avi\n")
    assert [(video.split, video.group) for video in folder.videos(tmp_path, 1, {"group": "/([a-z])"})] == [("train", "a"), ("test", "a")]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (r"(rec\d+", r"option group is '\(rec.* is not a regular expression: missing \)"),
        (r"(rec\d+)", r"finds nothing in the id 'Wave/b'"),
        (r"b|(rec\d+)", r"finds nothing in the id 'Wave/b'"),
    ],
)
def test_an_expression_that_does_not_name_every_recording(tmp_path: Path, group: str, message: str) -> None:
    touch(tmp_path, "Wave/rec1.avi", "Wave/b.avi")
    with pytest.raises(InputError, match=message) as caught:
        folder.videos(tmp_path, 1, {"group": group})
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(
    clips=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), min_size=1, max_size=25),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 1000),
)
def test_groups_are_never_torn_and_every_class_is_learned(clips: list[tuple[str, int]], share: float, seed: int) -> None:
    """Recordings that show several classes tie the classes' sides together."""
    videos = [Video(f"{label}/{number}", "", label, group=f"r{recording}") for number, (label, recording) in enumerate(clips)]
    drawn = folder.draw_split(videos, share, seed, 1)
    sides = {(video.group, video.split) for video in drawn}
    assert len(sides) == len({video.group for video in videos})
    train = {video.label for video in drawn if video.split == "train"}
    assert train == {video.label for video in videos}
    for label in train if share > 0 else ():
        mine = {video.group for video in videos if video.label == label}
        if ("test" not in {video.split for video in drawn if video.label == label}) and len(mine) > 1:
            # None of its recordings could go to the other side: each is all that some class is learned from.
            for group in mine:
                left = {video.label for video in drawn if video.split == "train" and video.group != group}
                assert left != train
