"""Supervised training: an encoder and a linear classifier together, with labels. What finetuning is, and what a teacher is made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videossl import parallel, seeding
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.methods.base import Given, State, Views


class Supervised(nn.Module):
    """An encoder and a linear classifier on its pooled features.

    encoder: maps (B, C, ...) to feature maps, with `pool(maps) -> (B, D)` and `out_features` D; it is trained in place. dropout: share of
    the features zeroed in training. seed: of the classifier's initial weights. stream: the name that the encoder goes by.
    """

    def __init__(self, encoder: Encoder, classes: int, dropout: float = 0.0, seed: int = 0, stream: str = "") -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"supervised training with {classes} classes among the labels, two are needed; set evaluate.tasks: []")
        if not 0 <= dropout < 1:
            raise InputError(f"supervised training with dropout {dropout}: give a share in [0, 1)")
        self.encoder, self.dropout, self.stream = encoder, dropout, stream
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeding.derive(seed, "classifier"))
            self.classifier = nn.Linear(encoder.out_features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of views x (B, C, ...), without dropout."""
        return self._classify(self._pooled(x))

    def step(self, views: Views, sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy and accuracy (in 0..1) of a batch: views["query"] (B, C, ...), views["label"] (B,) int64.

        Dropout draws from `rng`, the same in all processes that share the batch; `sample` is not used.
        """
        features = self._pooled(views["query"])
        if self.dropout:
            whole = (len(features) * parallel.size(), features.shape[1])
            kept = torch.rand(whole, generator=rng, device=rng.device)[parallel.own(len(features))] >= self.dropout
            features = features * kept.to(features.device, non_blocking=True) / (1 - self.dropout)
        logits, labels = self._classify(features), views["label"]
        return {
            "loss": F.cross_entropy(logits, labels),
            "accuracy": (logits.argmax(1) == labels).float().mean(),
        }

    def trainable(self) -> list[nn.Parameter]:
        """All parameters: encoder and classifier."""
        return list(self.parameters())

    def update(self, done: float = 0.0) -> None:
        """Nothing follows the optimiser's step."""

    def encoders(self) -> dict[str, nn.Sequential]:
        """The encoder, by the name of its stream."""
        return {self.stream: self.encoder}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """The encoder alone: no later training has these classes."""
        return {self.stream: {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}}

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """Take over the encoder of an earlier training, of whichever method. Raises InputError where it is another encoder's."""
        weights = {name.removeprefix("encoder."): tensor for name, tensor in states[self.stream].items() if name.startswith("encoder.")}
        try:
            self.encoder.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(f"earlier weights of {self.stream} are another encoder's: {' '.join(str(error).split())[:200]}") from None
        return ["encoder"]

    def _pooled(self, x: Tensor) -> Tensor:
        return self.encoder.pool(self.encoder(x)).float()

    def _classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(features)
        return logits


def build(given: Given) -> Supervised:
    """Supervised training of one stream."""
    name, learner = given.single
    return Supervised(learner.encoder, given.classes, learner.settings["dropout"], given.seed, name)


def adapt(augment: Any, settings: Mapping[str, Any]) -> Any:
    """`augment` without blur (P appendix 1: finetuning has the augmentation of pretraining, but for the blur), whatever the `settings`."""
    return augment.without_blur() if hasattr(augment, "without_blur") else augment
