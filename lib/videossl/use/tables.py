"""Tables of features: one row a window of a video, as .parquet, .h5 or .csv; by which encoder they were made stands in the first two."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from videossl.data.cache import Sink
from videossl.errors import InputError
from videossl.files import atomic, reading
from videossl.use.model import Embedded

Add = Callable[[Sequence[Embedded]], None]
"""Writes the rows of one video."""

ROWS = 1024
"""Rows that parquet and HDF5 write at a time."""
STANDARD_OUTPUT = "-"
ABOUT = "videossl"
"""The key of the metadata, a JSON text: the encoder's name and digest, clips and window."""


@dataclass(frozen=True)
class Table:
    """Features of N windows: `videos`, seconds `start_s` and `end_s` (N,), `features` (N, D) float32, and what the file says `about` its encoder."""

    videos: list[str]
    start_s: np.ndarray
    end_s: np.ndarray
    features: np.ndarray
    about: dict[str, Any]


def check(path: str) -> None:
    """Raise InputError where a table cannot be written to `path`: its form is unknown."""
    suffix = Path(path).suffix
    if path != STANDARD_OUTPUT and suffix not in WRITERS:
        raise InputError(
            f"{path}: a table of features is {', '.join(WRITERS)}, or - for CSV on standard output; choose one by the name's end"
        )


@contextlib.contextmanager
def written(path: str, about: dict[str, Any]) -> Iterator[Add]:
    """Write a table to `path` video by video; it is there when the block ends well, and not before. Raises InputError on a full disk.

    about: what it says of the encoder, as JSON takes it.
    """
    if path == STANDARD_OUTPUT:
        yield _lines(sys.stdout)
        return
    with atomic(path) as temporary, WRITERS[Path(path).suffix](temporary, about) as add:
        yield add


def read(path: str | Path) -> Table:
    """Read a table of `written` from `path`; raises InputError for one that is damaged, absent, or does not say by which encoder it was made."""
    path = Path(path)
    if path.suffix not in READERS:
        raise InputError(f"{path}: give a table that says by which encoder it was made, {' or '.join(READERS)}")
    with reading(path, lambda error: InputError(f"cannot read features {path}: {' '.join(str(error).split())}; embed the videos again")):
        return READERS[path.suffix](path)


@contextlib.contextmanager
def _csv(path: Path, about: dict[str, Any]) -> Iterator[Add]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _lines(file)


def _lines(file: IO[str]) -> Add:
    """Rows as CSV, with a header before the first: video, start_s, end_s, f0, f1, ..."""
    table, empty = csv.writer(file, lineterminator="\n"), [True]

    def add(rows: Sequence[Embedded]) -> None:
        if empty.pop() if empty else False:
            table.writerow(["video", "start_s", "end_s", *(f"f{i}" for i in range(len(rows[0].features)))])
        table.writerows([row.video, row.start_s, row.end_s, *row.features] for row in rows)
        file.flush()

    return add


@contextlib.contextmanager
def _h5(path: Path, about: dict[str, Any]) -> Iterator[Add]:
    """Datasets videos, start_s, end_s, features; the attribute `videossl`."""
    with Sink(path) as sink, h5py.File(sink, "w") as file:
        file.attrs[ABOUT] = json.dumps(about, sort_keys=True)

        def write(rows: Sequence[Embedded]) -> None:
            if "videos" not in file:
                text, width = h5py.string_dtype("utf-8"), len(rows[0].features)
                for name, kind, shape in (("videos", text, ()), ("start_s", "f8", ()), ("end_s", "f8", ()), ("features", "f4", (width,))):
                    file.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(ROWS, *shape))
            for name, values in zip(("videos", "start_s", "end_s", "features"), zip(*rows, strict=True), strict=True):
                data = file[name]
                data.resize(len(data) + len(rows), axis=0)
                data[-len(rows) :] = list(values) if name == "videos" else np.asarray(values)
            sink.check()

        with _in_blocks(write) as add:
            yield add


@contextlib.contextmanager
def _parquet(path: Path, about: dict[str, Any]) -> Iterator[Add]:
    """Columns video, start_s, end_s, features (a list of fixed size); the key `videossl` of the schema's metadata."""
    import pyarrow as arrow
    from pyarrow import parquet

    with contextlib.ExitStack() as stack:
        writer: list[Any] = []

        def write(rows: Sequence[Embedded]) -> None:
            values = np.stack([row.features for row in rows])
            kinds = {"video": arrow.string(), "start_s": arrow.float64(), "end_s": arrow.float64()}
            schema = arrow.schema({**kinds, "features": arrow.list_(arrow.float32(), values.shape[1])})
            if not writer:
                said = {ABOUT: json.dumps(about, sort_keys=True)}
                writer.append(stack.enter_context(parquet.ParquetWriter(path, schema.with_metadata(said))))
            features = arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])
            columns = [[row.video for row in rows], [row.start_s for row in rows], [row.end_s for row in rows]]
            arrays = [arrow.array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)]
            writer[0].write_table(arrow.Table.from_arrays([*arrays, features], schema=writer[0].schema))

        with _in_blocks(write) as add:
            yield add


@contextlib.contextmanager
def _in_blocks(write: Add) -> Iterator[Add]:
    """Gather the rows of videos until there are ROWS of them; what is left when the block ends well is written then."""
    waiting: list[Embedded] = []

    def add(rows: Sequence[Embedded]) -> None:
        waiting.extend(rows)
        if len(waiting) >= ROWS:
            write(waiting)
            waiting.clear()

    yield add
    if waiting:
        write(waiting)


def _of_h5(path: Path) -> Table:
    with h5py.File(path) as file:
        about = json.loads(file.attrs[ABOUT])
        return Table(list(file["videos"].asstr()[:]), file["start_s"][:], file["end_s"][:], file["features"][:], about)


def _of_parquet(path: Path) -> Table:
    from pyarrow import parquet

    table = parquet.read_table(path)
    videos, start, end, features = (table[name].combine_chunks() for name in ("video", "start_s", "end_s", "features"))
    numbers = features.flatten().to_numpy().reshape(len(videos), -1)
    return Table(videos.to_pylist(), start.to_numpy(), end.to_numpy(), numbers, json.loads(table.schema.metadata[ABOUT.encode()]))


WRITERS = {".parquet": _parquet, ".h5": _h5, ".csv": _csv}
READERS = {".parquet": _of_parquet, ".h5": _of_h5}
