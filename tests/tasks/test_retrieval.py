"""Retrieval by hand and against a plain search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import cosines, metrics, retrieval
from videossl.tasks.base import Counts
from videossl.tasks.features import Features


def at(degrees: Sequence[Sequence[float]], labels: list[str], split: list[str]) -> Features:
    """Features in the plane: for each video, the angles of its clips on circles of different radius."""
    values = [[(math.cos(math.radians(a)), math.sin(math.radians(a))) for a in video] for video in degrees]
    return Features([f"v{i}" for i in range(len(labels))], labels, split, np.array(values, dtype=np.float32), {}, "toy")


def recalls(*streams: Features) -> dict[str, float]:
    """What the task says of streams of the same videos."""
    return retrieval.measure([retrieval.predict(each, {}) for each in streams], streams[0])


def by_hand() -> Features:
    """Gallery at 0 (a), 40 (b), 90 (a) degrees; queries: 10 and -10 averaged = 0 (b), and 80 (a)."""
    return at(
        [[0, 0], [40, 40], [90, 90], [10, -10], [80, 80], [33, 33]],
        ["a", "b", "a", "b", "a", ""],
        ["train"] * 3 + ["test"] * 3,
    )


def test_retrieval_by_hand() -> None:
    features = by_hand()
    expected = [[math.cos(math.radians(q - g)) for g in (0, 40, 90)] for q in (0, 80)]
    assert np.allclose(cosines.similarities(features, [0, 1]), expected, atol=1e-6)
    assert np.allclose(cosines.similarities(features, [1]), expected[1:], atol=1e-6)
    assert recalls(features) == {"R@1": 50, "R@5": 100, "R@10": 100, "R@20": 100}
    assert retrieval.chance(features)["R@1"] == pytest.approx(50)


def test_work_is_a_multiplication_for_each_number_of_each_pair() -> None:
    assert retrieval.work(Counts(train=5, test=3, classes=2, clips=4, numbers=7), {}) == 5 * 3 * 7


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


def test_one_stream_and_two_are_a_plain_search() -> None:
    one, two = random_features(0, 6), random_features(1, 6)
    queries, gallery = ([one.labels[i] for i, s in enumerate(one.split) if s == part] for part in ("test", "train"))
    first, second = plain_similarity(one), plain_similarity(two)
    assert recalls(one) == pytest.approx(plain_recalls(first, queries, gallery))
    mean = [[(a + b) / 2 for a, b in zip(x, y, strict=True)] for x, y in zip(first, second, strict=True)]
    fused = recalls(one, two)
    assert fused == pytest.approx(plain_recalls(mean, queries, gallery))
    assert fused != recalls(one)


def brute_force(*streams: Features) -> dict[str, float]:
    """All similarities at once, and a stable sort of them."""
    total = np.zeros(())
    for each in streams:
        average = each.features.astype(np.float64).mean(axis=1)
        unit = average / np.maximum(np.linalg.norm(average, axis=1, keepdims=True), 1e-12)
        total = total + np.einsum("qd,gd->qg", unit[each.rows("test")], unit[each.rows("train")])  # no BLAS, so that equal videos tie
    order = np.argsort(-(total / len(streams)), axis=1, kind="stable")
    hits = streams[0].targets("train")[order] == streams[0].targets("test")[:, None]
    return {f"R@{k}": 100 * float(np.mean(hits[:, :k].any(axis=1))) for k in metrics.KS}


def with_copies(seed: int, videos: int, numbers: int) -> Features:
    """Random features of which every fifth is that of an earlier video, of another class or split or the same."""
    rng = seeding.numpy_rng(seed, "copies")
    values = rng.normal(size=(videos, 2, numbers)).astype(np.float32)
    for position in range(videos // 5, videos, 5):
        values[position] = values[rng.integers(position)]
    labels, split = [f"c{c}" for c in rng.integers(0, 9, videos)], [str(s) for s in rng.choice(["train", "test"], videos)]
    return Features([str(i) for i in range(videos)], labels, split, values, {}, "toy")


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
@pytest.mark.parametrize("tile", [32, 2048])
def test_chunks_find_exactly_what_brute_force_does(chunk: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = with_copies(0, 201, 65)
    labels, split = one.labels, one.split
    two = Features(one.ids, labels, split, with_copies(1, 201, 17).features, {}, "toy")
    monkeypatch.setattr(retrieval, "CHUNK", 8 * len(one.rows("train")) * chunk)
    monkeypatch.setattr(cosines, "TILE", tile)
    for streams in ([one], [two], [one, two]):
        assert recalls(*streams) == brute_force(*streams)
    assert len({tuple(recalls(*streams).values()) for streams in ([one], [two], [one, two])}) == 3


@pytest.mark.parametrize("videos", [60, 333])
def test_features_whose_similarities_are_exact_tie_as_in_brute_force(videos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs in 16 dimensions: of length 4, so all similarities are eighths, and nearly all of them tie."""
    rng = seeding.numpy_rng(videos)
    values = rng.choice([-1.0, 1.0], (videos, 1, 16)).astype(np.float32)
    labels, split = [f"c{c}" for c in rng.integers(0, 30, videos)], ["test" if i % 2 else "train" for i in range(videos)]
    features = Features([str(i) for i in range(videos)], labels, split, values, {}, "toy")
    expected = brute_force(features)
    assert 0 < expected["R@1"] < expected["R@20"] < 100
    monkeypatch.setattr(retrieval, "CHUNK", 8 * 37 * videos // 2)
    monkeypatch.setattr(cosines, "TILE", 16)
    assert recalls(features) == expected


def test_equal_videos_are_equally_near_wherever_they_stand() -> None:
    values = seeding.numpy_rng(3).normal(size=(2, 1, 1000)).astype(np.float32)
    for gallery in (2, 15, 100, 2047, 2049):
        whole = np.concatenate([np.repeat(values[:1], gallery, axis=0), np.repeat(values[1:], 3, axis=0)])
        labels, split = ["a", "b"] * (gallery + 3), ["train"] * gallery + ["test"] * 3
        features = Features([str(i) for i in range(gallery + 3)], labels[: gallery + 3], split, whole, {}, "toy")
        both = [cosines.similarities(features, queries) for queries in ([0, 1, 2], [1])]
        assert len(np.unique(np.concatenate(both))) == 1


def test_clear_classes_are_found_and_scale_does_not_matter() -> None:
    assert recalls(random_features(0, 0.1))["R@1"] == 100
    length = seeding.numpy_rng(5).uniform(0.1, 10, (120, 1, 1)).astype(np.float32)
    one = random_features(2, 4)
    scaled = Features(one.ids, one.labels, one.split, one.features * length)
    assert recalls(scaled) == recalls(one)


def test_a_zero_feature_is_no_division_by_zero() -> None:
    features = by_hand()
    features.features[0] = 0
    assert np.isfinite(cosines.similarities(features, [0, 1])).all()


def test_without_test_videos_there_is_nothing_to_retrieve() -> None:
    features = at([[0], [1]], ["a", "b"], ["train", "train"])
    for call in (recalls, retrieval.chance):
        with pytest.raises(InputError, match=r"toy.*test.*evaluate.tasks: \[\]"):
            call(features)
