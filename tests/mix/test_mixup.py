import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.errors import InputError
from videossl.mix.mixup import blend, draw_lam
from videossl.seeding import torch_rng


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.floats(0, 1))
def test_mixup_equals_a_naive_loop(seed: int, batch: int, lam: float) -> None:
    rng = torch_rng(seed)
    x = torch.randn(batch, 2, 3, 4, generator=rng)
    r = torch.randperm(batch, generator=rng)
    mixed = blend(x, x[r], lam)
    for i in range(batch):
        torch.testing.assert_close(mixed[i], lam * x[i] + (1 - lam) * x[r[i]])


def test_lam_a_sample() -> None:
    x = torch.tensor([[[2.0]], [[4.0]], [[8.0]]])
    mixed = blend(x, x[[1, 2, 0]], torch.tensor([1.0, 0.0, 0.25]))
    assert mixed.flatten().tolist() == [2.0, 8.0, 0.25 * 8 + 0.75 * 2]


def test_ends_are_exact() -> None:
    x, other = torch.randn(2, 4, 1000)
    assert torch.equal(blend(x, other, 1.0), x) and torch.equal(blend(x, other, 0.0), other)


def test_gradient_reaches_both_by_their_share() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    blend(x, x[[1, 0]], 0.75)[0].sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.75] * 3, [0.25] * 3]


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"\(2, 4, 3\) and \(2, 8, 3\)"):
        blend(torch.zeros(2, 4, 3), torch.zeros(2, 8, 3), 0.5)


def test_lam_is_beta_and_its_generators() -> None:
    def draws(alpha: float, seed: int) -> torch.Tensor:
        rng = torch_rng(seed)
        return torch.tensor([draw_lam(alpha, rng) for _ in range(4000)])

    assert torch.equal(draws(1.0, 3), draws(1.0, 3)) and not torch.equal(draws(1.0, 3), draws(1.0, 4))
    for alpha in (0.2, 1.0, 5.0):
        lam = draws(alpha, 0)
        assert lam.min() >= 0 and lam.max() <= 1
        assert abs(lam.mean() - 0.5) < 0.03
        assert abs(lam.var() - 1 / (4 * (2 * alpha + 1))) < 0.01  # Beta(a, a)
    with pytest.raises(InputError, match="alpha 0"):
        draw_lam(0, torch_rng(0))
