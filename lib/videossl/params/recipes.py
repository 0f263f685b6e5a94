"""The recipes of params.yaml: the trainings of an experiment, their order, their starts and their settings.

Apart from the checks, so that what is trained does not depend on how params are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from videossl import registry
from videossl.errors import InputError
from videossl.params import schema

Params = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """One job that trains `streams` of `experiment`, or takes their weights from elsewhere; its files bear its name.

    cycle: of trainings in turn, 1, 2, ... for each stream; else 0.
    """

    experiment: str
    name: str
    streams: tuple[str, ...]
    cycle: int = 0


class Setting(NamedTuple):
    """The value of a setting, and the dotted key of params that it stands under; "" for a default."""

    value: Any
    place: str


def method(params: Params, experiment: str) -> Params:
    """The declaration of the method of an experiment."""
    return registry.method(params["experiments"][experiment])


def trainings(params: Params, experiment: str) -> list[Training]:
    """All trainings of an experiment, in order."""
    recipe, trains = params["experiments"][experiment], method(params, experiment)["trains"]
    streams = tuple(recipe["streams"])
    if trains == "together":
        return [Training(experiment, "+".join(streams), streams)]
    if trains in ("alone", "nothing"):
        return [Training(experiment, stream, (stream,)) for stream in streams]
    turns = ((streams[turn % len(streams)], turn // len(streams) + 1) for turn in range(recipe["stages"]))
    return [Training(experiment, f"{stream}-{cycle}", (stream,), cycle) for stream, cycle in turns]


def training(params: Params, experiment: str, name: str) -> Training:
    """The training of that name."""
    return next(job for job in trainings(params, experiment) if job.name == name)


def chain(params: Params, experiment: str, stream: str) -> list[Training]:
    """All trainings behind an encoder of `experiment`, in order; [] where it has none."""
    recipe = params["experiments"][experiment]
    if stream not in recipe["streams"]:
        return []
    before = chain(params, recipe["from"], stream) if "from" in recipe else []
    return [*before, *(job for job in trainings(params, experiment) if stream in job.streams)]


def starts(params: Params, job: Training) -> dict[str, Training]:
    """By stream, the training that `job` begins from: {} for initial weights."""
    newest = _newest(params, job)
    return {stream: newest[stream] for stream in job.streams if stream in newest}


def frozen(params: Params, job: Training) -> dict[str, tuple[str, Training]]:
    """The frozen encoders that `job` is handed, by role: the stream, and the training that made its weights.

    The other stream's are the newest there are then: of the same cycle for the second stream, of the cycle before for the
    first (P section 3.2: "use of the latest learned representations").
    """
    recipe, newest, named = params["experiments"][job.experiment], _newest(params, job), named_roles(params, job.experiment)
    return {
        role: (stream, chain(params, recipe[role]["experiment"], stream)[-1] if role in named else newest[stream])
        for role, stream in frozen_streams(params, job).items()
    }


def frozen_streams(params: Params, job: Training) -> dict[str, str]:
    """The stream in each frozen role of `job`."""
    recipe = params["experiments"][job.experiment]
    result = {}
    for role, declared in method(params, job.experiment).get("frozen", {}).items():
        if any(recipe.get(key) in values for key, values in declared.get("unless", {}).items()):
            continue
        others = [stream for stream in recipe["streams"] if stream not in job.streams]
        result[role] = recipe[role]["stream"] if role in named_roles(params, job.experiment) else others[0]
    return result


def named_roles(params: Params, experiment: str) -> list[str]:
    """The frozen roles for which the recipe names an experiment and its stream."""
    return [role for role, declared in method(params, experiment).get("frozen", {}).items() if declared["stream"] == "named"]


def _newest(params: Params, job: Training) -> dict[str, Training]:
    """By stream of the experiment, the newest training before `job`."""
    recipe = params["experiments"][job.experiment]
    newest = {}
    if "from" in recipe:
        newest = {stream: chain(params, recipe["from"], stream)[-1] for stream in recipe["streams"]}
    for earlier in trainings(params, job.experiment):
        if earlier == job:
            break
        newest |= dict.fromkeys(earlier.streams, earlier) if job.cycle else {}
    return newest


def origins(params: Params, experiment: str) -> list[str]:
    """The experiments that `experiment` starts from, the nearest first.

    Where they lead round in a circle the last is one of the others.
    """
    recipes, result = params["experiments"], [experiment]
    while (start := recipes.get(result[-1], {}).get("from")) is not None:
        result.append(start)
        if start in result[:-1]:
            break
    return result[1:]


def with_starts(params: Params, names: list[str]) -> list[str]:
    """The experiments `names` and all whose weights they are made from, in the order of params."""
    recipes, wanted = params["experiments"], set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted and name in recipes:
            wanted.add(name)
            waiting += [recipes[name]["from"]] if "from" in recipes[name] else []
            waiting += [recipes[name][role]["experiment"] for role in named_roles(params, name)]
    return [name for name in recipes if name in wanted]


def draws(params: Params, job: Training) -> list[str]:
    """The names that separate the draws of a training, beside the run's seed; [] for one that begins at initial weights.

    The experiment has no part in it: experiments share batches and draws, and differ in nothing but their recipe.
    """
    recipe, declared = params["experiments"][job.experiment], method(params, job.experiment)
    if "from" not in recipe:
        return []
    name = declared.get("draws", recipe["method"])
    return [name] if declared["trains"] == "together" else [job.streams[0], f"{name}{job.cycle or ''}"]


def epochs(params: Params, job: Training) -> int:
    """The epochs of a training: its share of the recipe's epochs, or those of its first stream; 0 where nothing is trained."""
    if method(params, job.experiment)["trains"] == "nothing":
        return 0
    setting = settings(params, job.streams[0], params["experiments"][job.experiment]["method"], job.experiment)["epochs"]
    if not setting.place.startswith("experiments."):
        return int(setting.value)
    return int(setting.value) // max(1, sum(job.streams[0] in other.streams for other in trainings(params, job.experiment)))


def videos(params: Params, experiment: str) -> float:
    """The share of the training videos that the trainings of an experiment read."""
    share: float = params["experiments"][experiment].get("videos", 1)
    return share


def settings(params: Params, stream: str, tag: str, experiment: str = "") -> dict[str, Setting]:
    """All settings of a training of `stream`: those of the experiment before those of the stream.

    Of a method that trains by a framework, the framework's own settings may stand in that one's part too; how long and how fast may not.
    tag: in `streams.*.train`, the method, or the task that trains by one. Raises InputError where one is nowhere.
    """
    name, train = schema.method_of(tag), params["streams"][stream].get("train", {})
    recipe = params["experiments"][experiment] if experiment else {}
    framework = registry.framework({"method": name} | recipe)
    by = {key: value for key, value in train.get(framework, {}).items() if key not in schema.loop()}
    places = (
        (f"experiments.{experiment}", recipe),
        (f"streams.{stream}.train.{tag}", train.get(tag, {})),
        (f"streams.{stream}.train.{framework}", by),
        (f"streams.{stream}.train", train),
    )
    result = {}
    for key, declared in schema.settings(name, framework).items():
        setting = next((Setting(given[key], f"{place}.{key}") for place, given in places if key in given), None)
        if setting is None and "default" not in declared:
            whose = f"experiments.{experiment} trains" if experiment else f"the task {tag} trains"
            raise InputError(f"{whose} {stream} by {name}, which needs `{key}`; add it to streams.{stream}.train, or to its part {tag}")
        result[key] = setting or Setting(declared["default"], "")
    return result


def paper_name(params: Params, experiment: str) -> str:
    """The name of `experiment` in the paper's tables of paper.yaml."""
    return str(params["experiments"].get(experiment, {}).get("paper", experiment))
