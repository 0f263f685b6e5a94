"""Mini-Kinetics: 200 of the 400 actions of Kinetics-400, the videos that two lists name, in a copy of Kinetics-400."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from videossl.data import listing
from videossl.data.listing import Archive, Counts, Video
from videossl.datasets import kinetics400
from videossl.errors import InputError

NAME = "mini-kinetics"
LICENCE = f"not known here for the lists of Mini-Kinetics; for Kinetics-400, {kinetics400.LICENCE}"
CITATION = (
    "Xie, Sun, Huang, Tu, Murphy: Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in Video Classification, ECCV 2018"
)
LAYOUT = """\
<root>/train/<class>/<id>_<start>_<end>.mp4         a copy of Kinetics-400, all of it or the part that is named; see kinetics400
<root>/val/<class>/<id>_<start>_<end>.mp4           the validation clips, which are measured on
<root>/annotations/train_ytid_list.txt              the lists of Mini-Kinetics (option: lists): a YouTube id a line
<root>/annotations/val_ytid_list.txt
<root>/annotations/train.csv, val.csv               optional: the lists of Kinetics-400, for clips that do not lie in folders of their classes
The lists are in github.com/s9xie/Mini-Kinetics-200. train_split_1.txt and val_split_1.txt of github.com/fmthoker/tubelet-contrast serve as well:
their lines are "<id>_<start>_<end> number". The classes are those of the folders or of the csv files; numbers are not read.
"""
ARCHIVES: tuple[Archive, ...] = ()
FOLDERS = kinetics400.FOLDERS
LISTS = {"train": ("train_ytid_list.txt", "train_split_1.txt"), "val": ("val_ytid_list.txt", "val_split_1.txt")}
TRAIN, TEST, CLASSES = 80_000, 5_000, 200  # about: 400 and 25 videos a class (the README of s9xie/Mini-Kinetics-200); none was counted
_CLIP = re.compile(r"[\w-]{11}_\d{6}_\d{6}", re.ASCII)
_LINE = re.compile(r"([\w-]{11}(?:_\d{6}_\d{6})?)(?:\s+\d+)?", re.ASCII)


def check(root: Path) -> None:
    """Raise InputError where a folder of clips is missing; the lists are looked for by `videos`."""
    kinetics400.check(root)


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The clips of a copy of Kinetics-400 that the lists of Mini-Kinetics name. `val` is our test split.

    Clips are found and labelled as those of `kinetics400`: by csv files beside the lists or in `annotations`, else by class folders.
    A name that no clip has is an entry without a class and a file, so that the index can say what is gone.

    Raises:
        InputError: another split than 1; no lists; a line that is no YouTube id; a video that is named twice; what `kinetics400` raises.
    """
    listing.check_options(NAME, options)
    if split != 1:
        raise InputError(f"dataset {NAME} has no split {split!r}: give 1")
    root = Path(root)
    check(root)
    what = f"the lists of Mini-Kinetics ({LISTS['train'][0]}, {LISTS['val'][0]})"
    folder = listing.lists_folder(root, options, kinetics400.ANNOTATIONS, what)
    wanted = _wanted(folder)
    csvs = next((place for place in (folder, root / kinetics400.ANNOTATIONS) if kinetics400.has_lists(place)), None)
    kept, seen = [], set()
    for video in kinetics400.clips(root, csvs):
        names = {(video.split, name) for name in (video.group, PurePosixPath(video.id).name)} & wanted.keys()
        kept += [video] if names else []
        seen |= names
    if not kept:
        raise InputError(
            f"{root}: none of the {len(wanted)} videos that the lists in {folder} name is there; are they those of Mini-Kinetics?"
        )
    gone = [_gone(side, name, where) for (side, name), where in wanted.items() if (side, name) not in seen]
    return listing.unique([*kinetics400.checked(kept), *gone])


def unused(root: Path, split: int, options: Mapping[str, Any]) -> set[str]:
    """The files that are named as clips: a copy of Kinetics-400 has others than those of the lists."""
    found = (f"{folder}/{name}" for folder in FOLDERS for name in listing.find(Path(root) / folder))
    return {path for path in found if _CLIP.fullmatch(PurePosixPath(path).stem)}


def _wanted(folder: Path) -> dict[tuple[str, str], str]:
    """The lines of both lists: (our side, "id" or "id_start_end") -> "file:line"."""
    wanted: dict[tuple[str, str], str] = {}
    first: dict[str, str] = {}
    for side, names in LISTS.items():
        path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
        for number, line in enumerate(listing.read_lines(path, "the list of Mini-Kinetics"), start=1):
            if not line.strip():
                continue
            match = _LINE.fullmatch(line.strip())
            if not match:
                raise InputError(f"{path}:{number}: {line.strip()!r} is not a YouTube id of 11 characters, nor <id>_<start>_<end>")
            where = f"{path.name}:{number}"
            if first.setdefault(match[1][:11], where) != where:
                raise InputError(f"{path}:{number}: {match[1]} is also named in {first[match[1][:11]]}; remove one of the lines")
            wanted[kinetics400.SIDES[side], match[1]] = where
    return wanted


def _gone(split: str, name: str, where: str) -> Video:
    """The entry for a name that no clip has."""
    folder = next(folder for folder, side in kinetics400.SIDES.items() if side == split)
    return Video(name, f"{folder}/{name}.mp4", split=split, named_by=where, group=name[:11])


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """About how many there are, as the lists' README says; None for another split than 1."""
    sizes = (kinetics400.FRAMES, kinetics400.WIDTH, kinetics400.HEIGHT, kinetics400.FPS)
    return Counts(TRAIN, TEST, CLASSES, *sizes) if split == 1 else None
