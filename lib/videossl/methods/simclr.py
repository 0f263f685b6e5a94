"""SimCLR for clips (Chen et al., ICML 2020), with mixing in the input or of feature maps (docs/methods/simclr.md).

B: clips of the whole batch, of all processes; D: numbers of an embedding. The columns, and of a single process the rows, are the 2 B
embeddings of the batch: B of the first view, which may be mixed, then B of the second, which never is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders.build import build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import losses
from videossl.methods.base import Given, State
from videossl.methods.mixed import Inputs, Mixed
from videossl.methods.moco import embed
from videossl.methods.takeover import take_over
from videossl.mix.axes import Dims


class SimCLR(nn.Module):
    """An encoder and a head, which both views go through and learn by.

    encoder: an `Encoder`, or any `nn.Sequential` of blocks; head: from its features to embeddings; temperature > 0, of the logits; mixing,
    alpha, box, dims: of `mixed.Inputs`; stream: the name that the encoder goes by. Raises InputError for values outside these.
    """

    mixed = ("query",)

    def __init__(
        self,
        encoder: nn.Sequential,
        head: ProjectionHead | nn.Linear,
        temperature: float,
        mixing: str = "none",
        alpha: float = 1.0,
        box: str = "batch",
        stream: str = "",
        dims: Dims | None = None,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise InputError(f"temperature {temperature} of SimCLR: give a number above 0")
        self.encoder, self.head, self.temperature, self.stream = encoder, head, temperature, stream
        self.mixing, self.inputs = mixing, Inputs("SimCLR", mixing, alpha, box, dims or getattr(encoder, "takes", None))

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (eq. 1).

        views: "query" and "key", (B, *input) float, two views of each video; sample: not looked at, each video is in a batch once; rng: a
        CPU generator for the mix, the same in all processes (`parallel`); each process holds its rows. Returns "loss", a scalar with
        gradient, "accuracy", a scalar in [0, 1], the share of views whose nearest other view is the target of the larger weight, and what
        `losses.looked_at` tells of the embeddings.
        """
        return self.measure({"query": self.inputs(self.encoder, views["query"], rng)}, views, sample, rng)

    def measure(self, mixed: Mapping[str, Mixed], views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Give what `step` returns, for first views that are mixed already: mixed["query"] with the second views of views["key"]."""
        maps, r, lam = mixed["query"]
        own = embed(self.encoder, self.head, maps), embed(self.encoder, self.head, self.encoder(views["key"]))
        first, second = (parallel.gather_with_gradient(rows) for rows in own)
        count, rows = len(first), parallel.own(len(own[0]))
        mine = torch.arange(2 * count, device=first.device).view(2, count)[:, rows].flatten()  # this process's rows of both views
        weights, same = (whole[mine] for whole in targets(r.to(first.device, non_blocking=True), lam))
        with torch.autocast(first.device.type, enabled=False):  # in float32, as MoCo's (`losses`)
            similarities = torch.cat(own) @ torch.cat([first, second]).T / self.temperature
        similarities = similarities.masked_fill(same, -torch.inf)
        nearest = similarities.detach().argmax(1, keepdim=True)
        return {
            "loss": soft_cross_entropy(similarities, weights),
            "accuracy": (weights.gather(1, nearest) == weights.amax(1, keepdim=True)).float().mean(),
            **losses.looked_at(similarities[: len(own[0]), count:], first, rows.start, self.temperature),
        }

    def update(self, done: float = 0.0) -> None:
        """Nothing follows the optimiser's step."""

    def trainable(self) -> list[nn.Parameter]:
        """All parameters: encoder and head."""
        return list(self.parameters())

    def encoders(self) -> dict[str, nn.Sequential]:
        """The encoder, by the name of its stream."""
        return {self.stream: self.encoder}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """Encoder and head."""
        return {self.stream: self.state_dict()}

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """Take over encoder and head of an earlier SimCLR, or an encoder alone; see `take_over`."""
        return take_over(self, states[self.stream], self.stream)


def build(given: Given) -> SimCLR:
    """SimCLR of one stream."""
    name, learner = given.single
    settings, encoder = learner.settings, learner.encoder
    head = build_head(encoder.out_features, learner.seed, **settings["head"])
    return SimCLR(encoder, head, settings["temperature"], settings["mixing"], settings["alpha"], settings["box"], name)


def targets(r: Tensor, lam: float | Tensor) -> tuple[Tensor, Tensor]:
    """The weight of each column as a target of each row, (2 B, 2 B) float32, and where row and column show the same video and are no
    targets, (2 B, 2 B) bool.

    A first view, mixed of videos i and r(i), has the second views of i and r(i) as targets, with weights lam and 1 - lam; a second view the
    first views that show its video, with the same weights [settled]. No view is compared with itself, nor two mixed ones that share a video.
    Without mixing (r(i) = i) this is eq. 1. r: (B,) int64; lam: a number, or (B,) of this process's rows.
    """
    own = torch.eye(len(r), device=r.device)
    other = own[r]  # row i has its 1 at r(i)
    share = parallel.gather(lam.to(r.device, torch.float32, non_blocking=True))[:, None] if isinstance(lam, Tensor) else lam
    weights, shows = share * own + (1 - share) * other, own + other
    nothing = torch.zeros_like(own)
    same = torch.block_diag(shows @ shows.T, own) > 0  # type: ignore[no-untyped-call]
    return torch.cat([torch.cat([nothing, weights], 1), torch.cat([weights.T, nothing], 1)]), same


def soft_cross_entropy(logits: Tensor, weights: Tensor) -> Tensor:
    """The mean over rows of - sum over columns of weight log softmax; logits: (rows, columns) float32, -inf at columns that count for
    nothing and have weight 0."""
    log_p = logits.log_softmax(dim=1).masked_fill(logits == -torch.inf, 0)  # 0 times -inf would be no number
    return -(weights * log_p).sum(dim=1).mean()
