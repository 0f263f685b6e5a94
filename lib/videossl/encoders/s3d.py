"""S3D without gating (Xie et al., ECCV 2018, figure 7), in five blocks (docs/methods/encoders.md).

input   (B, C, 32, 128, 128)
block1  (B, 64, 16, 64, 64)
block2  (B, 192, 16, 32, 32)
block3  (B, 480, 16, 16, 16)
block4  (B, 832, 8, 8, 8)
block5  (B, 1024, 4, 4, 4)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from videossl.encoders.inception import Inception

IN_TORCHVISION = [(5, 3, 1), (6, 3, 2), (8, 4, 1), (9, 4, 2), (10, 4, 3), (11, 4, 4), (12, 4, 5), (14, 5, 1), (15, 5, 2)]
"""The inception modules: their number in torchvision's S3D, their block here, and their number in that."""


class S3D(Inception):
    """Input (B, in_channels, T, H, W) float, map (B, 1024 * width, T/8, H/32, W/32), at least 1 each; T >= 5 and H, W >= 17.

    bn_momentum: of the running statistics. `width` scales every channel count (see `scaled`); at 1 the network is torchvision's `s3d().features`,
    tensor by tensor in the same order: 7,910,048 parameters for RGB.
    """

    torchvision_names: ClassVar[Mapping[str, str]] = {
        "features.0.": "block1.",
        "features.2.": "block2.1.",
        "features.3.": "block2.2.",
        **{f"features.{n}.branch": f"block{block}.{own}." for n, block, own in IN_TORCHVISION},
    }

    def __init__(self, in_channels: int = 3, width: float = 1.0, bn_momentum: float = 0.1) -> None:
        super().__init__(in_channels, width, separable=True, bn_momentum=bn_momentum)


def build(channels: int, settings: Mapping[str, Any]) -> S3D:
    """An S3D on `channels` of input, of the `width` in the settings."""
    return S3D(channels, settings["width"])
