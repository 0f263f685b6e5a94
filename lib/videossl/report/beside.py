"""A table of the paper with our numbers in it, and where its order is seen.

P's claims are comparisons: one row above another. So each pair of rows that both have is judged by itself: ours in the
paper's order, in the other, or no clear difference (numbers.compare). Nothing is called a reproduction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from videossl.data.index import usable
from videossl.params.run import measured_datasets
from videossl.report import courses, numbers, paper
from videossl.report.numbers import BASELINES, PAIR_MARKS, Measure, Pair, Task, Value, compare, headline
from videossl.report.run import Run


@dataclass(frozen=True)
class Column:
    """One of our metrics on one dataset, beside the paper's column `printed` (None: it has none)."""

    dataset: str
    task: str
    metric: str
    printed: paper.Column | None
    measured: Task | None

    @property
    def measure(self) -> Measure:
        return numbers.measure(self.task, self.metric)

    @property
    def chance(self) -> float | None:
        return self.measured.chance.get(self.metric) if self.measured else None

    @property
    def tests(self) -> int:
        """The number of test videos, 0 where it is unknown."""
        return self.measured.counts.get("test", 0) if self.measured else 0


class Row(NamedTuple):
    """A row of one stream: ours and theirs by column. `method` is the paper's name of it, '' where it has no such row.

    differs: in scale, theirs / ours. A row of the paper's alone has no number of ours, and its method as `name`;
    about: what the paper says of it.
    """

    name: str
    ours: tuple[Value | None, ...]
    theirs: tuple[float | None, ...]
    method: str = ""
    differs: tuple[str, ...] = ()
    about: Mapping[str, Any] = {}


class Order(NamedTuple):
    """All pairs of one stream in one column, as the paper orders them."""

    stream: str
    column: Column
    pairs: Sequence[Pair]

    def named(self, word: str) -> list[Pair]:
        """The pairs of that word."""
        return [pair for pair in self.pairs if pair.word == word]

    @property
    def tally(self) -> dict[str, int]:
        """The number of pairs of each word: seen, not clear, reversed and not measured."""
        return {word: len(self.named(word)) for word in PAIR_MARKS}


@dataclass(frozen=True)
class Stream:
    """The numbers on one stream or several fused: the baselines, our experiments, and the paper's rows alone."""

    name: str
    baselines: Sequence[Row]
    rows: Sequence[Row]
    alone: Sequence[Row]
    orders: Sequence[Order]

    @property
    def common(self) -> list[str]:
        """The differences in scale that every row has, of those that the paper has too."""
        return in_all([row.differs for row in self.rows if row.method])


def in_all(texts: Sequence[Sequence[str]]) -> list[str]:
    """The texts that stand in every one of the lists, in order."""
    return [text for text in texts[0] if all(text in others for others in texts)] if texts else []


class Results(NamedTuple):
    """A target that shows results, beside the paper's table (None where its name is no table of the paper).

    unplaced: rows of the paper alone whose modality is not stated, or is none of ours.
    """

    table: paper.Table | None
    columns: Sequence[Column]
    streams: Sequence[Stream]
    unplaced: Sequence[tuple[str, Row]]

    @property
    def orders(self) -> list[Order]:
        """Those of all streams."""
        return [order for stream in self.streams for order in stream.orders]


def results(run: Run, target: Mapping[str, Any], table: paper.Table | None) -> Results:
    """The results of the experiments, streams and tasks that `target` names, beside `table`."""
    columns, theirs = _columns(run, target["tasks"], table), table.rows if table else ()
    ours = {run.recipe(name) for name in target["experiments"]}
    alone = [
        (row.modality, Row(row.method, (None,) * len(columns), _theirs(table, row, columns), row.method, about=row.about))
        for row in theirs
        if row.experiment not in ours
    ]
    shown = [paper.fused(run.modality(stream)) for stream in target["streams"]]
    streams = [_stream(run, target["experiments"], stream, columns, table, alone) for stream in target["streams"]]
    return Results(table, columns, streams, [(modality, row) for modality, row in alone if paper.fused(modality) not in shown])


def _columns(run: Run, names: Sequence[str], table: paper.Table | None) -> list[Column]:
    """By dataset, ours first, then by task and metric: those that the table has of the task, else the headline."""
    measured = {(task.dataset, task.task): task for task in numbers.tasks(run)}
    printed = table.columns if table else ()
    return [
        Column(dataset, task, metric, _printed(run, name, task, metric, table), measured.get((dataset, task)))
        for name, task in itertools.product(measured_datasets(dict(run.params)), names)
        for dataset in [paper.test_set(run.params, name)]
        for metric in dict.fromkeys(column.metric for column in printed if column.task == task) or [headline(task)]
    ]


def _printed(run: Run, name: str, task: str, metric: str, table: paper.Table | None) -> paper.Column | None:
    """The paper's column that stands for ours on the dataset `name`: of the same test set where there is one.

    Else the dataset that encoders are trained on stands beside the paper's own such dataset, or beside the protocol that its split is
    like, and one that they are only measured on beside the first of the others.
    """
    if table is None:
        return None
    dataset, alike = paper.test_set(run.params, name), paper.protocols(paper.split(run.params, name))
    own, there = dataset == run.dataset, [column for column in table.columns if (column.task, column.metric) == (task, metric)]
    same = [column for column in there if column.dataset == dataset]
    same = same or [column for column in there if own and column.dataset in alike]
    same = same or [column for column in there if (column.dataset == table.setting["dataset"]) == own]
    return next(iter(same or (there if own else [])), None)


def _stream(
    run: Run,
    experiments: Sequence[str],
    stream: str,
    columns: Sequence[Column],
    table: paper.Table | None,
    alone: Sequence[tuple[str, Row]],
) -> Stream:
    baselines = [Row(name, _ours(columns, name, stream), (None,) * len(columns)) for name in BASELINES]
    rows = [_row(run, name, stream, columns, table) for name in experiments]
    here = [row for modality, row in alone if paper.fused(modality) == paper.fused(run.modality(stream))]
    orders = [Order(stream, column, pairs) for place, column in enumerate(columns) if (pairs := _pairs(rows, place, column))]
    return Stream(stream, [row for row in baselines if any(row.ours)], rows, here, orders)


def _row(run: Run, name: str, stream: str, columns: Sequence[Column], table: paper.Table | None) -> Row:
    ours, modalities = _ours(columns, name, stream), paper.fused(run.modality(stream))
    for row in table.rows if table else ():
        if row.experiment == run.recipe(name) and paper.fused(row.modality) == modalities:
            assert table
            tested = {column.dataset: column.printed.dataset for column in columns if column.printed}
            differs = [
                f"tested on {paper.dataset_name(theirs)} / {paper.dataset_name(mine)}" for mine, theirs in tested.items() if theirs != mine
            ]
            tasks = list(dict.fromkeys(column.task for column in columns))
            differs += paper.differences({**table.setting, **row.setting}, setting(run, name, stream, tasks), tasks)
            return Row(name, ours, _theirs(table, row, columns), row.method, tuple(differs))
    return Row(name, ours, (None,) * len(columns))


def _ours(columns: Sequence[Column], name: str, stream: str) -> tuple[Value | None, ...]:
    """Our number of each column, None where it was not measured."""
    return tuple(column.measured.cells.get((name, stream), {}).get(column.metric) if column.measured else None for column in columns)


def _theirs(table: paper.Table | None, row: paper.Row, columns: Sequence[Column]) -> tuple[float | None, ...]:
    """The paper's number of each column; None for a dash, and for a column that the table does not have."""
    printed = dict(zip(table.columns, row.values, strict=True)) if table else {}
    return tuple(printed.get(column.printed) if column.printed else None for column in columns)


def _pairs(rows: Sequence[Row], place: int, column: Column) -> list[Pair]:
    """Every two rows that differ in the paper's column at `place`, from its best to its worst."""
    worth = column.measure.worth
    printed = [(theirs, row) for row in rows if (theirs := row.theirs[place]) is not None]
    ranked = sorted(printed, key=lambda item: -worth(item[0]))
    result = []
    for (high, above), (low, below) in itertools.combinations(ranked, 2):
        if high != low:
            ours, base = above.ours[place], below.ours[place]
            verdict = compare(ours, base, column.tests) if ours and base else None
            neighbours = not any(worth(low) < worth(between) < worth(high) for between, _ in ranked)
            result.append(Pair(above.name, below.name, (high, low), verdict, neighbours))
    return result


def setting(run: Run, experiment: str, stream: str, tasks: Iterable[str] = ()) -> dict[str, Any]:
    """The scale of pretraining, and of the test in `tasks`, of one of our numbers, by the keys of `paper.SCALE` that are known.

    For fused streams that differ, the values of all, as text.
    """
    scales = [_scale(run, experiment, part, tasks) for part in stream.split("+")]
    each = {
        key: list(dict.fromkeys(scale.get(key, "?") for scale in scales)) for key in paper.SCALE if any(key in scale for scale in scales)
    }
    return {key: values[0] if len(values) == 1 else " and ".join(map(str, values)) for key, values in each.items()}


def _scale(run: Run, experiment: str, stream: str, tasks: Iterable[str]) -> dict[str, Any]:
    own, trainings = run.params.get("streams", {}).get(stream, {}), courses.spans(run.params, experiment, stream)
    begun = courses.settings(run.params, trainings[0].experiment, stream) if trainings else {}
    tested = [run.params.get("evaluate", {}).get("tasks", {}).get(task, {}) for task in tasks]
    scale: dict[str, Any] = {
        "dataset": paper.dataset_of(run.dataset),
        "videos": sum(row.split == "train" for row in usable(list(run.index))),
        "epochs": trainings[-1].stop if trainings else None,
        "frames": own.get("clip", {}).get("frames"),
        "resolution": own.get("clip", {}).get("size"),
        "width": own.get("width"),
        **{key: begun[key] for key in ("batch", "queue") if key in begun},
        **{key: task[key] for task in tested for key in paper.TESTED if key in task},
    }
    return {key: value for key, value in scale.items() if value is not None}
