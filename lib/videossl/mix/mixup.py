"""Mixup (Zhang et al., ICLR 2018) of inputs or feature maps (P section 3.1, eq. 2)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.compiling import eager


@eager
def draw_lam(alpha: float, rng: torch.Generator) -> float:
    """lam ~ Beta(alpha, alpha); alpha 1 is uniform on (0, 1). `rng`: a CPU generator. Raises InputError unless alpha > 0."""
    if not alpha > 0:
        raise InputError(f"alpha {alpha} of a mix: give a number above 0 (1 is uniform)")
    # torch has no public Beta that takes a generator.
    seed = int(torch.randint(2**63 - 1, (), generator=rng, device="cpu"))
    return float(np.random.Generator(np.random.Philox(seed)).beta(alpha, alpha))


def blend(x: Tensor, other: Tensor, lam: float | Tensor) -> Tensor:
    """lam x + (1 - lam) other, sample by sample (P eq. 2); exactly `x` at 1 and `other` at 0.

    x, other: (B, *dims) float of one shape, else InputError. lam: a number, or (B,).
    """
    if x.shape != other.shape:
        raise InputError(f"mixup of shapes {tuple(x.shape)} and {tuple(other.shape)}: they must be equal")
    if isinstance(lam, Tensor):
        weight = (1 - lam).to(x.device, x.dtype, non_blocking=True)
        return x.lerp(other, weight.view(-1, *[1] * (x.dim() - 1)))
    if torch.compiler.is_compiling():  # a number as lerp's weight would be compiled in
        return x.lerp(other, torch.ones((), dtype=x.dtype, device=x.device) * (1 - lam))
    return x.lerp(other, 1 - lam)
