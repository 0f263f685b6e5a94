import copy
import pickle

import pytest
import torch
from torch import nn

from videossl.encoders.base import Encoder, freeze, partial_forward, pool, scaled, shapes
from videossl.encoders.build import build
from videossl.errors import InputError


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 6, 3))


CASES = {
    "s3d": (lambda: build("s3d", 3, {"width": 0.125}, 0), (2, 3, 8, 32, 32)),
    "i3d": (lambda: build("i3d", 3, {"width": 0.125}, 0), (2, 3, 8, 32, 32)),
    "r2plus1d-18": (lambda: build("r2plus1d-18", 3, {"width": 0.125}, 0), (2, 3, 4, 16, 16)),
    "r3d-18": (lambda: build("r3d-18", 3, {"width": 0.125}, 0), (2, 3, 4, 16, 16)),
    "st-gcn": (lambda: build("st-gcn", 3, {"width": 0.125}, 0), (2, 3, 12, 25, 2)),
    "plain": (plain, (2, 2, 12)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("training", [False, True])
def test_parts_make_the_whole_exactly(name: str, training: bool) -> None:
    make, shape = CASES[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    whole_model = make().train(training)
    with torch.no_grad():
        whole = whole_model(x)
        state = whole_model.state_dict()
        for k in range(len(whole_model) + 1):
            parts_model = make().train(training)  # fresh: batch-norm's running statistics move in training
            half = partial_forward(parts_model, x, 0, k)
            assert torch.equal(partial_forward(parts_model, half, k, len(parts_model)), whole)
            for key, value in parts_model.state_dict().items():
                assert torch.equal(value, state[key]), key


@pytest.mark.parametrize("name", CASES)
def test_shapes_are_those_of_a_real_pass(name: str) -> None:
    make, shape = CASES[name]
    model = make().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    announced = model.shapes(shape) if isinstance(model, Encoder) else shapes(model, shape)
    x, seen = torch.randn(shape), []
    for block in model:
        x = block(x)
        seen.append(tuple(x.shape))
    assert announced == seen
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("start, stop", [(-1, 2), (3, 2), (0, 6)])
def test_range_outside_the_blocks_is_named(start: int, stop: int) -> None:
    with pytest.raises(InputError, match=f"blocks {start}..{stop} of an encoder of 5"):
        partial_forward(build("s3d", 3, {"width": 0.125}, 0), torch.zeros(1, 3, 8, 32, 32), start, stop)


@pytest.mark.parametrize("part", [slice(2), slice(2, None), slice(-1), slice(0, 0), slice(None, None, 2)])
def test_a_slice_of_an_encoder_is_its_blocks(part: slice) -> None:
    encoder = build("s3d", 3, {"width": 0.0625}, 0)
    names, blocks = list(dict(encoder.named_children())), list(encoder)
    taken = encoder[part]
    assert list(dict(taken.named_children())) == names[part] and all(one is other for one, other in zip(taken, blocks[part], strict=True))
    assert encoder[0] is blocks[0] and encoder[-1] is blocks[-1]


def test_too_small_input_names_block_and_shape() -> None:
    with pytest.raises(InputError, match=r"S3D on input \(1, 3, 4, 32, 32\): block5 can't take \(1, 104, 1, 2, 2\)"):
        build("s3d", 3, {"width": 0.125}, 0).shapes((1, 3, 4, 32, 32))


def test_pool_is_the_mean_over_positions() -> None:
    maps = torch.arange(24.0).view(2, 3, 2, 2)
    expected = torch.tensor([[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]])
    assert torch.equal(pool(plain(), maps), expected)
    encoder = build("s3d", 3, {"width": 0.125}, 0)
    assert isinstance(encoder, Encoder) and torch.equal(encoder.pool(maps), expected)


def test_scaled_channels() -> None:
    assert [scaled(c, 1.0) for c in (64, 16, 24, 1024)] == [64, 16, 24, 1024]
    assert [scaled(c, 0.25) for c in (64, 16, 24, 1024)] == [16, 4, 8, 256]
    assert scaled(16, 0.01) == 4


def test_a_frozen_encoder_stays_so_whatever_it_is_part_of() -> None:
    """A copy, too: what stands in the file of a method cannot undo it."""
    encoder = freeze(build("s3d", 3, {"width": 0.0625}, 0))
    for held in (encoder, copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        torch.nn.Sequential(held, torch.nn.BatchNorm3d(4)).train()
        assert not any(part.training for part in held.modules())
        assert not any(parameter.requires_grad for parameter in held.parameters())
    assert all(part.training for part in build("s3d", 3, {"width": 0.0625}, 0).train().modules())
