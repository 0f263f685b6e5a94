"""The pictures of a run's page, added to its numbers: samples, neighbours, maps, mixed samples, and where encoders are active.

Apart from `finished_run`, for the pages of targets have none of them, and are not stale when an encoder or a way to mix changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from videossl import registry
from videossl.data import index
from videossl.data.cache import Cache
from videossl.modalities.base import evenly
from videossl.report import inside, spaces
from videossl.report.films import Picture
from videossl.report.finished_run import Run

SAMPLES, MOMENTS, FRAMES = 6, 6, 8
"""Videos that are shown as they are, pictures of each in a modality, and frames of a film."""

Opened = Sequence[tuple[ModuleType, Cache]]  # the module of each cached modality, with its cache


def add(run: Run, caches: Sequence[Path], features: Sequence[Path], histories: Sequence[Path]) -> Run:
    """The run with all that its page draws; histories: of the trainings whose weights lie beside them."""
    names = sorted({path.parent.name for path in caches}, key=lambda name: (registry.declared("modalities", name)["order"], name))
    opened = [(registry.module("modalities", name), Cache([path for path in caches if path.parent.name == name], name)) for name in names]
    rows = index.usable(list(run.index))

    def sample(row: index.Row) -> dict[str, Any]:
        strips = [module.pictures(cache, row.id, MOMENTS) for module, cache in opened]
        return {"id": row.id, "label": row.label, "shown": evenly(row.steps, MOMENTS), "strips": strips}

    return replace(
        run,
        samples=[sample(row) for row in _one_a_class(rows)] if opened else [],
        legends=[module.legend() for module, _ in opened if hasattr(module, "legend")],
        **_inside(run.params, rows, opened, histories),
        **_seen(spaces.read(features), opened),
    )


def _one_a_class(rows: Sequence[index.Row]) -> list[index.Row]:
    """A few videos, of different classes as far as there are some."""
    first = {row.label: row for row in reversed(rows)}
    different = [first[label] for label in sorted(first)]
    return [*different, *(row for row in rows if row is not first[row.label])][:SAMPLES]


def _inside(params: Mapping[str, Any], rows: Sequence[index.Row], opened: Opened, histories: Sequence[Path]) -> dict[str, Any]:
    """The inputs of encoders and where they are active, as `Run` has them, of videos that are trained on, and of others where there are some."""
    known = inside.streams(params, opened)
    if not known or not histories:
        return {}
    train, test = ([row for row in rows if row.split == split] for split in ("train", "test"))
    return {
        "mixes": inside.mixes(params, _one_a_class(train), known),
        "activations": inside.activations(params, _one_a_class(test or train), known, histories),
    }


def _seen(read: Sequence[spaces.Space], opened: Opened) -> dict[str, Any]:
    """Neighbours, maps and the like, of the features of experiments, as `Run` has them, with the pictures of the videos named."""
    gallery = [item for space in read for item in spaces.neighbours(space)]
    maps = [spaces.mapped(space) for space in read]
    about = [{"experiment": space.experiment, "stream": space.name} for space in read]
    pairs: list[dict[str, Any]] = [{**names, "pairs": spaces.pairs(space)} for names, space in zip(about, read, strict=True)]
    tiles = [tile for item in gallery for tile in (item["query"], *item["neighbours"])]
    tiles += [tile for item in pairs for pair in item["pairs"] for tile in pair["videos"]]
    shown = sorted({tile["id"] for tile in tiles})
    spreads = [
        {"experiment": space.experiment, "stream": stream, "videos": min(len(features.ids), spaces.COMPARED)}
        | dict(zip(("spread", "rank"), spaces.spread_and_rank(features), strict=True))
        for space in read
        for stream, features in space.streams.items()
    ]
    return {
        "gallery": gallery,
        "confusions": [spaces.confusion(space) for space in read if space.labelled],
        "maps": maps,
        "pairs": pairs,
        "spreads": spreads,
        "films": {video: _film(video, opened) for video in shown},
        "stills": {video: _still(video, opened) for video in sorted({tile["id"] for one in maps for tile in one.tiles})},
    }


def _film(video: str, opened: Opened) -> list[Picture]:
    """Some frames of a video, as the first modality of the run draws them that shows what a video is about; none where there is none."""
    of = next(((module, cache) for module, cache in opened if hasattr(module, "thumbnail")), None)
    return [picture.value for picture in of[0].pictures(of[1], video, FRAMES).pictures] if of else []


def _still(video: str, opened: Opened) -> Picture:
    """One picture of a video, (H, W, 3) uint8 or an SVG, or grey nothing where no modality of the run has one."""
    pictures = (module.thumbnail(cache, video) for module, cache in opened if hasattr(module, "thumbnail"))
    return next(pictures, np.full((8, 8, 3), 128, np.uint8))
