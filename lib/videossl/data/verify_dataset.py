"""A look at a copy of a dataset: missing, extra, unreadable and short videos.

Quick rather than thorough: of each video the first frame is decoded and all packets are counted, not decoded. What
breaks in the middle is found by the index, which decodes all.
"""

from __future__ import annotations

import csv
import dataclasses
import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from videossl import files
from videossl.data import listing, pool, skeleton_files
from videossl.data.listing import Video
from videossl.data.video import pick_stream
from videossl.errors import InputError

if TYPE_CHECKING:
    import av

KINDS = ("lists", "count", "missing", "empty", "unreadable", "audio only", "short", "skeleton", "extra")
FRAMES_OFF = 2  # headers of whole files can be off by one, and a frame at the end may be empty
SECONDS_OFF = 0.25  # and lengths in seconds are rounded
COMPARED = 100  # extra files whose names are compared with the names of all missing files in their folder
SHOWN = 3  # names of a kind in the table


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: str  # one of KINDS
    name: str  # of a file, relative to the root, or of a split
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Side:
    """The number of videos on a side of a split: named = excluded + present + missing."""

    split: int
    side: str  # "train" or "test"
    official: int | None  # None where nobody knows
    named: int | None  # by the lists; None where the lists cannot be read
    excluded: int = 0  # by an official list
    present: int = 0
    missing: int = 0


@dataclasses.dataclass(frozen=True)
class Report:
    """A copy of a dataset, and its faults."""

    sides: list[Side]
    problems: list[Problem]
    approximate: bool  # whether official numbers are about
    unused: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)  # other files that lie there, by the end of their names


def examine(
    module: ModuleType, root: str | Path, split: int | None, options: Mapping[str, Any], processes: int = 1, progress: bool = False
) -> Report:
    """Compare the copy of a dataset in `root` with what there should be.

    Args:
        module: the module of the dataset.
        root: the folder of the copy, which is only read.
        split: the one split to look at, or None for all that the dataset has.
        options: the dataset's, as in params.
        processes: how many to look at videos in.
        progress: show a bar where stderr is a terminal.

    Raises:
        InputError: nothing can be compared: no such folder or split, or no lists.
    """
    root = Path(root)
    module.check(root)
    splits = [split] if split else _splits(module, options)
    named, problems = _named(module, root, splits, options)
    every = {(video.path, video.skeleton): video for videos in named.values() for video in videos}
    damage = _look_at_all([video for video in every.values() if not video.excluded], root, processes, progress)
    missing = {problem.name for problem in damage if problem.kind == "missing"}
    sides = [side for number in splits for side in _sides(module, number, options, named.get(number), missing)]
    approximate = listing.is_approximate(module.NAME)
    problems += [] if approximate else _miscounted(sides)
    over = _left_over(module, root, options, named)
    extra = sorted(name for kind in (*listing.SUFFIXES, ".skeleton") for name in over.pop(kind, []) if module.FOLDERS)
    hints = _hints(extra, missing)
    problems += damage + [Problem("extra", name, hints.get(name, "")) for name in extra]
    return Report(sides, sorted(problems, key=lambda problem: (KINDS.index(problem.kind), problem.name)), approximate, over)


def _splits(module: ModuleType, options: Mapping[str, Any]) -> list[int]:
    """The splits that a dataset has; the first where it does not know."""
    return [split for split in (1, 2, 3) if module.expected(split, options)] or [1]


def _named(
    module: ModuleType, root: Path, splits: Sequence[int], options: Mapping[str, Any]
) -> tuple[dict[int, list[Video]], list[Problem]]:
    """The videos of each split whose lists can be read, and the problems of the other splits."""
    named: dict[int, list[Video]] = {}
    problems = []
    for split in splits:
        try:
            named[split] = module.videos(root, split, options)
        except InputError as error:
            if len(splits) == 1:
                raise
            problems.append(Problem("lists", f"split {split}", str(error)))
            last = error
    if not named:
        raise last
    return named, problems


def _look_at_all(videos: Sequence[Video], root: Path, processes: int, progress: bool) -> list[Problem]:
    from tqdm import tqdm

    results = pool.ordered(partial(_look_at, root=root), videos, processes)
    bar = tqdm(results, total=len(videos), desc="verify", unit="video", disable=None if progress else True)
    return [problem for problems in bar for problem in problems]


def _look_at(video: Video, root: Path) -> list[Problem]:
    """Name the faults of a video and its skeleton."""
    problems = [skim(root, video.path)] if video.path else []
    problems += [_skeleton(root, video.skeleton)] if video.skeleton else []
    return [problem for problem in problems if problem]


def skim(root: Path, name: str) -> Problem | None:
    """Name the fault that a quick look finds in the video `name` below `root`, None for none."""
    import av

    try:
        if (root / name).stat().st_size == 0:
            return Problem("empty", name, "zero bytes")
        with av.open(str(root / name), metadata_errors="ignore") as container:
            kind, detail = _skim(container)
    except FileNotFoundError:
        return Problem("missing", name)
    except (av.FFmpegError, OSError) as error:
        return Problem("unreadable", name, error.strerror or str(error))
    return Problem(kind, name, detail) if kind else None


def _skim(container: av.container.InputContainer) -> tuple[str, str]:
    """(kind, detail) of what is wrong with an open video, ("", "") for nothing.

    The header of a file that was cut short says how long it was: in frames (AVI, MP4), which are counted by packets, or
    by time where some are empty; else in seconds (Matroska, WebM), of whichever stream is the longest.
    """
    stream = pick_stream(container)
    if stream is None:
        return "audio only", "a cover picture" if container.streams.video else "no video stream"
    context: av.VideoCodecContext | None = stream.codec_context  # which PyAV's type hints say is always there
    if context is None:
        return "unreadable", "its codec is not known"
    context.thread_count = 1  # videos are looked at in parallel
    packets, decodes = 0, False
    ends = {"video": 0.0, "any": 0.0}
    for packet in container.demux():
        if packet.stream is stream:
            decodes = decodes or bool(packet.decode())
            packets += packet.size > 0
            ends["video"] = max(ends["video"], _end(packet))
        ends["any"] = max(ends["any"], _end(packet))
    if not decodes:
        return "empty", "no frame decodes"
    start = (container.start_time or 0) / 1e6
    rate = float(stream.average_rate or 0)
    if stream.frames:
        reached = max(packets, round((ends["video"] - start) * rate))
        return ("short", f"{packets} of {stream.frames} frames") if reached < stream.frames - FRAMES_OFF else ("", "")
    length, reached_seconds = (container.duration or 0) / 1e6, ends["any"] - start
    allowed = max(SECONDS_OFF, FRAMES_OFF / rate if rate else 0)
    return ("short", f"{reached_seconds:.1f} of {length:.1f} s") if reached_seconds < length - allowed else ("", "")


def _end(packet: av.Packet[Any]) -> float:
    """When what a packet holds has been shown, in seconds; 0 where it does not say."""
    stamp = packet.dts if packet.pts is None else packet.pts
    if not packet.size or stamp is None or packet.time_base is None:
        return 0.0
    return float((stamp + (packet.duration or 0)) * packet.time_base)


def _skeleton(root: Path, name: str) -> Problem | None:
    """Name the fault of the skeleton file `name` below `root`, None for none."""
    if not (root / name).is_file():
        return Problem("missing", name)
    try:
        skeleton_files.parse(root / name)
    except InputError as error:
        return Problem("skeleton", name, str(error).removeprefix(f"{root / name}:"))
    return None


def _sides(module: ModuleType, split: int, options: Mapping[str, Any], videos: Sequence[Video] | None, missing: set[str]) -> Iterator[Side]:
    """The two sides of a split."""
    official = module.expected(split, options)
    for side in ("train", "test"):
        count = getattr(official, side) if official else None
        if videos is None:
            yield Side(split, side, count, None)
            continue
        mine = [video for video in videos if video.split == side]
        used = [video for video in mine if not video.excluded]
        gone = sum(bool({video.path, video.skeleton} & missing) for video in used)
        yield Side(split, side, count, len(mine), len(mine) - len(used), len(used) - gone, gone)


def _miscounted(sides: Iterable[Side]) -> list[Problem]:
    return [
        Problem("count", f"split {side.split} {side.side}", f"{side.named} videos, not {side.official}")
        for side in sides
        if side.official is not None and side.named is not None and side.named != side.official
    ]


def _left_over(module: ModuleType, root: Path, options: Mapping[str, Any], named: Mapping[int, Sequence[Video]]) -> dict[str, list[str]]:
    """The files that no split knows, by the end of their names."""
    expected = {path for videos in named.values() for video in videos for path in (video.path, video.skeleton)}
    if hasattr(module, "unused"):
        expected = expected.union(*(module.unused(root, split, options) for split in named))
    return listing.left_over(root, module.FOLDERS, expected)


def _hints(extra: Sequence[str], missing: Iterable[str]) -> dict[str, str]:
    """The missing file that an extra file may be, under a wrong name: text by the name of the extra file.

    Its name is the same but for folder, letter case, spelling of accents or suffix; for the first few extra files it may
    also be similar, in the same folder.
    """
    same, beside = {}, defaultdict(list)
    for name in sorted(missing):
        same[_plain(name)] = name
        beside[PurePosixPath(name).parent].append(name)
    likely = {name: same[_plain(name)] for name in extra if _plain(name) in same}
    for name in extra[:COMPARED] if beside else ():
        if near := difflib.get_close_matches(name, beside[PurePosixPath(name).parent], n=1, cutoff=0.9):
            likely.setdefault(name, near[0])
    return {name: f"perhaps {other}, which is missing" for name, other in likely.items()}


def _plain(name: str) -> str:
    """A file name without folder, suffix, letter case and the ways in which accents are written."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem).casefold()


def table(report: Report) -> str:
    """The report as two tables: a row a side of a split, and a row a kind of problem with the first few names."""
    about = "about " if report.approximate else ""
    rows: list[tuple[str, ...]] = [("split", "side", "official", "named", "excluded", "present", "missing")]
    for side in report.sides:
        counts = (side.named, side.excluded, side.present, side.missing) if side.named is not None else ("-",) * 4
        rows.append((str(side.split), side.side, "-" if side.official is None else f"{about}{side.official}", *map(str, counts)))
    unused = [f"not used: {len(names)} {kind}, the first {names[0]}" for kind, names in report.unused.items()]
    if not report.problems:
        return "\n".join([*_columns(rows), "", "nothing is wrong", *unused])
    kinds = Counter(problem.kind for problem in report.problems)
    problems = [("problem", "number", "first")]
    for kind, number in kinds.items():
        first = [
            f"{problem.name} ({problem.detail})" if problem.detail else problem.name for problem in report.problems if problem.kind == kind
        ][:SHOWN]
        problems += [(kind, str(number), first[0]), *(("", "", name) for name in first[1:])]
        problems += [("", "", "...")] if number > SHOWN else []
    return "\n".join([*_columns(rows), "", *_columns(problems), *unused])


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines in which the cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def write_csv(path: str | Path, report: Report) -> None:
    """Write all problems as CSV (UTF-8): kind, name, detail."""
    with files.atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in dataclasses.fields(Problem)])
        table.writerows(dataclasses.astuple(problem) for problem in report.problems)
