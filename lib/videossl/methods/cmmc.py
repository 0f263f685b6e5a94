"""Cross-modal manifold cutmix: one stage of Algorithm 1 (P section 3.2, eq. 4-8; spec, Mixing in feature
space)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders.base import partial_forward
from videossl.errors import InputError
from videossl.methods.moco import MoCo, draw_partners
from videossl.mix.adapters import Sides, match_rows
from videossl.mix.cutmix import AXES, draw_layers
from videossl.mix.pairs import check_fixed
from videossl.mix.strategies import BOXES, check_features, check_name, mix_features


class CMMC(nn.Module):
    """MoCo whose queries are mixed between blocks with maps of another modality's frozen encoder.

    moco: of modality 1, mixing "none"; partner: modality 2's encoder, or None for "manifold-mixup", which
    mixes modality 1 with itself. mixing: one of `strategies.FEATURES`; for the two mixups layers must be
    "same" and axes all three. axes: those cut, of space, time, channel. layers: "random" (k, then l at least as
    deep in the partner, which for encoders of one depth is l >= k), "same" (l = k), or a fixed (k, l). blocks: the eligible k and l,
    counted from 1 as "after the k-th block"; all if None. alpha: of the drawn share. box: one box (or lam of mixup) a "batch"
    or one a "sample". patch: of encoders whose space differs in kind, as RGB's and a skeleton's (`mix.adapters`), the (h, w) that is
    cut of it, or "random". Raises InputError for values outside these.
    """

    def __init__(
        self,
        moco: MoCo,
        partner: nn.Sequential | None,
        axes: Collection[str] = AXES,
        layers: str | tuple[int, int] = "random",
        blocks: Sequence[int] | None = None,
        alpha: float = 1.0,
        box: str = "batch",
        mixing: str = "cm-cutmix",
        patch: str | Sides = "random",
    ) -> None:
        super().__init__()
        self.depths = len(moco.encoder), len(moco.encoder if partner is None else partner)
        self.moco = moco
        self.partner = None if partner is None else partner.requires_grad_(False).eval()
        self.axes, self.layers, self.alpha, self.box, self.mixing = tuple(axes), layers, alpha, box, mixing
        self.patch = patch
        self.blocks = [tuple(range(1, depth + 1) if blocks is None else blocks) for depth in self.depths]
        self._check()

    def train(self, mode: bool = True) -> CMMC:
        """Training mode for modality 1; the partner stays in eval mode, its running statistics as they
        are."""
        super().train(mode)
        if self.partner is not None:
            self.partner.eval()
        return self

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (P eq. 6): `MoCo.step`, with views "query", "key" and "partner" (modality 2,
        B rows)."""
        x, encoder = views["query"], self.moco.encoder
        k, ell = self.draw_layers(rng)
        r = draw_partners(len(x) * parallel.size(), rng)
        g1 = partial_forward(encoder, x, 0, k)
        g2 = self._partner_map(views, g1, r, ell)
        part = parallel.rank(), parallel.size()
        mixed, lam = mix_features(self.mixing, g1, g2, rng, self.axes, self.alpha, self.box, part, self.patch)
        if self.box == "sample" and isinstance(lam, Tensor):
            lam = lam.view(len(x), -1).mean(1)  # a box a row: a sample's share is the mean of its bodies'
        maps = partial_forward(encoder, mixed, k, len(encoder))
        return self.moco.contrast(maps, views["key"], sample, r, lam)

    def forward(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """`step`, for wrappers that call the module."""
        return self.step(views, sample, rng)

    def update(self) -> None:
        """See `MoCo.update`."""
        self.moco.update()

    def trainable(self) -> list[nn.Parameter]:
        """Modality 1's parameters (f1 and its head) and no others."""
        return self.moco.trainable()

    def stage_state(self) -> dict[str, Tensor]:
        """See `MoCo.stage_state`; the partner is no part of it."""
        return self.moco.stage_state()

    def load_stage(self, state: Mapping[str, Tensor]) -> list[str]:
        """See `MoCo.load_stage`."""
        return self.moco.load_stage(state)

    def draw_layers(self, rng: torch.Generator) -> tuple[int, int]:
        """The blocks (k, l) after which this batch is mixed."""
        if not isinstance(self.layers, str):
            return self.layers
        if self.layers == "same":
            k, _ = draw_layers(self.blocks[self.depths.index(min(self.depths))], rng)
            return k, k
        return draw_layers(self.blocks[0], rng, self.blocks[1], self.depths)

    def _partner_map(self, views: Mapping[str, Tensor], g1: Tensor, r: Tensor, ell: int) -> Tensor:
        """g2 of eq. 4: the partner's map after block l, row i that of sample r(i), in as many rows as g1."""
        samples = len(r) // parallel.size()
        if self.partner is None:
            rows = g1.view(samples, -1, *g1.shape[1:])  # the bodies of a sample move together
            return parallel.exchange(rows, r).flatten(0, 1)
        with torch.no_grad():
            g2 = partial_forward(self.partner, parallel.exchange(views["partner"], r), 0, ell)
            return match_rows(g2, len(g1), samples)

    def _check(self) -> None:
        if self.moco.mixing != "none":
            raise InputError(f"CMMC on a MoCo with mixing {self.moco.mixing!r}: set it to none, features are mixed")
        check_features("CMMC", self.mixing, self.axes, self.layers)
        check_name("CMMC: box", self.box, BOXES)
        if self.mixing == "manifold-mixup" and self.partner is not None:
            raise InputError("CMMC: manifold-mixup mixes an encoder with itself: give partner None, or mixing cm-mixup")
        if self.mixing != "manifold-mixup" and self.partner is None:
            raise InputError(f"CMMC: {self.mixing} needs a partner: give the other modality's encoder, or mixing manifold-mixup")
        if not self.alpha > 0:
            raise InputError(f"CMMC: alpha {self.alpha}: give a number above 0")
        if not isinstance(self.layers, str):
            check_fixed("CMMC", self.layers, *self.depths)
        for blocks, depth in zip(self.blocks, self.depths, strict=True):
            if not blocks or not all(1 <= block <= depth for block in blocks):
                raise InputError(f"CMMC: blocks {list(blocks)}: give some of 1..{depth}")
