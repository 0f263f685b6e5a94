"""An estimate of a run on this machine: jobs, epochs, clips, bytes, hours. Nothing of it is started; some pieces of work are, and timed."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from videossl.cost import advice, pending_jobs, table, trial_videos, video_counts
from videossl.cost.measure import Bench
from videossl.cost.work import Works
from videossl.params import load, run_plan


def estimate(folder: Path, what: str, targets: Sequence[str], temporary: Path, quick: bool) -> tuple[str, dict[str, Any]]:
    """The page on what is still to do in the run of `folder`, and the same as data.

    what: the run's name for people. temporary: an empty folder. quick: measure for as short as possible. Progress is said on stderr.
    """
    logging.getLogger("videossl").setLevel(logging.WARNING)
    params = load.load(folder / "params.yaml")
    counted = {name: video_counts.take(folder, dataset) for name, dataset in run_plan.datasets(params).items()}
    counts = {name: census.counts for name, census in counted.items()}
    jobs = pending_jobs.pending(folder, targets, params)
    made = {name: trial_videos.render(params, name, counts[name].frames, temporary / name) for name in counts if run_plan.is_rendered(name)}
    main = params["dataset"]["name"]
    videos = counted[main].examples or (made[main].videos[: video_counts.EXAMPLES] if main in made else ())
    trial = trial_videos.take(temporary / "trial", params, counts[main], videos)
    works = Works(
        params, counts, trial_videos.jpeg_bytes(trial.pictures, params), {name: rendered.bytes for name, rendered in made.items()}
    )
    todo = [(job, works.of(job)) for job in jobs]
    bench = Bench(works, trial, {name: rendered.seconds for name, rendered in made.items()}, temporary, quick)
    rates = bench.rates((kind for _, work in todo for kind in work.needs), _say)
    costs = table.costs(todo, rates)
    free = shutil.disk_usage(Path(what) if Path(what).is_dir() else Path()).free
    page = _page(f"{what}: {' '.join(targets) or 'all'}", counted, works, costs, free, bool(videos))
    warnings = [f"warning: {line}" for line in advice.few_steps(works, jobs)]
    measured = ["", "Measured here, seconds of one piece of work:", *table.rate_lines(rates)]
    about = {"what": what, "targets": [*targets], "device": _device(), "free": free}
    datasets = {name: {**vars(census.counts), "from": census.origin} for name, census in counted.items()}
    return "\n".join([page, *warnings, *measured]), table.record(costs, rates, **about, datasets=datasets, jpeg=works.jpeg)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _device() -> str:
    cpu = f"{os.cpu_count()} cores ({platform.machine()})"
    return f"{torch.cuda.get_device_name(0)}, {cpu}" if torch.cuda.is_available() else f"{cpu}, no GPU"


def _page(title: str, counted: Mapping[str, video_counts.Census], works: Works, costs: table.Costs, free: int, real: bool) -> str:
    """The lines above the measurements; real: pictures were of the dataset's own videos."""
    total = costs["total"]
    lines = [f"{title}, still to do, on {_device()}", "", table.text(costs), ""]
    lines.append(
        f"All hours are estimates: {table.span(total['hours'])} with one job after another; the longest job takes {table.span(total['longest'])}."
    )
    cores, threads = os.cpu_count() or 1, works.params["threads"]
    alone, at_once = (
        "On one GPU trainings do not gain from running at once.",
        f"With N at once divide by N, here {max(1, cores // threads)} at best.",
    )
    lines += [
        f"{alone if torch.cuda.is_available() else at_once} Extraction runs on one core a job, so there divide by the cores, {cores}.",
        *(_dataset(name, census, works.steps(name)) for name, census in counted.items()),
        *_jpeg(works, real),
        "Assumed: a step takes as long at every batch size, the disk is as fast as memory, a linear probe takes 500 iterations, or as many as it may.",
        "Not counted: the net, checkpoints, logs, the page and Snakemake itself.",
    ]
    lines += table.disk(total["bytes"], free, works.params["cache"]["codec"])
    return "\n".join(lines)


def _dataset(name: str, census: video_counts.Census, steps: float) -> str:
    counts = census.counts
    frames = f"{counts.frames:.0f} frames" + (f" ({steps:.0f} once resampled)" if round(steps) != round(counts.frames) else "")
    size = f"{counts.width:.0f} x {counts.height:.0f}"
    return f"{name}: {counts.train:,} training and {counts.test:,} test videos of {frames}, {size}: {census.origin}."


def _jpeg(works: Works, real: bool) -> Sequence[str]:
    """The ground of the estimate of JPEG's bytes."""
    shares = " and ".join(f"{share:.2g} of {cached}" for cached, share in works.jpeg.items())
    of = f"frames of {works.main}" if real else "made-up pictures; real ones were found to take 0.7 to 1.4 times that"
    return [f"jpeg of quality {works.params['cache']['quality']}: {shares}, bytes a pixel, measured on {of}."] if shares else []
