"""A table of the paper with our numbers in it, and where its order is seen.

P's claims are comparisons: one row above another. So each pair of rows that both have is judged by itself: ours in the
paper's order, in the other, or no clear difference (numbers.compare). Nothing is called a reproduction.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.params.run import measured_datasets
from videossl.report import measures, paper
from videossl.report.beside import recipe_of, setting, tested_on
from videossl.report.measures import Measure, headline
from videossl.report.numbers import BASELINES, Task, Value, Verdict, compare, tasks
from videossl.report.run import Run

SEEN = {"better": "seen", "unclear": "not clear", "worse": "reversed"}
MARKS = {"seen": "✓", "not clear": "≈", "reversed": "✗", "not measured": "–"}


@dataclass(frozen=True)
class Column:
    """One of our metrics on one dataset, beside the paper's column `printed` (None: it has none)."""

    dataset: str
    task: str
    metric: str
    printed: paper.Column | None
    measured: Task | None

    def ours(self, experiment: str, stream: str) -> Value | None:
        """Our number, None where it was not measured."""
        return self.measured.cells.get((experiment, stream), {}).get(self.metric) if self.measured else None

    @property
    def measure(self) -> Measure:
        """What the metric is."""
        return measures.measure(self.task, self.metric)

    @property
    def chance(self) -> float | None:
        """What chance gives."""
        return self.measured.chance.get(self.metric) if self.measured else None

    @property
    def tests(self) -> int:
        """The number of test videos, 0 where it is unknown."""
        return self.measured.counts.get("test", 0) if self.measured else 0


@dataclass(frozen=True)
class Row:
    """A row of one stream: ours and theirs by column. `method` is the paper's name of it, '' where it has no such row.

    differs: in scale, theirs / ours. A row of the paper's alone has no number of ours, and its method as `name`.
    """

    name: str
    ours: tuple[Value | None, ...]
    theirs: tuple[float | None, ...]
    method: str = ""
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two rows, the one that is better in the paper first; `theirs` are the paper's numbers, none where it prints none.

    verdict: ours of `above` against ours of `below`, None where one is not measured. neighbours: no third row that
    we have lies between them in the paper.
    """

    above: str
    below: str
    theirs: tuple[float, float] | None
    verdict: Verdict | None
    neighbours: bool = True

    @property
    def word(self) -> str:
        """Whether the paper's order is seen, reversed, not clear or not measured."""
        return SEEN[self.verdict.word] if self.verdict else "not measured"

    @property
    def mark(self) -> str:
        """The word as a sign, so that it does not rest on colour."""
        return MARKS[self.word]


@dataclass(frozen=True)
class Order:
    """All pairs of one stream in one column, as the paper orders them."""

    stream: str
    column: Column
    pairs: Sequence[Pair]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many pairs are seen, not clear, reversed and not measured."""
        found = Counter(pair.word for pair in self.pairs)
        return {word: found[word] for word in MARKS}

    def named(self, word: str) -> list[Pair]:
        """The pairs of that word."""
        return [pair for pair in self.pairs if pair.word == word]


@dataclass(frozen=True)
class Stream:
    """What was measured on one stream or several fused: the baselines, our experiments, and the paper's rows alone."""

    name: str
    baselines: Sequence[Row]
    rows: Sequence[Row]
    alone: Sequence[Row]
    orders: Sequence[Order]

    @property
    def common(self) -> list[str]:
        """What differs in scale alike in every row that the paper has too."""
        beside = [row.differs for row in self.rows if row.method]
        return [text for text in beside[0] if all(text in differs for differs in beside)] if beside else []

    def own(self, row: Row) -> list[str]:
        """What differs in this row beyond what is common to all."""
        return [text for text in row.differs if text not in self.common]


@dataclass(frozen=True)
class Results:
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
    columns = _columns(run, target["tasks"], table)
    streams = [_stream(run, target["experiments"], stream, columns, table) for stream in target["streams"]]
    shown = [paper.fused(run.modality(stream)) for stream in target["streams"]]
    alone = _alone(run, target["experiments"], columns, table)
    return Results(table, columns, streams, [(modality, row) for modality, row in alone if paper.fused(modality) not in shown])


def _columns(run: Run, names: Sequence[str], table: paper.Table | None) -> list[Column]:
    """By dataset, ours first, then by task and metric: those that the table has of the task, else the headline."""
    measured = {(task.dataset, task.task): task for task in tasks(run)}
    result = []
    for name, task in itertools.product(measured_datasets(dict(run.params)), names):
        dataset = paper.test_set(run.params, name)
        metrics = list(dict.fromkeys(column.metric for column in (table.columns if table else ()) if column.task == task))
        for metric in metrics or [headline(task)]:
            printed = _printed(table, dataset, dataset == run.dataset, task, metric, paper.split(run.params, name))
            result.append(Column(dataset, task, metric, printed, measured.get((dataset, task))))
    return result


def _printed(table: paper.Table | None, dataset: str, own: bool, task: str, metric: str, split: int) -> paper.Column | None:
    """The paper's column that stands for ours: of the same test set where there is one.

    Else the dataset that encoders are trained on stands beside the paper's own such dataset, or beside the protocol that its split is
    like, and one that they are only measured on beside the first of the others.
    """
    there = [column for column in (table.columns if table else ()) if (column.task, column.metric) == (task, metric)]
    trained = table.setting["dataset"] if table else ""
    same = [column for column in there if column.dataset == dataset]
    alike = [column for column in there if (column.dataset == trained) == own]
    like = [column for column in there if column.dataset in paper.protocols(split)]
    return next(iter(same or (like if own else []) or alike or (there if own else [])), None)


def _stream(run: Run, experiments: Sequence[str], stream: str, columns: Sequence[Column], table: paper.Table | None) -> Stream:
    baselines = [Row(name, _ours(columns, name, stream), (None,) * len(columns)) for name in BASELINES]
    rows = [_row(run, name, stream, columns, table) for name in experiments]
    modalities = paper.fused(run.modality(stream))
    alone = [row for modality, row in _alone(run, experiments, columns, table) if paper.fused(modality) == modalities]
    orders = [Order(stream, column, pairs) for i, column in enumerate(columns) if (pairs := _pairs(rows, i, column))]
    return Stream(stream, [row for row in baselines if any(row.ours)], rows, alone, orders)


def _ours(columns: Sequence[Column], name: str, stream: str) -> tuple[Value | None, ...]:
    return tuple(column.ours(name, stream) for column in columns)


def _row(run: Run, name: str, stream: str, columns: Sequence[Column], table: paper.Table | None) -> Row:
    ours, recipe, modalities = _ours(columns, name, stream), recipe_of(run, name), paper.fused(run.modality(stream))
    same = [row for row in (table.rows if table else ()) if row.experiment == recipe and paper.fused(row.modality) == modalities]
    if table is None or not same:
        return Row(name, ours, (None,) * len(columns))
    tested = {column.dataset: column.printed.dataset for column in columns if column.printed}
    differs = [tested_on([theirs], mine) for mine, theirs in tested.items() if theirs != mine]
    shown = list(dict.fromkeys(column.task for column in columns))
    differs += paper.differences(paper.scale(table, same[0]), setting(run, name, stream, shown), shown)
    return Row(name, ours, _theirs(table, same[0], columns), same[0].method, tuple(differs))


def _theirs(table: paper.Table, row: paper.Row, columns: Sequence[Column]) -> tuple[float | None, ...]:
    return tuple(paper.value(table, row, column.printed) if column.printed else None for column in columns)


def _alone(run: Run, experiments: Sequence[str], columns: Sequence[Column], table: paper.Table | None) -> list[tuple[str, Row]]:
    """The rows of the table that no experiment of the target stands for, each with its modality."""
    recipes = {recipe_of(run, name) for name in experiments}
    return [
        (row.modality, Row(row.method, (None,) * len(columns), _theirs(table, row, columns), row.method))
        for row in (table.rows if table else ())
        if table and row.experiment not in recipes
    ]


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
