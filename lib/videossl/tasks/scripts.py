"""The common ground of scripts that measure: arguments, streams, and the form of results. Without torch, which few of them need."""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videossl import registry, script
from videossl.files import sha256, write_json
from videossl.tasks import few
from videossl.tasks.base import CLASS, Scores, is_labelled
from videossl.tasks.features import Features, align, read
from videossl.train import provenance

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)


def encoder_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that measures an encoder."""
    result = cache_parser(description)
    result.add_argument("--weights", type=Path, nargs="*", help="none: the encoder at its initial weights")
    return result


def cache_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that reads videos: of any dataset, not only of that which the encoder was trained on."""
    result = _parser(description)
    result.add_argument("--index", type=Path, required=True)
    script.add_cache(result)
    return result


def score_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that turns features into numbers."""
    result = _parser(description)
    result.add_argument("--task", required=True)
    result.add_argument("--dataset", required=True)
    result.add_argument("--features", type=Path, nargs="+", required=True, help="one file a stream: .../{stream}/{dataset}.h5")
    return result


def _parser(description: str | None) -> argparse.ArgumentParser:
    result = script.parser(description)
    result.add_argument("--experiment", required=True)
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--out", type=Path, required=True)
    return result


def weights_of(args: argparse.Namespace, stream: str) -> dict[str, Path]:
    """The weights files by stream, for the provenance."""
    return {stream: args.weights[0]} if args.weights else {}


def streams(args: argparse.Namespace) -> dict[str, list[Features]]:
    """Features of the videos that the task is given, by what is measured: each stream, and each pair of evaluate.fused that is there, as `a+b`."""
    settings = args.params["evaluate"]["tasks"][args.task]
    alone = {path.parent.name: few.features(read(path), settings, args.seed) for path in args.features}
    pairs = [pair for pair in args.params["evaluate"]["fused"] if all(stream in alone for stream in pair)]
    return {name: [features] for name, features in alone.items()} | {
        "+".join(pair): align([alone[stream] for stream in pair]) for pair in pairs
    }


def counts(features: Features, label: str = CLASS) -> dict[str, int]:
    """Count the videos with a label of that kind, and the classes, that a number rests on."""
    result = {split: len(labelled(features, split, label)) for split in ("train", "test")}
    return result | ({"classes": len(features.classes)} if label == CLASS else {})


def labelled(features: Features, split: str, label: str) -> list[str]:
    """The ids of the videos of `split` with a label of that kind."""
    rows = zip(features.ids, features.split, features.labels, features.further_labels(), strict=True)
    return [video for video, side, name, further in rows if side == split and is_labelled(label, name, further)]


def hits(counted: Mapping[str, Mapping[str, np.ndarray]], groups: Mapping[str, Sequence[Features]], label: str) -> dict[str, Any]:
    """The test videos that metrics count, as a results file has them: `videos`, and by stream and metric a text with a sign for each.

    1: counted, 0: not, -: the stream does not have the video. counted: by stream and metric, (V_test,) bool. Nothing where it is empty.
    """
    tested = {name: labelled(groups[name][0], "test", label) for name in counted}
    videos = sorted({video for ids in tested.values() for video in ids})
    texts = {name: {metric: _signs(videos, tested[name], hit) for metric, hit in metrics.items()} for name, metrics in counted.items()}
    return {"hits": {"videos": videos, "streams": texts}} if texts else {}


def _signs(videos: Sequence[str], tested: Sequence[str], hit: np.ndarray) -> str:
    """A sign for each of `videos`; hit: of those that were tested."""
    signs = dict(zip(tested, ("1" if each else "0" for each in hit.tolist()), strict=True))
    return "".join(signs.get(video, "-") for video in videos)


def write_result(
    args: argparse.Namespace,
    scores: Mapping[str, Scores],
    chance: dict[str, float],
    groups: dict[str, list[Features]],
    remarks: Mapping[str, Sequence[str]],
) -> None:
    """Write a results file: the numbers, and the hashes of data, code, weights and features behind them.

    args: as `score_parser` reads them. scores: by stream. groups: as `streams` makes them. remarks: of the task on them; they are left out
    where there are none, as are `hits`. `data` is as in `combined`, and each stream's own is under `encoders`.
    """
    alone = {name: parts[0] for name, parts in groups.items() if "+" not in name}
    data = combined([features.provenance["data"] for features in alone.values()])
    things = registry.files("tasks", args.task)
    made_from = provenance.record("stages/score.py", args.params, args.seed, data, device="cpu", things=things)
    made_from["features"] = {path.parent.name: sha256(path) for path in args.features}
    made_from["encoders"] = {name: features.provenance for name, features in alone.items()}
    made_from["weights"] = {name: digest for name, features in alone.items() for digest in features.provenance["weights"].values()}
    result = {"experiment": args.experiment, "seed": args.seed, "dataset": args.dataset, "task": args.task}
    label = registry.declared("tasks", args.task)["label"]
    values = {name: each.numbers for name, each in scores.items()}
    numbers = {"values": values, "chance": chance, "counts": counts(next(iter(alone.values())), label)}
    marked = {name: list(said) for name, said in remarks.items() if said}
    for name, said in marked.items():
        log.warning("%s, seed %d, %s on %s: %s", args.experiment, args.seed, name, args.dataset, "; ".join(said))
    counted = hits({name: each.hits for name, each in scores.items() if each.hits}, groups, label)
    write_json(args.out, result | numbers | counted | ({"remarks": marked} if marked else {}) | {"provenance": made_from})


def combined(digests: Sequence[str]) -> str:
    """One digest of the data of several streams: theirs where it is the same, else the SHA-256 of the different ones.

    Those are sorted, in hex, one a line (as `printf '%s\\n' A B | sort | sha256sum` has it).
    """
    different = sorted(set(digests))
    return different[0] if len(different) == 1 else hashlib.sha256("".join(f"{digest}\n" for digest in different).encode()).hexdigest()
