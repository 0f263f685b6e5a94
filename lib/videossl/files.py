"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from videossl.errors import InputError

VIDEOS = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg", ".mpeg", ".m4v", ".3gp", ".3g2", ".wmv", ".asf", ".flv", ".ts", ".mts", ".m2ts", ".vob", ".ogv", ".gif")  # fmt: skip
"""The ends of names by which files are taken for videos; how one is read its contents say."""

TORCHVISION = "torchvision:"
"""The beginning of a name of weights that are no file, but a model of torchvision."""

NOT_NOW = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.ENOLCK}
    | {errno.EINTR, errno.ENOMEM, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO, errno.ENOTCONN, errno.EHOSTDOWN}
)
"""The errors of a system that cannot read a file at present. They say nothing of what is in it."""


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it is flushed and renamed to `path`.

    When the block fails the temporary file is removed and `path` is what it was. A folder that cannot be written or
    a full disk raises InputError. What a killed process left of the same `path` is removed first.
    """
    path = Path(path)
    prefix = f".{path.name}.{platform.node()}."  # with the machine: a cluster shares the disk, not the process numbers
    temporary = path.with_name(f"{prefix}{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path.parent, prefix)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename and Path(error.filename).name not in (path.name, temporary.name, path.parent.name):
            raise InputError(f"cannot read {error.filename} for {path}: {error.strerror or error}") from error
        raise InputError(f"cannot write {path}: {error.strerror or error}; check space and permissions") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_left(folder: Path, prefix: str) -> None:
    """Remove the temporary files `prefix`PID.part of processes of this machine that are no more."""
    for path in folder.iterdir():
        process = path.name.removeprefix(prefix).removesuffix(".part")
        if path.name == f"{prefix}{process}.part" and process.isdecimal() and not _runs(int(process)):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """True where a process runs; one that ended and was never waited for, as in a container, does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's, or no /proc here
    return state != "Z"


def walk(root: str | Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder at and below `root` with the names of its files, sorted. Names that start with a dot are left out.

    Links to folders are followed, so two names of one folder are two folders. A link back to a folder that it lies in is not followed, nor,
    behind a link, a link to a folder that was seen before: the walk ends. A folder that cannot be read raises InputError.
    """
    seen: set[str] = set()

    def below(folder: Path, above: frozenset[str], is_link: bool, behind_link: bool) -> Iterator[tuple[Path, list[str]]]:
        real = os.path.realpath(folder)
        if real in above or (behind_link and is_link and real in seen):
            return
        seen.add(real)
        with reading(folder, lambda error: InputError(f"cannot read the folder {folder}: {error}")):
            entries = sorted((entry for entry in os.scandir(folder) if entry.name[0] != "."), key=lambda entry: entry.name)
        yield folder, [entry.name for entry in entries if not entry.is_dir()]
        for entry in entries:
            if entry.is_dir():
                yield from below(folder / entry.name, above | {real}, entry.is_symlink(), is_link or behind_link)

    if Path(root).is_dir():
        yield from below(Path(root), frozenset(), False, False)  # a root that is a link is as good as its folder


def sha256(*paths: str | Path) -> str:
    """The hex SHA-256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON with sorted keys, so that equal values are equal bytes."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; one that is absent or damaged raises InputError that names it."""
    with reading(path, lambda error: InputError(f"cannot read {path}: {error}; delete it and run again")):
        return json.loads(Path(path).read_text(encoding="utf-8"))


@contextlib.contextmanager
def reading(path: str | Path, broken: Callable[[Exception], InputError]) -> Iterator[None]:
    """Read `path` in this block. An error ends in `broken` where the file is absent or damaged.

    A file that cannot be read now (permission, disk, lock, too many open files) may be whole. That is another line, without advice to delete it.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the readers of formats answer damage with all kinds of errors
        if why := _not_now(Path(path), error):
            raise InputError(
                f"{path} cannot be read now ({why}); nothing was changed: mend that, then run the same command again"
            ) from error
        raise broken(error) from error


def _not_now(path: Path, error: Exception) -> str:
    """The reason why a file cannot be read at present, of `error` or of another try; "" where its contents are at fault, or it is absent.

    safetensors calls a file absent that it may not read.
    """
    if isinstance(error, OSError) and error.errno in NOT_NOW:
        return os.strerror(error.errno)
    try:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as again:
        return os.strerror(again.errno) if again.errno in NOT_NOW else ""
    return ""
