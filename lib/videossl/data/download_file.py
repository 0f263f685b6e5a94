"""One file over HTTP: several mirrors, resumed where it was cut, checked before it gets its name.

While it is incomplete it lies beside its place as NAME.part, with NAME.part.json, which says what it is a part of. A part is
continued where the SHA-256 of the whole is known, whichever mirror it came from, since that finds any mix of two files; else only
where the same mirror still has the same file by its ETag or date. All else starts anew.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videossl import files
from videossl.data import disk
from videossl.errors import InputError

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger(__name__)

CONNECT, READ = 20, 60
"""Seconds to wait for a connection, and for the next bytes."""

TRIES = 4
"""The number of times in a row that a mirror may get no further before the next one is asked."""

PAUSE = 1.0
"""Seconds before the second try; each further wait is twice as long."""

SAID = 30.0
"""Seconds between two lines of progress where there is no terminal."""

BLOCK = 1 << 16


class _RefusedError(Exception):
    """This mirror will not do; the next one may."""


class _CutError(Exception):
    """The transfer broke off; the same mirror may do yet."""


def fetch(urls: Sequence[str], path: Path, size: int | None, sha256: str | None, progress: bool) -> str:
    """Have the file of `size` bytes and `sha256` (None: unknown) at `path`, from the first of `urls` that gives it; its hex SHA-256.

    A file that is there already is checked, not fetched again. InputErrors: it is another file; no mirror has it (each with
    its reason), too little space for it, or it cannot be written. What was fetched until then stays, and the next call goes on from there.
    """
    part = _Part(path, size, sha256, progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            try:
                return part.checked(path)
            except _RefusedError as wrong:
                # a person put it there: what is fetched gets this name only once it is right
                way_out = f"remove it or, if it is the beginning of the right file, rename it to {part.path.name}"
                raise InputError(f"{path} {wrong}: {way_out}, and run again") from wrong
        return _from_mirrors(urls, part)
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"cannot write {path}: {why}; check space and permissions, then run again: it goes on") from error


def _from_mirrors(urls: Sequence[str], part: _Part) -> str:
    reasons = []
    for url in urls:
        try:
            digest = _from_mirror(url, part)
        except _RefusedError as reason:
            log.warning("%s: %s", url, reason)
            reasons.append(f"{url}: {reason}")
        else:
            part.path.replace(part.whole)
            part.note.unlink(missing_ok=True)
            return digest
    tried = "; ".join(reasons) or "no address of it is known"
    way_out = f"fetch it by hand and put it at {part.whole}, or name another mirror (dataset option mirrors)"
    raise InputError(f"cannot fetch {part.whole.name}: {tried}; {way_out}")


def _from_mirror(url: str, part: _Part) -> str:
    """Complete the part from `url`; its SHA-256. A whole that is wrong is removed and, if it was begun earlier, made once anew."""
    if not url.lower().startswith(("http://", "https://")):
        raise _RefusedError("only http and https are known")
    while True:
        resumed = part.length() > 0
        _complete(url, part)
        try:
            return part.checked(part.path)
        except _RefusedError:
            part.drop()
            if not resumed:
                raise


def _complete(url: str, part: _Part) -> None:
    """Ask `url` until the part is whole, going on after each cut; gives up after TRIES in a row that get no further than before."""
    furthest, tries = part.length(), 0
    while not (part.sha256 and part.length() == part.size):
        try:
            return _ask(url, part)
        except _CutError as cut:
            if part.length() > furthest:
                furthest, tries = part.length(), 0
            tries += 1
            if tries >= TRIES:
                raise _RefusedError(f"{cut} ({tries} times)") from cut
            log.info("%s: %s at %s; trying again", url, cut, disk.text(part.length()))
            time.sleep(PAUSE * 2 ** (tries - 1))


def _ask(url: str, part: _Part) -> None:
    """One request for what is missing; returns when the part is whole."""
    import requests

    note = part.read_note()
    start = part.length() if part.sha256 or (note.get("url") == url and note.get("validator")) else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "videossl"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if not part.sha256:  # where the whole can be checked, let a mirror call one file by the ETags of its many machines
            headers["If-Range"] = note["validator"]
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT, READ)) as response:
            _receive(url, response, part, start)
    except requests.exceptions.SSLError as error:
        raise _RefusedError(f"its certificate is not accepted ({_why(error)})") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _CutError(_why(error)) from error
    except requests.RequestException as error:
        raise _RefusedError(_why(error)) from error


def _receive(url: str, response: Response, part: _Part, start: int) -> None:
    """Take what the server sends: from byte `start`, as asked for, or the whole anew."""
    status = response.status_code
    if status in (408, 429) or status >= 500:
        raise _CutError(f"HTTP {status} {response.reason}")
    first, total = _extent(response)
    if status == 416 and start:
        if total == start:
            return  # it was whole
        part.drop()
        raise _CutError("HTTP 416, it is shorter than what was fetched")
    if status not in (200, 206):
        raise _RefusedError(f"HTTP {status} {response.reason}")
    if part.size is not None and total not in (None, part.size):
        raise _RefusedError(f"it has {total} bytes there, not {part.size}")
    total = part.size if total is None else total
    note = {"url": url, "validator": _validator(response), "size": total}
    if first not in (0, start) or (first and not part.sha256 and note != part.read_note()):
        part.drop()
        raise _CutError("another part came than was asked for")
    if not first:
        part.drop()
    files.write_json(part.note, note)
    _append(response, part, first or 0, total)


def _append(response: Response, part: _Part, start: int, total: int | None) -> None:
    """Write the body behind the `start` bytes that are there; raises InputError where it does not fit."""
    from urllib3.exceptions import HTTPError

    if total is not None:
        disk.need(part.path.parent, total - start, f"the rest of {part.whole.name} ({disk.text(start)} are there)")
    length = start
    try:
        with part.path.open("ab" if start else "wb") as file, _progress(part, start, total) as count:
            # not decoded: some servers call a .tar.gz a tar that they compressed on the way
            for block in response.raw.stream(BLOCK, decode_content=False):
                length += len(block)
                if total is not None and length > total:
                    raise _RefusedError(f"it sends more than {total} bytes")
                file.write(block)
                count(len(block))
    except HTTPError as error:
        raise _CutError(f"the transfer was cut ({_why(error)})") from error
    if total is not None and length < total:
        raise _CutError("the transfer was cut")


def _extent(response: Response) -> tuple[int | None, int | None]:
    """First byte sent and size of the whole file, as the headers say; None where they do not."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    # bytes 100-199/200, or bytes */200
    extent, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    first = extent.partition("-")[0]
    return int(first) if first.isdecimal() else None, int(total) if total.isdecimal() else None


def _validator(response: Response) -> str:
    """Give the mark of this version of the file, as If-Range takes it: a strong ETag, else its date, else ""."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _why(error: Exception) -> str:
    """The innermost cause that says something: what people read of five nested exceptions."""
    chain: list[BaseException] = [error]
    for cause in chain:
        nested = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        chain.extend(inner for inner in nested if isinstance(inner, BaseException) and inner not in chain)
    messages = [cause.strerror for cause in chain if isinstance(cause, OSError) and cause.strerror]
    return messages[0] if messages else str(chain[-1]) or type(chain[-1]).__name__


@dataclass(frozen=True)
class _Part:
    """The part of the file `whole` that is there so far, beside it."""

    whole: Path
    size: int | None  # bytes that the whole must have
    sha256: str | None  # and its SHA-256
    show: bool

    @property
    def path(self) -> Path:
        return self.whole.with_name(f"{self.whole.name}.part")

    @property
    def note(self) -> Path:
        return self.whole.with_name(f"{self.whole.name}.part.json")

    def length(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def read_note(self) -> dict[str, Any]:
        """Read the origin of the part: url, validator, size; {} where that is not known."""
        return dict(files.read_json(self.note)) if self.note.exists() else {}

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def checked(self, path: Path) -> str:
        """The SHA-256 of the file at `path`, if that and its size are as they must be."""
        if self.size is not None and path.stat().st_size != self.size:
            raise _RefusedError(f"has {path.stat().st_size} bytes, not {self.size}")
        digest = files.sha256(path)
        if self.sha256 and digest != self.sha256:
            raise _RefusedError(f"has the SHA-256 {digest}, not {self.sha256}")
        return digest


@contextlib.contextmanager
def _progress(part: _Part, start: int, total: int | None) -> Iterator[Callable[[int], object]]:
    """Give a function to call with each number of bytes that came: a bar on a terminal, else a line in the log now and then."""
    if not part.show:
        yield lambda count: None
    elif sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.whole.name) as bar:
            yield bar.update
    else:
        lines = _Lines(part.whole.name, start, total)
        yield lines.add
        lines.say()


class _Lines:
    """Says how far a transfer is and at what rate, at most once in SAID seconds."""

    def __init__(self, name: str, start: int, total: int | None) -> None:
        self.name, self.start, self.length, self.total = name, start, start, total
        self.began = self.said = time.monotonic()

    def add(self, count: int) -> None:
        self.length += count
        if time.monotonic() - self.said >= SAID:
            self.say()

    def say(self) -> None:
        self.said = time.monotonic()
        rate = (self.length - self.start) / max(self.said - self.began, 1e-3)
        whole = "" if self.total is None else f" of {disk.text(self.total)}"
        log.info("%s: %s%s, %s a second", self.name, disk.text(self.length), whole, disk.text(rate))
