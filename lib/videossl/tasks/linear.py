"""The linear probe: one linear layer on the features of a frozen encoder (P 4.3; docs/methods/tasks.md).

Shapes: V videos, K clips a video, D numbers a clip, N = V K samples of training. Features stay float32 and are standardised in float64 a chunk
at a time, so that the probe takes the same memory for any number of videos; those of a small dataset are one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videossl.tasks import metrics
from videossl.tasks.base import Counts
from videossl.tasks.features import Features

USUAL = 500  # iterations to a tolerance of 1e-6 on features of trained encoders, for estimates: from 85 to 950 on the toy set
TINY = 1e-6  # a feature that varies less than this share of its mean is constant but for rounding, and is left out


class Probed(NamedTuple):
    """Class probabilities of the test videos, (V_test, classes) float64; and a remark where the probe stopped too early, else ''."""

    probabilities: np.ndarray
    remark: str


def predict(features: Features, settings: Mapping[str, Any]) -> Probed:
    """Class probabilities of the test videos: softmax averaged over the clips of a video.

    Multinomial logistic regression on standardised features: each training clip a sample, minimising mean cross-entropy
    + weight_decay / 2 * |W|^2 from zero by L-BFGS in float64, until no number of the gradient is larger than `tolerance`, at most
    `iterations`. The problem is convex and nothing is drawn, so no learning rate or seed moves the result. Rows and columns as
    `features.rows("test")` and `features.classes`. Raises InputError without test videos or with fewer than two classes.
    """
    features.check()
    samples = Samples(features, features.rows("train"))
    fitted = fit(samples, len(features.classes), settings["weight_decay"], settings["iterations"], settings["tolerance"])
    tested = chunks(features, features.rows("test"), samples.scaling)
    probabilities = np.concatenate([(clips @ fitted.weight.T + fitted.bias).softmax(dim=2).mean(dim=1).numpy() for clips in tested])
    return Probed(probabilities, "" if fitted.gradient <= settings["tolerance"] else _unfinished(fitted, settings["tolerance"]))


def hits(predictions: Sequence[Probed], features: Features) -> dict[str, np.ndarray]:
    """The test videos whose class has the largest probability, (V_test,) bool, the streams' probabilities averaged."""
    return {"accuracy": metrics.correct(metrics.fuse([each.probabilities for each in predictions]), features.targets("test"))}


def remarks(predictions: Sequence[Probed]) -> list[str]:
    """That a probe did not converge."""
    return [each.remark for each in predictions if each.remark]


def chance(features: Features) -> dict[str, float]:
    """The accuracy of answering the most frequent training class."""
    return {"accuracy": metrics.chance_accuracy(features.targets("train"), features.targets("test"))}


def work(counts: Counts, settings: Mapping[str, Any]) -> float:
    """Multiplications of a step of L-BFGS through one layer, times iterations."""
    return float(counts.train * counts.clips * counts.numbers * counts.classes * min(settings["iterations"], USUAL))


class Scaling(NamedTuple):
    """The numbers that make features standard: (D,) float64 to subtract, then to multiply by."""

    mean: np.ndarray
    factor: np.ndarray


class Samples:
    """Training clips with their targets, standardised, in chunks: (x (n, D) float64, targets (n,) int64)."""

    def __init__(self, features: Features, positions: np.ndarray) -> None:
        self.features, self.positions, self.scaling = features, positions, standard(features, positions)
        self.targets = torch.from_numpy(features.targets("train")).repeat_interleave(features.features.shape[1])
        self.whole = list(self._chunks()) if sum(1 for _ in features.chunks(positions)) == 1 else None

    def __len__(self) -> int:
        """Samples in all chunks."""
        return len(self.targets)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.whole) if self.whole else self._chunks()

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for clips in chunks(self.features, self.positions, self.scaling):
            x = clips.flatten(0, 1)
            yield x, self.targets[start : start + len(x)]
            start += len(x)


def chunks(features: Features, positions: np.ndarray, scaling: Scaling) -> Iterator[Tensor]:
    """Standardised features of the videos at `positions`, (v, K, D) float64 at a time."""
    mean, factor = (torch.from_numpy(part) for part in scaling)
    for clips in features.chunks(positions):
        yield torch.from_numpy(clips).double().sub_(mean).mul_(factor)


def standard(features: Features, positions: np.ndarray) -> Scaling:
    """Find the numbers that bring the clips of the videos at `positions` to mean 0 and standard deviation 1, number by number.

    The same for all kinds of features: this alone moves an untrained encoder's probe by some 20 points (docs/methods/tasks.md). A
    number that is constant there becomes zero.
    """
    count = len(positions) * features.features.shape[1]
    mean = np.sum([clips.astype(np.float64).sum(axis=(0, 1)) for clips in features.chunks(positions)], axis=0) / count
    deviation = np.sqrt(np.sum([_squares(clips, mean) for clips in features.chunks(positions)], axis=0) / count)
    return Scaling(mean, np.where(deviation > TINY * np.abs(mean), 1 / np.maximum(deviation, 1e-300), 0.0))


def _squares(clips: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sum of the squared differences of (v, K, D) to the mean (D,)."""
    difference = clips.astype(np.float64)
    difference -= mean
    return np.asarray(np.square(difference, out=difference).sum(axis=(0, 1)))


class Fitted(NamedTuple):
    """Weight (classes, D) and bias (classes,) float64 of the regression; the iterations it took, and the largest number of its gradient."""

    weight: Tensor
    bias: Tensor
    iterations: int
    gradient: float


def _unfinished(fitted: Fitted, tolerance: float) -> str:
    return (
        f"the linear probe has not converged: after {fitted.iterations:,} iterations its gradient is {fitted.gradient:.1e}, above {tolerance:g}; "
        "raise its iterations or weight_decay in evaluate.tasks"
    )


def fit(samples: Samples, classes: int, weight_decay: float, iterations: int, tolerance: float) -> Fitted:
    """Solve the regression; the gradient is added up over the chunks of the samples."""
    weight = torch.zeros(classes, samples.features.features.shape[2], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias],
        max_iter=iterations,
        max_eval=25 * iterations,  # as many as the line searches may take
        tolerance_grad=tolerance,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        search.zero_grad()
        total = weight_decay / 2 * weight.square().sum()
        torch.autograd.backward(total)
        for x, targets in samples:
            loss = F.cross_entropy(x @ weight.T + bias, targets) * (len(x) / len(samples))
            torch.autograd.backward(loss)
            total = total + loss.detach()
        return total.detach()

    search.step(objective)  # type: ignore[no-untyped-call]
    objective()  # the search may have looked beyond the point where it stopped
    gradient = max(float(parameter.grad.abs().max()) for parameter in (weight, bias) if parameter.grad is not None)
    return Fitted(weight.detach(), bias.detach(), int(search.state[weight]["n_iter"]), gradient)
