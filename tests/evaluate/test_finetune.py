"""Finetuning: it fits a batch, draws only from its generator, and predicts without chance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from videossl import seeding
from videossl.augment.video import VideoAugment
from videossl.data.cache import Cache
from videossl.data.clips import uniform_starts
from videossl.data.index import Row
from videossl.errors import InputError
from videossl.evaluate.finetune import Finetune, predict
from videossl.models.encoder import Encoder

MakeRows = Callable[[Sequence[tuple[str, str, str]]], list[Row]]

SAMPLE = torch.arange(8)


def views() -> dict[str, torch.Tensor]:
    rng = seeding.torch_rng(0, "views")
    return {
        "query": torch.randn(8, 3, 4, 12, 12, generator=rng),
        "label": torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
    }


def test_it_fits_one_batch(make_encoder: Callable[[int], Encoder]) -> None:
    method, batch = Finetune(make_encoder(3), 3), views()
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


def test_loss_and_accuracy_by_hand(make_encoder: Callable[[int], Encoder]) -> None:
    method, batch = Finetune(make_encoder(3), 3).eval(), views()
    measures = method.step(batch, SAMPLE, seeding.torch_rng(0))
    logits = method.encoder(batch["query"]).mean((2, 3, 4)) @ method.classifier.weight.T + method.classifier.bias
    picked = logits.softmax(1)[torch.arange(8), batch["label"]]
    assert torch.allclose(measures["loss"], -picked.log().mean(), atol=1e-6)
    assert measures["accuracy"] == (logits.argmax(1) == batch["label"]).sum() / 8
    assert torch.allclose(method(batch["query"]), logits, atol=1e-6)


def test_every_parameter_is_trained_and_learns(make_encoder: Callable[[int], Encoder]) -> None:
    method = Finetune(make_encoder(3), 3)
    assert {id(p) for p in method.trainable()} == {id(p) for p in method.parameters()}
    torch.autograd.backward(method.step(views(), SAMPLE, seeding.torch_rng(0))["loss"])
    assert all(parameter.grad is not None for parameter in method.trainable())


def test_dropout_draws_from_the_given_generator_alone(make_encoder: Callable[[int], Encoder]) -> None:
    method, batch, state = Finetune(make_encoder(3), 3, dropout=0.5).eval(), views(), torch.get_rng_state()
    one, two, other = (method.step(batch, SAMPLE, seeding.torch_rng(seed))["loss"] for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
    features = method.encoder.pool(method.encoder(batch["query"]))
    kept = torch.rand(features.shape, generator=seeding.torch_rng(1)) >= 0.5
    logits = method.classifier(features * kept * 2)
    assert torch.allclose(one, torch.nn.functional.cross_entropy(logits, batch["label"]), atol=1e-6)


def test_the_classifiers_initial_weights_depend_on_the_seed_alone(
    make_encoder: Callable[[int], Encoder],
) -> None:
    state = torch.get_rng_state()
    first = Finetune(make_encoder(3), 3, seed=4).classifier.weight
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert torch.equal(first, Finetune(make_encoder(3), 3, seed=4).classifier.weight)
    assert not torch.equal(first, Finetune(make_encoder(3), 3, seed=5).classifier.weight)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_predict_is_the_mean_softmax_of_clips_and_crops(
    count: int,
    make_encoder: Callable[[int], Encoder],
    make_cache: Callable[..., Cache],
    make_rows: MakeRows,
    rgb_videos: dict[str, np.ndarray],
) -> None:
    method = Finetune(make_encoder(3), 3, dropout=0.5).train()
    cache, rows = make_cache("rgb", rgb_videos), make_rows([(id, "a", "test") for id in rgb_videos])
    augment = VideoAugment("rgb", 12)
    state = copy.deepcopy(method.state_dict())
    out = predict(method, augment, cache, rows, "rgb", 4, 1, 3, count, 5, "cpu")
    assert out.shape == (4, 3) and np.allclose(out.sum(1), 1)
    assert method.training and all(torch.equal(state[name], value) for name, value in method.state_dict().items())
    assert np.array_equal(out, predict(method, augment, cache, rows, "rgb", 4, 1, 3, count, 5, "cpu"))
    method.eval()
    for v, video in enumerate(rgb_videos.values()):
        total, number = np.zeros(3), 0
        for start in uniform_starts(len(video), 4, 1, 3):
            clip = torch.from_numpy(video[start : start + 4])[None]
            for crop in augment.crops(clip, torch.tensor([video.shape[1:3]]), count):
                with torch.no_grad():
                    total += method(crop)[0].double().softmax(0).numpy()
                number += 1
        assert number == 3 * count and np.allclose(out[v], total / number, atol=1e-5)


def test_mistakes_are_named(
    make_encoder: Callable[[int], Encoder],
    make_cache: Callable[..., Cache],
    rgb_videos: dict[str, np.ndarray],
) -> None:
    with pytest.raises(InputError, match=r"1 classes.*evaluate.tasks: \[\]"):
        Finetune(make_encoder(3), 1)
    with pytest.raises(InputError, match="dropout 1"):
        Finetune(make_encoder(3), 3, dropout=1)
    method, cache = Finetune(make_encoder(3), 3), make_cache("rgb", rgb_videos)
    with pytest.raises(InputError, match="no labelled test videos"):
        predict(method, VideoAugment("rgb", 12), cache, [], "rgb", 4, 1, 1, 1, 1, "cpu")
