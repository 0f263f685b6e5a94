"""The ST-GCN as a CPU computes it, against its blocks one by one, which compute every row as it stands."""

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn

from videossl import parallel
from videossl.encoders import cpu
from videossl.encoders.base import Encoder, partial_forward
from videossl.encoders.st_gcn import STGCN


def skeletons(one_body: int, batch: int = 5, frames: int = 9) -> Tensor:
    """Sequences, the first `one_body` with an absent second body."""
    x = torch.randn(batch, 3, frames, 25, 2, generator=torch.Generator().manual_seed(1)) + 2
    x[:one_body, ..., 1] = 0
    return x


def twins() -> tuple[STGCN, STGCN]:
    """Equal encoders whose parameters have left their first values."""
    torch.manual_seed(0)
    encoder = STGCN(width=0.125)
    for name, parameter in encoder.named_parameters():
        nn.init.uniform_(parameter, 0.5, 1.5) if "importance" in name else parameter.data.add_(0.05 * torch.randn_like(parameter))
    return encoder, copy.deepcopy(encoder)


@pytest.mark.parametrize("one_body", [0, 1, 3, 5])
@pytest.mark.parametrize("training", [True, False])
def test_maps_gradients_and_statistics_are_those_of_the_blocks(one_body: int, training: bool) -> None:
    one, other = (encoder.train(training) for encoder in twins())
    x = skeletons(one_body)
    maps, expected = one(x), Encoder.run(other, x, 0, len(other))
    assert maps.shape == expected.shape == (10, 128, 3, 25)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4)
    weights = torch.linspace(-1, 1, maps.numel()).view(maps.shape)  # uneven, over equal rows too
    for result in (maps, expected):
        (result * weights).mean().backward()
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-2, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")
    for (name, a), b in zip(one.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("training", [True, False])
def test_parts_make_the_whole_with_absent_bodies(training: bool) -> None:
    for k in range(11):
        one, other = (encoder.train(training) for encoder in twins())
        x = skeletons(4)
        whole, half = one(x), partial_forward(other, x, 0, k)
        assert torch.equal(partial_forward(other, half, k, 10), whole)
        assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


def test_a_leaf_has_the_gradient_of_every_row() -> None:
    one, other = twins()
    x = skeletons(4).requires_grad_()
    y = x.detach().clone().requires_grad_()
    for result in (one(x), Encoder.run(other, y, 0, 10)):
        (result * torch.linspace(-1, 1, result.numel()).view(result.shape)).mean().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-2, atol=1e-5)


def test_equal_rows_are_computed_once() -> None:
    rows, counts = [], []

    def compute(x: Tensor, times: int) -> Tensor:
        rows.append(len(x))
        counts.append(times)
        return x * 2

    x = torch.tensor([[1.0, 2], [3, 4], [1, 2], [2, 1], [1, 2]])  # the fourth has the same sum
    assert torch.equal(cpu.once(compute, x), x * 2)
    assert torch.equal(cpu.once(compute, x[:2]), x[:2] * 2)
    assert torch.equal(cpu.once(compute, x[3:] * torch.nan).isnan(), torch.ones(2, 2, dtype=torch.bool))
    assert (rows, counts) == ([3, 2, 2], [3, 1, 1])


def test_a_norm_with_repeated_rows_is_the_norm_of_all_rows() -> None:
    """Forward, gradient and running statistics, with a sum and without, against torch's on the rows written out."""
    for relu, added in itertools.product((True, False), (True, False)):
        torch.manual_seed(0)
        norm, expected = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        rows = torch.randn(3, 5, 6, 4, requires_grad=True)
        full = torch.cat([rows, rows[2:].expand(4, -1, -1, -1)]).permute(0, 3, 1, 2)
        y = cpu.normed(norm, rows, 5, rows * 0.1 if added else None, relu)
        z = expected(full) + (full * 0.1 if added else 0)
        z = (z.relu() if relu else z).permute(0, 2, 3, 1)
        torch.testing.assert_close(y, z[:3])
        g = torch.randn(7, 5, 6, 4)
        shared = torch.cat([g[:2], g[2:].sum(0, keepdim=True)])
        for a, b in zip(
            torch.autograd.grad(y, [rows, *norm.parameters()], shared),
            torch.autograd.grad(z, [rows, *expected.parameters()], g),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        for a, b in zip(norm.buffers(), expected.buffers(), strict=True):
            torch.testing.assert_close(a, b)


def test_what_it_does_not_suit_takes_the_blocks() -> None:
    x, encoder = skeletons(2), STGCN(width=0.125)
    assert cpu.suits(encoder, x) and not cpu.suits(encoder, x.double())
    assert cpu.suits(STGCN(width=0.125, dropout=0.5).eval(), x) and not cpu.suits(STGCN(width=0.125, dropout=0.5), x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not cpu.suits(encoder, x)
    encoder.layer3.temporal[0] = parallel.SyncBatchNorm(8)
    assert not cpu.suits(encoder, x)
