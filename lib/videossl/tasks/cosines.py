"""Cosines of videos' features, some test videos at a time: what retrieval ranks by, and what the report's gallery shows.

Shapes: Q queries, the labelled test videos; G gallery videos, the labelled training videos; D numbers a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videossl.tasks.features import Features

BLOCK, TILE = 128, 2048
"""Queries and gallery videos in one product of matrices. All have this size, filled up with zeros: BLAS computes a small one in another order,
so that equal videos would not be equally near."""


@dataclass(frozen=True)
class Cosines:
    """The similarities of test and training videos in one stream, some test videos at a time."""

    features: Features
    queries: np.ndarray  # (Q,) positions in the features
    gallery: np.ndarray  # (G,)

    def of(self, asked: np.ndarray | slice) -> np.ndarray:
        """The cosines (n, G) float64 of the queries at the n places `asked` among the Q."""
        queries = unit(self.features, self.queries[asked])
        result, filled = np.empty((len(queries), len(self.gallery))), _filled(queries, BLOCK)
        for start in range(0, len(self.gallery), TILE):
            tile = _filled(unit(self.features, self.gallery[start : start + TILE]), TILE)
            for first in range(0, len(filled), BLOCK):
                place = result[first : first + BLOCK, start : start + TILE]
                place[:] = (filled[first : first + BLOCK] @ tile.T)[: place.shape[0], : place.shape[1]]
        return result


def similarities(features: Features, queries: Sequence[int]) -> np.ndarray:
    """Cosine of some labelled test videos (rows) and all labelled training videos (columns): (n, G) float64, features averaged over clips.

    queries: places in `features.rows("test")`; a column belongs to the video at its place in `features.rows("train")`.
    """
    return Cosines(features, features.rows("test"), features.rows("train")).of(np.asarray(queries, dtype=np.int64))


def unit(features: Features, positions: np.ndarray) -> np.ndarray:
    """Features of the videos at n positions, averaged over clips and of length 1: (n, D) float64; zeros stay zeros."""
    average = features.features[positions].astype(np.float64).mean(axis=1)
    average /= np.maximum(np.linalg.norm(average, axis=1, keepdims=True), 1e-12)
    return np.asarray(average)


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """`rows` (n, D) with rows of zeros up to a multiple of `size`."""
    return np.pad(rows, ((0, -len(rows) % size), (0, 0))) if len(rows) % size else rows
