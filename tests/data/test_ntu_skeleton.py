"""The skeleton format: a file by hand, round trips, and what is wrong named by line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data import ntu_skeleton
from videossl.errors import InputError


def body(name: str, shift: float) -> list[str]:
    joints = [f"{shift + j} {2 * j} {-j} 1 2 3 4 0.1 0.2 0.3 0.4 2" for j in range(25)]
    return [f"{name} 0 1 1 1 1 0 0.1 0.2 2", "25", *joints]


def by_hand() -> list[str]:
    """Three frames: body A stands still in all; body B moves and is missing in the second."""
    return ["3", "2", *body("A", 0), *body("B", 5), "1", *body("A", 0), "2", *body("B", 9), *body("A", 0)]


def save(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_by_hand(tmp_path: Path, end: str) -> None:
    joints = ntu_skeleton.parse(save(tmp_path / "a.skeleton", by_hand(), end))
    assert joints.shape == (3, 25, 3, 2) and joints.dtype == np.float32
    moving, still = (
        joints[..., 0],
        joints[..., 1],
    )  # the one that moves comes first, whatever its place in the file
    assert moving[0, 3].tolist() == [8, 6, -3] and moving[2, 3].tolist() == [12, 6, -3]
    assert not moving[1].any()
    assert (still[:, 3] == [3, 6, -3]).all()


def by_frame(*frames: dict[str, float]) -> list[str]:
    """Frames of bodies, each a place to stand."""
    lines = [str(len(frames))]
    for there in frames:
        lines.append(str(len(there)))
        for name, shift in there.items():
            lines += body(name, shift)
    return lines


def test_of_three_bodies_the_two_that_move_most_are_kept(tmp_path: Path) -> None:
    lines = by_frame(*({"slow": frame, "still": 0, "fast": 10 * frame} for frame in range(2)))
    joints = ntu_skeleton.parse(save(tmp_path / "a.skeleton", lines))
    assert joints[1, 0, 0].tolist() == [10, 1]


def test_a_ghost_of_three_frames_does_not_win_over_a_person(tmp_path: Path) -> None:
    """It jumps by 100 m in 3 of 12 frames, the person shifts by 1 m."""
    lines = by_frame(*({"person": frame % 2, "ghost": 100 * frame} if frame < 3 else {"person": frame % 2} for frame in range(12)))
    joints = ntu_skeleton.parse(save(tmp_path / "a.skeleton", lines))
    assert joints[:, 0, 0, 0].tolist() == [0, 1] * 6 and not joints[..., 1].any()


@pytest.mark.parametrize("again", ["A", "B"], ids=["same id", "new id"])
def test_a_body_that_leaves_and_returns_is_one_body(tmp_path: Path, again: str) -> None:
    lines = by_frame({"A": 1, "C": 0}, {"C": 90}, {}, {"C": 0, again: 2})
    joints = ntu_skeleton.parse(save(tmp_path / "a.skeleton", lines))
    assert joints[:, 0, 0].tolist() == [[0, 1], [90, 0], [0, 0], [0, 2]]


@settings(max_examples=10, deadline=None)
@given(frames=st.integers(1, 6), bodies=st.integers(1, 2), seed=st.integers(0, 2**32 - 1))
def test_written_joints_are_read_back_exactly(tmp_path_factory, frames: int, bodies: int, seed: int) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    joints = np.zeros((frames, 25, 3, 2), np.float32)
    joints[..., :bodies] = rng.normal(size=(frames, 25, 3, bodies))
    joints[..., 0] *= 100  # moves most, so the order stays, unless one frame alone leaves no motion: then by appearance
    path = tmp_path_factory.mktemp("ntu") / "a.skeleton"
    ntu_skeleton.write(path, joints)
    np.testing.assert_array_equal(ntu_skeleton.parse(path), joints)


def test_an_absent_body_stays_absent(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).normal(size=(4, 25, 3, 2)).astype(np.float32)
    joints[..., 0] *= 10
    joints[1, ..., 0] = 0
    joints[2] = 0
    ntu_skeleton.write(tmp_path / "a.skeleton", joints)
    np.testing.assert_array_equal(ntu_skeleton.parse(tmp_path / "a.skeleton"), joints)


def test_written_lines_have_the_format_of_the_data_set(tmp_path: Path) -> None:
    ntu_skeleton.write(tmp_path / "a.skeleton", np.ones((2, 25, 3, 1), np.float32))
    lines = (tmp_path / "a.skeleton").read_text().splitlines()
    assert [len(line.split()) for line in lines[:4]] == [1, 1, 10, 1] and lines[3] == "25"
    assert all(len(line.split()) == 12 for line in lines[4:29])
    assert len(lines) == 1 + 2 * (1 + 2 + 25)


def change(line: int, text: str) -> list[str]:
    lines = by_hand()
    lines[line - 1] = text
    return lines


def without_place(lines: list[str]) -> list[str]:
    """A body as a sensor writes one that it has lost: all positions are 0."""
    return [*lines[:2], *(" ".join(["0", "0", "0", *line.split()[3:]]) for line in lines[2:])]


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["0"], 1, "no frames"),
        ([], 1, "a number of frames is due"),
        (change(1, "-3"), 1, "a number of frames is due, not '-3'"),
        (["2", "0", "0"], 3, "no body in any of the 2 frames"),
        (change(4, "24"), 4, "24 joints, not 25"),
        (change(4, "26"), 4, "26 joints, not 25"),
        (change(7, "nan 0 0 1 2 3 4 0 0 0 0 2"), 7, "not finite, or too large: nan 0 0"),
        (change(7, "0 0 -inf 1 2 3 4 0 0 0 0 2"), 7, "not finite, or too large: 0 0 -inf"),
        (change(7, "1e999 0 0 1 2 3 4 0 0 0 0 2"), 7, "not finite"),
        (change(7, "1e39 0 0 1 2 3 4 0 0 0 0 2"), 7, "not finite, or too large: 1e39 0 0"),  # which float32 has no number for
        (["1", "1", *without_place(body("A", 0))], 29, "no body in any of the 1 frames, but joints that are all 0"),
        (change(7, "x 0 0 1 2 3 4 0 0 0 0 2"), 7, "not a number: x 0 0"),
        (change(7, "1 2 3"), 7, "a joint is due (12 values), not 3 values"),
        (by_hand()[:40], 40, "the file ends where a joint is due"),
        (by_hand()[:56], 56, "the file ends where a number of bodies is due"),
        (by_hand()[:3], 3, "the file ends where a number of joints is due"),
        ([*by_hand(), "1"], len(by_hand()) + 1, "more after the last frame"),
        (["1", "2", *body("A", 0), *body("A", 1)], 56, "body A is twice in frame 0"),
        ([""], 1, "a number of frames is due"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path: Path, lines: list[str], line: int, message: str) -> None:
    path = save(tmp_path / "bad.skeleton", lines)
    with pytest.raises(InputError) as caught:
        ntu_skeleton.parse(path)
    assert str(caught.value).startswith(f"{path}:{line}: ") and message in str(caught.value)


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "bad.skeleton").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="not text"):
        ntu_skeleton.parse(tmp_path / "bad.skeleton")


def test_writing_refuses_what_it_could_not_read_back(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="finite"):
        ntu_skeleton.write(tmp_path / "a.skeleton", np.full((1, 25, 3, 1), np.nan, np.float32))
    assert not list(tmp_path.iterdir())


def test_joint_names() -> None:
    assert len(set(ntu_skeleton.JOINTS)) == 25
    assert [ntu_skeleton.JOINTS[i] for i in (0, 1, 3, 20, 22, 24)] == [
        "SpineBase", "SpineMid", "Head", "SpineShoulder", "ThumbLeft", "ThumbRight",
    ]  # fmt: skip
