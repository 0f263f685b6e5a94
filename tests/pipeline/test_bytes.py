"""Same params, same bytes: run elsewhere, killed and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.pipeline.conftest import ENVIRONMENT, Workspace

pytestmark = pytest.mark.slow

MODELS = "data/models/stc-mix/0/rgb-1.safetensors"  # of videos; of skeletons, and what follows, see test_chaos
IN = ["--directory", "runs/second"]


def kill_in_a_training(cold: Workspace, run: Workspace) -> None:
    """kill -9 of Snakemake and all its jobs when there is a checkpoint; once more if that training ended just then."""
    environment = ENVIRONMENT | {"PYTHONPATH": str(cold.path / "lib")}
    command = ["snakemake", MODELS, *IN, "--cores", "2", "--set-resources", "train:checkpoint_minutes=0"]
    deadline = time.monotonic() + 300
    while not checkpoints(run):
        running = subprocess.Popen(command, cwd=cold.path, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        while not checkpoints(run):
            assert running.poll() is None and time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.005)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        cold.snakemake("--unlock", *IN)


def checkpoints(run: Workspace) -> list[Path]:
    return list(run.path.glob("data/scratch/checkpoints/*/*.pt"))


def test_a_run_in_a_folder_of_its_own_killed_and_run_again_gives_the_same_bytes(finished_run: Workspace, fresh: Workspace) -> None:
    """`--directory` also shows that a run needs nothing but its folder and the repository."""
    cold, run = Workspace(fresh.path), Workspace(fresh.path / "runs/second")
    run.path.mkdir(parents=True)
    (run.path / "params.yaml").write_bytes((fresh.path / "params.yaml").read_bytes())
    kill_in_a_training(cold, run)
    cold.snakemake(MODELS, *IN)
    assert any("goes on after epoch" in log.read_text() for log in run.path.glob("logs/*/*.log"))
    made = [path.relative_to(run.path) for path in run.path.glob("data/**/*") if path.is_file() and "scratch" not in path.parts]
    assert sum(path.suffix == ".safetensors" for path in made) == 6, "three trainings, each with the encoders kept on the way"
    for path in made:
        assert (run.path / path).read_bytes() == (finished_run.path / path).read_bytes(), path
    assert not list(run.path.glob("data/scratch/checkpoints/*")), "a finished training leaves no checkpoint"
