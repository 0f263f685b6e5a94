"""`folder`: a user's own videos, in one folder a class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from videossl import seeding
from videossl.data.datasets import base
from videossl.data.datasets.base import Video
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
OPTIONS = {"test_share": 0.3, "seed": 0}


def check(root: Path) -> None:
    """Raise an InputError where `root` holds no video, or videos both with and without a class."""
    _found(Path(root))


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos below `root`.

    With trainlist0N.txt and testlist0N.txt (N = split) in the root these give the split, and a video in neither is not
    used. Else each video is drawn for the test side with probability `test_share` by a hash of its id, `seed` and
    `split`: a new video moves no other, except where a class of two or more would have none on one side. With a
    share of 0 all are for training.
    """
    root = Path(root)
    base.check_options(NAME, options, OPTIONS)
    found = _found(root)
    if any(name.startswith(("trainlist", "testlist")) and name.endswith(".txt") for name in _names(root)):
        chosen = base.listed(root, split)
    else:
        share = _share({**OPTIONS, **options}["test_share"])
        seed = int({**OPTIONS, **options}["seed"])
        named = [Video(base.identity(path), path, PurePosixPath(path).parent.name) for path in found]
        chosen = draw_split(base.unique(named), share, seed, split)
    skeletons = {base.identity(path): path for path in base.find(root, (".skeleton",))}
    return [replace(video, skeleton=skeletons.get(video.id, "")) for video in chosen]


def draw_split(videos: Sequence[Video], share: float, seed: int, split: int) -> list[Video]:
    """The videos with their side drawn, class by class; each class of two or more has a video on either side."""
    classes: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for video in videos:
        draw = seeding.derive(seed, split, video.id, "split") / 2**63
        classes[video.label].append((draw, video.id))
    test: set[str] = set()
    for draws in classes.values():
        draws.sort()
        count = sum(draw < share for draw, _ in draws)
        if share > 0:  # one on either side; a class of one video stays where it can be learned from
            count = min(max(count, 1), len(draws) - 1)
        test.update(id for _, id in draws[:count])
    return [replace(video, split="test" if video.id in test else "train") for video in videos]


def _found(root: Path) -> list[str]:
    """Paths of the videos below `root`, all in class folders or all directly in it."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; put videos there as <class>/<video>")
    found = base.find(root)
    if not found:
        raise InputError(f"{root}: no video ({' '.join(base.SUFFIXES)}) in it; put videos there as <class>/<video>")
    bare = [path for path in found if "/" not in path]
    if bare and len(bare) < len(found):
        raise InputError(f"{root}: {bare[0]} lies directly in it, other videos in class folders; move all into class folders, or none")
    return found


def _names(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir()]


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InputError(f"dataset {NAME}: option test_share must be at least 0 and below 1, not {value!r}")
    return float(value)


def expected(split: int, options: Mapping[str, Any]) -> None:
    """Nobody knows before the index is made."""
