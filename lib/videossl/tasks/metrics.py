"""Accuracy, recall and what chance would give, all in percent."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from videossl.errors import InputError

KS = (1, 5, 10, 20)  # R@k of the report (docs/methods/tasks.md)

NEVER = np.iinfo(np.int64).max
"""The rank of what is not in the gallery."""


def correct(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The rows of (V, classes) whose largest value is at the target (V,) int, as (V,) bool; the first of equal ones counts."""
    return np.asarray(probabilities.argmax(axis=1) == targets)


def accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Percent of rows that are `correct`."""
    return 100 * float(np.mean(correct(probabilities, targets)))


def fuse(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of the streams' probabilities (V, classes), rows of the same videos (docs/methods/tasks.md)."""
    shapes = {each.shape for each in probabilities}
    if len(shapes) != 1:
        raise InputError(f"fusing probabilities of shapes {sorted(shapes)}: the streams must hold the same videos")
    return np.asarray(np.mean(probabilities, axis=0))


def chance_accuracy(train: np.ndarray, test: np.ndarray) -> float:
    """Accuracy (percent) of answering always the class most frequent in `train`: its share of `test`.

    Of equally frequent classes any is answered alike, so theirs is the mean share: 100 / classes when balanced.
    Targets are int (V,).
    """
    classes, counts = np.unique(train, return_counts=True)
    return 100 * float(np.mean([np.mean(test == c) for c in classes[counts == counts.max()]]))


def first_ranks(similarity: np.ndarray, queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """The rank of the first gallery video of each query's class: 0 where it is the nearest, NEVER where there is none. (Q,) int64.

    similarity (Q, G): of queries and gallery videos; of equal ones the first in the gallery is nearer. queries (Q,), gallery (G,):
    class numbers.
    """
    members = {c: np.flatnonzero(gallery == c) for c in np.unique(queries).tolist()}
    result = np.full(len(queries), NEVER, dtype=np.int64)
    for query, (row, c) in enumerate(zip(similarity, queries.tolist(), strict=True)):
        if len(members[c]):
            first = members[c][row[members[c]].argmax()]
            result[query] = np.count_nonzero(row > row[first]) + np.count_nonzero(row[:first] == row[first])
    return result


def chance_recall(queries: np.ndarray, gallery: np.ndarray, k: int) -> float:
    """Expected R@k (percent) when k gallery videos are drawn at random without replacement.

    For a query with m of G gallery videos in its class it is 1 - C(G - m, k) / C(G, k) (hypergeometric); the mean over
    queries.
    """
    total = len(gallery)
    k = min(k, total)
    missed = {c: comb(total - int((gallery == c).sum()), k) / comb(total, k) for c in set(queries.tolist())}
    return 100 * float(np.mean([1 - missed[c] for c in queries.tolist()]))
