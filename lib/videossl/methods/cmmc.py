"""Cross-modal manifold cutmix: one training of Algorithm 1 (P 3.2, eq. 4-8;
docs/methods/cmmc.md), by MoCo as there or by another framework."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders.base import partial_forward
from videossl.errors import InputError
from videossl.methods.base import Framework, Given, Shapes, State
from videossl.methods.mixed import Mixed, draw_partners
from videossl.mix.adapters import Sides, match_rows
from videossl.mix.axes import AXES, UNNAMED, Pair
from videossl.mix.pairs import Layers, pairs
from videossl.mix.strategies import BOXES, check_features, check_name, mix_features

log = logging.getLogger(__name__)


class CMMC(nn.Module):
    """A framework whose views are mixed between blocks with maps of another modality's frozen encoder.

    core: the framework, as MoCo, of modality 1, mixing "none"; partner: modality 2's encoder, or None for "manifold-mixup", which
    mixes modality 1 with itself. mixing: one of `strategies.FEATURES`; for the two mixups layers must be
    "same" and axes all three. axes: those cut, of space, time, channel. layers: "random" (k, then l at least as
    deep in the partner, which for encoders of one depth is l >= k), "same" (l = k), or a fixed (k, l). blocks: the eligible k and l,
    counted from 1 as "after the k-th block"; all if None. alpha: of the drawn share. box: one box (or lam of mixup) a "batch"
    or one a "sample". patch: of encoders whose space differs in kind, as RGB's and a skeleton's (`mix.adapters`), the (h, w) that is
    cut of it, or "random". dims: the names of the axes of the two encoders' maps (`mix.axes`), for encoders that do not say them
    themselves (`Encoder.dims`). Raises InputError for values outside these.
    """

    def __init__(
        self,
        core: Framework,
        partner: nn.Sequential | None,
        axes: Collection[str] = AXES,
        layers: str | tuple[int, int] = "random",
        blocks: Sequence[int] | None = None,
        alpha: float = 1.0,
        box: str = "batch",
        mixing: str = "cm-cutmix",
        patch: str | Sides = "random",
        dims: Pair = UNNAMED,
    ) -> None:
        super().__init__()
        self.core = core
        self.partner = None if partner is None else partner.requires_grad_(False).eval()
        self.axes, self.alpha, self.box, self.mixing = tuple(axes), alpha, box, mixing
        self.patch = patch
        check_features("CMMC", mixing, self.axes, layers)
        self._check()
        encoders = core.encoder, core.encoder if partner is None else partner
        self.layers = Layers("CMMC", layers, (len(encoders[0]), len(encoders[1])), blocks)
        first, second = (names or getattr(encoder, "dims", None) for names, encoder in zip(dims, encoders, strict=True))
        self.dims: Pair = (first, first if partner is None else second)

    def train(self, mode: bool = True) -> CMMC:
        """Training mode for modality 1; the partner stays in eval mode, its running statistics as they
        are."""
        super().train(mode)
        if self.partner is not None:
            self.partner.eval()
        return self

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (P eq. 6): the framework's `step`, with a view "partner" (modality 2, B rows) beside its own.

        Each view that the framework has mixed (MoCo: "query") draws blocks, partners and boxes of its own.
        """
        mixed = {name: self._mixed(views[name], views, rng) for name in self.core.mixed}
        return self.core.measure(mixed, views, sample, rng)

    def _mixed(self, x: Tensor, views: Mapping[str, Tensor], rng: torch.Generator) -> Mixed:
        """Lines 4 to 10 of Algorithm 1, for one view x (B, *input)."""
        encoder = self.core.encoder
        k, ell = self.draw_layers(rng)
        r = draw_partners(len(x) * parallel.size(), rng)
        g1 = partial_forward(encoder, x, 0, k)
        g2 = self._partner_map(views, g1, r, ell)
        part = parallel.rank(), parallel.size()
        maps, lam = mix_features(self.mixing, g1, g2, rng, self.axes, self.alpha, self.box, part, self.patch, self.dims)
        if self.box == "sample" and isinstance(lam, Tensor):
            lam = lam.view(len(x), -1).mean(1)  # a box a row: a sample's share is the mean of its bodies'
        return Mixed(partial_forward(encoder, maps, k, len(encoder)), r, lam)

    def update(self, done: float = 0.0) -> None:
        """See the framework's."""
        self.core.update(done)

    def trainable(self) -> list[nn.Parameter]:
        """Modality 1's parameters (f1 and its head) and no others."""
        return self.core.trainable()

    def encoders(self) -> dict[str, nn.Sequential]:
        """Modality 1's query encoder, by the name of its stream."""
        return self.core.encoders()

    def states(self) -> dict[str, dict[str, Tensor]]:
        """See the framework's; the partner is no part of it."""
        return self.core.states()

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """See the framework's."""
        return self.core.begin(states)

    def draw_layers(self, rng: torch.Generator) -> tuple[int, int]:
        """The blocks (k, l) after which this batch is mixed."""
        return self.layers.draw(rng)

    def _partner_map(self, views: Mapping[str, Tensor], g1: Tensor, r: Tensor, ell: int) -> Tensor:
        """g2 of eq. 4: the partner's map after block l, in as many rows as g1; row i is of sample r(i)."""
        samples = len(r) // parallel.size()
        if self.partner is None:
            rows = g1.view(samples, -1, *g1.shape[1:])  # the bodies of a sample move together
            return parallel.exchange(rows, r).flatten(0, 1)
        with torch.no_grad():
            g2 = partial_forward(self.partner, parallel.exchange(views["partner"], r), 0, ell)
            return match_rows(g2, len(g1), samples)

    def _check(self) -> None:
        if self.core.mixing != "none":
            raise InputError(f"CMMC on a framework with mixing {self.core.mixing!r}: set it to none, features are mixed")
        check_name("CMMC: box", self.box, BOXES)
        if self.mixing == "manifold-mixup" and self.partner is not None:
            raise InputError("CMMC: manifold-mixup mixes an encoder with itself: give partner None, or mixing cm-mixup")
        if self.mixing != "manifold-mixup" and self.partner is None:
            raise InputError(f"CMMC: {self.mixing} needs a partner: give the other modality's encoder, or mixing manifold-mixup")
        if not self.alpha > 0:
            raise InputError(f"CMMC: alpha {self.alpha}: give a number above 0")


def build(given: Given, framework: Framework) -> CMMC:
    """CMMC of one stream against its partner, if the mixing has one, within `framework`."""
    name, learner = given.single
    partner, settings = given.frozen.get("partner"), learner.settings
    where = _where(settings, name, partner.stream if partner else name)
    mixing = {key: settings[key] for key in ("axes", "box", "mixing", "alpha")}
    return CMMC(framework, partner.encoder if partner else None, **mixing, **where)


def feasible(name: str, streams: Mapping[str, Shapes], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every pair of blocks (k, l) that may be drawn, for each of the two streams; raises InputError for a pair that cannot be mixed.

    name: of the experiment, for messages. streams: the two, in the order of the recipe. settings: of the method in this recipe.
    """
    allowed = {}
    for stream in streams:
        other = stream if settings["mixing"] == "manifold-mixup" else next(name for name in streams if name != stream)
        own, partner, who = streams[stream], streams[other], f"{name}, {stream} with {other}"
        where = _where(settings, stream, other)
        allowed[stream] = pairs(
            who, own.maps, partner.maps, settings["axes"], mixing=settings["mixing"], dims=(own.axes, partner.axes), **where
        )
        log.info("%s: %s can take %d pairs of blocks from %s", name, stream, len(allowed[stream]), other)
    return {"pairs": allowed}


def _where(settings: Mapping[str, Any], stream: str, other: str) -> dict[str, Any]:
    """The blocks between which maps of `other` are mixed into maps of `stream`, and the patch."""
    layers, patch = settings["layers"], settings["patch"]
    return {
        "layers": layers if isinstance(layers, str) else (layers[stream], layers[other]),
        "patch": patch if isinstance(patch, str) else tuple(patch[stream]),
    }
