"""Skeletons as graphs: their joints, the bones between joints, and the middle of a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videossl.errors import InputError


@dataclass(frozen=True)
class Graph:
    """A skeleton. Joints are counted from 1, as Kinect's documents do.

    edges: the bones, a tree. centre: the joint from which partitions of the graph and directions of bones are counted.
    origin: the joints whose mean is the zero of a centred sequence. shoulders: the left one and the right one.
    """

    joints: int
    centre: int
    edges: tuple[tuple[int, int], ...]
    origin: tuple[int, ...]
    shoulders: tuple[int, int]


KINECT = (
    *((1, 2), (2, 21), (3, 21), (4, 3)),  # trunk and head
    *((5, 21), (6, 5), (7, 6), (8, 7)),  # left arm
    *((9, 21), (10, 9), (11, 10), (12, 11)),  # right arm
    *((13, 1), (14, 13), (15, 14), (16, 15)),  # left leg
    *((17, 1), (18, 17), (19, 18), (20, 19)),  # right leg
)
"""The bones of Kinect's 25 joints, without the tips of hands and thumbs."""

GRAPHS = {
    # The original graph of Yan et al. (AAAI 2018): the tip of a hand hangs on its thumb, (22, 23) and (24, 25).
    "ntu-rgb+d": Graph(25, 21, (*KINECT, (23, 8), (22, 23), (25, 12), (24, 25)), (2,), (5, 9)),
    # The other public variant: tip and thumb hang on the hand. Weights for one variant do not fit the other.
    "ntu-rgb+d-hands": Graph(25, 21, (*KINECT, (22, 8), (23, 8), (24, 12), (25, 12)), (2,), (5, 9)),
    # Kinect v1's 20 joints in MSR Action3D's order (names: data/msr_skeleton.py), joined as by the public scripts that draw it.
    "msr-action3d": Graph(
        joints=20,
        centre=3,
        edges=(
            *((20, 3), (4, 3), (7, 4)),  # head and trunk
            *((1, 3), (8, 1), (10, 8), (12, 10)),  # left arm
            *((2, 3), (9, 2), (11, 9), (13, 11)),  # right arm
            *((5, 7), (14, 5), (16, 14), (18, 16)),  # left leg
            *((6, 7), (15, 6), (17, 15), (19, 17)),  # right leg
        ),
        origin=(4,),
        shoulders=(1, 2),
    ),
    # COCO's 17 keypoints in torchvision's order (nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left
    # before right). COCO has no neck: shoulders hang on the nose, hips on the shoulders.
    "coco": Graph(
        joints=17,
        centre=1,
        edges=(
            *((2, 1), (3, 1), (4, 2), (5, 3)),  # face
            *((6, 1), (8, 6), (10, 8)),  # left arm
            *((7, 1), (9, 7), (11, 9)),  # right arm
            *((12, 6), (14, 12), (16, 14)),  # left side and leg
            *((13, 7), (15, 13), (17, 15)),  # right side and leg
        ),
        origin=(12, 13),
        shoulders=(6, 7),
    ),
}
"""By name. Where a cache's graph is not named, it is the first here that has as many joints (`of`)."""

DEFAULT = "ntu-rgb+d"


def of(joints: int) -> Graph:
    """The first graph that has `joints` joints; raises InputError where there is none."""
    fitting = [graph for graph in GRAPHS.values() if graph.joints == joints]
    if not fitting:
        choices = ", ".join(f"{name} ({graph.joints})" for name, graph in GRAPHS.items())
        raise InputError(f"no graph has {joints} joints; there are {choices}")
    return fitting[0]


def distances(graph: Graph) -> np.ndarray:
    """Steps from joint to joint, (V, V) int; -1 where no way leads."""
    near = np.eye(graph.joints, dtype=bool)
    for a, b in graph.edges:
        near[a - 1, b - 1] = near[b - 1, a - 1] = True
    steps = np.full(near.shape, -1)
    reached = np.eye(graph.joints, dtype=bool)
    for step in range(graph.joints):
        steps[reached & (steps < 0)] = step
        reached = reached @ near
    return steps


def parents(graph: Graph) -> np.ndarray:
    """Each joint's neighbour towards the centre, (V,) int, counted from 0; the centre has itself."""
    to_centre = distances(graph)[:, graph.centre - 1]
    result = np.arange(graph.joints)
    for a, b in graph.edges:
        child, parent = (a, b) if to_centre[a - 1] > to_centre[b - 1] else (b, a)
        result[child - 1] = parent - 1
    return result
