"""Cosines of videos' features, some test videos at a time: what retrieval ranks by, and what the report's gallery shows.

Features are centred first, by the mean of the gallery (docs/methods/tasks.md). Else all cosines of an encoder whose features share one large
part are nearly 1: those of an untrained one differ by 1e-3 and less.

Shapes: Q queries, the labelled test videos; G gallery videos, the labelled training videos; D numbers a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from videossl.tasks.features import Features

BLOCK, TILE = 128, 2048
"""Queries and gallery videos in one product of matrices. All have this size, filled up with zeros: BLAS computes a small one in another order,
so that equal videos would not be equally near."""

TINY = 1e-6
"""A video that differs from the mean by less than this share of it is at the mean: float32 does not tell more."""

LEVEL = 1e-12
"""Cosines whose deviation over the gallery is less are all the same, but for rounding."""


@dataclass(frozen=True)
class Cosines:
    """The similarities of test and training videos in one stream, some test videos at a time."""

    features: Features
    queries: np.ndarray  # (Q,) positions in the features
    gallery: np.ndarray  # (G,)

    @cached_property
    def centre(self) -> np.ndarray:
        """Mean of the gallery's features, averaged over clips: (D,) float64."""
        totals = [clips.astype(np.float64).mean(axis=1).sum(axis=0) for clips in self.features.chunks(self.gallery)]
        return np.asarray(np.sum(totals, axis=0) / len(self.gallery))

    @cached_property
    def units(self) -> np.ndarray:
        """The queries' features, averaged over clips, centred and of length 1: (Q, D) float64; at the mean all are 0."""
        return self._units(self.queries)

    def of(self, asked: np.ndarray | slice) -> np.ndarray:
        """The cosines (n, G) float64 of the queries at the n places `asked` among the Q."""
        queries = self._units(self.queries[asked])
        result, filled = np.empty((len(queries), len(self.gallery))), _filled(queries, BLOCK)
        for start in range(0, len(self.gallery), TILE):
            tile = _filled(self._units(self.gallery[start : start + TILE]), TILE)
            for first in range(0, len(filled), BLOCK):
                place = result[first : first + BLOCK, start : start + TILE]
                place[:] = (filled[first : first + BLOCK] @ tile.T)[: place.shape[0], : place.shape[1]]
        return result

    def _units(self, positions: np.ndarray) -> np.ndarray:
        """Features of the videos at n positions, averaged over clips, centred and of length 1: (n, D) float64; at the mean all are 0."""
        average = self.features.features[positions].astype(np.float64).mean(axis=1)
        average -= self.centre
        length = np.linalg.norm(average, axis=1, keepdims=True)
        average *= np.where(length > TINY * np.linalg.norm(self.centre), 1 / np.maximum(length, 1e-300), 0.0)
        return np.asarray(average)


def similarities(features: Features, queries: Sequence[int]) -> np.ndarray:
    """Cosine of some labelled test videos (rows) and all labelled training videos (columns): (n, G) float64, features averaged over clips, and centred.

    queries: places in `features.rows("test")`; a column belongs to the video at its place in `features.rows("train")`.
    """
    return Cosines(features, features.rows("test"), features.rows("train")).of(np.asarray(queries, dtype=np.int64))


def fused(cosines: Sequence[np.ndarray]) -> np.ndarray:
    """Similarities (n, G) of fused streams: the mean of their cosines (n, G), those of a query first divided by their deviation over the gallery.

    Without that the stream whose cosines are spread the most would decide alone. One stream keeps its cosines.
    """
    if len(cosines) == 1:
        return cosines[0]
    total = np.zeros_like(cosines[0])
    for each in cosines:
        deviation = each.std(axis=1, keepdims=True)
        total += each / np.where(deviation > LEVEL, deviation, 1.0)
    return np.asarray(total / len(cosines))


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """`rows` (n, D) with rows of zeros up to a multiple of `size`."""
    return np.pad(rows, ((0, -len(rows) % size), (0, 0))) if len(rows) % size else rows
