"""`videossl embed` against the plain loop that documentations show: decode a video, take clips, transform them, call the model.

    python -m bench --only embed

A model of torchvision with random weights; clips, frames, rate and size are those that torchvision tests it with. Videos are made up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from bench.rows import Row, in_turn
from torchvision import models

import videossl
from videossl.use.model import embed

MODEL, FRAMES, RATE = "r3d_18", 16, 15


def table(tiny: bool) -> Iterator[Row]:
    """One row: videos a second, of 100 clips."""
    videos, clips = (1, 2) if tiny else (20, 5)
    with tempfile.TemporaryDirectory() as folder:
        paths = [_film(Path(folder) / f"{number}.avi") for number in range(videos)]
        network, weights = models.get_model(MODEL).eval(), Path(folder) / "weights.pth"
        torch.save(network.state_dict(), weights)
        network.fc = torch.nn.Identity()
        transform = models.get_model_weights(MODEL).KINETICS400_V1.transforms()
        model = videossl.load(f"torchvision:{MODEL}:{weights}", clips=clips)
        ours, theirs = in_turn(
            lambda: list(embed(model, paths)), lambda: [_plain(network, transform, path, clips) for path in paths], rounds=2
        )
        features = [[row.features for row in embed(model, paths[:1])], [_plain(network, transform, paths[0], clips)]]
        apart = float(np.abs(np.subtract(*features)).max() / np.abs(features[1]).max())
    what = f"embed {videos} videos of 3 s, {clips} clips each, by {MODEL}"
    yield Row(what, videos / ours, "videos/s", f"plain loop {videos / theirs:.4g}", theirs / ours, f"features differ by {apart:.1g}")


@torch.no_grad()
def _plain(network: torch.nn.Module, transform: Any, path: Path, clips: int) -> np.ndarray:
    """The mean features (D,) of a video's clips."""
    with av.open(str(path)) as container:
        frames = torch.from_numpy(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    frames = frames[:: 30 // RATE]
    starts = np.linspace(0, len(frames) - FRAMES, clips).round()
    views = torch.stack([transform(frames[int(start) : int(start) + FRAMES].permute(0, 3, 1, 2)) for start in starts])
    mean: np.ndarray = network(views).mean(0).numpy()
    return mean


def _film(path: Path, frames: int = 90, size: tuple[int, int] = (320, 240)) -> Path:
    """A video of a wall that moves, 30 frames a second."""
    rng = np.random.default_rng(int(path.stem))
    wall = rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for t in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(wall, 2 * t, axis=1), format="rgb24")))
        container.mux(stream.encode(None))
    return path
