"""params.yaml: its mistakes, each said in one line with the key and a way out; what it asks for; what each job gets."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from stages import describe_params

from tests.conftest import REPOSITORY
from videossl import registry, skeleton_graphs
from videossl.errors import InputError
from videossl.params import load, preflight, recipes, run_plan, schema, slices
from videossl.params.recipes import Params, Training

TINY = REPOSITORY / "tests/pipeline/tiny.yaml"
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))


def separate(path: Path) -> Params:
    """The checked params of a file, in which no two keys share a mapping, as anchors do."""
    result: Params = json.loads(json.dumps(load.load(path)))
    return result


@pytest.fixture
def good() -> Params:
    return separate(REPOSITORY / "params.yaml")


@pytest.fixture
def tiny() -> Params:
    return separate(TINY)


def put(mapping: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        mapping = mapping[parent]
    mapping[last] = value


def drop(mapping: dict[str, Any], key: str) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        mapping = mapping[parent]
    del mapping[last]


def said_of(params: Params) -> str:
    """What is said of a mistake: one line, which begins with the file's name."""
    with pytest.raises(InputError) as caught:
        load.check(params)
    said = str(caught.value)
    assert said.startswith("params.yaml: ") and "\n" not in said
    return said


# ----------------------------------------------------------------------------------------------------------------
# Mistakes


@pytest.mark.parametrize("file", [*PRESETS, TINY, REPOSITORY / "params.yaml"], ids=lambda file: file.stem)
def test_every_preset_is_good(file: Path) -> None:
    assert load.load(file)["experiments"]


MOCO = {"method": "moco", "streams": ["rgb"], "mixing": "none"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("index.max_droped", 1, "unknown key 'index.max_droped'; did you mean 'max_dropped'?"),
        (
            "streams.rbg",
            {},
            "'streams.rbg.modality' is missing, and no modality is called rbg; add it; did you mean 'rgb'? known: rgb, flow,",
        ),
        ("dataset.options.sed", 1, "unknown key 'dataset.options.sed'; did you mean 'seed'?"),
        ("experiments.stc-mix.axis", [], "unknown key 'experiments.stc-mix.axis'; did you mean 'axes'?"),
        ("qqq", 1, "unknown key 'qqq'; known: dataset, transfer, index,"),
        ("index.min_frames", "17", 'index.min_frames must be a whole number, not "17"'),
        ("streams.rgb.train.moco.lr", [1], "streams.rgb.train.moco.lr must be a number, not [1]"),
        ("streams.rgb.train.batch", 2.0, "streams.rgb.train.batch must be a whole number, not 2.0"),
        ("dataset.name", "ucf11", "dataset.name is 'ucf11'; did you mean 'ucf101'?"),
        ("experiments.stc-mix.mixing", "cmcutmix", "did you mean 'cm-cutmix'? known: manifold-mixup, cm-mixup, cm-cutmix"),
        ("experiments.moco.mixing", "xyz", "experiments.moco.mixing is 'xyz'; known: none, mixup, t-cutmix, st-cutmix, videomix"),
        (
            "experiments.cm-mixup.layers",
            "random",
            "experiments.cm-mixup.layers is random, but with mixing cm-mixup it blends whole maps of one size; give layers: same",
        ),
        ("experiments.cm-mixup.layers", {"rgb": 4, "flow": 4}, 'experiments.cm-mixup.layers is {"rgb": 4, "flow": 4}, but with mixing'),
        (
            "experiments.manifold-mixup.axes",
            ["space"],
            'experiments.manifold-mixup.axes is ["space"], but with mixing manifold-mixup it blends whole maps of one size;'
            " give axes: [space, time, channel]",
        ),
        (
            "experiments.cm-mixup.patch",
            "random",
            "experiments.cm-mixup.patch is random, but with mixing cm-mixup it cuts nothing; take patch out",
        ),
        ("experiments.stc-mix-pose.layers", {"rgb": 4}, "experiments.stc-mix-pose.layers is of rgb; give one for each of rgb, joint"),
        ("experiments.stc-mix-pose.patch", {"rgb": [1, 1], "flow": [1, 1]}, "patch is of rgb, flow; give one for each of rgb, joint"),
        ("experiments.stc-mix-pose.layers", {"rgb": "4", "joint": 8}, 'layers.rgb must be a whole number, not "4"'),
        ("experiments.stc-mix.epochs", 13, "experiments.stc-mix.epochs is 13, which 2 trainings of rgb cannot share; give a multiple"),
        ("all", ["mixup", "stcmix"], "all names 'stcmix', but there is no such experiment; did you mean 'stc-mix'?"),
        ("targets.table1.experiments", ["mocco"], "targets.table1 names 'mocco', but there is no such experiment; did you mean 'moco'?"),
        ("targets.table1.streams", ["flow+joint"], "targets.table1 names 'flow+joint', which evaluate.fused lacks; add [flow, joint]"),
        ("targets.table1.streams", ["joint"], "targets.table1 names 'joint', which experiments.moco does not train; take out one of them"),
        ("targets.figure2.streams", ["flow"], "targets.figure2 names 'flow', which experiments.mixup-long does not train"),
        (
            "targets.table3.experiments",
            ["mixup"],
            "targets.table3 measures finetune of 'mixup', which is in all but not in evaluate.tasks.finetune.experiments; add it there",
        ),
        ("targets.table1.streams", ["depth"], "targets.table1 names 'depth', but streams lacks it; known: rgb, flow, joint, motion"),
        ("targets.figure2.streams", ["rgb+flow"], "targets.figure2 shows progress, of one stream at a time; leave out 'rgb+flow'"),
        ("targets.figure2.experiments", ["moco"], "targets.figure2 shows progress, but experiments.moco keeps no encoder on the way"),
        ("targets.figure2.tasks", ["finetune"], "targets.figure2 shows progress in 'finetune', which trains an encoder at every point"),
        ("targets.figure3.tasks", ["linear"], "targets.figure3.tasks"),
        ("targets.table1.tasks", ["lienar"], "targets.table1 names 'lienar', but evaluate.tasks lacks it"),
        ("targets.all", {"show": "training", "experiments": ["moco"], "streams": ["rgb"]}, "'all' is no name for a target"),
        ("evaluate.tasks", ["retrieval"], "targets.table1 names 'linear', but evaluate.tasks lacks it"),
        ("evaluate.tasks", ["linear"], "'evaluate.tasks.linear.weight_decay' is missing"),
        ("evaluate.tasks", ["lienar"], "unknown key 'evaluate.tasks.lienar'; did you mean 'linear'?"),
        ("evaluate.tasks.linear.decay", 1, "unknown key 'evaluate.tasks.linear.decay'; did you mean 'weight_decay'?"),
        ("evaluate.tasks.retrieval", None, "evaluate.tasks.retrieval must be a mapping, not null"),
        ("evaluate.fused", [["rgb", "flwo"]], "evaluate.fused names 'flwo', but streams lacks it; did you mean 'flow'?"),
        ("transfer", [{"name": "toy"}], "'transfer.0.streams' is missing"),
        ("transfer", ["hmdb51"], "'transfer.0.streams' is missing"),
        (
            "dataset",
            "ucf101",
            "ucf101 has no skeletons, which joint, motion and bone are made of; take their streams out, and out of what names them, start from"
            " another of presets/ or make them of its videos (skeleton: {backend: keypoint-rcnn} and graph: coco)",
        ),
        ("transfer", [{"name": "hmdb51", "streams": ["motion"]}], "hmdb51 has no skeletons"),
        ("dataset", "ucf", "dataset.name is 'ucf'; did you mean 'ucf101'?"),
        ("dataset", {"root": "x"}, "'dataset.name' is missing"),
        ("dataset", None, "dataset must be a mapping, not null"),
        ("index.fps", "30", 'index.fps must be a number or null, not "30"'),
        ("index.fps", 0, "index.fps: 0 is less than or equal to the minimum of 0"),
        ("index.fps", float("nan"), "index.fps must be a number or null, not NaN"),
        ("cache.codec", "jpg", "cache.codec is 'jpg'; did you mean 'jpeg'?"),
        ("cache.codec", "jpeg", "cache.codec is jpeg, which needs cache.quality; add it, 1 to 100"),
        ("cache.quality", 90, "cache.quality is of jpeg, and cache.codec is raw; take quality out, or set codec: jpeg"),
        ("cache.quality", 0, "cache.quality: 0 is less than the minimum of 1"),
        ("flow.backend", "tvl", "flow.backend is 'tvl'; did you mean 'tvl1'?"),
        ("flow.backend", "dis", "unknown key 'flow.warps'; known: backend, bound, preset"),
        ("flow.wraps", 2, "unknown key 'flow.wraps'; did you mean 'warps'?"),
        ("flow", {"backend": "dis", "bound": 20, "preset": "quick"}, "flow.preset is 'quick'; known: ultrafast, fast, medium"),
        ("flow", {"bound": 20}, "'flow.backend' is missing"),
        ("streams.rgb.train.negatives", "other-video", "did you mean 'other-videos'? known: all, other-videos, other-groups"),
        ("streams.rgb.train.alpha", 0, "streams.rgb.train.alpha: 0 is less than or equal to the minimum of 0"),
        ("streams.rgb.train.mask_same_video", True, "unknown key 'streams.rgb.train.mask_same_video'; known: epochs, batch,"),
        ("streams.rgb.train.qeue", 4, "unknown key 'streams.rgb.train.qeue'; did you mean 'queue'?"),
        ("streams.rgb.train.mixing", "none", "unknown key 'streams.rgb.train.mixing'"),  # a recipe's alone
        ("streams.rgb.train.mooc", {}, "unknown key 'streams.rgb.train.mooc'; did you mean 'moco'?"),
        ("streams.rgb.train.finetune.queue", 4, "unknown key 'streams.rgb.train.finetune.queue'; known: epochs, batch,"),
        ("streams.joint.train.crossclr.alpha", 1.0, "unknown key 'streams.joint.train.crossclr.alpha'"),
        ("evaluate.datasets", ["toi"], "evaluate.datasets names 'toi', but neither dataset nor transfer does; did you mean 'toy'?"),
        ("experiments.un trained", MOCO, "'un trained' is no name for an experiment"),
        ("experiments.untrained", MOCO, "'untrained' is no name for an experiment"),
        ("experiments.$(reboot)", MOCO, "is no name for an experiment"),
        ("streams.Rgb", {}, "'Rgb' is no name for a stream; use a-z, 0-9 and '-'"),
        ("streams.rgb+flow", {}, "'rgb+flow' is no name for a stream"),
        (
            "experiments.moco.method",
            "mooc",
            "experiments.moco.method is 'mooc'; did you mean 'moco'? known: cmmc, crossclr, moco, supervised",
        ),
        ("experiments.moco.method", "cmmc", "'experiments.moco.from' is missing"),
        ("experiments.moco.method", None, "experiments.moco.method must be one of cmmc, crossclr, moco, supervised, not null"),
        ("experiments.moco", {"streams": ["rgb"]}, "'experiments.moco.method' is missing"),
        ("experiments.moco.streams", ["rbg"], "experiments.moco trains 'rbg', but streams lacks it; did you mean 'rgb'?"),
        ("experiments.moco.streams", [], "experiments.moco.streams"),
        ("experiments.stc-mix.streams", ["rgb"], "experiments.stc-mix.streams"),
        ("experiments.moco.stages", 2, "unknown key 'experiments.moco.stages'"),  # it trains each stream alone
        ("experiments.moco.dropout", 0.1, "unknown key 'experiments.moco.dropout'; known: method, streams, from,"),
        ("experiments.moco.temperature", 0, "experiments.moco.temperature: 0 is less than or equal to the minimum of 0"),
        ("experiments.stc-mix.from", "mixp", "experiments.stc-mix.from is 'mixp'; did you mean 'mixup'?"),
        ("experiments.mixup.streams", ["rgb"], "needs 'flow', which 'mixup' does not train"),
        ("evaluate.tasks.finetune.experiments", ["stcmix"], "did you mean 'stc-mix'?"),
        ("index.min_frames", 15, "index.min_frames is 15, but a clip of flow spans 16 frames; set it to 16 or shorten streams.flow.clip"),
        ("index.min_frames", 14, "index.min_frames is 14, but a clip of rgb spans 15 frames"),
        ("seeds", [1, 1], "seeds"),
        ("dataset.root", "/mine", "the root of the toy dataset must be data/raw/toy"),
        ("streams.rgb.clip.frames", 0, "streams.rgb.clip.frames"),
        ("streams.rgb.modality", "rbg", "streams.rgb.modality is 'rbg'; did you mean 'rgb'? known: rgb, flow, joint, motion, bone"),
        ("streams.rgb.encoder", "s3", "streams.rgb.encoder is 's3'; did you mean 's3d'? known: s3d, st-gcn"),
        (
            "streams.rgb.encoder",
            "st-gcn",
            "streams.rgb.encoder is st-gcn, which takes channel, time, joint, body, and rgb has channel, time, height, width; choose s3d",
        ),
        (
            "streams.motion.modality",
            "flow",
            "streams.motion.encoder is st-gcn, which takes channel, time, joint, body, and flow has channel,",
        ),
        ("streams.rgb.augment.scale", 1, "unknown key 'streams.rgb.augment.scale'; known: area, flip,"),  # flow's
        ("streams.rgb.graph", "coco", "unknown key 'streams.rgb.graph'"),
        ("streams.joint.graph", "coca", "graph is 'coca'; did you mean 'coco'? known: ntu-rgb+d, ntu-rgb+d-hands, coco"),
        (
            "streams.joint.graph",
            "coco",
            "streams.joint.graph is coco, of 17 joints, and skeleton.backend is files, which gives 25;"
            " set the graph to ntu-rgb+d or ntu-rgb+d-hands, or skeleton.backend to keypoint-rcnn",
        ),
        (
            "skeleton",
            {"backend": "keypoint-rcnn"},
            "streams.joint.graph is ntu-rgb+d, of 25 joints, and skeleton.backend is keypoint-rcnn, which gives 17; set the graph to coco",
        ),
        ("skeleton", {"backend": "openpose"}, "skeleton.backend is 'openpose'; known: files, keypoint-rcnn"),
        ("skeleton", {"backend": "files", "score": 0.5}, "unknown key 'skeleton.score'; known: backend"),
        ("skeleton", {"backend": "keypoint-rcnn", "scores": 0.5}, "unknown key 'skeleton.scores'; did you mean 'score'?"),
        ("skeleton", {"backend": "keypoint-rcnn", "score": 1}, "skeleton.score: 1 is greater than or equal to the maximum of 1"),
        ("skeleton", {"weights": "coco"}, "'skeleton.backend' is missing"),
        ("skeleton", None, "skeleton must be a mapping, not null"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(good: Params, key: str, value: Any, said: str) -> None:
    put(good, key, value)
    assert said in said_of(good)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("streams.rgb.encoder", "'streams.rgb.encoder' is missing"),
        ("streams.rgb.width", "'streams.rgb.width' is missing"),
        ("streams.rgb.clip.size", "'streams.rgb.clip.size' is missing"),
        ("experiments.moco.mixing", "'experiments.moco.mixing' is missing"),
        ("experiments.stc-mix.stages", "'experiments.stc-mix.stages' is missing"),
        ("experiments.crossclr.neighbours", "'experiments.crossclr.neighbours' is missing"),
        ("evaluate.tasks.linear.iterations", "'evaluate.tasks.linear.iterations' is missing"),
        (
            "streams.rgb.train.queue",
            "experiments.moco trains rgb by moco, which needs `queue`; add it to streams.rgb.train, or to its part moco",
        ),
        (
            "streams.rgb.train.cmmc.lr",
            "experiments.manifold-mixup trains rgb by cmmc, which needs `lr`; add it to streams.rgb.train, or to its part cmmc",
        ),
        (
            "streams.motion.train.finetune.epochs",
            "the task finetune trains motion by supervised, which needs `epochs`; add it to streams.motion.train, or to its part finetune",
        ),
        ("streams.joint.train.crossclr", "experiments.crossclr trains joint by crossclr, which needs `lr`; add it to streams.joint.train"),
        ("streams.flow.head", "experiments.mixup trains flow by moco, which needs streams.flow.head; add it"),
        ("streams.flow.train", "experiments.mixup trains flow by moco, which needs `epochs`; add it to streams.flow.train"),
    ],
)
def test_what_is_missing_is_named(good: Params, key: str, said: str) -> None:
    drop(good, key)
    assert said in said_of(good)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "is not YAML"), ("a: 1\na: 2\n", "line 2: 'a' is given twice|line 1: 'a' is given twice"), ("", "must be a mapping")],
)
def test_a_broken_file(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load.parse(text, "params.yaml")


def test_params_of_the_form_before_are_known_as_such(good: Params) -> None:
    good["modalities"] = good.pop("streams")
    with pytest.raises(InputError, match=r"^mine\.yaml is of the form before `streams`; CHANGELOG\.md says what each key has become"):
        load.check(good, "mine.yaml")


def test_numbers_may_be_written_as_people_write_them(good: Params) -> None:
    text = yaml.safe_dump(good).replace("weight_decay: 1.0e-05", "weight_decay: 1e-5")
    assert "1e-5" in text
    assert load.parse(text, "x")["streams"]["rgb"]["train"]["weight_decay"] == 1e-5


# ----------------------------------------------------------------------------------------------------------------
# Datasets and caches


def entry(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "root": "there", "split": 1, "options": {}, "streams": ["rgb"]} | changes


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        ([entry("hmdb51"), entry("hmdb51")], "names a dataset twice"),
        ([{"name": "toy", "streams": ["rgb"]}], "or toy again"),
        ([entry("hmdb51", options={"mirors": []})], "unknown key 'transfer.0.options.mirors'; did you mean 'mirrors'?"),
        ([entry("ntu60", options={"lists": "x"})], "unknown key 'transfer.0.options.lists'; did you mean 'missing'?"),
        ([entry("hmdb51", streams=["depth"])], "transfer names for hmdb51 'depth', but streams lacks it; known: rgb, flow, joint, motion"),
        ([entry("hmdb51", colour="red")], "unknown key 'transfer.0.colour'"),
    ],
)
def test_a_mistake_in_a_transfer_dataset(good: Params, transfer: list[dict[str, Any]], said: str) -> None:
    good["transfer"] = transfer
    assert said in said_of(good)


def test_what_is_measured_nowhere_is_said(good: Params) -> None:
    good["transfer"] = [entry("hmdb51")]
    left_out = good | {"evaluate": {**good["evaluate"], "datasets": ["toy"]}}
    assert "transfer names 'hmdb51', which evaluate.datasets leaves out; add it there or take it out" in said_of(left_out)
    nothing = good | {"targets": {}, "evaluate": {**good["evaluate"], "tasks": []}}
    assert "transfer names datasets to measure on, but evaluate.tasks is empty; set transfer: [] or name tasks" in said_of(nothing)


def test_a_dataset_by_its_name_alone_or_with_little_more_has_all_keys() -> None:
    good = load.load(REPOSITORY / "presets/ucf101.yaml")
    wanted = {"name": "ucf101", "root": "data/raw/ucf101", "split": 1, "options": {}}
    for written in ("ucf101", {"name": "ucf101"}, wanted):
        assert load.check(good | {"dataset": written})["dataset"] == wanted
    assert load.check(good | {"dataset": {"name": "ucf101", "split": 3}})["dataset"] == wanted | {"split": 3}
    given = good | {"transfer": [{"name": "hmdb51", "streams": ["rgb"]}]}
    (transfer,) = load.check(given)["transfer"]
    assert transfer == {"name": "hmdb51", "root": "data/raw/hmdb51", "split": 1, "options": {}, "streams": ["rgb"]}
    assert given["transfer"] == [{"name": "hmdb51", "streams": ["rgb"]}], "what is checked is not changed"


def test_tasks_may_be_a_list_of_names(good: Params) -> None:
    good |= {"targets": {}}
    good["evaluate"]["tasks"] = ["retrieval"]
    assert load.check(good)["evaluate"]["tasks"] == {"retrieval": {}}
    good["evaluate"]["tasks"] = []
    assert load.check(good)["evaluate"]["tasks"] == {} and good["evaluate"]["tasks"] == [], "what is checked is not changed"


def detected(given: Params, **skeleton: Any) -> Params:
    """Params whose joints are detected in the videos."""
    result = copy.deepcopy(given) | {"skeleton": {"backend": "keypoint-rcnn", **skeleton}}
    for stream in ("joint", "motion"):
        result["streams"][stream]["graph"] = "coco"
    return result


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


def test_weights_that_a_person_brought_are_seen_to_change(good: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = load.check(detected(good, weights="./mine/w.pth"))
    assert run_plan.brought_weights(checked) == {"skeleton": "mine/w.pth"} and run_plan.brought_weights(load.check(detected(good))) == {}
    with pytest.raises(
        InputError, match=r"skeleton\.weights names mine/w\.pth, and there is no such file; paths are relative to the folder"
    ):
        preflight.check_weights(checked)
    (tmp_path / "mine").mkdir()
    prints = []
    for content in ("a", "bc"):
        (tmp_path / "mine/w.pth").write_text(content)
        preflight.check_weights(checked)
        prints.append(run_plan.fingerprint(*run_plan.brought_weights(checked).values()))
    assert prints[0] != prints[1]


def test_an_extractor_may_need_what_no_stream_asks_for(good: Params) -> None:
    """Weights for joints are no matter where no stream is read from joints."""
    ucf101 = load.load(REPOSITORY / "presets/ucf101.yaml") | {"skeleton": {"backend": "keypoint-rcnn", "weights": "nowhere.pth"}}
    preflight.check_weights(load.check(ucf101))


def test_the_graphs_that_the_schema_knows_are_those_there_are() -> None:
    settings = registry.declared("encoders", "st-gcn")["settings"]["graph"]
    assert settings["enum"] == list(skeleton_graphs.GRAPHS) and settings["default"] == skeleton_graphs.DEFAULT
    assert settings["sizes"]["joint"] == {name: graph.joints for name, graph in skeleton_graphs.GRAPHS.items()}


@pytest.mark.parametrize(
    ("dataset", "brought"),
    [
        ("ucf101", []),
        ({"name": "ucf101", "root": "./data/raw/ucf101/", "options": {"lists": "ucfTrainTestlist"}}, []),
        ({"name": "ucf101", "options": {"lists": "/mine/lists"}}, ["/mine/lists"]),
        ({"name": "ucf101", "root": "/mine/ucf", "options": {"lists": "lists"}}, ["/mine/ucf"]),
        ({"name": "ucf101", "root": "/mine/ucf", "options": {"lists": "../lists"}}, ["/mine/ucf", "/mine/lists"]),
        ({"name": "kinetics400"}, ["data/raw/kinetics400"]),  # nobody but a person puts it there
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
    assert run_plan.tasks_of(good, "stc-mix") == run_plan.tasks_of(good, "untrained") == ["retrieval", "linear", "finetune"]
    assert run_plan.tasks_of(good, "mixup") == run_plan.tasks_of(good, "handmade") == ["retrieval", "linear"]
    good["evaluate"]["tasks"]["linear"]["experiments"] = ["mixup"]
    assert run_plan.tasks_of(good, "stc-mix") == ["retrieval", "finetune"]
    del good["evaluate"]["tasks"]["finetune"]["experiments"]
    assert run_plan.tasks_of(good, "moco") == ["retrieval", "finetune"]


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


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot write to"):
        preflight.check_writable(tmp_path / "data")


# ----------------------------------------------------------------------------------------------------------------
# Streams, and the settings of a training


def test_a_stream_has_any_name_where_it_says_its_modality(good: Params) -> None:
    """Two streams on one modality, each an encoder of its own."""
    good["streams"]["wide"] = {**copy.deepcopy(good["streams"]["joint"]), "width": 0.25}
    good["experiments"]["both"] = {"method": "moco", "streams": ["wide", "joint"], "mixing": "none"}
    good["evaluate"]["fused"].append(["wide", "joint"])
    checked = load.check(good)
    assert checked["streams"]["wide"]["modality"] == "joint" and run_plan.cached_modalities(checked, "toy") == ["flow", "joint", "rgb"]
    assert [job.name for job in recipes.trainings(checked, "both")] == ["wide", "joint"]
    assert slices.features(checked, "wide")["streams"]["wide"]["width"] == 0.25
    del good["streams"]["wide"]["modality"]
    assert "'streams.wide.modality' is missing, and no modality is called wide; add it" in said_of(good)


def test_a_setting_of_the_experiment_comes_before_the_methods_part_and_that_before_the_plain_one(good: Params) -> None:
    def setting(key: str, tag: str = "moco", experiment: str = "mixup") -> tuple[Any, str]:
        return tuple(recipes.settings(good, "rgb", tag, experiment)[key])

    assert setting("batch") == (16, "streams.rgb.train.batch")
    put(good, "streams.rgb.train.moco.batch", 8)
    assert setting("batch") == (8, "streams.rgb.train.moco.batch")
    put(good, "experiments.mixup.batch", 4)
    assert setting("batch") == (4, "experiments.mixup.batch")
    assert setting("batch", experiment="moco") == (8, "streams.rgb.train.moco.batch"), "the experiment's is its own"
    assert setting("batch", "cmmc", "stc-mix") == (16, "streams.rgb.train.batch"), "and the part its method's"
    assert setting("box") == ("batch", ""), "a default stands nowhere"
    load.check(good)
    job = recipes.training(good, "mixup", "rgb")
    assert slices.training(good, job)["settings"]["rgb"]["batch"] == 4 and "experiments.mixup.batch" in slices.training_keys(good, job)
    assert slices.finetune(good, "finetune", "rgb")["settings"]["rgb"]["batch"] == 16
    assert recipes.settings(good, "rgb", "finetune")["lr"] == (0.001, "streams.rgb.train.finetune.lr")


def test_an_experiment_may_say_how_its_encoders_are_trained(good: Params) -> None:
    """Nothing of that method need stand in the streams."""
    put(good, "experiments.mine", MOCO | {"streams": ["rgb", "joint"], "lr": 0.5, "epochs": 3, "queue": 8})
    for stream in ("rgb", "joint"):
        drop(good, f"streams.{stream}.train.queue")
    good["experiments"] = {"mine": good["experiments"]["mine"]}
    good |= {"all": ["mine"], "targets": {}}
    good["evaluate"]["tasks"]["finetune"]["experiments"] = []
    checked = load.check(good)
    for job in recipes.trainings(checked, "mine"):
        settings = slices.training(checked, job)["settings"][job.name]
        assert (settings["lr"], settings["queue"], recipes.epochs(checked, job)) == (0.5, 8, 3)


def forget() -> None:
    """Forget what was read of the things there are."""
    for value in [*vars(registry).values(), *vars(schema).values()]:
        if hasattr(value, "cache_clear"):
            value.cache_clear()


@pytest.fixture
def things(tmp_path: Path) -> Iterator[Path]:
    """A copy of what all things declare, to change or to add to; `forget` then."""
    for kind in registry.KINDS:
        (tmp_path / kind).mkdir()
        for file in (registry.HOME / kind).glob("*.yaml"):
            shutil.copy(file, tmp_path / kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "HOME", tmp_path)
        forget()
        yield tmp_path
    forget()


def test_methods_that_share_a_setting_may_take_it_differently(things: Path, tiny: Params) -> None:
    """What stands for every method is checked for each that uses it, by the place where it stands."""
    cmmc = yaml.safe_load((things / "methods/cmmc.yaml").read_text())
    cmmc["settings"]["alpha"] = {"type": "integer", "minimum": 2}
    (things / "methods/cmmc.yaml").write_text(yaml.safe_dump(cmmc, sort_keys=False))
    forget()
    assert said_of(tiny).endswith("streams.rgb.train.alpha must be a whole number, not 1.0 (by cmmc)")
    for stream in ("rgb", "flow"):
        put(tiny, f"streams.{stream}.train.alpha", 2)
    for stream in ("joint", "motion"):
        put(tiny, f"streams.{stream}.train.cmmc", {"alpha": 3})
    load.check(tiny)
    put(tiny, "streams.rgb.train.alpha", "x")
    assert 'streams.rgb.train.alpha must be a whole number, not "x"' in said_of(tiny)


def test_a_task_has_what_may_be_left_out_of_it(things: Path, tiny: Params) -> None:
    knn = {**registry.declared("tasks", "retrieval"), "settings": {"neighbours": {"type": "integer", "minimum": 1, "default": 5}}}
    (things / "tasks/knn.yaml").write_text(yaml.safe_dump(knn))
    forget()
    for given, neighbours in (({}, 5), ({"neighbours": 3}, 3)):
        checked = load.check(tiny | {"evaluate": {**tiny["evaluate"], "tasks": {**tiny["evaluate"]["tasks"], "knn": given}}})
        assert slices.score(checked, "knn")["evaluate"]["tasks"] == {"knn": {"neighbours": neighbours}}
    put(tiny, "evaluate.tasks.knn", {"neighbours": 0})
    assert "evaluate.tasks.knn.neighbours: 0 is less than the minimum of 1" in said_of(tiny)


def test_docs_say_of_each_key_which_things_have_it() -> None:
    rows = [[cell.strip() for cell in line.split(" | ")] for line in describe_params.text().splitlines() if line.startswith("| `")]
    said = {(key.removeprefix("| "), of): meaning.removesuffix(" |") for key, of, _, meaning in rows}
    assert len(said) >= 120
    assert said["`streams.NAME.clip.frames`", "rgb, flow"] == "frames of a clip"
    assert said["`streams.NAME.clip.frames`", "joint, motion, bone"] == "frames a sequence is resampled to"
    assert said["`streams.NAME.train.alpha`", "moco"] == "lam ~ Beta(alpha, alpha)"
    assert ("`streams.NAME.graph`", "st-gcn") in said and ("`flow.preset`", "dis") in said and ("`dataset.options.layout`", "toy") in said
    assert ("`experiments.NAME.stages`", "cmmc") in said and ("`experiments.NAME.keep`", "") in said
    for kind in ("encoders", "methods", "tasks"):
        for name in registry.names(kind):
            assert registry.declared(kind, name)["about"] in said.values()


# ----------------------------------------------------------------------------------------------------------------
# Experiments and their trainings


def names(jobs: Iterator[Training] | list[Training]) -> list[str]:
    return [f"{job.experiment}/{job.name}" for job in jobs]


def test_the_chain_of_trainings_and_their_epochs(good: Params) -> None:
    chain = recipes.chain(good, "stc-mix", "flow")
    assert names(chain) == ["mixup/flow", "stc-mix/flow-1", "stc-mix/flow-2"]
    assert [recipes.epochs(good, job) for job in chain] == [50, 12, 12]
    once = recipes.chain(good, "stc-mix-once", "rgb")
    assert names(once) == ["mixup/rgb", "stc-mix-once/rgb-1"] and [recipes.epochs(good, job) for job in once] == [50, 24]
    assert names(recipes.chain(good, "stc-mix-once", "flow")) == ["mixup/flow"], "flow is not trained again"
    assert recipes.chain(good, "moco", "flow") == []
    assert recipes.epochs(good, recipes.training(good, "moco-long", "flow")) == 74
    good["experiments"]["stc-mix"]["epochs"] = 30
    assert [recipes.epochs(good, recipes.training(good, "stc-mix", f"rgb-{cycle}")) for cycle in (1, 2)] == [15, 15]


def by_hand(params: Params, experiment: str) -> dict[str, tuple[dict[str, str], dict[str, str], list[str]]]:
    """By training: what its streams begin from, whose weights are handed in, and what its draws are told apart by."""
    result = {}
    for job in recipes.trainings(params, experiment):
        starts = {stream: names([start])[0] for stream, start in recipes.starts(params, job).items()}
        frozen = {f"{role} {stream}": names([made])[0] for role, (stream, made) in recipes.frozen(params, job).items()}
        result[job.name] = (starts, frozen, recipes.draws(params, job))
    return result


def test_trainings_in_turn_have_the_newest_weights(good: Params) -> None:
    assert by_hand(good, "stc-mix") == {
        "rgb-1": ({"rgb": "mixup/rgb"}, {"partner flow": "mixup/flow"}, ["rgb", "cmmc1"]),
        "flow-1": ({"flow": "mixup/flow"}, {"partner rgb": "stc-mix/rgb-1"}, ["flow", "cmmc1"]),
        "rgb-2": ({"rgb": "stc-mix/rgb-1"}, {"partner flow": "stc-mix/flow-1"}, ["rgb", "cmmc2"]),
        "flow-2": ({"flow": "stc-mix/flow-1"}, {"partner rgb": "stc-mix/rgb-2"}, ["flow", "cmmc2"]),
    }
    assert by_hand(good, "stc-mix-once") == {"rgb-1": ({"rgb": "mixup/rgb"}, {"partner flow": "mixup/flow"}, ["rgb", "cmmc1"])}


def test_trainings_alone_and_together(good: Params) -> None:
    assert by_hand(good, "mixup") == {"rgb": ({}, {}, []), "flow": ({}, {}, [])}, "each at initial weights, with the draws of the run"
    starts = {"joint": "moco-skeleton-30/joint", "motion": "moco-skeleton-30/motion"}
    assert by_hand(good, "crossclr") == {"joint+motion": (starts, {}, ["mining"])}
    good["experiments"]["on"] = {**good["experiments"]["mixup"], "from": "stc-mix"}
    assert by_hand(load.check(good), "on") == {
        "rgb": ({"rgb": "stc-mix/rgb-2"}, {}, ["rgb", "moco"]),
        "flow": ({"flow": "stc-mix/flow-2"}, {}, ["flow", "moco"]),
    }, "no part in one another"


def test_a_stream_with_the_name_of_a_role_is_refused(good: Params) -> None:
    good["streams"]["partner"] = good["streams"]["flow"] | {"modality": "flow"}
    good["experiments"]["mixup"]["streams"].append("partner")
    good["experiments"]["stc-mix"]["streams"] = ["rgb", "partner"]
    with pytest.raises(InputError, match=r"experiments\.stc-mix trains a stream called partner, which is a role of its method"):
        load.check(good)


def test_manifold_mixup_has_no_partner(good: Params) -> None:
    made = by_hand(good, "manifold-mixup")
    assert [frozen for _, frozen, _ in made.values()] == [{}] * 4
    assert made["rgb-2"][0] == {"rgb": "manifold-mixup/rgb-1"}
    for experiment, streams in (("manifold-mixup", ["rgb"]), ("cm-mixup", ["rgb", "flow"])):
        part = slices.training(good, recipes.training(good, experiment, "rgb-1"))
        assert list(part["streams"]) == streams and list(part["settings"]) == ["rgb"]
    assert "head" not in part["streams"]["flow"], "of the partner, only what it sees and is"


MINING = {"method": "crossclr", "from": "stc-mix-skeleton", "streams": ["joint", "motion"], "neighbours": 1}


@pytest.fixture
def chained(tiny: Params) -> Params:
    """The tiny params with chains of every kind on every other: mining of cmmc, cmmc of mining, mining of half a cmmc."""
    cmmc = tiny["experiments"]["stc-mix-skeleton"]
    tiny["experiments"] |= {
        "again": {**cmmc, "from": "crossclr", "stages": 3, "epochs": 4},
        "half": {**cmmc, "stages": 1},
        "mined-half": {key: value for key, value in MINING.items() if key != "epochs"} | {"from": "half", "streams": ["motion", "joint"]},
    }
    return load.check(tiny)


def test_a_chain_may_be_of_any_depth_and_kind(chained: Params) -> None:
    chain, job = partial(recipes.chain, chained), partial(recipes.training, chained)
    behind = ["mixup/motion", "stc-mix-skeleton/motion-1", "crossclr/joint+motion"]
    assert names(chain("crossclr", "motion")) == behind
    assert names(chain("again", "joint")) == [
        "mixup/joint",
        "stc-mix-skeleton/joint-1",
        "crossclr/joint+motion",
        "again/joint-1",
        "again/joint-2",
    ]
    assert names(chain("mined-half", "motion")) == ["mixup/motion", "mined-half/motion+joint"], "in `half` motion is the partner"
    assert by_hand(chained, "mined-half")["motion+joint"][0] == {"motion": "mixup/motion", "joint": "half/joint-1"}
    assert [recipes.epochs(chained, job("again", name)) for name in ("joint-1", "motion-1")] == [2, 4]
    assert recipes.epochs(chained, job("crossclr", "joint+motion")) == 1
    assert recipes.epochs(chained, job("mined-half", "motion+joint")) == chained["streams"]["joint"]["train"]["epochs"]
    mined = "crossclr/joint+motion"
    assert by_hand(chained, "again")["joint-1"][:2] == ({"joint": mined}, {"partner motion": mined})
    assert by_hand(chained, "again")["motion-1"][:2] == ({"motion": mined}, {"partner joint": "again/joint-1"})
    assert by_hand(chained, "half")["joint-1"][:2] == ({"joint": "mixup/joint"}, {"partner motion": "mixup/motion"})
    assert recipes.with_starts(chained, ["again"]) == ["mixup", "stc-mix-skeleton", "crossclr", "again"]
    assert set(slices.report(chained | {"all": ["mined-half"]})["experiments"]) == {"mixup", "half", "mined-half"}


def test_the_slice_of_mining_is_of_both_streams_and_of_nothing_else(chained: Params) -> None:
    job = recipes.training(chained, "mined-half", "motion+joint")
    before = copy.deepcopy(slices.training(chained, job))
    assert list(before["streams"]) == list(before["settings"]) == ["motion", "joint"]
    assert before["training"] == {
        "name": "motion+joint",
        "streams": ["motion", "joint"],
        "frozen": {},
        "draws": ["mining"],
        "epochs": 2,
        "keep": 0,
    }
    for other in ("moco", "cmmc", "finetune"):
        put(chained, f"streams.joint.train.{other}", {"lr": 1.0})
    assert slices.training(chained, job) == before
    put(chained, "streams.joint.train.crossclr", {"lr": 1.0})
    assert slices.training(chained, job) != before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("crossclr.from", "stc-mix-skelton", "experiments.crossclr.from is 'stc-mix-skelton'; did you mean 'stc-mix-skeleton'?"),
        ("crossclr.from", "crossclr", "experiments.crossclr.from leads round in a circle (crossclr, crossclr); let one of them start from"),
        ("stc-mix-skeleton.from", "crossclr", "leads round in a circle (stc-mix-skeleton, crossclr, stc-mix-skeleton)"),
        ("mixup.from", "stc-mix", "leads round in a circle (mixup, stc-mix, mixup)"),
        ("crossclr.from", "videomix", "experiments.crossclr needs 'joint', which 'videomix' does not train"),
        ("crossclr.neighbours", 0, "experiments.crossclr.neighbours: 0 is less than the minimum of 1"),
        ("crossclr.neighbors", 1, "unknown key 'experiments.crossclr.neighbors'; did you mean 'neighbours'?"),
        ("crossclr.stages", 2, "unknown key 'experiments.crossclr.stages'"),
        ("crossclr", {key: value for key, value in MINING.items() if key != "from"}, "'experiments.crossclr.from' is missing"),
        ("crossclr.streams", ["joint"], "experiments.crossclr.streams"),
    ],
)
def test_a_mistake_in_what_an_experiment_starts_from_or_mines(tiny: Params, key: str, value: Any, said: str) -> None:
    put(tiny["experiments"], key, value)
    assert said in said_of(tiny)


def test_a_run_mines_between_as_many_pairs_as_it_likes(tiny: Params) -> None:
    put(tiny["experiments"], "mined", MINING | {"from": "mixup", "streams": ["joint", "rgb"], "epochs": 1})
    assert names(recipes.trainings(load.check(tiny), "mined")) == ["mined/joint+rgb"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("crossclr", {"lr": 1.0}, "streams.joint.train.lr is 0.003 and streams.motion.train.crossclr.lr is 1.0; make them equal"),
        ("batch", 2, "streams.joint.train.batch is 4 and streams.motion.train.batch is 2"),
        ("queue", 8, "streams.joint.train.queue is 6 and streams.motion.train.queue is 8; make them equal"),
        ("negatives", "all", "streams.joint.train.negatives is other-videos and streams.motion.train.negatives is all"),
    ],
)
def test_both_streams_of_mining_are_trained_alike(tiny: Params, key: str, value: Any, said: str) -> None:
    put(tiny["streams"]["motion"], "head.out", 4)  # embeddings of two sizes never meet
    put(tiny["streams"]["motion"], "train.temperature", 0.2)
    load.check(tiny)
    put(tiny["streams"]["motion"]["train"], key, value)
    assert f"experiments.crossclr trains joint and motion in one, but {said}" in said_of(tiny)


def test_what_the_experiment_says_is_equal_by_itself(tiny: Params) -> None:
    put(tiny, "streams.motion.train.queue", 8)
    put(tiny, "experiments.crossclr.queue", 4)
    load.check(tiny)


STUDENT = {
    "about": "Another encoder is looked at, whatever trained it",
    "trains": "alone",
    "from": "none",
    "streams": {"min": 1},
    "clips": {"query": 1},
    "frozen": {"teacher": {"stream": "named"}},
    "settings": {},
}


@pytest.fixture
def student(things: Path, tiny: Params) -> Params:
    """The tiny params with a method that is handed a frozen encoder by name."""
    (things / "methods/student.yaml").write_text(yaml.safe_dump(STUDENT))
    forget()
    teacher = {"experiment": "stc-mix", "stream": "flow"}
    tiny["experiments"]["taught"] = {"method": "student", "streams": ["rgb", "joint"], "teacher": teacher}
    return load.check(tiny)


def test_a_frozen_encoder_by_name(student: Params) -> None:
    newest = {"teacher flow": "stc-mix/flow-1"}
    assert by_hand(student, "taught") == {"rgb": ({}, newest, []), "joint": ({}, newest, [])}
    assert recipes.with_starts(student, ["taught"]) == ["mixup", "stc-mix", "taught"]
    job = recipes.training(student, "taught", "joint")
    assert list(slices.training(student, job)["streams"]) == ["joint", "flow"]
    assert {"experiments.taught.teacher", "streams.flow.encoder"} <= slices.training_keys(student, job)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "teacher.experiment",
            "stcmix",
            "experiments.taught.teacher names 'stcmix', but there is no such experiment; did you mean 'stc-mix'?",
        ),
        ("teacher.stream", "joint", "experiments.taught.teacher names 'joint', but it is not trained there; known: rgb, flow"),
        ("teacher.experiment", "taught", "experiments.taught.teacher is of taught, which is made from taught; name another"),
        ("teacher.steam", "flow", "unknown key 'experiments.taught.teacher.steam'; did you mean 'stream'?"),
        ("teacher", None, "experiments.taught.teacher must be a mapping, not null"),
        ("from", "mixup", "unknown key 'experiments.taught.from'"),
    ],
)
def test_a_mistake_in_whose_encoder_is_handed_in(student: Params, key: str, value: Any, said: str) -> None:
    put(student["experiments"]["taught"], key, value)
    if key == "teacher.experiment" and value == "taught":
        student["experiments"]["taught"]["teacher"]["stream"] = "rgb"
    assert said in said_of(student)


def test_a_frozen_encoder_by_name_needs_one(student: Params) -> None:
    del student["experiments"]["taught"]["teacher"]
    assert "'experiments.taught.teacher' is missing" in said_of(student)


def test_neighbouring_recipes_differ_in_one_line(good: Params) -> None:
    """The rows of tables 1 and 2 are an ablation: each changes one thing."""

    def differing(name: str, other: str) -> set[str]:
        a, b = good["experiments"][name], good["experiments"][other]
        return {key for key in {*a, *b} - {"keep", "paper"} if a.get(key) != b.get(key)}

    for other in ("t-cutmix", "st-cutmix", "videomix"):
        assert differing("moco", other) == {"mixing"}
    rows = ["manifold-mixup", "cm-mixup", "cm-cutmix-stc", "cm-cutmix-st", "cm-cutmix-s"]
    assert [differing(one, other) for one, other in itertools.pairwise(rows)] == [{"mixing"}, {"mixing"}, {"axes"}, {"axes"}]
    assert differing("cm-cutmix-stc", "stc-mix") == {"layers"}
    assert differing("moco-long", "mixup-long") == {"mixing", "streams"}


# ----------------------------------------------------------------------------------------------------------------
# What each job gets


def test_a_slice_holds_what_its_job_needs_and_no_more(good: Params) -> None:
    job = recipes.training(good, "mixup", "rgb")
    before = copy.deepcopy(slices.training(good, job))
    put(good, "streams.flow.train.moco.lr", 1.0)
    put(good, "streams.rgb.train.cmmc.lr", 1.0)
    put(good, "evaluate.clips", 9)
    assert slices.training(good, job) == before
    put(good, "streams.rgb.train.moco.lr", 1.0)
    assert slices.training(good, job) != before


def test_how_many_trainings_there_are_is_in_a_slice_only_where_they_share_epochs(good: Params) -> None:
    job = recipes.training(good, "stc-mix", "rgb-1")
    before = slices.training(good, job)
    put(good, "experiments.stc-mix.stages", 6)
    assert slices.training(good, job) == before
    put(good, "experiments.stc-mix.epochs", 30)
    assert slices.training(good, job)["training"]["epochs"] == 10
    put(good, "experiments.stc-mix.stages", 4)
    assert slices.training(good, job)["training"]["epochs"] == 15


def test_a_training_gets_its_own_part_of_a_setting_by_stream(good: Params) -> None:
    part = slices.training(good, recipes.training(good, "stc-mix-pose", "rgb-1"))["settings"]["rgb"]
    assert part["patch"] == {"rgb": [4, 4]} and part["layers"] == {"rgb": 4, "joint": 8}


def test_what_extraction_gets(good: Params) -> None:
    where, how = {"dataset": {"name": "toy", "root": "data/raw/toy"}}, {"cache": good["cache"], "index": {"fps": 30}}
    assert slices.extraction(good, "rgb", "toy") == where | how
    assert slices.extraction(good, "flow", "toy") == where | how | {"flow": good["flow"]}
    assert slices.extraction(good, "joint", "toy") == where | {"cache": {"shards": good["cache"]["shards"]}}


Job = tuple[str, set[str]]


def jobs(params: Params) -> dict[str, dict[str, Job]]:
    """The jobs of a run, by what DVC calls one stage, or a part of one.

    Of each, what Snakemake sees of it, which is its slice and whose weights it takes; and the keys of params that it is said to rest on.
    """
    single = {f"features {stream}": slices.features(params, stream) for stream in params["streams"]}
    single |= {f"score {task}": slices.score(params, task) for task in params["evaluate"]["tasks"]}
    single |= {"measurable": slices.measurable(params), "report": slices.report(params)}
    single |= {f"compare {target}": slices.compare(params, target) for target in params["targets"]}
    result = {name: {"": (json.dumps(part), slices.keys(part))} for name, part in single.items()}
    for dataset in run_plan.datasets(params):
        result |= jobs_of_dataset(params, dataset)
    for experiment in params["experiments"]:
        result |= jobs_of_experiment(params, experiment)
    for task in params["evaluate"]["tasks"]:
        if registry.declared("tasks", task)["given"] == "encoder":
            for stream in params["streams"]:
                keys = slices.finetune_keys(params, task, stream)
                result[f"{task} {stream}"] = {"": (json.dumps(slices.finetune(params, task, stream)), keys)}
    return result


def jobs_of_dataset(params: Params, dataset: str) -> dict[str, dict[str, Job]]:
    parts = {"download": slices.dataset(params, dataset), "index": slices.index(params, dataset)}
    parts |= {f"extract {source}": slices.extraction(params, source, dataset) for source in run_plan.cached_modalities(params, dataset)}
    result = {}
    for name, part in parts.items():
        keys = slices.keys(part)
        if dataset != params["dataset"]["name"]:  # DVC looks at `transfer`, then
            keys = {"transfer" if key.startswith("dataset") else key for key in keys}
        result[f"{name} {dataset}"] = {"": (json.dumps(part), keys)}
    return result


def jobs_of_experiment(params: Params, experiment: str) -> dict[str, dict[str, Job]]:
    result: dict[str, dict[str, Job]] = {f"train {experiment}": {}}
    for job in recipes.trainings(params, experiment):
        weights = [*recipes.starts(params, job).values(), *(made for _, made in recipes.frozen(params, job).values())]
        seen = json.dumps([slices.training(params, job), [made.experiment for made in weights]])
        result[f"train {experiment}"][job.name] = (seen, slices.training_keys(params, job))
        part = slices.progress(params, job)
        result[f"progress {experiment} {job.name}"] = {"": (json.dumps(part), slices.keys(part))}
    if "feasible" in recipes.method(params, experiment):
        part, keys = slices.feasible(params, experiment), slices.feasible_keys(params, experiment)
        result[f"feasible {experiment}"] = {"": (json.dumps(part), keys)}
    return result


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key whose value is no mapping with keys of its own."""
    if not isinstance(node, dict) or not node:
        yield prefix, node
        return
    for key, value in node.items():
        yield from leaves(value, f"{prefix}.{key}" if prefix else key)


def fits(params: Params, experiment: str, method: str) -> bool:
    """Whether an experiment has all settings of another method."""
    recipe = params["experiments"][experiment]
    changed = params | {"experiments": {**params["experiments"], experiment: recipe | {"method": method}}}
    try:
        return all(recipes.settings(changed, stream, method, experiment) for stream in recipe["streams"])
    except InputError:
        return False


def other(params: Params, key: str, value: Any) -> Any:
    """Another value for `key`, of which everything can be sliced; it need not be one that makes sense."""
    last = key.rpartition(".")[2]
    if key.startswith("experiments.") and last == "method":
        return next((name for name in registry.names("methods") if name != value and fits(params, key.split(".")[1], name)), None)
    if key.startswith("experiments.") and last == "from":
        experiment = key.split(".")[1]
        streams = set(params["experiments"][experiment]["streams"])
        fit = [name for name, recipe in params["experiments"].items() if streams <= set(recipe["streams"]) and name != value]
        return next((name for name in fit if experiment not in recipes.with_starts(params, [name])), None)
    if key.startswith("experiments.") and last == "streams":
        alone = recipes.method(params, key.split(".")[1])["trains"] == "alone"
        return (
            ([*value, *unused] if (unused := [name for name in params["streams"] if name not in value]) else None) if alone else value[::-1]
        )
    choices = {
        "modality": {"rgb": "flow", "flow": "rgb", "joint": "motion", "motion": "joint"},
        "encoder": {"s3d": "st-gcn", "st-gcn": "s3d"},
        "backend": {"tvl1": "dis", "dis": "tvl1"},
    }
    if last in choices:
        return choices[last].get(value)
    if key == "all":
        return value[:1]
    if key == "transfer":
        return [{**entry, "split": entry["split"] + 1, "root": "elsewhere"} for entry in value] or None
    if isinstance(value, list):
        return value[:-1] if last in ("experiments", "streams", "datasets", "tasks") and len(value) > 1 else [*value, *value[:1]]
    if isinstance(value, dict | None):
        return {"sed": 1} if last == "options" else None
    if isinstance(value, str):
        return f"{value}x"
    return not value if isinstance(value, bool) else value * 2 or 1


def covered(leaf: str, keys: set[str]) -> bool:
    return any(leaf == key or leaf.startswith(f"{key}.") for key in keys)


def changed(before: dict[str, Job], after: dict[str, Job]) -> bool:
    """Whether a stage has anything to do: a job of it has another slice or other weights, or is new."""
    return {name: part for name, (part, _) in before.items()} != {name: part for name, (part, _) in after.items()}


def looked_at_for_nothing(params: Params, stage: str, leaf: str) -> bool:
    """Whether DVC may look at a leaf that no job of the stage gets."""
    kind, _, name = stage.partition(" ")
    if kind == "measurable":  # which tasks there are: DVC can't look at the keys of a mapping alone
        return leaf.startswith("evaluate.tasks.")
    if kind == "index":  # whether people are detected in the videos: the section as a whole
        return leaf.startswith("skeleton.")
    if leaf == f"experiments.{name}.streams":  # in which order, which is nothing to manifold mixup
        return kind == "train"
    together = kind == "train" and recipes.method(params, name)["trains"] == "together"
    return together and leaf.startswith("streams.") and leaf.endswith(".epochs")  # of the second stream, which must be the first's


@pytest.mark.parametrize("file", ["params.yaml", "tests/pipeline/tiny.yaml", "presets/ucf101.yaml", "presets/folder-pose.yaml"])
def test_a_change_of_any_one_key_reruns_the_same_in_both_engines(file: str) -> None:
    """Snakemake reruns the jobs whose slices, or inputs, change, and DVC the stages that name the key."""
    params = separate(REPOSITORY / file)
    before = jobs(params)
    tried = 0
    for leaf, value in leaves(params):
        if (new := other(params, leaf, value)) is None:
            continue
        tried += 1
        put(params, leaf, new)
        after = jobs(params)
        put(params, leaf, value)
        for stage in before.keys() & after.keys():
            assert leaf != "seed" or changed(before[stage], after[stage]) == (stage == "report")
            looked_at = covered(leaf, set().union(*(keys for _, keys in before[stage].values())))
            if leaf == "all":  # which says what there is: the stages themselves
                continue
            if changed(before[stage], after[stage]):
                assert looked_at, f"{stage} changes with {leaf}, and DVC would not notice"
            else:
                assert not looked_at or looked_at_for_nothing(params, stage, leaf), (
                    f"{stage} does not change with {leaf}, and DVC would rerun it"
                )
    assert tried > 60


@pytest.mark.parametrize(
    ("leaf", "stages"),
    [
        ("flow.bound", {"extract flow toy", "report"}),
        ("index.max_dropped", {"index toy", "report"}),
        ("evaluate.tasks.linear.iterations", {"score linear"}),
        ("evaluate.fused", {"score retrieval", "score linear", "score finetune"}),
        ("streams.rgb.train.finetune.lr", {"finetune rgb"}),
        ("streams.motion.train.crossclr.lr", {"train crossclr", "train crossclr-cmmc"}),
        ("experiments.videomix.mixing", {"train videomix"}),
        ("experiments.mixup.keep", {"train mixup"}),
        ("experiments.stc-mix-pose.paper", set()),
        ("targets.figure2.tasks", set()),
    ],
)
def test_what_reruns_after_a_change_by_hand(good: Params, leaf: str, stages: set[str]) -> None:
    """Beside pages, and what only measures along trainings."""
    before = jobs(good)
    put(good, leaf, other(good, leaf, dict(leaves(good))[leaf]))
    after = jobs(good)
    changes = {stage for stage in before if changed(before[stage], after[stage])}
    assert {stage for stage in changes if not stage.startswith(("compare", "progress")) and stage != "report"} == stages - {"report"}
    assert "report" in changes or "report" not in stages
