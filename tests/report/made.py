"""What a run of the targets could leave behind: numbers in steps of one of the toy's 96 test videos, three seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tests.report.conftest import SHA, history, index, stream

from videossl.report.finished_run import Run

TESTS = 96
METRICS = {"retrieval": ("R@1", "R@5", "R@10", "R@20"), "linear": ("accuracy",), "finetune": ("accuracy",)}
CHANCE = {"R@1": 8.3, "R@5": 35.3, "R@10": 58.1, "R@20": 82.4, "accuracy": 100 / 12}


def params() -> dict[str, Any]:
    """The experiments of the paper's tables and figure at toy scale."""
    chosen = stream(queue=0, moco=50, cmmc=12)
    single, skeleton = {"method": "moco", "streams": ["rgb", "flow"]}, {"streams": ["joint", "motion"]}
    mixed = {
        "method": "cmmc",
        "from": "mixup",
        "streams": ["rgb", "flow"],
        "stages": 4,
        "axes": ["space", "time", "channel"],
        "layers": "same",
        "box": "batch",
    }
    return {
        "dataset": {"name": "toy", "root": "data/raw/toy", "split": 1, "options": {}},
        "transfer": [],
        "seeds": [0, 1, 2],
        "streams": {name: {"modality": name, **chosen} for name in ("rgb", "flow", "joint", "motion")},
        "experiments": {
            "moco": {**single, "mixing": "none"},
            **{name: {**single, "mixing": name} for name in ("mixup", "t-cutmix", "st-cutmix", "videomix")},
            "moco-long": {**single, "mixing": "none", "epochs": 74, "paper": "moco"},
            "mixup-long": {**single, "mixing": "mixup", "epochs": 74, "paper": "mixup"},
            "manifold-mixup": {**mixed, "mixing": "manifold-mixup"},
            "cm-mixup": {**mixed, "mixing": "cm-mixup"},
            **{f"cm-cutmix-{axes}": {**mixed, "mixing": "cm-cutmix"} for axes in ("s", "st", "stc")},
            "stc-mix": {**mixed, "mixing": "cm-cutmix", "layers": "random"},
            "moco-skeleton": {**single, **skeleton, "mixing": "none", "epochs": 60, "paper": "moco"},
            "cmmc-skeleton": {**mixed, **skeleton, "from": "moco-skeleton", "mixing": "cm-cutmix", "stages": 2, "paper": "stc-mix"},
            "crossclr": {"method": "crossclr", **skeleton, "from": "moco-skeleton", "neighbours": 1},
            "crossclr-cmmc": {"method": "crossclr", **skeleton, "from": "cmmc-skeleton", "neighbours": 1},
            "stc-mix-once": {**mixed, "mixing": "cm-cutmix", "layers": "random", "stages": 1, "epochs": 24},
        },
        "targets": {
            "table1": target("results", "moco mixup t-cutmix st-cutmix videomix", "rgb", "linear retrieval"),
            "table2": target(
                "results",
                "moco-long manifold-mixup cm-mixup cm-cutmix-s cm-cutmix-st cm-cutmix-stc stc-mix",
                "rgb flow rgb+flow",
                "linear retrieval",
            ),
            "table3": target("results", "stc-mix", "rgb flow rgb+flow", "linear finetune"),
            "table4": target("results", "stc-mix", "rgb flow rgb+flow", "retrieval"),
            "mine": target("results", "moco mixup", "rgb", "linear retrieval"),
            "table5": target("results", "moco-skeleton cmmc-skeleton crossclr crossclr-cmmc", "joint motion joint+motion", "linear"),
            "figure2": target("progress", "moco-long mixup-long stc-mix-once stc-mix", "rgb", "linear retrieval"),
            "figure3": target("training", "moco-long stc-mix", "rgb", ""),
        },
        "evaluate": {"tasks": {"retrieval": {}, "linear": {}, "finetune": {"crops": 2}}, "fused": [["rgb", "flow"], ["joint", "motion"]]},
    }


def target(show: str, experiments: str, streams: str, tasks: str) -> dict[str, Any]:
    """A target, its lists given as words."""
    return {"show": show, "experiments": experiments.split(), "streams": streams.split(), "tasks": tasks.split()}


def steps(percent: float) -> float:
    """The share nearest to `percent` that 96 videos can have."""
    return round(min(max(percent, 0.0), 100.0) * TESTS / 100) * 100 / TESTS


def result(experiment: str, seed: int, task: str, values: Mapping[str, float], dataset: str = "toy") -> dict[str, Any]:
    """A results file: the headline of each stream, what R@k is beyond it."""
    metrics = METRICS[task]
    return {
        "experiment": experiment,
        "seed": seed,
        "dataset": dataset,
        "task": task,
        "values": {stream: {metric: steps(value + 15 * i) for i, metric in enumerate(metrics)} for stream, value in values.items()},
        "chance": {metric: CHANCE[metric] for metric in metrics},
        "counts": {"train": 144, "test": TESTS, "classes": 12},
        "provenance": {"data": SHA, "code": SHA[::-1], "weights": {stream: SHA for stream in values if "+" not in stream}},
    }


def results(
    experiments: Sequence[str], streams: Sequence[str], tasks: Sequence[str], seeds: Sequence[int] = (0, 1, 2), dataset: str = "toy"
) -> list[dict[str, Any]]:
    """Made-up results of the experiments and the baselines, each a few points above the one before."""
    rng = np.random.default_rng(0)
    made = []
    for place, name in enumerate(["handmade", "untrained", *experiments]):
        for task in tasks:
            for seed in seeds:
                level = {"rgb": 24.0, "flow": 50.0, "rgb+flow": 56.0, "joint": 40.0, "motion": 45.0, "joint+motion": 52.0}
                values = {stream: level[stream] + 2.5 * place + float(rng.normal(0, 5)) for stream in streams}
                made.append(result(name, seed, task, {s: v for s, v in values.items() if name != "handmade" or "+" not in s}, dataset))
    return made


def progress(owner: str, seed: int, training: str, epochs: Sequence[int], linear: Sequence[float]) -> dict[str, Any]:
    """The numbers of the encoders kept along one training of RGB."""
    points = [
        {
            "epoch": epoch,
            "linear": {"accuracy": steps(value)},
            "retrieval": {metric: steps(value - 8 + 15 * i) for i, metric in enumerate(METRICS["retrieval"])},
        }
        for epoch, value in zip(epochs, linear, strict=True)
    ]
    chance = {"linear": {"accuracy": 100 / 12}, "retrieval": {metric: CHANCE[metric] for metric in METRICS["retrieval"]}}
    return {
        "experiment": owner,
        "seed": seed,
        "dataset": "toy",
        "task": "progress",
        "training": training,
        "streams": {"rgb": {"points": points, "chance": chance, "counts": {"train": 144, "test": TESTS, "classes": 12}}},
        "provenance": {"data": SHA, "code": SHA[::-1], "weights": {training: SHA}},
    }


TRAININGS = {
    ("mixup", "rgb"): 50,
    ("moco-long", "rgb"): 74,
    ("mixup-long", "rgb"): 74,
    ("stc-mix-once", "rgb-1"): 24,
    ("stc-mix", "rgb-1"): 12,
    ("stc-mix", "rgb-2"): 12,
}
"""The trainings of RGB behind figures 2 and 3, and their epochs."""


def measured(seeds: Sequence[int] = (0, 1, 2)) -> list[dict[str, Any]]:
    """Progress files of figure 2."""
    rng = np.random.default_rng(1)
    made = []
    for (owner, training), last in TRAININGS.items():
        every = 6 if training != "rgb" else 10
        epochs = sorted({*range(every, last, every), last})
        base = 20 if training == "rgb" else 38
        for seed in seeds:
            values = [base + 22 * (1 - np.exp(-epoch / 25)) + 6 * seed + float(rng.normal(0, 3)) for epoch in epochs]
            made.append(progress(owner, seed, training, epochs, values))
    return made


def trained(seeds: Sequence[int] = (0, 1, 2)) -> list[dict[str, Any]]:
    """Histories of figures 2 and 3: each training 0.1 higher in loss and a twentieth lower in accuracy than the one before."""
    made = [history(owner, seed, training, epochs) for (owner, training), epochs in TRAININGS.items() for seed in seeds]
    for place, one in enumerate(made):
        for row in one["epochs"]:
            row["loss"] += 0.1 * (place // len(seeds)) + 0.05 * one["seed"]
            row["accuracy"] *= 1 - 0.05 * (place // len(seeds)) - 0.02 * one["seed"]
    return made


def run(name: str, seeds: Sequence[int] = (0, 1, 2), **parts: Any) -> Run:
    """What the target `name` is given; keywords replace its parts."""
    chosen = params()["targets"][name]
    shown = chosen["experiments"] if chosen["show"] == "results" else []
    whole: dict[str, Any] = {
        "params": params(),
        "dataset": "toy",
        "index": index(),
        "results": results(shown, chosen["streams"], chosen["tasks"], seeds) if chosen["show"] != "training" else [],
        "progress": measured(seeds) if chosen["show"] == "progress" else [],
        "histories": trained(seeds) if chosen["show"] != "results" else [],
        "commands": [f"snakemake --cores all {name}"],
    }
    return Run(**whole | parts)
