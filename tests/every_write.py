"""Jobs that are struck at each of their writes, flushes and renames: called in a run's folder with a file of its jobs.

One process that has loaded all forks a child for each blow. A job is {"command": ["stages/x.py", ...], "made": [paths]}; `made` are removed before
it runs, as Snakemake does. Each blow is told as a line of JSON on stdout: the job, the blow, and what is wrong (nothing, as a rule).
"""

from __future__ import annotations

import builtins
import errno
import gc
import importlib
import io
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from videossl import job_code, registry, script

KINDS = {"write": "write", "fsync": "flush", "replace": "rename", "rename": "rename", "link": "rename"}
LATER = (
    "av",
    "torch._dynamo",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "torch.utils.tensorboard",
    "sklearn.manifold",
    "safetensors.torch",
    "videossl.report.run_page",
    *(f"videossl.{kind}.{name.replace('-', '_')}" for kind in registry.KINDS for name in registry.names(kind)),
)
"""Modules that jobs load late: in a child each would be loaded anew."""


class Blow:
    """The `number`-th of a kind of calls strikes: it fails, with an error of the disk, or the process is killed, half of the bytes written."""

    def __init__(self, kind: str, number: int, deadly: bool, struck: int) -> None:
        self.kind, self.number, self.deadly, self.struck = kind, number, deadly, struck
        self.seen: Counter[str] = Counter()

    def falls(self, kind: str) -> bool:
        self.seen[kind] += 1
        return (kind, self.seen[kind]) == (self.kind, self.number)

    def strike(self) -> NoReturn:
        os.write(self.struck, b"!")
        if self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def arm(blow: Blow) -> None:
    """Have all that this process writes below data/ go through `blow`."""

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            if blow.falls("write"):
                half = memoryview(data).cast("B")
                super().write(half[: len(half) // 2])
                blow.strike()
            return super().write(data)

    def opened(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if not set(mode) & set("wax+") or not isinstance(file, str | Path) or "data" not in Path(file).parts:
            return really(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline)

    def through(call: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def struck(*args: Any, **options: Any) -> Any:
            return blow.strike() if blow.falls(kind) else call(*args, **options)

        return struck

    really = io.open
    io.open = builtins.open = opened  # type: ignore[assignment]
    for name in ("fsync", "replace", "rename", "link"):
        setattr(os, name, through(getattr(os, name), KINDS[name]))


def run(command: list[str], blow: tuple[str, int, bool] | None) -> tuple[int, str, bool]:
    """A job in a process of its own: its exit status (that of a signal is negative), what it said, and whether the blow fell."""
    read, write = os.pipe()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            if blow:
                arm(Blow(*blow, write))
            status = 70
            try:
                sys.argv = command
                script.run(importlib.import_module(f"stages.{Path(command[0]).stem}").main)
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        os.close(write)
        struck = os.read(read, 1) == b"!"
        os.close(read)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return status, said.read(), struck


def files(*places: str) -> dict[str, bytes]:
    """The bytes of all files in `places`. A file is read again where its state has changed."""
    inside = [path for place in map(Path, places) for path in ([place] if place.is_file() else place.rglob("*"))]
    return {str(path): _bytes(path, path.stat().st_ino, path.stat().st_ctime_ns) for path in sorted(inside) if path.is_file()}


@cache
def _bytes(path: Path, inode: int, changed: int) -> bytes:
    return path.read_bytes()


def clear(made: list[str]) -> None:
    """Remove what the job makes, and the scratch."""
    for place in map(Path, (*made, "data/scratch")):
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)


def wrong(job: Mapping[str, Any], wanted: Mapping[str, bytes], before: Mapping[str, bytes], status: int, said: str, deadly: bool) -> str:
    """What is wrong after a blow; "" as a rule. wanted: the files that the job makes; before: all others."""
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    now = files("data")
    made = {path: content for path, content in now.items() if path not in before and "scratch" not in Path(path).parts}
    torn = [path for path, content in made.items() if content != wanted.get(path) and not (deadly and path.endswith(".part"))]
    if torn or any(now.get(path) != content for path, content in before.items()):
        return f"torn: {torn}, status {status}: {said}"
    if deadly:
        return "" if status == -signal.SIGKILL else f"not killed: {status} {said}"
    if status == 0:  # what may be lost without harm, as a second name of a shard
        return "" if made == wanted else f"ended well without {sorted(set(wanted) - set(made))}: {said}"
    return "" if status == 2 and len(lines) == 1 and "Traceback" not in said else f"status {status}: {said}"


def after(job: Mapping[str, Any], wanted: Mapping[str, bytes], before: Mapping[str, bytes]) -> str:
    """What is wrong once the same command was called again; "" as a rule."""
    status, said, _ = run(job["command"], None)
    made = {path: content for path, content in files("data").items() if path not in before and "scratch" not in Path(path).parts}
    return (
        ""
        if status == 0 and made == wanted
        else f"again: {status}, {sorted(path for path in made | wanted if made.get(path) != wanted.get(path))}: {said}"
    )


def blows(job: Mapping[str, Any], wanted: Mapping[str, bytes], before: Mapping[str, bytes]) -> Iterator[tuple[str, int, bool, str]]:
    """Strike a job at each of its calls, with an error and then deadly: the kind of call, its number, whether deadly, and what is wrong. The
    job ends well at last, for no call has that number. What a blow leaves decides what comes of the same command: it is called once for each state."""
    recovered: set[int] = set()
    for kind in ("write", "flush", "rename"):
        for number, deadly in ((number, deadly) for number in itertools.count(1) for deadly in (False, True)):
            clear(job["made"])
            status, said, struck = run(job["command"], (kind, number, deadly))
            if not struck:
                if deadly:
                    yield kind, number, deadly, "the blow fell with an error alone"
                break
            fault = wrong(job, wanted, before, status, said, deadly)
            if not fault and (deadly or status == 0):  # else nothing is left, or in scratch what a kill leaves as well
                left = hash(frozenset((path, content) for path, content in files("data").items() if path not in before))
                fault = "" if left in recovered else after(job, wanted, before)
                recovered |= {left} if not fault else set()
            yield kind, number, deadly, fault


def main() -> None:
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name in (*LATER, *{f"stages.{Path(job['command'][0]).stem}" for job in jobs.values()}):
        importlib.import_module(name)
    job_code.closure(
        *(str(path.relative_to(job_code.ROOT)) for path in job_code.ROOT.glob("lib/videossl/**/*.py"))
    )  # and keep what it reads
    gc.freeze()  # a child that looks for garbage would copy all that is loaded
    for name, job in jobs.items():
        clear(job["made"])
        before = files("data")
        assert run(job["command"], None)[0] == 0, name
        wanted = files(*job["made"])
        for blow, number, deadly, fault in blows(job, wanted, before):
            print(json.dumps({"job": name, "blow": blow, "number": number, "deadly": deadly, "wrong": fault}), flush=True)


if __name__ == "__main__":
    main()
