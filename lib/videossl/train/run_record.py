"""The run record: what each attempt at a training ran on, what it took, and how it ended.

in:  a training
out: data/scratch/runs/{experiment}/{seed}/{training}.json, a list with one entry an attempt; not tracked, since it differs
     from run to run where weights do not
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import resource
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from videossl import parallel
from videossl.errors import InputError, Interrupted, is_out_of_memory
from videossl.files import read_json, write_json

NO_END = "killed, or still running"
VERSIONS = ("torch", "numpy", "h5py")


class Record:
    """One attempt. `path` None keeps it to itself, as all processes but the first do.

    Seconds: `wall_s` since the start; `device_s` in steps of training (on a GPU between events of its own, so that it counts
    while the device works); `waiting_s` for batches.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.path = path
        self._start = time.monotonic()
        self._kept = _earlier(path)
        self.entry: dict[str, Any] = {
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "training": key,
            "host": os.environ.get("SLURMD_NODENAME") or platform.node(),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            "processes": parallel.size(),
            "devices": devices(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}, "cuda": torch.version.cuda},
            "from_step": 0,
            "to_step": 0,
            "clips": 0,
            "device_s": 0.0,
            "waiting_s": 0.0,
            "exit": NO_END,
        }

    def begin(self, number: int) -> None:
        """Note after how many steps of the training this attempt begins: it may be stopped before its first."""
        self.entry["from_step"] = self.entry["to_step"] = number

    def step(self, number: int, clips: int, device: float, waiting: float) -> None:
        """Count step `number` of the training, of `clips`, `device` and `waiting` seconds."""
        self.entry["to_step"] = number
        self.entry["clips"] += clips
        self.entry["device_s"] += device
        self.entry["waiting_s"] += waiting

    def write(self) -> None:
        """Write what is known so far: a process that is killed has no chance to."""
        if self.path is None:
            return
        entry = self.entry | {"wall_s": time.monotonic() - self._start, "peak_memory_mb": _peak_memory()}
        busy = entry["device_s"] + entry["waiting_s"]
        entry["clips_s"] = entry["clips"] / busy if busy else 0.0
        write_json(
            self.path, [*self._kept, {name: round(value, 3) if isinstance(value, float) else value for name, value in entry.items()}]
        )


@contextlib.contextmanager
def recorded(path: Path | None, key: str) -> Iterator[Record]:
    """A record that is written at the start and, however the block ends, with the reason at its end."""
    record = Record(path, key)
    record.write()
    try:
        yield record
    except BaseException as error:
        record.entry["exit"] = _reason(error)
        with contextlib.suppress(InputError):  # a full disk, say: the first error is what matters
            record.write()
        raise
    record.entry["exit"] = "finished"
    record.write()


def devices() -> list[str]:
    """The devices that this job trains on: the GPUs it sees, or the processor."""
    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return [line.partition(":")[2].strip()]
    return [platform.processor() or "cpu"]


def _reason(error: BaseException) -> str:
    if isinstance(error, InputError | Interrupted):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return f"out of memory: {' '.join(str(error).split())}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _peak_memory() -> dict[str, float]:
    """The peak memory of this process in MB (10^6 bytes): main memory, and the GPU's."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"host": round(host, 1), "device": round(torch.cuda.max_memory_allocated() / 1e6, 1) if torch.cuda.is_available() else 0.0}


def _earlier(path: Path | None) -> list[Any]:
    """The attempts before this one; a damaged record is begun anew, since nothing rests on it."""
    if path is None or not path.exists():
        return []
    try:
        attempts = read_json(path)
    except InputError:
        return []
    return attempts if isinstance(attempts, list) else []
