"""Cross-view mining: keys that one stream finds alike are positives for the other stream (P table 5, P appendix 3.ii; CrosSCLR,
Li et al., CVPR 2021; docs/methods/crossclr.md).

Both encoders learn together. Departures from Li et al.:
- they look for neighbours in the queue alone, having no negatives in the batch; here the other keys of the batch are columns
  of the logits like those of the queue (docs/methods/moco.md), so they are candidates as well;
- the nearest neighbours are extra positives, and that is all: the neighbours' similarities as a context to be consistent with,
  and weights by them, are left out;
- their second view is made of the first one's augmented clip; here each view is augmented by itself [settled].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders.base import partial_forward
from videossl.errors import InputError
from videossl.methods import losses
from videossl.methods.base import Given, State
from videossl.methods.moco import Compared, MoCo, of


class CrosSCLR(nn.Module):
    """Two MoCo, one a stream, each with the keys that the other's queries are most similar to as further positives.

    mocos: by the names of the streams, mixing "none", queues of one size, the same negatives; embeddings may differ in
    size. neighbours: how many are taken, K >= 1; 1 in the presets of P. own_keys: whether earlier keys of a query's own video may be neighbours
    ("candidates") or not ("left out"). fill: whether mining waits until the queues are full. Raises InputError for values outside these.

    A neighbour is known by its column, so both queues must hold keys of the same samples in the same slots. Those of earlier
    trainings do not: in CMMC's each stream sees batches of its own. So both start empty, as those of a first training do
    [settled], and since they are filled together they stay aligned.
    """

    def __init__(self, mocos: Mapping[str, MoCo], neighbours: int = 1, own_keys: str = "candidates", fill: bool = False) -> None:
        super().__init__()
        _check(mocos, neighbours)
        self.own_keys, self.fill = own_keys, fill
        # No ModuleDict: it refuses the names of its own attributes, and a stream may be called "train".
        self.names, self.mocos, self.neighbours = tuple(mocos), nn.ModuleList(mocos.values()), neighbours
        for _, moco in self._streams():
            moco.forget()

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch: the sum over the streams of the mean of -log p at a query's own key and at its neighbours.

        views: "{stream}/query" and "{stream}/key" of each stream, (B, *input) float; sample: (B,) int64 >= 0, what each row is of
        (`losses.false_negatives`); rng: not drawn from. Neighbours are the K keys, of the batch and the queue, that the other
        stream's query of the same sample is most similar to, its own and those that are no negatives left out. Returns scalars:
        "loss" with gradient, "accuracy" (of the streams' mean; a query whose own key is its most similar), "spread" (of the worse
        stream: a collapse of either is one of the method); and all that MoCo measures of each stream, as "loss/{stream}".
        """
        compared = {name: self._compare(name, moco, views, sample) for name, moco in self._streams()}
        (first_stream, first), (second_stream, second) = compared.items()
        temperatures = {name: moco.temperature for name, moco in self._streams()}
        mined = {name: self._mined(moco, compared[name]) for name, moco in self._streams()}
        measures = {
            first_stream: self._measures(first, mined[second_stream], temperatures[first_stream]),
            second_stream: self._measures(second, mined[first_stream], temperatures[second_stream]),
        }
        loss, accuracy, spread = (torch.stack([each[key] for each in measures.values()]) for key in ("loss", "accuracy", "spread"))
        whole = {"loss": loss.sum(), "accuracy": accuracy.mean(), "spread": spread.min()}
        return whole | {f"{key}/{name}": value.detach() for name, each in measures.items() for key, value in each.items()}

    def update(self, done: float = 0.0) -> None:
        """See `MoCo.update`."""
        for _, moco in self._streams():
            moco.update(done)

    def trainable(self) -> list[nn.Parameter]:
        """Both streams' query encoders and heads."""
        return [parameter for _, moco in self._streams() for parameter in moco.trainable()]

    def encoders(self) -> dict[str, nn.Sequential]:
        """Both query encoders, by the names of the streams."""
        return {name: moco.encoder for name, moco in self._streams()}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """See `MoCo.states`."""
        return {name: moco.state_dict() for name, moco in self._streams()}

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """See `MoCo.begin`; the queues stay empty."""
        loaded = []
        for name, moco in self._streams():
            parts = moco.begin({moco.stream: states[name]})
            loaded += [f"{name}/{part}" for part in parts if not part.startswith("queue")]
            moco.forget()
        return [*loaded, "queues start empty: those of earlier trainings have other samples in their slots"]

    def _streams(self) -> Iterator[tuple[str, MoCo]]:
        for name, moco in zip(self.names, self.mocos, strict=True):
            assert isinstance(moco, MoCo)
            yield name, moco

    def _compare(self, name: str, moco: MoCo, views: Mapping[str, Tensor], sample: Tensor) -> Compared:
        query = views[f"{name}/query"]
        r = torch.arange(len(query) * parallel.size())  # nothing is mixed: each row is its own partner
        return moco.compare(partial_forward(moco.encoder, query, 0, len(moco.encoder)), views[f"{name}/key"], moco.origin(views, sample), r)

    def _mined(self, moco: MoCo, stream: Compared) -> Tensor:
        """The neighbours that a stream finds: (B, B + K) bool, none where a queue is still to be filled."""
        similarities = stream.logits
        if self.own_keys == "left out":
            ids = torch.cat([stream.sample, moco.queue_ids])
            similarities = similarities.masked_fill(ids == stream.sample[stream.own][:, None], -torch.inf)
        mined = losses.neighbours(similarities, self.neighbours, stream.own.start)
        return mined & ~(moco.queue_ids == losses.EMPTY).any() if self.fill else mined  # without a wait for the device

    def _measures(self, stream: Compared, mined: Tensor, temperature: float) -> dict[str, Tensor]:
        """The measures of one stream, with the positives that the other stream mined."""
        start, own = stream.own.start, torch.zeros_like(stream.logits, dtype=torch.bool)
        own.diagonal(start).fill_(True)
        r = torch.arange(start, stream.own.stop)
        return {
            "loss": losses.multi_positive_cross_entropy(stream.logits, own | mined),
            "accuracy": losses.accuracy(stream.logits, r, 1.0, start),
            **losses.looked_at(stream.logits, stream.queries, start, temperature),
        }


def build(given: Given) -> CrosSCLR:
    """CrosSCLR between two streams."""
    mocos = {name: of(name, learner) for name, learner in given.streams.items()}
    (mining,) = {tuple(learner.settings[key] for key in ("neighbours", "own_keys", "fill")) for learner in given.streams.values()}
    return CrosSCLR(mocos, *mining)


def _check(mocos: Mapping[str, MoCo], neighbours: int) -> None:
    if len(mocos) != 2:
        raise InputError(f"CrosSCLR: {len(mocos)} streams: give two MoCo by the names of their streams")
    if neighbours < 1:
        raise InputError(f"CrosSCLR: {neighbours} neighbours: give at least 1")
    for name, moco in mocos.items():
        if moco.mixing != "none":
            raise InputError(
                f"CrosSCLR: the MoCo of {name} has mixing {moco.mixing!r}: set it to none, neighbours are of clips as they are"
            )
    (first_stream, first), (second_stream, second) = mocos.items()
    if first.queue.shape[1] != second.queue.shape[1]:
        sizes = f"{first.queue.shape[1]} keys of {first_stream}, {second.queue.shape[1]} of {second_stream}"
        raise InputError(f"CrosSCLR: queues of {sizes}: give both the same size, a neighbour is known by its slot")
    if first.negatives != second.negatives:
        raise InputError(
            f"CrosSCLR: negatives differ between {first_stream} and {second_stream}: what is no negative in one stream must be none in the other"
        )
