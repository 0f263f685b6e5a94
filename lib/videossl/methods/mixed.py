"""Views that are mixed with other videos of their batch, as frameworks take them: mixed in the input here, between blocks by `cmmc`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders.base import partial_forward
from videossl.errors import InputError
from videossl.mix.axes import Dims
from videossl.mix.compiling import eager
from videossl.mix.strategies import BOXES, INPUT, check_name, mix_inputs


class Mixed(NamedTuple):
    """A view of this process's rows, each mixed with another sample of the whole batch."""

    maps: Tensor
    """the encoder's last maps, (B, C, *dims); of an encoder that folds the bodies of a sample into the batch, a row a body"""
    r: Tensor
    """(B,) int64 on the CPU, a permutation of the whole batch: sample r(i) is mixed into sample i"""
    lam: float | Tensor
    """the share of the sample itself: a number, or (B,) of this process's rows"""


class Inputs:
    """Mixes in the input. mixing: one of `strategies.INPUT`; alpha: of lam's Beta; box: one box (or lam of mixup) a "batch" or one a
    "sample"; dims: the names of the axes of the input, which a cutmix cuts by (`mix.axes`). whose: begins errors. Raises InputError for
    values outside these."""

    def __init__(self, whose: str, mixing: str, alpha: float, box: str, dims: Dims | None) -> None:
        check_name(f"mixing of {whose}", mixing, INPUT)
        check_name(f"box of {whose}", box, BOXES)
        if not alpha > 0:
            raise InputError(f"alpha {alpha} of {whose}: give a number above 0")
        self.mixing, self.alpha, self.box, self.dims = mixing, alpha, box, dims

    def __call__(self, encoder: nn.Sequential, x: Tensor, rng: torch.Generator) -> Mixed:
        """Mix x (B, *input), this process's rows, and encode it. rng: a CPU generator, the same in all processes; "none" draws nothing."""
        count = len(x) * parallel.size()
        r = torch.arange(count) if self.mixing == "none" else draw_partners(count, rng)
        other = x if self.mixing == "none" else parallel.exchange(x, r)
        part = parallel.rank(), parallel.size()
        clips, lam = mix_inputs(self.mixing, x, r, rng, self.alpha, self.box, other, part, self.dims)
        return Mixed(partial_forward(encoder, clips, 0, len(encoder)), r, lam)


@eager
def draw_partners(count: int, rng: torch.Generator) -> Tensor:
    """r: a uniform permutation of the batch, (B,) int64 on the CPU; a sample may be its own partner."""
    return torch.randperm(count, generator=rng, device="cpu")
