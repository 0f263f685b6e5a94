"""Metrics by hand, and chance against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import metrics


def test_accuracy_by_hand() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]])
    assert metrics.accuracy(probabilities, np.array([1, 0, 0, 1])) == 50
    assert metrics.accuracy(probabilities, np.array([1, 0, 2, 0])) == 100


def test_fuse_is_the_mean_of_the_streams() -> None:
    one, two = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.3, 0.7], [0.0, 1.0]])
    assert np.allclose(metrics.fuse([one, two]), [[0.6, 0.4], [0.2, 0.8]])
    with pytest.raises(InputError, match="same videos"):
        metrics.fuse([one, two[:1]])


def test_chance_accuracy_by_hand() -> None:
    assert metrics.chance_accuracy(np.array([0, 0, 1]), np.array([0, 1, 1, 2])) == 25
    assert metrics.chance_accuracy(np.arange(12).repeat(5), np.arange(12).repeat(3)) == pytest.approx(100 / 12)
    assert metrics.chance_accuracy(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 2])) == pytest.approx((25 + 50) / 2)


def test_ranks_and_recalls_by_hand() -> None:
    gallery, queries = np.array([0, 0, 1, 2]), np.array([0, 1, 2, 5])
    similarity = np.array([[0.0, 0.9, 0.8, 0.7], [0.9, 0.8, 0.1, 0.2], [0.5, 0.5, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4]])
    ranks = metrics.first_ranks(similarity, queries, gallery)
    assert ranks.tolist() == [0, 3, 3, metrics.NEVER]  # of equal ones the first is nearer; class 5 is not in the gallery
    assert [100 * np.mean(ranks < k) for k in (1, 2, 3, 4, 20)] == [25, 25, 25, 75, 75]


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_a_stable_sort(seed: int) -> None:
    rng = seeding.numpy_rng(seed)
    similarity = rng.integers(0, 6, (40, 30)) / 7  # many are equal
    queries, gallery = rng.choice(5, 40), rng.choice(4, 30)
    ranks = metrics.first_ranks(similarity, queries, gallery)
    order = np.argsort(-similarity, axis=1, kind="stable")
    for query in range(40):
        hits = np.flatnonzero(gallery[order[query]] == queries[query])
        assert ranks[query] == (hits[0] if len(hits) else metrics.NEVER)


def test_chance_recall_by_hand() -> None:
    gallery = np.array([0, 0, 1, 1, 1])
    assert metrics.chance_recall(np.array([0]), gallery, 1) == pytest.approx(40)
    assert metrics.chance_recall(np.array([0]), gallery, 2) == pytest.approx(100 * (1 - 3 / 5 * 2 / 4))
    assert metrics.chance_recall(np.array([0, 1]), gallery, 1) == pytest.approx(50)
    assert metrics.chance_recall(np.array([0]), np.array([0, 1, 1, 1, 1]), 4) == pytest.approx(80)
    assert metrics.chance_recall(np.array([0]), np.array([0, 1, 1, 1, 1]), 20) == 100
    assert metrics.chance_recall(np.array([0, 9]), gallery, 20) == 50  # class 9 is not in the gallery


@pytest.mark.parametrize("k", [1, 5, 10])
def test_chance_recall_is_what_random_orders_give(k: int) -> None:
    rng = seeding.numpy_rng(0, k)
    gallery, queries = rng.choice(6, 40, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]), rng.choice(6, 25)
    tries = [100 * np.mean(metrics.first_ranks(rng.random((25, 40)), queries, gallery) < k) for _ in range(800)]
    error = np.std(tries) / len(tries) ** 0.5
    assert metrics.chance_recall(queries, gallery, k) == pytest.approx(np.mean(tries), abs=4 * error)
