"""R(2+1)D-18 (Tran et al., CVPR 2018), in five blocks (docs/methods/encoders.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videossl.encoders.resnet import ResNet18


class R2Plus1D18(ResNet18):
    """Input (B, in_channels, T, H, W) float, map (B, 512 * width, T/8, H/16, W/16), rounded up.

    `width` scales every channel count (see `scaled`); at 1 the network is torchvision's `r2plus1d_18` without its last layer, under the same names:
    31,300,125 parameters for RGB.
    """

    def __init__(self, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__(in_channels, width, separable=True)


def build(channels: int, settings: Mapping[str, Any]) -> R2Plus1D18:
    """An R(2+1)D-18 on `channels` of input, of the `width` in the settings."""
    return R2Plus1D18(channels, settings["width"])
