import copy
import math

import pytest
import torch
from tests.methods.several import encoder
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from videossl.encoders.build import build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods.byol import BYOL, regression
from videossl.methods.cmmc import CMMC
from videossl.mix.mixup import draw_lam
from videossl.seeding import torch_rng
from videossl.train import diagnosis


def tiny(rho: int = 2, momentum: float = 0.9, **options: object) -> BYOL:
    torch.manual_seed(0)
    blocks = nn.Sequential(nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv3d(4, 6, 1)))
    return BYOL(blocks, ProjectionHead(6, 8, 5), ProjectionHead(5, 8, 5), momentum, rho, stream="rgb", **options)  # type: ignore[arg-type]


def clips(batch: int = 4, rho: int = 2, seed: int = 0) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    return {f"view-{number}": torch.randn(batch, 3, 4, 6, 6, generator=rng) for number in range(1, rho + 1)}


def moved(method: BYOL) -> BYOL:
    """With a target that is not the online encoder."""
    with torch.no_grad():
        for parameter in (*method.target_encoder.parameters(), *method.target_head.parameters()):
            parameter.mul_(1.5).add_(0.1)
    return method


def written_out(method: BYOL, views: dict[str, Tensor], r: list[list[int]], lam: list[list[float]]) -> Tensor:
    """Squares of distances, one pair of clips and one row after the other."""
    names, total, count = list(views), torch.zeros(()), 0
    targets = {name: normalize(method.target_head(method.target_encoder(x).mean((2, 3, 4)))).detach() for name, x in views.items()}
    for a, name in enumerate(names):
        x = views[name]
        mixed = torch.stack([lam[a][i] * x[i] + (1 - lam[a][i]) * x[r[a][i]] for i in range(len(x))])
        q = normalize(method.predictor(method.head(method.encoder(mixed).mean((2, 3, 4)))))
        for other in names:
            for i in range(len(x)) if other != name else ():
                own, partner = ((q[i] - targets[other][j]).square().sum() for j in (i, r[a][i]))
                total, count = total + lam[a][i] * own + (1 - lam[a][i]) * partner, count + 1
    return total / count


@pytest.mark.parametrize("rho", [2, 3])
def test_a_step_written_out(rho: int) -> None:
    method, views = moved(tiny(rho)), clips(4, rho)
    loss = method.step(views, torch.arange(4), torch_rng(0))["loss"]
    expected = written_out(method, views, [[*range(4)]] * rho, [[1.0] * 4] * rho)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("box", ["batch", "sample"])
@pytest.mark.parametrize("seed", range(3))
def test_a_step_with_mixup_written_out(box: str, seed: int) -> None:
    """Each clip draws its own partners and lam; what the target sees is not mixed."""
    method, views = moved(tiny(mixing="mixup", box=box)), clips(5)
    loss = method.step(views, torch.arange(5), torch_rng(seed))["loss"]
    rng, r, lam = torch_rng(seed), [], []
    for _ in views:
        r.append(torch.randperm(5, generator=rng).tolist())
        lam.append([draw_lam(1.0, rng) for _ in range(5)] if box == "sample" else [draw_lam(1.0, rng)] * 5)
    torch.testing.assert_close(loss, written_out(method, views, r, lam), rtol=1e-5, atol=1e-6)


def test_the_regression_by_hand() -> None:
    """Cosines 1 and 0 with its own target and its partner's: 0.75 (2 - 2) + 0.25 (2 - 0)."""
    q = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert regression(q, q, torch.tensor([1, 0]), 0.75).item() == 0.5
    assert regression(q[1:], q, torch.tensor([1, 0]), torch.tensor([0.25], dtype=torch.float64), first=1).item() == 1.5
    assert regression(q, -q, torch.tensor([0, 1]), 1.0).item() == 4


def test_without_mixing_it_is_lightlys_loss() -> None:
    from lightly.loss import NegativeCosineSimilarity

    q, t = torch.randn(6, 5, generator=torch_rng(0)), torch.randn(6, 5, generator=torch_rng(1))
    loss = regression(normalize(q), normalize(t), torch.arange(6), 1.0)
    torch.testing.assert_close(loss, 2 + 2 * NegativeCosineSimilarity()(q, t), rtol=1e-6, atol=1e-6)


def test_gradient_reaches_the_online_side_alone() -> None:
    method, views = moved(tiny()), clips()
    method.step(views, torch.arange(4), torch_rng(0))["loss"].backward()
    trainable = {id(parameter) for parameter in method.trainable()}
    for name, parameter in method.named_parameters():
        learns = name.startswith(("encoder", "head", "predictor"))
        assert learns == parameter.requires_grad == (id(parameter) in trainable) == (parameter.grad is not None), name


@pytest.mark.parametrize("anneal", [True, False])
def test_the_target_follows_the_closed_form(anneal: bool) -> None:
    """Online weights stay at 1 and the target starts at 0: after n steps 1 - the product of the momenta."""
    method = tiny(momentum=0.8, anneal=anneal)
    with torch.no_grad():
        for name, parameter in method.named_parameters():
            parameter.fill_(0.0 if name.startswith("target") else 1.0)
    left = 1.0
    for step in range(1, 11):
        method.update(step / 10)
        left *= 1 - 0.2 * (math.cos(math.pi * step / 10) + 1) / 2 if anneal else 0.8
        assert method.target_head.out.weight.unique().tolist() == pytest.approx([1 - left], abs=1e-6)
    assert all(parameter.unique().tolist() == [1.0] for parameter in method.trainable())


def test_a_target_that_is_annealed_stands_still_at_the_end() -> None:
    method = moved(tiny(momentum=0.5))
    before = copy.deepcopy(method.target_encoder.state_dict())
    method.update(1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.target_encoder.state_dict().items())


def smooth(seed: int, noise: float) -> dict[str, Tensor]:
    """Two views of eight videos."""
    rng = torch_rng(1, seed)
    x = interpolate(torch.randn(8, 3, 2, 2, 2, generator=rng), size=(8, 16, 16), mode="trilinear")
    return {name: x + noise * torch.randn(x.shape, generator=rng) for name in ("view-1", "view-2")}


def trained(batches: list[dict[str, Tensor]], predictor: nn.Module | None = None) -> list[dict[str, float]]:
    """The measures of each step."""
    head, predictor = build_head(16, 0, 64, 16, "batch"), predictor or build_head(16, 1, 64, 16, "batch")
    method = BYOL(encoder("rgb"), head, predictor, 0.9, anneal=False)
    optimiser, measured = torch.optim.Adam(method.trainable(), lr=0.005), []
    for step, views in enumerate(batches):
        optimiser.zero_grad()
        measures = method.step(views, torch.arange(8), torch_rng(0, step))
        measures["loss"].backward()
        optimiser.step()
        method.update()
        measured.append({key: value.item() for key, value in measures.items()})
    return measured


def test_it_fits_one_batch() -> None:
    measured = trained([smooth(0, 0.1)] * 60)
    assert measured[0]["loss"] > 1 and measured[-1]["loss"] < 0.1
    assert measured[-1]["accuracy"] > 0.8 and measured[-1]["spread"] > 0.5


def test_without_its_predictor_it_collapses_and_the_page_says_so() -> None:
    """On new videos in each step. The loss falls faster without it: all views become one."""
    batches = [smooth(seed, 1.0) for seed in range(120)]
    whole, without = trained(batches), trained(batches, nn.Identity())
    assert without[-1]["loss"] < 0.1 * whole[-1]["loss"]
    assert without[-1]["spread"] < 0.05 < 0.5 < whole[-1]["spread"]
    rows = [{**row, "accuracy": 100 * row["accuracy"]} for row in without]
    assert (
        "did not spread: 0.0" in (said := diagnosis.said(rows, {}, {"batch": 8, "lr": 0.005, "momentum": 0.9})[0])
        and "a momentum nearer" in said
    )


def test_cmmc_mixes_maps_into_every_clip() -> None:
    partner = nn.Sequential(nn.Conv3d(2, 5, 3), nn.Conv3d(5, 6, 1))
    method = CMMC(tiny(3), partner)
    views = clips(rho=3) | {"partner": torch.randn(4, 2, 4, 6, 6)}
    seen: list[int] = []
    partner[0].register_forward_hook(lambda *_: seen.append(1))
    loss = method.step(views, torch.arange(4), torch_rng(2))["loss"]
    loss.backward()
    assert len(seen) == 3 and 0 <= loss <= 4 and partner[0].weight.grad is None


def test_it_begins_from_its_own_state_or_an_encoder() -> None:
    earlier, later = moved(tiny()), tiny()
    assert later.begin(earlier.states()) == ["encoder", "head", "predictor", "target_encoder", "target_head"]
    assert all(torch.equal(tensor, later.state_dict()[name]) for name, tensor in earlier.state_dict().items())
    alone = {name: tensor + 1 for name, tensor in tiny().state_dict().items() if name.startswith("encoder.")}
    assert later.begin({"rgb": alone}) == ["encoder"]
    assert torch.equal(later.target_encoder[0][0].weight, later.encoder[0][0].weight)
    with pytest.raises(InputError, match=r"head.hidden.weight is missing; give weights of a BYOL"):
        later.begin({"rgb": {f"encoder.{name}": tensor for name, tensor in later.encoder.state_dict().items()} | {"queue": torch.zeros(1)}})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"momentum": 1.1}, "momentum 1.1 of BYOL"),
        ({"rho": 1}, "rho 1 of BYOL: give 2 clips"),
        ({"mixing": "x"}, "mixing of BYOL 'x' is unknown"),
    ],
)
def test_wrong_options_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(**options)  # type: ignore[arg-type]
