from typing import Any

import jsonschema
import pytest
import torch

from videossl import registry, skeleton_graphs
from videossl.encoders.base import Encoder
from videossl.encoders.build import build, build_head
from videossl.encoders.i3d import I3D
from videossl.encoders.r2plus1d_18 import R2Plus1D18
from videossl.encoders.r3d_18 import R3D18
from videossl.encoders.s3d import S3D
from videossl.encoders.st_gcn import STGCN
from videossl.errors import InputError

CLIPS = (2, 3, 8, 32, 32)
ALL = {
    "i3d": (I3D, CLIPS),
    "r2plus1d-18": (R2Plus1D18, CLIPS),
    "r3d-18": (R3D18, CLIPS),
    "s3d": (S3D, CLIPS),
    "st-gcn": (STGCN, (2, 3, 12, 25, 2)),
}


@pytest.mark.parametrize("name", ALL)
def test_seed_alone_decides_the_weights(name: str) -> None:
    torch.manual_seed(5)
    first = build(name, 3, {"width": 0.125}, seed=1)
    state = torch.get_rng_state()
    second = build(name, 3, {"width": 0.125}, seed=1)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left as it was"
    other = build(name, 3, {"width": 0.125}, seed=2)
    assert isinstance(first, ALL[name][0])
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


# Of the code before encoders had files of settings: the first and the last two weights of convolutions, and the sum of all sizes.
GOLDEN = [
    ("s3d", {}, (0.04368998482823372, 0.07412956655025482), (-0.016231821849942207, -0.02187386527657509), 20150.63250460289),
    ("st-gcn", {}, (-0.4279622733592987, -0.04667071998119354), (-0.017329111695289612, 0.07717958092689514), 36054.893635127635),
    ("st-gcn", {"graph": "coco"}, (-0.4279622733592987, -0.04667071998119354), (-0.017329111695289612, 0.07717958092689514), 25950.893635127635),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "first", "last", "total"), GOLDEN)
def test_initial_weights_stay(name: str, settings: dict[str, Any], first: Any, last: Any, total: float) -> None:
    parameters = dict(build(name, 3, {"width": 0.25, **settings}, 4).named_parameters())
    weights = [value.detach().flatten() for key, value in parameters.items() if key.endswith("weight") and value.dim() > 3]
    assert tuple(weights[0][:2].tolist()) == first and tuple(weights[-1][-2:].tolist()) == last
    assert sum(float(value.detach().double().abs().sum()) for value in parameters.values()) == pytest.approx(total, rel=1e-9)


def test_head_by_seed() -> None:
    a, b, c = (build_head(16, seed, hidden=8, out=4) for seed in (1, 1, 2))
    assert torch.equal(a[0].weight, b[0].weight) and not torch.equal(a[0].weight, c[0].weight)
    assert build_head(16, 0)[0].out_features == 16


def test_a_head_may_have_batch_norm_before_its_relu() -> None:
    plain, normed = (build_head(16, 1, hidden=8, out=4, norm=norm) for norm in ("none", "batch"))
    assert [name for name, _ in normed.named_children()] == ["hidden", "norm", "relu", "out"]
    assert all(torch.equal(plain.state_dict()[name], normed.state_dict()[name]) for name in plain.state_dict()), "the same initial weights"
    x = torch.randn(6, 16)
    hidden = normed.hidden(x)
    expected = normed.out(((hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt()).relu())
    torch.testing.assert_close(normed(x), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="norm 'layer' of a projection head is unknown: choose of none, batch"):
        build_head(16, 1, norm="layer")


def test_channels_and_width() -> None:
    assert build("s3d", 2, {"width": 0.25, "clip": {}}, 0).shapes((1, 2, 8, 32, 32))[0][1] == 16
    assert build("st-gcn", 3, {"width": 0.25}, 0).out_features == 256


@pytest.mark.parametrize("name, width, message", [("s2d", 1.0, "unknown encoder 's2d': did you mean 's3d'"), ("s3d", 0.0, "width 0.0")])
def test_wrong_arguments_are_named(name: str, width: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, 3, {"width": width}, 0)


def test_all_encoders_are_tested_here() -> None:
    assert set(registry.names("encoders")) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_an_encoder_is_what_its_file_says(name: str) -> None:
    """Axes of input and maps, by name and number, and settings with defaults that it takes and a meaning."""
    declared, shape = registry.declared("encoders", name), ALL[name][1]
    encoder: Encoder = build(name, 3, {"width": 0.125}, 0)
    assert encoder.takes == tuple(declared["takes"]) and len(encoder.takes) == len(shape) - 1
    assert encoder.dims == tuple(declared["maps"])
    assert all(len(encoder.dims) == len(after) - 1 for after in encoder.shapes(shape))
    assert declared["about"] and all(setting["description"] for setting in declared["settings"].values())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(0, declared["settings"]["width"])


def test_graphs_are_those_that_there_are() -> None:
    graph = registry.declared("encoders", "st-gcn")["settings"]["graph"]
    assert graph["enum"] == list(skeleton_graphs.GRAPHS) and graph["default"] == skeleton_graphs.DEFAULT
    assert graph["sizes"] == {"joint": {name: one.joints for name, one in skeleton_graphs.GRAPHS.items()}}
