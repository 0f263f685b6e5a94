"""Free space of a disk, and sizes as people read them."""

from __future__ import annotations

import shutil
from pathlib import Path

from videossl.errors import InputError


def text(size: float) -> str:
    """A number of bytes in a unit of 1000: "6.93 GB"."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def free(folder: Path) -> int:
    """The bytes that may still be written below `folder`, which must exist."""
    return shutil.disk_usage(folder).free


def need(folder: Path, size: int, what: str) -> None:
    """Raise InputError unless `size` bytes for `what` fit on the disk of `folder`."""
    if size > (left := free(folder)):
        raise InputError(f"{what} needs {text(size)}, but {folder} has {text(left)} free; free {text(size - left)} and run again")
