"""Tubelet contrast: a step written out, the pairs, and what cannot be trained."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from videossl import seeding
from videossl.augment.tubelets import Drawing
from videossl.augment.video import VideoAugment
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods import losses, tubelets
from videossl.methods.base import Shapes
from videossl.methods.moco import MoCo
from videossl.methods.tubelets import TubeletContrast
from videossl.seeding import torch_rng

LEVELS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SETTINGS: dict[str, Any] = {
    "pair": "tubelets",
    "count": 2,
    "motion": "linear",
    "transformations": {"rotation": [-90, 90]},
    "patch": [16, 64],
    "short_sides": [112, 128, 144],
    "released": [],
}
PICTURES = Shapes([], ("channel", "time", "height", "width"), (3, 8, 64, 64))


def tiny(drawing: Drawing | None = None, queue: int = 8) -> TubeletContrast:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv3d(4, 6, 1)))
    return TubeletContrast(encoder, ProjectionHead(6, 8, 5), queue, 0.9, 0.2, drawing, LEVELS, "rgb")


def pairs(method: TubeletContrast, query: Tensor, key: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    return tubelets.pairs(query, key, method.drawing, method.normalise, rng)


def clips(batch: int = 4, seed: int = 0) -> dict[str, Tensor]:
    rng = torch_rng(seed)
    return {name: torch.rand(batch, 3, 4, 32, 32, generator=rng) for name in ("query", "key")}


@pytest.mark.parametrize("drawing", [None, Drawing()])
def test_three_steps_written_out(drawing: Drawing | None) -> None:
    """-log(h+ / (h+ + sum over the queue)), h = e^(q.k / 0.2); no other key of the batch, and none of the queue is left out (eq. 5.1)."""
    method = tiny(drawing)
    queue: list[Tensor] = []
    for number in range(3):
        views, before = clips(seed=number), copy.deepcopy(method)
        result = method.step(views, torch.arange(4), torch_rng(number))  # the same videos in each step
        with torch.no_grad():
            _, both = pairs(before, views["query"], views["key"], torch_rng(number))
            q = normalize(before.head(before.encoder(both["query"]).mean((2, 3, 4))))
            k = normalize(before.key_head(before.key_encoder(both["key"]).mean((2, 3, 4))))
        rows = []
        for i in range(4):
            own, others = math.exp(float(q[i] @ k[i]) / 0.2), [math.exp(float(q[i] @ key) / 0.2) for key in queue]
            rows.append(-math.log(own / (own + sum(others))))
        assert float(result["loss"]) == pytest.approx(np.mean(rows), abs=1e-5)
        assert (float(result["loss"]) > 0.1) == bool(queue)
        method.update()
        queue = [*queue, *k][-8:]


def test_the_loss_of_one_negative_at_right_angles(monkeypatch: pytest.MonkeyPatch) -> None:
    """q.k 1: ln(1 + e^-5) = 0.006715."""
    method = tiny(None, queue=1)
    method.queue.copy_(torch.eye(5)[:, 1:2])
    method.queue_ids.fill_(7)

    def embedding(direction: int) -> Tensor:
        return torch.eye(5)[direction : direction + 1]

    monkeypatch.setattr("videossl.methods.moco.embed", lambda *_: embedding(0))
    found = method.compare(torch.zeros(1, 6, 1, 1, 1), torch.zeros(1, 3, 4, 32, 32), torch.tensor([7]), torch.tensor([0]))
    assert torch.isfinite(found.logits).all(), "a key of the own video is a negative too"
    assert float(losses.mixed_cross_entropy(found.logits, torch.tensor([0]), 1.0)) == pytest.approx(0.006715, abs=1e-6)


def test_a_pair_has_the_same_tubelets_and_colours() -> None:
    """Where all videos are one, both clips of a pair are equal, and no two pairs are."""
    method = tiny(Drawing())
    same = clips(1)["query"].expand(6, -1, -1, -1, -1)
    for seed in range(10):
        _, pair = pairs(method, same, same, torch_rng(seed))
        assert torch.equal(pair["query"], pair["key"])
        assert len({float(one.sum()) for one in pair["query"]}) == 6


def test_a_key_is_of_another_video_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cyclic shift: each video is a key once, and never its own."""
    monkeypatch.setattr("videossl.augment.pasting.COLOUR_P", 0)
    method, shifts = tiny(Drawing(1, patch=(8, 16))), set()
    levels = torch.linspace(0.2, 0.8, 6)
    flat = levels.view(6, 1, 1, 1, 1).expand(6, 3, 4, 32, 32)
    for seed in range(60):
        partner, pair = pairs(method, flat, flat, torch_rng(seed))
        shifts |= {(int(r) - i) % 6 for i, r in enumerate(partner)}
        assert len({(int(r) - i) % 6 for i, r in enumerate(partner)}) == 1
        for name, wanted in (("query", levels), ("key", levels[partner])):
            seen = pair[name][:, 0].flatten(1).median(1).values * LEVELS[1][0] + LEVELS[0][0]
            torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-5)
    assert shifts == {1, 2, 3, 4, 5}


def test_temporal_contrast_keeps_the_video_and_draws_colours_apart() -> None:
    method, differing = tiny(None), 0
    for seed in range(40):
        views = clips(seed=seed)
        partner, pair = pairs(method, views["query"], views["query"], torch_rng(seed))
        assert partner.tolist() == [0, 1, 2, 3]
        differing += sum(not torch.equal(one, other) for one, other in zip(pair["query"], pair["key"], strict=True))
    assert 0.6 < differing / 160 < 0.85, "equal only where neither changes: 0.8^6 = 0.26"


def test_the_draws_are_those_of_the_generator() -> None:
    views, method = clips(), tiny(Drawing())
    first, again, other = (pairs(method, views["query"], views["key"], torch_rng(seed))[1]["key"] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_queue_keeps_the_videos_of_the_keys() -> None:
    method, sample = tiny(Drawing()), torch.tensor([10, 11, 12, 13])
    method.step(clips(), sample, torch_rng(0))
    method.update()
    partner, _ = pairs(method, **clips(), rng=torch_rng(0))
    assert method.queue_ids[:4].tolist() == sample[partner].tolist()


def test_a_moco_goes_on_from_it_and_it_from_a_moco() -> None:
    method = tiny(Drawing())
    other = MoCo(copy.deepcopy(method.encoder), copy.deepcopy(method.head), 8, 0.9, 0.2, stream="rgb")
    assert other.begin(method.states()) == method.begin(other.states())


def test_views_come_cropped_in_0_to_1_with_their_own_colours() -> None:
    """A short side of 144 px cut to 112 is a square of 7/9 of the frame's."""
    augment = VideoAugment("rgb", 28, normalise=LEVELS)
    adapted = tubelets.adapt(augment, SETTINGS)
    ramp = np.broadcast_to(np.arange(144, dtype=np.uint8)[:, None, None], (1, 144, 144, 3))
    batch, sizes = torch.from_numpy(np.stack([ramp] * 60)), torch.tensor([[144, 144]] * 60)
    views = adapted.train(batch, sizes, [seeding.numpy_rng(seed) for seed in range(60)]) * 255
    covered = (views[:, 0, 0, -1, 0] - views[:, 0, 0, 0, 0]) * 28 / 27
    assert {round(float(one)) for one in covered} == {144, 126, 112} and views.max() <= 144
    assert tubelets.adapt("another augmentation", SETTINGS) == "another augmentation"


@pytest.mark.parametrize(
    ("changes", "shapes", "line"),
    [
        ({"patch": [16, 120]}, PICTURES, "tubelets: patches of 16 to 120 px in a frame of 112"),
        ({}, Shapes([], PICTURES.axes, (3, 2, 64, 64)), "tubelets: clips of 2 frames, and a path has 3 keyframes"),
        ({}, Shapes([], PICTURES.axes, (2, 8, 64, 64)), "experiments.x trains flow, whose clips are no pictures in three colours"),
        ({}, Shapes([], ("channel", "time", "joint"), (3, 20, 25, 2)), "experiments.x trains flow, whose clips are no pictures"),
    ],
)
def test_what_cannot_be_trained_is_one_line(changes: dict[str, Any], shapes: Shapes, line: str) -> None:
    with pytest.raises(InputError) as error:
        tubelets.feasible("experiments.x", {"flow": shapes}, SETTINGS | changes)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_what_can_be_trained_says_how_large_its_patches_are() -> None:
    assert tubelets.feasible("experiments.x", {"rgb": PICTURES}, SETTINGS) == {"patches": {"rgb": [9, 37]}}
    assert tubelets.feasible("experiments.x", {"rgb": PICTURES}, SETTINGS | {"pair": "temporal"}) == {"patches": {}}


def test_a_batch_of_one_has_no_pair() -> None:
    with pytest.raises(InputError, match="a batch of 1, and a pair is of two videos"):
        tiny(Drawing()).step(clips(1), torch.tensor([0]), torch_rng(0))
