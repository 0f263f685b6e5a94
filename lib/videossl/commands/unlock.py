"""unlock: let Snakemake run again in a run's folder after it was killed; what it left running on a cluster is ended first.

Slurm tells those jobs to stop and gives them time to write a checkpoint.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from videossl import engine
from videossl.errors import InputError

NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The name of Snakemake's jobs on Slurm: one UUID for all jobs that one call submits."""

PATIENCE = 600
"""Seconds for jobs to end. Slurm itself kills what lasts longer than its KillWait, half a minute by default."""


@click.command(epilog="Example: videossl unlock runs/ucf101")
@click.argument("run", type=click.Path(path_type=Path), default=Path())
def command(run: Path) -> None:
    """Let a run go on after Snakemake was killed.

    What it left running on a cluster is ended first.

    RUN is this folder if absent. Only for a Snakemake that is no more: one that lives would see its jobs cancelled and submit them again.
    """
    run = run.resolve()
    engine.check_run(run, "unlock")
    logs = run / ".snakemake/slurm_logs"
    if logs.exists():
        end(logs)
    environment = os.environ | {"SNAKEMAKE_PROFILE": "none"}
    sys.exit(subprocess.run(engine.snakemake(run, "--unlock"), env=environment, check=False).returncode)


def end(logs: Path) -> None:
    """Cancel the jobs that log into `logs`, and wait until they are gone."""
    jobs = left(logs)
    if not jobs:
        return
    print(f"cancelling {len(jobs)} jobs of Slurm: {' '.join(jobs)}", file=sys.stderr)
    slurm("scancel", *jobs)
    deadline = time.monotonic() + PATIENCE
    while jobs := left(logs):
        if time.monotonic() > deadline:
            raise InputError(
                f"jobs {' '.join(jobs)} of Slurm do not end; `squeue --jobs={','.join(jobs)}` says where they are; call `videossl unlock` once they have ended"
            )
        time.sleep(1)


def left(logs: Path) -> list[str]:
    """The ids of this user's jobs in Slurm that Snakemake submitted for the rules of the run that has its logs in `logs`."""
    fields = "JobID:32|,Name:64|,Comment:6|,STDOUT:8192"
    return submitted(slurm("squeue", "--me", "--noheader", f"--Format={fields}").splitlines(), logs)


def submitted(lines: Sequence[str], logs: Path) -> list[str]:
    """The ids in squeue's `lines` (as `left` asks for them) of Snakemake's jobs that log into `logs`."""
    rows = [[field.strip() for field in line.split("|", 3)] for line in lines]
    return [
        job
        for job, name, comment, log in rows
        if NAME.fullmatch(name) and comment.startswith(("rule_", "group_")) and Path(log).is_relative_to(logs)
    ]


def slurm(*command: str) -> str:
    """The output of a command of Slurm's; raises InputError if there is none, or no Slurm that answers."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError(
            f"this run had jobs on Slurm, but there is no {command[0]} here; call `videossl unlock` on a machine that has it"
        ) from error
    if done.returncode:
        message = " ".join(done.stderr.split())
        raise InputError(
            f"this run had jobs on Slurm, and {command[0]} cannot say which still run: {message}; call `videossl unlock` when it can"
        )
    return done.stdout
