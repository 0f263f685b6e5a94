"""How good an encoder is along its training: the tasks on the encoders that were kept of it (P figure 2)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.tasks import job, linear, metrics, retrieval
from videossl.tasks.clips import Clips
from videossl.tasks.encode import Augment, extract
from videossl.tasks.features import Features, columns
from videossl.train import weights

log = logging.getLogger(__name__)

Scores = dict[str, dict[str, float]]  # task -> metric -> percent


@dataclass(frozen=True)
class Tasks:
    """What to measure: names among `linear` and `retrieval`; probe: the arguments of `linear.train_probe`."""

    names: Sequence[str]
    probe: dict[str, Any]

    def scores(self, features: Features) -> Scores:
        """The same numbers as the scripts of the tasks give for `features`."""
        measured: Scores = {}
        if "linear" in self.names:
            probabilities = linear.train_probe(features, **self.probe)
            measured["linear"] = {"accuracy": metrics.accuracy(probabilities, features.targets("test"))}
        if "retrieval" in self.names:
            measured["retrieval"] = retrieval.retrieve(features)
        return measured

    def chance(self, features: Features) -> Scores:
        """What chance would give; of `features` only the labels and splits matter."""
        each = {"linear": job.chance_accuracy, "retrieval": retrieval.chance}
        return {name: chance(features) for name, chance in each.items() if name in self.names}


def kept(snapshots: Path) -> list[int]:
    """The epochs whose encoders a snapshots file holds, rising; its tensors are named "{epoch}.{name in the encoder}".

    A file that is damaged or holds none is an InputError.
    """
    try:
        with safe_open(snapshots, framework="pt") as file:
            names = list(file.keys())
            epochs = sorted({int(name.partition(".")[0]) for name in names})
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"cannot read the snapshots {snapshots}: {error}; delete the file and train again") from error
    if not epochs:
        raise InputError(
            f"{snapshots} holds no encoder: give the experiment that it is of `keep: 10` or so in params.yaml, then train again"
        )
    return epochs


def unmeasured(clips: Clips, dataset: str) -> Features:
    """Ids, labels and splits of the videos, with features still to come; InputError where they cannot be measured."""
    result = Features(**columns(clips.rows, np.zeros((len(clips.rows), 1, 1), np.float32)), name=dataset)
    result.check()
    return result


def measure(
    encoder: Encoder,
    snapshots: Path,
    augment: Augment,
    clips: Clips,
    labelled: Features,
    tasks: Tasks,
    batch: int,
    device: torch.device | str,
) -> Iterator[dict[str, Any]]:
    """One point an epoch kept, {"epoch": int, task: {metric: percent}}, each as soon as it is known.

    encoder: takes the kept weights one after the other, so it has the last ones in the end. labelled: `unmeasured` of
    the clips. batch: clips in one forward pass.
    """
    for epoch in kept(snapshots):
        encoder.load_state_dict(weights.load(snapshots, f"{epoch}."))
        found = extract(encoder, augment, clips, batch, device)["features"]
        yield {"epoch": epoch, **tasks.scores(replace(labelled, features=found))}


def shown(points: Iterator[dict[str, Any]], total: int, name: str) -> list[dict[str, Any]]:
    """All the points, with a bar in a terminal and a line of the log for each."""
    from tqdm import tqdm

    result = []
    with tqdm(points, total=total, desc=name, unit="epoch", leave=False, disable=not sys.stderr.isatty()) as bar:
        for point in bar:
            numbers = [f"{metric} {value:.1f} %" for key, found in point.items() if key != "epoch" for metric, value in found.items()]
            log.info("%s epoch %d: %s", name, point["epoch"], ", ".join(numbers))
            result.append(point)
    return result
