"""What a run left behind, gathered for the page."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videossl import graphs
from videossl.data import index
from videossl.data.cache import Cache
from videossl.data.clips import centred
from videossl.extract.flow import dequantise
from videossl.report import read
from videossl.report.run import Run
from videossl.tasks import features as encoded
from videossl.tasks import retrieval
from videossl.tasks.features import Features, align

SAMPLES, GALLERY, NEIGHBOURS = 6, 4, 5
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "h5py",
    "av",
    "opencv-contrib-python-headless",
    "snakemake",
    "dvc",
)


def run(
    params: dict[str, Any],
    index_path: Path,
    caches: Sequence[Path],
    results: Sequence[Path],
    histories: Sequence[Path],
    features: Sequence[Path],
) -> Run:
    """Read all that the page shows. Files are named as in DESIGN's table of artefacts."""
    rows = index.read(index_path)
    by_source: dict[str, list[Path]] = defaultdict(list)
    for path in caches:
        by_source[path.parent.name].append(path)
    opened = {source: Cache(paths) for source, paths in by_source.items()}
    return Run(
        params=params,
        dataset=params["dataset"]["name"],
        index=rows,
        results=[read.result(path) for path in results],
        histories=[read.history(path) for path in histories],
        samples=[_sample(row, opened) for row in _one_a_class(index.usable(rows), SAMPLES)],
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


def _sample(row: index.Row, caches: dict[str, Cache]) -> dict[str, Any]:
    """Frames, flow and joints of one video."""
    frames = _frames(row.id, caches)
    flow = joints = None
    if "flow" in caches:
        values = caches["flow"].read(row.id, 0, caches["flow"].length(row.id))
        flow = dequantise(values, float(caches["flow"].attrs["bound"]))
    if "joint" in caches:
        body = caches["joint"].read(row.id, 0, caches["joint"].length(row.id))[..., :1]
        joints = centred(body, graphs.of(body.shape[1]))[..., 0]
    return {"id": row.id, "label": row.label, "frames": frames, "flow": flow, "joints": joints}


def _frames(video: str, caches: dict[str, Cache]) -> np.ndarray:
    """RGB frames, or grey nothing where the run has none: (N, H, W, 3) uint8."""
    if "rgb" in caches:
        return caches["rgb"].read(video, 0, caches["rgb"].length(video))
    return np.full((1, 64, 64, 3), 128, np.uint8)


def _gallery(paths: Sequence[Path], caches: dict[str, Cache]) -> list[dict[str, Any]]:
    """Nearest training videos of a few test videos, for each experiment with all its modalities fused."""
    by_experiment: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_experiment[path.parts[-4]].append(path)
    result = []
    for experiment, files in by_experiment.items():
        streams = align([encoded.read(path) for path in files])
        if not len(streams[0].rows("test")) or not len(streams[0].rows("train")):
            continue
        similarity = np.mean([retrieval.similarities(one) for one in streams], axis=0)
        modality = "+".join(path.parent.name for path in files)
        result += [_query(experiment, modality, streams[0], similarity, query, caches) for query in _spread(len(similarity), GALLERY)]
    return result


def _query(
    experiment: str,
    modality: str,
    features: Features,
    similarity: np.ndarray,
    query: int,
    caches: dict[str, Cache],
) -> dict[str, Any]:
    def thumb(position: int) -> dict[str, Any]:
        frames = _frames(features.ids[position], caches)
        return {
            "id": features.ids[position],
            "label": features.labels[position],
            "thumb": frames[len(frames) // 2],
        }

    asked = int(features.rows("test")[query])
    nearest = np.argsort(-similarity[query], kind="stable")[:NEIGHBOURS]
    neighbours = []
    for place in nearest:
        position = int(features.rows("train")[place])
        correct = features.labels[position] == features.labels[asked]
        neighbours.append(thumb(position) | {"similarity": float(similarity[query, place]), "correct": correct})
    return {"experiment": experiment, "modality": modality, "query": thumb(asked), "neighbours": neighbours}


def _spread(count: int, wanted: int) -> list[int]:
    """`wanted` positions, evenly spread over `count`."""
    return sorted({round(position) for position in np.linspace(0, count - 1, wanted)})
