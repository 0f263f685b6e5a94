"""Weights from elsewhere, from a file to an encoder that others begin from (train/elsewhere.py, methods/pretrained.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.train.conftest import MakeRun, tiny
from tests.train.test_feasible import arguments, looked_at
from torch import Tensor
from torchvision.models import get_model_weights

from videossl.encoders.build import build
from videossl.errors import InputError
from videossl.files import sha256
from videossl.params import load, preflight
from videossl.train import elsewhere, weights

Refused = Callable[..., str]
RECIPE = {"method": "pretrained", "streams": ["rgb"]}


def encoder_state(seed: int, width: float = 0.0625) -> dict[str, Tensor]:
    return build("s3d", 3, {"width": width}, seed).state_dict()


@pytest.mark.parametrize(
    "content, suffix",
    [
        (lambda state: state, ".pth"),
        (lambda state: state, ".safetensors"),
        (lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, ".pth"),
        (lambda state: {"model": state, "model_ema": {name: tensor + 1 for name, tensor in state.items()}}, ".tar"),
        (lambda state: {"backbone": state, "args": {"lr": 0.1}}, ".pt"),
    ],
    ids=["torch", "safetensors", "checkpoint", "with an average", "of any name"],
)
def test_a_state_dict_is_found_in_a_file(content: Callable[[Any], Any], suffix: str, tmp_path: Path) -> None:
    state, path = {"a": torch.ones(2), "b.c": torch.zeros(())}, tmp_path / f"given{suffix}"
    save_file(content(state), path) if suffix == ".safetensors" else torch.save(content(state), path)
    loaded = elsewhere.load(path)
    assert sorted(loaded) == ["a", "b.c"] and all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "content, line",
    [
        (b"no weights", "holds no weights that can be loaded"),
        (lambda: {"one": {"a": torch.ones(1)}, "two": {"a": torch.ones(1)}}, "holds one, two and not one state dict; save that alone"),
        (lambda: {"epoch": 3, "lr": 0.1}, "holds epoch, lr and not one state dict"),
        (lambda: [torch.ones(1)], "holds list and not one state dict"),
        (lambda: {}, "holds nothing and not one state dict"),
        (lambda: torch.nn.Linear(1, 1), "holds no weights that can be loaded"),  # a pickled class, which could run any code
    ],
    ids=["damaged", "two", "none", "a list", "empty", "a module"],
)
def test_a_file_without_one_is_one_line(content: Any, line: str, tmp_path: Path) -> None:
    path = tmp_path / "given.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content(), path)
    with pytest.raises(InputError) as error:
        elsewhere.load(path)
    assert str(error.value).startswith(f"{path} {line}") and "\n" not in str(error.value)


def test_torchvisions_own_are_taken_from_its_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file that torchvision would download lies there already; one that is not torchvision's is refused, as for extractors."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    own = get_model_weights("r3d_18").KINETICS400_V1
    path = tmp_path / "hub/checkpoints" / Path(own.url).name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"made up")
    monkeypatch.setattr(elsewhere.torchvision_weights, "is_own", lambda digest, own: digest == sha256(path))
    assert elsewhere.file("torchvision:r3d_18", "weights") == path
    monkeypatch.setattr(elsewhere.torchvision_weights, "is_own", lambda digest, own: False)
    with pytest.raises(InputError, match="is not torchvision's file"):
        elsewhere.file("torchvision:r3d_18", "weights")
    with pytest.raises(InputError, match=r"no model 'r3d18' in torchvision.models.video: did you mean 'r3d_18'\?"):
        elsewhere.file("torchvision:r3d18", "weights")


def test_they_are_looked_at_taken_and_gone_on_from(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its rules do: feasible, the training that trains nothing, MoCo from it."""
    run, given = make_run(), encoder_state(5)
    path = run.folder / "given.pth"
    torch.save({"state_dict": {f"module.net.{name}": tensor for name, tensor in given.items()} | {"fc.bias": torch.ones(3)}}, path)
    run.params["experiments"] |= {"known": {**RECIPE, "weights": str(path), "names": {"net.": ""}, "paper": "supervised on Kinetics"}}
    run.params["experiments"]["moco"] = {"method": "moco", "from": "known", "streams": ["rgb"], "mixing": "none"}

    made = looked_at(monkeypatch, run.params, "known", run.folder / "feasible.json")
    assert made["weights"] == {"rgb": sha256(path)} and made["taken"] == {"rgb": {"left": ["fc.bias"], "tensors": len(given)}}
    out = run.train("known", "rgb")
    taken = weights.load(out, "rgb/encoder.")
    assert sorted(taken) == sorted(given) and all(torch.equal(taken[name], given[name]) for name in given)
    assert json.loads(out.with_suffix(".json").read_text())["epochs"] == []
    assert weights.provenance(out)["weights"] == {"rgb": sha256(path)}
    assert not (run.folder / "scratch/checkpoints").exists()
    assert weights.provenance(run.train("moco", "rgb"))["weights"] == {"rgb": sha256(out)}


def test_each_stream_has_its_own(make_run: MakeRun) -> None:
    run = make_run()
    files = {name: run.folder / f"{name}.pth" for name in ("rgb", "flow")}
    states = {"rgb": encoder_state(1), "flow": build("s3d", 2, {"width": 0.0625}, 2).state_dict()}
    for name, path in files.items():
        torch.save(states[name], path)
    run.params["experiments"]["known"] = {
        **RECIPE,
        "streams": ["rgb", "flow"],
        "weights": {name: str(path) for name, path in files.items()},
    }
    for name, given in states.items():
        taken = weights.load(run.train("known", name), f"{name}/encoder.")
        assert all(torch.equal(taken[key], given[key]) for key in given)


def test_a_misfit_is_told_before_anything_is_trained(refused: Refused, tmp_path: Path) -> None:
    """By `feasible`, which rests on nothing but params and the file, so it is the first job of a run."""
    path, params = tmp_path / "given.pth", tiny()
    torch.save(encoder_state(0, width=0.125), path)
    params["experiments"]["known"] = {**RECIPE, "weights": str(path)}
    line = refused("feasible", *arguments(params, "known", tmp_path / "out.json"))
    assert line.startswith(
        "error: experiments.known: weights from elsewhere for rgb: block1.0.0.weight is (8, 3, 1, 7, 7) in the file, here (4,"
    )
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "change, line",
    [
        ({"weights": "nowhere.pth"}, "experiments.known.weights names nowhere.pth, and there is no such file; paths are relative to"),
        ({"epochs": 3}, "experiments.known.epochs"),
        ({"lr": 0.1}, "experiments.known.lr"),
        ({"from": "mixup"}, "experiments.known.from"),
        ({"weights": None}, "experiments.known"),
    ],
)
def test_a_recipe_that_cannot_be_is_one_line(change: dict[str, Any], line: str) -> None:
    """Before anything runs: it trains nothing, so it has no length and no speed."""
    params = load.written(Path(__file__).parents[1] / "pipeline/tiny.yaml")
    recipe = {**RECIPE, "weights": "torchvision:s3d"} | change
    params["experiments"]["known"] = {key: value for key, value in recipe.items() if value is not None}
    params["all"] = ["known"]
    with pytest.raises(InputError) as error:
        preflight.check_weights(load.check(load.filled(params)))
    assert line in str(error.value) and "\n" not in str(error.value)
