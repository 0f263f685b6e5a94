"""The toy set in NTU's names on the second protocol, cross-view: RGB with skeletons, from files to the paper's table 6. A real run."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml
from tests.pipeline.conftest import Workspace

from videossl.data import index
from videossl.params import load

pytestmark = pytest.mark.slow

MOCO = {"method": "moco", "streams": ["rgb", "joint"], "mixing": "none", "epochs": 1, "paper": "moco"}
MIXED = {
    "method": "cmmc",
    "from": "moco",
    "streams": ["rgb", "joint"],
    "stages": 2,
    "mixing": "cm-cutmix",
    "axes": ["space", "time", "channel"],
    "layers": {"rgb": 4, "joint": 8},
    "patch": {"rgb": [2, 2], "joint": [2, 1]},
    "box": "batch",
    "epochs": 1,
}


def test_table_6_cross_view(fresh: Workspace) -> None:
    run = load.written(fresh.path / "params.yaml")
    run["dataset"] = {"name": "toy", "split": 2, "options": {"layout": "ntu60", "actions": 2, "train_subjects": 1, "test_subjects": 1, "frames": 12, "size": 32}}  # fmt: skip
    run["index"]["max_dropped"] = 0.1  # one sample has no usable skeleton
    run["cache"]["shards"] = 1
    run["streams"] = {name: run["streams"][name] for name in ("rgb", "joint")}
    run["experiments"] = {"moco": MOCO, "stc-mix": MIXED}
    run |= {"all": ["moco"], "seeds": [0]}
    run["targets"] = {"table6": {"show": "results", "experiments": ["moco", "stc-mix"], "streams": ["rgb", "joint", "rgb+joint"], "tasks": ["linear"]}}  # fmt: skip
    run["evaluate"] |= {"fused": [["rgb", "joint"]], "tasks": {"linear": run["evaluate"]["tasks"]["linear"]}}
    (fresh.path / "params.yaml").write_text(yaml.safe_dump(run, sort_keys=False))
    fresh.snakemake("table6")

    rows = index.read(fresh.path / "data/index/toy.csv")
    assert Counter(row.split for row in rows) == {"train": 8, "test": 4}, "2 actions of 2 people before cameras 2 and 3, and 1"
    assert [row.reason.split(":")[0] for row in rows if row.status == "dropped"] == ["skeleton"]
    shown = json.loads((fresh.path / "data/report/table6.json").read_text())
    numbers = {(row["experiment"], row["stream"], row["task"]) for row in shown["numbers"] if row["values"]}
    streams = ("rgb", "joint", "rgb+joint")
    assert numbers >= {(name, stream, "linear") for name in ("untrained", "moco", "stc-mix") for stream in streams}
    pairs = json.loads((fresh.path / "data/models/stc-mix/feasible.json").read_text())["pairs"]
    assert pairs == {"rgb": [[4, 8]], "joint": [[8, 4]]}
    page = (fresh.path / "data/report/table6.html").read_text()
    assert "NTU-60 cross-view" in page and "ours beside the paper" in page
