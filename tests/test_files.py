"""Files that are whole or not there, and what killed processes leave."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import REPOSITORY
from tests.made import row, shard
from videossl import files
from videossl.data import index
from videossl.errors import InputError
from videossl.tasks import features
from videossl.train import weights
from videossl.train.checkpoint import Checkpoint

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


READERS = """
import resource, sys
from pathlib import Path
from videossl import files
from videossl.data import cache, index
from videossl.errors import InputError
from videossl.tasks import features, progress
from videossl.train import weights
from videossl.train.checkpoint import Checkpoint

folder = Path(sys.argv[1])
if sys.argv[2] == "too many open files":
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    held = []
    try:
        while True:
            held.append(open("/dev/null"))
    except OSError:
        pass
for read, name in (
    (files.read_json, "a.json"), (index.read, "a.csv"), (cache.describe, "shard.h5"), (cache.digest, "shard.h5"), (cache.verify, "shard.h5"),
    (lambda path: cache.Cache([path]), "shard.h5"), (features.read, "features.h5"), (weights.load, "a.safetensors"),
    (weights.provenance, "a.safetensors"), (progress.kept, "a.safetensors"), (lambda path: Checkpoint(path.parent).load(), "checkpoints/x"),
):
    try:
        read(folder / name)
    except InputError as error:
        print(error)
    else:
        print("read", name)
"""


@pytest.mark.parametrize(("why", "said"), [("permission", "Permission denied"), ("too many open files", "Too many open files")])
def test_what_cannot_be_read_now_is_not_called_damaged(tmp_path: Path, why: str, said: str) -> None:
    """By each reader, in a process that may not read; nothing is deleted."""
    files.write_json(tmp_path / "a.json", [1])
    index.write(tmp_path / "a.csv", [row("a")])
    shard(tmp_path / "shard.h5", "rgb", [("a", np.zeros((4, 8, 8, 3), np.uint8))])
    features.write(tmp_path / "features.h5", ["a"], ["x"], ["train"], np.zeros((1, 1, 2), np.float32), {})
    weights.save(tmp_path / "a.safetensors", {"1.rgb/w": torch.zeros(2)}, {})
    Checkpoint(tmp_path / "checkpoints", 0).save({"w": torch.zeros(2)}, 1)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    before = [path.read_bytes() for path in made]
    if why == "permission":
        for path in made:
            path.chmod(0)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    command = [*(drop if os.geteuid() == 0 else []), sys.executable, "-c", READERS, str(tmp_path), why]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY / "lib")})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 11
    for line in lines:
        assert line.endswith(f"cannot be read now ({said}); nothing was changed: mend that, then run the same command again"), line
    assert [path.chmod(0o644) or path.read_bytes() for path in made] == before
