"""Make the index: decode every video once, in several processes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

from videossl import files
from videossl.data import journal as journals
from videossl.data import pool, skeleton_files, video
from videossl.data.index import Row
from videossl.data.listing import Video
from videossl.errors import InputError


@dataclasses.dataclass(frozen=True)
class Contents:
    """The facts that the files of one video give, under the names of the fields of `Row`."""

    sha256: str = ""
    frames: int = 0
    fps: float = 0.0
    steps: int = 0
    clock: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""  # why they cannot be used


def build(
    videos: Sequence[Video],
    root: str | Path,
    processes: int = 1,
    min_frames: int = 1,
    progress: bool = False,
    fps: float | None = None,
    journal: Path | None = None,
) -> list[Row]:
    """Decode every video once and describe it.

    Args:
        videos: what the dataset names, in the order of the rows.
        root: the dataset's folder.
        processes: how many to decode in.
        min_frames: steps of a clip; a shorter video is dropped.
        progress: show a bar where stderr is a terminal.
        fps: steps a second that videos are resampled to, or None: each keeps its frames.
        journal: where to keep what decoding tells, so that a video is decoded once (data/journal.py), or None.

    Returns:
        One row a video. A video that cannot be used has status "dropped" and a reason; nothing is left out.
    """
    from tqdm import tqdm

    contents = _contents(videos, Path(root), processes, fps, journal)
    shown = tqdm(contents, total=len(videos), desc="index", unit="video", disable=None if progress else True)
    return [_row(entry, held, min_frames) for entry, held in zip(videos, shown, strict=True)]


def _contents(videos: Sequence[Video], root: Path, processes: int, fps: float | None, journal: Path | None) -> Iterator[Contents]:
    """Read each video, in order: from the journal if it is there, else from its files."""
    keys = [_key(entry, root, fps) if journal else "" for entry in videos]
    read_before = _read_before(journal, keys)
    if read_before:
        logging.info(
            "%d of %d videos were read before and have not changed (%s)", sum(key in read_before for key in keys), len(keys), journal
        )
    to_read = [entry for entry, key in zip(videos, keys, strict=True) if key not in read_before]
    fresh = pool.ordered(partial(_read, root=root, fps=fps), to_read, processes)
    for key in keys:
        if key in read_before:
            yield read_before[key]
            continue
        contents = next(fresh)
        # A video that could not be read is read again next time: the reason may have gone. So is a video that changed since its key was made.
        if journal and key and not contents.reason:
            journal = _note(journal, key, contents)
        yield contents


def _read_before(journal: Path | None, keys: Sequence[str]) -> dict[str, Contents]:
    """Look up the videos that have `keys` in the journal."""
    try:
        entries = journals.read(journal, set(keys) - {""}) if journal else {}
    except OSError as error:
        logging.warning("cannot read %s (%s): every video is decoded again", journal, error.strerror)
        entries = {}
    return {key: Contents(**value) for key, value in entries.items()}


def _note(journal: Path, key: str, contents: Contents) -> Path | None:
    """Add to the journal, and return it; None where it cannot be written: one warning, and the next run takes longer."""
    try:
        journals.add(journal, key, dataclasses.asdict(contents))
    except OSError as error:
        logging.warning("cannot write %s (%s): an index that is interrupted starts anew", journal, error.strerror)
        return None
    return journal


def _key(entry: Video, root: Path, fps: float | None) -> str:
    """Hash the input of `_read` to 32 hex digits: the files of a video by name, size and times. "" where there is nothing to read.

    The times include the last change of the inode, so contents that are replaced under the old date are noticed.
    """
    if entry.excluded:
        return ""
    try:
        states = [(root / name).stat() for name in (entry.path, entry.skeleton) if name]
    except OSError:
        return ""
    times = [(state.st_size, state.st_mtime_ns, state.st_ctime_ns) for state in states]
    text = json.dumps([entry.path, entry.skeleton, times, fps, _version()])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def _version() -> str:
    """The version of what reads videos and skeletons: our code and the libraries that decode."""
    import av

    readers = (str(module.__file__) for module in skeleton_files.FORMATS.values())
    return f"{files.sha256(__file__, video.__file__, *readers)} av {av.__version__} {av.library_versions}"


def _read(entry: Video, root: Path, fps: float | None) -> Contents:
    """Decode one video and parse its skeleton. The file must not change meanwhile: bytes are hashed first, then decoded."""
    if entry.excluded:
        return Contents(reason=entry.excluded)
    path = root / entry.path if entry.path else None
    skeleton = root / entry.skeleton if entry.skeleton else None
    contents = Contents()
    try:
        if path and not path.is_file():
            return Contents(reason=f"absent: {entry.named_by} names it" if entry.named_by else "absent: no such file")
        if skeleton and not skeleton.is_file():
            return Contents(reason=f"skeleton: {entry.skeleton}: no such file")
        contents = Contents(files.sha256(*filter(None, (path, skeleton))))
        if path:
            contents = dataclasses.replace(contents, **dataclasses.asdict(video.probe(path, fps)))
        if skeleton:
            count = len(skeleton_files.parse(skeleton))
            contents = contents if path else dataclasses.replace(contents, frames=count, steps=count)
    except OSError as error:
        return dataclasses.replace(contents, reason=f"unreadable: {error.strerror or error}")
    except InputError as error:
        # Reasons name files relative to the root: the index must not depend on where the data lies.
        text = str(error).removeprefix(f"{path}: ")
        text = text.replace(f"{skeleton}", f"skeleton: {entry.skeleton}", 1) if skeleton else text
        return dataclasses.replace(contents, reason=text)
    return contents


def _row(entry: Video, contents: Contents, min_frames: int) -> Row:
    """The row of one video."""
    reason = " ".join(contents.reason.split())
    if not reason and contents.steps < min_frames:
        clock = f" (times: {contents.clock})" if contents.clock not in ("", "stamps") else ""
        reason = f"short: steps {contents.steps} < min_frames {min_frames}{clock}"
    values = dataclasses.asdict(contents) | {"status": "dropped" if reason else "ok", "reason": reason}
    same = {name: getattr(entry, name) for name in ("id", "path", "label", "labels", "split", "skeleton")}
    return Row(group=entry.group or entry.id, **same, **values)
