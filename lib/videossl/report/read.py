"""Files of a run as the pages want them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videossl.errors import InputError
from videossl.files import read_json, sha256
from videossl.train import weights


def result(path: Path) -> dict[str, Any]:
    """A results file of a task; an InputError where it is none."""
    return _results(path, "values", "chance", "counts")


def progress(path: Path) -> dict[str, Any]:
    """A results file along a training; an InputError where it is none."""
    return _results(path, "training", "streams")


def _results(path: Path, *keys: str) -> dict[str, Any]:
    results: dict[str, Any] = read_json(path)
    if not isinstance(results, dict) or not {"experiment", "seed", "dataset", "task", "provenance", *keys} <= results.keys():
        raise InputError(f"{path} holds no results; delete it and run again")
    return results


def history(path: Path) -> dict[str, Any]:
    """.../{experiment}/{seed}/{training}.json as `Run.histories` has it; an InputError where it is no training curve."""
    experiment, seed = path.parts[-3:-1]
    epochs = read_json(path)
    if not isinstance(epochs, list) or not all(isinstance(row, dict) and {"epoch", "loss"} <= row.keys() for row in epochs):
        raise InputError(f"{path} holds no training curve; delete the weights beside it and run again")
    return {"experiment": experiment, "seed": int(seed), "training": path.stem, "epochs": epochs}


def trained(path: Path) -> dict[str, Any]:
    """What the weights beside the history `path` were made from, as `Run.provenance` has it."""
    path = path.with_suffix(".safetensors")
    made_from = weights.provenance(path)
    return {
        "artefact": "/".join(path.parts[-3:]),
        "sha256": sha256(path),
        "made from": made_from["weights"] or {"data": made_from["data"]},
        "code sha256": made_from["code"],
        "params": made_from["params"],
    }
