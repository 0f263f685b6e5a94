"""One shard of a modality's cache: videos in parallel in, one file out."""

from __future__ import annotations

import argparse
import inspect
import logging
import math
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from videossl import files, job_code, made_from, script
from videossl.data import cache, disk, index, jpeg, pool
from videossl.data.index import Row
from videossl.errors import InputError

log = logging.getLogger(__name__)

OVERHEAD = 2048
"""Bytes that HDF5 writes for a video beside its values, at most; the shard itself takes four times as many."""


class Extractor(Protocol):
    """Makes a modality of one video; it must pickle. One whose `shape` is an estimate says so by `exact = False`."""

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The video in the modality's layout (docs/data-contract.md)."""

    def shape(self, row: Row) -> tuple[int, ...]:
        """Give the shape of an entry by the index alone; raises InputError where it cannot be made."""

    def made_by(self) -> dict[str, Any]:
        """{"name", "version", "params"}: kept with the cache."""

    def attrs(self) -> dict[str, Any]:
        """The attributes that a reader of the cache needs, such as the bound of flow."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that extracts."""
    result = script.parser(description)
    result.add_argument("--index", type=Path, required=True)
    result.add_argument("--shard", type=int, required=True, help="which, from 0")
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--processes", type=int, default=1)
    return result


def run(args: argparse.Namespace, modality: str, extract: Extractor) -> None:
    """Extract the shard that the arguments name; its params are {"dataset": {name, root}, "cache": {shards, codec, quality}}."""
    dataset, stored = args.params["dataset"], args.params["cache"]
    rows = index.usable(row for row in index.scan(args.index) if index.shard_of(row.id, stored["shards"]) == args.shard)
    quality = stored["quality"] if cache.layout(modality).pictures and stored["codec"] == "jpeg" else None
    kept = Path("data/scratch/cache", dataset["name"], modality, args.out.name)
    root, made_with = Path(dataset["root"]), digest(extract)
    tag = made_from.tag(args.params)
    build(args.out, modality, dataset["name"], rows, root, extract, args.processes, quality, kept, made_with, tag, progress=True)


def digest(extract: Extractor) -> str:
    """The SHA-256 of the code that makes shards by `extract`: its module, this one, and what they import of videossl.extract and .data."""
    own = Path(inspect.getfile(type(extract)))
    shared = job_code.LIBRARY / "videossl/extract", job_code.LIBRARY / "videossl/data"
    paths = {job_code.place(name) for name in job_code.closure(str(own), __file__)}
    return files.sha256(*sorted(path for path in paths if path == own or any(path.is_relative_to(folder) for folder in shared)))


def build(
    path: Path,
    modality: str,
    dataset: str,
    rows: Sequence[Row],
    root: Path,
    extract: Extractor,
    processes: int = 1,
    quality: int | None = None,
    kept: Path | None = None,
    made_with: str = "",
    tag: str = "",
    progress: bool = False,
) -> None:
    """Extract `rows` into the shard `path`, in their order; the bytes do not depend on the number of processes.

    `quality` is that of JPEG, 1 to 100, or None to keep the values as they are. `kept` is a second name of the shard, for
    the next time: a video that it holds, of the same source and made in the same way, by code of the same digest `made_with`,
    is copied from there and not extracted again. `tag` is that of the params. `progress` shows a bar where stderr is a terminal.

    Raises:
        InputError: from `extract`, where a video is not as the index has it, or a disk without room for the shard. No file
            is left then.
    """
    _check_room(path, estimate(rows, modality, extract, quality))
    codec = {"codec": "raw"} if quality is None else {"codec": "jpeg", "quality": quality}
    made_by, attrs = extract.made_by(), codec | extract.attrs()
    before = _before(kept, cache.attributes(modality, dataset, made_by, **attrs), made_with)
    videos = _videos(rows, root, extract, processes, quality, before)
    bar = tqdm(videos, total=len(rows), desc=f"{dataset} {modality}", unit="video", disable=None if progress else True)
    cache.write_shard(path, modality, dataset, bar, made_by, tag=tag, **attrs)
    if kept:
        _keep(path, kept, made_with)


def _videos(
    rows: Sequence[Row], root: Path, extract: Extractor, processes: int, quality: int | None, before: cache.Cache | None
) -> Iterator[tuple[str, str, np.ndarray | jpeg.Encoded]]:
    """Yield the entries that `cache.write_shard` takes: from `before` where that has them of the same source and steps, else extracted."""
    hashes = dict(zip(*cache.describe(before.paths[0])[:2], strict=True)) if before else {}
    exact = getattr(extract, "exact", True)

    def is_kept(row: Row) -> bool:
        """True where `before` has what would be made of the row: an index may say other steps of the same bytes than it did."""
        return before is not None and hashes.get(row.id) == row.sha256 and (not exact or before.shape(row.id) == extract.shape(row))

    same = {row.id for row in rows if is_kept(row)}
    if before:
        log.info("%d of %d videos are as they were when %s was made", len(same), len(rows), before.paths[0])
    todo = [row for row in rows if row.id not in same]
    finished = pool.ordered(partial(_one, root=root, extract=extract, quality=quality), todo, processes)
    for row in rows:
        if before and row.id in same:
            yield row.id, row.sha256, before.stored(row.id)
        else:
            yield row.id, row.sha256, next(finished)


def code_of(kept: Path) -> Path:
    """The file with the digest of the code that made the shard `kept`; not in the shard, since a comment must not change its bytes."""
    return kept.with_suffix(".code")


def _before(kept: Path | None, wanted: dict[str, Any], made_with: str) -> cache.Cache | None:
    """The shard `kept`, if it was made as `wanted` by code of that digest and no byte has changed; else it is removed."""
    if kept is None or not kept.exists():
        return None
    try:
        if not code_of(kept).is_file() or code_of(kept).read_text(encoding="utf-8", errors="replace") != made_with:
            raise InputError(f"{kept} was made by other code; its videos are extracted again")
        cache.verify(kept)
        shard = cache.Cache([kept])
        if shard.attrs == wanted:
            return shard
    except InputError as error:
        log.warning("%s", error)
    for path in (code_of(kept), kept):
        path.unlink(missing_ok=True)
    return None


def _keep(path: Path, kept: Path, made_with: str) -> None:
    """Give the shard its second name: Snakemake deletes the first before it is made anew. Where a disk has no links, it has none.

    The digest of the code is taken away before and written last: a job that is killed in between leaves a shard of no known code.
    """
    fresh = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        fresh.hardlink_to(path)
        code_of(kept).unlink(missing_ok=True)
        fresh.replace(kept)
        code_of(kept).write_text(made_with, encoding="utf-8")
    except OSError as error:
        log.info("%s is not kept for the next time (%s)", path, error.strerror)


def estimate(rows: Sequence[Row], modality: str, extract: Extractor, quality: int | None) -> int:
    """Bytes that the shard of `rows` takes: of raw pictures at most, of JPEG if they are as rich in detail as the modality's YAML says."""
    layout = cache.layout(modality)
    shapes = [extract.shape(row) for row in rows]
    values = sum(map(math.prod, shapes)) * layout.dtype.itemsize
    if quality is not None:
        shares = layout.jpeg["shares"]
        share = np.interp(quality, list(shares), list(shares.values()))
        values = round(values * share) + layout.jpeg["step"] * sum(steps for steps, *_ in shapes)
    return values + OVERHEAD * (len(rows) + 4)


def _check_room(path: Path, needed: int) -> None:
    """Raise InputError where the disk has no room for `needed` bytes."""
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    log.info("%s: at most %s, %s free", path, disk.text(needed), disk.text(disk.free(folder)))
    disk.need(folder, needed, f"{path} (less with a lower cache.short_side or with cache.codec: jpeg)")


def _one(row: Row, root: Path, extract: Extractor, quality: int | None) -> np.ndarray | jpeg.Encoded:
    """Make the entry of one video in the cache, in a process of its own."""
    _check_source(row, root)
    values = extract(row, root)
    return values if quality is None else jpeg.encode(values, quality)


def _check_source(row: Row, root: Path) -> None:
    """Raise InputError where the files of a video are not those that the index was made of, or lie elsewhere than in the dataset."""
    for path in map(PurePosixPath, (row.path, row.skeleton)):
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{row.id}: {path} does not lie in the dataset's folder; make the index again (delete its file, run again)")
    try:
        actual = files.sha256(*(root / path for path in (row.path, row.skeleton) if path))
    except OSError as error:
        raise InputError(
            f"{row.id} cannot be read ({error.filename}: {error.strerror}); make the index again (delete its file, run again)"
        ) from error
    if actual != row.sha256:
        raise InputError(f"{row.id} changed since it was indexed; make the index again (delete its file, run again)")
