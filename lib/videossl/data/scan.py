"""Make the index: decode every video once, in several processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from videossl import files
from videossl.data import ntu, pool, video
from videossl.data.datasets.base import Video
from videossl.data.index import Row
from videossl.errors import InputError


def build(videos: Sequence[Video], root: str | Path, processes: int = 1, min_frames: int = 1, progress: bool = False) -> list[Row]:
    """Decode every video once and describe it.

    Args:
        videos: what the dataset names, in the order of the rows.
        root: the dataset's folder.
        processes: how many to decode in.
        min_frames: of a clip; a shorter video is dropped.
        progress: show a bar where stderr is a terminal.

    Returns:
        One row a video. A video that cannot be used has status "dropped" and a reason; nothing is left out.
    """
    from tqdm import tqdm

    describe = partial(_describe, root=Path(root), min_frames=min_frames)
    rows = pool.ordered(describe, videos, processes)
    return list(tqdm(rows, total=len(videos), desc="index", unit="video", disable=None if progress else True))


def _describe(item: Video, root: Path, min_frames: int) -> Row:
    """The row of one video."""
    path, skeleton = root / item.path, root / item.skeleton if item.skeleton else None
    row = Row(item.id, item.path, item.label, item.split, 0, 0.0, 0, 0, item.skeleton, "", "ok", "")
    if not path.is_file():
        named = f"{item.named_by} names it" if item.named_by else "no such file"
        return _drop(row, f"absent: {named}")
    if skeleton and not skeleton.is_file():
        return _drop(row, f"skeleton: {item.skeleton}: no such file")
    try:
        row = dataclasses.replace(row, sha256=files.sha256(path, *([skeleton] if skeleton else [])))
        frames, fps, width, height = video.probe(path)
        row = dataclasses.replace(row, frames=frames, fps=fps, width=width, height=height)
        if skeleton:
            ntu.parse(skeleton)
    except OSError as error:
        return _drop(row, f"unreadable: {error.strerror or error}")
    except InputError as error:
        # Reasons name files relative to the root: the index must not depend on where the data lies.
        text = str(error).removeprefix(f"{path}: ")
        return _drop(row, text.replace(f"{skeleton}", f"skeleton: {item.skeleton}", 1) if skeleton else text)
    if frames < min_frames:
        return _drop(row, f"short: frames {frames} < min_frames {min_frames}")
    return row


def _drop(row: Row, reason: str) -> Row:
    return dataclasses.replace(row, status="dropped", reason=" ".join(reason.split()))
