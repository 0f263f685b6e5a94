"""A training of two encoders together: what it leaves of each, an interruption, a stream that breaks, what later trainings begin from."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.methods.test_crossclr import clips, method
from tests.train.conftest import MakeRun, RunFolder
from torch import Tensor, nn

from videossl import seeding
from videossl.errors import InputError, Interrupted
from videossl.files import sha256
from videossl.methods.crossclr import CrosSCLR
from videossl.methods.losses import EMPTY
from videossl.params import slices
from videossl.train import assemble, job, weights
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit

TRAINING = Training(epochs=3, batch=4, optimiser="sgd", lr=0.05, weight_decay=0.0, schedule="cosine")

MEASURES = ("loss", "accuracy", "spread", "rank", "positive", "negative")


def batches(change: Callable[[dict[str, Tensor], int], None] = lambda views, step: None) -> Batches:
    """Two steps an epoch; `change` is made to the views of a step, counted from 0 over all."""

    def epoch(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        for step in range(start, 2):
            views = clips(4, 2 * number + step)
            change(views, 2 * number + step)
            yield views, torch.randint(0, 6, (4,), generator=seeding.torch_rng(0, number, step))

    return Batches(2, epoch)


def test_the_history_has_the_measures_of_each_stream(tmp_path: Path) -> None:
    history = fit(method(), batches(), TRAINING, 0, Checkpoint(tmp_path), "m")
    own = [f"{measure}/{stream}" for stream in ("joint", "motion") for measure in MEASURES]
    assert history[0]["spread, start/joint"] > 0
    for row in history:
        assert [key for key in row if ", start" not in key] == ["epoch", "loss", "accuracy", "lr", "spread", *own]
        assert row["loss/joint"] + row["loss/motion"] == pytest.approx(row["loss"])
        assert (row["accuracy/joint"] + row["accuracy/motion"]) / 2 == pytest.approx(row["accuracy"])
        assert min(row["spread/joint"], row["spread/motion"]) >= row["spread"]
        assert row["loss/joint"] != row["loss/motion"]


@pytest.mark.parametrize("stop_at", [1, 2, 5])
def test_interrupted_and_gone_on_with_ends_in_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    """Queues included, in the middle of an epoch and at its end."""
    whole, resumed = method(), method()
    history = fit(whole, batches(), TRAINING, 0, Checkpoint(tmp_path / "whole"), "m")

    def strike(views: dict[str, Tensor], step: int) -> None:
        if step == stop_at:
            raise KeyError("killed")

    with pytest.raises(KeyError):
        fit(method(), batches(strike), TRAINING, 0, Checkpoint(tmp_path / "parts", 0), "m")
    assert fit(resumed, batches(), TRAINING, 0, Checkpoint(tmp_path / "parts", 0), "m") == history
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_a_stream_that_breaks_is_named(tmp_path: Path) -> None:
    def broken(views: dict[str, Tensor], step: int) -> None:
        if step == 3:
            views["motion/query"][0] = math.nan

    checkpoint = Checkpoint(tmp_path, 0)
    with pytest.raises(InputError, match=r"^m: the loss of motion is nan, at epoch 2, step 2; the last good checkpoint is .*000000003\."):
        fit(method(), batches(broken), TRAINING, 0, checkpoint, "m")
    state = checkpoint.load()
    assert state is not None and all(bool(tensor.isfinite().all()) for tensor in state["method"].values())


def test_a_stream_that_collapses_is_named(tmp_path: Path) -> None:
    """The other goes on learning: only the worse spread tells."""
    chosen = method()
    head = chosen.mocos[chosen.names.index("joint")].head
    assert isinstance(head, nn.Module)
    nn.init.zeros_(head.out.weight)
    stuck = replace(TRAINING, lr=0.0, epochs=60)
    with pytest.raises(InputError, match=r"m: the features of joint have collapsed, .* at epoch 25, step 2; no checkpoint was written"):
        fit(chosen, batches(), stuck, 0, Checkpoint(tmp_path), "m")


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    """With made-up weights to begin from, whose queues are full."""
    made = make_run()
    made.params["experiments"]["crossclr"] |= {"epochs": 2, "keep": 1}
    for name in ("joint", "motion"):
        training = made.training("mixup", name)
        start = assemble.method(slices.training(made.params, training), 0, assemble.Weights())
        state = start.states()[name]
        state["queue_ids"].copy_(torch.arange(6))
        weights.save(made.weights(made.training("stc-mix-skeleton", f"{name}-1")), job.flat({name: state}), {})
    return made


def start_of(run: RunFolder, stream: str) -> Path:
    return run.weights(run.training("stc-mix-skeleton", f"{stream}-1"))


ENDS = (".safetensors", ".json", ".snapshots.safetensors")


def test_one_file_holds_all_of_both_streams(run: RunFolder) -> None:
    """What each begins from, kept on the way and has become; both queues, aligned; what it was made from; a curve for both."""
    made = run.train("crossclr", "joint+motion")
    assert made.name == "joint+motion.safetensors" and len(list(made.parent.iterdir())) == 3
    kept = weights.load(made.with_suffix(".snapshots.safetensors"))
    assert {name.split("/")[0] for name in kept} == {"1.joint", "1.motion", "2.joint", "2.motion"}
    for stream in ("joint", "motion"):
        state, start = weights.load(made, f"{stream}/"), weights.load(start_of(run, stream), f"{stream}/")
        assert set(state) == set(start)
        assert not [name for name in state if name.endswith("weight") and torch.equal(state[name], start[name])]
        last = {name: tensor for name, tensor in kept.items() if name.startswith(f"2.{stream}/")}
        assert last.keys() == {f"2.{stream}/{name.removeprefix('encoder.')}" for name in state if name.startswith("encoder.")}
        assert all(torch.equal(tensor, state[f"encoder.{name.partition('/')[2]}"]) for name, tensor in last.items())
    assert {name.split("/")[0] for name in weights.load(made)} == {"joint", "motion"}
    about = weights.provenance(made)
    assert about["weights"] == {stream: sha256(start_of(run, stream)) for stream in ("joint", "motion")}
    assert (about["script"], about["experiment"]) == ("stages/train.py", "crossclr")
    own = {f"{measure}/{stream}" for stream in ("joint", "motion") for measure in MEASURES}
    assert [{key for key in row if ", start" not in key} for row in json.loads(made.with_suffix(".json").read_text())["epochs"]] == [
        {"epoch", "loss", "accuracy", "lr", "spread"} | own
    ] * 2
    ids = [weights.load(made, f"{stream}/")["queue_ids"] for stream in ("joint", "motion")]
    assert torch.equal(*ids) and not (ids[0] == EMPTY).any() and not (ids[0] < 6).any(), "of this training's samples alone"


def test_interrupted_and_gone_on_with_it_leaves_the_same_files(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = run.train("crossclr", "joint+motion")
    step, steps, parts = CrosSCLR.step, [], run.folder / "parts/joint+motion.safetensors"

    def struck(*arguments: Any) -> dict[str, Tensor]:
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(CrosSCLR, "step", struck)
    with pytest.raises(Interrupted, match=r"crossclr 0 joint\+motion: stopped by SIGTERM at epoch 2, step 1"):
        run.train("crossclr", "joint+motion", parts, "other")
    assert len(steps) == 3 and not parts.parent.exists()
    with caplog.at_level(logging.INFO):
        run.train("crossclr", "joint+motion", parts, "other")
    assert "goes on after epoch 1, step 1 of 2" in caplog.text and len(steps) == 4
    assert [path.relative_to(run.folder) for path in run.folder.glob("other/runs/**/*.json")] == [
        Path("other/runs/crossclr/0/joint+motion.json")
    ]
    for end in ENDS:
        assert made.with_suffix(end).read_bytes() == parts.with_suffix(end).read_bytes(), end


def test_which_stream_a_recipe_names_first_changes_nothing_that_is_learned(run: RunFolder) -> None:
    """The name of the file, and the order of measures: each stream's draws and weights are its own."""
    made = run.train("crossclr", "joint+motion")
    run.params["experiments"]["crossclr"]["streams"] = ["motion", "joint"]
    swapped = run.train("crossclr", "motion+joint")
    for end in (".safetensors", ".snapshots.safetensors"):
        first, second = (weights.load(path.with_suffix(end)) for path in (made, swapped))
        assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    first, second = (json.loads(path.with_suffix(".json").read_text())["epochs"] for path in (made, swapped))
    assert first == second


def test_later_trainings_begin_from_their_stream_of_the_file(run: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    """Its own, and the frozen partner, both of one file; a stream that is not in it is named."""
    made = run.train("crossclr", "joint+motion")
    recipe = {"streams": ["joint", "motion"], "stages": 1}
    run.params["experiments"]["after"] = run.params["experiments"]["stc-mix-skeleton"] | recipe | {"from": "crossclr"}
    training = run.training("after", "joint-1")
    files = assemble.Weights({"joint": made}, {"partner": made})
    with caplog.at_level(logging.INFO):
        later: Any = assemble.method(slices.training(run.params, training), 0, files)
    for what in ("queue, queue_ids, queue_ptr, encoder, head, key_encoder, key_head", "the frozen encoder of motion"):
        assert f"from {made}: {what}\n" in caplog.text
    wanted = weights.load(made)
    assert all(torch.equal(tensor, wanted[f"joint/{name}"]) for name, tensor in later.states()["joint"].items())
    assert all(torch.equal(tensor, wanted[f"motion/encoder.{name}"]) for name, tensor in later.partner.state_dict().items())
    assert run.train("after", "joint-1").exists()
    with pytest.raises(
        InputError, match=r"joint\+motion.safetensors have no tensor whose name begins with 'rgb/', only those of joint, motion"
    ):
        assemble.method(slices.training(run.params, run.training("stc-mix", "rgb-1")), 0, assemble.Weights({"rgb": made}))
