"""Snakemake, called in a run's folder with the Snakefile of this library."""

from __future__ import annotations

import sys
from pathlib import Path

from videossl import job_code


def snakemake(folder: Path, *arguments: str) -> list[str]:
    """The command line of Snakemake in a run's folder."""
    return [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(job_code.ROOT / "Snakefile"), "--directory", str(folder)]
