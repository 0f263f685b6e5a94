"""Encoders and heads with initial weights that depend on the seed alone.

The initialisation is torch's default of each layer (docs/methods/encoders.md: with Kaiming's the
loss stayed at ln N for hundreds of steps).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from videossl import registry, seeding
from videossl.encoders.base import Encoder
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError


def build(name: str, channels: int, settings: Mapping[str, Any], seed: int) -> Encoder:
    """The encoder `name` of this folder on `channels` channels of input; the same arguments give the same bytes.

    settings: those that the encoder's YAML declares; others are left alone. Raises InputError for another name, and
    for a `width` that is not above 0.
    """
    if settings.get("width", 1) <= 0:
        raise InputError(f"width {settings['width']} of encoder {name!r}: give a number above 0")
    module = registry.module("encoders", name)
    with _seeded(seed, "encoder"):
        encoder: Encoder = module.build(channels, settings)
    return encoder


def build_head(in_features: int, seed: int, hidden: int | None = None, out: int = 128, norm: str = "none") -> ProjectionHead:
    """A projection head; `hidden` is `in_features` unless given, as in the paper."""
    with _seeded(seed, "head"):
        return ProjectionHead(in_features, hidden or in_features, out, norm)


@contextmanager
def _seeded(seed: int, purpose: str) -> Iterator[None]:
    """Torch's CPU generator, seeded for `purpose` within, and as it was afterwards; other devices keep theirs."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeding.derive(seed, "initial weights", purpose))
        yield
