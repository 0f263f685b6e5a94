"""Files that are whole or not there, and what killed processes leave."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from videossl import files
from videossl.errors import InputError

KILLED = """
import os, signal, sys
from videossl import files
with files.atomic(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left_by_a_killed_process(path: Path, wait: bool = True) -> subprocess.Popen[bytes]:
    """The process, dead; unless `wait`, its parent (this process) has not taken notice."""
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    os.waitid(os.P_PID, killed.pid, os.WEXITED | (0 if wait else os.WNOWAIT))
    return killed


@pytest.mark.parametrize("wait", [True, False])
def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path: Path, wait: bool) -> None:
    path = tmp_path / "a [1].h5"
    killed = left_by_a_killed_process(path, wait)
    assert [part.read_text() for part in tmp_path.iterdir()] == ["half"]
    with files.atomic(path) as temporary:
        assert not any(str(killed.pid) in part.name for part in tmp_path.iterdir())
        temporary.write_text("whole")
    assert [part.name for part in tmp_path.iterdir()] == ["a [1].h5"] and path.read_text() == "whole"
    killed.wait()


def test_what_belongs_to_others_stays(tmp_path: Path) -> None:
    """Of a running process, of another machine that shares the disk, of another file, of no process."""
    dead, host = left_by_a_killed_process(tmp_path / "x"), platform.node()
    next(tmp_path.iterdir()).unlink()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        others = [
            f".a.{host}.{running.pid}.part",
            f".a.{host}x.{dead.pid}.part",
            f".b.{host}.{dead.pid}.part",
            f".a.{host}.{dead.pid}.part.gz",
            f".a.{host}.+{dead.pid}.part",
        ]
        for name in [*others, f".a.{host}.{dead.pid}.part"]:
            (tmp_path / name).touch()
        with files.atomic(tmp_path / "a") as temporary:
            temporary.touch()
        assert sorted(part.name for part in tmp_path.iterdir()) == sorted([*others, "a"])
        running.communicate(b"\n")


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(InputError, match="broken"), files.atomic(tmp_path / "a") as temporary:
        temporary.write_text("new")
        raise InputError("broken")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
