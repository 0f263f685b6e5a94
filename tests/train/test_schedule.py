from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from videossl.train import schedule


@pytest.mark.parametrize(
    ("name", "progress", "wanted"),
    [
        ("cosine", 0.0, 1.0),
        ("cosine", 0.5, 0.5),
        ("cosine", 0.25, 0.5 * (1 + math.sqrt(0.5))),
        ("steps", 0.83, 1.0),
        ("steps", 5 / 6, 0.1),
        ("steps", 0.93, 0.1),
        ("steps", 14 / 15, 0.01),
        ("constant", 0.99, 1.0),
    ],
)
def test_factor(name: str, progress: float, wanted: float) -> None:
    assert schedule.factor(name, progress) == pytest.approx(wanted)


def test_a_list_of_shares_falls_at_each() -> None:
    """P appendix 3.i: 100 epochs, x0.1 at 80; also where 80 epochs come out as a little less."""
    factors = [round(schedule.factor([0.8], epoch / 100), 6) for epoch in range(100)]
    assert factors == [1.0] * 80 + [0.1] * 20
    assert schedule.factor([0.6], sum([0.1] * 6)) == schedule.factor([0.6], 0.6) == pytest.approx(0.1)
    assert schedule.factor([0.5, 0.75], 0.8) == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["constant", "cosine", "steps", [0.8]])
def test_in_its_warm_up_the_rate_rises_in_a_straight_line(name: Any) -> None:
    rising = [schedule.factor(name, epoch / 100, 0.1) for epoch in range(11)]
    assert rising == pytest.approx([epoch / 10 for epoch in range(11)])
    later = {"constant": 1.0, "cosine": 0.5 * (1 + math.cos(math.pi * 0.5)), "steps": 1.0}
    assert schedule.factor(name, 0.55, 0.1) == pytest.approx(later.get(str(name), 1.0))
    assert schedule.factor(name, 0.95, 0.1) == pytest.approx(
        {"constant": 1.0, "steps": 0.01}.get(str(name), schedule.factor(name, 0.95, 0.1))
    )


def test_the_papers_300_epochs_fall_at_250_and_280() -> None:
    factors = [round(schedule.factor("steps", epoch / 300), 6) for epoch in range(300)]
    assert [epoch for epoch in range(1, 300) if factors[epoch] != factors[epoch - 1]] == [250, 280]


def test_optimisers() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    adam = schedule.optimiser("adam", [parameter], 0.1, 1e-5)
    assert isinstance(adam, torch.optim.Adam) and adam.defaults["weight_decay"] == 1e-5
    sgd = schedule.optimiser("sgd", [parameter], 0.1, 1e-4)
    assert isinstance(sgd, torch.optim.SGD) and sgd.defaults["momentum"] == 0.9
