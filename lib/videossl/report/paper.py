"""The numbers of papers, as data, to stand beside a run's; and how scales differ.

A source document is a file: `paper.yaml` is P, to whose tables no prefix leads (`table1`); the others have a prefix of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from videossl import registry
from videossl.errors import InputError

SOURCE = Path(__file__).with_name("paper.yaml")
SOURCES = {"": SOURCE, "tubelets-": SOURCE.with_name("tubelets.yaml")}  # what the names of targets begin with -> the tables of a document
SCALE = ("dataset", "videos", "epochs", "encoder", "frames", "resolution", "width", "batch", "queue", "crops")
TESTED = ("crops",)  # those of SCALE that are settings of a task, and not of pretraining


class Row(NamedTuple):
    """One method of a table, with a value for each column. `experiment` is our recipe of the same name, '' where there is none."""

    method: str
    values: Mapping[tuple[str, str, str], float | None]
    experiment: str = ""
    modality: str = ""
    about: Mapping[str, Any] = {}
    setting: Mapping[str, Any] = {}

    @property
    def modalities(self) -> list[str]:
        """The modalities that are fused, in one order: 'flow+rgb' and 'rgb+flow' are the same."""
        return sorted(self.modality.split("+"))

    def value(self, column: Mapping[str, Any]) -> float | None:
        """The number in a column of ours; None for a dash, and for a column that the table does not have."""
        return self.values.get((column["paper_dataset"], column["task"], column["metric"]))


class Printed(NamedTuple):
    """One table as printed, or the text's words on a figure, in which no numbers are printed.

    document: a word for what it stands in, such as "paper". columns: the test set, the task and the metric of each column of numbers.
    digits: of the numbers of a column, where they are others than its metric has.
    setting: the scale of pretraining behind the rows that have an experiment. found: what the text says of a figure; order: its claims,
    {"above", "below", "task", "metric"}: one recipe ends above another.
    """

    number: str
    title: str
    setting: Mapping[str, Any]
    columns: Sequence[tuple[str, str, str]] = ()
    rows: Sequence[Row] = ()
    note: str = ""
    found: Sequence[str] = ()
    order: Sequence[Mapping[str, str]] = ()
    document: str = "paper"
    digits: Mapping[tuple[str, str, str], int] = {}

    @property
    def target(self) -> str:
        """The name of a target beside it, without the prefix of the document: table1, table5.2, figure2."""
        return re.sub(r"^(Table|Figure) ", lambda kind: kind[1].lower(), self.number)

    def scale(self, row: Row) -> Mapping[str, Any]:
        """The setting behind a row: its own before that of the table."""
        return {**self.setting, **row.setting}


@cache
def source(path: Path = SOURCE) -> Mapping[str, Any]:
    """A document, and as "printed" its tables and figures by their number; a damaged file raises InputError."""
    try:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        named = [_printed(text.get("document", "paper"), text.get("note", ""), **item) for item in (*text["tables"], *text["figures"])]
        return {**text, "printed": {item.number: item for item in named}}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"cannot read the paper's numbers in {path}: {error!r}; restore the file") from error


def _printed(
    document: str,
    about: str,
    columns: Sequence[Mapping[str, Any]] = (),
    rows: Sequence[Mapping[str, Any]] = (),
    note: str = "",
    **item: Any,
) -> Printed:
    heads = [(column["dataset"], column["task"], column["metric"]) for column in columns]
    for row in rows:
        if len(row["values"]) != len(heads):
            raise InputError(f"{item['number']}, row {row['method']!r}: {len(row['values'])} values for {len(heads)} columns")
    given = [Row(**{**row, "values": dict(zip(heads, row["values"], strict=True))}) for row in rows]
    digits = {head: column["digits"] for head, column in zip(heads, columns, strict=True) if "digits" in column}
    return Printed(**item, columns=heads, rows=given, note=" ".join(filter(None, (note, about))), document=document, digits=digits)


def printed(target: str) -> Printed | None:
    """The table or figure that a target of that name stands beside; None for a name of one's own."""
    named = {prefix + item.target: item for prefix, path in SOURCES.items() for item in source(path)["printed"].values()}
    return named.get(target)


def split(params: Mapping[str, Any], dataset: str) -> int:
    """The split of `dataset` that a run is on."""
    entries = [entry for entry in (params.get("dataset"), *params.get("transfer", ())) if entry and entry["name"] == dataset]
    return int(entries[0].get("split", 1)) if entries else 1


def test_set(params: Mapping[str, Any], dataset: str) -> str:
    """The name of the test side of `dataset` in a table: the dataset's, or that of the protocol that its split is."""
    return str(source()["protocols"].get(dataset, {}).get(split(params, dataset), dataset))


def dataset_of(test: str) -> str:
    """The dataset that a test set is of: `test` itself, but for one of the protocols."""
    return next((name for name, tests in source()["protocols"].items() if test in tests.values()), test)


def protocols(split: int) -> set[str]:
    """The names of that split of a dataset with protocols."""
    return {tests[split] for tests in source()["protocols"].values() if split in tests}


def dataset_name(dataset: str) -> str:
    """The dataset as the papers write it."""
    return str(next((names[dataset] for path in SOURCES.values() if dataset in (names := source(path)["datasets"])), dataset))


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
