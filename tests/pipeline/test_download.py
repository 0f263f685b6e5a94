"""`download` as the pipeline calls it: a process in a run's folder, against a server of the test's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import REPOSITORY
from tests.data.serving import Answer, Rar, Server, rar4, serving
from tests.pipeline.conftest import ENVIRONMENT

from videossl.datasets import hmdb51, ucf101

UCF101 = {f"UCF-101/Wave/v_Wave_g0{group}_c01.avi": f"wave {group}".encode() * 50 for group in (1, 2)}
UCF101_LISTS = {
    "ucfTrainTestlist/classInd.txt": b"1 Wave\n",
    "ucfTrainTestlist/trainlist01.txt": b"Wave/v_Wave_g01_c01.avi 1\n",
    "ucfTrainTestlist/testlist01.txt": b"Wave/v_Wave_g02_c01.avi\n",
}
HMDB51 = {"wave/RATRACE_wave_[1]_f.avi": b"wave" * 50, "run/Zwölf_run_f.avi": b"run" * 50}
HMDB51_LISTS = {
    "testTrainMulti_7030_splits/wave_test_split1.txt": b"RATRACE_wave_[1]_f.avi 1\n",
    "testTrainMulti_7030_splits/run_test_split1.txt": "Zwölf_run_f.avi 2\n".encode(),
}

# The real modules with archives of other bytes, and no address but the mirrors: no test may ask the official servers.
DRIVER = """
import dataclasses, json, sys
from stages import download
from videossl import script
from videossl.datasets import hmdb51, ucf101
known = json.loads(sys.argv.pop(1))
for module in (hmdb51, ucf101):
    module.ARCHIVES = tuple(dataclasses.replace(archive, urls=(), **known[archive.name]) for archive in module.ARCHIVES)
script.run(download.main)
"""


def packed(files: dict[str, bytes]) -> bytes:
    return rar4(*(Rar(name, data) for name, data in files.items()))


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return buffer.getvalue()


ARCHIVES = {
    "UCF101.rar": packed(UCF101),
    "UCF101TrainTestSplits-RecognitionTask.zip": zipped(UCF101_LISTS),
    "hmdb51_org.rar": packed({f"{name.split('/')[0]}.rar": packed({name: data}) for name, data in HMDB51.items()}),
    "test_train_splits.rar": packed(HMDB51_LISTS),
}
KNOWN = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in ARCHIVES.items()}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files = {f"second/{name}": data for name, data in ARCHIVES.items()}
        yield server


def params(server: Server | None, name: str, **changes: Any) -> dict[str, Any]:
    options = {"mirrors": [server.url("first"), server.url("second")]} if server else {}
    return {"dataset": {"name": name, "root": f"data/raw/{name}", "split": 1, "options": options} | changes}


def start(run: Path, given: dict[str, Any]) -> subprocess.Popen[str]:
    """The script, in the folder of a run."""
    out = f"data/raw/{given['dataset']['name']}.json"
    command = [sys.executable, "-c", DRIVER, json.dumps(KNOWN), "--params", json.dumps(given), "--out", out, "--processes", "2"]
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.lower().endswith("_proxy")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "lib"), str(REPOSITORY)])}
    command += ["--log", "logs/download/x.log"]
    return subprocess.Popen(command, cwd=run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def download(run: Path, given: dict[str, Any]) -> tuple[int, str]:
    running = start(run, given)
    said = "".join(running.communicate(timeout=120))
    assert "Traceback" not in said
    return running.returncode, said


def error(run: Path, given: dict[str, Any]) -> str:
    """The one line that it must end in."""
    status, said = download(run, given)
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert status == 2 and len(lines) == 1, said
    assert not (run / "data" / "raw" / f"{given['dataset']['name']}.json").exists()
    return lines[0]


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")}


@pytest.mark.parametrize(
    ("module", "files", "videos"),
    [
        (ucf101, UCF101 | UCF101_LISTS, {"Wave/v_Wave_g01_c01": "train", "Wave/v_Wave_g02_c01": "test"}),
        (
            hmdb51,
            {f"videos/{name}": data for name, data in HMDB51.items()} | HMDB51_LISTS,
            {"run/Zwölf_run_f": "test", "wave/RATRACE_wave_[1]_f": "train"},
        ),
    ],
    ids=["ucf101", "hmdb51"],
)
def test_from_nothing_to_the_videos_of_a_split(
    server: Server, tmp_path: Path, module: Any, files: dict[str, bytes], videos: dict[str, str]
) -> None:
    """The first mirror has nothing; the second all. A second run fetches nothing and writes the same bytes."""
    status, said = download(tmp_path, params(server, module.NAME))
    assert status == 0, said
    root = tmp_path / "data" / "raw" / module.NAME
    assert tree(root) == files
    assert {video.id: video.split for video in module.videos(root, 1, {})} == videos
    written = (tmp_path / f"data/raw/{module.NAME}.json").read_bytes()
    names = [archive.name for archive in module.ARCHIVES]
    assert json.loads(written) == {
        "dataset": module.NAME,
        "root": f"data/raw/{module.NAME}",
        "licence": module.LICENCE,
        "archives": [{"name": name, "url": "", **KNOWN[name]} for name in names],
    }
    for part in (*names, module.LICENCE, "are free", f"{module.NAME}: ready"):
        assert part in said
    assert [name for name, _, _ in server.requests] == [f"{place}/{name}" for name in names for place in ("first", "second")]
    server.requests.clear()
    assert download(tmp_path, params(server, module.NAME))[0] == 0
    assert server.requests == [] and (tmp_path / f"data/raw/{module.NAME}.json").read_bytes() == written


def test_no_mirror_has_it(server: Server, tmp_path: Path) -> None:
    server.files.pop("second/UCF101.rar")
    said = error(tmp_path, params(server, "ucf101"))
    for part in (
        "cannot fetch UCF101.rar",
        f"{server.url('first/UCF101.rar')}: HTTP 404",
        server.url("second/"),
        "put it at data/raw/ucf101/UCF101.rar",
        "mirrors",
    ):
        assert part in said


def test_two_runs_at_once(server: Server, tmp_path: Path) -> None:
    server.answers["second/UCF101.rar"] = [Answer(hold=100)]
    first = start(tmp_path, params(server, "ucf101"))
    assert server.holds.wait(60)
    assert "data/raw/ucf101: another download is at work there" in error(tmp_path, params(server, "ucf101"))
    server.go_on.set()
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert tree(tmp_path / "data/raw/ucf101") == UCF101 | UCF101_LISTS


def test_a_copy_where_the_pipeline_keeps_its_own(server: Server, tmp_path: Path) -> None:
    """A person put it there by hand: it is taken as it is."""
    for name, data in (UCF101 | UCF101_LISTS).items():
        (tmp_path / "data/raw/ucf101" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/raw/ucf101" / name).write_bytes(data)
    assert download(tmp_path, params(server, "ucf101"))[0] == 0
    assert json.loads((tmp_path / "data/raw/ucf101.json").read_text())["archives"] == []
    assert server.requests == [] and sorted(path.name for path in (tmp_path / "data/raw/ucf101").iterdir()) == [
        "UCF-101",
        "ucfTrainTestlist",
    ]


def test_a_users_root_is_only_looked_at(server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    said = error(tmp_path, params(server, "ucf101", root=str(mine)))
    assert f"dataset.root is {mine}, which is not a folder; leave root out to download it" in said
    assert not mine.exists()
    mine.mkdir()
    assert "unpack UCF101.rar there, as UCF-101/<Class>/<video>.avi" in error(tmp_path, params(server, "ucf101", root=str(mine)))
    (mine / "UCF-101" / "Wave").mkdir(parents=True)
    (mine / "ucfTrainTestlist").mkdir()
    assert download(tmp_path, params(server, "ucf101", root=str(mine)))[0] == 0
    assert sorted(path.name for path in mine.rglob("*")) == ["UCF-101", "Wave", "ucfTrainTestlist"]
    assert json.loads((tmp_path / "data/raw/ucf101.json").read_text()) == {
        "dataset": "ucf101",
        "root": str(mine),
        "licence": ucf101.LICENCE,
        "archives": [],
    }
    assert server.requests == []


def test_what_cannot_be_downloaded(tmp_path: Path) -> None:
    """The line says what to fetch and where to put it."""
    said = error(tmp_path, params(None, "kinetics400"))
    assert "dataset.root is data/raw/kinetics400, which is not a folder; put it there, or set dataset.root to where it is" in said
    (tmp_path / "data/raw/kinetics400").mkdir(parents=True)
    assert "data/raw/kinetics400/train: no such folder; put the clips there" in error(tmp_path, params(None, "kinetics400"))


def test_the_toy_set(tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "stages/download.py"), "--out", "data/raw/toy", "--params"]
    given = params(None, "toy", options={"actions": 1, "train_subjects": 1, "test_subjects": 1, "frames": 2, "size": 16})
    subprocess.run([*command, json.dumps(given)], cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    assert len(list((tmp_path / "data/raw/toy").rglob("*.avi"))) == 2
