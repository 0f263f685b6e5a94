"""The bodies of a video that are kept, and their places: of a sensor's tracks, or of a detector's.

A sensor numbers the bodies that it follows. It loses them, finds them again under another number, and takes furniture for
people for a few frames. This is the one place that mends it [settled: P says nothing of it; common preprocessing of
NTU RGB+D drops what is seen for 11 frames or fewer, ranks by variance and lets a body that comes after another take its
place, each by thresholds of its own]:

1. `_join`: a track that begins after another has ended, and no farther from it than a person walks in that time, is the same
   body under another number.
2. `_without_ghosts`: of the bodies so found, one of at most `GHOST` frames, and of less than a third of the frames of the one
   that stays longest, is dropped.
3. `motion`: of the others the two that move most are kept, the one that moves more first. It counts motion and length:
   how far all joints are from their means, squared and summed over the frames.

A body all of whose joints are 0 in a frame is not there in that frame: a sensor that has lost a body writes that, and the cache says it so.
All distances are in sizes of the body itself, so that the unit does not matter: metres of a sensor or pixels of a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BODIES = 2
GHOST = 11
"""Frames of the longest ghost: a third of a second at the 30 frames of Kinect [settled: as in common preprocessing]."""
SHARE = 3
"""And a ghost is less than this part, a third, of the longest body, so that little is lost of a short video [settled]."""
REACH = 2.0
"""A body that is found again at once is at most this multiple of its size away: about a metre for a standing person [settled]."""
PACE = 0.1
"""The further distance for each frame that the body was away: about 1.4 m a second at 30 frames, a walk [settled]."""

Track = Mapping[int, np.ndarray]  # frame -> joints (V, 3) float32


def arrange(frames: int, tracks: Mapping[Any, Track]) -> np.ndarray:
    """The two bodies that count, of any number that were tracked.

    Args:
        frames: N, of the video.
        tracks: body -> frame (0 to N - 1) -> joints (V, 3) float32, finite; a body that is not all zero at least once, and V the same in all.
            Of bodies that begin in the same frame the first in this order counts as the first.

    Returns:
        (N, V, 3, 2) float32; a body is zero in the frames it is not in.
    """
    there = [{frame: joints for frame, joints in track.items() if joints.any()} for track in tracks.values()]
    by_start = sorted((track for track in there if track), key=min)  # stable: of equals, who was named first
    kept = sorted(_without_ghosts(_join(by_start)), key=lambda body: -motion(body))[:BODIES]
    joints = next(iter(by_start[0].values()))
    arranged = np.zeros((frames, *joints.shape, BODIES), np.float32)
    for place, body in enumerate(kept):
        for frame, joints in body.items():
            arranged[frame, :, :, place] = joints
    return arranged


def motion(body: Track) -> float:
    """Measure the motion of a body, weighted by its length: squared deviations from the mean of each coordinate, summed over joints and frames.

    It is the variance times the number of frames: a body that stays says more than one that jumps once.
    """
    joints = np.stack(list(body.values())).astype(np.float64)
    return float(joints.var(axis=0).sum() * len(joints))


def _join(tracks: Sequence[Track]) -> list[dict[int, np.ndarray]]:
    """Join tracks to bodies, in the order of their first frames; `tracks` are given in this order.

    Each track goes on with the nearest body that has ended and is within reach, or is a new body. A body with a hole, which
    the sensor itself knew again, has not ended before its last frame.
    """
    bodies: list[dict[int, np.ndarray]] = []
    for track in tracks:
        first = min(track)
        ended = [body for body in bodies if max(body) < first]
        steps = [_step(body[max(body)], track[first], first - max(body)) for body in ended]
        nearest = min(range(len(ended)), key=steps.__getitem__, default=None)
        if nearest is None or steps[nearest] > 1:
            bodies.append(dict(track))
        else:
            ended[nearest].update(track)
    return bodies


def _step(before: np.ndarray, after: np.ndarray, frames: int) -> float:
    """Measure the way of a body from `before` to `after`, both (V, 3), `frames` later; 1 is the longest way that is possible."""
    size = max(_size(before), _size(after))
    moved = float(np.linalg.norm(after.mean(axis=0, dtype=np.float64) - before.mean(axis=0, dtype=np.float64)))
    reach = (REACH + PACE * (frames - 1)) * size
    return moved / reach if reach else (np.inf if moved else 0.0)


def _size(joints: np.ndarray) -> float:
    """The root of the mean squared distance of the joints (V, 3) from their middle: half a metre of a standing person."""
    joints = joints.astype(np.float64)
    return float(np.sqrt(((joints - joints.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _without_ghosts(bodies: Sequence[Track]) -> list[Track]:
    """The bodies that are there long enough; the longest body always is."""
    longest = max(map(len, bodies))
    return [body for body in bodies if len(body) > GHOST or SHARE * len(body) >= longest]
