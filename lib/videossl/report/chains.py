"""The trainings behind an encoder, one after the other: pretraining, then its stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videossl import params as parameters
from videossl.report.numbers import natural
from videossl.report.run import Run


def trainings(params: Mapping[str, Any], experiment: str, modality: str) -> list[tuple[str, str]]:
    """(the experiment that owns it, phase) in order; empty where the params have no such encoder."""
    recipe = params.get("experiments", {}).get(experiment)
    known = recipe is not None and modality in recipe["modalities"]
    return parameters.chain(dict(params), experiment, modality) if known else []


def spans(params: Mapping[str, Any], experiment: str, modality: str) -> list[tuple[str, str, int, int]]:
    """The trainings with the epochs before and after each: (owner, phase, start, stop), counted from the first."""
    result, start = [], 0
    for owner, phase in trainings(params, experiment, modality):
        stop = start + parameters.epochs(dict(params), owner, modality, phase)
        result.append((owner, phase, start, stop))
        start = stop
    return result


def epochs(params: Mapping[str, Any], experiment: str, modality: str) -> int | None:
    """Epochs of one encoder over all its trainings; None where the params have no such encoder."""
    found = spans(params, experiment, modality)
    return found[-1][-1] if found else None


def histories(run: Run, experiment: str, modality: str, seed: int) -> list[Mapping[str, Any]]:
    """The training curves behind one encoder in order, those that are there.

    Of an experiment that the params do not have: its own, pretraining first.
    """
    found = {
        (history["experiment"], history["phase"]): history
        for history in run.histories
        if (history["modality"], history["seed"]) == (modality, seed) and history["epochs"]
    }
    own = sorted((key for key in found if key[0] == experiment), key=lambda key: (key[1] != "pretrain", natural(key[1])))
    wanted = trainings(run.params, experiment, modality) or own
    return [found[key] for key in wanted if key in found]
