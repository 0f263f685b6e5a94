"""Batches that other processes read: in little shared memory, behind a TMPDIR with a long name, stuck. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY

from videossl.train import loading

SCRIPT = """\
import logging, sys, time
from pathlib import Path
import numpy as np, torch
from tests.train.test_loop import Regression
from videossl import script, waiting
from videossl.errors import InputError
from videossl.train import loading, stop_signals
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit

fault, folder = sys.argv[1:]


class Clips(torch.utils.data.Dataset):
    def __getitem__(self, item):
        if fault == "stuck" and item >= 8:
            time.sleep(1000)
        if fault == "wrong" and item >= 8:
            raise InputError("v8 is damaged; delete it")
        return {"id": str(item), "group": str(item), "label": 0, "clips": {"x": np.full((8, 64, 64, 3), item, np.uint8)}}


reader = loading.Reader(Clips(), workers=2)


def epoch(number, start=0):
    for loaded in reader.batches([list(range(first, first + 4)) for first in range(4 * start, 64, 4)]):
        assert loaded["clips"]["x"][:, 0, 0, 0, 0].tolist() == [int(id) for id in loaded["ids"]]
        yield {"x": torch.randn(4, 3), "y": torch.randn(4)}, torch.arange(4)


def main():
    waiting.HEARTBEAT = 1
    training = Training(1, 4, "sgd", 0.1, 0.0, "constant")
    with stop_signals.heeded() as stop:
        fit(Regression(), Batches(16, epoch, reader.close), training, 0, Checkpoint(Path(folder)), "m", stop=stop)


logging.basicConfig(format="%(message)s", level=logging.INFO)
script.run(main)
"""


def start(folder: Path, fault: str, before: str = "true", **variables: str) -> subprocess.Popen[str]:
    (folder / "fit.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(REPOSITORY / "lib"), str(REPOSITORY)])
    command = ["unshare", "--mount", "sh", "-c", f'{before} && exec "$@"', "sh"] if before != "true" else []
    call = [*command, sys.executable, str(folder / "fit.py"), fault, str(folder / "checkpoints")]
    environment = os.environ | {"PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""} | variables
    return subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True)


SMALL = "mount -t tmpfs -o size=64k tmpfs /dev/shm"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "before", "said"),
    [
        ("none", "true", "m epoch 1/1: loss "),
        ("wrong", "true", "error: v8 is damaged; delete it\n"),
        pytest.param("none", SMALL, "give it more shared memory", marks=pytest.mark.skipif(os.geteuid() != 0, reason="mounts")),
        ("long", "true", "a TMPDIR with a short name, or set workers to 0"),
    ],
)
def test_a_batch_that_cannot_be_handed_over_is_one_line(tmp_path: Path, fault: str, before: str, said: str) -> None:
    long = tmp_path / ("d" * 80)
    long.mkdir()
    _, errors = start(tmp_path, fault, before, **({"TMPDIR": str(long)} if fault == "long" else {})).communicate(timeout=40)
    assert said in errors, errors
    assert errors.count("error: ") == (said[:7] != "m epoch")


@pytest.mark.slow
def test_while_nothing_comes_that_is_said_and_a_signal_heeded(tmp_path: Path) -> None:
    running = start(tmp_path, "stuck")
    assert running.stderr
    lines = [running.stderr.readline()]
    deadline = time.monotonic() + 60
    while "for 2 s" not in lines[-1]:
        assert time.monotonic() < deadline and running.poll() is None, lines
        lines.append(running.stderr.readline())
    assert "the disk is slow, or what reads clips is stuck: none have come for 1 s\n" in lines
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 75 and "m: stopped by SIGTERM at epoch 1, step 2; the same command goes on from there" in errors
    assert [path.name.split(".")[0] for path in (tmp_path / "checkpoints").glob("*.pt")] == ["000000002"]


class Numbers(torch.utils.data.Dataset[dict[str, Any]]):
    """Clips that say which process read them."""

    def __getitem__(self, key: int) -> dict[str, Any]:
        return {"id": str(os.getpid()), "group": "", "label": key, "clips": {"x": np.full((2, 3, 4, 5), key, np.uint8)}}


@pytest.mark.parametrize("workers", [0, 2])
def test_epoch_after_epoch_is_read_by_the_same_processes(workers: int) -> None:
    reader = loading.Reader(Numbers(), workers)
    seen = []
    for keys in ([[3, 1], [2, 2], [5, 4]], [[7, 8]], [[0, 6], [9, 9], [1, 2], [4, 3]]):
        read = list(loading.ahead(reader.batches(keys), torch.device("cpu")))
        assert [batch["labels"].tolist() for batch in read] == keys
        assert [batch["clips"]["x"][:, 0, 0, 0, 0].tolist() for batch in read] == keys
        seen.append({int(process) for batch in read for process in batch["ids"]})
    everyone = set.union(*seen)
    assert everyone == {os.getpid()} if not workers else (os.getpid() not in everyone and len(everyone) == workers)
    reader.close()
    reader.close()
    deadline = time.monotonic() + 20
    while workers and any(map(alive, everyone)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [batch["labels"].tolist() for batch in reader.batches([[1, 2]])] == [[1, 2]], "it can begin anew"
    reader.close()


def test_an_epoch_that_is_left_in_its_middle_leaves_nothing_to_the_next() -> None:
    reader = loading.Reader(Numbers(), workers=2)
    for _ in range(3):
        assert next(reader.batches([[number, number] for number in range(9)]))["labels"].tolist() == [0, 0]
    assert [batch["labels"].tolist() for batch in reader.batches([[8, 7], [6, 5]])] == [[8, 7], [6, 5]]
    reader.close()


def alive(process: int) -> bool:
    """True while the process runs; one that has ended and that nobody has waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
