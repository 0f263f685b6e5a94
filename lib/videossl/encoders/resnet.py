"""ResNets of 18 layers on clips, in five blocks: what R3D-18 and R(2+1)D-18 are made of (Tran et al., CVPR 2018; docs/methods/encoders.md).

input   (B, C, 16, 112, 112)
stem    (B, 64, 16, 56, 56)       convolution 3 x 7 x 7, stride 2 over space
layer1  (B, 64, 16, 56, 56)       two residual units each
layer2  (B, 128, 8, 28, 28)
layer3  (B, 256, 4, 14, 14)
layer4  (B, 512, 2, 7, 7)
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from videossl.encoders.base import Encoder, scaled
from videossl.encoders.conv3d import Conv3d

CHANNELS = (64, 128, 256, 512)
STEM_BETWEEN = 45  # channels between space and time in the stem of R(2+1)D


class ResNet18(Encoder):
    """Input (B, in_channels, T, H, W) float, map (B, 512 * width, T/8, H/16, W/16), rounded up.

    width: scales every channel count (`scaled`). separable: each convolution as one over space, then one over time (R(2+1)D), or whole (R3D).
    """

    takes = ("channel", "time", "height", "width")
    dims = ("channel", "time", "height", "width")

    def __init__(self, in_channels: int, width: float, separable: bool) -> None:
        inputs = scaled(CHANNELS[0], width)
        between = max(1, round(STEM_BETWEEN * width))
        blocks: OrderedDict[str, nn.Module] = OrderedDict(stem=_stem(in_channels, inputs, between if separable else None))
        for number, full in enumerate(CHANNELS, start=1):
            outputs = scaled(full, width)
            first = Residual(inputs, outputs, 1 if number == 1 else 2, separable)
            blocks[f"layer{number}"] = nn.Sequential(first, Residual(outputs, outputs, 1, separable))
            inputs = outputs
        super().__init__(blocks, inputs)
        # Channels-last weights make every layer work so, whatever the input.
        self.to(memory_format=torch.channels_last_3d)


def _stem(inputs: int, outputs: int, between: int | None) -> nn.Sequential:
    """3 x 7 x 7 with stride 2 over space, or as 7 x 7 to `between` channels, then 3 over time."""
    if between is None:
        return nn.Sequential(Conv3d(inputs, outputs, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False), *_normed(outputs))
    over_space = Conv3d(inputs, between, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
    return nn.Sequential(over_space, *_normed(between), Conv3d(between, outputs, (3, 1, 1), 1, (1, 0, 0), bias=False), *_normed(outputs))


def _normed(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm3d(channels), nn.ReLU(inplace=True)]


class Residual(nn.Module):
    """Two convolutions 3 x 3 x 3 and a way around them: (B, inputs, T, H, W) -> (B, outputs, T / stride, H / stride, W / stride), rounded up.

    separable: as of `ResNet18`; the channels between space and time are then so many that there are as many weights as in whole convolutions.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, separable: bool) -> None:
        super().__init__()
        between = inputs * outputs * 27 // (inputs * 9 + 3 * outputs)  # for both convolutions, as torchvision has it

        def convolution(channels: int, stride: int) -> nn.Module:
            if not separable:
                return Conv3d(channels, outputs, 3, stride, 1, bias=False)
            over_space = Conv3d(channels, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
            return nn.Sequential(over_space, *_normed(between), Conv3d(between, outputs, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False))

        self.conv1 = nn.Sequential(convolution(inputs, stride), *_normed(outputs))
        self.conv2 = nn.Sequential(convolution(outputs, 1), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if (inputs, stride) != (outputs, 1):
            self.downsample = nn.Sequential(Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)  # type: ignore[no-any-return]
