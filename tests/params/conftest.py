"""Params as tests of params start from them, each test with its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.params.made import MINING, TINY, forget, separate

from videossl import registry
from videossl.params import load
from videossl.params.recipes import Params


@pytest.fixture
def good() -> Params:
    return separate(REPOSITORY / "params.yaml")


@pytest.fixture
def tiny() -> Params:
    return separate(TINY)


@pytest.fixture
def things(tmp_path: Path) -> Iterator[Path]:
    """A copy of what all things declare, to change or to add to; `forget` then."""
    for kind in registry.KINDS:
        (tmp_path / kind).mkdir()
        for file in (registry.HOME / kind).glob("*.yaml"):
            shutil.copy(file, tmp_path / kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "HOME", tmp_path)
        forget()
        yield tmp_path
    forget()


@pytest.fixture
def chained(tiny: Params) -> Params:
    """The tiny params with chains of every kind on every other: mining of cmmc, cmmc of mining, mining of half a cmmc."""
    cmmc = tiny["experiments"]["stc-mix-skeleton"]
    tiny["experiments"] |= {
        "again": {**cmmc, "from": "crossclr", "stages": 3, "epochs": 4},
        "half": {**cmmc, "stages": 1},
        "mined-half": {key: value for key, value in MINING.items() if key != "epochs"} | {"from": "half", "streams": ["motion", "joint"]},
    }
    return load.check(tiny)


STUDENT = {
    "about": "Another encoder is looked at, whatever trained it",
    "trains": "alone",
    "from": "none",
    "streams": {"min": 1},
    "clips": {"query": 1},
    "frozen": {"teacher": {"stream": "named"}},
    "settings": {},
}


@pytest.fixture
def student(things: Path, tiny: Params) -> Params:
    """The tiny params with a method that is handed a frozen encoder by name."""
    (things / "methods/student.yaml").write_text(yaml.safe_dump(STUDENT))
    forget()
    teacher = {"experiment": "stc-mix", "stream": "flow"}
    tiny["experiments"]["taught"] = {"method": "student", "streams": ["rgb", "joint"], "teacher": teacher}
    return load.check(tiny)
