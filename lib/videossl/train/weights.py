"""Weights files: safetensors, with what they were made from, and the digest of each tensor, in the metadata."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from videossl.errors import InputError
from videossl.files import atomic, reading

if TYPE_CHECKING:
    from torch import Tensor

ABOUT = "about"
"""The one key of the metadata, a JSON text: of several, safetensors writes now one first, now another."""


def save(path: Path, state: dict[str, Tensor], provenance: dict[str, Any]) -> None:
    """Write `state`; equal runs are equal bytes."""
    from safetensors.torch import save as serialise  # here, so that what reads provenances only starts fast

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    about = {"provenance": provenance, "sha256": {name: _digest(tensor) for name, tensor in tensors.items()}}
    content = serialise(tensors, {ABOUT: json.dumps(about, sort_keys=True)})
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def load(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of `path` whose names begin with `prefix`, without it.

    Raises InputError for a damaged file, for a flipped byte in one of these tensors, and for a `prefix` that no name begins with.
    """
    with reading(path, partial(_unreadable, path)), safe_open(path, framework="pt") as file:
        digests = _about(file)["sha256"]
        stated = {name: digest for name, digest in digests.items() if name.startswith(prefix)}
        tensors = {name: file.get_tensor(name) for name in stated}
    if prefix and not stated:
        held = ", ".join(sorted({name.partition("/")[0] for name in digests})) or "nothing"
        raise InputError(f"the weights {path} have no tensor whose name begins with {prefix!r}, only those of {held}; name other weights")
    for name, tensor in tensors.items():
        if _digest(tensor) != stated[name]:
            raise _unreadable(path, f"{name} is not as it was written")
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def provenance(path: Path) -> dict[str, Any]:
    """The origin of `path`."""
    with reading(path, partial(_unreadable, path)), safe_open(path, framework="numpy") as file:
        result: dict[str, Any] = _about(file)["provenance"]
        return result


def _about(file: Any) -> Any:
    return json.loads(file.metadata()[ABOUT])


def _digest(tensor: Tensor) -> str:
    """The SHA-256 of a tensor's type, shape and bytes: safetensors notices a file that is cut, but no flipped byte."""
    import torch

    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _unreadable(path: Path, why: Exception | str) -> InputError:
    return InputError(f"cannot read the weights {path}: {why}; delete the file and run again")
