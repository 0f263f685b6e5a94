"""The figure and its motions: geometry by hand, periods, distinctness."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.data.ntu_skeleton import JOINTS
from videossl.data.toy import figure, motions
from videossl.data.toy.figure import INDEX, Floats

BODY = figure.draw_body(np.random.default_rng(0))
PHASE = np.linspace(0, 2 * np.pi, 12, endpoint=False)


def act(action: str, phase: Floats = PHASE, amplitude: float = 1.0, left: bool = False) -> Floats:
    return figure.forward_kinematics(BODY, *motions.angles(action, phase, amplitude, left))


def test_the_tree_reaches_every_joint_once_parents_first() -> None:
    children = [joint for _, joint in figure.BONES]
    assert sorted(children) == [joint for joint in range(25) if joint != INDEX["SpineBase"]]
    for number, (parent, _) in enumerate(figure.BONES):
        assert parent == INDEX["SpineBase"] or parent in children[:number]
    names = {JOINTS[child]: JOINTS[parent] for parent, child in figure.BONES}
    assert names["Neck"] == names["ShoulderLeft"] == "SpineShoulder"
    assert (names["ThumbRight"], names["HandTipRight"], names["FootLeft"]) == (
        "WristRight",
        "HandRight",
        "AnkleLeft",
    )


def test_rotations_by_hand() -> None:
    """Of a hanging limb (0, -1, 0): flex 90 points it forward (-z), spread 90 to the right (+x)."""
    down = np.array([0.0, -1.0, 0.0])
    turned = figure.rotations(np.array([[90.0, 0, 0], [0, 0, 90], [90, 90, 0], [0, 50, 0]])) @ down
    np.testing.assert_allclose(turned, [[0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, -1, 0]], atol=1e-12)


@given(st.lists(st.floats(-360, 360), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_rotations_are_rotations(angles: list[float]) -> None:
    matrix = figure.rotations(np.array(angles))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_forward_kinematics_agrees_with_a_walk_up_the_tree() -> None:
    """A second implementation: a joint is the sum over its ancestors of their product of rotations times offset."""
    angles = np.random.default_rng(1).uniform(-60, 60, (3, 25, 3))
    parents = {child: parent for parent, child in figure.BONES}
    expected = np.zeros((3, 25, 3))
    for frame, joint in itertools.product(range(3), range(25)):
        point, at = np.zeros(3), joint
        while at in parents:
            point = figure.rotations(angles[frame, parents[at]]) @ (point + BODY[at])
            at = parents[at]
        expected[frame, joint] = point
    lift = np.array([0.0, 0.1, 0.2])
    expected[..., 1] += (lift - expected[..., 1].min(axis=1))[:, None]
    np.testing.assert_allclose(figure.forward_kinematics(BODY, angles, lift), expected, atol=1e-12)


@pytest.mark.parametrize("action", motions.ACTIONS)
def test_bones_keep_their_length(action: str) -> None:
    joints = act(action)
    parents, children = np.transpose(figure.BONES)
    lengths = np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(np.linalg.norm(BODY[children], axis=-1), lengths.shape))


@pytest.mark.parametrize("action", motions.ACTIONS)
def test_motions_are_periodic_move_and_stand_on_the_floor(action: str) -> None:
    joints = act(action)
    np.testing.assert_allclose(act(action, PHASE + 2 * np.pi), joints, atol=1e-9)
    assert np.ptp(joints, axis=0).max() > 0.25, "some joint moves by a quarter of a metre"
    assert joints[..., 1].min() == pytest.approx(0, abs=1e-9)
    assert 1.2 < joints[:, INDEX["Head"], 1].max() < 2.2


@pytest.mark.parametrize("action", motions.ACTIONS)
def test_leading_left_is_the_mirror_image(action: str) -> None:
    """On a body as wide on both sides, the left-handed motion is the right-handed one with x negated."""
    mirrored = act(action)[:, figure.MIRROR] * np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(act(action, left=True), mirrored, atol=1e-9)


def test_the_twelve_actions_are_distinct() -> None:
    """At the best of all phases and sides, two actions stay further apart than amplitudes of one action do."""
    assert len(motions.ACTIONS) == 12
    distances = {
        (one, other): min(
            np.linalg.norm(np.roll(act(other, left=left), shift, axis=0) - act(one), axis=-1).mean()
            for shift in range(len(PHASE))
            for left in (False, True)
        )
        for one, other in itertools.combinations(motions.ACTIONS, 2)
    }
    same = [np.linalg.norm(act(action, amplitude=0.85) - act(action, amplitude=1.1), axis=-1).mean() for action in motions.ACTIONS]
    assert min(distances.values()) > 1.2 * float(np.mean(same)), min(distances, key=lambda pair: distances[pair])
