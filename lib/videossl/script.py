"""The common ground of the scripts of `stages/` and of the command line: arguments, a log, a user's mistake that ends in one line."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import hashlib
import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from videossl import paths
from videossl.errors import InputError, Interrupted, is_out_of_memory, one_line
from videossl.files import atomic

LAUNCHED = "VIDEOSSL_SAID"
"""The variable by which `stages/launch.py` names the folder of the lines that its processes have said."""
OF_LAUNCHERS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables by which launchers of torch's processes say which process of how many this is, and where the first one is."""
LESS = "ask for less at a time (batch, queue, clip, head or encoder, threads), or take a machine with more"
"""The way out where memory is short."""
GO_ON_LATER = 75
"""The exit status of a job that stopped and goes on when it is called again (EX_TEMPFAIL of sysexits.h)."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the arguments that all scripts share."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--params", type=json.loads, default={}, help="the script's slice of params.yaml, as JSON")
    result.add_argument("--log", type=Path, help="file that keeps a copy of stderr")
    return result


def add_cache(arguments: argparse.ArgumentParser) -> None:
    """Add `--cache`: all shards of all that a job reads, as a list of paths."""
    arguments.add_argument("--cache", nargs="+", required=True, action=_Shards, help="shards, or FOLDER:COUNT for all of a folder")


class _Shards(argparse.Action):
    """Takes shards by their paths, and those that are named in short (`paths.shards`)."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, [Path(shard) for value in values for shard in paths.shards(value)])


def read(arguments: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line and begin."""
    result = arguments.parse_args()
    begin(result.log)
    return result


def begin(log: Path | None = None) -> None:
    """Make the process ready, and start its log, on stderr and in the file `log`. Of several processes (RANK) the first speaks, the others only
    of errors."""
    forget_other_launchers()
    name_the_user()
    first = os.environ.get("RANK", "0") == "0"
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w" if first else "a", encoding="utf-8"))
    raise_open_files()
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, format="%(message)s", handlers=handlers)


def name_the_user() -> None:
    """Call a user without a name, as in many a container, by its number: Snakemake, DVC and torch ask for a name, and would end in a traceback."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())


def forget_other_launchers() -> None:
    """Remove what another launcher than `stages/launch.py` has set, as an operator of trainings in a container: this process would wait for others."""
    if LAUNCHED not in os.environ:
        for name in OF_LAUNCHERS:
            os.environ.pop(name, None)


def raise_open_files() -> None:
    """Let this process open as many files as it may: a cache of a thousand shards is read by four processes at a time."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(main: Callable[[], None]) -> None:
    """Call `main`; an InputError, and memory that is not there, end in one line on stderr and in the log, and exit status 2; Interrupted in one and
    in 75."""
    try:
        main()
    except Interrupted as stop:
        logging.getLogger("videossl").warning(" ".join(str(stop).split()))
        sys.exit(GO_ON_LATER)
    except Exception as error:
        if is_out_of_memory(error):
            error = InputError(f"out of memory: {str(error) or 'Python has none left'}; {LESS}")
        if not isinstance(error, InputError):
            raise
        if _first_to_say(one_line(error)):
            logging.getLogger("videossl").error(one_line(error))
        sys.exit(2)


def _first_to_say(line: str) -> bool:
    """True for the first process to say a line, of those that `stages/launch.py` started together: all find most mistakes."""
    folder = os.environ.get(LAUNCHED)
    if not folder:
        return True
    try:
        (Path(folder) / hashlib.sha256(line.encode()).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def generate(path: Path, text: str, check: bool, way_out: str) -> None:
    """Write a generated file, if it would change; with `check` write nothing and raise InputError instead."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    if check:
        raise InputError(f"{path.name} is out of date; {way_out}")
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def only(mapping: dict[str, Any]) -> tuple[str, Any]:
    """The one item of a mapping that has one."""
    ((name, value),) = mapping.items()
    return name, value
