"""`videossl doctor` with each part missing in turn: it says what is missing, and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT

from videossl import job_code
from videossl.commands import doctor

WANTED = [requirement for requirement in importlib.metadata.requires("videossl") or [] if "extra ==" not in requirement]


def test_all_packages_of_this_environment_are_well() -> None:
    assert len(WANTED) > 20
    assert {finding.state for finding in map(doctor._package, WANTED)} == {"well"}


@pytest.mark.parametrize("requirement", WANTED)
def test_a_package_that_is_not_installed(requirement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = doctor._package(requirement).part

    def version(of: str) -> str:
        assert of == name
        raise importlib.metadata.PackageNotFoundError(of)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert doctor._package(requirement) == (name, "missing", "not installed", f"pip install '{requirement}'")


@pytest.mark.parametrize("requirement", WANTED)
def test_a_package_that_cannot_be_loaded(requirement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(module: str) -> ModuleType:
        raise ImportError("libGL.so.1: cannot open shared object file:\nNo such file or directory")

    monkeypatch.setattr(importlib, "import_module", load)
    _, state, said, way_out = doctor._package(requirement)
    assert (state, said) == ("missing", "cannot be loaded: libGL.so.1: cannot open shared object file: No such file or directory")
    assert way_out == f"pip install '{requirement}' --force-reinstall"


def test_a_package_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, state in (("2.9.1+cpu", "missing"), ("2.11.0", "well"), ("2.100.0", "well")):
        monkeypatch.setattr(importlib.metadata, "version", lambda name, version=version: version)
        assert doctor._package("torch>=2.11").state == state
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "8.30")
    assert doctor._package("snakemake>=9")[2:] == ("8.30 is older than 9", "pip install 'snakemake>=9'")


def test_not_installed_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    (finding,) = doctor._packages()
    assert finding.state == "missing" and "pip install videossl" in finding.way_out


def test_two_packages_of_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    of = namedtuple("of", "name")
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: map(of, ["numpy", "opencv-python", "opencv-contrib-python-headless"]))
    _, state, said, way_out = doctor._opencv()
    assert state == "missing" and said == "opencv-contrib-python-headless and opencv-python overwrite each other"
    assert way_out.endswith("then pip install opencv-contrib-python-headless")


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._python().state == "well"
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    assert doctor._python() == ("Python", "missing", "3.10.2", "install Python 3.11, 3.12 or 3.13")


def test_no_pipeline_and_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(job_code, "ROOT", tmp_path)
    assert doctor._pipeline().state == "missing" and "install videossl again" in doctor._pipeline().way_out
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor._gpu().state == "absent" and "trainings run on the CPU" in doctor._gpu().said
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor._gpu().said == "torch cannot be loaded"


def test_folders_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file/cache"))
    (tmp_path / "file").touch()
    states = {finding.part: finding for finding in doctor._folders()}
    assert (states["this folder"].state, states["TMPDIR"].state) == ("well", "well")
    assert states["cache"].state == "missing" and states["cache"].way_out == "let XDG_CACHE_HOME name a folder with room"


def test_a_full_disk_and_no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1e9))
    assert doctor._room()[1:3] == ("absent", "1 GB free here")
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = [finding for finding in doctor.examine() if finding.state == "absent" and finding.part in ("rar", "git", "Slurm")]
    assert [finding.part for finding in absent] == ["rar", "git", "Slurm"]
    assert all(finding.way_out and "none of " in finding.said for finding in absent)


def doctors(stub: Path, name: str) -> subprocess.CompletedProcess[str]:
    """The command in a process where loading the module `name` fails."""
    (stub / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}', name='{name}')\n")
    environment = ENVIRONMENT | {"PYTHONPATH": f"{stub}:{REPOSITORY / 'lib'}"}
    return subprocess.run([sys.executable, "-m", "videossl", "doctor"], capture_output=True, text=True, env=environment)


def test_the_command_with_a_part_missing(tmp_path: Path) -> None:
    done = doctors(tmp_path, "rarfile")
    assert done.returncode == 1 and not done.stderr
    missing = [line for line in done.stdout.splitlines() if not line.startswith(("well ", "absent "))]
    assert [line.split()[:2] for line in missing] == [["missing", "rarfile"]]
    assert "pip install 'rarfile' --force-reinstall" in missing[0]


@pytest.mark.parametrize("name", ["click", "yaml"])
def test_without_what_the_command_itself_needs(tmp_path: Path, name: str) -> None:
    done = doctors(tmp_path, name)
    said = f"error: the package {name} is missing; pip install videossl brings it, and make setup in a clone\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
