"""Retrieval by hand and against a plain search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import base, cosines, metrics, retrieval
from videossl.tasks.base import Counts
from videossl.tasks.features import Features


def at(degrees: Sequence[Sequence[float]], labels: list[str], split: list[str]) -> Features:
    """Features in the plane: for each video, the angles of its clips on circles of different radius."""
    values = [[(math.cos(math.radians(a)), math.sin(math.radians(a))) for a in video] for video in degrees]
    return Features([f"v{i}" for i in range(len(labels))], labels, split, np.array(values, dtype=np.float32), {}, "toy")


def recalls(*streams: Features) -> dict[str, float]:
    """What the task says of streams of the same videos."""
    return base.scores(retrieval, [retrieval.predict(each, {}) for each in streams], streams[0]).numbers


def by_hand(shift: tuple[float, float] = (0, 0)) -> Features:
    """Gallery at 0 (a), 120 (b), 240 (a) degrees around `shift`, its mean; queries: 10 and -10 averaged = 0 (b), and 230 (a)."""
    features = at(
        [[0, 0], [120, 120], [240, 240], [10, -10], [230, 230], [33, 33]],
        ["a", "b", "a", "b", "a", ""],
        ["train"] * 3 + ["test"] * 3,
    )
    features.features[:] += np.array(shift, dtype=np.float32)
    return features


@pytest.mark.parametrize("shift", [(0, 0), (5, -3), (200, 0)])
def test_retrieval_by_hand(shift: tuple[float, float]) -> None:
    features = by_hand(shift)
    expected = [[math.cos(math.radians(q - g)) for g in (0, 120, 240)] for q in (0, 230)]
    assert np.allclose(cosines.similarities(features, [0, 1]), expected, atol=1e-4)
    assert np.allclose(cosines.similarities(features, [1]), expected[1:], atol=1e-4)
    assert recalls(features) == {"R@1": 50, "R@5": 100, "R@10": 100, "R@20": 100}
    assert retrieval.chance(features)["R@1"] == pytest.approx(50)


def test_a_stream_whose_cosines_are_narrow_counts_as_much_as_a_wide_one() -> None:
    """What an untrained encoder beside another one made of their fusion: the wider one alone."""
    wide, narrow = np.array([[0.9, -0.9, 0.0, 0.1]]), np.array([[0.01, 0.02, 0.03, 0.0]])
    by_deviation = (wide / wide.std() + narrow / narrow.std()) / 2
    assert np.allclose(cosines.fused([wide, narrow]), by_deviation)
    assert np.allclose(cosines.fused([wide, narrow / 1e3]), by_deviation) and cosines.fused([wide]) is wide
    assert cosines.fused([wide, narrow]).argmax() == 2 != (wide + narrow).argmax()
    assert np.array_equal(cosines.fused([wide, np.full((1, 4), 0.3)]), (wide / wide.std() + 0.3) / 2)  # one that says nothing


def test_one_large_part_that_all_features_share_changes_nothing() -> None:
    one, two = random_features(0, 6), random_features(1, 6)
    shared = Features(one.ids, one.labels, one.split, one.features * 1e-3 + 7, {}, "toy")
    assert recalls(shared) == recalls(one)
    assert recalls(shared, two) == recalls(one, two) == recalls(two, one) != recalls(two)


def test_features_that_are_all_one_but_for_rounding_are_equally_near() -> None:
    features = random_features(0)
    features.features[:] = 3 + 1e-7 * features.features
    assert not cosines.similarities(features, [0, 1]).any()


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
        x, y = a.astype(np.float64).mean(axis=0) - centre, b.astype(np.float64).mean(axis=0) - centre
        return float(x @ y / math.sqrt(x @ x) / math.sqrt(y @ y))

    queries, gallery = ([i for i, s in enumerate(features.split) if s == split] for split in ("test", "train"))
    centre = sum(features.features[g].astype(np.float64).mean(axis=0) for g in gallery) / len(gallery)
    return [[cosine(features.features[q], features.features[g]) for g in gallery] for q in queries]


def test_one_stream_and_two_are_a_plain_search() -> None:
    one, two = random_features(0, 6), random_features(1, 6)
    queries, gallery = ([one.labels[i] for i, s in enumerate(one.split) if s == part] for part in ("test", "train"))
    first, second = plain_similarity(one), plain_similarity(two)
    assert recalls(one) == pytest.approx(plain_recalls(first, queries, gallery))
    mean = [[a / np.std(x) + b / np.std(y) for a, b in zip(x, y, strict=True)] for x, y in zip(first, second, strict=True)]
    fused = recalls(one, two)
    assert fused == pytest.approx(plain_recalls(mean, queries, gallery))
    assert fused != recalls(one)


def brute_force(*streams: Features) -> dict[str, float]:
    """All similarities at once, and a stable sort of them."""
    total = np.zeros(())
    for each in streams:
        average = each.features.astype(np.float64).mean(axis=1)
        average = average - average[each.rows("train")].mean(axis=0)
        unit = average / np.maximum(np.linalg.norm(average, axis=1, keepdims=True), 1e-12)
        similar = np.einsum("qd,gd->qg", unit[each.rows("test")], unit[each.rows("train")])  # no BLAS, so that equal videos tie
        total = total + similar / (similar.std(axis=1, keepdims=True) if len(streams) > 1 else 1)
    order = np.argsort(-total, axis=1, kind="stable")
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
    one = with_copies(0, 121, 65)
    labels, split = one.labels, one.split
    two = Features(one.ids, labels, split, with_copies(1, 121, 17).features, {}, "toy")
    monkeypatch.setattr(retrieval, "CHUNK", 8 * len(one.rows("train")) * chunk)
    monkeypatch.setattr(cosines, "TILE", tile)
    for streams in ([one], [two], [one, two]):
        assert recalls(*streams) == brute_force(*streams)
    assert len({tuple(recalls(*streams).values()) for streams in ([one], [two], [one, two])}) == 3


@pytest.mark.parametrize("videos", [60, 333])
def test_features_whose_similarities_are_exact_tie_as_in_brute_force(videos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs in 16 dimensions: of length 4, so all similarities are eighths, and nearly all of them tie. With its opposites the mean is 0."""
    rng = seeding.numpy_rng(videos)
    values = rng.choice([-1.0, 1.0], (videos, 1, 16)).astype(np.float32)
    gallery = np.concatenate([values[::2], -values[::2]])
    values, count = np.concatenate([gallery, values[1::2]]), len(gallery)
    labels = [f"c{c}" for c in rng.integers(0, 30, len(values))]
    split = ["train" if i < count else "test" for i in range(len(values))]
    features = Features([str(i) for i in range(len(values))], labels, split, values, {}, "toy")
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
    one = random_features(2, 4)
    for scale in (1e-8, 64.0):
        assert recalls(Features(one.ids, one.labels, one.split, one.features * np.float32(scale))) == recalls(one)


def test_a_zero_feature_is_no_division_by_zero() -> None:
    features = by_hand()
    features.features[0] = 0
    assert np.isfinite(cosines.similarities(features, [0, 1])).all()


def test_without_test_videos_there_is_nothing_to_retrieve() -> None:
    features = at([[0], [1]], ["a", "b"], ["train", "train"])
    for call in (recalls, retrieval.chance):
        with pytest.raises(InputError, match=r"toy.*test.*evaluate.tasks: \[\]"):
            call(features)
