"""Encoders as ordered blocks: run some, run the rest, mix in between (P 3.2, Algorithm 1; docs/methods/encoders.md).

A *block index* counts blocks passed: `partial_forward(blocks, x, 0, k)` is the map after the k-th block, k =
0 the input.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from videossl.errors import InputError


def partial_forward(blocks: nn.Sequential, x: Tensor, start: int, stop: int) -> Tensor:
    """Run blocks `start` (included) to `stop` (excluded) of any `nn.Sequential` on `x` (Algorithm 1).

    Running 0..k, then k..N, is the forward pass, bit for bit. Raises InputError for a range outside
    0..len(blocks).
    """
    if not 0 <= start <= stop <= len(blocks):
        raise InputError(f"blocks {start}..{stop} of an encoder of {len(blocks)}: give 0 <= start <= stop <= {len(blocks)}")
    if isinstance(blocks, Encoder):
        return blocks.run(x, start, stop)
    for block in islice(blocks, start, stop):
        x = block(x)
    return x


def pool(blocks: nn.Sequential, maps: Tensor) -> Tensor:
    """The feature vectors (B, D) of the last block's maps: an `Encoder`'s own pooling, else the mean beyond
    axis 1."""
    return blocks.pool(maps) if isinstance(blocks, Encoder) else maps.flatten(2).mean(2)


def shapes(blocks: nn.Sequential, input_shape: Sequence[int]) -> list[tuple[int, ...]]:
    """The shape after each block for an input of `input_shape` (batch included), by a real pass of one sample.

    On the CPU, without gradients, and `blocks` stay as they are. (On torch's meta device nothing would be computed, but
    what that device loads takes six times as long as S3D at full width on 16 frames of 112.) Raises InputError where a
    block can't take the shape.
    """
    trial = copy.deepcopy(blocks).cpu().eval()
    batch, *sample = input_shape
    x = torch.zeros(1, *sample)
    result: list[tuple[int, ...]] = []

    def shape() -> tuple[int, ...]:
        return (batch * len(x), *x.shape[1:])  # some blocks fold an axis of the sample into the batch

    for name, block in trial.named_children():
        try:
            with torch.no_grad():
                x = block(x)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            where = f"{type(blocks).__name__} on input {tuple(input_shape)}"
            raise InputError(f"{where}: {name} can't take {shape()}, {reason}") from None
        result.append(shape())
    return result


class Encoder(nn.Sequential):
    """Named blocks in order; `forward` gives the last block's map, `pool` makes `out_features` numbers a sample of it.

    takes, dims: the names of the axes of its input and of its maps, without the batch, as ("channel", "time", "joint").
    Each kind of encoder sets them; its YAML says the same as `takes` and `maps`. torchvision_names: how names of
    tensors begin in torchvision's model of this kind, and how here; {} where they are equal.
    """

    takes: tuple[str, ...]
    dims: tuple[str, ...]
    out_features: int
    torchvision_names: ClassVar[Mapping[str, str]] = {}
    frozen = False

    def __init__(self, blocks: OrderedDict[str, nn.Module], out_features: int) -> None:
        super().__init__(blocks)
        self.out_features = out_features

    def __getitem__(self, index: Any) -> Any:
        """A block by its number; of a slice, which is no whole encoder, those blocks under their names as an `nn.Sequential`."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def train(self, mode: bool = True) -> Encoder:
        """Training mode; one that is `frozen` stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, x: Tensor) -> Tensor:
        """The last block's map."""
        return self.run(x, 0, len(self))

    def run(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Blocks `start` (included) to `stop` (excluded) on `x`; an encoder may have a quicker way to the same maps."""
        for block in islice(self, start, stop):
            x = block(x)
        return x

    def pool(self, maps: Tensor) -> Tensor:
        """The mean over all axes but batch and channel: (B, D, *dims) -> (B, D)."""
        return maps.flatten(2).mean(2)

    def shapes(self, input_shape: Sequence[int]) -> list[tuple[int, ...]]:
        """See the function `shapes`."""
        return shapes(self, input_shape)


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 4 and at least 4 (so that width 1 changes nothing)."""
    return max(4, round(channels * width / 4) * 4)


def freeze(encoder: Encoder) -> Encoder:
    """`encoder`, in place, without gradients and in evaluation mode, in which it stays whatever module it is part of."""
    encoder.frozen = True
    return encoder.requires_grad_(False).eval()
