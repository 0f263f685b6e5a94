"""Kinetics-400: 10-second clips of 400 actions from YouTube, in class folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from videossl.data.datasets import base
from videossl.data.datasets.base import Counts, Video
from videossl.errors import InputError

NAME = "kinetics400"
LICENCE = "the lists are CC BY 4.0 (Google); each video belongs to who put it on YouTube, and some are gone (https://github.com/cvdfoundation/kinetics-dataset)"
CITATION = "Kay, Carreira, Simonyan, Zhang, Hillier, et al.: The Kinetics Human Action Video Dataset, arXiv:1705.06950, 2017"
LAYOUT = """\
<root>/train/<class>/<id>_<start>_<end>.mp4     the training clips, each in the folder of its class
<root>/val/<class>/<id>_<start>_<end>.mp4       the validation clips, which are measured on; the official test clips are not used
No single download makes this: fetch the archives and lists of github.com/cvdfoundation/kinetics-dataset, or a copy that somebody
keeps, unpack them, and move each clip into the folder of its class in the lists.
"""
SIDES = {"train": "train", "val": "test"}  # folder -> our split
OPTIONS = ()
TRAIN = 240_000  # videos, about: P section 4.1; how many are still to be had varies
TEST = 20_000  # about: arXiv:1705.06950 has 50 a class
FRAMES = 300  # 10 s (arXiv:1705.06950) at 30 a second (P section 4.2)
CLASSES = 400
WIDTH, HEIGHT = 455, 256  # an estimate: copies are often shrunk to a short side of 256; most are wide, some upright


def check(root: Path) -> None:
    """Raise an InputError where a folder is missing, holds no video, or holds one outside a class folder."""
    for folder in SIDES:
        _found(Path(root), folder)


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The clips in the class folders; those of `val` are our test split. The label is the folder's name.

    Raises:
        InputError: another split than 1; a clip in both folders; a class of `val` that `train` does not have.
    """
    base.check_options(NAME, options, OPTIONS)
    if split != 1:
        raise InputError(f"dataset {NAME} has no split {split!r}: give 1")
    found = {folder: _found(Path(root), folder) for folder in SIDES}
    _check_classes(Path(root), found)
    named = [
        Video(base.identity(name), f"{folder}/{name}", PurePosixPath(name).parent.name, SIDES[folder])
        for folder, names in found.items()
        for name in names
    ]
    return base.unique(named)


def _found(root: Path, folder: str) -> list[str]:
    """The clips of one side, as <class>/<video>."""
    place = root / folder
    if not place.is_dir():
        raise InputError(f"{place}: no such folder; put the clips there as {folder}/<class>/<id>_<start>_<end>.mp4")
    names = base.find(place)
    if not names:
        raise InputError(f"{place}: no video ({' '.join(base.SUFFIXES)}) in it; put the clips there as <class>/<id>_<start>_<end>.mp4")
    for name in names:
        if name.count("/") != 1:
            raise InputError(f"{place / name} is not in the folder of a class; move it to {folder}/<class>/")
    return names


def _check_classes(root: Path, found: Mapping[str, list[str]]) -> None:
    """Names that are spelt in two ways (with spaces, with underscores) would be measured as two classes."""
    train, val = ({name.partition("/")[0] for name in found[folder]} for folder in ("train", "val"))
    if val - train:
        name = min(val - train)
        raise InputError(
            f"{root / 'val' / name}: train has no video of the class {name!r}; give it there the same name, or move the folder away"
        )


def expected(split: int, options: Mapping[str, Any]) -> Counts:
    """What the paper says there is."""
    return Counts(TRAIN, TEST, CLASSES, FRAMES, WIDTH, HEIGHT)
