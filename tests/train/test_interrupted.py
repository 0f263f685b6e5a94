"""A training as a cluster treats it: signalled, killed, in one process or several. Real processes of `stages/launch.py`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.made import row, shard
from tests.train.conftest import tiny

from videossl import seeding
from videossl.data import index
from videossl.params import recipes, slices

pytestmark = pytest.mark.slow
EPOCHS, STEPS = 12, 2  # an epoch
ENVIRONMENT = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(REPOSITORY / "lib")}


class Job:
    """One training of joints in a folder of its own."""

    def __init__(self, folder: Path, inputs: Path, warm: dict[str, str], **changes: Any) -> None:
        self.warm, self.folder, self.out = warm, folder, folder / "models/joint.safetensors"
        folder.mkdir()
        chosen = tiny()
        chosen["streams"]["joint"]["train"] |= {"epochs": EPOCHS, "batch": 4, "optimiser": "sgd", "lr": 0.001, **changes}
        slice = json.dumps(slices.training(chosen, recipes.training(chosen, "mixup", "joint")))
        files = ["--index", str(inputs / "index.csv"), "--cache", str(inputs / "joint.h5"), "--out", str(self.out)]
        which = ["--params", slice, "--experiment", "mixup", "--seed", "0"]
        self.call = [str(REPOSITORY / "stages/train.py"), *which, *files, "--log", "train.log"]

    def command(self, processes: int = 1, workers: int = 0, minutes: float = 0) -> list[str]:
        launch = [sys.executable, str(REPOSITORY / "stages/launch.py"), "--processes", str(processes)]
        return [*launch, *self.call, "--workers", str(workers), "--checkpoint-minutes", str(minutes)]

    def run(self, **how: Any) -> subprocess.CompletedProcess[str]:
        """With nothing to disturb it, so warm."""
        command = ["python", *self.command(**how)[1:]]
        return subprocess.run(command, cwd=self.folder, env=ENVIRONMENT | self.warm, capture_output=True, text=True)

    def strike(self, blow: Callable[[int], None], **how: Any) -> int:
        """Run in a process group of its own, and call `blow` with its number once there are checkpoints of its own; the exit status."""
        before = self.steps()
        with (self.folder / "stderr").open("w") as stderr:
            running = subprocess.Popen(self.command(**how), cwd=self.folder, env=ENVIRONMENT, start_new_session=True, stderr=stderr)
        deadline = time.monotonic() + 120
        while self.steps() < before + 3:
            assert running.poll() is None and time.monotonic() < deadline, (self.folder / "stderr").read_text()
            time.sleep(0.005)
        blow(running.pid)
        return running.wait(120)

    def steps(self) -> int:
        """How far the newest checkpoint is."""
        return max((int(path.name.split(".")[0]) for path in self.folder.glob("data/scratch/checkpoints/*/*.pt")), default=0)

    def record(self) -> list[dict[str, Any]]:
        (path,) = self.folder.glob("data/scratch/runs/mixup/0/joint.json")
        found: list[dict[str, Any]] = json.loads(path.read_text())
        return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    ids = [f"v{number}" for number in range(4 * STEPS)]
    index.write(folder / "index.csv", [row(id, "a") for id in ids])
    arrays = [(id, seeding.numpy_rng(0, id).standard_normal((20, 25, 3, 2)).astype(np.float32)) for id in ids]
    shard(folder / "joint.h5", "joint", arrays)
    return folder


@pytest.fixture(scope="module")
def undisturbed(inputs: Path, tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> Job:
    job = Job(tmp_path_factory.mktemp("undisturbed") / "run", inputs, warm)
    done = job.run(minutes=1e9)
    assert done.returncode == 0, done.stderr
    return job


def same_bytes(job: Job, wanted: Job) -> bool:
    return all(job.out.with_suffix(end).read_bytes() == wanted.out.with_suffix(end).read_bytes() for end in (".safetensors", ".json"))


def test_signals_to_all_its_processes_lose_nothing(inputs: Path, undisturbed: Job, tmp_path: Path, warm: dict[str, str]) -> None:
    """As Slurm gives them: to the training and to those that read clips for it."""
    job, reached = Job(tmp_path / "run", inputs, warm), [0]
    signals = (signal.SIGTERM, signal.SIGUSR1)
    for number in signals:
        status = job.strike(lambda process, number=number: os.killpg(process, number), workers=2)
        assert status == 75, (job.folder / "stderr").read_text()
        reached.append(job.steps())
        assert not job.out.exists() and reached[-2] < reached[-1] < EPOCHS * STEPS
    assert job.run().returncode == 0 and same_bytes(job, undisturbed)
    *struck, last = job.record()
    for number, attempt, start, end in zip(signals, struck, reached, reached[1:], strict=False):
        assert attempt["exit"] == (
            f"mixup 0 joint: stopped by {number.name} at epoch {(end - 1) // STEPS + 1}, step {(end - 1) % STEPS + 1};"
            " the same command goes on from there"
        )
        assert (attempt["from_step"], attempt["to_step"]) == (start, end)
    assert (last["from_step"], last["to_step"], last["exit"]) == (reached[-1], EPOCHS * STEPS, "finished")
    assert last["clips"] == 4 * (EPOCHS * STEPS - reached[-1])
    assert len(list(job.folder.glob("data/scratch/checkpoints/*/done"))) == 1


def test_killed_it_goes_on_from_its_last_checkpoint(inputs: Path, undisturbed: Job, tmp_path: Path, warm: dict[str, str]) -> None:
    job = Job(tmp_path / "run", inputs, warm)
    job.strike(lambda process: os.killpg(process, signal.SIGKILL))
    reached = job.steps()
    assert 0 < reached < EPOCHS * STEPS
    assert job.run().returncode == 0 and same_bytes(job, undisturbed)
    first, second = job.record()
    assert first["exit"] == "killed, or still running" and second["from_step"] == reached


def test_two_processes_stop_together_and_one_goes_on(inputs: Path, undisturbed: Job, tmp_path: Path, warm: dict[str, str]) -> None:
    """A checkpoint of two processes is one: another number may go on from it, to the same up to rounding. Signals come more than once."""
    job = Job(tmp_path / "run", inputs, warm)

    def strike(process: int) -> None:
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, number)
            time.sleep(0.02)

    assert job.strike(strike, processes=2) == 75, (job.folder / "stderr").read_text()
    assert (job.folder / "stderr").read_text().count("stopped by") == 1
    reached = job.steps()
    assert job.run().returncode == 0
    first, second = job.record()
    assert (first["processes"], second["processes"], second["from_step"]) == (2, 1, reached)
    losses = [[row["loss"] for row in json.loads(one.out.with_suffix(".json").read_text())["epochs"]] for one in (job, undisturbed)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3) and losses[0] != losses[1]


def test_one_of_two_processes_is_killed(inputs: Path, tmp_path: Path, warm: dict[str, str]) -> None:
    """The other ends too, and does not wait for it for ever."""
    job = Job(tmp_path / "run", inputs, warm)

    def kill_the_last(launcher: int) -> None:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        ranks = [pid for pid in children if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
        os.kill(int(ranks[0]), signal.SIGKILL)

    assert job.strike(kill_the_last, processes=2) not in (0, 2, 75)
    assert not job.out.exists() and job.run().returncode == 0


def test_what_all_processes_find_wrong_is_said_once(inputs: Path, tmp_path: Path, warm: dict[str, str]) -> None:
    job = Job(tmp_path / "run", inputs, warm, batch=5)
    done = job.run(processes=2)
    assert done.returncode == 2
    assert done.stderr == "error: a batch of 5 cannot be shared by 2 processes; choose a number of GPUs that divides it\n"
    assert (job.folder / "train.log").read_text() == done.stderr


ALONE = """\
import sys
from stages import launch
from videossl import script, waiting
waiting.HEARTBEAT, launch.PATIENCE = 1, int(sys.argv.pop(1))
script.run(launch.main)
"""


@pytest.mark.parametrize("patience", [3, 900], ids=["limit", "signal"])
def test_a_node_that_waits_for_another_says_so_and_ends(patience: int) -> None:
    """The second of two, of which the first never comes. Python itself would see no signal while torch waits."""
    variables = {"SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1", "SLURM_NODEID": "1", "SLURM_JOB_ID": "1"}
    paths = os.pathsep.join([str(REPOSITORY / "lib"), str(REPOSITORY)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    call = [sys.executable, "-c", ALONE, str(patience), "--nodes", "2", "--processes", "1", "--port", port, "train.py"]
    with subprocess.Popen(call, env=os.environ | variables | {"PYTHONPATH": paths}, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert re.fullmatch(rf"the other nodes have not come for 2 s, of {patience}\n", lines[-1]), lines
        if patience == 900:
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    if patience == 900:
        assert process.returncode == 75 and errors == "stopped by SIGTERM before anything began\n"
    else:
        assert process.returncode == 2 and errors.splitlines()[-1].startswith(
            f"error: the 2 nodes have not found each other at 127.0.0.1:{port} ("
        )
        assert "frame #" not in errors and "Traceback" not in errors
