"""cost: what a preset, or what is left of a run, takes on this machine: jobs, epochs, clips, bytes, hours; nothing is started.

in:  presets/{name}.yaml, or a run's folder with its params.yaml
out: a table on stdout (--json FILE: the same as data); about a minute of measuring, told of on stderr
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

from videossl import params, script
from videossl.cost import census, film, plan, table
from videossl.cost.measure import Bench
from videossl.cost.work import Works, frame_size
from videossl.datasets import registry
from videossl.errors import InputError
from videossl.files import atomic, write_json


def main() -> None:
    args = _arguments()
    logging.getLogger("videossl").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="cost-") as temporary:
        folder = _folder(args, Path(temporary))
        chosen = params.load(folder / "params.yaml")
        counted = {name: census.take(folder, dataset) for name, dataset in params.datasets(chosen).items()}
        jobs = plan.pending(folder, args.targets.split(), chosen)
        first, _, sample = counted[chosen["dataset"]["name"]]
        films = film.films(chosen["dataset"], sample, frame_size(first, chosen), chosen["cache"]["short_side"])
        works = Works(chosen, {name: one.counts for name, one in counted.items()}, film.jpeg_bytes(films, chosen))
        todo = [(job, works.of(job)) for job in jobs]
        frame, smallest = (round(first.width), round(first.height)), min(sample, key=lambda path: path.stat().st_size, default=None)
        bench = Bench(chosen, Path(temporary), films[0], smallest, frame, max(2, round(first.frames)), args.quick)
        rates = bench.rates((kind for _, work in todo for kind in work.needs), _say)
    found = table.costs(todo, rates)
    place = args.what if args.what.is_dir() else Path()
    free = shutil.disk_usage(place).free
    print(_page(args, chosen, counted, works, found, free))
    print("\nMeasured here, seconds of one piece of work:", *table.rate_lines(rates), sep="\n")
    if args.json:
        about = {"what": str(args.what), "targets": args.targets.split(), "device": _device(), "free": free}
        datasets = {name: {**vars(one.counts), "from": one.origin} for name, one in counted.items()}
        write_json(args.json, table.record(found, rates, **about, datasets=datasets, jpeg=works.jpeg))


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
        known = ", ".join(sorted(path.stem for path in args.what.parent.glob("*.yaml")))
        raise InputError(
            f"there is no preset {args.what}; " + (f"known: {known}" if known else "give a file of presets/ or a run's folder")
        )
    chosen = params.load(args.what)
    for name, value in (("root", args.root), ("lists", args.lists), ("transfer", args.transfer)):
        if value and not Path(value).is_dir():
            raise InputError(f"{name.upper()} is {value}, which is not a folder")
    if args.root:
        chosen["dataset"]["root"] = str(Path(args.root).resolve())
    if args.lists:
        chosen["dataset"]["options"]["lists"] = str(Path(args.lists).resolve())
    if args.split:
        chosen["dataset"]["split"] = registry.split_of(args.split, chosen["dataset"]["name"], chosen["dataset"]["options"])
    for one in chosen["transfer"] if args.transfer else []:
        one["root"] = str(Path(args.transfer).resolve() / one["name"])
    folder = temporary / "run"
    with atomic(folder / "params.yaml") as file:
        file.write_text(yaml.safe_dump(chosen, sort_keys=False), encoding="utf-8")
    return folder


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _device() -> str:
    cpu = f"{os.cpu_count()} cores ({platform.machine()})"
    return f"{torch.cuda.get_device_name(0)}, {cpu}" if torch.cuda.is_available() else f"{cpu}, no GPU"


def _page(
    args: argparse.Namespace, chosen: params.Params, counted: Mapping[str, census.Census], works: Works, found: table.Costs, free: int
) -> str:
    """What is printed above the measurements."""
    total = found["total"]
    lines = [f"{args.what}: {args.targets or 'all'}, still to do, on {_device()}", "", table.text(found), ""]
    lines.append(
        f"All hours are estimates: {table.span(total['hours'])} with one job after another; the longest job takes {table.span(total['longest'])}."
    )
    lines += _assumptions(chosen, counted, works)
    lines += table.disk(total["bytes"], free, chosen["cache"]["codec"])
    return "\n".join(lines)


def _assumptions(chosen: params.Params, counted: Mapping[str, census.Census], works: Works) -> Sequence[str]:
    cores, threads = os.cpu_count() or 1, chosen["threads"]
    together = (
        "On one GPU trainings do not gain from running at once."
        if torch.cuda.is_available()
        else f"With N at once divide by N, here {max(1, cores // threads)} at best."
    )
    return [
        f"{together} Extraction runs on one core a job, so there divide by the cores, {cores}.",
        *(_dataset(name, one, works.steps(name)) for name, one in counted.items()),
        *_jpeg(chosen, works, bool(counted[chosen["dataset"]["name"]].sample)),
        "Assumed: a step takes as long at every batch size, the disk is as fast as memory, the linear probe uses all its iterations.",
        "Not counted: the net, checkpoints, logs, the page and Snakemake itself.",
    ]


def _dataset(name: str, one: census.Census, steps: float) -> str:
    counts = one.counts
    frames = f"{counts.frames:.0f} frames" + (f" ({steps:.0f} once resampled)" if round(steps) != round(counts.frames) else "")
    size = f"{counts.width:.0f} x {counts.height:.0f}"
    return f"{name}: {counts.train:,} training and {counts.test:,} test videos of {frames}, {size}: {one.origin}."


def _jpeg(chosen: params.Params, works: Works, real: bool) -> Sequence[str]:
    """What the bytes of JPEG rest on."""
    shares = " and ".join(f"{share:.2g} of {source}" for source, share in works.jpeg.items())
    of = f"frames of {chosen['dataset']['name']}" if real else "made-up pictures; real ones were found to take 0.7 to 1.4 times that"
    return [f"jpeg of quality {chosen['cache']['quality']}: {shares}, bytes a pixel, measured on {of}."] if shares else []


if __name__ == "__main__":
    script.run(main)
