"""Retrieval and the linear probe on many videos: time and memory against their number, and against computing with everything at once.

    python bench/tasks.py [--train 63026] [--test 50922] [--numbers 1024] [--clips 1] [--classes 120] [--iterations 5]
                          [--shares 0.05 0.1 0.2] [--streams 2] [--tasks retrieval linear] [--no-baseline]

The default numbers are NTU RGB+D 120's by subject. Features are made up. A row is a process of its own, `stages/score.py` as the pipeline calls it,
which reads the files of its streams and scores each and, of two, both fused, on one thread. The baseline holds the similarities of all pairs and sorts them,
and all features in float64. Seconds are those of the processor, so that other work on the machine counts little. Peak memory is that of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
STREAMS = ("rgb", "flow")

# Linux counts the memory of the process that starts another to that of the other: so this one loads no numpy, and features are made apart.


def make(out: Path, train: int, test: int, args: argparse.Namespace) -> None:
    """Write a features file of classes around random centres, hard enough to be confused."""
    import numpy as np

    from videossl import seeding
    from videossl.tasks import features

    rng = seeding.numpy_rng(0, out.parent.name)
    labels = [number % args.classes for number in range(train + test)]
    centres = rng.standard_normal((args.classes, 1, args.numbers), np.float32)
    values = rng.standard_normal((train + test, args.clips, args.numbers), np.float32)
    for number, label in enumerate(labels):
        values[number] = 8 * values[number] + centres[label]
    ids, split = [f"v{number:06d}" for number in range(train + test)], ["train"] * train + ["test"] * test
    made_from = {"data": "none", "weights": {}, "script": "bench/tasks.py"}
    features.write(out, ids, [f"class {label:03d}" for label in labels], split, values, made_from)


def everything_at_once() -> None:
    """Score as `stages/score.py` does, with the arguments that this process has, but with everything at once."""
    import numpy as np
    from stages import score

    from videossl.tasks import features, retrieval
    from videossl.tasks.features import Features

    def measure(predictions: Sequence[Any], labelled: Features) -> dict[str, float]:
        total = np.mean([similarities(each.features) for each in predictions], axis=0)
        order = np.argsort(-total, axis=1, kind="stable")
        hits = labelled.targets("train")[order[:, :20]] == labelled.targets("test")[:, None]
        return {f"R@{k}": 100 * float(np.mean(hits[:, :k].any(axis=1))) for k in (1, 5, 10, 20)}

    def similarities(each: Features) -> np.ndarray:
        mean = each.features.astype(np.float64).mean(axis=1)
        unit = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return np.asarray(unit[each.rows("test")] @ unit[each.rows("train")].T)

    retrieval.measure = measure  # type: ignore[assignment]
    features.CHUNK = 2**60
    score.main()


def call(words: Sequence[str]) -> tuple[float, float]:
    """Run Python with `words` on one thread: its seconds of the processor and its peak memory in MB."""
    environment = os.environ | {
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'lib'}",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, *words], env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(words)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def row(script: Sequence[str], task: str, files: Sequence[Path], out: Path, args: argparse.Namespace) -> tuple[float, float]:
    """Score the files of the streams; what was measured goes to `out`."""
    settings = {"weight_decay": 0.001, "tolerance": 1e-300, "iterations": args.iterations} if task == "linear" else {}
    params = {"threads": 1, "evaluate": {"fused": [list(STREAMS)], "tasks": {task: settings}}}
    named = ["--task", task, "--experiment", "bench", "--seed", "0", "--dataset", "bench", "--params", json.dumps(params)]
    return call([*script, *named, "--features", *map(str, files), "--out", str(out)])


def measure(share: float, folder: Path, args: argparse.Namespace) -> list[tuple[str, ...]]:
    """The rows of one share of the videos."""
    train, test = round(share * args.train), round(share * args.test)
    files = [folder / stream / "bench.h5" for stream in STREAMS[: args.streams]]
    for file in files:
        call([__file__, "--make", str(file), *sys.argv[1:], "--train", str(train), "--test", str(test)])
    scripts = {"score": [str(REPOSITORY / "stages/score.py")]} | ({"everything at once": [__file__, "--at-once"]} if args.baseline else {})
    rows: list[tuple[str, ...]] = []
    for task in args.tasks:
        for count in range(1, args.streams + 1):
            values = []
            for name, script in scripts.items():
                out = folder / "result.json"
                seconds, memory = row(script, task, files[:count], out, args)
                values.append(json.loads(out.read_text())["values"])
                named = task + (f", {name}" if len(scripts) > 1 else "")
                rows.append((named, f"{count}", f"{train:,} x {test:,}", f"{seconds:.1f}", f"{memory:,.0f}"))
                print("| " + " | ".join(rows[-1]) + " |", flush=True)
            assert all(value == values[0] for value in values) or task == "linear", values
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("train", 63026), ("test", 50922), ("numbers", 1024), ("clips", 1), ("classes", 120), ("iterations", 5)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.2], help="of the videos")
    parser.add_argument("--streams", type=int, choices=(1, 2), default=2)
    parser.add_argument("--tasks", nargs="+", choices=("retrieval", "linear"), default=["retrieval", "linear"])
    parser.add_argument("--baseline", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        make(args.make, args.train, args.test, args)
        return
    print("| task | streams | training x test videos | s | peak MB |\n| --- | --- | --- | --- | --- |", flush=True)
    tables = []
    for share in args.shares:
        with tempfile.TemporaryDirectory() as folder:
            tables.append(measure(share, Path(folder), args))
    if len(tables) > 1:
        print(f"\n{args.shares[-1] / args.shares[0]:g} times the videos of each kind:")
        for first, last in zip(tables[0], tables[-1], strict=True):
            times = [
                float(after.replace(",", "")) / float(before.replace(",", "")) for before, after in zip(first[3:], last[3:], strict=True)
            ]
            print(f"{last[0]}, {last[1]} streams: s x {times[0]:.1f}, peak MB x {times[1]:.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--at-once"]:
        del sys.argv[1]
        everything_at_once()
    else:
        main()
