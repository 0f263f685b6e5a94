"""The targets of params.targets, and a dataset that encoders are measured on and never trained on: real runs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pipeline.conftest import Workspace, copy_of_run, once, write_video
from tests.pipeline.test_engines import jobs

from videossl.data import index
from videossl.params import load
from videossl.train import weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compared(finished_run: Workspace, tmp_path_factory: pytest.TempPathFactory, worker_id: str, warm: dict[str, str]) -> Workspace:
    """The tiny run with all its targets made. Not to be changed."""

    def make(path: Path) -> None:
        copy_of_run(finished_run, path)
        Workspace(path, warm).snakemake("table2", "mine", "figure2", "figure3")

    return once(tmp_path_factory, worker_id, "compared", make, warm)


def data(workspace: Workspace, target: str) -> dict[str, Any]:
    return json.loads((workspace.path / f"data/report/{target}.json").read_text())


def test_every_target_is_data_and_a_page(compared: Workspace) -> None:
    for target in ("table2", "mine", "figure2", "figure3"):
        page = (compared.path / f"data/report/{target}.html").read_text()
        assert page.startswith("<!doctype html>") and page.count("<script") == 1
    table = data(compared, "table2")
    made = {(row["experiment"], row["stream"], row["task"]) for row in table["numbers"] if row["values"]}
    rows = ("untrained", "handmade", "once")
    assert made == {(name, stream, "retrieval") for name in rows for stream in ("rgb", "flow", "rgb+flow")}
    assert all(len(row["values"]) == 2 for row in table["numbers"] if row["values"]), "two seeds"
    assert [len(data(compared, figure)["charts"]) for figure in ("figure2", "figure3")] == [1, 2]


def test_what_experiments_share_is_made_once(compared: Workspace) -> None:
    """All cross-modal experiments start from the one mixup pretraining."""
    made_from = [
        weights.provenance(compared.path / f"data/models/{experiment}/0/rgb-1.safetensors")["weights"] for experiment in ("stc-mix", "once")
    ]
    assert set(made_from[0]) == {"rgb", "partner"} and made_from[0] == made_from[1]
    second = {str(path.relative_to(compared.path / "data/models")) for path in compared.path.glob("data/models/*/1/*.safetensors")}
    trained = {name for name in second if not name.endswith(".snapshots.safetensors")}
    wanted = {f"{training}.safetensors" for training in ("mixup/1/rgb", "mixup/1/flow", "once/1/rgb-1")}
    assert trained == wanted, "of the second seed only what the targets need"


def test_a_mix_within_one_modality_does_not_wait_for_the_other(compared: Workspace) -> None:
    """RGB of manifold mixup is made from RGB alone; of another seed, of which nothing is there."""
    made = set(jobs(compared, "data/models/manifold-mixup/2/rgb-1.safetensors"))
    trained = {f"data/models/{training}.safetensors" for training in ("mixup/2/rgb", "manifold-mixup/2/rgb-1")}
    assert made == {"data/models/manifold-mixup/feasible.json"} | trained


def test_the_schedule_of_a_recipe(compared: Workspace) -> None:
    """`epochs: 3` in one stage, and the encoders kept after epoch 2 and the last."""
    folder = compared.path / "data/models/once/0"
    assert [row["epoch"] for row in json.loads((folder / "rgb-1.json").read_text())["epochs"]] == [1, 2, 3]
    kept = weights.load(folder / "rgb-1.snapshots.safetensors")
    assert {name.split("/")[0] for name in kept} == {"2.rgb", "3.rgb"}
    assert not list(folder.glob("flow*"))


def test_progress_ends_where_the_experiment_is_measured(compared: Workspace) -> None:
    """The last encoder kept is the final one: the same numbers as the task scripts'."""
    for experiment, training, task in (("mixup", "rgb", "linear"), ("mixup", "rgb", "retrieval"), ("once", "rgb-1", "retrieval")):
        measured = compared.path / f"data/results/{experiment}/0/toy/{task}.json"
        along = compared.path / f"data/progress/{experiment}/0/toy/{training}.json"
        last = json.loads(along.read_text())["streams"]["rgb"]["points"][-1]
        assert last[task] == json.loads(measured.read_text())["values"]["rgb"]


def test_a_target_adds_nothing_to_what_dvc_tracks(compared: Workspace) -> None:
    assert "Nothing to be done" in compared.snakemake("-n")
    status = json.loads(compared.call("dvc", "status", "--json").stdout)
    assert not status, status


def test_a_dataset_that_is_only_measured_on(finished: Workspace, tmp_path: Path) -> None:
    """Other videos, other classes, other sizes: encoders are those of the first dataset, nothing of it is trained again."""
    root = tmp_path / "own videos"
    for number in range(6):
        for name in ("jump", "walk", "wave"):
            write_video(root / name / f"{number}.avi", 12)
    run = load.written(finished.path / "params.yaml")
    run["transfer"] = [{"name": "folder", "root": str(root), "split": 1, "options": {"test_share": 0.5, "seed": 0}, "streams": ["rgb"]}]
    run |= {"all": ["stc-mix", "crossclr"], "targets": {}}
    run["evaluate"]["tasks"] = {task: run["evaluate"]["tasks"][task] for task in ("retrieval", "finetune")}
    (finished.path / "params.yaml").write_text(yaml.safe_dump(run, sort_keys=False))
    before, made = finished.weights(), times(finished)
    assert "train" not in jobs(finished).values()
    finished.snakemake()
    assert finished.weights() == before and times(finished) == made
    for experiment, task in itertools.product(("stc-mix", "untrained"), ("retrieval", "finetune")):
        result = json.loads((finished.path / f"data/results/{experiment}/0/folder/{task}.json").read_text())
        assert set(result["values"]) == {"rgb"} and result["counts"]["classes"] == 3
    for nothing in ("results/crossclr/0/folder", "cache/folder/flow", "features/stc-mix/0/flow/folder.h5"):
        assert not (finished.path / "data" / nothing).exists()
    assert len(index.usable(index.read(finished.path / "data/index/folder.csv"))) == 18
    page = (finished.path / "data/report/index.html").read_text()
    assert "Nearest-neighbour retrieval on folder</h3>" in page
    finished.call("videossl", "dvc-yaml")
    finished.call("videossl", "record")
    assert "up to date" in finished.call("dvc", "status").stdout
    write_video(root / "jump/0.avi", 14)
    assert set(json.loads(finished.call("dvc", "status", "--json").stdout)) == {"index-folder"}


def times(workspace: Workspace) -> dict[Path, int]:
    """When each model file was made."""
    return {path: path.stat().st_mtime_ns for path in workspace.path.glob("data/models/**/*.safetensors")}


def test_a_target_may_not_have_the_name_of_a_rule(fresh: Workspace) -> None:
    fresh.replace("params.yaml", "  mine: {show", "  flow: {show")
    done = fresh.call("snakemake", "-n", ok=False)
    assert done.returncode == 2
    assert "error: params.yaml: targets.flow has the name of a rule; choose another" in done.stdout
