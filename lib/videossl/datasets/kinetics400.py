"""Kinetics-400: 10-second clips of 400 actions from YouTube, in class folders or as the official csv files name them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from videossl.data import listing
from videossl.data.listing import Archive, Counts, Video
from videossl.errors import InputError

NAME = "kinetics400"
LICENCE = "the lists are CC BY 4.0 (Google); each video belongs to who put it on YouTube, and some are gone (https://github.com/cvdfoundation/kinetics-dataset)"
CITATION = "Kay, Carreira, Simonyan, Zhang, Hillier, et al.: The Kinetics Human Action Video Dataset, arXiv:1705.06950, 2017"
LAYOUT = """\
<root>/train/<class>/<id>_<start>_<end>.mp4     the training clips; directly in train/ if there are csv files
<root>/val/<class>/<id>_<start>_<end>.mp4       the validation clips, which are measured on; the official test clips are not used
<root>/annotations/train.csv, val.csv           optional (option: lists): the official lists, which then say what there should be, and the classes
No single download makes this: fetch the archives and lists of github.com/cvdfoundation/kinetics-dataset, or a copy that somebody
keeps, and unpack them. Without csv files each clip must lie in the folder of its class.
"""
ARCHIVES: tuple[Archive, ...] = ()
SIDES = {"train": "train", "val": "test"}  # folder -> our split
FOLDERS = tuple(SIDES)
ANNOTATIONS = "annotations"  # folder of the lists
LISTS = {"train": ("train.csv",), "val": ("val.csv", "validate.csv")}  # names that copies have
COLUMNS = ("label", "youtube_id", "time_start", "time_end")
TRAIN = 240_000  # videos, about: P section 4.1; the csv files name 246534, and 240258 were to be had (arrange_by_classes.py of cvdfoundation/kinetics-dataset)
TEST = 20_000  # about: arXiv:1705.06950 has 50 a class; the csv file names 19906
FRAMES, FPS = 300, 30  # 10 s (arXiv:1705.06950) at 30 a second (P section 4.2)
CLASSES = 400
WIDTH, HEIGHT = 455, 256  # an estimate: copies are often shrunk to a short side of 256; most are wide, some upright
_TIMES = re.compile(r"_\d{6}_\d{6}$")


def check(root: Path) -> None:
    """Raise InputError where a folder is missing."""
    for folder in SIDES:
        if not (Path(root) / folder).is_dir():
            raise InputError(f"{Path(root) / folder}: no such folder; put the clips there as {folder}/<class>/<id>_<start>_<end>.mp4")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The clips that the csv files name, there or not; without csv files those in the class folders. `val` is our test split.

    Without csv files the label is the folder's name. The group is the YouTube video. Clips that no csv file names are not used.

    Raises:
        InputError: another split than 1; a clip on both sides; a class of `val` that `train` does not have; a malformed csv.
    """
    listing.check_options(NAME, options)
    if split != 1:
        raise InputError(f"dataset {NAME} has no split {split!r}: give 1")
    return checked(clips(Path(root), _lists(Path(root), options)))


def clips(root: Path, lists: Path | None) -> list[Video]:
    """The clips of both sides: those that the csv files in `lists` name, or those in the class folders where it is None. Not yet `checked`.

    Raises:
        InputError: no folder of a side, or nothing in it; a clip that is not in the folder of a class; a malformed csv.
    """
    check(root)
    return [video for folder in SIDES for video in (_named(root, folder, lists) if lists else _in_classes(root, folder))]


def checked(named: list[Video]) -> list[Video]:
    """The clips, sorted by id. A clip that is named twice, or a class of `val` that `train` does not have, raises InputError."""
    _check_classes(named)
    _check_once(named)
    return listing.unique(named)


def has_lists(folder: Path) -> bool:
    """True where a csv file of either side lies in `folder`."""
    return any((folder / name).is_file() for names in LISTS.values() for name in names)


def _lists(root: Path, options: Mapping[str, Any]) -> Path | None:
    """The folder of csv files, None where there is none and none is asked for."""
    if not options.get("lists") and not has_lists(root / ANNOTATIONS):
        return None
    return listing.lists_folder(root, options, ANNOTATIONS, "the official lists (train.csv, val.csv)")


def _in_classes(root: Path, folder: str) -> Iterator[Video]:
    """The clips of one side, as <class>/<video>."""
    names = listing.find(root / folder)
    if not names:
        raise InputError(
            f"{root / folder}: no video ({' '.join(listing.SUFFIXES)}) in it; put the clips there as <class>/<id>_<start>_<end>.mp4"
        )
    for name in names:
        if name.count("/") != 1:
            raise InputError(f"{root / folder / name} is not in the folder of a class; move it to {folder}/<class>/, or give the csv files")
        label, clip = name.split("/")
        youtube = _TIMES.sub("", listing.identity(clip))
        yield Video(listing.identity(name), f"{folder}/{name}", label, SIDES[folder], group=youtube)


def _named(root: Path, folder: str, lists: Path) -> Iterator[Video]:
    """The clips of one side that its csv file names: where they lie, or where they should."""
    places = listing.places(root, folder)
    path = next((lists / name for name in LISTS[folder] if (lists / name).is_file()), lists / LISTS[folder][0])
    for line, label, youtube, times in _read(path):
        name = f"{youtube}_{times}"
        place = places.get(name, f"{folder}/{label}/{name}.mp4")
        yield Video(f"{label}/{name}", place, label, SIDES[folder], named_by=f"{path.name}:{line}", group=youtube)


def _read(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """(line, label, YouTube id, "start_end" in six digits each) of each clip in a csv file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if lacking := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
                raise InputError(f"{path}:1: no column {lacking[0]!r}; the official files have {','.join(COLUMNS)},split")
            for row in table:
                yield table.line_num, *_clip(row, f"{path}:{table.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the list {path}: {getattr(error, 'strerror', None) or error}") from error


def _clip(row: Mapping[str, str | None], where: str) -> tuple[str, str, str]:
    """(label, YouTube id, "start_end") of one row."""
    label, youtube, start, end = ((row[name] or "").strip() for name in COLUMNS)
    if not label or not youtube or "/" in label + youtube:
        raise InputError(f"{where}: {label!r} and {youtube!r} are not a class and a YouTube id")
    try:
        return label, youtube, f"{int(float(start)):06d}_{int(float(end)):06d}"
    except (ValueError, OverflowError):
        raise InputError(f"{where}: {start!r} and {end!r} are not seconds from and to") from None


def _check_classes(named: list[Video]) -> None:
    """Names that are spelt in two ways (with spaces, with underscores) would be measured as two classes."""
    training_classes = {video.label for video in named if video.split == "train"}
    for video in named:
        if video.label not in training_classes:
            raise InputError(
                f"{video.named_by or video.path}: train has no video of the class {video.label!r}; give it there the same name, or take the class out"
            )


def _check_once(named: list[Video]) -> None:
    """A clip under two classes has two ids, and would be trained on with one and measured on with the other."""
    first: dict[str, Video] = {}
    for video in named:
        other = first.setdefault(PurePosixPath(video.id).name, video)
        if other is not video:
            where = [f"{entry.path} ({entry.named_by})" if entry.named_by else entry.path for entry in (other, video)]
            raise InputError(f"one clip is named twice: {where[0]} and {where[1]}; remove one")


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """The counts of the paper; None for another split than 1."""
    return Counts(TRAIN, TEST, CLASSES, FRAMES, WIDTH, HEIGHT, FPS) if split == 1 else None
