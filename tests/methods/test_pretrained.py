"""Weights from elsewhere: what is taken, what is left out, and what does not fit."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from videossl.encoders.build import build
from videossl.errors import InputError
from videossl.methods.base import Given, Learner
from videossl.methods.pretrained import Pretrained, matched
from videossl.methods.pretrained import build as build_method

SHAPES = {"a.weight": (2, 3), "a.bias": (2,), "b.running_mean": (2,), "b.num_batches_tracked": ()}


def state(**changes: Tensor | None) -> dict[str, Tensor]:
    """A state dict of these shapes, less what is None."""
    tensors = {name: torch.full(shape, float(number)) for number, (name, shape) in enumerate(SHAPES.items())} | changes
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


@pytest.mark.parametrize("name", ["s3d", "r3d_18", "r2plus1d_18"])
def test_a_model_of_torchvision_is_taken_whole(name: str) -> None:
    """Its own features, of its own state dict, without a map of names: its classifier is left out, by name."""
    torch.manual_seed(1)
    model = models.get_model(name).eval()
    encoder = build(name.replace("_", "-"), 3, {"width": 1.0}, seed=0)
    method = Pretrained(encoder, model.state_dict(), stream="rgb").eval()
    clip = torch.randn(1, 3, 8, 32, 32)
    features = nn.Sequential(*list(model.children())[:-1]) if name != "s3d" else nn.Sequential(model.features)
    with torch.no_grad():
        expected, (own,) = features(clip).flatten(2).mean(2), method.encoders().values()
        torch.testing.assert_close(encoder.pool(own(clip)), expected, rtol=0, atol=1e-6 * float(expected.abs().max()))
    assert method.trainable() == [] and set(method.states()) == {"rgb"}


def test_names_are_mapped_by_how_they_begin_the_longest_first() -> None:
    given = {"module.net.a.weight": torch.ones(2, 3), "module.net.a.bias": torch.ones(2), "module.net.norm.running_mean": torch.ones(2)}
    tensors, left = matched(given | {"module.fc.bias": torch.ones(5)}, SHAPES, {"net.": "", "net.norm.": "b."})
    assert sorted(tensors) == ["a.bias", "a.weight", "b.running_mean"] and left == ["module.fc.bias"]


def test_half_precision_becomes_float32() -> None:
    tensors, _ = matched({name: tensor.half() for name, tensor in state().items()}, SHAPES, {})
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_without_a_counter_of_batches_the_encoders_own_stays() -> None:
    encoder = build("s3d", 3, {"width": 0.0625}, seed=0)
    counters = [name for name in encoder.state_dict() if name.endswith("num_batches_tracked")]
    given = {name: tensor for name, tensor in build("s3d", 3, {"width": 0.0625}, seed=1).state_dict().items() if name not in counters}
    Pretrained(encoder, given)
    assert counters and all(torch.equal(encoder.state_dict()[name], given[name]) for name in given)


def test_what_does_not_fit_is_one_line_and_nothing_is_loaded() -> None:
    wrong = {
        "rgb: 1 of 4 tensors of the encoder are not in the file, such as a.bias": state(**{"a.bias": None}),
        "such as a.bias; it has a.biases, and 0 more; say in `names`": state(**{"a.bias": None, "a.biases": torch.ones(2)}),
        "rgb: a.weight is (2, 4) in the file, here (2, 3); set the stream's modality": state(**{"a.weight": torch.ones(2, 4)}),
        "rgb: two tensors of the file come to a.bias, module.a.bias the second": state(**{"module.a.bias": torch.ones(2)}),
    }
    for line, given in wrong.items():
        with pytest.raises(InputError, match=r"^weights from elsewhere for rgb: ") as error:
            matched(given, SHAPES, {}, "rgb")
        assert line in str(error.value) and "\n" not in str(error.value)
    encoder = build("s3d", 3, {"width": 0.0625}, seed=0)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(InputError):
        Pretrained(encoder, build("s3d", 3, {"width": 0.125}, seed=0).state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


def test_what_is_left_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    encoder = build("s3d", 3, {"width": 0.0625}, seed=0)
    more = {f"fc{number}.weight": torch.ones(1) for number in range(8)}
    Pretrained(encoder, build("s3d", 3, {"width": 0.0625}, seed=1).state_dict() | more, stream="rgb")
    left = ", ".join(list(more)[:6])
    assert caplog.messages == [f"rgb: 462 tensors are taken; left out: {left} and 2 more"]


def test_it_has_no_steps_and_begins_from_no_training() -> None:
    encoder = build("s3d", 3, {"width": 0.0625}, seed=0)
    settings = {"weights": build("s3d", 3, {"width": 0.0625}, seed=1).state_dict(), "names": {}}
    method = build_method(Given({"rgb": Learner(encoder, settings, 0)}))
    method.update()
    with pytest.raises(RuntimeError, match="no steps"):
        method.step({}, torch.zeros(1), torch.Generator())
    with pytest.raises(InputError, match="leave `from` out"):
        method.begin({})
