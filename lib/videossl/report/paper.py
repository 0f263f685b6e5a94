"""The numbers of the paper, as data (paper.yaml), to stand beside a run's; and how scales differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from videossl import registry
from videossl.errors import InputError

Item = TypeVar("Item")
SOURCE = Path(__file__).with_name("paper.yaml")
SCALE = ("dataset", "videos", "epochs", "frames", "resolution", "width", "batch", "queue", "crops")
TESTED = ("crops",)
"""Those of SCALE that are settings of a task, and not of pretraining."""


class Column(NamedTuple):
    """The test set, the task and the metric of a column of numbers."""

    dataset: str
    task: str
    metric: str


class Row(NamedTuple):
    """One method of a table. `experiment` is our recipe of the same name, '' where there is none."""

    method: str
    values: Sequence[float | None]
    experiment: str = ""
    modality: str = ""
    about: Mapping[str, Any] = {}
    setting: Mapping[str, Any] = {}


class Table(NamedTuple):
    """One table as printed; `setting` is the scale of pretraining behind the rows that have an experiment."""

    number: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    setting: Mapping[str, Any]
    note: str = ""


class Above(NamedTuple):
    """A claim of the text: one recipe ends above another in a figure, by a metric of a task or of the training."""

    above: str
    below: str
    task: str
    metric: str


class Figure(NamedTuple):
    """The text's words on a figure, in which no numbers are printed; `setting` as in a table. names: of metrics, where it has its own."""

    number: str
    title: str
    setting: Mapping[str, Any]
    found: Sequence[str]
    order: Sequence[Above]
    names: Mapping[str, str]


@cache
def tables(path: Path = SOURCE) -> Sequence[Table]:
    """The tables of the paper (1 to 7); a damaged file raises InputError."""
    return _read(path, lambda source: [_table(**item) for item in source["tables"]])


@cache
def figures(path: Path = SOURCE) -> Sequence[Figure]:
    """The figures of the paper that show numbers (2 and 3); a damaged file raises InputError."""
    return _read(path, lambda source: [_figure(**item) for item in source["figures"]])


@cache
def names(key: str) -> Mapping[str, Any]:
    """The `datasets`, our name -> the paper's, or the `protocols`, dataset -> split -> test set."""
    return _read(SOURCE, lambda source: dict(source[key]))


def _read(path: Path, make: Callable[[Mapping[str, Any]], Item]) -> Item:
    try:
        return make(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"cannot read the paper's numbers in {path}: {error!r}; restore the file") from error


def _figure(order: Sequence[Mapping[str, str]], names: Mapping[str, str] | None = None, **item: Any) -> Figure:
    return Figure(**item, order=[Above(**claim) for claim in order], names=names or {})


def _table(columns: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, Any]], **item: Any) -> Table:
    table = Table(**item, columns=[Column(**column) for column in columns], rows=[Row(**row) for row in rows])
    for row in table.rows:
        if len(row.values) != len(columns):
            raise InputError(f"{table.number}, row {row.method!r}: {len(row.values)} values for {len(columns)} columns")
    return table


def split(params: Mapping[str, Any], dataset: str) -> int:
    """The split of `dataset` that a run is on."""
    known = [one for one in (params.get("dataset"), *params.get("transfer", ())) if one and one["name"] == dataset]
    return int(known[0].get("split", 1)) if known else 1


def test_set(params: Mapping[str, Any], dataset: str) -> str:
    """The name of the test side of `dataset` in a table: the dataset's, or that of the protocol that its split is."""
    return str(names("protocols").get(dataset, {}).get(split(params, dataset), dataset))


def dataset_of(test: str) -> str:
    """The dataset that a test set is of: `test` itself, but for one of the protocols."""
    return next((name for name, tests in names("protocols").items() if test in tests.values()), test)


def protocols(split: int) -> set[str]:
    """The names of that split of a dataset with protocols."""
    return {tests[split] for tests in names("protocols").values() if split in tests}


def dataset_name(dataset: str) -> str:
    """The dataset as the paper writes it."""
    return str(names("datasets").get(dataset, dataset))


def fused(modality: str) -> list[str]:
    """The modalities fused in `modality`, in one order: 'flow+rgb' and 'rgb+flow' are the same."""
    return sorted(modality.split("+"))


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], tasks: Collection[str] = ()) -> list[str]:
    """All that differs in scale, as "epochs 500 / 54" (theirs, ours), for each key of SCALE that the paper has.

    Empty only where all of them are known and equal: one the paper does not state (None) differs. A setting of a
    task counts only where one of `tasks` has it.
    """
    declared = [registry.declared("tasks", task)["settings"] for task in tasks if task in registry.names("tasks")]
    tested = {key for settings in declared for key in settings}
    pairs = [(key, theirs[key], ours.get(key)) for key in SCALE if key in theirs and (key in tested or key not in TESTED)]
    return [
        f"{'pretrained on' if key == 'dataset' else key} {_show(their, 'not stated')} / {_show(our, 'not recorded')}"
        for key, their, our in pairs
        if their is None or their != our
    ]


def _show(value: Any, unknown: str) -> str:
    if value is None or isinstance(value, str):
        return unknown if value is None else dataset_name(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
