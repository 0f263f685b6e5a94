"""GoogLeNet inflated to clips, in five blocks: what S3D and I3D are made of (docs/methods/encoders.md).

At width 1, with convolutions that keep or halve time as both have them:

input   (B, C, T, H, W)
block1  (B, 64, T/2, H/2, W/2)        convolution 7, stride 2
block2  (B, 192, T/2, H/4, W/4)       pool, pointwise, convolution 3
block3  (B, 480, T/2, H/8, W/8)       pool, inception 3b, 3c
block4  (B, 832, T/4, H/16, W/16)     pool, inception 4b .. 4f
block5  (B, 1024, T/8, H/32, W/32)    pool, inception 5b, 5c
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from videossl.encoders.base import Encoder, scaled
from videossl.encoders.conv3d import Conv3d

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


class Inception(Encoder):
    """Input (B, in_channels, T, H, W) float, map (B, 1024 * width, T/8, H/32, W/32), at least 1 each; T >= 5 and H, W >= 17.

    width: scales every channel count (`scaled`). separable: each k x k x k convolution as one over space, then one over time (S3D), or whole (I3D).
    bn_momentum: of the running statistics.
    """

    takes = ("channel", "time", "height", "width")
    dims = ("channel", "time", "height", "width")

    def __init__(self, in_channels: int, width: float, separable: bool, bn_momentum: float) -> None:
        size = partial(scaled, width=width)
        norm = partial(nn.BatchNorm3d, eps=1e-3, momentum=bn_momentum)

        def unit(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, axis: str = "all") -> nn.Sequential:
            """Convolution over `axis`, batch-norm, ReLU; padded to keep the size at stride 1."""
            kernels = {"space": (1, kernel, kernel), "time": (kernel, 1, 1), "all": (kernel,) * 3}[axis]
            strides = {"space": (1, stride, stride), "time": (stride, 1, 1), "all": (stride,) * 3}[axis]
            padding = (kernels[0] // 2, kernels[1] // 2, kernels[2] // 2)
            conv = Conv3d(inputs, outputs, kernels, strides, padding, bias=False)
            return nn.Sequential(conv, norm(outputs), nn.ReLU(inplace=True))

        def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            """A k x k x k convolution."""
            if not separable:
                return unit(inputs, outputs, kernel, stride)
            return nn.Sequential(unit(inputs, outputs, kernel, stride, "space"), unit(outputs, outputs, kernel, stride, "time"))

        def inceptions(inputs: int, sizes: list[Branches]) -> tuple[list[nn.Module], int]:
            """The modules of a run of inceptions, and how many channels come out of the last."""
            modules: list[nn.Module] = []
            for branches in sizes:
                a, b1, b2, c1, c2, d = map(size, branches)
                modules.append(
                    Concat(
                        unit(inputs, a),
                        nn.Sequential(unit(inputs, b1), convolution(b1, b2, 3)),
                        nn.Sequential(unit(inputs, c1), convolution(c1, c2, 3)),
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
            "block1": convolution(in_channels, size(64), 7, stride=2),
            "block2": nn.Sequential(spatial_pool(), unit(size(64), size(64)), convolution(size(64), size(192), 3)),
            "block3": nn.Sequential(spatial_pool(), *three),
            "block4": nn.Sequential(nn.MaxPool3d(3, 2, 1), *four),
            "block5": nn.Sequential(nn.MaxPool3d(2, 2), *five),
        }
        super().__init__(OrderedDict(blocks), channels)
        # Channels-last weights make every layer work so, whatever the input: half a step's time on CPU.
        self.to(memory_format=torch.channels_last_3d)


class Concat(nn.ModuleList):
    """The branches' outputs side by side on the channel axis."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)
