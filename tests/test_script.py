"""The common ground of the scripts."""

from __future__ import annotations

import os
import resource
import sys

import pytest

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
