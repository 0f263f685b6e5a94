"""Files of a run as the pages want them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videossl.errors import InputError
from videossl.files import read_json, sha256
from videossl.train import weights


def result(path: Path) -> dict[str, Any]:
    """A results file, of a task or along a training; an InputError where it is none."""
    found: dict[str, Any] = read_json(path)
    if not isinstance(found, dict) or not {"experiment", "seed", "dataset", "task", "chance", "counts", "provenance"} <= found.keys():
        raise InputError(f"{path} holds no results; delete it and run again")
    return found


def history(path: Path) -> dict[str, Any]:
    """.../{experiment}/{seed}/{modality}/{phase}.json as `Run.histories` has it; an InputError where it is no training curve."""
    experiment, seed, modality = path.parts[-4:-1]
    epochs = read_json(path)
    if not isinstance(epochs, list) or not all(isinstance(row, dict) and {"epoch", "loss", "accuracy"} <= row.keys() for row in epochs):
        raise InputError(f"{path} holds no training curve; delete the weights beside it and run again")
    return {
        "experiment": experiment,
        "seed": int(seed),
        "modality": modality,
        "phase": path.stem,
        "epochs": epochs,
    }


def trained(path: Path) -> dict[str, Any]:
    """What the weights beside the history `path` were made from, as `Run.provenance` has it."""
    path = path.with_suffix(".safetensors")
    made_from = weights.provenance(path)
    return {
        "artefact": "/".join(path.parts[-4:]),
        "sha256": sha256(path),
        "made from": made_from["weights"] or {"data": made_from["data"]},
        "code sha256": made_from["code"],
        "params": made_from["params"],
    }
