"""Waits that say so: nothing waits for a disk, a network, a lock or another process for minutes without a line."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

HEARTBEAT = 60
"""Seconds until a wait is said, and again."""


@contextlib.contextmanager
def said(log: logging.Logger, what: str) -> Iterator[None]:
    """Warn every HEARTBEAT seconds, while this block has not ended, of `what` with the seconds: "what for 60 s"."""
    over = threading.Event()

    def speak() -> None:
        waited = 0
        while not over.wait(HEARTBEAT):
            waited += HEARTBEAT
            log.warning("%s for %d s", what, waited)

    threading.Thread(target=speak, daemon=True).start()
    try:
        yield
    finally:
        over.set()
