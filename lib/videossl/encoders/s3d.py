"""S3D without gating (Xie et al., ECCV 2018, figure 7), in five blocks (docs/methods/encoders.md).

input   (B, C, 32, 128, 128)
block1  (B, 64, 16, 64, 64)       separable convolution 7, stride 2
block2  (B, 192, 16, 32, 32)      pool, pointwise, separable convolution 3
block3  (B, 480, 16, 16, 16)      pool, inception 3b, 3c
block4  (B, 832, 8, 8, 8)         pool, inception 4b .. 4f
block5  (B, 1024, 4, 4, 4)        pool, inception 5b, 5c
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videossl.encoders.base import Encoder, scaled

# Channels of an inception's branches: pointwise; reduce, 3x3x3; reduce, 3x3x3; pooled (GoogLeNet, table 1).
Branches = tuple[int, int, int, int, int, int]
BLOCK3: list[Branches] = [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)]
BLOCK4: list[Branches] = [
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
]
BLOCK5: list[Branches] = [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)]


FEW = 16
"""Clips, below which convolutions on a CPU are computed as 2D ones."""


class S3D(Encoder):
    """Input (B, in_channels, T, H, W) float, map (B, 1024 * width, T/8, H/32, W/32), at least 1 each; T >= 5 and H, W >= 17.

    bn_momentum: of the running statistics. `width` scales every channel count (see `scaled`); at 1 the network is torchvision's `s3d().features`,
    tensor by tensor in the same order: 7,910,048 parameters for RGB.
    """

    takes = ("channel", "time", "height", "width")
    dims = ("channel", "time", "height", "width")

    def __init__(self, in_channels: int = 3, width: float = 1.0, bn_momentum: float = 0.1) -> None:
        size = partial(scaled, width=width)
        norm = partial(nn.BatchNorm3d, eps=1e-3, momentum=bn_momentum)

        def unit(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, axis: str = "all") -> nn.Sequential:
            """Convolution over `axis`, batch-norm, ReLU; padded to keep the size at stride 1."""
            kernels = {"space": (1, kernel, kernel), "time": (kernel, 1, 1), "all": (kernel,) * 3}[axis]
            strides = {"space": (1, stride, stride), "time": (stride, 1, 1), "all": (stride,) * 3}[axis]
            padding = (kernels[0] // 2, kernels[1] // 2, kernels[2] // 2)
            conv = Conv3d(inputs, outputs, kernels, strides, padding, bias=False)
            return nn.Sequential(conv, norm(outputs), nn.ReLU(inplace=True))

        def separable(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            """A k x k x k convolution as one over space, then one over time."""
            return nn.Sequential(unit(inputs, outputs, kernel, stride, "space"), unit(outputs, outputs, kernel, stride, "time"))

        def inceptions(inputs: int, sizes: list[Branches]) -> tuple[list[nn.Module], int]:
            """The modules of a run of inceptions, and how many channels come out of the last."""
            modules: list[nn.Module] = []
            for branches in sizes:
                a, b1, b2, c1, c2, d = map(size, branches)
                modules.append(
                    Concat(
                        unit(inputs, a),
                        nn.Sequential(unit(inputs, b1), separable(b1, b2, 3)),
                        nn.Sequential(unit(inputs, c1), separable(c1, c2, 3)),
                        nn.Sequential(nn.MaxPool3d(3, 1, 1), unit(inputs, d)),
                    )
                )
                inputs = a + b2 + c2 + d
            return modules, inputs

        three, channels = inceptions(size(192), BLOCK3)
        four, channels = inceptions(channels, BLOCK4)
        five, channels = inceptions(channels, BLOCK5)
        spatial_pool = partial(nn.MaxPool3d, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        blocks: dict[str, nn.Module] = {
            "block1": separable(in_channels, size(64), 7, stride=2),
            "block2": nn.Sequential(spatial_pool(), unit(size(64), size(64)), separable(size(64), size(192), 3)),
            "block3": nn.Sequential(spatial_pool(), *three),
            "block4": nn.Sequential(nn.MaxPool3d(3, 2, 1), *four),
            "block5": nn.Sequential(nn.MaxPool3d(2, 2), *five),
        }
        super().__init__(OrderedDict(blocks), channels)
        # Channels-last weights make every layer work so, whatever the input: half a step's time on CPU.
        self.to(memory_format=torch.channels_last_3d)


class Conv3d(nn.Conv3d):
    """nn.Conv3d over space or over time alone, (B, C, T, H, W) -> (B, C', T', H', W'), with two faults of CPUs mended (torch 2.15).

    With a stride over time oneDNN writes beyond its memory in the backward pass of clips no longer than the kernel; with zeros around the clip it
    does not. And fewer than FEW clips torch gives to slower code than oneDNN's, unless the convolution is a 2D one.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        if x.shape[2] <= self.kernel_size[0] and self.stride[0] != 1:
            time, *space = map(int, self.padding)
            return F.conv3d(F.pad(x, (0, 0, 0, 0, time, time)), self.weight, self.bias, self.stride, (0, *space))
        return self._flat(x) if len(x) < FEW else super().forward(x)

    def _flat(self, x: Tensor) -> Tensor:
        """The same as a 2D convolution: over space the moments are part of the batch, over time the pixels are one axis."""
        padding: Any = self.padding
        if self.kernel_size[0] == 1:
            y = F.conv2d(x.transpose(1, 2).flatten(0, 1), self.weight.squeeze(2), self.bias, self.stride[1:], padding[1:])
            return y.view(x.shape[0], x.shape[2], *y.shape[1:]).transpose(1, 2)
        y = F.conv2d(x.flatten(3), self.weight.flatten(3), self.bias, (self.stride[0], 1), (padding[0], 0))
        return y.view(*y.shape[:3], *x.shape[3:])


class Concat(nn.ModuleList):
    """The branches' outputs side by side on the channel axis."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)


def build(channels: int, settings: Mapping[str, Any]) -> S3D:
    """An S3D on `channels` of input, of the `width` in the settings."""
    return S3D(channels, settings["width"])
