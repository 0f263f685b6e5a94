"""The presets of tubelet contrast: the numbers of the thesis's schedule by hand, what its recipes differ in, and the graph on a stub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_presets import PRESETS, SHARDS, epochs_of, planned, preset_of, touch
from videossl.params import load, recipes
from videossl.report import paper

NAMES = ("mini-kinetics-tubelets", "kinetics400-tubelets")
TRAINED = {"temperature": 0.2, "optimiser": "sgd", "lr": 0.01, "weight_decay": 0.0001, "schedule": "cosine", "epochs": 100}  # section 5.4.1
OF_CODE = {"momentum": 0.999, "max_gradient": 40, "strides": [1, 2, 3, 4], "short_sides": [112, 128, 144], "released": []}
SIZES = {NAMES[0]: {"queue": 16384, "batch": 32}, NAMES[1]: {"queue": 65536, "batch": 128}}
DEFAULT = {  # sections 5.3 and 5.4.2
    "pair": "tubelets",
    "count": 2,
    "motion": "non-linear",
    "transformations": {"rotation": [-90, 90]},
    "patch": [16, 64],
}
FINETUNED = {"batch": 32, "optimiser": "adam", "lr": 0.0001, "weight_decay": 0.0, "epochs": 160, "max_gradient": None}  # table C.4
STEPS = {"finetune": (60, 100, 140), "finetune-few": (80, 120, 140)}
RECIPES = {  # of the thesis's ablations: what is another than the default
    "tubelets": {},
    "temporal": {"pair": "temporal"},
    "non-linear": {"transformations": {}},
    "linear": {"motion": "linear", "transformations": {}},
    "static": {"motion": "none", "transformations": {}},
    "crops": {"motion": "crops", "transformations": {}},
    "scale": {"transformations": {"scale": [0.5, 1.5]}},
    "scale-less": {"transformations": {"scale": [0.5, 1.25]}},
    "scale-more": {"transformations": {"scale": [0.5, 2.0]}},
    "shear": {"transformations": {"shear": [-1.5, 1.5]}},
    "shear-less": {"transformations": {"shear": [-1.0, 1.0]}},
    "shear-least": {"transformations": {"shear": [-0.75, 0.75]}},
    "rotation-less": {"transformations": {"rotation": [-45, 45]}},
    "rotation-more": {"transformations": {"rotation": [-180, 180]}},
    "scale-shear": {"transformations": {"scale": [0.5, 1.5], "shear": [-1.5, 1.5]}},
    "rotation-scale": {"transformations": {"rotation": [-90, 90], "scale": [0.5, 1.5]}},
    "rotation-shear": {"transformations": {"rotation": [-90, 90], "shear": [-1.5, 1.5]}},
    "all-transformations": {"transformations": {"rotation": [-90, 90], "scale": [0.5, 1.5], "shear": [-1.5, 1.5]}},
    "one-tubelet": {"count": 1},
    "three-tubelets": {"count": 3},
}
SHARES = (5, 10, 25, 33, 50)


@pytest.fixture(scope="module")
def preset() -> dict[str, dict[str, Any]]:
    return {name: load.load(PRESETS / f"{name}.yaml") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_schedule(preset: dict[str, dict[str, Any]], name: str) -> None:
    params = preset[name]
    wanted = TRAINED | OF_CODE | SIZES[name] | DEFAULT
    for experiment, recipe in params["experiments"].items():
        for stream in recipe["streams"]:
            given = {key: setting.value for key, setting in recipes.settings(params, stream, "tubelets", experiment).items()}
            own = RECIPES.get(experiment, {"pair": "temporal"} if experiment.startswith("temporal") else {})
            assert {key: given[key] for key in wanted} == wanted | own, (experiment, stream)
        assert all(epochs == [100] for epochs in epochs_of(params, experiment).values())
    for task, marks in STEPS.items():
        for stream in params["streams"]:
            given = {key: setting.value for key, setting in recipes.settings(params, stream, task).items()}
            assert {key: given[key] for key in FINETUNED} == FINETUNED
            assert [share * 160 for share in given["schedule"]] == list(marks)


@pytest.mark.parametrize("name", NAMES)
def test_encoders_and_their_clips(preset: dict[str, dict[str, Any]], name: str) -> None:
    """Section 5.4.1, appendix C.2; heads of two layers as wide as the features, to 128."""
    params = preset[name]
    seen = {key: (one["encoder"], one["modality"], one["width"], one["clip"]["frames"]) for key, one in params["streams"].items()}
    assert seen == {
        "rgb": ("r2plus1d-18", "rgb", 1.0, 16),
        "r3d": ("r3d-18", "rgb", 1.0, 16),
        "i3d": ("i3d", "rgb", 1.0, 16),
    }
    assert {key: (one["clip"]["size"], one["head"]["hidden"]) for key, one in params["streams"].items()} == {
        "rgb": (112, 512),
        "r3d": (112, 512),
        "i3d": (224, 1024),
    }
    assert all(one["head"]["out"] == 128 for one in params["streams"].values())
    for one in params["streams"].values():
        assert one["augment"]["normalise"] == [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
    assert params["cache"]["short_side"] == 144, "the largest of the short sides"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_trained_and_measured_on(preset: dict[str, dict[str, Any]], name: str) -> None:
    params = preset[name]
    assert params["dataset"]["name"] == name.removesuffix("-tubelets")
    assert [entry["name"] for entry in params["transfer"]] == params["evaluate"]["datasets"] == ["ucf101", "hmdb51", "diving48"]
    assert params["evaluate"]["tasks"]["finetune"] == {"experiments": ["temporal", "tubelets"], "overlap": 0.0, "crops": 1}
    assert round(params["evaluate"]["tasks"]["finetune-few"]["share"] * 9537) == 1000 and params["evaluate"]["clips"] == 10


def test_recipes_are_those_of_the_tables(preset: dict[str, dict[str, Any]]) -> None:
    mini, full = (preset[name]["experiments"] for name in NAMES)
    assert set(mini) == {*RECIPES, "tubelets-encoders"}
    shares = {f"{kind}-{share}": share / 100 for kind in ("tubelets", "temporal") for share in SHARES}
    assert {name: recipe["videos"] for name, recipe in full.items() if "videos" in recipe} == shares
    assert set(full) == {"tubelets", "temporal", "tubelets-encoders", *shares}
    for experiments in (mini, full):
        assert experiments["tubelets-encoders"]["paper"] == "tubelets" and experiments["tubelets-encoders"]["streams"] == ["r3d", "i3d"]


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_the_rows_of_the_thesis(preset: dict[str, dict[str, Any]], name: str) -> None:
    """Each stands beside a table or figure; of a table that the preset can train, its recipes are all there, in the order of its rows."""
    params = preset[name]
    for target, chosen in params["targets"].items():
        printed = paper.printed(target)
        assert printed and printed.document == "thesis", target
        theirs = list(dict.fromkeys(row.experiment for row in printed.rows if row.experiment))
        if theirs:
            assert [recipes.paper_name(params, experiment) for experiment in chosen["experiments"]] == theirs, target
    tables = {target.removeprefix("tubelets-") for target in params["targets"]}
    both = {"table5.6", "table5.7", "table5.8", "tableC.1", "tableC.2"}
    ablations = {"table5.2", "table5.3", "table5.4", "table5.5", "tableC.5", "tableC.6", "tableC.7"}
    assert tables == both | (ablations if name == NAMES[0] else {"figure5.6"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "targets", "trained", "finetuned"),
    [
        (NAMES[0], ["tubelets-table5.2", "tubelets-tableC.2"], 4 + 2, (3 * 4 + 7) + (2 * 2 + 7)),
        (NAMES[1], ["tubelets-figure5.6"], 12, 2 * (3 * 12 + 7)),
    ],
)
def test_the_graph(name: str, targets: list[str], trained: int, finetuned: int, tmp_path: Path, warm: dict[str, str]) -> None:
    """On a copy of Kinetics, and folders of the others: a training an encoder; untrained are finetuned three encoders, on Diving48 one."""
    for clip in (
        "train/abseiling/abseiling_a_000000_000010",
        "train/zumba/zumba_____b_000000_000010",
        "val/zumba/zumba_____c_000005_000015",
    ):
        touch(tmp_path / "k400" / f"{clip}.mp4")
    for other in ("ucf101", "hmdb51", "diving48"):
        (tmp_path / "others" / other).mkdir(parents=True)
    arguments = (str(tmp_path / "k400"), "--lists", str(tmp_path), "--transfer", str(tmp_path / "others"))
    chosen = preset_of(name, tmp_path / "run", *arguments)
    assert [entry["root"] for entry in chosen["transfer"]] == [str(tmp_path / "others" / other["name"]) for other in chosen["transfer"]]
    assert chosen["dataset"]["options"] == {"lists": str(tmp_path)}
    jobs = planned(tmp_path / "run", targets, warm)
    assert (jobs["index"], jobs["frames"], jobs["train"]) == (4, 4 * SHARDS, trained) and "flow" not in jobs
    assert jobs["finetune"] == finetuned


def test_the_toy_preset_has_the_recipes_and_targets_of_the_large_ones(preset: dict[str, dict[str, Any]]) -> None:
    """But for other encoders; with a quarter of the videos, and paths to measure on, of another seed than the videos of the training."""
    toy, mini = load.load(PRESETS / "toy-tubelets.yaml"), preset[NAMES[0]]
    quarter = {"tubelets-25": {"videos": 0.25}, "temporal-25": {"pair": "temporal", "videos": 0.25}}
    plain = {name: recipe for name, recipe in mini["experiments"].items() if name != "tubelets-encoders"}
    assert toy["experiments"] == plain | {name: mini["experiments"]["tubelets"] | recipe for name, recipe in quarter.items()}
    shared = {name: chosen["experiments"] for name, chosen in toy["targets"].items() if name != "tubelets-figure5.6"}
    assert shared == {name: mini["targets"][name]["experiments"] for name in shared} and len(shared) == 8
    (paths,) = toy["transfer"]
    assert paths["name"] == "toy-paths" and paths["options"]["seed"] != toy["dataset"]["options"]["seed"]
