"""runs: what each training of a run ran on, what it took, and how each attempt at it ended (lib/videossl/train/run_record.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from videossl.errors import InputError
from videossl.files import read_json

COLUMNS = ("training", "started", "host", "device", "steps", "hours", "device %", "clips/s", "peak MB", "ended")


@click.command(epilog="Example: videossl runs runs/ucf101")
@click.argument("run", type=click.Path(path_type=Path), default=Path())
def command(run: Path) -> None:
    """Say what each training ran on and took.

    And how each attempt at it ended.

    RUN is the run's folder; this one if absent. A line is an attempt, the oldest first.
    """
    folder = run / "data/scratch/runs"
    attempts = [(path, attempt) for path in sorted(folder.rglob("*.json")) for attempt in _attempts(path)]
    if not attempts:
        raise InputError(f"{folder} has no records: nothing has been trained in this run's folder yet, or its scratch was deleted")
    rows = [_row(str(path.relative_to(folder).with_suffix("")), attempt) for path, attempt in attempts]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *sorted(rows, key=lambda row: row[1])):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _attempts(path: Path) -> list[dict[str, Any]]:
    attempts = read_json(path)
    wanted = {"exit", "wall_s", "devices"}
    if not isinstance(attempts, list) or not all(isinstance(attempt, dict) and wanted <= attempt.keys() for attempt in attempts):
        raise InputError(f"{path} is no run record; delete it, nothing rests on it")
    return attempts


def _row(training: str, attempt: dict[str, Any]) -> Sequence[str]:
    hours, memory = attempt["wall_s"] / 3600, attempt["peak_memory_mb"]
    devices = attempt["devices"]
    on = devices[0] if attempt["processes"] == 1 else f"{attempt['processes']} x {devices[0]}"
    return (
        training,
        attempt["started"][:16].replace("T", " "),
        attempt["host"] + (f" (job {attempt['slurm_job']})" if attempt["slurm_job"] else ""),
        on,
        f"{attempt['from_step']}-{attempt['to_step']}",
        f"{hours:.2f}",
        f"{100 * attempt['device_s'] / attempt['wall_s'] if attempt['wall_s'] else 0:.0f}",
        f"{attempt['clips_s']:.0f}",
        f"{memory['device'] or memory['host']:.0f}",
        attempt["exit"],
    )
