"""The quality of an encoder along its training: the tasks on the encoders that were kept of it (P figure 2)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from videossl import registry
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.files import reading
from videossl.tasks import base, few
from videossl.tasks.batches import Clips
from videossl.tasks.encode import extract
from videossl.tasks.features import Features, columns
from videossl.train import weights
from videossl.train.assemble import Augment

log = logging.getLogger(__name__)

Scores = dict[str, dict[str, float]]  # task -> metric -> number


@dataclass(frozen=True)
class Tasks:
    """The tasks to measure: those that are given features, with their settings. seed: of the run."""

    settings: Mapping[str, Mapping[str, Any]]
    seed: int

    def check(self, features: Features) -> None:
        """Raise InputError where the classes do not allow a task that needs them; of `features` only the labels and splits matter."""
        if any(registry.declared("tasks", name)["label"] == base.CLASS for name in self.settings):
            features.check()

    def scores(self, features: Features) -> Scores:
        """The same numbers as `stages/score.py` gives for `features`."""
        return {
            name: self._score(base.load(name), few.features(features, settings, self.seed), settings)
            for name, settings in self.settings.items()
        }

    def chance(self, features: Features) -> Scores:
        """The numbers that chance would give; of `features` only the labels and splits matter."""
        return {name: base.load(name).chance(few.features(features, settings, self.seed)) for name, settings in self.settings.items()}

    @staticmethod
    def _score(task: base.Task, features: Features, settings: Mapping[str, Any]) -> dict[str, float]:
        predictions = [task.predict(features, settings)]
        for said in base.remarks(task, predictions):
            log.warning("%s", said)
        return base.scores(task, predictions, features).numbers


def kept(snapshots: Path) -> list[int]:
    """The epochs whose encoders a snapshots file holds, in rising order; its tensors are named "{epoch}.{stream}/{name in the encoder}".

    A file that is damaged or holds none raises InputError.
    """
    broken = lambda error: InputError(f"cannot read the snapshots {snapshots}: {error}; delete the file and train again")  # noqa: E731
    with reading(snapshots, broken), safe_open(snapshots, framework="pt") as file:
        names = list(file.keys())
        epochs = sorted({int(name.partition(".")[0]) for name in names})
    if not epochs:
        raise InputError(f"{snapshots} holds no encoder: give its experiment `keep: 10` or so in params.yaml, then train again")
    return epochs


def unmeasured(clips: Clips, dataset: str) -> Features:
    """Ids, labels and splits of the videos, with features still to come."""
    return Features(**columns(clips.rows, np.zeros((len(clips.rows), 1, 1), np.float32)), name=dataset)


def measure(
    encoder: Encoder,
    snapshots: Path,
    stream: str,
    augment: Augment,
    clips: Clips,
    labelled: Features,
    tasks: Tasks,
    batch: int,
    device: torch.device | str,
) -> Iterator[dict[str, Any]]:
    """One point an epoch kept, {"epoch": int, task: {metric: number}}, each as soon as it is known.

    encoder: takes the kept weights of `stream` one after the other, so it has the last ones in the end. labelled: `unmeasured` of
    the clips; InputError, before an encoder runs, where they cannot be measured. batch: clips in one forward pass.
    """
    tasks.check(labelled)
    for epoch in kept(snapshots):
        encoder.load_state_dict(weights.load(snapshots, f"{epoch}.{stream}/"))
        features = extract(encoder, augment, clips, batch, device)["features"]
        yield {"epoch": epoch, **tasks.scores(replace(labelled, features=features))}


def shown(points: Iterator[dict[str, Any]], total: int, name: str) -> list[dict[str, Any]]:
    """All the points, with a bar in a terminal and a line of the log for each."""
    from tqdm import tqdm

    result = []
    with tqdm(points, total=total, desc=name, unit="epoch", leave=False, disable=not sys.stderr.isatty()) as bar:
        for point in bar:
            log.info("%s epoch %d: %s", name, point["epoch"], ", ".join(_said(point)))
            result.append(point)
    return result


def _said(point: Mapping[str, Any]) -> list[str]:
    """The numbers of a point with their units: "accuracy 43.8 %"."""
    units = {task: registry.declared("tasks", task)["metrics"] for task in point if task != "epoch"}
    return [
        f"{metric} {point[task][metric]:.1f} {declared['unit']}".strip()
        for task, metrics in units.items()
        for metric, declared in metrics.items()
    ]
