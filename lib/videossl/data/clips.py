"""Clips: which steps of a video, read from caches by what is given, and put into batches. No modality is named here.

Every draw comes from a generator keyed by (seed, epoch, id of the video, purpose), so a clip depends neither on the
workers nor on the order (docs/design.md, Determinism).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from videossl import seeding
from videossl.data.index import Row
from videossl.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


# Starts. `length`: steps of a video in the cache; `span`: steps that a clip covers.


def span(frames: int, stride: int) -> int:
    """Count the steps that a clip of `frames` frames covers, `stride` apart."""
    return (frames - 1) * stride + 1


def two_starts(length: int, span: int, rng: np.random.Generator) -> tuple[int, int]:
    """Starts of the two clips of a video: half the time drawn independently, half the time one for both.

    So the two views come from two temporal crops of a video or from one (P 4.2; docs/methods/modalities.md). Raises InputError
    where the video has fewer than `span` steps.
    """
    first, second = rng.integers(0, _last(length, span) + 1, size=2)
    same = rng.random() < 0.5
    return int(first), int(first if same else second)


def one_start(length: int, span: int, rng: np.random.Generator) -> int:
    """A uniform start of one clip; errors as in `two_starts`."""
    return int(rng.integers(0, _last(length, span) + 1))


def several_starts(length: int, span: int, count: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Uniform starts of `count` clips, each drawn independently; errors as in `two_starts`."""
    return tuple(rng.integers(0, _last(length, span) + 1, size=count).tolist())


def uniform_starts(length: int, span: int, count: int) -> list[int]:
    """`count` evenly spaced starts, the first and last possible included; the middle one for a count of 1. Errors as in `two_starts`."""
    last = _last(length, span)
    if count == 1:
        return [last // 2]
    return [round(last * position / (count - 1)) for position in range(count)]


def windows(length: int, span: int, overlap: float) -> list[int]:
    """Starts of the fewest evenly spaced clips that cover the video and share at least `overlap` of a clip with the next.

    P appendix 1, "overlapping moving windows"; the share is settled by the params. The first starts with the video, the
    last ends with it. Of the `span` steps of a clip ceil(span * overlap) are shared, but at most all but one:
    K = 1 + ceil((length - span) / step), step = span - shared. InputErrors as in `two_starts`, and for an `overlap`
    outside [0, 1).
    """
    if not 0 <= overlap < 1:
        raise InputError(f"windows that overlap by {overlap}: the overlap must be a share from 0 to below 1")
    last = _last(length, span)
    shared = math.ceil(span * overlap - 1e-9)  # the share is a decimal number: 0.07 of 100 steps is 7, not 7.000000000000001
    step = max(span - shared, 1)
    return uniform_starts(length, span, 1 + math.ceil(last / step))


def _last(length: int, span: int) -> int:
    """The last possible start."""
    if length < span:
        raise InputError(
            f"a clip covers {span} steps, and the video has {length}; raise index.min_frames (some modalities have a step less than frames)"
        )
    return length - span


# Batches.


def collate(clips: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Stack clips to a batch: arrays, or tensors of pictures on the device where they are held (`resident`).

    Returns:
        of pictures, (T, H, W, C) uint8: (B, T, H, W, C) uint8, padded with zeros right and below to the largest H and W, and the true
        sizes (H, W), (B, 2) int64. For other clips, (C, T, ...) of one shape: (B, C, T, ...), and each clip's extents beyond T.
    """
    import torch  # here, so that processes that only look at clips start fast

    if isinstance(clips[0], torch.Tensor):
        return _gathered(clips)
    if clips[0].ndim != 4 or clips[0].dtype != np.uint8:
        return torch.from_numpy(np.stack(clips)), torch.tensor([clip.shape[2:] for clip in clips])
    sizes = torch.tensor([clip.shape[1:3] for clip in clips])
    height, width = sizes.amax(0).tolist()
    frames, channels = clips[0].shape[0], clips[0].shape[3]
    batch = torch.zeros((len(clips), frames, height, width, channels), dtype=torch.uint8)
    for target, clip in zip(batch.numpy(), clips, strict=True):
        target[:, : clip.shape[1], : clip.shape[2]] = clip
    return batch, sizes


def _gathered(clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The batch of `collate`, on the clips' device."""
    import torch

    sizes = torch.tensor([clip.shape[1:3] for clip in clips])
    height, width = sizes.amax(0).tolist()
    frames, _, _, channels = clips[0].shape
    batch = clips[0].new_zeros(len(clips), frames, height, width, channels)
    for target, clip in zip(batch, clips, strict=True):
        target[:, : clip.shape[1], : clip.shape[2]] = clip
    return batch, sizes


class Videos(Protocol):
    """The source of clips: a `Cache`, or one that is held in a GPU's memory (`resident.Resident`)."""

    attrs: dict[str, Any]

    @property
    def shorter(self) -> int: ...
    def __contains__(self, id: object) -> bool: ...
    def length(self, id: str) -> int: ...
    def shape(self, id: str) -> tuple[int, ...]: ...
    def read(self, id: str, start: int, stop: int, step: int = 1) -> Any: ...


Load = Callable[[Any, str, int], Any]
"""(cache, video, start) -> array, one clip from step `start`"""


class Source(NamedTuple):
    """Clips to draw from one cache.

    stream: the name in the draws' seeds. names: of the clips, ("query", "key") or ("partner",). load: of a clip. span: steps that it
    covers, None: a clip is the whole video. rate: steps a second, None: as many as the video's duration and its length in the cache say.
    paces: other loads with their spans, in place of `load` and `span`: of those that the video is long enough for one is drawn evenly for
    each clip, and its start independently of the others'.
    """

    cache: Videos
    stream: str
    names: tuple[str, ...]
    load: Load
    span: int | None
    rate: float | None = None
    paces: tuple[tuple[Load, int], ...] = ()


class Drawn(NamedTuple):
    """A clip that is drawn: its load, its first step, and the steps that it covers."""

    load: Load
    start: int
    span: int | None


class ClipDataset:
    """Random clips of videos, a data set of torch by its methods; an item's key is (epoch, position in `rows`).

    An item is {"id": str, "group": str, "label": int, -1 for none, "clips": {name: array of `load`}}, with `spans` also "spans": {name:
    (first, last)}, the seconds of the video at which the clip begins and ends.

    Generators of starts: two clips of a source (seed, epoch, id, "starts/<stream>"), as `two_starts`; one clip (seed, epoch, id,
    "<name>/<stream>"), uniform; three or more (seed, epoch, id, "starts/<stream>"), uniform, each independently; clips of several paces
    (seed, epoch, id, "paces/<stream>"). With `together` (seed, epoch, id, "starts/together") for all sources at once: the k-th clip of each
    begins at the same second, to half a step.

    Args:
        rows: usable rows of the index. The duration of a video is its frames over its rate; where the index has no rate, seconds are
            steps of the first source.
        labels: class name -> number, or None to take no labels.
        sources: what to draw; the names of the clips must differ.
        seed: of the run.
        together: draw the times of all sources at once.
        spans: tell the times of each clip.

    Raises:
        InputError: a video that a cache does not hold, a class that `labels` does not have, or several paces `together`.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        labels: Mapping[str, int] | None,
        sources: Sequence[Source],
        seed: int,
        together: bool = False,
        spans: bool = False,
    ) -> None:
        self.ids = [row.id for row in rows]
        self.groups = [row.group for row in rows]
        self.labels = [_label(row, labels) for row in rows]
        self.durations = [row.frames / row.fps if row.fps > 0 else 0.0 for row in rows]
        self.sources = list(sources)
        self.seed, self.together, self.spans = seed, together, spans
        for source in self.sources:
            if source.paces and together:
                raise InputError(f"clips of {source.stream} of several paces cannot begin together with others; choose one pace")
            for id in self.ids:
                if id not in source.cache:
                    raise InputError(f"{id} is in the index and not in the {source.cache.attrs.get('modality')} cache; extract again")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, position = key
        id = self.ids[position]
        clips_of = self._together(epoch, position) if self.together else [self._drawn(source, epoch, id) for source in self.sources]
        drawn = [
            (source, name, clip)
            for source, several in zip(self.sources, clips_of, strict=True)
            for name, clip in zip(source.names, several, strict=True)
        ]
        clips = {name: clip.load(source.cache, id, clip.start) for source, name, clip in drawn}
        sample = {"id": id, "group": self.groups[position], "label": self.labels[position], "clips": clips}
        if self.spans:
            sample["spans"] = {name: self._span(source, position, clip) for source, name, clip in drawn}
        return sample

    def _drawn(self, source: Source, epoch: int, id: str) -> list[Drawn]:
        """The clips of one source."""
        if not source.paces:
            return [Drawn(source.load, start, source.span) for start in self._starts(source, epoch, id)]
        length, rng = source.cache.length(id), seeding.numpy_rng(self.seed, epoch, id, f"paces/{source.stream}")
        shortest = min(span for _, span in source.paces)
        fitting = [pace for pace in source.paces if pace[1] <= max(length, shortest)]
        chosen = [fitting[rng.integers(len(fitting))] for _ in source.names]
        return [Drawn(load, one_start(length, span, rng), span) for load, span in chosen]

    def _starts(self, source: Source, epoch: int, id: str) -> tuple[int, ...]:
        """First steps of the clips of one source."""
        if source.span is None:
            return (0,) * len(source.names)
        length, single = source.cache.length(id), len(source.names) == 1
        purpose = f"{source.names[0]}/{source.stream}" if single else f"starts/{source.stream}"
        rng = seeding.numpy_rng(self.seed, epoch, id, purpose)
        if single:
            return (one_start(length, source.span, rng),)
        if len(source.names) == 2:
            return two_starts(length, source.span, rng)
        return several_starts(length, source.span, len(source.names), rng)

    def _together(self, epoch: int, position: int) -> list[list[Drawn]]:
        """The clips of all sources, from one draw of times. Half the time two clips share one, as in `two_starts`."""
        id, count = self.ids[position], max(len(source.names) for source in self.sources)
        rng = seeding.numpy_rng(self.seed, epoch, id, "starts/together")
        shares = rng.random(count)  # of the latest time at which a clip of every source fits
        if count == 2 and rng.random() < 0.5:
            shares[1] = shares[0]
        lasts = [0 if source.span is None else _last(source.cache.length(id), source.span) for source in self.sources]
        rates = [self._rate(source, position) for source in self.sources]
        parts = [(last, rate) for source, last, rate in zip(self.sources, lasts, rates, strict=True) if source.span is not None]
        latest = min((last / rate for last, rate in parts), default=0.0)
        return [
            [Drawn(source.load, min(math.floor(share * latest * rate + 0.5), last), source.span) for share in shares[: len(source.names)]]
            for source, last, rate in zip(self.sources, lasts, rates, strict=True)
        ]

    def _span(self, source: Source, position: int, clip: Drawn) -> tuple[float, float]:
        """The seconds at which a clip begins and ends."""
        if clip.span is None:
            return 0.0, self._duration(position)
        rate = self._rate(source, position)
        return clip.start / rate, (clip.start + clip.span + source.cache.shorter) / rate

    def _rate(self, source: Source, position: int) -> float:
        """Steps a second of a video in a source."""
        return source.rate or _steps(source, self.ids[position]) / self._duration(position)

    def _duration(self, position: int) -> float:
        """The seconds that a video lasts, as far as is known."""
        first = self.sources[0]
        return self.durations[position] or _steps(first, self.ids[position]) / (first.rate or 1.0)


def _steps(source: Source, id: str) -> int:
    """Steps that span the whole video: what lies between frames has a step less."""
    return source.cache.length(id) + source.cache.shorter


def _label(row: Row, labels: Mapping[str, int] | None) -> int:
    if labels is None or not row.label:
        return -1
    if row.label not in labels:
        raise InputError(f"{row.id}: class {row.label!r} is in no training video; give it one, or leave the class out")
    return labels[row.label]


def collate_batch(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Items of ClipDataset -> a batch.

    Returns:
        {"ids", "groups": list[str], "labels": (B,) int64, "clips": {name: batch}, "sizes": {name: (B, 2)}}, and where items have
        them "spans": {name: (B, 2) float64}, seconds.
    """
    import torch

    pairs = {name: collate([sample["clips"][name] for sample in items]) for name in items[0]["clips"]}
    batch = {
        "ids": [sample["id"] for sample in items],
        "groups": [sample["group"] for sample in items],
        "labels": torch.tensor([sample["label"] for sample in items], dtype=torch.int64),
        "clips": {name: clips for name, (clips, _) in pairs.items()},
        "sizes": {name: sizes for name, (_, sizes) in pairs.items()},
    }
    if "spans" in items[0]:
        names = items[0]["spans"]
        batch["spans"] = {name: torch.tensor([sample["spans"][name] for sample in items], dtype=torch.float64) for name in names}
    return batch


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
