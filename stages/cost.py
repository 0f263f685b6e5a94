"""cost: what a preset, or what is left of a run, takes on this machine: jobs, epochs, clips, bytes, hours; nothing is started.

in:  presets/{name}.yaml, or a run's folder with its params.yaml
out: a table on stdout (--json FILE: the same as data); about a minute of measuring, with its progress on stderr
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import yaml

from videossl import registry, script
from videossl.cost import advice, pending_jobs, table, trial_videos, video_counts
from videossl.cost.measure import Bench
from videossl.cost.work import Works
from videossl.data import listing
from videossl.errors import InputError
from videossl.files import atomic, write_json
from videossl.params import load, run_plan


def main() -> None:
    args = _arguments()
    logging.getLogger("videossl").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="cost-") as place:
        temporary = Path(place)
        folder = _folder(args, temporary)
        params = load.load(folder / "params.yaml")
        counted = {name: video_counts.take(folder, dataset) for name, dataset in run_plan.datasets(params).items()}
        counts = {name: census.counts for name, census in counted.items()}
        jobs = pending_jobs.pending(folder, args.targets.split(), params)
        made = {
            name: trial_videos.render(params, name, counts[name].frames, temporary / name) for name in counts if run_plan.is_rendered(name)
        }
        main = params["dataset"]["name"]
        videos = counted[main].examples or (made[main].videos[: video_counts.EXAMPLES] if main in made else ())
        trial = trial_videos.take(temporary / "trial", params, counts[main], videos)
        works = Works(
            params, counts, trial_videos.jpeg_bytes(trial.pictures, params), {name: rendered.bytes for name, rendered in made.items()}
        )
        todo = [(job, works.of(job)) for job in jobs]
        bench = Bench(works, trial, {name: rendered.seconds for name, rendered in made.items()}, temporary, args.quick)
        rates = bench.rates((kind for _, work in todo for kind in work.needs), _say)
    costs = table.costs(todo, rates)
    free = shutil.disk_usage(args.what if args.what.is_dir() else Path()).free
    print(_page(args, counted, works, costs, free, bool(videos)))
    for line in advice.few_steps(works, jobs):
        print(f"warning: {line}")
    print("\nMeasured here, seconds of one piece of work:", *table.rate_lines(rates), sep="\n")
    if args.json:
        about = {"what": str(args.what), "targets": args.targets.split(), "device": _device(), "free": free}
        datasets = {name: {**vars(census.counts), "from": census.origin} for name, census in counted.items()}
        write_json(args.json, table.record(costs, rates, **about, datasets=datasets, jpeg=works.jpeg))


def _arguments() -> argparse.Namespace:
    parser = script.parser(__doc__)
    parser.add_argument("what", type=Path, help="a preset's file, or a run's folder")
    parser.add_argument("--root", default="", help="the dataset's folder, to count its videos")
    parser.add_argument("--lists", default="", help="the folder of the official split lists, when not under root")
    parser.add_argument("--transfer", default="", help="the folder that holds the further datasets, each under its name")
    parser.add_argument("--split", default="", help="which of the dataset's official splits, when it is not to be the preset's")
    parser.add_argument("--targets", default="", help="of snakemake, with spaces between; as when snakemake is given none if empty")
    parser.add_argument("--json", type=Path, help="a file for the same as data")
    parser.add_argument("--quick", action="store_true", help="measure for as short as possible: hours mean little")
    return script.read(parser)


def _folder(args: argparse.Namespace, temporary: Path) -> Path:
    """The run's folder; for a preset a temporary one, with the places it is given."""
    if args.what.is_dir():
        return Path(args.what)
    if not args.what.is_file():
        presets = ", ".join(sorted(path.stem for path in args.what.parent.glob("*.yaml")))
        raise InputError(
            f"there is no preset {args.what}; " + (f"known: {presets}" if presets else "give a file of presets/ or a run's folder")
        )
    params = load.load(args.what)
    for name, value in (("root", args.root), ("lists", args.lists), ("transfer", args.transfer)):
        if value and not Path(value).is_dir():
            raise InputError(f"{name.upper()} is {value}, which is not a folder")
    dataset = params["dataset"]
    if args.root:
        dataset["root"] = str(Path(args.root).resolve())
    if args.lists:
        dataset["options"]["lists"] = str(Path(args.lists).resolve())
    if args.split:
        dataset["split"] = listing.split_of(registry.module("datasets", dataset["name"]), args.split, dataset["options"])
    for entry in params["transfer"] if args.transfer else []:
        entry["root"] = str(Path(args.transfer).resolve() / entry["name"])
    folder = temporary / "run"
    with atomic(folder / "params.yaml") as file:
        file.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return folder


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _device() -> str:
    cpu = f"{os.cpu_count()} cores ({platform.machine()})"
    return f"{torch.cuda.get_device_name(0)}, {cpu}" if torch.cuda.is_available() else f"{cpu}, no GPU"


def _page(
    args: argparse.Namespace, counted: Mapping[str, video_counts.Census], works: Works, costs: table.Costs, free: int, real: bool
) -> str:
    """The lines above the measurements; real: pictures were of the dataset's own videos."""
    total = costs["total"]
    lines = [f"{args.what}: {args.targets or 'all'}, still to do, on {_device()}", "", table.text(costs), ""]
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


if __name__ == "__main__":
    script.run(main)
