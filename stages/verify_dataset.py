"""verify: whether a copy of a dataset is whole: what is missing, extra, unreadable or short.

in:  the folder of a dataset's videos, which is only read
out: a table on stdout (--csv FILE: all that is wrong, a row each); exit status 0: nothing is wrong, 1: something is, 2: a mistake in the call
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from videossl import registry, script
from videossl.data import verify_dataset
from videossl.errors import InputError


def main() -> None:
    args = _arguments()
    module = registry.module("datasets", args.name)
    report = verify_dataset.examine(module, args.root, args.split, _options(args.option), args.processes, progress=True)
    print(verify_dataset.table(report))
    if args.csv:
        verify_dataset.write_csv(args.csv, report)
    if report.problems:
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = script.parser(__doc__)
    parser.add_argument("name", help=f"of the dataset: {', '.join(registry.names('datasets'))}")
    parser.add_argument("root", type=Path, help="the folder of the copy")
    parser.add_argument("--split", type=int, help="the one split to look at; all if absent")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="one of the dataset's options; may be repeated")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--csv", type=Path, help="a file for all that is wrong")
    return script.read(parser)


def _options(given: list[str]) -> dict[str, Any]:
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


if __name__ == "__main__":
    script.run(main)
