"""doctor: what is missing on this machine, and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from videossl import job_code
from videossl.data import unpack_archive

MODULES = {
    "pyyaml": "yaml",
    "opencv-contrib-python-headless": "cv2",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "ruamel-yaml-clib": "_ruamel_yaml",
}
"""Packages whose modules are called otherwise."""
ROOM = 8e9
"""Bytes that a run at toy scale and its packages take."""


class Finding(NamedTuple):
    """A part of this machine: well, `missing` (nothing runs without it) or `absent` (some things do); way_out: how to get it."""

    part: str
    state: str
    said: str
    way_out: str = ""


@click.command(epilog="Example: videossl doctor")
def command() -> None:
    """Say what is missing here, and how to get it.

    It looks at packages, room, rights, GPU and programs.

    Exit status 0: all runs; 1: something is missing without which nothing does.
    """
    findings = list(examine())
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        print(f"{finding.state:8} {finding.part:{width}}  {finding.said}{f'; {finding.way_out}' if finding.way_out else ''}".rstrip())
    if any(finding.state == "missing" for finding in findings):
        sys.exit(1)


def examine() -> Iterator[Finding]:
    """Look at one part after the other."""
    yield _python()
    yield _pipeline()
    yield from _packages()
    yield _opencv()
    yield _gpu()
    yield from _folders()
    yield _room()
    yield _program("rar", tuple(unpack_archive.TOOLS), "UCF101 and HMDB51 come as rar archives", "apt-get install libarchive-tools")
    yield _program("git", ("git",), "DVC keeps its records beside it", "apt-get install git, or dvc config --local core.no_scm true")
    yield _program("Slurm", ("sbatch",), "for --profile slurm, on a cluster", "call this on a node of yours that has it")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", "well", version) if good else Finding("Python", "missing", version, "install Python 3.11, 3.12 or 3.13")


def _pipeline() -> Finding:
    snakefile = job_code.ROOT / "Snakefile"
    if snakefile.is_file():
        return Finding("pipeline", "well", str(job_code.ROOT))
    return Finding("pipeline", "missing", f"{snakefile} is not there", "install videossl again")


def _packages() -> Iterator[Finding]:
    """The packages that pyproject.toml names: whether each is there, can be loaded, and is new enough."""
    try:
        wanted = importlib.metadata.requires("videossl") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("videossl", "missing", "not installed in this Python", "pip install videossl, or make setup in a clone")
        return
    for requirement in wanted:
        if "extra ==" not in requirement:
            yield _package(requirement)


def _package(requirement: str) -> Finding:
    """The state of a package. requirement: as "torch>=2.11"."""
    name, least = re.match(r"([\w.-]+)(?:\s*>=\s*([\d.]+))?", requirement).groups()  # type: ignore[union-attr]
    plain = re.sub(r"[-_.]+", "-", name).lower()  # as some metadata spell it
    way_out = f"pip install '{requirement}'"
    try:
        version = importlib.metadata.version(name)
        importlib.import_module(MODULES.get(plain, plain.replace("-", "_")))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", way_out)
    except Exception as error:  # a library of the system that is not there, a package that is damaged: whatever its import raises
        return Finding(name, "missing", f"cannot be loaded: {' '.join(str(error).split())}", f"{way_out} --force-reinstall")
    if least and _numbers(version) < _numbers(least):
        return Finding(name, "missing", f"{version} is older than {least}", way_out)
    return Finding(name, "well", version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def _opencv() -> Finding:
    """OpenCV's packages overwrite each other's files; only one of them has TV-L1."""
    found = sorted({d.name for d in importlib.metadata.distributions() if d.name and d.name.lower().startswith("opencv")})
    if len(found) <= 1:
        return Finding("one OpenCV", "well", ", ".join(found))
    way_out = f"pip uninstall {' '.join(found)}, then pip install opencv-contrib-python-headless"
    return Finding("one OpenCV", "missing", f"{' and '.join(found)} overwrite each other", way_out)


def _gpu() -> Finding:
    try:
        import torch
    except Exception:  # said of the package
        return Finding("GPU", "absent", "torch cannot be loaded")
    if not torch.cuda.is_available():
        return Finding("GPU", "absent", "none that torch can use: trainings run on the CPU", "docs/performance.md says how fast")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Finding("GPU", "well", ", ".join(names))


def _folders() -> Iterator[Finding]:
    """See whether files can be written where runs, temporary files and the caches of tools lie."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    for part, folder, way_out in (
        ("this folder", Path(), "call it in a folder of your own"),
        ("TMPDIR", Path(tempfile.gettempdir()), "let TMPDIR name a folder with room"),
        ("cache", cache, "let XDG_CACHE_HOME name a folder with room"),
    ):
        try:
            nearest = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
            with tempfile.TemporaryFile(dir=nearest) as file:
                file.write(bytes(4096))
        except OSError as error:
            yield Finding(part, "missing", f"cannot write to {folder.absolute()}: {error.strerror}", way_out)
        else:
            yield Finding(part, "well", str(folder.absolute()))


def _room() -> Finding:
    free = shutil.disk_usage(Path()).free
    said = f"{free / 1e9:.0f} GB free here"
    return (
        Finding("disk", "well", said)
        if free >= ROOM
        else Finding("disk", "absent", said, f"a run at toy scale takes {ROOM / 1e9:.0f} GB with its packages")
    )


def _program(part: str, names: tuple[str, ...], use: str, way_out: str) -> Finding:
    """A program of the system, by any of its names."""
    found = next(filter(None, map(shutil.which, names)), None)
    return Finding(part, "well", found) if found else Finding(part, "absent", f"none of {', '.join(names)}; {use}", way_out)
