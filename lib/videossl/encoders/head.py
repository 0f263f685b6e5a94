"""The projection head on an encoder, removed downstream (P 4.2; docs/methods/encoders.md)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


class ProjectionHead(nn.Sequential):
    """Linear, ReLU, Linear: (B, in_features) -> (B, out), not normalised.

    1024-1024-128 for S3D, 256-256-128 for ST-GCN.
    """

    def __init__(self, in_features: int, hidden: int, out: int = 128) -> None:
        layers: dict[str, nn.Module] = {
            "hidden": nn.Linear(in_features, hidden),
            "relu": nn.ReLU(inplace=True),
            "out": nn.Linear(hidden, out),
        }
        super().__init__(OrderedDict(layers))
        self.out_features = out
