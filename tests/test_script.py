"""The common ground of the scripts."""

from __future__ import annotations

import logging
import os
import resource
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from videossl import script


@pytest.mark.parametrize("ours", [False, True])
def test_variables_of_another_launcher_are_forgotten(monkeypatch: pytest.MonkeyPatch, ours: bool) -> None:
    """An operator of trainings sets them in each container: a process would wait for others, or say nothing."""
    given = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}
    for name, value in (given | ({script.LAUNCHED: "folder"} if ours else {})).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["index"])
    script.read(script.parser("text"))
    assert {name: os.environ[name] for name in given if name in os.environ} == (given if ours else {})


def test_a_script_may_open_as_many_files_as_the_machine_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
    try:
        script.raise_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def too_many(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("main", "said"),
    [
        (lambda: torch.zeros(128, 10**14), "51200000000000000 bytes"),
        (lambda: torch.zeros(2**32, 2**32), "Storage size calculation overflowed"),
        (lambda: np.zeros(10**17), "Unable to allocate 711. PiB"),
        (lambda: too_many(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.\nOf ...")), "Tried to allocate 20 MiB. Of"),
        (lambda: too_many(MemoryError()), "Python has none left"),
    ],
    ids=["torch", "overflow", "numpy", "cuda", "python"],
)
def test_memory_that_is_not_there_is_one_line(main: Callable[[], None], said: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        script.run(main)
    (record,) = caplog.records
    line = record.getMessage()
    assert ended.value.code == 2 and record.levelno == logging.ERROR and "\n" not in line
    assert line.startswith("error: out of memory: ") and said in line and "take a machine with more" in line


def test_an_error_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        script.run(lambda: too_many(RuntimeError("shapes do not fit")))
