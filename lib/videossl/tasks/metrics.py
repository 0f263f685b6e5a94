"""Accuracy, recall and what chance would give, all in percent."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from videossl.errors import InputError

KS = (1, 5, 10, 20)  # R@k of the report (spec, Downstream)


def accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Percent of rows of (V, classes) whose largest value is at the target (V,) int; the first of equal ones counts."""
    return 100 * float(np.mean(probabilities.argmax(axis=1) == targets))


def fuse(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of the modalities' probabilities (V, classes), rows of the same videos (spec: two-stream)."""
    shapes = {one.shape for one in probabilities}
    if len(shapes) != 1:
        raise InputError(f"fusing probabilities of shapes {sorted(shapes)}: the modalities must hold the same videos")
    return np.asarray(np.mean(probabilities, axis=0))


def chance_accuracy(train: np.ndarray, test: np.ndarray) -> float:
    """Accuracy (percent) of answering always the class most frequent in `train`: its share of `test`.

    Of equally frequent classes any is answered alike, so theirs is the mean share: 100 / classes when balanced.
    Targets are int (V,).
    """
    classes, counts = np.unique(train, return_counts=True)
    return 100 * float(np.mean([np.mean(test == c) for c in classes[counts == counts.max()]]))


def recall_at(order: np.ndarray, queries: np.ndarray, gallery: np.ndarray, k: int) -> float:
    """Percent of queries with a gallery video of their class among their first k.

    order (Q, >= min(k, G)): gallery positions, nearest first. queries (Q,), gallery (G,): class numbers. A k larger
    than the gallery is the whole gallery.
    """
    return 100 * float(np.mean((gallery[order[:, :k]] == queries[:, None]).any(axis=1)))


def chance_recall(queries: np.ndarray, gallery: np.ndarray, k: int) -> float:
    """Expected R@k (percent) when k gallery videos are drawn at random without replacement.

    For a query with m of G gallery videos in its class it is 1 - C(G - m, k) / C(G, k) (hypergeometric); the mean over
    queries.
    """
    total = len(gallery)
    k = min(k, total)
    missed = {c: comb(total - int((gallery == c).sum()), k) / comb(total, k) for c in set(queries.tolist())}
    return 100 * float(np.mean([1 - missed[c] for c in queries.tolist()]))
