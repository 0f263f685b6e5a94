"""The jobs that Snakemake would run: asked of Snakemake, never worked out a second time."""

from __future__ import annotations

import csv
import difflib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videossl import code
from videossl.errors import InputError
from videossl.params import Params

LAYOUTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"data/raw/(?P<dataset>[^/.]+)(\.json)?",
        r"data/index/(?P<dataset>[^/.]+)\..+",
        r"data/cache/(?P<dataset>[^/]+)/(?P<source>[^/]+)/(?P<shard>\d+)\.h5",
        r"data/models/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<modality>[^/]+)/(?P<phase>[^/.]+)\..+",
        r"data/features/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<modality>[^/]+)/(?P<dataset>[^/.]+)\..+",
        r"data/progress/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<dataset>[^/]+)/(?P<modality>[^/.]+)\.(?P<phase>[^/.]+)\.json",
        r"data/results/(?P<experiment>[^/]+)/(?P<seed>\d+)/(?P<dataset>[^/]+)/(?P<task>[^/.]+)\.json",
    )
)
"""What the paths of artefacts say (docs/data-contract.md)."""


@dataclass(frozen=True)
class Job:
    """A job that is still to run: its rule, and what the paths of its outputs say: dataset, experiment, modality, ..."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)


def pending(folder: Path, targets: Sequence[str], params: Params) -> list[Job]:
    """The jobs that `snakemake TARGETS --directory FOLDER` would run, those of the target rules themselves left out.

    Raises InputError where Snakemake cannot plan, with the target that is nearest to one it does not know.
    """
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(code.ROOT / "Snakefile"), "--directory", str(folder)]
    done = subprocess.run([*command, "--cores", "1", "--detailed-summary"], capture_output=True, text=True, cwd=code.ROOT)
    if done.returncode:
        raise InputError(_why(done.stderr, targets, params))
    return jobs(done.stdout)


def jobs(summary: str) -> list[Job]:
    """The pending jobs in the text of `--detailed-summary`, which has one line an output."""
    lines = summary.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("output_file\t")), len(lines))
    rows = csv.DictReader(lines[start:], delimiter="\t", quoting=csv.QUOTE_NONE)
    found = {(row["rule"], _stem(row["output_file"])): row["output_file"] for row in rows if row["plan"] == "update pending"}
    return [Job(rule, wildcards(path)) for (rule, _), path in found.items()]


def _stem(path: str) -> str:
    """What the outputs of one job have in common: a training leaves weights, a curve and snapshots, mining of both its modalities; a
    target data and page."""
    stem = re.sub(r"(\.snapshots)?\.[a-z0-9]+$", "", path)
    return re.sub(r"[^/]+/mining$", "mining", stem)


def wildcards(path: str) -> dict[str, str]:
    """What the path of an artefact says, {} for one that says nothing."""
    found = next((match for layout in LAYOUTS if (match := layout.fullmatch(path))), None)
    return {key: value for key, value in found.groupdict().items() if value is not None} if found else {}


def _why(stderr: str, targets: Sequence[str], params: Params) -> str:
    """Why Snakemake could not plan, in one line."""
    known = ["all", "seeds", *params["targets"]]
    for target in targets:
        if target not in known and "/" not in target:
            near = difflib.get_close_matches(target, known, 1, cutoff=0.5)
            return f"there is no target '{target}'; " + (f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}")
    said = [line for line in stderr.splitlines() if line.startswith("error: ") or "Error" in line or "Exception" in line]
    return f"snakemake cannot plan {' '.join(targets) or 'all'}: {(said or ['no reason given'])[-1].removeprefix('error: ')}"
