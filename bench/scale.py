"""Index, cache and `dvc status` of a synthetic UCF101 at its official 13,320 names: time and memory against the number of videos.

    python bench/scale.py path/to/ucfTrainTestlist [--share 1]

The videos are tiny (32 x 24 pixels, 20 frames, a plain colour each), so what is measured is what the pipeline adds to decoding. Each row is
a run of its own, in a copy of the repository: an eighth of the names, a quarter, a half, all. Peak memory is that of the largest process.
`again` is the index made anew from its journal, as after a kill; `dvc status` is the second one, which finds the hashes of the files it has seen.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from videossl.data import listing

REPOSITORY = Path(__file__).resolve().parents[1]
SHARES = (0.125, 0.25, 0.5, 1.0)
FRAMES, WIDTH, HEIGHT = 20, 32, 24
SHARDS = 16


def write_videos(root: Path, names: Sequence[str]) -> None:
    """A tiny video under each name, of the colour that its number gives."""
    import av
    import numpy as np

    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mjpeg", rate=30)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
            colour = np.array([number % 256, number // 256, 128], np.uint8)
            for position in range(FRAMES):
                image = np.broadcast_to(colour + np.uint8(position), (HEIGHT, WIDTH, 3))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
            container.mux(stream.encode())


def write_lists(lists: Path, folder: Path, share: float) -> list[str]:
    """The lists of split 1, cut to their first `share` class by class as they come; returns the names they hold."""
    folder.mkdir(parents=True)
    kept = []
    for side in ("train", "test"):
        entries = listing.read_list(lists / f"{side}list01.txt")
        step = round(1 / share)
        chosen = entries[::step]
        (folder / f"{side}list01.txt").write_text("".join(f"{name} {flag}\n" for _, name, flag in chosen))
        kept += [name for _, name, _ in chosen]
    return kept


def write_run(folder: Path, root: Path) -> None:
    """A copy of the repository, with params that index and cache the videos of `root`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    params = yaml.safe_load((REPOSITORY / "presets/ucf101-part.yaml").read_text())
    params["dataset"] |= {"root": str(root), "options": {"lists": "lists"}}
    params["index"] |= {"max_dropped": 0.0}
    params["cache"] |= {"shards": SHARDS, "short_side": HEIGHT}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    call(folder, "videossl", "dvc-yaml")
    call(folder, "git", "init", "-q")


def call(folder: Path, *command: str) -> tuple[float, float]:
    """Run a command in `folder`: its seconds, and the peak memory in MB of the largest of its processes."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "lib"),
        "DVC_NO_ANALYTICS": "1",
    }
    started = time.perf_counter()
    with (folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read()}")
    return time.perf_counter() - started, used.ru_maxrss / 1024


def measure(lists: Path, share: float, folder: Path) -> dict[str, float]:
    """One row: `share` of the names, from nothing to a clean `dvc status`."""
    root, run = folder / "ucf101", folder / "run"
    names = write_lists(lists, root / "lists", share)
    write_videos(root / "UCF-101", names)
    write_run(run, root)
    row: dict[str, float] = {"videos": len(names)}
    call(run, "snakemake", "download", "--cores", "2")
    row["index s"], row["index MB"] = call(run, "snakemake", "data/index/ucf101.csv", "--cores", "2")
    (run / "data/index/ucf101.csv").unlink()
    row["again s"], _ = call(run, "snakemake", "data/index/ucf101.csv", "--cores", "2")
    row["cache s"], row["cache MB"] = call(run, "snakemake", "all_frames", "--cores", "2")
    row["flow s"], row["flow MB"] = call(run, "snakemake", "all_flow", "--cores", "2")
    stages = ("download", "index", "frames", "flow")
    call(run, "dvc", "commit", "--force", "--no-relink", "--quiet", *stages)
    call(run, "dvc", "status", *stages)
    row["dvc status s"], row["dvc status MB"] = call(run, "dvc", "status", *stages)
    row["nothing to do s"], _ = call(run, "snakemake", "all_frames", "all_flow", "--cores", "2")
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path, help="the folder of the official lists")
    parser.add_argument("--share", type=float, default=1.0, help="of the official names, for a quicker run")
    args = parser.parse_args()
    rows = []
    for share in SHARES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(args.lists, share * args.share, Path(folder)))
        if len(rows) == 1:
            print("| " + " | ".join(rows[0]) + " |\n|" + " --- |" * len(rows[0]))
        print(
            "| " + " | ".join(f"{value:,.0f}" if name == "videos" else f"{value:.1f}" for name, value in rows[-1].items()) + " |",
            flush=True,
        )
    first, last = rows[0], rows[-1]
    print(
        f"\n{last['videos'] / first['videos']:.1f} times the videos: "
        + ", ".join(f"{name} x {last[name] / first[name]:.1f}" for name in last if name != "videos")
    )


if __name__ == "__main__":
    main()
