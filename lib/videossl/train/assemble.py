"""A job's part of params.yaml turned into objects: encoders, augmentations, the method of a training, its batches."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from videossl import parallel, registry, seeding
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset, EpochSampler, Source
from videossl.data.index import Row
from videossl.data.resident import Resident, held
from videossl.encoders.base import Encoder, freeze
from videossl.encoders.build import build, build_head
from videossl.errors import InputError
from videossl.methods.base import Frozen, Given, Learner, Method, Views
from videossl.train import elsewhere, loading, weights
from videossl.train.loop import Batches, Training

log = logging.getLogger(__name__)

LOOP = ("batch", "optimiser", "lr", "weight_decay", "schedule", "warmup", "decay_norms", "accumulate", "max_gradient")
"""Settings of the loop, beside the epochs."""


class Augment(Protocol):
    """A batched transform: `train` draws from one generator a sample, `evaluate` draws nothing."""

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor: ...
    def train_with_geometry(
        self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]
    ) -> tuple[Tensor, dict[str, Tensor]]: ...
    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor: ...
    def crops(self, clips: Tensor, sizes: Tensor, views: int) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class Weights:
    """Files that a training begins with: of its own streams, by name; of frozen encoders, by role; from elsewhere, by setting and stream."""

    start: Mapping[str, Path] = field(default_factory=dict)
    frozen: Mapping[str, Path] = field(default_factory=dict)
    brought: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)

    def named(self) -> dict[str, Path]:
        """All weights files by stream or role, for the provenance."""
        return {**self.start, **self.frozen, **{name: path for paths in self.brought.values() for name, path in paths.items()}}


# Streams.


def encoder(name: str, settings: Mapping[str, Any], seed: int) -> Encoder:
    """The encoder of stream `name` at its initial weights: equal for equal (seed, name)."""
    channels = registry.declared("modalities", settings["modality"])["channels"]
    return build(settings["encoder"], channels, settings, _initial(seed, name))


def _initial(seed: int, name: str) -> int:
    return seeding.derive(seed, name, "init")


def input_shape(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of a batch of one clip: (1, C, T, H, W), or (1, C, T, V, 2) for skeletons."""
    return (1, *registry.module("modalities", settings["modality"]).input_shape(settings))


def opened(paths: Sequence[Path]) -> dict[str, Cache]:
    """The caches of shards that lie in a folder for each, by the cached modality. A folder with the name of one must hold that."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    caches = [Cache(shards, folder.name if folder.name in registry.names("modalities") else None) for folder, shards in folders.items()]
    return {str(cache.attrs["modality"]): cache for cache in caches}


def cache_of(settings: Mapping[str, Any], caches: Mapping[str, Cache]) -> Cache:
    """The cache that a stream reads; raises InputError where it is not there, or not what the stream wants."""
    modality = settings["modality"]
    name = registry.declared("modalities", modality).get("reads", modality)
    if name not in caches:
        raise InputError(f"no shards of {name} are given, which {modality} is read from; extract them first")
    registry.module("modalities", modality).check(caches[name], settings)
    return caches[name]


def source(
    name: str, settings: Mapping[str, Any], caches: Mapping[str, Cache], clips: tuple[str, ...], strides: Sequence[int] = ()
) -> Source:
    """Clips of stream `name` to draw, under the names `clips`; strides: those that a clip may have, in place of the stream's own."""
    others = [{**settings, "clip": {**settings["clip"], "stride": stride}} for stride in strides]
    paces = tuple((Loader(other), cast(int, span(other))) for other in others)
    return Source(cache_of(settings, caches), name, clips, Loader(settings), span(settings), paces=paces)


@dataclass(frozen=True)
class Loader:
    """Reads clips of a stream, as its modality does; it can be pickled, for processes that read."""

    settings: Mapping[str, Any]

    def __call__(self, cache: Cache, video: str, start: int) -> np.ndarray:
        clip: np.ndarray = registry.module("modalities", self.settings["modality"]).load(cache, video, self.settings, start)
        return clip


def span(settings: Mapping[str, Any]) -> int | None:
    """Steps of the cache that a clip of a stream covers; None where a clip is the whole video."""
    steps: int | None = registry.module("modalities", settings["modality"]).span(settings)
    return steps


def augmentation(settings: Mapping[str, Any], caches: Mapping[str, Cache]) -> Augment:
    """The augmentation of a stream."""
    result: Augment = registry.module("modalities", settings["modality"]).augmentation(settings, cache_of(settings, caches).attrs)
    return result


# Trainings. `params`: the slice of one (params/slices.training, or finetune).


def plan(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the streams that are trained, those that are frozen with their roles, and the names that separate the draws."""
    trained = list(params["settings"])
    return params.get("training", {"streams": trained, "frozen": {}, "draws": [], "keep": 0})  # type: ignore[no-any-return]


def method(params: Mapping[str, Any], seed: int, files: Weights, classes: int = 0) -> Method:
    """The method of a training with its encoders: at their initial weights, or as earlier trainings left them; frozen ones as they are."""
    brought = elsewhere.states(files.brought)
    streams = {
        name: Learner(
            encoder(name, params["streams"][name], seed),
            _settings(params, name) | {key: states[name] for key, states in brought.items()},
            _initial(seed, name),
        )
        for name in plan(params)["streams"]
    }
    frozen = {role: _frozen(role, name, params, seed, files) for role, name in plan(params)["frozen"].items()}
    result = _built(params, Given(streams, frozen, classes, seed))
    if files.start:
        states = {name: weights.load(path, f"{name}/") for name, path in files.start.items()}
        origin = ", ".join(dict.fromkeys(str(path) for path in files.start.values()))
        log.info("from %s: %s", origin, ", ".join(result.begin(states)))
    return result


def _built(params: Mapping[str, Any], given: Given) -> Method:
    """The method on what it is given; one that mixes within a framework has that built first, with nothing mixed."""
    module, framework = registry.module("methods", params["method"]), registry.framework(params)
    if framework is None:
        return module.build(given)  # type: ignore[no-any-return]
    unmixed = {name: replace(learner, settings={**learner.settings, "mixing": "none"}) for name, learner in given.streams.items()}
    return module.build(given, registry.module("methods", framework).build(replace(given, streams=unmixed)))  # type: ignore[no-any-return]


def _settings(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings of a stream, and its parts that the method uses."""
    parts = registry.method(params).get("uses", [])
    return {**params["settings"][name], **{part: params["streams"][name][part] for part in parts}}


def _frozen(role: str, name: str, params: Mapping[str, Any], seed: int, files: Weights) -> Frozen:
    """The encoder in a frozen role, and its head where the role is declared with one."""
    result, head = encoder(name, params["streams"][name], seed), None
    if registry.method(params)["frozen"][role].get("head"):
        head = build_head(result.out_features, _initial(seed, name), **params["streams"][name]["head"])
        head.requires_grad_(False).eval()
    if role in files.frozen:
        result.load_state_dict(weights.load(files.frozen[role], f"{name}/encoder."))
        if head is not None:
            head.load_state_dict(weights.load(files.frozen[role], f"{name}/head."))
        log.info("from %s: the frozen encoder of %s", files.frozen[role], name)
    return Frozen(name, freeze(result), head)


def loop(params: Mapping[str, Any]) -> Training:
    """Give the length and speed of a training; its streams agree on it."""
    settings = params["settings"][plan(params)["streams"][0]]
    epochs = params["training"]["epochs"] if "training" in params else settings["epochs"]
    return Training(epochs=epochs, **{key: settings[key] for key in LOOP}, precision=params.get("precision", "float32"))


def batches(
    params: Mapping[str, Any],
    seed: int,
    rows: Sequence[Row],
    caches: Mapping[str, Cache],
    device: torch.device,
    workers: int = 0,
    labels: Mapping[str, int] | None = None,
    resident: float = 0,
) -> Batches:
    """The batches of a training; seed: of its draws; labels: class name -> number; resident: GB, of `resident.held`; what is held takes no workers."""
    declared, module = registry.method(params), registry.module("methods", params["method"])
    adapt = getattr(module, "adapt", lambda augment, settings: augment)
    sources, trained = list[Source](), plan(params)["streams"]
    augments: dict[str, Augment] = {}
    for name, clips in clip_names(params).items():
        stream = name.partition("@")[0]
        settings, of_method = params["streams"][stream], _settings(params, stream if stream in params["settings"] else trained[0])
        strides = of_method[declared["strides"]] if "strides" in declared else ()
        sources.append(source(stream, settings, caches, clips, strides))
        augments |= dict.fromkeys(clips, adapt(augmentation(settings, caches), of_method))
    sources = held(sources, [row.id for row in rows], device, resident)
    geometry = bool(declared.get("geometry"))
    dataset = ClipDataset(rows, labels, sources, seed, together=bool(declared.get("together")), spans=geometry)
    return views(dataset, augments, loop(params).batch, seed, device, workers, geometry)


def clip_names(params: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of the views that each stream is seen in; a frozen stream is named "{stream}@{role}"."""
    streams, declared = plan(params)["streams"], registry.method(params)
    result = {}
    for stream in streams:
        prefix = f"{stream}/" if len(streams) > 1 else ""
        clips: list[str] = []
        for clip, count in declared["clips"].items():
            number = params["settings"][stream][count] if isinstance(count, str) else count
            clips += [f"{prefix}{clip}"] if number == 1 else [f"{prefix}{clip}-{n}" for n in range(1, number + 1)]
        result[stream] = tuple(clips)
    return result | {f"{stream}@{role}": (role,) for role, stream in plan(params)["frozen"].items()}


def views(
    dataset: ClipDataset,
    augments: Mapping[str, Augment],
    batch: int,
    seed: int,
    device: torch.device,
    workers: int = 0,
    geometry: bool = False,
) -> Batches:
    """Batches of augmented views, `augments` by the name of the view; the last incomplete batch of an epoch is left out.

    A view depends on (seed, epoch, video, name of the view) alone. Beside the views each batch has "label" and "group", (B,) int64: -1
    without a label; a number for the group of the video. A sample's number stands for its video. With `geometry` each view also has
    "{view}.box" (top, left, height, width as shares of the frame), "{view}.flip" and "{view}.span" (its first and last second). Of several
    processes (`parallel`) each has its rows of every batch; raises InputError if they do not come out even.
    """
    sampler = EpochSampler(len(dataset), batch, seed)
    if batch % parallel.size():
        raise InputError(f"a batch of {batch} cannot be shared by {parallel.size()} processes; choose a number of GPUs that divides it")
    own = parallel.own(batch // parallel.size())

    is_held = any(isinstance(source.cache, Resident) for source in dataset.sources)  # and then there is nothing to read, nor to copy
    if is_held:
        workers = 0
    pinned = device.type == "cuda" and not is_held
    reader = loading.Reader(cast(Dataset[dict[str, Any]], dataset), workers, pinned)  # a data set by its methods

    def epoch(number: int, start: int = 0) -> Iterator[tuple[Views, Tensor]]:
        keys = [whole[own] for whole in sampler.epoch(number)[start:]]
        for loaded in loading.ahead(reader.batches(keys), device):
            result: Views = {"label": loaded["labels"], "group": _numbers(loaded["groups"], device)}
            for name, augment in augments.items():
                rngs = [seeding.numpy_rng(seed, number, video, f"augment/{name}") for video in loaded["ids"]]
                given = loaded["clips"][name], loaded["sizes"][name], rngs
                if geometry:
                    result[name], where = augment.train_with_geometry(*given)
                    result |= {f"{name}.{key}": value for key, value in where.items()}
                    result[f"{name}.span"] = loaded["spans"][name]
                else:
                    result[name] = augment.train(*given)
            yield result, _numbers(loaded["ids"], device)

    return Batches(len(sampler.epoch(0)), epoch, reader.close)


def _numbers(names: Sequence[str], device: torch.device) -> Tensor:
    """A number for each name, (B,) int64 >= 0."""
    return torch.tensor([seeding.derive(0, name) for name in names]).to(device, non_blocking=True)


def device(params: Mapping[str, Any] = MappingProxyType({})) -> torch.device:
    """This process's GPU (the first, unless it is one of several processes), or else the CPU, set to the arithmetic of params.

    On a GPU convolutions and matrix products are in full float32 unless `precision` says another, and the same each time unless `deterministic`
    is false. Raises InputError for more processes than GPUs.
    """
    precision, deterministic = params.get("precision", "float32"), params.get("deterministic", True)
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
    if not torch.cuda.is_available():
        return torch.device("cpu")
    rank, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if rank >= count:
        raise InputError(f"more processes than GPUs on this machine, which has {count}; set `processes` to {count}")
    return torch.device("cuda", rank)
