import pytest
import torch

from videossl.encoders.build import build, build_head
from videossl.encoders.s3d import S3D
from videossl.encoders.st_gcn import STGCN
from videossl.errors import InputError


@pytest.mark.parametrize("name, kind", [("s3d", S3D), ("st-gcn", STGCN)])
def test_seed_alone_decides_the_weights(name: str, kind: type) -> None:
    torch.manual_seed(5)
    first = build(name, 3, 0.125, seed=1)
    state = torch.get_rng_state()
    second = build(name, 3, 0.125, seed=1)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left as it was"
    other = build(name, 3, 0.125, seed=2)
    assert isinstance(first, kind)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_head_by_seed() -> None:
    a, b, c = (build_head(16, seed, hidden=8, out=4) for seed in (1, 1, 2))
    assert torch.equal(a[0].weight, b[0].weight) and not torch.equal(a[0].weight, c[0].weight)
    assert build_head(16, 0)[0].out_features == 16


def test_in_channels_and_width() -> None:
    assert build("s3d", 2, 0.25, 0).shapes((1, 2, 8, 32, 32))[0][1] == 16
    assert build("st-gcn", 3, 0.25, 0).out_features == 256


@pytest.mark.parametrize("name, width, message", [("r3d", 1.0, "'r3d'.*s3d or st-gcn"), ("s3d", 0.0, "width 0.0")])
def test_wrong_arguments_are_named(name: str, width: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, 3, width, 0)
