"""A million videos that are made up: seconds and memory of what holds, lists or plans them, against their number.

    python -m bench.million [--videos 10000 100000 1000000] [--a-shard 200]

Each line is a process of its own, and its memory is what it took beyond an empty one that loads the same modules. Videos of the cache have two
frames of a pixel, so that only what the pipeline adds to a video is measured. docs/scale.md says what follows.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from videossl import paths, seeding
from videossl.data import cache, clips, index
from videossl.errors import InputError
from videossl.tasks import features
from videossl.train import provenance

if TYPE_CHECKING:
    from bench.rows import Row  # which loads torch: what a part takes in memory would be hidden by that

REPOSITORY = Path(__file__).resolve().parents[1]
CLASSES, NUMBERS = 400, 256
MADE_BY = {"name": "frames", "version": "none", "params": {}}


def video(number: int) -> index.Row:
    """A video of ten seconds under a name as Kinetics has them; one in ten is for the test."""
    label = f"class {number % CLASSES:03d}"
    id = f"{label}/{seeding.derive(0, number):016x}"
    facts: dict[str, Any] = {"frames": 300, "fps": 30.0, "steps": 300, "clock": "stamps", "width": 340, "height": 256}
    split, digest = "train" if number % 10 else "test", f"{number:064x}"
    return index.Row(
        id=id, path=f"{id}.mp4", label=label, split=split, group=id, skeleton="", sha256=digest, status="ok", reason="", **facts
    )


def listed(folder: Path) -> Path:
    """The index."""
    return folder / "index.csv"


def shards(folder: Path, count: int) -> list[str]:
    """The shards of the cache."""
    return paths.shards(f"{folder}/rgb:{count}")


# What is measured. folder: of a run; videos: their number; count: of shards.


def write_index(folder: Path, videos: int, count: int) -> None:
    """Rows made up, and written."""
    index.write(listed(folder), [video(number) for number in range(videos)])


def read_index(folder: Path, videos: int, count: int) -> None:
    """All rows, as trainings and measurements hold them."""
    assert len(index.read(listed(folder))) == videos


def plan_a_shard(folder: Path, videos: int, count: int) -> None:
    """The rows of one shard, as the job that extracts it finds them."""
    assert [kept for kept in index.scan(listed(folder)) if index.shard_of(kept.id, count) == 0]


def write_cache(folder: Path, videos: int, count: int) -> None:
    """All shards, one after the other."""
    (folder / "rgb").mkdir()
    inside: list[list[index.Row]] = [[] for _ in range(count)]
    for each in index.scan(listed(folder)):
        inside[index.shard_of(each.id, count)].append(each)
    frames = np.zeros((2, 1, 1, 3), np.uint8)
    for path, rows in zip(shards(folder, count), inside, strict=True):
        cache.write_shard(path, "rgb", "made-up", ((each.id, each.sha256, frames) for each in rows), MADE_BY)


def open_cache(folder: Path, videos: int, count: int) -> None:
    """The ids of all shards."""
    assert len(cache.Cache(shards(folder, count)).ids) == videos


def begin_a_training(folder: Path, videos: int, count: int) -> None:
    """All that a training does before its first clip, and the order of an epoch."""
    rows, opened = index.training(index.read(listed(folder))), cache.Cache(shards(folder, count))
    source = clips.Source(opened, "rgb", ("query", "key"), lambda cache, video, start: cache.read(video, start, start + 1), 1)
    dataset = clips.ClipDataset(rows, None, [source], 0)
    batches = clips.EpochSampler(len(dataset), 64, 0).epoch(0)
    provenance.data_digest(listed(folder), [Path(shard) for shard in shards(folder, count)])
    assert dataset[batches[0][0]]["clips"]["key"].shape == (1, 1, 1, 3)


def write_features(folder: Path, videos: int, count: int) -> None:
    """One clip a video."""
    rows = index.read(listed(folder))
    values = np.ones((videos, 1, NUMBERS), np.float32)
    features.write(folder / "features.h5", **features.columns(rows, values), provenance={})


def read_features(folder: Path, videos: int, count: int) -> None:
    """The same, with its digest."""
    assert len(features.read(folder / "features.h5").ids) == videos


def plan(folder: Path, videos: int, count: int) -> None:
    """`snakemake -n` of the demo's 50 jobs beyond the shards."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["cache"]["shards"] = count
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "lib")}
    words = ["snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--dry-run", "--quiet", "all"]
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)


PARTS: dict[str, Callable[[Path, int, int], None]] = {
    "index, written": write_index,
    "index, read": read_index,
    "rows of one shard, found": plan_a_shard,
    "cache, written but for the pixels": write_cache,
    "cache, opened": open_cache,
    "training, up to its first clip": begin_a_training,
    "features, 256 a video, written": write_features,
    "features, read": read_features,
    "plan, dry": plan,
}


def measured(part: str, folder: Path, videos: int, count: int) -> None:
    """Print the seconds and MB that a part takes in this process and those it starts."""
    before, others, start = _peak(), _of_children(), time.perf_counter()
    PARTS[part](folder, videos, count)
    taken, started = time.perf_counter() - start, _of_children()
    print(taken, max(_peak() - before, started if started > others else 0))


def _peak() -> float:
    """MB of this process at most; what getrusage says would hold those of the process that started it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def _of_children() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def apart(part: str, folder: Path, videos: int, count: int) -> tuple[float, float]:
    """The seconds and MB of a part, in a process of its own."""
    words = [sys.executable, "-m", "bench.million", "--part", part, str(folder), str(videos), str(count)]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY).stdout
    seconds, memory = map(float, said.split())
    return seconds, memory


def table(tiny: bool) -> Iterator[Row]:
    """A row for each part: the time of a video among 13,000, against that among 1,000, and the memory of all."""
    from bench.rows import Row

    numbers = (100, 200) if tiny else (1000, 13_000)
    taken: dict[str, list[tuple[float, float]]] = {}
    for videos in numbers:
        with tempfile.TemporaryDirectory() as folder:
            for part in list(PARTS)[: -1 if tiny else None]:
                taken.setdefault(part, []).append(apart(part, Path(folder), videos, max(1, videos // 200)))
    for part, ((before, _), (seconds, memory)) in taken.items():
        each = [1e6 * before / numbers[0], 1e6 * seconds / numbers[1]]
        what, baseline = f"{part}, {numbers[1]:,} videos", f"{numbers[0]:,} videos {each[0]:.3g}"
        yield Row(what, each[1], "us a video", baseline, each[0] / each[1], f"{memory:.0f} MB in all")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--a-shard", type=int, default=200, help="videos of a shard")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="WHAT", help="; ".join(PARTS))
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        name, folder, videos, count = args.part
        return measured(name, Path(folder), int(videos), int(count))
    print("| videos | shards | what | s | MB |\n| --- | --- | --- | --- | --- |", flush=True)
    for videos in args.videos:
        count = max(1, videos // args.a_shard)
        with tempfile.TemporaryDirectory() as folder:
            for part in args.only:
                seconds, memory = apart(part, Path(folder), videos, count)
                print(f"| {videos:,} | {count:,} | {part} | {seconds:.1f} | {memory:,.0f} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
