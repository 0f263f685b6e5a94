"""The rules between keys of params.yaml: each mistake is one line that names the key and a way out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.conftest import REPOSITORY
from tests.params.made import MINING, drop, entry, put, said_of, separate

from videossl.encoders import s3d
from videossl.errors import InputError
from videossl.params import load
from videossl.params.recipes import Params

MINE = {"show": "results", "experiments": ["moco"], "streams": ["rgb"], "tasks": ["linear"]}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
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
        ("experiments.stc-mix.epochs", 13, "experiments.stc-mix.epochs is 13, which 2 trainings of rgb cannot share; give a multiple"),
        ("all", ["mixup", "stcmix"], "all names 'stcmix', but there is no such experiment; did you mean 'stc-mix'?"),
        ("targets.tAble1", MINE, "targets.tAble1 makes a page that some disks do not tell from that of table1; choose another name"),
        ("targets.indeX", MINE, "targets.indeX makes a page that some disks do not tell from that of index"),
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
        ("targets.table1.tasks", ["lienar"], "targets.table1 names 'lienar', but evaluate.tasks lacks it"),
        ("evaluate.tasks", ["retrieval"], "targets.table1 names 'linear', but evaluate.tasks lacks it"),
        ("evaluate.fused", [["rgb", "flwo"]], "evaluate.fused names 'flwo', but streams lacks it; did you mean 'flow'?"),
        (
            "dataset",
            "ucf101",
            "ucf101 has no skeletons, which joint, motion and bone are made of; take their streams out, and out of what names them, start from"
            " another of presets/ or make them of its videos (skeleton: {backend: keypoint-rcnn} and graph: coco)",
        ),
        ("transfer", [{"name": "hmdb51", "streams": ["motion"]}], "hmdb51 has no skeletons"),
        ("cache.codec", "jpeg", "cache.codec is jpeg, which needs cache.quality; add it, 1 to 100"),
        ("cache.quality", 90, "cache.quality is of jpeg, and cache.codec is raw; take quality out, or set codec: jpeg"),
        ("evaluate.datasets", ["toi"], "evaluate.datasets names 'toi', but neither dataset nor transfer does; did you mean 'toy'?"),
        ("experiments.moco.streams", ["rbg"], "experiments.moco trains 'rbg', but streams lacks it; did you mean 'rgb'?"),
        ("experiments.stc-mix.from", "mixp", "experiments.stc-mix.from is 'mixp'; did you mean 'mixup'?"),
        ("experiments.mixup.streams", ["rgb"], "needs 'flow', which 'mixup' does not train"),
        ("evaluate.tasks.finetune.experiments", ["stcmix"], "did you mean 'stc-mix'?"),
        ("index.min_frames", 17, "index.min_frames is 17, but a clip of flow spans 18 frames; set it to 18 or shorten streams.flow.clip"),
        ("index.min_frames", 16, "index.min_frames is 16, but a clip of rgb spans 17 frames"),
        ("dataset.root", "/mine", "the root of the toy dataset must be data/raw/toy"),
        (
            "streams.rgb.encoder",
            "st-gcn",
            "streams.rgb.encoder is st-gcn, which takes channel, time, joint, body, and rgb has channel, time, height, width;"
            " choose i3d or r2plus1d-18 or r3d-18 or s3d",
        ),
        (
            "streams.motion.modality",
            "flow",
            "streams.motion.encoder is st-gcn, which takes channel, time, joint, body, and flow has channel,",
        ),
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
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(good: Params, key: str, value: Any, said: str) -> None:
    put(good, key, value)
    assert said in said_of(good)


def test_the_graph_has_the_joints_of_the_datasets_files() -> None:
    """Those of MSR Action3D have 20, unlike others; a run on two such datasets fits neither graph."""
    params = separate(REPOSITORY / "presets/msr-action3d.yaml")
    fits = "set the graph to msr-action3d"
    put(params, "streams.motion.graph", "coco")
    assert said_of(params).endswith(f"streams.motion.graph is coco, of 17 joints, and the files of msr-action3d have 20; {fits}")
    put(params, "streams.motion.graph", "msr-action3d")
    params["transfer"] = [{"name": "ntu60", "streams": ["motion"]}]
    assert "streams.motion.graph is msr-action3d, of 20 joints, and skeleton.backend is files, which gives 25" in said_of(params)
    params["transfer"] = []
    put(params, "skeleton", {"backend": "keypoint-rcnn"})
    assert "streams.joint.graph is msr-action3d, of 20 joints, and skeleton.backend is keypoint-rcnn, which gives 17" in said_of(params)


@pytest.mark.parametrize(
    ("key", "said"),
    [
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
def test_a_part_that_a_method_needs_is_named(good: Params, key: str, said: str) -> None:
    drop(good, key)
    assert said in said_of(good)


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


def test_a_stream_with_the_name_of_a_role_is_refused(good: Params) -> None:
    good["streams"]["partner"] = good["streams"]["flow"] | {"modality": "flow"}
    good["experiments"]["mixup"]["streams"].append("partner")
    good["experiments"]["stc-mix"]["streams"] = ["rgb", "partner"]
    with pytest.raises(InputError, match=r"experiments\.stc-mix trains a stream called partner, which is a role of its method"):
        load.check(good)


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


@pytest.mark.parametrize(("key", "least"), [("frames", 5), ("size", 17)])
def test_clips_that_an_encoder_leaves_nothing_of(good: Params, key: str, least: int) -> None:
    """Refused before frames are made; the numbers are those at which the encoder itself begins to work."""
    good["index"]["min_frames"] = 2
    good["streams"]["rgb"]["clip"][key] = least - 1
    said = rf"^params\.yaml: streams\.rgb\.clip\.{key} is {least - 1}, of which the blocks of s3d leave nothing; set {least} or more$"
    with pytest.raises(InputError, match=said):
        load.check(good)
    encoder = s3d.build(3, {"width": 0.0625}).eval()
    sides = {"frames": 5, "size": 17} | {key: least}
    with torch.no_grad():
        encoder(torch.zeros(1, 3, sides["frames"], sides["size"], sides["size"]))
        sides[key] -= 1
        with pytest.raises(RuntimeError, match="Output size is too small"):
            encoder(torch.zeros(1, 3, sides["frames"], sides["size"], sides["size"]))


@pytest.mark.parametrize(("stream", "key"), [("rgb", "area"), ("rgb", "blur_sigma"), ("flow", "area")])
def test_an_interval_has_its_lower_end_first(good: Params, stream: str, key: str) -> None:
    good["streams"][stream]["augment"][key] = [1.0, 0.2]
    with pytest.raises(
        InputError, match=rf"streams\.{stream}\.augment\.{key}: \[1\.0, 0\.2\] has its upper end first; write \[0\.2, 1\.0\]"
    ):
        load.check(good)


CUT = {
    "method": "cmmc",
    "streams": ["rgb", "flow"],
    "stages": 2,
    "mixing": "cm-cutmix",
    "axes": ["space"],
    "layers": "random",
    "box": "batch",
}


@pytest.mark.parametrize(
    ("name", "recipe", "said"),
    [
        (
            "byol-cut",
            {**CUT, "framework": "byol", "from": "mixup"},
            "experiments.byol-cut.from is 'mixup', which is trained by moco, and this one goes on from byol; start from byol, or leave `from` out",
        ),
        (
            "simclr-later",
            {"method": "simclr", "streams": ["rgb"], "mixing": "none", "from": "byol"},
            "experiments.simclr-later.from is 'byol', which is trained by byol, and this one goes on from simclr; start from simclr or simclr-mixup, or",
        ),
        (
            "coclr",
            {"method": "coclr", "streams": ["rgb", "flow"], "stages": 2, "mixing": "none", "from": "mixup", "queue": 4},
            "experiments.coclr trains rgb with experiments.coclr.queue 4, below topk 5; raise queue or lower topk",
        ),
        (
            "coclr",
            {"method": "coclr", "streams": ["rgb"], "stages": 2, "mixing": "none", "from": "mixup"},
            "experiments.coclr.streams: ['rgb'] is too short",
        ),
        (
            "coclr",
            {"method": "coclr", "streams": ["rgb", "joint"], "stages": 2, "mixing": "none", "from": "moco"},
            "experiments.coclr needs 'joint', which 'moco' does not train",
        ),
        (
            "tubelets",
            {"method": "tubelets", "streams": ["rgb"], "queue": 8, "epochs": 1, "lr": 0.1, "strides": [5, 6]},
            "experiments.tubelets draws clips of rgb with experiments.tubelets.strides [5, 6], which span 21 frames or more, and"
            " index.min_frames is 18; set it to 21, or give a smaller stride",
        ),
        (
            "tubelets",
            {"method": "tubelets", "streams": ["rgb"], "queue": 8, "epochs": 1, "lr": 0.1, "batch": 1},
            "experiments.tubelets.batch: 1 is less than the minimum of 2",
        ),
        (
            "tubelets",
            {"method": "tubelets", "streams": ["rgb"], "queue": 8, "epochs": 1, "lr": 0.1, "patch": [16, 120]},
            "experiments.tubelets.patch.1: 120 is greater than the maximum of 112",
        ),
        (
            "byol",
            {"method": "byol", "streams": ["rgb"], "mixing": "none", "rho": 1},
            "experiments.byol.rho: 1 is less than the minimum of 2",
        ),
        (
            "moco",
            {"method": "moco", "streams": ["rgb"], "mixing": "none", "optimiser": "lars", "lr": 0},
            "experiments.moco.lr: 0 is less than or equal to the minimum of 0",
        ),
    ],
)
def test_a_mistake_in_a_recipe_of_another_framework(good: Params, name: str, recipe: Params, said: str) -> None:
    good["experiments"] = {
        key: value for key, value in good["experiments"].items() if key not in ("byol", "rho-byol", "rho-byol-stc-mix", "coclr")
    }
    good["experiments"] |= {"byol": {"method": "byol", "streams": ["rgb", "flow"], "mixing": "none"}, name: recipe}
    keep = list(good["experiments"])
    good["targets"] = {}
    for task in good["evaluate"]["tasks"].values():
        if "experiments" in task:
            task["experiments"] = [one for one in task["experiments"] if one in keep]
    assert said in said_of(good)


def test_an_encoder_alone_is_taken_by_all(good: Params) -> None:
    """What supervised training leaves; and it takes the encoder of whatever method."""
    good["experiments"] |= {
        "teacher": {"method": "supervised", "streams": ["rgb"], "from": "simclr", "epochs": 2, "lr": 0.001},
        "later": {"method": "byol", "streams": ["rgb"], "mixing": "none", "from": "teacher"},
    }
    load.check(good)
