"""Faults that tests make."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, size: int = 1_048_576) -> Iterator[Path]:
    """`folder` as a disk of `size` bytes of its own; where this process may not mount one, no file may grow beyond `size`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield folder
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def flip(path: Path, place: int) -> None:
    """Change one byte of a file where it lies, as a disk does that forgets: neither size nor times tell."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        old = file.read(1)
        file.seek(place)
        file.write(bytes([old[0] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


# Python reads this file in every process. Where a script of stages/ is about to give its first result its name, the process
# ends as if by the kernel's hand: all is written, nothing is there. The next attempt finds the mark and goes on.
# Scripts that are said to need no torch get none: it takes two seconds to load, and they take tenths of one.
WITHOUT_TORCH = {"score", "compare"}
"""But `score` where its task needs it."""
TASKS_WITH_TORCH = {"linear"}
KILLER = f"""\
import json, os, signal, sys

script = os.path.basename("".join(sys.orig_argv[1:2])).removesuffix(".py")
task = dict(zip(sys.orig_argv, sys.orig_argv[1:])).get("--task")
if script in {sorted(WITHOUT_TORCH)} and task not in {sorted(TASKS_WITH_TORCH)}:
    sys.modules["torch"] = None
"""
KILLER += """\
rename = os.replace

def called():
    options = dict(zip(sys.argv[1:], sys.argv[2:]))
    what = options.get("--source") or options.get("--task") or json.loads(options.get("--params", "{}")).get("method")
    return " ".join(filter(None, [os.path.basename(sys.argv[0]).removesuffix(".py"), what]))

def killed_once(source, target, **options):
    target = str(target)
    if "/stages/" in os.path.abspath(sys.argv[0]) and target.startswith("data/") and not target.startswith("data/scratch/"):
        try:
            os.close(os.open(os.path.join(os.environ["KILLED"], called()), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.killpg(0, signal.SIGKILL) if os.environ["KILL"] == "group" else os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target, **options)

os.replace = killed_once
"""


def deadly(folder: Path, kill: str = "process") -> dict[str, str]:
    """An environment in which the first process of each script, and of what it is called for, dies; with kill="group" all that was started
    with it, too."""
    (folder / "python").mkdir(parents=True)
    (folder / "python/sitecustomize.py").write_text(KILLER)
    (folder / "scripts").mkdir()
    return {"PYTHONPATH": str(folder / "python"), "KILLED": str(folder / "scripts"), "KILL": kill}


def killed_in(folder: Path) -> set[str]:
    """The scripts of which a process was killed, in the environment made in `folder`, each with the modality, task or method that it was
    called for."""
    return {path.name for path in (folder / "scripts").iterdir()}
