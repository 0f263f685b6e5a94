"""Notes that survive a killed run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY

from videossl.data import journal


def test_what_was_added_is_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "notes.jsonl"
    assert journal.read(path, {"a"}) == {}
    for key, value in (("a", {"frames": 3, "fps": 30000 / 1001}), ("b", 1), ("c", "é\n日本"), ("b", 2)):
        journal.add(path, key, value)
    assert journal.read(path, {"a", "b", "c", "d"}) == {"a": {"frames": 3, "fps": 30000 / 1001}, "b": 2, "c": "é\n日本"}
    assert journal.read(path, {"a"}) == {"a": {"frames": 3, "fps": 30000 / 1001}}


@pytest.mark.parametrize("torn", [*range(1, 10), b"\xff\x00", b"5", b'{"a": 1}', b'["a", 1, 2]', b"null"])
def test_a_torn_or_foreign_line_costs_itself_alone(tmp_path: Path, torn: int | bytes) -> None:
    path = tmp_path / "notes.jsonl"
    journal.add(path, "a", 1)
    journal.add(path, "b", 22)
    whole = path.read_bytes()
    path.write_bytes(whole[:-torn] if isinstance(torn, int) else whole + b"\n" + torn)
    journal.add(path, "c", 3)
    expected = {"a": 1, "c": 3} if isinstance(torn, int) else {"a": 1, "b": 22, "c": 3}
    assert journal.read(path, {"a", "b", "c"}) == expected


def test_two_processes_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    code = f"from pathlib import Path; from videossl.data import journal\nfor i in range(500): journal.add(Path({str(path)!r}), PREFIX + str(i), 'x' * 300)"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "lib")}
    both = [subprocess.Popen([sys.executable, "-c", code.replace("PREFIX", f"'{name}'")], env=environment) for name in "ab"]
    assert [process.wait() for process in both] == [0, 0]
    assert len(journal.read(path, {f"{name}{i}" for name in "ab" for i in range(500)})) == 1000
