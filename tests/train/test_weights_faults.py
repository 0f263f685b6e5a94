"""Weights on a full disk, and with a byte flipped: one line, never another number."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from tests.faults import flip, small_disk

from videossl.errors import InputError
from videossl.train import weights

STATE = {"encoder.w": torch.arange(6.0).reshape(2, 3), "encoder.n": torch.tensor(3), "queue": torch.zeros(0, 4), "on": torch.tensor([True])}


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as folder:
        weights.save(folder / "a", STATE, {})
        before = (folder / "a").read_bytes()
        with pytest.raises(InputError, match=r"cannot write .*a: (No space left on device|File too large); check space"):
            weights.save(folder / "a", {"w": torch.zeros(500_000)}, {})
        assert [path.name for path in folder.iterdir()] == ["a"] and (folder / "a").read_bytes() == before


def test_whatever_byte_flips_the_tensors_are_right_or_it_is_one_line(tmp_path: Path) -> None:
    """Where the header says what else the file holds, a flipped byte may change nothing that is loaded."""
    path = tmp_path / "a"
    weights.save(path, STATE, {"seed": 1})
    whole = path.read_bytes()
    start = whole.index(STATE["encoder.w"].numpy().tobytes())
    noticed = set()
    for place in range(len(whole)):
        flip(path, place)
        try:
            loaded = weights.load(path)
        except InputError as error:
            assert str(error).endswith("delete the file and run again")
            noticed.add(place)
        else:
            assert loaded.keys() == STATE.keys() and all(torch.equal(loaded[name], STATE[name]) for name in STATE)
        with contextlib.suppress(InputError):
            weights.provenance(path)
        flip(path, place)
    assert noticed >= set(range(start, start + 24)), "a byte of a tensor"


def test_a_file_without_digests_is_refused(tmp_path: Path) -> None:
    """Of an older version of this repository, or of somebody else."""
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2)}, tmp_path / "a")
    with pytest.raises(InputError, match=r"cannot read the weights .*; delete the file and run again"):
        weights.load(tmp_path / "a")
