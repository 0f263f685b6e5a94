"""verify_cache: whether the shards of caches are as they were written, fit each other, and hold what the index names.

in:  shards, or folders that hold some (data/cache where none is named); the index that they are to fit (--index)
out: a table on stdout; exit status 0: all is well, 1: something is wrong, 2: a mistake in the call
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from videossl import script
from videossl.data import index, verify_cache


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("places", nargs="*", type=Path, default=[Path("data/cache")], metavar="FILE or FOLDER")
    parser.add_argument(
        "--index",
        type=Path,
        help="every usable video of it must be in each modality, made of the same files; a run's own where a folder is its data/cache",
    )
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    args = script.read(parser)
    groups = [(args.places, index.read(args.index))] if args.index else with_indexes(args.places)
    reports = [verify_cache.examine(verify_cache.find(places), rows, args.processes, progress=True) for places, rows in groups]
    print("\n\n".join(verify_cache.table(report) for report in reports))
    if not all(report.well for report in reports):
        sys.exit(1)


def with_indexes(places: Sequence[Path]) -> list[tuple[Sequence[Path], Sequence[index.Row] | None]]:
    """The groups to look at: of a run's data/cache each dataset with its index, all other places without one."""
    runs = [place for place in places if place.name == "cache" and (place.parent / "index").is_dir()]
    others = [place for place in places if place not in runs]
    groups: list[tuple[Sequence[Path], Sequence[index.Row] | None]] = [(others, None)] if others else []
    for place in runs:
        for folder in sorted(folder for folder in place.iterdir() if folder.is_dir()):
            file = place.parent / "index" / f"{folder.name}.csv"
            groups.append(([folder], index.read(file) if file.exists() else None))
    return groups


if __name__ == "__main__":
    script.run(main)
