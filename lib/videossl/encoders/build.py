"""Encoders and heads by name, with initial weights that depend on the seed alone.

The initialisation is torch's default of each layer (spec, toy: Kaiming's stays at ln N for hundreds of
steps).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from videossl import seeding
from videossl.encoders.base import Encoder
from videossl.encoders.head import ProjectionHead
from videossl.encoders.s3d import S3D
from videossl.encoders.st_gcn import STGCN
from videossl.errors import InputError
from videossl.graphs import DEFAULT


def build(name: str, in_channels: int, width: float, seed: int, graph: str = DEFAULT) -> Encoder:
    """The encoder `name` ("s3d", "st-gcn", the latter of the skeleton `graph`); the same arguments give the same bytes.
    InputError for another name."""
    if width <= 0:
        raise InputError(f"width {width} of encoder {name!r}: give a number above 0")
    with _seeded(seed, "encoder"):
        if name == "s3d":
            return S3D(in_channels, width)
        if name == "st-gcn":
            return STGCN(in_channels, width, graph)
    raise InputError(f"encoder {name!r} is unknown: choose s3d or st-gcn")


def build_head(in_features: int, seed: int, hidden: int | None = None, out: int = 128) -> ProjectionHead:
    """A projection head; `hidden` is `in_features` unless given, as in the paper."""
    with _seeded(seed, "head"):
        return ProjectionHead(in_features, hidden or in_features, out)


@contextmanager
def _seeded(seed: int, purpose: str) -> Iterator[None]:
    """Torch's CPU generator seeded for `purpose` within, as before after it; other devices' are not
    touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeding.derive(seed, "initial weights", purpose))
        yield
