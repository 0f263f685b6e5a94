"""What a run left behind, gathered for the page."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videossl import registry
from videossl.data import index
from videossl.data.cache import Cache
from videossl.modalities.base import Strip, evenly
from videossl.report import read
from videossl.report.run import Run
from videossl.tasks import cosines
from videossl.tasks import features as encoded
from videossl.tasks.features import Features, align

SAMPLES, MOMENTS, GALLERY, NEIGHBOURS = 6, 6, 4, 5
PACKAGES = ("torch", "torchvision", "numpy", "h5py", "av", "opencv-contrib-python-headless", "snakemake", "dvc")


def run(
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
    places = {source: registry.declared("modalities", source)["order"] for source in by_source}
    opened = {source: Cache(by_source[source]) for source in sorted(places, key=lambda source: (places[source], source))}
    return Run(
        params=params,
        dataset=params["dataset"]["name"],
        index=rows,
        results=[read.result(path) for path in results],
        histories=[read.history(path) for path in histories],
        samples=[_sample(row, opened) for row in _one_a_class(index.usable(rows), SAMPLES)],
        legends=_legends(opened),
        gallery=_gallery(features, opened),
        provenance=[read.trained(path) for path in histories],
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        commands=["snakemake --cores all  # in the repository; of another run: --directory with the folder of its params.yaml"],
    )


def _one_a_class(rows: Sequence[index.Row], count: int) -> list[index.Row]:
    """Up to `count` videos, of different classes as far as there are some."""
    first = {row.label: row for row in reversed(rows)}
    chosen = [first[label] for label in sorted(first)]
    ids = {row.id for row in chosen}
    return [*chosen, *(row for row in rows if row.id not in ids)][:count]


def _sample(row: index.Row, caches: Mapping[str, Cache]) -> dict[str, Any]:
    """Pictures of one video, from each cache."""
    strips = [registry.module("modalities", source).pictures(cache, row.id, MOMENTS) for source, cache in caches.items()]
    return {"id": row.id, "label": row.label, "shown": evenly(row.steps, MOMENTS), "strips": strips}


def _legends(caches: Iterable[str]) -> list[Strip]:
    """How to read the pictures, of the modalities that say it."""
    modules = [registry.module("modalities", source) for source in caches]
    return [module.legend() for module in modules if hasattr(module, "legend")]


def _thumbnail(video: str, caches: Mapping[str, Cache]) -> np.ndarray:
    """One picture of a video, or grey nothing where no modality of the run has one: (H, W, 3) uint8."""
    for source, cache in caches.items():
        if hasattr(module := registry.module("modalities", source), "thumbnail"):
            return np.asarray(module.thumbnail(cache, video))
    return np.full((64, 64, 3), 128, np.uint8)


def _gallery(paths: Sequence[Path], caches: Mapping[str, Cache]) -> list[dict[str, Any]]:
    """Nearest training videos of a few test videos, for each experiment with all its streams fused."""
    by_experiment: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_experiment[path.parts[-4]].append(path)
    result = []
    for experiment, files in by_experiment.items():
        streams = align([encoded.read(path) for path in files])
        if not len(streams[0].rows("test")) or not len(streams[0].rows("train")):
            continue
        asked = _spread(len(streams[0].rows("test")), GALLERY)
        similarities = np.mean([cosines.similarities(one, asked) for one in streams], axis=0)
        name = {"experiment": experiment, "stream": "+".join(path.parent.name for path in files)}
        for query, similarity in zip(streams[0].rows("test")[asked], similarities, strict=True):
            result.append(name | _query(streams[0], int(query), similarity, caches))
    return result


def _query(features: Features, query: int, similarity: np.ndarray, caches: Mapping[str, Cache]) -> dict[str, Any]:
    def tile(video: int) -> dict[str, Any]:
        return {"id": features.ids[video], "label": features.labels[video], "thumb": _thumbnail(features.ids[video], caches)}

    def neighbour(place: int) -> dict[str, Any]:
        video = int(features.rows("train")[place])
        return tile(video) | {"similarity": float(similarity[place]), "correct": features.labels[video] == features.labels[query]}

    nearest = np.argsort(-similarity, kind="stable")[:NEIGHBOURS]
    return {"query": tile(query), "neighbours": [neighbour(place) for place in nearest]}


def _spread(count: int, wanted: int) -> list[int]:
    """`wanted` positions, evenly spread over `count`."""
    return sorted({round(position) for position in np.linspace(0, count - 1, wanted)})
