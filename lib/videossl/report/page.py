"""The report: one self-contained HTML page, and its results as text.

A function of what a run left behind: the same `Run` gives the same bytes. No clock, no random ids, no address is read.
"""

from __future__ import annotations

import base64
import io
import math
import statistics
import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from PIL import Image

from videossl.data import index
from videossl.modalities.base import Picture
from videossl.report import charts, courses, numbers, paper, words
from videossl.report.numbers import BASELINES, Task, in_order, tasks
from videossl.report.run import Run, rank
from videossl.report.tables import LINE, Cell, Row, Table, against, ascii_only, fill, render_page

NAMES_SHOWN, WIDTH, SMALL = 50, 160, 96
"""Dropped videos named by reason; pixels of a picture's width at most; below which it is drawn enlarged, with sharp pixels."""


def render(run: Run) -> str:
    """The page as HTML."""
    found = tasks(run)
    dataset = paper.dataset_name(run.dataset)
    return render_page(
        "page.html",
        run,
        title=f"videossl on {dataset}",
        heading=f"Self-supervised encoders on {dataset}",
        lead=words.lead(run),
        rule=words.rule(run),
        tasks=[(task, words.phrases(task), results_table(task), _all_metrics(task)) for task in found],
        units=numbers.units(task.measure for task in found) if found else "",
        reason="" if found else words.no_task_reason(run),
        curves=curves(run),
        samples=[_sample(sample) for sample in run.samples],
        legends=[(Markup(strip.name), [_drawn(picture, 0) for picture in strip.pictures]) for strip in run.legends],
        gallery=_gallery(run),
        index_tables=index_tables(run.index),
        dropped=_dropped(run.index),
    )


def terminal(run: Run) -> str:
    """The results as ASCII text: a table a task, and in at most three lines what beat the untrained encoder."""
    found = tasks(run)
    if not found:
        return f"No supervised task was run: {words.no_task_reason(run)}."
    blocks = []
    for task in found:
        groups: list[list[str]] = [[], [], []]
        for phrase in words.phrases(task):
            groups[{"better": 0, "missing": 0, "handmade": 2}.get(phrase.word, 1)].append(str(phrase))
        said = [textwrap.shorten("; ".join(group), LINE, placeholder=" ...") for group in groups if group]
        head = ", ".join(filter(None, (f"{task.title} on {task.dataset}", task.metric, task.measure.words)))
        blocks.append("\n".join([head, results_table(task).text(), *said]))
    return ascii_only("\n\n".join([*blocks, fill(f"* best trained. {words.rule(run)}")]))


# Results.


def results_table(task: Task) -> Table:
    """The headline of each experiment and stream; of a trained one the difference from the untrained encoder below it."""
    counted = ", ".join(f"{number:,} {name}" for name, number in sorted(task.counts.items()))
    seeds = {len(value.numbers) for cell in task.cells.values() for value in cell.values()}
    spread = "One seed, no spread." if seeds == {1} else f"Mean ± sample standard deviation of {max(seeds)} seeds."
    if len(seeds) > 1:
        spread = "Mean ± sample standard deviation of n seeds; one seed has no spread."
    unit = f", {task.measure.words}" if task.measure.words else ""
    chance = [task.measure.text(task.chance[task.metric])] * len(task.streams) if task.metric in task.chance else []
    rows = [Row(["chance", *chance], "baseline")] if chance else []
    for name in task.experiments:
        style = "baseline" if name in BASELINES else ""
        rows.append(Row([BASELINES.get(name, name), *(_cell(task, name, stream, len(seeds) > 1) for stream in task.streams)], style))
    caption = f"{task.metric}{unit}. {f'{counted}. ' if counted else ''}{spread}"
    return Table(f"results of {task.title} on {task.dataset}", ["experiment", *task.streams], rows, caption)


def _cell(task: Task, name: str, stream: str, uneven: bool) -> object:
    value, verdict = task.value(name, stream), task.verdict(name, stream) if name not in BASELINES else None
    if value is None:
        return "–"
    small = [(f"n = {len(value.numbers)}", "")] if uneven else []
    return Cell(value, [*small, *against(verdict)], task.is_best(name, stream))


def _all_metrics(task: Task) -> Table | None:
    """All numbers of a task with those of each seed, where it has more than its headline."""
    measures = {metric: numbers.measure(task.task, metric) for metric in task.metrics}
    chance = ["chance", "", *(measures[metric].text(task.chance.get(metric)) for metric in task.metrics)]
    rows = [
        Row(
            [BASELINES.get(name, name), stream]
            + [Cell(cell[metric], [(cell[metric].each, "")]) if metric in cell else "–" for metric in task.metrics],
            "baseline" if name in BASELINES else "",
        )
        for name in task.experiments
        for stream in task.streams
        if (cell := task.cells.get((name, stream)))
    ]
    head = ["experiment", "stream", *task.metrics]
    table = Table(f"all metrics of {task.task}", head, [*([Row(chance, "baseline")] if task.chance else []), *rows], left=2)
    return table if len(task.metrics) > 1 else None


# Training curves.


class Curves(NamedTuple):
    """The charts of one encoder: all its trainings in a row, one line a seed; and each training in numbers."""

    experiment: str
    stream: str
    charts: Sequence[Markup]
    table: Table


def curves(run: Run) -> list[Curves]:
    """One entry an experiment and stream, in the order of the results."""
    jobs = {(history["experiment"], history["training"]) for history in run.histories if history["epochs"]}
    pairs = {(experiment, stream) for experiment, training in jobs for stream in courses.streams(run.params, experiment, training)}
    order = in_order(run, {experiment for experiment, _ in pairs})
    return [_curves(run, *pair) for pair in sorted(pairs, key=lambda pair: (order.index(pair[0]), run.place(pair[1])))]


def _curves(run: Run, experiment: str, stream: str) -> Curves:
    """Guessing among N candidates costs ln N and is right in 100 / N percent."""
    chains = {seed: courses.histories(run, experiment, stream, seed) for seed in sorted({one["seed"] for one in run.histories})}
    chains = {seed: chain for seed, chain in chains.items() if any(history["experiment"] == experiment for history in chain)}
    longest = max(chains.values(), key=lambda chain: sum(len(history["epochs"]) for history in chain))
    stops = [int(stop) for stop in np.cumsum([len(history["epochs"]) for history in longest])]
    drawn = []
    for key, label, guess in (("loss", "loss", math.log), ("accuracy", "accuracy, %", lambda n: 100 / n)):
        epochs = [[row.get(key, math.nan) for history in chain for row in history["epochs"]] for chain in chains.values()]
        lines = [charts.Line(list(enumerate(numbers, 1)), seed) for seed, numbers in enumerate(epochs)]
        levels = [
            charts.Level(stop - len(history["epochs"]), stop, guess(history["candidates"]))
            for history, stop in zip(longest, stops, strict=True)
            if history["candidates"]
        ]
        if any(math.isfinite(number) for numbers in epochs for number in numbers):
            title = f"{key.capitalize()} of {experiment}, {stream} against epochs"
            drawn.append(charts.chart(title, label, lines, stops, [history["name"] for history in longest], levels))
    rows = [_training(seed, history) for seed, chain in chains.items() for history in chain]
    head = ["training", "seed", "epochs", "clips", "loss, first → last epoch", "accuracy, %", "guessing", "last lr", "also measured"]
    return Curves(experiment, stream, drawn, Table(f"trainings of {experiment}, {stream}", head, rows))


def _training(seed: int, history: Mapping[str, Any]) -> Row:
    epochs, candidates = history["epochs"], history["candidates"]

    def along(key: str, digits: int) -> str:
        known = [row[key] for row in epochs if key in row]
        return f"{known[0]:.{digits}f} → {known[-1]:.{digits}f}" if known else "–"

    clips = sum(row.get("clips", 0) for row in epochs)
    guessing = f"{math.log(candidates):.3f}, {100 / candidates:.2g} %" if candidates else "–"
    rate = f"{epochs[-1]['lr']:.2g}" if "lr" in epochs[-1] else "–"
    more = sorted({key for row in epochs for key in row} - {"epoch", "loss", "accuracy", "lr", "clips"})
    also = "; ".join(f"{key} {along(key, 3)}" for key in more)
    numbers = [f"{clips:,.0f}" if clips else "–", along("loss", 3), along("accuracy", 1), guessing, rate, also]
    return Row([history["name"], seed, len(epochs), *numbers])


# Pictures.


def _sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample as strips of pictures."""
    strips = [strip for strip in sample["strips"] if strip.pictures]
    small = any(is_small(picture.value) for strip in strips for picture in strip.pictures)
    return {**sample, "pixels": small, "strips": [(strip.name, [_drawn(picture) for picture in strip.pictures]) for strip in strips]}


def _drawn(picture: Picture, width: int = WIDTH) -> Markup:
    """A picture as an element, of at most `width` pixels (0: as it is)."""
    if isinstance(picture.value, str):
        return Markup(picture.value)
    return Markup('<img src="{}" alt="{}">').format(png_uri(picture.value, width), picture.label)


def _gallery(run: Run) -> list[tuple[str, str, list[list[dict[str, Any]]]]]:
    """(experiment, stream, rows of tiles: the query and its neighbours), with the thumbnails as data URIs."""
    groups: dict[tuple[str, str], list[list[dict[str, Any]]]] = defaultdict(list)
    for item in run.gallery:
        tiles = [
            {**tile, "uri": png_uri(tile["thumb"], WIDTH), "pixels": is_small(tile["thumb"])}
            for tile in (item["query"], *item["neighbours"])
        ]
        groups[item["experiment"], item["stream"]].append(tiles)
    return [(*key, rows) for key, rows in groups.items()]


def png_uri(image: np.ndarray, width: int = 0) -> str:
    """A PNG of `image`, uint8 (h, w, 3 or 4), as a data URI; shrunk to `width` pixels if wider (0: not)."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    if width and picture.width > width:
        picture = picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=9)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def is_small(image: np.ndarray | str) -> bool:
    """True for an image (h, w, channels) that is drawn enlarged, so that its pixels should stay sharp; an SVG has none."""
    return not isinstance(image, str) and image.shape[1] < SMALL


# The index.


def index_tables(rows: Sequence[index.Row]) -> list[Table]:
    """Counts by split and status, the range of frames, rate and size of the usable videos, and counts by class."""
    good = index.usable(list(rows))
    splits = sorted({row.split for row in rows}, key=lambda name: rank(name, ("train", "test")))
    counts, labels = Counter((row.split, row.status) for row in rows), Counter((row.label or "(no label)", row.split) for row in good)
    by_split = [Row([split or "(none)", f"{counts[split, 'ok']:,}", f"{counts[split, 'dropped']:,}"]) for split in splits]
    total = Row(["all", f"{len(good):,}", f"{len(rows) - len(good):,}"])
    by_class = [Row([label, *(labels[label, split] for split in splits)]) for label in sorted({label for label, _ in labels})]
    return [
        Table("videos by split", ["split", "ok", "dropped"], [*by_split, total], "Videos by split and status"),
        Table("the usable videos", [], [Row([name, text]) for name, text in facts(good).items()], "The usable videos"),
        Table("videos of each class", ["class", *(split or "(none)" for split in splits)], by_class, "Usable videos of each class"),
    ]


def facts(rows: Sequence[index.Row]) -> dict[str, str]:
    """Frames, rate and size of the usable videos: smallest, median, largest. A skeleton alone has no rate and no size."""
    pictures = [row for row in rows if row.path]
    ranges: dict[str, list[float]] = {
        "frames of a video": [row.frames for row in rows],
        "frames after resampling": [row.steps for row in rows] if any(row.steps != row.frames for row in rows) else [],
        "frames a second": [row.fps for row in pictures],
        "width, pixels": [row.width for row in pictures],
        "height, pixels": [row.height for row in pictures],
    }
    said = {}
    for name, values in ranges.items():
        if values:
            low, middle, high = min(values), statistics.median(values), max(values)
            said[name] = f"{low:g}" if low == high else f"{low:g} to {high:g}, median {middle:g}"
    return said | ({"with a skeleton": f"{sum(bool(row.skeleton) for row in rows):,} of {len(rows):,}"} if rows else {})


def _dropped(rows: Sequence[index.Row]) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """The dropped videos by the kind of their reason ("KIND: DETAIL"), the most frequent kind first: kind, number, the first names."""
    kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        if row.status != "ok":
            kind, _, detail = row.reason.partition(":")
            kinds[kind.strip() or "no reason given"].append((row.id, detail.strip()))
    ranked = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(kind, len(videos), videos[:NAMES_SHOWN]) for kind, videos in ranked]
