"""The parts of a run: its datasets and their places, the caches that it needs, and the measurements on each dataset."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from videossl import files, paths, registry
from videossl.params import recipes, schema
from videossl.params.recipes import Params

READ = (*files.VIDEOS, ".skeleton", ".txt", ".csv", ".json")
"""The ends of names of the files that datasets read."""

BASELINES = ("untrained", "handmade")
"""The baselines beside the experiments: the encoders at their initial weights, and features without an encoder."""


def own_root(name: str) -> str:
    """The place where the pipeline keeps dataset `name`; any other root is a person's own, which is only read."""
    return f"data/raw/{name}"


def datasets(params: Params) -> dict[str, Params]:
    """All datasets by name, each without its `streams`: first the one that encoders are trained on, then those of `transfer`."""
    every = [params["dataset"], *params["transfer"]]
    return {entry["name"]: {key: value for key, value in entry.items() if key != "streams"} for entry in every}


def measured_datasets(params: Params) -> list[str]:
    """The datasets that encoders are measured on: all, unless evaluate.datasets names some."""
    return list(params["evaluate"].get("datasets", datasets(params)))


def checked_datasets(params: Params) -> list[str]:
    """The datasets whose index is held against what is to be trained and measured on them, the one that is trained on first."""
    return list(dict.fromkeys([params["dataset"]["name"], *measured_datasets(params)]))


def streams_of(params: Params, dataset: str) -> list[str]:
    """The streams that a dataset is read for: all, or those that `transfer` names."""
    named = {entry["name"]: entry["streams"] for entry in params["transfer"]}
    return list(named[dataset] if dataset in named else params["streams"])


def measured(params: Params, experiment: str, dataset: str) -> list[str]:
    """The streams of `experiment` that are measured on `dataset`; the baselines have all."""
    if dataset not in measured_datasets(params):
        return []
    own = params["experiments"].get(experiment, {"streams": list(params["streams"])})["streams"]
    wanted = {entry["name"]: entry["streams"] for entry in params["transfer"]}.get(dataset, own)
    return [stream for stream in own if stream in wanted]


def tasks_of(params: Params, experiment: str) -> list[str]:
    """The tasks that an experiment is measured by; a task that trains an encoder leaves out the hand-made feature."""
    result = []
    for task, settings in params["evaluate"]["tasks"].items():
        trains = registry.declared("tasks", task)["given"] == "encoder"
        if experiment in settings.get("experiments", [experiment]) or experiment in BASELINES:
            result += [] if trains and experiment == "handmade" else [task]
    return result


def is_filled(dataset: Params) -> bool:
    """True where `download` puts the videos where this dataset, of params, is read from."""
    declared = registry.declared("datasets", dataset["name"])
    return bool(declared.get("downloaded") or declared.get("rendered")) and Path(dataset["root"]) == Path(own_root(dataset["name"]))


def is_rendered(dataset: str) -> bool:
    """True where `download` makes the dataset's videos itself, and leaves their folder."""
    return bool(registry.declared("datasets", dataset).get("rendered"))


def brought(params: Params, dataset: str) -> list[str]:
    """The files that a person brought of `dataset`: the folder of its videos, unless `download` fills it; lists that lie elsewhere."""
    declared = datasets(params)[dataset]
    root = Path(os.path.normpath(declared["root"]))
    lists = [Path(os.path.normpath(root / declared["options"][key])) for key in ("lists", "missing") if key in declared["options"]]
    folders = [] if is_filled(declared) else [root]
    return [str(path) for path in [*folders, *(entry for entry in lists if not entry.is_relative_to(root))]]


def fingerprint(*places: str | Path) -> str:
    """The SHA-256 over names, sizes and times of what is read of `places`, and whether it may be read: it changes when a user's copy does.

    places: files, or folders with all that lies under them; "" for none. Names that start with a dot, and what is neither
    video nor skeleton nor list, do not count. Links to folders are followed, as the datasets do; a dangling link counts by
    its name.
    """
    if not places:
        return ""
    inside = [folder / name for place in places for folder, names in files.walk(place) for name in names if name.lower().endswith(READ)]
    inside += [Path(place) for place in places if Path(place).is_file()]
    stats = [(path, path.stat() if path.exists() else path.lstat()) for path in inside]
    listing = sorted((str(path), stat.st_size, stat.st_mtime_ns, os.access(path, os.R_OK)) for path, stat in stats)
    return hashlib.sha256(json.dumps(listing, ensure_ascii=True).encode()).hexdigest()


# The cache: which modalities are extracted, and by what.


def cached_modality(modality: str) -> str:
    """The cached modality that `modality` is read from."""
    return str(registry.declared("modalities", modality).get("reads", modality))


def cached_modalities(params: Params, dataset: str) -> list[str]:
    """The cached modalities of `dataset` that the run needs."""
    return sorted({cached_modality(params["streams"][stream]["modality"]) for stream in streams_of(params, dataset)})


def all_cached_modalities(params: Params) -> list[str]:
    """The cached modalities of all streams."""
    return sorted({cached_modality(stream["modality"]) for stream in params["streams"].values()})


def backend(params: Params, cached: str) -> str:
    """The backend that makes a cached modality; "" where there is no choice."""
    declared = registry.declared("modalities", cached)
    choices = declared["extractors"]
    if "" in choices:
        return ""
    return str(params.get(declared["section"]["name"], {}).get("backend", next(iter(choices))))


def extractor(params: Params, cached: str) -> dict[str, Any]:
    """The declaration of the extractor that makes a cached modality, and the `files` of the repository that say how it is made.

    These are the extractor's module, in extract/ or the modality's own, and the modality's YAML, which has the layout.
    """
    declared: dict[str, Any] = registry.declared("modalities", cached)["extractors"][backend(params, cached)]
    own, layout = registry.files("modalities", cached)
    made_by = f"lib/videossl/extract/{declared['module']}.py" if "module" in declared else own
    return {"module": cached, "files": (made_by, layout)} | declared


def extraction_files(params: Params, cached: str, dataset: str) -> tuple[str, ...]:
    """The files of the repository that an extraction rests on: those of the extractor; for skeleton files also what the dataset's YAML says of them."""
    made = extractor(params, cached)
    return (*made["files"], registry.files("datasets", dataset)[1]) if made["made_of"] == "skeleton" else tuple(made["files"])


def brought_weights(params: Params) -> dict[str, str]:
    """The file of weights that a person brought for an extractor, by the section that names it."""
    result = {}
    for modality, section in schema.sections().items():
        weights = params.get(section["name"], {}).get("weights")
        if weights and weights not in section.get("named_weights", []) and modality in all_cached_modalities(params):
            result[section["name"]] = os.path.normpath(weights)
    return result


def recipe_files(params: Params, experiment: str) -> list[str]:
    """The files of weights that a person brought for a recipe, in settings that its method declares as `weights`; torchvision's own are no files."""
    recipe, declared = params["experiments"][experiment], recipes.method(params, experiment).get("settings", {})
    named = [recipe[key] for key, setting in declared.items() if setting.get("weights") and key in recipe]
    every = {weights for given in named for weights in (given.values() if isinstance(given, dict) else [given])}
    return sorted(os.path.normpath(weights) for weights in every if not weights.startswith(files.TORCHVISION))


# What is left of other params.


def strays(params: Params, run: str | Path = ".") -> list[str]:
    """The artefacts in folders that DVC tracks which no job of these params makes: shards beyond `cache.shards`, trainings of a longer recipe,
    measurements on a dataset, stream or task that is no more. Relative to the run's folder, sorted. DVC would record them with the others.
    """
    kinds = [Path(run, "data", kind) for kind in ("cache", "models", "features", "results")]
    there = [(folder / name).relative_to(run).as_posix() for kind in kinds for folder, names in files.walk(kind) for name in names]
    return sorted(path for path in there if _is_stray(params, path, paths.says(path)))


def _is_stray(params: Params, path: str, said: dict[str, str]) -> bool:
    """said: what the path says. Experiments and cached modalities that these params do not have are not theirs to judge."""
    if "shard" in said:
        known = said["dataset"] in datasets(params) and said["cached"] in cached_modalities(params, said["dataset"])
        return known and int(said["shard"]) >= params["cache"]["shards"]
    experiment = said.get("experiment", "")
    if experiment not in (*BASELINES, *params["experiments"]):
        return False
    if "training" in said:
        return said["training"] not in {training.name for training in recipes.trainings(params, experiment)}
    streams = measured(params, experiment, said["dataset"]) if "dataset" in said else []
    return (
        ("dataset" in said and not streams)
        or ("stream" in said and said["stream"] not in streams)
        or ("task" in said and said["task"] not in params["evaluate"]["tasks"])
    )
