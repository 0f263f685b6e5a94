"""A share of the training videos: what the trainings of an experiment with `videos` read (docs/learning.md).

The share is drawn from the seed of the run and the ids alone; no label is looked at. So all trainings of a seed, by any method and on both
engines, read the same videos, a smaller share is a part of a larger one, and the order of the index has no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from videossl import seeding
from videossl.data import index
from videossl.data.index import Row
from videossl.errors import InputError


def size(videos: int, share: float) -> int:
    """The number of videos that are read, of so many: the share rounded up, so at least one where there is one."""
    exact = round(share * videos, 6)  # 0.07 of 100 are 7, however floats are multiplied
    return min(videos, max(1, math.ceil(exact)))


def taken(training: Sequence[Row], share: float, seed: int) -> list[Row]:
    """The training videos that are read, in their order. seed: of the run."""
    if share == 1:
        return list(training)
    ranked = sorted(training, key=lambda row: (seeding.derive(seed, row.id, "videos"), row.id))
    used = {row.id for row in ranked[: size(len(training), share)]}
    return [row for row in training if row.id in used]


def check_batch(key: str, share: float, videos: int, place: str, batch: int) -> None:
    """Raise InputError where a share leaves fewer videos than a batch. key: of the share in params; place: of the batch."""
    if batch > videos:
        raise InputError(
            f"{key} is {share:g}, which leaves {videos:,} videos to train on, and {place} is {batch};"
            f" raise {key}, lower {key.removesuffix('.videos')}.batch, or add videos"
        )


def check_classes(key: str, share: float, seed: int, used: Sequence[Row], training: Sequence[Row]) -> None:
    """Raise InputError where a method that learns from labels is left without a video of some class. used: what is left of `training`."""
    lost = sorted(set(index.classes(training)) - set(index.classes(used)))
    if lost:
        named = ", ".join(lost[:3]) + (f" and {len(lost) - 3:,} more" if len(lost) > 3 else "")
        raise InputError(
            f"{key} is {share:g}, which with seed {seed} leaves no video of {named} to learn from; raise it, or leave out that seed"
        )
