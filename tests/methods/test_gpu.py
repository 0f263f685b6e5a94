"""Mixing on a GPU: the numbers of the CPU, and never a wait for the GPU in a step."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from videossl.augment.tubelets import Drawing
from videossl.encoders.head import ProjectionHead
from videossl.methods.byol import BYOL
from videossl.methods.cmmc import CMMC
from videossl.methods.coclr import CoCLR
from videossl.methods.crossclr import CrosSCLR
from videossl.methods.moco import MoCo
from videossl.methods.simclr import SimCLR
from videossl.methods.tubelets import TubeletContrast
from videossl.mix.strategies import BOXES, FEATURES, INPUT, mix_features, mix_inputs
from videossl.seeding import torch_rng

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@contextmanager
def a_wait_is_an_error() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", [*INPUT, *FEATURES])
def test_a_mix_is_that_of_the_cpu(strategy: str, box: str) -> None:
    def mix(x: Tensor, g2: Tensor) -> tuple[Tensor, float | Tensor]:
        if strategy in INPUT:
            return mix_inputs(strategy, x, torch.tensor([2, 0, 1]), torch_rng(0), box=box)
        return mix_features(strategy, x, g2, torch_rng(0), box=box)

    x, g2 = torch.randn(3, 4, 5, 6, 6), torch.randn(3, *((7, 2, 3, 3) if strategy == "cm-cutmix" else (4, 5, 6, 6)))
    there, g2_there = x.cuda().requires_grad_(), g2.cuda()
    with a_wait_is_an_error():
        mixed, lam = mix(there, g2_there)
        (mixed * mixed).sum().backward()
    here = x.requires_grad_()
    expected, expected_lam = mix(here, g2)
    (expected * expected).sum().backward()
    torch.testing.assert_close(mixed.cpu(), expected)
    assert there.grad is not None and here.grad is not None
    torch.testing.assert_close(there.grad.cpu(), here.grad)
    assert torch.equal(torch.as_tensor(lam, dtype=torch.float64), torch.as_tensor(expected_lam, dtype=torch.float64))


def encoder(channels: int) -> nn.Sequential:
    """Smooth all the way, so that rounding stays small."""
    return nn.Sequential(nn.Sequential(nn.Conv3d(channels, 4, 3, padding=1), nn.Tanh()), nn.Sequential(nn.Conv3d(4, 6, 3, 2, 1), nn.Tanh()))


METHODS: dict[str, tuple[str, str | None, str]] = {
    **{f"{name} {box}": (name, None, box) for name in INPUT for box in BOXES},
    **{f"{name} {box}": ("none", name, box) for name in FEATURES for box in BOXES},
    "crossclr": ("none", "crossclr", "batch"),
    **{
        f"{name} {box}": (inputs, name, box)
        for name in ("simclr", "byol", "coclr")
        for inputs, box in (("none", "batch"), ("mixup", "sample"))
    },
    **{name: ("none", name, "batch") for name in ("tubelets", "temporal")},
    **{f"cmmc {name} {box}": ("none", f"cmmc {name}", box) for name in ("simclr", "byol", "coclr") for box in BOXES},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_step_is_that_of_the_cpu_and_waits_for_nothing(name: str) -> None:
    inputs, features, box = METHODS[name]
    torch.manual_seed(0)
    moco = MoCo(encoder(3), ProjectionHead(6, 8, 5), 8, 0.9, 0.2, inputs, box=box)
    method: Any = moco
    if features is not None and features.removeprefix("cmmc ") in ("simclr", "byol", "coclr"):
        how = {"mixing": inputs, "box": box}
        method = {
            "simclr": lambda: SimCLR(encoder(3), ProjectionHead(6, 8, 5), 0.2, **how),
            "byol": lambda: BYOL(encoder(3), ProjectionHead(6, 8, 5), ProjectionHead(5, 8, 5), 0.9, **how),
            "coclr": lambda: CoCLR(moco, encoder(2), ProjectionHead(6, 8, 4), topk=2),
        }[features.removeprefix("cmmc ")]()
        method = CMMC(method, encoder(2), box=box) if features.startswith("cmmc") else method
    elif features in ("tubelets", "temporal"):
        drawing = Drawing() if features == "tubelets" else None
        method = TubeletContrast(encoder(3), ProjectionHead(6, 8, 5), 8, 0.9, 0.2, drawing)
    elif features == "crossclr":
        method = CrosSCLR({"rgb": moco, "flow": MoCo(encoder(2), ProjectionHead(6, 8, 4), 8, 0.9, 0.2)}, neighbours=2)
    elif features is not None:
        layers = "random" if features == "cm-cutmix" else "same"
        method = CMMC(moco, None if features == "manifold-mixup" else encoder(2), layers=layers, box=box, mixing=features)
    views = {"query": torch.randn(4, 3, 4, 6, 6), "key": torch.randn(4, 3, 4, 6, 6), "partner": torch.randn(4, 2, 4, 6, 6)}
    views |= {"view-1": views["query"], "view-2": views["key"], "miner": torch.randn(4, 2, 4, 6, 6)}
    views |= {"rgb/query": views["query"], "rgb/key": views["key"], "flow/query": views["partner"], "flow/key": torch.randn(4, 2, 4, 6, 6)}
    there, losses = copy.deepcopy(method).cuda(), []
    for copied, own in ((method, views), (there, {name: view.cuda() for name, view in views.items()})):
        sample = torch.arange(4, device=own["query"].device)
        with a_wait_is_an_error():
            for step in range(3):
                result = copied.step(own, sample, torch_rng(step))
                result["loss"].backward()
                copied.update()
        losses.append(result["loss"].detach().cpu())
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(method.trainable(), there.trainable(), strict=True):
        assert ours.grad is not None and theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad.cpu(), rtol=1e-2, atol=1e-3)
