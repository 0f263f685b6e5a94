"""Each kind of artefact, struck at each write, flush and rename of the job that makes it: whole or absent, and the same command goes on."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import Workspace, copy_of_run, once, skeletons_alone

pytestmark = pytest.mark.slow

PATHS = os.pathsep.join([str(REPOSITORY / "lib"), str(REPOSITORY)])
KINDS = {
    "raw": ["data/raw/toy"],
    "index": ["data/index/toy.csv", "data/index/toy.json"],
    "measurable": ["data/index/toy.measurable.json"],
    "shard": ["data/cache/toy/joint/0000.h5"],
    "feasible": ["data/models/stc-mix-skeleton/feasible.json"],
    "weights, history, snapshots": [f"data/models/mixup/0/joint{end}" for end in (".safetensors", ".json", ".snapshots.safetensors")],
    "features": ["data/features/mixup/0/joint/toy.h5"],
    "predictions": ["data/features/mixup/0/joint/toy.finetune.h5"],
    "results": ["data/results/mixup/0/toy/retrieval.json"],
    "progress": ["data/progress/mixup/0/toy/joint.json"],
    "page": ["data/report/index.html"],
    "target": ["data/report/curves.html", "data/report/curves.json"],
}
"""What a job makes, of each kind of artefact; the first is its --out."""


def smallest() -> dict[str, Any]:
    """Two classes of a video to train on and one to test on, a stream, a training of two steps."""
    run = skeletons_alone()
    run["dataset"]["options"] |= {"actions": 2, "train_subjects": 1, "test_subjects": 1}
    run["cache"]["shards"] = 1
    train = run["streams"]["joint"]["train"] | {"batch": 2, "epochs": 1, "queue": 2}
    run["streams"] = {name: run["streams"][name] | {"train": train} for name in ("joint", "motion")}
    run["experiments"] = {name: run["experiments"][name] for name in ("mixup", "stc-mix-skeleton")}
    run["experiments"]["mixup"] |= {"streams": ["joint", "motion"]}
    run["experiments"]["stc-mix-skeleton"] |= {"epochs": 2}
    tasks = {"retrieval": {}, "finetune": {"experiments": ["mixup"], "overlap": 0.0, "crops": 1}}
    run["evaluate"] |= {"tasks": tasks, "fused": [], "clips": 1}
    return run | {"all": ["mixup"]}


GROUPS = (
    ("index", "measurable", "shard", "raw"),
    ("weights, history, snapshots",),
    ("predictions",),
    ("feasible", "features", "results", "progress", "page", "target"),
)
"""The kinds that one process strikes, one after the other; raw last, for it leaves less than the others were made of."""


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory, worker_id: str, warm: dict[str, str], tmp_path: Path) -> Workspace:
    """A finished run with an artefact of each kind."""

    def make(path: Path) -> None:
        path.mkdir()
        (path / "params.yaml").write_text(yaml.safe_dump(smallest(), sort_keys=False))
        Workspace(path, warm).call(*snakemake(path), "--cores", "2")

    return copy_of_run(once(tmp_path_factory, worker_id, "smallest", make, warm), tmp_path / "run")


def snakemake(run: Path) -> list[str]:
    """The command that makes all of them."""
    return [
        "snakemake",
        "all",
        *(made[0] for made in KINDS.values()),
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
        "--directory",
        str(run),
    ]


def jobs(run: Workspace) -> dict[str, dict[str, Any]]:
    """The job of each kind as Snakemake calls it, without the launcher of trainings. Two videos are enough for the one that renders them."""
    shown = run.call(*snakemake(run.path), "--cores", "1", "-n", "--forceall", "--printshellcmds", "--workflow-profile", "none").stdout
    lines = [shlex.split(line.removeprefix("Shell command: ")) for line in shown.splitlines() if line.startswith("Shell command: ")]
    commands = [words[words.index("--params") - 1 :] for words in lines if "--params" in words]
    found = {}
    for kind, made in KINDS.items():
        (command,) = (command for command in commands if made[0] in command[command.index("--out") :])
        found[kind] = {"command": command, "made": made}
    raw = found["raw"]["command"]
    raw[2] = raw[2].replace('"actions": 2', '"actions": 1')
    return found


@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: kinds[0])
def test_whatever_fails_or_dies_at_whichever_write(run: Workspace, kinds: tuple[str, ...]) -> None:
    every = jobs(run)
    (run.path / "jobs.json").write_text(json.dumps({kind: every[kind] for kind in kinds}))
    done = run.call("python", str(REPOSITORY / "tests/every_write.py"), "jobs.json", PYTHONPATH=PATHS)
    blows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert not [blow for blow in blows if blow["wrong"]]
    counted = Counter((blow["job"], blow["blow"], blow["deadly"]) for blow in blows)
    for kind in kinds:
        assert all(counted[kind, blow, deadly] >= 1 for blow in ("write", "flush", "rename") for deadly in (False, True)), kind


def test_the_groups_are_all_kinds() -> None:
    assert sorted(kind for kinds in GROUPS for kind in kinds) == sorted(KINDS)
