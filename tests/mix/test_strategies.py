from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.axes import AXES
from videossl.mix.cutmix import draw_aligned_box, draw_box, keep_mask
from videossl.mix.mixup import draw_lam
from videossl.mix.strategies import BOXES, FEATURES, INPUT, mix_features, mix_inputs
from videossl.seeding import torch_rng

CUT = {"t-cutmix": ("time",), "st-cutmix": ("time", "space"), "videomix": ("space",)}
R = torch.tensor([2, 0, 3, 1])


def clips(batch: int = 4) -> Tensor:
    """Every number once, so that a value tells where it is from."""
    return 1.0 + torch.arange(batch * 2 * 4 * 6 * 6, dtype=torch.float64).view(batch, 2, 4, 6, 6)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", INPUT)
def test_inputs_sample_by_sample(strategy: str, box: str) -> None:
    """Against what each strategy is, written out with a mask a sample, and the draws in their order."""
    x, rng = clips(), torch_rng(3)
    mixed, lam = mix_inputs(strategy, x, R, torch_rng(3), box=box)
    draws = 4 if box == "sample" else 1
    if strategy == "none":
        masks: Sequence[float | Tensor] = [1.0]
    elif strategy == "mixup":
        masks = [draw_lam(1.0, rng) for _ in range(draws)]
    else:
        masks = [keep_mask(draw_aligned_box(x.shape[1:], rng, CUT[strategy]), x.shape[1:]).double() for _ in range(draws)]
    for i in range(4):
        mask = torch.as_tensor(masks[i % len(masks)], dtype=torch.float64)
        torch.testing.assert_close(mixed[i], mask * x[i] + (1 - mask) * x[R[i]], rtol=1e-12, atol=0)
        share = lam[i].item() if isinstance(lam, Tensor) else lam
        assert share == mask.mean().item()
    assert isinstance(lam, Tensor) == (box == "sample" and strategy != "none")
    assert strategy == "none" or (len({str(mask) for mask in masks}) > 1) == (draws > 1), "each sample has its own"


def test_no_mixing_is_the_input_itself_and_draws_nothing() -> None:
    x, rng = clips(), torch_rng(0)
    assert mix_inputs("none", x, R, rng)[0] is x and torch.equal(rng.get_state(), torch_rng(0).get_state())


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", FEATURES)
def test_features_sample_by_sample(strategy: str, box: str) -> None:
    g1, rng = clips(), torch_rng(3)
    shape2 = (3, 2, 5, 3) if strategy == "cm-cutmix" else (2, 4, 6, 6)
    g2 = -1 - torch.rand(4, *shape2, generator=torch_rng(1), dtype=torch.float64)
    mixed, lam = mix_features(strategy, g1, g2, torch_rng(3), AXES, 1.0, box)
    shares = lam.tolist() if isinstance(lam, Tensor) else [lam]
    assert len(shares) == (4 if box == "sample" else 1) and (len(set(shares)) > 1) == (box == "sample")
    for draw in range(len(shares)):
        rows = slice(draw, draw + 1) if box == "sample" else slice(None)
        if strategy != "cm-cutmix":
            expected = draw_lam(1.0, rng)
            torch.testing.assert_close(mixed[rows], expected * g1[rows] + (1 - expected) * g2[rows])
        else:
            one = draw_box((2, 4, 6, 6), shape2, rng)
            mask, source = keep_mask(one, (2, 4, 6, 6)), tuple(slice(*span) for span in one.source)
            assert torch.equal(mixed[rows][:, mask], g1[rows][:, mask])
            assert torch.equal(mixed[rows][:, ~mask], g2[rows][(slice(None), *source)].flatten(1))
            expected = mask.double().mean().item()
        assert shares[draw] == expected


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", FEATURES)
def test_where_gradient_flows(strategy: str, box: str) -> None:
    """To g1 as far as it is kept; to g2 in manifold-mixup, where it is g1 in another order, and never to a partner."""
    g1 = clips().requires_grad_()
    g2 = torch.randn(4, 2, 4, 6, 6, generator=torch_rng(1), dtype=torch.float64).requires_grad_()
    mixed, lam = mix_features(strategy, g1, g2 * 1, torch_rng(0), AXES, 1.0, box)
    mixed.sum().backward()
    assert g1.grad is not None
    kept = g1.grad.flatten(1).mean(1)
    torch.testing.assert_close(kept, torch.as_tensor(lam, dtype=torch.float64).expand(4))
    if strategy == "manifold-mixup":
        assert g2.grad is not None
        torch.testing.assert_close(g2.grad.flatten(1).mean(1), 1 - kept)
    else:
        assert g2.grad is None


@pytest.mark.parametrize("strategy", [*INPUT, *FEATURES])
def test_the_generator_decides(strategy: str) -> None:
    x = clips()
    for box in BOXES:
        mix = [
            mix_inputs(strategy, x, R, torch_rng(s), 0.5, box)
            if strategy in INPUT
            else mix_features(strategy, x, -x, torch_rng(s), AXES, 0.5, box)
            for s in (0, 0, 1)
        ]
        assert torch.equal(mix[0][0], mix[1][0])
        assert strategy == "none" or not torch.equal(mix[0][0], mix[2][0])


@pytest.mark.parametrize("box", BOXES)
def test_draws_stay_on_the_cpu(box: str) -> None:
    """Whatever device new tensors are put on."""
    x = clips()
    for strategy in [*INPUT, *FEATURES]:
        with torch.device("meta"):
            mix = (
                mix_inputs(strategy, x, R, torch_rng(0), box=box)
                if strategy in INPUT
                else mix_features(strategy, x, -x, torch_rng(0), box=box)
            )
        assert all(not isinstance(part, Tensor) or part.device == torch.device("cpu") for part in mix)


def test_a_strategy_or_box_that_is_unknown_is_one_line_with_those_known() -> None:
    x = clips()
    with pytest.raises(InputError, match=r"^mixing 'cutout' is unknown: choose of none, mixup, t-cutmix, st-cutmix, videomix$"):
        mix_inputs("cutout", x, R, torch_rng(0))
    with pytest.raises(InputError, match=r"^mixing 'mixup' is unknown: choose of manifold-mixup, cm-mixup, cm-cutmix$"):
        mix_features("mixup", x, x, torch_rng(0))
    for mix in (
        lambda: mix_inputs("mixup", x, R, torch_rng(0), box="row"),
        lambda: mix_features("cm-mixup", x, x, torch_rng(0), box="row"),
    ):
        with pytest.raises(InputError, match=r"^box 'row' is unknown: choose of batch, sample$"):
            mix()
    with pytest.raises(InputError, match=r"^cm-mixup of maps .*\(2, 4, 6, 6\) and \(2, 4, 3, 6\): they must be equal"):
        mix_features("cm-mixup", x, x[..., :3, :], torch_rng(0))
    with pytest.raises(InputError, match=r"a patch of 2 x 2 for maps .* take patch out"):
        mix_features("cm-cutmix", x, x, torch_rng(0), patch=(2, 2))
