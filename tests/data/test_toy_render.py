"""The camera, the drawing and the file: where a joint is said to be, the picture is bright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from videossl.data import video
from videossl.data.toy import figure, motions, render
from videossl.data.toy.figure import INDEX

SIZE = 64
BODY = figure.draw_body(np.random.default_rng(0))
CLOTHES = render.Clothes((220, 220, 220), (220, 220, 220), (220, 220, 220), (220, 220, 220), 1.0)
STRAIGHT = render.Camera(yaw=0.0, elevation=0.0, metre=0.4, place=(0.0, 0.0))
DARK = np.zeros((2 * (SIZE + 2 * render.margin(SIZE)),) * 2 + (3,), np.uint8)


def standing(frames: int = 1) -> figure.Floats:
    return figure.forward_kinematics(BODY, np.zeros((frames, 25, 3)), np.zeros(frames))


def test_camera_space_is_kinects() -> None:
    """Straight in front at 3 m: x as the figure's own (its right is the sensor's left), y up from 1 m, z away."""
    joints = standing()
    seen = render.seen(joints, yaw=0, elevation=0, distance=3.0)
    np.testing.assert_allclose(seen - joints, np.broadcast_to([0.0, -1.0, 3.0], joints.shape), atol=1e-12)


def test_camera_turns_and_tilts_by_hand() -> None:
    """The figure turned by 90 degrees to its left shows its right hip in front; from above, its head comes near."""
    point = np.array([[[0.2, 1.0, 0.0], [0.0, 2.0, 0.0]]])
    turned = render.seen(point, yaw=90, elevation=0, distance=3.0)
    np.testing.assert_allclose(turned[0, 0], [0.0, 0.0, 2.8], atol=1e-12)
    tilted = render.seen(point, yaw=0, elevation=90, distance=3.0)
    np.testing.assert_allclose(tilted[0, 1], [0.0, 0.0, 2.0], atol=1e-12)


def test_projection_by_hand() -> None:
    """A metre takes 0.4 of the picture at the figure's middle; its right side is on the picture's left."""
    points = np.array([[[0.0, 1.0, 0.0], [0.5, 1.0, 0.0], [0.0, 2.0, 0.0], [0.5, 1.0, -2.0]]])
    screen = render.project(points, STRAIGHT, 100)[0]
    np.testing.assert_allclose(screen[:, 0], [49.5, 29.5, 49.5, 9.5])  # the last is twice as near
    np.testing.assert_allclose(screen[:, 1], [49.5, 49.5, 9.5, 49.5])
    np.testing.assert_allclose(screen[:, 2], [40, 40, 40, 80])


@pytest.mark.parametrize("action", ["Wave", "Squat", "Kick", "JumpingJack"])
def test_joints_lie_on_bright_pixels_and_nothing_else_is_bright(action: str) -> None:
    phase = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    joints = figure.forward_kinematics(BODY, *motions.angles(action, phase, 1.0, False))
    camera = render.Camera(yaw=20.0, elevation=8.0, metre=0.36, place=(0.03, 0.02))
    shake = np.linspace(-1.5, 1.5, 12).reshape(6, 2)
    frames = render.draw(joints, camera, shake, CLOTHES, DARK, SIZE)
    assert frames.shape == (6, SIZE, SIZE, 3) and frames.dtype == np.uint8
    screen = render.project(joints, camera, SIZE)[..., :2] + shake[:, None]
    inside = ((screen > 0.5) & (screen < SIZE - 1.5)).all(axis=-1)
    assert inside.mean() > 0.9
    columns, rows = np.rint(np.clip(screen, 0, SIZE - 1)).astype(int).transpose(2, 0, 1)
    bright = frames.max(axis=-1)[np.arange(6)[:, None], rows, columns]
    assert (bright[inside] > 100).mean() > 0.97
    far = np.linalg.norm(np.argwhere(frames[0].max(axis=-1) > 20)[:, None, ::-1] - screen[0], axis=-1).min(axis=1)
    assert far.max() < 0.3 * 0.36 * SIZE, "no paint further than 30 cm from every joint"


def test_a_whole_pixel_of_shake_moves_the_whole_picture() -> None:
    """The backdrop and the figure move alike: a shake of (2, -1) is the still picture, moved."""
    room = render.backdrop(np.random.default_rng(3), SIZE)
    shake = np.array([[0.0, 0.0], [2.0, -1.0]])
    still, moved = render.draw(standing(2), STRAIGHT, shake, CLOTHES, room, SIZE).astype(int)
    np.testing.assert_array_equal(moved[:-1, 2:], still[1:, :-2])


def test_the_backdrop_is_dark_and_textured() -> None:
    room = render.backdrop(np.random.default_rng(3), SIZE)
    assert room.mean() < 60 and room.max() < 110
    assert 4 < room[..., 0].std() < 25


def test_what_is_nearer_hides_what_is_farther() -> None:
    """An arm held in front of the trunk is drawn over it, one held behind is not."""
    clothes = render.Clothes((0, 0, 250), (0, 250, 0), (250, 0, 0), (0, 0, 0), 1.0)
    for flex, red in ((75, True), (-75, False)):
        angles = np.zeros((1, 25, 3))
        angles[0, INDEX["ShoulderRight"]] = flex, 50 if flex > 0 else -50, 0
        joints = figure.forward_kinematics(BODY, angles, np.zeros(1))
        picture = render.draw(joints, STRAIGHT, np.zeros((1, 2)), clothes, DARK, SIZE)[0]
        column, row = np.rint(render.project(joints, STRAIGHT, SIZE)[0, INDEX["HandRight"], :2]).astype(int)
        assert (picture[row, column, 0] > 100) == red


def test_video_is_lossless_and_the_same_bytes_twice(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3)).astype(np.uint8)
    for name in ("one.avi", "two.avi"):
        render.write_video(tmp_path / name, frames)
    assert (tmp_path / "one.avi").read_bytes() == (tmp_path / "two.avi").read_bytes()
    np.testing.assert_array_equal(video.frames(tmp_path / "one.avi"), frames)
