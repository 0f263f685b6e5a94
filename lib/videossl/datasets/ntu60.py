"""NTU RGB+D: 56880 samples of 60 actions by 40 performers, seen by three cameras, as videos and skeletons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videossl.data.listing import Archive, Counts, Video
from videossl.datasets import ntu_rgbd
from videossl.datasets.ntu_rgbd import Edition, Sample

NAME = "ntu60"
LICENCE = ntu_rgbd.LICENCE
CITATION = "Shahroudy, Liu, Ng, Wang: NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis, CVPR 2016"
LAYOUT = """\
<root>/nturgb+d_rgb/S001C001P001R001A001_rgb.avi, ...                nturgbd_rgb_s001.zip to nturgbd_rgb_s017.zip, unpacked
<root>/nturgb+d_skeletons/S001C001P001R001A001.skeleton, ...         nturgbd_skeletons_s001_to_s017.zip, unpacked
<root>/NTU_RGBD_samples_with_missing_skeletons.txt                   from github.com/shahroudy/NTURGB-D (option: missing)
One of the two folders is enough. The archives are given out by https://rose1.ntu.edu.sg/dataset/actionRecognition/ to who asks for them.
A copy of NTU RGB+D 120 serves as well: setups 1 to 17 are used.
"""
ARCHIVES: tuple[Archive, ...] = ()
FOLDERS = ntu_rgbd.FOLDERS
SUBJECTS = frozenset((1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38))  # for training: CVPR 2016
CAMERAS = frozenset((2, 3))  # for training, of three
SPLITS = {1: (40320, 16560), 2: (37920, 18960)}  # CVPR 2016, before the 302 samples with missing skeletons are left out
CLASSES = 60
FRAMES = 70  # a sample, about: 4 million frames (its abstract)
EDITION = Edition(
    NAME,
    Sample(setup=17, camera=3, performer=40, replication=2, action=CLASSES),
    "NTU_RGBD_samples_with_missing_skeletons.txt",
    {1: lambda sample: sample.performer in SUBJECTS, 2: lambda sample: sample.camera in CAMERAS},
)


def check(root: Path) -> None:
    """Raise InputError where there is neither a folder of videos nor one of skeletons."""
    ntu_rgbd.check(root)


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The samples that are there; split 1 is by performer (cross-subject), 2 by camera (cross-view). See `ntu_rgbd.videos`."""
    return ntu_rgbd.videos(EDITION, root, split, options)


def unused(root: Path, split: int, options: Mapping[str, Any]) -> set[str]:
    """Samples of NTU RGB+D 120 alone."""
    return ntu_rgbd.unused(EDITION, root)


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """All samples, those with missing skeletons included; None for a split that there is not."""
    if split not in SPLITS:
        return None
    return Counts(*SPLITS[split], CLASSES, FRAMES, ntu_rgbd.WIDTH, ntu_rgbd.HEIGHT, ntu_rgbd.FPS)
