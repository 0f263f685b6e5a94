"""docs/datasets.md: the dataset that it adds is added as the page says, by two files alone; its table names the datasets that there are."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.data.test_verify_dataset import write

from videossl import registry

PAGE = (REPOSITORY / "docs" / "datasets.md").read_text()
BLOCK = re.compile(r"`(?P<file>lib/[\w/.]+)`:\n\n```(?:python|yaml)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def git(root: Path, *arguments: str) -> str:
    """What a git command says in the repository at `root`, which has a committer of its own."""
    committer = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *committer, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the package and its scripts, with the page's files written into it."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("lib", "stages"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "before")
    for match in BLOCK.finditer(PAGE):
        (root / match["file"]).write_text(match["text"])
    return root


@pytest.fixture(scope="module")
def changes(copy: Path) -> list[str]:
    """What git calls changed before anything has run in the copy."""
    return git(copy, "status", "--porcelain", "--untracked-files=all").splitlines()


@pytest.fixture(scope="module", autouse=True)
def recordings(copy: Path, changes: list[str]) -> Path:
    """Clips of the page's dataset, in the copy."""
    for person in (1, 2, 7):
        for gesture in ("wave", "nod"):
            write(copy / f"recordings/clips/{gesture}_p{person:02d}_x{person + 2}.mp4", 20)
    return copy / "recordings"


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(copy / "lib")}
    return subprocess.run([sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True)


def test_a_dataset_is_two_files(changes: list[str]) -> None:
    assert changes == ["?? lib/videossl/datasets/gestures.py", "?? lib/videossl/datasets/gestures.yaml"]


def test_the_dataset_of_the_page_is_indexed(copy: Path) -> None:
    slices = {
        "dataset": {"name": "gestures", "root": "recordings", "split": 1, "options": {"held_out": ["p02"]}},
        "index": {"fps": 30, "min_frames": 16, "max_dropped": 0},
    }
    done = run(copy, "stages/index.py", "--params", json.dumps(slices), "--out", "data/index/gestures.csv")
    assert done.returncode == 0, done.stderr
    with (copy / "data/index/gestures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ("id", "label", "labels", "split", "group", "frames", "status")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        (f"{gesture}_p{person}_x{times}", gesture, f'{{"repetitions":{times}}}', side, f"p{person}", "20", "ok")
        for gesture in ("nod", "wave")
        for person, times, side in (("01", 3, "train"), ("02", 4, "test"), ("07", 9, "train"))
    ]


def test_a_label_that_the_yaml_does_not_declare(copy: Path) -> None:
    slices = {"dataset": {"name": "gestures", "root": "recordings", "split": 1, "options": {}}, "index": {}}
    path = copy / "lib/videossl/datasets/gestures.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("repetitions: number", "repetitions: several"))
        done = run(copy, "stages/index.py", "--params", json.dumps(slices), "--out", "data/index/none.csv")
    finally:
        path.write_text(text)
    said = "the label 'repetitions' is 3; its kind is 'several': a list of texts, each once and not empty"
    assert done.returncode == 2 and done.stderr == f"error: dataset gestures, video 'nod_p01_x3': {said}\n"
    assert not (copy / "data/index/none.csv").exists()


def test_params_know_the_dataset_of_the_page(copy: Path) -> None:
    text = (REPOSITORY / "presets/folder.yaml").read_text()
    given = re.sub(
        r"(?s)^dataset:\n.*?\n\n", "dataset: {name: gestures, root: recordings, options: {OPTION}}\n\n", text, flags=re.MULTILINE
    )
    check = "import sys; from videossl.params import load; print(load.parse(sys.argv[1], 'params.yaml')['dataset'])"
    well = run(copy, "-c", check, given.replace("OPTION", "held_out: [p02]"))
    assert well.stdout == "{'name': 'gestures', 'root': 'recordings', 'split': 1, 'options': {'held_out': ['p02']}}\n", well.stderr
    wrong = run(copy, "-c", check, given.replace("OPTION", "hold_out: [p02]"))
    assert "did you mean 'held_out'" in wrong.stderr


def test_the_dataset_of_the_page_can_be_verified(copy: Path) -> None:
    done = run(copy, "-m", "videossl", "verify", "gestures", "recordings")
    assert done.returncode == 1 and not done.stderr
    assert [line.split() for line in done.stdout.splitlines()[1:3]] == [
        ["1", "train", "300", "4", "0", "4", "0"],
        ["1", "test", "100", "2", "0", "2", "0"],
    ]
    (copy / "recordings/clips/holiday.mp4").touch()
    done = run(copy, "-m", "videossl", "verify", "gestures", "recordings")
    (copy / "recordings/clips/holiday.mp4").unlink()
    assert done.returncode == 2 and "holiday.mp4 is not named <gesture>_p<person>_x<repetitions>" in done.stderr


def test_the_page_names_every_dataset_once_with_its_counts() -> None:
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")][: len(registry.names("datasets"))]
    assert Counter(row[0].strip() for row in rows) == Counter(f"`{name}`" for name in registry.names("datasets"))
    for row in rows:
        module = registry.module("datasets", row[0].strip(" `"))
        said = {(counts.train, counts.test) for split in (1, 2, 3) if (counts := module.expected(split, {}))}
        if module.NAME != "toy":  # as its options ask for
            assert all(f"{train} / {test}" in row[4] for train, test in said), row
        assert ("downloaded" in row[3]) == bool(module.ARCHIVES)
        if module.ARCHIVES:
            assert f"{sum(archive.size for archive in module.ARCHIVES) / 1e9:.2f} GB" in row[3]
