"""Planning a run loads neither torch nor cv2: `snakemake -n` starts at once, and on a login node where neither is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT

# Python reads this file in every process. No ImportError, which a module may expect.
WITHOUT = """\
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "cv2"):
            raise RuntimeError(f"{name} is loaded")

sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which torch and cv2 cannot be loaded."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python/sitecustomize.py").write_text(WITHOUT)
    return ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "python"), str(REPOSITORY / "lib")])}


@pytest.mark.parametrize("name", ["torch", "cv2", "torch.nn"])
def test_where_it_cannot_be_loaded(environment: dict[str, str], name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {name}"], env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and " is loaded" in done.stderr


@pytest.mark.parametrize("params", ["params.yaml", "presets/ucf101.yaml"])
def test_both_engines_plan_without_torch_and_cv2(environment: dict[str, str], tmp_path: Path, params: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy2(REPOSITORY / params, run / "params.yaml")
    command = ["snakemake", "all", "-n", "--quiet", "host", "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(run)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.findall(r"^Job \d+: (\w+)", done.stdout, re.M)
    assert {"obtain", "list", "cache", "train", "features", "score", "write"} <= set(said), "each job says what it does"
    done = subprocess.run([sys.executable, "-m", "videossl", "dvc-yaml"], cwd=run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (run / "dvc.yaml").read_text().count("cmd: 'snakemake ") > 10


RULES = """
rule quick:
    output: "data/quick-{n}"
    shell: "touch {output}"

rule slow:
    input: expand("data/quick-{n}", n=range(4))
    output: "data/slow"
    priority: 1
    shell: "sleep 4; touch {output}"

rule waits:
    input: expand("data/quick-{n}", n=range(4))
    output: "data/waits"
    shell: "touch {output}"
"""


def test_while_a_job_runs_snakemake_does_not_look_at_others_again_and_again(tmp_path: Path) -> None:
    """By itself it does so each second for every job that has ended before (see Snakefile): 20 times here, a core's work after some hundred."""
    home, run = tmp_path / "home", tmp_path / "run"
    for folder in (home, run):
        folder.mkdir()
    for name in ("lib", "stages", "profiles"):
        (home / name).symlink_to(REPOSITORY / name)
    (home / "Snakefile").write_text((REPOSITORY / "Snakefile").read_text() + RULES)
    shutil.copy2(REPOSITORY / "tests/pipeline/tiny.yaml", run / "params.yaml")
    command = [
        "snakemake",
        "data/slow",
        "data/waits",
        "--cores",
        "1",
        "--verbose",
        "--snakefile",
        str(home / "Snakefile"),
        "--directory",
        str(run),
    ]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count("Finished jobid: ") == 6 and said.count("Ready jobs: ") <= 7
