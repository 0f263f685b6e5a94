"""Skeleton sequences: centred, resampled in time, and what is made of them. Plain arrays.

N frames of the cache, T of a clip, V joints, M bodies; (N, V, 3, M) float32. A body that is absent in a frame is all zero there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from videossl import skeleton_graphs
from videossl.data.cache import Cache
from videossl.errors import InputError
from videossl.skeleton_graphs import GRAPHS, Graph


def graph_name(settings: Mapping[str, Any]) -> str:
    """The name of the graph (skeleton_graphs.GRAPHS) that the skeletons of a stream have."""
    return str(settings.get("graph", skeleton_graphs.DEFAULT))


def sequence(cache: Cache, video: str, settings: Mapping[str, Any], frames: int) -> np.ndarray:
    """Read a whole video: (frames, V, 3, M) joints, normalised as `clip.normalise` of a stream says and resampled in time."""
    joints, graph = cache.read(video, 0, cache.length(video)), GRAPHS[graph_name(settings)]
    return NORMALISE[settings["clip"].get("normalise", "centred")](joints, frames, graph)


def clip(joints: np.ndarray) -> np.ndarray:
    """(T, V, 3, M) -> (3, T, V, M): a sequence as an encoder gets it."""
    return np.ascontiguousarray(joints.transpose(2, 0, 1, 3))


def mean(joints: np.ndarray) -> np.ndarray:
    """(T, V, 3, M) -> (3 V M,) float64: the mean over time, coordinate by coordinate."""
    return np.asarray(clip(joints).mean(axis=1, dtype=np.float64).ravel())


def input_shape(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape (3, T, V, M) of a clip."""
    return 3, settings["clip"]["frames"], GRAPHS[graph_name(settings)].joints, 2


def check(cache: Cache, settings: Mapping[str, Any]) -> None:
    """Raise InputError where the cached skeletons have other joints than the stream's graph."""
    graph = graph_name(settings)
    joints, wanted = cache.shape(cache.ids[0])[1] if cache.ids else GRAPHS[graph].joints, GRAPHS[graph].joints
    if joints != wanted:
        fitting = " or ".join(name for name, other in GRAPHS.items() if other.joints == joints)
        raise InputError(
            f"the cached skeletons of {cache.attrs.get('dataset')} have {joints} joints, and the stream's graph {graph} has {wanted}: "
            f"set its `graph` to {fitting}, or make the cache anew"
        )


def present(joints: np.ndarray) -> np.ndarray:
    """(N, V, 3, M) joints -> (N, M) bool: the body is there."""
    return np.asarray(joints.any(axis=(1, 2)))


def centred(joints: np.ndarray, graph: Graph) -> np.ndarray:
    """Joints (N, V, 3, M) relative, frame by frame, to the first body's origin: the mean of `graph.origin`.

    One origin for both bodies keeps how they stand to each other; it is the second body's where the first is absent.
    An absent body stays zero.
    """
    is_present = present(joints)
    middle = joints[:, [joint - 1 for joint in graph.origin]].mean(axis=1)  # (N, 3, M)
    origin = np.where(is_present[:, None, :1], middle[..., :1], middle[..., -1:])  # (N, 3, 1)
    return np.where(is_present[:, None, None], joints - origin[:, None], np.float32(0))


def resample(joints: np.ndarray, frames: int) -> np.ndarray:
    """Joints (N, V, 3, M) resampled linearly in time to (frames, V, 3, M) float32, first and last frame kept.

    Never between a pose and an absent body: there the nearer frame decides, alone, for pose or absence.
    """
    is_present = present(joints)
    position = np.linspace(0, len(joints) - 1, frames)
    before = np.minimum(position.astype(int), len(joints) - 1)
    after = np.minimum(before + 1, len(joints) - 1)
    weight = np.broadcast_to((position - before)[:, None], (frames, joints.shape[3]))  # (frames, M) of `after`
    weight = np.where(is_present[before] & is_present[after], weight, weight >= 0.5)[:, None, None]
    return np.asarray((1 - weight) * joints[before] + weight * joints[after], np.float32)


def crossclr(joints: np.ndarray, frames: int, graph: Graph) -> np.ndarray:
    """Joints (N, V, 3, M) as the public code of CrosSCLR prepares NTU RGB+D, "[26]" of P 4.2: (frames, V, 3, M) float32.

    Each body is relative to its own centre (SpineShoulder), frame by frame. The frames in which the first body is there, counted, are taken
    from the start and resized linearly by the centres of frames, as cv2.resize does; an absent body fades. Each frame of a body is then turned
    about y until its shoulders lie along x. As there, the sense of all turns of a body is one: that of its shoulders' z, summed over time.
    """
    count = int(np.count_nonzero(joints[:, 0, :, 0].any(axis=1)))
    relative = joints[:count].astype(np.float64)
    relative -= relative[:, graph.centre - 1 : graph.centre]
    if not count:
        return np.zeros((frames, *joints.shape[1:]), np.float32)
    position = np.clip((np.arange(frames) + 0.5) * count / frames - 0.5, 0, count - 1)
    before = position.astype(int)
    weight = (position - before)[:, None, None, None]
    resized = (1 - weight) * relative[before] + weight * relative[np.minimum(before + 1, count - 1)]

    left, right = (resized[:, joint - 1] for joint in graph.shoulders)  # (frames, 3, M)
    across, along = right[:, 0] - left[:, 0], right[:, 2] - left[:, 2]
    angle = np.arccos(across / (np.hypot(across, along) + 1e-4)) * np.where(along.sum(axis=0) >= 0, -1, 1)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, z = resized.transpose(2, 0, 1, 3)
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=2).astype(np.float32)


NORMALISE: dict[str, Callable[[np.ndarray, int, Graph], np.ndarray]] = {
    "centred": lambda joints, frames, graph: resample(centred(joints, graph), frames),
    "crossclr": crossclr,
}
"""By the values of `clip.normalise`: the joints (N, V, 3, M) of a video to a sequence (frames, V, 3, M)."""


def difference(joints: np.ndarray) -> np.ndarray:
    """Joints (T, V, 3, M) -> motion of the same shape: next frame less this one, zero at the end and beside absence."""
    is_present = present(joints)
    motion = np.zeros_like(joints)
    both = (is_present[1:] & is_present[:-1])[:, None, None]
    motion[:-1] = np.where(both, joints[1:] - joints[:-1], np.float32(0))
    return motion


def bones(joints: np.ndarray, graph: Graph) -> np.ndarray:
    """Joints (T, V, 3, M) -> bones of the same shape: each joint less its parent, zero at the centre and for an absent body."""
    return np.asarray(joints - joints[:, skeleton_graphs.parents(graph)])
