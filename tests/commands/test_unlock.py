"""Which jobs `unlock` takes for a run's own, and what it says where it cannot know. Real jobs: tests/pipeline/test_slurm.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

from videossl.commands import unlock

UUID = "b4189e59-1f4b-4356-aed9-9b0271fd72cd"


def line(job: str, name: str, comment: str, log: str) -> str:
    """As squeue writes it: in columns of fixed widths."""
    return f"{job:32}|{name:64}|{comment:6}|{log:8192}"


def test_only_jobs_of_rules_that_log_into_the_runs_folder() -> None:
    lines = [
        line("1", UUID, "rule_t", "/a run's|/.snakemake/slurm_logs/rule_train/x/%j.log"),
        line("2", UUID, "rule_t", "/a run's|2/.snakemake/slurm_logs/rule_train/x/%j.log"),
        line("3", "mine", "rule_t", "/a run's|/.snakemake/slurm_logs/mine.log"),
        line("4", UUID, "", "/a run's|/.snakemake/slurm_logs/mine.log"),
        line("5", UUID, "rule_f", "/a run's|/.snakemake/slurm_logs/rule_features/%j.log"),
    ]
    assert unlock.submitted(lines, Path("/a run's|/.snakemake/slurm_logs")) == ["1", "5"]


def called(run: Path, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "videossl", "unlock", str(run)]
    return subprocess.run(command, env={"PATH": path, "PYTHONPATH": str(REPOSITORY / "lib")}, capture_output=True, text=True)


def test_not_a_runs_folder(tmp_path: Path) -> None:
    done = called(tmp_path, "")
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {tmp_path} has no params.yaml, so it is no run's folder; name one that has: videossl unlock runs/mine\n",
    )


def test_a_run_on_slurm_is_not_unlocked_where_slurm_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    (tmp_path / ".snakemake/slurm_logs").mkdir(parents=True)
    done = called(tmp_path, "")
    assert (done.returncode, done.stderr) == (
        2,
        "error: this run had jobs on Slurm, but there is no squeue here; call `videossl unlock` on a machine that has it\n",
    )
    squeue = tmp_path / "bin/squeue"
    squeue.parent.mkdir()
    squeue.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1\n")
    squeue.chmod(0o755)
    done = called(tmp_path, str(squeue.parent))
    assert done.returncode == 2 and "Unable to contact slurm controller; call `videossl unlock` when it can" in done.stderr
