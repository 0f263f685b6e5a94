"""One training job: from a method and its batches to a weights file and its history."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from videossl import script
from videossl.files import write_json
from videossl.train import weights
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, Watcher, fit
from videossl.train.provenance import key

log = logging.getLogger(__name__)


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that trains."""
    result = script.parser(description)
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--index", type=Path, required=True)
    result.add_argument("--cache", type=Path, nargs="+", required=True, help="all shards of the modality")
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--scratch", type=Path, default=Path("data/scratch"), help="checkpoints and TensorBoard")
    result.add_argument("--workers", type=int, default=0, help="processes that read clips; no effect on the result")
    return result


def train(
    method: Any,
    batches: Batches,
    training: Training,
    seed: int,
    name: str,
    made_from: dict[str, Any],
    scratch: Path,
    watchers: Sequence[Watcher] = (),
) -> list[dict[str, float]]:
    """Train `method`, resumed from the checkpoint that belongs to exactly `made_from`, if there is one."""
    with tensorboard(scratch / "tensorboard" / name.replace(" ", "/") / key(made_from)) as board:
        return fit(method, batches, training, seed, Checkpoint(folder(scratch, made_from)), name, [*watchers, *board])


def folder(scratch: Path, made_from: dict[str, Any]) -> Path:
    """Where the training made from exactly `made_from` keeps its state until it is done."""
    return scratch / "checkpoints" / key(made_from)


class Snapshots:
    """Keeps an encoder after every `every` epochs and after the last of `epochs`, beside the checkpoint; `every` 0 keeps none."""

    def __init__(self, encoder: nn.Module, every: int, epochs: int, folder: Path) -> None:
        self.encoder, self.folder = encoder, folder
        self.epochs = sorted({*range(every, epochs, every), epochs}) if every else []

    def __call__(self, row: dict[str, float]) -> None:
        epoch = int(row["epoch"])
        if epoch in self.epochs:
            weights.save(self._path(epoch), self.encoder.state_dict(), {})

    def gather(self) -> dict[str, Tensor]:
        """All that was kept, as "{epoch}.{name}"."""
        return {f"{epoch}.{name}": tensor for epoch in self.epochs for name, tensor in weights.load(self._path(epoch)).items()}

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.safetensors"


def finish(
    method: nn.Module, history: list[dict[str, float]], made_from: dict[str, Any], out: Path, scratch: Path, snapshots: Snapshots
) -> None:
    """Write the history and the encoders kept on the way beside `out`, then `out`, then remove the checkpoint."""
    write_json(out.with_suffix(".json"), history)
    weights.save(out.with_suffix(".snapshots.safetensors"), snapshots.gather(), made_from)
    weights.save(out, method.state_dict(), made_from)
    Checkpoint(folder(scratch, made_from)).clear()
    log.info("wrote %s", out)


@contextlib.contextmanager
def tensorboard(folder: Path) -> Iterator[list[Watcher]]:
    """A watcher that writes each epoch to TensorBoard; none where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield []
        return
    writer = SummaryWriter(str(folder))

    def watch(row: dict[str, float]) -> None:
        for measure in ("loss", "accuracy", "lr"):
            writer.add_scalar(measure, row[measure], int(row["epoch"]))

    try:
        yield [watch]
    finally:
        writer.close()
