"""Cutmix between maps whose space differs in kind: a picture's height and width, a skeleton's joints
(P section 4.4, appendix 3.iii).

An *adapter* says how the partner's space becomes the space of the trained encoder: which cells are cut, and in
which shape they are laid out. Both adapters here rest on one correspondence, row by row: a patch of h x w cells is
a run of h w joints. P has two cases: all 25 joints as a patch of 5 x 5, and a patch of 3 x 3 as 9 joints. P leaves
random extents open; they are the default. Channels and time are cut and placed as between maps of one kind
(`cutmix.draw_box`).

Rows. A skeleton's encoder has a row for each body of a sample, a video's encoder has one row. A video takes the mean
over the bodies, as the skeleton encoder's own pooling does. A skeleton takes the video's map for each body [settled: docs/methods/cmmc.md].
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import floor, isqrt
from typing import Any

import torch
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.axes import AXES, UNNAMED, Dims, Pair, check_equal, group, kind, named
from videossl.mix.compiling import eager
from videossl.mix.cutmix import Box, Span, place, whole_cells
from videossl.mix.mixup import draw_lam

Sides = tuple[int, int]  # height and width of a patch
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Patch:
    """A cut from the partner's space, and the shape it is laid out in.

    spans: for each axis of g2's space; shape: the same cells, row by row, along the axes of g1's space.
    """

    spans: tuple[Span, ...]
    shape: Sizes


@dataclass(frozen=True)
class Adapter:
    """From one kind of space to another.

    name: for messages. largest: (sizes of g1's space, sizes of g2's space) -> the largest patch that both can hold,
    (h, w). fits: whether (h, w) can be cut from g2's space. cut: (sizes of g2's space, (h, w), a number in [0, 1) for each of its axes) ->
    the patch; all places in which it lies within g2 are equally likely.
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


# By the names of the axes of g1's space, then of g2's space.
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


@eager
def draw_patch(
    shape1: Sequence[int],
    shape2: Sequence[int],
    rng: torch.Generator,
    axes: Collection[str] = AXES,
    alpha: float = 1.0,
    patch: str | Sides = "random",
    dims: Pair = UNNAMED,
) -> tuple[Patch, Box]:
    """Draw what to cut from a map of `shape2` (C, *dims), and where to put it in one of `shape1` with another kind of space.

    Cut: all channels, all time, and a patch of space. The patch has (h, w) cells; with "random" it has the share 1 - u,
    u ~ Beta(alpha, alpha), of the largest square patch that both maps can hold, so sides S sqrt(1 - u), S = 5 for 25
    joints. Put: around a centre uniform in g1, clipped to it (eq. 8), as in `draw_box`. But a patch of given size lies
    whole in a picture that can hold it, every place equally likely, for P cuts nothing of space there [settled]. The
    box's source counts in the map that `lay_out` makes. Draws come from `rng`, a CPU generator; their number depends on the axes alone.

    dims: the names of the axes of each map; None means those of `axes.DEFAULTS`. Raises InputError that names both maps
    for kinds of space that no adapter knows, space not among the `axes`, a patch that g2 does not have, and sizes that
    differ on an axis that is off.
    """
    names1, names2 = named(shape1, dims[0]), named(shape2, dims[1])
    where = f"cutmix of maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}"
    adapter = _adapter(where, names1, names2)
    where = f"{where}, {adapter.name}"
    if "space" not in axes:
        raise InputError(f"{where}: space differs in kind, so it must be cut; add 'space' to the axes")
    space1, space2 = _space(shape1, names1), _space(shape2, names2)
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
    for name, size1, size2, centre in zip(names1, shape1, laid, at1, strict=True):
        if group(name) not in axes:
            check_equal(where, name, size1, size2)
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

    One patch for all rows (a view where that can be), or one a row. Where the rows' patches have several shapes, the
    tensor has the largest, with zeros beyond a row's own patch, which no box reaches.
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
    """g2 (B M2, *) with as many rows as g1 has, `rows` = B M1, for B `samples` of M1 and M2 bodies.

    Rows become the mean over bodies, or are repeated for each body. Raises InputError where neither will do.
    """
    own, other = rows // samples, len(g2) // samples
    if own == other:
        return g2
    if own == 1:
        return g2.view(samples, other, *g2.shape[1:]).mean(1)
    if other == 1:
        return g2.repeat_interleave(own, 0)
    raise InputError(f"a mix of {own} rows a sample with {other}: give encoders with equally many rows, or one with a single row")


def _adapter(where: str, names1: Dims, names2: Dims) -> Adapter:
    """The adapter between two kinds of maps; axes other than space must be the same, and come first."""
    (rest1, space1), (rest2, space2) = _split(names1), _split(names2)
    in_order = (*rest1, *space1) == tuple(names1) and (*rest2, *space2) == tuple(names2)
    if rest1 != rest2 or not in_order or (space1, space2) not in ADAPTERS:
        choices = "; ".join(f"{' x '.join(origin)} into {' x '.join(target)}" for target, origin in ADAPTERS)
        raise InputError(
            f"{where}, {kind(names1)} and {kind(names2)}: both need the same axes, or an adapter from one to the other; "
            f"there are adapters of {choices}"
        )
    return ADAPTERS[space1, space2]


def _split(names: Dims) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The axes beside space, and the axes of space."""
    return tuple(name for name in names if group(name) != "space"), tuple(name for name in names if group(name) == "space")


def _space(shape: Sequence[int], names: Dims) -> Sizes:
    return tuple(size for name, size in zip(names, shape, strict=True) if group(name) == "space")


def _random(largest: Sides, share: float) -> Sides:
    """Sides of the largest patch times sqrt(share), each a whole number from 1."""
    height, width = (min(whole_cells(side * share**0.5), side) for side in largest)
    return height, width


def _cut(maps: Tensor, patch: Patch) -> Tensor:
    cells: tuple[Any, ...] = (..., *(slice(*span) for span in patch.spans))
    return maps[cells].reshape(*maps.shape[: -len(patch.spans)], *patch.shape)
