"""Learning-rate schedules and optimisers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch


def factor(schedule: str | Sequence[float], progress: float, warmup: float = 0.0) -> float:
    """The factor of the learning rate after the share `progress` in [0, 1) of a training.

    In the share `warmup` it rises in a straight line from 0, on top of what the schedule has. `cosine` begins where that ends and falls to 0; `steps` is x0.1 at 5/6 and again at 14/15 (docs/methods/moco.md); `constant` is 1; a list of shares is
    x0.1 at each of them, as [0.8] in P appendix 3.i.
    """
    rise = min(1.0, progress / warmup) if warmup else 1.0
    if not isinstance(schedule, str):
        return rise * float(
            0.1 ** sum(progress >= share - 1e-9 for share in schedule)
        )  # 80 of 100 epochs are 0.8, however they were added up
    schedules: dict[str, Callable[[float], float]] = {
        "cosine": lambda p: 0.5 * (1 + math.cos(math.pi * max(0.0, p - warmup) / (1 - warmup))),
        "steps": lambda p: 0.1 ** ((p >= 5 / 6) + (p >= 14 / 15)),
        "constant": lambda p: 1.0,
    }
    return rise * schedules[schedule](progress)


def optimiser(name: str, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """`adam` as in P section 4.2 for video, `sgd` with momentum 0.9 as there for skeletons."""
    if name == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=0.9)
