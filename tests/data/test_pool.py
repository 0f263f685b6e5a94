"""Work in several processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from videossl import waiting
from videossl.data import pool
from videossl.errors import InputError

LIBRARY = Path(__file__).parents[2] / "lib"  # not by tests.conftest: the workers would import torch


def square(value: int) -> int:
    return value * value


def fail_at(value: int, bad: int) -> int:
    if value == bad:
        raise InputError(f"{value} is bad")
    return value


def die_at(value: int, bad: int) -> int:
    if value == bad:
        os._exit(1)
    return value


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes: int) -> None:
    assert list(pool.ordered(square, range(20), processes)) == [value**2 for value in range(20)]


@pytest.mark.parametrize("processes", [1, 2])
def test_nothing_to_do(processes: int) -> None:
    assert list(pool.ordered(square, [], processes)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_ends_it_in_its_place(processes: int) -> None:
    results = pool.ordered(partial(fail_at, bad=3), range(10), processes)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="3 is bad"):
        next(results)


def test_a_process_that_dies_is_one_line() -> None:
    with pytest.raises(InputError, match="a worker process died near"):
        list(pool.ordered(partial(die_at, bad=2), range(4), 2))


def slow_at(value: int, slow: int) -> int:
    time.sleep(1.5 if value == slow else 0)
    return value


def test_a_process_that_is_stuck_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(waiting, "HEARTBEAT", 0.4)
    assert list(pool.ordered(partial(slow_at, slow=2), range(4), 2)) == [0, 1, 2, 3]
    assert "nothing has come of 2 for 0 s" in [record.getMessage() for record in caplog.records]


def test_thousands_of_items_wait_outside_the_memory() -> None:
    class Items(list[int]):
        taken = 0

        def __iter__(self) -> Iterator[int]:
            for item in super().__iter__():
                self.taken += 1
                yield item

    items = Items(range(2000))
    results = pool.ordered(square, items, 2)
    assert [next(results) for _ in range(10)] == [value**2 for value in range(10)]
    assert items.taken <= 10 + 2 * 2
    assert list(results) == [value**2 for value in range(10, 2000)]


PARENT = """
import os, sys, time
from videossl import waiting
from videossl.data import pool

def say(item):
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(0.01)

if __name__ == "__main__":
    list(pool.ordered(say, range(100_000), 2))
"""


def runs(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition, seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    said = tmp_path / "processes"
    said.touch()
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", said], env=os.environ | {"PYTHONPATH": str(LIBRARY)})
    until(lambda: len(set(said.read_text().split())) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    workers = set(map(int, said.read_text().split()))
    until(lambda: not any(map(runs, workers)))
