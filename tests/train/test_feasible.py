"""stages/feasible.py: what the encoders of an experiment allow its method to do, before anything is trained."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.train.conftest import tiny

from videossl import registry
from videossl.files import read_json
from videossl.params import slices

Refused = Callable[..., str]


def arguments(params: dict[str, Any], experiment: str, out: Path) -> list[str]:
    return ["--params", json.dumps(slices.feasible(params, experiment)), "--experiment", experiment, "--out", str(out)]


def looked_at(monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], experiment: str, out: Path) -> dict[str, Any]:
    """What the script writes."""
    monkeypatch.setattr(sys, "argv", ["feasible", *arguments(params, experiment, out)])
    importlib.import_module("stages.feasible").main()
    result: dict[str, Any] = read_json(out)
    return result


def test_shapes_and_pairs_of_two_streams(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any block with one at least as deep, in both directions: each stream is trained in its turn."""
    made = looked_at(monkeypatch, tiny(), "stc-mix-skeleton", tmp_path / "out.json")
    assert list(made["shapes"]) == ["joint", "motion"] == list(made["pairs"])
    assert [len(shapes) for shapes in made["shapes"].values()] == [10, 10]
    assert made["shapes"]["joint"][0] == [2, 16, 8, 25], "two bodies of one sample: channels, steps, joints"
    every = [[k, ell] for k in range(1, 11) for ell in range(k, 11)]
    assert made["pairs"] == {"joint": every, "motion": every}


def test_with_itself_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the mixing has no partner."""
    made = looked_at(monkeypatch, tiny(), "manifold-mixup", tmp_path / "out.json")
    assert made["pairs"]["rgb"] == [[k, k] for k in range(1, len(made["shapes"]["rgb"]) + 1)]


def test_a_video_with_a_skeleton_in_each_direction(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Layers and patches are each stream's own; it is trained with its own first."""
    params = tiny()
    params["streams"]["rgb"]["clip"]["size"] = 64
    recipe = {"streams": ["rgb", "joint"], "layers": {"rgb": 4, "joint": 8}, "patch": {"rgb": [5, 5], "joint": [3, 3]}}
    params["experiments"]["stc-mix"] |= recipe
    made = looked_at(monkeypatch, params, "stc-mix", tmp_path / "out.json")
    assert made["pairs"] == {"rgb": [[4, 8]], "joint": [[8, 4]]}


def test_what_cannot_be_mixed_is_one_line_that_names_experiment_streams_and_blocks(refused: Refused, tmp_path: Path) -> None:
    params = tiny()
    params["experiments"]["stc-mix"] |= {"axes": ["space", "time"]}
    line = refused("feasible", *arguments(params, "stc-mix", tmp_path / "out.json"))
    assert (
        line.startswith("error: experiments.stc-mix, rgb with flow: block 1 cannot be mixed with block 2: ")
        and "channel is not cut" in line
    )
    assert not (tmp_path / "out.json").exists()


def test_what_a_method_declares_it_has() -> None:
    """`feasible` in the YAML, settings that it has, and in the module."""
    for name in registry.names("methods"):
        declared, module = registry.declared("methods", name), registry.module("methods", name)
        assert hasattr(module, "feasible") is ("feasible" in declared), name
        assert set(declared.get("feasible", [])) <= set(declared["settings"]), name
        assert callable(module.build), name
        assert hasattr(module, "pictured") is bool(declared.get("pictured")), name
