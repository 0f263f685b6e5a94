"""Finetuning: encoder and a linear classifier trained together (spec, Downstream)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videossl import parallel, seeding
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.tasks.clips import Clips
from videossl.tasks.encode import Augment, frozen


class Finetune(nn.Module):
    """An encoder and a linear classifier on its pooled features, as a method of `train.loop.fit`.

    encoder: maps (B, C, ...) to feature maps, with `pool(maps) -> (B, D)` and `out_features` D; it is trained in
    place. dropout: share of the features zeroed in training. seed: of the classifier's initial weights.
    """

    def __init__(self, encoder: Encoder, classes: int, dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"finetune: {classes} classes among the labels, two are needed; set evaluate.tasks: []")
        if not 0 <= dropout < 1:
            raise InputError(f"finetune dropout {dropout}: give a share in [0, 1)")
        self.encoder, self.dropout = encoder, dropout
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeding.derive(seed, "classifier"))
            self.classifier = nn.Linear(encoder.out_features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of views x (B, C, ...), without dropout."""
        return self._classify(self._pooled(x))

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy and accuracy (in 0..1) of a batch: views["query"] (B, C, ...), views["label"] (B,) int64.

        Dropout draws from `rng`, the same in all processes that share the batch; `sample` is not used.
        """
        features = self._pooled(views["query"])
        if self.dropout:
            whole = (len(features) * parallel.size(), features.shape[1])
            kept = torch.rand(whole, generator=rng, device=rng.device)[parallel.own(len(features))] >= self.dropout
            features = features * kept.to(features.device) / (1 - self.dropout)
        logits, labels = self._classify(features), views["label"]
        return {
            "loss": F.cross_entropy(logits, labels),
            "accuracy": (logits.argmax(1) == labels).float().mean(),
        }

    def trainable(self) -> list[nn.Parameter]:
        """All parameters: encoder and classifier."""
        return list(self.parameters())

    def update(self) -> None:
        """Nothing follows the optimiser's step."""

    def _pooled(self, x: Tensor) -> Tensor:
        return self.encoder.pool(self.encoder(x)).float()

    def _classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(features)
        return logits


def predict(method: Finetune, augment: Augment, clips: Clips, crops: int, batch: int, device: torch.device | str) -> np.ndarray:
    """Class probabilities (V, classes) float64: softmax averaged over all windows and crops of a video (P appendix 1).

    clips: the windows, as many a video as it needs; each has the same weight in its video. crops: of each window, 1 the
    centre, 2 also its mirror image, 10 also the corners (see `VideoAugment.crops`); one crop of a batch is in memory at a
    time. batch: windows in one forward pass. Nothing is random and `method` is bit-identical afterwards.
    """
    if not clips.rows:
        raise InputError(f"finetune of {clips.modality}: no labelled test videos; set evaluate.tasks: []")
    parts = []
    with frozen(method):
        for clip, sizes in clips.batches(batch):
            views = augment.crops(clip.to(device), sizes, crops)
            parts.append(torch.stack([method(view).double().softmax(1) for view in views]).mean(0).cpu())
    return torch.stack([video.mean(0) for video in clips.by_video(parts)]).numpy()
