"""Advice on few videos, before anything starts (docs/learning.md)."""

from __future__ import annotations

from collections.abc import Iterable

from videossl.cost.pending_jobs import Job
from videossl.cost.work import Works
from videossl.params import recipes, run_plan, slices
from videossl.train import assemble

STEPS = 1000
"""Steps from initial weights: on 60 real clips flow had learned little after 360, and was far ahead of its untrained encoder after 1,200."""


def few_steps(works: Works, jobs: Iterable[Job]) -> list[str]:
    """A line for each training that begins from initial weights and ends before it can have learned, with the epochs to set.

    Nothing for a set that is rendered: its regime was measured (docs/learning.md).
    """
    if run_plan.is_rendered(works.main):
        return []
    videos, found = works.counts[works.main].train, {}
    for job in (job for job in jobs if job.family == "train"):
        params, experiment = works.params, job.wildcards["experiment"]
        training = recipes.training(params, experiment, job.wildcards["training"])
        loop = assemble.loop(slices.training(params, training))
        each = videos // loop.batch
        if (
            each
            and each * loop.epochs < STEPS
            and not recipes.starts(params, training)
            and "candidates" in recipes.method(params, experiment)
        ):
            found[experiment, training.name] = (
                f"{experiment}, {training.name}: {each * loop.epochs} steps ({loop.epochs} epochs of {each}). From initial weights few videos "
                f"took {STEPS:,} to be learned from: set its epochs to {-(-STEPS // each):,} (docs/learning.md)."
            )
    return list(found.values())
