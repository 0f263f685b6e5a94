"""Adam and SGD against torch's classes: the same bytes, step by step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from videossl.train import optimiser
from videossl.train.optimiser import Optimiser

DECAY = 0.01
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
OURS: dict[str, Callable[[list[nn.Parameter]], Optimiser]] = {
    "adam": lambda parameters: optimiser.Adam(parameters, 0.1, DECAY),
    "sgd": lambda parameters: optimiser.SGD(parameters, 0.1, DECAY),
}
TORCHS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, weight_decay=DECAY),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, weight_decay=DECAY, momentum=0.9),
}


def parameters(device: str) -> list[nn.Parameter]:
    """Of several shapes and layouts; the last never has a gradient, the second only at times."""
    rng = torch.Generator().manual_seed(0)
    made = [torch.randn(shape, generator=rng) for shape in ((3, 4, 2, 5, 6), (7,), (2, 3))]
    made[0] = made[0].to(memory_format=torch.channels_last_3d)
    return [nn.Parameter(one.to(device)) for one in made]


def give(chosen: list[nn.Parameter], step: int) -> float:
    """Gradients of a step, and its learning rate."""
    rng = torch.Generator().manual_seed(step)
    grads = [torch.randn(one.shape, generator=rng).to(one.device) for one in chosen]
    chosen[0].grad = grads[0].to(memory_format=torch.channels_last_3d)
    chosen[1].grad = grads[1] if step % 3 == 1 else None
    return 0.1 / (step + 1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OURS)
def test_the_same_bytes_as_torchs_class_and_after_a_resume(name: str, device: str, tmp_path: Path) -> None:
    ours, torchs = parameters(device), parameters(device)
    first, other = OURS[name](ours), TORCHS[name](torchs)
    for step in range(12):
        first.zero_grad()
        assert all(one.grad is None for one in ours)
        first.lr = other.param_groups[0]["lr"] = give(ours, step)
        give(torchs, step)
        first.step()
        other.step()
        assert all(torch.equal(a, b) and a.stride() == b.stride() for a, b in zip(ours, torchs, strict=True)), step
        if step == 5:
            torch.save(first.state_dict(), tmp_path / "state.pt")
            first = OURS[name](ours)
            first.load_state_dict(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))


PROGRAM = """
import sys, torch
from videossl.evaluate import linear
from videossl.models import build
from videossl.train import schedule, stage
weight = torch.nn.Parameter(torch.ones(2))
for name in ("adam", "sgd"):
    one = schedule.optimiser(name, [weight], 0.1, 0.0)
    weight.sum().backward()
    one.step()
    one.zero_grad()
linear.fit(torch.ones(2, 1, dtype=torch.float64), torch.tensor([0, 1]), 2, 0.1, 2)
build.build("s3d", 3, 0.0625, 0).shapes((1, 3, 8, 32, 32))
print({"torch._dynamo", "sympy"} & set(sys.modules))
"""


def test_no_job_loads_the_compiler() -> None:
    """It takes as long as all of torch: trainings, probes and the check of what can be mixed do without."""
    assert subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout == "set()\n"
