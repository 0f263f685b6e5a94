"""A run as it could have been left behind, made of numbers drawn here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.made import row as made

from videossl.data.index import Row
from videossl.report.run import Run

CLASSES = ("bow", "jump", "kick", "wave")
SHA = "0123456789abcdef" * 4


def row(id: str, label: str, split: str, status: str = "ok", reason: str = "") -> Row:
    return made(id, label, split, frames=24, steps=24, fps=12.0, width=64, height=48, sha256=SHA, status=status, reason=reason)


def index() -> list[Row]:
    rows = [row(f"{c}/{s}{i:02d}", c, s) for c in CLASSES for s in ("train", "test") for i in range(5)]
    short = [row(f"short/{i:03d}", "bow", "train", "dropped", f"short: {i} frames of 24") for i in range(60)]
    return [*rows, *short, row("broken/<b>x</b>", "bow", "test", "dropped", "unreadable: no frame decodes")]


def params() -> dict[str, Any]:
    modality = {
        "width": 0.25,
        "clip": {"frames": 8, "stride": 2, "size": 64},
        "moco": {"queue": 48},
        "pretrain": {"epochs": 6, "batch": 16},
        "cmmc": {"epochs": 3, "batch": 16},
    }
    mixup = {"modalities": ["rgb", "flow"], "mixing": "mixup"}
    return {
        "dataset": {"name": "toy"},
        "modalities": {"rgb": modality, "flow": modality},
        "experiments": {
            "mixup": mixup,
            "stc-mix": {"from": "mixup", "modalities": ["rgb", "flow"], "stages": 4, "mixing": "cm-cutmix"},
        },
        "evaluate": {"tasks": ["retrieval", "linear"]},
    }


def result(experiment: str, seed: int, task: str, **values: float) -> dict[str, Any]:
    """A results file; a fused modality is given as rgb_flow."""
    metrics = ("R@1", "R@5", "R@10", "R@20") if task == "retrieval" else ("accuracy",)
    return {
        "experiment": experiment,
        "seed": seed,
        "dataset": "toy",
        "task": task,
        "values": {
            name.replace("_", "+"): {metric: min(100.0, value + 10 * i) for i, metric in enumerate(metrics)}
            for name, value in values.items()
        },
        "chance": dict.fromkeys(metrics, 25.0),
        "counts": {"train": 400, "test": 400, "classes": 4},
        "provenance": {
            "data": SHA,
            "code": SHA[::-1],
            "weights": {name: SHA for name in values if "_" not in name},
            "params": {"evaluate": {"clips": 4}},
            "versions": {"torch": "2.13"},
        },
    }


def history(experiment: str, seed: int, modality: str, phase: str, epochs: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "epoch": i + 1,
            "loss": math.log(64) * math.exp(-i / 9) + float(rng.normal(0, 0.05)),
            "accuracy": 60 * (1 - math.exp(-i / 5)) + 2,
            "lr": 0.003,
            "clips": 400,
            "cross_entropy_floor": 0.5,
        }
        for i in range(epochs)
    ]
    return {"experiment": experiment, "seed": seed, "modality": modality, "phase": phase, "epochs": rows}


def histories(seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    made = []
    for seed in seeds:
        for modality in ("rgb", "flow"):
            made += [
                history("mixup", seed, modality, "pretrain", 6),
                history("stc-mix", seed, modality, "cmmc1", 3),
                history("stc-mix", seed, modality, "cmmc2", 3),
            ]
    return made


def sample(id: str, label: str) -> dict[str, Any]:
    rng = np.random.default_rng(len(id))
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    frames = np.stack([np.exp(-((x - t / 12 + 0.5) ** 2 + y**2) * 8) for t in range(12)])
    flow = np.stack(np.broadcast_arrays(3 * x, 3 * y), axis=-1) * frames[..., None]
    person = np.zeros((25, 3))
    person[:, 0] = rng.normal(0, 0.3, 25)
    person[:, 1] = np.linspace(0.8, -0.9, 25)
    joints = np.stack([person + np.array([0.03 * t, 0, 0]) for t in range(12)])
    joints[-1] = 0
    return {
        "id": id,
        "label": label,
        "frames": (frames[..., None] * [200, 160, 90]).astype(np.uint8),
        "flow": flow.astype(np.float32),
        "joints": joints,
    }


def gallery(experiment: str, modality: str) -> dict[str, Any]:
    def tile(id: str, label: str, shade: int) -> dict[str, Any]:
        return {"id": id, "label": label, "thumb": np.full((48, 64, 3), shade, np.uint8)}

    near = [tile(f"{c}/train0{i}", c, 40 * i) | {"similarity": 0.9 - i / 10} for i, c in enumerate(CLASSES)]
    return {
        "experiment": experiment,
        "modality": modality,
        "query": tile("wave/test01", "wave", 200),
        "neighbours": [one | {"correct": one["label"] == "wave"} for one in near],
    }


RETRIEVAL = {
    "handmade": {"rgb": 58.0, "flow": 62.0},
    "untrained": {"rgb": 50.0, "flow": 45.0, "rgb_flow": 52.0},
    "mixup": {"rgb": 52.0, "flow": 66.0, "rgb_flow": 70.0},
    "stc-mix": {"rgb": 30.0, "flow": 70.0, "rgb_flow": 76.0},
}


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """A full run of the given seeds; keywords replace its parts."""

    def make(seeds: tuple[int, ...] = (0,), **parts: Any) -> Run:
        results = [
            result(name, seed, task, **{m: v + 2 * seed for m, v in values.items()})
            for task in ("linear", "retrieval")
            for name, values in RETRIEVAL.items()
            for seed in seeds
        ]
        whole: dict[str, Any] = {
            "params": params(),
            "dataset": "toy",
            "index": index(),
            "results": results,
            "histories": histories(seeds),
            "samples": [sample("wave/train00", "wave"), sample("kick/train03", "kick")],
            "gallery": [gallery("stc-mix", "rgb+flow"), gallery("untrained", "rgb+flow")],
            "provenance": [
                {
                    "artefact": "data/models/x.safetensors",
                    "sha256": SHA,
                    "made from": {"a": SHA},
                    "params": {},
                }
            ],
            "versions": {"torch": "2.13", "numpy": "2.3"},
            "commands": ["make demo", "snakemake --cores all"],
        }
        return Run(**whole | parts)

    return make
