"""NTU RGB+D 120: 114480 samples of 120 actions by 106 performers, seen by three cameras, as videos and skeletons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videossl.data.listing import Archive, Counts, Video
from videossl.datasets import ntu60, ntu_rgbd
from videossl.datasets.ntu_rgbd import Edition, Sample

NAME = "ntu120"
LICENCE = ntu_rgbd.LICENCE
CITATION = "Liu, Shahroudy, Perez, Wang, Duan, Kot: NTU RGB+D 120: A Large-Scale Benchmark for 3D Human Activity Understanding, TPAMI 2019"
LAYOUT = """\
<root>/nturgb+d_rgb/S001C001P001R001A001_rgb.avi, ...                nturgbd_rgb_s001.zip to nturgbd_rgb_s032.zip, unpacked
<root>/nturgb+d_skeletons/S001C001P001R001A001.skeleton, ...         nturgbd_skeletons_s001_to_s017.zip and ..._s018_to_s032.zip, unpacked;
                                                                     the second may be in nturgb+d_skeletons120/
<root>/NTU_RGBD120_samples_with_missing_skeletons.txt                from github.com/shahroudy/NTURGB-D (option: missing)
One of videos and skeletons is enough. The archives are given out by https://rose1.ntu.edu.sg/dataset/actionRecognition/ to who asks for them.
"""
ARCHIVES: tuple[Archive, ...] = ()
FOLDERS = ntu_rgbd.FOLDERS
SUBJECTS = ntu60.SUBJECTS | {
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78,
    80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
}  # fmt: skip  # for training: TPAMI 2019
# Before the 535 samples with missing skeletons are left out. After that 63026 / 50919 and 54468 / 59477 are left; often printed are 50922 and
# 54471, three more than the official list leaves. A performer in a setup is 360 samples (60 actions, 2 replications, 3 cameras): split 1 trains on
# 176 of 318 such pairs, split 2 (even setups) on 152.
SPLITS = {1: (63360, 51120), 2: (54720, 59760)}
CLASSES = 120
FRAMES = 70  # a sample, about: 8 million frames (its abstract)
EDITION = Edition(
    NAME,
    Sample(setup=32, camera=3, performer=106, replication=2, action=CLASSES),
    "NTU_RGBD120_samples_with_missing_skeletons.txt",
    {1: lambda sample: sample.performer in SUBJECTS, 2: lambda sample: sample.setup % 2 == 0},
)


def check(root: Path) -> None:
    """Raise InputError where there is neither a folder of videos nor one of skeletons."""
    ntu_rgbd.check(root)


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The samples that are there; split 1 is by performer (cross-subject), 2 by setup (cross-setup). See `ntu_rgbd.videos`."""
    return ntu_rgbd.videos(EDITION, root, split, options)


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """All samples, those with missing skeletons included; None for a split that there is not."""
    if split not in SPLITS:
        return None
    return Counts(*SPLITS[split], CLASSES, FRAMES, ntu_rgbd.WIDTH, ntu_rgbd.HEIGHT, ntu_rgbd.FPS)
