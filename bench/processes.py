"""Clips a second of a training by two processes, one a core or GPU, against one process with the same batch.

    python -m bench.processes [--json rows.json] [--tiny]

MoCo on S3D at a quarter of the width in float32, on views that are there already. Nothing else may run beside it.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
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


def table(tiny: bool) -> Iterator[Row]:
    """A row for each size."""
    for size in ["tiny"] if tiny else [name for name in SIZES if name != "tiny"]:
        one, two = rate(1, size), rate(2, size)
        yield Row(f"training on {size} by two processes", two, "clips/s", f"one process {one:.4g}", two / one)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        rows.main(__doc__ or "", {"processes": table})
