"""The mixing strategies by their names in params: in the input (P table 1; docs/methods/moco.md) and in feature space
(P table 2; docs/methods/cmmc.md).

`box` is "batch" for one draw a batch (lam a float), as in CutMix, or "sample" for one a sample (lam (B,) float64 on
the CPU). Draws come from `rng`, a CPU generator. `part` (index, count): the rows are this part of a batch that `count`
processes share evenly; all of them draw what one process would draw for the whole batch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.adapters import Sides, draw_patch, lay_out
from videossl.mix.axes import AXES, UNNAMED, Dims, Pair, kind, named
from videossl.mix.compiling import eager
from videossl.mix.cutmix import cutmix, draw_aligned_box, draw_box
from videossl.mix.mixup import blend, draw_lam

# The axes along which each kind of cutmix in the input space cuts.
CUTS = {"t-cutmix": ("time",), "st-cutmix": ("time", "space"), "videomix": ("space",)}
INPUT = ("none", "mixup", *CUTS)
FEATURES = ("manifold-mixup", "cm-mixup", "cm-cutmix")
BOXES = ("batch", "sample")
Part = tuple[int, int]
WHOLE: Part = (0, 1)
Drawn = TypeVar("Drawn")


def mix_inputs(
    strategy: str,
    x: Tensor,
    r: Tensor,
    rng: torch.Generator,
    alpha: float = 1.0,
    box: str = "batch",
    other: Tensor | None = None,
    part: Part = WHOLE,
    dims: Dims | None = None,
) -> tuple[Tensor, float | Tensor]:
    """Each sample of `x` mixed with sample r(i) of the batch, and lam, the share of itself.

    strategy: one of `INPUT`; x: (B, C, *dims) float; r: (B,) int64, a permutation; alpha: of lam's Beta; other: the
    samples r(i) themselves, in x's shape, where `x` is but a part of the batch (`r` is then not used); dims: the names
    of the axes C, *dims, which a cutmix needs (None means those of `axes.DEFAULTS`) and a mixup does not. "none" is `x`
    itself and 1, and draws nothing. Raises InputError for another strategy, box, or alpha, and axes without a name.
    """
    check_name("mixing", strategy, INPUT)
    check_name("box", box, BOXES)
    if strategy == "none":
        return x, 1.0
    if other is None:
        other = x[r.to(x.device, non_blocking=True)]
    if strategy == "mixup":
        lam = _draw_lam(x, rng, alpha, box, part)
        return blend(x, other, lam), lam
    boxes = [draw_aligned_box(x.shape[1:], rng, CUTS[strategy], alpha, dims) for _ in range(_count(x, box, part))]
    return cutmix(x, other, _own(boxes, x, part) if box == "sample" else boxes[0])


def mix_features(
    strategy: str,
    g1: Tensor,
    g2: Tensor,
    rng: torch.Generator,
    axes: Collection[str] = AXES,
    alpha: float = 1.0,
    box: str = "batch",
    part: Part = WHOLE,
    patch: str | Sides = "random",
    dims: Pair = UNNAMED,
) -> tuple[Tensor, float | Tensor]:
    """The map `g1` mixed with the map `g2`, row by row, and lam, the share of `g1`.

    strategy: one of `FEATURES`. g1: (B, C1, *dims1) float, of the encoder that is trained; g2: (B, C2, *dims2), for
    "manifold-mixup" g1's own rows in another order, which take their gradient, else the partner's, which take none;
    for both mixups of g1's shape. axes: those that "cm-cutmix" cuts, of `AXES`. patch: of maps whose space differs in
    kind (`adapters`), how much of it is cut: (h, w), or "random". dims: the names of the axes of each map, as encoders
    have them (`Encoder.dims`); None means those of `axes.DEFAULTS`. Mixups need no names, but refuse names that differ.
    Raises InputError for another strategy, box, axis or alpha, and for maps that cannot be mixed.
    """
    check_name("mixing", strategy, FEATURES)
    check_name("box", box, BOXES)
    shape1, shape2 = g1.shape[1:], g2.shape[1:]
    if differ_in_kind(strategy, shape1, shape2, patch, dims):
        return _cutmix_across(g1, g2, rng, axes, alpha, box, part, patch, dims)
    if strategy == "cm-cutmix":
        boxes = [draw_box(shape1, shape2, rng, axes, alpha, dims[0]) for _ in range(_count(g1, box, part))]
        return cutmix(g1, g2, _own(boxes, g1, part) if box == "sample" else boxes[0])
    lam = _draw_lam(g1, rng, alpha, box, part)
    return blend(g1, g2 if strategy == "manifold-mixup" else g2.detach(), lam), lam


def differ_in_kind(strategy: str, shape1: Sequence[int], shape2: Sequence[int], patch: str | Sides, dims: Pair) -> bool:
    """True where maps (C, *dims) of `shape1` and `shape2` have different axes, so that cutmix needs an adapter between them.

    strategy, patch, dims: as in `mix_features`. Raises InputError that names both maps for mixups of maps that differ, and for a patch of
    maps that don't.
    """
    maps = f"maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}"
    cut = strategy == "cm-cutmix"
    if cut or dims != UNNAMED:
        names1, names2 = named(shape1, dims[0]), named(shape2, dims[1])
        if names1 != names2 and cut:
            return True
        if names1 != names2:
            raise InputError(f"{strategy} of {maps}, {kind(names1)} and {kind(names2)}: they must have the same axes")
    if not isinstance(patch, str):
        raise InputError(
            f"a patch of {patch[0]} x {patch[1]} for {maps}: only space that differs in kind is cut by patches; take patch out"
        )
    if not cut and tuple(shape1) != tuple(shape2):
        raise InputError(f"{strategy} of {maps}: they must be equal; use cm-cutmix, or encoders of one shape")
    return False


def check_features(what: str, strategy: str, axes: Collection[str], layers: str | tuple[int, int]) -> None:
    """Raise InputError, in a line that begins with `what`, unless `strategy` can mix along `axes` between such `layers`.

    layers: "same", "random" or a pair (k, l); mixups blend whole maps of one shape, so theirs are "same".
    """
    check_name(f"{what}: mixing", strategy, FEATURES)
    if isinstance(layers, str):
        check_name(f"{what}: layers", layers, ("random", "same"))
    for axis in axes:
        check_name(f"{what}: axis", axis, AXES)
    if not axes:
        raise InputError(f"{what}: axes are empty; give at least one of {', '.join(AXES)}")
    if strategy == "cm-cutmix":
        return
    if layers != "same":
        raise InputError(f"{what}: {strategy} with layers {layers!r}: it mixes maps of one shape, set layers to same")
    if set(axes) != set(AXES):
        raise InputError(f"{what}: {strategy} with axes {list(axes)}: it mixes whole maps, set axes to {', '.join(AXES)}")


def check_name(what: str, given: str, choices: Sequence[str]) -> None:
    """Raise InputError, which names the `choices`, unless `given` is one of the choices."""
    if given not in choices:
        raise InputError(f"{what} {given!r} is unknown: choose of {', '.join(choices)}")


@eager
def _cutmix_across(
    g1: Tensor, g2: Tensor, rng: torch.Generator, axes: Collection[str], alpha: float, box: str, part: Part, patch: str | Sides, dims: Pair
) -> tuple[Tensor, float | Tensor]:
    """Cutmix of maps whose space differs in kind. (Not traced by `torch.compile`: every patch has a shape of its own.)"""
    drawn = [draw_patch(g1.shape[1:], g2.shape[1:], rng, axes, alpha, patch, dims) for _ in range(_count(g1, box, part))]
    patches, boxes = zip(*(_own(drawn, g1, part) if box == "sample" else drawn), strict=True)
    return cutmix(g1, lay_out(g2, patches), boxes if box == "sample" else boxes[0])


@eager
def _draw_lam(x: Tensor, rng: torch.Generator, alpha: float, box: str, part: Part) -> float | Tensor:
    """lam of mixup: a float, or one a sample, (B,) float64."""
    lams = [draw_lam(alpha, rng) for _ in range(_count(x, box, part))]
    return torch.tensor(_own(lams, x, part), dtype=torch.float64, device="cpu") if box == "sample" else lams[0]


def _count(x: Tensor, box: str, part: Part) -> int:
    """The number of boxes, or of lams, that the whole batch takes."""
    return 1 if box == "batch" else len(x) * part[1]


def _own(drawn: Sequence[Drawn], x: Tensor, part: Part) -> Sequence[Drawn]:
    """Those of the whole batch's draws that are for the rows of `x`."""
    return drawn[part[0] * len(x) : (part[0] + 1) * len(x)]
