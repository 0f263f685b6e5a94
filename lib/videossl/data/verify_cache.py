"""A look at shards of caches: their bytes are as written, they fit each other, they hold the videos that an index names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from videossl.data import cache, disk, index, pool
from videossl.data.index import Row
from videossl.errors import InputError

SHOWN = 3  # ids of a kind


class Checked(NamedTuple):
    """One shard."""

    path: Path
    size: int  # bytes
    shard: cache.Shard | None  # None where it is damaged
    wrong: str  # "" for nothing


class Report(NamedTuple):
    """All shards, and what is wrong between them and the index."""

    shards: list[Checked]
    problems: list[str]  # one line each

    @property
    def well(self) -> bool:
        """True where there is no fault."""
        return not self.problems and not any(file.wrong for file in self.shards)


def find(places: Iterable[Path]) -> list[Path]:
    """The shards among `places`: files as they are, of folders all *.h5 below, sorted; raises InputError for a place without."""
    paths: list[Path] = []
    for place in places:
        below = sorted(place.rglob("*.h5")) if place.is_dir() else [place] if place.is_file() else []
        if not below:
            raise InputError(f"{place}: {'no shard (*.h5) in this folder' if place.is_dir() else 'no such file or folder'}")
        paths += below
    return list(dict.fromkeys(paths))


def examine(paths: Sequence[Path], rows: Sequence[Row] | None = None, processes: int = 1, progress: bool = False) -> Report:
    """Read shards whole and compare them.

    Args:
        paths: of the shards.
        rows: of the index; the shards of a modality must hold every usable row as it is there. None leaves out this check.
        processes: how many to read in.
        progress: show a bar where stderr is a terminal.

    Raises:
        InputError: rows of one dataset, but shards of several.
    """
    from tqdm import tqdm

    bar = tqdm(pool.ordered(_read, paths, processes), total=len(paths), desc="verify", unit="shard", disable=None if progress else True)
    checked = list(bar)
    groups: dict[tuple[str, str], list[tuple[int, cache.Shard]]] = defaultdict(list)
    for position, file in enumerate(checked):
        if file.shard:
            groups[file.shard.attrs["dataset"], file.shard.attrs["modality"]].append((position, file.shard))
    datasets = sorted({dataset for dataset, _ in groups})
    if rows is not None and len(datasets) > 1:
        raise InputError(f"an index belongs to one dataset, these shards to {', '.join(datasets)}; name the folder of one dataset")
    problems: list[str] = []
    for (dataset, modality), group in groups.items():
        first = group[0][0]
        for position, shard in group[1:]:
            if differing := cache.differences(shard.attrs, group[0][1].attrs):
                wrong = f"differs from {checked[first].path} in {', '.join(differing)}"
                checked[position] = checked[position]._replace(wrong=wrong)
        problems += [f"{dataset}/{modality}: {text}" for text in _compare([shard for _, shard in group], rows)]
    return Report(checked, problems)


def _read(path: Path) -> Checked:
    """One shard, whole."""
    size = path.stat().st_size
    try:
        cache.verify(path)
        return Checked(path, size, cache.describe(path), "")
    except InputError as error:
        return Checked(path, size, None, str(error).removeprefix(f"{path}: "))


def _compare(shards: Sequence[cache.Shard], rows: Sequence[Row] | None) -> list[str]:
    """Name the faults of the videos of one modality."""
    sources: dict[str, str] = {}
    twice = []
    for shard in shards:
        twice += [id for id in shard.ids if id in sources]
        sources |= zip(shard.ids, shard.sources, strict=True)
    problems = {"in two shards": twice}
    if rows is not None:
        problems |= _against({row.id: row.sha256 for row in index.usable(rows)}, sources)
    return [f"{len(ids)} {problem}: {_some(ids)}" for problem, ids in problems.items() if ids]


def _against(wanted: Mapping[str, str], held: Mapping[str, str]) -> dict[str, list[str]]:
    """Ids by what is wrong with them; the arguments map ids to the SHA-256 of the source."""
    return {
        "in the index and not here": [id for id in wanted if id not in held],
        "here and not in the index": [id for id in held if id not in wanted],
        "made of other files than the index": [id for id in wanted if id in held and held[id] != wanted[id]],
    }


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")


def table(report: Report) -> str:
    """A row a shard, then a line a problem."""
    rows = [("file", "modality", "videos", "bytes", "state")]
    for file in report.shards:
        modality, videos = (file.shard.attrs["modality"], str(len(file.shard.ids))) if file.shard else ("-", "-")
        rows.append((str(file.path), modality, videos, disk.text(file.size), file.wrong or "well"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *report.problems])
