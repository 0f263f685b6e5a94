"""Cross-modal manifold cutmix: one stage of Algorithm 1 (P section 3.2, eq. 4-8; spec, Mixing in feature
space)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from videossl.errors import InputError
from videossl.mix.cutmix import AXES, cutmix, draw_box, draw_layers
from videossl.mix.mixup import blend, draw_lam
from videossl.models.encoder import partial_forward
from videossl.ssl.moco import MoCo, draw_partners


class CMMC(nn.Module):
    """MoCo whose queries are mixed between blocks with maps of another modality's frozen encoder.

    moco: of modality 1, mixing "none"; partner: modality 2's encoder, or None to mix modality 1 with itself
    (manifold mixup). mixing: "cutmix", or "mixup" (equal shapes, so layers="same"). axes: those cut, of
    space, time, channel. layers: "random" (k, then l >= k), "same" (l = k), or a fixed (k, l). blocks: the
    eligible k and l, counted from 1 as "after the k-th block"; all that both encoders have if None. alpha: of
    the drawn share. box: one a "batch" or one a "sample". Raises InputError for values outside these.
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
        mixing: str = "cutmix",
    ) -> None:
        super().__init__()
        depth = min(len(moco.encoder), len(moco.encoder if partner is None else partner))
        self.moco = moco
        self.partner = None if partner is None else partner.requires_grad_(False).eval()
        self.axes, self.layers, self.alpha, self.box, self.mixing = tuple(axes), layers, alpha, box, mixing
        self.blocks = tuple(range(1, depth + 1) if blocks is None else blocks)
        self._check(depth)

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
        r = draw_partners(len(x), rng)
        g1 = partial_forward(encoder, x, 0, k)
        g2 = self._partner_map(views, g1, r, ell)
        mixed, lam = self._mix(g1, g2, rng)
        if isinstance(lam, Tensor):
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
        k, ell = draw_layers(self.blocks, rng)
        return (k, ell) if self.layers == "random" else (k, k)

    def _partner_map(self, views: Mapping[str, Tensor], g1: Tensor, r: Tensor, ell: int) -> Tensor:
        """g2 of eq. 4: the partner's map after block l, row i that of sample r(i)."""
        r = r.to(g1.device, non_blocking=True)
        if self.partner is None:
            return g1.view(len(r), -1, *g1.shape[1:])[r].flatten(0, 1)  # the bodies of a sample move together
        with torch.no_grad():
            return partial_forward(self.partner, views["partner"][r], 0, ell)

    def _mix(self, g1: Tensor, g2: Tensor, rng: torch.Generator) -> tuple[Tensor, float | Tensor]:
        """The mixed map and lam, a float or one a row."""
        if self.mixing == "mixup":
            lam = draw_lam(self.alpha, rng)
            return blend(g1, g2, lam), lam
        shapes = (g1.shape[1:], g2.shape[1:])
        if self.box == "batch":
            return cutmix(g1, g2, draw_box(*shapes, rng, self.axes, self.alpha))
        return cutmix(g1, g2, [draw_box(*shapes, rng, self.axes, self.alpha) for _ in g1])

    def _check(self, depth: int) -> None:
        if self.moco.mixing != "none":
            raise InputError(f"CMMC on a MoCo with mixing {self.moco.mixing!r}: set it to none, features are mixed")
        if self.mixing not in ("cutmix", "mixup"):
            raise InputError(f"mixing {self.mixing!r} of CMMC is unknown: choose cutmix or mixup")
        if self.box not in ("batch", "sample"):
            raise InputError(f"box {self.box!r} of CMMC is unknown: choose batch or sample")
        if not set(self.axes) <= set(AXES):
            raise InputError(f"axes {list(self.axes)} of CMMC: choose of {', '.join(AXES)}")
        if self.mixing == "cutmix" and not self.axes:
            raise InputError(f"axes of CMMC are empty: cutmix needs at least one of {', '.join(AXES)}")
        if not self.alpha > 0:
            raise InputError(f"alpha {self.alpha} of CMMC: give a number above 0")
        if isinstance(self.layers, str) and self.layers not in ("random", "same"):
            raise InputError(f"layers {self.layers!r} of CMMC is unknown: choose random, same, or a pair (k, l)")
        if not isinstance(self.layers, str):
            ends = (len(self.moco.encoder), len(self.moco.encoder if self.partner is None else self.partner))
            if not all(1 <= block <= end for block, end in zip(self.layers, ends, strict=True)):
                raise InputError(f"layers {self.layers} of CMMC: give (k, l) within 1..{ends[0]} and 1..{ends[1]}")
        if (self.mixing == "mixup" or self.partner is None) and self.layers != "same":
            raise InputError(f"layers {self.layers!r} of CMMC: mixup, or mixing without a partner, needs layers same")
        if not self.blocks or not all(1 <= block <= depth for block in self.blocks):
            raise InputError(f"blocks {list(self.blocks)} of CMMC: give some of 1..{depth}")
