"""What a result was made from: the hashes of data, code and weights, and the params."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videossl import code, seeding
from videossl.data import cache
from videossl.files import sha256


def data_digest(index: Path, caches: Sequence[Path]) -> str:
    """The SHA-256 over the bytes of the index and the digest that each shard states of its own (data/cache.py).

    A shard is not read whole for it: a cache of hundreds of gigabytes stands behind many trainings.
    """
    stated = [cache.digest(path) for path in caches]
    return hashlib.sha256("\n".join([sha256(index), *stated]).encode()).hexdigest()


def record(
    script: str, params: dict[str, Any], seed: int, data: str, weights: dict[str, Path] | None = None, device: str = ""
) -> dict[str, Any]:
    """The record that is stored beside each model and number. `script` is relative to the repository; `device`: the one torch takes.

    Who computes without torch says "cpu" and need not load it for this.
    """
    return {
        "script": script,
        "code": code.digest(script),
        "params": params,
        "seed": seed,
        "data": data,
        "weights": {name: sha256(path) for name, path in sorted((weights or {}).items())},
        "device": device or _device(),
        "versions": {"torch": importlib.metadata.version("torch").split("+")[0]},
    }


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def stage_seed(seed: int, *stage: str | int) -> int:
    """The seed of one stage after pretraining, so that it does not see the augmentations of another again.

    Pretraining takes the run's own seed. The experiment has no part in either: experiments share batches and draws, and
    differ in nothing but their recipe.
    """
    return seeding.derive(seed, *stage) % 2**31


def key(made_from: dict[str, Any]) -> str:
    """A short name for exactly this training: 16 hex digits of the hash of its record."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
