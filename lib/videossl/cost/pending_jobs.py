"""The jobs that Snakemake would run: asked of Snakemake, never worked out a second time."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videossl import engine, job_code, paths, registry
from videossl.errors import InputError
from videossl.params.recipes import Params


@dataclass(frozen=True)
class Job:
    """A job that is still to run: its rule, and what the paths of its outputs say: dataset, experiment, stream, ..."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The name under which rules that differ in the dataset or the target are counted."""
        return next((name for name in ("download", "compare") if self.rule.startswith(f"{name}_")), self.rule)


def pending(folder: Path, targets: Sequence[str], params: Params) -> list[Job]:
    """The jobs that `snakemake TARGETS --directory FOLDER` would run, without the target rules themselves.

    Raises InputError where Snakemake cannot plan, with the target that is nearest to one it does not know.
    """
    command = engine.snakemake(folder.absolute(), *targets, "--cores", "1", "--detailed-summary")
    done = subprocess.run(command, capture_output=True, text=True, cwd=job_code.ROOT)
    if done.returncode:
        raise InputError(_why(done.stderr, targets, params))
    return jobs(done.stdout)


def jobs(summary: str) -> list[Job]:
    """The pending jobs in the text of `--detailed-summary`, which has one line an output; all outputs of a job say the same."""
    lines = summary.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("output_file\t")), len(lines))
    rows = csv.DictReader(lines[start:], delimiter="\t", quoting=csv.QUOTE_NONE)
    waiting = [Job(row["rule"], paths.says(row["output_file"])) for row in rows if row["plan"] == "update pending"]
    return list({(job.rule, *job.wildcards.items()): job for job in waiting}.values())


def _why(stderr: str, targets: Sequence[str], params: Params) -> str:
    """Give in one line the reason why Snakemake could not plan."""
    names = ["all", "seeds", *params["targets"]]
    for target in targets:
        if target not in names and "/" not in target:
            return f"there is no target '{target}'; {registry.nearest(target, names)}"
    complaints = [line for line in stderr.splitlines() if line.startswith("error: ") or "Error" in line or "Exception" in line]
    return f"snakemake cannot plan {' '.join(targets) or 'all'}: {(complaints or ['no reason given'])[-1].removeprefix('error: ')}"
