"""Real processes show each other arrays on a blackboard."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videossl import blackboard
from videossl.blackboard import Blackboard
from videossl.errors import InputError

FORKED = multiprocessing.get_context("fork")
pytestmark = pytest.mark.skipif(os.uname().machine not in ("x86_64", "AMD64"), reason="elsewhere processes use sockets")


def together(size: int, work: Callable[[Blackboard, Any], None]) -> tuple[list[Any], list[Any]]:
    """Start `size` processes, each of which does `work` with its board and one end of a pipe; returns them and the other ends."""
    barrier, names = FORKED.Barrier(size), FORKED.SimpleQueue()

    def agree(rank: int, text: str) -> str:
        if rank == 0:
            for _ in range(size):
                names.put(text)
        agreed = names.get()
        barrier.wait()
        return str(agreed)

    def run(rank: int, end: Any) -> None:
        work(Blackboard(rank, size, lambda text: agree(rank, text)), end)

    pipes = [FORKED.Pipe() for _ in range(size)]
    processes = [FORKED.Process(target=run, args=(rank, pipes[rank][1]), daemon=True) for rank in range(size)]
    for process in processes:
        process.start()
    return processes, [pipe[0] for pipe in pipes]


def shown(rank: int, turn: int) -> np.ndarray:
    """An array whose shape and values differ from turn to turn, its values also from process to process."""
    rng = np.random.default_rng([turn, rank])
    dtype = [np.float32, np.int64, np.float64][turn % 3]
    return (1e6 * rng.standard_normal((1 + turn % 5, 1 + turn % 70))).astype(dtype)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_sees_what_all_show(size: int) -> None:
    """Turn after turn, whoever is late."""
    before = set(blackboard.MEMORY.glob("videossl-*"))

    def work(board: Blackboard, end: Any) -> None:
        for turn in range(600):
            if (turn + board.rank) % 97 == 0:
                time.sleep(0.002)
            seen = board.gather(shown(board.rank, turn))
            if not np.array_equal(seen, np.stack([shown(rank, turn) for rank in range(size)])):
                end.send(f"turn {turn}")
        end.send("done")

    processes, ends = together(size, work)
    assert [end.recv() for end in ends] == ["done"] * size
    for process in processes:
        process.join()
    assert set(blackboard.MEMORY.glob("videossl-*")) == before, "nothing is left"


def test_as_much_as_a_page_holds() -> None:
    def work(board: Blackboard, end: Any) -> None:
        whole = np.full(blackboard.CAPACITY, board.rank, np.uint8)
        end.send([int(each.sum()) for each in board.gather(whole)])

    _, ends = together(2, work)
    assert [end.recv() for end in ends] == [[0, blackboard.CAPACITY]] * 2


def test_one_that_is_gone_is_not_waited_for() -> None:
    def work(board: Blackboard, end: Any) -> None:
        board.gather(np.zeros(3))
        if board.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            board.gather(np.zeros(3))
        except ConnectionError as error:
            end.send(str(error))

    processes, ends = together(2, work)
    processes[1].join()
    assert ends[0].recv() == "process 1 of 2 is gone"


def test_where_memory_has_no_room_it_is_a_file_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker gives 64 MB, others less."""
    allocate, asked = os.posix_fallocate, []

    def full_at_first(handle: int, start: int, size: int) -> None:
        asked.append(os.readlink(f"/proc/self/fd/{handle}"))
        if len(asked) == 1:
            raise OSError(28, "No space left on device")
        allocate(handle, start, size)

    monkeypatch.setattr(os, "posix_fallocate", full_at_first)
    monkeypatch.setattr(blackboard.tempfile, "tempdir", str(tmp_path))
    board = Blackboard(0, 1, lambda text: text)
    assert np.array_equal(board.gather(np.arange(3)), [[0, 1, 2]])
    assert asked[0].startswith("/dev/shm/") and asked[1].startswith(str(tmp_path)) and not list(tmp_path.iterdir())
    assert not Path(asked[0]).exists()


def test_no_room_anywhere_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"no room for 2 MB in /dev/shm or .*; free some, or let TMPDIR name another folder"):
        Blackboard(0, 1, lambda text: text)


@pytest.mark.parametrize(("here", "whole", "expected"), [(None, "2", False), ("2", "2", True), ("2", "4", False)])
def test_it_is_for_processes_of_one_machine(here: str | None, whole: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if here:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
    monkeypatch.setenv("WORLD_SIZE", whole)
    assert blackboard.is_possible() is expected
