"""What tests share."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pipeline.warm import warm_python
from videossl import commands, script

REPOSITORY = Path(__file__).resolve().parents[1]


LONGEST = (
    "engines",
    "restored",
    "every_write",
    "interrupted",
    "targets",
    "parallel",
    "bytes",
    "faults",
    "dvc_faults",
    "adding",
    "chaos",
    "ntu",
)
"""Files of slow tests that take the longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on Slurm begin at once: they mostly wait. Quick tests follow, then whole pipelines, the longest first, so that no process ends
    long after the others."""
    longest = [f"test_{name}.py" for name in LONGEST]

    def turn(item: pytest.Item) -> tuple[bool, bool, int]:
        name = item.path.name
        return (
            name != "test_slurm.py",
            item.get_closest_marker("slow") is not None,
            longest.index(name) if name in longest else len(longest),
        )

    items.sort(key=turn)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[dict[str, str]]:
    """Variables of an environment in which scripts run in forks of one process that has loaded torch; all test processes share it."""
    with warm_python(of_all_processes(tmp_path_factory, worker_id) / "warm") as variables:
        yield variables


def of_all_processes(factory: pytest.TempPathFactory, worker: str) -> Path:
    """The temporary folder that the processes of this run of the tests share."""
    return factory.getbasetemp() if worker == "master" else factory.getbasetemp().parent


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch  # not by the process that only hands out the tests

    torch.set_num_threads(1)


@pytest.fixture
def in_a_run_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """For tests that call scripts: they keep what they made in data/scratch of the folder they run in."""
    monkeypatch.chdir(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Real UCF101 and HMDB51 clips and the official lists, beside the repository; not part of it."""
    for parent in REPOSITORY.parents:
        if (parent / "shared" / "real" / "splits").is_dir():
            return parent / "shared" / "real"
    pytest.skip("the real clips (../shared/real) are not here")


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """`refused("score", *arguments)`: the line in which that script of stages/, or else `videossl`, ends, with exit status 2.

    In this process: scripts that need torch take two seconds to load it and none to fail.
    """

    def call(name: str, *arguments: str | Path) -> str:
        caplog.clear()
        caplog.set_level(logging.INFO, "videossl")  # and as it was when the test is done, whatever the script sets
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            if name == "videossl":
                commands.main()
            else:
                script.run(importlib.import_module(f"stages.{name}").main)
        assert end.value.code == 2
        (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert line.startswith("error: ") and "\n" not in line
        return line

    return call
