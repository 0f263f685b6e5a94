"""Weights that somebody brought, through a whole run: taken, finetuned, recorded, exported; stale in both engines when their file changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import Workspace
from tests.pipeline.test_engines import changed, jobs

from videossl.encoders.build import build
from videossl.params import load
from videossl.use import load as use

pytestmark = pytest.mark.slow


def brought(path: Path, seed: int) -> None:
    """A checkpoint of an encoder with a layer for classes, as training code of others writes it."""
    state = build("s3d", 3, {"width": 0.0625}, seed).state_dict()
    torch.save(
        {"epoch": 9, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()} | {"module.fc.bias": torch.ones(2)}}, path
    )


def test_from_a_file_to_a_report_and_an_export(fresh: Workspace) -> None:
    params = load.written(REPOSITORY / "tests/pipeline/tiny.yaml")
    params["streams"] = {"rgb": params["streams"]["rgb"]}
    params["cache"]["shards"] = 1
    params["experiments"] = {
        "known": {"method": "pretrained", "streams": ["rgb"], "weights": "given.pth", "paper": "supervised on Kinetics"},
        "tubelets": {"method": "tubelets", "streams": ["rgb"], "motion": "linear"},
    }
    params["evaluate"] |= {"fused": [], "tasks": {"retrieval": {}, "finetune": {"overlap": 0.0, "crops": 1}}}
    params |= {"all": ["known", "tubelets"], "seeds": [0], "targets": {}}
    (fresh.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    brought(fresh.path / "given.pth", seed=5)
    fresh.call("videossl", "dvc-yaml")
    fresh.snakemake()
    fresh.call("videossl", "record")
    assert jobs(fresh) == {} and changed(fresh) == set()
    page = (fresh.path / "data/report/index.html").read_text()
    assert "known" in page and "Finetuning on toy" in page
    assert "a pair with the same tubelets" in page and "class-agnostic activation map" in page

    given = build("s3d", 3, {"width": 0.0625}, 5).eval()
    model = use.load(fresh.path / "data/models/known/0/rgb.safetensors")
    clip = torch.randn(2, *model.input_shape[1:], generator=torch.Generator().manual_seed(0))
    fresh.call("videossl", "export", "data/models/known/0/rgb.safetensors", "--to", "torchscript", "-o", "out.pt")
    with torch.no_grad():
        wanted, exported = given.pool(given(clip)).numpy(), torch.jit.load(str(fresh.path / "out.pt"))(clip).numpy()
    assert np.abs(exported - wanted).max() <= 1e-5 * np.abs(wanted).max()

    weights = fresh.weights()
    fresh.snakemake("data/models/known/0/rgb.safetensors", "--forcerun", "train", "--set-resources", "train:processes=2")
    assert fresh.weights() == weights, "of several processes one writes"

    trained = use.load(fresh.path / "data/models/tubelets/0/rgb.safetensors")
    fresh.call("videossl", "export", "data/models/tubelets/0/rgb.safetensors", "--to", "torchscript", "-o", "again.pt")
    with torch.no_grad():
        wanted, exported = trained.encoder.pool(trained.encoder(clip)).numpy(), torch.jit.load(str(fresh.path / "again.pt"))(clip).numpy()
    assert np.abs(exported - wanted).max() <= 1e-5 * np.abs(wanted).max()

    brought(fresh.path / "given.pth", seed=6)
    assert {"feasible", "train", "features", "finetune", "report"} <= set(jobs(fresh).values())
    assert changed(fresh) == {"feasible-known"}, "and what follows from its bytes"
