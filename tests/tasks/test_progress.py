"""Encoders kept along a training: the same numbers as the tasks' scripts give for the same weights, one by one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tasks.conftest import CallStage, Dataset, MakeDataset, settings, settle
from torch import Tensor

from videossl import seeding
from videossl.errors import InputError
from videossl.files import sha256
from videossl.tasks import progress
from videossl.tasks.encode import BATCH
from videossl.train import assemble, provenance, weights

PROBE = {"weight_decay": 0.01, "tolerance": 1e-6, "iterations": 30}
STREAM = {"streams": {"rgb": settings("rgb")}, "evaluate": {"clips": 2}}
TASKS = {"linear": PROBE, "retrieval": {}}
EPOCHS = (2, 10, 1)  # as texts they would sort otherwise


def state(epoch: int) -> dict[str, Tensor]:
    """Weights and batch-norm statistics of an encoder that stand for those after `epoch`."""
    encoder = assemble.encoder("rgb", settings("rgb"), epoch)
    settle(encoder, torch.randn(4, 3, 8, 32, 32, generator=seeding.torch_rng(epoch)))
    return dict(encoder.state_dict())


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    path = tmp_path / "rgb.snapshots.safetensors"
    weights.save(path, {f"{epoch}.rgb/{name}": value for epoch in EPOCHS for name, value in state(epoch).items()}, {"seed": 0})
    return path


def of(dataset: Dataset) -> dict[str, Any]:
    return {"experiment": "moco", "seed": 0, "index": dataset.index, "cache": [dataset.caches["rgb"]]}


def params(tasks: Iterable[str]) -> dict[str, Any]:
    """The slice of params that those tasks are measured with along a training."""
    return STREAM | {"evaluate": {"clips": 2, "tasks": {task: TASKS[task] for task in tasks}}}


def measured(call_stage: CallStage, dataset: Dataset, snapshots: Path, tasks: list[str], out: str = "progress.json") -> dict[str, Any]:
    named = {"training": "rgb", "dataset": dataset.name, "snapshots": snapshots}
    result: dict[str, Any] = json.loads(call_stage("progress", params(tasks), out, **of(dataset), **named).read_text())
    return result


def test_the_numbers_are_those_of_the_tasks_scripts(
    tmp_path: Path, snapshots: Path, make_dataset: MakeDataset, call_stage: CallStage, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = make_dataset("toy", ["jump", "run", "sit", "wave"], 30, 40, 20.0)
    assert 2 * len(dataset.rows) > BATCH  # more than one batch
    with caplog.at_level(logging.INFO):
        result = measured(call_stage, dataset, snapshots, ["linear", "retrieval"])
    rgb = result["streams"]["rgb"]
    assert [point["epoch"] for point in rgb["points"]] == [1, 2, 10]
    for point in rgb["points"]:
        path = tmp_path / "w.safetensors"
        weights.save(path, {f"rgb/encoder.{name}": value for name, value in state(point["epoch"]).items()}, {})
        features = call_stage("features", STREAM, "rgb/toy.h5", **of(dataset), weights=[path])
        for task in ("linear", "retrieval"):
            chosen = {"evaluate": {"fused": [], "tasks": {task: TASKS[task]}}}
            scores = call_stage("score", chosen, f"{task}.json", task=task, experiment="moco", seed=0, dataset="toy", features=[features])
            expected = json.loads(scores.read_text())
            assert point[task] == expected["values"]["rgb"]
            assert rgb["chance"][task] == expected["chance"] and rgb["counts"] == expected["counts"]
    assert len({json.dumps(point["retrieval"]) for point in rgb["points"]}) > 1  # the weights matter
    lines = [record.getMessage() for record in caplog.records if "epoch" in record.getMessage()]
    assert [line.partition(":")[0] for line in lines] == [f"moco 0 rgb of rgb on toy epoch {epoch}" for epoch in (1, 2, 10)]
    assert f"accuracy {rgb['points'][0]['linear']['accuracy']:.1f} %" in lines[0] and "R@20" in lines[0]


def test_the_file_says_what_it_is_and_was_made_from(snapshots: Path, make_dataset: MakeDataset, call_stage: CallStage) -> None:
    dataset = make_dataset("toy", ["jump", "run"], 32, 32, 20.0)
    result = measured(call_stage, dataset, snapshots, ["retrieval"])
    found = [result[key] for key in ("experiment", "seed", "dataset", "training", "task")]
    assert found == ["moco", 0, "toy", "rgb", "progress"] and list(result["streams"]) == ["rgb"]
    rgb = result["streams"]["rgb"]
    assert all(point.keys() == {"epoch", "retrieval"} for point in rgb["points"]) and rgb["chance"].keys() == {"retrieval"}
    assert rgb["counts"] == {"train": 8, "test": 4, "classes": 2}
    made_from = result["provenance"]
    assert made_from["script"] == "stages/progress.py" and made_from["params"] == {"threads": 1} | params(["retrieval"])
    assert made_from["weights"] == {"rgb": sha256(snapshots)}
    assert made_from["data"] == provenance.data_digest(dataset.index, [dataset.caches["rgb"]])
    linear = measured(call_stage, dataset, snapshots, ["linear"])["streams"]["rgb"]
    assert linear["points"][0].keys() == {"epoch", "linear"} and linear["chance"] == {"linear": {"accuracy": 50}}


def test_a_training_of_two_streams_is_one_file_of_both(tmp_path: Path, make_dataset: MakeDataset, call_stage: CallStage) -> None:
    """And each has its own weights: the same numbers as alone."""
    dataset = make_dataset("toy", ["bow", "jump", "run", "sit"], 32, 32, 20.0)
    path, seeds = tmp_path / "rgb+flow.snapshots.safetensors", {"rgb": 1, "flow": 2}
    states = {stream: assemble.encoder(stream, settings(stream), seed).state_dict() for stream, seed in seeds.items()}
    weights.save(path, {f"5.{stream}/{name}": value for stream, each in states.items() for name, value in each.items()}, {})
    both = {"streams": {stream: settings(stream) for stream in seeds}}
    arguments = of(dataset) | {"cache": list(dataset.caches.values()), "training": "rgb+flow", "dataset": "toy", "snapshots": path}
    result = json.loads(call_stage("progress", params(["retrieval"]) | both, "both.json", **arguments).read_text())
    assert result["streams"].keys() == {"rgb", "flow"}
    for stream in seeds:
        chosen = params(["retrieval"]) | {"streams": {stream: settings(stream)}}
        alone = json.loads(call_stage("progress", chosen, "one.json", **arguments).read_text())
        assert alone["streams"] == {stream: result["streams"][stream]}
    assert result["streams"]["rgb"]["points"] != result["streams"]["flow"]["points"]


def test_twice_is_the_same_bytes(tmp_path: Path, snapshots: Path, make_dataset: MakeDataset, call_stage: CallStage) -> None:
    dataset = make_dataset("toy", ["jump", "run"], 32, 32, 20.0)
    for out in ("one.json", "two.json"):
        measured(call_stage, dataset, snapshots, ["retrieval", "linear"], out)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_no_encoder_kept_is_an_error_that_says_how_to_keep_some(tmp_path: Path, make_dataset: MakeDataset, call_stage: CallStage) -> None:
    path = tmp_path / "rgb.snapshots.safetensors"
    weights.save(path, {}, {"seed": 0})
    with pytest.raises(InputError, match=r"rgb\.snapshots\.safetensors holds no encoder.*`keep: 10`.*train again"):
        measured(call_stage, make_dataset("toy", ["jump", "run"], 32, 32, 20.0), path, ["linear"])
    assert not (tmp_path / "progress.json").exists()


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no")
    weights.save(tmp_path / "weights", {"encoder.block1.weight": torch.zeros(1)}, {})
    for name in ("absent", "text", "weights"):
        with pytest.raises(InputError, match=f"cannot read the snapshots .*{name}"):
            progress.kept(tmp_path / name)


def test_what_cannot_be_measured_is_said_before_an_encoder_runs(
    snapshots: Path, make_dataset: MakeDataset, call_stage: CallStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "extract", lambda *_: pytest.fail("extracted"))
    with pytest.raises(InputError, match=r"^toy: 1 classes.*evaluate.tasks: \[\]"):
        measured(call_stage, make_dataset("toy", ["jump"], 32, 32, 20.0), snapshots, ["linear"])
