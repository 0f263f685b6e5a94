"""docs/datasets.md: what it says of adding a dataset is done as it stands there, and its table names what there is."""

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
from tests.data.test_verify import write

from videossl.datasets import registry

PAGE = (REPOSITORY / "docs" / "datasets.md").read_text()
BLOCK = re.compile(r"`(?P<file>lib/[\w/.]+)`:\n\n(?P<blocks>(?:```(?:python|diff)\n.*?^```\n+)+)", re.DOTALL | re.MULTILINE)
TEXT = re.compile(r"```(python|diff)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def follow(page: str, root: Path) -> list[str]:
    """Do with the files below `root` what the page says; the files."""
    done = []
    for match in BLOCK.finditer(page):
        path = root / match["file"]
        for kind, text in TEXT.findall(match["blocks"]):
            path.write_text(text if kind == "python" else changed(path.read_text(), text))
            done.append(match["file"])
    return done


def changed(text: str, diff: str) -> str:
    """`text` after a diff, whose old lines (or parts of lines) it must hold once."""
    old, new = ("\n".join(line[1:] for line in diff.splitlines() if line[0] in signs) for signs in (" -", " +"))
    assert text.count(old) == 1, f"docs/datasets.md speaks of {old!r}"
    return text.replace(old, new)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its scripts, with the page's dataset in them, and clips of it in `recordings`."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("lib", "stages"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    datasets = "lib/videossl/datasets"
    assert follow(PAGE, root) == [f"{datasets}/gestures.py", *[f"{datasets}/registry.py"] * 2, *["lib/videossl/params.schema.yaml"] * 2]
    for person in (1, 2, 7):
        for gesture in ("wave", "nod"):
            write(root / f"recordings/clips/{gesture}_p{person:02d}_1.mp4", 20)
    return root


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(copy / "lib")}
    return subprocess.run([sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True)


def test_the_dataset_of_the_page_is_indexed(copy: Path) -> None:
    slices = {
        "dataset": {"name": "gestures", "root": "recordings", "split": 1, "options": {"held_out": ["p02"]}},
        "index": {"fps": 30, "min_frames": 16, "max_dropped": 0},
    }
    done = run(copy, "stages/index.py", "--params", json.dumps(slices), "--out", "data/index/gestures.csv")
    assert done.returncode == 0, done.stderr
    with (copy / "data/index/gestures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["label"], row["split"], row["group"], row["frames"], row["status"]) for row in rows] == [
        (f"{gesture}_p{person}_1", gesture, "test" if person == "02" else "train", f"p{person}", "20", "ok")
        for gesture in ("nod", "wave")
        for person in ("01", "02", "07")
    ]


def test_params_know_the_dataset_of_the_page(copy: Path) -> None:
    text = (REPOSITORY / "presets/folder.yaml").read_text()
    given = re.sub(
        r"(?s)^dataset:\n.*?\n\n", "dataset: {name: gestures, root: recordings, options: {OPTION}}\n\n", text, flags=re.MULTILINE
    )
    check = "import sys; from videossl import params; print(params.parse(sys.argv[1], 'params.yaml')['dataset'])"
    well = run(copy, "-c", check, given.replace("OPTION", "held_out: [p02]"))
    assert well.stdout == "{'name': 'gestures', 'root': 'recordings', 'split': 1, 'options': {'held_out': ['p02']}}\n", well.stderr
    wrong = run(copy, "-c", check, given.replace("OPTION", "hold_out: [p02]"))
    assert "did you mean 'held_out'" in wrong.stderr


def test_the_dataset_of_the_page_can_be_verified(copy: Path) -> None:
    done = run(copy, "stages/verify.py", "gestures", "recordings")
    assert done.returncode == 1 and not done.stderr
    assert [line.split() for line in done.stdout.splitlines()[1:3]] == [
        ["1", "train", "300", "4", "0", "4", "0"],
        ["1", "test", "100", "2", "0", "2", "0"],
    ]
    (copy / "recordings/clips/holiday.mp4").touch()
    done = run(copy, "stages/verify.py", "gestures", "recordings")
    (copy / "recordings/clips/holiday.mp4").unlink()
    assert done.returncode == 2 and "holiday.mp4 is not named <gesture>_p<person>_<number>" in done.stderr


def test_the_page_names_every_dataset_once_with_its_counts() -> None:
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")][: len(registry.DATASETS)]
    assert Counter(row[0].strip() for row in rows) == Counter(f"`{name}`" for name in registry.DATASETS)
    for row in rows:
        module = registry.get(row[0].strip(" `"))
        said = {(counts.train, counts.test) for split in (1, 2, 3) if (counts := module.expected(split, {}))}
        if module.NAME != "toy":  # as its options ask for
            assert all(f"{train} / {test}" in row[4] for train, test in said), row
        assert ("downloaded" in row[3]) == bool(module.SOURCES)
        if module.SOURCES:
            assert f"{sum(archive.size for archive in module.SOURCES) / 1e9:.2f} GB" in row[3]
