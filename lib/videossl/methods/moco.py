"""MoCo for clips, with mixing in the input space (P sections 2, 3.1, table 1; He et al., CVPR 2020).

The key encoder runs in the mode it is in, so in training its batch-norm takes statistics of its own batch and
keeps running ones of its own, as in MoCo; momentum moves parameters only. A queue starts empty and its empty
slots are masked: MoCo's random initial negatives are not used.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.optim.swa_utils import get_ema_multi_avg_fn

from videossl import parallel
from videossl.encoders.base import pool
from videossl.encoders.build import build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import losses
from videossl.methods.base import Given, Learner, State
from videossl.methods.mixed import Inputs, Mixed
from videossl.methods.takeover import take_over
from videossl.mix.axes import Dims
from videossl.mix.strategies import check_name

NEGATIVES = ("all", "other-videos", "other-groups", "queue")
"""The negatives of a clip: all keys; all but its own video's; all but its group's, the videos that were cut from one recording; the queue's
alone, whatever they are of, as He et al. have it."""


class Compared(NamedTuple):
    """`queries` held against keys. Of several processes each has the logits of its own rows, with all columns."""

    logits: Tensor
    """(B, B + K) float32, -inf where a key is no negative (`losses.logits`)"""
    queries: Tensor
    """(B, D), the normalised embeddings of all processes' rows, without gradient"""
    own: slice
    """which rows of the whole batch these are: the own key of row i is column own.start + i"""
    sample: Tensor
    """(B,) int64, what all processes' rows are of"""


class MoCo(nn.Module):
    """Query encoder and head, their momentum copies, and a queue of keys.

    encoder: an `Encoder`, or any `nn.Sequential` of blocks; head: from its features to embeddings; queue: K
    >= 0 keys; momentum in [0, 1]; temperature > 0, of the logits; mixing: one of `strategies.INPUT`; alpha: of lam's Beta; negatives: one of
    `NEGATIVES`; box: one box (or lam of mixup) a "batch" or one a "sample"; stream: the name that the encoder goes by; dims: the names of the axes of the input, which
    a cutmix cuts by (`mix.axes`), for an encoder that does not say them itself (`Encoder.takes`). Buffers: queue (D, K) float32
    normalised, queue_ids (K,) int64, queue_ptr () int64. Raises InputError for values outside these.
    """

    mixed = ("query",)
    queue: Tensor
    queue_ids: Tensor
    queue_ptr: Tensor

    def __init__(
        self,
        encoder: nn.Sequential,
        head: ProjectionHead | nn.Linear,
        queue: int,
        momentum: float,
        temperature: float,
        mixing: str = "none",
        alpha: float = 1.0,
        negatives: str = "other-videos",
        box: str = "batch",
        stream: str = "",
        dims: Dims | None = None,
    ) -> None:
        super().__init__()
        _check(queue, momentum, temperature)
        check_name("negatives of MoCo", negatives, NEGATIVES)
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            raise InputError("MoCo: all of the encoder is frozen, as a partner's is; call encoder.requires_grad_(True).train() first")
        self.encoder, self.head = encoder, head
        self.inputs = Inputs("MoCo", mixing, alpha, box, dims or getattr(encoder, "takes", None))
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.key_head = copy.deepcopy(head).requires_grad_(False)
        self.momentum, self.temperature = momentum, temperature
        self.mixing, self.negatives, self.stream = mixing, negatives, stream
        self.register_buffer("queue", torch.zeros(head.out_features, queue))
        self.register_buffer("queue_ids", torch.full((queue,), losses.EMPTY))
        self.register_buffer("queue_ptr", torch.zeros((), dtype=torch.long))
        self._average = get_ema_multi_avg_fn(momentum)  # type: ignore[no-untyped-call]
        self._pending: tuple[Tensor, Tensor] | None = None

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (P eq. 3).

        views: "query" and "key", (B, *input) float, two views of each video, and "group", (B,) int64 >= 0, with negatives "other-groups";
        sample: (B,) int64 >= 0, which video each row is of; rng: a CPU generator for the mix, the same in all processes (`parallel`);
        each process holds its rows of the batch. Returns "loss", a scalar with gradient, "accuracy", a scalar in [0, 1],
        and what `losses.looked_at` tells of the embeddings. After the optimiser's step, call `update`.
        """
        return self.measure({"query": self.inputs(self.encoder, views["query"], rng)}, views, sample, rng)

    def origin(self, views: Mapping[str, Tensor], sample: Tensor) -> Tensor:
        """Give the origin of each row, (B,) int64 (`losses.false_negatives`): its video, or its group with negatives "other-groups"."""
        return views["group"] if self.negatives == "other-groups" else sample

    def measure(self, mixed: Mapping[str, Mixed], views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Give what `step` returns, for queries that are mixed already: mixed["query"] against the keys of views["key"], which are not.

        Keeps the keys for `update`.
        """
        maps, r, lam = mixed["query"]
        similarities, queries, own, _ = self.compare(maps, views["key"], self.origin(views, sample), r)
        return {
            "loss": losses.mixed_cross_entropy(similarities, r[own], lam, own.start),
            "accuracy": losses.accuracy(similarities, r[own], lam, own.start),
            **losses.looked_at(similarities, queries, own.start, self.temperature),
        }

    def compare(self, maps: Tensor, key_view: Tensor, sample: Tensor, r: Tensor) -> Compared:
        """The similarities that a loss is made of, of the query encoder's last `maps` and keys of `key_view`. Keeps the keys for `update`.

        sample: as `origin` gives it; r: (B,) int64, each row's partner, of the whole batch where several processes share it.
        """
        r, sample = (t.to(maps.device, non_blocking=True) for t in (r, sample))
        query = embed(self.encoder, self.head, maps)
        with torch.no_grad():
            keys = embed(self.key_encoder, self.key_head, self.key_encoder(key_view))
        own = parallel.own(len(query))
        keys, queries = parallel.gather(torch.cat([keys, query.detach()], dim=1)).chunk(2, dim=1)
        sample = parallel.gather(sample)
        self._pending = keys, sample
        alone = self.negatives == "queue"
        mask = losses.false_negatives(sample, r, self.queue_ids, self.negatives.startswith("other"), alone)[own]
        return Compared(losses.logits(query, keys, self.queue, self.temperature, mask), queries, own, sample)

    @torch.no_grad()
    def update(self, done: float = 0.0) -> None:
        """Move the key encoder and head towards the query's (key = m key + (1 - m) query), enqueue the last
        step's keys."""
        if self._pending is None:
            raise RuntimeError("MoCo.update() without a step() before it")
        key_parameters = [*self.key_encoder.parameters(), *self.key_head.parameters()]
        self._average(key_parameters, self.trainable(), 0)
        keys, ids = self._pending
        self._pending = None
        self._enqueue(keys, ids)

    def trainable(self) -> list[nn.Parameter]:
        """The parameters to give to the optimiser: the query encoder's and its head's."""
        return list(chain(self.encoder.parameters(), self.head.parameters()))

    def forget(self) -> None:
        """Empty the queue."""
        self.queue.zero_()
        self.queue_ids.fill_(losses.EMPTY)
        self.queue_ptr.zero_()

    def encoders(self) -> dict[str, nn.Sequential]:
        """The query encoder, by the name of its stream."""
        return {self.stream: self.encoder}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """All that a later training of the stream begins from: encoder, head, key encoder, key head and queue."""
        return {self.stream: self.state_dict()}

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """Take over the stream from an earlier training: a whole MoCo, or an encoder alone, which the key encoder then equals.

        Returns what was loaded, for the log. Raises InputError, loading nothing, for a tensor too many, missing, or of another shape.
        """
        parts = take_over(self, states[self.stream], self.stream)
        if parts == ["encoder"]:
            self.key_encoder.load_state_dict(self.encoder.state_dict())
        return parts

    def slots(self, count: int) -> Tensor:
        """The slots that the next `count` keys go to, (min(count, K),) int64: from the pointer on, and after the end from the start; of more
        keys than slots the last keys stay."""
        size = self.queue.shape[1]
        return (self.queue_ptr + torch.arange(count, device=self.queue.device))[count - min(count, size) :] % max(size, 1)

    def _enqueue(self, keys: Tensor, ids: Tensor) -> None:
        """Write keys (B, D) and what they are of."""
        at = self.slots(len(keys))
        if len(at) == 0:
            return
        self.queue.index_copy_(1, at, keys[-len(at) :].T)
        self.queue_ids.index_copy_(0, at, ids[-len(at) :])
        self.queue_ptr.add_(len(keys)).remainder_(self.queue.shape[1])


def build(given: Given) -> MoCo:
    """MoCo of one stream, with mixing in the input."""
    name, learner = given.single
    return of(name, learner, mixing=learner.settings["mixing"], box=learner.settings["box"])


def of(stream: str, learner: Learner, **mixing: Any) -> MoCo:
    """MoCo on the encoder of `learner` and a projection head of its own; `mixing`: arguments on that, none where others mix."""
    settings, encoder = learner.settings, learner.encoder
    head = build_head(encoder.out_features, learner.seed, **settings["head"])
    contrast = {key: settings[key] for key in ("queue", "momentum", "temperature", "alpha", "negatives") if key in settings}
    return MoCo(encoder, head, stream=stream, **contrast, **mixing)


def embed(encoder: nn.Sequential, head: nn.Module, maps: Tensor) -> Tensor:
    """The normalised embeddings (B, D) float32 of an encoder's last maps."""
    return normalize(head(pool(encoder, maps)).float(), dim=1)


def _check(queue: int, momentum: float, temperature: float) -> None:
    if queue < 0:
        raise InputError(f"queue {queue} of MoCo: give 0 or more keys")
    if not 0 <= momentum <= 1:
        raise InputError(f"momentum {momentum} of MoCo: give a number from 0 to 1")
    if not temperature > 0:
        raise InputError(f"temperature {temperature} of MoCo: give a number above 0")
