"""Datasets by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from videossl.datasets import folder, hmdb51, kinetics400, ntu60, ntu120, toy, ucf101
from videossl.errors import InputError

DATASETS: dict[str, ModuleType] = {module.NAME: module for module in (folder, hmdb51, kinetics400, ntu60, ntu120, toy, ucf101)}


def get(name: str) -> ModuleType:
    """The module of dataset `name` (see datasets/base.py for what it has); an unknown name is an InputError."""
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown dataset {name!r}: {hint}known are {', '.join(sorted(DATASETS))}")
    return DATASETS[name]


def split_of(text: str, name: str, options: Mapping[str, Any]) -> int:
    """The split that a person names for dataset `name`; an InputError where that is no number, or no split that it is known to have."""
    known = [split for split in (1, 2, 3) if get(name).expected(split, options)] or [1, 2, 3]
    if text not in map(str, known):
        raise InputError(f"SPLIT is {text}, and the splits of {name} are {', '.join(map(str, known))}")
    return int(text)
