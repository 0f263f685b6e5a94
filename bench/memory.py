"""Peak memory of a training of tubelet contrast at its published sizes: R(2+1)D-18, 32 clips of 16 x 112 x 112, a queue of 16,384.

It is computed from what a step of two clips keeps for its backward pass, times the clips, with weights, gradients, the momentum of SGD and the
key encoder beside it. A step is then measured: on a GPU of the whole batch, on a CPU of a tenth, in a process of its own.

    python -m bench --only memory
    python -m bench.memory 3        # a step of three clips in this process, and the peak of the process in bytes; of 0, no step
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from bench.rows import Row
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from videossl.augment.tubelets import Drawing
from videossl.encoders.build import build, build_head
from videossl.methods.tubelets import TubeletContrast
from videossl.train.schedule import optimiser

BATCH, CLIP, QUEUE = 32, (3, 16, 112, 112), 16384
TINY = (3, 8, 32, 32)


def method(width: float = 1.0) -> TubeletContrast:
    """Tubelet contrast on R(2+1)D-18, with a head of one hidden layer."""
    encoder = build("r2plus1d-18", 3, {"width": width}, 0)
    return TubeletContrast(encoder, build_head(encoder.out_features, 0, encoder.out_features, 128), QUEUE, 0.999, 0.2, Drawing())


def step(trained: TubeletContrast, batch: int, clip: tuple[int, ...], device: torch.device) -> None:
    """One step of SGD with momentum."""
    sgd = optimiser("sgd", trained.trainable(), 0.01, 1e-4)
    views = {name: torch.rand(batch, *clip, device=device) for name in ("query", "key")}
    loss: Any = trained.step(views, torch.arange(batch, device=device), torch.Generator().manual_seed(0))["loss"]
    loss.backward()
    sgd.step()
    trained.update()


def computed(batch: int, clip: tuple[int, ...], width: float = 1.0) -> float:
    """Bytes of a step of `batch` clips: what two clips keep, each, and what does not depend on the clips."""
    trained, kept = method(width), dict[int, int]()

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        views = {name: torch.rand(2, *clip) for name in ("query", "key")}
        loss = trained.step(views, torch.arange(2), torch.Generator().manual_seed(0))["loss"]
    own = {tensor.untyped_storage().data_ptr() for tensor in (*trained.parameters(), *trained.buffers())}
    activations = sum(size for place, size in kept.items() if place not in own)
    del loss
    weights = sum(tensor.nbytes for tensor in (*trained.parameters(), *trained.buffers()))
    learned = sum(parameter.nbytes for parameter in trained.trainable())
    return activations / 2 * batch + weights + 2 * learned  # gradients and momentum


def measured(batch: int, tiny: bool) -> float:
    """Bytes at the peak of a step: on a GPU of its allocator, on a CPU of a process that made the step, less one that made none."""
    if torch.cuda.is_available():
        device = torch.device("cuda")
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(method(0.0625 if tiny else 1.0).to(device), batch, TINY if tiny else CLIP, device)
        return torch.cuda.max_memory_allocated() - before
    peaks = []
    for count in (batch, 0):
        words = [sys.executable, "-m", "bench.memory", str(count), *(["tiny"] if tiny else [])]
        peaks.append(int(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    return float(peaks[0] - peaks[1])


def table(tiny: bool) -> Iterator[Row]:
    """The peak of a step, measured, beside what is computed of it, and what is computed of the published batch."""
    batch = BATCH if torch.cuda.is_available() else round(BATCH / 10)
    clip, width = (TINY, 0.0625) if tiny else (CLIP, 1.0)
    wanted, found = computed(batch, clip, width) / 1e6, measured(batch, tiny) / 1e6
    limit = f"{computed(BATCH, clip, width) / 1e9:.3g} GB computed of {BATCH} clips"
    yield Row(f"peak of a step of tubelets on R(2+1)D-18, {batch} clips", found, "MB", f"computed {wanted:,.4g}", wanted / found, limit)


def main() -> None:
    """Make a step of so many clips in this process, of 0 none, and print the peak of the process in bytes."""
    count, tiny = int(sys.argv[1]), "tiny" in sys.argv[2:]
    torch.set_num_threads(1)
    if count:
        step(method(0.0625 if tiny else 1.0), count, TINY if tiny else CLIP, torch.device("cpu"))
    status = Path("/proc/self/status").read_text()  # the maximum of getrusage is its parent's too
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)


if __name__ == "__main__":
    main()
