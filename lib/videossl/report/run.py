"""A run as its pages see it: what it left behind, read from its files; samples and neighbours, chosen here."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from videossl import registry
from videossl.data import index
from videossl.data.cache import Cache
from videossl.errors import InputError
from videossl.files import read_json, sha256
from videossl.modalities.base import Strip, evenly
from videossl.params import recipes
from videossl.report import paper
from videossl.tasks import cosines
from videossl.tasks import features as encoded
from videossl.train import weights

SAMPLES, MOMENTS, GALLERY, NEIGHBOURS = 6, 6, 4, 5
PACKAGES = ("torch", "torchvision", "numpy", "h5py", "av", "opencv-contrib-python-headless", "matplotlib", "snakemake", "dvc")


@dataclass(frozen=True)
class Run:
    """All that a page is made from.

    params: the active run's params.yaml; index: all rows of the dataset's index, dropped rows included.
    results: results files as read; progress: those of the encoders kept along a training.
    histories: {"experiment", "seed", "training", "epochs": [{"epoch", "loss", ...}]}.
    samples: {"id", "label", "shown": positions in the video, "strips": its pictures in each modality}; legends: how to read them.
    gallery: {"experiment", "stream", "query": {"id", "label", "thumb": uint8 (h, w, 3)}, "neighbours":
    [{"id", "label", "thumb", "similarity", "correct"}]}.
    provenance: rows {"artefact", "sha256", "made from", "params", ...}; versions: tool to version.
    commands: what makes the page again, one line each.
    """

    params: Mapping[str, Any]
    dataset: str
    index: Sequence[index.Row]
    results: Sequence[Mapping[str, Any]] = ()
    progress: Sequence[Mapping[str, Any]] = ()
    histories: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    legends: Sequence[Strip] = ()
    gallery: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()

    @property
    def seeds(self) -> list[int]:
        """The seeds of all that was read."""
        return sorted({int(item["seed"]) for item in (*self.results, *self.progress, *self.histories)})

    def modality(self, stream: str) -> str:
        """The modality of a stream; of several fused ones, joined by "+" as they are."""
        streams = self.params.get("streams", {})
        return "+".join(streams.get(part, {}).get("modality", part) for part in stream.split("+"))

    def recipe(self, experiment: str) -> str:
        """The paper's name of `experiment`; its own where the params do not say."""
        return recipes.paper_name({"experiments": {}, **self.params}, experiment)

    def place(self, stream: str) -> tuple[int, list[tuple[int, str]]]:
        """A key that sorts streams as in the params, then the fused ones."""
        parts = stream.split("+")
        return len(parts), [rank(part, list(self.params.get("streams", {}))) for part in parts]


def rank(name: str, known: Sequence[str]) -> tuple[int, str]:
    """A key that sorts by the place in `known`, what is not there last and by name."""
    return (known.index(name) if name in known else len(known)), name


def by_test_set(run: Run) -> Run:
    """The run with its datasets under the names of their test sets (`paper.test_set`), as all numbers are told apart by."""

    def named(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [{**item, "dataset": paper.test_set(run.params, item["dataset"])} for item in items]

    return replace(run, dataset=paper.test_set(run.params, run.dataset), results=named(run.results), progress=named(run.progress))


# Its files, one by one.


def result(path: Path, *, holds: Sequence[str] = ("values", "chance", "counts")) -> dict[str, Any]:
    """A results file, of a task unless `holds` says otherwise; raises InputError where it is none."""
    results: dict[str, Any] = read_json(path)
    if not isinstance(results, dict) or not {"experiment", "seed", "dataset", "task", "provenance", *holds} <= results.keys():
        raise InputError(f"{path} holds no results; delete it and run again")
    return results


progress = partial(result, holds=("training", "streams"))
"""Results along a training; errors as in `result`."""


def history(path: Path) -> dict[str, Any]:
    """.../{experiment}/{seed}/{training}.json as `Run.histories` has it; raises InputError where it is no training curve."""
    experiment, seed = path.parts[-3:-1]
    epochs = read_json(path)
    if not isinstance(epochs, list) or not all(isinstance(row, dict) and {"epoch", "loss"} <= row.keys() for row in epochs):
        raise InputError(f"{path} holds no training curve; delete the weights beside it and run again")
    return {"experiment": experiment, "seed": int(seed), "training": path.stem, "epochs": epochs}


def trained(path: Path) -> dict[str, Any]:
    """The sources of the weights beside the history `path`, as `Run.provenance` has them."""
    path = path.with_suffix(".safetensors")
    made_from = weights.provenance(path)
    return {
        "artefact": "/".join(path.parts[-3:]),
        "sha256": sha256(path),
        "made from": made_from["weights"] or {"data": made_from["data"]},
        "code sha256": made_from["code"],
        "params": made_from["params"],
    }


# All of it, with pictures.


def gather(
    params: dict[str, Any],
    index_path: Path,
    caches: Sequence[Path],
    results: Sequence[Path],
    histories: Sequence[Path],
    features: Sequence[Path],
) -> Run:
    """Read all that the page shows, from files that lie as `paths` says."""
    rows = index.read(index_path)
    by_source: dict[str, list[Path]] = defaultdict(list)
    for path in caches:
        by_source[path.parent.name].append(path)
    order = sorted(by_source, key=lambda source: (registry.declared("modalities", source)["order"], source))
    opened = {source: Cache(by_source[source]) for source in order}
    modules = [registry.module("modalities", source) for source in opened]
    return Run(
        params=params,
        dataset=params["dataset"]["name"],
        index=rows,
        results=[result(path) for path in results],
        histories=[history(path) for path in histories],
        samples=[_sample(row, opened) for row in _one_a_class(index.usable(rows), SAMPLES)],
        legends=[module.legend() for module in modules if hasattr(module, "legend")],
        gallery=_gallery(features, opened),
        provenance=[trained(path) for path in histories],
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        commands=["snakemake --cores all  # in the repository; of another run: --directory with the folder of its params.yaml"],
    )


def _one_a_class(rows: Sequence[index.Row], count: int) -> list[index.Row]:
    """Up to `count` videos, of different classes as far as there are some."""
    first = {row.label: row for row in reversed(rows)}
    different = [first[label] for label in sorted(first)]
    ids = {row.id for row in different}
    return [*different, *(row for row in rows if row.id not in ids)][:count]


def _sample(row: index.Row, caches: Mapping[str, Cache]) -> dict[str, Any]:
    """Pictures of one video, from each cache."""
    strips = [registry.module("modalities", source).pictures(cache, row.id, MOMENTS) for source, cache in caches.items()]
    return {"id": row.id, "label": row.label, "shown": evenly(row.steps, MOMENTS), "strips": strips}


def _gallery(paths: Sequence[Path], caches: Mapping[str, Cache]) -> list[dict[str, Any]]:
    """Nearest training videos of a few test videos, for each experiment with all its streams fused."""
    by_experiment: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_experiment[path.parts[-4]].append(path)
    items = []
    for experiment, files in by_experiment.items():
        streams = encoded.align([encoded.read(path) for path in files])
        queries = streams[0].rows("test")
        if len(queries) and len(streams[0].rows("train")):
            asked = sorted({round(position) for position in np.linspace(0, len(queries) - 1, GALLERY)})
            similarities = np.mean([cosines.similarities(stream, asked) for stream in streams], axis=0)
            name = {"experiment": experiment, "stream": "+".join(path.parent.name for path in files)}
            items += [name | _query(streams[0], int(queries[i]), row, caches) for i, row in zip(asked, similarities, strict=True)]
    return items


def _query(features: encoded.Features, query: int, similarity: np.ndarray, caches: Mapping[str, Cache]) -> dict[str, Any]:
    """A test video and its nearest training videos. similarity: (training videos,)."""

    def tile(video: int) -> dict[str, Any]:
        return {"id": features.ids[video], "label": features.labels[video], "thumb": _thumbnail(features.ids[video], caches)}

    def neighbour(place: int) -> dict[str, Any]:
        video = int(features.rows("train")[place])
        return tile(video) | {"similarity": float(similarity[place]), "correct": features.labels[video] == features.labels[query]}

    nearest = np.argsort(-similarity, kind="stable")[:NEIGHBOURS]
    return {"query": tile(query), "neighbours": [neighbour(place) for place in nearest]}


def _thumbnail(video: str, caches: Mapping[str, Cache]) -> np.ndarray:
    """One picture of a video, or grey nothing where no modality of the run has one: (H, W, 3) uint8."""
    for source, cache in caches.items():
        if hasattr(module := registry.module("modalities", source), "thumbnail"):
            return np.asarray(module.thumbnail(cache, video))
    return np.full((64, 64, 3), 128, np.uint8)
