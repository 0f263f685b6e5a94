"""A user's mistake ends in one clear line, exit status not 0, and nothing half written. Real processes, but where torch is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.made import row
from tests.pipeline.conftest import ENVIRONMENT, Workspace, write_video

from videossl.data import index as index_file
from videossl.params import load
from videossl.tasks import features

pytestmark = pytest.mark.usefixtures("in_a_run_of_its_own")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two classes of two good videos each."""
    for name in ("jump/a.avi", "jump/b.avi", "walk/a.avi", "walk/b.avi"):
        write_video(tmp_path / "videos" / name, 12)
    return tmp_path / "videos"


def script(name: str, params: dict[str, Any], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "stages" / name), "--params", json.dumps(params), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)


def index(root: Path, out: Path, max_dropped: float = 0.0) -> subprocess.CompletedProcess[str]:
    params = {
        "dataset": {"name": "folder", "root": str(root), "split": 1, "options": {"test_share": 0.5, "seed": 0}},
        "index": {"fps": None, "min_frames": 9, "max_dropped": max_dropped},
    }
    return script("index.py", params, "--out", out)


def assert_one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in done.stderr
    for part in said:
        assert part in errors[0], errors[0]


def test_good_videos_make_an_index(videos: Path, tmp_path: Path) -> None:
    assert index(videos, tmp_path / "index.csv").returncode == 0
    assert (tmp_path / "index.csv").read_text().count(",ok,") == 4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"RIFF, but no video" * 99), "unreadable 1"),
        (lambda path: path.write_bytes(b""), "empty 1"),
        (lambda path: write_video(path, 5), "short: steps 5 < min_frames 9"),
    ],
    ids=["unreadable", "empty", "short"],
)
def test_a_video_that_cannot_be_used(videos: Path, tmp_path: Path, make: Any, said: str) -> None:
    make(videos / "walk" / "bad [1].avi")
    assert_one_line(index(videos, tmp_path / "index.csv"), said, "walk/bad [1]", "index.max_dropped")
    assert not (tmp_path / "index.csv").exists()
    assert index(videos, tmp_path / "index.csv", max_dropped=0.5).returncode == 0
    assert "walk/bad [1]" in (tmp_path / "index.csv").read_text()


def test_a_split_list_that_names_an_absent_video(videos: Path, tmp_path: Path) -> None:
    (videos / "trainlist01.txt").write_text("jump/a.avi 1\nwalk/a.avi 2\nwalk/gone.avi 2\n")
    (videos / "testlist01.txt").write_text("jump/b.avi\nwalk/b.avi\n")
    assert_one_line(index(videos, tmp_path / "index.csv"), "walk/gone", "trainlist01.txt:3")
    assert not (tmp_path / "index.csv").exists()


def test_a_malformed_skeleton_file(videos: Path, tmp_path: Path) -> None:
    (videos / "walk/a.skeleton").write_text("12\n1\nnot a body\n")
    assert_one_line(index(videos, tmp_path / "index.csv"), "skeleton", "walk/a")
    assert not (tmp_path / "index.csv").exists()


def test_a_missing_dataset_root(tmp_path: Path) -> None:
    params = {"dataset": {"name": "folder", "root": str(tmp_path / "gone"), "split": 1, "options": {}}}
    assert_one_line(script("download.py", params, "--out", tmp_path / "raw"), "dataset.root", "gone")
    assert not (tmp_path / "raw").exists()


def test_one_class_only(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "rgb" / "folder.h5"
    path.parent.mkdir()
    features.write(path, ["a", "b"], ["walk", "walk"], ["train", "test"], np.ones((2, 1, 3), np.float32), {"weights": {}})
    for task, settings in {"linear": {"weight_decay": 0.1, "tolerance": 1e-6, "iterations": 5}, "retrieval": {}}.items():
        params = {"evaluate": {"fused": [], "tasks": {task: settings}}, "threads": 1}
        arguments = ("--experiment", "x", "--seed", "0", "--dataset", "folder", "--features", path, "--out", tmp_path / "r.json")
        line = refused("score", "--params", json.dumps(params), "--task", task, *arguments)
        assert "1 classes" in line and "evaluate.tasks: []" in line
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("labels", [("walk", "walk", "walk"), ("", "", ""), ("walk", "jump", None)], ids=["one class", "none", "no test"])
def test_tasks_that_cannot_be_measured_are_refused_before_anything_is_trained(tmp_path: Path, labels: tuple[str | None, ...]) -> None:
    splits = ("train", "train", "test")
    rows = [row(f"v{i}", label, split) for i, (label, split) in enumerate(zip(labels, splits, strict=True)) if label is not None]
    index_file.write(tmp_path / "index.csv", rows)

    def measurable(tasks: list[str]) -> subprocess.CompletedProcess[str]:
        arguments = ("--index", tmp_path / "index.csv", "--out", tmp_path / "measurable.json")
        return script("measurable.py", {"evaluate": {"tasks": tasks}, "batches": {}, "videos": {}}, *arguments)

    assert_one_line(measurable(["linear"]), "linear need two classes", "evaluate.tasks: []")
    assert not (tmp_path / "measurable.json").exists()
    assert measurable([]).returncode == 0


def test_a_preset_does_not_overwrite_what_the_user_changed(tmp_path: Path, videos: Path) -> None:
    command = [sys.executable, "-m", "videossl", "run", "folder"]
    arguments = [str(videos), "--out", str(tmp_path / "run"), "--params-only"]
    for _ in range(2):
        done = subprocess.run([*command, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=True)
        text = (tmp_path / "run/params.yaml").read_text()
        (tmp_path / "run/params.yaml").write_text(text.replace("shards: 4", "shards: 7"))
    assert "kept" in done.stderr and "shards: 7" in (tmp_path / "run/params.yaml").read_text()
    assert f"root: '{videos}'" in text


def test_a_root_with_quotes_and_spaces_is_a_root(tmp_path: Path) -> None:
    odd = tmp_path / "John's $(touch x) clips; [1]"
    write_video(odd / "walk/a.avi", 12)
    command = [sys.executable, "-m", "videossl", "run", "folder", str(odd), "--out", str(tmp_path / "run"), "--params-only"]
    subprocess.run(command, env=ENVIRONMENT, check=True)
    assert load.load(tmp_path / "run/params.yaml")["dataset"]["root"] == str(odd)


def test_shapes_that_cannot_be_mixed(tmp_path: Path, refused: Callable[..., str]) -> None:
    seen = {"encoder": "s3d", "width": 0.0625, "clip": {"frames": 8, "stride": 1, "size": 32}}
    settings = {"mixing": "cm-cutmix", "axes": ["space"], "layers": "random", "patch": "random"}
    streams = {name: seen | {"modality": name} for name in ("rgb", "flow")}
    params = {"method": "cmmc", "streams": streams, "settings": settings}
    out = ("--out", tmp_path / "feasible.json")
    line = refused("feasible", "--params", json.dumps(params), "--experiment", "space-only", *out)
    for part in ("space-only, rgb with flow", "block 1 cannot be mixed with block 2", "(4, 4, 16, 16) and (12, 4, 8, 8)"):
        assert part in line
    params["settings"] = settings | {"mixing": "cm-mixup", "axes": ["space", "time", "channel"], "layers": "same"}
    streams["flow"] |= {"width": 0.125}
    line = refused("feasible", "--params", json.dumps(params), "--experiment", "blend", *out)
    for part in ("blend, rgb with flow", "block 1 cannot be mixed with block 1", "(4, 4, 16, 16) and (8, 4, 16, 16)"):
        assert part in line
    assert not (tmp_path / "feasible.json").exists()


def test_a_damaged_cache_is_named(tmp_path: Path, videos: Path) -> None:
    assert index(videos, tmp_path / "index.csv").returncode == 0
    with h5py.File(tmp_path / "0000.h5", "w") as file:
        file.attrs["schema"] = "videossl-cache/1"
    params = {"threads": 1, "streams": {"rgb": {"modality": "rgb", "encoder": "s3d"}}, "evaluate": {"clips": 1}}
    arguments = ("--experiment", "handmade", "--seed", "0", "--index", tmp_path / "index.csv", "--cache", tmp_path / "0000.h5")
    assert_one_line(script("features.py", params, *arguments, "--out", tmp_path / "f.h5"), "0000.h5")
    assert not (tmp_path / "f.h5").exists()


@pytest.fixture
def run_folder(tmp_path: Path, warm: dict[str, str]) -> Workspace:
    """A folder with the tiny params, run by the repository's own Snakefile."""
    (tmp_path / "run").mkdir()
    shutil.copy2(REPOSITORY / "tests/pipeline/tiny.yaml", tmp_path / "run/params.yaml")
    return Workspace(tmp_path / "run", {**warm})


def snakemake(run: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["snakemake", *arguments, "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(run.path), "--cores", "1"]
    return subprocess.run(command, cwd=run.path, env=ENVIRONMENT | run.variables, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max_dropped", "max_droped", "params.yaml: unknown key 'index.max_droped'; did you mean 'max_dropped'?"),
        ("shards: 2", "shards: many", 'params.yaml: cache.shards must be a whole number, not "many"'),
    ],
)
def test_wrong_params_end_snakemake_before_anything_runs(run_folder: Workspace, old: str, new: str, said: str) -> None:
    run_folder.replace("params.yaml", old, new)
    done = snakemake(run_folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"error: {said}"
    assert not (run_folder.path / "data").exists()


def test_a_folder_that_cannot_be_written(run_folder: Workspace) -> None:
    (run_folder.path / "data").write_text("a file stands where the artefacts should go")
    done = snakemake(run_folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: cannot write to data: ")


def test_a_home_where_snakemake_can_keep_nothing(run_folder: Workspace) -> None:
    """As in a container. /proc: no user, root included, can write there."""
    run_folder.variables["HOME"] = "/proc"
    done = snakemake(run_folder, "-n")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: cannot write to /proc/.cache: No such file or directory; let XDG_CACHE_HOME name a folder with room"
    )
    run_folder.variables["XDG_CACHE_HOME"] = str(run_folder.path / "cache")
    assert snakemake(run_folder, "-n").returncode == 0


def test_a_user_without_a_name(run_folder: Workspace, tmp_path: Path) -> None:
    """As in a container: a number that stands in no list of users. Snakemake asks for the name, and so does DVC. Cold."""
    lists = "import pwd\n\ndef getpwuid(uid):\n    raise KeyError(uid)\n\npwd.getpwuid = getpwuid\n"
    (tmp_path / "nobody").mkdir()
    (tmp_path / "nobody/sitecustomize.py").write_text(lists)
    paths = os.pathsep.join([str(tmp_path / "nobody"), str(REPOSITORY / "lib")])
    nameless = {name: value for name, value in ENVIRONMENT.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    command = ["snakemake", "-n", "--cores", "1", "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(run_folder.path)]
    asked = [sys.executable, "-c", "import getpass; getpass.getuser()"]
    without, done = (
        subprocess.run(call, env=nameless | {"PYTHONPATH": paths}, capture_output=True, text=True) for call in (asked, command)
    )
    assert "KeyError" in without.stderr and done.returncode == 0, done.stderr


def test_a_disk_that_is_full_at_the_start(tmp_path: Path) -> None:
    """A line, and not a traceback of Snakemake, which writes before it reads the Snakefile. Cold, in a namespace of its own."""
    full = 'mount -t tmpfs -o size=64k tmpfs "$1" && (head -c 99999 /dev/zero >"$1/fill" 2>&- || true)'
    snakemake = 'snakemake -n --cores 1 --snakefile "$2" --directory "$1"'
    command = ["unshare", "--mount", "sh", "-c", f"{full} && exec {snakemake}", "sh", str(tmp_path), str(REPOSITORY / "Snakefile")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2
    said = f"error: cannot write to {tmp_path}: No space left on device; free space there or choose another --directory"
    assert done.stderr.splitlines()[-1] == said


def test_snakemake_ends_with_the_line_of_the_job_that_failed(run_folder: Workspace, videos: Path) -> None:
    (videos / "walk/bad.avi").write_bytes(b"")
    run_folder.replace("params.yaml", "name: toy", "name: folder")
    run_folder.replace("params.yaml", "root: data/raw/toy", f"root: {videos}")
    text = (run_folder.path / "params.yaml").read_text()
    start, stop = text.index("  options:"), text.index("transfer:")
    (run_folder.path / "params.yaml").write_text(text[:start] + "  options: {test_share: 0.5, seed: 0}\n" + text[stop:])
    done = snakemake(run_folder, "data/index/folder.csv")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said and all("walk/bad" in line for line in said)
    assert not (run_folder.path / "data/index/folder.csv").exists()
