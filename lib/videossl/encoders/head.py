"""The projection head on an encoder, removed downstream (P 4.2; docs/methods/encoders.md)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from videossl.errors import InputError

NORMS = ("none", "batch")


class ProjectionHead(nn.Sequential):
    """Linear, ReLU, Linear: (B, in_features) -> (B, hidden) -> (B, out), not normalised. norm: `batch` for batch-norm before the ReLU, or none.

    1024-1024-128 for S3D, 256-256-128 for ST-GCN. Batch-norm is what lets small batches spread early (docs/learning.md).
    """

    def __init__(self, in_features: int, hidden: int, out: int = 128, norm: str = "none") -> None:
        if norm not in NORMS:
            raise InputError(f"norm {norm!r} of a projection head is unknown: choose of {', '.join(NORMS)}")
        layers: dict[str, nn.Module] = {
            "hidden": nn.Linear(in_features, hidden),
            **({"norm": nn.BatchNorm1d(hidden)} if norm == "batch" else {}),
            "relu": nn.ReLU(inplace=True),
            "out": nn.Linear(hidden, out),
        }
        super().__init__(OrderedDict(layers))
        self.out_features = out
