"""Finetuning: it fits a batch, draws only from its generator, and predicts without chance."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from tests.tasks.conftest import MakeClips, MakeEncoder

from videossl import seeding
from videossl.augment.video import VideoAugment
from videossl.data.clips import windows
from videossl.errors import InputError
from videossl.tasks.finetune import Finetune, predict

SAMPLE = torch.arange(8)


def views() -> dict[str, torch.Tensor]:
    rng = seeding.torch_rng(0, "views")
    return {
        "query": torch.randn(8, 3, 4, 12, 12, generator=rng),
        "label": torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
    }


def test_it_fits_one_batch(make_encoder: MakeEncoder) -> None:
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


def test_loss_and_accuracy_by_hand(make_encoder: MakeEncoder) -> None:
    method, batch = Finetune(make_encoder(3), 3).eval(), views()
    measures = method.step(batch, SAMPLE, seeding.torch_rng(0))
    logits = method.encoder(batch["query"]).mean((2, 3, 4)) @ method.classifier.weight.T + method.classifier.bias
    picked = logits.softmax(1)[torch.arange(8), batch["label"]]
    assert torch.allclose(measures["loss"], -picked.log().mean(), atol=1e-6)
    assert measures["accuracy"] == (logits.argmax(1) == batch["label"]).sum() / 8
    assert torch.allclose(method(batch["query"]), logits, atol=1e-6)


def test_every_parameter_is_trained_and_learns(make_encoder: MakeEncoder) -> None:
    method = Finetune(make_encoder(3), 3)
    assert {id(p) for p in method.trainable()} == {id(p) for p in method.parameters()}
    torch.autograd.backward(method.step(views(), SAMPLE, seeding.torch_rng(0))["loss"])
    assert all(parameter.grad is not None for parameter in method.trainable())


def test_dropout_draws_from_the_given_generator_alone(make_encoder: MakeEncoder) -> None:
    method, batch, state = Finetune(make_encoder(3), 3, dropout=0.5).eval(), views(), torch.get_rng_state()
    one, two, other = (method.step(batch, SAMPLE, seeding.torch_rng(seed))["loss"] for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
    features = method.encoder.pool(method.encoder(batch["query"]))
    kept = torch.rand(features.shape, generator=seeding.torch_rng(1)) >= 0.5
    logits = method.classifier(features * kept * 2)
    assert torch.allclose(one, torch.nn.functional.cross_entropy(logits, batch["label"]), atol=1e-6)


def test_the_classifiers_initial_weights_depend_on_the_seed_alone(
    make_encoder: MakeEncoder,
) -> None:
    state = torch.get_rng_state()
    first = Finetune(make_encoder(3), 3, seed=4).classifier.weight
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert torch.equal(first, Finetune(make_encoder(3), 3, seed=4).classifier.weight)
    assert not torch.equal(first, Finetune(make_encoder(3), 3, seed=5).classifier.weight)


def naive_windows(length: int) -> list[int]:
    """Windows of 7 frames that share at least 4.2 of them, so 5: at most 2 apart."""
    number = 1
    while length - 7 > 2 * (number - 1):
        number += 1
    return [0] if number == 1 else [round((length - 7) * i / (number - 1)) for i in range(number)]


@pytest.mark.parametrize(("crops", "batch"), [(1, 5), (2, 1), (10, 5), (10, 100)])
def test_predict_is_the_mean_softmax_of_windows_and_crops(
    crops: int, batch: int, make_encoder: MakeEncoder, rgb_clips: MakeClips, rgb_videos: dict[str, np.ndarray]
) -> None:
    method, augment = Finetune(make_encoder(3), 3, dropout=0.5).train(), VideoAugment("rgb", 12)
    clips, state = rgb_clips(4, 2, partial(windows, overlap=0.6)), copy.deepcopy(method.state_dict())
    out = predict(method, augment, clips, crops, batch, "cpu")
    assert out.shape == (4, 3) and out.dtype == np.float64 and np.allclose(out.sum(1), 1)
    assert method.training and all(torch.equal(state[name], value) for name, value in method.state_dict().items())
    assert np.array_equal(out, predict(method, augment, clips, crops, batch, "cpu"))
    method.eval()
    numbers = []
    for v, video in enumerate(rgb_videos.values()):
        total, number = np.zeros(3), 0
        for start in naive_windows(len(video)):
            clip = torch.from_numpy(video[[start, start + 2, start + 4, start + 6]])[None]
            for crop in augment.crops(clip, torch.tensor([video.shape[1:3]]), crops):
                with torch.no_grad():
                    total += method(crop)[0].double().softmax(0).numpy()
                number += 1
        assert np.allclose(out[v], total / number, atol=1e-5)
        numbers.append(number // crops)
    assert numbers == [4, 2, 8, 5]  # videos of 12, 9, 20 and 15 frames


def test_one_crop_of_a_batch_is_made_at_a_time(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    events: list[str] = []

    class Told(VideoAugment):
        def crops(self, clips: torch.Tensor, sizes: torch.Tensor, views: int) -> Iterator[torch.Tensor]:
            for crop in super().crops(clips, sizes, views):
                events.append(f"crop of {len(crop)}")
                yield crop

    class Seen(Finetune):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            events.append("seen")
            return super().forward(x)

    predict(Seen(make_encoder(3), 3), Told("rgb", 12), rgb_clips(starts=partial(windows, overlap=0.0)), 10, 8, "cpu")
    windows_in_all = 3 + 3 + 5 + 4  # of 4 frames, in 12, 9, 20 and 15
    assert events == ["crop of 8", "seen"] * 10 + [f"crop of {windows_in_all - 8}", "seen"] * 10


def test_mistakes_are_named(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    with pytest.raises(InputError, match=r"1 classes.*evaluate.tasks: \[\]"):
        Finetune(make_encoder(3), 1)
    with pytest.raises(InputError, match="dropout 1"):
        Finetune(make_encoder(3), 3, dropout=1)
    with pytest.raises(InputError, match="no labelled test videos"):
        predict(Finetune(make_encoder(3), 3), VideoAugment("rgb", 12), rgb_clips(videos=[]), 1, 1, "cpu")
