"""verify: whether a copy of a dataset is whole."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from videossl import registry
from videossl.errors import InputError


@click.command(epilog="Example: videossl verify ucf101 path/to/ucf101 --split 1 --csv problems.csv")
@click.argument("name")
@click.argument("root", type=click.Path(path_type=Path), required=False)
@click.option("--split", type=int, help="The one split to look at; all if absent.")
@click.option("--lists", type=click.Path(path_type=Path), help="The folder of the official split lists, when not under ROOT.")
@click.option("--option", multiple=True, metavar="KEY=VALUE", help="One of the dataset's options; may be repeated.")
@click.option("--processes", type=click.IntRange(1), default=len(os.sched_getaffinity(0)), show_default=True, help="As many at once.")
@click.option("--csv", type=click.Path(path_type=Path), help="A file for all that is wrong, a row each.")
def command(
    name: str, root: Path | None, split: int | None, lists: Path | None, option: Sequence[str], processes: int, csv: Path | None
) -> None:
    """Look whether a copy of a dataset is whole.

    It says what of the dataset NAME is missing, extra, unreadable or short.

    ROOT is the folder of the copy, which is only read; data/raw/NAME if absent. Exit status 0: nothing is wrong; 1: something is.
    """
    from videossl.data import verify_dataset

    module = registry.module("datasets", name)
    options = _options(option) | ({"lists": str(lists.resolve())} if lists else {})
    report = verify_dataset.examine(module, root or Path("data/raw", name), split, options, processes, progress=True)
    print(verify_dataset.table(report))
    if csv:
        verify_dataset.write_csv(csv, report)
    if report.problems:
        sys.exit(1)


def _options(given: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE texts as options: a value that is JSON (a number, a list) is taken as such."""
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--option {text}: give it as KEY=VALUE")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options
