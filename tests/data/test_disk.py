"""What a disk has left, in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from videossl.data import disk
from videossl.errors import InputError


def test_sizes_in_words() -> None:
    sizes = [0, 999, 1000, 113_943, 999_499, 999_500, 6_932_971_618, 2 * 10**12]
    assert [disk.text(size) for size in sizes] == ["0 bytes", "999 bytes", "1 kB", "114 kB", "999 kB", "1 MB", "6.93 GB", "2 TB"]


def test_what_fits_and_what_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < disk.free(tmp_path) <= shutil.disk_usage(tmp_path).total
    monkeypatch.setattr(disk, "free", lambda folder: 3_000_000)
    disk.need(tmp_path, 3_000_000, "this")
    with pytest.raises(InputError, match=rf"^this needs 5 MB, but {tmp_path} has 3 MB free; free 2 MB and run again$"):
        disk.need(tmp_path, 5_000_000, "this")
