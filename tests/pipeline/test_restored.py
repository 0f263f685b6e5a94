"""What is missing, or was made from something else than the params and the code of now, is made again: by both engines, to the same bytes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from tests.pipeline.conftest import Workspace
from tests.pipeline.test_engines import jobs, summary

pytestmark = pytest.mark.slow

KINDS = {
    "raw": "data/raw/toy",
    "index": "data/index/toy.csv",
    "measurable": "data/index/toy.measurable.json",
    "shard": "data/cache/toy/flow/0001.h5",
    "feasible": "data/models/stc-mix/feasible.json",
    "weights": "data/models/stc-mix/0/rgb-1.safetensors",
    "last weights": "data/models/crossclr/0/joint+motion.safetensors",
    "history": "data/models/mixup/0/motion.json",
    "snapshots": "data/models/mixup/0/joint.snapshots.safetensors",
    "features": "data/features/untrained/0/flow/toy.h5",
    "predictions": "data/features/stc-mix/0/rgb/toy.finetune.h5",
    "results": "data/results/handmade/0/toy/linear.json",
    "page": "data/report/index.html",
}
"""A file, or the one folder, of each kind of artefact."""
OTHERS = {
    "feasible": "data/models/stc-mix-skeleton/feasible.json",
    "weights": "data/models/stc-mix/0/flow-1.safetensors",
    "history": "data/models/mixup/0/joint.json",
    "snapshots": "data/models/mixup/0/motion.snapshots.safetensors",
    "features": "data/features/untrained/0/rgb/toy.h5",
    "predictions": "data/features/stc-mix/0/flow/toy.finetune.h5",
    "results": "data/results/handmade/0/toy/retrieval.json",
}
"""A file of the same kind that was made from something else."""
EDITS = {
    "index": ("data/index/toy.json", b'"tag": "', b'"tag": "0'),
    "measurable": (KINDS["measurable"], b'"params": {', b'"params": {"other": 1,'),
    "shard": (KINDS["shard"], b"made from ", b"made from " + b"0" * 16),
    "page": (KINDS["page"], b"&quot;params&quot;: {", b"&quot;params&quot;: {&quot;other&quot;: 1, "),
}
"""Where there is no such file: the place in which an artefact says what it was made from, and what may stand there."""


def behind(run: Workspace) -> dict[str, set[str]]:
    """Of each kind, the first outputs of the job that makes it and of all jobs that rest on that, directly or not."""
    rows = summary(run)
    made = {row["output_file"]: row["log-file(s)"] for row in rows}
    first: dict[str, str] = {}
    rests: dict[str, set[str]] = {}
    for row in rows:
        first.setdefault(row["log-file(s)"], row["output_file"])
        for source in filter(made.get, row["input-file(s)"].split(",")):
            rests.setdefault(made[source], set()).add(row["log-file(s)"])

    def follow(job: str) -> set[str]:
        return {first[job]}.union(*(follow(other) for other in rests.get(job, ())))

    return {kind: follow(made[path]) for kind, path in KINDS.items()}


def test_whatever_is_missing_is_made_again_with_what_rests_on_it(finished: Workspace, tmp_path: Path) -> None:
    """Each kind of artefact: Snakemake alone would skip what is missing behind a result that is there."""
    expected = behind(finished)
    for kind, path in KINDS.items():
        (finished.path / path).rename(tmp_path / "away")
        assert set(jobs(finished)) == expected[kind], kind
        (tmp_path / "away").rename(finished.path / path)
    assert jobs(finished) == {}


def test_a_file_of_something_else_is_made_again(finished: Workspace, tmp_path: Path) -> None:
    """Its time is that of the file that was there, so what it says of itself tells."""
    expected = behind(finished)
    for kind, other in OTHERS.items():
        path = finished.path / KINDS[kind]
        path.rename(tmp_path / "away")
        shutil.copy(finished.path / other, path)
        os.utime(path, ns=((tmp_path / "away").stat().st_mtime_ns,) * 2)
        assert set(jobs(finished)) == expected[kind], kind
        (tmp_path / "away").replace(path)
    for kind, (name, old, new) in EDITS.items():
        path = finished.path / name
        whole, time = path.read_bytes(), path.stat().st_mtime_ns
        at = whole.index(old)
        length = len(new) if kind == "shard" else len(old)
        path.write_bytes(whole[:at] + new + whole[at + length :])
        os.utime(path, ns=(time, time))
        assert set(jobs(finished)) == expected[kind], kind
        path.write_bytes(whole)
        os.utime(path, ns=(time, time))
    assert jobs(finished) == {}


def cut(path: Path, length: int) -> None:
    """Leave so many bytes of a file, and its time: as after a disk that was full without a word, or a copy that was stopped."""
    time = path.stat().st_mtime_ns
    os.truncate(path, length)
    os.utime(path, ns=(time, time))


def test_a_file_that_was_cut_is_made_again(finished: Workspace, tmp_path: Path) -> None:
    """A raw video that was cut is noticed by whoever reads it: the index has the digest of each."""
    expected = behind(finished)
    for kind in KINDS.keys() - {"raw"}:
        path = finished.path / KINDS[kind]
        shutil.copy2(path, tmp_path / "away")
        cut(path, path.stat().st_size // 2)
        assert set(jobs(finished)) == expected[kind], kind
        shutil.copy2(tmp_path / "away", path)
    assert jobs(finished) == {}


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_missing_and_cut_files_are_made_again_to_the_same_bytes(finished: Workspace, finished_run: Workspace, engine: str) -> None:
    """DVC sees that the bytes are the same and stops there. Snakemake goes on with what rests on a file above 1 MB: it judges that by its time."""
    history = "data/models/crossclr/0/joint+motion.json"
    for path in (history, KINDS["features"], KINDS["page"]):
        (finished.path / path).unlink()
    for kind in ("results", "predictions"):
        cut(finished.path / KINDS[kind], 1000)
    done = finished.call("videossl", "record", ok=False)
    assert done.returncode == 2 and "work is left to do" in done.stdout
    if engine == "snakemake":
        finished.snakemake()
        finished.call("videossl", "record")
        assert jobs(finished) == {}
    else:
        finished.call("dvc", "repro")
    for path in (history, *KINDS.values()):
        if (finished_run.path / path).is_file():
            assert (finished.path / path).read_bytes() == (finished_run.path / path).read_bytes(), path
    assert "up to date" in finished.call("dvc", "status").stdout
    assert (finished.path / "dvc.lock").read_bytes() == (finished_run.path / "dvc.lock").read_bytes()


def test_no_weights_of_one_commit_under_the_params_of_another(finished: Workspace) -> None:
    """Checked out with their files, and then without: each engine makes the second commit's again."""

    def commit(text: str) -> None:
        finished.call("git", "add", "-A")
        finished.call("git", "commit", "-qm", text)
        finished.call("git", "tag", text)

    def go_to_and_fro() -> None:
        finished.call("git", "checkout", "-q", "first")
        finished.call("dvc", "checkout", "-q")
        finished.call("git", "checkout", "-q", "second")

    commit("first")
    first = finished.weights()
    finished.replace("params.yaml", "neighbours: 1, epochs: 1", "neighbours: 1, epochs: 2")
    finished.call("dvc", "repro")
    commit("second")
    second, page = finished.weights(), (finished.path / KINDS["page"]).read_bytes()
    assert {name for name in first if first[name] != second[name]} == {name for name in first if "/crossclr/" in name}

    for engine in ("dvc", "snakemake"):
        go_to_and_fro()
        assert finished.weights() == first, "the story: params of the second, weights of the first"
        if engine == "dvc":
            finished.call("dvc", "repro")
        else:
            finished.snakemake()
            finished.call("videossl", "record")
        assert finished.weights() == second, engine
        assert (finished.path / KINDS["page"]).read_bytes() == page
        assert "up to date" in finished.call("dvc", "status").stdout
        assert finished.call("git", "status", "--porcelain").stdout == "", "dvc.lock is that of the commit"


def test_a_result_that_was_edited_is_not_recorded(finished: Workspace) -> None:
    path = finished.path / KINDS["results"]
    path.write_text(path.read_text().replace('"accuracy": ', '"accuracy": 99, "was": ', 1))
    finished.snakemake()
    lock = (finished.path / "dvc.lock").read_bytes()
    done = finished.call("videossl", "record", ok=False)
    folder = "data/results/handmade/0"
    assert done.returncode == 2 and done.stdout == (
        f"error: {folder} is not what dvc.lock records, and nothing that it is made from has changed; `dvc checkout {folder}` brings back"
        f" what was recorded; to keep what is there: videossl record --accept {folder}\n"
    )
    assert (finished.path / "dvc.lock").read_bytes() == lock
    finished.call("videossl", "record", "--accept", folder)
    assert "up to date" in finished.call("dvc", "status").stdout


def test_what_other_params_left_in_a_folder_is_not_recorded(finished: Workspace) -> None:
    """Fewer shards, by DVC, whose stages call Snakemake; a file that came by itself, by `record`. Nothing is lost."""
    stray, lost = "data/models/mixup/0/joint-9.json", "data/cache/toy/flow/0001.h5"
    (finished.path / stray).write_text("{}")
    done = finished.call("videossl", "record", ok=False)
    assert done.returncode == 2 and done.stdout.startswith(
        f"error: {stray} is made by no job of params.yaml, and DVC would record it (1 such"
    )
    finished.snakemake("train_mixup")
    assert (finished.path / "data/scratch/strays" / stray).exists() and "recorded" in finished.call("videossl", "record").stdout

    whole = (finished.path / lost).read_bytes()
    finished.replace("params.yaml", "shards: 2", "shards: 1")
    finished.call("dvc", "repro", "flow")
    assert not (finished.path / lost).exists() and (finished.path / "data/scratch/strays" / lost).read_bytes() == whole
    (out,) = yaml.safe_load((finished.path / "dvc.lock").read_text())["stages"]["flow"]["outs"]
    assert out["nfiles"] == 1


def test_a_clone_that_is_moved_with_its_runs_has_nothing_to_do(fresh: Workspace) -> None:
    (fresh.path / "runs/mine").mkdir(parents=True)
    shutil.copy(fresh.path / "params.yaml", fresh.path / "runs/mine")
    call = ("data/index/toy.csv", "--directory", "runs/mine")
    fresh.snakemake(*call)
    moved = Workspace(fresh.path.with_name("elsewhere"), fresh.variables)
    fresh.path.rename(moved.path)
    assert "Nothing to be done" in moved.snakemake(*call, "-n")
