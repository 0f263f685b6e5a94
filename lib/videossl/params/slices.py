"""The slice of params.yaml of each job. A job reruns when its slice changes, and no script sees more than its slice.

`keys` says for every slice which dotted keys of params.yaml it rests on: what DVC looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from videossl import registry
from videossl.params import recipes, run_plan, schema
from videossl.params.recipes import Params, Training


def dataset(params: Params, name: str) -> Params:
    """The keys that name a dataset."""
    return {"dataset": run_plan.datasets(params)[name]}


def index(params: Params, name: str) -> Params:
    """The dataset, and which of its videos can be used. Skeleton files decide nothing where people are detected."""
    return {"dataset": run_plan.datasets(params)[name], "index": params["index"]} | _not_from_files(params)


def _not_from_files(params: Params) -> Params:
    """The sections of extractors that make a modality of videos, although datasets have files for it."""
    result = {}
    for modality, section in schema.sections().items():
        choices = registry.declared("modalities", modality)["extractors"]
        if len(choices) > 1 and section["name"] in params and run_plan.backend(params, modality) != next(iter(choices)):
            result[section["name"]] = {"backend": run_plan.backend(params, modality)}
    return result


def extraction(params: Params, cached: str, name: str) -> Params:
    """The slice of an extraction: the place of the videos, and the settings of the extractor of a cached modality."""
    declared = run_plan.datasets(params)[name]
    result: Params = {"dataset": {key: declared[key] for key in ("name", "root")}}
    for place in run_plan.extractor(params, cached)["slice"]:
        section, _, key = place.partition(".")
        if section in params and not key:
            result[section] = params[section]
        elif key in params.get(section, {}):
            result.setdefault(section, {})[key] = params[section][key]
    return result


def stream(params: Params, name: str) -> Params:
    """The keys of a stream: its modality, its encoder, its clips."""
    settings = params["streams"][name]
    return {key: value for key, value in settings.items() if key not in ("head", "train")}


def training(params: Params, job: Training) -> Params:
    """The slice of a training: its streams, its method, and their settings as they are resolved."""
    recipe, declared = params["experiments"][job.experiment], recipes.method(params, job.experiment)
    frozen = recipes.frozen_streams(params, job)
    streams = {name: stream(params, name) for name in (*job.streams, *frozen.values())}
    for name in job.streams:
        streams[name] |= {part: params["streams"][name][part] for part in declared.get("uses", [])}
    for role, name in frozen.items():
        streams[name] |= {"head": params["streams"][name]["head"]} if declared["frozen"][role].get("head") else {}
    plan = {"name": job.name, "streams": list(job.streams), "frozen": frozen, "draws": recipes.draws(params, job)}
    return {
        **_arithmetic(params),
        **_named(recipe),
        "training": plan
        | {"epochs": recipes.epochs(params, job), "videos": recipes.videos(params, job.experiment), "keep": recipe.get("keep", 0)},
        "streams": streams,
        "settings": {name: _settings(params, job, name) for name in job.streams},
    }


def _arithmetic(params: Params) -> Params:
    """The keys that say how a training computes."""
    return {key: params[key] for key in ("threads", "precision", "deterministic") if key in params}


def _named(recipe: Params) -> Params:
    """The method of a recipe, and the framework that it trains by."""
    framework = registry.framework(recipe)
    return {"method": recipe["method"]} | ({"framework": framework} if framework else {})


def _settings(params: Params, job: Training, name: str) -> Params:
    """The settings of one stream; where one has a value for each stream and a training needs its own alone, that."""
    declared = schema.settings(**_named(params["experiments"][job.experiment]))
    settings = recipes.settings(params, name, params["experiments"][job.experiment]["method"], job.experiment)
    values = {key: setting.value for key, setting in settings.items() if key not in ("epochs", "framework")}
    own = [key for key, value in values.items() if declared[key].get("own") and isinstance(value, dict)]
    return values | {key: {name: values[key][name]} for key in own}


def feasible(params: Params, experiment: str) -> Params:
    """The slice that decides on feasibility: the streams' shapes, and the settings that the method names."""
    recipe, declared = params["experiments"][experiment], recipes.method(params, experiment)
    streams = {name: stream(params, name) for name in recipe["streams"]}
    shapes = {name: {key: value for key, value in settings.items() if key != "augment"} for name, settings in streams.items()}
    first = recipes.settings(params, recipe["streams"][0], recipe["method"], experiment)
    return {**_named(recipe), "streams": shapes, "settings": {key: first[key].value for key in declared["feasible"]}}


def measurable(params: Params, name: str) -> Params:
    """The tasks that are to be measured on a dataset; the batches of what is trained on it, by their keys, of each task that trains and of all
    methods (""); the share of the labels of tasks that are given a share; and the share of the videos that experiments read, by its key."""
    tasks = list(params["evaluate"]["tasks"]) if name in run_plan.measured_datasets(params) else []
    batches = {tag: dict(sorted(found)) for tag, found in _batches(params, name).items()}
    shares = {task: settings["share"] for task in batches if "share" in (settings := params["evaluate"]["tasks"].get(task, {}))}
    return {"evaluate": {"tasks": tasks}, "batches": batches, "shares": shares, "videos": dict(_videos(params, name))}


def _videos(params: Params, name: str) -> Iterator[tuple[str, Params]]:
    """Yield the key of the share that an experiment reads of dataset `name`, and what it must be enough for: batches, by their keys; where labels
    are learned from, the classes, whatever the seed."""
    for experiment, recipe in params["experiments"].items() if name == params["dataset"]["name"] else ():
        if "videos" in recipe:
            every = [recipes.settings(params, stream, recipe["method"], experiment)["batch"] for stream in recipe["streams"]]
            seeds = [params["seed"], *params["seeds"]] if "label" in recipes.method(params, experiment) else []
            asked = {"share": recipe["videos"], "batches": {batch.place: batch.value for batch in every}, "seeds": seeds}
            yield f"experiments.{experiment}.videos", asked


def _batches(params: Params, name: str) -> dict[str, set[tuple[str, int]]]:
    result: dict[str, set[tuple[str, int]]] = {"": set()}
    for experiment, recipe in params["experiments"].items() if name == params["dataset"]["name"] else ():
        for stream in recipe["streams"]:
            settings = recipes.settings(params, stream, recipe["method"], experiment)
            result[""] |= {(settings["batch"].place, settings["batch"].value)} if "batch" in settings else set()
    for task in params["evaluate"]["tasks"] if name in run_plan.measured_datasets(params) else ():
        for stream in run_plan.streams_of(params, name) if registry.declared("tasks", task)["given"] == "encoder" else ():
            batch = recipes.settings(params, stream, task)["batch"]
            result.setdefault(task, set()).add((batch.place, batch.value))
    return result


def features(params: Params, name: str) -> Params:
    """The encoder of a stream, and the clips that it is given."""
    return {"threads": params["threads"], "streams": {name: stream(params, name)}, "evaluate": {"clips": params["evaluate"]["clips"]}}


def finetune(params: Params, task: str, name: str) -> Params:
    """The slice of a task that trains the encoder of a stream, and tests it."""
    settings = {key: setting.value for key, setting in recipes.settings(params, name, task).items()}
    method = schema.method_of(task)
    streams = {name: stream(params, name)}
    streams[name] |= {part: params["streams"][name][part] for part in registry.method({"method": method}).get("uses", [])}
    return {
        **_arithmetic(params),
        "method": method,
        "streams": streams,
        "settings": {name: settings},
        "evaluate": {"tasks": {task: _task(params, task)}},
    }


def score(params: Params, task: str) -> Params:
    """The slice of a task that turns features into numbers."""
    return {"evaluate": {"fused": params["evaluate"]["fused"], "tasks": {task: _task(params, task)}}, "threads": params["threads"]}


def _task(params: Params, task: str) -> Params:
    """The settings of a task, whatever it is measured of."""
    return {key: value for key, value in params["evaluate"]["tasks"][task].items() if key != "experiments"}


def progress(params: Params, job: Training) -> Params:
    """The encoders of a training, the clips that they are given, and how features become numbers."""
    on_features = [task for task in params["evaluate"]["tasks"] if registry.declared("tasks", task)["given"] == "features"]
    tasks = {task: _task(params, task) for task in on_features}
    streams = {name: stream(params, name) for name in job.streams}
    return {"threads": params["threads"], "streams": streams, "evaluate": {"clips": params["evaluate"]["clips"], "tasks": tasks}}


def report(params: Params) -> Params:
    """All but the targets, with the experiments of `all` and those they start from."""
    return {key: value for key, value in params.items() if key not in ("targets", "all")} | _experiments(params, params["all"])


def compare(params: Params, target: str) -> Params:
    """One target, with the experiments it names and those they start from."""
    keys = ("dataset", "transfer", "seeds", "streams", "evaluate")
    compared = params["targets"][target]
    return {key: params[key] for key in keys} | {"targets": {target: compared}} | _experiments(params, compared["experiments"])


def _experiments(params: Params, names: list[str]) -> Params:
    wanted = recipes.with_starts(params, names)
    return {"experiments": {name: recipe for name, recipe in params["experiments"].items() if name in wanted}}


# The keys of params.yaml that a slice rests on.


def keys(part: Any) -> set[str]:
    """The dotted keys of a slice that has the form of params.yaml.

    What a modality's own section has comes and goes: the section is named as a whole.
    """
    own = {section["name"] for section in schema.sections().values()}
    return {key for key in _leaves(part, "", own) if key.split(".")[0] not in ("training", "settings", "method", "framework")}


def training_keys(params: Params, job: Training) -> set[str]:
    """The dotted keys that a training rests on."""
    recipe = params["experiments"][job.experiment]
    result = keys(training(params, job))
    for name in job.streams:
        settings = recipes.settings(params, name, recipe["method"], job.experiment)
        result |= {setting.place for setting in settings.values() if setting.place}
    plan = ("method", "streams", "from", "stages", "videos", "keep", *recipes.method(params, job.experiment).get("frozen", {}))
    return result | {f"experiments.{job.experiment}.{key}" for key in plan if key in recipe}


def feasible_keys(params: Params, experiment: str) -> set[str]:
    """The dotted keys that `feasible` rests on."""
    recipe = params["experiments"][experiment]
    first = recipes.settings(params, recipe["streams"][0], recipe["method"], experiment)
    places = {first[key].place for key in recipes.method(params, experiment)["feasible"]}
    plan = {f"experiments.{experiment}.{key}" for key in ("method", "framework", "streams") if key in recipe}
    return keys(feasible(params, experiment)) | plan | (places - {""})


def measurable_keys(params: Params, name: str) -> set[str]:
    """The dotted keys that `measurable` rests on."""
    part = measurable(params, name)
    result = {"evaluate.tasks", *part["videos"], *(place for batches in part["batches"].values() for place in batches)}
    result |= {"seed", "seeds"} if any(asked["seeds"] for asked in part["videos"].values()) else set()
    if name == params["dataset"]["name"]:  # which method trains which stream
        result |= {f"experiments.{experiment}.{key}" for experiment in params["experiments"] for key in ("method", "streams")}
    return result


def finetune_keys(params: Params, task: str, name: str) -> set[str]:
    """The dotted keys that the training of a task rests on."""
    places = {setting.place for setting in recipes.settings(params, name, task).values()}
    return keys(finetune(params, task, name)) | (places - {""})


def _leaves(part: Any, prefix: str, sections: set[str]) -> Iterator[str]:
    if prefix == "dataset.options" or prefix in sections or not isinstance(part, dict) or not part:
        yield prefix
    elif prefix.count(".") == 1 and prefix.startswith(("streams.", "experiments.")):
        yield from (f"{prefix}.{key}" for key in part)
    else:
        for key, value in part.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else key, sections)
