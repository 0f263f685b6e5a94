"""A training of two encoders at once: what it leaves of each, an interruption, a view that breaks."""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY
from tests.made import row, shard
from tests.methods.test_crossclr import clips, method
from torch import Tensor, nn

from videossl import params, seeding
from videossl.data import index
from videossl.errors import InputError, Interrupted
from videossl.files import sha256
from videossl.methods.crossclr import CrosSCLR
from videossl.methods.losses import EMPTY
from videossl.train import modality, weights
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit, of_view

TRAINING = Training(epochs=3, batch=4, optimiser="sgd", lr=0.05, weight_decay=0.0, schedule="cosine")


def batches(change: Callable[[dict[str, Tensor], int], None] = lambda views, step: None) -> Batches:
    """Two steps an epoch; `change` is made to the views of a step, counted from 0 over all."""

    def epoch(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        for step in range(start, 2):
            views = clips(4, 2 * number + step)
            change(views, 2 * number + step)
            yield views, torch.randint(0, 6, (4,), generator=seeding.torch_rng(0, number, step))

    return Batches(2, epoch)


def test_each_view_has_a_training_curve_of_its_own(tmp_path: Path) -> None:
    history = fit(method(), batches(), TRAINING, 0, Checkpoint(tmp_path), "m")
    curves = {view: of_view(history, view) for view in ("joint", "motion")}
    for both, *rows in zip(history, *curves.values(), strict=True):
        assert all(list(one) == ["epoch", "loss", "accuracy", "lr", "spread"] for one in rows)
        assert sum(one["loss"] for one in rows) == pytest.approx(both["loss"])
        assert sum(one["accuracy"] for one in rows) / 2 == pytest.approx(both["accuracy"])
        assert {one["lr"] for one in rows} == {both["lr"]} and {one["epoch"] for one in rows} == {both["epoch"]}
        assert all(one["spread"] >= both["spread"] for one in rows)
    assert curves["joint"] != curves["motion"]


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


def test_a_view_that_breaks_is_named(tmp_path: Path) -> None:
    def broken(views: dict[str, Tensor], step: int) -> None:
        if step == 3:
            views["motion/query"][0] = math.nan

    checkpoint = Checkpoint(tmp_path, 0)
    with pytest.raises(InputError, match=r"^m: the loss of motion is nan, at epoch 2, step 2; the last good checkpoint is .*000000003\."):
        fit(method(), batches(broken), TRAINING, 0, checkpoint, "m")
    state = checkpoint.load()
    assert state is not None and all(bool(tensor.isfinite().all()) for tensor in state["method"].values())


def test_a_view_that_collapses_is_named(tmp_path: Path) -> None:
    """The other goes on learning: only the worse spread tells."""
    chosen = method()
    head = chosen.mocos["joint"].head
    assert isinstance(head, nn.Module)
    nn.init.zeros_(head.out.weight)
    stuck = replace(TRAINING, lr=0.0, epochs=60)
    with pytest.raises(InputError, match=r"m: the features of joint have collapsed, .* at epoch 25, step 2; no checkpoint was written"):
        fit(chosen, batches(), stuck, 0, Checkpoint(tmp_path), "m")


class Job:
    """stages/mining.py on made-up joints, from made-up weights whose queues are full."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        run = params.load(REPOSITORY / "tests/pipeline/tiny.yaml")
        run["experiments"]["crossclr"] |= {"modalities": ["motion", "joint"], "epochs": 2, "keep": 1}
        self.slice: dict[str, Any] = params.mining_slice(run, "crossclr")
        rng = np.random.default_rng(0)
        index.write(folder / "index.csv", [row(f"v{n}", "a") for n in range(8)])
        self.cache = shard(
            folder / "joint.h5", "joint", [(f"v{n}", rng.standard_normal((9, 25, 3, 2)).astype(np.float32)) for n in range(8)]
        )
        for name in ("joint", "motion"):
            start = modality.moco(name, self.slice["modalities"][name], 0, "none")
            start.queue_ids.copy_(torch.arange(6))
            weights.save(self.start(name), start.state_dict(), {})

    def start(self, name: str) -> Path:
        return self.folder / f"{name}-start.safetensors"

    def run(self, out: str, one: str = "joint", other: str = "motion") -> Callable[[str, str], Path]:
        """Called with a modality and the end of a file's name: what it has left."""

        def path(name: str, end: str) -> Path:
            return (self.folder / out / name / "mining").with_suffix(end)

        call = ["mining", "--params", json.dumps(self.slice), "--seed", "0", "--index", str(self.folder / "index.csv")]
        call += ["--modalities", one, other, "--scratch", str(self.folder / out / "scratch"), "--checkpoint-minutes", "1e9"]
        for prefix, name in (("--", one), ("--other-", other)):
            call += [
                f"{prefix}cache",
                str(self.cache),
                f"{prefix}start",
                str(self.start(name)),
                f"{prefix}out",
                str(path(name, ".safetensors")),
            ]
        self.monkeypatch.setattr(sys, "argv", call)
        importlib.import_module("stages.mining").main()
        return path


ENDS = (".safetensors", ".json", ".snapshots.safetensors")


def test_the_script_leaves_all_of_both_modalities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever of them the rule names first; interrupted in the middle, too."""
    job = Job(tmp_path, monkeypatch)
    made = job.run("whole")
    for name in ("joint", "motion"):
        state, start = weights.load(made(name, ".safetensors")), weights.load(job.start(name))
        assert set(state) == set(start)
        assert not [key for key in state if key.endswith("weight") and torch.equal(state[key], start[key])]
        kept = weights.load(made(name, ".snapshots.safetensors"))
        assert {key.split(".")[0] for key in kept} == {"1", "2"}
        assert all(torch.equal(kept[f"2.{key.removeprefix('encoder.')}"], state[key]) for key in state if key.startswith("encoder."))
        assert [list(row) for row in json.loads(made(name, ".json").read_text())] == [["accuracy", "epoch", "loss", "lr", "spread"]] * 2
        about = weights.provenance(made(name, ".safetensors"))
        assert about["weights"] == {one: sha256(job.start(one)) for one in ("joint", "motion")} and about["script"] == "stages/mining.py"
    ids = [weights.load(made(name, ".safetensors"))["queue_ids"] for name in ("joint", "motion")]
    assert torch.equal(*ids) and not (ids[0] == EMPTY).any() and not (ids[0] < 6).any(), "of this training's samples alone"

    swapped, step, steps = job.run("swapped", "motion", "joint"), CrosSCLR.step, []

    def struck(*arguments: Any) -> dict[str, Tensor]:
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(CrosSCLR, "step", struck)
    with pytest.raises(Interrupted, match=r"crossclr 0 motion\+joint mining: stopped by SIGTERM at epoch 2, step 1"):
        job.run("parts")
    assert len(steps) == 3 and not (tmp_path / "parts/joint").exists()
    with caplog.at_level(logging.INFO):
        parts = job.run("parts")
    assert "goes on after epoch 1, step 1 of 2" in caplog.text and len(steps) == 4
    for name in ("joint", "motion"):
        for end in ENDS:
            assert made(name, end).read_bytes() == swapped(name, end).read_bytes() == parts(name, end).read_bytes(), (name, end)
