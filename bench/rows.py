"""Tables of measurements: what was measured, as a ratio to a named baseline in the same run, beside what would be the limit.

A table is a function that yields rows; `main` runs the tables of a script one after the other and prints each row as it comes. With --json
the rows are kept there, and the same command goes on after the last whole table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch


class Row(NamedTuple):
    """One line of a table. `ratio` is how many times better than `baseline` the value is: 2 is twice as good, whatever the unit."""

    what: str
    value: float
    unit: str
    baseline: str = ""
    ratio: float | None = None
    limit: str = ""


Table = Callable[[bool], Iterator[Row]]
"""Whether sizes are tiny -> rows."""


def in_turn(*calls: Callable[[], object], rounds: int = 5) -> list[float]:
    """The median seconds of each call over `rounds`, all calls in turn; a first round is not counted. What a GPU has begun belongs to a call;
    without a GPU seconds are those of this process, since machines are shared."""
    taken = [[_seconds(call) for call in calls] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def _seconds(call: Callable[[], object]) -> float:
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    wait()
    start = clock()
    call()
    wait()
    return clock() - start


def wait() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def machine() -> str:
    """The card, or the processor and its threads, and torch."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} thread(s)"
    return f"{card}, torch {torch.__version__}"


def main(doc: str, tables: Mapping[str, Table]) -> None:
    """Measure and print the tables that the arguments name, or all."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(tables), default=list(tables), metavar="TABLE", help=", ".join(tables))
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds: to try the script, not to measure")
    parser.add_argument("--json", type=Path, help="where rows are kept; tables that are there are not measured again")
    args = parser.parse_args()
    kept = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    print(f"{machine()}\n\n| what | value | baseline | ratio | limit |\n| --- | --- | --- | --- | --- |", flush=True)
    for name in args.only:
        rows = (Row(*row) for row in kept[name]["rows"]) if name in kept else tables[name](args.tiny)
        measured = []
        for row in rows:
            print(shown(row), flush=True)
            measured.append(row)
        kept[name] = kept.get(name) or {"machine": machine(), "tiny": args.tiny, "rows": measured}
        if args.json:
            args.json.write_text(json.dumps(kept, indent=1))


def shown(row: Row) -> str:
    """A row in Markdown."""
    ratio = f"{row.ratio:.3g}" if row.ratio is not None else ""
    return f"| {row.what} | {row.value:,.4g} {row.unit} | {row.baseline} | {ratio} | {row.limit} |".replace("  ", " ")
