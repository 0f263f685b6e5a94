"""The origin that an artefact states: the script, code and params that it was made from. Read without torch, while a run is planned.

An engine knows what it has made itself. It does not know a file that `dvc checkout` or a person has put in its place since.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from videossl import job_code
from videossl.errors import InputError

STATED = ("script", "code", "params", "tag")
"""The keys of a record that are known before a job runs."""
META = re.compile(r'<meta name="made-from" content="([^"]*)">')
"""The record in a page."""
SEAL = re.compile(rb"videossl-cache/2\nsha256 [0-9a-f]{64}\nmade from ([0-9a-f]{64})\n")
"""The first lines of a shard, as data/cache.py writes them: that module loads HDF5."""


def record(script: str, params: Any, things: Sequence[str]) -> dict[str, Any]:
    """The record that an artefact states. script: relative to the repository; things: the files of those that the job uses (`registry`)."""
    return {"script": script, "code": job_code.digest(script, *things), "params": params}


def tag(params: Any) -> str:
    """The short form of a record for an index or a shard: the digest of the slice, but for the place of the videos, which may be moved.

    Without the code: trainings rest on these bytes, and would begin anew for a comment.
    """
    kept = {key: {name: part for name, part in value.items() if (key, name) != ("dataset", "root")} for key, value in params.items()}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def in_page(page: str, made_from: Mapping[str, Any]) -> str:
    """An HTML page that states its record."""
    text = html.escape(json.dumps(made_from, sort_keys=True))
    return page.replace("<head>", f'<head>\n<meta name="made-from" content="{text}">', 1)


def differs(path: str | Path, script: str, code: str, params: Any) -> bool:
    """True where `path` says that it was made from something else.

    script: relative to the repository. code: the digest of the job's code. params: the job's slice.
    A file that is absent, or cannot be read now, or states nothing differs from nothing: whoever reads it says what is wrong.
    """
    path = Path(path)
    try:
        state = path.stat()
    except OSError:
        return False
    stated = _stated(path, state.st_mtime_ns, state.st_size)
    wanted = {"script": script, "code": code, "params": params} | ({"tag": tag(params)} if "tag" in stated else {})
    return any(stated.get(key, wanted.get(key)) != wanted.get(key) for key in STATED)


@cache
def _stated(path: Path, time: int, size: int) -> Mapping[str, Any]:
    """The record of a file as it is at that time; {} where there is none."""
    readers = {".safetensors": _of_weights, ".h5": _of_hdf5, ".json": _of_json, ".html": _of_page, ".csv": _of_table}
    read = readers.get(path.suffix)
    try:
        stated = read(path) if read else {}
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return {}
    return stated if isinstance(stated, dict) else {}


def _of_weights(path: Path) -> Any:
    """The record in the header of a safetensors file: 8 bytes say how long the header is, which is JSON."""
    with path.open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
    return json.loads(json.loads(header)["__metadata__"]["about"])["provenance"]


def _of_hdf5(path: Path) -> Any:
    """The record in the attributes of features and predictions; of a shard its tag, in the text before the HDF5 file proper."""
    with path.open("rb") as file:
        if stated := SEAL.match(file.read(512)):
            return {"tag": stated[1].decode()}
    import h5py  # no shard: only here, for it takes time to load

    with h5py.File(path, "r") as file:
        return json.loads(file.attrs["provenance"])


def _of_json(path: Path) -> Any:
    """The record in a file of numbers."""
    return json.loads(path.read_text(encoding="utf-8"))["provenance"]


def _of_table(path: Path) -> Any:
    """The record beside an index."""
    return _of_json(path.with_suffix(".json"))


def _of_page(path: Path) -> Any:
    """The record in the head of a page."""
    with path.open(encoding="utf-8") as file:
        head = META.search(file.read(1 << 20))
    return json.loads(html.unescape(head[1])) if head else {}
