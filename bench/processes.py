"""Clips a second of a training by several processes, one a core or GPU, against one process with the same batch.

    python -m bench.processes [--processes 1 2] [--tiny]

MoCo on S3D at a quarter of the width in float32, on views that are there already. Nothing else may run beside it.
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
SIZES = {
    "8x64x64": dataclasses.replace(gpu.PAPER, batch=64, frames=8, side=64, width=0.25, steps=6, queue=256),
    "16x112x112": dataclasses.replace(gpu.PAPER, batch=32, frames=16, side=112, width=0.25, steps=4, queue=256),
    "tiny": gpu.TINY,
}


def rate(processes: int, size: str) -> float:
    """Clips a second of all processes together."""
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'lib'}"}
    launch = [sys.executable, "stages/launch.py", "--processes", str(processes), str(Path(__file__))]
    return float(
        subprocess.run([*launch, "--child", size], cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    )


def child(size: str) -> None:
    """Train as one of the processes; the first prints the rate."""
    gpu.DEVICE = job.start({"threads": 1})
    own = dataclasses.replace(SIZES[size], batch=SIZES[size].batch // parallel.size())
    found = gpu.rate(gpu.moco(own), gpu.resident(own), own, "float32", deterministic=True)
    if parallel.rank() == 0:
        print(found * parallel.size(), flush=True)


def main() -> None:
    """Print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--child", choices=SIZES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child)
    print(f"{rows.machine()}\n\n| what | value | baseline | ratio | limit |\n| --- | --- | --- | --- | --- |", flush=True)
    for size in ["tiny"] if args.tiny else [name for name in SIZES if name != "tiny"]:
        first, *more = [(count, rate(count, size)) for count in args.processes]
        for count, found in more:
            baseline = f"{first[0]} process{'es' * (first[0] > 1)} {first[1]:.4g}"
            print(rows.shown(Row(f"training on {size} by {count} processes", found, "clips/s", baseline, found / first[1])), flush=True)


if __name__ == "__main__":
    main()
