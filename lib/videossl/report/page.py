"""The report: one self-contained HTML page.

A function of what a run left behind.
The same `Run` gives the same bytes: no clock, no random ids, no address is read.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from videossl.data.index import Row, usable
from videossl.modalities.base import Picture
from videossl.report import chains, measures, pages, paper, plots, samples
from videossl.report.beside import beside
from videossl.report.numbers import Task, order_experiments, tasks
from videossl.report.run import Run, rank
from videossl.report.words import lead, no_task_reason, phrases, rule, scale

NAMES_SHOWN = 50
PAPER_ROWS_OPEN = 2


# Training curves.


@dataclass(frozen=True)
class Curves:
    """The charts of one encoder: all its trainings in a row, one line a seed; and each training in numbers."""

    experiment: str
    stream: str
    charts: Sequence[Markup]
    trainings: Sequence[Mapping[str, Any]]


def curves(run: Run) -> list[Curves]:
    """One entry an experiment and stream, in the order of the results."""
    jobs = {(history["experiment"], history["training"]) for history in run.histories if history["epochs"]}
    pairs = {(experiment, stream) for experiment, training in jobs for stream in chains.streams(run.params, experiment, training)}
    order = order_experiments(run, {experiment for experiment, _ in pairs})
    ranked = sorted(pairs, key=lambda pair: (order.index(pair[0]), run.place(pair[1])))
    return [_curves(run, experiment, stream) for experiment, stream in ranked]


def _curves(run: Run, experiment: str, stream: str) -> Curves:
    by_seed = {seed: chains.histories(run, experiment, stream, seed) for seed in sorted({history["seed"] for history in run.histories})}
    by_seed = {seed: chain for seed, chain in by_seed.items() if any(history["experiment"] == experiment for history in chain)}
    rows = [_training_row(seed, history) for seed, chain in by_seed.items() for history in chain]
    return Curves(experiment, stream, plots.training(f"{experiment}, {stream}", list(by_seed.values())), rows)


def _training_row(seed: int, history: Mapping[str, Any]) -> dict[str, Any]:
    epochs, candidates = history["epochs"], history["candidates"]
    clips = [row["clips"] for row in epochs if "clips" in row]

    def along(key: str, digits: int) -> str:
        known = [row[key] for row in epochs if key in row]
        return f"{known[0]:.{digits}f} → {known[-1]:.{digits}f}" if known else "–"

    more = sorted({key for row in epochs for key in row} - {"epoch", "loss", "accuracy", "lr", "clips"})
    return {
        "seed": seed,
        "name": history["name"],
        "epochs": len(epochs),
        "clips": f"{sum(clips):,.0f}" if clips else "–",
        "loss": along("loss", 3),
        "accuracy": along("accuracy", 1),
        "more": "; ".join(f"{key} {along(key, 3)}" for key in more),
        "guessing": f"{math.log(candidates):.3f}, {100 / candidates:.2g} %" if candidates else "–",
        "lr": f"{epochs[-1]['lr']:.2g}" if "lr" in epochs[-1] else "–",
    }


# Samples and gallery.


def sample_views(run: Run) -> list[dict[str, Any]]:
    """Each sample as strips of pictures."""
    return [
        {
            **{key: sample[key] for key in ("id", "label", "shown")},
            "pixels": any(samples.is_small(picture.value) for strip in sample["strips"] for picture in strip.pictures),
            "strips": [(strip.name, [_drawn(picture) for picture in strip.pictures]) for strip in sample["strips"] if strip.pictures],
        }
        for sample in run.samples
    ]


def _drawn(picture: Picture, width: int = 160) -> Markup:
    """A picture as an element, of at most `width` pixels (0: as it is)."""
    if isinstance(picture.value, str):
        return Markup(picture.value)
    return Markup('<img src="{}" alt="{}">').format(samples.png_uri(picture.value, width), picture.label)


def gallery_views(run: Run) -> list[dict[str, Any]]:
    """The gallery by experiment and stream, with the thumbnails as data URIs."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for item in run.gallery:
        groups[item["experiment"], item["stream"]].append(item)
    return [
        {
            "experiment": experiment,
            "stream": stream,
            "right": sum(bool(n["correct"]) for item in items for n in item["neighbours"]),
            "all": sum(len(item["neighbours"]) for item in items),
            "items": [
                {"query": _tile(item["query"]), "neighbours": [_tile(neighbour) for neighbour in item["neighbours"]]} for item in items
            ],
        }
        for (experiment, stream), items in groups.items()
    ]


def _tile(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "uri": samples.png_uri(item["thumb"], width=160), "pixels": samples.is_small(item["thumb"])}


# The index.


def index_view(run: Run) -> dict[str, Any]:
    """Counts by split and status, what the videos are like, and the dropped ones by reason."""
    rows = list(run.index)
    good = usable(rows)
    counts = Counter((row.split, row.status) for row in rows)
    labels = Counter((row.label or "(no label)", row.split) for row in good)
    splits = sorted({row.split for row in rows}, key=lambda name: rank(name, ("train", "test")))
    return {
        "splits": [(split, counts[split, "ok"], counts[split, "dropped"]) for split in splits],
        "total": (len(good), len(rows) - len(good)),
        "facts": _facts(good),
        "dropped": _dropped(rows),
        "split_names": splits,
        "labels": [(label, [labels[label, s] for s in splits]) for label in sorted({label for label, _ in labels})],
    }


def _dropped(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The dropped videos by the kind of their reason ("KIND: DETAIL"), the most frequent kind first."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        if row.status != "ok":
            kinds[row.reason.partition(":")[0].strip() or "no reason given"].append(row)
    ranked = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {
            "reason": kind,
            "count": len(found),
            "names": [(row.id, row.reason.partition(":")[2].strip()) for row in found[:NAMES_SHOWN]],
            "more": max(0, len(found) - NAMES_SHOWN),
        }
        for kind, found in ranked
    ]


def _facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Frames, rate and size of the usable videos: smallest, median, largest. A skeleton alone has no rate and no size."""
    if not rows:
        return []
    pictures = [row for row in rows if row.path]
    resampled = any(row.steps != row.frames for row in rows)
    numbers = {
        "frames of a video": [float(row.frames) for row in rows],
        "frames after resampling": [float(row.steps) for row in rows] if resampled else [],
        "frames a second": [float(row.fps) for row in pictures],
        "width, pixels": [float(row.width) for row in pictures],
        "height, pixels": [float(row.height) for row in pictures],
    }
    facts = [(name, _range(values)) for name, values in numbers.items() if values]
    return [*facts, ("with a skeleton", f"{sum(bool(row.skeleton) for row in rows):,} of {len(rows):,}")]


def _range(values: Sequence[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}, median {middle:g}"


# The page.


def render(run: Run) -> str:
    """The page as HTML. It loads nothing: styles are inline, pictures are data URIs, there is no script."""
    names, rows = pages.artefacts(run)
    found = tasks(run)
    dataset = paper.dataset_name(run.dataset)
    return pages.render(
        "template.html",
        run=run,
        title=f"videossl on {dataset}",
        heading=f"Self-supervised encoders on {dataset}",
        lead=lead(run),
        rule=rule(run),
        scale=scale(run),
        tasks=[_task_view(run, task) for task in found],
        units=measures.units(task.measure for task in found) if found else "",
        reason="" if found else no_task_reason(run),
        tables=paper.load(),
        curves=curves(run),
        samples=sample_views(run),
        legends=[(Markup(strip.name), [_drawn(picture, 0) for picture in strip.pictures]) for strip in run.legends],
        gallery=gallery_views(run),
        index=index_view(run),
        sources=pages.result_sources(run),
        artefact_names=names,
        artefacts=rows,
        params=pages.as_json(run.params),
    )


def _task_view(run: Run, task: Task) -> dict[str, Any]:
    """A task with its phrases and, by metric, the rows of the paper: the headline's, then all others."""
    rows = beside(run, task)
    first = [row for row in rows if row.metric == task.metric]
    return {
        "task": task,
        "phrases": phrases(task),
        "paper": {"first": first, "further": [row for row in rows if row.metric != task.metric]},
        "paper_open": 0 < len(first) <= PAPER_ROWS_OPEN,
    }
