"""A step of each method as a ratio to MoCo's, on the same encoder and clips, beside the ratio of their arithmetic; one thread.

    python -m bench.methods

A step is all passes of encoders, the loss, Adam and what follows it, with a batch of 16 and the rgb stream of params.yaml; of CoCLR and
CMMC the other stream is flow. Arithmetic is what torch counts of convolutions and products, forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from bench import rows
from bench.rows import Row, in_turn
from torch.utils.flop_counter import FlopCounterMode

from videossl.augment.tubelets import Drawing
from videossl.encoders.build import build, build_head
from videossl.methods.byol import BYOL
from videossl.methods.cmmc import CMMC
from videossl.methods.coclr import CoCLR
from videossl.methods.moco import MoCo
from videossl.methods.simclr import SimCLR
from videossl.methods.tubelets import TubeletContrast
from videossl.train.schedule import optimiser

BATCH = 16
SHAPE = (5, 64, 64)
QUEUE = 64


def parts(channels: int = 3) -> tuple[Any, Any]:
    """An encoder and its head."""
    encoder = build("s3d", channels, {"width": 0.25}, 0)
    return encoder, build_head(encoder.out_features, 0, 256, 128, "batch")


def moco() -> MoCo:
    """MoCo with a short queue."""
    return MoCo(*parts(), QUEUE, 0.9, 0.1)


def byol(rho: int) -> BYOL:
    """BYOL of `rho` clips a video."""
    return BYOL(*parts(), build_head(128, 1, 256, 128, "batch"), 0.9, rho)


METHODS: dict[str, Callable[[], Any]] = {
    "moco": moco,
    "simclr": lambda: SimCLR(*parts(), 0.1),
    "byol": lambda: byol(2),
    "rho-byol, rho 4": lambda: byol(4),
    "coclr": lambda: CoCLR(moco(), *parts(2)),
    "stc-mix": lambda: CMMC(moco(), parts(2)[0]),
    "simclr-stc-mix": lambda: CMMC(SimCLR(*parts(), 0.1), parts(2)[0]),
    "rho-byol-stc-mix, rho 4": lambda: CMMC(byol(4), parts(2)[0]),
    "tubelets": lambda: TubeletContrast(*parts(), QUEUE, 0.9, 0.1, Drawing()),
    "coclr-stc-mix": lambda: CMMC(CoCLR(moco(), *parts(2)), parts(2)[0]),
}


def stepper(method: Any, batch: int = BATCH) -> Callable[[], None]:
    """A function that makes a step."""
    method.train()
    adam = optimiser("adam", method.trainable(), 0.003, 1e-5)
    views = {name: torch.randn(batch, 3, *SHAPE) for name in ("query", "key", *(f"view-{number}" for number in range(1, 5)))}
    views |= {name: torch.randn(batch, 2, *SHAPE) for name in ("miner", "partner")}
    rng = torch.Generator().manual_seed(0)

    def step() -> None:
        loss = method.step(views, torch.arange(batch), rng)["loss"]
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adam.step()
        method.update(0.5)

    return step


def arithmetic(step: Callable[[], None]) -> float:
    """The floating-point operations of a step, the mean of four, since blocks are drawn."""
    with FlopCounterMode(display=False) as counter:
        for _ in range(4):
            step()
    return counter.get_total_flops() / 4


def table(tiny: bool) -> Iterator[Row]:
    """A row for each method."""
    names, batch = (list(METHODS)[:2], 2) if tiny else (list(METHODS), BATCH)
    steps = {name: stepper(METHODS[name](), batch) for name in names}
    flops = {name: arithmetic(step) for name, step in steps.items()}
    seconds = dict(zip(names, in_turn(*steps.values(), rounds=2 if tiny else 8), strict=True))
    for name in names[1:]:
        limit = f"{flops['moco'] / flops[name]:.3g} by its arithmetic"
        base = f"moco {batch / seconds['moco']:.3g}"
        yield Row(f"step of {name}", batch / seconds[name], "clips/s", base, seconds["moco"] / seconds[name], limit)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows.main(__doc__ or "", {"methods": table})
