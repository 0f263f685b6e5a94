"""Epochs for a number of videos: few videos make few steps an epoch, and steps decide what is learned (docs/learning.md)."""

from __future__ import annotations

from videossl import registry
from videossl.params import schema
from videossl.params.recipes import Params

STEPS = 1000
"""Steps from initial weights: on 60 real clips flow had learned little after 360, and was far ahead of its untrained encoder after 1,000."""
STEPS_ON = 240
"""Steps of a training that goes on from another's weights, each time."""
STEPS_LABELLED = 150
"""Steps of a task that trains."""


def least_steps(tag: str) -> int:
    """The least steps of the trainings that a stream's `train` has settings for under the name `tag`: a method, or a task that trains."""
    if tag not in registry.names("methods"):
        return STEPS_LABELLED
    return STEPS_ON if registry.declared("methods", tag)["from"] == "required" else STEPS


def epochs(params: Params, videos: int) -> dict[str, int]:
    """Tag -> the epochs that its trainings need with so many training videos: those of `params`, or as many as make the least steps."""
    needed: dict[str, int] = {}
    for stream in params["streams"].values():
        train = stream["train"]
        for tag in (tag for tag in train if tag in schema.tags() and "epochs" in train[tag]):
            own = train | train[tag]
            each = max(1, videos // own["batch"])  # the last one, if it is not whole, is left out
            needed[tag] = max(needed.get(tag, 0), own["epochs"], -(-least_steps(tag) // each))
    return needed
