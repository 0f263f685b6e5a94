"""The results of tasks as one long list of numbers, and the table in which pages show some of them."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from videossl.errors import InputError
from videossl.report import paper
from videossl.report.finished_run import BASELINES, Run, rank
from videossl.report.html_tables import Cell, Row, Table
from videossl.report.verdicts import NOTHING, Record, Verdict, compare, declared, headline, measure, summarise

SEEDS = "Mean ± sample standard deviation, below it the number of each seed; one seed has no spread."


def numbers(run: Run) -> list[dict[str, Any]]:
    """One record a number: its names, the value over seeds (`summarise`), and what belongs to its column.

    By dataset, task, metric, stream and experiment; what a task measured of no seed has no values. Two results of the same
    experiment and seed raise InputError.
    """
    by_place: dict[tuple[str, ...], dict[int, float]] = defaultdict(dict)
    columns: dict[tuple[str, ...], Record] = {}
    for result in run.results:
        dataset, task, experiment, seed = (result[key] for key in ("dataset", "task", "experiment", "seed"))
        for stream, metrics in result["values"].items():
            for metric, number in metrics.items():
                seeds = by_place[dataset, task, metric, stream, experiment]
                if seed in seeds:
                    raise InputError(f"two results of {experiment}, seed {seed} ({dataset}, {task}); give the report each seed once")
                seeds[int(seed)] = float(number)
                about = {"chance": result.get("chance", {}).get(metric), "test_videos": result.get("counts", {}).get("test", 0)}
                columns.setdefault((dataset, task, metric), about)
    order = {task: (declared(task).get("order", math.inf), task) for _, task, _ in columns}
    made = []
    for dataset, task in sorted({key[:2] for key in columns}, key=lambda key: (key[0] != run.dataset, key[0], order[key[1]])):
        here = [place for place in by_place if place[:2] == (dataset, task)]
        metrics = sorted({place[2] for place in here}, key=lambda metric: rank(metric, list(declared(task).get("metrics", {}))))
        streams, experiments = sorted({place[3] for place in here}, key=run.place), run.in_order({place[4] for place in here})
        for place in itertools.product([dataset], [task], metrics, streams, experiments):
            names = dict(zip(("dataset", "task", "metric", "stream", "experiment"), place, strict=True))
            made.append({**names, **summarise(by_place.get(place, {})), **columns[place[:3]]})
    return made


def best(numbers: Sequence[Record]) -> Record:
    """The best of the numbers of trained encoders, all of one metric; NOTHING where none is measured."""
    measured = [number for number in numbers if number["experiment"] not in BASELINES and number["values"]]
    return max(measured, key=lambda number: measure(number["task"], number["metric"]).worth(number["mean"]), default=NOTHING)


def against(baseline: str, number: Record, numbers: Sequence[Record]) -> Verdict | None:
    """A number against that of a baseline in `numbers` with the same names but for the experiment; None when either is missing."""
    names = {key: number[key] for key in ("dataset", "task", "metric", "stream")} | {"experiment": baseline}
    base = next((other for other in numbers if names.items() <= other.items()), NOTHING)
    return compare(measure(number["task"], number["metric"]), number, base, number["test_videos"])


def results_table(name: str, numbers: Sequence[Record], caption: str = "", *, by_stream: bool = False, beside: bool = False) -> Table:
    """Numbers by experiment and by metric, or of one metric `by_stream`. beside: with the paper's number beside each.

    A number's "note" is small print of its row; "alone" counts the rows of the paper that none of ours is beside.
    """
    columns, rows = defaultdict[Any, list[Record]](list), defaultdict[Any, list[Record]](list)
    for number in numbers:
        columns[number["stream"] if by_stream else (number["dataset"], number["task"], number["metric"])].append(number)
        rows[number["experiment"], number.get("note", ""), number.get("alone")].append(number)
    heads: list[object] = [""]
    chances: list[object] = ["chance"]
    for first, *_ in columns.values():
        unit = measure(first["task"], first["metric"])
        heads.append(first["stream"] if by_stream else Cell(unit.heading, [(paper.dataset_name(first["dataset"]), "")]))
        heads += [Cell("paper", [(paper.dataset_name(first["paper_dataset"] or ""), "")])] if beside else []
        chances += [unit.text(first["chance"]), ""] if beside else [unit.text(first["chance"])]
    made = [Row(chances, "baseline")]
    bests = [best(column)["mean"] for column in columns.values()]
    for (experiment, note, alone), row in rows.items():
        cells: list[object] = [Cell(BASELINES.get(experiment, experiment), [(note, "")])]
        for number, mean in zip(row, bests, strict=True):
            cells.append(_cell(number, numbers, mean))
            cells += [measure(number["task"], number["metric"]).text(number["paper"])] if beside else []
        made.append(Row(cells, "baseline" if experiment in BASELINES or alone is not None else ""))
    return Table(name, heads, made, caption, "duo")


def _cell(number: Record, numbers: Sequence[Record], best: float | None) -> Cell:
    """A value, below it the number of each seed where there are several, and of a trained headline the verdict against untrained."""
    unit, trained = measure(number["task"], number["metric"]), number["experiment"] not in BASELINES
    each = " · ".join(f"{value:.0f}" if unit.unit == "%" else unit.text(value) for value in number["values"])
    verdict = against("untrained", number, numbers) if trained and number["metric"] == headline(number["task"]) else None
    small = [(each if number["sd"] is not None else "", ""), (verdict or "", verdict.word if verdict else "")]
    return Cell(unit.show(number), small, trained and number["mean"] is not None and number["mean"] == best)
