"""Supervised training: it fits a batch, draws only from its generator, and begins from the encoder of any method."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from videossl import seeding
from videossl.augment.video import VideoAugment
from videossl.encoders.base import Encoder
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import supervised
from videossl.methods.base import Given, Learner
from videossl.methods.moco import MoCo
from videossl.methods.supervised import Supervised

SAMPLE = torch.arange(8)


def encoder(channels: int = 3, seed: int = 0) -> Encoder:
    """With batch-norm whose statistics are not the initial ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks: OrderedDict[str, nn.Module] = OrderedDict(
            block1=nn.Sequential(nn.Conv3d(channels, 6, 3, stride=2, padding=1), nn.BatchNorm3d(6), nn.ReLU()),
            block2=nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU()),
        )
        result = Encoder(blocks, 8)
        result(torch.randn(4, channels, 8, 16, 16))
    return result


def views() -> dict[str, torch.Tensor]:
    rng = seeding.torch_rng(0, "views")
    return {
        "query": torch.randn(8, 3, 4, 12, 12, generator=rng),
        "label": torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
    }


def test_it_fits_one_batch() -> None:
    method, batch = Supervised(encoder(), 3), views()
    before = copy.deepcopy(method.encoder.state_dict())
    optimiser = torch.optim.Adam(method.trainable(), lr=1e-2)
    for step in range(60):
        measures = method.step(batch, SAMPLE, seeding.torch_rng(0, step))
        optimiser.zero_grad()
        torch.autograd.backward(measures["loss"])
        optimiser.step()
        method.update()
    assert measures["loss"] < 0.1 and measures["accuracy"] == 1
    trained = dict(method.encoder.named_parameters())
    assert all(not torch.equal(before[name], value) for name, value in trained.items() if name.endswith("0.weight"))


def test_loss_and_accuracy_by_hand() -> None:
    method, batch = Supervised(encoder(), 3).eval(), views()
    measures = method.step(batch, SAMPLE, seeding.torch_rng(0))
    logits = method.encoder(batch["query"]).mean((2, 3, 4)) @ method.classifier.weight.T + method.classifier.bias
    picked = logits.softmax(1)[torch.arange(8), batch["label"]]
    assert torch.allclose(measures["loss"], -picked.log().mean(), atol=1e-6)
    assert measures["accuracy"] == (logits.argmax(1) == batch["label"]).sum() / 8
    assert torch.allclose(method(batch["query"]), logits, atol=1e-6)


def test_every_parameter_is_trained_and_learns() -> None:
    method = Supervised(encoder(), 3)
    assert {id(p) for p in method.trainable()} == {id(p) for p in method.parameters()}
    torch.autograd.backward(method.step(views(), SAMPLE, seeding.torch_rng(0))["loss"])
    assert all(parameter.grad is not None for parameter in method.trainable())


def test_dropout_draws_from_the_given_generator_alone() -> None:
    method, batch, state = Supervised(encoder(), 3, dropout=0.5).eval(), views(), torch.get_rng_state()
    one, two, other = (method.step(batch, SAMPLE, seeding.torch_rng(seed))["loss"] for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
    features = method.encoder.pool(method.encoder(batch["query"]))
    kept = torch.rand(features.shape, generator=seeding.torch_rng(1)) >= 0.5
    logits = method.classifier(features * kept * 2)
    assert torch.allclose(one, torch.nn.functional.cross_entropy(logits, batch["label"]), atol=1e-6)


def test_the_classifiers_initial_weights_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first = Supervised(encoder(), 3, seed=4).classifier.weight
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert torch.equal(first, Supervised(encoder(), 3, seed=4).classifier.weight)
    assert not torch.equal(first, Supervised(encoder(), 3, seed=5).classifier.weight)


def test_built_of_one_stream_with_the_runs_seed() -> None:
    """The classifier's initial weights are the same whichever stream it stands on."""
    made = [
        supervised.build(Given({name: Learner(encoder(), {"dropout": 0.25}, seed)}, classes=3, seed=7))
        for name, seed in (("rgb", 1), ("flow", 2))
    ]
    assert [(method.stream, method.dropout, list(method.encoders())) for method in made] == [
        ("rgb", 0.25, ["rgb"]),
        ("flow", 0.25, ["flow"]),
    ]
    wanted = Supervised(encoder(), 3, seed=7).classifier.weight
    assert all(torch.equal(method.classifier.weight, wanted) for method in made)


def test_it_begins_from_the_encoder_of_a_moco() -> None:
    """All of its encoder, statistics included, and nothing else of it; the classifier stays at its initial weights."""
    moco = MoCo(encoder(seed=1), ProjectionHead(8, 8, 5), queue=4, momentum=0.9, temperature=0.2, stream="rgb")
    clips = {name: torch.randn(4, 3, 4, 12, 12) for name in ("query", "key")}
    torch.autograd.backward(moco.step(clips, torch.arange(4), seeding.torch_rng(0))["loss"])
    torch.optim.SGD(moco.trainable(), lr=0.1).step()
    moco.update()
    method, fresh = Supervised(encoder(), 3, stream="rgb"), Supervised(encoder(), 3)
    assert method.begin(moco.states()) == ["encoder"]
    wanted = moco.encoder.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in method.encoder.state_dict().items())
    assert not torch.equal(wanted["block1.0.weight"], moco.key_encoder.state_dict()["block1.0.weight"])
    assert torch.equal(method.classifier.weight, fresh.classifier.weight)


def test_what_it_passes_on_is_the_encoder_which_a_moco_begins_from() -> None:
    method = Supervised(encoder(seed=1), 3, stream="rgb")
    assert {name.split(".")[0] for name in method.states()["rgb"]} == {"encoder"}
    moco = MoCo(encoder(), ProjectionHead(8, 8, 5), queue=4, momentum=0.9, temperature=0.2, stream="rgb")
    assert moco.begin(method.states()) == ["encoder"]
    for made in (moco.encoder, moco.key_encoder, method.encoders()["rgb"]):
        assert all(torch.equal(value, method.encoder.state_dict()[name]) for name, value in made.state_dict().items())


@pytest.mark.parametrize("wrong", [encoder(2), nn.Sequential(nn.Linear(2, 2))], ids=["of another shape", "of other blocks"])
def test_weights_of_another_encoder_are_named(wrong: nn.Sequential) -> None:
    state = {f"encoder.{name}": tensor for name, tensor in wrong.state_dict().items()}
    with pytest.raises(InputError, match=r"earlier weights of rgb are another encoder's: .*block1\.0\.weight") as caught:
        Supervised(encoder(), 3, stream="rgb").begin({"rgb": state})
    assert "\n" not in str(caught.value)


def test_it_sees_views_without_blur() -> None:
    adapted = supervised.adapt(VideoAugment("rgb", 12, blur_p=0.5), {})
    assert adapted.blur_p == 0 and supervised.adapt("another augmentation", {}) == "another augmentation"


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match=r"1 classes.*evaluate.tasks: \[\]"):
        Supervised(encoder(), 1)
    with pytest.raises(InputError, match="dropout 1"):
        Supervised(encoder(), 3, dropout=1)
