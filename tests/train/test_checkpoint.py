from __future__ import annotations

import hashlib
import io
import logging
import time
from pathlib import Path

import pytest
import torch

from videossl.errors import InputError
from videossl.train.checkpoint import Checkpoint


def test_round_trip(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "a")
    assert checkpoint.load() is None and checkpoint.newest() is None
    checkpoint.save({"method": {"w": torch.arange(3)}, "history": [{"loss": 1.5}]}, 7)
    state = checkpoint.load()
    assert state is not None and state["history"] == [{"loss": 1.5}]
    assert torch.equal(state["method"]["w"], torch.arange(3))
    checkpoint.done()
    assert (tmp_path / "a/done").exists() and checkpoint.load() is not None, "until all has gone well"


def test_the_name_says_how_far_and_what_the_bytes_are(tmp_path: Path) -> None:
    path = Checkpoint(tmp_path).save({"w": torch.arange(3)}, 1234)
    assert path.name == f"000001234.{hashlib.sha256(path.read_bytes()).hexdigest()}.pt"


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    saved = [checkpoint.save({"w": torch.tensor(steps)}, steps) for steps in (9, 10, 2000, 10000)]
    assert sorted(tmp_path.iterdir()) == sorted(saved[-2:])
    state = Checkpoint(tmp_path).load()
    assert state is not None and int(state["w"]) == 10000 and checkpoint.newest() == saved[-1]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"nonsense" * 9, lambda b: b[:-1] + bytes([b[-1] ^ 1])],
    ids=["cut", "empty", "other", "one bit"])  # fmt: skip
def test_a_damaged_checkpoint_is_left_out_with_a_warning(tmp_path: Path, damage, caplog: pytest.LogCaptureFixture) -> None:
    """The next older one is used; where both are damaged, none."""
    checkpoint = Checkpoint(tmp_path)
    older, newer = (checkpoint.save({"w": torch.full((100,), steps)}, steps) for steps in (1, 2))
    newer.write_bytes(damage(newer.read_bytes()))
    with caplog.at_level(logging.WARNING):
        state = checkpoint.load()
    assert state is not None and int(state["w"][0]) == 1
    assert f"{newer} is damaged and is left out" in caplog.text
    assert checkpoint.newest() == older
    older.write_bytes(damage(older.read_bytes()))
    assert checkpoint.load() is None and checkpoint.newest() is None


def test_what_is_trained_again_takes_the_place_of_what_was_damaged(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    for steps in (490, 500):
        checkpoint.save({"w": torch.tensor(steps)}, steps).write_bytes(b"")
    again = [checkpoint.save({"w": torch.tensor(steps)}, steps) for steps in (10, 20)]
    assert checkpoint.newest() == again[1] and sorted(tmp_path.iterdir()) == again


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = Checkpoint(tmp_path).save({"w": torch.arange(5)}, 1)
    whole = path.read_bytes()
    for position in range(0, len(whole), 37):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        assert Checkpoint(tmp_path).load() is None, position


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    """A pickle that would call a function is refused, not run, though its name states its digest."""

    class Evil:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "ran", "yes"))

    buffer = io.BytesIO()
    torch.save({"evil": Evil()}, buffer)
    (tmp_path / f"000000001.{hashlib.sha256(buffer.getvalue()).hexdigest()}.pt").write_bytes(buffer.getvalue())
    assert Checkpoint(tmp_path).load() is None
    assert not (tmp_path / "ran").exists()


def test_due_by_a_clock_that_nobody_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock may jump to and fro; minutes since the last checkpoint are what counts."""
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the wall clock was asked"))
    checkpoint = Checkpoint(tmp_path, minutes=2)
    assert not checkpoint.due()
    now[0] += 119
    assert not checkpoint.due()
    now[0] += 1
    assert checkpoint.due()
    checkpoint.save({}, 1)
    assert not checkpoint.due() and Checkpoint(tmp_path, minutes=0).due()


def test_a_training_given_up_is_not_tried_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.check_not_given_up()
    checkpoint.give_up("the loss is nan")
    with pytest.raises(InputError, match=r"^the loss is nan; .* delete .*stopped\.json$"):
        Checkpoint(tmp_path).check_not_given_up()


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk full in the middle of a checkpoint: one line, and the one before is still the newest sound one."""
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"w": torch.tensor(1)}, 1)

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(bytes(content[:10]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        checkpoint.save({"w": torch.tensor(2)}, 2)
    state = checkpoint.load()
    assert state is not None and int(state["w"]) == 1
    assert len(list(tmp_path.iterdir())) == 1
