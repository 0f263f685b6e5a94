"""An HTTP server on the loopback that can be told to misbehave, and archives that no honest tool makes."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """How one request for a file is answered; by default as it should be."""

    status: int = 0  # this status, and no file
    cut: int | None = None  # the connection ends after so many bytes of the body
    hold: int | None = None  # after so many bytes of the body nothing comes until the server is told to go on
    ranges: bool = True  # Range is understood
    conditions: bool = True  # If-Range is understood
    shift: int = 0  # the part sent begins so many bytes behind the one asked for
    length: bool = True  # says how long the body is
    claim: int | None = None  # says that it is so long
    location: str = ""  # sends elsewhere


@dataclass
class Server:
    """What is served, and what was asked for."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)  # of the first requests for a file
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)  # name, Range, If-Range
    holds: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def url(self, name: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        state, name = self.server.state, self.path.lstrip("/")
        asked = self.headers.get("Range")
        state.requests.append((name, asked, self.headers.get("If-Range")))
        waiting = state.answers.get(name)
        answer = waiting.pop(0) if waiting else Answer()
        data = state.files.get(name)
        self.close_connection = True
        if answer.location:
            return self._say(302, {"Location": answer.location}, b"")
        if answer.status or data is None:
            return self._say(answer.status or 404, {}, b"not what you wanted")
        etag = state.etags.get(name)
        headers = {"ETag": f'"{etag}"'} if etag else {}
        changed = answer.conditions and self.headers.get("If-Range") not in (None, headers.get("ETag"))
        if not asked or not answer.ranges or changed:
            return self._say(200, headers, data, answer)
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        if first >= len(data):
            return self._say(416, {"Content-Range": f"bytes */{len(data)}"}, b"")
        first = min(first + answer.shift, len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return self._say(206, headers, data[first:], answer)

    def _say(self, status: int, headers: dict[str, str], body: bytes, answer: Answer = Answer()) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.length:
            self.send_header("Content-Length", str(len(body) if answer.claim is None else answer.claim))
        self.send_header("Connection", "close")
        self.end_headers()
        if answer.hold is not None:
            self.wfile.write(body[: answer.hold])
            self.wfile.flush()
            self.server.state.holds.set()
            self.server.state.go_on.wait(60)
            body = body[answer.hold :]
        self.wfile.write(body[: answer.cut])

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Http(ThreadingHTTPServer):
    state: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server of nothing yet, ended with the block."""
    http = _Http(("127.0.0.1", 0), _Handler)
    http.state = Server(http.server_address[1])
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield http.state
    finally:
        http.state.go_on.set()
        http.shutdown()
        thread.join()
        http.server_close()


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    """Until it is so; much less than `seconds`, unless something is wrong."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


# ------------------------------------------------------------------------------------------------------------
# Rar: no free tool writes it. Stored members only; layout as in the technical note of the format (RAR 4.x, RAR 5.0).


@dataclass(frozen=True)
class Rar:
    """One member, as the archive's headers say it is."""

    name: str | bytes
    data: bytes = b""
    mode: int = 0o100644
    size: int | None = None  # unpacked, if it is to be another than that of the data
    crc: int | None = None
    folder: bool = False
    encrypted: bool = False
    hard_link: str = ""  # RAR 5 alone


def rar4(*members: Rar, encrypted: bool = False, end: bool = True) -> bytes:
    """An archive of version 4. A name of bytes is written as it is, without a statement of its encoding."""
    blocks = [_block4(0x73, 0x80 if encrypted else 0, bytes(6))]
    for member in members:
        name, flags = (member.name, 0) if isinstance(member.name, bytes) else _name4(member.name)
        flags |= 0x8000 | (0xE0 if member.folder else 0) | (0x4 if member.encrypted else 0)
        size = len(member.data) if member.size is None else member.size
        crc = zlib.crc32(member.data) if member.crc is None else member.crc
        large = struct.pack("<LL", 0, size >> 32) if size >> 32 else b""
        flags |= 0x100 if large else 0
        fields = struct.pack(
            "<LLBLLBBHL",
            len(member.data),
            size & 0xFFFFFFFF,
            3,
            crc,
            0x5A210000,
            20,
            0x30,
            len(name),
            0o40755 if member.folder else member.mode,
        )
        blocks.append(_block4(0x74, flags, fields + large + name) + member.data)
    return b"Rar!\x1a\x07\x00" + b"".join(blocks) + (_block4(0x7B, 0x4000, b"") if end else b"")


def _block4(kind: int, flags: int, body: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def _name4(name: str) -> tuple[bytes, int]:
    """A name and the flag of its encoding: with backslashes, as the format has them, and UTF-16 packed behind an ASCII guess."""
    name = name.replace("/", "\\")
    if name.isascii():
        return name.encode(), 0
    packed = bytearray([0])
    for start in range(0, len(name), 4):
        four = name[start : start + 4]
        packed.append(sum(0b10 << (6 - 2 * place) for place in range(len(four))))  # 10: both bytes follow
        packed += four.encode("utf-16-le")
    return name.encode("ascii", "replace").replace(b"?", b"_") + b"\0" + bytes(packed), 0x200


def rar5(*members: Rar) -> bytes:
    """An archive of version 5."""
    blocks = [_block5(1, _vint(0))]
    for member in members:
        assert isinstance(member.name, str)
        name = member.name.encode()
        size = len(member.data) if member.size is None else member.size
        link = b""
        if member.hard_link:
            fields = _vint(5) + _vint(4) + _vint(0) + _vint(len(member.hard_link)) + member.hard_link.encode()
            link = _vint(len(fields)) + fields
        crc = struct.pack("<L", zlib.crc32(member.data) if member.crc is None else member.crc)
        fields = (
            _vint(1 if member.folder else 4)
            + _vint(size)
            + _vint(0o40755 if member.folder else member.mode)
            + (b"" if member.folder else crc)
        )
        fields += _vint(0) + _vint(1) + _vint(len(name)) + name
        blocks.append(_block5(2, fields, link, member.data))
    return b"Rar!\x1a\x07\x01\x00" + b"".join(blocks) + _block5(5, _vint(0))


def _block5(kind: int, fields: bytes, extra: bytes = b"", data: bytes | None = None) -> bytes:
    flags = (1 if extra else 0) | (0 if data is None else 2)
    sizes = (_vint(len(extra)) if extra else b"") + (b"" if data is None else _vint(len(data)))
    head = _vint(kind) + _vint(flags) + sizes + fields + extra
    sized = _vint(len(head)) + head
    return struct.pack("<L", zlib.crc32(sized)) + sized + (data or b"")


def _vint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])
