"""Each kind of artefact, struck at each write, flush and rename of the job that makes it: whole or absent, and the same command goes on."""

from __future__ import annotations

import itertools
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import Workspace, skeletons_alone

pytestmark = pytest.mark.slow

PATHS = os.pathsep.join([str(REPOSITORY / "lib"), str(REPOSITORY)])
KINDS = {
    "index": ["data/index/toy.csv", "data/index/toy.json"],
    "measurable": ["data/index/toy.measurable.json"],
    "shard": ["data/cache/toy/joint/0000.h5"],
    "feasible": ["data/models/stc-mix-skeleton/feasible.json"],
    "weights, history, snapshots": [f"data/models/mixup/0/joint{end}" for end in (".safetensors", ".json", ".snapshots.safetensors")],
    "features": ["data/features/mixup/0/joint/toy.h5"],
    "predictions": ["data/features/mixup/0/joint/toy.finetune.h5"],
    "results": ["data/results/mixup/0/toy/retrieval.json"],
    "progress": ["data/progress/mixup/0/toy/joint.json"],
    "page": ["data/report/index.html", "data/report/index.json", "data/report/index-losses.csv"],
    "target": ["data/report/curves.html", "data/report/curves.json"],
    "raw": ["data/raw/toy"],
}
"""What a job makes, of each kind of artefact; the first is its --out. Raw is last, for its job leaves less than the others were made of."""


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


@pytest.fixture(scope="module")
def blows(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> list[dict[str, Any]]:
    """All blows to the jobs of all kinds, by one process."""
    run = Workspace(tmp_path_factory.mktemp("smallest"), warm | {"PYTHONPATH": PATHS})
    (run.path / "params.yaml").write_text(yaml.safe_dump(smallest(), sort_keys=False))
    run.call(*snakemake(run.path), "--cores", "2")
    every = jobs(run)
    (run.path / "jobs.json").write_text(json.dumps(every))
    done = run.call("python", str(REPOSITORY / "tests/every_write.py"), "jobs.json")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


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


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_fails_or_dies_at_whichever_write(blows: list[dict[str, Any]], kind: str) -> None:
    struck = [blow for blow in blows if blow["job"] == kind]
    assert not [blow for blow in struck if blow["wrong"]]
    assert {(blow["blow"], blow["deadly"]) for blow in struck} == set(itertools.product(("write", "flush", "rename"), (False, True)))
