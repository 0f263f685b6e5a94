"""What the scripts of the tasks share: arguments, streams, and how numbers are written. Without torch, which few of them need."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from videossl import script
from videossl.files import sha256, write_json
from videossl.tasks import metrics
from videossl.tasks.features import Features, align, read
from videossl.train import provenance


def encoder_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that measures an encoder."""
    result = cache_parser(description)
    result.add_argument("--weights", type=Path, nargs="*", help="none: the encoder at its initial weights")
    return result


def cache_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that reads videos: of any dataset, not only of that which the encoder was trained on."""
    result = _parser(description)
    result.add_argument("--index", type=Path, required=True)
    result.add_argument("--cache", type=Path, nargs="+", required=True, help="all shards of the modality")
    return result


def score_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that turns features into numbers."""
    result = _parser(description)
    result.add_argument("--dataset", required=True)
    result.add_argument("--features", type=Path, nargs="+", required=True, help="one file a modality: .../{modality}/{dataset}.h5")
    return result


def _parser(description: str | None) -> argparse.ArgumentParser:
    result = script.parser(description)
    result.add_argument("--experiment", required=True)
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--out", type=Path, required=True)
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


def counts(features: Features) -> dict[str, int]:
    """How many labelled videos and classes a number rests on."""
    return {"train": len(features.rows("train")), "test": len(features.rows("test")), "classes": len(features.classes)}


def write_result(
    args: argparse.Namespace,
    task: str,
    script: str,
    values: dict[str, dict[str, float]],
    chance: dict[str, float],
    groups: dict[str, list[Features]],
) -> None:
    """Write a results file: the numbers, and the hashes of data, code, weights and features behind them.

    `script` is relative to the repository; `data` is as in `combined`, and each modality's own is under `encoders`.
    """
    alone = {name: parts[0] for name, parts in groups.items() if "+" not in name}
    data = combined([one.provenance["data"] for one in alone.values()])
    made_from = provenance.record(script, args.params, args.seed, data, device="cpu")
    made_from["features"] = {path.parent.name: sha256(path) for path in args.features}
    made_from["encoders"] = {name: one.provenance for name, one in alone.items()}
    made_from["weights"] = {name: found for name, one in alone.items() for found in one.provenance["weights"].values()}
    result = {"experiment": args.experiment, "seed": args.seed, "dataset": args.dataset, "task": task}
    numbers = {"values": values, "chance": chance, "counts": counts(next(iter(alone.values())))}
    write_json(args.out, result | numbers | {"provenance": made_from})


def combined(digests: Sequence[str]) -> str:
    """One digest of the data of several modalities: theirs where it is the same, else the SHA-256 of the different ones.

    Those are sorted, in hex, one a line (as `printf '%s\\n' A B | sort | sha256sum` has it).
    """
    different = sorted(set(digests))
    return different[0] if len(different) == 1 else hashlib.sha256("".join(f"{one}\n" for one in different).encode()).hexdigest()
