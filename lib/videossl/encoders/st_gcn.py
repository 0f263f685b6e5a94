"""ST-GCN (Yan et al., AAAI 2018) in ten layers, narrowed as in CrosSCLR (P 4.2; docs/methods/encoders.md).

At width 0.25, from (B, 3, 50, 25, 2), 25 joints of the graph, both bodies folded into the batch:

    layer1..4   (2B, 16, 50, 25)
    layer5..7   (2B, 32, 25, 25)
    layer8..9   (2B, 64, 13, 25)
    layer10     (2B, 256, 13, 25)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from videossl.encoders import cpu
from videossl.encoders.base import Encoder, scaled
from videossl.errors import InputError
from videossl.skeleton_graphs import DEFAULT, GRAPHS, Graph, distances

# Channels at width 1, and stride in time, layer by layer.
LAYERS = (*[(64, 1)] * 4, (128, 2), *[(128, 1)] * 2, (256, 2), (256, 1), (1024, 1))


PARTITIONS = ("paper", "public")


def adjacency(graph: Graph, partition: str = "paper") -> Tensor:
    """The `spatial` partition (Yan et al., section 3.3 and eq. 10): (3, V, V) float32, [subset, from v, to w].

    Neighbours within one step are split into the joint itself, those farther from the centre (or equally far), and those
    nearer to it. Over subsets and v the weights into each joint sum to 1 (A D^-1). partition: by the steps to the centre, "paper"; or as in the
    public code of ST-GCN and CrosSCLR, "public", where all joints beyond one step are equally far.
    """
    steps = distances(graph)
    near = (steps == 0) | (steps == 1)
    weights = near / near.sum(0, keepdims=True)
    to_centre = steps[:, graph.centre - 1]
    if partition == "public":
        to_centre = np.minimum(to_centre, 2)
    itself = np.eye(graph.joints, dtype=bool)
    farther = near & ~itself & (to_centre[:, None] >= to_centre[None, :])
    nearer = near & ~itself & ~farther
    return torch.from_numpy(np.stack([weights * subset for subset in (itself, farther, nearer)])).float()


class Fold(nn.Module):
    """Bodies into the batch, and batch-norm of the input: (B, C, T, V, M) -> (B * M, C, T, V).

    The bodies of a sample are neighbours. in_channels, joints, bodies: C, V and M.
    """

    def __init__(self, in_channels: int, joints: int, bodies: int) -> None:
        super().__init__()
        self.expected = (in_channels, joints, bodies)
        self.norm = nn.BatchNorm1d(in_channels * joints)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(x)
        n, t, v, c = rows.shape
        normed: Tensor = self.norm(rows.flatten(2).transpose(1, 2))
        return normed.reshape(n, v, c, t).permute(0, 2, 3, 1).contiguous()

    def rows(self, x: Tensor) -> Tensor:
        """(B, C, T, V, M) -> (B * M, T, V, C). Raises InputError for another C, V or M."""
        if x.dim() != 5 or (x.shape[1], x.shape[3], x.shape[4]) != self.expected:
            c, v, m = self.expected
            raise InputError(f"skeletons of shape {tuple(x.shape)}: this encoder takes (B, {c}, T, {v}, {m})")
        return x.permute(0, 4, 2, 3, 1).flatten(0, 1)

    def on_cpu(self, x: Tensor, times: int) -> Tensor:
        """Batch-norm of rows (N, T, V, C), the last of which counts `times`."""
        return cpu.normed(self.norm, x, times, relu=False)


class GraphLayer(nn.Module):
    """Convolution over the graph, then over time, with a residual: (N, C, T, V) -> (N, C', T / stride, V).

    inputs, outputs: C and C'. adjacency: (3, V, V), of the function of this name. dropout: the share that is dropped, in training.
    """

    adjacency: Tensor

    def __init__(self, inputs: int, outputs: int, stride: int, adjacency: Tensor, dropout: float, residual: bool = True) -> None:
        super().__init__()
        # Not saved: it follows from the graph's name; importance, learned, scales each of its edges.
        self.register_buffer("adjacency", adjacency.clone(), persistent=False)
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        self.spread = nn.Conv2d(inputs, outputs * len(adjacency), 1)
        self.temporal = nn.Sequential(
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, (9, 1), (stride, 1), (4, 0)),
            nn.BatchNorm2d(outputs),
            nn.Dropout(dropout, inplace=True),
        )
        self.residual: nn.Module | None = None
        if residual and (inputs, stride) == (outputs, 1):
            self.residual = nn.Identity()
        elif residual:
            self.residual = nn.Sequential(nn.Conv2d(inputs, outputs, 1, (stride, 1)), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.adjacency * self.importance
        subsets = self.spread(x).unflatten(1, (len(weights), -1))
        y: Tensor = self.temporal(torch.einsum("nkctv,kvw->nctw", subsets, weights))
        return torch.relu(y if self.residual is None else y + self.residual(x))

    def on_cpu(self, x: Tensor, times: int) -> Tensor:
        """The same on rows (N, T, V, C), the last of which counts `times`: along the graph first, then from channels to channels."""
        n, t, v, c = x.shape
        subsets = len(self.adjacency)
        edges = (self.adjacency * self.importance).permute(2, 0, 1)  # to w, subset, from v
        gathered = torch.bmm(edges.reshape(1, -1, v).expand(n * t, -1, -1), x.reshape(n * t, v, c)).view(-1, subsets * c)
        pointwise: Any = self.spread
        spread = pointwise.weight.view(subsets, -1, c).transpose(1, 2).reshape(subsets * c, -1)
        y = torch.mm(gathered, spread).view(n, t, v, -1)
        y = y + edges.sum(2) @ pointwise.bias.view(subsets, -1)
        layers: Any = self.temporal
        first, _, convolution, second, _ = layers
        y = cpu.normed(first, y, times).permute(0, 3, 1, 2)
        y = conv2d(y, convolution.weight, convolution.bias, convolution.stride, convolution.padding).permute(0, 2, 3, 1)
        return cpu.normed(second, y, times, self._kept(x, times, convolution.stride[0]))

    def _kept(self, x: Tensor, times: int, stride: int) -> Tensor | None:
        """The residual of rows (N, T, V, C)."""
        residual: Any = self.residual
        if not isinstance(residual, nn.Sequential):
            return None if residual is None else x
        convolution: Any = residual[0]
        y = linear(x[:, ::stride], convolution.weight.flatten(1), convolution.bias)
        return cpu.normed(residual[1], y, times, relu=False)


class STGCN(Encoder):
    """Input (B, in_channels, T, V, 2) float, map (2B, 1024 * width, T/4, V); vectors average joints, time and bodies.

    `width` scales every channel count; 0.25 is the paper's. `graph` names one of `GRAPHS`, which has V joints; `partition` one of PARTITIONS.
    dropout: the share that each layer drops in training.
    """

    takes = ("channel", "time", "joint", "body")
    dims = ("channel", "time", "joint")

    def __init__(
        self,
        in_channels: int = 3,
        width: float = 0.25,
        graph: str = DEFAULT,
        dropout: float = 0.0,
        bodies: int = 2,
        partition: str = "paper",
    ) -> None:
        if graph not in GRAPHS:
            raise InputError(f"graph {graph!r} of an ST-GCN is unknown: choose one of {', '.join(GRAPHS)}")
        if partition not in PARTITIONS:
            raise InputError(f"partition {partition!r} of an ST-GCN is unknown: choose one of {', '.join(PARTITIONS)}")
        weights = adjacency(GRAPHS[graph], partition)
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for number, (full, stride) in enumerate(LAYERS, start=1):
            outputs = scaled(full, width)
            layer = GraphLayer(channels, outputs, stride, weights, dropout, residual=number > 1)
            blocks[f"layer{number}"] = layer
            channels = outputs
        fold = Fold(in_channels, GRAPHS[graph].joints, bodies)
        blocks["layer1"] = nn.Sequential(OrderedDict(fold=fold, graph=blocks["layer1"]))
        super().__init__(blocks, channels)
        self.bodies = bodies

    def run(self, x: Tensor, start: int, stop: int) -> Tensor:
        """The blocks on `x`; on a CPU bodies that are equal, as absent ones are, are computed once."""
        wanted = x.requires_grad and (start == 0 or x.is_leaf)  # each row's own gradient
        if start == stop or wanted or not cpu.suits(self, x):
            return super().run(x, start, stop)
        parts: list[Any] = [
            part for block in islice(self, start, stop) for part in (block if isinstance(block, nn.Sequential) else [block])
        ]

        def compute(rows: Tensor, times: int) -> Tensor:
            for part in parts:
                rows = part.on_cpu(rows, times)
            return rows

        rows: Tensor = parts[0].rows(x) if start == 0 else x.permute(0, 2, 3, 1)
        return cpu.once(compute, rows).permute(0, 3, 1, 2)

    def pool(self, maps: Tensor) -> Tensor:
        """(B * M, D, T, V) -> (B, D): the mean over time and joints, then over a sample's bodies."""
        return maps.mean((2, 3)).view(-1, self.bodies, self.out_features).mean(1)


def build(channels: int, settings: Mapping[str, Any]) -> STGCN:
    """An ST-GCN on `channels` of input, of the `width` in the settings and of their `graph`, `partition` and `dropout`, if they have them."""
    return STGCN(
        channels,
        settings["width"],
        settings.get("graph", DEFAULT),
        settings.get("dropout", 0.0),
        partition=settings.get("partition", "paper"),
    )
