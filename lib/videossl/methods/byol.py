"""BYOL for clips (Grill et al., NeurIPS 2020), with rho clips of a video (Feichtenhofer et al., CVPR 2021), and with mixing in the input or
of feature maps (docs/methods/byol.md).

An online encoder, head and predictor learn to predict what a target encoder and head, their moving average, make of another clip of the same
video. There are no negatives. B: clips of the whole batch, of all processes; D: numbers of an embedding.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from itertools import chain, permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.optim.swa_utils import get_ema_multi_avg_fn

from videossl import parallel, seeding
from videossl.encoders.base import pool
from videossl.encoders.build import build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import losses
from videossl.methods.base import Given, State
from videossl.methods.mixed import Inputs, Mixed
from videossl.methods.moco import embed
from videossl.methods.takeover import take_over
from videossl.mix.axes import Dims


class BYOL(nn.Module):
    """Online encoder, head and predictor, and the target: a moving average of encoder and head.

    encoder: an `Encoder`, or any `nn.Sequential` of blocks; head: from its features to embeddings (B, D); predictor: (B, D) to (B, D);
    momentum in [0, 1] of the average, at the start of a training where it is annealed (`anneal`); rho: clips of a video; mixing, alpha, box, dims: of
    `mixed.Inputs`; stream: the name that the encoder goes by. Raises InputError for values outside these.
    """

    def __init__(
        self,
        encoder: nn.Sequential,
        head: ProjectionHead | nn.Linear,
        predictor: nn.Module,
        momentum: float,
        rho: int = 2,
        anneal: bool = True,
        mixing: str = "none",
        alpha: float = 1.0,
        box: str = "batch",
        stream: str = "",
        dims: Dims | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise InputError(f"momentum {momentum} of BYOL: give a number from 0 to 1")
        if rho < 2:
            raise InputError(f"rho {rho} of BYOL: give 2 clips of a video or more, one predicts the others")
        self.encoder, self.head, self.predictor = encoder, head, predictor
        self.target_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.target_head = copy.deepcopy(head).requires_grad_(False)
        self.momentum, self.anneal, self.stream = momentum, anneal, stream
        self.mixed = tuple(f"view-{number}" for number in range(1, rho + 1))
        self.mixing, self.inputs = mixing, Inputs("BYOL", mixing, alpha, box, dims or getattr(encoder, "takes", None))

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (eq. 2), the mean over all pairs of two clips of a video.

        views: "view-1" to "view-{rho}", (B, *input) float; sample: not looked at; rng: a CPU generator for the mix, the same in all
        processes (`parallel`); each process holds its rows. Returns "loss", a scalar with gradient, from 0 to 4, "accuracy", a scalar in
        [0, 1], the share of first clips whose prediction is nearest to the second clip of the video of the larger weight, and what
        `losses.looked_at` tells: the spread and rank of the online embeddings, and the cosines of a prediction with its own target and
        with others.
        """
        mixed = {name: self.inputs(self.encoder, views[name], rng) for name in self.mixed}
        return self.measure(mixed, views, sample, rng)

    def measure(self, mixed: Mapping[str, Mixed], views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Give what `step` returns, for online clips that are mixed already; what the target sees is not mixed."""
        online = [self.head(pool(self.encoder, mixed[name].maps)) for name in self.mixed]
        predictions = [normalize(self.predictor(z).float(), dim=1) for z in online]
        with torch.no_grad():
            targets = [
                parallel.gather(embed(self.target_encoder, self.target_head, self.target_encoder(views[name]))) for name in self.mixed
            ]
        own = parallel.own(len(predictions[0]))
        pairs = list(permutations(range(len(self.mixed)), 2))
        each = [regression(predictions[i], targets[j], *mixed[self.mixed[i]][1:], own.start) for i, j in pairs]
        cosines, r, lam = predictions[0].detach() @ targets[1].T, mixed[self.mixed[0]].r[own], mixed[self.mixed[0]].lam
        return {
            "loss": torch.stack(each).mean(),
            "accuracy": losses.accuracy(cosines, r, lam, own.start),
            **losses.looked_at(cosines, parallel.gather(normalize(online[0].detach().float(), dim=1)), own.start, 1.0),
        }

    @torch.no_grad()
    def update(self, done: float = 0.0) -> None:
        """Move the target towards the online encoder and head (eq. 1), by 1 - m: with `anneal` m rises from `momentum` to 1 as the share
        `done` of the training's steps does (Grill et al., section 3.1)."""
        distance = (1 - self.momentum) * (0.5 * (1 + math.cos(math.pi * done)) if self.anneal else 1.0)
        target = [*self.target_encoder.parameters(), *self.target_head.parameters()]
        online = [*self.encoder.parameters(), *self.head.parameters()]
        get_ema_multi_avg_fn(1 - distance)(target, online, 0)  # type: ignore[no-untyped-call]

    def trainable(self) -> list[nn.Parameter]:
        """The parameters to give to the optimiser: encoder, head and predictor."""
        return list(chain(self.encoder.parameters(), self.head.parameters(), self.predictor.parameters()))

    def encoders(self) -> dict[str, nn.Sequential]:
        """The online encoder, by the name of its stream."""
        return {self.stream: self.encoder}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """All: online encoder, head and predictor, target encoder and head."""
        return {self.stream: self.state_dict()}

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """Take over all of an earlier BYOL, or an encoder alone, which the target encoder then equals; see `take_over`."""
        parts = take_over(self, states[self.stream], self.stream)
        if parts == ["encoder"]:
            self.target_encoder.load_state_dict(self.encoder.state_dict())
        return parts


def build(given: Given) -> BYOL:
    """BYOL of one stream; its predictor is a second head, of the same kind."""
    name, learner = given.single
    settings, encoder = learner.settings, learner.encoder
    head = build_head(encoder.out_features, learner.seed, **settings["head"])
    shape = {"hidden": encoder.out_features} | settings["head"]  # of the head, as `build_head` has it
    predictor = build_head(head.out_features, seeding.derive(learner.seed, "predictor"), **shape)
    how = {key: settings[key] for key in ("momentum", "rho", "anneal", "mixing", "alpha", "box")}
    return BYOL(encoder, head, predictor, stream=name, **how)


def regression(predictions: Tensor, targets: Tensor, r: Tensor, lam: float | Tensor, first: int = 0) -> Tensor:
    """The mean over rows of lam |q_i - t_i|^2 + (1 - lam) |q_i - t_r(i)|^2 (eq. 2; with mixing i-mix, Lee et al., ICLR 2021).

    predictions: q, (rows, D); targets: t, (B, D), without gradient; all of length 1, so a square is 2 - 2 cos; r: (B,) int64; lam: a number, or
    (rows,). first: the number of the first of these rows in the whole batch.
    """
    own = slice(first, first + len(predictions))
    weight = lam.to(predictions.device, predictions.dtype, non_blocking=True) if isinstance(lam, Tensor) else lam
    squares = [2 - 2 * (predictions * rows).sum(1) for rows in (targets[own], targets[r[own].to(targets.device, non_blocking=True)])]
    return (weight * squares[0] + (1 - weight) * squares[1]).mean()
