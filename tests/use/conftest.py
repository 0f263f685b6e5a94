"""A tiny run on real videos, made by the scripts of stages/ as their rules call them: index, cache, a training, features."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import yaml
from tests.conftest import REPOSITORY

from videossl import paths, seeding
from videossl.params import load, run_plan, slices
from videossl.params.recipes import Training

STREAMS = ("rgb", "flow")


@dataclass(frozen=True)
class Run:
    """The folder of a finished run: the experiment `mixup` with the encoders rgb and flow, of videos in data/raw/folder."""

    folder: Path
    params: dict[str, Any]

    @property
    def videos(self) -> list[Path]:
        return sorted((self.folder / "data/raw/folder").rglob("*.avi"))

    def encoder(self, stream: str) -> str:
        return f"{self.folder}/mixup/{stream}"

    def weights(self, stream: str) -> Path:
        return self.folder / paths.weights("mixup", stream, 0)

    def features(self, stream: str) -> Path:
        return self.folder / paths.features("mixup", stream, "folder", 0)


def film(path: Path, frames: int, rate: int = 25, size: tuple[int, int] = (64, 48)) -> Path:
    """A video in which a square moves over noise, each by its name."""
    rng = seeding.numpy_rng(0, path.name)
    ground = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for t in range(frames):
            picture = np.roll(ground, t, axis=1)
            picture[10:20, t % 40 : t % 40 + 10] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run on eight small videos of several lengths and rates; frames are cached as JPEG."""
    folder = tmp_path_factory.mktemp("use") / "run"
    raw = folder / "data/raw/folder"
    for number in range(8):
        film(raw / "ab"[number % 2] / f"{number}.avi", 14 + 5 * number, rate=25 if number % 3 else 30)
    params = yaml.safe_load((REPOSITORY / "tests/pipeline/tiny.yaml").read_text())
    params["dataset"] = {"name": "folder", "root": "data/raw/folder"}
    params["cache"] |= {"codec": "jpeg", "quality": 80, "shards": 1}
    params["streams"] = {name: params["streams"][name] for name in STREAMS}
    params["experiments"] = {"mixup": params["experiments"]["mixup"] | {"streams": list(STREAMS)}}
    params |= {"all": ["mixup"], "targets": {}}
    params["evaluate"] = {"tasks": {"retrieval": {}}, "fused": [], "clips": 3}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    made = Run(folder, load.load(folder / "params.yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        torch.set_num_threads(1)
        make(made.params, lambda name, *words: stage(patch, name, *words))
    yield made
    shutil.rmtree(folder)


def stage(patch: pytest.MonkeyPatch, name: str, *words: object) -> None:
    """Call a script of stages/ in this process."""
    patch.setattr(sys, "argv", [name, *map(str, words)])
    importlib.import_module(f"stages.{name}").main()


def make(params: dict[str, Any], call: Callable[..., None]) -> None:
    """All that a run makes up to features and retrieval, in the folder of the run."""
    table = paths.index("folder")
    call("index", "--params", json.dumps(slices.index(params, "folder")), "--out", table)
    for stream in STREAMS:
        shard = f"{paths.cache('folder', stream)}/0000.h5"
        extractor = run_plan.extractor(params, stream)["module"]
        part = json.dumps(slices.extraction(params, stream, "folder"))
        call("extract", "--params", part, "--source", stream, "--extractor", extractor, "--index", table, "--shard", 0, "--out", shard)
        part = json.dumps(slices.training(params, Training("mixup", stream, (stream,))))
        weights = paths.weights("mixup", stream, 0)
        common = ["--experiment", "mixup", "--seed", 0]
        call("train", "--params", part, *common, "--index", table, "--cache", shard, "--out", weights)
        part, features = json.dumps(slices.features(params, stream)), paths.features("mixup", stream, "folder", 0)
        call("features", "--params", part, *common, "--index", table, "--cache", shard, "--weights", weights, "--out", features)
    task = ["--task", "retrieval", "--dataset", "folder", "--features", *(paths.features("mixup", s, "folder", 0) for s in STREAMS)]
    out = paths.results("mixup", "folder", "retrieval", 0)
    call("score", "--params", json.dumps(slices.score(params, "retrieval")), *common, *task, "--out", out)
