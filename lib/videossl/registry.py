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


def frameworks() -> tuple[str, ...]:
    """The methods that others train by."""
    return tuple(name for name in names("methods") if declared("methods", name).get("mixable"))


def framework(part: Mapping[str, Any]) -> str | None:
    """The framework of a recipe, or of a training's slice: the method that its method trains by; None for a method that trains by itself."""
    default: str | None = declared("methods", part["method"]).get("framework")
    return default and part.get("framework", default)


def method(part: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration of the method of a recipe, or of a training's slice: its own, and its framework's where it says nothing."""
    own, by = declared("methods", part["method"]), framework(part)
    if by is None:
        return own
    base = declared("methods", by)
    settings = own["settings"] | {key: setting for key, setting in base["settings"].items() if key not in own["settings"]}
    return base | own | {"settings": settings, "frozen": base.get("frozen", {}) | own.get("frozen", {})}


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
    things = [("methods", name) for name in _methods(part)] if "method" in part else []
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
    methods = {files("methods", name)[1] for recipe in part["experiments"].values() for name in _methods(recipe)}
    return tuple(sorted({*_files(things), *methods}))


def drawn(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The files of the things that a page with the slice `part` of params shows, of the encoders whose maps it draws, and of the methods that
    draw what they make of a batch."""
    things = {("encoders", stream["encoder"]) for stream in part["streams"].values()}
    things |= {("methods", recipe["method"]) for recipe in part["experiments"].values() if method(recipe).get("pictured")}
    return tuple(sorted({*shown(part), *_files(things)}))


def _methods(part: Mapping[str, Any]) -> list[str]:
    """The method of a recipe, or of a training's slice, and its framework."""
    return [name for name in (part["method"], framework(part)) if name is not None]


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
