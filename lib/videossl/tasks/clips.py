"""The clips of videos that an encoder is tested on: nothing random, in batches (spec, Downstream)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from videossl.data.cache import Cache
from videossl.data.clips import SKELETON, check_graph, collate, load_clip
from videossl.data.index import Row


@dataclass(frozen=True)
class Clips:
    """Clips of the videos `rows` in one modality, `frames` long and `stride` apart, in the order of the videos.

    starts: (length, frames, stride) -> first frame of each clip of a video of that length, such as
    `partial(uniform_starts, count=3)` or `partial(windows, overlap=0.5)`; skeletons are seen whole and once instead.
    graph: of skeletons, as for `load_clip`; those of the cache must be of it, else an InputError.
    """

    cache: Cache
    rows: Sequence[Row]
    modality: str
    frames: int
    stride: int
    starts: Callable[[int, int, int], list[int]]
    graph: str = ""

    def __post_init__(self) -> None:
        check_graph(self.cache, self.modality, self.graph)

    def of(self, video: str) -> list[int]:
        """First frames of the clips of one video."""
        return [0] if self.modality in SKELETON else self.starts(self.cache.length(video), self.frames, self.stride)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All clips of all videos, `size` at a time, the last batch what is left: (clips, sizes) of `data.clips.collate`."""
        loaded = []
        for row in self.rows:
            for start in self.of(row.id):
                loaded.append(load_clip(self.cache, row.id, self.modality, self.frames, self.stride, start, self.graph))
                if len(loaded) == size:
                    yield collate(loaded)
                    loaded = []
        if loaded:
            yield collate(loaded)

    def by_video(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """What was computed of each batch, (B, D) each, as one (K, D) a video; K is how many clips the video has."""
        return list(torch.split(torch.cat(list(parts)), [len(self.of(row.id)) for row in self.rows]))
