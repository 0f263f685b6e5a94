"""Which blocks of two encoders can be mixed, known from their shapes before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from videossl.errors import InputError
from videossl.mix import cutmix
from videossl.mix.strategies import check_features


def pairs(
    name: str,
    shapes1: Sequence[Sequence[int]],
    shapes2: Sequence[Sequence[int]],
    axes: Collection[str],
    layers: str | tuple[int, int],
    mixing: str = "cm-cutmix",
) -> list[tuple[int, int]]:
    """Every (k, l), counted from 1, that a stage may draw: k <= l, or k = l with `layers` "same", or the pair `layers`.

    shapes1, shapes2: (B, C, *dims) after each block of the trained and of the frozen encoder (twice the same for
    "manifold-mixup"); `name` says whose they are. Blocks that only one of them has are never drawn. Raises InputError
    that names both shapes for a pair that cannot be mixed, and for a mixing, axes and layers that do not go together.
    """
    check_features(name, mixing, axes, layers)
    if not isinstance(layers, str):
        check_fixed(name, layers, len(shapes1), len(shapes2))
        chosen = [layers]
    else:
        depth = min(len(shapes1), len(shapes2))
        chosen = [(k, ell) for k in range(1, depth + 1) for ell in range(k, depth + 1) if layers == "random" or k == ell]
    for k, ell in chosen:
        try:
            _check_mixable(shapes1[k - 1][1:], shapes2[ell - 1][1:], axes, mixing)
        except InputError as error:
            raise InputError(f"{name}: block {k} cannot be mixed with block {ell}: {error}") from error
    return chosen


def check_fixed(name: str, layers: tuple[int, int], depth1: int, depth2: int) -> None:
    """InputError unless `layers` (k, l) are blocks of encoders of `depth1` and `depth2` blocks."""
    if not (1 <= layers[0] <= depth1 and 1 <= layers[1] <= depth2):
        raise InputError(f"{name}: layers {layers}: give (k, l) within 1..{depth1} and 1..{depth2}")


def _check_mixable(shape1: Sequence[int], shape2: Sequence[int], axes: Collection[str], mixing: str) -> None:
    """InputError that names both shapes (C, *dims) unless maps of them can be mixed."""
    if mixing == "cm-cutmix":
        cutmix.draw_box(shape1, shape2, torch.Generator(), axes)
    elif tuple(shape1) != tuple(shape2):
        shapes = f"maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}"
        raise InputError(f"{mixing} of {shapes}: they must be equal; use cm-cutmix, or encoders of one shape")
