"""Snakemake, called in a run's folder with the Snakefile of this library."""

from __future__ import annotations

import sys
from pathlib import Path

from videossl import job_code
from videossl.errors import InputError


def snakemake(folder: Path, *arguments: str) -> list[str]:
    """The command line of Snakemake in a run's folder."""
    return [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(job_code.ROOT / "Snakefile"), "--directory", str(folder)]


def check_run(folder: Path, command: str) -> None:
    """Raise InputError, for the subcommand `command`, where a folder is none of a run."""
    if not (folder / "params.yaml").is_file():
        raise InputError(
            f"{folder.resolve()} has no params.yaml, so it is no run's folder; name one that has: videossl {command} runs/mine"
        )
