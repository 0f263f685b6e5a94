"""The common ground of ntu60 and ntu120: names, folders, the list of missing skeletons, the two official splits.

A sample is named SsssCcccPpppRrrrAaaa: setup, camera, performer, replication, action (README of github.com/shahroudy/NTURGB-D).
Three cameras film each performance at once, so what the cameras 1 to 3 saw of one performance is one group.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from videossl.data import listing
from videossl.data.listing import Video
from videossl.errors import InputError

LICENCE = (
    "academic research, after an agreement with the ROSE Lab; not to be passed on (https://rose1.ntu.edu.sg/dataset/actionRecognition/)"
)
RGB = "nturgb+d_rgb"
SKELETONS = ("nturgb+d_skeletons", "nturgb+d_skeletons120")
"""Folders of skeletons: in many copies the second has the skeletons of the setups 18 to 32."""
FOLDERS = (RGB, *SKELETONS)
WIDTH, HEIGHT, FPS = 1920, 1080, 30  # of videos by Kinect V2 (README of github.com/shahroudy/NTURGB-D)
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")


@dataclasses.dataclass(frozen=True)
class Sample:
    """The parts of a sample's name; all count from 1."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int

    @classmethod
    def named(cls, name: str) -> Sample | None:
        """The sample of that name, None for a name of another form."""
        match = _NAME.fullmatch(name)
        sample = cls(*map(int, match.groups())) if match else None
        return sample if sample and 0 not in dataclasses.astuple(sample) else None

    def __str__(self) -> str:
        return f"S{self.setup:03d}C{self.camera:03d}P{self.performer:03d}R{self.replication:03d}A{self.action:03d}"

    @property
    def group(self) -> str:
        """The performance, whichever camera saw it."""
        return f"S{self.setup:03d}P{self.performer:03d}R{self.replication:03d}A{self.action:03d}"


@dataclasses.dataclass(frozen=True)
class Edition:
    """An edition of the dataset: ntu60 or ntu120."""

    name: str
    last: Sample  # the largest of each number that a name can have
    missing: str  # file name of the list of missing skeletons
    training: Mapping[int, Callable[[Sample], bool]]  # split -> whether a sample is for training


def check(root: Path) -> None:
    """Raise InputError where there is neither a folder of videos nor one of skeletons."""
    if not any((Path(root) / folder).is_dir() for folder in FOLDERS):
        raise InputError(
            f"{root}: neither {RGB}/ nor {SKELETONS[0]}/ in it; unpack nturgbd_rgb_s001.zip ... or nturgbd_skeletons_s001_to_s017.zip ... there"
        )


def videos(edition: Edition, root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The samples that are there, as videos, skeletons or both; a sample of the list of missing skeletons is `excluded`.

    Where both videos and skeletons are there each sample has both: the index drops one that lacks its half. The list is
    not asked for without skeletons. Samples of setups that the edition does not have are not used.

    Raises:
        InputError: no such split; nothing there; files that are not named as samples; no list of missing skeletons.
    """
    listing.check_options(edition.name, options)
    if split not in edition.training:
        raise InputError(f"dataset {edition.name} has no split {split!r}: give 1 (by performer) or 2")
    root = Path(root)
    check(root)
    rgb, skeletons = _samples(edition, root)
    excluded = _missing(edition, root, options) if skeletons else {}
    named = []
    for name in sorted(rgb.keys() | skeletons.keys()):
        sample = _sample(name)
        if sample.setup <= edition.last.setup:
            side = "train" if edition.training[split](sample) else "test"
            path = rgb.get(name, f"{RGB}/{name}_rgb.avi") if rgb else ""
            skeleton = skeletons.get(name, f"{SKELETONS[0]}/{name}.skeleton") if skeletons else ""
            label = f"A{sample.action:03d}"
            named.append(Video(name, path, label, side, skeleton, group=sample.group, excluded=excluded.get(name, "")))
    if not named:
        raise InputError(f"{root}: no sample of the setups 1 to {edition.last.setup} in it; see the layout of {edition.name}")
    return named


def unused(edition: Edition, root: Path) -> set[str]:
    """Files of setups that the edition does not have: a copy of NTU RGB+D 120 serves for both."""
    return {path for files in _samples(edition, Path(root)) for name, path in files.items() if _sample(name).setup > edition.last.setup}


def _samples(edition: Edition, root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """(videos, skeletons): paths relative to the root by the samples' names."""
    rgb = _files(edition, root, RGB, "_rgb", listing.SUFFIXES)
    skeletons: dict[str, str] = {}
    for folder in SKELETONS:
        for name, path in _files(edition, root, folder, "", (".skeleton",)).items():
            if name in skeletons:
                raise InputError(f"{root / path} and {root / skeletons[name]} are one sample; remove one of them")
            skeletons[name] = path
    return rgb, skeletons


def _files(edition: Edition, root: Path, folder: str, ending: str, suffixes: tuple[str, ...]) -> dict[str, str]:
    """The samples' files in one folder, at any depth; files with one of the suffixes and another name raise InputError."""
    samples: dict[str, str] = {}
    strange = []
    for below in listing.find(root / folder, suffixes):
        stem, path = PurePosixPath(below).stem, f"{folder}/{below}"
        name = stem.removesuffix(ending)
        if not stem.endswith(ending) or not _fits(edition, name):
            strange.append(path)
        elif samples.setdefault(name, path) != path:
            raise InputError(f"{root / path} and {root / samples[name]} are one sample; remove one of them")
    if strange:
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise InputError(
            f"{root / strange[0]}{more} is not named as a sample of {edition.name}: SsssCcccPpppRrrrAaaa{ending} up to {edition.last}; rename or remove it"
        )
    return samples


def _fits(edition: Edition, name: str) -> bool:
    """True where a name can be a sample's; of setups that the edition lacks nothing is known."""
    sample, last = Sample.named(name), edition.last
    if sample is None:
        return False
    return sample.setup > last.setup or all(a <= b for a, b in zip(dataclasses.astuple(sample), dataclasses.astuple(last), strict=True))


def _sample(name: str) -> Sample:
    sample = Sample.named(name)
    assert sample, "only names that fit are kept"
    return sample


def _missing(edition: Edition, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
    """Give the reason why each sample of the list of missing skeletons is left out; empty with the option `missing: none`."""
    option = str(options.get("missing") or edition.missing)
    path = root / option
    if option == "none":
        return {}
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, and incomplete skeletons would be used; get {edition.missing} from github.com/shahroudy/NTURGB-D (Matlab/),"
            " or set the option `missing` to where it is, or to none"
        )
    reasons: dict[str, str] = {}
    for number, line in enumerate(listing.read_lines(path, "the list of missing skeletons"), start=1):
        name = line.strip()
        if Sample.named(name):
            if name in reasons:
                raise InputError(f"{path}:{number}: {name} is in the list twice; remove one of the lines")
            reasons[name] = f"skeleton: {path.name}:{number} names it"
        elif name and reasons:  # before the first name there are three lines of text
            raise InputError(f"{path}:{number}: {name!r} is not named SsssCcccPpppRrrrAaaa")
    if not reasons:
        raise InputError(f"{path}: no sample in it; it is not {edition.missing}")
    return reasons
