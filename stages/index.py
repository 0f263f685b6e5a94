"""index: decode every video once, and say which can be used and why the others cannot.

in:  the dataset's videos, skeleton files (unless people are found in the videos) and split lists
out: data/index/{dataset}.csv, and .json beside it: what it was made from
     data/scratch/index/{dataset}.jsonl, undeclared: what has been decoded, so that an index that was interrupted goes on
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

from videossl import made_from, registry, script
from videossl.data import alike, index, listing, make_index
from videossl.data.listing import Video
from videossl.errors import InputError
from videossl.files import write_json

SHOWN = 3  # videos of each kind that stderr names, dropped or alike; the log file names all


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    args = script.read(parser)
    dataset, limits = args.params["dataset"], args.params["index"]
    root = Path(dataset["root"])
    module = registry.module("datasets", dataset["name"])
    module.check(root)
    videos = module.videos(root, dataset["split"], dataset["options"])
    listing.check_labels(module.NAME, videos)
    if "skeleton" in args.params:
        videos = without_skeletons(videos, root)
    journal = Path("data/scratch/index", f"{dataset['name']}.jsonl")
    rows = make_index.build(videos, root, args.processes, limits["min_frames"], progress=True, fps=limits["fps"], journal=journal)
    say_dropped(rows)
    say_alike(rows)
    unused = listing.left_over(root, module.FOLDERS, {path for video in videos for path in (video.path, video.skeleton)})
    say_unused(root, unused)
    say_unofficial(module, dataset, videos)
    index.check_drops(rows, limits["max_dropped"])
    index.write(args.out, rows)
    kinds = {kind: {"count": len(names), "first": names[0]} for kind, names in unused.items()}
    about = {"bytes": args.out.stat().st_size, "unused": kinds, "provenance": {"tag": made_from.tag(args.params)}}
    write_json(args.out.with_suffix(".json"), about)
    logging.info("%s: %s", args.out, index.summary(rows))


def without_skeletons(videos: Sequence[Video], root: Path) -> list[Video]:
    """The videos as they are where people are found in them: skeleton files, and lists of such, decide nothing."""
    if alone := [video.id for video in videos if not video.path]:
        raise InputError(
            f"{root} has skeletons and no video to find people in, such as of {alone[0]}: put the videos there, or set"
            " skeleton: {backend: files} and take graph: coco out of the streams"
        )
    excluded = ["" if video.excluded.startswith("skeleton:") else video.excluded for video in videos]
    return [dataclasses.replace(video, skeleton="", excluded=reason) for video, reason in zip(videos, excluded, strict=True)]


def say_dropped(rows: Sequence[index.Row]) -> None:
    """Log every dropped video; on stderr the first of each kind, for there may be thousands."""
    file = in_file()
    dropped = sorted((row for row in rows if row.status != "ok"), key=lambda row: (index.kind(row), row.id))
    for kind, group in groupby(dropped, index.kind):
        members = list(group)
        for number, row in enumerate(members):
            (logging.getLogger() if number < SHOWN else file).info("dropped %s: %s", row.id, row.reason)
        if len(members) > SHOWN:
            logging.info("dropped %d more, %s: the log file names them", len(members) - SHOWN, kind)


def say_alike(rows: Sequence[index.Row]) -> None:
    """Warn of the same bytes in several places, and of a class under two names."""
    file = in_file()
    for kind, group in groupby(alike.find(rows), lambda found: found.kind):
        members = list(group)
        for number, found in enumerate(members):
            (logging.getLogger() if number < SHOWN else file).warning("warning: %s: %s", kind, found.text)
        if len(members) > SHOWN:
            logging.warning("warning: %d more, %s; the log file names them", len(members) - SHOWN, kind)


def in_file() -> logging.Logger:
    """A logger that writes to the log file alone."""
    logger = logging.getLogger("videossl.file")
    logger.propagate = False
    logger.handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]
    return logger


def say_unused(root: Path, unused: Mapping[str, Sequence[str]]) -> None:
    """Say what is there and not used: no file is left out in silence."""
    if not unused:
        return
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in sorted(unused.items(), key=lambda item: -len(item[1])))
    videos = [name for kind, names in unused.items() if kind in listing.SUFFIXES for name in names]
    note = f"; {len(videos)} videos are on no side of the split, the first: {videos[0]}" if videos else ""
    logging.info("in %s and not used: %s%s; the log file names all", root, counts, note)
    file = in_file()
    for name in (name for names in unused.values() for name in names):
        file.info("not used: %s", name)


def say_unofficial(module: ModuleType, dataset: dict[str, Any], videos: Sequence[Video]) -> None:
    """Warn where the lists or files name more or fewer than there are officially: what nothing names is in no count of drops."""
    official = module.expected(dataset["split"], dataset["options"])
    if official is None or listing.is_approximate(module.NAME):
        return
    for side, count in (("train", official.train), ("test", official.test)):
        named = sum(video.split == side for video in videos)
        if named != count:
            logging.warning(
                "warning: %s: %d videos to %s with are named, officially there are %d; `videossl verify` tells more",
                module.NAME,
                named,
                side,
                count,
            )


if __name__ == "__main__":
    script.run(main)
