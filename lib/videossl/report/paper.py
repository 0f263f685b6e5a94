"""The numbers of the paper and the poster, as data (paper.yaml), to stand beside a run's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from videossl.errors import InputError
from videossl.report.measures import declared

Item = TypeVar("Item")
SOURCE = Path(__file__).with_name("paper.yaml")


def test_set(params: Mapping[str, Any], dataset: str) -> str:
    """What stands for the test side of `dataset` in a table: its name, or the protocol that its split is."""
    return str(names("protocols").get(dataset, {}).get(split(params, dataset), dataset))


def dataset_of(test: str) -> str:
    """The dataset that a test set is of: `test` itself, but for one of the protocols."""
    return next((name for name, tests in names("protocols").items() if test in tests.values()), test)


def protocols(split: int) -> set[str]:
    """What that split of a dataset with protocols is called."""
    return {tests[split] for tests in names("protocols").values() if split in tests}


def dataset_name(dataset: str) -> str:
    """The dataset as the paper writes it."""
    return str(names("datasets").get(dataset, dataset))


def split(params: Mapping[str, Any], dataset: str) -> int:
    """Which of the splits of `dataset` a run is on."""
    known = [one for one in (params.get("dataset"), *params.get("transfer", ())) if one and one["name"] == dataset]
    return int(known[0].get("split", 1)) if known else 1


@dataclass(frozen=True)
class Column:
    """What a column of numbers measures: the test set, the task and the metric."""

    dataset: str
    task: str
    metric: str


@dataclass(frozen=True)
class Row:
    """One method of a table. `experiment` is our recipe of the same name, '' where there is none."""

    method: str
    values: Sequence[float | None]
    experiment: str = ""
    modality: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One table as printed; `setting` is the scale of pretraining behind the rows that have an experiment."""

    number: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    setting: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """One printed number with what it measures and the scale it was made at."""

    table: str
    method: str
    dataset: str
    value: float
    setting: Mapping[str, Any]


@dataclass(frozen=True)
class Above:
    """That one recipe ends above another in a figure, by a metric of a task or of the training, as the text says."""

    above: str
    below: str
    task: str
    metric: str


@dataclass(frozen=True)
class Figure:
    """What the text says of a figure, in which no numbers are printed; `setting` as in a table. names: of metrics, where it has its own."""

    number: str
    title: str
    setting: Mapping[str, Any]
    found: Sequence[str]
    order: Sequence[Above]
    names: Mapping[str, str]


@cache
def load(path: Path = SOURCE) -> Sequence[Table]:
    """The tables of P (seeds/000, 1 to 7) and of the poster (seeds/001); a damaged file is an InputError."""
    return _read(path, lambda source: [_table(item) for item in source["tables"]])


@cache
def figures(path: Path = SOURCE) -> Sequence[Figure]:
    """The figures of P that show numbers (seeds/000, 2 and 3); a damaged file is an InputError."""
    return _read(path, lambda source: [_figure(item) for item in source["figures"]])


@cache
def names(key: str) -> Mapping[str, Any]:
    """The `datasets`, our name -> the paper's, or the `protocols`, dataset -> split -> test set."""
    return _read(SOURCE, lambda source: dict(source[key]))


def _read(path: Path, make: Callable[[Mapping[str, Any]], Item]) -> Item:
    try:
        return make(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"cannot read the paper's numbers in {path}: {error!r}; restore the file") from error


def _figure(item: Mapping[str, Any]) -> Figure:
    order = [Above(**claim) for claim in item["order"]]
    return Figure(item["number"], item["title"], item["setting"], item["found"], order, item.get("names", {}))


def _table(item: Mapping[str, Any]) -> Table:
    columns = [Column(**column) for column in item["columns"]]
    rows = [Row(**row) for row in item["rows"]]
    for row in rows:
        if len(row.values) != len(columns):
            raise InputError(f"{item['number']}, row {row.method!r}: {len(row.values)} values for {len(columns)} columns")
    return Table(item["number"], item["title"], columns, rows, item["setting"], item.get("note", ""))


def fused(modality: str) -> list[str]:
    """The modalities fused in `modality`, in one order: 'flow+rgb' and 'rgb+flow' are the same."""
    return sorted(modality.split("+"))


def beside(tables: Sequence[Table], experiment: str, modality: str, dataset: str, task: str, metric: str) -> Iterator[Entry]:
    """The paper's numbers for one of ours: same recipe, modality, task and metric.

    When the paper has numbers on `dataset` itself only those are given, otherwise those of every test set.
    """
    entries = [
        Entry(table.number, row.method, column.dataset, value, scale(table, row))
        for table in tables
        for row in table.rows
        if row.experiment == experiment and fused(row.modality) == fused(modality)
        for column, value in zip(table.columns, row.values, strict=True)
        if (column.task, column.metric) == (task, metric) and value is not None
    ]
    own = [entry for entry in entries if entry.dataset == dataset]
    yield from own or entries


def value(table: Table, row: Row, column: Column) -> float | None:
    """What `row` of `table` has in `column`; None for a dash, and for a column that the table does not have."""
    return dict(zip(table.columns, row.values, strict=True)).get(column)


def scale(table: Table, row: Row) -> dict[str, Any]:
    """The scale of pretraining behind a row."""
    return {**table.setting, **row.setting}


def experiments(tables: Sequence[Table]) -> list[str]:
    """Our names of the paper's recipes, in the order in which the paper builds them up."""
    return list(dict.fromkeys(row.experiment for table in tables for row in table.rows if row.experiment))


SCALE = ("dataset", "videos", "epochs", "frames", "resolution", "width", "batch", "queue", "crops")
TESTED = ("crops",)
"""Those that are settings of a task, and not of pretraining."""


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], tasks: Collection[str] = ()) -> list[str]:
    """What differs in scale, as "epochs 500 / 54" (theirs, ours), for each key of SCALE that the paper has.

    Empty only where all of them are known and equal: one the paper does not state (None) differs. What is a setting of a
    task counts only where one of `tasks` has it.
    """
    tested = {key for task in tasks for key in declared(task).get("settings", {})}
    pairs = [(key, theirs[key], ours.get(key)) for key in SCALE if key in theirs and (key in tested or key not in TESTED)]
    return [_difference(*pair) for pair in pairs if None in pair or pair[1] != pair[2]]


def _difference(key: str, theirs: Any, ours: Any) -> str:
    name = "pretrained on" if key == "dataset" else key
    return f"{name} {_show(theirs, 'not stated')} / {_show(ours, 'not recorded')}"


def _show(value: Any, unknown: str) -> str:
    if value is None:
        return unknown
    if isinstance(value, str):
        return dataset_name(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
