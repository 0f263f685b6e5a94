"""The text format of MSR Action3D's skeletons in world coordinates (Li, Zhang, Liu, CVPR workshops 2010; Kinect v1).

for each frame:   one line for each of 20 joints: x y z confidence (metres, camera space; confidence from 0 to 1)

No line says how many frames there are. One person is followed. A frame that the sensor lost has 0 everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videossl.data import bodies
from videossl.data.ntu_skeleton import LARGEST
from videossl.errors import InputError

JOINTS = (
    "ShoulderLeft", "ShoulderRight", "ShoulderCentre", "Spine",
    "HipLeft", "HipRight", "HipCentre",
    "ElbowLeft", "ElbowRight", "WristLeft", "WristRight", "HandLeft", "HandRight",
    "KneeLeft", "KneeRight", "AnkleLeft", "AnkleRight", "FootLeft", "FootRight",
    "Head",
)  # fmt: skip
"""Names of the 20 Kinect v1 joints in MSR Action3D's order, counted from 0.

Left and right are the person's own. The subjects were asked to use the right arm where one arm does (the paper): it is the arm that moves.
"""

ENDING = "_skeleton3D.txt"
VALUES = 4


def parse(path: str | Path) -> np.ndarray:
    """Read a file of this format.

    Returns:
        (N, 20, 3, 2) float32, metres; the second body is zero, and the first is zero in the frames it is not in.

    Raises:
        InputError: "FILE:LINE: REASON" where the file is not of this format or holds no body.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from error
    if not lines or len(lines) % len(JOINTS):
        raise InputError(f"{path}:{max(len(lines), 1)}: {len(lines)} lines, which are not {len(JOINTS)} a frame")
    rows = [_position(f"{path}:{number}", line) for number, line in enumerate(lines, start=1)]
    joints = np.array(rows, np.float32).reshape(-1, len(JOINTS), 3)
    if not joints.any():
        raise InputError(f"{path}:{len(lines)}: no body in any of the {len(joints)} frames, but joints that are all 0")
    return bodies.arrange(len(joints), {"": dict(enumerate(joints))})


def _position(where: str, line: str) -> list[float]:
    """The position (x, y, z) in a line."""
    values = line.split()
    if len(values) != VALUES:
        raise InputError(f"{where}: a joint is due ({VALUES} values), not {len(values)} values")
    try:
        position = [float(value) for value in values][:3]
    except ValueError:
        raise InputError(f"{where}: a joint is not {VALUES} numbers: {line.strip()}") from None
    if not all(abs(value) <= LARGEST for value in position):  # which NaN is not either
        raise InputError(f"{where}: a position is not finite, or too large: {line.strip()}")
    return position
