"""The five kinds of things that a person may add, each thing a module and a YAML of one name in the folder of its kind.

The YAML holds all that planning has to know of a thing, so that neither torch nor cv2 is loaded for it. The module is imported by
name and never by a statement. So the code that a job depends on (`job_code.closure`) has the things that the job uses, and no others.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from videossl.errors import InputError

KINDS = {"datasets": "dataset", "modalities": "modality", "encoders": "encoder", "methods": "method", "tasks": "task"}
"""Folder -> what one thing in it is called."""

HOME = Path(__file__).parent


@cache
def names(kind: str) -> tuple[str, ...]:
    """All things of a kind, sorted."""
    return tuple(sorted(path.stem.replace("_", "-") for path in (HOME / kind).glob("*.yaml")))


@cache
def declared(kind: str, name: str) -> dict[str, Any]:
    """Read the YAML of a thing; raises InputError for an unknown name, with the nearest known one."""
    check(kind, name)
    result: dict[str, Any] = yaml.load(_path(kind, name, ".yaml").read_text(encoding="utf-8"), _LOADER)
    return result


def module(kind: str, name: str) -> ModuleType:
    """The module of a thing; errors as in `declared`."""
    check(kind, name)
    return importlib.import_module(f"videossl.{kind}.{_path(kind, name, '.py').stem}")


def files(kind: str, name: str) -> tuple[str, str]:
    """The module and the YAML of a thing, as paths relative to the repository."""
    check(kind, name)
    return tuple(f"lib/videossl/{kind}/{_path(kind, name, suffix).name}" for suffix in (".py", ".yaml"))  # type: ignore[return-value]


def used(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The files of the things that a job with the slice `part` of params uses: its method and tasks, its streams' modalities and encoders.

    Of tasks that are named without their settings, it is the YAML alone.
    """
    things = [("methods", part["method"])] if "method" in part else []
    for stream in part.get("streams", {}).values():
        things += [("modalities", stream["modality"]), ("encoders", stream["encoder"])]
    tasks = part.get("evaluate", {}).get("tasks", {})
    if isinstance(tasks, list):
        return tuple(sorted(files("tasks", task)[1] for task in tasks))
    return _files([*things, *(("tasks", task) for task in tasks)])


def shown(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The files of the things that a page with the slice `part` of params draws, or whose names it shows.

    These are the modalities of its streams, the modalities that they are read from, its tasks, and the YAMLs of its experiments' methods.
    """
    seen = {stream["modality"] for stream in part["streams"].values()}
    cached = {declared("modalities", modality).get("reads", modality) for modality in seen}
    things = [*(("modalities", name) for name in seen | cached), *(("tasks", task) for task in part["evaluate"]["tasks"])]
    methods = {files("methods", recipe["method"])[1] for recipe in part["experiments"].values()}
    return tuple(sorted({*_files(things), *methods}))


def _files(things: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Module and YAML of each thing, by kind and name."""
    return tuple(sorted({file for kind, name in things for file in files(kind, name)}))


def check(kind: str, name: str) -> None:
    """Raise InputError for a name that no thing of the kind has."""
    if name not in names(kind):
        raise InputError(f"unknown {KINDS[kind]} {name!r}: {nearest(name, names(kind))}")


def nearest(word: str, choices: Iterable[str]) -> str:
    """Text for an error: the known word that is meant, or all of them."""
    choices = list(choices)
    close = difflib.get_close_matches(word, choices, 1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(choices)}"


def _path(kind: str, name: str, suffix: str) -> Path:
    return HOME / kind / f"{name.replace('-', '_')}{suffix}"


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
