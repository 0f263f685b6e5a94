"""The common ground of datasets: the `Video` that they name, walks through folders, split lists, labels, options.

A dataset is a module and a YAML of one name in lib/videossl/datasets. The YAML says

    about                  what it holds
    has                    what its files are: [video], [skeleton] or both
    labels                 name -> kind (KINDS) of each label of its videos; the one named `class` is the field `label`
    options                the JSON schema of each option, with its description
    downloaded: true       `download` fetches what ARCHIVES names into data/raw/NAME
    rendered: true         `download` calls the module's own `download`, which makes the videos in data/raw/NAME
    sizes                  axis -> extent of what is made of its skeleton files, where it is not as the modality says
    approximate: true      its copies differ in size: `expected` is about

and the module has

    NAME, LICENCE, CITATION, LAYOUT                  text
    ARCHIVES                                         what `download` fetches; () where a person must: LAYOUT says what and where to put it
    FOLDERS                                          folders below the root in which nothing but its videos and skeletons should lie
    videos(root, split, options) -> list[Video]      what the dataset names, sorted by id
    check(root) -> None                              its InputError says what is missing and what to put where; a look at folders, not at files
    expected(split, options) -> Counts | None        how much there will be, before it is there; None where that is unknown, or no such split

and may have

    unused(root, split, options) -> set[str]         what lies in FOLDERS and belongs there, and no side of the split uses
    download(out, options, processes) -> None        makes the videos, where the YAML says `rendered`
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from videossl import files, registry
from videossl.data.index import CLASS, Label
from videossl.errors import InputError

SUFFIXES = files.VIDEOS

LISTS = re.compile(r"(train|test)list\d\d\.txt|classInd\.txt")
"""The names of lists of a split."""

KINDS = {
    "class": "a text that is not empty",
    "several": "a list of texts, each once and not empty",
    "number": "a finite number",
    "order": "a whole number from 0",
}
"""Kind of a label -> what it must be: one class, several classes, a quantity, a rank."""


@dataclasses.dataclass(frozen=True)
class Video:
    """A video that a dataset names; whether the file is there and decodes is for the index to find out."""

    id: str  # unique: path below the folder of videos, without suffix, with "/"
    path: str  # relative to the dataset's root, with "/"; "" only where a dataset is of skeletons alone
    label: str = ""  # class name, "" for an unlabelled video
    labels: Mapping[str, Label] = dataclasses.field(default_factory=dict, hash=False, kw_only=True)  # further labels by their names
    split: str = "train"  # or "test"
    skeleton: str = ""  # relative to the dataset's root, "" for none
    named_by: str = ""  # "trainlist01.txt:3" where a list names it
    group: str = ""  # the recording that it was cut from ("SoccerJuggling/g23"), "" where it is a recording of its own
    excluded: str = ""  # why an official list takes it out: becomes the reason of its row in the index


@dataclasses.dataclass(frozen=True)
class Counts:
    """The size of a dataset, from which the cost of a run follows."""

    train: int  # videos
    test: int
    classes: int
    frames: float  # of a video, on average
    width: float  # pixels, on average
    height: float
    fps: float  # frames a second, on average


@dataclasses.dataclass(frozen=True)
class Archive:
    """One file that `download` fetches and unpacks."""

    name: str  # file name
    urls: tuple[str, ...]  # mirrors, in the order in which they are tried
    size: int | None  # bytes, where known
    sha256: str | None  # where known
    into: str = ""  # folder below the root that its members are unpacked into
    nested: bool = False  # it holds archives, which are unpacked beside themselves and then removed


def find(root: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """Paths below `root`, with "/", of all files with one of the suffixes (any case), sorted.

    Names that start with a dot are left out. Links to folders are followed. Not a glob: names hold brackets.
    """
    paths = []
    for folder, names in files.walk(root):
        for name in names:
            if name.lower().endswith(suffixes):
                paths.append(_text(folder, name, root))
    return sorted(paths)


def places(root: Path, folder: str) -> dict[str, str]:
    """Find the videos at any depth below `folder` of `root`: path, relative to `root`, by name without suffix. One walk: there may be hundreds of thousands.

    Two files of one name raise InputError.
    """
    found: dict[str, str] = {}
    for below in find(root / folder):
        name, place = PurePosixPath(below).stem, f"{folder}/{below}"
        if found.setdefault(name, place) != place:
            raise InputError(f"{root / place} and {root / found[name]} are one clip; remove one of them")
    return found


def left_over(root: Path, folders: Sequence[str], used: Iterable[str]) -> dict[str, list[str]]:
    """The files in `folders` of `root`, all where none are named, that are not among `used` nor lists of a split: sorted paths by the end of their names.

    Names that start with a dot are left out, as everywhere.
    """
    known = set(used)
    result: dict[str, list[str]] = {}
    for place in folders or (".",):
        for folder, names in files.walk(root / place):
            for name in names:
                path = (folder / name).relative_to(root).as_posix()
                if path not in known and not LISTS.fullmatch(name):
                    result.setdefault(PurePosixPath(name).suffix.lower() or "no suffix", []).append(path)
    return {kind: sorted(result[kind]) for kind in sorted(result)}


def _text(folder: Path, name: str, root: Path) -> str:
    """The path of a file below `root`, which must be text for the index to hold it."""
    path = (folder / name).relative_to(root).as_posix()
    if "\n" in path or "\r" in path or any("\ud800" <= letter <= "\udfff" for letter in path):  # undecodable bytes
        raise InputError(f"{root}: the file name {path!r} has line breaks or is not UTF-8; rename it")
    return path


def identity(path: str) -> str:
    """The id of a video: its path without the suffix."""
    return PurePosixPath(path).with_suffix("").as_posix()


def unique(videos: Iterable[Video]) -> list[Video]:
    """The videos sorted by id. Where files differ in their suffix alone, it is part of their ids. One file twice raises InputError that names both places."""
    by_path: dict[str, Video] = {}
    for video in videos:
        other = by_path.setdefault(video.path or video.skeleton or video.id, video)
        if other is not video:
            where = [f"{entry.path} ({entry.named_by})" if entry.named_by else entry.path for entry in (other, video)]
            raise InputError(f"two videos have the id {video.id!r}: {where[0]} and {where[1]}; remove or rename one")
    often = Counter(video.id for video in by_path.values())
    told_apart = (
        dataclasses.replace(video, id=video.id + PurePosixPath(video.path).suffix) if often[video.id] > 1 else video
        for video in by_path.values()
    )
    return sorted(told_apart, key=lambda video: video.id)


def read_list(path: Path) -> list[tuple[int, str, str]]:
    """Read a split list: (line number, name of the video, the number behind it or "") a line.

    The name is all before the last number: it may hold spaces. Windows line ends, a byte order mark and empty lines
    are fine; a line that does not name a video below the folder, or names one a second time, raises InputError.
    """
    entries: list[tuple[int, str, str]] = []
    first: dict[str, int] = {}
    for number, line in enumerate(read_lines(path, "the split list"), start=1):
        if not line.strip():
            continue
        name, flag = _entry(path, number, line)
        if first.setdefault(name, number) != number:
            raise InputError(f"{path}:{number}: {name} is also in line {first[name]}; remove one of the lines")
        entries.append((number, name, flag))
    return entries


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a UTF-8 file, without a byte order mark; one that cannot be read raises InputError that says `what` it is."""
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"cannot read {what} {path}: {reason}") from error


def _entry(path: Path, number: int, line: str) -> tuple[str, str]:
    """(name, number behind it) in one line of a split list."""
    match = re.fullmatch(r"(.+?)(?:\s+(\d+))?", line.strip())
    name = match[1] if match else ""
    if not name.lower().endswith(SUFFIXES):
        raise InputError(f"{path}:{number}: {name!r} is not the name of a video ({' '.join(SUFFIXES)})")
    if "\\" in name:
        raise InputError(f"{path}:{number}: {name!r} has a backslash; put / between folder and name")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise InputError(f"{path}:{number}: {name!r} must lie below the dataset's folder; give a relative path")
    return PurePosixPath(name).as_posix(), (match[2] if match else "") or ""


def listed(folder: Path, split: int, below: str = "") -> list[Video]:
    """The videos in `trainlist0N.txt` and `testlist0N.txt` (lines "Class/name.avi [number]", as UCF101 has them).

    `below` is the folder of videos, relative to the root. The class is the folder that a name gives, "" for none.
    Where `classInd.txt` (lines "number Class") lies beside the lists, classes and numbers must be as it says.
    A missing list, a video in both lists, or a class or number that `classInd.txt` does not have raises InputError.
    """
    classes = _classes(folder / "classInd.txt")
    videos = []
    for side in ("train", "test"):
        path = folder / f"{side}list{split:02d}.txt"
        if not path.is_file():
            raise InputError(f"{path} is missing: split {split} needs trainlist{split:02d}.txt and testlist{split:02d}.txt")
        for number, name, flag in read_list(path):
            label = PurePosixPath(name).parent.name
            if classes:
                _check_class(classes, label, flag, f"{path}:{number}")
            videos.append(Video(identity(name), PurePosixPath(below, name).as_posix(), label, side, named_by=f"{path.name}:{number}"))
    return unique(videos)


def _classes(path: Path) -> dict[str, str]:
    """The classes of `classInd.txt` and their numbers (as text); empty where there is no such file."""
    classes: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, "the classes") if path.is_file() else [], start=1):
        match = re.fullmatch(r"(\d+)\s+(\S.*)", line.strip())
        if line.strip() and not match:
            raise InputError(f"{path}:{number}: {line.strip()!r} is not a number and a class")
        if match:
            classes[match[2]] = match[1]
    return classes


def _check_class(classes: Mapping[str, str], label: str, flag: str, where: str) -> None:
    """A class that is spelt in two ways would be two; a number that names another class says that the line is wrong."""
    if label not in classes:
        near = difflib.get_close_matches(label, classes, n=1)
        raise InputError(
            f"{where}: classInd.txt has no class {label!r}" + (f": did you mean {near[0]!r}?" if near else "; mend one of them")
        )
    if flag and flag != classes[label]:
        raise InputError(
            f"{where}: number {flag} stands behind a video of {label}, which is {classes[label]} in classInd.txt; mend one of them"
        )


def lists_folder(root: Path, options: Mapping[str, Any], default: str, what: str) -> Path:
    """The folder of split lists: option "lists" (relative to `root`, or absolute), else `default` in `root`."""
    folder = root / str(options.get("lists") or default)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; put {what} there, or name their folder in the option `lists`")
    return folder


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise InputError for an option that dataset `name` does not have; it names the nearest option that there is."""
    names = sorted(registry.declared("datasets", name)["options"])
    for key in options:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.0)
            hint = f"did you mean {near[0]!r}?" if near else "it has none"
            raise InputError(f"dataset {name} has no option {key!r}: {hint}")


def settings(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of dataset `name`, with the defaults of those that are absent. An unknown option raises InputError."""
    check_options(name, options)
    declared = registry.declared("datasets", name)["options"]
    return {key: option["default"] for key, option in declared.items() if "default" in option} | dict(options)


def is_approximate(name: str) -> bool:
    """True where copies of dataset `name` differ in size, so that official counts are about."""
    return bool(registry.declared("datasets", name).get("approximate"))


def split_of(module: ModuleType, text: str, options: Mapping[str, Any]) -> int:
    """The split that a person names, as a number; raises InputError for a text that names no split of the dataset."""
    splits = [split for split in (1, 2, 3) if module.expected(split, options)] or [1, 2, 3]
    if text not in map(str, splits):
        raise InputError(f"SPLIT is {text}, and the splits of {module.NAME} are {', '.join(map(str, splits))}")
    return int(text)


def check_labels(name: str, videos: Iterable[Video]) -> None:
    """Raise InputError, which names the video and the kind, where a label is not as dataset `name` declares."""
    kinds = registry.declared("datasets", name)["labels"]
    for video in videos:
        if wrong := wrong_labels(video, kinds):
            raise InputError(f"dataset {name}, video {video.id!r}: {wrong}")


def wrong_labels(video: Video, kinds: Mapping[str, str]) -> str:
    """Name the fault of the labels of a video; `kinds`: name -> kind, as declared. "" where there is none."""
    if CLASS in video.labels:
        return f"the label {CLASS!r} stands in `labels`; its place is the field `label`"
    labels = {**video.labels, **({CLASS: video.label} if video.label else {})}
    for label, value in labels.items():
        if label not in kinds:
            declared = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            return f"the label {label!r} is not declared; declared are {declared or 'none'}"
        if kinds[label] not in KINDS:
            return f"the label {label!r} is declared to be of the kind {kinds[label]!r}; there are {', '.join(KINDS)}"
        if not fits(value, kinds[label]):
            return f"the label {label!r} is {value!r}; its kind is {kinds[label]!r}: {KINDS[kinds[label]]}"
    return ""


def fits(value: object, kind: str) -> bool:
    """True where a label is of a kind of KINDS."""
    if kind == "class":
        return isinstance(value, str) and value != ""
    if kind == "several":
        return isinstance(value, list) and all(fits(text, "class") for text in value) and len(set(value)) == len(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "number":
        return -sys.float_info.max <= value <= sys.float_info.max  # which NaN is not either
    return isinstance(value, int) and value >= 0
