"""Results of work on many files, on disk as they come: a run that is killed goes on from there.

One JSON entry a line, `["KEY", VALUE]`, added as results come. Deleting the file loses time and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any


def add(path: Path, key: str, value: Any) -> None:
    """Add an entry; `value` is what JSON holds. Raises OSError where the file cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = json.dumps([key, value], ensure_ascii=False)
    # One write to the end, so that two runs at once do not mix their lines. The line end comes first: should the entry
    # before be torn, it stays alone.
    with path.open("ab", buffering=0) as file:
        file.write(f"\n{entry}".encode())


def read(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """The last value of each of `keys` that has an entry. Lines that are no entries are passed over. Raises OSError."""
    values = {}
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                key, value = _entry(line)
                if key in keys:
                    values[key] = value
    return values


def _entry(line: bytes) -> tuple[str, Any]:
    """(key, value) of a line; ("", None) where it is torn, empty or something else."""
    try:
        key, value = json.loads(line)
    except (ValueError, TypeError):
        return "", None
    return str(key), value
