"""The schema of params.yaml: each mistake in a key is one line that names the key and a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.params.made import MOCO, drop, forget, put, said_of

from videossl import registry, skeleton_graphs
from videossl.params import load, slices
from videossl.params.recipes import Params

KNOWN = ", ".join(registry.names("methods"))


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
        ("experiments.stc-mix-pose.layers", {"rgb": "4", "joint": 8}, 'layers.rgb must be a whole number, not "4"'),
        ("targets.figure3.tasks", ["linear"], "targets.figure3.tasks"),
        ("targets.all", {"show": "training", "experiments": ["moco"], "streams": ["rgb"]}, "'all' is no name for a target"),
        ("evaluate.tasks", ["linear"], "'evaluate.tasks.linear.weight_decay' is missing"),
        ("evaluate.tasks", ["lienar"], "unknown key 'evaluate.tasks.lienar'; did you mean 'linear'?"),
        ("evaluate.tasks.linear.decay", 1, "unknown key 'evaluate.tasks.linear.decay'; did you mean 'weight_decay'?"),
        ("evaluate.tasks.retrieval", None, "evaluate.tasks.retrieval must be a mapping, not null"),
        ("transfer", [{"name": "toy"}], "'transfer.0.streams' is missing"),
        ("transfer", ["hmdb51"], "'transfer.0.streams' is missing"),
        ("dataset", "ucf", "dataset.name is 'ucf'; did you mean 'ucf101'?"),
        ("dataset", {"root": "x"}, "'dataset.name' is missing"),
        ("dataset", None, "dataset must be a mapping, not null"),
        ("index.fps", "30", 'index.fps must be a number or null, not "30"'),
        ("index.fps", 0, "index.fps: 0 is less than or equal to the minimum of 0"),
        ("index.fps", float("nan"), "index.fps must be a number or null, not NaN"),
        ("cache.codec", "jpg", "cache.codec is 'jpg'; did you mean 'jpeg'?"),
        ("cache.quality", 0, "cache.quality: 0 is less than the minimum of 1"),
        ("flow.backend", "tvl", "flow.backend is 'tvl'; did you mean 'tvl1'?"),
        ("flow.backend", "dis", "unknown key 'flow.warps'; known: backend, bound, preset"),
        ("flow.wraps", 2, "unknown key 'flow.wraps'; did you mean 'warps'?"),
        ("flow", {"backend": "dis", "bound": 20, "preset": "quick"}, "flow.preset is 'quick'; known: ultrafast, fast, medium"),
        ("flow", {"bound": 20}, "'flow.backend' is missing"),
        ("streams.rgb.train.negatives", "other-video", "did you mean 'other-videos'? known: all, other-videos, other-groups"),
        ("streams.rgb.train.max_gradient", 0, "streams.rgb.train.max_gradient: 0 is less than or equal to the minimum of 0"),
        ("experiments.moco.max_gradient", "none", 'experiments.moco.max_gradient must be a number or null, not "none"'),
        ("experiments.moco.videos", 0, "experiments.moco.videos: 0 is less than or equal to the minimum of 0"),
        ("experiments.moco.videos", 25, "experiments.moco.videos: 25 is greater than the maximum of 1"),
        ("streams.rgb.train.videos", 0.5, "unknown key 'streams.rgb.train.videos'; "),
        ("streams.rgb.train.alpha", 0, "streams.rgb.train.alpha: 0 is less than or equal to the minimum of 0"),
        ("streams.rgb.train.mask_same_video", True, "unknown key 'streams.rgb.train.mask_same_video'; known: epochs, batch,"),
        ("streams.rgb.train.qeue", 4, "unknown key 'streams.rgb.train.qeue'; did you mean 'queue'?"),
        ("streams.rgb.train.mixing", "none", "unknown key 'streams.rgb.train.mixing'"),  # a recipe's alone
        ("streams.rgb.train.mooc", {}, "unknown key 'streams.rgb.train.mooc'; did you mean 'moco'?"),
        ("streams.rgb.train.finetune.queue", 4, "unknown key 'streams.rgb.train.finetune.queue'; known: epochs, batch,"),
        ("streams.joint.train.crossclr.alpha", 1.0, "unknown key 'streams.joint.train.crossclr.alpha'"),
        ("experiments.un trained", MOCO, "'un trained' is no name for an experiment"),
        ("experiments.untrained", MOCO, "'untrained' is no name for an experiment"),
        ("experiments.$(reboot)", MOCO, "is no name for an experiment"),
        ("streams.Rgb", {}, "'Rgb' is no name for a stream; use a-z, 0-9 and '-'"),
        ("streams.rgb+flow", {}, "'rgb+flow' is no name for a stream"),
        (
            "experiments.moco.method",
            "mooc",
            f"experiments.moco.method is 'mooc'; did you mean 'moco'? known: {KNOWN}",
        ),
        ("experiments.moco.method", "cmmc", "'experiments.moco.from' is missing"),
        ("experiments.stc-mix.framework", "mocco", "experiments.stc-mix.framework is 'mocco'; did you mean 'moco'? known:"),
        ("experiments.stc-mix.rho", 4, "unknown key 'experiments.stc-mix.rho'"),  # BYOL's
        ("experiments.moco.framework", "moco", "unknown key 'experiments.moco.framework'"),  # it trains by itself
        ("experiments.moco.method", None, f"experiments.moco.method must be one of {KNOWN}, not null"),
        ("experiments.moco", {"streams": ["rgb"]}, "'experiments.moco.method' is missing"),
        ("experiments.moco.streams", [], "experiments.moco.streams"),
        ("experiments.stc-mix.streams", ["rgb"], "experiments.stc-mix.streams"),
        ("experiments.moco.stages", 2, "unknown key 'experiments.moco.stages'"),  # it trains each stream alone
        ("experiments.moco.dropout", 0.1, "unknown key 'experiments.moco.dropout'; known: method, streams, from,"),
        ("experiments.moco.temperature", 0, "experiments.moco.temperature: 0 is less than or equal to the minimum of 0"),
        ("seeds", [1, 1], "seeds"),
        ("streams.rgb.clip.frames", 0, "streams.rgb.clip.frames"),
        ("streams.rgb.modality", "rbg", "streams.rgb.modality is 'rbg'; did you mean 'rgb'? known: rgb, flow, joint, motion, bone"),
        ("streams.rgb.encoder", "s3", "streams.rgb.encoder is 's3'; did you mean 's3d'? known: i3d, r2plus1d-18, r3d-18, s3d, st-gcn"),
        ("streams.rgb.augment.scale", 1, "unknown key 'streams.rgb.augment.scale'; known: area, flip,"),  # flow's
        ("streams.rgb.graph", "coco", "unknown key 'streams.rgb.graph'"),
        ("streams.joint.graph", "coca", "graph is 'coca'; did you mean 'coco'? known: ntu-rgb+d, ntu-rgb+d-hands, msr-action3d, coco"),
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
    ],
)
def test_a_key_that_is_missing_is_named(good: Params, key: str, said: str) -> None:
    drop(good, key)
    assert said in said_of(good)


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
    assert 'streams.rgb.train.alpha must be a number, not "x"' in said_of(tiny)


def test_a_task_has_what_may_be_left_out_of_it(things: Path, tiny: Params) -> None:
    knn = {**registry.declared("tasks", "retrieval"), "settings": {"neighbours": {"type": "integer", "minimum": 1, "default": 5}}}
    (things / "tasks/knn.yaml").write_text(yaml.safe_dump(knn))
    forget()
    for given, neighbours in (({}, 5), ({"neighbours": 3}, 3)):
        checked = load.check(tiny | {"evaluate": {**tiny["evaluate"], "tasks": {**tiny["evaluate"]["tasks"], "knn": given}}})
        assert slices.score(checked, "knn")["evaluate"]["tasks"] == {"knn": {"neighbours": neighbours}}
    put(tiny, "evaluate.tasks.knn", {"neighbours": 0})
    assert "evaluate.tasks.knn.neighbours: 0 is less than the minimum of 1" in said_of(tiny)


def test_the_graphs_that_the_schema_knows_are_those_there_are() -> None:
    settings = registry.declared("encoders", "st-gcn")["settings"]["graph"]
    assert settings["enum"] == list(skeleton_graphs.GRAPHS) and settings["default"] == skeleton_graphs.DEFAULT
    assert settings["sizes"]["joint"] == {name: graph.joints for name, graph in skeleton_graphs.GRAPHS.items()}
