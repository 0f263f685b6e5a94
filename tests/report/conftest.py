"""A run as it could have been left behind, made of numbers drawn here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.made import row as made

from videossl import registry
from videossl.data.index import Row
from videossl.modalities.base import Picture, Strip, evenly
from videossl.report.finished_run import Run
from videossl.report.spaces import Confusion, Map

CLASSES = ("bow", "jump", "kick", "wave")
SHA = "0123456789abcdef" * 4


def row(id: str, label: str, split: str, status: str = "ok", reason: str = "") -> Row:
    return made(id, label, split, frames=24, steps=24, fps=12.0, width=64, height=48, status=status, reason=reason)


def index() -> list[Row]:
    rows = [row(f"{c}/{s}{i:02d}", c, s) for c in CLASSES for s in ("train", "test") for i in range(5)]
    short = [row(f"short/{i:03d}", "bow", "train", "dropped", f"short: {i} frames of 24") for i in range(60)]
    return [*rows, *short, row("broken/<b>x</b>", "bow", "test", "dropped", "unreadable: no frame decodes")]


def stream(queue: int, moco: int, cmmc: int, batch: int = 16, width: float = 0.25, clip: tuple[int, int] = (8, 64)) -> dict[str, Any]:
    """A stream of a run: clips of so many frames of so many pixels, and how many epochs each method takes."""
    train = {"temperature": 0.07, "momentum": 0.9, "queue": queue, "alpha": 1.0, "negatives": "all", "batch": batch}
    train |= {"optimiser": "adam", "lr": 0.003, "weight_decay": 0.0, "schedule": "cosine"}
    train |= {"moco": {"epochs": moco}, "cmmc": {"epochs": cmmc}, "crossclr": {"epochs": cmmc}}
    return {"width": width, "clip": {"frames": clip[0], "stride": 2, "size": clip[1]}, "train": train}


def params() -> dict[str, Any]:
    mixup = {"method": "moco", "streams": ["rgb", "flow"], "mixing": "mixup"}
    mixed = {"mixing": "cm-cutmix", "axes": ["space", "time", "channel"], "layers": "same", "box": "batch"}
    return {
        "dataset": {"name": "toy"},
        "streams": {name: {"modality": name, **stream(48, 6, 3)} for name in ("rgb", "flow")},
        "experiments": {
            "mixup": mixup,
            "stc-mix": {"method": "cmmc", "from": "mixup", "streams": ["rgb", "flow"], "stages": 4, **mixed},
        },
        "evaluate": {"tasks": {"retrieval": {}, "linear": {}}},
    }


def result(experiment: str, seed: int, task: str, **values: float) -> dict[str, Any]:
    """A results file; fused streams are given as rgb_flow."""
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
        "classes": {name.replace("_", "+"): {c: [i + (experiment == "stc-mix"), 5] for i, c in enumerate(CLASSES)} for name in values},
        "made by": f"snakemake --force data/results/{experiment}/{seed}/toy/{task}.json",
        "provenance": {
            "data": SHA,
            "code": SHA[::-1],
            "weights": {name: SHA for name in values if "_" not in name},
            "params": {"evaluate": {"clips": 4}},
            "versions": {"torch": "2.13"},
        },
    }


def history(experiment: str, seed: int, training: str, epochs: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "epoch": i + 1,
            "loss": math.log(64) * math.exp(-i / 9) + float(rng.normal(0, 0.05)),
            "accuracy": 60 * (1 - math.exp(-i / 5)) + 2,
            "lr": 0.003,
            "clips": 400,
            "spread": 0.5 + i / 100,
        }
        for i in range(epochs)
    ]
    return {"experiment": experiment, "seed": seed, "training": training, "epochs": rows}


def histories(seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    made = []
    for seed in seeds:
        for name in ("rgb", "flow"):
            made += [
                history("mixup", seed, name, 6),
                history("stc-mix", seed, f"{name}-1", 3),
                history("stc-mix", seed, f"{name}-2", 3),
            ]
    return made


def sample(id: str, label: str) -> dict[str, Any]:
    """A video in frames, in flow and as drawn lines."""
    shown = evenly(12, 6)
    shades = [np.full((64, 64, 3), 20 * i, np.uint8) for i in shown]
    lines = '<svg class="skeleton" viewBox="0 0 100 100" role="img" aria-label="skeleton"><line class="left" x1="0" y1="0" x2="9" y2="9"/></svg>'
    strips = [
        Strip("frames", [Picture("png", shade, f"frame {i}") for i, shade in zip(shown, shades, strict=True)]),
        Strip(
            "flow, rim 3.0 pixels a frame",
            [Picture("png", shade[::-1], f"flow at frame {i}") for i, shade in zip(shown, shades, strict=True)],
        ),
        Strip("skeleton", [Picture("svg", lines, f"skeleton, frame {i}") for i in shown]),
    ]
    return {"id": id, "label": label, "shown": shown, "strips": strips}


def films() -> dict[str, list[Any]]:
    """Eight frames of each video of `gallery`, and a skeleton's."""
    shown = ["wave/test01", *(f"{c}/train0{i}" for i, c in enumerate(CLASSES))]
    made: dict[str, list[Any]] = {id: [np.full((48, 64, 3), 9 * i + 20 * n, np.uint8) for n in range(8)] for i, id in enumerate(shown)}
    return made | {"bow/<b>": ['<svg class="skeleton" viewBox="0 0 100 100"></svg>'] * 3}


def mapped(experiment: str, stream: str) -> Map:
    tiles = [{"id": f"{c}/{s}0{i}", "label": c, "split": s} for c in CLASSES for s in ("train", "test") for i in range(5)]
    return Map(experiment, stream, tiles, np.random.default_rng(0).random((len(tiles), 2)))


def paired(experiment: str, stream: str) -> dict[str, Any]:
    videos = [{"id": "wave/test01", "label": "wave", "split": "test"}, {"id": "wave/train03", "label": "wave", "split": "train"}]
    return {"experiment": experiment, "stream": stream, "pairs": [{"videos": videos, "similarity": 0.99, "correct": True}]}


def confusion(experiment: str, stream: str) -> Confusion:
    counts = np.diag([5, 4, 3, 5])
    counts[1, 2], counts[2, 3] = 1, 2
    return Confusion(experiment, stream, list(CLASSES), counts)


def gallery(experiment: str, stream: str) -> dict[str, Any]:
    near = [{"id": f"{c}/train0{i}", "label": c, "similarity": 0.9 - i / 10} for i, c in enumerate(CLASSES)]
    return {
        "experiment": experiment,
        "stream": stream,
        "query": {"id": "wave/test01", "label": "wave"},
        "neighbours": [one | {"correct": one["label"] == "wave"} for one in near],
    }


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a made-up task: of its two metrics `error` is better lower, and a share, and `distance` is in pixels."""
    metrics = {
        "error": {"unit": "%", "higher": False, "error": "share"},
        "distance": {"unit": "pixels", "higher": False, "error": "spread"},
    }
    said = {"title": "Errors made", "order": 4, "headline": "error", "metrics": metrics, "given": "features", "settings": {}}
    known, declared = registry.names, registry.declared

    def names(kind: str) -> tuple[str, ...]:
        return (*known(kind), "errors") if kind == "tasks" else known(kind)

    def of(kind: str, name: str) -> dict[str, Any]:
        return said if (kind, name) == ("tasks", "errors") else declared(kind, name)

    monkeypatch.setattr(registry, "names", names)
    monkeypatch.setattr(registry, "declared", of)
    return "errors"


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
            "legends": [Strip("What the <b>colours</b> mean.", [Picture("png", np.zeros((8, 8, 4), np.uint8), "wheel")])],
            "samples": [sample("wave/train00", "wave"), sample("kick/train03", "kick")],
            "gallery": [gallery("stc-mix", "rgb+flow"), gallery("untrained", "rgb+flow")],
            "pairs": [paired("stc-mix", "rgb+flow")],
            "maps": [mapped("stc-mix", "rgb+flow")],
            "confusions": [confusion("stc-mix", "rgb+flow")],
            "spreads": [{"experiment": "stc-mix", "stream": "rgb", "videos": 40, "spread": 0.5, "rank": 7.25}],
            "films": films(),
            "stills": {
                f"{c}/{s}0{i}": np.full((48, 64, 3), 50 * i, np.uint8) for c in CLASSES for s in ("train", "test") for i in range(5)
            },
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
