"""Runs of the whole pipeline: real processes, in copies of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from tests.conftest import REPOSITORY, of_all_processes

from videossl.params import load

ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@localhost",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@localhost",
    "DVC_NO_ANALYTICS": "1",
    "CUDA_VISIBLE_DEVICES": "",  # same bytes are promised on the CPU
}

# Python reads this file in every process: a script of stages/ leaves a note of the files of this repository that it has read.
WITNESS = """\
import atexit, json, os, sys

opened = set()
sys.addaudithook(lambda event, given: opened.add(given[0]) if event == "open" and isinstance(given[0], str) else None)

def note():
    script = os.path.abspath(sys.argv[0])
    root = os.path.dirname(os.path.dirname(script))
    if os.path.basename(os.path.dirname(script)) == "stages":
        read = {script, *(path for path in opened if path.endswith(".yaml"))}
        read |= {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
        names = sorted(os.path.relpath(path, root) for path in read if path.startswith((root + "/lib/", root + "/stages/")))
        with open(os.path.join(os.environ["NOTES"], f"{os.getpid()}-{os.urandom(4).hex()}.json"), "w") as file:
            json.dump({"arguments": sys.argv, "read": names}, file)

atexit.register(note)
"""


@dataclass(frozen=True)
class Workspace:
    """A copy of the repository in which commands run, with more `variables` in their environment: those of a warm Python."""

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def call(self, *command: str, ok: bool = True, python: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command here; its output in one text, stderr included. python: a folder whose sitecustomize.py every Python process reads."""
        before = [str(python)] if python else []
        environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([*before, str(self.path / "lib")])} | self.variables | variables
        done = subprocess.run(
            command, cwd=self.path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        )
        if ok:
            assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done

    def snakemake(self, *arguments: str, ok: bool = True, **variables: str) -> str:
        return self.call("snakemake", *arguments, "--cores", "2", ok=ok, **variables).stdout

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a file, as an editor would."""
        text = (self.path / file).read_text()
        assert old in text, f"{file} has no {old!r}"
        (self.path / file).write_text(text.replace(old, new, 1))

    def weights(self) -> dict[str, bytes]:
        """The bytes of all model files."""
        return {str(path.relative_to(self.path)): path.read_bytes() for path in sorted(self.path.glob("data/models/**/*.safetensors"))}


def copy_of_repository(path: Path, warm: Mapping[str, str]) -> Workspace:
    """The working tree as git sees it, with the tiny params, in a git repository of its own; without the lock of a run made there."""
    workspace = Workspace(path, warm)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    compiled = [file.relative_to(REPOSITORY) for file in REPOSITORY.glob("lib/**/__pycache__/*.pyc")]  # good where the source has its time
    for name in [*filter(None, listed.stdout.split("\0")), *compiled]:
        if name != "dvc.lock" and (REPOSITORY / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, path / name)
    shutil.copy2(REPOSITORY / "tests/pipeline/tiny.yaml", path / "params.yaml")
    workspace.call("videossl", "dvc-yaml")
    workspace.call("git", "init", "-q")
    workspace.call("git", "add", "-A")
    workspace.call("git", "commit", "-qm", "copy")
    return workspace


def skeletons_alone() -> dict[str, Any]:
    """The tiny params with the trainings alone that cost least, and a target that shows them; what is made is what all of the params make."""
    run: dict[str, Any] = load.written(REPOSITORY / "tests/pipeline/tiny.yaml")
    keep = ["joint", "motion"]
    run["experiments"] = {name: run["experiments"][name] for name in ("mixup", "stc-mix-skeleton", "crossclr")}
    run["experiments"]["mixup"] = run["experiments"]["mixup"] | {"streams": keep}
    tasks = run["evaluate"]["tasks"]
    tasks = tasks | {"finetune": tasks["finetune"] | {"experiments": []}}
    run["evaluate"] = run["evaluate"] | {"fused": [keep], "tasks": tasks}
    return run | {
        "all": ["crossclr"],
        "seeds": [0],
        "targets": {"curves": {"show": "training", "experiments": ["mixup"], "streams": keep}},
    }


def write_video(path: Path, frames: int) -> None:
    """A small video of plain frames."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj420p"
        for number in range(frames):
            image = np.full((24, 32, 3), 10 * number % 256, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def notes_of(workspace: Workspace) -> Path:
    """Where the notes of the finished run lie: which files of the repository each job read."""
    return workspace.path.with_name("finished.notes")


def once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], None], variables: Mapping[str, str]) -> Workspace:
    """A workspace that the first of the test processes makes and all of them read."""
    shared = of_all_processes(factory, worker)
    with FileLock(shared / f"{name}.lock"):
        if not (shared / f"{name}.done").exists():
            make(shared / name)
            (shared / f"{name}.done").touch()
    return Workspace(shared / name, variables)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str, warm: dict[str, str]) -> Workspace:
    """`snakemake --cores 2` from nothing, recorded with DVC. Not to be changed: take `finished`. What its jobs read is noted beside it."""

    def make(path: Path) -> None:
        workspace = copy_of_repository(path, warm)
        python, notes = path.with_name("finished.witness"), notes_of(workspace)
        python.mkdir()
        (python / "sitecustomize.py").write_text(WITNESS)
        notes.mkdir()
        workspace.call("snakemake", "--cores", "2", python=python, NOTES=str(notes))
        workspace.call("videossl", "record")

    return once(tmp_path_factory, worker_id, "finished", make, warm)


def copy_of_run(run: Workspace, path: Path) -> Workspace:
    """A copy of a run, times and all. cp takes a quarter of the time that shutil takes."""
    subprocess.run(["cp", "--archive", str(run.path), str(path)], check=True)
    return Workspace(path, run.variables)


@pytest.fixture
def finished(finished_run: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished run."""
    return copy_of_run(finished_run, tmp_path / "run")


@pytest.fixture
def fresh(tmp_path: Path, warm: dict[str, str]) -> Workspace:
    """A copy of the repository in which nothing has run."""
    return copy_of_repository(tmp_path / "fresh", warm)
