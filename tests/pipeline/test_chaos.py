"""Every rule's first job, of each modality, method and task, dies at its worst moment, and the run ends in the same bytes as one that nothing disturbed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.faults import deadly, killed_in
from tests.pipeline.conftest import ENVIRONMENT, Workspace, skeletons_alone

pytestmark = pytest.mark.slow

# Scripts, and for what they are called.
MAKING = {"download", "index", "measurable", "extract rgb", "extract flow", "extract joint", "feasible cmmc", "train moco", "train cmmc",
          "train crossclr", "compare"}  # fmt: skip
MEASURING = {"features", "score retrieval", "score linear", "finetune finetune", "score finetune", "progress", "report"}


def disturbed(run: Path, killed: Path, warm: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake in the folder `run`, the first job of each script, and of each modality, method or task that it is called for, killed and called once more;
    `killed` gets a file for each."""
    command = ["snakemake", *arguments, "--cores", "2", "--retries", "1"]
    return subprocess.run(command, cwd=run, env=ENVIRONMENT | deadly(killed) | warm, capture_output=True, text=True)


def files_of(run: Path) -> set[Path]:
    """Its artefacts, relative to it."""
    return {path.relative_to(run) for path in run.glob("data/**/*") if path.is_file() and "scratch" not in path.parts}


def test_the_first_job_of_every_rule_up_to_the_weights_is_killed(finished_run: Workspace, tmp_path: Path, warm: dict[str, str]) -> None:
    """In a folder of its own, from nothing; `--directory` also shows that a run needs nothing but its folder and the repository."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "params.yaml").write_text(yaml.safe_dump(skeletons_alone(), sort_keys=False))
    targets = ["data/index/toy.measurable.json", "data/cache/toy/rgb/0000.h5", "data/cache/toy/flow/0000.h5", "curves"]
    done = disturbed(
        run,
        tmp_path / "killed",
        warm,
        "data/models/crossclr/0/joint+motion.safetensors",
        *targets,
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
    )
    assert done.returncode == 0, done.stderr
    assert killed_in(tmp_path / "killed") == MAKING
    made = {path for path in files_of(run) if path.parts[1] != "report"}
    assert sum(path.suffix == ".safetensors" for path in made) == 10 and sum(path.suffix == ".h5" for path in made) == 4
    for path in made - {Path(targets[0])}:  # which holds the batches of its own run's streams
        assert (run / path).read_bytes() == (finished_run.path / path).read_bytes(), path
    assert json.loads((run / targets[0]).read_text())["train"] == 9
    assert (run / "data/report/curves.html").read_text().startswith("<!doctype html>")
    assert not [*run.rglob("*.part"), *run.glob("data/scratch/checkpoints/*")]


def test_the_first_job_of_every_rule_behind_the_weights_is_killed(
    finished: Workspace, finished_run: Workspace, tmp_path: Path, warm: dict[str, str]
) -> None:
    """Features, results, the page: byte by byte; what is measured along a training ends in what is measured of its last weights."""
    for lost in ("features/untrained/0/joint", "results/untrained/0/toy", "report"):
        shutil.rmtree(finished.path / "data" / lost)
    along = "data/progress/mixup/0/toy/joint.json"
    done = disturbed(finished.path, tmp_path / "killed", warm, "all", along)
    assert done.returncode == 0, done.stderr
    assert killed_in(tmp_path / "killed") == MEASURING
    for path in files_of(finished.path) - {Path(along)}:
        assert (finished.path / path).read_bytes() == (finished_run.path / path).read_bytes(), path
    last = json.loads((finished.path / along).read_text())["streams"]["joint"]["points"][-1]
    assert last["retrieval"] == json.loads((finished.path / "data/results/mixup/0/toy/retrieval.json").read_text())["values"]["joint"]
    assert not list(finished.path.rglob("*.part"))


def test_no_rule_is_left_out() -> None:
    """Every script that a rule calls is among those that are killed. The extractor `pose` stands in for `skeleton` and writes its shards by
    the same code: tests/extract/test_pose.py runs it."""
    called = {name for file in (REPOSITORY / "stages").glob("*.smk") for name in re.findall(r'depends\(\s*"(\w+)\.py"', file.read_text())}
    assert called == {name.split()[0] for name in MAKING | MEASURING}
