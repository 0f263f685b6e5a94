"""The linear probe: one linear layer on the features of a frozen encoder (spec, Downstream)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videossl.tasks.features import Features

TINY = 1e-6  # a feature that varies less than this share of its mean is constant but for rounding, and is left out


def train_probe(features: Features, weight_decay: float, iterations: int) -> np.ndarray:
    """Class probabilities of the test videos, (V_test, classes) float64: softmax averaged over the clips of a video.

    Multinomial logistic regression on standardised features: each training clip a sample, minimising mean cross-entropy
    + weight_decay / 2 * |W|^2 from zero by L-BFGS in float64, at most `iterations`. The problem is convex and
    nothing is drawn, so no learning rate or seed moves the result. Rows and columns as `features.rows("test")` and
    `features.classes`. Raises InputError without test videos or with fewer than two classes.
    """
    features.check()
    train, test = features.features[features.rows("train")], features.features[features.rows("test")]
    x, y = (torch.from_numpy(part) for part in standardise(train, test))
    targets = torch.from_numpy(features.targets("train")).repeat_interleave(x.shape[1])
    weight, bias = fit(x.flatten(0, 1), targets, len(features.classes), weight_decay, iterations)
    return (y @ weight.T + bias).softmax(dim=2).mean(dim=1).numpy()


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, K, D) each, less the mean and over the standard deviation of the training clips; float64.

    The same for all kinds of features: this alone moves an untrained encoder's probe by some 20 points (toy.md). A
    feature that is constant in training becomes zero.
    """
    train, test = train.astype(np.float64), test.astype(np.float64)
    mean, deviation = train.mean(axis=(0, 1)), train.std(axis=(0, 1))
    scale = np.where(deviation > TINY * np.abs(mean), 1 / np.maximum(deviation, 1e-300), 0.0)
    return (train - mean) * scale, (test - mean) * scale


def fit(x: Tensor, targets: Tensor, classes: int, weight_decay: float, iterations: int) -> tuple[Tensor, Tensor]:
    """Weight (classes, D) and bias (classes,) for samples x (N, D) float64 of `targets` (N,) int64."""
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias],
        max_iter=iterations,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        search.zero_grad()
        loss = F.cross_entropy(x @ weight.T + bias, targets) + weight_decay / 2 * weight.square().sum()
        torch.autograd.backward(loss)
        return loss

    search.step(objective)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
