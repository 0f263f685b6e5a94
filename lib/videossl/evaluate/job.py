"""What the scripts of the tasks share: arguments, the encoder that is measured, and how numbers are written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from videossl import script
from videossl.evaluate import metrics
from videossl.evaluate.features import Features, align, read
from videossl.files import sha256, write_json
from videossl.models.encoder import Encoder
from videossl.train import modality as modalities
from videossl.train import provenance, weights

BATCH = 16
"""Clips in one forward pass: it does not change what is measured, only memory and speed."""


def encoder_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that measures an encoder."""
    result = script.parser(description)
    result.add_argument("--experiment", required=True)
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--index", type=Path, required=True)
    result.add_argument("--cache", type=Path, nargs="+", required=True, help="all shards of the modality")
    result.add_argument("--weights", type=Path, nargs="*", help="none: the encoder at its initial weights")
    result.add_argument("--out", type=Path, required=True)
    return result


def score_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that turns features into numbers."""
    result = script.parser(description)
    result.add_argument("--experiment", required=True)
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--dataset", required=True)
    result.add_argument("--features", type=Path, nargs="+", required=True, help="one file a modality: .../{modality}/{dataset}.h5")
    result.add_argument("--out", type=Path, required=True)
    return result


def encoder(args: argparse.Namespace, modality: str, settings: dict[str, Any]) -> Encoder:
    """The encoder that is measured: trained, or at the initial weights that the training of this seed began from."""
    result = modalities.encoder(modality, settings, args.seed)
    for path in args.weights or []:
        result.load_state_dict(weights.load(path, "encoder."))
    return result


def weights_of(args: argparse.Namespace, modality: str) -> dict[str, Path]:
    """The weights files by modality, for the provenance."""
    return {modality: args.weights[0]} if args.weights else {}


def streams(args: argparse.Namespace) -> dict[str, list[Features]]:
    """Features by what is measured: each modality alone, and each pair of evaluate.fused that is there, as `a+b`."""
    alone = {path.parent.name: read(path) for path in args.features}
    pairs = [pair for pair in args.params["evaluate"]["fused"] if all(modality in alone for modality in pair)]
    return {name: [one] for name, one in alone.items()} | {"+".join(pair): align([alone[modality] for modality in pair]) for pair in pairs}


def probability_scores(groups: dict[str, list[Features]], probabilities: Callable[[Features], Any]) -> dict[str, dict[str, float]]:
    """Accuracy of each stream, softmax averaged over its modalities (spec, Two-stream)."""
    return {
        name: {"accuracy": metrics.accuracy(metrics.fuse([probabilities(one) for one in parts]), parts[0].targets("test"))}
        for name, parts in groups.items()
    }


def chance_accuracy(features: Features) -> dict[str, float]:
    """What answering the most frequent training class gives."""
    return {"accuracy": metrics.chance_accuracy(features.targets("train"), features.targets("test"))}


def write_result(
    args: argparse.Namespace, task: str, values: dict[str, dict[str, float]], chance: dict[str, float], groups: dict[str, list[Features]]
) -> None:
    """Write a results file: the numbers, and the hashes of data, code, weights and features behind them."""
    parts: Sequence[Features] = [group[0] for name, group in groups.items() if "+" not in name]
    first = parts[0]
    names = [name for name in groups if "+" not in name]
    made_from = provenance.record(f"stages/{Path(task).name}.py", args.params, args.seed, first.provenance.get("data", ""))
    made_from["features"] = {path.parent.name: sha256(path) for path in args.features}
    made_from["encoders"] = {name: part.provenance for name, part in zip(names, parts, strict=True)}
    made_from["weights"] = {name: found for name, part in zip(names, parts, strict=True) for found in part.provenance["weights"].values()}
    counts = {"train": len(first.rows("train")), "test": len(first.rows("test")), "classes": len(first.classes)}
    result = {"experiment": args.experiment, "seed": args.seed, "dataset": args.dataset, "task": task.removesuffix("_scores")}
    write_json(args.out, result | {"values": values, "chance": chance, "counts": counts, "provenance": made_from})
