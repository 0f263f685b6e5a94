"""All measurements that take minutes, on one thread of a CPU or on a GPU, as one table: `make bench`.

    python -m bench [--only TABLE ...] [--json rows.json] [--tiny]

Each row is a ratio to a named baseline of the same run. Measurements of the whole pipeline at the size of datasets are scripts of their own:
`bench/scale.py`, `bench/tasks.py`, `bench/cache.py`, `bench/pose.py`; what a GPU must show is `bench/gpu.py`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from bench import embedding, flow, gpu, memory, methods, million, mixing, rows, step, views
from bench.rows import Row, in_turn

from videossl.augment.video import VideoAugment
from videossl.data import cache
from videossl.data.clips import uniform_starts
from videossl.encoders.build import build
from videossl.tasks import encode, linear, retrieval
from videossl.tasks.batches import Clips
from videossl.tasks.features import Features

DEMO = gpu.Sizes(batch=16, frames=5, side=64, width=0.25, steps=20, queue=64, pairs=16, height=64, wide=64)


def features(tiny: bool) -> Iterator[Row]:
    """Features of 1,000 clips from a cache, against the encoder alone on the clips in memory; and what of the time is reading."""
    count = 16 if tiny else 1000
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), np.uint8)
        path = Path(folder) / "rgb.h5"
        cache.write_shard(path, "rgb", "bench", ((f"v{n}", "", np.roll(noise, n, 2)) for n in range(count)), {}, codec="raw")
        held, augment = cache.Cache([path]), VideoAugment("rgb", 64)
        encoder = build("s3d", 3, {"width": 0.25}, 0).to(gpu.DEVICE)
        clips = Clips(held, gpu.videos(count, 24), "rgb", gpu.Frames(5), 17, partial(uniform_starts, count=1))
        views = augment.evaluate(next(clips.batches(encode.BATCH))[0].to(gpu.DEVICE), torch.tensor([[64, 64]] * encode.BATCH))
        reading: list[float] = []

        def alone() -> None:
            with encode.frozen(encoder):
                for _ in range(count // encode.BATCH + 1):
                    encoder.pool(encoder(views))

        def read() -> None:
            started = time.perf_counter()
            for _ in clips.read(encode.BATCH):
                pass
            reading.append(time.perf_counter() - started)

        whole, bare, _ = in_turn(lambda: encode.extract(encoder, augment, clips, encode.BATCH, gpu.DEVICE), alone, read, rounds=3)
        said = f"reading alone would be {float(np.median(reading)) / whole:.1%} of it"
        yield Row(f"features of {count:,} clips", count / whole, "clips/s", f"encoder alone {count / bare:.4g}", bare / whole, said)


def nearest(tiny: bool) -> Iterator[Row]:
    """Retrieval against scikit-learn's search by brute force, for the twenty nearest; both in double precision."""
    from sklearn.neighbors import NearestNeighbors

    videos = 100 if tiny else 8000
    values = np.random.default_rng(0).standard_normal((videos, 256)).astype(np.float32)
    labels, split = [f"{number % 20:02d}" for number in range(videos)], ["train", "test"] * (videos // 2)
    given = Features([f"v{n}" for n in range(videos)], labels, split, values[:, None])
    search, exact = NearestNeighbors(n_neighbors=20, algorithm="brute", metric="cosine"), values.astype(np.float64)
    ours, theirs = in_turn(
        lambda: retrieval.hits([retrieval.predict(given, {})], given),
        lambda: search.fit(exact[::2]).kneighbors(exact[1::2]),
        rounds=3,
    )
    what = f"retrieval, {videos // 2:,} x {videos // 2:,}, 256 numbers"
    yield Row(what, 1000 * ours, "ms", f"scikit-learn {1000 * theirs:.4g}", theirs / ours)


def probe(tiny: bool) -> Iterator[Row]:
    """The linear probe against scikit-learn's logistic regression, to the same optimum."""
    from sklearn.linear_model import LogisticRegression

    videos, numbers, classes = (60, 16, 3) if tiny else (2000, 256, 20)
    rng = np.random.default_rng(0)
    labels = np.arange(videos) % classes
    values = (rng.standard_normal((classes, numbers))[labels] + 4 * rng.standard_normal((videos, numbers))).astype(np.float32)
    split = ["train"] * (videos // 2) + ["test"] * (videos - videos // 2)
    given = Features([f"v{n}" for n in range(videos)], [f"{label:02d}" for label in labels], split, values[:, None])
    train, decay = videos // 2, 0.001
    mean, deviation = values[:train].mean(0), values[:train].std(0)
    standard = ((values - mean) / deviation).astype(np.float64)
    regression = LogisticRegression(C=1 / (decay * train), tol=1e-6, max_iter=5000)
    ours, theirs = in_turn(
        lambda: linear.predict(given, {"weight_decay": decay, "tolerance": 1e-6, "iterations": 5000}),
        lambda: regression.fit(standard[:train], labels[:train]),
        rounds=2,
    )
    yield Row(
        f"linear probe, {train:,} x {numbers}, {classes} classes", 1000 * ours, "ms", f"scikit-learn {1000 * theirs:.4g}", theirs / ours
    )


TABLES: dict[str, rows.Table] = {
    "views": views.table,
    "flow": flow.table,
    "mixing": mixing.table,
    "step": step.table,
    "methods": methods.table,
    "training": gpu.at(gpu.training, DEMO),
    "epoch": gpu.at(gpu.epoch, DEMO),
    "partner": gpu.at(gpu.methods, DEMO),
    "features": features,
    "embed": embedding.table,
    "retrieval": nearest,
    "probe": probe,
    "memory": memory.table,
    "videos": million.table,
}


if __name__ == "__main__":
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows.main(__doc__ or "", TABLES)
