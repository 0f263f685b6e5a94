"""Params to change, what is said of a mistake in them, and trainings in words: what tests of params share."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import REPOSITORY

from videossl import registry
from videossl.errors import InputError
from videossl.params import load, recipes, schema
from videossl.params.recipes import Params, Training

TINY = REPOSITORY / "tests/pipeline/tiny.yaml"
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))

MOCO = {"method": "moco", "streams": ["rgb"], "mixing": "none"}
MINING = {"method": "crossclr", "from": "stc-mix-skeleton", "streams": ["joint", "motion"], "neighbours": 1}


def separate(path: Path) -> Params:
    """The checked params of a file, in which no two keys share a mapping, as anchors do."""
    result: Params = json.loads(json.dumps(load.load(path)))
    return result


def put(mapping: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        mapping = mapping[parent]
    mapping[last] = value


def drop(mapping: dict[str, Any], key: str) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        mapping = mapping[parent]
    del mapping[last]


def said_of(params: Params) -> str:
    """What is said of a mistake: one line, which begins with the file's name."""
    with pytest.raises(InputError) as caught:
        load.check(params)
    said = str(caught.value)
    assert said.startswith("params.yaml: ") and "\n" not in said
    return said


def entry(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "root": "there", "split": 1, "options": {}, "streams": ["rgb"]} | changes


def detected(given: Params, **skeleton: Any) -> Params:
    """Params whose joints are detected in the videos."""
    result = copy.deepcopy(given) | {"skeleton": {"backend": "keypoint-rcnn", **skeleton}}
    for stream in ("joint", "motion"):
        result["streams"][stream]["graph"] = "coco"
    return result


def forget() -> None:
    """Forget what was read of the things there are."""
    for value in [*vars(registry).values(), *vars(schema).values()]:
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def names(jobs: Iterator[Training] | list[Training]) -> list[str]:
    return [f"{job.experiment}/{job.name}" for job in jobs]


def by_hand(params: Params, experiment: str) -> dict[str, tuple[dict[str, str], dict[str, str], list[str]]]:
    """By training: what its streams begin from, whose weights are handed in, and what its draws are told apart by."""
    result = {}
    for job in recipes.trainings(params, experiment):
        starts = {stream: names([start])[0] for stream, start in recipes.starts(params, job).items()}
        frozen = {f"{role} {stream}": names([made])[0] for role, (stream, made) in recipes.frozen(params, job).items()}
        result[job.name] = (starts, frozen, recipes.draws(params, job))
    return result
