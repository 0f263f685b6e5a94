"""Experiments and their trainings: order, starts, frozen encoders, settings."""

from __future__ import annotations

import copy
import itertools
from functools import partial
from typing import Any

from tests.params.made import MINING, MOCO, by_hand, drop, names, put, said_of

from videossl.params import load, recipes, run_plan, slices
from videossl.params.recipes import Params


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
    for task in ("finetune", "finetune-few"):
        good["evaluate"]["tasks"][task]["experiments"] = []
    checked = load.check(good)
    for job in recipes.trainings(checked, "mine"):
        settings = slices.training(checked, job)["settings"][job.name]
        assert (settings["lr"], settings["queue"], recipes.epochs(checked, job)) == (0.5, 8, 3)


def test_the_chain_of_trainings_and_their_epochs(good: Params) -> None:
    chain = recipes.chain(good, "stc-mix", "flow")
    assert names(chain) == ["mixup/flow", "stc-mix/flow-1", "stc-mix/flow-2"]
    assert [recipes.epochs(good, job) for job in chain] == [60, 12, 12]
    once = recipes.chain(good, "stc-mix-once", "rgb")
    assert names(once) == ["mixup/rgb", "stc-mix-once/rgb-1"] and [recipes.epochs(good, job) for job in once] == [60, 24]
    assert names(recipes.chain(good, "stc-mix-once", "flow")) == ["mixup/flow"], "flow is not trained again"
    assert recipes.chain(good, "moco", "flow") == []
    assert recipes.epochs(good, recipes.training(good, "moco-long", "flow")) == 84
    good["experiments"]["stc-mix"]["epochs"] = 30
    assert [recipes.epochs(good, recipes.training(good, "stc-mix", f"rgb-{cycle}")) for cycle in (1, 2)] == [15, 15]


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


def test_manifold_mixup_has_no_partner(good: Params) -> None:
    made = by_hand(good, "manifold-mixup")
    assert [frozen for _, frozen, _ in made.values()] == [{}] * 4
    assert made["rgb-2"][0] == {"rgb": "manifold-mixup/rgb-1"}
    for experiment, streams in (("manifold-mixup", ["rgb"]), ("cm-mixup", ["rgb", "flow"])):
        part = slices.training(good, recipes.training(good, experiment, "rgb-1"))
        assert list(part["streams"]) == streams and list(part["settings"]) == ["rgb"]
    assert "head" not in part["streams"]["flow"], "of the partner, only what it sees and is"


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


def test_a_run_mines_between_as_many_pairs_as_it_likes(tiny: Params) -> None:
    put(tiny["experiments"], "mined", MINING | {"from": "mixup", "streams": ["joint", "rgb"], "epochs": 1})
    assert names(recipes.trainings(load.check(tiny), "mined")) == ["mined/joint+rgb"]


def test_a_frozen_encoder_by_name(student: Params) -> None:
    newest = {"teacher flow": "stc-mix/flow-1"}
    assert by_hand(student, "taught") == {"rgb": ({}, newest, []), "joint": ({}, newest, [])}
    assert recipes.with_starts(student, ["taught"]) == ["mixup", "stc-mix", "taught"]
    job = recipes.training(student, "taught", "joint")
    assert list(slices.training(student, job)["streams"]) == ["joint", "flow"]
    assert {"experiments.taught.teacher", "streams.flow.encoder"} <= slices.training_keys(student, job)


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
