"""The report: one self-contained HTML page.

A function of what a run left behind.
The same `Run` gives the same bytes: no clock, no random ids, no address is read.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from videossl.data.index import Row, usable
from videossl.report import chains, pages, paper, plots, samples
from videossl.report.beside import beside
from videossl.report.numbers import Task, modality_rank, order_experiments, rank, tasks
from videossl.report.pages import artefacts, as_json, result_sources, write
from videossl.report.run import Run
from videossl.report.words import lead, no_task_reason, phrases, rule, scale, terminal_table

__all__ = ["Run", "render", "result_sources", "terminal_table", "write"]

NAMES_SHOWN = 50
FRAMES_SHOWN = 6
PAPER_ROWS_OPEN = 2


# Training curves.


@dataclass(frozen=True)
class Curves:
    """The charts of one encoder: all its phases in a row, one line a seed."""

    experiment: str
    modality: str
    loss: Markup
    accuracy: Markup
    stages: Sequence[Mapping[str, Any]]


def curves(run: Run) -> list[Curves]:
    """One entry an experiment and modality, in the order of the results."""
    pairs = {(history["experiment"], history["modality"]) for history in run.histories if history["epochs"]}
    order = order_experiments(run, {experiment for experiment, _ in pairs})
    ranked = sorted(pairs, key=lambda pair: (order.index(pair[0]), modality_rank(pair[1])))
    return [_curves(run, experiment, modality) for experiment, modality in ranked]


def _curves(run: Run, experiment: str, modality: str) -> Curves:
    key = (experiment, modality)
    seeds = sorted({h["seed"] for h in run.histories if (h["experiment"], h["modality"]) == key})
    found = [chains.histories(run, experiment, modality, seed) for seed in seeds]
    candidates = {h["phase"]: _candidates(run.params, modality, h["phase"]) for chain in found for h in chain}
    rows = [_stage_row(seed, history, candidates[history["phase"]]) for seed, chain in zip(seeds, found, strict=True) for history in chain]
    loss, accuracy = plots.training(f"{experiment}, {modality}", found, candidates)
    return Curves(experiment, modality, loss, accuracy, rows)


def _candidates(params: Mapping[str, Any], modality: str, phase: str) -> int | None:
    """How many keys a sample is told apart among: the batch's and the queue's; None when unknown."""
    chosen = params.get("modalities", {}).get(modality, {})
    training = chosen.get(re.sub(r"\d+$", "", phase), {})
    if "batch" not in training or "queue" not in chosen.get("moco", {}):
        return None
    return int(training["batch"]) + int(chosen["moco"]["queue"])


def _stage_row(seed: int, history: Mapping[str, Any], candidates: int | None) -> dict[str, Any]:
    first, last = history["epochs"][0], history["epochs"][-1]
    clips = [row["clips"] for row in history["epochs"] if "clips" in row]
    return {
        "seed": seed,
        "phase": history["phase"],
        "epochs": len(history["epochs"]),
        "clips": f"{sum(clips):,.0f}" if clips else "–",
        "loss": f"{first['loss']:.3f} → {last['loss']:.3f}",
        "accuracy": f"{first['accuracy']:.1f} → {last['accuracy']:.1f}",
        "guessing": f"{math.log(candidates):.3f}, {100 / candidates:.2g} %" if candidates else "–",
        "lr": f"{last['lr']:.2g}" if "lr" in last else "–",
    }


# Samples and gallery.


def sample_views(run: Run) -> list[dict[str, Any]]:
    """Each sample as strips of pictures: frames, flow, skeleton."""
    return [
        {
            "id": sample["id"],
            "label": sample["label"],
            "pixels": samples.is_small(sample["frames"][0]),
            **samples.strips(sample["frames"], sample.get("flow"), sample.get("joints"), FRAMES_SHOWN),
        }
        for sample in run.samples
    ]


def gallery_views(run: Run) -> list[dict[str, Any]]:
    """The gallery by experiment and modality, with the thumbnails as data URIs."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for item in run.gallery:
        groups[item["experiment"], item["modality"]].append(item)
    return [
        {
            "experiment": experiment,
            "modality": modality,
            "right": sum(bool(n["correct"]) for item in items for n in item["neighbours"]),
            "all": sum(len(item["neighbours"]) for item in items),
            "items": [
                {
                    "query": _tile(item["query"]),
                    "neighbours": [_tile(neighbour) for neighbour in item["neighbours"]],
                }
                for item in items
            ],
        }
        for (experiment, modality), items in groups.items()
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
    names, rows = artefacts(run)
    found = tasks(run)
    dataset = paper.DATASETS.get(run.dataset, run.dataset)
    return pages.render(
        "template.html",
        run=run,
        title=f"videossl on {dataset}",
        heading=f"Self-supervised encoders on {dataset}",
        lead=lead(run),
        rule=rule(run),
        scale=scale(run),
        tasks=[_task_view(run, task) for task in found],
        reason="" if found else no_task_reason(run),
        tables=paper.load(),
        curves=curves(run),
        samples=sample_views(run),
        wheel=samples.png_uri(samples.flow_wheel()),
        gallery=gallery_views(run),
        index=index_view(run),
        sources=result_sources(run),
        artefact_names=names,
        artefacts=rows,
        params=as_json(run.params),
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
