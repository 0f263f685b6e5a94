"""Same params, same bytes: run twice, run elsewhere, killed and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.pipeline.conftest import ENVIRONMENT, Workspace

pytestmark = pytest.mark.slow

MODELS = ["train_mixup", "train_stc-mix", "train_stc-mix-skeleton"]


def test_a_second_run_in_a_folder_of_its_own_gives_the_same_weights(finished_run: Workspace, fresh: Workspace) -> None:
    """`--directory` also shows that a run needs nothing but its folder and the repository."""
    run = Workspace(fresh.path / "runs/second")
    run.path.mkdir(parents=True)
    (run.path / "params.yaml").write_bytes((fresh.path / "params.yaml").read_bytes())
    fresh.snakemake(*MODELS, "--directory", "runs/second")
    assert run.weights() == finished_run.weights()
    assert len(run.weights()) == 18, "nine trainings, each with the encoders kept on the way"
    for made in ("data/index/toy.csv", "data/cache/toy/flow/0000.h5", "data/cache/toy/joint/0001.h5"):
        assert (run.path / made).read_bytes() == (finished_run.path / made).read_bytes()


def test_killed_in_the_middle_of_a_training_and_run_again(finished: Workspace) -> None:
    """kill -9 of Snakemake and all its jobs after a checkpoint; then --unlock, and the same command."""
    target = "data/models/mixup/0/rgb/pretrain.safetensors"
    finished.replace("params.yaml", "pretrain: &training {epochs: 2,", "pretrain: &training {epochs: 15,")
    finished.snakemake(target)
    whole = finished.path / target
    made = [whole.with_suffix(suffix) for suffix in (".safetensors", ".json", ".snapshots.safetensors")]
    wanted = [path.read_bytes() for path in made]
    for path in made:
        path.unlink()

    environment = ENVIRONMENT | {"PYTHONPATH": str(finished.path / "lib")}
    running = subprocess.Popen(["snakemake", target, "--cores", "2"], cwd=finished.path, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(finished.path.glob("data/scratch/checkpoints/*/newest.pt")):
        assert running.poll() is None and time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not whole.exists()

    finished.snakemake("--unlock")
    finished.snakemake(target)
    assert "goes on after epoch" in (finished.path / "logs/pretrain/mixup-0-rgb.log").read_text()
    assert [path.read_bytes() for path in made] == wanted
    assert not list(Path(finished.path / "data/scratch/checkpoints").glob("*")), "a finished training leaves no checkpoint"


def test_a_checkpoint_of_other_params_is_not_used(finished: Workspace) -> None:
    target = "data/models/mixup/0/motion/pretrain.safetensors"
    finished.replace("params.yaml", "pretrain: &training {epochs: 2,", "pretrain: &training {epochs: 3,")
    finished.snakemake(target)
    assert "goes on after epoch" not in (finished.path / "logs/pretrain/mixup-0-motion.log").read_text()
