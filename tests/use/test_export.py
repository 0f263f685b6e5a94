"""Exports give the encoder's features in other programs; a folder for the hub loads, and its card has the run's own numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from tests.use.conftest import Run

import videossl
from videossl import registry
from videossl.commands import export as command
from videossl.encoders.build import build
from videossl.errors import InputError
from videossl.files import read_json
from videossl.params import load as read_params
from videossl.params import run_plan, slices
from videossl.use import export
from videossl.use.load import _maker, extraction
from videossl.use.model import Model


def test_torchscript_in_a_process_without_videossl(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a.pt"
    result = CliRunner().invoke(command.command, [run.encoder("rgb"), "--to", "torchscript", "-o", str(out)])
    assert result.exit_code == 0 and "differ from the encoder's by" in result.stdout
    views = torch.randn(5, 3, 8, 32, 32)
    torch.save(views, tmp_path / "views.pt")
    code = (
        "import sys, torch; extra = {'videossl.json': ''}; network = torch.jit.load('a.pt', _extra_files=extra)\n"
        "torch.save(network(torch.load('views.pt')), 'features.pt'); print(extra['videossl.json'].decode())\n"
        "assert 'videossl' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    about, model = json.loads(done.stdout), videossl.load(run.encoder("rgb"))
    assert about["input_shape"] == ["batch", 3, 8, 32, 32] and about["digest"] == model.digest
    assert about["settings"]["augment"]["normalise"] == [0.2, 0.17] and about["extractor"]["params"] == {"short_side": 32, "fps": 30}
    with torch.no_grad():
        torch.testing.assert_close(torch.load(tmp_path / "features.pt"), model.encoder.pool(model.encoder(views)), rtol=0, atol=1e-5)


def skeletons(model: Model) -> Model:
    """The same with a small encoder of skeletons, whose layers on a CPU look at which rows are equal."""
    from dataclasses import replace

    settings = {"modality": "joint", "encoder": "st-gcn", "width": 0.25, "clip": {"frames": 8}, "augment": {"shear": 0.5, "padding": 6}}
    return replace(model, settings=settings, encoder=build("st-gcn", 3, settings, 0))


def test_onnx(run: Run, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="export is an extra")
    pytest.importorskip("onnxscript", reason="export is an extra")
    model = skeletons(videossl.load(run.encoder("rgb"))).on("cpu")
    assert export.to_onnx(model, tmp_path / "a.onnx") < 1e-4
    session = runtime.InferenceSession(str(tmp_path / "a.onnx"))
    views = torch.randn(4, *model.input_shape[1:])
    views[1:, ..., 1] = 0  # one body is all there is, as in most recordings
    (features,) = session.run(None, {"views": views.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(features, model.encoder.pool(model.encoder(views)).numpy(), atol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["videossl"])["digest"] == model.digest


def test_an_encoder_of_skeletons_is_traced_for_other_inputs(run: Run, tmp_path: Path) -> None:
    model = skeletons(videossl.load(run.encoder("rgb"))).on("cpu")
    assert export.to_torchscript(model, tmp_path / "a.pt") < 1e-4
    views = torch.randn(4, *model.input_shape[1:])
    views[1:, ..., 1] = 0
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.load(tmp_path / "a.pt")(views), model.encoder.pool(model.encoder(views)), rtol=0, atol=1e-5)


def test_an_export_that_differs_is_not_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda path: lambda views: torch.zeros(len(views), 64))
    with pytest.raises(InputError, match="features of the export differ by"):
        export.to_torchscript(videossl.load(run.encoder("rgb")), tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


def test_a_folder_for_the_hub(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    words = [run.encoder("flow"), "--to", "hub", "-o", str(folder), "--licence", "cc-by-4.0"]
    assert CliRunner().invoke(command.command, words).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    moved = shutil.move(folder, tmp_path / "moved")
    model, own = videossl.load(moved), videossl.load(run.encoder("flow"))
    assert model.clips == own.clips == 3 and model.digest == own.digest
    (row,), (other,) = model.embed(run.videos[2]), own.embed(run.videos[2])
    np.testing.assert_array_equal(row.features, other.features)
    _, head, body = (Path(moved) / "README.md").read_text().split("---\n", 2)
    card: dict[str, Any] = yaml.safe_load(head)
    assert card["license"] == "cc-by-4.0" and card["datasets"] == ["folder"] and {"flow", "s3d", "moco"} <= set(card["tags"])
    values = read_json(run.folder / "data/results/mixup/0/folder/retrieval.json")["values"]["flow"]
    shown = {metric["type"]: metric["value"] for result in card["model-index"][0]["results"] for metric in result["metrics"]}
    assert shown == {metric: round(value, 2) for metric, value in values.items()} and "R@1" in shown
    for said in (own.made_from["data"], own.made_from["code"], own.digest, '"temperature": 0.07', "videossl.load("):
        assert said in body


def test_what_cannot_be_exported(run: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(command.command, [run.encoder("rgb"), "--to", "onnx", "-o", "a.onnx", "--push", "me/mine"])
    assert result.exit_code == 2 and "--push goes with --to hub" in result.output
    from dataclasses import replace

    with pytest.raises(InputError, match="was not trained by videossl"):
        export.to_hub(replace(videossl.load(run.encoder("rgb")), made_from={}), tmp_path / "a")


PARAMS = {
    "rgb": {},
    "tvl1": {"flow": {"backend": "tvl1", "bound": 20, "warps": 2}},
    "tvl1-opencv": {"flow": {"backend": "tvl1-opencv", "bound": 10, "inner": 3}},
    "dis": {"flow": {"backend": "dis", "bound": 20, "preset": "fast"}},
    "files": {"skeleton": {"backend": "files"}},
}


@pytest.mark.parametrize("name", PARAMS)
def test_an_extractor_is_made_again_from_what_it_says_of_itself(run: Run, name: str) -> None:
    cached = "rgb" if name == "rgb" else "joint" if name == "files" else "flow"
    params = {**read_params.load(run.folder / "params.yaml"), **PARAMS[name]}
    part = slices.extraction(params, cached, "folder")
    first = _maker(cached, run_plan.extractor(params, cached)["module"]).make(part)
    again = extraction(cached, json.loads(json.dumps(first.made_by())), "folder")
    assert _maker(cached, run_plan.extractor(again, cached)["module"]).make(again).made_by() == first.made_by()
    assert set(again) >= {key for key in part if part[key]} - {"cache"}, registry.declared("modalities", cached)["about"]
