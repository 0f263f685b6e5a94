"""dvc.yaml: its stages, and the params as a person wrote them: DVC itself must find each, and notice each that is put in later."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from tests.conftest import REPOSITORY

from videossl.commands import dvc_yaml
from videossl.params import load, recipes

FULL = {"name": "ucf101", "root": "data/raw/ucf101", "split": 1, "options": {"lists": "ucfTrainTestlist"}}


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)  # what a stage depends on is found from there


def run_folder(folder: Path, dataset: Any) -> None:
    """A run of presets/ucf101.yaml with `dataset` as given and no targets, and the dvc.yaml that belongs to it."""
    preset = REPOSITORY / "presets/ucf101.yaml"
    written, run = load.written(preset) | {"dataset": dataset, "targets": {}}, load.load(preset)
    written["experiments"] = {name: written["experiments"][name] for name in recipes.with_starts(run, run["all"])}
    finetuned = written["evaluate"]["tasks"]["finetune"]
    finetuned["experiments"] = [name for name in finetuned["experiments"] if name in written["experiments"]]
    (folder / "params.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    (folder / "dvc.yaml").write_text(dvc_yaml.text(load.load(folder / "params.yaml"), load.written(folder / "params.yaml")))


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


def test_of_a_stream_a_stage_sees_what_it_rests_on(folder: Path) -> None:
    """Neither the whole stream, where its modality or graph are not written, nor how other methods train it."""
    written = load.written(REPOSITORY / "tests/pipeline/tiny.yaml")
    written["streams"]["joint"]["train"] |= {"moco": {"lr": 0.5}, "finetune": {"lr": 0.25}}
    (folder / "params.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    (folder / "dvc.yaml").write_text(dvc_yaml.text(load.load(folder / "params.yaml"), written))
    seen = seen_by_dvc(folder)
    for name, params in seen.items():
        assert not {key for key in params if key.startswith("streams.") and key.count(".") == 1}, name

    def rates(stage: str) -> set[str]:
        return {key for key in seen[stage] if key.startswith("streams.joint") and key.endswith(".lr")}

    assert rates("train-mixup") == {"streams.joint.train.moco.lr"}
    assert rates("train-crossclr") == rates("train-stc-mix-skeleton") == {"streams.joint.train.lr"}
    assert rates("evaluate-untrained") == {"streams.joint.train.finetune.lr"}
    assert not rates("evaluate-mixup"), "which is not finetuned"


def data(paths: list[str]) -> list[str]:
    return [path for path in paths if path.startswith("data")]


def test_the_stages_of_a_run_by_hand() -> None:
    """At the grain a person thinks in: an extraction, an experiment."""
    made = {name: stage.written() for name, stage in dvc_yaml.stages(load.load(REPOSITORY / "tests/pipeline/tiny.yaml")).items()}
    index, measurable = "data/index/toy.csv", "data/index/toy.measurable.json"
    flow, joint, rgb = (f"data/cache/toy/{cached}" for cached in ("flow", "joint", "rgb"))
    expected = {  # name -> what it depends on of the data, what it makes, the rules that it may run
        "download": ([], ["data/raw/toy"], "download"),
        "index": (["data/raw/toy"], [index, "data/index/toy.json"], "index"),
        "measurable": ([index], [measurable], "measurable"),
        "frames": ([index], [rgb], "frames all_frames"),
        "flow": ([index], [flow], "flow all_flow"),
        "skeleton": ([index], [joint], "skeleton all_skeleton"),
        "train-mixup": ([index, flow, joint, rgb], ["data/models/mixup/0"], "train train_mixup"),
        "feasible-stc-mix": ([], ["data/models/stc-mix/feasible.json"], "feasible"),
        "train-stc-mix": (
            [
                index,
                flow,
                rgb,
                "data/models/mixup/0/rgb.safetensors",
                "data/models/mixup/0/flow.safetensors",
                "data/models/stc-mix/feasible.json",
            ],
            ["data/models/stc-mix/0"],
            "train train_stc-mix",
        ),
        "feasible-stc-mix-skeleton": ([], ["data/models/stc-mix-skeleton/feasible.json"], "feasible"),
        "train-stc-mix-skeleton": (
            [
                index,
                joint,
                "data/models/mixup/0/joint.safetensors",
                "data/models/mixup/0/motion.safetensors",
                "data/models/stc-mix-skeleton/feasible.json",
            ],
            ["data/models/stc-mix-skeleton/0"],
            "train train_stc-mix-skeleton",
        ),
        "train-crossclr": (
            [index, joint, "data/models/stc-mix-skeleton/0/joint-1.safetensors", "data/models/stc-mix-skeleton/0/motion-1.safetensors"],
            ["data/models/crossclr/0"],
            "train train_crossclr",
        ),
    }
    for name, models, caches, rules in (
        ("untrained", [], [flow, joint, rgb], "features score finetune"),
        ("handmade", [], [flow, joint, rgb], "features score"),
        (
            "mixup",
            [
                "data/models/mixup/0/rgb.safetensors",
                "data/models/mixup/0/flow.safetensors",
                "data/models/mixup/0/joint.safetensors",
                "data/models/mixup/0/motion.safetensors",
            ],
            [flow, joint, rgb],
            "features score",
        ),
        (
            "stc-mix",
            ["data/models/stc-mix/0/rgb-2.safetensors", "data/models/stc-mix/0/flow-1.safetensors"],
            [flow, rgb],
            "features score finetune",
        ),
        ("crossclr", ["data/models/crossclr/0/joint+motion.safetensors"], [joint], "features score"),
    ):
        outs = [f"data/{kind}/{name}/0" for kind in ("features", "results")]
        expected[f"evaluate-{name}"] = ([index, *caches, *models], outs, f"{rules} evaluate_{name}")
    assert list(made)[-1] == "report" and {*made} == {*expected, "report"}
    for name, (deps, outs, rules) in expected.items():
        stage = made[name]
        assert data(stage["deps"]) == deps, name
        assert [list(out) for out in stage["outs"]] == [[out] for out in outs], name
        target, _, allowed = command(stage).removeprefix("snakemake ").partition(" --allowed-rules ")
        assert allowed == rules and set(target.split()) <= {*outs, rules.split()[-1]}, name
    report = made["report"]
    assert command(report) == "snakemake report --allowed-rules report" and list(report["outs"][0]) == ["data/report/index.html"]
    trained = [f"data/models/{name}/0" for name in ("mixup", "stc-mix", "stc-mix-skeleton", "crossclr")]
    shown = [f"data/features/{name}/0" for name in ("mixup", "stc-mix", "crossclr")]
    results = [f"data/results/{name}/0" for name in ("untrained", "handmade", "mixup", "stc-mix", "crossclr")]
    assert data(report["deps"]) == [index, index.replace(".csv", ".json"), measurable, flow, joint, rgb, *results, *trained, *shown]


def command(stage: dict[str, Any]) -> str:
    """The command of a stage, without the digest of its rules."""
    found = re.fullmatch(r"(snakemake .+) # rules [0-9a-f]{8}", stage["cmd"])
    assert found, stage["cmd"]
    return found[1]


def test_a_stage_lists_the_code_of_its_jobs() -> None:
    deps = {name: stage.written()["deps"] for name, stage in dvc_yaml.stages(load.load(REPOSITORY / "tests/pipeline/tiny.yaml")).items()}
    assert {"stages/extract.py", "lib/videossl/extract/flow.py"} <= set(deps["flow"])
    assert not {"lib/videossl/extract/skeleton.py", "stages/train.py"} & set(deps["flow"])
    assert {"stages/train.py", "lib/videossl/methods/crossclr.yaml"} <= set(deps["train-crossclr"])
    assert {"stages/features.py", "stages/finetune.py", "stages/score.py", "lib/videossl/tasks/linear.py"} <= set(deps["evaluate-stc-mix"])
    assert "stages/finetune.py" not in deps["evaluate-mixup"]


def test_a_rule_makes_its_stages_stale_and_a_comment_beside_it_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stages").mkdir()
    monkeypatch.setattr(dvc_yaml.job_code, "ROOT", tmp_path)
    rule = 'rule x:\n    output:\n        "a"\n    shell:\n        "make {output}"\n'

    def digest(text: str) -> str:
        (tmp_path / "stages/x.smk").write_text(text)
        dvc_yaml.rules_digest.cache_clear()
        return dvc_yaml.rules_digest("x")

    same = [rule, f"# in: nothing\n\n{rule}", rule.replace('"a"', '"a"  # the only one'), rule.replace("rule", "\n\nrule")]
    assert len(set(map(digest, same))) == 1
    other = [rule.replace("make", "make #"), rule.replace("shell", "run"), rule.replace('"a"', '"a", "b"'), rule + rule.replace("x", "y")]
    assert len({digest(rule), *map(digest, other)}) == 5


def test_a_raw_folder_of_the_pipelines_own_is_no_dependency(folder: Path) -> None:
    run = load.load(REPOSITORY / "presets/ucf101.yaml")
    assert data(dvc_yaml.stages(run)["index"].deps) == ["data/raw/ucf101.json"]
    run["dataset"] |= {"root": "/mine", "options": {"lists": "/lists"}}
    index = dvc_yaml.stages(run)["index"].written()["deps"]
    assert [dep for dep in index if not dep.startswith(("lib", "stages"))] == ["data/raw/ucf101.json", "/mine", "/lists"]


def test_a_training_depends_on_the_newest_weights_of_all_its_streams_wherever_they_are() -> None:
    run = load.load(REPOSITORY / "tests/pipeline/tiny.yaml")
    run["experiments"]["half"] = run["experiments"]["stc-mix-skeleton"] | {"stages": 1}
    run["experiments"]["mined"] = run["experiments"]["crossclr"] | {"from": "half"}
    made = {name: stage.written() for name, stage in dvc_yaml.stages(run | {"all": ["crossclr", "mined"]}).items()}
    shards = ["data/index/toy.csv", "data/cache/toy/joint"]
    deps = {name: data(stage["deps"]) for name, stage in made.items()}
    assert (
        deps["train-crossclr"]
        == [*shards, "data/models/stc-mix-skeleton/0/joint-1.safetensors", "data/models/stc-mix-skeleton/0/motion-1.safetensors"]
        and "feasible-crossclr" not in made
    )
    assert deps["train-mined"] == [*shards, "data/models/half/0/joint-1.safetensors", "data/models/mixup/0/motion.safetensors"]
    assert command(made["train-mined"]) == "snakemake train_mined --allowed-rules train train_mined"
    assert {"experiments.mined.from", "experiments.mined.neighbours", "streams.motion.train.lr"} <= set(made["train-mined"]["params"])
    assert "stages/train.py" in made["train-mined"]["deps"] and "data/models/mined/0" in deps["report"]


def test_joints_that_are_detected_depend_on_the_weights_and_on_another_extractor(folder: Path) -> None:
    """What is left out of the section is noticed when it is put in: DVC sees the whole section."""
    written = load.written(REPOSITORY / "presets/few-clips.yaml")
    skeleton = load.written(REPOSITORY / "params.yaml")["streams"]["joint"]
    written["streams"] = {"joint": {**skeleton, "graph": "coco"}}
    written |= {"experiments": {"moco": {"method": "moco", "streams": ["joint"], "mixing": "none"}}, "all": ["moco"], "targets": {}}
    written["evaluate"] |= {"fused": [], "tasks": ["retrieval"]}
    written["skeleton"] = {"backend": "keypoint-rcnn", "weights": "/mine/w.pth"}
    (folder / "params.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    run = load.load(folder / "params.yaml")
    (folder / "dvc.yaml").write_text(dvc_yaml.text(run, written))
    pose = dvc_yaml.stages(run)["pose"].written()
    assert command(pose) == "snakemake all_pose --allowed-rules pose all_pose" and "skeleton" not in dvc_yaml.stages(run)
    assert {"/mine/w.pth", "stages/extract.py", "lib/videossl/extract/pose.py", "data/index/folder.csv"} <= set(pose["deps"])
    assert "lib/videossl/extract/skeleton.py" not in pose["deps"] and list(pose["outs"][0]) == ["data/cache/folder/joint"]
    assert seen_by_dvc(folder)["pose"]["skeleton"] == written["skeleton"]


def test_without_tasks_features_are_made_for_the_report_and_no_results() -> None:
    params = load.load(REPOSITORY / "tests/pipeline/tiny.yaml")
    bare = {**params, "targets": {}, "transfer": [], "evaluate": {**params["evaluate"], "tasks": {}}}
    made = {name: stage.written() for name, stage in dvc_yaml.stages(bare).items()}
    evaluated = {name: stage for name, stage in made.items() if name.startswith("evaluate-")}
    assert list(evaluated) == [f"evaluate-{name}" for name in params["all"]], "nobody measures the baselines"
    for name, stage in evaluated.items():
        features = f"data/features/{name.removeprefix('evaluate-')}/{params['seed']}"
        assert [next(iter(out)) for out in stage["outs"]] == [features] and features in made["report"]["deps"]
        assert "stages/features.py" in stage["deps"] and "stages/score.py" not in stage["deps"]
    assert not any(path.startswith("data/results") for path in made["report"]["deps"])
