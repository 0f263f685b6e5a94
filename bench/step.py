"""Steps of MoCo on one thread with the encoders and clips of params.yaml: S3D in bf16 against float32, an ST-GCN against its blocks one by one.

And S3D at full width on few clips, against torch's own convolutions.

    python -m bench.step

A step is both encoders' passes, the loss, Adam and the momentum. `bodies` is how many of the two are there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from bench import rows
from bench.rows import Row, in_turn

from videossl.encoders import conv3d
from videossl.encoders.base import Encoder
from videossl.encoders.build import build, build_head
from videossl.encoders.st_gcn import STGCN
from videossl.methods.moco import MoCo
from videossl.train.schedule import optimiser


class OneByOne(STGCN):
    """An ST-GCN that computes every row of every block."""

    run = Encoder.run


def stepper(encoder: Encoder, shape: tuple[int, ...], bodies: int = 0, precision: str = "float32") -> Callable[[], None]:
    """A function that makes a step."""
    method = MoCo(encoder, build_head(encoder.out_features, 0, 256, 128, "batch"), 0, 0.5, 0.1).train()
    adam, views = optimiser("adam", method.trainable(), 0.003, 1e-5), {name: torch.randn(shape) for name in ("query", "key")}
    if bodies:
        for view in views.values():
            view[..., bodies:] = 0

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
            loss = method.step(views, torch.arange(shape[0]), torch.Generator())["loss"]
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adam.step()
        method.update()

    return step


def table(tiny: bool) -> Iterator[Row]:
    """A row for each stream, batch and number of bodies."""
    for batch in (4,) if tiny else (16, 48):
        shape: tuple[int, ...] = (batch, 3, 5, 64, 64)
        steps = (stepper(build("s3d", 3, {"width": 0.25}, 0), shape, precision=name) for name in ("float32", "bf16"))
        old, new = in_turn(*steps, rounds=2 if tiny else 12)
        yield Row(f"step of rgb in bf16, batch {batch}", batch / new, "clips/s", f"float32 {batch / old:.3g}", old / new)
        shape = (batch, 3, 24, 25, 2)
        for bodies in (1,) if tiny else (1, 2):
            steps = (stepper(kind(width=0.125), shape, bodies) for kind in (OneByOne, STGCN))
            old, new = in_turn(*steps, rounds=2 if tiny else 12)
            what = f"step of joint, batch {batch}, bodies {bodies}"
            yield Row(what, batch / new, "clips/s", f"block by block {batch / old:.3g}", old / new)
        steps = (stepper(STGCN(width=0.125), shape, 1, name) for name in ("float32", "bf16"))
        old, new = in_turn(*steps, rounds=2 if tiny else 12)
        yield Row(f"step of joint in bf16, batch {batch}, bodies 1", batch / new, "clips/s", f"float32 {batch / old:.3g}", old / new)
    yield from few_clips(tiny)


def few_clips(tiny: bool) -> Iterator[Row]:
    """Passes of S3D forward and back on fewer clips than `conv3d.FEW`, which are convolved in 2D."""
    encoder, few = build("s3d", 3, {"width": 0.25 if tiny else 1.0}, 0), conv3d.FEW
    for clips in (1, 8):
        x = torch.randn(clips, 3, 16, *(2 * [32 if tiny else 112]))

        def passes(below: int, x: torch.Tensor = x) -> None:
            conv3d.FEW = below
            encoder(x).mean().backward()

        new, old = in_turn(partial(passes, few), partial(passes, 0), rounds=2 if tiny else 5)
        conv3d.FEW = few
        what = f"S3D at full width, forward and back, clips of 16 x 112 x 112: {clips}"
        yield Row(what, clips / new, "clips/s", f"torch's convolutions {clips / old:.3g}", old / new)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows.main(__doc__ or "", {"step": table})
