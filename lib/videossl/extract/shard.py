"""One shard of a modality's cache: videos in parallel in, one file out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from videossl import script
from videossl.data import cache, index, pool
from videossl.data.index import Row


class Extractor(Protocol):
    """Makes a modality of one video; it must pickle."""

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The video in the modality's layout (docs/data-contract.md)."""

    def made_by(self) -> dict[str, Any]:
        """{"name", "version", "params"}: kept with the cache."""

    def attrs(self) -> dict[str, Any]:
        """What a reader of the cache needs to know, such as the bound of flow."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that extracts."""
    result = script.parser(description)
    result.add_argument("--index", type=Path, required=True)
    result.add_argument("--shard", type=int, required=True, help="which, from 0")
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--processes", type=int, default=1)
    return result


def run(args: argparse.Namespace, modality: str, extract: Extractor) -> None:
    """Extract the shard that the arguments name; its params are {"dataset": {name, root}, "cache": {shards}}."""
    dataset, shards = args.params["dataset"], args.params["cache"]["shards"]
    rows = [row for row in index.usable(index.read(args.index)) if index.shard_of(row.id, shards) == args.shard]
    build(
        args.out,
        modality,
        dataset["name"],
        rows,
        Path(dataset["root"]),
        extract,
        args.processes,
        progress=True,
    )


def build(
    path: Path,
    modality: str,
    dataset: str,
    rows: Sequence[Row],
    root: Path,
    extract: Extractor,
    processes: int = 1,
    progress: bool = False,
) -> None:
    """Extract `rows` into the shard `path`, in their order; the bytes do not depend on the number of processes.

    `progress` shows a bar where stderr is a terminal.

    Raises:
        InputError: from `extract`, where a video is not as the index has it. No file is left then.
    """
    arrays = pool.ordered(partial(extract, root=root), rows, processes)
    bar = tqdm(
        arrays,
        total=len(rows),
        desc=f"{dataset} {modality}",
        unit="video",
        disable=None if progress else True,
    )
    videos = ((row.id, values) for row, values in zip(rows, bar, strict=True))
    cache.write_shard(path, modality, dataset, videos, extract.made_by(), **extract.attrs())
