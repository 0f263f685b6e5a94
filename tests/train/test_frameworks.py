"""SimCLR, BYOL and CoCLR, alone and with feature maps mixed in, and tubelet contrast: as experiments of a run, interrupted, and collapsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.conftest import MakeRun, RunFolder
from torch import nn

from videossl.errors import InputError
from videossl.params import load, recipes, slices
from videossl.train import assemble, loop, provenance, weights
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, fit

BOTH = {"streams": ["joint", "motion"]}
CUT = {
    **BOTH,
    "method": "cmmc",
    "stages": 2,
    "mixing": "cm-cutmix",
    "axes": ["space", "time", "channel"],
    "layers": "random",
    "box": "batch",
}
RECIPES: dict[str, dict[str, Any]] = {
    "simclr": {**BOTH, "method": "simclr", "mixing": "mixup"},
    "simclr-stc-mix": {**CUT, "framework": "simclr", "from": "simclr"},
    "byol": {**BOTH, "method": "byol", "mixing": "none", "rho": 3},
    "byol-stc-mix": {**CUT, "framework": "byol", "from": "byol", "rho": 3},
    "coclr": {**BOTH, "method": "coclr", "from": "mixup", "stages": 2, "mixing": "mixup", "topk": 2},
    "coclr-stc-mix": {**CUT, "framework": "coclr", "from": "mixup", "topk": 2, "fill": False},
    "tubelets": {"streams": ["rgb"], "method": "tubelets", "motion": "linear", "released": ["patches"]},
    "temporal": {"streams": ["rgb"], "method": "tubelets", "pair": "temporal", "strides": [1]},
}
PARTS = {
    "simclr": {"encoder", "head"},
    "byol": {"encoder", "head", "predictor", "target_encoder", "target_head"},
    "coclr": {"encoder", "head", "key_encoder", "key_head", "queue", "queue_ids", "queue_ptr"},
}
PARTS |= dict.fromkeys(("tubelets", "temporal"), PARTS["coclr"])


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    made = make_run()
    made.params["experiments"] |= RECIPES
    load.check(made.params)
    return made


def ready(run: RunFolder, experiment: str) -> str:
    """Train all that comes before the first training of an experiment; its name."""
    first = recipes.trainings(run.params, experiment)[0]
    others = [*recipes.starts(run.params, first).values(), *(one for _, one in recipes.frozen(run.params, first).values())]
    for other in dict.fromkeys(others):
        run.train(other.experiment, other.name)
    return first.name


@pytest.mark.parametrize("experiment", RECIPES)
def test_it_trains_by_the_script_and_leaves_what_its_framework_leaves(run: RunFolder, experiment: str) -> None:
    name = ready(run, experiment)
    made = run.train(experiment, name)
    state, about = weights.load(made), weights.provenance(made)
    assert {key.partition("/")[2].split(".")[0] for key in state} == PARTS[experiment.removesuffix("-stc-mix")]
    assert {key.split("/")[0] for key in state} == {RECIPES[experiment]["streams"][0]}, "frozen encoders are no part of it"
    roles = set(recipes.frozen_streams(run.params, run.training(experiment, name)))
    assert roles == ({"miner"} if "coclr" in experiment else set()) | ({"partner"} if "stc-mix" in experiment else set())
    assert set(about["weights"]) == roles | ({"joint"} if "from" in RECIPES[experiment] else set())
    draws = {"coclr": ["joint", "coclr1"]}.get(experiment, ["joint", "cmmc1"] if "stc-mix" in experiment else [])
    assert about["seed"] == (provenance.derived_seed(0, draws) if draws else 0)


@pytest.mark.parametrize(("experiment", "stop_at"), list(zip(RECIPES, [1, 3] * 4, strict=True)))
def test_interrupted_and_gone_on_with_ends_in_the_same_bytes(run: RunFolder, experiment: str, stop_at: int, tmp_path: Path) -> None:
    """Queues, averages and the momentum's schedule, in the middle of the first epoch and in the last."""
    params = slices.training(run.params, recipes.trainings(run.params, experiment)[0])
    streams = [*params["training"]["streams"], *params["training"]["frozen"].values()]
    whole = assemble.batches(params, 0, run.rows, assemble.opened(run.shards(streams)), torch.device("cpu"))

    def struck(number: int, start: int = 0) -> Any:
        for step, batch in enumerate(whole.epoch(number, start), start):
            if number * whole.steps + step == stop_at:
                raise KeyError("killed")
            yield batch

    def trained(batches: Batches, folder: str) -> dict[str, torch.Tensor]:
        method: Any = assemble.method(params, 0, assemble.Weights())
        fit(method, batches, assemble.loop(params), 0, Checkpoint(tmp_path / folder, 0), "m")
        state: dict[str, torch.Tensor] = method.state_dict()
        return state

    expected = trained(whole, "whole")
    with pytest.raises(KeyError):
        trained(Batches(whole.steps, struck), "parts")
    resumed = trained(whole, "parts")
    assert expected.keys() == resumed.keys() and all(torch.equal(tensor, resumed[name]) for name, tensor in expected.items())


@pytest.mark.parametrize("experiment", ["simclr", "byol", "coclr"])
def test_features_that_have_collapsed_end_it_with_a_line(
    run: RunFolder, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that answers the same to all: nothing tells videos apart. With less patience than there is, for time."""
    monkeypatch.setattr(loop, "PATIENCE", 6)
    params = slices.training(run.params, recipes.trainings(run.params, experiment)[0])
    params["training"]["epochs"] = 4
    params["settings"]["joint"] |= {"lr": 1e-12, "weight_decay": 0.0}
    streams = [*params["training"]["streams"], *params["training"]["frozen"].values()]
    batches = assemble.batches(params, 0, run.rows, assemble.opened(run.shards(streams)), torch.device("cpu"))
    method: Any = assemble.method(params, 0, assemble.Weights())
    head = getattr(method, "moco", method).head
    nn.init.zeros_(head.out.weight)
    with pytest.raises(InputError, match=r"m: the features have collapsed, .* in the last 6 steps, at epoch 3, step 2"):
        fit(method, batches, assemble.loop(params), 0, Checkpoint(tmp_path), "m")
