"""Embed many videos into a table of features: what `videossl embed` does."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from videossl import files
from videossl.data import skeleton_files
from videossl.errors import InputError
from videossl.use import tables
from videossl.use.model import SECONDS, Broken, Embedded, Model, embed

LISTED = "-"
"""The argument that stands for a list on standard input."""


def videos(model: Model, named: Sequence[str], listed: Iterable[str] = ()) -> list[str]:
    """The files that arguments stand for, each once: a file as it is, of a folder the files with a video's name in it and below, sorted; for "-"
    the lines of `listed`, which are files or folders.

    An encoder of skeletons from files takes skeleton files. Raises InputError for a folder without any, and where nothing is named.
    """
    endings = files.VIDEOS if model.reading.made_of == "video" else tuple(end.lower() for end in skeleton_files.ENDINGS)
    lines = (line.rstrip("\n") for line in listed)
    all_named = chain.from_iterable((line for line in lines if line.strip()) if name == LISTED else [name] for name in named)
    result = dict.fromkeys(chain.from_iterable(_below(name, endings) for name in all_named))
    if not result:
        raise InputError("no video is named; give files, folders, or - and a list on standard input")
    return list(result)


def _below(name: str, endings: tuple[str, ...]) -> list[str]:
    """The file, or the files with such names in the folder and below."""
    if not Path(name).is_dir():
        return [name]
    found = [str(folder / file) for folder, names in files.walk(name) for file in names if file.lower().endswith(endings)]
    if not found:
        raise InputError(f"{name} has no file whose name ends as that of a {'video' if endings == files.VIDEOS else 'skeleton file'}")
    return found


def about(model: Model, window: float = SECONDS) -> dict[str, Any]:
    """The encoder as a table states it."""
    return {"encoder": model.name, "digest": model.digest, "stream": model.stream, "clips": model.clips, "window": window}


def into_table(model: Model, named: Sequence[str], out: str, window: float = SECONDS) -> list[str]:
    """Write the features of videos to a table, and return the reasons of those that were left out, which stderr names as they are met.

    A video is in the table whole or not at all; where none can be read there is no table. Standard output has each row at once instead. A bar
    shows how far it is, on a terminal.
    """
    left_out: list[str] = []
    held: list[Embedded] = []
    seen: set[str] = set()
    at_once = out == tables.STANDARD_OUTPUT
    bar = tqdm(total=len(named), desc="embed", unit="video", disable=None, file=sys.stderr)
    with contextlib.ExitStack() as stack, bar:
        add: tables.Add | None = None

        def write() -> None:
            """Write what is held, and hold it no longer."""
            nonlocal add
            if held:
                add = add or stack.enter_context(tables.written(out, about(model, window)))
                add(held)
                held.clear()

        for row in embed(model, named, window):
            if held and held[0].video != row.video:
                write()
            if isinstance(row, Broken):
                held.clear()
                left_out.append(row.reason)
                tqdm.write(f"error: {' '.join(row.reason.split())}; left out", file=sys.stderr)
            else:
                held.append(row)
            if at_once:
                write()
            seen.add(row.video)
            bar.update(len(seen) - bar.n)
        write()
    return left_out
