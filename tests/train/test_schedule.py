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
        ("half-cosine", 0.0, 1.0),
        ("half-cosine", 0.5, 0.5 * (1 + math.sqrt(0.5))),
        ("half-cosine", 1.0, 0.5),
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


@pytest.mark.parametrize("name", ["constant", "cosine", "half-cosine", "steps", [0.8]])
def test_in_its_warm_up_the_rate_rises_in_a_straight_line(name: Any) -> None:
    rising = [schedule.factor(name, epoch / 100, 0.1) for epoch in range(11)]
    assert rising == pytest.approx([epoch / 10 for epoch in range(11)])
    later = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * 0.5)),
        "steps": 1.0,
        "half-cosine": 0.5 * (1 + math.cos(math.pi * 0.25)),
    }
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


def small() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv3d(2, 3, 2), torch.nn.BatchNorm3d(3), torch.nn.Flatten(), torch.nn.Linear(3, 2))


@pytest.mark.parametrize("decay", [1e-4, 0.1])
def test_lars_takes_lightlys_steps(decay: float) -> None:
    """lightly leaves tensors without decay out of the fitting."""
    from lightly.utils.lars import LARS

    ours, theirs = small(), small()
    groups = [[p for p in theirs.parameters() if (p.ndim > 1) == large] for large in (True, False)]
    other = LARS([{"params": groups[0]}, {"params": groups[1], "weight_decay": 0.0}], 0.5, 0.9, weight_decay=decay)
    mine = schedule.optimiser("lars", ours.parameters(), 0.5, decay, decay_norms=False)
    for step in range(6):
        x = torch.randn(4, 2, 2, 2, 2, generator=torch.Generator().manual_seed(step))
        for model, optimiser in ((ours, mine), (theirs, other)):
            optimiser.zero_grad()
            model(x).square().sum().backward()
            optimiser.step()
    for own, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-5, atol=1e-7)
    assert not torch.equal(ours[0].weight, small()[0].weight) and not torch.equal(ours[1].bias, small()[1].bias)


def test_a_step_of_lars_by_hand() -> None:
    """|w| 5, |g| 10, decay 0.2: the rate is 0.001 * 5 / (10 + 1); a tensor of zeros takes the step of SGD."""
    weights, zeros = torch.nn.Parameter(torch.tensor([[3.0, 4.0]])), torch.nn.Parameter(torch.zeros(1, 1))
    optimiser = schedule.optimiser("lars", [weights, zeros], 2.0, 0.2)
    weights.grad, zeros.grad = torch.tensor([[6.0, 8.0]]), torch.tensor([[1.0]])
    optimiser.step()
    rate = 0.001 * 5 / 11
    assert weights.tolist() == [pytest.approx([3 - 2 * rate * 6.6, 4 - 2 * rate * 8.8])] and zeros.item() == -2
    optimiser.step()
    assert zeros.item() == pytest.approx(-2 - 2 * (0.9 + 0.001 * 2 / (1 + 0.4) * (1 - 0.4))), "0.9 of the step before goes on"


@pytest.mark.parametrize("name", ["adam", "sgd", "lars"])
def test_norms_and_biases_do_not_decay_where_params_say_so(name: str) -> None:
    """Without a gradient, a step is decay alone."""
    for decays in (True, False):
        model = small()
        optimiser = schedule.optimiser(name, model.parameters(), 0.1, 0.1, decays)
        torch.nn.init.ones_(model[1].bias)
        before = {key: tensor.clone() for key, tensor in model.named_parameters()}
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
        moved = {key for key, tensor in model.named_parameters() if not torch.equal(tensor, before[key])}
        assert moved == ({"0.weight", "3.weight", *({"0.bias", "1.weight", "1.bias", "3.bias"} if decays else ())})
