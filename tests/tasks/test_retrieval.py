"""Retrieval by hand and against a plain search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import retrieval
from videossl.tasks.features import Features


def at(degrees: Sequence[Sequence[float]], labels: list[str], split: list[str]) -> Features:
    """Features in the plane: for each video, the angles of its clips on circles of different radius."""
    values = [[(math.cos(math.radians(a)), math.sin(math.radians(a))) for a in video] for video in degrees]
    return Features([f"v{i}" for i in range(len(labels))], labels, split, np.array(values, dtype=np.float32), {}, "toy")


def by_hand() -> Features:
    """Gallery at 0 (a), 40 (b), 90 (a) degrees; queries: 10 and -10 averaged = 0 (b), and 80 (a)."""
    return at(
        [[0, 0], [40, 40], [90, 90], [10, -10], [80, 80], [33, 33]],
        ["a", "b", "a", "b", "a", ""],
        ["train"] * 3 + ["test"] * 3,
    )


def test_retrieval_by_hand() -> None:
    features = by_hand()
    cosines = [[math.cos(math.radians(q - g)) for g in (0, 40, 90)] for q in (0, 80)]
    assert np.allclose(retrieval.similarities(features), cosines, atol=1e-6)
    assert retrieval.neighbours(features, 2).tolist() == [[0, 1], [2, 1]]
    assert retrieval.neighbours(features, 9).tolist() == [[0, 1, 2], [2, 1, 0]]
    assert retrieval.retrieve(features) == {"R@1": 50, "R@5": 100, "R@10": 100, "R@20": 100}
    assert retrieval.chance(features)["R@1"] == pytest.approx(50)


def random_features(seed: int, noise: float = 1.0) -> Features:
    rng = seeding.numpy_rng(seed)
    labels = [f"class {i % 7}" for i in range(120)]
    centres = seeding.numpy_rng(99).normal(size=(7, 16))
    values = centres[np.arange(120) % 7][:, None] + noise * rng.normal(size=(120, 3, 16))
    split = ["test" if i % 3 == 0 else "train" for i in range(120)]
    return Features([str(i) for i in range(120)], labels, split, values.astype(np.float32), {}, "toy")


def plain_recalls(similarity: list[list[float]], queries: list[str], gallery: list[str]) -> dict[str, float]:
    found = dict.fromkeys((1, 5, 10, 20), 0)
    for row, label in zip(similarity, queries, strict=True):
        nearest = sorted(range(len(row)), key=lambda g: -row[g])
        for k in found:
            found[k] += label in [gallery[g] for g in nearest[:k]]
    return {f"R@{k}": 100 * count / len(queries) for k, count in found.items()}


def plain_similarity(features: Features) -> list[list[float]]:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        x, y = a.astype(np.float64).mean(axis=0), b.astype(np.float64).mean(axis=0)
        return float(x @ y / math.sqrt(x @ x) / math.sqrt(y @ y))

    queries, gallery = ([i for i, s in enumerate(features.split) if s == split] for split in ("test", "train"))
    return [[cosine(features.features[q], features.features[g]) for g in gallery] for q in queries]


def test_retrieve_and_fuse_are_a_plain_search() -> None:
    one, two = random_features(0, 6), random_features(1, 6)
    queries, gallery = ([one.labels[i] for i, s in enumerate(one.split) if s == part] for part in ("test", "train"))
    first, second = plain_similarity(one), plain_similarity(two)
    assert retrieval.retrieve(one) == pytest.approx(plain_recalls(first, queries, gallery))
    mean = [[(a + b) / 2 for a, b in zip(x, y, strict=True)] for x, y in zip(first, second, strict=True)]
    fused = retrieval.fuse([one, two])
    assert fused == pytest.approx(plain_recalls(mean, queries, gallery))
    assert fused != retrieval.retrieve(one)
    assert retrieval.fuse([one]) == retrieval.retrieve(one)


def test_clear_classes_are_found_and_scale_does_not_matter() -> None:
    clear = random_features(0, 0.1)
    assert retrieval.retrieve(clear)["R@1"] == 100
    length = seeding.numpy_rng(5).uniform(0.1, 10, (120, 1, 1)).astype(np.float32)
    one = random_features(2, 4)
    scaled = Features(one.ids, one.labels, one.split, one.features * length)
    assert retrieval.retrieve(scaled) == retrieval.retrieve(one)


def test_fusing_uses_the_videos_that_all_have() -> None:
    one = random_features(0, 6)
    kept = one.select(range(100))
    assert retrieval.fuse([one, kept]) == retrieval.retrieve(kept)


def test_a_zero_feature_is_no_division_by_zero() -> None:
    features = by_hand()
    features.features[0] = 0
    assert np.isfinite(retrieval.similarities(features)).all()


def test_without_test_videos_there_is_nothing_to_retrieve() -> None:
    features = at([[0], [1]], ["a", "b"], ["train", "train"])
    for call in (retrieval.retrieve, retrieval.chance):
        with pytest.raises(InputError, match=r"toy.*test.*evaluate.tasks: \[\]"):
            call(features)
