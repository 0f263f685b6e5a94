"""Clips: which frames of a video, read from the cache and put into batches.

Every draw comes from a generator keyed by (seed, epoch, id of the video, purpose), so a clip depends neither on the
workers nor on the order (DESIGN, Determinism).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videossl import graphs, seeding
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.errors import InputError
from videossl.graphs import GRAPHS, Graph

if TYPE_CHECKING:
    from torch import Tensor

SKELETON = ("joint", "motion", "bone")


def span(frames: int, stride: int) -> int:
    """How many steps a clip of `frames` frames covers, `stride` apart."""
    return (frames - 1) * stride + 1


def two_starts(length: int, frames: int, stride: int, rng: np.random.Generator) -> tuple[int, int]:
    """Starts of the two clips of a video: half the time drawn independently, half the time one for both.

    Spec, contrastive learning: two temporal crops of the same video or one, half the time each. An InputError where
    the video has fewer than `span(frames, stride)` steps.
    """
    first, second = rng.integers(0, _last(length, frames, stride) + 1, size=2)
    same = rng.random() < 0.5
    return int(first), int(first if same else second)


def one_start(length: int, frames: int, stride: int, rng: np.random.Generator) -> int:
    """A uniform start of one clip; errors as in `two_starts`."""
    return int(rng.integers(0, _last(length, frames, stride) + 1))


def uniform_starts(length: int, frames: int, stride: int, count: int) -> list[int]:
    """`count` evenly spaced starts, the first and last possible included; the middle one for a count of 1."""
    last = _last(length, frames, stride)
    if count == 1:
        return [last // 2]
    return [round(last * position / (count - 1)) for position in range(count)]


def windows(length: int, frames: int, stride: int, overlap: float) -> list[int]:
    """Starts of the fewest evenly spaced clips that cover the video and share at least `overlap` of a clip with the next.

    P appendix 1, "overlapping moving windows"; the share is settled by the params. The first starts with the video, the
    last ends with it. A clip covers `span` steps, of which ceil(span * overlap) are shared, but at most all but one:
    K = 1 + ceil((length - span) / step), step = span - shared. InputErrors as in `two_starts`, and for an `overlap`
    outside [0, 1).
    """
    if not 0 <= overlap < 1:
        raise InputError(f"windows that overlap by {overlap}: evaluate.overlap must be a share from 0 to below 1")
    last, whole = _last(length, frames, stride), span(frames, stride)
    shared = math.ceil(whole * overlap - 1e-9)  # the share is a decimal number: 0.07 of 100 steps is 7, not 7.000000000000001
    step = max(whole - shared, 1)
    return uniform_starts(length, frames, stride, 1 + math.ceil(last / step))


def _last(length: int, frames: int, stride: int) -> int:
    """The last possible start."""
    if length < span(frames, stride):
        raise InputError(
            f"a clip of {frames} frames, stride {stride}, needs {span(frames, stride)} steps, the video has {length}; "
            "raise index.min_frames (flow has one step less than frames)"
        )
    return length - span(frames, stride)


def load_clip(cache: Cache, id: str, modality: str, frames: int, stride: int, start: int, graph: str = "") -> np.ndarray:
    """Read one clip.

    `graph` names the skeleton's (graphs.GRAPHS); "": the first that has as many joints as the cache.

    Returns:
        rgb, flow: (T, H, W, C) uint8, T = frames from `start`, `stride` apart.
        joint, motion, bone: (3, T, V, 2) float32, in the unit of the joint cache: the whole sequence relative to the graph's
        origin, resampled to T frames (start and stride do not matter). Motion is its difference to the next frame, zero at
        the end (spec, Skeletons); bone is each joint less its parent, zero at the graph's centre.
    """
    if modality not in SKELETON:
        return cache.read(id, start, start + span(frames, stride), stride)
    joints = cache.read(id, 0, cache.length(id))
    skeleton = GRAPHS[graph] if graph else graphs.of(joints.shape[1])
    joints = resample(centred(joints, skeleton), frames)
    if modality == "motion":
        joints = difference(joints)
    elif modality == "bone":
        joints = bones(joints, skeleton)
    return np.ascontiguousarray(joints.transpose(2, 0, 1, 3))


def check_graph(cache: Cache, modality: str, graph: str) -> None:
    """An InputError where the cached skeletons have other joints than the `graph` (a name, "" for any) of `modality`."""
    if modality not in SKELETON or not graph or not cache.ids:
        return
    joints, wanted = cache.shape(cache.ids[0])[1], GRAPHS[graph].joints
    if joints != wanted:
        fitting = " or ".join(name for name, one in GRAPHS.items() if one.joints == joints)
        raise InputError(
            f"the cached skeletons of {cache.attrs.get('dataset')} have {joints} joints, and the graph {graph} of {modality} has {wanted}: "
            f"set modalities.{modality}.graph to {fitting}, or make the cache anew"
        )


def present(joints: np.ndarray) -> np.ndarray:
    """(N, V, 3, M) joints -> (N, M) bool: the body is there. An absent body is all zero."""
    return np.asarray(joints.any(axis=(1, 2)))


def centred(joints: np.ndarray, graph: Graph) -> np.ndarray:
    """Joints (N, V, 3, M) relative, frame by frame, to the first body's origin: the mean of `graph.origin`.

    One origin for both bodies keeps how they stand to each other; it is the second body's where the first is absent.
    An absent body stays zero.
    """
    there = present(joints)
    middle = joints[:, [joint - 1 for joint in graph.origin]].mean(axis=1)  # (N, 3, M)
    origin = np.where(there[:, None, :1], middle[..., :1], middle[..., -1:])  # (N, 3, 1)
    return np.where(there[:, None, None], joints - origin[:, None], np.float32(0))


def resample(joints: np.ndarray, frames: int) -> np.ndarray:
    """Joints (N, V, 3, M) resampled linearly in time to (frames, V, 3, M) float32, first and last frame kept.

    Never between a pose and an absent body: there the nearer frame decides, alone, for pose or absence.
    """
    there = present(joints)
    position = np.linspace(0, len(joints) - 1, frames)
    before = np.minimum(position.astype(int), len(joints) - 1)
    after = np.minimum(before + 1, len(joints) - 1)
    weight = np.broadcast_to((position - before)[:, None], (frames, joints.shape[3]))  # (frames, M) of `after`
    weight = np.where(there[before] & there[after], weight, weight >= 0.5)[:, None, None]
    return np.asarray((1 - weight) * joints[before] + weight * joints[after], np.float32)


def difference(joints: np.ndarray) -> np.ndarray:
    """Joints (T, V, 3, M) -> motion of the same shape: next frame less this one, zero at the end and beside absence."""
    there = present(joints)
    motion = np.zeros_like(joints)
    both = (there[1:] & there[:-1])[:, None, None]
    motion[:-1] = np.where(both, joints[1:] - joints[:-1], np.float32(0))
    return motion


def bones(joints: np.ndarray, graph: Graph) -> np.ndarray:
    """Joints (T, V, 3, M) -> bones of the same shape: each joint less its parent, zero at the centre and for an absent body."""
    return np.asarray(joints - joints[:, graphs.parents(graph)])


def collate(clips: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Stack clips to a batch.

    Returns:
        video: (B, T, H, W, C) uint8, padded with zeros right and below to the largest H and W, and the true (H, W) of
        each, (B, 2) int64; skeletons: (B, 3, T, V, M) float32, and (V, M) of each.
    """
    import torch  # here, so that processes that only look at clips start fast

    if clips[0].ndim == 4 and clips[0].dtype == np.float32:
        return torch.from_numpy(np.stack(clips)), torch.tensor([clip.shape[2:] for clip in clips])
    sizes = torch.tensor([clip.shape[1:3] for clip in clips])
    height, width = sizes.amax(0).tolist()
    frames, channels = clips[0].shape[0], clips[0].shape[3]
    batch = torch.zeros((len(clips), frames, height, width, channels), dtype=torch.uint8)
    for target, clip in zip(batch.numpy(), clips, strict=True):
        target[:, : clip.shape[1], : clip.shape[2]] = clip
    return batch, sizes


class Source(NamedTuple):
    """Clips to draw from one cache: two names take `two_starts`, one name a single random start."""

    cache: Cache
    modality: str
    frames: int
    stride: int
    clips: tuple[str, ...]  # ("query", "key"), or ("partner",)
    graph: str = ""  # of skeletons, as for load_clip


class ClipDataset:
    """Random clips of videos, a data set of torch by its methods; an item's key is (epoch, position in `rows`).

    An item is {"id": str, "group": str, "label": int, -1 for none, "clips": {name: array of load_clip}}. The starts of two clips come
    from the generator (seed, epoch, id, "starts/<modality>"), of one clip from (seed, epoch, id, "<name>/<modality>").

    Args:
        rows: usable rows of the index.
        labels: class name -> number, or None to take no labels.
        sources: what to draw; the names of the clips must differ.
        seed: of the run.

    Raises:
        InputError: a video that a cache does not hold, skeletons that are not of their graph, or a class that `labels` does
            not have.
    """

    def __init__(self, rows: Sequence[Row], labels: Mapping[str, int] | None, sources: Sequence[Source], seed: int) -> None:
        self.ids = [row.id for row in rows]
        self.groups = [row.group for row in rows]
        self.labels = [_label(row, labels) for row in rows]
        self.sources = list(sources)
        self.seed = seed
        for source in self.sources:
            check_graph(source.cache, source.modality, source.graph)
            for id in self.ids:
                if id not in source.cache:
                    raise InputError(f"{id} is in the index and not in the {source.modality} cache; extract again")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, position = key
        id = self.ids[position]
        clips = {
            name: load_clip(source.cache, id, source.modality, source.frames, source.stride, start, source.graph)
            for source in self.sources
            for name, start in zip(source.clips, self._starts(source, epoch, id), strict=True)
        }
        return {"id": id, "group": self.groups[position], "label": self.labels[position], "clips": clips}

    def _starts(self, source: Source, epoch: int, id: str) -> tuple[int, ...]:
        if source.modality in SKELETON:
            return (0,) * len(source.clips)  # a skeleton's clip is its whole sequence
        length = source.cache.length(id)
        if len(source.clips) == 2:
            rng = seeding.numpy_rng(self.seed, epoch, id, f"starts/{source.modality}")
            return two_starts(length, source.frames, source.stride, rng)
        rng = seeding.numpy_rng(self.seed, epoch, id, f"{source.clips[0]}/{source.modality}")
        return (one_start(length, source.frames, source.stride, rng),)


def _label(row: Row, labels: Mapping[str, int] | None) -> int:
    if labels is None or not row.label:
        return -1
    if row.label not in labels:
        raise InputError(f"{row.id}: class {row.label!r} is in no training video; give it one, or leave the class out")
    return labels[row.label]


def collate_batch(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Items of ClipDataset -> {"ids", "groups": list[str], "labels": (B,) int64, "clips": {name: batch}, "sizes": {name: (B, 2)}}."""
    import torch

    pairs = {name: collate([item["clips"][name] for item in items]) for name in items[0]["clips"]}
    return {
        "ids": [item["id"] for item in items],
        "groups": [item["group"] for item in items],
        "labels": torch.tensor([item["label"] for item in items], dtype=torch.int64),
        "clips": {name: clips for name, (clips, _) in pairs.items()},
        "sizes": {name: sizes for name, (_, sizes) in pairs.items()},
    }


class EpochSampler:
    """The batches of an epoch: a permutation of all videos, drawn by (seed, epoch, "order"); no incomplete batch."""

    def __init__(self, n: int, batch: int, seed: int) -> None:
        if n < batch:
            raise InputError(f"{n} videos are fewer than a batch of {batch}; lower the batch size or add videos")
        self.n, self.batch, self.seed = n, batch, seed

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.n // self.batch

    def epoch(self, epoch: int) -> list[list[tuple[int, int]]]:
        """The batches of one epoch, as keys (epoch, position) of ClipDataset."""
        order = seeding.numpy_rng(self.seed, epoch, "order").permutation(self.n).tolist()
        return [
            [(epoch, position) for position in order[start : start + self.batch]] for start in range(0, len(self) * self.batch, self.batch)
        ]
