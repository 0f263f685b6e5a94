"""Skeleton sequences: centring and resampling against a naive version, motion and bones by hand."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.made import shard

from videossl import skeleton_graphs
from videossl.data import skeletons
from videossl.data.cache import Cache
from videossl.skeleton_graphs import GRAPHS


def naive(joints: np.ndarray, frames: int) -> np.ndarray:
    """Centring and resampling of one clip, number by number, in the order (C, T, V, M)."""
    length, bodies = len(joints), joints.shape[3]
    centred = np.zeros(joints.shape)
    for t in range(length):
        there = [bool(joints[t, :, :, m].any()) for m in range(bodies)]
        if any(there):
            origin = joints[t, 1, :, there.index(True)].astype(float)
            for m in range(bodies):
                if there[m]:
                    centred[t, :, :, m] = joints[t, :, :, m] - origin
    result = np.zeros((3, frames, 25, bodies))
    for i in range(frames):
        position = i * (length - 1) / (frames - 1) if frames > 1 else 0.0
        low = int(position)
        high, share = min(low + 1, length - 1), position - low
        for m in range(bodies):
            first, second = centred[low, :, :, m], centred[high, :, :, m]
            weight = share if first.any() and second.any() else float(share >= 0.5)
            result[:, i, :, m] = ((1 - weight) * first + weight * second).T
    return result


def skeleton(length: int, seed: int, gaps: float = 0.3) -> np.ndarray:
    """Joints with bodies missing in some frames."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(length, 25, 3, 2)).astype(np.float32)
    return joints * (rng.random((length, 1, 1, 2)) > gaps)


def load(folder: Path, joints: np.ndarray, modality: str, frames: int, graph: str = "", normalise: str = "centred") -> np.ndarray:
    cache = Cache([shard(folder / "j.h5", "joint", [("a", joints.astype(np.float32))])])
    chosen = GRAPHS[graph] if graph else skeleton_graphs.of(joints.shape[1])
    name = next(name for name, each in GRAPHS.items() if each is chosen)
    sequence = skeletons.sequence(cache, "a", {"graph": name, "clip": {"frames": frames, "normalise": normalise}}, frames)
    made = {"joint": sequence, "motion": skeletons.difference(sequence), "bone": skeletons.bones(sequence, chosen)}
    return skeletons.clip(made[modality])


@pytest.mark.parametrize(("length", "frames"), [(20, 50), (50, 20), (7, 7), (1, 5), (2, 3), (9, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_joints_against_a_naive_version(tmp_path: Path, length: int, frames: int, seed: int) -> None:
    joints = skeleton(length, seed)
    joints[0, :, :, 0] = 1.0
    joints[0, 0, :, 0] = 2.0
    found = load(tmp_path, joints, "joint", frames)
    assert found.shape == (3, frames, 25, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, naive(joints, frames), atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_motion_is_the_difference_to_the_next_frame_and_zero_at_the_end(tmp_path: Path, seed: int) -> None:
    joints = skeleton(12, seed, gaps=0.0)
    position = load(tmp_path, joints, "joint", 8)
    motion = load(tmp_path, joints, "motion", 8)
    np.testing.assert_allclose(motion[:, :-1], position[:, 1:] - position[:, :-1], atol=1e-6)
    assert not motion[:, -1].any()


# By hand, from 0: each joint's parent towards the middle of the shoulders (Kinect), towards the nose (COCO).
PARENTS = {
    "ntu-rgb+d": [1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 22, 7, 24, 11],
    "ntu-rgb+d-hands": [1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 7, 7, 11, 11],
    "coco": [0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14],
}


@pytest.mark.parametrize("graph", list(PARENTS))
def test_a_bone_is_a_joint_less_its_parent(tmp_path: Path, graph: str) -> None:
    """Joint by joint and frame by frame of the joints' own clip, with bodies that come and go."""
    joints = skeleton(12, 5)[:, : len(PARENTS[graph])]
    position, bone = (load(tmp_path, joints, modality, 9, graph) for modality in ("joint", "bone"))
    expected = np.zeros_like(position)
    for joint, parent in enumerate(PARENTS[graph]):
        for t in range(9):
            for m in range(2):
                if position[:, t, :, m].any():
                    expected[:, t, joint, m] = position[:, t, joint, m] - position[:, t, parent, m]
    assert bone.shape == position.shape and bone.dtype == np.float32 and bone.any()
    np.testing.assert_array_equal(bone, expected)
    assert not bone[:, :, 0 if graph == "coco" else 20].any()


def test_a_bone_by_hand(tmp_path: Path) -> None:
    """The left hip hangs on the left shoulder, that on the nose."""
    joints = np.zeros((2, 17, 3, 2), np.float32)
    joints[:, 0, :, 0], joints[:, 5, :, 0], joints[:, 11, :, 0] = [0, 0.4, 0], [-0.1, 0.3, 0], [-0.05, 0, 0]
    bone = load(tmp_path, joints, "bone", 2)
    np.testing.assert_allclose(bone[:, 0, 11, 0], [0.05, -0.3, 0], atol=1e-6)
    np.testing.assert_allclose(bone[:, 0, 5, 0], [-0.1, -0.1, 0], atol=1e-6)
    assert not bone[:, :, 0].any() and not bone[..., 1].any()


def test_the_middle_of_the_hips_is_the_origin_of_coco(tmp_path: Path) -> None:
    joints = skeleton(6, 0, gaps=0.0)[:, :17]
    clip = load(tmp_path, joints, "joint", 6)
    expected = joints - (joints[:, 11:12, :, :1] + joints[:, 12:13, :, :1]) / 2  # of the first body, for both
    np.testing.assert_allclose(clip, expected.transpose(2, 0, 1, 3), atol=1e-5)


@pytest.mark.parametrize("modality", ["joint", "motion", "bone"])
def test_an_absent_body_stays_zero(tmp_path: Path, modality: str) -> None:
    joints = skeleton(12, 0, gaps=0.0)
    joints[..., 1] = 0
    clip = load(tmp_path, joints, modality, 30)
    assert not clip[..., 1].any() and clip[..., 0].any()


def test_a_body_that_comes_and_goes_neither_fades_nor_jumps(tmp_path: Path) -> None:
    joints = np.zeros((10, 25, 3, 2), np.float32)
    joints[..., 0] = np.arange(25)[None, :, None]
    joints[:5, ..., 1] = 100 + np.arange(25)[None, :, None]
    position = load(tmp_path, joints, "joint", 37)[..., 1]
    poses = {tuple(pose) for pose in position[0]}
    assert poses == {tuple([0.0] * 25), tuple(99.0 + np.arange(25))}
    assert not load(tmp_path, joints, "motion", 37).any()  # both stand still


def test_the_middle_of_the_spine_is_the_origin(tmp_path: Path) -> None:
    joints = skeleton(6, 0, gaps=0.0)
    clip = load(tmp_path, joints, "joint", 6)
    assert not clip[:, :, 1, 0].any()
    moved = joints + np.float32([1, 2, 3])[:, None]
    np.testing.assert_allclose(load(tmp_path, moved, "joint", 6), clip, atol=1e-5)


def as_crossclr(joints: np.ndarray, frames: int, shoulders: tuple[int, int], centre: int) -> np.ndarray:
    """CrosSCLR's preparation, frame by frame, with OpenCV's own resizing: (C, T, V, M)."""
    count = sum(bool(joints[t, 0, :, 0].any()) for t in range(len(joints)))
    result = np.zeros((3, frames, joints.shape[1], 2))
    for m in range(2):
        body = joints[:count, :, :, m].astype(np.float64)
        body = np.stack([pose - pose[centre] for pose in body])
        body = cv2.resize(body.transpose(0, 1, 2), (joints.shape[1], frames), interpolation=cv2.INTER_LINEAR).reshape(frames, -1, 3)
        between = [pose[shoulders[1]] - pose[shoulders[0]] for pose in body]
        sense = -1 if sum(v[2] for v in between) >= 0 else 1
        for t, (x, _, z) in enumerate(between):
            theta = sense * math.acos(x / (math.sqrt(x * x + z * z) + 0.0001))
            turn = np.array([[math.cos(theta), 0, -math.sin(theta)], [0, 1, 0], [math.sin(theta), 0, math.cos(theta)]])
            result[:, t, :, m] = turn @ body[t].T
    return result


@pytest.mark.parametrize(("length", "frames"), [(20, 50), (120, 50), (7, 7), (1, 5)])
@pytest.mark.parametrize("graph", ["ntu-rgb+d", "coco"])
def test_crossclrs_preparation_is_that_of_its_code(tmp_path: Path, length: int, frames: int, graph: str) -> None:
    chosen = GRAPHS[graph]
    joints = skeleton(length, 3, gaps=0.0)[:, : chosen.joints]
    joints[length // 2 + 1 :, ..., 1] = 0  # the second body leaves
    found = load(tmp_path, joints, "joint", frames, graph, "crossclr")
    left, right = chosen.shoulders
    np.testing.assert_allclose(found, as_crossclr(joints, frames, (left - 1, right - 1), chosen.centre - 1), atol=1e-5)


def test_turned_by_hand_the_shoulders_lie_along_x(tmp_path: Path) -> None:
    """A body whose right shoulder is at 30 degrees from x towards z; the view no longer matters."""
    joints = np.zeros((4, 25, 3, 2), np.float32)
    joints[:, :, 1, 0] = 1.0 + np.arange(25)
    joints[:, 20, :, 0] = [5.0, 1.0, 3.0]
    for joint, side in ((4, -1), (8, 1)):
        joints[:, joint, :, 0] = [5.0 + side * 0.2 * math.cos(math.pi / 6), 1.0, 3.0 + side * 0.2 * math.sin(math.pi / 6)]
    clip = load(tmp_path, joints, "joint", 3, normalise="crossclr")
    np.testing.assert_allclose(clip[:, :, 8, 0].T, [[0.2, 0, 0]] * 3, atol=2e-4)
    np.testing.assert_allclose(clip[:, :, 4, 0].T, [[-0.2, 0, 0]] * 3, atol=2e-4)
    assert not clip[..., 1].any()


def test_without_a_first_body_crossclr_makes_nothing(tmp_path: Path) -> None:
    joints = skeleton(5, 0, gaps=0.0)
    joints[..., 0] = 0
    assert not load(tmp_path, joints, "joint", 6, normalise="crossclr").any()
