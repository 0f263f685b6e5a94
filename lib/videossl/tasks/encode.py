"""What a frozen encoder makes of videos (spec, Downstream)."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from videossl.augment.skeleton import SkeletonAugment
from videossl.augment.video import VideoAugment
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.tasks.clips import Clips
from videossl.tasks.features import Columns, columns
from videossl.train import modality as modalities
from videossl.train import weights

Augment = VideoAugment | SkeletonAugment

BATCH = 16
"""Clips in one forward pass: it does not change what is measured, only memory and speed."""


def clips(
    cache: Cache, rows: Sequence[Row], modality: str, settings: dict[str, Any], starts: Callable[[int, int, int], list[int]]
) -> Clips:
    """The clips of `rows` that an encoder of `modality` is tested on; `starts` as in `Clips`."""
    return Clips(cache, rows, modality, settings["clip"]["frames"], settings["clip"].get("stride", 1), starts, modalities.graph(settings))


def encoder(args: argparse.Namespace, modality: str, settings: dict[str, Any]) -> Encoder:
    """The encoder that is measured: trained, or at the initial weights that the training of this seed began from."""
    result = modalities.encoder(modality, settings, args.seed)
    for path in args.weights or []:
        result.load_state_dict(weights.load(path, "encoder."))
    return result


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
    """Pooled features of the clips, of which each video has equally many; nothing random.

    encoder: (B, C, ...) -> maps, with `pool(maps) -> (B, D)`; used in evaluation mode without gradients, it is
    bit-identical afterwards, its batch-norm statistics included. batch: clips in one forward pass.
    """
    if not clips.rows:
        raise InputError(f"features of {clips.modality}: the index has no usable video; see its column `reason`")
    parts = []
    with frozen(encoder):
        for clip, sizes in clips.batches(batch):
            maps = encoder(augment.evaluate(clip.to(device), sizes))
            parts.append(encoder.pool(maps).float().cpu())
    return columns(clips.rows, torch.stack(clips.by_video(parts)).numpy())
