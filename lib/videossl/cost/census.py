"""How many videos there are and how long: from the run's index, else from the videos, else what the dataset is said to hold."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from videossl.data import index, video
from videossl.data.datasets import base, registry
from videossl.data.datasets.base import Counts
from videossl.errors import InputError
from videossl.params import Params

SAMPLE = 5  # videos that are decoded to know how long they are


def take(folder: Path, dataset: Params) -> tuple[Counts, str]:
    """The counts of `dataset` (params) for a run in `folder`, and where they are from.

    Raises InputError where there is no index, no video and no official number.
    """
    file = folder / "data" / "index" / f"{dataset['name']}.csv"
    if file.exists():
        return _of_index(index.usable(index.read(file))), "its index"
    source = registry.get(dataset["name"])
    root = folder / dataset["root"]
    if root.is_dir() and not hasattr(source, "download"):
        found = _of_videos(root, source.videos(root, dataset["split"], dataset["options"]))
        if found:
            return found, f"its videos, and how long {SAMPLE} of them are"
    said: Counts | None = source.expected(dataset["split"], dataset["options"])
    if said is None:
        raise InputError(
            f"nobody knows how many videos {dataset['name']} has: give ROOT, or make its index first (snakemake data/index/{file.name})"
        )
    return said, "its options" if hasattr(source, "download") else "what the dataset is said to hold"


def _of_index(rows: Sequence[index.Row]) -> Counts:
    train = sum(row.split == "train" for row in rows)
    frames, width, height = (statistics.mean(getattr(row, name) for row in rows) for name in ("frames", "width", "height"))
    return Counts(train, len(rows) - train, len(index.classes(rows)), frames, width, height)


def _of_videos(root: Path, videos: Sequence[base.Video]) -> Counts | None:
    """Counts of the videos that are there, the length and size of an even sample of them; None if none of it decodes."""
    there = [one for one in videos if (root / one.path).is_file()]
    probes = [probe for one in there[:: max(1, len(there) // SAMPLE)][:SAMPLE] if (probe := _probe(root / one.path))]
    if not probes:
        return None
    frames, width, height = (statistics.mean(values) for values in zip(*probes, strict=True))
    train = sum(one.split == "train" for one in there)
    return Counts(train, len(there) - train, len({one.label for one in there} - {""}), frames, width, height)


def _probe(path: Path) -> tuple[int, int, int] | None:
    """Frames, width and height of a video, None for one that cannot be used."""
    try:
        frames, _, width, height = video.probe(path)
    except InputError:
        return None
    return frames, width, height
