import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from videossl.encoders.build import build, build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods.cmmc import CMMC
from videossl.methods.mixed import Mixed
from videossl.methods.simclr import SimCLR, targets
from videossl.mix.mixup import draw_lam
from videossl.seeding import torch_rng


def tiny(mixing: str = "none", box: str = "batch", stream: str = "rgb") -> SimCLR:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv3d(4, 6, 1)))
    return SimCLR(encoder, ProjectionHead(6, 8, 5), 0.2, mixing, box=box, stream=stream)


def clips(batch: int = 4, seed: int = 0) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    return {name: torch.randn(batch, 3, 4, 6, 6, generator=rng) for name in ("query", "key")}


def embedded(method: SimCLR, x: Tensor) -> Tensor:
    return normalize(method.head(method.encoder(x).mean((2, 3, 4))))


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_without_mixing_the_loss_is_lightlys(temperature: float) -> None:
    from lightly.loss import NTXentLoss

    method, views = tiny(), clips(6)
    method.temperature = temperature
    loss = method.step(views, torch.arange(6), torch_rng(0))["loss"]
    expected = NTXentLoss(temperature)(embedded(method, views["query"]), embedded(method, views["key"]))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("box", ["batch", "sample"])
@pytest.mark.parametrize("seed", range(4))
def test_a_step_with_mixup_written_out(box: str, seed: int) -> None:
    """One row and one column after the other: who shows which video, with which weight."""
    method, views = tiny("mixup", box), clips(5)
    loss = method.step(views, torch.arange(5), torch_rng(seed))["loss"]
    rng = torch_rng(seed)
    r = torch.randperm(5, generator=rng).tolist()
    lam = [draw_lam(1.0, rng) for _ in range(5)] if box == "sample" else [draw_lam(1.0, rng)] * 5
    mixed = torch.stack([lam[i] * views["query"][i] + (1 - lam[i]) * views["query"][r[i]] for i in range(5)])
    z = torch.cat([embedded(method, mixed), embedded(method, views["key"])])
    total = torch.zeros(())
    for row in range(10):
        pairs = {}
        for column in range(10):
            first, second = row % 5, column % 5
            if row < 5 and column < 5:  # two mixed views
                pairs[column] = None if {first, r[first]} & {second, r[second]} else 0.0
            elif row >= 5 and column >= 5:
                pairs[column] = None if first == second else 0.0
            else:
                mix, plain = (first, second) if row < 5 else (second, first)
                pairs[column] = lam[mix] * (plain == mix) + (1 - lam[mix]) * (plain == r[mix])
        kept = [column for column, weight in pairs.items() if weight is not None]
        log_z = torch.logsumexp(torch.stack([z[row] @ z[column] / 0.2 for column in kept]), 0)
        total = total - sum(float(pairs[column] or 0) * (z[row] @ z[column] / 0.2 - log_z) for column in kept)
    torch.testing.assert_close(loss, total / 10, rtol=1e-5, atol=1e-6)


def test_the_targets_of_three_videos_by_hand() -> None:
    """Videos 0 and 1 are mixed with each other, video 2 with itself."""
    weights, same = targets(torch.tensor([1, 0, 2]), 0.75)
    pairs = [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]
    assert weights[:3, 3:].tolist() == weights[3:, :3].tolist() == pairs and not weights[:3, :3].any() and not weights[3:, 3:].any()
    assert same[:3, :3].tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert same[3:, 3:].tolist() == torch.eye(3).bool().tolist() and not same[:3, 3:].any() and not same[3:, :3].any()


def test_both_views_learn() -> None:
    method, views = tiny("mixup"), clips()
    for view in views.values():
        view.requires_grad_()
    method.step(views, torch.arange(4), torch_rng(0))["loss"].backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in views.values())
    assert all(parameter.grad is not None for parameter in method.trainable())


def test_cmmc_mixes_maps_of_another_encoder_into_it() -> None:
    """What CMMC hands over is what it would hand to MoCo: lam 1 - the share of the box, partners of the whole batch."""
    partner = nn.Sequential(nn.Conv3d(2, 5, 3), nn.Conv3d(5, 6, 1))
    method, seen = CMMC(tiny(), partner), []
    views = clips() | {"partner": torch.randn(4, 2, 4, 6, 6)}
    frozen = copy.deepcopy(partner.state_dict())
    measure = method.core.measure

    def noted(mixed: dict[str, Mixed], *rest: object) -> dict[str, Tensor]:
        seen.append(mixed)
        return measure(mixed, *rest)  # type: ignore[arg-type]

    method.core.measure = noted  # type: ignore[method-assign]
    method.step(views, torch.arange(4), torch_rng(2))["loss"].backward()
    (mixed,) = seen
    assert set(mixed) == {"query"} and 0 < float(mixed["query"].lam) < 1 and sorted(mixed["query"].r.tolist()) == [0, 1, 2, 3]
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in partner.state_dict().items())
    assert {id(p) for p in method.trainable()} == {id(p) for p in method.core.trainable()} and partner[0].weight.grad is None


@pytest.mark.parametrize("mixing, steps, below", [("none", 40, 0.3), ("mixup", 60, 0.7)])
def test_it_fits_one_batch(mixing: str, steps: int, below: float) -> None:
    encoder = build("s3d", 3, {"width": 0.125}, 0)
    method = SimCLR(encoder, build_head(encoder.out_features, 0, norm="batch"), 0.1, mixing)
    rng = torch_rng(1)
    x = nn.functional.interpolate(torch.randn(8, 3, 2, 2, 2, generator=rng), size=(8, 32, 32), mode="trilinear")
    views = {name: x + 0.1 * torch.randn(x.shape, generator=rng) for name in ("query", "key")}
    optimiser, losses = torch.optim.Adam(method.trainable(), lr=3e-3), []
    for step in range(steps):
        optimiser.zero_grad()
        measures = method.step(views, torch.arange(8), torch_rng(0, step))
        measures["loss"].backward()
        optimiser.step()
        method.update()
        losses.append(measures["loss"].item())
    assert sum(losses[-10:]) / 10 < below * math.log(15), losses
    assert measures["spread"] > 0.3, "it has not collapsed, where all views would be one"


def test_it_begins_from_its_own_state_or_an_encoder() -> None:
    earlier, later = tiny(), tiny()
    with torch.no_grad():
        for parameter in earlier.parameters():
            parameter += 1
    assert later.begin(earlier.states()) == ["encoder", "head"]
    assert all(torch.equal(tensor, later.state_dict()[name]) for name, tensor in earlier.state_dict().items())
    alone = {name: tensor for name, tensor in tiny().state_dict().items() if name.startswith("encoder.")}
    assert later.begin({"rgb": alone}) == ["encoder"] and not torch.equal(later.head.hidden.weight, tiny().head.hidden.weight)
    with pytest.raises(InputError, match=r"earlier weights of rgb: queue is unexpected; give weights of a SimCLR"):
        later.begin({"rgb": earlier.state_dict() | {"queue": torch.zeros(1)}})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": 0}, "temperature 0 of SimCLR: give a number above 0"),
        ({"temperature": 0.1, "mixing": "cm-cutmix"}, "mixing of SimCLR 'cm-cutmix' is unknown"),
        ({"temperature": 0.1, "alpha": 0}, "alpha 0 of SimCLR"),
    ],
)
def test_wrong_options_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SimCLR(nn.Sequential(nn.Linear(2, 2)), ProjectionHead(2, 2, 2), **options)  # type: ignore[arg-type]
