"""Seconds of one piece of each kind of work on the machine at hand, by doing a little of it with the pipeline's own code.

Videos and weights are made up; what is timed is what the jobs call. The first round of everything is not counted.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videossl import code
from videossl.cost.work import Kind
from videossl.data import cache, ntu, video
from videossl.data.clips import ClipDataset, span, uniform_starts
from videossl.data.datasets import toy
from videossl.data.index import Row
from videossl.data.toy import render
from videossl.evaluate import features, handmade, job, linear
from videossl.evaluate.clips import Clips
from videossl.evaluate.finetune import Finetune
from videossl.extract import flow
from videossl.files import sha256
from videossl.params import Params
from videossl.ssl.cmmc import CMMC
from videossl.train import modality as modalities
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Method, Training, fit

VIDEOS = 8  # made up; batches take them more than once
BATCH = 2  # clips of the first trial of a training step
STEPS = 4  # of a trial at most; the first is slow and not counted if there is another
SECONDS = 5.0  # after which a trial takes no further step; a full batch is tried where it should fit in
REPEATS, ENOUGH = 5, 0.5  # calls that are timed, or fewer where these seconds are full
PAIRS = 4  # frames that TV-L1 is timed on, less one
PROBE = (4000, 1024, 100, 3)  # samples, numbers, classes, iterations of the linear probe that is timed

Say = Callable[[str], None]


class _Nowhere(Checkpoint):
    """A checkpoint that is not kept."""

    def __init__(self) -> None:
        super().__init__(Path())

    def save(self, state: dict[str, Any]) -> None:
        pass

    def load(self) -> None:
        return None


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

    folder: for files while it measures; frame: (width, height) of videos, as they are and as they are cached; length: their
    frames; quick: the first trial only, for tests.
    """

    def __init__(
        self, params: Params, folder: Path, frame: tuple[int, int], cached: tuple[int, int], length: int, quick: bool = False
    ) -> None:
        self.params, self.folder, self.frame, self.cached, self.length, self.quick = params, folder, frame, cached, length, quick
        self.device = modalities.device()
        self.rows = [Row(f"v{n}", f"v{n}.avi", f"class {n % 2}", "train", 0, 0.0, 0, 0, "", "", "ok", "") for n in range(VIDEOS)]
        self._caches: dict[str, cache.Cache] = {}
        self.written = (0, 0.0)  # bytes, seconds

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
    # Data. Per frame: render, parse, handmade; per pixel: decode, tvl1; per byte: write, hash.

    @cached_property
    def _film(self) -> np.ndarray:
        """A made-up video (N, H, W, 3): a toy one for the toy set, else a texture that drifts."""
        if self.params["dataset"]["name"] == "toy":
            return toy.film(toy.Take("Wave", 1, 1), self._toy)
        width, height = (side // 2 * 2 for side in self.frame)  # MPEG-4 wants even ones
        still = render.backdrop(np.random.default_rng(0), max(width, height))[:height, :width]
        return np.stack([np.roll(still, (n, 2 * n), (0, 1)) for n in range(30)])

    @property
    def _toy(self) -> toy.Options:
        chosen = self.params["dataset"]
        return toy.Options.of(chosen["options"]) if chosen["name"] == "toy" else toy.Options()

    def _render(self) -> float:
        work = toy.Work(self.folder, toy.Take("Jump", 1, 1), self._toy)
        return _timed(lambda: toy.make(work)) / self._toy.frames

    def _decode(self) -> float:
        path = self.folder / "film.avi"
        if self.params["dataset"]["name"] == "toy":
            render.write_video(path, self._film)
        else:
            _write_mpeg4(path, self._film)
        return _timed(lambda: video.frames(path, self.params["cache"]["short_side"])) / self._film[..., 0].size

    def _tvl1(self) -> float:
        grey = np.stack([video.resize(frame.mean(axis=-1).astype(np.uint8), self.cached) for frame in self._film[: PAIRS + 1]])
        settings = {key: value for key, value in self.params["flow"].items() if key != "bound"}
        return _timed(lambda: flow.tvl1(grey, settings)) / grey[1:].size

    def _parse(self) -> float:
        path = self.folder / "one.skeleton"
        sensed = toy.sense(toy.Take("Wave", 1, 1), self._toy)
        ntu.write(path, sensed)
        return _timed(lambda: ntu.parse(path)) / len(sensed)

    def _write(self) -> float:
        for source in ("rgb", "flow", "joint"):
            self._cache(source)
        return self.written[1] / self.written[0]

    def _hash(self) -> float:
        path = max(
            (path for source in ("rgb", "flow", "joint") for path in self._cache(source).paths), key=lambda path: path.stat().st_size
        )
        return _timed(lambda: sha256(path)) / path.stat().st_size

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
        return self._step(modality, "pretrain", lambda: modalities.moco(modality, settings, 0, "mixup"))

    def _cmmc(self, modality: str, partner: str) -> float:
        mixed = [one for one in self.params["experiments"].values() if "from" in one and one["mixing"] != "manifold-mixup"]
        recipe = next(one for one in mixed if {modality, partner} <= set(one["modalities"]))
        mixing = {key: recipe[key] for key in ("mixing", "axes", "layers", "box")}
        settings, other = self.params["modalities"][modality], self.params["modalities"][partner]

        def method() -> CMMC:
            moco = modalities.moco(modality, settings, 0, "none")
            return CMMC(moco, modalities.encoder(partner, other, 0), alpha=settings["moco"]["alpha"], **mixing)

        return self._step(modality, "cmmc", method, partner)

    def _finetune(self, modality: str) -> float:
        settings = self.params["modalities"][modality]
        return self._step(modality, "finetune", lambda: Finetune(modalities.encoder(modality, settings, 0), 2))

    def _step(self, modality: str, phase: str, method: Callable[[], Method], partner: str = "") -> float:
        """Seconds a clip of a training."""
        most = int(self.params["modalities"][modality][phase]["batch"])
        return self._growing(lambda batch: self._trial(modality, phase, method(), batch, partner), most)

    def _growing(self, trial: Callable[[int], float], most: int) -> float:
        """Seconds a clip, of `most` at once where a trial of two clips says that there is time and memory for it, else of those two."""
        first = trial(min(BATCH, most))
        while not self.quick and most > BATCH and (self.device.type == "cuda" or STEPS * first * most < SECONDS):
            try:
                return trial(most)
            except torch.OutOfMemoryError:
                most //= 2
        return first

    def _trial(self, modality: str, phase: str, method: Method, batch: int, partner: str) -> float:
        """Seconds a clip of `batch`: the median step of a few."""
        chosen, names = self.params["modalities"], ("query",) if phase == "finetune" else ("query", "key")
        sources = [modalities.source(modality, chosen[modality], self._cache(modality), names)]
        augments: dict[str, modalities.Augment] = dict.fromkeys(names, self._augment(modality))
        if partner:
            sources.append(modalities.source(partner, chosen[partner], self._cache(partner), ("partner",)))
            augments["partner"] = self._augment(partner)
        rows = [self.rows[n % VIDEOS] for n in range(batch)]
        dataset = ClipDataset(rows, {"class 0": 0, "class 1": 1} if phase == "finetune" else None, sources, 0)
        batches = modalities.batches(dataset, augments, batch, 0, self.device)
        training = Training(**chosen[modality][phase] | {"epochs": STEPS})
        moved: Any = method
        clock = _Clock()
        with contextlib.suppress(_Enough):
            fit(moved.to(self.device), batches, training, 0, _Nowhere(), "cost", [clock])
        steps = np.diff(clock.ends)
        return float(np.median(steps[1:] if len(steps) > 1 else steps)) / batch

    def _forward(self, modality: str) -> float:
        settings, made = self.params["modalities"][modality], self._cache(modality)
        encoder = modalities.encoder(modality, settings, 0).to(self.device)
        stride = settings["clip"].get("stride", 1)

        def trial(count: int) -> float:
            rows = [self.rows[n % VIDEOS] for n in range(count)]
            clips = Clips(made, rows, modality, settings["clip"]["frames"], stride, partial(uniform_starts, count=1))
            return _timed(lambda: features.extract(encoder, self._augment(modality), clips, count, self.device)) / count

        return self._growing(trial, job.BATCH)

    def _probe(self) -> float:
        samples, numbers, classes, iterations = PROBE
        rng = np.random.default_rng(0)
        x, y = torch.from_numpy(rng.standard_normal((samples, numbers))), torch.from_numpy(rng.integers(0, classes, samples))
        weight_decay = self.params["evaluate"]["linear"]["weight_decay"]
        return _timed(lambda: linear.fit(x, y, classes, weight_decay, iterations)) / np.prod(PROBE)

    # ------------------------------------------------------------------------------------------------------------

    def _augment(self, modality: str) -> features.Augment:
        return modalities.augmentation(modality, self.params["modalities"][modality], self._cache(modality))

    def _cache(self, modality: str) -> cache.Cache:
        """Made-up videos in one shard, long enough for a clip of any modality."""
        source = {"rgb": "rgb", "flow": "flow"}.get(modality, "joint")
        if source not in self._caches:
            path = self.folder / source / "0000.h5"
            started = time.perf_counter()
            videos = ((row.id, self._values(source)) for row in self.rows)
            cache.write_shard(
                path, source, "cost", videos, {}, **({"bound": float(self.params["flow"]["bound"])} if source == "flow" else {})
            )
            self.written = (self.written[0] + path.stat().st_size, self.written[1] + time.perf_counter() - started)
            self._caches[source] = cache.Cache([path])
        return self._caches[source]

    def _values(self, source: str) -> np.ndarray:
        (width, height), clips = self.cached, [one["clip"] for one in self.params["modalities"].values()]
        length = max([span(clip["frames"], clip.get("stride", 1)) for clip in clips]) + 2
        if source == "joint":
            return np.random.default_rng(0).standard_normal((self.length, 25, 3, 2)).astype(np.float32)
        shape = (length, height, width, 3 if source == "rgb" else 2)
        return np.random.default_rng(0).integers(1, 256, shape, np.uint8)


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
