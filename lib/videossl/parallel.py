"""Several processes that train as one: each holds its share of the rows of every batch, in the order of the ranks.

The processes do what a single process would do with the whole batch: partners are permuted over the whole batch, batch-norm takes
its statistics over it, and every query meets all its keys. So the number of processes changes rounding, and
nothing else. Without a process group of torch.distributed all functions here are what they are for one process.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from videossl import blackboard
from videossl.blackboard import Blackboard

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def size() -> int:
    """The number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if size() > 1 else 0


def own(count: int) -> slice:
    """The rows of a whole batch that this process holds, `count` rows."""
    return slice(rank() * count, (rank() + 1) * count)


def gather(x: Tensor) -> Tensor:
    """The rows of all processes, (B, *dims) from (B / processes, *dims), without gradient."""
    return x.detach() if size() == 1 else _stacked(x.detach()).flatten(0, 1)


def gather_with_gradient(x: Tensor) -> Tensor:
    """`gather`, through which the gradient of all processes' losses comes back: (B, *dims) from (B / processes, *dims)."""
    return x if size() == 1 else _GatherAll.apply(x).flatten(0, 1)


def exchange(x: Tensor, r: Tensor) -> Tensor:
    """Rows r(i) of the whole batch, for the rows i that this process holds; `x[r]` for one process.

    x: (B / processes, *dims), this process's rows; r: (B,) int64, a permutation that all processes know. Each row travels
    once, straight to where it is wanted; gradient comes back the same way.
    """
    if size() == 1:
        return x[r.to(x.device, non_blocking=True)]
    count, me, r = len(x), rank(), r.cpu()
    owner = r // count  # of the row that each row of the whole batch wants
    wanted = [r[other * count : (other + 1) * count] for other in range(size())]
    send = [rows[rows // count == me] - me * count for rows in wanted]  # in the order in which the other wants them
    mine = owner[own(count)]
    receive = torch.bincount(mine, minlength=size()).tolist()
    arrived = _Exchange.apply(x[torch.cat(send).to(x.device, non_blocking=True)], [len(rows) for rows in send], receive)
    place = mine.argsort(stable=True).argsort()  # rows arrive by their owner; this puts them back in order
    return arrived[place.to(x.device, non_blocking=True)]  # type: ignore[no-any-return]


class _Exchange(torch.autograd.Function):
    """all_to_all of rows, and of their gradient back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, send: list[int], receive: list[int]) -> Tensor:
        ctx.send, ctx.receive = send, receive
        return _all_to_all(x, send, receive)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _all_to_all(grads[0], ctx.receive, ctx.send), None, None


def _all_to_all(x: Tensor, send: list[int], receive: list[int]) -> Tensor:
    result = x.new_empty((sum(receive), *x.shape[1:]))
    dist.all_to_all_single(result, x.contiguous(), receive, send)
    return result


class _GatherAll(torch.autograd.Function):
    """Gather from all processes, (processes, *dims) from (*dims); the gradient of each is summed over all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _stacked(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _stacked(grads[0]).sum(0)[rank()]


def _stacked(x: Tensor) -> Tensor:
    """The rows of all processes, by rank: (processes, *dims) from (*dims)."""
    x = x.contiguous()
    if x.device.type == "cpu" and x.dtype != torch.bfloat16 and x.nbytes <= blackboard.CAPACITY and (board := _board(dist.group.WORLD)):
        return torch.from_numpy(board.gather(x.numpy()))
    parts = [torch.empty_like(x) for _ in range(size())]
    dist.all_gather(parts, x)
    return torch.stack(parts)


@cache
def _board(group: Any) -> Blackboard | None:
    """The blackboard of the processes of a group, where they can have one."""
    if not blackboard.is_possible():
        return None

    def agree(text: str) -> str:
        texts = [text]
        dist.broadcast_object_list(texts)
        dist.barrier()
        return texts[0]

    return Blackboard(rank(), size(), agree)


class _Normalise(torch.autograd.Function):
    """Batch-norm over the rows of all processes, by torch's own passes over x: (B / processes, C, *dims), its mean and its variance (C,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.batch_norm_update_stats(x, None, None, 0.0)
        means, variances = _stacked(torch.stack(own)).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)  # within the processes, and between them
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """As if mean and variance were given, and then what comes back through them from all processes' rows."""
        x, weight, mean, variance = ctx.saved_tensors
        scale = (variance + ctx.eps).rsqrt()
        given = grads[0], x, weight, mean, variance, mean, scale
        grad, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(*given, False, ctx.eps, [True, True, True])
        rows = size() * x.numel() // x.shape[1]
        sum_bias, sum_weight = _stacked(torch.stack([of_bias, of_weight])).sum(0) / rows
        slope = scale if weight is None else scale * weight
        factor = -slope * scale * sum_weight
        shape = [1, -1, *[1] * (x.dim() - 2)]
        grad.addcmul_(x, factor.view(shape)).add_((-slope * sum_bias - factor * mean).view(shape))
        return grad, None if weight is None else of_weight, None if weight is None else of_bias, None


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch-norm over the rows of all processes, for the CPU, where torch has none: (B / processes, C, *dims)."""

    def forward(self, x: Tensor) -> Tensor:
        if size() == 1 or not self.training:
            return super().forward(x)
        dtype, x = x.dtype, x.float()  # under autocast too statistics are in float32
        result, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps)
        count = size() * x.numel() // x.shape[1]
        self._keep(mean, variance * count / (count - 1))
        return result.to(dtype)  # type: ignore[no-any-return]

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""


def synchronise(module: nn.Module) -> None:
    """Make every batch-norm in `module` take its statistics over all processes: torch's on a GPU, `SyncBatchNorm` on the CPU.

    In place; names, parameters and buffers stay what they are. Nothing happens with one process.
    """
    if size() == 1:
        return
    for name, child in module.named_children():
        if isinstance(child, BATCH_NORMS):
            setattr(module, name, _synchronised(child))
        else:
            synchronise(child)


def _synchronised(norm: nn.modules.batchnorm._BatchNorm) -> nn.Module:
    if next(iter(norm.state_dict().values())).is_cuda:
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
        return converted
    result = SyncBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    result._parameters, result._buffers = norm._parameters, norm._buffers
    return result.train(norm.training)
