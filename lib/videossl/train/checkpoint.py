"""Checkpoints: where an interrupted training goes on.

A checkpoint belongs to one training exactly: its folder is named by a hash of the params, the code and the inputs, so a
change of any of them starts anew. Not tracked and safe to delete.
"""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from videossl.files import atomic

log = logging.getLogger(__name__)


class Checkpoint:
    """The newest state of one training, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "newest.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the newest state; the old one stays until the new one is whole."""
        with atomic(self.path) as temporary:
            torch.save(state, temporary)

    def load(self) -> dict[str, Any] | None:
        """The newest state, or None. A damaged file is left out with a warning."""
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
            log.warning("%s is damaged and is left out: %s", self.path, " ".join(str(error).split())[:200])
            return None
        return state

    def clear(self) -> None:
        """Remove the folder: the training is done and its weights are written."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
