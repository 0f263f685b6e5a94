"""A run's folder with made-up shards, and trainings in it by stages/train.py, called as its rule does."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.made import row, shard

from videossl import seeding
from videossl.data import index
from videossl.data.index import Row
from videossl.params import load, recipes, run_plan, slices
from videossl.params.recipes import Training

SHAPES = {"rgb": ((10, 32, 32, 3), np.uint8), "flow": ((9, 32, 32, 2), np.uint8), "joint": ((9, 25, 3, 2), np.float32)}


def tiny() -> dict[str, Any]:
    """The params of tests/pipeline/tiny.yaml, to be changed."""
    return load.load(REPOSITORY / "tests/pipeline/tiny.yaml")


class RunFolder:
    """`params` may be changed before a training. Videos are noise, by their ids; each cached modality is one shard."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, rows: Sequence[Row]) -> None:
        self.folder, self.monkeypatch, self.rows, self.params = folder, monkeypatch, list(rows), tiny()
        index.write(folder / "index.csv", self.rows)

    def shard(self, cached: str) -> Path:
        """The shard of a cached modality, made when it is first asked for."""
        path = self.folder / "cache" / cached / "0000.h5"
        if not path.exists():
            shape, dtype = SHAPES[cached]
            rngs = {one.id: seeding.numpy_rng(0, cached, one.id) for one in self.rows}
            arrays = [
                (id, rng.integers(0, 256, shape, dtype) if dtype is np.uint8 else rng.standard_normal(shape).astype(dtype))
                for id, rng in rngs.items()
            ]
            shard(path, cached, arrays, **({"bound": 20.0} if cached == "flow" else {}))
        return path

    def shards(self, streams: Sequence[str]) -> list[Path]:
        """The shards that streams are read from."""
        return [
            self.shard(cached)
            for cached in dict.fromkeys(run_plan.cached_modality(self.params["streams"][name]["modality"]) for name in streams)
        ]

    def weights(self, training: Training) -> Path:
        """The weights that a training leaves."""
        return self.folder / "models" / training.experiment / f"{training.name}.safetensors"

    def training(self, experiment: str, name: str) -> Training:
        return recipes.training(self.params, experiment, name)

    def train(self, experiment: str, name: str, out: Path | None = None, scratch: str = "scratch") -> Path:
        """One training; returns its weights, which lie where later trainings look for them unless `out` says otherwise."""
        training = self.training(experiment, name)
        starts, frozen = recipes.starts(self.params, training), recipes.frozen(self.params, training)
        out = out or self.weights(training)
        call: list[str | Path] = ["train", "--params", json.dumps(slices.training(self.params, training)), "--experiment", experiment]
        call += ["--seed", "0", "--index", self.folder / "index.csv"]
        call += ["--cache", *self.shards([*training.streams, *(stream for stream, _ in frozen.values())])]
        call += ["--start", *map(self.weights, starts.values()), "--frozen", *(self.weights(one) for _, one in frozen.values())]
        call += ["--out", out, "--scratch", self.folder / scratch, "--checkpoint-minutes", "1e9"]
        self.monkeypatch.setattr(sys, "argv", [str(word) for word in call])
        importlib.import_module("stages.train").main()
        return out


MakeRun = Callable[..., RunFolder]


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """`make_run(rows=eight videos of one class, name="run")`: a run's folder with these videos."""

    def make(rows: Sequence[Row] = tuple(row(f"v{number}", "a") for number in range(8)), name: str = "run") -> RunFolder:
        (tmp_path / name).mkdir()
        return RunFolder(tmp_path / name, monkeypatch, rows)

    return make
