"""The table of faults: long enough, without repetition, and each row held by a test that there is."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs/reliability.md"


def rows() -> list[list[str]]:
    """The cells of the table's rows, the first with the heading above it."""
    table = PAGE.read_text().split("| fault |")[1].splitlines()[2:]
    found, heading = [], ""
    for line in (line for line in table if line.startswith("|")):
        fault, *rest = (cell.strip() for cell in line.split("|")[1:-1])
        if fault.startswith("**") and not any(rest):
            heading = fault
        else:
            found.append([f"{heading} {fault}", *rest])
    return found


@cache
def held_in(file: str) -> set[str]:
    """The names of a module's tests: its functions test_..., and those of a tuple STORIES, which one test calls in turn."""
    tree = ast.parse((REPOSITORY / file).read_text())
    told = {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["STORIES"]
        for name in ast.walk(node.value)
        if isinstance(name, ast.Name)
    }
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in functions if name.startswith("test_") or name in told}


def test_there_are_at_least_thirty_faults_and_none_twice() -> None:
    faults = [row[0] for row in rows()]
    assert len(faults) >= 30 and len(set(faults)) == len(faults)
    assert all(len(row) == 4 and all(row) for row in rows()), "what happens, what to do, and the test, of each"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_a_test_holds_it(row: list[str]) -> None:
    match = re.fullmatch(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
    assert match, f"{row[3]} is no name of a test"
    assert match[2] in held_in(match[1]), f"{match[1]} has no {match[2]}"
