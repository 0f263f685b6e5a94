from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from videossl.train.checkpoint import Checkpoint


def test_round_trip_and_clear(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "a")
    assert checkpoint.load() is None
    checkpoint.save({"method": {"w": torch.arange(3)}, "history": [{"loss": 1.5}]})
    state = checkpoint.load()
    assert state is not None and state["history"] == [{"loss": 1.5}]
    assert torch.equal(state["method"]["w"], torch.arange(3))
    checkpoint.clear()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"nonsense" * 9])
def test_a_damaged_checkpoint_is_left_out_with_a_warning(tmp_path: Path, damage, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"w": torch.arange(100)})
    checkpoint.path.write_bytes(damage(checkpoint.path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert checkpoint.load() is None
    assert "is damaged and is left out" in caplog.text


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    """A pickle that would call a function is refused, not run."""

    class Evil:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "ran", "yes"))

    checkpoint = Checkpoint(tmp_path)
    torch.save({"evil": Evil()}, checkpoint.path)
    assert checkpoint.load() is None
    assert not (tmp_path / "ran").exists()
