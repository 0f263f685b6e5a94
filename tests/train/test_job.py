"""Encoders kept on the way: the epochs asked for and the last, and the same bytes after an interruption."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pytest
import torch
from tests.train.test_loop import TRAINING, Regression, batches

from videossl.errors import InputError
from videossl.train import job, weights

MADE_FROM = {"made": "here"}


def run(tmp_path: Path, method: Regression, every: int) -> Path:
    """Train and finish, as a script does."""
    out, scratch = tmp_path / "models/rgb.safetensors", tmp_path / "scratch"
    snapshots = job.Snapshots(method.encoders(), every, TRAINING.epochs, job.folder(scratch, MADE_FROM))
    args = argparse.Namespace(scratch=scratch, checkpoint_minutes=0, workers=0)
    history = job.train(method, batches(), TRAINING, 0, "a 0 rgb", MADE_FROM, args, [snapshots])
    job.write(method, history, MADE_FROM, out, snapshots)
    job.done(MADE_FROM, scratch)
    return out.with_suffix(".snapshots.safetensors")


@pytest.mark.parametrize(("every", "epochs"), [(0, []), (1, [1, 2, 3, 4, 5, 6]), (4, [4, 6]), (6, [6]), (10, [6])])
def test_which_epochs_are_kept(tmp_path: Path, every: int, epochs: list[int]) -> None:
    method = Regression()
    kept = weights.load(run(tmp_path, method, every))
    assert sorted({int(name.split(".")[0]) for name in kept}) == epochs
    if epochs:
        assert torch.equal(kept["6.rgb/w"], method.w.detach()), "the last is the final one"
        assert int(kept[f"{epochs[0]}.rgb/updates"]) == 4 * epochs[0]
    assert weights.provenance(tmp_path / "models/rgb.snapshots.safetensors") == MADE_FROM
    assert len(list((tmp_path / "scratch/checkpoints").glob("*/done"))) == 1
    assert [path.name for path in (tmp_path / "scratch/runs/a/0").iterdir()] == ["rgb.json"]
    final = weights.load(tmp_path / "models/rgb.safetensors", "rgb/")
    assert torch.equal(final["w"], method.w.detach()) and weights.provenance(tmp_path / "models/rgb.safetensors") == MADE_FROM
    assert job.kept(every, 6) == epochs


@pytest.mark.parametrize("stop_at", [3, 11, 20])
def test_an_interruption_leaves_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    wanted = run(tmp_path / "whole", Regression(), 2).read_bytes()
    with pytest.raises(KeyError):
        run(tmp_path / "parts", Regression(stop_at), 2)
    assert not list((tmp_path / "parts").glob("models/*"))
    assert run(tmp_path / "parts", Regression(), 2).read_bytes() == wanted


def test_a_checkpoint_of_another_training_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made from other params, code or inputs: it begins anew; from the same: it goes on."""
    with pytest.raises(KeyError):
        run(tmp_path, Regression(11), 0)
    for made_from, said in (({"made": "elsewhere"}, False), (dict(MADE_FROM), True)):
        monkeypatch.setitem(globals(), "MADE_FROM", made_from)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            run(tmp_path, Regression(), 0)
        assert ("goes on after epoch 2, step 3 of 4" in caplog.text) is said


def test_results_that_are_deleted_after_the_last_step_cost_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job that is struck when its weights are written fails, and Snakemake deletes them."""
    written = run(tmp_path, Regression(), 2)
    wanted = written.read_bytes()
    written.unlink()
    with caplog.at_level(logging.INFO):
        assert run(tmp_path, Regression(stop_at=24), 2).read_bytes() == wanted
    assert "goes on after epoch 5, step 4 of 4" in caplog.text


def test_the_encoders_of_one_training_are_kept_in_one_file_where_the_checkpoint_lies(tmp_path: Path) -> None:
    """By epoch and stream. What an error tells a person to delete takes the checkpoint with it."""
    encoders = {name: Regression() for name in ("joint", "motion")}
    snapshots = job.Snapshots(encoders, 1, 2, tmp_path)
    for epoch in (1, 2):
        for number, encoder in enumerate(encoders.values()):
            encoder.updates.fill_(10 * epoch + number)
        snapshots({"epoch": epoch})
    kept = {name: int(tensor) for name, tensor in snapshots.gather().items() if name.endswith("updates")}
    assert kept == {"1.joint/updates": 10, "1.motion/updates": 11, "2.joint/updates": 20, "2.motion/updates": 21}
    (tmp_path / "epoch-2.safetensors").unlink()
    with pytest.raises(InputError, match=f"delete {tmp_path} and train again"):
        snapshots.gather()
