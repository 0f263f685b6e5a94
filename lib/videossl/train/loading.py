"""Batches of clips, read by processes beside the one that trains. None waits for ever without a line."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling
from torch.utils.data._utils.pin_memory import pin_memory

from videossl import waiting
from videossl.data.clips import collate_batch
from videossl.errors import InputError
from videossl.train import stop_signals

log = logging.getLogger(__name__)


class Reader:
    """Reads batches of clips, in this process or by `workers` others. Those begin with the first batch and stay, epoch after epoch, until
    `close`, or until this process ends. pinned: whether batches lie in memory from which a GPU copies by itself."""

    def __init__(self, clips: Dataset[dict[str, Any]], workers: int = 0, pinned: bool = False) -> None:
        self.clips, self.workers, self.pinned = clips, workers, pinned
        self._keys: list[list[Any]] = []  # the batches that a loader reads when it begins anew
        self._loader: Any = None
        self._finish: Callable[[], Any] = lambda: None

    def batches(self, keys: list[list[Any]]) -> Iterator[dict[str, Any]]:
        """Yield the batches of clips with these keys, those of a batch in a list.

        Raises InputError where a worker cannot hand over what it has read: too little shared memory, or a TMPDIR whose name is too long.
        """
        slow = "the disk is slow, or what reads clips is stuck: none have come"
        if not self.workers:
            for batch in keys:
                with waiting.said(log, slow):
                    read = collate_batch([self.clips[key] for key in batch])
                pinned: Any = pin_memory(read) if self.pinned else read  # type: ignore[no-untyped-call]
                yield pinned
            return
        self._keys[:] = keys
        loader = self._begun()
        for _ in keys:
            with waiting.said(log, slow):
                loaded = _next(loader)
            yield loaded
        next(loader, None)  # there is none: the loader can begin anew

    def _begun(self) -> Any:
        """The loader, at the first of its keys, with its workers."""
        if self._loader is None:
            how: dict[str, Any] = {"collate_fn": _shared, "worker_init_fn": _start, "pin_memory": self.pinned}
            self._loader = DataLoader(self.clips, batch_sampler=self._keys, num_workers=self.workers, persistent_workers=True, **how)
            begun: Any = iter(self._loader)
            self._finish = weakref.finalize(self, _end, begun)
            return begun
        return iter(self._loader)

    def close(self) -> None:
        """End the workers, if there are any."""
        self._finish()
        self._loader = None


TENSORS = ("labels", "clips", "spans")
"""The parts of a batch that a GPU works with: tensors, or tensors by name."""


def ahead(batches: Iterator[dict[str, Any]], device: torch.device) -> Iterator[dict[str, Any]]:
    """Batches with labels, clips and spans on `device`, sizes of clips where they are. A GPU gets each while it works at the one before."""
    if device.type != "cuda":
        yield from batches
        return
    stream, before = torch.cuda.Stream(device), None  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(stream):
            moved = batch | {key: _moved(batch[key], device) for key in TENSORS if key in batch}
        copied = stream.record_event()
        if before:
            yield _arrived(*before)
        before = moved, copied
    if before:
        yield _arrived(*before)


def _moved(tensors: Any, device: torch.device) -> Any:
    if isinstance(tensors, dict):
        return {name: _moved(one, device) for name, one in tensors.items()}
    return tensors.to(device, non_blocking=True)


def _arrived(batch: dict[str, Any], copied: torch.cuda.Event) -> dict[str, Any]:
    """A batch for the stream that works, which waits for its copy."""
    working = torch.cuda.current_stream()
    working.wait_event(copied)
    for tensors in (batch[key] for key in TENSORS if key in batch):
        for tensor in tensors.values() if isinstance(tensors, dict) else [tensors]:
            tensor.record_stream(working)
    return batch


def _end(loader: Any) -> None:
    """End the workers. They only read. They heed no SIGTERM, so torch and Python would wait for them."""
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
