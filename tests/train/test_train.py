"""stages/train.py: what it leaves of a training, and one with labels."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from tests.made import row
from tests.train.conftest import MakeRun, RunFolder

from videossl import seeding
from videossl.data import fewer
from videossl.errors import InputError
from videossl.files import read_json, sha256
from videossl.params import slices
from videossl.train import assemble, provenance, weights


def test_a_training_leaves_its_weights_its_curve_and_what_was_kept(make_run: MakeRun) -> None:
    run = make_run()
    made = run.train("mixup", "joint")
    assert sorted(path.name for path in made.parent.iterdir()) == ["joint.json", "joint.safetensors", "joint.snapshots.safetensors"]
    state = weights.load(made)
    assert {name.split("/")[0] for name in state} == {"joint"}
    parts = {"encoder", "head", "key_encoder", "key_head", "queue", "queue_ids", "queue_ptr"}
    assert {name.partition("/")[2].split(".")[0] for name in state} == parts
    history = json.loads(made.with_suffix(".json").read_text())["epochs"]
    measures = {"epoch", "loss", "accuracy", "lr", "spread", "rank", "positive", "negative"}
    assert [{key for key in epoch if ", start" not in key} for epoch in history] == [measures] * 2 and history[0]["spread, start"] > 0
    kept = weights.load(made.with_suffix(".snapshots.safetensors"))
    assert {name.split("/")[0] for name in kept} == {"1.joint", "2.joint"}
    about = weights.provenance(made)
    assert about["params"] == slices.training(run.params, run.training("mixup", "joint"))
    assert about["weights"] == {} and about["seed"] == 0 and about == weights.provenance(made.with_suffix(".snapshots.safetensors"))
    (record,) = (run.folder / "scratch/runs").rglob("*.json")
    assert record.relative_to(run.folder / "scratch/runs") == Path("mixup/0/joint.json") and read_json(record)[0]["exit"] == "finished"


def test_a_training_of_a_chain_says_what_it_began_from_and_what_was_frozen(make_run: MakeRun) -> None:
    """With draws of its own, whatever the experiment is called."""
    run = make_run()
    start, partner = run.train("mixup", "joint"), run.train("mixup", "motion")
    made = run.train("stc-mix-skeleton", "joint-1")
    about = weights.provenance(made)
    assert about["weights"] == {"joint": sha256(start), "partner": sha256(partner)}
    assert about["seed"] == provenance.derived_seed(0, ["joint", "cmmc1"]) != 0
    assert {name.split("/")[0] for name in weights.load(made)} == {"joint"}, "the partner is no part of it"


def test_experiments_of_one_recipe_are_the_same_bytes_but_for_their_name(make_run: MakeRun) -> None:
    run = make_run()
    run.params["experiments"]["same"] = run.params["experiments"]["mixup"]
    one, other = run.train("mixup", "joint"), run.train("same", "joint")
    first, second = weights.load(one), weights.load(other)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert read_json(one.with_suffix(".json"))["epochs"] == read_json(other.with_suffix(".json"))["epochs"]
    assert len(list((run.folder / "scratch/checkpoints").iterdir())) == 2


def test_a_share_of_the_videos_is_trained_on_as_if_there_were_no_others(make_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    """The same bytes as from an index of these videos alone, in as many steps; each training of a chain has a share of its own."""
    whole = make_run()
    used = fewer.taken(whole.rows, 0.5, 0)
    alone = make_run(used, name="alone")
    whole.params["experiments"]["mixup"]["videos"] = 0.5
    with caplog.at_level(logging.INFO):
        one, other = whole.train("mixup", "joint"), alone.train("mixup", "joint")
    assert "experiments.mixup.videos is 0.5: 4 of 8 training videos" in caplog.text
    first, second = weights.load(one), weights.load(other)
    assert first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert read_json(one.with_suffix(".json"))["epochs"] == read_json(other.with_suffix(".json"))["epochs"]
    assert weights.provenance(one)["params"]["training"]["videos"] == 0.5
    assert {int(id) for id in first["joint/queue_ids"]} == {seeding.derive(0, one.id) for one in used}
    whole.train("mixup", "motion")
    after = whole.train("stc-mix-skeleton", "joint-1")
    assert weights.provenance(after)["params"]["training"]["videos"] == 1
    assert len(set(weights.load(after)["joint/queue_ids"].tolist())) > 4


def test_a_share_that_leaves_too_little_to_train_on_is_one_line(labelled: RunFolder) -> None:
    """Before anything is read: less than a batch, or a class without a video."""
    labelled.params["experiments"]["teacher"]["videos"] = 0.1
    with pytest.raises(
        InputError, match=r"^experiments.teacher.videos is 0.1, which with seed 0 leaves no video of (a|b|a, b) to learn from;"
    ):
        labelled.train("teacher", "joint")
    labelled.params["experiments"]["student"]["videos"] = 0.3
    labelled.params["experiments"]["teacher"]["videos"] = 1.0
    labelled.train("teacher", "joint")
    with pytest.raises(
        InputError, match=r"^experiments.student.videos is 0.3, which leaves 3 videos to train on, and a batch is 4; raise ex"
    ):
        labelled.train("student", "joint")


@pytest.fixture
def labelled(make_run: MakeRun) -> RunFolder:
    """Three classes, one of test videos alone; some videos have none."""
    labels = ["b", "a", "", "b", "a", "", "a", "b", "a", "b"]
    run = make_run([*(row(f"v{n}", label) for n, label in enumerate(labels)), row("t", "c", "test")])
    run.params["experiments"]["teacher"] = {"method": "supervised", "streams": ["joint"]}
    run.params["experiments"]["student"] = {"method": "moco", "streams": ["joint"], "mixing": "none", "from": "teacher"}
    return run


def test_a_training_with_labels(labelled: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the training videos that have one, with as many classes as they have; what it leaves is the encoder alone."""
    seen: dict[str, int] = {}
    views = assemble.views

    def watched(dataset, *arguments):  # type: ignore[no-untyped-def]
        seen.update(zip(dataset.ids, dataset.labels, strict=True))
        return views(dataset, *arguments)

    monkeypatch.setattr(assemble, "views", watched)
    made = labelled.train("teacher", "joint")
    assert seen == {"v0": 1, "v1": 0, "v3": 1, "v4": 0, "v6": 0, "v7": 1, "v8": 0, "v9": 1}
    encoder = assemble.encoder("joint", labelled.params["streams"]["joint"], 0)
    assert weights.load(made).keys() == {f"joint/encoder.{name}" for name in encoder.state_dict()}
    rows = read_json(made.with_suffix(".json"))["epochs"]
    assert [{key for key in row if ", start" not in key} for row in rows] == [{"epoch", "loss", "accuracy", "lr"}] * 2
    state, start = weights.load(made, "joint/encoder."), dict(encoder.named_parameters())
    assert not [name for name, parameter in start.items() if torch.equal(state[name], parameter)]


def test_a_method_without_labels_begins_from_one_with(labelled: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    """All videos take part again, and the key encoder begins as the encoder does."""
    start = labelled.train("teacher", "joint")
    with caplog.at_level(logging.INFO):
        made = labelled.train("student", "joint")
    assert f"from {start}: encoder\n" in caplog.text
    assert weights.provenance(made)["weights"] == {"joint": sha256(start)}
    ids = weights.load(made, "joint/")["queue_ids"]
    assert len(set(ids.tolist())) == 6, "of ten videos two batches"


def test_too_few_classes_are_named(make_run: MakeRun) -> None:
    run = make_run()
    run.params["experiments"]["teacher"] = {"method": "supervised", "streams": ["joint"]}
    with pytest.raises(InputError, match="supervised training with 1 classes among the labels, two are needed"):
        run.train("teacher", "joint")


def test_a_stream_whose_shards_are_not_given_is_named(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    monkeypatch.setattr(run, "shards", lambda streams: [run.shard("rgb")])
    with pytest.raises(InputError, match="no shards of joint are given, which motion is read from; extract them first"):
        run.train("mixup", "motion")
    assert not (run.folder / "models").exists()
