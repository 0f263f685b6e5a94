"""A blackboard in shared memory: processes of one machine show each other small arrays in microseconds, where sockets take a millisecond.

Statistics of batch-norm are exchanged hundreds of times in a step, so on a CPU that decides how fast several processes train.
"""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from videossl.errors import InputError

MEMORY = Path("/dev/shm")
LINE = 8  # numbers of 8 bytes in a line of the processor's cache, so that no two processes write into one
CAPACITY = 1 << 20
"""Bytes that a process can show at once."""
GLANCE = 1.0
"""Seconds after which one who waits looks whether the others are still there, and no longer keeps its core busy."""


def is_possible() -> bool:
    """True where what one process writes is seen by others in that order, as on x86, and torch's launcher put all on this machine."""
    here, all_of_them = os.environ.get("LOCAL_WORLD_SIZE"), os.environ.get("WORLD_SIZE")
    return here is not None and here == all_of_them and platform.machine() in ("x86_64", "AMD64")


class Blackboard:
    """One board of `size` processes; each makes its own, at the same point of its work, on the same file.

    rank: of this process; agree: hands a text of the first process to all (its argument elsewhere is not looked at), and comes back when
    all have called it. Two pages are written in turn: who writes a page again knows by the other that all have read it.
    """

    def __init__(self, rank: int, size: int, agree: Callable[[str], str]) -> None:
        self.rank, self.size, self._turn = rank, size, 0
        name = _new_file(size) if rank == 0 else ""
        path = Path(agree(name))
        self._board = np.memmap(path, np.uint8, "r+", shape=(_bytes(size),))
        numbers = self._board[: 16 * LINE * size].view(np.int64).reshape(2, size, LINE)[..., 0]
        self._turns, self._pids = numbers
        self._pages = self._board[16 * LINE * size :].reshape(2, size, CAPACITY)
        self._pids[rank] = os.getpid()
        agree("")
        if rank == 0:
            path.unlink()  # those that have it keep it

    def gather(self, x: np.ndarray) -> np.ndarray:
        """The arrays that all processes show, by rank: (size, *dims) of (*dims), of one shape and dtype in all. Raises ConnectionError where one is gone."""
        self._turn += 1
        pages = self._pages[self._turn % 2, :, : x.nbytes]
        pages[self.rank] = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
        self._turns[self.rank] = self._turn
        self._wait()
        return pages.copy().view(x.dtype).reshape(self.size, *x.shape)

    def _wait(self) -> None:
        """Until all are at this turn."""
        looked, wait = time.monotonic(), os.sched_yield
        while self._turns.min() < self._turn:
            wait()
            if time.monotonic() - looked > GLANCE:
                self._check()
                looked, wait = time.monotonic(), partial(time.sleep, 0.001)

    def _check(self) -> None:
        for rank, pid in enumerate(self._pids.tolist()):
            if self._turns[rank] < self._turn and not Path(f"/proc/{pid}").exists():
                raise ConnectionError(f"process {rank} of {self.size} is gone")


def _new_file(size: int) -> str:
    """A file for a board, in memory where that has room; in some containers it has hardly any."""
    for folder in (MEMORY, None):
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(prefix="videossl-", dir=folder)
            try:
                os.posix_fallocate(handle, 0, _bytes(size))
                return name
            except OSError:
                Path(name).unlink()
            finally:
                os.close(handle)
    raise InputError(
        f"no room for {_bytes(size) >> 20} MB in {MEMORY} or {tempfile.gettempdir()}; free some, or let TMPDIR name another folder"
    )


def _bytes(size: int) -> int:
    return 16 * LINE * size + 2 * size * CAPACITY
