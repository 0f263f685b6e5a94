"""Told to stop: SIGTERM (a cancelled job, a time limit reached, a machine that goes down), SIGUSR1 (a notice before the
time limit) and SIGINT (Ctrl-C) are noted, and heeded once the step is done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

HEEDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopAtOnce(BaseException):
    """A signal came in a block of `Stop.at_once`."""


class Stop:
    """The signal that came, if one did."""

    def __init__(self) -> None:
        self.name = ""
        self._at_once = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        if self._at_once:
            raise StopAtOnce

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise StopAtOnce where a signal comes in this block, which waits for something that may never come."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextlib.contextmanager
def heeded() -> Iterator[Stop]:
    """Note the signals instead of dying of them, until the block ends. Only a process's main thread can."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in HEEDED}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore(worker: int) -> None:
    """Leave them to the process that this one reads clips for: a cluster signals all of a job's processes at once."""
    for number in HEEDED:
        signal.signal(number, signal.SIG_IGN)
