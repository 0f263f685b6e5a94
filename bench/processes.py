"""Clips a second of a training by several processes, one a core or GPU, against one process with the same batch.

    python -m bench.processes [--processes 1 2] [--tiny]

MoCo on S3D at a quarter of the width in float32, batches of 32 in all, on views that are there already. Nothing else may run beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

from bench import gpu, rows
from bench.rows import Row

from videossl import parallel
from videossl.train import job

REPOSITORY = Path(__file__).resolve().parents[1]
SIZES = dataclasses.replace(gpu.PAPER, batch=32, frames=8, side=64, width=0.25, steps=12, queue=256)


def rate(processes: int, tiny: bool) -> float:
    """Clips a second of all processes together."""
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'lib'}"}
    launch = [sys.executable, "stages/launch.py", "--processes", str(processes), str(Path(__file__))]
    words = [*launch, "--child", *(["--tiny"] if tiny else [])]
    return float(subprocess.run(words, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)


def child(tiny: bool) -> None:
    """Train as one of the processes; the first prints the rate."""
    gpu.DEVICE = job.start({"threads": 1})
    sizes = dataclasses.replace(gpu.TINY if tiny else SIZES)
    own = dataclasses.replace(sizes, batch=sizes.batch // parallel.size())
    found = gpu.rate(gpu.moco(own), gpu.resident(own), own, "float32", deterministic=True)
    if parallel.rank() == 0:
        print(found * parallel.size(), flush=True)


def main() -> None:
    """Print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.tiny)
    print(f"{rows.machine()}\n\n| what | value | baseline | ratio | limit |\n| --- | --- | --- | --- | --- |", flush=True)
    base = 0.0
    for count in args.processes:
        found = rate(count, args.tiny)
        base = base or found
        print(
            rows.shown(Row(f"training by {count} processes", found, "clips/s", f"{args.processes[0]} process {base:.4g}", found / base)),
            flush=True,
        )


if __name__ == "__main__":
    main()
