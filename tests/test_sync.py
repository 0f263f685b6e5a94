"""dvc.yaml names params as a person wrote them: DVC itself must find each, and notice each that is put in later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from stages import sync

from tests.conftest import REPOSITORY
from videossl import params

FULL = {"name": "ucf101", "root": "data/raw/ucf101", "split": 1, "options": {"lists": "ucfTrainTestlist"}}


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)  # what a stage depends on is found from there


def run_folder(folder: Path, dataset: Any) -> None:
    """A run of presets/ucf101.yaml with `dataset` as given and no targets, and the dvc.yaml that belongs to it."""
    preset = REPOSITORY / "presets/ucf101.yaml"
    written, run = params.written(preset) | {"dataset": dataset, "targets": {}}, params.load(preset)
    written["experiments"] = {name: written["experiments"][name] for name in params.with_starts(run, run["all"])}
    (folder / "params.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    (folder / "dvc.yaml").write_text(sync.text(params.load(folder / "params.yaml"), params.written(folder / "params.yaml")))


def seen_by_dvc(folder: Path) -> dict[str, dict[str, Any]]:
    """The params that DVC would lock for each stage; it raises MissingParamsError for one that it does not find."""
    stages = Repo(str(folder)).index.stages
    return {stage.name: dep.get_hash().value for stage in stages for dep in stage.deps if isinstance(dep, ParamsDependency)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Repo.init(str(tmp_path), no_scm=True)
    return tmp_path


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        ("ucf101", {"dataset": "ucf101"}),
        ({"name": "ucf101"}, {"dataset": {"name": "ucf101"}}),
        ({"name": "ucf101", "split": 2}, {"dataset": {"name": "ucf101", "split": 2}}),
        (FULL, {f"dataset.{key}": value for key, value in FULL.items()}),
    ],
)
def test_dvc_finds_every_param(folder: Path, dataset: Any, found: dict[str, Any]) -> None:
    run_folder(folder, dataset)
    seen = seen_by_dvc(folder)
    assert {key: value for key, value in seen["download"].items() if key.startswith("dataset")} == found
    assert {"download", "index", "frames", "flow", "download-hmdb51", "flow-hmdb51", "report"} <= set(seen)
    assert seen["index"]["index.fps"] == seen["frames"]["index.fps"] == 30
    assert seen["flow"]["flow"] == {"backend": "tvl1", "bound": 20}


def test_where_all_is_written_a_stage_sees_its_part_alone(folder: Path) -> None:
    run_folder(folder, FULL)
    assert [key for key in seen_by_dvc(folder)["frames"] if key.startswith("dataset")] == ["dataset.name", "dataset.root"]


@pytest.mark.parametrize("dataset", ["ucf101", {"name": "ucf101"}, {"name": "ucf101", "root": "data/raw/ucf101"}])
def test_what_is_put_in_later_is_noticed_without_another_dvc_yaml(folder: Path, dataset: Any) -> None:
    run_folder(folder, dataset)
    before = seen_by_dvc(folder)
    text = (folder / "dvc.yaml").read_text()
    run_folder(folder, FULL | {"split": 2})
    (folder / "dvc.yaml").write_text(text)
    after = seen_by_dvc(folder)
    assert {name for name in after if after[name] != before[name]} >= {"download", "index"}


def test_a_raw_folder_of_the_pipelines_own_is_no_dependency(folder: Path) -> None:
    run = params.load(REPOSITORY / "presets/ucf101.yaml")
    index = sync.stages(run)["index"]["deps"]
    assert [dep for dep in index if dep.startswith("data")] == ["data/raw/ucf101.json"]
    run["dataset"] |= {"root": "/mine", "options": {"lists": "/lists"}}
    index = sync.stages(run)["index"]["deps"]
    assert [dep for dep in index if not dep.startswith(("lib", "stages"))] == ["data/raw/ucf101.json", "/mine", "/lists"]


def test_mining_depends_on_the_newest_weights_of_both_wherever_they_are() -> None:
    run = params.load(REPOSITORY / "tests/pipeline/tiny.yaml")
    run["experiments"]["half"] = run["experiments"]["stc-mix-skeleton"] | {"stages": 1}
    run["experiments"]["mined"] = run["experiments"]["crossclr"] | {"from": "half"}
    found = sync.stages(run | {"all": ["crossclr", "mined"]})
    data = ["data/index/toy.csv", "data/cache/toy/joint"]
    deps = {name: [dep for dep in stage["deps"] if dep.startswith("data")] for name, stage in found.items()}
    assert deps["train-crossclr"] == [*data, "data/models/stc-mix-skeleton/0"] and "mixable-crossclr" not in found
    assert deps["train-mined"] == [*data, "data/models/half/0", "data/models/mixup/0/motion"]
    assert found["train-mined"]["cmd"] == "snakemake train_mined --allowed-rules mining train_mined"
    assert {"experiments.mined.from", "experiments.mined.neighbours", "modalities.motion.mining"} <= set(found["train-mined"]["params"])
    assert "stages/mining.py" in found["train-mined"]["deps"] and "data/models/mined/0" in deps["report"]


def test_joints_that_are_found_depend_on_the_weights_and_on_another_script(folder: Path) -> None:
    """What is left out of the section is noticed when it is put in: DVC sees the whole section."""
    preset = REPOSITORY / "presets/few-clips.yaml"
    written = params.written(preset)
    skeleton = params.written(REPOSITORY / "params.yaml")["modalities"]["joint"]
    written["modalities"] = {"joint": {**skeleton, "graph": "coco"}}
    written |= {"experiments": {"moco": {"modalities": ["joint"], "mixing": "none"}}, "all": ["moco"], "targets": {}}
    written["evaluate"] |= {"fused": [], "finetune": []}
    written["skeleton"] = {"backend": "keypoint-rcnn", "weights": "/mine/w.pth"}
    (folder / "params.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    run = params.load(folder / "params.yaml")
    (folder / "dvc.yaml").write_text(sync.text(run, written))
    pose = sync.stages(run)["pose"]
    assert pose["cmd"] == "snakemake all_pose --allowed-rules pose all_pose" and "skeleton" not in sync.stages(run)
    assert {"/mine/w.pth", "stages/pose.py", "lib/videossl/extract/pose.py", "data/index/folder.csv"} <= set(pose["deps"])
    assert "lib/videossl/extract/skeleton.py" not in pose["deps"] and list(pose["outs"][0]) == ["data/cache/folder/joint"]
    assert seen_by_dvc(folder)["pose"]["skeleton"] == written["skeleton"]
