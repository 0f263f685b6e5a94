"""The presets of tables 5 and 6, on NTU RGB+D: the numbers of the paper's schedule by hand, and the graph on a stub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_presets import PRESETS, SHARDS, epochs_of, planned, preset_of, settings, touch
from videossl.datasets import ntu60
from videossl.params import load

SKELETON = {  # section 4.2, appendix 3; docs/methods/ where the paper is silent
    "encoder": "st-gcn",
    "width": 0.25,
    "graph": "ntu-rgb+d",
    "clip": {"frames": 50, "normalise": "crossclr"},
    "augment": {"shear": 0.5, "padding": 6},
    "head": {"hidden": 256, "out": 128},
}
LOOP = {"optimiser": "sgd", "lr": 0.1, "weight_decay": 0.0001, "batch": 128}
CONTRAST = LOOP | {"temperature": 0.07, "momentum": 0.999, "negatives": "all", "schedule": "steps"}
FINETUNE = LOOP | {"epochs": 100, "schedule": [0.8]}
TABLE5 = {method: CONTRAST | {"queue": 32768, "epochs": 150} for method in ("moco", "cmmc", "crossclr")} | {"finetune": FINETUNE}
TABLE6 = {method: CONTRAST | {"queue": 2048, "epochs": epochs} for method, epochs in (("moco", 300), ("cmmc", 100))} | {
    "finetune": FINETUNE
}
EPOCHS = {  # of each of an encoder's trainings, from the first
    "ntu60": {
        "moco": [300],
        "moco-150": [150],
        "moco-100": [100],
        "stc-mix": [150, 150],
        "crossclr": [150, 150],
        "stc-mix-100": [100, 100],
        "crossclr-cmmc": [100, 100, 100],  # appendix 3.ii
    },
    "ntu60-rgb-pose": {
        "moco": [500],
        "moco-300": [300],  # appendix 3.iii
        "stc-mix": [300, 100, 100],
        "stc-mix-random": [300, 100, 100],
    },
}


@pytest.fixture(scope="module")
def preset() -> dict[str, dict[str, Any]]:
    return {name: load.load(PRESETS / f"{name}.yaml") for name in EPOCHS}


@pytest.mark.parametrize(("name", "stream", "own"), [("ntu60", "joint", TABLE5), ("ntu60", "motion", TABLE5), ("ntu60-rgb-pose", "joint", TABLE6)])  # fmt: skip
def test_every_number_of_the_papers_schedule(preset: dict[str, dict[str, Any]], name: str, stream: str, own: dict[str, Any]) -> None:
    chosen = preset[name]["streams"][stream]
    assert {key: chosen[key] for key in SKELETON} == SKELETON
    for tag, wanted in own.items():
        given = settings(preset[name], stream, tag)
        assert {key: given[key] for key in wanted} == wanted, tag


@pytest.mark.parametrize("name", EPOCHS)
def test_epochs_of_every_encoder(preset: dict[str, dict[str, Any]], name: str) -> None:
    run = preset[name]
    assert set(run["experiments"]) == set(EPOCHS[name])
    for experiment, wanted in EPOCHS[name].items():
        assert epochs_of(run, experiment) == dict.fromkeys(run["experiments"][experiment]["streams"], wanted), experiment


def test_rgb_is_the_papers_rgb(preset: dict[str, dict[str, Any]]) -> None:
    """As in ucf101.yaml, but for the length of pretraining."""
    ours, theirs = preset["ntu60-rgb-pose"]["streams"]["rgb"], load.load(PRESETS / "ucf101.yaml")["streams"]["rgb"]
    train = {key: value for key, value in theirs["train"].items() if key not in ("simclr", "byol", "coclr")}  # not in table 6
    assert ours == theirs | {"train": train | {"moco": {**train["moco"], "epochs": 300}}}


def test_rows_are_the_papers(preset: dict[str, dict[str, Any]]) -> None:
    table5, table6 = preset["ntu60"]["targets"]["table5"], preset["ntu60-rgb-pose"]["targets"]["table6"]
    assert table5["experiments"] == ["moco", "stc-mix", "crossclr", "crossclr-cmmc"]
    assert table5["streams"] == ["joint", "motion", "joint+motion"] and table5["tasks"] == ["linear", "finetune"]
    assert table6["experiments"] == ["moco", "stc-mix", "stc-mix-random"]
    assert table6["streams"] == ["rgb", "joint", "rgb+joint"] and table6["tasks"] == ["finetune", "linear"]
    recipe = preset["ntu60-rgb-pose"]["experiments"]["stc-mix"]
    assert (recipe["layers"], recipe["patch"]) == ({"rgb": 4, "joint": 8}, {"rgb": [5, 5], "joint": [3, 3]})  # appendix 3.iii
    assert recipe["axes"] == ["space", "time", "channel"] and recipe["mixing"] == "cm-cutmix"
    recipe = preset["ntu60"]["experiments"]["stc-mix"]
    assert (recipe["stages"], recipe["from"]) == (2, "moco-150")  # section 4.2


@pytest.fixture
def ntu(tmp_path: Path) -> Path:
    """One sample of each side of both protocols, as skeletons and videos."""
    root = tmp_path / "ntu"
    for name in ("S001C001P001R001A001", "S001C002P003R001A002"):
        touch(root / f"nturgb+d_skeletons/{name}.skeleton")
        touch(root / f"nturgb+d_rgb/{name}_rgb.avi")
    (root / ntu60.EDITION.missing).write_text("a\nb\n\nS001C002P005R002A008\n")
    return root


@pytest.mark.slow
def test_the_whole_graph_of_table_5(ntu: Path, tmp_path: Path, warm: dict[str, str]) -> None:
    preset_of("ntu60", tmp_path / "run", str(ntu))
    jobs = planned(tmp_path / "run", ["table5"], warm)
    jobs.pop("total", None)
    rows = 4 + 1  # and the untrained encoders
    assert jobs == {
        "download": 1,
        "index": 1,
        "measurable": 1,
        "skeleton": SHARDS,
        "feasible": 2,
        "train": 3 * 2 + 2 * 2 + 2,  # moco, each stream alone; cmmc, in turn; crossclr, both together
        "features": 2 * (rows + 1),  # and the hand-made
        "finetune": 2 * rows,
        "score": rows + 1 + rows,  # linear and finetune
        "compare_table5": 1,
        "table5": 1,
    }


@pytest.mark.slow
def test_the_whole_graph_of_table_6_cross_view(ntu: Path, tmp_path: Path, warm: dict[str, str]) -> None:
    chosen = preset_of("ntu60-rgb-pose", tmp_path / "run", str(ntu), "--split", "2")
    assert chosen["dataset"]["split"] == 2
    jobs = planned(tmp_path / "run", ["table6"], warm)
    assert {rule: jobs[rule] for rule in ("skeleton", "frames", "train", "feasible", "finetune")} == {
        "skeleton": SHARDS,
        "frames": SHARDS,
        "train": 2 * 2 + 2 * 4,
        "feasible": 2,
        "finetune": 2 * 4,
    }
    assert "flow" not in jobs
