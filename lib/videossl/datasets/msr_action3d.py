"""MSR Action3D: skeletons by the first Kinect of 20 actions by 10 persons, each up to three times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from videossl.data import listing
from videossl.data.listing import Archive, Counts, Video
from videossl.data.msr_skeleton import ENDING
from videossl.errors import InputError

NAME = "msr-action3d"
LICENCE = "none is stated; for research"
CITATION = "Li, Zhang, Liu: Action Recognition Based on a Bag of 3D Points, CVPR Workshop for Human Communicative Behavior Analysis 2010"
LAYOUT = """\
<root>/a01_s01_e01_skeleton3D.txt, ...     at any depth: MSRAction3DSkeletonReal3D.rar, unpacked; a is the action, s the person, e the time
"""
ARCHIVES: tuple[Archive, ...] = ()
FOLDERS: tuple[str, ...] = ()  # the files may lie anywhere
ACTIONS = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x", "draw tick", "draw circle",
    "hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick", "jogging", "tennis swing", "tennis serve", "golf swing",
    "pick up and throw",
)  # fmt: skip
"""In the order of their numbers, from a01 (table 1 of the paper)."""
PERSONS, TIMES = 10, 3
USED = (284, 273)
"""The 557 of 567 sequences that Wang, Liu, Wu, Yuan (CVPR 2012) used, by the persons of the split: its list (files_used_in_cvpr12_paper.txt), counted."""
FRAMES = 43  # the mean of the 286 sequences of ten actions that were at hand
FPS = 15  # the paper, section 4
_NAME = re.compile(rf"a(\d\d)_s(\d\d)_e(\d\d){re.escape(ENDING)}", re.IGNORECASE)


def check(root: Path) -> None:
    """Raise InputError where no file is named as a skeleton in world coordinates."""
    _files(Path(root))


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The sequences that are there; persons 1, 3, 5, 7 and 9 are for training, the others for testing (cross-subject, the customary split).

    Raises:
        InputError: no such split; nothing there; a file that is not named as a sequence, or is there twice.
    """
    listing.check_options(NAME, options)
    if split != 1:
        raise InputError(f"dataset {NAME} has no split {split!r}: give 1")
    named: dict[str, Video] = {}
    for path in _files(Path(root)):
        action, person, _ = _numbers(Path(root), path)
        name = PurePosixPath(path).name[: -len(ENDING)].lower()
        if name in named:
            raise InputError(f"{Path(root) / path} and {Path(root) / named[name].skeleton} are one sequence; remove one of them")
        named[name] = Video(name, "", ACTIONS[action - 1], "train" if person % 2 else "test", skeleton=path)
    return [named[name] for name in sorted(named)]


def _files(root: Path) -> list[str]:
    paths = listing.find(root, (ENDING.lower(),))
    if not paths:
        raise InputError(f"{root}: no file a01_s01_e01{ENDING} or the like in it; unpack MSRAction3DSkeletonReal3D.rar there")
    return paths


def _numbers(root: Path, path: str) -> tuple[int, ...]:
    """Action, person and time of a file, all from 1."""
    match = _NAME.fullmatch(PurePosixPath(path).name)
    numbers = tuple(map(int, match.groups())) if match else (0,)
    if not all(1 <= number <= last for number, last in zip(numbers, (len(ACTIONS), PERSONS, TIMES), strict=False)):
        raise InputError(f"{root / path} is not named as a sequence of {NAME}: aXX_sXX_eXX{ENDING} up to a20_s10_e03; rename or remove it")
    return numbers


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """About how many there are: of the 567 sequences some papers take all, others leave out those with faults."""
    return Counts(*USED, len(ACTIONS), FRAMES, 0, 0, FPS) if split == 1 else None
