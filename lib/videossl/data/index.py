"""The index table: one row a video, with the facts that decoding found and, for a dropped video, the reason.

Columns are the fields of `Row` (docs/data-contract.md). It is made by data/make_index.py, apart from this module so that
what only reads an index does not depend on the code that decodes.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from videossl import files
from videossl.errors import InputError

Label = str | float | list[str]
"""A label that a video can have under a name: a class, a number or a rank, several classes."""

CLASS = "class"
"""The name of the label that has a field, and a column, of its own: `label`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One video of a dataset."""

    id: str  # unique: the path of the video below the folder of videos, without suffix, with "/"
    path: str  # relative to the dataset's root; "" where there is a skeleton alone
    label: str  # class name, "" for an unlabelled video
    labels: Mapping[str, Label] = dataclasses.field(default_factory=dict, hash=False, kw_only=True)  # further labels by their names
    split: str  # "train" or "test"
    group: str  # the recording that the video was cut from; the video's own id where it is a recording of its own
    frames: int  # that decode, 0 where none does; where there is no video, frames of the skeleton
    fps: float  # frames a second, 0 where unknown
    steps: int  # after resampling (data/video.py); what the caches of `rgb` hold
    clock: str = dataclasses.field(default="", kw_only=True)  # by what the times of frames are known (data/video.py); "" without a video
    width: int  # pixels as shown
    height: int
    skeleton: str  # relative to the dataset's root, "" for none
    sha256: str  # of the video's bytes, then the skeleton's; "" where a file is absent or was not read
    status: str  # "ok" or "dropped"
    reason: str  # "KIND: DETAIL" for a dropped video, else ""

    def of(self, name: str) -> Label | None:
        """The label of that name, `class` or a further one; None where the video has none."""
        return (self.label or None) if name == CLASS else self.labels.get(name)


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


def check_drops(rows: Sequence[Row], max_dropped: float) -> None:
    """Raise InputError where more than the share `max_dropped` (0 to 1) of the videos is dropped, or none is left."""
    dropped = [row for row in rows if row.status != "ok"]
    if not rows:
        raise InputError("the dataset names no video; see its layout in docs/data-contract.md")
    if dropped and (len(dropped) > max_dropped * len(rows) or len(dropped) == len(rows)):
        raise InputError(
            f"{len(dropped)} of {len(rows)} videos dropped ({_by_kind(dropped)}), index.max_dropped allows {max_dropped:g} of them; "
            f"first: {dropped[0].id} ({dropped[0].reason}); repair them, take them from the dataset, or raise "
            "index.max_dropped"
        )


def kind(row: Row) -> str:
    """The kind of the reason that a video was dropped for: "absent", "short", ...; "" for one that was not."""
    return row.reason.partition(":")[0]


def _by_kind(dropped: Sequence[Row]) -> str:
    """Dropped videos counted by kind: "absent 2, short 1"."""
    return ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(map(kind, dropped)).items()))


def summary(rows: Sequence[Row]) -> str:
    """Count in one line the videos that a dataset names: "5 named: 3 ok (train 2, test 1), 2 dropped (absent 2)"."""
    good = usable(rows)
    splits = Counter(row.split for row in good)
    parts = ", ".join(f"{split} {splits[split]}" for split in ("train", "test"))
    dropped = [row for row in rows if row.status != "ok"]
    lost = f"{len(dropped)} dropped" + (f" ({_by_kind(dropped)})" if dropped else "")
    return f"{len(rows)} named: {len(good)} ok ({parts}), {lost}"


def usable(rows: Iterable[Row]) -> list[Row]:
    """The rows that are not dropped."""
    return [row for row in rows if row.status == "ok"]


def training(rows: Sequence[Row]) -> list[Row]:
    """The usable rows of the training split: what encoders are trained on. Raises InputError when there is none."""
    result = [row for row in usable(rows) if row.split == "train"]
    if not result:
        raise InputError("the index has no usable training video; look at its column `reason` and at dataset.split")
    return result


def classes(rows: Sequence[Row]) -> list[str]:
    """The class names of labelled rows, sorted: class c of a target is the c-th."""
    return sorted({row.label for row in rows} - {""})


def shard_of(id: str, shards: int) -> int:
    """The shard, 0 to shards - 1, of a video: a hash of its id, so that a new video moves no other."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little") % shards


def write(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV (UTF-8, "\\n"); equal rows give equal bytes."""
    with files.atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(_cells(row) for row in rows)


def read(path: str | Path) -> list[Row]:
    """Read what `write` wrote; a file that is absent or is not an index raises InputError that names the line."""
    return list(scan(path))


def scan(path: str | Path) -> Iterator[Row]:
    """The rows of `read`, one after the other, for who keeps few of very many."""

    def broken(error: Exception) -> InputError:
        return InputError(f"cannot read the index {path}: {getattr(error, 'strerror', None) or error}; make it again (target: index)")

    with files.reading(path, broken), Path(path).open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        if tuple(next(lines, [])) != COLUMNS:
            raise InputError(f"{path}:1: not an index, columns must be {','.join(COLUMNS)}; make it again (target: index)")
        for number, line in enumerate(lines, start=2):
            yield _row(path, number, line)


def _row(path: str | Path, number: int, line: list[str]) -> Row:
    """One row of the table from its text."""
    try:
        cells = {name: PARSERS.get(name, str)(cell) for name, cell in zip(COLUMNS, line, strict=True)}
        if cells["group"] == cells["id"]:
            cells["group"] = cells["id"]  # one text, not two
        return Row(**cells)
    except ValueError as error:
        raise InputError(f"{path}: row {number} is malformed ({error}); make it again (target: index)") from error


def _cells(row: Row) -> list[Any]:
    """The values of one row as they are written."""
    values = {name: getattr(row, name) for name in COLUMNS}
    labels = json.dumps(row.labels, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if row.labels else ""
    return list((values | {"labels": labels}).values())


def _labels(cell: str) -> dict[str, Label]:
    """Further labels from their cell; ValueError where they are none."""
    labels = json.loads(cell, parse_constant=_no_number) if cell else {}
    if not isinstance(labels, dict):
        raise ValueError(f"labels are {cell}, not a mapping")
    for name, label in labels.items():
        texts = label if isinstance(label, list) else []
        if isinstance(label, bool) or not isinstance(label, str | int | float | list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"the label {name!r} is {json.dumps(label)}, not a text, a number or a list of texts")
    return labels


WHOLE, REPEATED = ("frames", "steps", "width", "height"), ("label", "split", "clock", "status")
PARSERS: dict[str, Callable[[str], Any]] = {
    "labels": _labels,
    "fps": float,
    **dict.fromkeys(WHOLE, int),
    **dict.fromkeys(REPEATED, sys.intern),  # held once, whatever the number of rows
}
"""Column -> from its text to what it is; others are texts."""


def _no_number(text: str) -> float:
    """JSON of Python takes NaN and Infinity, which no label is."""
    raise ValueError(f"{text} is no number")
