"""Files of a run as the pages want them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videossl.files import read_json, sha256
from videossl.train import weights


def history(path: Path) -> dict[str, Any]:
    """.../{experiment}/{seed}/{modality}/{phase}.json as `Run.histories` has it."""
    experiment, seed, modality = path.parts[-4:-1]
    return {
        "experiment": experiment,
        "seed": int(seed),
        "modality": modality,
        "phase": path.stem,
        "epochs": read_json(path),
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
