"""Weights files: safetensors, with what they were made from in the metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from videossl.errors import InputError
from videossl.files import atomic


def save(path: Path, state: dict[str, Tensor], provenance: dict[str, Any]) -> None:
    """Write `state`; `provenance` is one JSON text in the metadata, so that equal runs are equal bytes."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, {"provenance": json.dumps(provenance, sort_keys=True)})


def load(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of `path` whose names begin with `prefix`, without it. A damaged file is an InputError."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read the weights {path}: {error}; delete the file and run again") from error


def provenance(path: Path) -> dict[str, Any]:
    """What `path` was made from."""
    try:
        with safe_open(path, framework="pt") as file:
            result: dict[str, Any] = json.loads((file.metadata() or {}).get("provenance", "{}"))
            return result
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read the weights {path}: {error}; delete the file and run again") from error
