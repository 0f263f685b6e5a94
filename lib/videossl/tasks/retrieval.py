"""Retrieval: test videos query the training videos by cosine similarity (spec, Downstream)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videossl.tasks.features import Features, align
from videossl.tasks.metrics import KS, chance_recall, recall_at


def similarities(features: Features) -> np.ndarray:
    """Cosine of each test video (rows) and training video (columns): (Q, G) float64, features averaged over clips."""
    mean = features.features.astype(np.float64).mean(axis=1)
    unit = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit[features.rows("test")] @ unit[features.rows("train")].T)


def retrieve(features: Features) -> dict[str, float]:
    """R@1, 5, 10, 20 in percent, the labelled test videos against the labelled training videos.

    A k beyond the gallery is computed with the whole gallery. Raises InputError without test videos or two classes.
    """
    return fuse([features])


def fuse(modalities: Sequence[Features]) -> dict[str, float]:
    """`retrieve` with the modalities' similarities averaged, over the videos that all of them have."""
    modalities = align(modalities)
    features = modalities[0]
    features.check()
    order = _nearest(np.mean([similarities(one) for one in modalities], axis=0))
    queries, gallery = features.targets("test"), features.targets("train")
    return {f"R@{k}": recall_at(order, queries, gallery, k) for k in KS}


def chance(features: Features) -> dict[str, float]:
    """What `retrieve` would give on average if the gallery were in random order."""
    features.check()
    queries, gallery = features.targets("test"), features.targets("train")
    return {f"R@{k}": chance_recall(queries, gallery, k) for k in KS}


def neighbours(features: Features, k: int) -> np.ndarray:
    """The k nearest training videos of each test video, nearest first: (Q, min(k, G)) positions in `features.ids`.

    Row q belongs to the test video at `features.rows("test")[q]`.
    """
    return np.asarray(features.rows("train")[_nearest(similarities(features))[:, :k]])


def _nearest(similarity: np.ndarray) -> np.ndarray:
    """Columns of each row by falling similarity; equal ones in the order of the gallery."""
    return np.argsort(-similarity, axis=1, kind="stable")
