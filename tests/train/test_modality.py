"""Which clips are negatives of which: by hand, from rows of the index to the loss."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY
from tests.made import row, shard
from torch import Tensor

from videossl import params, seeding
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset, Source
from videossl.methods import losses
from videossl.train import modality, weights

GROUPS = {"a1": "a", "a2": "a", "b": "b"}  # two videos of one source, and one of its own
E = math.e


class Plain:
    """An augmentation that changes nothing."""

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        return clips.float()

    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor:
        return clips.float()


@pytest.fixture
def dataset(tmp_path: Path) -> ClipDataset:
    """Pixels tell which video it is."""
    arrays = [(id, np.full((4, 16, 16, 3), 10 + n, np.uint8)) for n, id in enumerate(GROUPS)]
    cache = Cache([shard(tmp_path / "rgb.h5", "rgb", arrays)])
    rows = [row(id, group=group) for id, group in GROUPS.items()]
    return ClipDataset(rows, None, [Source(cache, "rgb", 2, 1, ("query", "key"))], 0)


def numbers(dataset: ClipDataset, negatives: str, epoch: int = 0) -> dict[str, int]:
    """The number that each video of a batch is given."""
    batches = modality.batches(dataset, {"query": Plain(), "key": Plain()}, 3, 0, torch.device("cpu"), negatives=negatives)
    ((views, sample),) = batches.epoch(epoch)
    ids = [list(GROUPS)[int(pixel) - 10] for pixel in views["query"].flatten(1)[:, 0]]
    return dict(zip(ids, sample.tolist(), strict=True))


def test_a_number_is_of_the_video_or_of_its_group(dataset: ClipDataset) -> None:
    for negatives in ("all", "other-videos"):
        assert numbers(dataset, negatives) == numbers(dataset, negatives, 3) == {id: seeding.derive(0, id) for id in GROUPS}
    assert numbers(dataset, "other-groups") == {id: seeding.derive(0, group) for id, group in GROUPS.items()}


QUERY = torch.tensor([[1.0, 0], [0, 1], [1, 0]])  # a1, a2, b
KEYS = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
QUEUE = torch.tensor([[0.0, 1], [1, 0]]).T  # a1 of an earlier batch, a stranger; the third slot is empty


@pytest.mark.parametrize(
    ("negatives", "expected"),  # a row: minus the logit of its own key, 1, 1 and -1, and the log of the sum over the keys that count
    [
        #       a1: keys a1, a2, b, queue a1, stranger          a2: a1, a2, b, a1, stranger         b
        ("all", [-1 + math.log(E + 1 + 1 / E + 1 + E), -1 + math.log(1 + E + 1 + E + 1), 1 + math.log(E + 1 + 1 / E + 1 + E)]),
        ("other-videos", [-1 + math.log(E + 1 + 1 / E + E), -1 + math.log(1 + E + 1 + E + 1), 1 + math.log(E + 1 + 1 / E + 1 + E)]),
        ("other-groups", [-1 + math.log(E + 1 / E + E), -1 + math.log(E + 1 + 1), 1 + math.log(E + 1 + 1 / E + 1 + E)]),
    ],
)
def test_losses_of_two_videos_of_a_group_in_a_batch_and_the_queue_by_hand(
    dataset: ClipDataset, negatives: str, expected: list[float]
) -> None:
    known = numbers(dataset, negatives)
    sample = torch.tensor([known[id] for id in GROUPS])
    queue_ids = torch.tensor([known["a1"], seeding.derive(0, "stranger"), losses.EMPTY])
    queue = torch.cat([QUEUE, torch.ones(2, 1)], dim=1)
    mask = losses.false_negatives(sample, torch.arange(3), queue_ids, mask_same(negatives))
    scores = losses.logits(QUERY, KEYS, queue, 1.0, mask)
    assert (-scores.log_softmax(1).diagonal()).tolist() == pytest.approx(expected, abs=1e-6)
    assert losses.mixed_cross_entropy(scores, torch.arange(3), 1.0).item() == pytest.approx(sum(expected) / 3, abs=1e-6)


def mask_same(negatives: str) -> bool:
    """What the method is told by the params."""
    settings: dict[str, Any] = params.load(REPOSITORY / "tests/pipeline/tiny.yaml")["modalities"]["rgb"]
    return modality.moco("rgb", settings | {"moco": settings["moco"] | {"negatives": negatives}}, 0, "none").mask_same


def test_the_method_masks_but_for_plain_moco() -> None:
    assert [mask_same(negatives) for negatives in ("all", "other-videos", "other-groups")] == [False, True, True]


def trained(folder: Path, negatives: str, groups: list[str], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """The weights of a short pretraining and of a stage after it, by their scripts; groups: of the eight videos."""
    rng = np.random.default_rng(0)
    arrays = [(f"v{n}", rng.integers(0, 256, (10, 32, 32, 3), np.uint8)) for n in range(len(groups))]
    index.write(folder / "index.csv", [row(id, group=group or id) for (id, _), group in zip(arrays, groups, strict=True)])
    cache = shard(folder / "rgb.h5", "rgb", arrays)
    run = params.load(REPOSITORY / "tests/pipeline/tiny.yaml")
    run["modalities"]["rgb"]["moco"]["negatives"] = negatives
    common = ["--seed", "0", "--index", str(folder / "index.csv"), "--cache", str(cache), "--scratch", str(folder / "scratch")]
    start = folder / "pretrain.safetensors"
    calls = {
        "pretrain": (params.pretrain_slice(run, "mixup", "rgb"), start, []),
        "cmmc": (
            params.cmmc_slice(run, "manifold-mixup", "rgb"),
            folder / "cmmc1.safetensors",
            ["--modality", "rgb", "--cycle", "1", "--start", str(start)],
        ),
    }
    for script, (part, out, more) in calls.items():
        monkeypatch.setattr(sys, "argv", [script, "--params", json.dumps(part), *common, "--out", str(out), *more])
        importlib.import_module(f"stages.{script}").main()
    return [weights.load(out) for _, out, _ in calls.values()]


def test_both_trainings_leave_out_what_the_params_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of one video are videos; a group of several leaves out more."""
    alone, shared = [""] * 8, ["a"] * 4 + ["b"] * 4
    cases = [("other-videos", shared), ("other-groups", alone), ("other-groups", shared)]
    made = [trained(tmp_path / str(n), *case, monkeypatch) for n, case in enumerate(cases)]
    for videos, single, groups in zip(*made, strict=True):
        assert all(torch.equal(videos[name], single[name]) for name in videos)
        assert not all(torch.equal(videos[name], groups[name]) for name in videos if name.startswith("encoder."))
