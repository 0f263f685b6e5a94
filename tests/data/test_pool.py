"""Work in several processes."""

import os
from functools import partial

import pytest

from videossl.data import pool
from videossl.errors import InputError


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
