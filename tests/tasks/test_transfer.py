"""An encoder of one dataset measured on another, with other classes, frame sizes and flow bound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.conftest import TRAINING, CallStage, Dataset, MakeDataset, settings, settle

from videossl.data.clips import ClipDataset, uniform_starts, windows
from videossl.encoders.base import Encoder
from videossl.methods.supervised import Supervised
from videossl.tasks import features
from videossl.train import assemble, provenance, weights


@pytest.fixture
def home(make_dataset: MakeDataset) -> Dataset:
    return make_dataset("home", ["jump", "run"], 40, 52, 20.0)


@pytest.fixture
def away(make_dataset: MakeDataset) -> Dataset:
    """Frames of the clip's own size, so that a centre crop changes nothing."""
    return make_dataset("away", ["kick", "sit", "wave"], 32, 32, 5.0)


def trained(home: Dataset, modality: str) -> Encoder:
    """An encoder after some steps of supervised training on clips of `home`, of its own bound for flow."""
    augment = assemble.augmentation(settings(modality), assemble.opened([home.caches[modality]]))
    method = Supervised(assemble.encoder(modality, settings(modality), 0), 2)
    optimiser = torch.optim.Adam(method.trainable(), 0.003)
    clips = torch.from_numpy(np.stack([home.videos[modality][row.id][:8] for row in home.rows[:8]]))
    labels = torch.tensor([row.label == "run" for row in home.rows[:8]]).long()
    for step in range(3):
        view = augment.train(clips, torch.tensor([[40, 52]] * 8), [np.random.default_rng((step, i)) for i in range(8)])
        optimiser.zero_grad()
        torch.autograd.backward(method.step({"query": view, "label": labels}, labels, torch.Generator())["loss"])
        optimiser.step()
    settle(method.encoder, view)
    return method.encoder


@pytest.fixture(params=["rgb", "flow"])
def modality(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def encoder(home: Dataset, modality: str) -> Encoder:
    return trained(home, modality)


@pytest.fixture
def arguments(tmp_path: Path, encoder: Encoder, away: Dataset, modality: str) -> dict[str, Any]:
    path = tmp_path / f"{modality}.safetensors"
    weights.save(path, {f"{modality}/encoder.{name}": value for name, value in encoder.state_dict().items()}, {})
    return {"experiment": "e", "seed": 0, "index": away.index, "cache": [away.caches[modality]], "weights": [path]}


def clip_of(away: Dataset, modality: str, id: str, start: int, bound: float = 5.0) -> torch.Tensor:
    """What the encoder sees of a clip of `away`: (1, C, T, 32, 32), from the numbers in params and cache by hand."""
    levels = away.videos[modality][id][start : start + 8].astype(np.float32).transpose(3, 0, 1, 2)
    if modality == "rgb":
        return torch.from_numpy((levels / 255 - 0.5) / 0.25)[None]
    return torch.from_numpy((levels - 128) / 127 * bound).clamp(-bound, bound)[None] / 4


def test_features_are_those_of_the_other_datasets_clips(
    encoder: Encoder, away: Dataset, modality: str, arguments: dict[str, Any], call_stage: CallStage
) -> None:
    params = {"streams": {modality: settings(modality)}, "evaluate": {"clips": 2}}
    found = features.read(call_stage("features", params, f"{modality}/away.h5", **arguments))
    assert found.ids == [row.id for row in away.rows] and found.classes == ["kick", "sit", "wave"] and found.name == "away"
    assert found.provenance["data"] == provenance.data_digest(away.index, [away.caches[modality]])
    encoder.eval()
    with torch.no_grad():
        for v, id in enumerate(found.ids):
            for k, start in enumerate(uniform_starts(len(away.videos[modality][id]), 8, 2)):
                naive = encoder.pool(encoder(clip_of(away, modality, id, start)))[0].numpy()
                np.testing.assert_allclose(found.features[v, k], naive, atol=1e-3, rtol=1e-4)
        if modality == "flow":  # the bound of the other dataset would be seen
            wrong = encoder.pool(encoder(clip_of(away, modality, found.ids[0], 0, bound=20.0)))[0].numpy()
            assert np.abs(found.features[0, 0] - wrong).max() > 0.1
    assert np.ptp(found.features, axis=0).max() > 0.1  # and so would another clip


def test_results_are_of_the_other_datasets_classes(modality: str, arguments: dict[str, Any], call_stage: CallStage) -> None:
    params = {"streams": {modality: settings(modality)}, "evaluate": {"clips": 2}}
    path = call_stage("features", params, f"{modality}/away.h5", **arguments)
    for task, chosen in {"retrieval": {}, "linear": {"weight_decay": 0.01, "tolerance": 1e-6, "iterations": 20}}.items():
        params = {"evaluate": {"fused": [["rgb", "flow"]], "tasks": {task: chosen}}}
        out = call_stage("score", params, f"{task}.json", task=task, experiment="e", seed=0, dataset="away", features=[path])
        result = json.loads(out.read_text())
        assert result["dataset"] == "away" and result["counts"] == {"train": 12, "test": 6, "classes": 3}
        assert list(result["values"]) == [modality] and result["provenance"]["encoders"][modality]["weights"]
    assert result["chance"] == {"accuracy": pytest.approx(100 / 3)}


def test_finetuning_starts_from_the_encoder_and_ends_in_the_other_datasets_classes(
    tmp_path: Path, encoder: Encoder, away: Dataset, modality: str, arguments: dict[str, Any], call_stage: CallStage
) -> None:
    """With a learning rate of 0 nothing but batch-norm's statistics moves: what is tested can be made by hand."""
    training = TRAINING | {"lr": 0.0, "schedule": "constant", "dropout": 0.0}
    params = {
        "method": "supervised",
        "streams": {modality: settings(modality)},
        "settings": {modality: training},
        "evaluate": {"tasks": {"finetune": {"overlap": 0.5, "crops": 1}}},
    }
    arguments |= {"task": "finetune", "scratch": tmp_path / "scratch"}
    found = features.read(call_stage("finetune", params, f"{modality}/away.finetune.h5", **arguments))
    assert found.features.shape == (18, 1, 3) and not found.features[found.rows("train")].any()
    np.testing.assert_allclose(found.features[found.rows("test")].sum((1, 2)), 1, atol=1e-6)
    assert found.provenance["data"] == provenance.data_digest(away.index, [away.caches[modality]])
    folders = [path.relative_to(tmp_path / "scratch") for path in (tmp_path / "scratch").glob("tensorboard/e/0/*/*/*")]
    assert [folder.parts[-3:] for folder in folders] == [(modality, "finetune", "away")]

    # The same, with the batch-norm statistics that one epoch of the augmented training videos leaves behind.
    caches = assemble.opened([away.caches[modality]])
    augment = assemble.augmentation(settings(modality), caches).without_blur()
    rows = [row for row in away.rows if row.split == "train"]
    seed = provenance.derived_seed(0, [modality, "finetune"])
    source = assemble.source(modality, settings(modality), caches, ("query",))
    dataset = ClipDataset(rows, {"kick": 0, "sit": 1, "wave": 2}, [source], seed)
    method = Supervised(encoder, 3, seed=0).train()
    with torch.no_grad():
        for views, _ in assemble.views(dataset, {"query": augment}, 4, seed, torch.device("cpu")).epoch(0):
            method(views["query"])
        method.eval()
        for position in found.rows("test"):
            id = found.ids[position]
            starts = windows(len(away.videos[modality][id]), 8, 0.5)
            each = [method(clip_of(away, modality, id, start))[0].softmax(0).numpy() for start in starts]
            np.testing.assert_allclose(found.features[position, 0], np.mean(each, axis=0), atol=1e-4)
    assert np.ptp(found.features[found.rows("test"), 0], axis=0).max() > 0.01  # videos differ, so this tells something


def test_progress_is_measured_on_the_other_dataset(
    tmp_path: Path, encoder: Encoder, away: Dataset, modality: str, arguments: dict[str, Any], call_stage: CallStage
) -> None:
    path = tmp_path / f"{modality}.snapshots.safetensors"
    weights.save(path, {f"5.{modality}/{name}": value for name, value in encoder.state_dict().items()}, {})
    del arguments["weights"]
    tasks = {"linear": {"weight_decay": 0.01, "tolerance": 1e-6, "iterations": 20}, "retrieval": {}}
    params = {"streams": {modality: settings(modality)}, "evaluate": {"clips": 2, "tasks": tasks}}
    named = {"training": modality, "dataset": "away", "snapshots": path}
    result = json.loads(call_stage("progress", params, "p.json", **arguments, **named).read_text())
    found = result["streams"][modality]
    assert [point["epoch"] for point in found["points"]] == [5] and found["counts"] == {"train": 12, "test": 6, "classes": 3}
    assert result["provenance"]["data"] == provenance.data_digest(away.index, [away.caches[modality]])
    assert result["dataset"] == "away" and found["chance"]["linear"] == {"accuracy": pytest.approx(100 / 3)}
