"""verify_cache: whether the shards of caches are as they were written, fit each other, and hold what the index names.

in:  shards, or folders that hold some (data/cache where none is named); an index (--index), perhaps
out: a table on stdout; exit status 0: all is well, 1: something is wrong, 2: a mistake in the call
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from videossl import script
from videossl.data import index, verify_cache


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("places", nargs="*", type=Path, default=[Path("data/cache")], metavar="FILE or FOLDER")
    parser.add_argument("--index", type=Path, help="the shards' index: every usable video must be in each modality, made of the same files")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    args = script.read(parser)
    rows = index.read(args.index) if args.index else None
    report = verify_cache.examine(verify_cache.find(args.places), rows, args.processes, progress=True)
    print(verify_cache.table(report))
    if not report.well:
        sys.exit(1)


if __name__ == "__main__":
    script.run(main)
