"""What breaks while real videos are indexed and cached: killed, run twice at once, read-only folders. Real processes throughout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT, Workspace, write_video

pytestmark = pytest.mark.slow

TARGETS = {"index": "data/index/folder.csv", "frames": "data/cache/folder/rgb/0000.h5", "flow": "data/cache/folder/flow/0000.h5"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 videos, so that each step takes a while: of three lengths, in two classes."""
    root = tmp_path_factory.mktemp("own videos")
    for frames in (11, 12, 13):
        write_video(root / f"made/{frames}.avi", frames)
    for number in range(80):
        path = root / "videos" / f"class {number % 2}" / f"[{number}] é.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / f"made/{11 + number % 3}.avi", path)
    return root / "videos"


def run_folder(path: Path, videos: Path) -> Workspace:
    """A run of the tiny params on `videos`, with all in one shard."""
    run = Workspace(path)
    path.mkdir(parents=True)
    text = (REPOSITORY / "tests/pipeline/tiny.yaml").read_text()
    start, stop = text.index("dataset:"), text.index("transfer:")
    dataset = f"dataset: {{name: folder, root: '{videos}', split: 1, options: {{}}}}\n"
    (path / "params.yaml").write_text(text[:start] + dataset + text[stop:].replace("shards: 2", "shards: 1"))
    return run


def command(run: Workspace, *arguments: str) -> list[str]:
    return ["snakemake", *arguments, "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(run.path), "--cores", "2"]


def snakemake(
    run: Workspace, *arguments: str, ok: bool = True, prefix: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    called = [*prefix, *command(run, *arguments)]
    done = subprocess.run(called, cwd=run.path, env=ENVIRONMENT | variables, capture_output=True, text=True)
    if ok:
        assert done.returncode == 0, done.stderr
    return done


def start(run: Workspace, target: str) -> subprocess.Popen[bytes]:
    """Snakemake in a process group of its own."""
    return subprocess.Popen(command(run, target), cwd=run.path, env=ENVIRONMENT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def wait_for(running: subprocess.Popen[bytes], seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not seen():
        assert running.poll() is None and time.monotonic() < deadline, "it ended before it could be disturbed"
        time.sleep(0.002)


def begun(run: Workspace, step: str) -> Callable[[], bool]:
    """Whether a step has results that are not yet whole."""
    if step == "index":
        journal = run.path / "data/scratch/index/folder.jsonl"
        return lambda: journal.exists() and journal.stat().st_size > 0
    folder = (run.path / TARGETS[step]).parent
    return lambda: any(path.stat().st_size > 0 for path in folder.glob(".0000.h5.*.part"))


@pytest.fixture(scope="module")
def undisturbed(videos: Path, tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> dict[str, bytes]:
    run = run_folder(tmp_path_factory.mktemp("undisturbed") / "run", videos)
    snakemake(run, *TARGETS.values(), **warm)
    return {step: (run.path / target).read_bytes() for step, target in TARGETS.items()}


def test_killed_in_the_middle_of_index_and_cache_and_flow(
    videos: Path, tmp_path: Path, undisturbed: dict[str, bytes], warm: dict[str, str]
) -> None:
    """kill -9 of Snakemake and its jobs in each step; then --unlock and all of it: the same bytes, and no leftovers."""
    run = run_folder(tmp_path / "run", videos)
    for step, target in TARGETS.items():
        running = start(run, target)
        wait_for(running, begun(run, step))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert not (run.path / target).exists(), f"{step} was done before it was killed"
        snakemake(run, "--unlock", **warm)
    snakemake(run, *TARGETS.values(), **warm)
    for step, target in TARGETS.items():
        assert (run.path / target).read_bytes() == undisturbed[step], step
    assert not list((run.path / "data").rglob("*.part"))


def test_two_runs_at_once(videos: Path, tmp_path: Path, undisturbed: dict[str, bytes], warm: dict[str, str]) -> None:
    """The second is refused while the first works in the folder, which is not disturbed."""
    run = run_folder(tmp_path / "run", videos)
    first = start(run, TARGETS["index"])
    wait_for(first, begun(run, "index"))
    os.killpg(first.pid, signal.SIGSTOP)  # for as long as the second takes to start
    second = snakemake(run, TARGETS["index"], ok=False, **warm)
    os.killpg(first.pid, signal.SIGCONT)
    assert second.returncode != 0 and "lock" in second.stderr.lower()
    assert first.wait() == 0
    assert (run.path / TARGETS["index"]).read_bytes() == undisturbed["index"]


def obedient() -> tuple[str, ...]:
    """What to call before a command so that a read-only folder is read-only for root, too."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


def test_a_read_only_dataset_is_all_that_is_needed(videos: Path, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    run = run_folder(tmp_path / "run", videos)
    folders = [videos, *videos.iterdir()]
    before = sorted(path.name for path in videos.rglob("*"))
    for folder in folders:
        folder.chmod(0o555)
    try:
        snakemake(run, TARGETS["index"], prefix=obedient())
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert (run.path / TARGETS["index"]).read_bytes() == undisturbed["index"]
    assert sorted(path.name for path in videos.rglob("*")) == before


@pytest.mark.parametrize("step", ["index", "frames", "flow"])
def test_a_read_only_folder_of_artefacts(videos: Path, tmp_path: Path, undisturbed: dict[str, bytes], step: str) -> None:
    """One line that names the file, and nothing left."""
    (tmp_path / "index.csv").write_bytes(undisturbed["index"])
    params = {
        "dataset": {"name": "folder", "root": str(videos), "split": 1, "options": {}},
        "index": {"fps": 30, "min_frames": 9, "max_dropped": 0.0},
        "cache": {"shards": 1, "short_side": 32, "codec": "raw"},
        "flow": {"backend": "tvl1", "bound": 20, "warps": 1, "inner": 2, "outer": 2, "scales": 2},
    }
    keys = {"index": ["dataset", "index"], "frames": ["dataset", "cache", "index"], "flow": ["dataset", "cache", "index", "flow"]}[step]
    name = "index.py" if step == "index" else "extract.py"
    out = tmp_path / "locked" / Path(TARGETS[step]).name
    out.parent.mkdir()
    out.parent.chmod(0o555)
    source = Path(TARGETS[step]).parent.name
    what = ["--source", source, "--extractor", step, "--index", str(tmp_path / "index.csv"), "--shard", "0"]
    where = [] if step == "index" else what
    call = [sys.executable, str(REPOSITORY / "stages" / name), "--params", json.dumps({key: params[key] for key in keys})]
    done = subprocess.run([*obedient(), *call, *where, "--out", str(out)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    out.parent.chmod(0o755)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and str(out) in errors[0] and "ermission" in errors[0], done.stderr
    assert not list(out.parent.iterdir())
