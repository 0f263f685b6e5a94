"""HMDB51: 6766 clips of 51 actions; each of three official splits takes 70 + 30 clips a class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videossl.data.datasets import base
from videossl.data.datasets.base import Counts, Video
from videossl.errors import InputError

NAME = "hmdb51"
LICENCE = "CC BY 4.0 (https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/)"
CITATION = "Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011"
LAYOUT = """\
<root>/videos/<class>/<video>.avi                                    hmdb51_org.rar, and each class's own archive, unpacked
<root>/testTrainMulti_7030_splits/<class>_test_split1.txt, ...       test_train_splits.rar, unpacked (option: lists)
"""
FOLDER = "videos"
LISTS = "testTrainMulti_7030_splits"
OPTIONS = ("lists",)
TRAIN, TEST = 3570, 1530  # videos of each official split: 70 and 30 in each of 51 classes
FRAMES = 94  # a video, an estimate: they last about 3 s at 30 a second
CLASSES, WIDTH, HEIGHT = 51, 360, 240  # all are 240 pixels high; the width is an estimate, from 4:3 to wide screen
SIDES = {"0": "", "1": "train", "2": "test"}


def check(root: Path) -> None:
    """Raise an InputError where the folder of videos is missing; the lists are looked for by `videos`."""
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack hmdb51_org.rar there, as {FOLDER}/<class>/<video>.avi")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos of official split 1, 2 or 3 (a clip marked 0 is in neither side of it and left out)."""
    root = Path(root)
    base.check_options(NAME, options, OPTIONS)
    folder = base.lists_folder(root, options, LISTS, "the official lists (<class>_test_split1.txt, ...)")
    ending = f"_test_split{split}.txt"
    classes = sorted(entry.name.removesuffix(ending) for entry in folder.iterdir() if entry.name.endswith(ending))
    if not classes:
        raise InputError(f"{folder}: no list <class>{ending} in it; HMDB51 has splits 1, 2 and 3")
    _check_listed(root, classes, ending)
    return base.unique(video for label in classes for video in _class(folder / f"{label}{ending}", label))


def _class(path: Path, label: str) -> list[Video]:
    """The videos of one class from its list: lines "name.avi 1", 1 for train, 2 for test, 0 for neither."""
    named = []
    for number, name, flag in base.read_list(path):
        if flag not in SIDES:
            raise InputError(f"{path}:{number}: {flag or 'nothing'} stands behind {name}; it must be 0, 1 or 2")
        if side := SIDES[flag]:
            place = f"{label}/{name}"
            named.append(Video(base.identity(place), f"{FOLDER}/{place}", label, side, named_by=f"{path.name}:{number}"))
    return named


def _check_listed(root: Path, classes: list[str], ending: str) -> None:
    """A class that is there but has no list would vanish silently."""
    for entry in sorted((root / FOLDER).iterdir()) if (root / FOLDER).is_dir() else []:
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in classes:
            raise InputError(f"{entry}: no list {entry.name}{ending} for this class; add it, or move the folder away")


def expected(split: int, options: Mapping[str, Any]) -> Counts:
    """What each of the official splits names."""
    return Counts(TRAIN, TEST, CLASSES, FRAMES, WIDTH, HEIGHT)
