"""Checkpoints: where an interrupted training goes on.

A checkpoint belongs to one training exactly: its folder is named by a hash of the params, the code and the inputs, so a
change of any of them starts anew. Not tracked and safe to delete.
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from videossl.errors import InputError
from videossl.files import atomic, read_json, reading, write_json

log = logging.getLogger(__name__)

KEPT = 2
"""The number of checkpoints that are kept: the newest, and one to go back to where it is damaged."""


class DamagedError(InputError):
    """A state whose bytes are not those that were written."""


class Checkpoint:
    """The states of one training in `folder`, as {steps}.{SHA-256 of the bytes}.pt, one every `minutes` (0: after every step; infinite: only at a signal to stop)."""

    def __init__(self, folder: Path, minutes: float = 10) -> None:
        self.folder, self.minutes = folder, minutes
        self._last = time.monotonic()  # which no change of the clock moves

    def due(self) -> bool:
        """True where `minutes` have passed since the last one, or since the start."""
        return time.monotonic() - self._last >= 60 * self.minutes

    def save(self, state: dict[str, Any], steps: int) -> Path:
        """Write a state, whole or not at all; then keep it and the one before, no others: what lies further on was damaged."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        path = self.folder / f"{steps:09d}.{hashlib.sha256(buffer.getbuffer()).hexdigest()}.pt"
        with atomic(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
        kept = [saved for saved in self._newest_first() if saved.name <= path.name][:KEPT]
        for other in set(self._newest_first()) - set(kept):
            other.unlink(missing_ok=True)
        self._last = time.monotonic()
        return path

    def load(self) -> dict[str, Any] | None:
        """The newest sound state, or None. A state whose bytes do not fit its name is left out with a warning."""
        return next((state for _, state in self._sound()), None)

    def newest(self) -> Path | None:
        """The newest file that is sound."""
        return next((path for path, _ in self._sound()), None)

    def give_up(self, reason: str) -> None:
        """Note why this training can't go on, so that it is not tried again and again."""
        write_json(self._note, {"reason": reason})

    def check_not_given_up(self) -> None:
        """Raise InputError with the reason if it was noted."""
        if self._note.exists():
            raise InputError(f"{read_json(self._note)['reason']}; to go on from the last checkpoint all the same, delete {self._note}")

    def done(self) -> None:
        """Mark the folder: the weights are written. Snakemake removes it once all has gone well (`onsuccess` in the Snakefile): a job
        that is struck in its last moments has its results deleted, and comes back."""
        (self.folder / "done").touch()

    def _sound(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in self._newest_first():
            try:
                with reading(path, DamagedError):
                    state = _read(path)
                yield path, state
            except DamagedError as error:
                log.warning("%s is damaged and is left out: %s", path, " ".join(str(error).split())[:200])

    @property
    def _note(self) -> Path:
        return self.folder / "stopped.json"

    def _newest_first(self) -> list[Path]:
        with reading(self.folder, DamagedError):
            inside = list(self.folder.iterdir()) if self.folder.exists() else []  # where it may not be read, glob finds nothing in it
        return sorted((path for path in inside if path.suffix == ".pt"), reverse=True)


def _read(path: Path) -> dict[str, Any]:
    """A state; ValueError where the bytes are not those that were written."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != path.name.split(".")[1]:
        raise ValueError("its bytes are not those that were written")
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state
