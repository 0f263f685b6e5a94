"""Advice on few videos, before anything starts (docs/learning.md)."""

from __future__ import annotations

from collections.abc import Iterable

from videossl.cost.pending_jobs import Job
from videossl.cost.work import Works
from videossl.params import recipes, run_plan, slices
from videossl.params.fit import STEPS
from videossl.train import assemble


def few_steps(works: Works, jobs: Iterable[Job]) -> list[str]:
    """Name each training from initial weights that is shorter than STEPS, a line each, and the epochs that make as many.

    Nothing for a set that is rendered: its regime was measured (docs/learning.md). Nothing where the videos are fewer than a batch:
    `measurable` refuses that.
    """
    if run_plan.is_rendered(works.main):
        return []
    lines = []
    for job in (job for job in jobs if job.family == "train"):
        training = recipes.training(works.params, job.wildcards["experiment"], job.wildcards["training"])
        if not recipes.epochs(works.params, training):
            continue
        part = slices.training(works.params, training)
        loop = assemble.loop(part)
        each = -(-(works.training_videos(part) // loop.batch) // loop.accumulate)
        if recipes.starts(works.params, training) or not 0 < each * loop.epochs < STEPS:
            continue
        lines.append(
            f"{training.experiment}, {training.name}: {loop.epochs} epochs of {each} steps are {each * loop.epochs}, and from initial weights "
            f"real clips took {STEPS:,}: give it {-(-STEPS // each):,} epochs (docs/learning.md)"
        )
    return list(dict.fromkeys(lines))  # seeds say the same
