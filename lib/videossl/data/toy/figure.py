"""A figure of 25 Kinect v2 joints: its proportions and its forward kinematics.

Body axes are right-handed, in metres: x to the figure's right, y up, z to its back (it faces -z). A sensor
straight in front sees them as Kinect's camera space (x to the sensor's left, y up, z away from the sensor).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videossl.data.ntu_skeleton import JOINTS

Floats = NDArray[np.float64]

INDEX = {name: number for number, name in enumerate(JOINTS)}

# joint: (its parent, its place from the parent in the rest pose, metres), parents first: a figure of 1.7 m
# with hanging arms. Limbs are given for the right side; the left one mirrors them.
_TRUNK = {
    "SpineMid": ("SpineBase", (0.0, 0.26, 0.0)),
    "SpineShoulder": ("SpineMid", (0.0, 0.24, 0.0)),
    "Neck": ("SpineShoulder", (0.0, 0.09, 0.0)),
    "Head": ("Neck", (0.0, 0.15, -0.02)),
}
_LIMBS = {
    "Shoulder": ("SpineShoulder", (0.19, -0.03, 0.0)),
    "Elbow": ("Shoulder", (0.0, -0.29, 0.0)),
    "Wrist": ("Elbow", (0.0, -0.25, 0.0)),
    "Hand": ("Wrist", (0.0, -0.07, 0.0)),
    "HandTip": ("Hand", (0.0, -0.08, 0.0)),
    "Thumb": ("Wrist", (0.0, -0.07, -0.06)),
    "Hip": ("SpineBase", (0.10, -0.04, 0.0)),
    "Knee": ("Hip", (0.0, -0.42, 0.0)),
    "Ankle": ("Knee", (0.0, -0.40, 0.0)),
    "Foot": ("Ankle", (0.0, -0.06, -0.15)),
}


def _sided(name: str, side: str) -> str:
    """The joint of a limb on one side: Elbow -> ElbowLeft; joints of the trunk have no side."""
    return name if name in JOINTS else name + side


def _tree() -> dict[str, tuple[str, tuple[float, float, float]]]:
    """Every joint but the root, parents first: joint -> (parent, rest offset)."""
    tree = dict(_TRUNK)
    for side, sign in (("Left", -1.0), ("Right", 1.0)):
        for name, (parent, (x, y, z)) in _LIMBS.items():
            tree[name + side] = (_sided(parent, side), (sign * x, y, z))
    return tree


TREE = _tree()
# The joint on the other side; joints of the trunk are their own.
MIRROR = [INDEX[name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")] for name in JOINTS]
BONES = tuple((INDEX[parent], INDEX[joint]) for joint, (parent, _) in TREE.items())


def draw_body(rng: np.random.Generator) -> Floats:
    """One subject's rest offsets from parent to joint, (25, 3) metres; the root's is zero.

    Height, and the lengths of trunk, arms, legs, and widths of shoulders and hips within it, vary by a tenth.
    """
    height, trunk, arms, legs = rng.uniform(0.9, 1.1, size=4)
    shoulders, hips = rng.uniform(0.85, 1.15, size=2)
    offsets = np.zeros((len(JOINTS), 3))
    for joint, (_, offset) in TREE.items():
        part = legs if joint.startswith(("Knee", "Ankle", "Foot")) else trunk if joint in _TRUNK else arms
        part = shoulders if joint.startswith("Shoulder") else hips if joint.startswith("Hip") else part
        offsets[INDEX[joint]] = np.multiply(offset, height * part)
    return offsets


def rotations(angles: Floats) -> Floats:
    """Rotation matrices `(..., 3, 3)` of `angles (..., 3)`: (flex, turn, spread) in degrees.

    flex, about x, is done first: positive brings a hanging limb forward. Then spread, about z: positive takes
    a hanging limb to the figure's right. Then turn, about y: positive takes what points forward to the
    figure's left.
    """
    flex, turn, spread = np.moveaxis(np.radians(angles), -1, 0)
    return _about(1, turn) @ _about(2, spread) @ _about(0, flex)


def _about(axis: int, angle: Floats) -> Floats:
    """Right-handed rotations about one axis, `angle (...)` radians -> `(..., 3, 3)`."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., first, second] = -np.sin(angle)
    matrix[..., second, first] = np.sin(angle)
    return matrix


def forward_kinematics(offsets: Floats, angles: Floats, lift: Floats) -> Floats:
    """Joint positions `(T, 25, 3)` in body axes, metres, the floor at y = 0.

    offsets: (25, 3) rest offsets from the parent; angles: (T, 25, 3) degrees, each turning what hangs on its
    joint relative to the joint's parent; lift: (T,) metres the lowest joint stands above the floor.
    """
    local = rotations(angles)
    turned = np.empty_like(local)
    joints = np.zeros((len(angles), len(JOINTS), 3))
    turned[:, INDEX["SpineBase"]] = local[:, INDEX["SpineBase"]]
    for parent, joint in BONES:
        joints[:, joint] = joints[:, parent] + turned[:, parent] @ offsets[joint]
        turned[:, joint] = turned[:, parent] @ local[:, joint]
    joints[..., 1] += (lift - joints[..., 1].min(axis=1))[:, None]
    return joints
