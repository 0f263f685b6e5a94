"""Work over many files in several processes, in order, with bounded memory."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from videossl import waiting
from videossl.errors import InputError

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(function: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of `items`, computed in `processes` processes.

    At most two results a process wait at any time, so that decoded videos do not fill the memory. With one process
    nothing is started. `function` and `items` must pickle. An InputError of the function is raised here; a process
    that dies (memory, a file that crashes the decoder) raises InputError that names the item being waited for. The
    processes end with this one, however it ends.
    """
    if processes <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    # "forkserver": a plain fork copies the locks of running threads, and a spawn imports everything once a process.
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(min(processes, len(items)), mp_context=context, initializer=_end_with_parent)
    try:
        queue = iter(items)
        ahead: deque[tuple[Item, Future[Result]]] = deque((item, pool.submit(function, item)) for item in islice(queue, 2 * processes))
        while ahead:
            item, future = ahead.popleft()
            try:
                result = _awaited(future, f"nothing has come of {_name(item)}")
            except BrokenProcessPool as error:
                raise InputError(
                    f"a worker process died near {_name(item)}: too little memory, or a file that crashes its reader; "
                    "use fewer processes, or remove the file"
                ) from error
            ahead.extend((following, pool.submit(function, following)) for following in islice(queue, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _awaited(future: Future[Result], what: str) -> Result:
    """The result of `future`. A wait for it is said as by `waiting.said`, without a thread for each of many short waits."""
    waited = 0
    while not wait([future], waiting.HEARTBEAT).done:
        waited += waiting.HEARTBEAT
        log.warning("%s for %d s", what, waited)
    return future.result()


def _end_with_parent() -> None:
    """End this process as soon as the one that it works for is gone: a process that is killed leaves its workers waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _name(item: object) -> str:
    """Give the name of an item in a message: its id if it has one."""
    return str(getattr(item, "id", item))
