"""The clips of videos that an encoder is tested on: nothing random, in batches (docs/methods/tasks.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from videossl.data.cache import Cache
from videossl.data.clips import collate
from videossl.data.index import Row


@dataclass(frozen=True)
class Clips:
    """Clips of the videos `rows` in one stream, in the order of the videos.

    load: (cache, video, start) -> one clip; span: steps that a clip covers, None where it is the whole video. starts: (length, span) ->
    first step of each clip of a video of that length, such as `partial(uniform_starts, count=3)` or `partial(windows, overlap=0.5)`; what
    is seen whole is seen once.
    """

    cache: Cache
    rows: Sequence[Row]
    stream: str
    load: Callable[[Cache, str, int], np.ndarray]
    span: int | None
    starts: Callable[[int, int], list[int]]

    def of(self, video: str) -> list[int]:
        """First steps of the clips of one video."""
        return [0] if self.span is None else self.starts(self.cache.length(video), self.span)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All clips of all videos, `size` at a time, the last batch what is left: (clips, sizes) of `data.clips.collate`. Another thread reads each
        while the one before is worked at."""
        batches = self.read(size)
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(next, batches, None)
            while batch := coming.result():
                coming = reader.submit(next, batches, None)
                yield batch

    def read(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The same, each read when it is asked for."""
        loaded = []
        for row in self.rows:
            for start in self.of(row.id):
                loaded.append(self.load(self.cache, row.id, start))
                if len(loaded) == size:
                    yield collate(loaded)
                    loaded = []
        if loaded:
            yield collate(loaded)

    def by_video(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Regroup the results of batches, (B, D) each, as one (K, D) a video; K is the number of clips of the video."""
        return list(torch.split(torch.cat(list(parts)), [len(self.of(row.id)) for row in self.rows]))
