"""The videos of a run in numbers, and some examples: from the index, else from the videos, else from the dataset's official counts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from videossl import registry
from videossl.data import index, listing, video
from videossl.data.listing import Counts
from videossl.errors import InputError
from videossl.params import run_plan
from videossl.params.recipes import Params

EXAMPLES = 5  # videos that are decoded to know how long they are


class Census(NamedTuple):
    """A dataset as it is known before its jobs run."""

    counts: Counts
    origin: str  # where the counts are from, in words
    examples: tuple[Path, ...] = ()  # some of its videos, where they are there


def take(folder: Path, dataset: Params) -> Census:
    """The census of `dataset` (params) for a run in `folder`.

    Raises InputError where there is no index, no video and no official number.
    """
    file = folder / "data" / "index" / f"{dataset['name']}.csv"
    root = folder / dataset["root"]
    if file.exists():
        rows = index.usable(index.read(file))
        return Census(_of_index(rows), "its index", _even(_there(root, [row.path for row in rows])))
    module = registry.module("datasets", dataset["name"])
    if root.is_dir() and not run_plan.is_filled(dataset):
        census = _of_videos(root, module.videos(root, dataset["split"], dataset["options"]))
        if census:
            return census
    official: Counts | None = module.expected(dataset["split"], dataset["options"])
    if official is None:
        raise InputError(
            f"nobody knows how many videos {dataset['name']} has: give ROOT, or make its index first (snakemake data/index/{file.name})"
        )
    return Census(official, "its options" if run_plan.is_rendered(dataset["name"]) else "what the dataset is said to hold")


def _of_index(rows: Sequence[index.Row]) -> Counts:
    train = sum(row.split == "train" for row in rows)
    frames = statistics.mean(row.frames for row in rows)
    seen = [row for row in rows if row.width]  # others are skeletons alone
    width, height = (statistics.mean([getattr(row, name) for row in seen] or [0]) for name in ("width", "height"))
    rate = _rate([(row.frames, row.fps) for row in rows])
    return Counts(train, len(rows) - train, len(index.classes(rows)), frames, width, height, rate)


def _of_videos(root: Path, videos: Sequence[listing.Video]) -> Census | None:
    """Count the videos that are there, with length and size of an even selection; None if no video of the selection decodes."""
    files = set(_there(root, [entry.path for entry in videos]))
    used = [entry for entry in videos if root / entry.path in files]
    examples = {path: probe for path in _even([root / entry.path for entry in used]) if (probe := _probe(path))}
    if not examples:
        return None
    probes = list(examples.values())
    frames, width, height = (statistics.mean(getattr(probe, name) for probe in probes) for name in ("frames", "width", "height"))
    train = sum(entry.split == "train" for entry in used)
    rate = _rate([(probe.frames, probe.fps) for probe in probes])
    counts = Counts(train, len(used) - train, len({entry.label for entry in used} - {""}), frames, width, height, rate)
    return Census(counts, f"its videos, and how long {EXAMPLES} of them are", tuple(examples))


def _there(root: Path, paths: Sequence[str]) -> list[Path]:
    """The `paths` that are files below `root`; "" is none."""
    return [root / path for path in paths if path and (root / path).is_file()]


def _even(paths: Sequence[Path]) -> tuple[Path, ...]:
    """EXAMPLES of `paths`, evenly spaced."""
    return tuple(paths[:: max(1, len(paths) // EXAMPLES)][:EXAMPLES])


def _rate(videos: Sequence[tuple[int, float]]) -> float:
    """Frames a second over (frames, frames a second) of videos: all their frames over all their seconds; 0 where none is known."""
    timed = [(frames, fps) for frames, fps in videos if fps]
    return sum(frames for frames, _ in timed) / sum(frames / fps for frames, fps in timed) if timed else 0.0


def _probe(path: Path) -> video.Probe | None:
    """Decode a video; None for a video that cannot be used."""
    try:
        return video.probe(path)
    except InputError:
        return None
