"""Random generators named by what they are for.

A draw depends only on (seed, epoch, sample, purpose), so it is the same for any number of workers, any order of
shards, and after a resume (docs/design.md, Determinism).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *key: int | str) -> int:
    """A 63-bit integer, a hash of `seed` and `key`; different keys are independent for all practical purposes."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def numpy_rng(seed: int, *key: int | str) -> np.random.Generator:
    """A numpy generator (Philox) for `key`, by convention (epoch, sample id, purpose)."""
    return np.random.Generator(np.random.Philox(key=derive(seed, *key)))


def torch_rng(seed: int, *key: int | str, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator on `device` for `key`, by convention (epoch, sample id, purpose)."""
    import torch  # here, so that processes that only decode start fast

    return torch.Generator(device=device).manual_seed(derive(seed, *key))
