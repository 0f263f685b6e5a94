"""Which blocks of two encoders can be mixed, known from their shapes before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from videossl.errors import InputError
from videossl.mix import cutmix


def pairs(
    name: str,
    shapes1: Sequence[Sequence[int]],
    shapes2: Sequence[Sequence[int]],
    axes: Collection[str],
    layers: str,
) -> list[tuple[int, int]]:
    """Every (k, l), counted from 1, that a stage may draw: k <= l, or k = l with `layers` "same".

    shapes1, shapes2: (C, *dims) or (B, C, *dims) after each block of the trained and of the frozen encoder; `name` says
    whose they are. Raises InputError that names both shapes for a pair that cannot be mixed.
    """
    result = []
    for k, shape1 in enumerate(shapes1, 1):
        for l, shape2 in enumerate(shapes2, 1):  # noqa: E741  (the paper's letter)
            if k == l or (k < l and layers == "random"):
                try:
                    cutmix.draw_box(shape1[1:], shape2[1:], torch.Generator(), axes)
                except InputError as error:
                    raise InputError(f"{name}: block {k} cannot be mixed with block {l}: {error}") from error
                result.append((k, l))
    return result
