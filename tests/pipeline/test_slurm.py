"""The pipeline on a real Slurm of two nodes, and what clusters do to jobs: the same bytes in the end, and no step trained twice.

The faults strike while a training is held in its middle (SIGSTOP), so that nothing depends on how fast this machine is; Slurm wakes
what it signals. They mostly wait for Slurm, so all of them run at the same time, each in a run and on a cluster of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from tests.pipeline.conftest import Workspace, copy_of_run, skeletons_alone, write_video
from tests.pipeline.slurm import Job, Slurm, cluster, eventually, missing
from tests.pipeline.warm import COLD_JOBS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a Slurm"),
]

SITE = dict.fromkeys(("account", "partition", "gpu_partition")) | {"gpus": 0, "nodes": 1, "cpus": 1, "workers": 0}
SITE |= {"minutes": 60, "notice": 10, "retries": 20, "checkpoint_minutes": 10, "jobs": 20, "status": "squeue"}
QUICK = ["--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "1"]
"""Nobody else uses these clusters, so they may be asked often."""

JOINT, MOTION = (f"data/models/stc-mix-skeleton/0/{stream}-1.safetensors" for stream in ("joint", "motion"))
MADE = (".safetensors", ".json", ".snapshots.safetensors")


@dataclass(frozen=True)
class Run:
    """A run on a cluster."""

    workspace: Workspace
    slurm: Slurm
    site: dict[str, object]

    @property
    def path(self) -> Path:
        return self.workspace.path

    @property
    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.path / "lib"), "VIDEOSSL_SITE": str(self.path / "site.yaml")}
        return self.slurm.environment | self.workspace.variables | own

    def snakemake(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Snakemake as on a login node; what it says is in snakemake.out."""
        (self.path / "site.yaml").write_text(yaml.safe_dump(SITE | self.site))
        command = ["snakemake", *arguments, "--profile", "profiles/slurm", *QUICK]
        with (self.path / "snakemake.out").open("ab") as out:
            running = subprocess.Popen(command, cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.slurm.running["snakemake"] = running  # so that it ends with the cluster if a test fails
        return running

    def finish(self, running: subprocess.Popen[bytes]) -> None:
        """Wait until Snakemake has ended well."""
        assert running.wait(1200) == 0, (self.path / "snakemake.out").read_text()


@dataclass(frozen=True)
class Training:
    """One that is left to do in a copy of the finished run."""

    run: Run
    weights: str

    def start(self) -> subprocess.Popen[bytes]:
        return self.run.snakemake(self.weights)

    @property
    def log(self) -> str:
        """What its newest attempt said."""
        path = self.run.path / f"logs/train/{'-'.join(self._named())}.log"
        return path.read_text() if path.exists() else ""

    def attempts(self) -> list[dict[str, Any]]:
        """The run record."""
        return json.loads((self.run.path / f"data/scratch/runs/{'/'.join(self._named())}.json").read_text())  # type: ignore[no-any-return]

    def _named(self) -> tuple[str, str, str]:
        """Its experiment, seed and name."""
        *_, experiment, seed, name = Path(self.weights).with_suffix("").parts
        return experiment, seed, name

    def checkpoints(self) -> list[int]:
        """After how many steps each was written, the newest last."""
        return sorted(int(path.name.split(".")[0]) for path in self.run.path.glob("data/scratch/checkpoints/*/*.pt"))

    def resumed(self) -> int:
        """After how many steps the newest attempt went on; 0 if it began anew, or has not said yet."""
        found = re.search(r"goes on after epoch (\d+), step (\d+) of (\d+)", self.log)
        return int(found[1]) * int(found[3]) + int(found[2]) if found else 0

    def hold(self, seen: Callable[[], object]) -> int:
        """Stop the process that trains, once `seen`; its id."""
        eventually(lambda: bool(seen()), f"{self.run.path}: a training to hold", every=0.005)
        process = self._process()
        os.kill(process, signal.SIGSTOP)
        return process

    def _process(self) -> int:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (folder / "cmdline").read_text().split("\0")
                if "--checkpoint-minutes" in arguments and self.weights in arguments and (folder / "cwd").resolve() == self.run.path:
                    return int(folder.name)
            except OSError:
                continue  # it is no more
        raise AssertionError(f"{self.weights} ended before it could be disturbed\n{self.log}")

    def job(self) -> Job:
        """Its newest."""
        return max(self.run.slurm.jobs(), key=lambda job: int(job.id))

    def ended(self, number: str) -> Job:
        """Wait until job `number` is over, which Snakemake may have submitted anew by then."""
        over = {"CANCELLED", "COMPLETED", "FAILED", "TIMEOUT"}
        jobs = lambda: {job.id: job for job in self.run.slurm.jobs()}  # noqa: E731
        eventually(lambda: jobs()[number].state in over, f"{self.run.path}: the end of job {number}", every=0.5)
        return jobs()[number]


def sources(finished: Workspace, path: Path) -> Workspace:
    """What the finished run was made from, and nothing that it made."""
    finished.call("git", "clone", "-q", str(finished.path), str(path))
    return Workspace(path, finished.variables)


def left_to_do(finished: Workspace, path: Path, weights: str, slurm: Slurm, **site: object) -> Training:
    """A training without its results, log and run record in a copy of the finished run: what follows from the results is there."""
    workspace = copy_of_run(finished, path)
    for folder in ("data/scratch", "logs"):
        shutil.rmtree(path / folder)
    for suffix in MADE:
        (path / weights).with_suffix(suffix).unlink()
    return Training(Run(workspace, slurm, site), weights)


def disturbed(training: Training) -> Training:
    """The same, cold: all its processes are Slurm's to signal."""
    run = training.run
    return replace(training, run=replace(run, workspace=replace(run.workspace, variables={**run.workspace.variables, **COLD_JOBS})))


def assert_whole_again(training: Training, finished: Workspace) -> None:
    """The bytes are those of the undisturbed run, and DVC finds nothing changed."""
    workspace = training.run.workspace
    assert workspace.weights() == finished.weights()
    assert (workspace.path / training.weights).with_suffix(".json").read_bytes() == (
        (finished.path / training.weights).with_suffix(".json").read_bytes()
    )
    assert training.checkpoints() == [], "a finished training leaves none"
    assert "up to date" in workspace.call("dvc", "status").stdout


def assert_no_step_twice(training: Training) -> None:
    attempts = training.attempts()
    assert [attempt["from_step"] for attempt in attempts[1:]] == [attempt["to_step"] for attempt in attempts[:-1]]


def whole_pipeline(finished: Workspace, path: Path) -> None:
    """From nothing: all that skeletons are trained to, and what `all` measures of that; each rule of the finished run has a job."""
    with cluster() as slurm:
        run = Run(sources(finished, path), slurm, {})
        (path / "params.yaml").write_text(yaml.safe_dump(skeletons_alone(), sort_keys=False))
        run.workspace.call("videossl", "dvc-yaml")
        run.finish(run.snakemake("all"))
        for file in path.glob("data/**/*"):
            relative = file.relative_to(path)
            if file.is_file() and (relative.parts[1] in ("cache", "models", "features") or relative == Path("data/index/toy.csv")):
                assert file.read_bytes() == (finished.path / relative).read_bytes(), relative
        jobs = slurm.jobs()
    made = Counter(log.parent.name for log in path.glob("logs/*/*.tsv"))
    assert set(made) == {log.parent.name for log in finished.path.glob("logs/*/*.tsv")}, "every rule"
    assert len(run.workspace.weights()) == 10 and Counter(job.comment.removeprefix("rule_").split("_wildcards_")[0] for job in jobs) == made
    assert {job.state for job in jobs} == {"COMPLETED"} and {job.nodes for job in jobs} == set(slurm.nodes)
    run.workspace.call("videossl", "record")
    assert "up to date" in run.workspace.call("dvc", "status").stdout


def cancelled_then_snakemake_killed(finished: Workspace, path: Path) -> None:
    """No checkpoint is due while these run: each that lies there was written since Slurm said so."""
    with cluster() as slurm:
        training = disturbed(left_to_do(finished, path, JOINT, slurm))
        running = training.start()
        training.hold(lambda: "epoch 2/" in training.log)
        assert training.checkpoints() == []
        job = training.job()
        slurm.call("scancel", job.id)
        assert training.ended(job.id).state == "CANCELLED"
        (first,) = training.checkpoints()

        training.hold(training.resumed)  # Snakemake has submitted it again
        assert training.resumed() == first
        running.kill()
        running.wait()
        assert training.job().state == "RUNNING"
        other = slurm.call("sbatch", "--parsable", "--hold", f"--job-name={uuid4()}", "--comment=rule_x", "--output=x.log", "--wrap=true")
        subprocess.run([sys.executable, "-m", "videossl", "unlock"], cwd=path, env=training.run.environment, check=True)
        states = {job.id: job.state for job in slurm.jobs()}
        assert states.pop(other.strip()) == "PENDING", "it is of another run"
        assert set(states.values()) == {"CANCELLED"}
        second = training.checkpoints()[-1]

        training.run.finish(training.start())
        assert training.resumed() == second >= first
        assert ["SIGTERM" in attempt["exit"] for attempt in training.attempts()] == [True, True, False]
        assert_no_step_twice(training)
        assert_whole_again(training, finished)


def time_limit_hit_twice(finished: Workspace, path: Path) -> None:
    """Slurm counts limits in minutes, and looks twice a minute who has reached one, or is to be told."""
    with cluster() as slurm:
        training = disturbed(left_to_do(finished, path, MOTION, slurm, minutes=2, notice=10))
        running = training.start()
        reached = 0
        for _ in range(2):
            training.hold(training.resumed if reached else lambda: "epoch 2/" in training.log)
            assert training.resumed() == reached
            assert training.ended(training.job().id).limit == "2:00"
            assert training.checkpoints()[-1] > reached
            reached = training.checkpoints()[-1]
        training.run.finish(running)
        *struck, last = training.attempts()  # a busy machine may take more than the two
        assert len(struck) >= 2 and all("SIGUSR1" in attempt["exit"] for attempt in struck) and last["exit"] == "finished"
        assert struck[1]["to_step"] == reached
        for before, after in pairwise([*struck, last]):
            assert after["from_step"] == before["to_step"], "no step twice"
        assert_whole_again(training, finished)


def node_killed_then_controller_restarted(finished: Workspace, path: Path) -> None:
    """With a checkpoint after every step: one is all that can be lost."""
    with cluster() as slurm:
        training = disturbed(left_to_do(finished, path, JOINT, slurm, checkpoint_minutes=0))
        running = training.start()
        training.hold(training.checkpoints)
        job, reached = training.job(), training.checkpoints()[-1]
        slurm.kill_node(job.nodes)

        process = training.hold(training.resumed)
        again = training.job()
        assert again.id == job.id and again.nodes != job.nodes, "Slurm has started it anew by itself"
        assert training.resumed() == reached
        slurm.stop_controller()
        os.kill(process, signal.SIGCONT)
        eventually((path / training.weights).exists, "a training that goes on without a controller")
        eventually(lambda: slurm.is_asked("squeue"), "Snakemake asks in vain", every=0.5)
        slurm.start_controller()
        training.run.finish(running)
        assert_whole_again(training, finished)


def over_two_nodes(finished: Workspace, path: Path) -> None:
    """A process on each. Rounding differs, and Adam makes much of little: tests/train measures how much."""
    with cluster() as slurm:
        training = left_to_do(finished, path, "data/models/mixup/0/joint.safetensors", slurm, nodes=2)
        training.run.finish(training.start())
        assert training.job().nodes == "n[1-2]"
    (attempt,) = training.attempts()
    assert attempt["processes"] == 2
    alone, together = (json.loads((folder / training.weights).with_suffix(".json").read_text()) for folder in (finished.path, path))
    assert [row["loss"] for row in together["epochs"]] == pytest.approx([row["loss"] for row in alone["epochs"]], rel=1e-2)


def odd_names(finished: Workspace, path: Path) -> None:
    """A dataset's root that a shell would act upon reaches the jobs as it stands."""
    root = path.parent / 'John\'s "$(touch x)"; [1] `touch x`'
    for name in ("jump/a.avi", "jump/b.avi", "walk/a.avi", "walk/b.avi"):
        write_video(root / name, 12)
    with cluster() as slurm:
        run = Run(sources(finished, path), slurm, {})
        params = yaml.safe_load((path / "params.yaml").read_text())
        params["dataset"] = {"name": "folder", "root": str(root), "split": 1, "options": {"test_share": 0.5, "seed": 0}}
        (path / "params.yaml").write_text(yaml.safe_dump(params))
        run.finish(run.snakemake("data/index/folder.csv"))
        assert {job.comment for job in slurm.jobs()} == {"rule_download", "rule_index_wildcards_folder"}
    assert (path / "data/index/folder.csv").read_text().count(",ok,") == 4
    assert not list(path.rglob("x"))


STORIES = (
    time_limit_hit_twice,
    node_killed_then_controller_restarted,
    cancelled_then_snakemake_killed,
    over_two_nodes,
    odd_names,
    whole_pipeline,
)


@pytest.fixture(scope="module")
def told(finished_run: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """All stories, begun at once: each waits for Slurm most of the time. In folders whose names a shell would not take for one."""
    folder = tmp_path_factory.mktemp("slurm")
    with ThreadPoolExecutor(len(STORIES)) as pool:
        yield {story.__name__: pool.submit(story, finished_run, folder / f"{story.__name__}'s run") for story in STORIES}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_on_slurm(told: dict[str, Future[None]], story: Callable[[Workspace, Path], None]) -> None:
    told[story.__name__].result()
