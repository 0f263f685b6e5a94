"""run: a preset in a folder of its own, and the whole pipeline in it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from videossl import engine, job_code
from videossl.commands import params, presets
from videossl.errors import InputError
from videossl.extract import shard
from videossl.files import atomic
from videossl.params import load, preflight, run_plan

SITE = "site.yaml"
"""The file that says how a cluster differs from others: that in this folder, or else the one that lies in the profile."""
EDITORS = re.compile(r"(?<=^# yaml-language-server: \$schema=).*", re.MULTILINE)
"""The place in a preset that names its schema to editors."""


@click.command(epilog="Example: videossl run folder path/to/videos --out runs/mine")
@presets.places
@click.option("--out", metavar="OUT", default="", help="The run's folder; runs/WHAT if absent.")
@click.option(
    "--like", metavar="LIKE", default="", help="The folder of a run on the same videos: what it decoded and extracted is used again."
)
@click.option("--targets", default="", help="Of Snakemake, with spaces between; all if absent.")
@click.option("--cores", default="all", show_default=True, help="That jobs may use at once.")
@click.option(
    "--profile",
    default="",
    help="How the work runs, as `slurm`, with the site.yaml of this folder if there is one: a folder of profiles/, or a path.",
)
@click.option("--snakemake", "more", default="", metavar="OPTIONS", help="Further options of Snakemake, as one text.")
@click.option("--params-only", is_flag=True, help="Write params.yaml, and run nothing.")
@click.option(
    "--estimate/--no-estimate",
    default=True,
    show_default=True,
    help="Say first what a new run on your own videos takes here; about a minute of measuring.",
)
def command(
    what: str,
    root: str,
    lists: str,
    transfer: str,
    split: str,
    out: str,
    like: str,
    targets: str,
    cores: str,
    profile: str,
    more: str,
    params_only: bool,
    estimate: bool,
) -> None:
    """Run a preset, or go on with a run.

    A run is a folder; from a preset it is made, and the whole pipeline runs in it. Finished work is kept.

    WHAT is the name of a preset or its file; or the folder of a run, this one if absent, which goes on. ROOT is the folder of the dataset, when it is
    not to be the preset's own. Videos are only read. A params.yaml that is there is kept: change numbers in it, and run again.
    """
    folder, is_new = presets.run_in(what), False
    if folder is None:
        preset = presets.find(what)
        folder = Path(out or f"runs/{Path(what).stem}")
        is_new = preset.stem in presets.FITTED and not (folder / "params.yaml").exists()
        _make(preset, presets.text(preset, root, lists, transfer, split), folder, split, like)
    elif root or lists or transfer or split or like or out:
        raise InputError(f"{what} is a run's folder, whose params.yaml says where its videos lie; leave the places out, or name a preset")
    load.load(folder / "params.yaml")
    preflight.check_writable(folder / "data")
    if is_new and estimate and not params_only:
        _say_hours(folder, targets.split())
    if not params_only:
        _snakemake(folder, targets.split(), cores, profile, more)


def _say_hours(folder: Path, targets: list[str]) -> None:
    """Say what the run takes on this machine, by a few pieces of its work."""
    from videossl.cost import table
    from videossl.cost.estimate import estimate

    with tempfile.TemporaryDirectory(prefix="cost-") as place:
        _, data = estimate(folder, str(folder), targets, Path(place), quick=False)
    total = data["total"]
    said = f"some {table.span(total['hours'])} of work here, one job after another, and {table.size(total['bytes'])}"
    print(f"{said}; Ctrl-C stops it, the same command goes on; videossl cost {folder} says more", file=sys.stderr)


def _make(preset: Path, text: str, out: Path, split: str, like: str) -> None:
    """Write the params of a run, and give it what another keeps of the same videos."""
    shared = _kept(Path(like), run_plan.datasets(load.parse(text, str(preset)))) if like else []
    _write(preset, text, out, split)
    _share(Path(like), out, shared)


def _write(preset: Path, text: str, out: Path, split: str) -> None:
    """Write the run's params, unless they are there. Raises InputError if they are there with another split."""
    if (out / "params.yaml").exists():
        kept_split = load.load(out / "params.yaml")["dataset"]["split"]
        if split and int(split) != kept_split:
            raise InputError(f"SPLIT is {split}, and {out / 'params.yaml'} is there with split {kept_split}; give OUT for a run of its own")
        print(f"kept {out / 'params.yaml'} as it is; delete it to start from {preset} again", file=sys.stderr)
        return
    fitted = presets.fitted(text, preset)
    for name, content in (("params.schema.json", params.editors()), ("params.yaml", EDITORS.sub("params.schema.json", fitted))):
        with atomic(out / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    print(f"wrote {out / 'params.yaml'}", file=sys.stderr)


def _snakemake(folder: Path, targets: Iterable[str], cores: str, profile: str, more: str) -> None:
    """Become Snakemake in the run's folder."""
    own = job_code.ROOT / "profiles" / profile
    profiles = ["--profile", str(own if own.is_dir() else profile)] if profile else []
    if profile and (own / SITE).is_file():
        os.environ.setdefault("VIDEOSSL_SITE", str(Path(SITE).resolve() if Path(SITE).is_file() else own / SITE))
    command = engine.snakemake(folder, *targets, "--cores", cores, *profiles, *shlex.split(more))
    sys.stderr.flush()
    os.execv(command[0], command)


def _kept(like: Path, datasets: Iterable[str]) -> list[Path]:
    """The files that the run in `like` keeps of `datasets` for the next time, relative to it: journals of indexes, and shards of caches."""
    scratch = Path("data/scratch")
    kept = []
    for name in datasets:
        kept += [path for path in [like / scratch / "index" / f"{name}.jsonl"] if path.is_file()]
        kept += sorted((like / scratch / "cache" / name).rglob("*.h5"))
    if not kept:
        names = " or ".join(datasets)
        raise InputError(f"LIKE is {like}, in whose data/scratch nothing of {names} is kept; name the folder of a run on the same videos")
    return [path.relative_to(like) for path in kept]


def _share(like: Path, out: Path, paths: Iterable[Path]) -> None:
    """Give the run in `out` what the one in `like` keeps, unless it has its own.

    A split says on which side a video is, and nothing of its contents, so index and extractors find everything known. Shards are links to the same
    bytes, since both runs replace such files whole; a journal is added to, so it is a copy. Which code made a shard goes with it, and is read
    before the shard: one that is made anew meanwhile is not taken for what that code made.
    """
    for path in paths:
        if (out / path).exists():
            continue
        made_with = like / shard.code_of(path)
        digest = made_with.read_text(encoding="utf-8") if made_with.is_file() else ""
        with atomic(out / path) as temporary:
            if path.suffix != ".h5" or not _linked(like / path, temporary):
                shutil.copyfile(like / path, temporary)
        if path.suffix == ".h5":
            shard.code_of(out / path).write_text(digest, encoding="utf-8")


def _linked(source: Path, target: Path) -> bool:
    """Give a file a second name; False where its disk has no links, or `target` lies on another."""
    try:
        target.hardlink_to(source)
    except OSError:
        return False
    return True
