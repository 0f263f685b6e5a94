"""The linear probe on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import features as shared
from videossl.tasks import linear, metrics
from videossl.tasks.base import Counts
from videossl.tasks.features import Features


def probe(features: Features, weight_decay: float, iterations: int, tolerance: float = 1e-9) -> np.ndarray:
    """What the task predicts."""
    return linear.predict(features, {"weight_decay": weight_decay, "iterations": iterations, "tolerance": tolerance}).probabilities


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
    probabilities = probe(features, 1e-4, 200)
    assert probabilities.shape == (len(features.rows("test")), 4)
    assert np.allclose(probabilities.sum(1), 1)
    assert metrics.accuracy(probabilities, features.targets("test")) == 100


def test_shuffled_labels_give_chance() -> None:
    features = blobs(0.02, videos=400)
    labels = [features.labels[i] for i in seeding.numpy_rng(1).permutation(400)]
    shuffled = Features(features.ids, labels, features.split, features.features)
    accuracy = metrics.accuracy(probe(shuffled, 1e-2, 100), shuffled.targets("test"))
    assert accuracy < 45


def test_the_optimum_has_no_gradient_and_is_reached_from_any_scale() -> None:
    features = blobs(1.0)
    samples = linear.Samples(features, features.rows("train"))
    ((x, targets),) = samples
    assert len(samples) == len(x) == 180 and targets.tolist() == np.repeat(features.targets("train"), 3).tolist()
    weight, bias, _, gradient = linear.fit(samples, 4, 1e-2, 500, 1e-7)
    assert gradient <= 1e-7
    probabilities = (x @ weight.T + bias).softmax(1)
    error = (probabilities - torch.eye(4, dtype=torch.float64)[targets]) / len(x)
    assert (error.T @ x + 1e-2 * weight).abs().max() < 1e-6  # the gradient, by hand
    assert error.sum(0).abs().max() < 1e-6
    scaled = Features(features.ids, features.labels, features.split, features.features * 64)
    assert np.allclose(probe(scaled, 1e-2, 500), probe(features, 1e-2, 500), atol=1e-5)


def test_probabilities_are_the_mean_softmax_of_the_clips() -> None:
    features = blobs(1.5)
    out = probe(features, 1e-2, 300)
    train, test = features.features[features.rows("train")], features.features[features.rows("test")]
    mean, deviation = train.reshape(-1, 11).astype(float).mean(0), train.reshape(-1, 11).astype(float).std(0)
    samples = linear.Samples(features, features.rows("train"))
    weight, bias = (part.numpy() for part in linear.fit(samples, 4, 1e-2, 300, 1e-9)[:2])
    for v, video in enumerate(test.astype(float)):
        total = np.zeros(4)
        for clip in video:
            logits = weight[:, :10] @ ((clip - mean)[:10] / deviation[:10]) + bias
            total += np.exp(logits) / np.exp(logits).sum()
        assert np.allclose(out[v], total / 3, atol=1e-9)


def plain(features: Features, weight_decay: float, iterations: int) -> np.ndarray:
    """The probe with everything in memory at once."""
    train, test = (features.features[features.rows(split)].astype(np.float64) for split in ("train", "test"))
    mean, deviation = train.mean(axis=(0, 1)), train.std(axis=(0, 1))
    scale = np.where(deviation > 1e-6 * np.abs(mean), 1 / np.maximum(deviation, 1e-300), 0.0)
    x, y = (torch.from_numpy((part - mean) * scale) for part in (train, test))
    targets = torch.from_numpy(features.targets("train")).repeat_interleave(x.shape[1])
    weight = torch.zeros(len(features.classes), x.shape[2], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(features.classes), dtype=torch.float64, requires_grad=True)
    options = {"max_iter": iterations, "tolerance_grad": 1e-9, "tolerance_change": 1e-15, "line_search_fn": "strong_wolfe"}
    search = torch.optim.LBFGS([weight, bias], **options)

    def objective() -> torch.Tensor:
        search.zero_grad()
        loss = torch.nn.functional.cross_entropy(x.flatten(0, 1) @ weight.T + bias, targets) + weight_decay / 2 * weight.square().sum()
        torch.autograd.backward(loss)
        return loss

    search.step(objective)
    return (y @ weight.T + bias).softmax(dim=2).mean(dim=1).detach().numpy()


def test_one_chunk_is_the_plain_probe_to_the_last_bit() -> None:
    features = blobs(1.0, videos=200)
    assert probe(features, 1e-2, 60).tobytes() == plain(features, 1e-2, 60).tobytes()


@pytest.mark.parametrize("videos", [1, 7, 50])
def test_chunks_are_the_plain_probe(videos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = blobs(1.0, videos=200)
    expected = plain(features, 1e-1, 60)
    monkeypatch.setattr(shared, "CHUNK", 8 * 3 * 11 * videos)
    samples = linear.Samples(features, features.rows("train"))
    assert [len(x) for x, _ in samples][:-1] == [3 * videos] * (-(-150 // videos) - 1) and len(samples) == 450
    found = probe(features, 1e-1, 60)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_features_are_kept_as_float32_and_not_copied_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    features = blobs(1.0, videos=200)
    monkeypatch.setattr(shared, "CHUNK", 8 * 3 * 11 * 50)
    samples = linear.Samples(features, features.rows("train"))
    assert samples.whole is None and samples.features is features and features.features.dtype == np.float32


def test_metrics_chance_and_work() -> None:
    features = Features(["1", "2", "3"], ["a", "b", "b"], ["train", "train", "test"], np.zeros((3, 1, 1), np.float32))
    first, second = np.array([[0.6, 0.4]]), np.array([[0.1, 0.9]])
    alone, other = (linear.Probed(each, "") for each in (first, second))
    assert linear.hits([alone], features)["accuracy"].tolist() == [False]
    assert linear.hits([alone, other], features)["accuracy"].tolist() == [True]
    assert linear.chance(features) == {"accuracy": 50}
    counts = Counts(train=5, test=3, classes=2, clips=4, numbers=7)
    assert [linear.work(counts, {"iterations": n}) for n in (11, 5000)] == [5 * 4 * 7 * 2 * 11, 5 * 4 * 7 * 2 * linear.USUAL]


def correlated(videos: int = 120, numbers: int = 40) -> Features:
    """Classes in features of which most say nearly the same, as those of trained encoders do: L-BFGS takes long."""
    rng = seeding.numpy_rng(7)
    values = rng.normal(size=(videos, 2, 3)) @ rng.normal(size=(3, numbers)) + 1e-3 * rng.normal(size=(videos, 2, numbers))
    labels = [f"c{c}" for c in rng.integers(0, 4, videos)]
    split = ["test" if i % 3 == 0 else "train" for i in range(videos)]
    return Features([str(i) for i in range(videos)], labels, split, values.astype(np.float32), {}, "toy")


def test_the_probe_runs_to_its_tolerance_and_says_when_it_did_not() -> None:
    features = correlated()
    early, late = (linear.predict(features, {"weight_decay": 1e-3, "iterations": n, "tolerance": 1e-6}) for n in (20, 5000))
    assert linear.remarks([late]) == [] and linear.remarks([early, late]) == [early.remark]
    assert "not converged: after 20 iterations its gradient is" in early.remark and "raise its iterations" in early.remark
    exact = probe(features, 1e-3, 5000, 1e-9)
    assert np.abs(late.probabilities - exact).max() < 1e-3 < np.abs(early.probabilities - exact).max()


@pytest.mark.parametrize("weight_decay", [1e-1, 1e-3])
def test_the_probe_is_scikit_learns(weight_decay: float) -> None:
    from sklearn.linear_model import LogisticRegression

    for features in (blobs(1.0, videos=200), correlated()):
        samples = linear.Samples(features, features.rows("train"))
        ((x, targets),) = samples
        model = LogisticRegression(C=1 / (weight_decay * len(samples)), tol=1e-10, max_iter=20_000)
        model.fit(x.numpy(), targets.numpy())
        tested = np.concatenate([part.numpy() for part in linear.chunks(features, features.rows("test"), samples.scaling)])
        expected = model.predict_proba(tested.reshape(-1, x.shape[1])).reshape(*tested.shape[:2], -1).mean(axis=1)
        np.testing.assert_allclose(probe(features, weight_decay, 5000, 1e-8), expected, rtol=0, atol=2e-4)


def test_a_constant_feature_does_nothing() -> None:
    features = blobs(1.0)
    without = Features(features.ids, features.labels, features.split, features.features[..., :10])
    moved = features.features.copy()
    moved[features.rows("test"), :, 10] = 1e6  # constant in training, wild in test
    wild = Features(features.ids, features.labels, features.split, moved)
    expected = probe(without, 1e-2, 200)
    assert np.allclose(probe(features, 1e-2, 200), expected, atol=1e-6)
    assert np.allclose(probe(wild, 1e-2, 200), expected, atol=1e-6)


def test_twice_is_the_same_bytes_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    first, second = (probe(blobs(1.0), 1e-3, 50) for _ in range(2))
    assert first.tobytes() == second.tobytes() and torch.equal(state, torch.get_rng_state())


def test_weight_decay_pulls_to_the_uniform() -> None:
    assert np.allclose(probe(blobs(0.02), 1e6, 50), 0.25, atol=1e-2)


@pytest.mark.parametrize(("labels", "split"), [("aa", "train test"), ("ab", "train train"), ("ab", "test test")])
def test_nothing_to_probe_is_an_error(labels: str, split: str) -> None:
    features = Features(["x", "y"], list(labels), split.split(), np.zeros((2, 1, 3), np.float32), {}, "my-videos")
    with pytest.raises(InputError, match=r"my-videos.*evaluate.tasks: \[\]"):
        probe(features, 1e-3, 10)


def test_the_probe_does_not_care_how_large_features_are() -> None:
    """An untrained encoder in eval mode makes features of 1e-7; they are not less than others."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 2, 6)) + np.repeat([[[3.0]], [[-3.0]]], 20, axis=0)
    labels = ["a"] * 20 + ["b"] * 20
    split = ["train", "test"] * 20
    ids = [str(i) for i in range(40)]
    results = [probe(Features(ids, labels, split, values * size), 0.001, 50) for size in (1.0, 1e-8, 1e6)]
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], atol=1e-6)
