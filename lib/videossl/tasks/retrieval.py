"""Retrieval: test videos query the training videos by cosine similarity (spec, Downstream).

Shapes: Q queries, the labelled test videos; G gallery videos, the labelled training videos; K clips a video; D numbers a clip. The similarities
(Q, G) are never there as a whole: of Kinetics or NTU RGB+D 120 they would take 25 GB. Some queries at a time meet all of the gallery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from videossl.tasks import metrics
from videossl.tasks.base import Counts
from videossl.tasks.features import CHUNK, Features

BLOCK, TILE = 128, 2048
"""Queries and gallery videos in one product of matrices. All have this size, filled up with zeros: BLAS computes a small one in another order,
so that equal videos would not be equally near."""


@dataclass(frozen=True)
class Cosines:
    """How alike one stream finds the test videos and the training videos, some test videos at a time."""

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


def predict(features: Features, settings: Mapping[str, Any]) -> Cosines:
    """The similarities by one stream, to be computed when they are asked for. Raises InputError without test videos or two classes."""
    features.check()
    return Cosines(features, features.rows("test"), features.rows("train"))


def measure(predictions: Sequence[Cosines], features: Features) -> dict[str, float]:
    """R@1, 5, 10, 20 in percent, by the mean of the streams' similarities. A k beyond the gallery is computed with the whole gallery."""
    queries, gallery = features.targets("test"), features.targets("train")
    step = max(1, CHUNK // (8 * len(gallery)))
    chunks = [slice(start, start + step) for start in range(0, len(queries), step)]
    ranks = np.concatenate([metrics.first_ranks(mean(predictions, chunk), queries[chunk], gallery) for chunk in chunks])
    return {f"R@{k}": metrics.recall_at(ranks, k) for k in metrics.KS}


def chance(features: Features) -> dict[str, float]:
    """What `measure` would give on average if the gallery were in random order."""
    features.check()
    queries, gallery = features.targets("test"), features.targets("train")
    return {f"R@{k}": metrics.chance_recall(queries, gallery, k) for k in metrics.KS}


def work(counts: Counts, settings: Mapping[str, Any]) -> float:
    """Multiplications."""
    return float(counts.test * counts.train * counts.numbers)


def similarities(features: Features, queries: Sequence[int]) -> np.ndarray:
    """Cosine of some labelled test videos (rows) and all labelled training videos (columns): (n, G) float64, features averaged over clips.

    queries: places in `features.rows("test")`; a column belongs to the video at its place in `features.rows("train")`.
    """
    return Cosines(features, features.rows("test"), features.rows("train")).of(np.asarray(queries, dtype=np.int64))


def mean(predictions: Sequence[Cosines], asked: slice) -> np.ndarray:
    """Mean of the streams' similarities, (n, G)."""
    total = predictions[0].of(asked)
    for other in predictions[1:]:
        total += other.of(asked)
    total /= len(predictions)
    return total


def unit(features: Features, positions: np.ndarray) -> np.ndarray:
    """Features of the videos at n positions, averaged over clips and of length 1: (n, D) float64; zeros stay zeros."""
    average = features.features[positions].astype(np.float64).mean(axis=1)
    average /= np.maximum(np.linalg.norm(average, axis=1, keepdims=True), 1e-12)
    return np.asarray(average)


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """`rows` (n, D) with rows of zeros up to a multiple of `size`."""
    return np.pad(rows, ((0, -len(rows) % size), (0, 0))) if len(rows) % size else rows
