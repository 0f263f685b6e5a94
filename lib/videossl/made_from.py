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

from videossl import files, job_code
from videossl.errors import InputError

STATED = ("script", "code", "params", "tag")
"""The keys of a record that are known before a job runs."""
HDF5 = b"\x89HDF\r\n\x1a\n"
"""The first bytes of an HDF5 file."""
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
    """True where `path` says that it was made from something else, or is cut short.

    script: relative to the repository. code: the digest of the job's code. params: the job's slice.
    A file that is absent, or cannot be read now, or states nothing differs from nothing: whoever reads it says what is wrong.
    """
    try:
        said = stated(path)
    except CutError:
        return True
    except (OSError, InputError):
        return False
    wanted = {"script": script, "code": code, "params": params} | ({"tag": tag(params)} if "tag" in said else {})
    return any(said.get(key, wanted.get(key)) != wanted.get(key) for key in STATED)


class CutError(InputError):
    """A file that is shorter than it says, or does not end as its kind does."""


def stated(path: str | Path) -> Mapping[str, Any]:
    """The record that a file states; {} where it states none. Raises CutError, OSError where it is absent, InputError where it cannot be read now."""
    state = Path(path).stat()
    return _stated(Path(path), state.st_mtime_ns, state.st_size)


@cache
def _stated(path: Path, time: int, size: int) -> Mapping[str, Any]:
    """The record of a file as it is at that time."""
    readers = {".safetensors": _of_weights, ".h5": _of_hdf5, ".json": _of_json, ".html": _of_page, ".csv": _of_table}
    read = readers.get(path.suffix)
    with files.reading(path, lambda error: CutError(str(error))):
        record = read(path, size) if read else {}
    return record if isinstance(record, dict) else {}


def _of_weights(path: Path, size: int) -> Any:
    """The record in the header of a safetensors file: 8 bytes say how long the header is, which is JSON and has the place of each tensor."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    about = header.pop("__metadata__", {}).get("about", "{}")
    if size != 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0):
        raise CutError(f"{path} is not as long as its header says")
    return json.loads(about).get("provenance")


def _of_hdf5(path: Path, size: int) -> Any:
    """The record in the attributes of features and predictions; of a shard its tag, in the text before the HDF5 file proper.

    An HDF5 file of version 0, which is written here, says at byte 40 where it ends.
    """
    with path.open("rb") as file:
        block = file.read(512 + 48)  # of a shard the first 512 bytes are its seal
    head, seal = block if block[:8] == HDF5 else block[512:], SEAL.match(block)
    if head[:8] != HDF5 or (head[8] == 0 and int.from_bytes(head[40:48], "little") != size):
        raise CutError(f"{path} is not as long as its head says")
    if seal:
        return {"tag": seal[1].decode()}
    import h5py  # no shard: only here, for it takes time to load

    with h5py.File(path, "r") as file:
        return json.loads(file.attrs.get("provenance", "{}"))


def _of_json(path: Path, size: int) -> Any:
    """The record in a file of numbers."""
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise CutError(f"{path} does not end as files.write_json ends")
    value = json.loads(text)
    return value.get("provenance") if isinstance(value, dict) else {}


def _of_table(path: Path, size: int) -> Any:
    """The record beside an index, with the bytes that the index has."""
    about = path.with_suffix(".json")
    value = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    if value.get("bytes", size) != size:
        raise CutError(f"{path} is not as long as {about} says")
    return value.get("provenance")


def _of_page(path: Path, size: int) -> Any:
    """The record in the head of a page."""
    text = path.read_text(encoding="utf-8")
    if not text.rstrip().endswith("</html>"):
        raise CutError(f"{path} does not end as a page does")
    head = META.search(text, 0, 1 << 20)
    return json.loads(html.unescape(head[1])) if head else {}
