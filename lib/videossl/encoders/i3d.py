"""I3D (Carreira & Zisserman, CVPR 2017), in five blocks (docs/methods/encoders.md).

input   (B, C, 16, 224, 224)
block1  (B, 64, 8, 112, 112)
block2  (B, 192, 8, 56, 56)
block3  (B, 480, 8, 28, 28)
block4  (B, 832, 4, 14, 14)
block5  (B, 1024, 2, 7, 7)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videossl.encoders.inception import Inception


class I3D(Inception):
    """Input (B, in_channels, T, H, W) float, map (B, 1024 * width, T/8, H/32, W/32), at least 1 each; T >= 5 and H, W >= 17.

    bn_momentum: of the running statistics. `width` scales every channel count (see `scaled`); at 1: 12,287,264 parameters for RGB.
    """

    def __init__(self, in_channels: int = 3, width: float = 1.0, bn_momentum: float = 0.1) -> None:
        super().__init__(in_channels, width, separable=False, bn_momentum=bn_momentum)


def build(channels: int, settings: Mapping[str, Any]) -> I3D:
    """An I3D on `channels` of input, of the `width` in the settings."""
    return I3D(channels, settings["width"])
