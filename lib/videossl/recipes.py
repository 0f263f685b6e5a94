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


def kind(recipe: Params) -> str:
    """What a recipe is of: `mining` both encoders at once, `cmmc`, one against the other in turn, or `pretrain`, each alone."""
    if "neighbours" in recipe:
        return "mining"
    return "cmmc" if "from" in recipe else "pretrain"


def phases(params: Params, experiment: str) -> list[tuple[str, str]]:
    """All that `experiment` trains, in order, as (modality, phase)."""
    recipe = params["experiments"][experiment]
    if kind(recipe) == "cmmc":
        return [(modality, f"cmmc{cycle}") for modality, cycle in stages_of(params, experiment)]
    return [(modality, kind(recipe)) for modality in recipe["modalities"]]


def chain(params: Params, experiment: str, modality: str) -> list[tuple[str, str]]:
    """All trainings behind an encoder of `experiment` in order, as (the experiment they belong to, phase); [] if it has none."""
    recipe = params["experiments"][experiment]
    if modality not in recipe["modalities"]:
        return []
    start = chain(params, recipe["from"], modality) if "from" in recipe else []
    return [*start, *((experiment, phase) for trained, phase in phases(params, experiment) if trained == modality)]


def before(params: Params, experiment: str, modality: str) -> tuple[str, str]:
    """The newest weights of `modality` that `experiment` starts from, as (experiment, phase)."""
    return chain(params, params["experiments"][experiment]["from"], modality)[-1]


def origins(params: Params, experiment: str) -> list[str]:
    """The experiments that `experiment` starts from, the nearest first: its `from`, what that starts from, ..., up to one that comes again."""
    recipes, result = params["experiments"], [experiment]
    while (start := recipes.get(result[-1], {}).get("from")) is not None:
        result.append(start)
        if start in result[:-1]:
            break
    return result[1:]


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
    modalities = params["experiments"][experiment]["modalities"]
    second = modalities.index(modality)
    other = modalities[1 - second]

    def weights(number: int, of: str) -> tuple[str, str]:
        return (experiment, f"cmmc{number}") if number else before(params, experiment, of)

    return weights(cycle - 1, modality), weights(cycle - 1 + second, other)


def partner(params: Params, experiment: str, modality: str) -> str | None:
    """The modality whose frozen encoder is mixed in; None for manifold mixup, which stays within one modality."""
    recipe = params["experiments"][experiment]
    (other,) = set(recipe["modalities"]) - {modality}
    return None if recipe["mixing"] == "manifold-mixup" else str(other)


def mixed_where(recipe: Params, modality: str, other: str) -> Params:
    """Between which blocks and with what patch `other` is mixed into `modality`, as `ssl.cmmc.CMMC` takes them: its `layers` and `patch`."""
    layers, patch = recipe["layers"], recipe.get("patch", "random")
    return {
        "layers": layers if isinstance(layers, str) else (layers[modality], layers[other]),
        "patch": patch if isinstance(patch, str) else tuple(patch[modality]),
    }


def with_starts(params: Params, names: list[str]) -> list[str]:
    """The experiments `names` and all that they start from, in the order of params."""
    recipes = params["experiments"]
    wanted = {*names, *(start for name in names for start in origins(params, name))}
    return [name for name in recipes if name in wanted]
