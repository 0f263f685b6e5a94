"""Features on a full disk, and with a byte flipped: one line, never another number."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.faults import flip, small_disk

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import features

IDS, LABELS, SPLIT = ["Wave/é", "Clap/b"], ["Wave", "Clap"], ["train", "test"]
VALUES = seeding.numpy_rng(0).normal(size=(2, 2, 3)).astype(np.float32)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """HDF5 by itself would leak the space and the handle, and crash at exit."""
    large = np.ones((2, 10, 50_000), np.float32)
    with small_disk(tmp_path / "small") as folder:
        features.write(folder / "a.h5", IDS, LABELS, SPLIT, VALUES, {})
        before, opened = (folder / "a.h5").read_bytes(), os.listdir("/proc/self/fd")
        with pytest.raises(InputError, match=r"cannot write .*a\.h5: (No space left on device|File too large); check space") as caught:
            features.write(folder / "a.h5", IDS, LABELS, SPLIT, large, {})
        assert "\n" not in str(caught.value)
        assert [path.name for path in folder.iterdir()] == ["a.h5"] and (folder / "a.h5").read_bytes() == before
        assert os.listdir("/proc/self/fd") == opened


PARTS = {
    "features": VALUES.tobytes(),
    "ids": "Wave/é".encode(),
    "labels": b"Clap",
    "split": b"train",
    "further": b'{"repetitions": 3}',
    "provenance": b'"code"',
    "digest": b"sha256",
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_flipped_byte_is_one_line(tmp_path: Path, part: bytes) -> None:
    path = tmp_path / "a.h5"
    features.write(path, IDS, LABELS, SPLIT, VALUES, {"code": "x"}, ['{"repetitions": 3}', ""])
    whole = path.read_bytes()
    for place in {whole.index(part), whole.rindex(part) + len(part) - 1}:
        flip(path, place)
        with pytest.raises(InputError, match=r"cannot read features .*a\.h5: .*; delete it and run again") as caught:
            features.read(path)
        assert "\n" not in str(caught.value)
        flip(path, place)
    assert np.array_equal(features.read(path).features, VALUES)
