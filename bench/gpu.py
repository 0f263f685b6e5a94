"""What a GPU must show, in one call of some minutes; without one the same on the CPU, which tells nothing but that it runs.

    python -m bench.gpu --json rows.json        # on a GPU; called again it goes on after the last whole table
    python -m bench.gpu --tiny                  # anywhere, in a minute

It needs torch, torchvision, numpy, h5py and opencv, and this repository's lib on PYTHONPATH. Clips are 32 x 128 x 128, a batch is 64, as in
the paper; encoders and methods are those of the pipeline, trained by its loop. `docs/performance.md` has the last table.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from bench import memory, rows
from bench.rows import Row, in_turn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from videossl import seeding
from videossl.augment.tubelets import Drawing
from videossl.augment.video import VideoAugment
from videossl.data import cache
from videossl.data.clips import ClipDataset, Source, span
from videossl.data.index import Row as Video
from videossl.data.resident import held
from videossl.encoders.base import Encoder
from videossl.encoders.build import build, build_head
from videossl.extract import flow
from videossl.methods.byol import BYOL
from videossl.methods.cmmc import CMMC
from videossl.methods.coclr import CoCLR
from videossl.methods.moco import MoCo
from videossl.methods.simclr import SimCLR
from videossl.methods.tubelets import TubeletContrast
from videossl.train import assemble
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}  # dense bfloat16, by the card's data sheet: operations a second
VIDEOS = 9537  # of UCF101's split 1, for training
EPOCHS = 2 * 300 + 4 * 100  # of both encoders in the paper's schedule for it


@dataclass(frozen=True)
class Sizes:
    """A batch of clips, S3D's width, steps of an epoch, MoCo's queue, pairs of a video for flow, and the size of cached frames."""

    batch: int
    frames: int
    side: int
    width: float
    steps: int
    queue: int
    pairs: int
    height: int
    wide: int

    def clip(self, channels: int) -> tuple[int, ...]:
        """The shape of a batch of clips."""
        return self.batch, channels, self.frames, self.side, self.side


PAPER = Sizes(64, 32, 128, 1.0, 20, 16384, 128, 128, 171)
TINY = Sizes(4, 5, 64, 0.0625, 2, 8, 3, 64, 86)


def parts(sizes: Sizes, channels: int = 3) -> tuple[Any, Any]:
    """S3D and its head."""
    encoder = build("s3d", channels, {"width": sizes.width}, 0)
    return encoder, build_head(encoder.out_features, 0, 1024, 128)


def moco(sizes: Sizes) -> MoCo:
    """MoCo at the paper's settings."""
    return MoCo(*parts(sizes), sizes.queue, 0.999, 0.07)


def byol(sizes: Sizes, rho: int) -> BYOL:
    """BYOL of `rho` clips a video."""
    return BYOL(*parts(sizes), build_head(128, 1, 1024, 128), 0.99, rho)


METHODS: dict[str, Callable[[Sizes], Any]] = {
    "simclr": lambda sizes: SimCLR(*parts(sizes), 0.1),
    "byol": lambda sizes: byol(sizes, 2),
    "coclr": lambda sizes: CoCLR(moco(sizes), *parts(sizes, 2)),
    "tubelets": lambda sizes: TubeletContrast(*parts(sizes), sizes.queue, 0.999, 0.2, Drawing()),
    "stc-mix": lambda sizes: CMMC(moco(sizes), parts(sizes, 2)[0]),
}


def views(sizes: Sizes) -> dict[str, Tensor]:
    """Random views of all names, on the device."""
    own = {name: torch.randn(sizes.clip(3), device=DEVICE) for name in ("query", "key", "view-1", "view-2")}
    return own | {name: torch.randn(sizes.clip(2), device=DEVICE) for name in ("partner", "miner")}


def resident(sizes: Sizes) -> Batches:
    """The same views of the same videos in each step, which are there already: compute alone."""
    given, sample = views(sizes), torch.arange(sizes.batch, device=DEVICE)
    return Batches(sizes.steps, lambda number, start=0: iter([(given, sample)] * (sizes.steps - start)))


def rate(method: nn.Module, batches: Batches, sizes: Sizes, precision: str = "bf16", deterministic: bool = False) -> float:
    """Clips a second of the pipeline's loop: of the better of two epochs after the first."""
    assemble.device({"precision": precision, "deterministic": deterministic})
    ends = [time.perf_counter()]
    training = Training(3, sizes.batch, "adam", 1e-4, 1e-5, "constant", precision=precision)
    fit(
        method.to(DEVICE), batches, training, 0, Checkpoint(Path("none"), math.inf), "bench", [lambda row: ends.append(time.perf_counter())]
    )  # type: ignore[arg-type]
    return sizes.batch * sizes.steps / float(np.diff(ends)[1:].min())


def plain(method: Any, sizes: Sizes) -> float:
    """Clips a second of what one writes first: float32, PyTorch's defaults, the loss looked at in each step."""
    torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    method, given, sample = method.to(DEVICE).train(), views(sizes), torch.arange(sizes.batch, device=DEVICE)
    adam = torch.optim.Adam(method.trainable(), 1e-4, foreach=False)

    def epoch() -> None:
        for step in range(sizes.steps):
            loss = method.step(given, sample, seeding.torch_rng(0, step))["loss"]
            loss.item()
            adam.zero_grad()
            loss.backward()
            adam.step()
            method.update()

    return sizes.batch * sizes.steps / in_turn(epoch, rounds=2)[0]


def training(sizes: Sizes) -> Iterator[Row]:
    """MoCo on S3D by precision, and the hours of the paper's schedule."""
    base = plain(moco(sizes), sizes)
    with FlopCounterMode(display=False) as counter:
        method = moco(sizes).to(DEVICE)
        method.step(views(sizes), torch.arange(sizes.batch, device=DEVICE), torch.Generator())["loss"].backward()
    work = counter.get_total_flops() / sizes.batch
    del method
    peak = next((peak for card, peak in PEAKS.items() if DEVICE.type == "cuda" and card in torch.cuda.get_device_name()), None)
    for precision, deterministic in (("float32", True), ("tf32", False), ("bf16", True), ("bf16", False)):
        found = rate(moco(sizes), resident(sizes), sizes, precision, deterministic)
        limit = f"{found * work / peak:.0%} of {peak / 1e12:.0f} TFLOP/s" if peak else f"{work / 1e9:.3g} GFLOP a clip"
        name = f"train S3D, {precision}{', deterministic' if deterministic else ''}"
        yield Row(name, found, "clips/s", f"plain float32 loop {base:,.4g}", found / base, limit)
    for name, changed in (("channels first", channels_first), *([("blocks compiled", compiled)] if DEVICE.type == "cuda" else [])):
        other = rate(changed(moco(sizes)), resident(sizes), sizes)
        yield Row(f"train S3D, bf16, {name}", other, "clips/s", f"bf16 {found:,.4g}", other / found)
    hours = VIDEOS * EPOCHS / found / 3600
    if sizes == PAPER:
        yield Row("the paper's schedule on UCF101, at that rate", hours, "h", "aim: below 4", 4 / hours, "trainings alone")


def channels_first(method: nn.Module) -> nn.Module:
    """The method with weights as torch has them by default; those of S3D have their channels side by side."""
    return method.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def compiled(method: nn.Module) -> nn.Module:
    """The method with its encoders' blocks compiled by torch. On a CPU that takes minutes, and a step as long as before or longer."""
    for part in method.modules():
        for block in part if isinstance(part, Encoder) else ():
            block.compile()
    return method


def methods(sizes: Sizes) -> Iterator[Row]:
    """A step of each method against MoCo's; of CMMC also against MoCo's and the passes of its partner that it needs."""
    base = rate(moco(sizes), resident(sizes), sizes)
    for name, make in METHODS.items():
        found = rate(make(sizes), resident(sizes), sizes)
        yield Row(f"train by {name}, bf16", found, "clips/s", f"moco {base:,.4g}", found / base)
    partner, clips = parts(sizes, 2)[0].to(DEVICE).train(False), views(sizes)["partner"]
    with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16):
        blocks = len(partner)
        whole = in_turn(*(lambda stop=stop: partner.run(clips, 0, stop) for stop in range(2, blocks)), rounds=3)
    needed = sizes.batch / (sizes.batch / base + float(np.mean(whole)))
    yield Row("train by stc-mix, bf16", found, "clips/s", f"moco and its partner's passes alone {needed:,.4g}", found / needed)


def epoch(sizes: Sizes) -> Iterator[Row]:
    """An epoch that reads clips from a cache, or gathers them from memory, augments and trains, against training alone on resident views."""
    cuda = DEVICE.type == "cuda"
    workers = max(1, (os.cpu_count() or 2) - 2) if cuda else 0
    names = f"from the cache, {workers} readers", "from frames in memory"
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        given = [resident(sizes), read(Path(first), sizes, workers, 0.0), read(Path(second), sizes, workers, math.inf)]
        try:
            for precision in ("bf16",) if cuda else ("float32", "bf16"):
                rounds = [[rate(moco(sizes), batches, sizes, precision) for batches in given] for _ in range(1 if cuda else 3)]
                compute, *found = np.max(rounds, 0)  # in turn: a machine's clock drifts
                for name, value in zip(names, found, strict=True):
                    yield Row(f"epoch {name}, {precision}", value, "clips/s", f"compute alone {compute:,.4g}", value / compute)
        finally:
            for batches in given[1:]:
                batches.close()


def read(folder: Path, sizes: Sizes, workers: int, gigabytes: float) -> Batches:
    """Batches of random clips of made-up videos in a raw cache of frames, which up to so many GB are held on the device."""
    count, length = sizes.batch * sizes.steps, span(sizes.frames, 1) + 8
    noise = np.random.default_rng(0).integers(0, 256, (length, sizes.height, sizes.wide, 3), np.uint8)
    path = folder / "rgb.h5"
    cache.write_shard(path, "rgb", "bench", ((f"v{n}", "", np.roll(noise, n, 2)) for n in range(count)), {}, codec="raw")
    loader = Frames(sizes.frames)
    rows, augment = videos(count, length), VideoAugment("rgb", sizes.side)
    source = Source(cache.Cache([path]), "rgb", ("query", "key"), loader, span(sizes.frames, 1))
    dataset = ClipDataset(rows, None, held([source], [row.id for row in rows], DEVICE, gigabytes), 0)
    return assemble.views(dataset, {"query": augment, "key": augment}, sizes.batch, 0, DEVICE, workers)


def videos(count: int, length: int) -> list[Video]:
    """Rows of an index, of videos v0, v1, ... of that many frames."""
    made: dict[str, Any] = {"label": "", "split": "train", "frames": length, "fps": 30.0, "steps": length, "width": 0, "height": 0}
    made |= {"skeleton": "", "sha256": "", "status": "ok", "reason": "", "path": ""}
    return [Video(id=f"v{n}", group=f"v{n}", **made) for n in range(count)]


class Frames:
    """Reads a clip of that many frames on end."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, videos: Any, video: str, start: int) -> Any:
        return videos.read(video, start, start + self.count)


def waits(sizes: Sizes) -> Iterator[Row]:
    """A hundred steps in which whatever waits for the device is an error; looks at measures, which wait, are left out."""
    if DEVICE.type != "cuda":
        return
    assemble.device({"precision": "bf16", "deterministic": False})
    method, given, sample = moco(sizes).to(DEVICE).train(), views(sizes), torch.arange(sizes.batch, device=DEVICE)
    augment, adam = VideoAugment("rgb", sizes.side), torch.optim.Adam(method.trainable(), 1e-4, fused=True)
    clips = torch.randint(0, 256, (sizes.batch, sizes.frames, sizes.height, sizes.wide, 3), dtype=torch.uint8, device=DEVICE)
    extents = torch.tensor([[sizes.height, sizes.wide]] * sizes.batch)

    def step(number: int) -> None:
        seen = augment.train(clips, extents, [seeding.numpy_rng(0, number, row) for row in range(sizes.batch)])
        with torch.autocast("cuda", torch.bfloat16):
            loss = method.step({**given, "query": seen}, sample, seeding.torch_rng(0, number))["loss"]
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        method.update()

    step(0)
    done, said = 0, "none waits"
    torch.cuda.set_sync_debug_mode("error")
    try:
        for done in range(1, 101):
            step(done)
    except RuntimeError as error:
        said = str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    yield Row("steps that wait for nothing, views and MoCo", done, "of 100", said)


def tvl1(sizes: Sizes) -> Iterator[Row]:
    """TV-L1 of a video against OpenCV's on one core: the settings of OpenCV, and those of params.yaml."""
    down, right = np.mgrid[: sizes.height, : sizes.wide].astype(float)
    rng = np.random.default_rng(0)
    waves = rng.uniform((-0.4, -0.4, 0, -0.3), (0.4, 0.4, 2 * np.pi, 0.3), (12, 4))
    frames = [sum(np.sin(a * right + b * down + c + d * t) for a, b, c, d in waves) for t in range(sizes.pairs + 1)]
    grey = np.stack([np.clip(128 + 18 * frame + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8) for frame in frames])
    for name, settings in (("OpenCV's settings", {}), ("the demo's", {"warps": 2, "inner": 10, "outer": 5, "scales": 3})):
        few = grey[: min(len(grey), 6)]
        (ours,) = in_turn(lambda: flow.compute("tvl1-torch", settings, grey), rounds=2)  # noqa: B023
        (theirs,) = in_turn(lambda: flow.compute("tvl1-opencv", settings, few), rounds=2)  # noqa: B023
        found, base = (len(grey) - 1) / ours, (len(few) - 1) / theirs
        apart = flow.compute("tvl1-torch", settings, few) - flow.compute("tvl1-opencv", settings, few)
        limit = f"{np.linalg.norm(apart, axis=-1).mean():.3f} px apart"
        yield Row(f"TV-L1 {sizes.wide}x{sizes.height}, {name}", found, "pairs/s", f"OpenCV, a core, {base:,.4g}", found / base, limit)


def forward(sizes: Sizes) -> Iterator[Row]:
    """Features: an encoder's forward pass as the pipeline does it, in float32."""
    encoder, clips = parts(sizes)[0].to(DEVICE).eval(), views(sizes)["query"]
    assemble.device()
    with torch.no_grad():
        full = in_turn(lambda: encoder(clips))[0]
        with torch.autocast(DEVICE.type, torch.bfloat16):
            half = in_turn(lambda: encoder(clips))[0]
    yield Row("features of S3D, float32", sizes.batch / full, "clips/s", f"bf16 {sizes.batch / half:,.4g}", half / full)


TABLES = {"training": training, "waits": waits, "epoch": epoch, "tvl1": tvl1, "methods": methods, "forward": forward}


def at(table: Callable[[Sizes], Iterator[Row]], sizes: Sizes) -> rows.Table:
    """A table at those sizes, or at tiny ones."""
    return lambda tiny: table(TINY if tiny else sizes)


def main() -> None:
    """Print the tables."""
    cv2.setNumThreads(1)
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    rows.main(__doc__ or "", {name: at(table, PAPER) for name, table in TABLES.items()} | {"memory": memory.table})


if __name__ == "__main__":
    main()
