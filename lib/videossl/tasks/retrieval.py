"""Retrieval: test videos query the training videos by the cosine similarity of centred features (docs/methods/tasks.md).

Shapes: Q queries, the labelled test videos; G gallery videos, the labelled training videos; K clips a video; D numbers a clip. The similarities
(Q, G) are never there as a whole: of Kinetics or NTU RGB+D 120 they would take 25 GB. Some queries at a time meet all of the gallery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from videossl.tasks import metrics
from videossl.tasks.base import Counts
from videossl.tasks.cosines import Cosines, fused
from videossl.tasks.features import CHUNK, Features


def predict(features: Features, settings: Mapping[str, Any]) -> Cosines:
    """The similarities by one stream, to be computed when they are asked for. Raises InputError without test videos or two classes."""
    features.check()
    return Cosines(features, features.rows("test"), features.rows("train"))


def hits(predictions: Sequence[Cosines], features: Features) -> dict[str, np.ndarray]:
    """The queries with a gallery video of their class among their first 1, 5, 10, 20, (Q,) bool, by the streams' similarities, fused.

    A k beyond the gallery is computed with the whole gallery.
    """
    queries, gallery = features.targets("test"), features.targets("train")
    step = max(1, CHUNK // (8 * len(gallery)))
    chunks = [slice(start, start + step) for start in range(0, len(queries), step)]
    similarities = (fused([stream.of(chunk) for stream in predictions]) for chunk in chunks)
    ranks = np.concatenate([metrics.first_ranks(rows, queries[chunk], gallery) for rows, chunk in zip(similarities, chunks, strict=True)])
    return {f"R@{k}": ranks < k for k in metrics.KS}


def chance(features: Features) -> dict[str, float]:
    """The numbers that `measure` would give on average if the gallery were in random order."""
    features.check()
    queries, gallery = features.targets("test"), features.targets("train")
    return {f"R@{k}": metrics.chance_recall(queries, gallery, k) for k in metrics.KS}


def work(counts: Counts, settings: Mapping[str, Any]) -> float:
    """Multiplications."""
    return float(counts.test * counts.train * counts.numbers)
