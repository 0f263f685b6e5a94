"""What the scripts of the tasks share: streams, two-stream scores by hand and by loops, the results file."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.made import row
from tests.tasks.conftest import CallStage

from videossl import job_code, registry, seeding
from videossl.data import index
from videossl.data.index import Row
from videossl.errors import InputError
from videossl.files import sha256
from videossl.tasks import base, features, progress, scripts
from videossl.tasks.features import Features

FUSED = {"fused": [["rgb", "flow"], ["joint", "motion"]]}
PROBE = {"weight_decay": 0.01, "tolerance": 1e-6, "iterations": 50}


def params(task: str, settings: Any = None, fused: Any = FUSED) -> dict[str, Any]:
    """The slice of params that a task is scored with."""
    return {"evaluate": fused | {"tasks": {task: settings or {}}}}


def score(call_stage: CallStage, task: str, paths: Sequence[Path], settings: Any = None, **named: Any) -> dict[str, Any]:
    """The results file of a task."""
    arguments = {"experiment": "e", "seed": 0, "dataset": "toy"} | named
    out = call_stage("score", params(task, settings), f"{task}.json", task=task, features=list(paths), **arguments)
    result: dict[str, Any] = json.loads(out.read_text())
    return result


def write(folder: Path, stream: str, values: Any, labels: Sequence[str], split: Sequence[str], data: str = "d", ids: Any = None) -> Path:
    """A features file of a stream."""
    path = folder / stream / "toy.h5"
    made_from = {"data": data, "weights": {stream: f"weights of {stream}"}, "script": "stages/features.py"}
    ids = ids or [f"v{i}" for i in range(len(labels))]
    features.write(path, ids, labels, split, np.asarray(values, np.float32), made_from)
    return path


def random_files(folder: Path) -> list[Path]:
    """rgb and flow of 60 videos of three classes, hard enough that the two disagree."""
    labels, split = [f"c{i % 3}" for i in range(60)], ["test" if i % 4 == 0 else "train" for i in range(60)]
    paths = []
    for stream in ("rgb", "flow"):
        centres = seeding.numpy_rng(1, stream).normal(size=(3, 6))
        noise = seeding.numpy_rng(2, stream).normal(size=(60, 2, 6))
        paths.append(write(folder, stream, centres[np.arange(60) % 3][:, None] + 2 * noise, labels, split, f"data of {stream}"))
    return paths


def test_streams_are_each_alone_and_the_pairs_that_are_there(tmp_path: Path) -> None:
    labels, split = ["a", "b", "a", "b"], ["train", "train", "test", "test"]
    values = np.arange(8).reshape(4, 1, 2)
    rgb = write(tmp_path, "rgb", values, labels, split)
    flow = write(tmp_path, "flow", values[::-1][:3] + 10, labels[::-1][:3], split[::-1][:3], ids=["v3", "v2", "v1"])
    joint = write(tmp_path, "joint", values, labels, split)
    args = scripts.score_parser("").parse_args(
        [
            "--task",
            "linear",
            "--experiment",
            "e",
            "--seed",
            "0",
            "--dataset",
            "toy",
            "--out",
            "o",
            "--features",
            str(rgb),
            str(flow),
            str(joint),
        ]
    )
    args.params = params("linear")
    groups = scripts.streams(args)
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
    result = score(call_stage, "finetune", [rgb, flow], {"overlap": 0.5, "crops": 2})
    # rgb answers a a b, flow b b a, their means (.35 .65) (.4 .6) (.55 .45) b b a; right is a b a
    assert result["values"]["rgb"] == {"accuracy": pytest.approx(100 / 3)}
    assert result["values"]["flow"] == result["values"]["rgb+flow"] == {"accuracy": pytest.approx(200 / 3)}
    assert result["chance"] == {"accuracy": 50} and result["counts"] == {"train": 2, "test": 3, "classes": 2}
    assert result["task"] == "finetune" and result["provenance"]["script"] == "stages/score.py"


def test_a_result_says_which_test_videos_each_metric_counts(tmp_path: Path, call_stage: CallStage) -> None:
    """As above: right is a b a of v2 v3 v4; flow lacks v3. A pair has the videos that both streams have."""
    labels, split = ["a", "b", "a", "b", "a"], ["train", "train", "test", "test", "test"]
    nothing = [[[0, 0]], [[0, 0]]]
    rgb = write(tmp_path, "rgb", [*nothing, [[0.6, 0.4]], [[0.6, 0.4]], [[0.3, 0.7]]], labels, split)
    ids, kept = ["v0", "v1", "v4", "v2"], [0, 1, 4, 2]
    flow = write(tmp_path, "flow", [*nothing, [[0.8, 0.2]], [[0.1, 0.9]]], [labels[i] for i in kept], [split[i] for i in kept], ids=ids)
    hits = score(call_stage, "finetune", [rgb, flow], {"overlap": 0.5, "crops": 2})["hits"]
    assert hits["videos"] == ["v2", "v3", "v4"]
    assert hits["streams"] == {"rgb": {"accuracy": "100"}, "flow": {"accuracy": "0-1"}, "rgb+flow": {"accuracy": "0-1"}}


@pytest.mark.parametrize(("task", "settings"), [("linear", PROBE), ("retrieval", None)])
def test_the_numbers_are_the_shares_of_the_hits(tmp_path: Path, call_stage: CallStage, task: str, settings: Any) -> None:
    result = score(call_stage, task, random_files(tmp_path), settings)
    for stream, numbers in result["values"].items():
        signs = result["hits"]["streams"][stream]
        assert signs.keys() == numbers.keys() and all(len(text) == 15 for text in signs.values())
        assert numbers == pytest.approx({metric: 100 * text.count("1") / 15 for metric, text in signs.items()})


def test_a_task_without_hits_keeps_its_numbers() -> None:
    class Counting:
        """A task that says no videos."""

        def measure(self, predictions: Sequence[Any], features: Features) -> dict[str, float]:
            return {"error": 3.0}

    both = type("Both", (Counting,), {"hits": lambda self, predictions, features: {"share": np.array([True, False])}})
    nothing: Any = None
    assert base.scores(cast(base.Task, Counting()), [], nothing) == ({"error": 3.0}, {})
    assert base.scores(cast(base.Task, both()), [], nothing).numbers == {"share": 50.0, "error": 3.0}
    assert scripts.hits({}, {}, base.CLASS) == {}


def test_fused_probabilities_are_the_mean_video_by_video(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    values = score(call_stage, "linear", paths, PROBE)["values"]
    rgb, flow = (features.read(path) for path in paths)
    one, two = (base.load("linear").predict(each, PROBE).probabilities.tolist() for each in (rgb, flow))
    right = [rgb.labels[i] for i in range(60) if rgb.split[i] == "test"]
    hits = {"rgb": 0, "flow": 0, "rgb+flow": 0}
    for first, second, label in zip(one, two, right, strict=True):
        both = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
        for name, answer in (("rgb", first), ("flow", second), ("rgb+flow", both)):
            hits[name] += f"c{answer.index(max(answer))}" == label
    assert {name: found["accuracy"] for name, found in values.items()} == pytest.approx({n: 100 * h / 15 for n, h in hits.items()})
    assert len(set(hits.values())) == 3  # else this tells nothing


def test_a_probe_that_did_not_converge_is_marked_in_its_file(
    tmp_path: Path, call_stage: CallStage, caplog: pytest.LogCaptureFixture
) -> None:
    paths = random_files(tmp_path)
    assert "remarks" not in score(call_stage, "linear", paths, PROBE | {"iterations": 500})
    remarks = score(call_stage, "linear", paths, PROBE | {"iterations": 2})["remarks"]
    assert sorted(remarks) == ["flow", "rgb", "rgb+flow"] and len(remarks["rgb+flow"]) == 2
    assert "e, seed 0, rgb on toy: the linear probe has not converged: after 2 iterations" in caplog.text


def test_fused_similarities_are_the_mean_pair_by_pair(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    values = score(call_stage, "retrieval", paths)["values"]
    both = [features.read(path) for path in paths]

    def cosine(one: Features, q: int, g: int) -> float:
        x, y = (one.features[i].astype(float).mean(0) - one.features[train].astype(float).mean((0, 1)) for i in (q, g))
        return float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))

    def deviation(one: Features, q: int) -> float:
        return float(np.std([cosine(one, q, g) for g in train]))

    train, test = ([i for i in range(60) if both[0].split[i] == split] for split in ("train", "test"))
    for k in (1, 5, 10, 20):
        hits = 0
        for q in test:
            wide = [deviation(one, q) for one in both]
            nearest = sorted(train, key=lambda g: -sum(cosine(one, q, g) / by for one, by in zip(both, wide, strict=True)))
            hits += both[0].labels[q] in [both[0].labels[g] for g in nearest[:k]]
        assert values["rgb+flow"][f"R@{k}"] == pytest.approx(100 * hits / 15)
    assert values["rgb+flow"] != values["rgb"] != values["flow"]


def test_a_result_says_what_it_was_made_from(tmp_path: Path, call_stage: CallStage) -> None:
    paths = random_files(tmp_path)
    result = score(call_stage, "retrieval", paths, experiment="stc-mix", seed=3, dataset="hmdb51")
    assert [result[key] for key in ("experiment", "seed", "dataset", "task")] == ["stc-mix", 3, "hmdb51", "retrieval"]
    assert result.keys() == {"experiment", "seed", "dataset", "task", "values", "chance", "counts", "hits", "provenance"}
    made_from = result["provenance"]
    assert made_from["code"] == job_code.digest("stages/score.py", *registry.files("tasks", "retrieval"))
    assert made_from["params"] == {"threads": 1} | params("retrieval")
    assert made_from["data"] == hashlib.sha256(b"data of flow\ndata of rgb\n").hexdigest()
    assert {name: each["data"] for name, each in made_from["encoders"].items()} == {"rgb": "data of rgb", "flow": "data of flow"}
    assert made_from["weights"] == {"rgb": "weights of rgb", "flow": "weights of flow"}
    assert made_from["features"] == {path.parent.name: sha256(path) for path in paths}


def test_one_digest_stays_what_it_is_and_several_do_not_depend_on_their_order() -> None:
    assert scripts.combined(["x"]) == scripts.combined(["x", "x"]) == "x"  # joint and motion are read from one cache
    assert scripts.combined(["x", "y"]) == scripts.combined(["y", "x", "y"]) != scripts.combined(["x", "z"])
    assert scripts.combined(["ab", "c"]) != scripts.combined(["a", "bc"])


def test_streams_of_other_videos_cannot_be_fused(tmp_path: Path, call_stage: CallStage) -> None:
    rgb = write(tmp_path, "rgb", np.ones((4, 1, 2)), ["a", "b", "a", "b"], ["train", "train", "test", "test"])
    flow = write(tmp_path, "flow", np.ones((4, 1, 2)), ["a", "b", "b", "b"], ["train", "train", "test", "test"])
    with pytest.raises(InputError, match="streams differ in labels or split"):
        score(call_stage, "retrieval", [rgb, flow])
    assert not (tmp_path / "retrieval.json").exists()


@pytest.mark.parametrize("task", registry.names("tasks"))
def test_a_task_says_what_the_frame_asks(task: str) -> None:
    declared, module = registry.declared("tasks", task), base.load(task)
    assert declared["headline"] in declared["metrics"] and declared["label"] in {base.CLASS, *base.VALUES}
    assert all(metric.keys() == {"unit", "higher", "error"} for metric in declared["metrics"].values())
    assert all(metric["error"] in ("share", "spread") for metric in declared["metrics"].values())
    assert declared["given"] == "features" or (declared["given"] == "encoder" and declared["method"] and hasattr(module, "tested"))
    assert all("description" in setting for setting in declared["settings"].values())
    assert all(callable(getattr(module, name)) for name in ("predict", "chance", "work"))
    assert callable(getattr(module, "measure", None) or getattr(module, "hits", None))


def test_tables_have_the_tasks_in_order() -> None:
    declared = [registry.declared("tasks", task) for task in registry.names("tasks")]
    titles = [each["title"] for each in sorted(declared, key=lambda each: each["order"])]
    assert titles[:3] == ["Nearest-neighbour retrieval", "Linear probe", "Finetuning"] and len(set(titles)) == len(titles)


@pytest.mark.parametrize("task", ["retrieval", "finetune"])
def test_a_stream_is_predicted_once_and_where_videos_differ_on_those_that_all_have(
    task: str, tmp_path: Path, call_stage: CallStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    module = registry.module("tasks", task)
    predict = module.predict
    monkeypatch.setattr(module, "predict", lambda given, settings: asked.append(given.ids) or predict(given, settings))
    labels, split = ["a", "b"] * 3, ["train"] * 3 + ["test"] * 3
    values = seeding.numpy_rng(0).random((6, 1, 2))
    same = [write(tmp_path / "same", stream, values, labels, split) for stream in ("rgb", "flow")]
    score(call_stage, task, same)
    assert asked == [[f"v{i}" for i in range(6)]] * 2
    asked.clear()
    fewer = write(tmp_path / "fewer", "flow", values[:5], labels[:5], split[:5])
    score(call_stage, task, [same[0], fewer])
    assert [len(ids) for ids in asked] == [6, 5, 5]  # rgb; flow, alone and fused; rgb on the videos of flow


WITHOUT = """
import sys
sys.modules["torch"] = None  # an import of it fails
from stages import score
score.main()
"""


@pytest.mark.parametrize("task", ["retrieval", "finetune"])
def test_torch_is_not_loaded_for_tasks_that_do_not_need_it(task: str, tmp_path: Path) -> None:
    path = write(tmp_path, "rgb", [[[1, 0]], [[0, 1]], [[1, 0]]], ["a", "b", "a"], ["train", "train", "test"])
    words = [
        "--task",
        task,
        "--params",
        json.dumps({"threads": 1} | params(task)),
        "--features",
        str(path),
        "--out",
        str(tmp_path / "r.json"),
    ]
    words += ["--experiment", "e", "--seed", "0", "--dataset", "toy"]
    subprocess.run([sys.executable, "-c", WITHOUT, *words], check=True, cwd=job_code.ROOT)
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["values"]["rgb"][registry.declared("tasks", task)["headline"]] == 100
    loaded = f"import sys; from stages import score; from videossl.tasks import base; base.load({task!r}); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True, cwd=job_code.ROOT)


def test_an_unknown_task_is_named(tmp_path: Path, refused: Callable[..., str]) -> None:
    words = ["--experiment", "e", "--seed", "0", "--dataset", "toy", "--features", "x.h5", "--out", str(tmp_path / "r.json")]
    assert "did you mean 'linear'?" in refused("score", "--task", "linaer", "--params", json.dumps(params("linaer")), *words)


def test_counts_are_of_the_kind_of_label_that_a_task_needs() -> None:
    further = ["", '{"repetitions": 3}', '{"repetitions": 4, "sounds": ["bark"]}', ""]
    made = Features(list("abcd"), ["x", "", "y", ""], ["train", "train", "test", "test"], np.zeros((4, 1, 1)), further=further)
    assert scripts.counts(made) == {"train": 1, "test": 1, "classes": 2}
    assert scripts.counts(made, "number") == scripts.counts(made, "order") == {"train": 1, "test": 1}
    assert scripts.counts(made, "several") == {"train": 0, "test": 1}


def rows_of(labels: Sequence[str], splits: Sequence[str], **further: Sequence[Any]) -> list[Row]:
    """Rows of the index with classes and further labels, None where a video has none."""
    each = [{name: values[i] for name, values in further.items() if values[i] is not None} for i in range(len(labels))]
    return [row(f"v{i}", label, splits[i], labels=each[i]) for i, label in enumerate(labels)]


def measurable(
    call_stage: CallStage, folder: Path, tasks: list[str], rows: Sequence[Row], batches: Any = None, shares: Any = None, videos: Any = None
) -> dict[str, Any]:
    """What the script says of an index of `rows`."""
    index.write(folder / "index.csv", rows)
    part = {"evaluate": {"tasks": tasks}, "batches": batches or {}, "shares": shares or {}, "videos": videos or {}}
    out = call_stage("measurable", part, "measurable.json", index=folder / "index.csv")
    result: dict[str, Any] = json.loads(out.read_text())
    assert result.pop("provenance")["params"]["evaluate"] == {"tasks": tasks}
    return result


def test_what_can_be_measured_is_said(tmp_path: Path, call_stage: CallStage) -> None:
    rows = rows_of(["a", "b", "a", ""], ["train", "train", "test", "test"])
    expected = {"train": 2, "test": 1, "classes": 2, "tasks": ["linear", "finetune"]}
    assert measurable(call_stage, tmp_path, ["linear", "finetune"], rows) == expected
    assert measurable(call_stage, tmp_path, [], rows[:1])["tasks"] == []
    with pytest.raises(
        InputError, match=r"^linear, retrieval need two classes and labelled videos to train and to test with; .*index.csv has 2 "
    ):
        measurable(call_stage, tmp_path, ["linear", "retrieval"], rows[:2])


def test_a_batch_that_is_larger_than_what_is_trained_on_is_named_by_its_key(tmp_path: Path, call_stage: CallStage) -> None:
    rows = rows_of(["a", "b", "", "b"], ["train", "train", "train", "test"])
    batches = {"": {"streams.rgb.train.batch": 3}, "finetune": {"streams.rgb.train.finetune.batch": 2}}
    measurable(call_stage, tmp_path, [], rows, batches)
    for task, kind, key, there in (
        ("", "", "streams.rgb.train.batch", 3),
        ("finetune", "labelled ", "streams.rgb.train.finetune.batch", 2),
    ):
        more = batches | {task: {key: there + 1}}
        with pytest.raises(
            InputError,
            match=rf"^{key} is {there + 1}, and .*index.csv has {there} {kind}videos to train on; set {key} to {there} or less, or add",
        ):
            measurable(call_stage, tmp_path, [], rows, more)


def test_a_batch_that_is_larger_than_a_share_of_the_labels_is_named_with_the_share(tmp_path: Path, call_stage: CallStage) -> None:
    rows = rows_of(["a"] * 8 + ["b"] * 3 + ["", "b"], ["train"] * 12 + ["test"])  # a quarter of them: 2 and 1
    own, shared, shares = "streams.rgb.train.finetune-few.batch", "streams.rgb.train.batch", {"finetune-few": 0.25}
    measurable(call_stage, tmp_path, ["finetune-few"], rows, {"": {shared: 12}, "finetune-few": {own: 3}}, shares)
    for key in (own, shared):
        said = rf"^{key} is 4, and .* has 3 labelled videos to train on by evaluate.tasks.finetune-few.share 0.25; set {own} to 3 or less, raise"
        with pytest.raises(InputError, match=said):
            measurable(call_stage, tmp_path, ["finetune-few"], rows, {"finetune-few": {key: 4}}, shares)


def test_a_share_of_the_videos_that_is_too_small_is_refused(tmp_path: Path, call_stage: CallStage) -> None:
    """Of 12 videos a quarter are 3, whatever their labels; who learns from labels has those of them that have one, and needs each class."""
    rows, key, place = (
        rows_of(["a"] * 6 + ["b"] * 5 + ["", "b"], ["train"] * 12 + ["test"]),
        "experiments.few.videos",
        "experiments.few.batch",
    )

    def ask(share: float, batch: int, seeds: Sequence[int] = ()) -> None:
        measurable(call_stage, tmp_path, [], rows, videos={key: {"share": share, "batches": {place: batch}, "seeds": seeds}})

    ask(0.25, 3)
    with pytest.raises(
        InputError, match=rf"^{key} is 0.25, which leaves 3 videos to train on, and {place} is 4; raise {key}, lower {place}, or"
    ):
        ask(0.25, 4)
    ask(1, 11, [0, 1])
    with pytest.raises(InputError, match=rf"^{key} is 1, which leaves 11 videos to train on, and {place} is 12; "):
        ask(1, 12, [0, 1])
    with pytest.raises(InputError, match=rf"^{key} is 0.01, which with seed 0 leaves no video of "):
        ask(0.01, 2, [0, 1])


def test_tasks_of_other_kinds_of_label_need_videos_that_have_it(
    tmp_path: Path, call_stage: CallStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "declared", lambda kind, name: {"label": "class" if name == "linear" else "number"})
    splits, repetitions = ["train", "train", "test", "test"], [3, None, 4.5, None]
    rows = rows_of(["", "", "", ""], splits, repetitions=repetitions)
    assert measurable(call_stage, tmp_path, ["count"], rows) == {"train": 0, "test": 0, "classes": 0, "tasks": ["count"]}
    with pytest.raises(InputError, match=r"^linear need two classes"):
        measurable(call_stage, tmp_path, ["count", "linear"], rows)
    with pytest.raises(InputError, match=r"^count need labelled videos, with the kind of label number, .* has 1 training and 0 test"):
        measurable(call_stage, tmp_path, ["count"], rows_of(["a", "b", "a", "b"], splits, repetitions=[3, None, None, None]))


def test_progress_measures_every_task_that_it_is_given_as_the_script_does(tmp_path: Path, call_stage: CallStage) -> None:
    path = random_files(tmp_path)[0]
    tasks, rgb = progress.Tasks({"linear": PROBE, "linear-few": PROBE | {"share": 0.4}, "retrieval": {}}, 0), features.read(path)
    assert list(tasks.scores(rgb)) == ["linear", "linear-few", "retrieval"]
    for task, settings in tasks.settings.items():
        result = score(call_stage, task, [path], settings)
        assert tasks.scores(rgb)[task] == result["values"]["rgb"] and tasks.chance(rgb)[task] == result["chance"]
    nobody = Features(["a"], [""], ["train"], np.zeros((1, 1, 1)))
    progress.Tasks({}, 0).check(nobody)
    with pytest.raises(InputError, match="0 classes"):
        tasks.check(nobody)
