"""Cutmix of maps that differ in size, in any number of dimensions (P 3.2, eq. 4, 7, 8;
docs/methods/cmmc.md).

A map is (B, C, *dims), and its axes have names (`mix.axes`).

Rounding [settled]. A side is a whole number of cells: its real length to the nearest, at least 1. A centre is
real and uniform on [0, n); the box starts at the whole number nearest to centre - side / 2, and is `side`
long until clipped. So odd and even sides keep their length, no end of an axis is favoured, and no box is ever
empty.

All draws come from `rng`, a CPU generator, and stay on the CPU: mixing never waits for an accelerator. For
`torch.compile` the paste is one operator and a box a small tensor: no box is compiled for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import floor, prod
from operator import gt
from typing import Any

import torch
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.axes import AXES, SPACE, Dims, check_equal, group, kind, named
from videossl.mix.compiling import eager
from videossl.mix.mixup import draw_lam

Span = tuple[int, int]  # first cell, one past the last


@dataclass(frozen=True)
class Box:
    """A region of g1 (`into`), and the equally large region of g2 that fills it (`source`): a span for each axis but the batch's.

    `cells`: the same for the operator, (4, axes) int64 on the CPU: first cells in g1, one past the last, then those
    in g2. Raises InputError if the two are not of one size.
    """

    into: tuple[Span, ...]
    source: tuple[Span, ...]
    cells: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if [stop - start for start, stop in self.into] != [stop - start for start, stop in self.source]:
            raise InputError(f"box {self.into} is not of the size of its source {self.source}: draw it with draw_box")
        cells = [*zip(*self.into, strict=True), *zip(*self.source, strict=True)]
        object.__setattr__(self, "cells", torch.tensor(cells, device="cpu"))

    def lam(self, shape: Sequence[int]) -> float:
        """The share of a map of `shape` (C, *dims) outside the box: 1 - volume(box) / volume(g1), rounded once."""
        return float(_lam(self.cells[None], shape)[0])


@eager
def draw_box(
    shape1: Sequence[int],
    shape2: Sequence[int],
    rng: torch.Generator,
    axes: Collection[str] = AXES,
    alpha: float = 1.0,
    dims: Dims | None = None,
) -> Box:
    """Draw what to cut from a map of `shape2` and where to put it in one of `shape1`, both (C, *dims) (P 3.2,
    eq. 8; steps 3 and 4 in docs/methods/cmmc.md).

    Cut: all channels, all time, and a box in space of share 1 - u of it, u ~ Beta(alpha, alpha) (so H2 sqrt(1
    - u) by W2 sqrt(1 - u), or V2 (1 - u) joints), clipped to g2. Put: around a centre uniform in g1, clipped
    to g1; what that removes of the box is removed of the cut on the same side. An axis that is not in `axes`
    is spanned whole by both. The number of draws does not depend on `axes`, so runs that differ in them share
    the rest. dims: the names of the axes of both maps; None means those of `axes.DEFAULTS`. Raises InputError for
    maps of different axes or of axes without a name, an unknown axis, or sizes that differ on an axis that is off.
    """
    names = _names(shape1, shape2, axes, dims)
    share = 1 - draw_lam(alpha, rng)
    centres = torch.rand(2, len(names), generator=rng, dtype=torch.float64, device="cpu").tolist()
    side = share ** (1 / max(1, sum(name in SPACE for name in names)))
    into, source = [], []
    for name, size1, size2, centre2, centre1 in zip(names, shape1, shape2, *centres, strict=True):
        on = group(name) in axes
        cut = clip(_around(centre2, size2, whole_cells(size2 * side)), size2) if on and name in SPACE else (0, size2)
        put, cut = place(cut, centre1, size1) if on else ((0, size1), cut)
        into.append(put)
        source.append(cut)
    return Box(tuple(into), tuple(source))


@eager
def draw_aligned_box(
    shape: Sequence[int],
    rng: torch.Generator,
    axes: Collection[str],
    alpha: float = 1.0,
    dims: Dims | None = None,
) -> Box:
    """A box at the same place in two inputs of `shape` (C, *dims): share 1 - u over `axes` together, clipped
    (P table 1).

    axes: ("time",) is t-cutmix, ("time", "space") st-cutmix, ("space",) VideoMix; other axes are spanned
    whole. u ~ Beta(alpha, alpha). dims and errors as in `draw_box`.
    """
    names = _names(shape, shape, axes, dims)
    share = 1 - draw_lam(alpha, rng)
    centres = torch.rand(len(names), generator=rng, dtype=torch.float64, device="cpu").tolist()
    on = [group(name) in axes for name in names]
    side = share ** (1 / max(1, sum(on)))
    spans = tuple(
        clip(_around(centre, size, whole_cells(size * side)), size) if cut else (0, size)
        for size, centre, cut in zip(shape, centres, on, strict=True)
    )
    return Box(spans, spans)


def cutmix(g1: Tensor, g2: Tensor, box: Box | Sequence[Box]) -> tuple[Tensor, float | Tensor]:
    """`g1` with `g2` inside the box, and lam, the share of `g1` kept (P eq. 7; lam: docs/methods/cmmc.md).

    g1: (B, C1, *dims1) float; g2: (B, C2, *dims2), cast to g1's dtype. `box`: one for the batch (lam a
    float; inside `torch.compile` a () float64 tensor on the CPU), or one a row (lam (B,) float64 on the CPU).
    Gradient flows to `g1` outside the box only, never to `g2`. Raises InputError for another number of rows
    or boxes, or a box that is not within the maps.
    """
    if len(g1) != len(g2):
        raise InputError(f"cutmix of shapes {tuple(g1.shape)} and {tuple(g2.shape)}: batch sizes must be equal")
    boxes = [box] if isinstance(box, Box) else list(box)
    if not isinstance(box, Box) and len(boxes) != len(g1):
        raise InputError(f"cutmix with {len(boxes)} boxes for a batch of {len(g1)}: give one, or one a row")
    cells = torch.stack([each.cells for each in boxes])
    mixed: Tensor = _Paste.apply(g1, g2.detach(), cells)
    lam = _lam(cells, g1.shape[1:])
    if not isinstance(box, Box):
        return mixed, lam
    return mixed, lam[0] if torch.compiler.is_compiling() else float(lam[0])  # a float would be compiled in


def keep_mask(box: Box, shape: Sequence[int]) -> Tensor:
    """The mask M of eq. 7 for a map of `shape` (C, *dims): bool, true where g1 is kept."""
    mask = torch.ones(*shape, dtype=torch.bool)
    mask[tuple(slice(*span) for span in box.into)] = False
    return mask


class _Paste(torch.autograd.Function):
    """`_paste` forward and `_erase` backward: one copy each, whatever the number of boxes.

    (Assigning slices under autograd would copy the whole gradient once a box.)
    """

    @staticmethod
    def forward(ctx: Any, g1: Tensor, g2: Tensor, cells: Tensor) -> Tensor:
        ctx.save_for_backward(cells)
        return _paste_op(g1, g2, cells) if torch.compiler.is_compiling() else _paste(g1, g2, cells)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (cells,) = ctx.saved_tensors
        erase = _erase_op if torch.compiler.is_compiling() else _erase
        return erase(grads[0], cells), None, None


def _paste(g1: Tensor, g2: Tensor, cells: Tensor) -> Tensor:
    """A copy of g1 with g2 in the boxes `cells` (boxes, 4, axes): one for all rows, or one a row."""
    mixed = g1.clone()
    for rows, into, source in _by_rows(cells):
        _check_within(into, g1.shape[1:])
        _check_within(source, g2.shape[1:])
        mixed[rows, *map(slice, *into)] = g2[rows, *map(slice, *source)]
    return mixed


def _erase(x: Tensor, cells: Tensor) -> Tensor:
    """A copy of x with 0 in the boxes."""
    erased = x.clone()
    for rows, into, _ in _by_rows(cells):
        erased[rows, *map(slice, *into)] = 0
    return erased


# The same as operators: `torch.compile` can't look into them, so no number of a box becomes part of a graph. Eager mode
# goes without, since calling one costs about as much as the copy of a small map.
_paste_op = torch.library.custom_op("videossl::paste", _paste, mutates_args=())
_erase_op = torch.library.custom_op("videossl::erase", _erase, mutates_args=())
_paste_op.register_fake(lambda g1, g2, cells: torch.empty_like(g1))
_erase_op.register_fake(lambda x, cells: torch.empty_like(x))

Ends = list[list[int]]  # of each axis the first cell, then of each axis one past the last


def _by_rows(cells: Tensor) -> Iterator[tuple[slice, Ends, Ends]]:
    """The box in g1 and that in g2, with the rows they are for: all, or their own."""
    boxes = cells.tolist()
    for row, box in enumerate(boxes):
        yield slice(None) if len(boxes) == 1 else slice(row, row + 1), box[:2], box[2:]


def _check_within(box: Ends, shape: Sequence[int]) -> None:
    """Raise InputError unless the box lies in a map of `shape` (a slice would be cut short in silence)."""
    first, stop = box
    if len(stop) != len(shape) or min(first) < 0 or any(map(gt, first, stop)) or any(map(gt, stop, shape)):
        spans = tuple(zip(first, stop, strict=True))
        raise InputError(f"box {spans} does not lie within a map (C, *dims) {tuple(shape)}: draw it for this shape")


def _lam(cells: Tensor, shape: Sequence[int]) -> Tensor:
    """lam of each box of `cells` (boxes, 4, axes) in a map of `shape` (C, *dims): (boxes,) float64."""
    total = prod(shape)
    return (total - (cells[:, 1] - cells[:, 0]).prod(1)).double() / total


def _names(shape1: Sequence[int], shape2: Sequence[int], axes: Collection[str], dims: Dims | None) -> tuple[str, ...]:
    """The axes' names, once the two shapes are known to be mixable."""
    where = f"cutmix of maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}"
    for axis in axes:
        if axis not in AXES:
            raise InputError(f"{where}: axis {axis!r} is unknown, choose of {', '.join(AXES)}")
    names = named(shape1, dims)
    if len(shape2) != len(names):
        raise InputError(f"{where}: both need the same axes {kind(names)}; reshape one")
    for name, size1, size2 in zip(names, shape1, shape2, strict=True):
        if group(name) not in axes:
            check_equal(where, name, size1, size2, ", or mix at the same block")
    return names


def whole_cells(length: float) -> int:
    """A real length as a whole number of cells, at least 1."""
    return max(1, floor(length + 0.5))


def _around(centre: float, size: int, side: int) -> Span:
    """`side` cells around `centre` (in [0, 1), of the axis), not clipped."""
    start = floor(centre * size - side / 2 + 0.5)
    return start, start + side


def clip(span: Span, size: int) -> Span:
    """Give the part of `span` that lies on an axis of `size`."""
    return max(0, span[0]), min(size, span[1])


def place(cut: Span, centre: float, size: int) -> tuple[Span, Span]:
    """Place the cells `cut` around `centre` on an axis of `size`, and say which cells lie on the axis (eq. 8)."""
    start, stop = _around(centre, size, cut[1] - cut[0])
    put = clip((start, stop), size)
    return put, (cut[0] + put[0] - start, cut[1] + put[1] - stop)
