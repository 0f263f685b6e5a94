"""One training job: from a method and its batches to a weights file and its history."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from videossl import parallel
from videossl.errors import InputError
from videossl.files import write_json
from videossl.methods.base import Method
from videossl.train import assemble, stop_signals, weights
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, Watcher, fit
from videossl.train.provenance import key
from videossl.train.run_record import recorded

log = logging.getLogger(__name__)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how a training runs. They have no effect on the result."""
    parser.add_argument("--scratch", type=Path, default=Path("data/scratch"), help="checkpoints, run records and TensorBoard")
    parser.add_argument("--workers", type=int, default=0, help="processes that read clips, for each that trains")
    parser.add_argument("--resident", type=float, default=0, help="GB of the GPU's memory that may hold all frames of the training")
    parser.add_argument("--checkpoint-minutes", type=float, default=10, help="how often a checkpoint is written; 0: after every step")


def start(params: Mapping[str, Any]) -> torch.device:
    """Set torch's threads and arithmetic, join the processes that `stages/launch.py` started beside this one, if any, and return the device.

    params: `threads` and, unless they are as when absent, `precision` and `deterministic` (params/schema.yaml).
    """
    torch.set_num_threads(params["threads"])
    device = assemble.device(params)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def train(
    method: Method,
    batches: Batches,
    training: Training,
    seed: int,
    name: str,
    made_from: dict[str, Any],
    args: argparse.Namespace,
    watchers: Sequence[Watcher] = (),
) -> list[dict[str, float]]:
    """Train `method`, resumed from the checkpoint that belongs to exactly `made_from`, if there is one.

    args: as `add_machine` reads them. Of several processes only the first comes back.
    """
    checkpoint = Checkpoint(folder(args.scratch, made_from), args.checkpoint_minutes)
    place, first = name.replace(" ", "/"), parallel.rank() == 0
    log_dir = args.scratch / "tensorboard" / place / key(made_from)
    notes = args.scratch / "runs" / f"{place}.json"
    with (
        stop_signals.heeded() as stop,
        recorded(notes if first else None, key(made_from)) as record,
        tensorboard(log_dir if first else None) as board,
    ):
        history = fit(method, batches, training, seed, checkpoint, name, [*watchers, *board] if first else [], record, stop)
    leave()
    return history


def leave() -> None:
    """End what `start` joined: of several processes only the first comes back."""
    first = parallel.rank() == 0
    if parallel.size() > 1:
        dist.destroy_process_group()
    if not first:
        sys.exit(0)


def folder(scratch: Path, made_from: dict[str, Any]) -> Path:
    """The place where the training made from exactly `made_from` keeps its state until it is done."""
    return scratch / "checkpoints" / key(made_from)


class Snapshots:
    """Keeps the `encoders` of a training, by stream, after every `every` epochs and after the last of `epochs`, beside the checkpoint in
    `folder`; `every` 0 keeps none."""

    def __init__(self, encoders: Mapping[str, nn.Module], every: int, epochs: int, folder: Path) -> None:
        self.encoders, self.folder = encoders, folder
        self.epochs = kept(every, epochs)

    def __call__(self, row: dict[str, float]) -> None:
        epoch = int(row["epoch"])
        if epoch in self.epochs:
            weights.save(self._path(epoch), flat({name: encoder.state_dict() for name, encoder in self.encoders.items()}), {})

    def gather(self) -> dict[str, Tensor]:
        """All that was kept, as "{epoch}.{stream}/{name}". Raises InputError where a file is damaged: it was kept before the checkpoint, so that goes
        with it."""
        try:
            return {f"{epoch}.{name}": tensor for epoch in self.epochs for name, tensor in weights.load(self._path(epoch)).items()}
        except InputError as error:
            raise InputError(f"an encoder kept on the way is damaged or gone; delete {self.folder} and train again: {error}") from error

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.safetensors"


def kept(every: int, epochs: int) -> list[int]:
    """The epochs whose encoders a training of `epochs` keeps: each `every`-th epoch and the last; none for 0."""
    return sorted({*range(every, epochs, every), epochs}) if every else []


def flat(states: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """States by stream as one, with names "{stream}/{tensor}"."""
    return {f"{stream}/{name}": tensor for stream, state in states.items() for name, tensor in state.items()}


def write(method: Method, history: list[dict[str, float]], made_from: dict[str, Any], out: Path, snapshots: Snapshots) -> None:
    """Write the history and the encoders kept on the way beside `out`, then `out`: what each stream of the training has become."""
    write_json(out.with_suffix(".json"), {"epochs": history, "provenance": made_from})
    weights.save(out.with_suffix(".snapshots.safetensors"), snapshots.gather(), made_from)
    weights.save(out, flat(method.states()), made_from)
    log.info("wrote %s", out)


def done(made_from: dict[str, Any], scratch: Path) -> None:
    """Mark that all that the training made is written."""
    Checkpoint(folder(scratch, made_from)).done()


@contextlib.contextmanager
def tensorboard(folder: Path | None) -> Iterator[list[Watcher]]:
    """A watcher that writes each epoch to TensorBoard; none without a folder, or where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        folder = None
    if folder is None:
        yield []
        return
    writer = SummaryWriter(str(folder))

    def watch(row: dict[str, float]) -> None:
        for measure in row.keys() - {"epoch"}:
            writer.add_scalar(measure, row[measure], int(row["epoch"]))

    try:
        yield [watch]
    finally:
        writer.close()
