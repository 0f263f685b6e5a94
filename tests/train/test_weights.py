from __future__ import annotations

from pathlib import Path

import pytest
import torch

from videossl.errors import InputError
from videossl.train import weights


def test_round_trip_by_prefix_and_same_bytes(tmp_path: Path) -> None:
    state = {"encoder.w": torch.randn(3, 4), "head.b": torch.randn(2), "queue": torch.randn(4, 2).T}
    for name in ("a", "b"):
        weights.save(tmp_path / name, state, {"seed": 1, "params": {"x": 2, "a": 1}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = weights.load(tmp_path / "a", "encoder.")
    assert list(loaded) == ["w"] and torch.equal(loaded["w"], state["encoder.w"])
    assert torch.equal(weights.load(tmp_path / "a")["queue"], state["queue"])
    assert weights.provenance(tmp_path / "a") == {"seed": 1, "params": {"x": 2, "a": 1}}


def test_a_prefix_that_no_tensor_has_is_one_line_that_names_file_and_prefix(tmp_path: Path) -> None:
    """As of the stream that a training did not train."""
    weights.save(tmp_path / "w", {"joint/encoder.w": torch.zeros(1), "motion/encoder.w": torch.zeros(1)}, {})
    assert list(weights.load(tmp_path / "w", "joint/")) == ["encoder.w"]
    with pytest.raises(InputError) as caught:
        weights.load(tmp_path / "w", "rgb/encoder.")
    said = f"the weights {tmp_path / 'w'} have no tensor whose name begins with 'rgb/encoder.', only those of joint, motion; name other weights"
    assert str(caught.value) == said
    weights.save(tmp_path / "none", {}, {})
    assert weights.load(tmp_path / "none") == {}, "snapshots of a training that keeps none"
    with pytest.raises(InputError, match=r"'3\.', only those of nothing"):
        weights.load(tmp_path / "none", "3.")


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"nothing")
    for read in (weights.load, weights.provenance):
        with pytest.raises(InputError, match="cannot read the weights"):
            read(tmp_path / "w")
