"""Few labels: the training videos that a task with the setting `share` is given (docs/methods/tasks.md).

The share is drawn class by class, from the seed of the run and the ids alone. So all encoders of a seed, on both engines, get the same videos,
a smaller share is a part of a larger one, and the order of the index has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from videossl import seeding

if TYPE_CHECKING:
    from videossl.data.index import Row
    from videossl.tasks.features import Features


def size(videos: int, share: float) -> int:
    """The number of videos of a class with so many to train on: the share rounded, at least one where there is one."""
    return min(videos, max(1, round(share * videos)))


def chosen(labels: Mapping[str, str], share: float, seed: int) -> set[str]:
    """The ids of the training videos that are used, of `labels`: id -> class. seed: of the run."""
    classes: dict[str, list[str]] = {}
    for id in sorted(labels, key=lambda id: (seeding.derive(seed, id, "few labels"), id)):
        classes.setdefault(labels[id], []).append(id)
    return {id for ids in classes.values() for id in ids[: size(len(ids), share)]}


def share_of(settings: Mapping[str, Any]) -> float:
    """The share of the labels that a task with these settings is given; 1 where it has no such setting."""
    return float(settings.get("share", 1))


def rows(training: Sequence[Row], settings: Mapping[str, Any], seed: int) -> list[Row]:
    """The training videos that a task with these settings is given, in their order. seed: of the run."""
    used = chosen({row.id: row.label for row in training}, share_of(settings), seed)
    return [row for row in training if row.id in used]


def features(given: Features, settings: Mapping[str, Any], seed: int) -> Features:
    """All test videos, and the training videos that a task with these settings is given, in their order. seed: of the run."""
    if share_of(settings) == 1:
        return given
    training = [i for i, split in enumerate(given.split) if split == "train"]
    used = chosen({given.ids[i]: given.labels[i] for i in training}, share_of(settings), seed)
    return given.select([i for i, id in enumerate(given.ids) if given.split[i] != "train" or id in used])


def expected(videos: int, classes: int, share: float) -> int:
    """The number of training videos that are used, as far as counts alone say it: for estimates."""
    return min(videos, max(classes, round(share * videos)))
