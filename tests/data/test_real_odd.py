"""Odd files of public projects: cameras, phones, players' tests. What the index calls ok is what extraction reads, and no difference to ffmpeg's own
count goes without a word."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from videossl.data import video
from videossl.errors import InputError

pytestmark = pytest.mark.slow

FPS = 30
CLOCKS = {"zero-timestamps.mp4": "stated"}
"""The files of several frames whose times are known by something else than their stamps."""


def test_what_the_index_says_of_odd_files_is_what_extraction_finds(real_clips: Path) -> None:
    odd = real_clips / "odd"
    with (odd / "probe.csv").open(newline="") as file:
        probed = {row["path"]: row for row in csv.DictReader(file)}
    assert len(probed) == 50
    for name, row in probed.items():
        counted, breaks = int(row["decoded"] or 0), row["decode_error"] or row["open_error"]
        try:
            probe = video.probe(odd / name, FPS)
        except InputError as error:
            assert breaks or not counted, f"{name}: {error}"
            with pytest.raises(InputError) as again:
                video.frames(odd / name, 16, fps=FPS)
            assert str(again.value) == str(error)
            continue
        assert not breaks and probe.frames == counted, name
        assert probe.frames == 1 or probe.clock == CLOCKS.get(Path(name).name, "stamps"), name
        assert len(video.frames(odd / name, 16, fps=FPS)) == probe.steps, name
