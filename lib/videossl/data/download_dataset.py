"""A dataset's archives, fetched and unpacked into the folder where the pipeline keeps it.

What is unpacked whole is written down in .obtained.json there, so that it is not fetched again. A folder that holds the dataset
without that file was filled by a person and is left as it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from videossl import files
from videossl.data import disk, download_file, listing, unpack_archive
from videossl.data.listing import Archive
from videossl.errors import InputError

log = logging.getLogger(__name__)

RECORD = ".obtained.json"
LOCK = ".lock"

UNPACKED = 1.1
"""Bytes of videos to a byte of their archive: a codec leaves nothing to pack. Only for the warning before anything starts."""


def obtain(module: Any, root: Path, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Have in the folder `root` all ARCHIVES of a dataset's `module`: name, url, size and sha256 of each archive.

    Each base URL in the option `mirrors` is tried before an archive's own addresses. `url` is the first of these: the
    hash says what was obtained. A folder that the module's check is content with, and that this did not fill, gives [].
    InputErrors: those of fetch and unpack, too little space, another process that is at it, or a check that fails in the end.
    """
    if not (root / RECORD).exists() and _complete(module, root):
        log.info("%s: %s is there already", module.NAME, root)
        return []
    if _missing(module, _obtained(root)) or _left(module, root):
        with _alone(root):
            _fill(module, root, options)
    try:
        module.check(root)
    except InputError as error:
        raise InputError(f"{error}; its archives were unpacked there: to fetch them again delete {root / RECORD}") from error
    order = [archive.name for archive in module.ARCHIVES]
    return sorted((record for record in _obtained(root) if record["name"] in order), key=lambda record: order.index(record["name"]))


def _complete(module: Any, root: Path) -> bool:
    try:
        module.check(root)
    except InputError:
        return False
    return True


def _obtained(root: Path) -> list[dict[str, Any]]:
    """The archives that were completely unpacked into `root`."""
    return list(files.read_json(root / RECORD)) if (root / RECORD).exists() else []


def _missing(module: Any, obtained: Sequence[Mapping[str, Any]]) -> list[Archive]:
    """The archives that are still to be unpacked; another one of the same name does not count."""
    hashes = {record["name"]: record["sha256"] for record in obtained}
    return [archive for archive in module.ARCHIVES if archive.name not in hashes or archive.sha256 not in (None, hashes[archive.name])]


def _fill(module: Any, root: Path, options: Mapping[str, Any]) -> None:
    """Fetch and unpack what is missing, one archive after the other; each is removed once it is written down."""
    obtained = _obtained(root)
    missing = _missing(module, obtained)
    if missing:
        _announce(module, root, missing)
    for archive in module.ARCHIVES:
        path = root / archive.name
        if archive in missing:
            mirrors = [f"{mirror.rstrip('/')}/{quote(archive.name)}" for mirror in options.get("mirrors", [])]
            sha256 = download_file.fetch([*mirrors, *archive.urls], path, archive.size, archive.sha256, progress=True)
            files.write_json(root / RECORD, obtained)  # from now on the folder is not a person's
            _unpack(path, root / archive.into, archive.nested)
            url = archive.urls[0] if archive.urls else ""
            new = {"name": archive.name, "url": url, "size": path.stat().st_size, "sha256": sha256}
            obtained = [record for record in obtained if record["name"] != archive.name] + [new]
            files.write_json(root / RECORD, obtained)
        path.unlink(missing_ok=True)


def _left(module: Any, root: Path) -> bool:
    """True where an archive is still there: this was killed before it removed it."""
    return any((root / archive.name).exists() for archive in module.ARCHIVES)


def _unpack(path: Path, folder: Path, nested: bool) -> None:
    """Unpack an archive into `folder` and, if it holds archives, those beside themselves; they are removed."""
    unpack_archive.unpack(path, folder)
    for name in listing.find(folder, unpack_archive.SUFFIXES) if nested else []:
        unpack_archive.unpack(folder / name, (folder / name).parent)
        (folder / name).unlink()


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder's lock. It ends with the process, however that ends."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise InputError(f"{root}: another download is at work there; wait until it ends, then run again") from error
    except OSError as error:
        raise InputError(f"cannot write to {root}: {error.strerror or error}; check permissions") from error


def _announce(module: Any, root: Path, missing: Sequence[Archive]) -> None:
    """Say what will be fetched, under which licence; raises InputError if it will not fit."""
    names = ", ".join(f"{archive.name} ({'size not known' if archive.size is None else disk.text(archive.size)})" for archive in missing)
    log.info("%s: fetching %s into %s", module.NAME, names, root)
    log.info("%s: licence: %s", module.NAME, module.LICENCE)
    needed = _space(root, missing)
    log.info("%s: about %s are needed, %s are free", module.NAME, disk.text(needed), disk.text(disk.free(root)))
    disk.need(root, needed, f"{module.NAME}: fetching and unpacking")


def _space(root: Path, missing: Sequence[Archive]) -> int:
    """The bytes that the disk needs, about: each archive lies there while it is unpacked, beside the contents of those before."""
    most = unpacked = 0
    for archive in missing:
        size = archive.size or 0
        on_disk = sum(path.stat().st_size for path in (root / archive.name, root / f"{archive.name}.part") if path.exists())
        unpacked += int(size * UNPACKED)
        most = max(most, unpacked + size - on_disk)
    return most
