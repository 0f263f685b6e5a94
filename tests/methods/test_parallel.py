"""Several processes train as one: the same losses, queue and weights for 1, 2 and 4 of them, on the CPU by gloo.

Each is started by `stages/launch.py`, as the rules do it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import REPOSITORY
from tests.methods.several import BATCH, CASES, steps
from torch import nn

from videossl import parallel
from videossl.methods.losses import EMPTY


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> dict[int, dict[str, Any]]:
    """What 1, 2 and 4 processes made of all cases."""
    environment = os.environ | warm | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(REPOSITORY)}
    results = {}
    for processes in (1, 2, 4):
        out = tmp_path_factory.mktemp(f"{processes} processes")
        launch = ["python", "stages/launch.py", "--processes", str(processes), "tests/methods/several.py", str(out)]
        done = subprocess.run(launch, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results[processes] = torch.load(out / "made.pt")
    return results


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("case", CASES)
def test_the_same_losses_as_one_process(made: dict[int, dict[str, Any]], case: str, processes: int) -> None:
    one, several = (torch.tensor(made[count][case]["losses"], dtype=torch.float64) for count in (1, processes))
    assert len(one) == steps(case)
    assert (one - several).abs().max() < 1e-5
    assert one.unique().numel() == len(one), "it learns, or sees other batches, in each step"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("case", CASES)
def test_the_same_weights_queue_and_statistics(made: dict[int, dict[str, Any]], case: str, processes: int) -> None:
    """The queue holds the same keys up to order (here even in it), each with the number of its video, or of its group."""
    one, several = (made[count][case]["state"] for count in (1, processes))
    assert list(one) == list(several), "names are those of one process"
    for name, tensor in one.items():
        torch.testing.assert_close(several[name], tensor, atol=1e-4, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    for name in (name for name in one if name.endswith("queue_ids")):
        assert sorted(several[name].tolist()) == sorted(one[name].tolist())
        slots = len(one[name])
        numbers = [video // 2 if case == "other groups" else video for video in range(steps(case) * BATCH)]
        assert sorted(one[name].tolist())[-min(slots, len(numbers)) :] == numbers[-slots:]
        assert (one[name] != EMPTY).sum() == min(slots, len(numbers))


def test_a_single_process_is_left_as_it_is() -> None:
    block = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = list(block)
    parallel.synchronise(block)
    assert list(block) == before
    x = torch.arange(6.0).view(3, 2)
    assert torch.equal(parallel.exchange(x, torch.tensor([2, 0, 1])), x[[2, 0, 1]])
    assert torch.equal(parallel.gather(x), x) and parallel.own(4) == slice(0, 4)


SUM = """\
import torch
import torch.distributed as dist
from videossl.train import job
job.start({"threads": 1})
total = torch.ones(1)
dist.all_reduce(total)
print(total.item(), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="another name of the machine needs root, and namespaces")
def test_a_machine_whose_name_nobody_resolves(tmp_path: Path, warm: dict[str, str]) -> None:
    (tmp_path / "sum.py").write_text(SUM)
    environment = os.environ | warm | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(REPOSITORY / "lib")}
    launch = f"hostname box-that-nobody-knows && python {REPOSITORY}/stages/launch.py --processes 2 {tmp_path}/sum.py"
    done = subprocess.run(["unshare", "--uts", "sh", "-c", launch], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.count("2.0") == 2, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--processes", "0", "x.py"], "give at least one of each"),
        (["--processes", "2"], "and a script"),
        (["--nodes", "2", "x.py"], "2 nodes outside of a Slurm job; set nodes to 1"),
    ],
)
def test_a_wrong_launch_is_one_line(arguments: list[str], said: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    done = subprocess.run([sys.executable, "stages/launch.py", *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and said in done.stderr
