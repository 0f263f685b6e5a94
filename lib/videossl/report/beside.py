"""A table of the paper with our numbers in it, and where its order is seen.

P's claims are comparisons: one row above another. So each pair of rows that both have is judged by itself: ours in the
paper's order, in the other, or no clear difference (numbers.compare). Nothing is called a reproduction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from videossl.data.index import usable
from videossl.params.run_plan import measured_datasets
from videossl.report import courses, numbers, paper
from videossl.report.numbers import BASELINES, Measure, Pair, Task, Value, compare, headline
from videossl.report.run import Run


class Column(NamedTuple):
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


class Number(NamedTuple):
    """Ours and theirs in one column. `method` is the paper's name of the row, '' where it has none. differs: in scale, theirs / ours.

    A number of the paper alone has its method as `experiment`, and as `stream` its modality where none of ours is of it.
    """

    experiment: str
    stream: str
    column: Column
    ours: Value | None
    theirs: float | None
    method: str = ""
    differs: tuple[str, ...] = ()


class Order(NamedTuple):
    """All pairs of one stream in one column, as the paper orders them."""

    stream: str
    column: Column
    pairs: Sequence[Pair]


class Results(NamedTuple):
    """A target that shows results, beside the paper's table (None where its name is no table of the paper).

    numbers: by stream and row, the baselines that were measured first. alone: of the paper's rows that no experiment stands for.
    """

    table: paper.Table | None
    columns: Sequence[Column]
    streams: Sequence[str]
    numbers: Sequence[Number]
    alone: Sequence[Number]
    orders: Sequence[Order]

    def rows(self, stream: str) -> list[tuple[Number, ...]]:
        """The rows of a stream, ours and then the paper's alone, a number for each column."""
        here = [number for number in (*self.numbers, *self.alone) if number.stream == stream]
        return [tuple(here[start : start + len(self.columns)]) for start in range(0, len(here), len(self.columns))]

    def common(self, stream: str) -> list[str]:
        """The differences in scale that every row of a stream has, of those that the paper has too."""
        return in_all([number.differs for number in self.numbers if number.stream == stream and number.method])


def in_all(texts: Sequence[Sequence[str]]) -> list[str]:
    """The texts that stand in every one of the lists, in order."""
    return [text for text in texts[0] if all(text in others for others in texts)] if texts else []


def results(run: Run, target: Mapping[str, Any], table: paper.Table | None) -> Results:
    """The results of the experiments, streams and tasks that `target` names, beside `table`."""
    columns, streams, experiments = _columns(run, target["tasks"], table), target["streams"], target["experiments"]
    rows = {(stream, name): _row(run, name, stream, columns, table) for stream in streams for name in (*BASELINES, *experiments)}
    shown = [row for (_, name), row in rows.items() if name not in BASELINES or any(number.ours for number in row)]
    orders = [
        Order(stream, column, pairs)
        for stream in streams
        for place, column in enumerate(columns)
        if (pairs := list(_pairs([rows[stream, name][place] for name in experiments])))
    ]
    recipes, modalities = {run.recipe(name) for name in experiments}, {stream: paper.fused(run.modality(stream)) for stream in streams}
    theirs = [row for row in (table.rows if table else ()) if row.experiment not in recipes]
    placed = [(stream, row) for stream in streams for row in theirs if paper.fused(row.modality) == modalities[stream]]
    placed += [(row.modality, row) for row in theirs if paper.fused(row.modality) not in modalities.values()]
    alone = [
        Number(row.method, stream, column, None, _theirs(table, row, column), row.method) for stream, row in placed for column in columns
    ]
    return Results(table, columns, streams, [number for row in shown for number in row], alone, orders)


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

    Else the dataset that encoders are trained on stands beside the protocol that its split is like, or beside the paper's own such
    dataset, and one that they are only measured on beside the first of the others.
    """
    if table is None:
        return None
    dataset, alike = paper.test_set(run.params, name), paper.protocols(paper.split(run.params, name))
    own, there = dataset == run.dataset, [column for column in table.columns if (column.task, column.metric) == (task, metric)]
    same = [column for column in there if column.dataset == dataset]
    like = [column for column in there if own and column.dataset in alike]
    role = [column for column in there if (column.dataset == table.setting["dataset"]) == own]
    return next(iter(same or like or role or (there if own else [])), None)


def _row(run: Run, name: str, stream: str, columns: Sequence[Column], table: paper.Table | None) -> list[Number]:
    ours = [column.measured.cells.get((name, stream), {}).get(column.metric) if column.measured else None for column in columns]
    modality, recipe = paper.fused(run.modality(stream)), run.recipe(name)
    same = [row for row in (table.rows if table else ()) if row.experiment == recipe and paper.fused(row.modality) == modality]
    if not table or not same:
        return [Number(name, stream, column, value, None) for column, value in zip(columns, ours, strict=True)]
    tested = {column.dataset: column.printed.dataset for column in columns if column.printed}
    differs = [f"tested on {paper.dataset_name(theirs)} / {paper.dataset_name(mine)}" for mine, theirs in tested.items() if theirs != mine]
    tasks = list(dict.fromkeys(column.task for column in columns))
    differs += paper.differences({**table.setting, **same[0].setting}, setting(run, name, stream, tasks), tasks)
    return [
        Number(name, stream, column, value, _theirs(table, same[0], column), same[0].method, tuple(differs))
        for column, value in zip(columns, ours, strict=True)
    ]


def _theirs(table: paper.Table | None, row: paper.Row, column: Column) -> float | None:
    """The paper's number; None for a dash, and for a column that the table does not have."""
    return row.values[table.columns.index(column.printed)] if table and column.printed else None


def _pairs(numbers: Sequence[Number]) -> Iterator[Pair]:
    """Every two numbers of a column that differ in the paper, from its best to its worst."""
    printed = [(number.column.measure.worth(number.theirs), number) for number in numbers if number.theirs is not None]
    ranked = sorted(printed, key=lambda item: -item[0])
    for (high, above), (low, below) in itertools.combinations(ranked, 2):
        if high != low and above.theirs is not None and below.theirs is not None:
            verdict = compare(above.ours, below.ours, above.column.tests) if above.ours and below.ours else None
            neighbours = not any(low < between < high for between, _ in ranked)
            yield Pair(above.experiment, below.experiment, (above.theirs, below.theirs), verdict, neighbours)


def setting(run: Run, experiment: str, stream: str, tasks: Iterable[str] = ()) -> dict[str, Any]:
    """The scale of pretraining, and of the test in `tasks`, of one of our numbers, by the keys of `paper.SCALE` that are known.

    For fused streams that differ, the values of all, as text.
    """
    scales = [_scale(run, experiment, part, tasks) for part in stream.split("+")]
    each = {key: list(dict.fromkeys(scale.get(key, "?") for scale in scales)) for scale in scales for key in scale}
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
