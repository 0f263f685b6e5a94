"""The linear probe on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import linear, metrics
from videossl.tasks.features import Features


def blobs(noise: float, clips: int = 3, classes: int = 4, videos: int = 80, seed: int = 0) -> Features:
    """Classes around random centres, on axes of very different scale and offset; one axis constant."""
    rng = seeding.numpy_rng(seed)
    label = np.arange(videos) % classes
    values = rng.normal(size=(classes, 10))[label][:, None] + noise * rng.normal(size=(videos, clips, 10))
    values = values * np.logspace(-3, 3, 10) + 5
    values = np.concatenate([values, np.full((videos, clips, 1), 0.1)], axis=2).astype(np.float32)
    split = ["test" if i % 4 == i // 4 % 4 else "train" for i in range(videos)]
    return Features([str(i) for i in range(videos)], [f"c{c}" for c in label], split, values, {}, "toy")


def test_separable_classes_reach_100() -> None:
    features = blobs(0.02)
    probabilities = linear.train_probe(features, 1e-4, 200)
    assert probabilities.shape == (len(features.rows("test")), 4)
    assert np.allclose(probabilities.sum(1), 1)
    assert metrics.accuracy(probabilities, features.targets("test")) == 100


def test_shuffled_labels_give_chance() -> None:
    features = blobs(0.02, videos=400)
    labels = [features.labels[i] for i in seeding.numpy_rng(1).permutation(400)]
    shuffled = Features(features.ids, labels, features.split, features.features)
    accuracy = metrics.accuracy(linear.train_probe(shuffled, 1e-2, 100), shuffled.targets("test"))
    assert accuracy < 45


def test_the_optimum_has_no_gradient_and_is_reached_from_any_scale() -> None:
    features = blobs(1.0)
    x, _ = linear.standardise(features.features[features.rows("train")], features.features)
    samples = torch.from_numpy(x).flatten(0, 1)
    targets = torch.from_numpy(features.targets("train")).repeat_interleave(3)
    weight, bias = linear.fit(samples, targets, 4, 1e-2, 500)
    probabilities = (samples @ weight.T + bias).softmax(1)
    error = (probabilities - torch.eye(4, dtype=torch.float64)[targets]) / len(samples)
    assert (error.T @ samples + 1e-2 * weight).abs().max() < 1e-6  # the gradient, by hand
    assert error.sum(0).abs().max() < 1e-6
    scaled = Features(features.ids, features.labels, features.split, features.features * 64)
    assert np.allclose(linear.train_probe(scaled, 1e-2, 500), linear.train_probe(features, 1e-2, 500), atol=1e-5)


def test_probabilities_are_the_mean_softmax_of_the_clips() -> None:
    features = blobs(1.5)
    out = linear.train_probe(features, 1e-2, 300)
    train, test = features.features[features.rows("train")], features.features[features.rows("test")]
    mean, deviation = train.reshape(-1, 11).astype(float).mean(0), train.reshape(-1, 11).astype(float).std(0)
    x, _ = linear.standardise(train, test)
    targets = torch.from_numpy(features.targets("train")).repeat_interleave(3)
    weight, bias = (part.numpy() for part in linear.fit(torch.from_numpy(x).flatten(0, 1), targets, 4, 1e-2, 300))
    for v, video in enumerate(test.astype(float)):
        total = np.zeros(4)
        for clip in video:
            logits = weight[:, :10] @ ((clip - mean)[:10] / deviation[:10]) + bias
            total += np.exp(logits) / np.exp(logits).sum()
        assert np.allclose(out[v], total / 3, atol=1e-9)


def test_a_constant_feature_does_nothing() -> None:
    features = blobs(1.0)
    without = Features(features.ids, features.labels, features.split, features.features[..., :10])
    moved = features.features.copy()
    moved[features.rows("test"), :, 10] = 1e6  # constant in training, wild in test
    wild = Features(features.ids, features.labels, features.split, moved)
    expected = linear.train_probe(without, 1e-2, 200)
    assert np.allclose(linear.train_probe(features, 1e-2, 200), expected, atol=1e-6)
    assert np.allclose(linear.train_probe(wild, 1e-2, 200), expected, atol=1e-6)


def test_twice_is_the_same_bytes_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    first, second = (linear.train_probe(blobs(1.0), 1e-3, 50) for _ in range(2))
    assert first.tobytes() == second.tobytes() and torch.equal(state, torch.get_rng_state())


def test_weight_decay_pulls_to_the_uniform() -> None:
    assert np.allclose(linear.train_probe(blobs(0.02), 1e6, 50), 0.25, atol=1e-2)


@pytest.mark.parametrize(("labels", "split"), [("aa", "train test"), ("ab", "train train"), ("ab", "test test")])
def test_nothing_to_probe_is_an_error(labels: str, split: str) -> None:
    features = Features(["x", "y"], list(labels), split.split(), np.zeros((2, 1, 3), np.float32), {}, "my-videos")
    with pytest.raises(InputError, match=r"my-videos.*evaluate.tasks: \[\]"):
        linear.train_probe(features, 1e-3, 10)


def test_the_probe_does_not_care_how_large_features_are() -> None:
    """An untrained encoder in eval mode makes features of 1e-7; they are not less than others."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 2, 6)) + np.repeat([[[3.0]], [[-3.0]]], 20, axis=0)
    labels = ["a"] * 20 + ["b"] * 20
    split = ["train", "test"] * 20
    ids = [str(i) for i in range(40)]
    results = [linear.train_probe(Features(ids, labels, split, values * size), 0.001, 50) for size in (1.0, 1e-8, 1e6)]
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], atol=1e-6)
