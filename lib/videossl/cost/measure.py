"""Seconds of one piece of each kind of work on the machine at hand, by doing a little of it with the pipeline's own code.

Weights are made up, and so are videos where there are none. The functions that the jobs call are timed. The first round is not counted.
"""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videossl import job_code, registry
from videossl.cost.trial_videos import TrialVideos
from videossl.cost.work import Kind, Works
from videossl.data import cache, jpeg, make_index
from videossl.data.clips import uniform_starts
from videossl.data.index import CLASS, Label, Row
from videossl.data.listing import Video
from videossl.extract import shard
from videossl.params import run_plan
from videossl.tasks import base, encode
from videossl.tasks.features import Features
from videossl.train import assemble
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import fit

VIDEOS = 8  # made up; batches take them more than once
BATCH = 2  # clips of the first trial of a training step
STEPS = 4  # of a trial at most; the first is slow and not counted if there is another
SECONDS = 5.0  # after which a trial takes no further step; a full batch is tried where it should fit in
REPEATS, ENOUGH = 5, 0.5  # calls that are timed, or fewer where these seconds are full
SCORED, ITERATIONS = 64, 20  # videos of the first trial of a task (each further trial has four times as many); iterations at most

Say = Callable[[str], None]


class _Enough(Exception):  # noqa: N818, it is no error
    """A trial has taken its seconds."""


class _Clock:
    """Told of every step, it notes when; ends the trial when its seconds are over."""

    def __init__(self) -> None:
        self.ends = [time.perf_counter()]

    def __call__(self, row: dict[str, float]) -> None:
        self.ends.append(time.perf_counter())
        if self.ends[-1] - self.ends[0] > SECONDS:
            raise _Enough


class Bench:
    """Times kinds of work of `works`.

    trial: videos of the dataset; rendered: seconds a frame by dataset that is rendered; folder: for files while it measures; quick: the
    first trial only, for tests.
    """

    def __init__(self, works: Works, trial: TrialVideos, rendered: Mapping[str, float], folder: Path, quick: bool = False) -> None:
        self.works, self.params, self.trial, self.rendered, self.folder, self.quick = works, works.params, trial, rendered, folder, quick
        self.device = assemble.device(self.params)
        classes = [f"class {n % 2}" for n in range(VIDEOS)]
        self.rows = [replace(trial.whole, id=f"v{n}", label=label, group=f"v{n}", split="train") for n, label in enumerate(classes)]
        self._caches: dict[str, cache.Cache] = {}

    def rates(self, kinds: Iterable[Kind], say: Say) -> dict[Kind, float]:
        """Seconds of one piece of each kind; `say` is called with the name of what is measured."""
        wanted = sorted(set(kinds))
        result = {}
        for number, kind in enumerate(wanted, 1):
            say(f"measuring {number} of {len(wanted)}: {' '.join(kind)}")
            torch.set_num_threads(self.params["threads"])  # which an extractor may have changed
            result[kind] = getattr(self, f"_{kind[0]}")(*kind[1:])
        return result

    # Data, per frame.

    def _render(self, dataset: str) -> float:
        return self.rendered[dataset]

    def _index(self) -> float:
        whole = self.trial.whole
        entry, fps = Video(whole.id, whole.path, skeleton=whole.skeleton), self.params["index"]["fps"]
        return _timed(lambda: make_index.build([entry], self.trial.folder, fps=fps)) / whole.frames

    def _extract(self, cached: str) -> float:
        """Of some whole videos where a short one says that there is time for them, else of that."""
        extract, stored = self.works.extractors[cached], self.params["cache"]
        quality = stored["quality"] if cache.layout(cached).pictures and stored["codec"] == "jpeg" else None
        path = self.folder / "extracted" / f"{cached}.h5"

        def seconds(rows: list[Row]) -> float:
            call = partial(shard.build, path, cached, "cost", rows, self.trial.folder, extract, quality=quality)
            return _timed(call) / sum(extract.shape(row)[0] for row in rows)

        first = seconds(self.trial.short[:1])
        count = int(SECONDS / (STEPS * first * extract.shape(self.trial.whole)[0]))
        return first if self.quick or not count else seconds(self.rows[:count])

    def _start(self) -> float:
        command = [sys.executable, str(job_code.ROOT / "stages" / "features.py"), "--help"]
        return _timed(lambda: subprocess.run(command, capture_output=True, check=True))

    # Encoders, per clip.

    def _train(self, *kind: str) -> float:
        part = self.works.trained["train", *kind]
        return self._growing(lambda batch: self._trial(part, batch), assemble.loop(part).batch)

    def _trial(self, part: Mapping[str, Any], batch: int) -> float:
        """Seconds a clip of `batch`: the median step of a few. part: a training's slice of params."""
        part = {**part, "settings": {name: settings | {"batch": batch} for name, settings in part["settings"].items()}}
        rows, labels = [self.rows[n % VIDEOS] for n in range(batch)], {"class 0": 0, "class 1": 1}
        batches = assemble.batches(part, 0, rows, self._caches_of(part["streams"]), self.device, labels=labels)
        method = assemble.method(part, 0, assemble.Weights(), len(labels)).to(self.device)
        training, clock = replace(assemble.loop(part), epochs=STEPS), _Clock()
        with contextlib.suppress(_Enough):
            fit(method, batches, training, 0, Checkpoint(self.folder / "none", math.inf), "cost", [clock])
        steps = np.diff(clock.ends)
        return float(np.median(steps[1:] if len(steps) > 1 else steps)) / batch

    def _growing(self, trial: Callable[[int], float], most: int) -> float:
        """Seconds a clip with `most` clips at once if a trial with two clips says that time and memory suffice, else with two."""
        first = trial(min(BATCH, most))
        while not self.quick and most > BATCH and (self.device.type == "cuda" or STEPS * first * most < SECONDS):
            try:
                return trial(most)
            except torch.OutOfMemoryError:
                most //= 2
        return first

    def _forward(self, stream: str) -> float:
        settings, caches = self.params["streams"][stream], self._caches_of([stream])
        encoder, augment = assemble.encoder(stream, settings, 0).to(self.device), assemble.augmentation(settings, caches)

        def trial(count: int) -> float:
            rows = [self.rows[n % VIDEOS] for n in range(count)]
            clips = encode.clips(caches, rows, stream, settings, partial(uniform_starts, count=1))
            return _timed(lambda: encode.extract(encoder, augment, clips, count, self.device)) / count

        return self._growing(trial, encode.BATCH)

    def _handmade(self, stream: str) -> float:
        settings, caches = self.params["streams"][stream], self._caches_of([stream])
        length = assemble.cache_of(settings, caches).length(self.rows[0].id)
        return _timed(lambda: encode.handmade(self.rows, settings, caches)) / (VIDEOS * length)

    # Tasks, per piece of their own.

    def _score(self, name: str) -> float:
        """Time a task on as many videos as there is time for, at most as many as there are, and with few `iterations`."""
        task, settings = base.load(name), dict(self.params["evaluate"]["tasks"][name])
        settings |= {key: min(settings[key], ITERATIONS) for key in ("iterations",) if key in settings}
        whole = self.works.given(name, next(iter(self.params["streams"])), self.works.main)
        whole = replace(whole, classes=max(2, whole.classes))
        count = max(SCORED, whole.classes)
        while True:
            sizes = replace(whole, train=count * 3 // 4, test=count // 4)
            features = self._features(sizes)
            seconds = _timed(partial(_scored, task, features, settings))
            if self.quick or 4 * seconds > SECONDS or count >= whole.train + whole.test:
                return seconds / task.work(sizes, settings)
            count *= 4

    def _features(self, sizes: base.Counts) -> Features:
        """Features of made-up videos."""
        rng, kinds, count = np.random.default_rng(0), registry.declared("datasets", self.works.main)["labels"], sizes.train + sizes.test
        values = rng.standard_normal((count, sizes.clips, sizes.numbers), np.float32)
        drawn = [{name: _label(kind, number, sizes.classes) for name, kind in kinds.items()} for number in rng.permutation(count).tolist()]
        split, labels = ["train"] * sizes.train + ["test"] * sizes.test, [str(label.pop(CLASS, "")) for label in drawn]
        return Features([f"v{n}" for n in range(count)], labels, split, values, further=[json.dumps(label) for label in drawn])

    # Caches.

    def _caches_of(self, streams: Iterable[str]) -> dict[str, cache.Cache]:
        """The caches that the streams are read from."""
        cached_modalities = {run_plan.cached_modality(self.params["streams"][stream]["modality"]) for stream in streams}
        return {cached: self._cache(cached) for cached in cached_modalities}

    def _cache(self, cached: str) -> cache.Cache:
        """One shard of videos that are long enough for a clip of any stream: pictures of the trial videos over and over, else noise."""
        if cached not in self._caches:
            path, stored, extract = self.folder / cached / "0000.h5", self.params["cache"], self.works.extractors[cached]
            values, codec = self._values(cached), stored["codec"] if cache.layout(cached).pictures else "raw"
            videos = ((row.id, "", jpeg.encode(values, stored["quality"]) if codec == "jpeg" else values) for row in self.rows)
            cache.write_shard(path, cached, "cost", videos, {}, codec=codec, **extract.attrs())
            self._caches[cached] = cache.Cache([path])
        return self._caches[cached]

    def _values(self, cached: str) -> np.ndarray:
        length, *step = self.works.shape(self.works.main, cached)
        spans = [
            assemble.span(stream) for stream in self.params["streams"].values() if run_plan.cached_modality(stream["modality"]) == cached
        ]
        length = max(length if span is None else span + 2 for span in spans)
        if cached in self.trial.pictures:
            shot = self.trial.pictures[cached][0]
            return shot[np.arange(length) % len(shot)]
        return np.random.default_rng(0).standard_normal((length, *step)).astype(cache.layout(cached).dtype)


def _scored(task: base.Task, features: Features, settings: Mapping[str, Any]) -> dict[str, float]:
    return base.scores(task, [task.predict(features, settings)], features).numbers


def _label(kind: str, number: int, classes: int) -> Label:
    """A label of that kind for the video of that number."""
    return [f"class {number % classes}"] if kind == "several" else f"class {number % classes}" if kind == CLASS else number % 10


def _timed(call: Callable[[], Any]) -> float:
    """Seconds of one call: the median of a few, the first not counted unless it takes too long to be repeated."""
    seconds: list[float] = []
    while len(seconds) < 1 + REPEATS and sum(seconds[1:]) < ENOUGH and sum(seconds) < SECONDS:
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:] or seconds))
