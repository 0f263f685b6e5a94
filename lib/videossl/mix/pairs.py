"""Which blocks of two encoders can be mixed, known from their shapes before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from videossl.errors import InputError
from videossl.mix import cutmix
from videossl.mix.adapters import Sides, are_alike, draw_patch
from videossl.mix.strategies import check_features, refuse_patch


def pairs(
    name: str,
    shapes1: Sequence[Sequence[int]],
    shapes2: Sequence[Sequence[int]],
    axes: Collection[str],
    layers: str | tuple[int, int],
    mixing: str = "cm-cutmix",
    patch: str | Sides = "random",
) -> list[tuple[int, int]]:
    """Every (k, l), counted from 1, that a stage may draw: l at least as deep as k in its encoder, or k = l with `layers` "same", or the pair `layers`.

    shapes1, shapes2: (B, C, *dims) after each block of the trained and of the frozen encoder (twice the same for
    "manifold-mixup"); `name` says whose they are. patch: as in `strategies.mix_features`, given for maps whose space differs in kind alone. Raises
    InputError that names both shapes for a pair that cannot be mixed, and for a mixing, axes, layers and patch that do not go together.
    """
    check_features(name, mixing, axes, layers)
    depths = len(shapes1), len(shapes2)
    if not isinstance(layers, str):
        check_fixed(name, layers, *depths)
        chosen = [layers]
    elif layers == "same":
        chosen = [(k, k) for k in range(1, min(depths) + 1)]
    else:
        chosen = [(k, ell) for k in range(1, depths[0] + 1) for ell in cutmix.at_least_as_deep(k, range(1, depths[1] + 1), depths)]
    for k, ell in chosen:
        try:
            _check_mixable(shapes1[k - 1][1:], shapes2[ell - 1][1:], axes, mixing, patch)
        except InputError as error:
            raise InputError(f"{name}: block {k} cannot be mixed with block {ell}: {error}") from error
    return chosen


def check_fixed(name: str, layers: tuple[int, int], depth1: int, depth2: int) -> None:
    """InputError unless `layers` (k, l) are blocks of encoders of `depth1` and `depth2` blocks."""
    if not (1 <= layers[0] <= depth1 and 1 <= layers[1] <= depth2):
        raise InputError(f"{name}: layers {layers}: give (k, l) within 1..{depth1} and 1..{depth2}")


def _check_mixable(shape1: Sequence[int], shape2: Sequence[int], axes: Collection[str], mixing: str, patch: str | Sides) -> None:
    """InputError that names both shapes (C, *dims) unless maps of them can be mixed."""
    shapes = f"maps (C, *dims) {tuple(shape1)} and {tuple(shape2)}"
    if mixing == "cm-cutmix" and not are_alike(shape1, shape2):
        draw_patch(shape1, shape2, torch.Generator(), axes, patch=patch)
    elif not isinstance(patch, str):
        refuse_patch(patch, shape1, shape2)
    elif mixing == "cm-cutmix":
        cutmix.draw_box(shape1, shape2, torch.Generator(), axes)
    elif tuple(shape1) != tuple(shape2):
        raise InputError(f"{mixing} of {shapes}: they must be equal; use cm-cutmix, or encoders of one shape")
