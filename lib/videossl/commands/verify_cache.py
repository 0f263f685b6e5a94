"""verify-cache: whether the shards of caches are as they were written, fit each other, and hold what the index names."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from videossl.data import index


@click.command(epilog="Example: videossl verify-cache runs/ucf101/data/cache")
@click.argument("places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE or FOLDER]...")
@click.option(
    "--index",
    "named",
    type=click.Path(path_type=Path),
    help="An index: every usable video of it must be in each modality, made of the same files. A run's own, where a folder is its data/cache.",
)
@click.option("--processes", type=click.IntRange(1), default=len(os.sched_getaffinity(0)), show_default=True, help="As many at once.")
def command(places: Sequence[Path], named: Path | None, processes: int) -> None:
    """Look whether caches are as they were written.

    And whether shards fit each other, and hold what the index names.

    Without a FILE or FOLDER it looks at data/cache. Exit status 0: all is well; 1: something is wrong.
    """
    from videossl.data import index, verify_cache

    places = places or [Path("data/cache")]
    groups = [(places, index.read(named))] if named else with_indexes(places)
    reports = [verify_cache.examine(verify_cache.find(places), rows, processes, progress=True) for places, rows in groups]
    print("\n\n".join(verify_cache.table(report) for report in reports))
    if not all(report.well for report in reports):
        sys.exit(1)


def with_indexes(places: Sequence[Path]) -> list[tuple[Sequence[Path], Sequence[index.Row] | None]]:
    """The groups to look at: of a run's data/cache each dataset with its index, all other places without one."""
    from videossl.data import index

    runs = [place for place in places if place.name == "cache" and (place.parent / "index").is_dir()]
    others = [place for place in places if place not in runs]
    groups: list[tuple[Sequence[Path], Sequence[index.Row] | None]] = [(others, None)] if others else []
    for place in runs:
        for folder in sorted(folder for folder in place.iterdir() if folder.is_dir()):
            file = place.parent / "index" / f"{folder.name}.csv"
            groups.append(([folder], index.read(file) if file.exists() else None))
    return groups
