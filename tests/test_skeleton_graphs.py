"""Graphs of skeletons, bone by bone, against lists of their own; how they are partitioned; who the parents are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from videossl import skeleton_graphs
from videossl.data import msr_skeleton
from videossl.encoders.st_gcn import STGCN, adjacency
from videossl.errors import InputError
from videossl.skeleton_graphs import GRAPHS, Graph

# NTU RGB+D as printed in the original ST-GCN, and the other public variant, joints counted from 1.
KINECT = "1-2 2-21 3-21 4-3 5-21 6-5 7-6 8-7 9-21 10-9 11-10 12-11 13-1 14-13 15-14 16-15 17-1 18-17 19-18 20-19"
PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
NAMES = ["nose", *(f"{side}_{part}" for part in PAIRS for side in ("left", "right"))]
COCO = """nose-left_eye nose-right_eye left_eye-left_ear right_eye-right_ear nose-left_shoulder nose-right_shoulder
left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist left_shoulder-left_hip
right_shoulder-right_hip left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle"""
MSR = "20-3 3-4 4-7 3-1 1-8 8-10 10-12 3-2 2-9 9-11 11-13 7-5 5-14 14-16 16-18 7-6 6-15 15-17 17-19"
EDGES = {
    "ntu-rgb+d": f"{KINECT} 22-23 23-8 24-25 25-12",
    "ntu-rgb+d-hands": f"{KINECT} 22-8 23-8 24-12 25-12",
    "msr-action3d": MSR,
    "coco": COCO,
}
CENTRES = {"ntu-rgb+d": "21", "ntu-rgb+d-hands": "21", "msr-action3d": "3", "coco": "nose"}
each = pytest.mark.parametrize("name", list(EDGES))


def number(joint: str) -> int:
    """Of a joint, from 0."""
    return NAMES.index(joint) if joint in NAMES else int(joint) - 1


def edges(name: str) -> list[tuple[int, int]]:
    return [(number(a), number(b)) for a, b in (edge.split("-") for edge in EDGES[name].split())]


def steps_to_centre(name: str, joints: int) -> list[int]:
    """By walking outwards."""
    steps, frontier = {number(CENTRES[name]): 0}, [number(CENTRES[name])]
    while frontier:
        here = frontier.pop(0)
        for a, b in [*edges(name), *((b, a) for a, b in edges(name))]:
            if a == here and b not in steps:
                steps[b] = steps[here] + 1
                frontier.append(b)
    return [steps[joint] for joint in range(joints)]


def test_these_are_all() -> None:
    assert set(GRAPHS) == set(EDGES) and skeleton_graphs.DEFAULT == "ntu-rgb+d"


@each
def test_bones_one_by_one(name: str) -> None:
    graph = GRAPHS[name]
    assert {frozenset((a - 1, b - 1)) for a, b in graph.edges} == {frozenset(edge) for edge in edges(name)}
    assert graph.joints == {"coco": 17, "msr-action3d": 20}.get(name, 25) and graph.centre - 1 == number(CENTRES[name])
    assert len(graph.edges) == graph.joints - 1 and (skeleton_graphs.distances(graph) >= 0).all()  # a tree: one way from each joint to each


def test_steps_by_hand() -> None:
    steps = skeleton_graphs.distances(GRAPHS["ntu-rgb+d"])
    assert (steps == steps.T).all()
    assert steps[22 - 1, 24 - 1] == 12  # from tip to tip: 22 23 8 7 6 5 21 9 10 11 12 25 24
    assert steps[21 - 1, 16 - 1] == 6  # 21 2 1 13 14 15 16
    apart = skeleton_graphs.distances(Graph(joints=4, centre=1, edges=((1, 2), (3, 4)), origin=(1,), shoulders=(1, 2)))
    assert np.array_equal(apart, [[0, 1, -1, -1], [1, 0, -1, -1], [-1, -1, 0, 1], [-1, -1, 1, 0]])


@each
def test_adjacency_entry_by_entry(name: str) -> None:
    """From v to w, one over w's neighbours and itself, in the subset that v's place calls for."""
    joints = GRAPHS[name].joints
    steps = steps_to_centre(name, joints)
    expected = torch.zeros(3, joints, joints)
    for w in range(joints):
        near = [w] + [a if b == w else b for a, b in edges(name) if w in (a, b)]
        for v in near:
            subset = 0 if v == w else 1 if steps[v] > steps[w] else 2
            expected[subset, v, w] = 1 / len(near)
    assert torch.equal(adjacency(GRAPHS[name]), expected)


@each
def test_partition(name: str) -> None:
    joints, a = GRAPHS[name].joints, adjacency(GRAPHS[name])
    assert a.shape == (3, joints, joints) and a.dtype == torch.float32
    torch.testing.assert_close(a.sum((0, 1)), torch.ones(joints))  # each joint's weights sum to 1
    assert ((a > 0).sum(0) <= 1).all()  # subsets do not overlap
    assert (a[0].diagonal() > 0).all() and (a[0] > 0).sum() == joints
    assert (a[1] > 0).sum() == (a[2] > 0).sum() == joints - 1  # each bone, once each way
    assert torch.equal(a[1] > 0, (a[2] > 0).T)
    assert (a[2, :, GRAPHS[name].centre - 1] == 0).all()  # nothing is nearer to the centre than the centre


@each
def test_a_parent_is_a_neighbour_nearer_to_the_centre(name: str) -> None:
    parents, steps = skeleton_graphs.parents(GRAPHS[name]), steps_to_centre(name, GRAPHS[name].joints)
    centre = number(CENTRES[name])
    assert parents[centre] == centre
    for child, parent in enumerate(parents):
        if child != centre:
            assert {child, int(parent)} in [set(edge) for edge in edges(name)] and steps[parent] == steps[child] - 1


def test_parents_of_the_hands_differ() -> None:
    """Tip and thumb of the left hand are joints 22 and 23, the hand is 8."""
    first, second = (skeleton_graphs.parents(GRAPHS[name]) + 1 for name in ("ntu-rgb+d", "ntu-rgb+d-hands"))
    assert (first[22 - 1], first[23 - 1], first[24 - 1], first[25 - 1]) == (23, 8, 25, 12)
    assert (second[22 - 1], second[23 - 1], second[24 - 1], second[25 - 1]) == (8, 8, 12, 12)
    assert np.flatnonzero(first != second).tolist() == [21, 23]


def test_origins() -> None:
    assert GRAPHS["ntu-rgb+d"].origin == GRAPHS["ntu-rgb+d-hands"].origin == (2,)  # the middle of the spine
    assert [NAMES[joint - 1] for joint in GRAPHS["coco"].origin] == ["left_hip", "right_hip"]
    graph, joints = GRAPHS["msr-action3d"], msr_skeleton.JOINTS
    assert [joints[joint - 1] for joint in graph.origin] == ["Spine"] and joints[graph.centre - 1] == "ShoulderCentre"
    assert [joints[joint - 1] for joint in graph.shoulders] == ["ShoulderLeft", "ShoulderRight"]


def test_limbs_of_msr_action3d_by_name() -> None:
    joints = msr_skeleton.JOINTS
    parents = [joints[parent] for parent in skeleton_graphs.parents(GRAPHS["msr-action3d"])]
    for side in ("Left", "Right"):
        arm, leg = ("ShoulderCentre", "Shoulder", "Elbow", "Wrist", "Hand"), ("HipCentre", "Hip", "Knee", "Ankle", "Foot")
        for first, *limb in (arm, leg):
            chain = [first, *(f"{joint}{side}" for joint in limb)]
            assert [parents[joints.index(joint)] for joint in chain[1:]] == chain[:-1]


def test_the_graph_of_so_many_joints() -> None:
    assert skeleton_graphs.of(25) is GRAPHS["ntu-rgb+d"] and skeleton_graphs.of(17) is GRAPHS["coco"]
    with pytest.raises(InputError, match=r"no graph has 18 joints; there are ntu-rgb\+d \(25\), .*coco \(17\)"):
        skeleton_graphs.of(18)


@each
def test_an_encoder_of_each(name: str) -> None:
    joints = GRAPHS[name].joints
    encoder = STGCN(width=0.0625, graph=name).eval()
    assert [child for child, _ in encoder.named_children()] == [f"layer{n}" for n in range(1, 11)]
    x = torch.randn(2, 3, 8, joints, 2)
    maps = encoder(x)
    assert maps.shape == (4, 64, 2, joints) and encoder.pool(maps).shape == (2, 64)
    with pytest.raises(InputError, match=rf"skeletons of shape .*\(B, 3, T, {joints}, 2\)"):
        encoder(x[:, :, :, 1:])
