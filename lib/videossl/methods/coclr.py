"""CoCLR: one stream learns, and the other's frozen encoder says which videos are alike (Han, Xie, Zisserman, NeurIPS 2020;
docs/methods/coclr.md), with mixing in the input or of feature maps.

B: clips of the whole batch, of all processes; K: keys in the queue. Columns are the B keys of the batch, then the K keys of the queue, as
in MoCo. A second queue holds what the miner made of the same videos, slot by slot.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import losses
from videossl.methods.base import Given, State
from videossl.methods.mixed import Mixed
from videossl.methods.moco import MoCo, embed, of


class CoCLR(nn.Module):
    """A MoCo with the keys that a miner finds most similar as further positives.

    moco: of the stream that learns, mixing in the input as it says; miner, miner_head: the other stream's encoder and head, of embeddings
    that may differ in size; topk: how many are taken, 1 to K; hide_own: the share of the steps in which a query's own key is no positive
    where others are; fill: whether mining waits until the queues are full. Buffer: mined_queue (D, K) float32, the miner's embeddings.
    Raises InputError for values outside these.

    A neighbour is known by its slot, so both queues start empty and are filled together, whatever an earlier training left.
    """

    mixed = ("query",)
    mined_queue: Tensor

    def __init__(
        self,
        moco: MoCo,
        miner: nn.Sequential,
        miner_head: ProjectionHead | nn.Linear,
        topk: int = 5,
        hide_own: float = 0.9,
        fill: bool = True,
    ) -> None:
        super().__init__()
        size = moco.queue.shape[1]
        if not 1 <= topk <= size:
            raise InputError(f"CoCLR: topk {topk} with a queue of {size}: give 1 or more, and a queue of that many")
        if not 0 <= hide_own <= 1:
            raise InputError(f"CoCLR: hide_own {hide_own}: give a share from 0 to 1")
        self.moco, self.topk, self.hide_own, self.fill = moco, topk, hide_own, fill
        self.miner, self.miner_head = miner.requires_grad_(False).eval(), miner_head.requires_grad_(False).eval()
        self.register_buffer("mined_queue", torch.zeros(miner_head.out_features, size))
        self._mined: Tensor | None = None
        moco.forget()

    @property
    def encoder(self) -> nn.Sequential:
        """The encoder that learns."""
        return self.moco.encoder

    @property
    def mixing(self) -> str:
        """The mixing in the input."""
        return self.moco.mixing

    def train(self, mode: bool = True) -> CoCLR:
        """Training mode for the stream that learns; the miner stays in evaluation mode."""
        super().train(mode)
        self.miner.eval()
        self.miner_head.eval()
        return self

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (their eq. 4).

        views: "query" and "key", (B, *input) float, and "miner", the other stream's clip of the key's seconds; "group" with negatives
        "other-groups"; sample: (B,) int64 >= 0, which video each row is of; rng: a CPU generator for the mix and `hide_own`, the same in
        all processes; each process holds its rows. Returns "loss", a scalar with gradient, "accuracy", a scalar in [0, 1], the share of
        queries whose most similar key is one of the positives of the larger weight, and what `losses.looked_at` tells of the embeddings.
        After the optimiser's step, call `update`.
        """
        return self.measure({"query": self.moco.inputs(self.encoder, views["query"], rng)}, views, sample, rng)

    def measure(self, mixed: Mapping[str, Mixed], views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Give what `step` returns, for queries that are mixed already. Keeps the keys for `update`."""
        maps, r, lam = mixed["query"]
        similarities, queries, own, origin = self.moco.compare(maps, views["key"], self.moco.origin(views, sample), r)
        hidden = float(torch.rand((), generator=rng, device="cpu")) < self.hide_own
        with torch.no_grad():
            mined = self.mine(parallel.gather(embed(self.miner, self.miner_head, self.miner(views["miner"]))), origin)
        targets = [
            positives(similarities, rows, mined[rows.to(mined.device, non_blocking=True)], hidden)
            for rows in (torch.arange(len(r))[own], r[own])
        ]
        log_p = similarities.log_softmax(dim=1)
        own_loss, partner_loss = (-log_p.masked_fill(~columns, -torch.inf).logsumexp(dim=1) for columns in targets)
        weight = lam.to(log_p.device, log_p.dtype, non_blocking=True) if isinstance(lam, Tensor) else torch.full_like(own_loss, lam)
        nearest = similarities.detach().argmax(1, keepdim=True)
        found = [columns.gather(1, nearest).squeeze(1) for columns in targets]
        return {
            "loss": (weight * own_loss + (1 - weight) * partner_loss).mean(),
            "accuracy": torch.where(weight >= 0.5, found[0], found[1]).float().mean(),
            **losses.looked_at(similarities, queries, own.start, self.moco.temperature),
        }

    def mine(self, embeddings: Tensor, origin: Tensor) -> Tensor:
        """The keys that are positives beside the own one, of all rows: (B, B + K) bool. Keeps the embeddings for `update`.

        embeddings: (B, D) float32, the miner's of the whole batch; origin: (B,) int64, what each row is of. They are the `topk` whose
        embeddings are most similar, none of its own origin (without that, what is mined is the sample itself: their code's issue 43), and
        the earlier keys of its own origin. With `fill` the first are none while a queue has an empty slot.
        """
        self._mined = embeddings
        ids = torch.cat([origin, self.moco.queue_ids])
        itself = ids == origin[:, None]
        similarities = embeddings @ torch.cat([embeddings.T, self.mined_queue], dim=1)
        similarities = similarities.masked_fill(itself | (ids == losses.EMPTY), -torch.inf)
        mined = losses.neighbours(similarities, self.topk)
        if self.fill:
            mined &= ~(self.moco.queue_ids == losses.EMPTY).any()  # without a wait for the device
        return mined | itself

    @torch.no_grad()
    def update(self, done: float = 0.0) -> None:
        """Move the key encoder, and enqueue the last step's keys and what the miner made of their videos."""
        if self._mined is None:
            raise RuntimeError("CoCLR.update() without a step() before it")
        at = self.moco.slots(len(self._mined))
        self.mined_queue.index_copy_(1, at, self._mined[-len(at) :].T)
        self._mined = None
        self.moco.update(done)

    def trainable(self) -> list[nn.Parameter]:
        """See `MoCo.trainable`; the miner is none of it."""
        return self.moco.trainable()

    def encoders(self) -> dict[str, nn.Sequential]:
        """See `MoCo.encoders`."""
        return self.moco.encoders()

    def states(self) -> dict[str, dict[str, Tensor]]:
        """See `MoCo.states`."""
        return self.moco.states()

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """See `MoCo.begin`; the queues stay empty, and may have another size than the earlier ones."""
        ((stream, state),) = states.items()
        own = {name: tensor for name, tensor in self.moco.state_dict().items() if name.startswith("queue") and name in state}
        parts = [part for part in self.moco.begin({stream: {**state, **own}}) if not part.startswith("queue")]
        self.moco.forget()
        return [*parts, "queues start empty: those of earlier trainings have other samples in their slots"]


def build(given: Given) -> CoCLR:
    """CoCLR of one stream, with the other as the miner."""
    name, learner = given.single
    settings, miner = learner.settings, given.frozen["miner"]
    assert miner.head is not None
    moco = of(name, learner, mixing=settings["mixing"], box=settings["box"])
    return CoCLR(moco, miner.encoder, miner.head, settings["topk"], settings["hide_own"], settings["fill"])


def positives(similarities: Tensor, rows: Tensor, mined: Tensor, hide_own: bool) -> Tensor:
    """The columns that count as positives of the videos `rows`, (rows,) int64: (rows, B + K) bool, true at their keys and at those `mined` for
    them, (rows, B + K) bool, that are no -inf in `similarities`. With `hide_own` their own key is left out where there are others."""
    own = torch.zeros_like(mined).scatter_(1, rows.to(mined.device, non_blocking=True)[:, None], True)
    others = mined & ~own & (similarities > -torch.inf)
    return others | (own & ~others.any(dim=1, keepdim=True)) if hide_own else others | own
