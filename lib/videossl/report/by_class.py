"""Results class by class: the share that experiments have right, and which classes are taken for which."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from videossl.report.finished_run import Run, numbers
from videossl.report.html_tables import Cell, Row, Table
from videossl.report.spaces import Confusion
from videossl.report.verdicts import BASELINES, Record, best, declared, headline, measure

CONFUSED = 8
"""Pairs of classes that are named."""


class ByClass(NamedTuple):
    """A table of classes by experiments, with the difference of two of them in its last column."""

    title: str
    table: Table
    pair: tuple[int, int]
    """the columns that the difference is of: the best trained experiment's and what it is set beside"""


def by_class(run: Run) -> list[ByClass]:
    """One table a task and set of streams: of each experiment the share of a class's test videos that it has right, over seeds."""
    counted: dict[tuple[str, str], dict[str, list[Mapping[str, Sequence[int]]]]] = defaultdict(lambda: defaultdict(list))
    for file in run.results:
        for stream, classes in file.get("classes", {}).items():
            if classes:
                counted[file["task"], stream][file["experiment"]].append(classes)
    found = []
    heads = [number for number in numbers(run) if number["dataset"] == run.dataset and number["metric"] == headline(number["task"])]
    for task, group in itertools.groupby(heads, lambda number: str(number["task"])):
        own = list(group)
        for stream in _widest(run, own):
            here = [number for number in own if number["stream"] == stream]
            if len(counted[task, stream]) > 1 and counted[task, stream].keys() - BASELINES.keys():
                found.append(_table(run, task, stream, here, counted[task, stream]))
    return found


def _widest(run: Run, here: Sequence[Record]) -> list[str]:
    """The streams, or fused ones, that are part of no other."""
    parts = {number["stream"]: set(number["stream"].split("+")) for number in here if number["values"]}
    return sorted((stream for stream in parts if not any(parts[stream] < other for other in parts.values())), key=run.place)


def _table(
    run: Run, task: str, stream: str, here: Sequence[Record], counted: Mapping[str, Sequence[Mapping[str, Sequence[int]]]]
) -> ByClass:
    """Classes by experiments; the most of them in the difference first."""
    unit, shares = measure(task, headline(task)), {name: _shares(files) for name, files in counted.items()}
    order = run.in_order(shares)
    trained = [number for number in here if number["experiment"] in shares]
    top = next((one["experiment"] for one in trained if one is best(trained)), order[-1])
    base = next(name for name in ("untrained", *order) if name in order and name != top)
    videos = {name: count for files in counted.values() for classes in files for name, (_, count) in classes.items()}
    rows = []
    for name in videos:
        mine, theirs = shares[top].get(name), shares[base].get(name)
        apart = mine - theirs if mine is not None and theirs is not None else None
        said = "–" if apart is None else unit.difference(apart)
        rows.append((apart or 0.0, Row([name, videos[name], *(unit.text(shares[one].get(name)) for one in order), said])))
    rows.sort(key=lambda pair: (-pair[0], str(pair[1].cells[0])))
    names = [BASELINES.get(one, one) for one in order]
    heads = ["class", "videos", *names, Cell("difference", [(f"{top} less {BASELINES.get(base, base)}", "")])]
    title = f"{declared(task).get('title', task)}, {stream}"
    caption = f"{unit.heading}, of the test videos of each class; of several seeds all answers together."
    table = Table(f"{title}, by class", heads, [row for _, row in rows], caption, "by-class")
    return ByClass(title, table, (2 + order.index(top), 2 + order.index(base)))


def _shares(files: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, float]:
    """Percent right of each class, over seeds."""
    total: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for classes in files:
        for name, (right, count) in classes.items():
            total[name][0] += right
            total[name][1] += count
    return {name: 100 * right / count for name, (right, count) in total.items()}


def matrix(confusion: Confusion) -> dict[str, Any]:
    """The rows of a confusion matrix: {"classes", "rows": [(class, [(count, shade in 0..1, whether it is right)])]}."""
    rows = []
    for i, (name, counts) in enumerate(zip(confusion.classes, confusion.counts.tolist(), strict=True)):
        most = max(sum(counts), 1)
        rows.append((name, [(count, round(count / most, 2), i == j) for j, count in enumerate(counts)]))
    return {"classes": confusion.classes, "rows": rows}


def confused(confusion: Confusion) -> Table:
    """The classes that are taken for another most often."""
    rows = [Row([name, other, f"{count} of {of}"]) for name, other, count, of in confusion.worst(CONFUSED)]
    name = f"classes confused by {confusion.experiment}, {confusion.stream}"
    return Table(name, ["class", "taken for", "test videos"], rows, left=2)
