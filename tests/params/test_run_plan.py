"""What a run needs: its datasets and what a person brought of them, the cached modalities, and what is measured where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import REPOSITORY
from tests.params.made import detected, entry, said_of

from videossl.params import load, recipes, run_plan, slices
from videossl.params.recipes import Params

DEFAULTS = {"backend": "keypoint-rcnn", "weights": "coco", "score": 0.7, "short_side": 800, "batch": 8}


def test_joints_that_are_detected_need_no_skeleton_files(good: Params) -> None:
    good = detected(good) | {"dataset": {"name": "ucf101"}, "transfer": [entry("hmdb51", streams=["motion"])]}
    good["targets"] = {}
    checked = load.check(good)
    assert checked["skeleton"] == DEFAULTS and run_plan.backend(checked, "joint") == "keypoint-rcnn"
    assert run_plan.extractor(checked, "joint")["module"] == "pose"
    assert run_plan.cached_modalities(checked, "hmdb51") == ["joint"]
    joint = slices.extraction(checked, "joint", "ucf101")
    assert joint["skeleton"] == checked["skeleton"] and joint["index"] == {"fps": 30}
    assert "skeleton" not in slices.extraction(checked, "rgb", "ucf101")
    assert slices.index(checked, "ucf101")["skeleton"] == {"backend": "keypoint-rcnn"}, "and nothing that decides no row"
    job = recipes.training(checked, "mixup-skeleton", "joint")
    assert slices.training(checked, job)["streams"]["joint"]["graph"] == "coco"


def test_without_the_section_nothing_is_as_if_it_were_there(good: Params) -> None:
    """Jobs get what they got, so that nothing of an older run is made again."""
    assert "skeleton" not in good
    for given in (good, load.check({**good, "skeleton": {"backend": "files"}})):
        assert run_plan.backend(given, "joint") == "files" and run_plan.extractor(given, "joint")["module"] == "skeleton"
        assert set(slices.extraction(given, "joint", "toy")) == {"dataset", "cache"} and run_plan.brought_weights(given) == {}
        assert set(slices.index(given, "toy")) == {"dataset", "index"}
    assert good["streams"]["joint"]["graph"] == "ntu-rgb+d", "as when absent"


@pytest.mark.parametrize(
    ("dataset", "brought"),
    [
        ("ucf101", []),
        ({"name": "ucf101", "root": "./data/raw/ucf101/", "options": {"lists": "ucfTrainTestlist"}}, []),
        ({"name": "ucf101", "options": {"lists": "/mine/lists"}}, ["/mine/lists"]),
        ({"name": "ucf101", "root": "/mine/ucf", "options": {"lists": "lists"}}, ["/mine/ucf"]),
        ({"name": "ucf101", "root": "/mine/ucf", "options": {"lists": "../lists"}}, ["/mine/ucf", "/mine/lists"]),
        ({"name": "kinetics400"}, ["data/raw/kinetics400"]),  # nobody but a person puts it there
        ({"name": "mini-kinetics", "root": "/k400", "options": {"lists": "/lists"}}, ["/k400", "/lists"]),
        ({"name": "ntu60", "root": "/mine", "options": {"missing": "/lists/missing.txt"}}, ["/mine", "/lists/missing.txt"]),
    ],
)
def test_what_a_person_brought(dataset: Any, brought: list[str]) -> None:
    checked = load.check(load.load(REPOSITORY / "presets/ucf101.yaml") | {"dataset": dataset})
    assert run_plan.brought(checked, checked["dataset"]["name"]) == brought


def test_what_is_measured_where(good: Params) -> None:
    good["transfer"] = [entry("hmdb51", streams=["rgb", "flow"])]
    good = load.check(good)
    assert list(run_plan.datasets(good)) == ["toy", "hmdb51"]
    assert "streams" not in run_plan.datasets(good)["hmdb51"]
    assert run_plan.measured(good, "mixup", "toy") == ["rgb", "flow"]
    assert run_plan.measured(good, "moco", "hmdb51") == ["rgb"]
    assert run_plan.measured(good, "stc-mix-skeleton", "hmdb51") == []
    assert run_plan.measured(good, "untrained", "hmdb51") == ["rgb", "flow"]
    assert run_plan.cached_modalities(good, "toy") == run_plan.all_cached_modalities(good) == ["flow", "joint", "rgb"]
    assert run_plan.cached_modalities(good, "hmdb51") == ["flow", "rgb"]
    good["evaluate"]["datasets"] = ["hmdb51"]
    assert "targets.figure2 shows progress on toy, which evaluate.datasets leaves out; add it or leave out the target" in said_of(good)
    del good["targets"]["figure2"]
    load.check(good)
    assert run_plan.measured(good, "mixup", "toy") == [] and run_plan.measured(good, "mixup", "hmdb51") == ["rgb", "flow"]


def test_what_is_measured_of_whom(good: Params) -> None:
    """A task that trains needs an encoder, and is measured of those that it names; the untrained encoder always is."""
    assert (
        run_plan.tasks_of(good, "stc-mix")
        == run_plan.tasks_of(good, "untrained")
        == ["retrieval", "linear", "linear-few", "finetune", "finetune-few"]
    )
    assert run_plan.tasks_of(good, "mixup") == run_plan.tasks_of(good, "handmade") == ["retrieval", "linear", "linear-few"]
    good["evaluate"]["tasks"]["linear"]["experiments"] = ["mixup"]
    assert run_plan.tasks_of(good, "stc-mix") == ["retrieval", "linear-few", "finetune", "finetune-few"]
    del good["evaluate"]["tasks"]["finetune"]["experiments"]
    assert run_plan.tasks_of(good, "moco") == ["retrieval", "linear-few", "finetune"]


def test_fingerprint_notices_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a [1].avi").write_bytes(b"1")
    first = run_plan.fingerprint(tmp_path)
    assert run_plan.fingerprint(tmp_path) == first
    (tmp_path / "a [1].avi").write_bytes(b"12")
    assert run_plan.fingerprint(tmp_path) != first
    (tmp_path / "gone.avi").symlink_to(tmp_path / "nowhere")
    second = run_plan.fingerprint(tmp_path)
    assert second != first
    assert run_plan.fingerprint() == ""


def test_fingerprint_of_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "missing.txt").write_text("S001")
    first = run_plan.fingerprint(tmp_path / "missing.txt")
    (tmp_path / "missing.txt").write_text("S001 S002")
    assert run_plan.fingerprint(tmp_path / "missing.txt") != first


def test_fingerprint_follows_linked_folders_and_takes_more_than_one(tmp_path: Path) -> None:
    for name in ("root", "elsewhere", "lists"):
        (tmp_path / name).mkdir()
    (tmp_path / "root/walk").symlink_to(tmp_path / "elsewhere")
    folders = (tmp_path / "root", tmp_path / "lists")
    seen = {run_plan.fingerprint(*folders)}
    (tmp_path / "elsewhere/a.avi").write_bytes(b"1")
    seen.add(run_plan.fingerprint(*folders))
    (tmp_path / "lists/trainlist01.txt").write_text("walk/a.avi 1")
    seen.add(run_plan.fingerprint(*folders))
    assert len(seen) == 3


def test_what_no_job_of_the_params_makes(good: Params, tmp_path: Path) -> None:
    """Of the folders that DVC tracks; what other experiments and modalities have left is another folder, and what is no artefact is not ours."""
    ours = [
        f"data/cache/toy/rgb/{good['cache']['shards'] - 1:04d}.h5",
        "data/models/stc-mix/0/rgb-1.safetensors",
        "data/models/stc-mix/7/rgb-1.json",
        "data/models/stc-mix/feasible.json",
        "data/features/untrained/0/rgb/toy.h5",
        "data/features/mixup/0/rgb/toy.finetune.h5",
        "data/results/mixup/0/toy/linear.json",
        "data/results/mixup/0/notes.txt",
        "data/models/other/0/rgb-9.safetensors",
        "data/cache/other/rgb/0999.h5",
        "data/cache/toy/other/0999.h5",
        "data/scratch/cache/toy/rgb/0999.h5",
        "data/report/old.html",
    ]
    strays = [
        f"data/cache/toy/rgb/{good['cache']['shards']:04d}.h5",
        "data/features/mixup/0/rgb/gone.h5",
        "data/features/mixup/0/rgb/toy.gone.h5",
        "data/features/untrained/0/gone/toy.h5",
        "data/models/mixup/0/rgb-1.safetensors",
        "data/models/stc-mix/0/rgb-9.json",
        "data/models/stc-mix/7/gone.snapshots.safetensors",
        "data/results/handmade/0/gone/linear.json",
        "data/results/mixup/0/toy/gone.json",
    ]
    assert run_plan.strays(good, tmp_path) == []
    for path in (*ours, *strays):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert run_plan.strays(good, tmp_path) == strays


def test_a_file_that_may_be_read_again_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither size nor time tells that a permission was mended; its video would stay dropped."""
    (tmp_path / "a.avi").write_bytes(b"x")
    before = run_plan.fingerprint(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert run_plan.fingerprint(tmp_path) != before
