"""Examples in docstrings run, and what docs/using.md says of commands is so."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY

MODULES = sorted(path.stem for path in (REPOSITORY / "lib/videossl/use").glob("[a-z]*.py"))


def test_the_examples_run() -> None:
    results = [doctest.testmod(importlib.import_module(f"videossl.use.{name}")) for name in MODULES]
    assert sum(result.attempted for result in results) >= 4 and not any(result.failed for result in results)


COMMANDS = [
    line
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```$", (REPOSITORY / "docs/using.md").read_text(), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if "videossl " in line and not line.startswith(("import", "model", " "))
]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_page_is_one(line: str) -> None:
    """Its options exist, and its arguments fit."""
    name, *words = shlex.split(line[line.index("videossl ") + len("videossl ") :], comments=True)
    command = importlib.import_module(f"videossl.commands.{name}").command
    command.make_context(name, words, resilient_parsing=False).close()


def test_help_is_quick_and_has_an_example() -> None:
    from click.testing import CliRunner

    assert {Path(line.split()[0]).name for line in COMMANDS}
    for name in ("embed", "search", "export"):
        text = CliRunner().invoke(importlib.import_module(f"videossl.commands.{name}").command, ["--help"]).output
        assert f"videossl {name} " in text.partition("Example")[2]
