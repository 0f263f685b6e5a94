"""`folder`: a user's own videos, in one folder a class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from videossl import seeding
from videossl.data import listing
from videossl.data.listing import Archive, Video
from videossl.errors import InputError

NAME = "folder"
LICENCE = "the user's own"
CITATION = ""
LAYOUT = """\
<root>/<class>/<video>       the class is the name of the folder a video lies in, at any depth
<root>/<video>               or: all videos directly in the root, without labels
<root>/<class>/<name>.skeleton   optional, beside a video of the same name: its NTU RGB+D skeleton
<root>/trainlist01.txt       optional, with testlist01.txt: the split, lines "class/video.mp4"; else it is drawn
"""
ARCHIVES: tuple[Archive, ...] = ()
FOLDERS: tuple[str, ...] = ()  # what the lists leave out may lie anywhere


def check(root: Path) -> None:
    """Raise InputError where `root` holds no video, or videos both with and without a class."""
    _paths(Path(root))


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos below `root`.

    With trainlist0N.txt and testlist0N.txt (N = split) in the root these give the split, and a video in neither is not
    used. Else each video is drawn for the test side with probability `test_share` by a hash of its id, `seed` and
    `split`: a new video moves no other, except where a class of two or more would have none on one side. With a
    share of 0 all are for training.

    With `group`, a regular expression, its first group (or else all that it matches) in a video's id names the recording
    that the video was cut from, and recordings are drawn in place of videos: the clips of one are all on one side.
    """
    root = Path(root)
    settings = listing.settings(NAME, options)
    paths = _paths(root)
    lists = any(name.startswith(("trainlist", "testlist")) and name.endswith(".txt") for name in _names(root))
    entries = (
        listing.listed(root, split)
        if lists
        else listing.unique(Video(listing.identity(path), path, PurePosixPath(path).parent.name) for path in paths)
    )
    if settings.get("group"):
        entries = _grouped(entries, str(settings["group"]))
    if not lists:
        entries = draw_split(entries, _share(settings["test_share"]), int(settings["seed"]), split)
    skeletons = {listing.identity(path): path for path in listing.find(root, (".skeleton",))}
    return [replace(video, skeleton=skeletons.get(listing.identity(video.path), "")) for video in entries]


def _grouped(videos: Sequence[Video], pattern: str) -> list[Video]:
    """The videos with the recordings that `pattern` finds in their ids; a bad pattern, or no match, raises InputError."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"dataset {NAME}: option group is {pattern!r}, which is not a regular expression: {error}") from error
    grouped = []
    for video in videos:
        match = expression.search(video.id)
        name = match and (match[1] if expression.groups else match[0])
        if not name:
            raise InputError(
                f"dataset {NAME}: option group {pattern!r} finds nothing in the id {video.id!r}; it must name each video's recording"
            )
        grouped.append(replace(video, group=name))
    return grouped


def draw_split(videos: Sequence[Video], share: float, seed: int, split: int) -> list[Video]:
    """The videos with their side drawn, the same for all of a group; a video without a group is a group of its own.

    Each class of two or more groups has a group on either side, except where that would leave another class nothing to train on.
    """
    groups = {video.id: video.group or video.id for video in videos}
    classes: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        classes[video.label].add(groups[video.id])
    draw = {group: seeding.derive(seed, split, group, "split") / 2**63 for group in groups.values()}
    test = {group for group in draw if draw[group] < share}
    for members in classes.values():
        if members <= test:  # a class must be learned before it is measured
            test.remove(max(members, key=lambda group: (draw[group], group)))
    for members in classes.values() if share > 0 else ():
        if not members & test:
            last = {rest.pop() for others in classes.values() if len(rest := others - test) == 1}  # all that a class is learned from
            test.update(sorted(members - last, key=lambda group: (draw[group], group))[:1])
    return [replace(video, split="test" if groups[video.id] in test else "train") for video in videos]


def _paths(root: Path) -> list[str]:
    """Paths of the videos below `root`, all in class folders or all directly in it."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; put videos there as <class>/<video>")
    paths = listing.find(root)
    if not paths:
        raise InputError(f"{root}: no video ({' '.join(listing.SUFFIXES)}) in it; put videos there as <class>/<video>")
    bare = [path for path in paths if "/" not in path]
    if bare and len(bare) < len(paths):
        raise InputError(f"{root}: {bare[0]} lies directly in it, other videos in class folders; move all into class folders, or none")
    return paths


def _names(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir()]


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InputError(f"dataset {NAME}: option test_share must be at least 0 and below 1, not {value!r}")
    return float(value)


def expected(split: int, options: Mapping[str, Any]) -> None:
    """Nobody knows before the index is made."""
