"""The command line: its help, and the one line in which a person's mistake ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT, write_video

from videossl import commands

WITHOUT_TORCH = """
import sys
for name in ("torch", "cv2", "av", "snakemake", "dvc"):
    sys.modules[name] = None  # whoever imports it fails
sys.argv = ["videossl", *sys.argv[1:]]
from videossl import commands
commands.main()
"""


def test_every_module_of_the_folder_is_a_command_or_shared() -> None:
    modules = {path.stem for path in (REPOSITORY / "lib/videossl/commands").glob("*.py")} - {"__init__", "presets"}
    assert modules == {name.replace("-", "_") for name in commands.NAMES}


@pytest.mark.parametrize("name", commands.NAMES)
def test_help_is_there_at_once_and_shows_an_example(name: str) -> None:
    call = [sys.executable, "-c", WITHOUT_TORCH, name, "--help"]
    done = subprocess.run(call, capture_output=True, text=True, env=ENVIRONMENT | {"PYTHONPATH": str(REPOSITORY / "lib")})
    assert done.returncode == 0, done.stderr
    assert f"Usage: videossl {name} " in done.stdout and f"Example: videossl {name}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", commands.NAMES)
def test_the_example_of_the_help_is_one_that_the_command_takes(name: str) -> None:
    command = commands.cli.get_command(click.Context(commands.cli), name)
    assert command is not None and command.epilog
    example = command.epilog.removeprefix("Example: ").partition(" | ")[0].replace("'table1 table2'", "table1").split()
    assert example[:2] == ["videossl", name]
    command.make_context(name, example[2:])  # a mistake raises click.UsageError


def test_the_list_of_commands_is_whole_words() -> None:
    """click cuts a help that is too long."""
    done = subprocess.run([sys.executable, "-m", "videossl", "--help"], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0 and "..." not in done.stdout.partition("Commands:")[2]
    assert all(f"\n  {name} " in done.stdout for name in commands.NAMES)


def test_a_shell_completes_commands_and_options() -> None:
    for words, wanted in (("videossl ver", {"verify", "verify-cache"}), ("videossl cost --ta", {"--targets"})):
        given = {"_VIDEOSSL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        done = subprocess.run([str(Path(sys.executable).with_name("videossl"))], capture_output=True, text=True, env=os.environ | given)
        assert {line.partition(",")[2] for line in done.stdout.splitlines()} == wanted


# Mistakes, each in one line that says how to go on; the folder that they are made in is the test's own.


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two videos of one class, one without videos, a file, and params of an older form, of a wrong key and of a wrong number."""
    monkeypatch.chdir(tmp_path)
    for name in ("videos/walk/a.avi", "videos/walk/b.avi"):
        write_video(tmp_path / name, 20)
    toy = (REPOSITORY / "params.yaml").read_text()
    texts = {
        "empty/notes.txt": "",
        "old/params.yaml": "modalities: {}\n",
        "typo/params.yaml": toy.replace("\nseeds:", "\nsedes:"),
        "text/params.yaml": toy.replace("threads: 1", "threads: one"),
        "yaml/params.yaml": toy + "\n  - [",
        "many/params.yaml": toy.replace("all: [", "all: [mixups, ", 1),
        "cut.h5": "no HDF5",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


MISTAKES = {
    "no such command": (["cots"], "there is no command 'cots'; did you mean 'cost'?"),
    "no such option": (["run", "--core", "2"], "No such option '--core'"),
    "an option without its value": (["run", "folder", "videos", "--out"], "Option '--out' requires an argument; videossl --help says"),
    "a word for a number": (["verify-cache", "--processes", "two"], "Invalid value for '--processes': 'two' is not a valid integer"),
    "no such preset": (["run", "ufc101"], "there is no preset, file or run's folder ufc101; did you mean 'ucf101'?"),
    "no run here": (["run"], "has no params.yaml, so it is no run's folder; name one that has, or a preset: few-clips, folder"),
    "videos that are nowhere": (["run", "folder", "vidoes"], "ROOT is vidoes, which is not a folder; name the one that holds the videos"),
    "no videos named": (["run", "folder"], "ROOT is path/to/videos, which is not a folder; name the one that holds your videos"),
    "a folder without videos": (["run", "folder", "empty"], "empty: no video (.avi .mp4"),
    "a video for a folder": (["run", "folder", "videos/walk/a.avi"], "ROOT is videos/walk/a.avi, which is not a folder"),
    "a split that is none": (["run", "ucf101", "--split", "4"], "SPLIT is 4, and the splits of ucf101 are 1, 2, 3"),
    "places of a run that has its own": (["run", "typo", "videos"], "typo is a run's folder, whose params.yaml says where its videos lie"),
    "params of an older form": (["run", "old"], "old/params.yaml is of the form before `streams`; CHANGELOG.md says"),
    "a key misspelt": (["run", "typo"], "typo/params.yaml: unknown key 'sedes'; did you mean 'seeds'?"),
    "a text for a number": (["run", "text"], 'text/params.yaml: threads must be a whole number, not "one"'),
    "broken YAML": (["run", "yaml"], "yaml/params.yaml is not YAML: while parsing"),
    "an experiment that is none": (
        ["run", "many"],
        "many/params.yaml: all names 'mixups', but there is no such experiment; did you mean 'mixup'?",
    ),
    "no such dataset": (["datasets", "ucf110"], "unknown dataset 'ucf110': did you mean 'ucf101'?"),
    "a dataset that is elsewhere": (["verify", "ucf101", "nowhere"], "nowhere"),
    "nothing trained yet": (["runs", "typo"], "typo/data/scratch/runs has no records: nothing has been trained"),
    "no cache": (["verify-cache"], "data/cache: no such file or folder"),
    "a shard that is none": (["verify-cache", "nowhere.h5"], "nowhere.h5: no such file or folder"),
    "no run to unlock": (["unlock"], "has no params.yaml, so it is no run's folder; name one that has: videossl unlock runs/mine"),
    "no run to report": (["report", "empty"], "has no params.yaml, so it is no run's folder; name one that has: videossl report runs/mine"),
    "nothing to record": (["record"], "DVC records the run of a clone: call this in the clone's folder"),
}


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(here: Path, arguments: list[str], said: str, refused: Callable[..., str]) -> None:
    before = sorted(here.rglob("*"))
    assert said in refused("videossl", *arguments)
    left = [path for path in here.rglob("*") if path not in before and path.name != "data"]
    assert not left, "nothing half written"


def test_a_folder_that_cannot_be_written_to(here: Path, refused: Callable[..., str]) -> None:
    """A user may not write there; for one who may write everywhere, as in a container, a file lies in the way."""
    (here / "runs").touch()
    assert "runs/few-clips" in refused("videossl", "run", "few-clips", "videos", "--params-only")
