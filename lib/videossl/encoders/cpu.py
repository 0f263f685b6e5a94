"""Layers of an ST-GCN on a CPU: rows that are equal are computed once, and numbers of a joint lie side by side.

N rows (bodies), T frames, V joints, C channels, R = N * T. Most recordings have one body. All absent bodies are zeros, so each layer makes the same map of
them. One of them is computed, and counts in the statistics of batch-norm as often as there are absent bodies: the numbers are those of all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def suits(module: nn.Module, x: Tensor) -> bool:
    """Say if `module` is computed on `x` by this file: float32 on a CPU, not compiled or traced, batch-norm of one process, no dropout."""
    # What is recorded is for other inputs as well, in which other rows are equal.
    is_recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if x.device.type != "cpu" or x.dtype != torch.float32 or is_recorded or torch.is_autocast_enabled("cpu"):
        return False
    parts = list(module.modules())
    plain = all(type(part) in BATCH_NORMS for part in parts if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return plain and not any(isinstance(part, nn.Dropout) and part.training and part.p for part in parts)


def once(compute: Callable[[Tensor, int], Tensor], x: Tensor) -> Tensor:
    """`compute` on x (N, *dims), with the rows that most are equal to as one: `compute(rows, times)`, of which the last row counts `times`.

    Equal rows share their gradient evenly. Its sum is exact, and that is all that the layers before can tell where they made equal rows of equal rows.
    """
    same = _equal(x)
    times = int(same.sum())
    if times < 2:
        return compute(x, 1)
    others = (~same).nonzero().squeeze(1)
    first = same.nonzero()[:1].squeeze(1)
    place = torch.full((len(x),), len(others))
    place[others] = torch.arange(len(others))
    chosen = torch.cat([others, first])
    rows: Tensor = _Pick.apply(x, chosen, place, times)
    every: Tensor = _Place.apply(compute(rows, times), chosen, place, same)
    return every


def _equal(x: Tensor) -> Tensor:
    """Mark the rows that equal the row that most rows equal, (N,) bool."""
    with torch.no_grad():
        flat = x.flatten(1)
        sums = flat.sum(1)
        counts = (sums[:, None] == sums).sum(1)
        first = int(counts.argmax())
        same = sums == sums[first]
        same[same.clone()] = (flat[same] == flat[first]).all(1)
        return same


class _Pick(torch.autograd.Function):
    """Rows `chosen` of x; row i is in `place` i of them, the last one `times`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chosen: Tensor, place: Tensor, times: int) -> Tensor:
        ctx.save_for_backward(place)
        ctx.times = times
        return x.index_select(0, chosen)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        (place,) = ctx.saved_tensors
        shared = grad.clone()
        shared[-1] /= ctx.times
        return shared.index_select(0, place), None, None, None


class _Place(torch.autograd.Function):
    """The way back: row i is the row in `place` i of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chosen: Tensor, place: Tensor, same: Tensor) -> Tensor:
        ctx.save_for_backward(chosen, same)
        return x.index_select(0, place)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        chosen, same = ctx.saved_tensors
        picked = grad.index_select(0, chosen)
        picked[-1] = grad[same].sum(0)
        return picked, None, None, None


def normed(norm: Any, x: Tensor, times: int = 1, other: Tensor | None = None, relu: bool = True) -> Tensor:
    """ReLU of batch-norm of x (N, T, V, C), plus `other`; the last row counts `times`. Channels are C, or V * C of a norm of that many.

    A norm in training mode takes the statistics of the batch, and its running ones follow, as in torch.
    """
    if not norm.training:
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        frames = x.flatten(2)
        scales, shift = _along(frames[0].t(), scale, norm.bias - norm.running_mean * scale)
        y = torch.addcmul(shift, frames, scales).view(x.shape)
        y = y if other is None else y + other
        return torch.relu(y) if relu else y
    y, mean, var = _Normed.apply(x.contiguous(), norm.weight, norm.bias, other, relu, norm.eps, times)
    with torch.no_grad():
        count = _count(x, times, norm.num_features)
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(var * (count / (count - 1)), norm.momentum)
    result: Tensor = y
    return result


class _Normed(torch.autograd.Function):
    """Give y, mean and variance; sums run along whole frames, which a CPU adds many numbers at a time."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None, relu: bool, eps: float, times: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames = x.view(-1, x.shape[2] * x.shape[3]).t()  # (V * C, R)
        shares = torch.full((frames.shape[1],), 1 / _count(x, times, len(weight)))
        shares[-x.shape[1] :] *= times
        mean = torch.mv(frames, shares).view(-1, len(weight)).sum(0)
        centred = frames.t() - _along(frames, mean)[0]
        var = torch.mv(centred.square().t(), shares).view(-1, len(weight)).sum(0)
        inverse = torch.rsqrt(var + eps)
        scale, shift = _along(frames, inverse * weight, bias)
        y = torch.addcmul(shift, centred, scale).view(x.shape)
        if other is not None:
            y += other
        if relu:
            y.relu_()
        ctx.save_for_backward(centred, y if relu else None, inverse, weight, shares)
        ctx.added, ctx.times, ctx.last = other is not None, times, x.shape[1] if times > 1 else 0
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> Any:
        centred, y, inverse, weight, shares = ctx.saved_tensors
        grad = grad.contiguous()
        if y is not None:
            grad = torch.ops.aten.threshold_backward(grad, y, 0)
        frames = grad.view(centred.shape)
        total = frames.sum(0).view(-1, len(weight)).sum(0)
        slope = (frames * centred).sum(0).view(-1, len(weight)).sum(0) * inverse
        scale = weight * inverse
        level, tilt, scales = _along(frames.t(), -shares[0] * scale * total, -shares[0] * scale * inverse * slope, scale)
        x = torch.addcmul(level, centred, tilt)
        if ctx.last:
            x[-ctx.last :] *= ctx.times
        x.addcmul_(frames, scales)
        return x.view(grad.shape), slope, total, grad if ctx.added else None, None, None, None


def _along(frames: Tensor, *values: Tensor) -> Tensor:
    """Each of `values`, (C,), along the rows of `frames` (V * C, R): (number of values, V * C)."""
    return torch.stack(values)[:, None].expand(-1, len(frames) // len(values[0]), -1).reshape(len(values), -1)


def _count(x: Tensor, times: int, channels: int) -> int:
    """The count of numbers that a channel of x (N, T, V, C) has, the last row counted `times`."""
    return (len(x) + times - 1) * x[0].numel() // channels
