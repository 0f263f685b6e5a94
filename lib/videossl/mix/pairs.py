"""The blocks of two encoders that are mixed: the pairs that may be drawn, the draw, and a look at their maps.

Blocks are counted from 1: "after the k-th block" of the encoder that is trained, and after the l-th of its partner
(P section 3.2; Algorithm 1). `rng` is a CPU generator.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from videossl.errors import InputError
from videossl.mix.adapters import Sides, draw_patch
from videossl.mix.axes import UNNAMED, Pair
from videossl.mix.compiling import eager
from videossl.mix.cutmix import draw_box
from videossl.mix.strategies import check_features, differ_in_kind


@dataclass(frozen=True)
class Layers:
    """The pairs (k, l) of blocks that a training may draw.

    name: begins messages. layers: "random" (l at least as deep as k), "same" (l = k), or the pair itself. depths: how
    many blocks each encoder has. blocks: those that may be drawn, of both encoders; None means all. Raises InputError
    for blocks that the encoders do not have.
    """

    name: str
    layers: str | tuple[int, int]
    depths: tuple[int, int]
    blocks: Sequence[int] | None = None

    def __post_init__(self) -> None:
        first, second = self.depths
        if not isinstance(self.layers, str) and not (1 <= self.layers[0] <= first and 1 <= self.layers[1] <= second):
            raise InputError(f"{self.name}: layers {self.layers}: give (k, l) within 1..{first} and 1..{second}")
        for depth in self.depths:
            blocks = self._of(depth)
            if not blocks or not all(1 <= block <= depth for block in blocks):
                raise InputError(f"{self.name}: blocks {blocks}: give some of 1..{depth}")

    def pairs(self) -> list[tuple[int, int]]:
        """Every pair that may be drawn, in order."""
        if not isinstance(self.layers, str):
            return [self.layers]
        if self.layers == "same":
            return [(k, k) for k in self._of(min(self.depths))]
        first, second = map(self._of, self.depths)
        return [(k, ell) for k in first for ell in at_least_as_deep(k, second, self.depths)]

    def draw(self, rng: torch.Generator) -> tuple[int, int]:
        """One of `pairs`: k uniform, then l uniform among those that go with it. A given pair takes no draw, others take two."""
        if not isinstance(self.layers, str):
            return self.layers
        if self.layers == "same":
            k, _ = draw_layers(self._of(min(self.depths)), rng)
            return k, k
        first, second = map(self._of, self.depths)
        return draw_layers(first, rng, second, self.depths)

    def _of(self, depth: int) -> list[int]:
        """The blocks that may be drawn of an encoder of `depth` blocks."""
        return sorted(range(1, depth + 1) if self.blocks is None else self.blocks)


@eager
def draw_layers(
    blocks: Sequence[int], rng: torch.Generator, partner: Sequence[int] | None = None, depths: tuple[int, int] = (1, 1)
) -> tuple[int, int]:
    """k uniform in `blocks`, then l uniform in the partner's blocks that are at least as deep.

    partner: the blocks of the partner; None means `blocks`. depths: as in `at_least_as_deep`.
    """
    k = _choose(sorted(blocks), rng)
    return k, _choose(at_least_as_deep(k, blocks if partner is None else partner, depths), rng)


def at_least_as_deep(k: int, partner: Sequence[int], depths: tuple[int, int]) -> list[int]:
    """The blocks l of `partner` with l / depths[1] >= k / depths[0], in order; for encoders of one depth l >= k.

    depths: how many blocks each encoder has.
    """
    return [block for block in sorted(partner) if block * depths[0] >= k * depths[1]]


def pairs(
    name: str,
    shapes1: Sequence[Sequence[int]],
    shapes2: Sequence[Sequence[int]],
    axes: Collection[str],
    layers: str | tuple[int, int],
    mixing: str = "cm-cutmix",
    patch: str | Sides = "random",
    dims: Pair = UNNAMED,
) -> list[tuple[int, int]]:
    """Every pair (k, l) that a training may draw (`Layers`), once it is known that their maps can be mixed.

    shapes1, shapes2: (B, C, *dims) after each block of the trained and of the frozen encoder (twice the same for
    "manifold-mixup"); `name` begins messages. patch, dims: as in `strategies.mix_features`; a patch is for maps alone
    whose space differs in kind. Raises InputError that names both maps for a pair that cannot be mixed, and for a
    mixing, axes, layers and patch that do not go together.
    """
    check_features(name, mixing, axes, layers)
    drawable = Layers(name, layers, (len(shapes1), len(shapes2))).pairs()
    for k, ell in drawable:
        try:
            _check_mixable(shapes1[k - 1][1:], shapes2[ell - 1][1:], axes, mixing, patch, dims)
        except InputError as error:
            raise InputError(f"{name}: block {k} cannot be mixed with block {ell}: {error}") from error
    return drawable


def _check_mixable(
    shape1: Sequence[int], shape2: Sequence[int], axes: Collection[str], mixing: str, patch: str | Sides, dims: Pair
) -> None:
    """Raise InputError that names both maps (C, *dims) unless they can be mixed."""
    if differ_in_kind(mixing, shape1, shape2, patch, dims):
        draw_patch(shape1, shape2, torch.Generator(), axes, patch=patch, dims=dims)
    elif mixing == "cm-cutmix":
        draw_box(shape1, shape2, torch.Generator(), axes, dims=dims[0])


def _choose(blocks: Sequence[int], rng: torch.Generator) -> int:
    if not blocks:
        raise InputError("no block is eligible for mixing: give at least one")
    return blocks[int(torch.randint(len(blocks), (), generator=rng, device="cpu"))]
