"""The `.skeleton` text format of NTU RGB+D (Shahroudy et al., CVPR 2016).

number of frames
for each frame:   number of bodies
  for each body:  10 values: body id, clipped edges, hand states, restricted, lean, tracking state
                  number of joints (25)
    for each joint: 12 values: x y z (metres, camera space), depth x y, colour x y, orientation w x y z, state
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videossl import files
from videossl.data import bodies
from videossl.errors import InputError

JOINTS = (
    "SpineBase", "SpineMid", "Neck", "Head",
    "ShoulderLeft", "ElbowLeft", "WristLeft", "HandLeft",
    "ShoulderRight", "ElbowRight", "WristRight", "HandRight",
    "HipLeft", "KneeLeft", "AnkleLeft", "FootLeft",
    "HipRight", "KneeRight", "AnkleRight", "FootRight",
    "SpineShoulder", "HandTipLeft", "ThumbLeft", "HandTipRight", "ThumbRight",
)  # fmt: skip
"""Names of the 25 Kinect v2 joints in their order, counted from 0."""

ENDING = ".skeleton"
BODIES = bodies.BODIES
LARGEST = 1e6
"""Metres: what is farther away is no position of a body, and squares of it would leave float32."""
BODY_VALUES = 10
JOINT_VALUES = 12


def parse(path: str | Path) -> np.ndarray:
    """Read a `.skeleton` file.

    Bodies are followed by their id from frame to frame. Which of them are kept, in which order, and when two ids are one
    body stands in data/bodies.py; a frame without bodies is zero.

    Returns:
        (N, 25, 3, 2) float32, metres; a body is zero in the frames it is not in.

    Raises:
        InputError: "FILE:LINE: REASON" where the file is not of this format or holds no body.
    """
    lines = _Lines(path)
    count = lines.integer("a number of frames")
    if count == 0:
        raise lines.error("no frames")
    tracks: dict[str, dict[int, np.ndarray]] = {}
    for frame in range(count):
        for _ in range(lines.integer("a number of bodies")):
            body, joints = _body(lines)
            track = tracks.setdefault(body, {})
            if frame in track:
                raise lines.error(f"body {body} is twice in frame {frame}")
            track[frame] = joints
    lines.finish()
    if not any(joints.any() for track in tracks.values() for joints in track.values()):
        raise lines.error(f"no body in any of the {count} frames" + (", but joints that are all 0" if tracks else ""))
    return bodies.arrange(count, tracks)


def write(path: str | Path, joints: np.ndarray) -> None:
    """Write joints (N, 25, 3, M), metres, as a `.skeleton` file that `parse` reads back to the same float32 values.

    A body that is all zero in a frame is left out of it. What is not known (depth and colour pixels, orientation) is 0.
    """
    joints = np.asarray(joints, np.float32)
    if joints.ndim != 4 or joints.shape[1:3] != (len(JOINTS), 3) or not np.isfinite(joints).all():
        raise InputError(f"{path}: joints must be finite, of shape (N, 25, 3, M), not {joints.shape}")
    lines = [str(len(joints))]
    for frame in joints:
        present = [body for body in range(frame.shape[2]) if frame[:, :, body].any()]
        lines.append(str(len(present)))
        for body in present:
            lines += [f"{body} 0 0 0 0 0 0 0 0 2", str(len(JOINTS))]
            # Nine significant digits give every float32 back exactly.
            lines += [f"{x:.9g} {y:.9g} {z:.9g} 0 0 0 0 0 0 0 0 2" for x, y, z in frame[:, :, body].tolist()]
    with files.atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")


class _Lines:
    """The lines of a file one by one, for messages that name the line."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            self.lines = Path(path).read_text(encoding="utf-8-sig").rstrip().split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from error
        self.position = 0

    def error(self, text: str) -> InputError:
        return InputError(f"{self.path}:{max(self.position, 1)}: {text}")

    def values(self, count: int, what: str) -> list[str]:
        """The `count` values of the next line."""
        self.position += 1
        if self.position > len(self.lines):
            self.position = len(self.lines)
            raise self.error(f"the file ends where {what} is due")
        values = self.lines[self.position - 1].split()
        if len(values) != count:
            raise self.error(f"{what} is due ({count} values), not {len(values)} values")
        return values

    def integer(self, what: str) -> int:
        (text,) = self.values(1, what)
        if not (text.isascii() and text.isdecimal()):
            raise self.error(f"{what} is due, not {text!r}")
        return int(text)

    def finish(self) -> None:
        if self.position < len(self.lines):
            self.position += 1
            raise self.error("there is more after the last frame")


def _body(lines: _Lines) -> tuple[str, np.ndarray]:
    """The next body: its id and its joints (25, 3) float32."""
    body = lines.values(BODY_VALUES, "a body")[0]
    count = lines.integer("a number of joints")
    if count != len(JOINTS):
        raise lines.error(f"{count} joints, not {len(JOINTS)}")
    return body, np.array([_position(lines) for _ in range(count)], np.float32)


def _position(lines: _Lines) -> list[float]:
    """The position (x, y, z) in the next line."""
    values = lines.values(JOINT_VALUES, "a joint")[:3]
    try:
        position = [float(value) for value in values]
    except ValueError:
        raise lines.error(f"a position is not a number: {' '.join(values)}") from None
    if not all(abs(value) <= LARGEST for value in position):  # which NaN is not either
        raise lines.error(f"a position is not finite, or too large: {' '.join(values)}")
    return position
