"""Features of videos by a frozen encoder (docs/methods/tasks.md)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from videossl import registry
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.tasks.batches import Clips
from videossl.tasks.features import Columns, columns
from videossl.train import assemble, weights
from videossl.train.assemble import Augment

BATCH = 16
"""Clips in one forward pass: it does not change what is measured, only memory and speed."""


def clips(
    caches: Mapping[str, Cache], rows: Sequence[Row], stream: str, settings: Mapping[str, Any], starts: Callable[[int, int], list[int]]
) -> Clips:
    """The clips of `rows` that an encoder of `stream` is tested on; `starts` as in `Clips`."""
    return Clips(assemble.cache_of(settings, caches), rows, stream, assemble.Loader(settings), assemble.span(settings), starts)


def encoder(args: argparse.Namespace, stream: str, settings: Mapping[str, Any]) -> Encoder:
    """The encoder that is measured: trained, or at the initial weights that the training of this seed began from."""
    result = assemble.encoder(stream, settings, args.seed)
    for path in args.weights or []:
        result.load_state_dict(weights.load(path, f"{stream}/encoder."))
    return result


def handmade(rows: Sequence[Row], settings: Mapping[str, Any], caches: Mapping[str, Cache]) -> np.ndarray:
    """Features (V, 1, D) float32 that nobody trained: what a modality says of whole videos without an encoder (docs/toy.md)."""
    if not rows:
        raise InputError(f"features of {settings['modality']}: the index has no usable video; see its column `reason`")
    module, cache = registry.module("modalities", settings["modality"]), assemble.cache_of(settings, caches)
    return np.stack([module.handmade(cache, row.id, settings) for row in rows])[:, None].astype(np.float32)


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every part is in the mode it was in, and no buffer has changed."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def extract(encoder: Encoder, augment: Augment, clips: Clips, batch: int, device: torch.device | str) -> Columns:
    """Pooled features of the clips; each video has equally many clips, and nothing is random.

    encoder: (B, C, ...) -> maps, with `pool(maps) -> (B, D)`; used in evaluation mode without gradients, it is
    bit-identical afterwards, its batch-norm statistics included. batch: clips in one forward pass.
    """
    if not clips.rows:
        raise InputError(f"features of {clips.stream}: the index has no usable video; see its column `reason`")
    parts = []
    with frozen(encoder):
        for clip, sizes in clips.batches(batch):
            maps = encoder(augment.evaluate(clip.to(device), sizes))
            parts.append(encoder.pool(maps).float())  # a GPU is not waited for
    return columns(clips.rows, torch.stack(clips.by_video(parts)).cpu().numpy())
