"""Finetuning: encoder and a linear classifier trained together, by the method `supervised` (docs/methods/supervised.md).

What is measured are class probabilities of the test videos. Only making them takes torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from videossl.data.clips import windows
from videossl.errors import InputError
from videossl.tasks import metrics
from videossl.tasks.base import Counts
from videossl.tasks.features import Features

if TYPE_CHECKING:
    import torch
    from torch import nn

    from videossl.data.cache import Cache
    from videossl.data.index import Row
    from videossl.tasks.batches import Clips
    from videossl.train.assemble import Augment


def predict(features: Features, settings: Mapping[str, Any]) -> np.ndarray:
    """The class probabilities of the test videos, (V_test, classes): what the file of `tested` holds."""
    return np.asarray(features.features[features.rows("test"), 0])


def hits(predictions: Sequence[np.ndarray], features: Features) -> dict[str, np.ndarray]:
    """The test videos whose class has the largest probability, (V_test,) bool, the streams' probabilities averaged."""
    return {"accuracy": metrics.correct(metrics.fuse(predictions), features.targets("test"))}


def chance(features: Features) -> dict[str, float]:
    """The accuracy of answering the most frequent training class."""
    return {"accuracy": metrics.chance_accuracy(features.targets("train"), features.targets("test"))}


def work(counts: Counts, settings: Mapping[str, Any]) -> float:
    """Probabilities that are looked at."""
    return float(counts.test * counts.classes)


def tested(
    method: nn.Module,
    rows: Sequence[Row],
    stream: str,
    settings: Mapping[str, Any],
    caches: Mapping[str, Cache],
    task: Mapping[str, Any],
    classes: int,
    device: torch.device | str,
) -> np.ndarray:
    """Class probabilities (V, 1, classes) float64 of the videos `rows`, zeros for those of training.

    method: (B, C, ...) -> logits (B, classes). settings: of the stream. task: settings of the task, overlap of windows and number of crops.
    """
    from videossl.tasks import encode
    from videossl.train import assemble

    test = [position for position, row in enumerate(rows) if row.split == "test"]
    clips = encode.clips(caches, [rows[position] for position in test], stream, settings, partial(windows, overlap=task["overlap"]))
    result = np.zeros((len(rows), 1, classes))
    augment = assemble.augmentation(settings, caches)
    result[test, 0] = probabilities(method, augment, clips, task["crops"], encode.BATCH, device)
    return result


def probabilities(method: nn.Module, augment: Augment, clips: Clips, crops: int, batch: int, device: torch.device | str) -> np.ndarray:
    """Class probabilities (V, classes) float64: softmax averaged over all windows and crops of a video (P appendix 1).

    clips: the windows, as many a video as it needs; each has the same weight in its video. crops: of each window, 1 the
    centre, 2 also its mirror image, 10 also the corners (see `VideoAugment.crops`); one crop of a batch is in memory at a
    time. batch: windows in one forward pass. Nothing is random and `method` is bit-identical afterwards.
    """
    import torch

    from videossl.tasks.encode import frozen

    if not clips.rows:
        raise InputError(f"finetune of {clips.stream}: no labelled test videos; set evaluate.tasks: []")
    parts = []
    with frozen(method):
        for clip, sizes in clips.batches(batch):
            views = augment.crops(clip.to(device), sizes, crops)
            parts.append(torch.stack([method(view).double().softmax(1) for view in views]).mean(0))
    return torch.stack([video.mean(0) for video in clips.by_video(parts)]).cpu().numpy()
