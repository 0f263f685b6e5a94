"""HMDB51: 6766 clips of 51 actions; each of three official splits takes 70 + 30 clips a class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from videossl.data import listing
from videossl.data.listing import Archive, Counts, Video
from videossl.errors import InputError

NAME = "hmdb51"
LICENCE = "CC BY 4.0 (https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/)"
CITATION = "Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011"
LAYOUT = """\
<root>/videos/<class>/<video>.avi                                    hmdb51_org.rar, and each class's own archive, unpacked
<root>/testTrainMulti_7030_splits/<class>_test_split1.txt, ...       test_train_splits.rar, unpacked (option: lists)
"""
# The lab's own copy at Hugging Face first: its old address has been reported dead. Checksums: torchvision/prototype/datasets/_builtin/hmdb51.py
# of pytorch/vision. Sizes: what the old address answered (01-Prepare_HMDB51.ipynb of kiyoon/PyVideoAI-examples).
_PLACES = ("https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main", "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10")
ARCHIVES = (
    Archive(
        "hmdb51_org.rar",
        tuple(f"{place}/hmdb51_org.rar" for place in _PLACES),
        2124008126,
        "9e714a0d8b76104d76e932764a7ca636f929fff66279cda3f2e326fa912a328e",
        into="videos",
        nested=True,
    ),
    Archive(
        "test_train_splits.rar",
        tuple(f"{place}/test_train_splits.rar" for place in _PLACES),
        199521,
        "229c94f845720d01eb3946d39f39292ea962d50a18136484aa47c1eba251d2b7",
    ),
)
FOLDER = "videos"
FOLDERS = (FOLDER,)
LISTS = "testTrainMulti_7030_splits"
SPLITS = (1, 2, 3)
TRAIN, TEST = 3570, 1530  # videos of each official split: 70 and 30 in each of 51 classes
FRAMES = 94  # a video, an estimate: they last about 3 s at 30 a second
CLASSES, WIDTH, HEIGHT, FPS = 51, 360, 240, 30  # ICCV 2011: 240 pixels high, 30 a second; the width is an estimate, from 4:3 to wide screen
SIDES = {"0": "", "1": "train", "2": "test"}


def check(root: Path) -> None:
    """Raise InputError where the folder of videos is missing; the lists are looked for by `videos`."""
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack hmdb51_org.rar there, as {FOLDER}/<class>/<video>.avi")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos of official split 1, 2 or 3 (a clip marked 0 is on neither side, and left out).

    The group is the title of the film or video that a clip was cut from. Within a class no title is on both sides of an
    official split; across classes some are.
    """
    return listing.unique(video for video in _marked(Path(root), split, options) if video.split)


def unused(root: Path, split: int, options: Mapping[str, Any]) -> set[str]:
    """The clips that the lists mark 0."""
    return {video.path for video in _marked(Path(root), split, options) if not video.split}


def _marked(root: Path, split: int, options: Mapping[str, Any]) -> Iterator[Video]:
    """All clips in the lists of a split; the side is "" for one that is marked 0."""
    listing.check_options(NAME, options)
    folder = listing.lists_folder(root, options, LISTS, "the official lists (<class>_test_split1.txt, ...)")
    ending = f"_test_split{split}.txt"
    classes = sorted(entry.name.removesuffix(ending) for entry in folder.iterdir() if entry.name.endswith(ending))
    if not classes:
        raise InputError(f"{folder}: no list <class>{ending} in it; HMDB51 has splits 1, 2 and 3")
    _check_listed(root, classes, ending)
    return (video for label in classes for video in _class(folder / f"{label}{ending}", label))


def _class(path: Path, label: str) -> Iterator[Video]:
    """The videos of one class from its list: lines "name.avi 1", 1 for train, 2 for test, 0 for neither."""
    for number, name, flag in listing.read_list(path):
        if flag not in SIDES:
            raise InputError(f"{path}:{number}: {flag or 'nothing'} stands behind {name}; it must be 0, 1 or 2")
        place, title = f"{label}/{name}", _title(PurePosixPath(name).stem, label)
        yield Video(listing.identity(place), f"{FOLDER}/{place}", label, SIDES[flag], "", f"{path.name}:{number}", title)


def _title(name: str, label: str) -> str:
    """The title in TITLE_CLASS_BODY_CAMERA_PEOPLE_VIEW_QUALITY_NUMBER ("h", "cm", "np1", "fr", "goo", 0); "" for another form.

    Titles and classes also hold underscores, so the class must be known.
    """
    match = re.fullmatch(rf"(.+)_{re.escape(label)}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+", name)
    return match[1] if match else ""


def _check_listed(root: Path, classes: list[str], ending: str) -> None:
    """A class that is there but has no list would vanish silently."""
    for entry in sorted((root / FOLDER).iterdir()) if (root / FOLDER).is_dir() else []:
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in classes:
            raise InputError(f"{entry}: no list {entry.name}{ending} for this class; add it, or move the folder away")


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """The counts of the official splits; None for a split that there is not."""
    return Counts(TRAIN, TEST, CLASSES, FRAMES, WIDTH, HEIGHT, FPS) if split in SPLITS else None
