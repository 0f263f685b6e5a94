"""What the recipes of params.yaml say: which trainings an experiment has, in which order, for how long.

Apart from params.py, so that what is trained does not depend on how params are checked.
"""

from __future__ import annotations

from typing import Any

Params = dict[str, Any]


def stages_of(params: Params, experiment: str) -> list[tuple[str, int]]:
    """The stages of a cross-modal experiment in order, as (modality, cycle); empty for a pretraining."""
    recipe = params["experiments"][experiment]
    return [(recipe["modalities"][stage % 2], stage // 2 + 1) for stage in range(recipe.get("stages", 0))]


def phases(params: Params, experiment: str) -> list[tuple[str, str]]:
    """All that `experiment` trains, in order, as (modality, phase)."""
    pretraining = [(modality, "pretrain") for modality in params["experiments"][experiment]["modalities"]]
    return [(modality, f"cmmc{cycle}") for modality, cycle in stages_of(params, experiment)] or pretraining


def chain(params: Params, experiment: str, modality: str) -> list[tuple[str, str]]:
    """All trainings behind an encoder of `experiment` in order, as (the experiment they belong to, phase); [] if it has none."""
    recipe = params["experiments"][experiment]
    if modality not in recipe["modalities"]:
        return []
    start = [(recipe["from"], "pretrain")] if "from" in recipe else []
    return [*start, *((experiment, phase) for trained, phase in phases(params, experiment) if trained == modality)]


def epochs(params: Params, experiment: str, modality: str, phase: str) -> int:
    """How long one training of `experiment` takes: its share of the recipe's epochs, or the modality's own number."""
    recipe, kind = params["experiments"][experiment], phase.rstrip("0123456789")
    if "epochs" not in recipe:
        return int(params["modalities"][modality][kind]["epochs"])
    return int(recipe["epochs"]) // max(1, sum(trained == modality for trained, _ in stages_of(params, experiment)))


def paper_name(params: Params, experiment: str) -> str:
    """What the paper's tables in paper.yaml call `experiment`."""
    return str(params["experiments"].get(experiment, {}).get("paper", experiment))


def start_of(params: Params, experiment: str, modality: str, cycle: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """What stage `cycle` of `modality` starts from: (experiment, phase) of its own and of the partner's weights.

    The partner's are the newest there are then: of the same cycle for the second modality, of the one before for the
    first (P section 3.2: "use of the latest learned representations").
    """
    recipe = params["experiments"][experiment]
    second = recipe["modalities"].index(modality) == 1

    def weights(number: int) -> tuple[str, str]:
        return (experiment, f"cmmc{number}") if number else (recipe["from"], "pretrain")

    return weights(cycle - 1), weights(cycle if second else cycle - 1)


def partner(params: Params, experiment: str, modality: str) -> str | None:
    """The modality whose frozen encoder is mixed in; None for manifold mixup, which stays within one modality."""
    recipe = params["experiments"][experiment]
    (other,) = set(recipe["modalities"]) - {modality}
    return None if recipe["mixing"] == "manifold-mixup" else str(other)


def with_starts(params: Params, names: list[str]) -> list[str]:
    """The experiments `names` and those they start from, in the order of params."""
    recipes = params["experiments"]
    wanted = {*names, *(recipes[name]["from"] for name in names if "from" in recipes[name])}
    return [name for name in recipes if name in wanted]
