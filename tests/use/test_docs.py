"""Examples in docstrings run, and what docs/using.md says of commands is so."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.conftest import REPOSITORY
from tests.use.conftest import Run

import videossl
from videossl import commands

MODULES = sorted(path.stem for path in (REPOSITORY / "lib/videossl/use").glob("[a-z]*.py"))


PAGE = (REPOSITORY / "docs/using.md").read_text()


@pytest.fixture
def beside_a_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder in which the examples stand: with a run `runs/mine`, and a video `clip.avi`."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/mine").symlink_to(run.folder)
    shutil.copy(run.videos[0], tmp_path / "clip.avi")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("beside_a_run")
def test_the_examples_run() -> None:
    modules = [videossl, *(importlib.import_module(f"videossl.use.{name}") for name in MODULES)]
    results = [doctest.testmod(module) for module in modules]
    assert sum(result.attempted for result in results) >= 14 and not any(result.failed for result in results)


@pytest.mark.usefixtures("beside_a_run")
def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(code, "using.md", "exec"), names)
    assert capsys.readouterr().out == "clip.avi 0.0 0.467 (64,)\n"
    assert names["views"].shape == (2, 3, 8, 32, 32) and names["features"].shape == (2, 64) and names["maps"].shape[:2] == (2, 64)


COMMANDS = [
    line
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if "videossl " in line and not line.startswith(("import", "model", " "))
]
ELSEWHERE = ("torchvision:", "--push", "--to onnx")
"""Commands that need the network, or take long: test_embed.py and test_export.py run these."""


@pytest.mark.usefixtures("beside_a_run")
def test_the_commands_of_the_page_run(run: Run, tmp_path: Path) -> None:
    """As they stand there, in their order, beside videos of these names; the experiment of the run is `mixup`, and the hub's folder is `encoder`."""
    shutil.copytree(run.videos[0].parent, tmp_path / "holiday")
    for name in ("clip.mp4", "query.mp4"):
        shutil.copy(run.videos[0], tmp_path / name)
    lines = [line for line in COMMANDS if not any(word in line for word in ELSEWHERE)]
    assert len(lines) >= 6
    lines.sort(key=lambda line: "--to hub" not in line)  # what is named as an encoder is there first
    for line in lines:
        before, _, words = line.replace("stc-mix", "mixup").rpartition("videossl ")
        given = subprocess.run(before.rstrip("| "), shell=True, capture_output=True, text=True, check=True).stdout
        done = CliRunner().invoke(commands.cli, shlex.split(words), input=given)
        assert done.exit_code == 0, f"{line}\n{done.output}{done.exception}"
    made = {"features.parquet", "features.h5", "like.html", "encoder.pt", "encoder"}
    assert made <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_page_is_one(line: str) -> None:
    """Its options exist, and its arguments fit."""
    name, *words = shlex.split(line[line.index("videossl ") + len("videossl ") :], comments=True)
    command = importlib.import_module(f"videossl.commands.{name}").command
    command.make_context(name, words, resilient_parsing=False).close()


def test_help_is_quick_and_has_an_example() -> None:
    assert {Path(line.split()[0]).name for line in COMMANDS}
    for name in ("embed", "search", "export"):
        text = CliRunner().invoke(importlib.import_module(f"videossl.commands.{name}").command, ["--help"]).output
        assert f"videossl {name} " in text.partition("Example")[2]
