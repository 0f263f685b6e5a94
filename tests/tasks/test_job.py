"""What the scripts of the tasks share: streams, two-stream scores by hand and by loops, the results file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tasks.conftest import CallStage

from videossl import code, seeding
from videossl.errors import InputError
from videossl.files import sha256
from videossl.tasks import features, job, linear
from videossl.tasks.features import Features

FUSED = {"fused": [["rgb", "flow"], ["joint", "motion"]]}
PROBE = {"weight_decay": 0.01, "iterations": 50}


def write(folder: Path, modality: str, values: Any, labels: Sequence[str], split: Sequence[str], data: str = "d", ids: Any = None) -> Path:
    """A features file of a modality."""
    path = folder / modality / "toy.h5"
    made_from = {"data": data, "weights": {modality: f"weights of {modality}"}, "script": "stages/features.py"}
    ids = ids or [f"v{i}" for i in range(len(labels))]
    features.write(path, ids, labels, split, np.asarray(values, np.float32), made_from)
    return path


def random_files(folder: Path) -> list[Path]:
    """rgb and flow of 60 videos of three classes, hard enough that the two disagree."""
    labels, split = [f"c{i % 3}" for i in range(60)], ["test" if i % 4 == 0 else "train" for i in range(60)]
    paths = []
    for modality in ("rgb", "flow"):
        centres = seeding.numpy_rng(1, modality).normal(size=(3, 6))
        noise = seeding.numpy_rng(2, modality).normal(size=(60, 2, 6))
        paths.append(write(folder, modality, centres[np.arange(60) % 3][:, None] + 2 * noise, labels, split, f"data of {modality}"))
    return paths


def test_streams_are_each_alone_and_the_pairs_that_are_there(tmp_path: Path) -> None:
    labels, split = ["a", "b", "a", "b"], ["train", "train", "test", "test"]
    values = np.arange(8).reshape(4, 1, 2)
    rgb = write(tmp_path, "rgb", values, labels, split)
    flow = write(tmp_path, "flow", values[::-1][:3] + 10, labels[::-1][:3], split[::-1][:3], ids=["v3", "v2", "v1"])
    joint = write(tmp_path, "joint", values, labels, split)
    args = job.score_parser("").parse_args(
        ["--experiment", "e", "--seed", "0", "--dataset", "toy", "--out", "o", "--features", str(rgb), str(flow), str(joint)]
    )
    args.params = {"evaluate": FUSED}
    groups = job.streams(args)
    assert list(groups) == ["rgb", "flow", "joint", "rgb+flow"]  # no motion, so no joint+motion
    assert [one.ids for one in groups["rgb"]] == [["v0", "v1", "v2", "v3"]]
    assert [one.ids for one in groups["rgb+flow"]] == [["v1", "v2", "v3"]] * 2
    left, right = groups["rgb+flow"]
    assert left.features[:, 0, 0].tolist() == [2, 4, 6] and right.features[:, 0, 0].tolist() == [12, 14, 16]


def test_finetuned_streams_by_hand(tmp_path: Path, call_stage: CallStage) -> None:
    labels, split = ["a", "b", "a", "b", "a"], ["train", "train", "test", "test", "test"]
    nothing = [[[0, 0]], [[0, 0]]]
    rgb = write(tmp_path, "rgb", [*nothing, [[0.6, 0.4]], [[0.6, 0.4]], [[0.3, 0.7]]], labels, split)
    flow = write(tmp_path, "flow", [*nothing, [[0.1, 0.9]], [[0.2, 0.8]], [[0.8, 0.2]]], labels, split)
    arguments = {"experiment": "e", "seed": 0, "dataset": "toy", "features": [rgb, flow]}
    result = json.loads(call_stage("finetune_scores", {"evaluate": FUSED}, "finetune.json", **arguments).read_text())
    # rgb answers a a b, flow b b a, their means (.35 .65) (.4 .6) (.55 .45) b b a; right is a b a
    assert result["values"]["rgb"] == {"accuracy": pytest.approx(100 / 3)}
    assert result["values"]["flow"] == result["values"]["rgb+flow"] == {"accuracy": pytest.approx(200 / 3)}
    assert result["chance"] == {"accuracy": 50} and result["counts"] == {"train": 2, "test": 3, "classes": 2}
    assert result["task"] == "finetune" and result["provenance"]["script"] == "stages/finetune_scores.py"


def test_fused_probabilities_are_the_mean_video_by_video(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    params = {"evaluate": FUSED | {"linear": PROBE}}
    arguments = {"experiment": "e", "seed": 0, "dataset": "toy", "features": paths}
    values = json.loads(call_stage("linear", params, "linear.json", **arguments).read_text())["values"]
    rgb, flow = (features.read(path) for path in paths)
    one, two = (linear.train_probe(each, **PROBE).tolist() for each in (rgb, flow))
    right = [rgb.labels[i] for i in range(60) if rgb.split[i] == "test"]
    hits = {"rgb": 0, "flow": 0, "rgb+flow": 0}
    for first, second, label in zip(one, two, right, strict=True):
        both = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
        for name, answer in (("rgb", first), ("flow", second), ("rgb+flow", both)):
            hits[name] += f"c{answer.index(max(answer))}" == label
    assert {name: found["accuracy"] for name, found in values.items()} == pytest.approx({n: 100 * h / 15 for n, h in hits.items()})
    assert len(set(hits.values())) == 3  # else this tells nothing


def test_fused_similarities_are_the_mean_pair_by_pair(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    arguments = {"experiment": "e", "seed": 0, "dataset": "toy", "features": paths}
    values = json.loads(call_stage("retrieval", {"evaluate": FUSED}, "retrieval.json", **arguments).read_text())["values"]
    both = [features.read(path) for path in paths]

    def cosine(one: Features, q: int, g: int) -> float:
        x, y = (one.features[i].astype(float).mean(0) for i in (q, g))
        return float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))

    train, test = ([i for i in range(60) if both[0].split[i] == split] for split in ("train", "test"))
    for k in (1, 5, 10, 20):
        hits = 0
        for q in test:
            nearest = sorted(train, key=lambda g: -(cosine(both[0], q, g) + cosine(both[1], q, g)) / 2)
            hits += both[0].labels[q] in [both[0].labels[g] for g in nearest[:k]]
        assert values["rgb+flow"][f"R@{k}"] == pytest.approx(100 * hits / 15)
    assert values["rgb+flow"] != values["rgb"] != values["flow"]


def test_a_result_says_what_it_was_made_from(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    params = {"threads": 1, "evaluate": FUSED}
    out = call_stage("retrieval", params, "r.json", experiment="stc-mix", seed=3, dataset="hmdb51", features=paths)
    result = json.loads(out.read_text())
    assert [result[key] for key in ("experiment", "seed", "dataset", "task")] == ["stc-mix", 3, "hmdb51", "retrieval"]
    made_from = result["provenance"]
    assert made_from["code"] == code.digest("stages/retrieval.py") and made_from["params"] == params
    assert made_from["data"] == hashlib.sha256(b"data of flow\ndata of rgb\n").hexdigest()
    assert {name: each["data"] for name, each in made_from["encoders"].items()} == {"rgb": "data of rgb", "flow": "data of flow"}
    assert made_from["weights"] == {"rgb": "weights of rgb", "flow": "weights of flow"}
    assert made_from["features"] == {path.parent.name: sha256(path) for path in paths}


def test_one_digest_stays_what_it_is_and_several_do_not_depend_on_their_order() -> None:
    assert job.combined(["x"]) == job.combined(["x", "x"]) == "x"  # joint and motion are read from one cache
    assert job.combined(["x", "y"]) == job.combined(["y", "x", "y"]) != job.combined(["x", "z"])
    assert job.combined(["ab", "c"]) != job.combined(["a", "bc"])


def test_modalities_of_other_videos_cannot_be_fused(tmp_path: Path, call_stage: CallStage) -> None:
    rgb = write(tmp_path, "rgb", np.ones((4, 1, 2)), ["a", "b", "a", "b"], ["train", "train", "test", "test"])
    flow = write(tmp_path, "flow", np.ones((4, 1, 2)), ["a", "b", "b", "b"], ["train", "train", "test", "test"])
    with pytest.raises(InputError, match="modalities differ in labels or split"):
        call_stage("retrieval", {"evaluate": FUSED}, "r.json", experiment="e", seed=0, dataset="toy", features=[rgb, flow])
    assert not (tmp_path / "r.json").exists()
