"""Convolution of clips: torch's own, with two faults of CPUs mended."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

FEW = 16
"""Clips, below which convolutions on a CPU are computed as 2D ones."""


class Conv3d(nn.Conv3d):
    """nn.Conv3d, (B, C, T, H, W) -> (B, C', T', H', W'), with two faults of CPUs mended (torch 2.15).

    With a stride over time oneDNN writes beyond its memory in the backward pass of clips no longer than the kernel; with zeros around the clip it
    does not. And fewer than FEW clips torch gives to slower code than oneDNN's, unless the convolution is a 2D one: so those over space alone, or
    over time alone, are computed as such.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        if x.shape[2] <= self.kernel_size[0] and self.stride[0] != 1:
            time, *space = map(int, self.padding)
            return F.conv3d(F.pad(x, (0, 0, 0, 0, time, time)), self.weight, self.bias, self.stride, (0, *space))
        if len(x) < FEW and self.kernel_size[0] == self.stride[0] == 1:
            return self._over_space(x)
        if len(x) < FEW and self.kernel_size[1:] == self.stride[1:] == (1, 1):
            return self._over_time(x)
        return super().forward(x)

    def _over_space(self, x: Tensor) -> Tensor:
        """As a 2D convolution: the moments are part of the batch."""
        padding: Any = self.padding
        y = F.conv2d(x.transpose(1, 2).flatten(0, 1), self.weight.squeeze(2), self.bias, self.stride[1:], padding[1:])
        return y.view(x.shape[0], x.shape[2], *y.shape[1:]).transpose(1, 2)

    def _over_time(self, x: Tensor) -> Tensor:
        """As a 2D convolution: the pixels are one axis."""
        padding: Any = self.padding
        y = F.conv2d(x.flatten(3), self.weight.flatten(3), self.bias, (self.stride[0], 1), (padding[0], 0))
        return y.view(*y.shape[:3], *x.shape[3:])
