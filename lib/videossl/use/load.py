"""Load an encoder with what it takes to show it videos: `load`.

An encoder of a run is given what the pipeline gives it: the extractor, the clips and the crop of the stage `features`. Weights say in their
provenance how the caches were made that they were trained on, so a file of weights is enough. Older weights do not; there the run says it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videossl import files, paths, registry
from videossl.data import cache
from videossl.errors import InputError
from videossl.params import load as read_params
from videossl.params import recipes, run_plan, slices
from videossl.train import assemble, weights
from videossl.use import torchvision_models
from videossl.use.model import Model, Reading

CLIPS = 10
"""Clips of a window whose features are averaged, where no run says how many: as in the presets of the paper."""
NAMING = "name RUN/EXPERIMENT/STREAM, a file of weights, or torchvision:MODEL"
IN_FOLDER, CONFIG = "model.safetensors", "config.json"
"""The names of the weights, and of what is said of them, in a folder that `export` made for the hub."""


def load(name: str | Path, *, stream: str = "", clips: int | None = None, seed: int | None = None, device: str | None = None) -> Model:
    """An encoder in evaluation mode, with its preprocessing.

    Args:
        name: "RUN/EXPERIMENT/STREAM", such as "runs/mine/stc-mix/rgb", where RUN is the folder that has params.yaml and data; or a file of
            weights, wherever it lies; or a folder of `export --to hub`; or "torchvision:MODEL" for a model of torchvision with its weights of
            Kinetics-400, "torchvision:MODEL:FILE" with weights in a file.
        stream: of a file with several encoders, which.
        clips: of a window, how many are averaged; None: evaluate.clips of the run, or else 10 (of a model of torchvision 5, as its numbers).
        seed: of the run; None: the `seed` of its params.yaml.
        device: as torch names them; None: a GPU if there is one.

    Returns:
        The model: `embed` for videos, a call for clips in memory.

    Raises:
        InputError: a name that stands for nothing, a training that is not done, weights that are damaged or too old to say how to read videos.

    >>> import videossl
    >>> videossl.load("nowhere/stc-mix/rgb")
    Traceback (most recent call last):
    ...
    videossl.errors.InputError: no encoder nowhere/stc-mix/rgb: there is no nowhere/params.yaml; name RUN/EXPERIMENT/STREAM, a file of weights, or torchvision:MODEL
    """
    text, path = str(name), Path(name)
    if text.startswith(files.TORCHVISION):
        return torchvision_models.model(text, clips, device)
    if (path / CONFIG).is_file():
        clips = clips or files.read_json(path / CONFIG)["clips"]
        path = path / IN_FOLDER
    if path.is_file():
        return _of_file(text, path, stream, clips, device, None)
    if path.suffix == ".safetensors":
        raise InputError(f"no weights {path}: there is no such file; {NAMING}")
    return _of_run(text, path, clips, seed, device)


def _of_run(text: str, path: Path, clips: int | None, seed: int | None, device: str | None) -> Model:
    """The encoder that an experiment of a run left of a stream."""
    run, experiment, stream = path.parent.parent, path.parent.name, path.name
    if not (run / "params.yaml").is_file():
        raise InputError(f"no encoder {text}: there is no {run / 'params.yaml'}; {NAMING}")
    params = read_params.load(run / "params.yaml")
    if experiment not in params["experiments"]:
        raise InputError(f"no encoder {text}: no experiment {experiment!r}, {registry.nearest(experiment, params['experiments'])}")
    trainings = recipes.chain(params, experiment, stream)
    if not trainings:
        streams = params["experiments"][experiment]["streams"]
        raise InputError(f"no encoder {text}: {experiment} has no stream {stream!r}, {registry.nearest(stream, streams)}")
    seed = params["seed"] if seed is None else seed
    file = run / paths.weights(experiment, trainings[-1].name, seed)
    if not file.is_file():
        raise InputError(f"no encoder {text}: {file} is not there; run the pipeline first (snakemake --directory {run})")
    wanted = params["evaluate"]["clips"] if clips is None else clips
    results = sorted((run / paths.results(experiment, "*", "*", seed)).parents[1].glob("*/*.json"))
    return replace(_of_file(text, file, stream, wanted, device, params), results=tuple(results))


def _of_file(text: str, path: Path, stream: str, clips: int | None, device: str | None, params: recipes.Params | None) -> Model:
    """The encoder of a stream in a file of weights. params: of its run, for weights that do not say how videos are read."""
    try:
        made_from = weights.provenance(path)
    except InputError as error:
        raise InputError(f"{path} is damaged, or no weights that videossl wrote; {NAMING}") from error
    streams = made_from.get("params", {}).get("streams", {})
    trained = made_from.get("params", {}).get("training", {}).get("streams", list(streams))
    if not stream and len(trained) != 1:
        raise InputError(f"{path} has encoders of {', '.join(trained) or 'no stream'}; say which one (stream)")
    stream = stream or trained[0]
    if stream not in trained:
        raise InputError(f"{path} has no encoder of {stream!r}, {registry.nearest(stream, trained)}")
    settings = {key: value for key, value in streams[stream].items() if key not in ("head", "train")}
    encoder = assemble.encoder(stream, settings, 0)
    encoder.load_state_dict(weights.load(path, f"{stream}/encoder."))
    cached = run_plan.cached_modality(settings["modality"])
    reading = _reading(path, cached, made_from, params)
    augment = registry.module("modalities", settings["modality"]).augmentation(settings, reading.extract.attrs())
    return Model(text, stream, encoder, settings, reading, augment, clips or CLIPS, made_from).on(device)


def _reading(path: Path, cached: str, made_from: Mapping[str, Any], params: recipes.Params | None) -> Reading:
    """The way in which videos are read for the cached modality: as the weights say, or else as the params of their run do."""
    if attrs := made_from.get("caches", {}).get(cached):
        made_by = json.loads(attrs["extractor"])
        part = extraction(cached, made_by, attrs["dataset"])
        stored = attrs
    elif params:
        made_by = None
        part = slices.extraction(params, cached, params["dataset"]["name"])
        stored = params["cache"]
    else:
        raise InputError(f"{path} does not say how its videos were read (it is of an earlier version); name RUN/EXPERIMENT/STREAM")
    declared = run_plan.extractor(part, cached)
    extract = _maker(cached, declared["module"]).make(part)
    if made_by and extract.made_by()["params"] != made_by["params"]:
        raise InputError(f"{path} was trained on {cached} by other weights than are here: it says {json.dumps(made_by['params'])}")
    is_jpeg = cache.layout(cached).pictures and stored["codec"] == "jpeg"
    return Reading(cached, extract, declared["made_of"], stored["quality"] if is_jpeg else None, part["dataset"]["name"])


def _maker(cached: str, module: str) -> Any:
    """The module that makes the extractor of a cached modality: one of videossl.extract that its YAML names, or the modality's own."""
    named = [declared.get("module") for declared in registry.declared("modalities", cached)["extractors"].values()]
    return importlib.import_module(f"videossl.extract.{module}") if module in named else registry.module("modalities", cached)


def extraction(cached: str, made_by: Mapping[str, Any], dataset: str) -> recipes.Params:
    """The slice of params (`slices.extraction`) of a cached modality of `dataset`, from what its shards say of their extractor (`made_by`).

    Weights of an extractor's own network count as torchvision's; whether they are, their digest tells afterwards.
    """
    declared, left = registry.declared("modalities", cached), dict(made_by["params"])
    choices, section = declared["extractors"], declared.get("section")
    choice = made_by["name"] if made_by["name"] in choices else next(iter(choices))
    result: recipes.Params = {"dataset": {"name": dataset, "root": ""}}
    for place in choices[choice]["slice"]:
        part, _, key = place.partition(".")
        if key in left:
            result.setdefault(part, {})[key] = left.pop(key)
    if section:
        named = {"weights": section["named_weights"][0]} if left.get("weights") else {}
        result[section["name"]] = {"backend": choice or made_by["name"], **left, **named}
    return result
