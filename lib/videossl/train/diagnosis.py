"""Faults of a contrastive training that its curve shows, and what to try (docs/learning.md).

A row of a curve is an epoch: its measures as `losses.looked_at` has them, accuracy in percent, of one stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, float]

START = ", start"
"""Ends the name of what a measure was in the first step."""

SPREAD = 0.3
"""Embeddings that are spread less than this after training hardly tell videos apart; trainings that learned had 0.4 and more."""
GUESSING = 2.0
"""An accuracy below so many times that of guessing is no learning."""
RANK = 0.1
"""An effective rank below this share of what the batch allows is a few directions alone."""
FALL = 0.7
"""An accuracy that ends below this share of its best epochs has fallen."""
ALIKE = 0.5
"""Negatives whose mean cosine is above this in the first step are alike before anything is learned."""


def at_start(key: str) -> str:
    """The name of a measure, as "spread" or "spread/joint", for what it was in the first step: "spread, start/joint"."""
    measure, slash, stream = key.partition("/")
    return f"{measure}{START}{slash}{stream}"


def candidates(declared: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """The number of keys that a view is compared with; 0 where the method does not name the settings that add up to it.

    declared: the YAML of the method; settings: of a stream, by it. Where negatives are the queue's alone, the batch has none but the own key.
    """
    alone = settings.get("negatives") == "queue"
    return sum(1 if alone and key == "batch" else settings[key] for key in declared.get("candidates", []))


def of_stream(epochs: Sequence[Row], stream: str) -> list[dict[str, float]]:
    """The curve of one stream: of all that a training of several measures of each, as "loss/joint", its own, as "loss"."""
    own = f"/{stream}"
    return [
        {key: value for key, value in row.items() if "/" not in key}
        | {key.removesuffix(own): value for key, value in row.items() if key.endswith(own)}
        for row in epochs
    ]


def said(rows: Sequence[Row], declared: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Say what is wrong, a sentence each; nothing where the curve looks well, or has none of the measures.

    declared, settings: as of `candidates`; settings has at least the batch and the lr, and ways out name the values of what it has.
    """
    if not rows:
        return []
    batch, keys, more = settings["batch"], candidates(declared, settings), _remedies(settings)
    guessing = 100 / keys if keys else 0.0
    end = {key: _mean(rows, key, slice(-max(1, len(rows) // 10), None)) for key in ("spread", "accuracy", "rank")}
    found = []
    if (spread := end["spread"]) is not None and spread < SPREAD:
        found.append(
            f"The embeddings did not spread: {spread:.2f} at the end, where {SPREAD} is little and 0.5 usual. Try {more}, a lower lr (it is {settings['lr']:g}){_mixing(settings)}."
        )
    elif (rank := end["rank"]) is not None and rank < RANK * batch:
        found.append(
            f"The embeddings lie in few directions: an effective rank of {rank:.1f} in batches of {batch}. Try {_higher_temperature(settings)}{more}."
        )
    if (accuracy := end["accuracy"]) is not None and accuracy < GUESSING * guessing:
        found.append(
            f"A clip's own key is found hardly more often than by guessing: {accuracy:.1f} %, guessing {guessing:.1f} %. Try {more}{_mixing(settings)}."
        )
    elif accuracy is not None and accuracy < FALL * (best := _best(rows)):
        found.append(
            f"Accuracy fell from {best:.0f} % to {accuracy:.0f} %: what was learned was lost. Try a lower lr (it is {settings['lr']:g}), {_queue(settings)}less mixing."
        )
    if (alike := rows[0].get(at_start("negative"))) is not None and alike > ALIKE and found:
        found.append(
            f"In the first step negatives were alike already, with a mean cosine of {alike:.2f}: what this training started from was not spread."
        )
    return found


def _remedies(settings: Mapping[str, Any]) -> str:
    """The ways to more spread that a method has, by its settings."""
    batch = settings["batch"]
    if "queue" in settings:
        first = f"more negatives (the batch is {batch}, the queue {settings['queue']})"
    elif "temperature" in settings:
        first = f"more negatives (the batch is {batch})"
    else:  # of a method without negatives
        first = f"a momentum nearer to 1 (it is {settings['momentum']:g})" if "momentum" in settings else f"a larger batch (it is {batch})"
    return f"{first}, `norm: batch` in the head, milder augmentation, more epochs"


def _mixing(settings: Mapping[str, Any]) -> str:
    mixes = settings.get("mixing", "none") != "none"
    return f", no mixing at first or a smaller alpha (it is {settings['alpha']:g})" if mixes and "alpha" in settings else ""


def _higher_temperature(settings: Mapping[str, Any]) -> str:
    return f"a higher temperature (it is {settings['temperature']:g}), " if "temperature" in settings else ""


def _queue(settings: Mapping[str, Any]) -> str:
    return f"a queue that is small beside the videos (it is {settings['queue']}), " if settings.get("queue") else ""


def _mean(rows: Sequence[Row], key: str, part: slice) -> float | None:
    values = [row[key] for row in rows[part] if key in row]
    return sum(values) / len(values) if values else None


def _best(rows: Sequence[Row]) -> float:
    """The best mean of a tenth of the epochs, at least three."""
    width = max(3, len(rows) // 10)
    means = (_mean(rows, "accuracy", slice(first, first + width)) for first in range(max(1, len(rows) - width + 1)))
    return max((mean for mean in means if mean is not None), default=0.0)
