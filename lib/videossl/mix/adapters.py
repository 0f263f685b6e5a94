"""Cutmix between maps whose space differs in kind: a picture's height and width, a skeleton's joints (P section 4.4, appendix 3.iii).

An *adapter* says how the space of the partner's map becomes that of the trained encoder's: which of its cells are cut, and
in which shape they are laid out. Both here rest on one correspondence, row by row: a patch of h x w cells is a run of h w joints.
P's two cases are instances of it: all 25 joints as a patch of 5 x 5, and a patch of 3 x 3 as 9 joints. What P leaves open, random
extents, is the default. Channels and time are cut and placed as between maps of one kind (`cutmix.draw_box`).

Rows. A skeleton's encoder has a row for each body of a sample, a video's encoder one. Into the latter goes the mean over the bodies,
as the skeleton encoder's own pooling takes it; into the former the same map for each body. [settled]
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import floor, isqrt
from typing import Any

import torch
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.compiling import eager
from videossl.mix.cutmix import AXES, DIMS, SPACE, Box, Span, place, whole_cells
from videossl.mix.mixup import draw_lam

Sides = tuple[int, int]  # height and width of a patch
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Patch:
    """What is cut of the partner's space, and the shape it is laid out in.

    spans: of each of g2's space axes; shape: the same cells, row by row, along g1's space axes.
    """

    spans: tuple[Span, ...]
    shape: Sizes


@dataclass(frozen=True)
class Adapter:
    """From one kind of space to another.

    largest: (sizes of g1's space, of g2's) -> the largest patch that both can hold, (h, w). fits: whether (h, w) can be
    cut of g2's space. cut: (sizes of g2's space, (h, w), a number in [0, 1) for each of its axes) -> the patch; all places
    in which it lies within g2 are equally likely.
    """

    name: str
    largest: Callable[[Sizes, Sizes], Sides]
    fits: Callable[[Sizes, Sides], bool]
    cut: Callable[[Sizes, Sides, Sequence[float]], Patch]


def _joints_to_patch(space2: Sizes, sides: Sides, at: Sequence[float]) -> Patch:
    run = sides[0] * sides[1]
    start = floor(at[0] * (space2[0] - run + 1))
    return Patch(((start, start + run),), sides)


def _patch_to_joints(space2: Sizes, sides: Sides, at: Sequence[float]) -> Patch:
    starts = [floor(u * (size - side + 1)) for u, size, side in zip(at, space2, sides, strict=True)]
    return Patch(tuple((start, start + side) for start, side in zip(starts, sides, strict=True)), (sides[0] * sides[1],))


def _square(joints: int, picture: Sizes) -> Sides:
    """The largest patch of at most `joints` cells that is square, unless the picture is narrower."""
    side = isqrt(joints)
    return min(side, picture[0]), min(side, picture[1])


# By the names of the space axes of g1, then of g2.
ADAPTERS = {
    (("height", "width"), ("joint",)): Adapter(
        "a run of joints as a patch",
        largest=lambda space1, space2: _square(space2[0], space1),
        fits=lambda space2, sides: sides[0] * sides[1] <= space2[0],
        cut=_joints_to_patch,
    ),
    (("joint",), ("height", "width")): Adapter(
        "a patch as a run of joints",
        largest=lambda space1, space2: _square(space1[0], space2),
        fits=lambda space2, sides: sides[0] <= space2[0] and sides[1] <= space2[1],
        cut=_patch_to_joints,
    ),
}


def are_alike(shape1: Sequence[int], shape2: Sequence[int]) -> bool:
    """Whether maps (C, *dims) of these shapes have the same axes, so that no adapter is needed."""
    return len(shape1) == len(shape2)


@eager
def draw_patch(
    shape1: Sequence[int],
    shape2: Sequence[int],
    rng: torch.Generator,
    axes: Collection[str] = AXES,
    alpha: float = 1.0,
    patch: str | Sides = "random",
) -> tuple[Patch, Box]:
    """What to cut from a map of `shape2` (C, *dims), and where it comes to lie in one of `shape1`, whose space is of another kind.

    Cut: all channels, all time, and a patch of space: of (h, w) cells, or with "random" of the share 1 - u, u ~ Beta(alpha, alpha), of the
    largest square patch that both maps can hold, so of sides S sqrt(1 - u); S = 5 for 25 joints. Put: around a centre
    uniform in g1, clipped to it (eq. 8), as in `draw_box`; but a patch of given size that is laid into a picture which can hold it lies whole in it, every place equally
    likely, for P cuts nothing of space there [settled]. The box's source counts in the map that `lay_out` makes. The number of draws depends
    on the shapes' axes alone. Raises InputError that names both shapes for kinds of space that no adapter knows, space not among the `axes`, a patch that g2 does
    not have, and sizes that differ on an axis that is off.
    """
    adapter, names = _adapter(shape1, shape2), [DIMS[len(shape)] for shape in (shape1, shape2)]
    where = f"cutmix of maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}, {adapter.name}"
    space1, space2 = (_space(shape) for shape in (shape1, shape2))
    if "space" not in axes:
        raise InputError(f"{where}: space differs in kind, so it must be cut; add 'space' to the axes")
    share = 1 - draw_lam(alpha, rng)
    at2, at1 = (torch.rand(len(shape), generator=rng, dtype=torch.float64, device="cpu").tolist() for shape in (shape2, shape1))
    sides = _random(adapter.largest(space1, space2), share) if isinstance(patch, str) else patch
    if not adapter.fits(space2, sides):
        raise InputError(
            f"{where}: a patch of {sides[0]} x {sides[1]} is larger than the space {space2} it is cut from; give a smaller one"
        )
    cut = adapter.cut(space2, sides, at2[-len(space2) :])
    laid = (*shape2[: -len(space2)], *cut.shape)
    into, source = [], []
    for name, size1, size2, centre in zip(names[0], shape1, laid, at1, strict=True):
        on = name in SPACE or name in axes
        if not on and size1 != size2:
            raise InputError(f"{where}: {name} is not cut, so it must be equal, not {size1} and {size2}; add {name!r} to the axes")
        if not on:
            put, kept = (0, size1), (0, size2)
        elif name in ("height", "width") and not isinstance(patch, str) and size2 <= size1:
            start = floor(centre * (size1 - size2 + 1))
            put, kept = (start, start + size2), (0, size2)
        else:
            put, kept = place((0, size2), centre, size1)
        into.append(put)
        source.append(kept)
    return cut, Box(tuple(into), tuple(source))


def lay_out(g2: Tensor, patches: Sequence[Patch]) -> Tensor:
    """The patches of g2 (B, C, T, *space2) in their new shapes: (B, C, T, *shape).

    One patch for all rows (a view where that can be), or one a row; of rows with patches of several shapes the tensor has the
    largest, and zeros beyond a row's own, which no box reaches.
    """
    if len(patches) == 1:
        return _cut(g2, patches[0])
    largest = [max(sizes) for sizes in zip(*(patch.shape for patch in patches), strict=True)]
    result = g2.new_zeros(*g2.shape[: -len(patches[0].spans)], *largest)
    for row, patch in enumerate(patches):
        own: tuple[Any, ...] = (row, ..., *map(slice, patch.shape))
        result[own] = _cut(g2[row], patch)
    return result


def match_rows(g2: Tensor, rows: int, samples: int) -> Tensor:
    """g2 (B M2, *) with as many rows as g1 has, `rows` = B M1, for B `samples` of M1 and M2 bodies: the mean over bodies, or each repeated.

    Raises InputError where neither will do.
    """
    own, other = rows // samples, len(g2) // samples
    if own == other:
        return g2
    if own == 1:
        return g2.view(samples, other, *g2.shape[1:]).mean(1)
    if other == 1:
        return g2.repeat_interleave(own, 0)
    raise InputError(f"a mix of {own} rows a sample with {other}: give encoders that have as many, or one of them a single one")


def _adapter(shape1: Sequence[int], shape2: Sequence[int]) -> Adapter:
    kinds = tuple(tuple(name for name in DIMS.get(len(shape), ()) if name in SPACE) for shape in (shape1, shape2))
    if kinds not in ADAPTERS:
        known = "; ".join(f"{' x '.join(two)} into {' x '.join(one)}" for one, two in ADAPTERS)
        raise InputError(
            f"cutmix of maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}: both need the same axes, or an adapter from one to the other, of which there are: {known}"
        )
    return ADAPTERS[kinds]


def _space(shape: Sequence[int]) -> Sizes:
    return tuple(size for name, size in zip(DIMS[len(shape)], shape, strict=True) if name in SPACE)


def _random(largest: Sides, share: float) -> Sides:
    """Sides of the largest patch times sqrt(share), each a whole number from 1."""
    height, width = (min(whole_cells(side * share**0.5), side) for side in largest)
    return height, width


def _cut(maps: Tensor, patch: Patch) -> Tensor:
    cells: tuple[Any, ...] = (..., *(slice(*span) for span in patch.spans))
    return maps[cells].reshape(*maps.shape[: -len(patch.spans)], *patch.shape)
