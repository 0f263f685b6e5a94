"""The origin of a result: the hashes of data, code and weights, and the params."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videossl import made_from, registry, seeding
from videossl.data import cache
from videossl.files import sha256


def data_digest(index: Path, caches: Sequence[Path]) -> str:
    """The SHA-256 over the bytes of the index and the digest that each shard states of its own (data/cache.py).

    A shard is not read whole for it: a cache of hundreds of gigabytes stands behind many trainings.
    """
    stated = [cache.digest(path) for path in caches]
    return hashlib.sha256("\n".join([sha256(index), *stated]).encode()).hexdigest()


def record(
    script: str,
    params: dict[str, Any],
    seed: int,
    data: str,
    weights: dict[str, Path] | None = None,
    device: str = "",
    things: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The record that is stored beside each model and number. `script` is relative to the repository; `device`: the one torch takes;
    things: the files of those that the job uses (`registry`), by default those that its params name.

    Who computes without torch says "cpu" and need not load it for this.
    """
    return {
        **made_from.record(script, params, registry.used(params) if things is None else things),
        "seed": seed,
        "data": data,
        "weights": {name: sha256(path) for name, path in sorted((weights or {}).items())},
        "device": device or _device(),
        "versions": {"torch": importlib.metadata.version("torch").split("+")[0]},
    }


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def derived_seed(seed: int, draws: Sequence[str]) -> int:
    """The seed of a training. `draws` names its draws, so that they differ from those of the trainings before it.

    A training that begins at initial weights has no `draws`, and the run's own seed.
    """
    return seeding.derive(seed, *draws) % 2**31 if draws else seed


def key(record: dict[str, Any]) -> str:
    """A short name for exactly this training: 16 hex digits of the hash of its record."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
