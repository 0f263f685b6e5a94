"""Batches of clips, read by processes beside the one that trains. None waits for ever without a line."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling

from videossl import waiting
from videossl.data.clips import collate_batch
from videossl.errors import InputError
from videossl.train import stop_signals

log = logging.getLogger(__name__)


def batches(clips: Dataset[dict[str, Any]], rows: list[list[Any]], workers: int) -> Iterator[dict[str, Any]]:
    """Yield the batches of `rows`, read by this process or by `workers` others.

    Raises InputError where a worker cannot hand over what it has read: too little shared memory, or a TMPDIR whose name is too long.
    """
    how: dict[str, Any] = {"collate_fn": _shared, "worker_init_fn": _start} if workers else {"collate_fn": collate_batch}
    loader: Any = iter(DataLoader(clips, batch_sampler=rows, num_workers=workers, **how))
    try:
        for _ in rows:
            with waiting.said(log, "the disk is slow, or what reads clips is stuck: none have come"):
                batch = _next(loader) if workers else next(loader)
            yield batch
        next(loader, None)  # there is none: the workers end
    finally:
        if workers:
            _end(loader)


def _end(loader: Any) -> None:
    """End the workers that are left. They only read. They heed no SIGTERM, so torch and Python would wait for them."""
    if loader._worker_pids_set:  # else torch takes their end for an accident
        signal_handling._remove_worker_pids(id(loader))  # type: ignore[attr-defined]
        loader._worker_pids_set = False
    for process in loader._workers:
        process.kill()


def _next(loader: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The next batch that workers have read."""
    try:
        return next(loader)
    except InputError as error:  # with the worker's traceback before it
        raise InputError(_last_line(error)) from error
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"a process that reads clips has failed ({_last_line(error)}); if it could not hand over what it had read: give it more shared"
            " memory (docker run --shm-size=8g) and a TMPDIR with a short name, or set workers to 0"
        ) from error


def _last_line(error: Exception) -> str:
    """The message of an error that torch brings from a worker, without the name of its class."""
    return str(error).strip().splitlines()[-1].removeprefix("videossl.errors.InputError: ")


def _start(worker: int) -> None:
    """Begin a worker: it leaves signals to the training, and tries to hand something over. Later nobody would hear of it."""
    stop_signals.ignore(worker)
    ForkingPickler.dumps(torch.zeros(1).share_memory_())  # type: ignore[no-untyped-call]


def _shared(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A batch in shared memory. Where torch shares it later, in another thread, an error is lost."""
    batch = collate_batch(items)
    for value in batch.values():
        for tensor in value.values() if isinstance(value, dict) else [value]:
            if isinstance(tensor, Tensor):
                tensor.share_memory_()  # type: ignore[no-untyped-call]
    return batch
