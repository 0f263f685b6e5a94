"""Told to stop: SIGTERM (a cancelled job, a time limit reached, a machine that goes down), SIGUSR1 (a notice before the
time limit) and SIGINT (Ctrl-C) are noted, and heeded once the step is done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

HEEDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


GRACE = 5
"""Seconds after a signal in which what is waited for may still come, so that an attempt gets a step further."""


class StopAtOnce(BaseException):
    """A signal came, and a block of `Stop.soon` did not end within GRACE."""


class Stop:
    """The signal that came, if one did."""

    def __init__(self) -> None:
        self.name = ""
        self._waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            self.name = signal.Signals(number).name
            signal.setitimer(signal.ITIMER_REAL, GRACE if self._waiting else 0)
        elif self._waiting:
            raise StopAtOnce

    @contextlib.contextmanager
    def soon(self) -> Iterator[None]:
        """Wait in this block for something that may never come: GRACE after a signal, in it or before, StopAtOnce is raised."""
        self._waiting = True
        if self.name:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        try:
            yield
        finally:
            self._waiting = False
            if self.name:
                signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def heeded() -> Iterator[Stop]:
    """Note the signals instead of dying of them, until the block ends. Only a process's main thread can."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in (*HEEDED, signal.SIGALRM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore(worker: int) -> None:
    """Leave them to the process that this one reads clips for: a cluster signals all of a job's processes at once."""
    for number in HEEDED:
        signal.signal(number, signal.SIG_IGN)
