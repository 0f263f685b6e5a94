"""Which bodies are kept: by motion and length, ghosts dropped, a body under a second number in the place of the first."""

from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data import bodies

Tracks = dict[str, dict[int, np.ndarray]]


def body(frames: Iterable[int], at: float = 0.0, sway: float = 0.0, joints: int = 5) -> dict[int, np.ndarray]:
    """A body 1.6 high that stands at x = `at`, and sways by `sway` to and fro from frame to frame. Its size, root mean square, is 0.57."""
    heights = np.linspace(0, 1.6, joints)
    return {
        frame: np.stack([np.full(joints, at + sway * (-1) ** frame), heights, np.ones(joints)], axis=1, dtype=np.float32)
        for frame in frames
    }


def where(arranged: np.ndarray, place: int) -> list[float | None]:
    """The x of the body in a place, frame by frame; None where it is not."""
    return [round(float(joints[0, 0]), 3) if joints.any() else None for joints in arranged[..., place]]


def test_one_body_with_a_hole() -> None:
    arranged = bodies.arrange(4, {"a": body([0, 3], at=2)})
    assert arranged.shape == (4, 5, 3, 2) and arranged.dtype == np.float32
    assert where(arranged, 0) == [2, None, None, 2] and where(arranged, 1) == [None] * 4


def test_a_body_that_is_lost_for_some_frames_does_not_move_there() -> None:
    """A sensor writes zeros for it: a still chair beside a person would move by metres, and come first."""
    person, chair = body(range(24), at=1, sway=0.1), body(range(24), at=4)
    lost = chair | {frame: np.zeros_like(chair[0]) for frame in (7, 15)}
    arranged = bodies.arrange(24, {"chair": lost, "person": person})
    assert where(arranged, 0)[0] == 1.1 and where(arranged, 1) == [None if frame in (7, 15) else 4 for frame in range(24)]
    never = {frame: np.zeros_like(chair[0]) for frame in range(24)}
    np.testing.assert_array_equal(bodies.arrange(24, {"never": never, "person": person}), bodies.arrange(24, {"person": person}))


@pytest.mark.parametrize("joints", [1, 17, 25])
def test_any_number_of_joints(joints: int) -> None:
    assert bodies.arrange(3, {0: body(range(3), joints=joints)}).shape == (3, joints, 3, 2)


def test_motion_counts_length() -> None:
    """By hand: to and fro by s is a variance of s squared, here in x of 5 joints, in each of the frames."""
    assert bodies.motion(body(range(20), sway=0.2)) == pytest.approx(20 * 5 * 0.2**2)
    short, long, still = body(range(12), at=5, sway=0.2), body(range(40), at=9, sway=0.15), body(range(40), at=-5)
    arranged = bodies.arrange(40, {"still": still, "short": short, "long": long})
    assert where(arranged, 0)[0] == 9.15 and where(arranged, 1)[0] == 5.2, "short has the larger variance, long moves more in all"


def test_two_who_do_not_move_come_as_they_appear() -> None:
    arranged = bodies.arrange(4, {"late": body(range(1, 4), at=3), "early": body(range(4), at=7)})
    assert where(arranged, 0) == [7] * 4 and where(arranged, 1) == [None, 3, 3, 3]


@pytest.mark.parametrize(("frames", "kept"), [(3, False), (11, False), (12, True)])
def test_a_ghost_that_jumps_does_not_win_over_a_person(frames: int, kept: bool) -> None:
    person, still, ghost = body(range(40), sway=0.01), body(range(40), at=3), body(range(frames), at=8, sway=2)
    assert bodies.motion(ghost) > 100 * bodies.motion(person)
    arranged = bodies.arrange(40, {"ghost": ghost, "person": person, "still": still})
    assert (where(arranged, 0)[0] == 10) == kept
    assert where(bodies.arrange(40, {"ghost": ghost, "person": person}), 1).count(None) == (0 if kept else 40)


def test_in_a_short_video_a_body_may_be_short_and_alone_it_is_never_a_ghost() -> None:
    assert where(bodies.arrange(9, {"a": body(range(9)), "b": body(range(3), at=4)}), 1)[:4] == [4, 4, 4, None]
    assert where(bodies.arrange(200, {"a": body([7], at=4)}), 0)[6:9] == [None, 4, None]


def test_a_body_that_leaves_and_returns_under_another_number_keeps_its_place() -> None:
    tracks = {"1": body(range(5), at=1), "2": body(range(12), at=3, sway=0.3), "3": body(range(8, 12), at=1.5)}
    arranged = bodies.arrange(12, tracks)
    assert where(arranged, 1) == [1] * 5 + [None] * 3 + [1.5] * 4
    assert where(arranged, 0)[0] == 3.3


def test_three_pieces_of_one_person_are_one_body_and_no_ghosts() -> None:
    pieces = {str(n): body(range(10 * n, 10 * n + 9), at=0.1 * n) for n in range(4)}
    arranged = bodies.arrange(40, pieces | {"other": body(range(40), at=4, sway=0.5)})
    assert where(arranged, 1).count(None) == 4 and where(arranged, 0).count(None) == 0


@pytest.mark.parametrize(
    ("away", "distance", "joined"),
    [(1, 1.1, True), (1, 1.2, False), (11, 1.2, True), (11, 1.65, True), (11, 1.75, False)],
)
def test_nobody_returns_farther_away_than_a_walk(away: int, distance: float, joined: bool) -> None:
    """The body's size is sqrt(mean of (0.8, 0.4, 0, 0.4, 0.8) squared) = 0.566: twice that at once, and a tenth of it more a frame."""
    tracks = {"1": body(range(20)), "2": body(range(19 + away, 60), at=distance)}
    assert where(bodies.arrange(60, tracks), 1) == [None] * 60 if joined else where(bodies.arrange(60, tracks), 1) != [None] * 60


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_unit_does_not_matter(scale: float) -> None:
    tracks: Tracks = {
        "1": body(range(20)),
        "2": body(range(21, 60), at=1.0),
        "3": body(range(60), at=9, sway=0.1),
        "4": body(range(3), at=4, sway=3),
    }
    scaled = {name: {frame: joints * np.float32(scale) for frame, joints in track.items()} for name, track in tracks.items()}
    np.testing.assert_array_equal(bodies.arrange(60, scaled), bodies.arrange(60, tracks) * np.float32(scale))


def test_of_two_who_could_return_the_nearer_does() -> None:
    tracks = {"1": body(range(20)), "2": body(range(20), at=0.9), "3": body(range(21, 40), at=0.7), "4": body(range(21, 40), at=-0.1)}
    arranged = bodies.arrange(40, tracks)
    places = {tuple(where(arranged, place)[i] for i in (0, 30)) for place in (0, 1)}
    assert places == {(0, -0.1), (0.9, 0.7)}


def test_a_body_whose_joints_are_one_point_is_joined_only_where_it_was() -> None:
    point = {frame: np.ones((5, 3), np.float32) for frame in range(3)}
    there, elsewhere = ({frame + 4: joints * at for frame, joints in point.items()} for at in (1, 2))
    assert where(bodies.arrange(7, {"1": point, "2": there}), 1) == [None] * 7
    assert where(bodies.arrange(7, {"1": point, "2": elsewhere}), 1) != [None] * 7


def overlapping(one: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray]) -> bool:
    return min(one) <= max(other) and min(other) <= max(one)


@settings(max_examples=40, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40), st.floats(-3, 3), st.floats(0, 1)), min_size=1, max_size=6),
)
def test_what_is_kept_is_what_was_there_and_stays_when_done_again(spans: list[tuple[int, int, float, float]]) -> None:
    """Every frame of a place is one that a track holds; bodies that overlap never share a place; a second time changes nothing."""
    tracks = {str(n): body(range(start, start + length), at, sway) for n, (start, length, at, sway) in enumerate(spans)}
    for n, joints in ((n, joints) for n, track in tracks.items() for joints in track.values()):
        joints[:, 2] += int(n) / 1000  # so that it says whose it is
    arranged = bodies.arrange(90, tracks)
    held: list[set[str]] = []
    for place in range(2):
        names = set()
        for frame in np.flatnonzero(arranged[..., place].any(axis=(1, 2))).tolist():
            (name,) = [name for name, track in tracks.items() if frame in track and (track[frame] == arranged[frame, ..., place]).all()]
            names.add(name)
        held.append(names)
    again = bodies.arrange(
        90, {place: {frame: arranged[frame, ..., place] for frame in range(90) if arranged[frame, ..., place].any()} for place in range(2)}
    )
    np.testing.assert_array_equal(again, arranged)
    for names in held:
        group = [tracks[name] for name in sorted(names)]
        assert not any(overlapping(one, other) for i, one in enumerate(group) for other in group[:i])
    longest = max(map(len, tracks.values()))
    assert (arranged[..., 0].any(axis=(1, 2)).sum()) >= min(longest / bodies.SHARE, bodies.GHOST + 1), "no ghost is first"
