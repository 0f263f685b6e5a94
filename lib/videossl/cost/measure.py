"""Seconds of one piece of each kind of work on the machine at hand, by doing a little of it with the pipeline's own code.

Weights are made up, and videos where there are none; what is timed is what the jobs call. The first round of everything is not counted.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videossl import code, recipes
from videossl.cost import film
from videossl.cost.work import Kind
from videossl.data import cache, jpeg, ntu, video
from videossl.data.clips import ClipDataset, span, uniform_starts
from videossl.data.index import Row
from videossl.data.toy import render
from videossl.datasets import toy
from videossl.extract import flow, pose
from videossl.methods.cmmc import CMMC
from videossl.methods.crossclr import CrosSCLR
from videossl.params import SOURCES, Params, finds_people
from videossl.tasks import encode, handmade, linear
from videossl.tasks.clips import Clips
from videossl.tasks.finetune import Finetune
from videossl.train import modality as modalities
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Method, Training, fit

VIDEOS = 8  # made up; batches take them more than once
BATCH = 2  # clips of the first trial of a training step
STEPS = 4  # of a trial at most; the first is slow and not counted if there is another
SECONDS = 5.0  # after which a trial takes no further step; a full batch is tried where it should fit in
REPEATS, ENOUGH = 5, 0.5  # calls that are timed, or fewer where these seconds are full
FRAMES = 30  # of a made-up video
PROBE = (4000, 1024, 100, 3)  # samples, numbers, classes, iterations of the linear probe that is timed

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
    """Times kinds of work for `params`.

    folder: for files while it measures; shot: one of `film.films`, frames as they are cached; video: one of the dataset's, None for
    a made-up one of `frame`, (width, height); length: frames of a video; quick: the first trial only, for tests.
    """

    def __init__(
        self, params: Params, folder: Path, shot: np.ndarray, video: Path | None, frame: tuple[int, int], length: int, quick: bool = False
    ) -> None:
        self.params, self.folder, self.shot, self.video, self.frame = params, folder, shot, video, frame
        self.length, self.quick = length, quick
        self.device = modalities.device()
        self.rows = [_row(n) for n in range(VIDEOS)]
        self._caches: dict[str, cache.Cache] = {}
        self._written: dict[str, float] = {}  # seconds a byte of the arrays

    def rates(self, kinds: Iterable[Kind], say: Say) -> dict[Kind, float]:
        """Seconds of one piece of each kind; `say` is told what is measured."""
        torch.set_num_threads(self.params["threads"])
        wanted = sorted(set(kinds))
        result = {}
        for number, kind in enumerate(wanted, 1):
            say(f"measuring {number} of {len(wanted)}: {' '.join(kind)}")
            result[kind] = getattr(self, f"_{kind[0]}")(*kind[1:])
        return result

    # ------------------------------------------------------------------------------------------------------------
    # Data. Per frame: render, parse, handmade; per pixel: decode, flow; per byte: write.

    @property
    def _toy(self) -> toy.Options:
        chosen = self.params["dataset"]
        return toy.Options.of(chosen["options"]) if chosen["name"] == "toy" else toy.Options()

    def _render(self) -> float:
        work = toy.Work(self.folder, toy.Take("Jump", 1, 1), self._toy)
        return _timed(lambda: toy.make(work)) / self._toy.frames

    def _decode(self) -> float:
        path = self.video or self._made_up()
        found, short_side, fps = video.probe(path), self.params["cache"]["short_side"], self.params["index"]["fps"]
        return _timed(lambda: video.frames(path, short_side, fps=fps)) / (found.frames * found.width * found.height)

    def _made_up(self) -> Path:
        """A video: of the toy set for the toy set, else MPEG-4."""
        path = self.folder / "film.avi"
        if self.params["dataset"]["name"] == "toy":
            render.write_video(path, toy.film(toy.Take("Wave", 1, 1), self._toy))
        else:
            width, height = (side // 2 * 2 for side in self.frame)  # MPEG-4 wants even ones
            _write_mpeg4(path, film.made_up((width, height), FRAMES))
        return path

    def _flow(self, backend: str) -> float:
        grey, settings = film.grey(self.shot), film.own_settings(self.params["flow"])
        return _timed(lambda: flow.compute(backend, settings, grey)) / grey[1:].size

    def _parse(self) -> float:
        path = self.folder / "one.skeleton"
        sensed = toy.sense(toy.Take("Wave", 1, 1), self._toy)
        ntu.write(path, sensed)
        return _timed(lambda: ntu.parse(path)) / len(sensed)

    def _detect(self) -> float:
        chosen, (width, height) = self.params["skeleton"], self.frame
        detector = pose.untrained(chosen["short_side"], chosen["score"]).to(self.device)
        count = 1 if self.quick or self.device.type == "cpu" else int(chosen["batch"])
        frames = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
        return _timed(lambda: pose.detect(detector, frames, count, chosen["score"])) / count

    def _write(self, source: str) -> float:
        self._cache(source)
        return self._written[source]

    def _handmade(self, modality: str) -> float:
        made = self._cache(modality)
        length = made.length(self.rows[0].id)
        return _timed(lambda: handmade.features(made, self.rows, modality)) / (VIDEOS * length)

    def _start(self) -> float:
        command = [sys.executable, str(code.ROOT / "stages" / "features.py"), "--help"]
        return _timed(lambda: subprocess.run(command, capture_output=True, check=True))

    # ------------------------------------------------------------------------------------------------------------
    # Encoders, per clip; the probe, per multiplication

    def _moco(self, modality: str) -> float:
        settings = self.params["modalities"][modality]
        return self._step("pretrain", lambda: modalities.moco(modality, settings, 0, "mixup"), {modality: ("query", "key")})

    def _cmmc(self, modality: str, partner: str) -> float:
        mixed = [one for one in self.params["experiments"].values() if recipes.kind(one) == "cmmc" and one["mixing"] != "manifold-mixup"]
        recipe = next(one for one in mixed if {modality, partner} <= set(one["modalities"]))
        mixing = {key: recipe[key] for key in ("mixing", "axes", "box")} | recipes.mixed_where(recipe, modality, partner)
        settings, other = self.params["modalities"][modality], self.params["modalities"][partner]

        def method() -> CMMC:
            moco = modalities.moco(modality, settings, 0, "none")
            return CMMC(moco, modalities.encoder(partner, other, 0), alpha=settings["moco"]["alpha"], **mixing)

        return self._step("cmmc", method, {modality: ("query", "key"), partner: ("partner",)})

    def _mining(self, one: str, other: str) -> float:
        chosen = self.params["modalities"]

        def method() -> CrosSCLR:
            return CrosSCLR({name: modalities.moco(name, chosen[name], 0, "none") for name in (one, other)})

        return self._step("mining", method, {name: (f"{name}/query", f"{name}/key") for name in (one, other)})

    def _finetune(self, modality: str) -> float:
        settings = self.params["modalities"][modality]
        return self._step("finetune", lambda: Finetune(modalities.encoder(modality, settings, 0), 2), {modality: ("query",)})

    def _step(self, phase: str, method: Callable[[], Method], clips: Mapping[str, tuple[str, ...]]) -> float:
        """Seconds a clip of a training. clips: the names of those it sees, by modality, that which is trained first."""
        most = int(self.params["modalities"][next(iter(clips))][phase]["batch"])
        return self._growing(lambda batch: self._trial(phase, method(), batch, clips), most)

    def _growing(self, trial: Callable[[int], float], most: int) -> float:
        """Seconds a clip, of `most` at once where a trial of two clips says that there is time and memory for it, else of those two."""
        first = trial(min(BATCH, most))
        while not self.quick and most > BATCH and (self.device.type == "cuda" or STEPS * first * most < SECONDS):
            try:
                return trial(most)
            except torch.OutOfMemoryError:
                most //= 2
        return first

    def _trial(self, phase: str, method: Method, batch: int, clips: Mapping[str, tuple[str, ...]]) -> float:
        """Seconds a clip of `batch`: the median step of a few."""
        chosen = self.params["modalities"]
        sources = [modalities.source(one, chosen[one], self._cache(one), names) for one, names in clips.items()]
        augments: dict[str, modalities.Augment] = {name: self._augment(one) for one, names in clips.items() for name in names}
        rows = [self.rows[n % VIDEOS] for n in range(batch)]
        dataset = ClipDataset(rows, {"class 0": 0, "class 1": 1} if phase == "finetune" else None, sources, 0)
        batches = modalities.batches(dataset, augments, batch, 0, self.device)
        training = Training(**chosen[next(iter(clips))][phase] | {"epochs": STEPS})
        moved: Any = method
        clock = _Clock()
        with contextlib.suppress(_Enough):
            fit(moved.to(self.device), batches, training, 0, Checkpoint(self.folder / "none", math.inf), "cost", [clock])
        steps = np.diff(clock.ends)
        return float(np.median(steps[1:] if len(steps) > 1 else steps)) / batch

    def _forward(self, modality: str) -> float:
        settings, made = self.params["modalities"][modality], self._cache(modality)
        encoder = modalities.encoder(modality, settings, 0).to(self.device)
        stride = settings["clip"].get("stride", 1)

        def trial(count: int) -> float:
            rows = [self.rows[n % VIDEOS] for n in range(count)]
            clips = Clips(made, rows, modality, settings["clip"]["frames"], stride, partial(uniform_starts, count=1))
            return _timed(lambda: encode.extract(encoder, self._augment(modality), clips, count, self.device)) / count

        return self._growing(trial, encode.BATCH)

    def _probe(self) -> float:
        samples, numbers, classes, iterations = PROBE
        rng = np.random.default_rng(0)
        x, y = torch.from_numpy(rng.standard_normal((samples, numbers))), torch.from_numpy(rng.integers(0, classes, samples))
        weight_decay = self.params["evaluate"]["linear"]["weight_decay"]
        return _timed(lambda: linear.fit(x, y, classes, weight_decay, iterations)) / np.prod(PROBE)

    # ------------------------------------------------------------------------------------------------------------

    def _augment(self, modality: str) -> encode.Augment:
        return modalities.augmentation(modality, self.params["modalities"][modality], self._cache(modality))

    def _cache(self, modality: str) -> cache.Cache:
        """Videos of the shot over and over in one shard, long enough for a clip of any modality."""
        source = SOURCES[modality]
        if source not in self._caches:
            path, values = self.folder / source / "0000.h5", self._values(source)
            chosen = self.params["cache"]
            codec = "raw" if source == "joint" else chosen["codec"]
            attrs = {"bound": float(self.params["flow"]["bound"])} if source == "flow" else {}
            started = time.perf_counter()
            videos = ((row.id, "", jpeg.encode(values, chosen["quality"]) if codec == "jpeg" else values) for row in self.rows)
            cache.write_shard(path, source, "cost", videos, {}, codec=codec, **attrs)
            self._written[source] = (time.perf_counter() - started) / (values.nbytes * VIDEOS)
            self._caches[source] = cache.Cache([path])
        return self._caches[source]

    def _values(self, source: str) -> np.ndarray:
        if source == "joint":
            joints = 17 if finds_people(self.params) else 25
            return np.random.default_rng(0).standard_normal((self.length, joints, 3, 2)).astype(np.float32)
        clips = [one["clip"] for one in self.params["modalities"].values()]
        length = max([span(clip["frames"], clip.get("stride", 1)) for clip in clips]) + 2
        values = self.shot if source == "rgb" else film.flow_of(self.shot, self.params["flow"])
        return values[np.arange(length) % len(values)]


def _row(number: int) -> Row:
    """A training video of one of two classes."""
    label, id = f"class {number % 2}", f"v{number}"
    return Row(
        id=id,
        path="",
        label=label,
        split="train",
        group=id,
        frames=0,
        fps=0.0,
        steps=0,
        width=0,
        height=0,
        skeleton="",
        sha256="",
        status="ok",
        reason="",
    )


def _timed(call: Callable[[], Any]) -> float:
    """Seconds of one call: the median of a few, the first not counted."""
    call()
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH:
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _write_mpeg4(path: Path, frames: np.ndarray) -> None:
    """`frames` (N, H, W, 3) as MPEG-4, near to what UCF101 (Xvid) and Kinetics (H.264) take to decode."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
