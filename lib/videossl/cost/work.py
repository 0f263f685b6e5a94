"""What a job computes and writes: epochs, clips, bytes, and how much of each kind of work.

A kind of work is a tuple such as ("moco", "rgb"): one clip of a training step; `measure` has the seconds of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from videossl import params as parameters
from videossl.cost.plan import Job
from videossl.data.clips import SKELETON, windows
from videossl.data.listing import Counts
from videossl.data.video import target_size
from videossl.datasets import registry
from videossl.params import Params
from videossl.train import modality as modalities
from videossl.train.stage import Snapshots

Kind = tuple[str, ...]
Needs = dict[Kind, float]

VIDEO, SHARD = 480, 5000  # bytes that HDF5 adds to a video, its id included, and to a shard
OFFSET, OFFSETS = 8, 400  # bytes more of each frame, and of each video, under jpeg
DEPTH = {"rgb": 3, "flow": 2}  # bytes of a pixel
TOY_PIXEL, TOY_POSE = 1.1, 1400  # bytes of a toy video's pixel, and of a frame of its skeleton file
JOINT = 3 * 2 * 4  # bytes of a joint in a frame of the joint cache: three coordinates of two bodies


@dataclass(frozen=True)
class Work:
    """What one job does. clips: samples of a training as its log counts them, or clips that features are taken of."""

    epochs: int = 0
    clips: int = 0
    bytes: float = 0.0
    needs: Mapping[Kind, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """Of one modality's model: bytes of what a training keeps and of the encoder alone, and numbers a feature has."""

    state: int
    encoder: int
    features: int


class Works:
    """The work of each job of a run.

    counts: by dataset; jpeg: bytes a pixel by cached modality, where the codec is jpeg (`film.jpeg_bytes`).
    """

    def __init__(self, params: Params, counts: Mapping[str, Counts], jpeg: Mapping[str, float] | None = None) -> None:
        self.params, self.counts, self.jpeg = params, counts, jpeg or {}

    def of(self, job: Job) -> Work:
        """The work of `job`; what is not known to take long is a start of Python and nothing else."""
        name = "_download" if job.rule.startswith("download") else f"_{job.rule}"
        made: Callable[..., Work] = getattr(self, name, lambda **_: Work())
        work = made(**job.wildcards)
        return Work(work.epochs, work.clips, work.bytes, {**{kind: amount for kind, amount in work.needs.items() if amount}, ("start",): 1})

    # ------------------------------------------------------------------------------------------------------------
    # Data

    def _download(self, dataset: str) -> Work:
        if dataset != "toy":
            return Work(bytes=fetched(parameters.datasets(self.params)[dataset]))
        counts = self.counts[dataset]
        bytes_of_one = counts.frames * (TOY_PIXEL * counts.width * counts.height + TOY_POSE)
        return Work(bytes=self._videos(dataset) * bytes_of_one, needs={("render",): self._videos(dataset) * counts.frames})

    def _index(self, dataset: str) -> Work:
        needs: Needs = {("decode",): self._decoded(dataset)}
        if "joint" in parameters.sources(self.params, dataset) and not parameters.finds_people(self.params):
            needs["parse",] = self._videos(dataset) * self.counts[dataset].frames
        return Work(needs=needs)

    def _frames(self, dataset: str, source: str, shard: str) -> Work:
        size = self.cache_bytes(dataset, source) / self._shards
        return Work(bytes=size, needs={("decode",): self._decoded(dataset) / self._shards, ("write", source): self._raw(dataset, source)})

    def _flow(self, dataset: str, source: str, shard: str) -> Work:
        size, raw = self.cache_bytes(dataset, source) / self._shards, self._raw(dataset, source)
        needs: Needs = {("decode",): self._decoded(dataset) / self._shards, ("write", source): raw}
        needs["flow", self.params["flow"]["backend"]] = raw / 2  # a byte each of u and v
        return Work(bytes=size, needs=needs)

    def _skeleton(self, dataset: str, source: str, shard: str) -> Work:
        size = self.cache_bytes(dataset, source) / self._shards
        frames = self._videos(dataset) * self.counts[dataset].frames / self._shards
        return Work(bytes=size, needs={("parse",): frames, ("write", source): self._raw(dataset, source)})

    def _pose(self, dataset: str, source: str, shard: str) -> Work:
        size, frames = self.cache_bytes(dataset, source) / self._shards, self._videos(dataset) * self.steps(dataset) / self._shards
        decoded = 2 * self._decoded(dataset) / self._shards  # to know which frames there are, and to look at them one by one
        return Work(bytes=size, needs={("decode",): decoded, ("write", source): self._raw(dataset, source), ("detect",): frames})

    def cache_bytes(self, dataset: str, source: str) -> float:
        """Bytes of all shards of one cached modality (docs/data-contract.md)."""
        one = self._one(dataset, source)
        if source in self.jpeg:
            frames = self.steps(dataset)
            one = one / DEPTH[source] * self.jpeg[source] + OFFSET * frames + OFFSETS
        return self._videos(dataset) * (one + VIDEO) + self._shards * SHARD

    def _raw(self, dataset: str, source: str) -> float:
        """Bytes of the arrays of a shard, before any codec."""
        return self._videos(dataset) * self._one(dataset, source) / self._shards

    def _one(self, dataset: str, source: str) -> float:
        """Bytes of the array of a video of the mean length."""
        if source == "joint":
            found = parameters.finds_people(self.params)
            return self.steps(dataset) * 17 * JOINT if found else self.counts[dataset].frames * 25 * JOINT
        width, height = frame_size(self.counts[dataset], self.params)
        return (self.steps(dataset) - (source == "flow")) * width * height * DEPTH[source]

    def steps(self, dataset: str) -> float:
        """Frames of a video as they are cached: at the rate that videos are resampled to."""
        counts, fps = self.counts[dataset], self.params["index"]["fps"]
        return counts.frames * fps / counts.fps if fps and counts.fps else counts.frames

    @property
    def _shards(self) -> int:
        return int(self.params["cache"]["shards"])

    def _videos(self, dataset: str) -> int:
        return self.counts[dataset].train + self.counts[dataset].test

    def _decoded(self, dataset: str) -> float:
        counts = self.counts[dataset]
        return self._videos(dataset) * counts.frames * counts.width * counts.height

    # ------------------------------------------------------------------------------------------------------------
    # Training

    def _pretrain(self, experiment: str, seed: str, modality: str, phase: str) -> Work:
        return self._training(experiment, modality, phase, ("moco", modality))

    def _cmmc(self, experiment: str, seed: str, modality: str, phase: str) -> Work:
        partner = parameters.partner(self.params, experiment, modality)
        if partner is None:  # manifold mixup: the step of a pretraining, but for where it mixes
            return self._training(experiment, modality, phase, ("moco", modality))
        return self._training(experiment, modality, phase, ("cmmc", modality, partner))

    def _mining(self, experiment: str, seed: str, modality: str, phase: str) -> Work:
        """One job for both encoders: its epochs and clips count once, its bytes are of both."""
        chosen = sorted(self.params["experiments"][experiment]["modalities"])
        both = [self._training(experiment, one, phase, ("mining", *chosen)) for one in chosen]
        return Work(both[0].epochs, both[0].clips, sum(one.bytes for one in both), both[0].needs)

    def _training(self, experiment: str, modality: str, phase: str, kind: Kind) -> Work:
        dataset = self.params["dataset"]["name"]
        epochs = parameters.epochs(self.params, experiment, modality, phase)
        batch = self.params["modalities"][modality][phase.rstrip("0123456789")]["batch"]
        clips = epochs * (self.counts[dataset].train // batch) * batch
        size = self.sizes[modality].state + len(self._kept(experiment, epochs)) * self.sizes[modality].encoder
        return Work(epochs, clips, size, {kind: clips})

    def _kept(self, experiment: str, epochs: int) -> list[int]:
        """The epochs whose encoders a training keeps."""
        return Snapshots(nn.Identity(), self.params["experiments"][experiment].get("keep", 0), epochs, Path()).epochs

    @cached_property
    def sizes(self) -> dict[str, Sizes]:
        """By modality."""
        return {name: _sizes(name, settings) for name, settings in self.params["modalities"].items()}

    # ------------------------------------------------------------------------------------------------------------
    # Evaluation

    def _features(self, experiment: str, seed: str, modality: str, dataset: str) -> Work:
        videos = self._videos(dataset)
        if experiment == "handmade":
            found = parameters.finds_people(self.params)
            frames = self.counts[dataset].frames if modality in SKELETON and not found else self.steps(dataset)
            return Work(0, videos, 0.0, {("handmade", modality): videos * frames})
        clips = videos * self._clips(modality)
        return Work(0, clips, clips * self.sizes[modality].features * 4, {("forward", modality): clips})

    def _clips(self, modality: str) -> int:
        """Clips of a video that features are taken of."""
        return 1 if modality in SKELETON else int(self.params["evaluate"]["clips"])

    def _finetune(self, experiment: str, seed: str, modality: str, dataset: str) -> Work:
        counts, training = self.counts[dataset], self.params["modalities"][modality]["finetune"]
        clips = training["epochs"] * (counts.train // training["batch"]) * training["batch"]
        tested = counts.test * self._windows(modality, dataset)
        needs: Needs = {("finetune", modality): clips, ("forward", modality): tested}
        return Work(training["epochs"], clips + tested, self._videos(dataset) * counts.classes * 4, needs)

    def _windows(self, modality: str, dataset: str) -> int:
        """Crops of all windows of a test video of the mean length."""
        if modality in SKELETON:
            return 1
        clip, chosen = self.params["modalities"][modality]["clip"], self.params["evaluate"]
        length = max(int(self.steps(dataset)), self.params["index"]["min_frames"]) - (modality == "flow")
        return len(windows(length, clip["frames"], clip["stride"], chosen["overlap"])) * int(chosen["crops"])

    def _linear(self, experiment: str, seed: str, dataset: str, task: str) -> Work:
        alone = parameters.measured(self.params, experiment, dataset)
        pairs = [pair for pair in self.params["evaluate"]["fused"] if set(pair) <= set(alone)]
        fits = [modality for stream in [[one] for one in alone] + pairs for modality in stream]
        return Work(needs={("probe",): sum(self._fit(modality, dataset) for modality in fits)})

    def _fit(self, modality: str, dataset: str) -> float:
        """Multiplications of one linear probe, were no iteration spared: samples, numbers a feature, classes, iterations."""
        counts, iterations = self.counts[dataset], self.params["evaluate"]["linear"]["iterations"]
        return float(counts.train * self._clips(modality) * self.sizes[modality].features * counts.classes * iterations)

    def _progress(self, experiment: str, seed: str, dataset: str, modality: str, phase: str) -> Work:
        points = len(self._kept(experiment, parameters.epochs(self.params, experiment, modality, phase)))
        clips = points * self._videos(dataset) * self._clips(modality)
        probes = points * self._fit(modality, dataset) if "linear" in self.params["evaluate"]["tasks"] else 0.0
        return Work(0, clips, 0.0, {("forward", modality): clips, ("probe",): probes})


def frame_size(counts: Counts, params: Params) -> tuple[int, int]:
    """Width and height at which frames of such videos are cached; (0, 0) for skeletons alone."""
    if not counts.width:
        return 0, 0
    return target_size(round(counts.width), round(counts.height), params["cache"]["short_side"])


def fetched(dataset: Params) -> int:
    """Bytes of the archives that `download` fetches of a dataset, of params; 0 for a copy that a person brought."""
    return sum(archive.size or 0 for archive in registry.get(dataset["name"]).SOURCES) if parameters.is_filled(dataset) else 0


def _sizes(name: str, settings: dict[str, Any]) -> Sizes:
    method = modalities.moco(name, settings, 0, "none")
    encoder = modalities.encoder(name, settings, 0)
    return Sizes(_bytes(method), _bytes(encoder), encoder.out_features)


def _bytes(module: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in module.state_dict().values())
