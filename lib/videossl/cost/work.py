"""The work of a job: epochs, clips, bytes, and the amount of each kind of work.

A kind of work is a tuple such as ("forward", "rgb"), one clip through that stream's encoder; `measure` has the seconds of one.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from videossl import registry
from videossl.cost.pending_jobs import Job
from videossl.data import cache, fewer
from videossl.data.clips import windows
from videossl.data.index import Row
from videossl.data.listing import Counts
from videossl.extract.shard import Extractor
from videossl.params import recipes, run_plan, schema, slices
from videossl.params.recipes import Params, Training
from videossl.tasks import base, few
from videossl.train import assemble
from videossl.train.job import kept

Kind = tuple[str, ...]
Needs = dict[Kind, float]

VIDEO, SHARD = 480, 5000  # bytes that HDF5 adds to a video, its id included, and to a shard
OFFSET, OFFSETS = 8, 400  # bytes more of each step, and of each video, under jpeg


@dataclass(frozen=True)
class Work:
    """The work of one job. clips: the clips of a training as its log counts them, or clips that features are taken of."""

    epochs: int = 0
    clips: int = 0
    bytes: float = 0.0
    needs: Mapping[Kind, float] = field(default_factory=dict)


@dataclass
class Works:
    """The work of each job of a run.

    counts: by dataset; jpeg: bytes a pixel by cached modality, where the codec is jpeg (`trial_videos.jpeg_bytes`); rendered: bytes a
    frame by dataset that is rendered (`trial_videos.render`). `trained`: by kind of training, the slice of one such training.
    """

    params: Params
    counts: Mapping[str, Counts]
    jpeg: Mapping[str, float] = field(default_factory=dict)
    rendered: Mapping[str, float] = field(default_factory=dict)
    trained: dict[Kind, Params] = field(default_factory=dict, init=False)
    _sizes: dict[Kind, tuple[int, int]] = field(default_factory=dict, init=False)

    @property
    def main(self) -> str:
        """The dataset that encoders are trained on."""
        return str(self.params["dataset"]["name"])

    def of(self, job: Job) -> Work:
        """The work of `job`; what is not known to take long is a start of Python and nothing else."""
        name = "_extract" if "cached" in job.wildcards else f"_{job.family}"
        made: Callable[..., Work] = getattr(self, name, lambda **_: Work())
        work = made(**job.wildcards)
        return Work(work.epochs, work.clips, work.bytes, {**{kind: amount for kind, amount in work.needs.items() if amount}, ("start",): 1})

    # Data.

    def _download(self, dataset: str) -> Work:
        if not run_plan.is_rendered(dataset):
            return Work(bytes=fetched(run_plan.datasets(self.params)[dataset]))
        frames = self._frames(dataset)
        return Work(bytes=frames * self.rendered.get(dataset, 0.0), needs={("render", dataset): frames})

    def _index(self, dataset: str) -> Work:
        return Work(needs={("index",): self._frames(dataset)})

    def _extract(self, dataset: str, cached: str, shard: str) -> Work:
        steps = self._videos(dataset) * self.shape(dataset, cached)[0]
        return Work(bytes=self.cache_bytes(dataset, cached) / self._shards, needs={("extract", cached): steps / self._shards})

    def cache_bytes(self, dataset: str, cached: str) -> float:
        """Bytes of all shards of one cached modality (docs/data-contract.md)."""
        shape = self.shape(dataset, cached)
        video: float = math.prod(shape) * cache.layout(cached).dtype.itemsize
        if cached in self.jpeg:
            video = math.prod(shape[:3]) * self.jpeg[cached] + OFFSET * shape[0] + OFFSETS
        return self._videos(dataset) * (video + VIDEO) + self._shards * SHARD

    def shape(self, dataset: str, cached: str) -> tuple[int, ...]:
        """The shape of the array of a video of mean length and size, time first."""
        counts, files = self.counts[dataset], {"path": "video" if self.counts[dataset].width else "", "skeleton": "skeleton"}
        extents = {"frames": round(counts.frames), "steps": round(self.steps(dataset))}
        size = {"width": round(counts.width), "height": round(counts.height), "fps": counts.fps}
        row = Row(id=dataset, label="", split="train", group="", sha256="", status="ok", reason="", **files, **extents, **size)  # type: ignore[arg-type]
        return self.extractors[cached].shape(row)

    def steps(self, dataset: str) -> float:
        """Frames of a video as they are cached: at the rate that videos are resampled to."""
        counts, fps = self.counts[dataset], self.params["index"]["fps"]
        return counts.frames * fps / counts.fps if fps and counts.fps else counts.frames

    @property
    def _shards(self) -> int:
        return int(self.params["cache"]["shards"])

    def _videos(self, dataset: str) -> int:
        return self.counts[dataset].train + self.counts[dataset].test

    def _frames(self, dataset: str) -> float:
        return self._videos(dataset) * self.counts[dataset].frames

    # Training.

    def _train(self, experiment: str, seed: str, training: str) -> Work:
        job = recipes.training(self.params, experiment, training)
        part, kind = slices.training(self.params, job), self._kind(job)
        if not part["training"]["epochs"]:
            given = {name: assemble.encoder(name, self.params["streams"][name], 0).state_dict() for name in job.streams}
            return Work(bytes=_bytes(given))
        self.trained[kind] = part
        epochs, clips = self._samples(part, self.training_videos(part))
        state, encoders = self._bytes(kind)
        return Work(epochs, clips, state + len(kept(part["training"]["keep"], epochs)) * encoders, {kind: clips})

    def _kind(self, job: Training) -> Kind:
        """The method, the streams, the frozen ones by role, and what the recipe itself sets, beside how long and how fast."""
        name = self.params["experiments"][job.experiment]["method"]
        settings = recipes.settings(self.params, job.streams[0], name, job.experiment)
        own = [setting.value for key, setting in settings.items() if setting.place.startswith("experiments.") and key not in schema.loop()]
        frozen = [f"{role}:{stream}" for role, stream in recipes.frozen_streams(self.params, job).items()]
        return (
            "train",
            name,
            "+".join(job.streams),
            *frozen,
            *(json.dumps(value, separators=(",", ":")).replace('"', "") for value in own),
        )

    def _samples(self, part: Params, videos: int) -> tuple[int, int]:
        """Epochs and clips of a training on so many videos: the last incomplete batch of an epoch is left out."""
        loop = assemble.loop(part)
        return loop.epochs, loop.epochs * (videos // loop.batch) * loop.batch

    def training_videos(self, part: Params) -> int:
        """The videos that a training with that slice of params reads."""
        return fewer.size(self.counts[self.main].train, part["training"]["videos"])

    def _labelled(self, task: str, dataset: str) -> int:
        """Training videos that a task is given."""
        counts, share = self.counts[dataset], few.share_of(self.params["evaluate"]["tasks"][task])
        return few.expected(counts.train, counts.classes, share) if share < 1 else counts.train

    def _bytes(self, kind: Kind) -> tuple[int, int]:
        """The bytes that a training of that kind leaves, and the bytes of its encoders alone; a method is built to know them."""
        if kind not in self._sizes:
            method = assemble.method(self.trained[kind], 0, assemble.Weights(), max(2, self.counts[self.main].classes))
            encoders = {name: encoder.state_dict() for name, encoder in method.encoders().items()}
            self._sizes[kind] = _bytes(method.states()), _bytes(encoders)
        return self._sizes[kind]

    # Measuring.

    def _features(self, experiment: str, seed: str, stream: str, dataset: str) -> Work:
        videos = self._videos(dataset)
        if experiment == "handmade":
            return Work(0, videos, 0.0, {("handmade", stream): videos * self._cached(stream, dataset)[0]})
        clips = videos * self._clips(stream)
        return Work(0, clips, clips * self.numbers[stream] * 4, {("forward", stream): clips})

    def _finetune(self, experiment: str, seed: str, stream: str, dataset: str, task: str) -> Work:
        part = slices.finetune(self.params, task, stream)
        kind = ("train", str(part["method"]), stream, task)
        self.trained[kind] = part
        epochs, clips = self._samples(part, self._labelled(task, dataset))
        tested = self.counts[dataset].test * self._tested(stream, dataset, part["evaluate"]["tasks"][task])
        size = self._videos(dataset) * self.counts[dataset].classes * 4
        return Work(epochs, clips + tested, size, {kind: clips, ("forward", stream): tested})

    def _tested(self, stream: str, dataset: str, settings: Mapping[str, Any]) -> int:
        """Clips of a test video: windows that share `overlap`, times `crops`; one for a modality that is seen whole."""
        span = assemble.span(self.params["streams"][stream])
        if span is None:
            return 1
        length = max(self._cached(stream, dataset)[0], span)
        return len(windows(length, span, settings.get("overlap", 0.0))) * int(settings.get("crops", 1))

    def _score(self, experiment: str, seed: str, dataset: str, task: str) -> Work:
        pieces = sum(self._pieces(task, stream, dataset) for stream in run_plan.measured(self.params, experiment, dataset))
        return Work(needs={("score", task): pieces})

    def _progress(self, experiment: str, seed: str, dataset: str, training: str) -> Work:
        job = recipes.training(self.params, experiment, training)
        part = slices.progress(self.params, job)
        points = len(kept(self.params["experiments"][experiment].get("keep", 0), recipes.epochs(self.params, job)))
        clips: Needs = {("forward", stream): points * self._videos(dataset) * self._clips(stream) for stream in job.streams}
        tasks = part["evaluate"]["tasks"]
        pieces: Needs = {("score", task): points * sum(self._pieces(task, stream, dataset) for stream in job.streams) for task in tasks}
        return Work(0, int(sum(clips.values())), 0.0, clips | pieces)

    def _pieces(self, task: str, stream: str, dataset: str) -> float:
        return base.load(task).work(self.given(task, stream, dataset), self.params["evaluate"]["tasks"][task])

    def given(self, task: str, stream: str, dataset: str) -> base.Counts:
        """The amount that a task is given of one stream: its features, or predictions of a trained encoder."""
        counts, given = self.counts[dataset], registry.declared("tasks", task)["given"]
        clips, numbers = (self._clips(stream), self.numbers[stream]) if given == "features" else (1, counts.classes)
        return base.Counts(self._labelled(task, dataset), counts.test, counts.classes, clips, numbers)

    def _clips(self, stream: str) -> int:
        """Clips of a video that features are taken of."""
        whole = registry.declared("modalities", self.params["streams"][stream]["modality"])["whole"]
        return 1 if whole else int(self.params["evaluate"]["clips"])

    def _cached(self, stream: str, dataset: str) -> tuple[int, ...]:
        """The shape of a video in the cache that a stream is read from."""
        return self.shape(dataset, run_plan.cached_modality(self.params["streams"][stream]["modality"]))

    @cached_property
    def extractors(self) -> dict[str, Extractor]:
        """The extractor of each cached modality."""
        return extractors(self.params)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The size of a feature, by stream."""
        return {name: assemble.encoder(name, settings, 0).out_features for name, settings in self.params["streams"].items()}


def extractors(params: Params) -> dict[str, Extractor]:
    """Make the extractor of each cached modality. A module that needs weights may have a `rehearsal` beside its `make`: the same with
    weights that are made up, so that none are looked for before the run."""
    result = {}
    for cached in run_plan.all_cached_modalities(params):
        file, _ = run_plan.extractor(params, cached)["files"]
        module = importlib.import_module(file.removeprefix("lib/").removesuffix(".py").replace("/", "."))
        make: Callable[[Params], Extractor] = getattr(module, "rehearsal", module.make)
        result[cached] = make(slices.extraction(params, cached, params["dataset"]["name"]))
    return result


def fetched(dataset: Params) -> int:
    """Bytes of the archives that `download` fetches of a dataset, of params; 0 for a copy that a person brought."""
    archives = registry.module("datasets", dataset["name"]).ARCHIVES if run_plan.is_filled(dataset) else ()
    return sum(archive.size or 0 for archive in archives)


def _bytes(states: Mapping[str, Mapping[str, Tensor]]) -> int:
    return sum(tensor.numel() * tensor.element_size() for state in states.values() for tensor in state.values())
