"""Steps of MoCo on one thread with the encoders and clips of params.yaml: S3D in float32 and bf16, an ST-GCN and its blocks one by one.

    python bench/step.py

A step is both encoders' passes, the loss, Adam and the momentum. Time is the process's own, since machines are shared; the median of
twelve steps, old and new in turn. `bodies` is how many of the two are there.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable

import torch

from videossl.encoders.base import Encoder
from videossl.encoders.build import build, build_head
from videossl.encoders.st_gcn import STGCN
from videossl.methods.moco import MoCo
from videossl.train.schedule import optimiser


class OneByOne(STGCN):
    """An ST-GCN that computes every row of every block."""

    run = Encoder.run


def stepper(encoder: Encoder, shape: tuple[int, ...], bodies: int, precision: str = "float32") -> Callable[[], float]:
    """A function that makes a step and returns its seconds."""
    method = MoCo(encoder, build_head(encoder.out_features, 0, 256, 128, "batch"), 0, 0.5, 0.1).train()
    adam, views = optimiser("adam", method.trainable(), 0.003, 1e-5), {name: torch.randn(shape) for name in ("query", "key")}
    if len(shape) == 5 and shape[-1] == 2:
        for view in views.values():
            view[..., bodies:] = 0

    def step() -> float:
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
            loss = method.step(views, torch.arange(shape[0]), torch.Generator())["loss"]
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adam.step()
        method.update()
        return time.process_time() - start

    return step


def measured(*steps: Callable[[], float]) -> list[float]:
    """The median seconds of each, in turn."""
    times = [[step() for step in steps] for _ in range(14)][2:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    """Print one line a stream, batch and number of bodies."""
    torch.set_num_threads(1)
    for batch in (16, 48):
        old, new = measured(*(stepper(build("s3d", 3, {"width": 0.25}, 0), (batch, 3, 5, 64, 64), 0, name) for name in ("float32", "bf16")))
        print(f"rgb, batch {batch}: {batch / old:.0f} clips/s, {batch / new:.0f} in bf16; ratio {old / new:.2f}")
        for bodies in (1, 2):
            shape = (batch, 3, 24, 25, 2)
            old, new = measured(stepper(OneByOne(width=0.125), shape, bodies), stepper(STGCN(width=0.125), shape, bodies))
            rates = f"{batch / old:.0f} clips/s by blocks, {batch / new:.0f} by rows"
            print(f"joint, batch {batch}, bodies {bodies}: {rates}; ratio {old / new:.2f}")


if __name__ == "__main__":
    main()
