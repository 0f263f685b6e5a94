"""params.yaml: what is wrong with it is said in one line that names the key and the way out."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY
from videossl import graphs, params
from videossl.data import clips
from videossl.datasets import registry
from videossl.errors import InputError
from videossl.report import numbers
from videossl.train import modality as modalities


@pytest.fixture
def good() -> dict[str, Any]:
    return copy.deepcopy(params.load(REPOSITORY / "params.yaml"))


def put(mapping: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        mapping = mapping[parent]
    mapping[last] = value


@pytest.mark.parametrize("file", [*sorted((REPOSITORY / "presets").glob("*.yaml")), REPOSITORY / "tests/pipeline/tiny.yaml"])
def test_every_preset_is_good(file: Path) -> None:
    assert params.load(file)["experiments"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("index.max_droped", 1, "unknown key 'index.max_droped'; did you mean 'max_dropped'?"),
        ("modalities.rbg", {}, "unknown key 'modalities.rbg'; did you mean 'rgb'?"),
        ("dataset.options.sed", 1, "unknown key 'dataset.options.sed'; did you mean 'seed'?"),
        ("experiments.stc-mix.axis", [], "unknown key 'experiments.stc-mix.axis'; did you mean 'axes'?"),
        ("qqq", 1, "unknown key 'qqq'; known: dataset, transfer, index,"),
        ("index.min_frames", "17", 'index.min_frames must be a whole number, not "17"'),
        ("modalities.rgb.pretrain.lr", [1], "modalities.rgb.pretrain.lr must be a number, not [1]"),
        ("dataset.name", "ucf11", "dataset.name is 'ucf11'; did you mean 'ucf101'?"),
        ("experiments.stc-mix.mixing", "cmcutmix", "did you mean 'cm-cutmix'? known: manifold-mixup, cm-mixup, cm-cutmix"),
        ("experiments.moco.mixing", "xyz", "experiments.moco.mixing is 'xyz'; known: none, mixup, t-cutmix, st-cutmix, videomix"),
        ("experiments.cm-mixup.layers", "random", "with mixing cm-mixup give layers: same and axes: [space, time, channel]"),
        ("experiments.manifold-mixup.axes", ["space"], "with mixing manifold-mixup give layers: same and axes: [space, time, channel]"),
        ("experiments.stc-mix.epochs", 13, "experiments.stc-mix.epochs is 13, which 2 stages of rgb cannot share; give a multiple"),
        ("all", ["mixup", "stcmix"], "all names 'stcmix', but there is no such experiment; did you mean 'stc-mix'?"),
        ("targets.table1.experiments", ["mocco"], "targets.table1 names 'mocco', but there is no such experiment; did you mean 'moco'?"),
        ("targets.table1.modalities", ["flow+joint"], "targets.table1 names 'flow+joint', which evaluate.fused lacks; add [flow, joint]"),
        (
            "targets.table1.modalities",
            ["joint"],
            "targets.table1 names 'joint', which experiments.moco does not train; take out one of them",
        ),
        ("targets.figure2.modalities", ["flow"], "targets.figure2 names 'flow', which experiments.mixup-long does not train"),
        (
            "targets.table3.experiments",
            ["mixup"],
            "targets.table3 finetunes 'mixup', which is in all but not in evaluate.finetune; add it there",
        ),
        ("targets.table1.modalities", ["depth"], "targets.table1 names 'depth', but modalities lacks it"),
        ("targets.figure2.modalities", ["rgb+flow"], "targets.figure2 shows progress, of one modality at a time; leave out 'rgb+flow'"),
        ("targets.figure2.experiments", ["moco"], "targets.figure2 shows progress, but experiments.moco keeps no encoder on the way"),
        ("targets.figure2.tasks", ["finetune"], "targets.figure2.tasks.0 is 'finetune'; known: retrieval, linear"),
        ("targets.figure3.tasks", ["linear"], "targets.figure3.tasks"),
        ("targets.all", {"show": "training", "experiments": ["moco"], "modalities": ["rgb"]}, "'all' is no name for a target"),
        ("evaluate.tasks", ["retrieval"], "targets.table1 names 'linear', but evaluate.tasks lacks it"),
        ("transfer", [{"name": "toy"}], "'transfer.0.modalities' is missing"),
        ("transfer", ["hmdb51"], "'transfer.0.modalities' is missing"),
        ("dataset", "ucf101", "ucf101 has no skeletons, which joint, motion and bone are made of; take them out of modalities"),
        ("transfer", [{"name": "hmdb51", "modalities": ["motion"]}], "hmdb51 has no skeletons"),
        ("dataset", "ucf", "dataset.name is 'ucf'; did you mean 'ucf101'?"),
        ("dataset", {"root": "x"}, "'dataset.name' is missing"),
        ("dataset", None, "dataset must be a mapping, not null"),
        ("index.fps", "30", 'index.fps must be a number or null, not "30"'),
        ("index.fps", 0, "index.fps: 0 is less than or equal to the minimum of 0"),
        ("cache.codec", "jpg", "cache.codec is 'jpg'; did you mean 'jpeg'?"),
        ("cache.codec", "jpeg", "cache.codec is jpeg, which needs cache.quality; add it, 1 to 100"),
        ("cache.quality", 90, "cache.quality is of jpeg, and cache.codec is raw; take quality out, or set codec: jpeg"),
        ("cache.quality", 0, "cache.quality: 0 is less than the minimum of 1"),
        ("flow.backend", "tvl", "flow.backend is 'tvl'; did you mean 'tvl1'?"),
        ("flow.backend", "dis", "unknown key 'flow.warps'; known: backend, bound, preset"),
        ("flow.wraps", 2, "unknown key 'flow.wraps'; did you mean 'warps'?"),
        ("flow", {"backend": "dis", "bound": 20, "preset": "quick"}, "flow.preset is 'quick'; known: ultrafast, fast, medium"),
        ("flow", {"bound": 20}, "'flow.backend' is missing"),
        ("modalities.rgb.moco.negatives", "other-video", "did you mean 'other-videos'? known: all, other-videos, other-groups"),
        ("modalities.rgb.moco.mask_same_video", True, "unknown key 'modalities.rgb.moco.mask_same_video'; known: "),
        ("evaluate.datasets", ["toi"], "evaluate.datasets names 'toi', but neither dataset nor transfer does; did you mean 'toy'?"),
        ("experiments.un trained", {"modalities": ["rgb"], "mixing": "none"}, "'un trained' is no name for an experiment"),
        ("experiments.untrained", {"modalities": ["rgb"], "mixing": "none"}, "'untrained' is no name for an experiment"),
        ("experiments.$(reboot)", {"modalities": ["rgb"], "mixing": "none"}, "is no name for an experiment"),
        ("experiments.stc-mix.from", "mixp", "experiments.stc-mix.from is 'mixp'; did you mean 'mixup'?"),
        ("experiments.mixup.modalities", ["rgb"], "needs 'flow', which 'mixup' does not train"),
        ("evaluate.finetune", ["stcmix"], "did you mean 'stc-mix'?"),
        ("index.min_frames", 15, "index.min_frames is 15, but a clip of rgb spans 15"),
        ("seeds", [1, 1], "seeds"),
        ("dataset.root", "/mine", "the root of the toy dataset must be data/raw/toy"),
        ("modalities.rgb.clip.frames", 0, "modalities.rgb.clip.frames"),
        ("modalities.rgb.graph", "coco", "unknown key 'modalities.rgb.graph'"),
        (
            "modalities.joint.graph",
            "coca",
            "graph is 'coca'; did you mean 'coco'? known: ntu-rgb+d, ntu-rgb+d-hands, coco",
        ),
        (
            "modalities.joint.graph",
            "coco",
            "modalities.joint.graph is coco, but skeleton files have the joints of ntu-rgb+d; take it out, or find",
        ),
        (
            "skeleton",
            {"backend": "keypoint-rcnn"},
            "finds the joints of the graph coco, but modalities.joint.graph is ntu-rgb+d; set it to coco",
        ),
        ("skeleton", {"backend": "openpose"}, "skeleton.backend is 'openpose'; known: files, keypoint-rcnn"),
        ("skeleton", {"backend": "files", "score": 0.5}, "unknown key 'skeleton.score'; known: backend"),
        ("skeleton", {"backend": "keypoint-rcnn", "scores": 0.5}, "unknown key 'skeleton.scores'; did you mean 'score'?"),
        ("skeleton", {"backend": "keypoint-rcnn", "score": 1}, "skeleton.score: 1 is greater than or equal to the maximum of 1"),
        ("skeleton", {"weights": "coco"}, "'skeleton.backend' is missing"),
        ("skeleton", None, "skeleton must be a mapping, not null"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(good: dict[str, Any], key: str, value: Any, said: str) -> None:
    put(good, key, value)
    if key == "index.min_frames" and value == 15:
        said = "a clip of flow spans 16 frames; set it to 16"
    with pytest.raises(InputError) as caught:
        params.check(good)
    assert said in str(caught.value)
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


def entry(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "root": "there", "split": 1, "options": {}, "modalities": ["rgb"]} | changes


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        ([entry("hmdb51"), entry("hmdb51")], "names a dataset twice"),
        ([{"name": "toy", "modalities": ["rgb"]}], "or toy again"),
        ([entry("hmdb51", options={"mirors": []})], "unknown key 'transfer.0.options.mirors'; did you mean 'mirrors'?"),
        ([entry("ntu60", options={"lists": "x"})], "unknown key 'transfer.0.options.lists'; did you mean 'missing'?"),
        ([entry("hmdb51", modalities=["depth"])], "transfer.0.modalities.0 is 'depth'"),
        ([entry("hmdb51", colour="red")], "unknown key 'transfer.0.colour'"),
    ],
)
def test_a_mistake_in_a_transfer_dataset(good: dict[str, Any], transfer: list[dict[str, Any]], said: str) -> None:
    good["transfer"] = transfer
    with pytest.raises(InputError) as caught:
        params.check(good)
    assert said in str(caught.value)


def test_a_dataset_by_its_name_alone_or_with_little_more_has_all_keys() -> None:
    good = params.load(REPOSITORY / "presets/ucf101.yaml")
    wanted = {"name": "ucf101", "root": "data/raw/ucf101", "split": 1, "options": {}}
    for written in ("ucf101", {"name": "ucf101"}, wanted):
        assert params.check(good | {"dataset": written})["dataset"] == wanted
    assert params.check(good | {"dataset": {"name": "ucf101", "split": 3}})["dataset"] == wanted | {"split": 3}
    given = good | {"transfer": [{"name": "hmdb51", "modalities": ["rgb"]}]}
    (one,) = params.check(given)["transfer"]
    assert one == {"name": "hmdb51", "root": "data/raw/hmdb51", "split": 1, "options": {}, "modalities": ["rgb"]}
    assert given["transfer"] == [{"name": "hmdb51", "modalities": ["rgb"]}], "what is checked is not changed"


def found(given: dict[str, Any], **skeleton: Any) -> dict[str, Any]:
    """Params whose joints are found in the videos."""
    result = copy.deepcopy(given) | {"skeleton": {"backend": "keypoint-rcnn", **skeleton}}
    for modality in ("joint", "motion"):
        result["modalities"][modality] = {**result["modalities"][modality], "graph": "coco"}
    return result


def test_joints_that_are_found_need_no_skeleton_files(good: dict[str, Any]) -> None:
    good = found(good) | {"dataset": {"name": "ucf101"}, "transfer": [entry("hmdb51", modalities=["motion"])]}
    good["targets"] = {}
    checked = params.check(good)
    assert checked["skeleton"] == {"backend": "keypoint-rcnn", **params.KEYPOINTS} and params.finds_people(checked)
    assert params.extractors(checked)["joint"] == "pose"
    assert params.sources(checked, "hmdb51") == ["joint"]
    joint = params.cache_slice(checked, "joint", "ucf101")
    assert joint["skeleton"] == checked["skeleton"] and joint["index"] == {"fps": 30}
    assert "skeleton" not in params.cache_slice(checked, "rgb", "ucf101")
    assert params.index_slice(checked, "ucf101")["skeleton"] == {"backend": "keypoint-rcnn"}, "and nothing that decides no row"
    assert params.pretrain_slice(checked, "mixup-skeleton", "joint")["modalities"]["joint"]["graph"] == "coco"


def test_without_the_section_nothing_is_as_if_it_were_there(good: dict[str, Any]) -> None:
    """Rules get what they got, so that nothing of an older run is made again."""
    assert "skeleton" not in good and not params.finds_people(good) and params.extractors(good)["joint"] == "skeleton"
    for given in (good, params.check({**good, "skeleton": {"backend": "files"}})):
        assert set(params.cache_slice(given, "joint", "toy")) == {"dataset", "cache"} and params.pose_weights(given) == []
        assert set(params.index_slice(given, "toy")) == {"dataset", "index"}
    assert "graph" not in params.pretrain_slice(good, "mixup-skeleton", "joint")["modalities"]["joint"]


def test_weights_that_a_person_brought_are_seen_to_change(good: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = params.check(found(good, weights="./mine/w.pth"))
    assert params.pose_weights(checked) == ["mine/w.pth"] and params.pose_weights(params.check(found(good))) == []
    with pytest.raises(
        InputError, match=r"skeleton\.weights names mine/w\.pth, and there is no such file; paths are relative to the folder"
    ):
        params.check_weights(checked)
    (tmp_path / "mine").mkdir()
    prints = []
    for content in ("a", "bc"):
        (tmp_path / "mine/w.pth").write_text(content)
        params.check_weights(checked)
        prints.append(params.fingerprint(*params.pose_weights(checked)))
    assert prints[0] != prints[1]


def test_modalities_and_graphs_are_one_list_everywhere() -> None:
    names = list(params.SOURCES)
    assert params.schema()["$defs"]["modality"]["enum"] == names == list(params.schema()["properties"]["modalities"]["properties"])
    assert names == list(modalities.CHANNELS) == list(numbers.MODALITIES)
    assert tuple(name for name in names if params.SOURCES[name] == "joint") == clips.SKELETON
    assert params.schema()["$defs"]["skeleton"]["properties"]["graph"]["enum"] == list(graphs.GRAPHS)
    assert f'modality="{"|".join(names)}"' in (REPOSITORY / "Snakefile").read_text()


def test_the_schema_knows_the_datasets_there_are_and_what_can_be_downloaded() -> None:
    assert set(params.schema()["properties"]["dataset"]["properties"]["name"]["enum"]) == set(registry.DATASETS)
    obtained = {name for name, module in registry.DATASETS.items() if hasattr(module, "download") or module.SOURCES}
    assert obtained == set(params.FILLED)


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
    checked = params.check(params.load(REPOSITORY / "presets/ucf101.yaml") | {"dataset": dataset})
    assert params.brought(checked, checked["dataset"]["name"]) == brought


def test_what_is_measured_where(good: dict[str, Any]) -> None:
    good["transfer"] = [entry("hmdb51", modalities=["rgb", "flow"])]
    good = params.check(good)
    assert list(params.datasets(good)) == ["toy", "hmdb51"]
    assert "modalities" not in params.datasets(good)["hmdb51"]
    assert params.measured(good, "mixup", "toy") == ["rgb", "flow"]
    assert params.measured(good, "moco", "hmdb51") == ["rgb"]
    assert params.measured(good, "stc-mix-skeleton", "hmdb51") == []
    assert params.measured(good, "untrained", "hmdb51") == ["rgb", "flow"]
    assert params.sources(good, "toy") == ["flow", "joint", "rgb"]
    assert params.sources(good, "hmdb51") == ["flow", "rgb"]
    good["evaluate"]["datasets"] = ["hmdb51"]
    with pytest.raises(InputError, match=r"targets\.figure2 shows progress on toy, which evaluate\.datasets leaves out"):
        params.check(good)
    del good["targets"]["figure2"]
    params.check(good)
    assert params.measured(good, "mixup", "toy") == [] and params.measured(good, "mixup", "hmdb51") == ["rgb", "flow"]


def test_the_chain_of_trainings_and_their_epochs(good: dict[str, Any]) -> None:
    chain = params.chain(good, "stc-mix", "flow")
    assert chain == [("mixup", "pretrain"), ("stc-mix", "cmmc1"), ("stc-mix", "cmmc2")]
    assert [params.epochs(good, owner, "flow", phase) for owner, phase in chain] == [50, 12, 12]
    once = params.chain(good, "stc-mix-once", "rgb")
    assert [params.epochs(good, owner, "rgb", phase) for owner, phase in once] == [50, 24]
    assert params.chain(good, "stc-mix-once", "flow") == [("mixup", "pretrain")], "flow is not trained again"
    assert params.chain(good, "moco", "flow") == []
    assert params.epochs(good, "moco-long", "flow", "pretrain") == 74
    good["experiments"]["stc-mix"]["epochs"] = 30
    assert [params.epochs(good, "stc-mix", "rgb", f"cmmc{cycle}") for cycle in (1, 2)] == [15, 15]


MINING = {"from": "stc-mix-skeleton", "modalities": ["joint", "motion"], "neighbours": 1}


def chained() -> dict[str, Any]:
    """The tiny params with chains of every kind on every other: mining of cmmc, cmmc of mining, mining of one stage of cmmc."""
    run = json.loads(json.dumps(params.load(REPOSITORY / "tests/pipeline/tiny.yaml")))  # no two keys share a mapping
    cmmc = run["experiments"]["stc-mix-skeleton"]
    run["experiments"] |= {
        "again": {**cmmc, "from": "crossclr", "stages": 3, "epochs": 4},
        "half": {**cmmc, "stages": 1},
        "mined-half": MINING | {"from": "half", "modalities": ["motion", "joint"]},
    }
    return params.check(run)


def test_a_chain_may_be_of_any_depth_and_kind() -> None:
    run = chained()
    behind = [("mixup", "pretrain"), ("stc-mix-skeleton", "cmmc1"), ("crossclr", "mining")]
    assert params.chain(run, "crossclr", "motion") == behind == params.chain(run, "again", "joint")[:3]
    assert params.chain(run, "again", "joint")[3:] == [("again", "cmmc1"), ("again", "cmmc2")]
    assert params.chain(run, "mined-half", "motion") == [("mixup", "pretrain"), ("mined-half", "mining")], (
        "of its one stage motion is the partner"
    )
    assert [params.before(run, "mined-half", one) for one in ("joint", "motion")] == [("half", "cmmc1"), ("mixup", "pretrain")]
    assert params.phases(run, "crossclr") == [("joint", "mining"), ("motion", "mining")]
    assert params.stages_of(run, "crossclr") == []
    assert [params.epochs(run, *where) for where in (("again", "joint", "cmmc1"), ("again", "motion", "cmmc1"))] == [2, 4]
    assert params.epochs(run, "crossclr", "joint", "mining") == 1
    assert params.epochs(run, "mined-half", "joint", "mining") == run["modalities"]["joint"]["mining"]["epochs"]
    assert params.start_of(run, "again", "joint", 1) == (("crossclr", "mining"), ("crossclr", "mining"))
    assert params.start_of(run, "again", "motion", 1) == (("crossclr", "mining"), ("again", "cmmc1"))
    assert params.start_of(run, "half", "joint", 1) == (("mixup", "pretrain"), ("mixup", "pretrain"))
    assert params.with_starts(run, ["again"]) == ["mixup", "stc-mix-skeleton", "crossclr", "again"]
    assert set(params.report_slice(run | {"all": ["mined-half"]})["experiments"]) == {"mixup", "half", "mined-half"}
    for name, kind in (("mixup", "pretrain"), ("again", "cmmc"), ("mined-half", "mining")):
        assert params.kind(run["experiments"][name]) == kind


def test_the_slice_of_mining_is_of_both_modalities_and_of_nothing_else() -> None:
    run = chained()
    before = copy.deepcopy(params.mining_slice(run, "mined-half"))
    assert list(before["modalities"]) == ["motion", "joint"] and params.mined(run) == ["joint", "motion"]
    assert before["experiments"] == {"mined-half": {"modalities": ["motion", "joint"], "neighbours": 1}}
    assert params.epochs(before, "mined-half", "joint", "mining") == 2
    for other in ("pretrain", "cmmc", "finetune"):
        put(run, f"modalities.joint.{other}.lr", 1.0)
    assert params.mining_slice(run, "mined-half") == before
    put(run, "modalities.joint.mining.lr", 1.0)
    assert params.mining_slice(run, "mined-half") != before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("crossclr.from", "stc-mix-skelton", "experiments.crossclr.from is 'stc-mix-skelton'; did you mean 'stc-mix-skeleton'?"),
        ("crossclr.from", "crossclr", "experiments.crossclr.from leads round in a circle (crossclr, crossclr); let one of them start from"),
        ("stc-mix-skeleton.from", "crossclr", "leads round in a circle (stc-mix-skeleton, crossclr, stc-mix-skeleton)"),
        ("crossclr.from", "videomix", "experiments.crossclr needs 'joint', which 'videomix' does not train"),
        ("crossclr.neighbours", 0, "experiments.crossclr.neighbours: 0 is less than the minimum of 1"),
        ("crossclr.neighbors", 1, "unknown key 'experiments.crossclr.neighbors'; did you mean 'neighbours'?"),
        ("crossclr.stages", 2, "unknown key 'experiments.crossclr.stages'"),
        ("crossclr", {"modalities": ["joint", "motion"], "neighbours": 1}, "'experiments.crossclr.from' is missing"),
        ("crossclr.modalities", ["joint"], "experiments.crossclr.modalities"),
        (
            "crossclr",
            MINING | {"from": "mixup", "modalities": ["rgb", "flow"]},
            "experiments.crossclr needs modalities.rgb.mining; add how",
        ),
        (
            "mined",
            MINING | {"from": "mixup", "modalities": ["joint", "rgb"]},
            "experiments.crossclr mines joint and motion, experiments.mined joint and rgb; one run mines between one pair",
        ),
    ],
)
def test_a_mistake_in_what_an_experiment_starts_from_or_mines(key: str, value: Any, said: str) -> None:
    run = copy.deepcopy(params.load(REPOSITORY / "tests/pipeline/tiny.yaml"))
    put(run["experiments"], key, value)
    with pytest.raises(InputError) as caught:
        params.check(run)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mining.lr", 1.0, "modalities.joint.mining.lr is 0.003 and modalities.motion.mining.lr is 1.0; make them equal"),
        ("mining.batch", 2, "modalities.joint.mining.batch is 4 and modalities.motion.mining.batch is 2"),
        ("moco.queue", 8, "modalities.joint.moco.queue is 6 and modalities.motion.moco.queue is 8; make them equal"),
        ("moco.negatives", "all", "modalities.joint.moco.negatives is other-videos and modalities.motion.moco.negatives is all"),
    ],
)
def test_both_modalities_of_mining_are_trained_alike(key: str, value: Any, said: str) -> None:
    run = copy.deepcopy(params.load(REPOSITORY / "tests/pipeline/tiny.yaml"))
    run["modalities"]["motion"] = copy.deepcopy(run["modalities"]["joint"])
    put(run["modalities"]["motion"], "head.out", 4)  # embeddings of two sizes never meet
    put(run["modalities"]["motion"], "moco.temperature", 0.2)
    params.check(run)
    put(run["modalities"]["motion"], key, value)
    with pytest.raises(InputError) as caught:
        params.check(run)
    assert f"experiments.crossclr trains joint and motion in one, but {said}" in str(caught.value)


def test_manifold_mixup_has_no_partner(good: dict[str, Any]) -> None:
    assert params.partner(good, "manifold-mixup", "rgb") is None
    assert params.partner(good, "cm-mixup", "rgb") == "flow"
    assert set(params.cmmc_slice(good, "manifold-mixup", "rgb")["modalities"]) == {"rgb"}
    assert set(params.cmmc_slice(good, "cm-mixup", "rgb")["modalities"]) == {"rgb", "flow"}


def test_stages_and_modalities_are_in_a_slice_only_where_they_share_epochs(good: dict[str, Any]) -> None:
    assert "stages" not in params.cmmc_slice(good, "stc-mix", "rgb")["experiments"]["stc-mix"]
    assert params.cmmc_slice(good, "stc-mix-once", "rgb")["experiments"]["stc-mix-once"]["stages"] == 1
    for experiment in ("stc-mix", "stc-mix-once"):
        part = params.cmmc_slice(good, experiment, "rgb")
        assert params.epochs(part, experiment, "rgb", "cmmc1") == params.epochs(good, experiment, "rgb", "cmmc1")


def test_neighbouring_recipes_differ_in_one_line(good: dict[str, Any]) -> None:
    """The rows of tables 1 and 2 are an ablation: each changes one thing."""

    def differing(one: str, other: str) -> set[str]:
        a, b = good["experiments"][one], good["experiments"][other]
        return {key for key in {*a, *b} - {"keep", "paper"} if a.get(key) != b.get(key)}

    for other in ("t-cutmix", "st-cutmix", "videomix"):
        assert differing("moco", other) == {"mixing"}
    rows = ["manifold-mixup", "cm-mixup", "cm-cutmix-stc", "cm-cutmix-st", "cm-cutmix-s"]
    assert [differing(one, other) for one, other in itertools.pairwise(rows)] == [{"mixing"}, {"mixing"}, {"axes"}, {"axes"}]
    assert differing("cm-cutmix-stc", "stc-mix") == {"layers"}
    assert differing("moco-long", "mixup-long") == {"mixing", "modalities"}


def test_a_missing_key_is_named(good: dict[str, Any]) -> None:
    del good["modalities"]["rgb"]["moco"]["queue"]
    with pytest.raises(InputError, match=r"'modalities\.rgb\.moco\.queue' is missing"):
        params.check(good)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "is not YAML"), ("a: 1\na: 2\n", "line 2: 'a' is given twice|line 1: 'a' is given twice"), ("", "must be a mapping")],
)
def test_a_broken_file(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        params.parse(text, "params.yaml")


def test_numbers_may_be_written_as_people_write_them(good: dict[str, Any]) -> None:
    text = yaml.safe_dump(good).replace("weight_decay: 1.0e-05", "weight_decay: 1e-5")
    assert "1e-5" in text
    assert params.parse(text, "x")["modalities"]["rgb"]["pretrain"]["weight_decay"] == 1e-5


def test_the_partner_is_always_the_newest(good: dict[str, Any]) -> None:
    stages = params.stages_of(good, "stc-mix")
    assert stages == [("rgb", 1), ("flow", 1), ("rgb", 2), ("flow", 2)]
    newest = {"rgb": ("mixup", "pretrain"), "flow": ("mixup", "pretrain")}
    for modality, cycle in stages:
        other = "flow" if modality == "rgb" else "rgb"
        assert params.start_of(good, "stc-mix", modality, cycle) == (newest[modality], newest[other])
        newest[modality] = ("stc-mix", f"cmmc{cycle}")


def test_a_slice_holds_what_its_rule_needs_and_no_more(good: dict[str, Any]) -> None:
    before = copy.deepcopy(params.pretrain_slice(good, "mixup", "rgb"))
    put(good, "modalities.flow.pretrain.lr", 1.0)
    put(good, "modalities.rgb.cmmc.lr", 1.0)
    put(good, "evaluate.clips", 9)
    assert params.pretrain_slice(good, "mixup", "rgb") == before
    put(good, "modalities.rgb.pretrain.lr", 1.0)
    assert params.pretrain_slice(good, "mixup", "rgb") != before


def test_what_extraction_gets(good: dict[str, Any]) -> None:
    where, how = {"dataset": {"name": "toy", "root": "data/raw/toy"}}, {"cache": good["cache"], "index": {"fps": 30}}
    assert params.cache_slice(good, "rgb", "toy") == where | how
    assert params.cache_slice(good, "flow", "toy") == where | how | {"flow": good["flow"]}
    assert params.cache_slice(good, "joint", "toy") == where | {"cache": {"shards": good["cache"]["shards"]}}


def test_fingerprint_notices_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a [1].avi").write_bytes(b"1")
    first = params.fingerprint(tmp_path)
    assert params.fingerprint(tmp_path) == first
    (tmp_path / "a [1].avi").write_bytes(b"12")
    assert params.fingerprint(tmp_path) != first
    (tmp_path / "gone.avi").symlink_to(tmp_path / "nowhere")
    second = params.fingerprint(tmp_path)
    assert second != first
    assert params.fingerprint() == ""


def test_fingerprint_of_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "missing.txt").write_text("S001")
    first = params.fingerprint(tmp_path / "missing.txt")
    (tmp_path / "missing.txt").write_text("S001 S002")
    assert params.fingerprint(tmp_path / "missing.txt") != first


def test_fingerprint_follows_linked_folders_and_takes_more_than_one(tmp_path: Path) -> None:
    for name in ("root", "elsewhere", "lists"):
        (tmp_path / name).mkdir()
    (tmp_path / "root/walk").symlink_to(tmp_path / "elsewhere")
    folders = (tmp_path / "root", tmp_path / "lists")
    seen = {params.fingerprint(*folders)}
    (tmp_path / "elsewhere/a.avi").write_bytes(b"1")
    seen.add(params.fingerprint(*folders))
    (tmp_path / "lists/trainlist01.txt").write_text("walk/a.avi 1")
    seen.add(params.fingerprint(*folders))
    assert len(seen) == 3


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot write to"):
        params.check_writable(tmp_path / "data")
