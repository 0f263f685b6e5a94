"""Learning-rate schedules and optimisers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch


def factor(schedule: str | Sequence[float], progress: float, warmup: float = 0.0) -> float:
    """The factor of the learning rate after the share `progress` in [0, 1) of a training.

    In the share `warmup` it rises in a straight line from 0, on top of what the schedule has. `cosine` begins where that ends and falls to 0;
    `half-cosine` is the first half of it, and falls to 1/2, as where Thoker et al. stopped at epoch 100 of 200; `steps` is x0.1 at 5/6 and again at 14/15 (docs/methods/moco.md); `constant` is 1; a list of shares is
    x0.1 at each of them, as [0.8] in P appendix 3.i.
    """
    rise = min(1.0, progress / warmup) if warmup else 1.0
    if not isinstance(schedule, str):
        return rise * float(
            0.1 ** sum(progress >= share - 1e-9 for share in schedule)
        )  # 80 of 100 epochs are 0.8, however they were added up
    schedules: dict[str, Callable[[float], float]] = {
        "cosine": lambda p: 0.5 * (1 + math.cos(math.pi * max(0.0, p - warmup) / (1 - warmup))),
        "half-cosine": lambda p: 0.5 * (1 + math.cos(math.pi * max(0.0, p - warmup) / (1 - warmup) / 2)),
        "steps": lambda p: 0.1 ** ((p >= 5 / 6) + (p >= 14 / 15)),
        "constant": lambda p: 1.0,
    }
    return rise * schedules[schedule](progress)


MOMENTUM = 0.9


def optimiser(
    name: str, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float, decay_norms: bool = True
) -> torch.optim.Optimizer:
    """`adam` as in P section 4.2 for video, `sgd` as there for skeletons, or `lars`; the last two with momentum 0.9.

    decay_norms: whether weight decay holds for parameters of one dimension, which are those of norms and biases; if not, `lars` does not fit
    their rate either.
    """
    groups = list(parameters) if decay_norms else _apart(list(parameters))
    if name == "adam":
        return torch.optim.Adam(groups, lr=lr, weight_decay=weight_decay, fused=True)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay, momentum=MOMENTUM)
    return Lars(groups, lr, weight_decay)


def _apart(parameters: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """The parameters in two groups: weights, and norms and biases, for which nothing decays."""
    small = [parameter for parameter in parameters if parameter.ndim <= 1]
    large = [parameter for parameter in parameters if parameter.ndim > 1]
    return [{"params": large}, {"params": small, "weight_decay": 0.0, "fit": False}]


class Lars(torch.optim.Optimizer):
    """LARS: SGD with momentum whose rate is fitted to each tensor (You, Gitman, Ginsburg, 2017, eq. 6 and algorithm 1).

    g <- 0.001 |w| / (|g| + decay |w|) (g + decay w); v <- 0.9 v + g; w <- w - lr v. A tensor that is 0, or has no gradient to speak of, takes
    the step of SGD, and so do groups with `fit` false.
    """

    TRUST = 0.001

    def __init__(self, groups: Iterable[Any], lr: float, weight_decay: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "fit": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step, for the parameters that have a gradient."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                gradient = weights.grad + group["weight_decay"] * weights
                if group["fit"]:
                    gradient *= self._fitted(weights, group["weight_decay"])
                velocity = self.state[weights].setdefault("velocity", torch.zeros_like(weights))
                weights -= group["lr"] * velocity.mul_(MOMENTUM).add_(gradient)

    def _fitted(self, weights: torch.Tensor, decay: float) -> torch.Tensor:
        """The rate of a tensor, as a share of lr."""
        norm, slope = weights.norm(), weights.grad.norm()  # type: ignore[union-attr]
        return torch.where((norm > 0) & (slope > 0), self.TRUST * norm / (slope + decay * norm), 1.0)
