"""The training loop that every method shares."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from videossl import seeding
from videossl.errors import InputError
from videossl.train import schedule
from videossl.train.checkpoint import Checkpoint

log = logging.getLogger(__name__)

History = list[dict[str, float]]
Views = dict[str, Tensor]


class Method(Protocol):
    """What is trained. A torch module; its state_dict holds all that a resume needs."""

    def step(self, views: Views, sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]: ...
    def update(self) -> None: ...
    def trainable(self) -> list[torch.nn.Parameter]: ...
    def train(self, mode: bool = True) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Training:
    """How long and how fast: the `pretrain`, `cmmc` or `finetune` part of a modality in params.yaml."""

    epochs: int
    batch: int
    optimiser: str
    lr: float
    weight_decay: float
    schedule: str


@dataclass(frozen=True)
class Batches:
    """Where views come from: `epoch(e)` yields (views, sample numbers), `steps` of them."""

    steps: int
    epoch: Callable[[int], Iterator[tuple[Views, Tensor]]]


class Watcher(Protocol):
    """Told of every epoch before its checkpoint is written; TensorBoard is one, what keeps encoders on the way another."""

    def __call__(self, row: dict[str, float]) -> None: ...


def fit(
    method: Method, batches: Batches, training: Training, seed: int, checkpoint: Checkpoint, name: str, watchers: Sequence[Watcher] = ()
) -> History:
    """Train `method`; returns one row an epoch: epoch, loss, accuracy (percent) and lr.

    Goes on from `checkpoint` if it holds a state, and writes it after every epoch. The result is the same bytes as
    without the interruption: each draw comes from a generator of its own (seed, epoch, step).
    Raises InputError when the loss is no longer a finite number.
    """
    optimiser = schedule.optimiser(training.optimiser, method.trainable(), training.lr, training.weight_decay)
    history: History = []
    state = checkpoint.load()
    if state:
        method.load_state_dict(state["method"])
        optimiser.load_state_dict(state["optimiser"])
        history = state["history"]
        log.info("%s: goes on after epoch %d of %d", name, len(history), training.epochs)
    for epoch in range(len(history), training.epochs):
        row = _epoch(method, optimiser, batches, training, seed, epoch, name)
        history.append(row)
        for watch in watchers:
            watch(row)
        checkpoint.save({"method": method.state_dict(), "optimiser": optimiser.state_dict(), "history": history})
    return history


def _epoch(
    method: Method, optimiser: torch.optim.Optimizer, batches: Batches, training: Training, seed: int, epoch: int, name: str
) -> dict[str, float]:
    from tqdm import tqdm

    method.train()
    totals = {"loss": 0.0, "accuracy": 0.0}
    clips, started = 0, time.perf_counter()
    bar = tqdm(total=batches.steps, desc=f"{name} {epoch + 1}/{training.epochs}", unit="step", leave=False, disable=not sys.stderr.isatty())
    for step, (views, sample) in enumerate(batches.epoch(epoch)):
        lr = training.lr * schedule.factor(training.schedule, (epoch + step / batches.steps) / training.epochs)
        for group in optimiser.param_groups:
            group["lr"] = lr
        measures = method.step(views, sample, seeding.torch_rng(seed, epoch, step, "mix"))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(measures["loss"])
        optimiser.step()
        method.update()
        for key in totals:
            totals[key] += float(measures[key].detach())
        if not math.isfinite(totals["loss"]):
            raise InputError(
                f"{name}: the loss is {float(measures['loss'].detach())} at epoch {epoch + 1}, step {step + 1}; lower the lr ({training.lr})"
                " or look at the data; the checkpoint of the epoch before is kept"
            )
        clips += len(sample)
        bar.set_postfix(
            loss=f"{totals['loss'] / (step + 1):.3f}",
            acc=f"{100 * totals['accuracy'] / (step + 1):.1f}%",
            clips_s=f"{clips / (time.perf_counter() - started):.0f}",
            refresh=False,
        )
        bar.update()
    bar.close()
    loss, accuracy = totals["loss"] / batches.steps, 100 * totals["accuracy"] / batches.steps
    rate = clips / (time.perf_counter() - started)
    log.info("%s epoch %d/%d: loss %.3f, accuracy %.1f %%, %.0f clips/s", name, epoch + 1, training.epochs, loss, accuracy, rate)
    return {"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "lr": lr}
