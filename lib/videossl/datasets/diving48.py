"""Diving48: clips of 48 dives from competitions, with the labels of version 2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from videossl import files
from videossl.data import listing
from videossl.data.listing import Archive, Counts, Video
from videossl.errors import InputError

NAME = "diving48"
LICENCE = "not known here; the page of the authors may say (http://www.svcl.ucsd.edu/projects/resound/dataset.html)"
CITATION = "Li, Li, Vasconcelos: RESOUND: Towards Action Recognition without Representation Bias, ECCV 2018"
LAYOUT = """\
<root>/rgb/<video>.mp4              Diving48_rgb.tar.gz, unpacked
<root>/Diving48_V2_train.json       the lists of version 2, from the same page (option: lists)
<root>/Diving48_V2_test.json
<root>/Diving48_vocab.json          the classes, by their numbers
The page is http://www.svcl.ucsd.edu/projects/resound/dataset.html. A person must fetch the files: no checksum of them is known.
"""
# Names of files and of the folder in the archive: tools/data/diving48 of open-mmlab/mmaction2.
ARCHIVES: tuple[Archive, ...] = ()
FOLDER = "rgb"
FOLDERS = (FOLDER,)
LISTS = {"train": "Diving48_V2_train.json", "test": "Diving48_V2_test.json"}
CLASSES_FILE = "Diving48_vocab.json"
TRAIN, TEST = 15_027, 1_970  # version 2, as blog.donghuna.com (Dive sequence classification) prints them; the lists were not at hand
CLASSES = 48  # ECCV 2018
FRAMES, WIDTH, HEIGHT, FPS = 150, 1280, 720, 30  # all four are estimates: a dive of about 5 s, in broadcasts
_GROUP = re.compile(r"([\w-]{11})_\d+", re.ASCII)  # of the name of a clip


def check(root: Path) -> None:
    """Raise InputError where the folder of videos is missing; the lists are looked for by `videos`."""
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack Diving48_rgb.tar.gz in {root}, as {FOLDER}/<video>.mp4")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos of the official lists; whether each is there is for the index to find out.

    The class is the four words of the vocabulary, as "Back 15som 05Twis FREE". The group is the video that the clip was cut from.
    Each clip is one dive and is taken whole: start_frame and end_frame of the lists are not read.

    Raises:
        InputError: another split than 1; no lists; a list that is no JSON, or an entry of another form; a video that is named twice.
    """
    listing.check_options(NAME, options)
    if split != 1:
        raise InputError(f"dataset {NAME} has no split {split!r}: give 1")
    root = Path(root)
    folder = listing.lists_folder(root, options, ".", f"the official lists ({', '.join((*LISTS.values(), CLASSES_FILE))})")
    classes = _classes(folder / CLASSES_FILE)
    places = listing.places(root, FOLDER)
    return listing.unique(video for side, name in LISTS.items() for video in _listed(folder / name, side, classes, places))


def unused(root: Path, split: int, options: Mapping[str, Any]) -> set[str]:
    """The files that are named as clips: version 2 leaves out 1407 of the 18404 in the archive (README of Samoed/diving48 at Hugging Face)."""
    return {place for name, place in listing.places(Path(root), FOLDER).items() if _GROUP.fullmatch(name)}


def _classes(path: Path) -> list[str]:
    """The classes in the order of their numbers, from a list of lists of words."""
    classes = [" ".join(words) if _is_words(words) else "" for words in _read(path)]
    for number, label in enumerate(classes, start=1):
        if not label or classes.index(label) + 1 != number:
            fault = f"the class of entry {classes.index(label) + 1} again" if label else "not a list of words"
            raise InputError(f"{path}: entry {number} is {fault}; take the official file")
    return classes


def _is_words(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) and word.strip() for word in value)


def _listed(path: Path, side: str, classes: Sequence[str], places: Mapping[str, str]) -> Iterator[Video]:
    """The videos of one side, where they lie or where they should."""
    for number, entry in enumerate(_read(path), start=1):
        name, label = (entry.get("vid_name"), entry.get("label")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name, re.ASCII):
            raise InputError(f"{path}: entry {number} has no vid_name of letters, digits, - and _, but {name!r}")
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(classes):
            raise InputError(f"{path}: entry {number}, {name}, has the label {label!r}; {CLASSES_FILE} has 0 to {len(classes) - 1}")
        match = _GROUP.fullmatch(name)
        place = places.get(name, f"{FOLDER}/{name}.mp4")
        yield Video(name, place, classes[label], side, named_by=f"entry {number} of {path.name}", group=match[1] if match else "")


def _read(path: Path) -> list[Any]:
    """The entries of a JSON list, at least one."""
    with files.reading(path, lambda error: InputError(f"cannot read the list {path}: {getattr(error, 'strerror', None) or error}")):
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path} is not a JSON list with entries; take the official file")
    return entries


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """The counts of the official lists; None for another split than 1."""
    return Counts(TRAIN, TEST, CLASSES, FRAMES, WIDTH, HEIGHT, FPS) if split == 1 else None
