"""Cross-modal manifold cutmix between two encoders of torchvision, with nothing of the pipeline.

    python docs/examples/cmmc.py        half a minute on 2 cores

Clips are made up: a disc moves in one of eight directions. RGB sees the disc, flow its displacement. Flow is trained first, by MoCo alone.
Then RGB is trained by CMMC: boxes of the feature maps of flow are cut into its own, and flow stays as it is. No label is used. Before and
after each clip looks for the most similar of the others: how often do both move in the same direction?
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision.models.video import mc3_18, r3d_18

from videossl.encoders.head import ProjectionHead
from videossl.methods.cmmc import CMMC
from videossl.methods.moco import MoCo

CLIPS, BATCH, FRAMES, SIZE, DIRECTIONS = 128, 32, 6, 16, 8
STEPS = {"flow": 24, "rgb": 100}


def clips(count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """RGB (N, 3, T, H, W) in 0 to 1, flow (N, 2, T, H, W) in pixels a frame, and the direction (N,) of each clip."""
    direction = torch.arange(count) % DIRECTIONS
    angle = direction * (2 * math.pi / DIRECTIONS)
    velocity = 1.5 * torch.stack([angle.sin(), angle.cos()], 1)
    middle = SIZE / 2 + 3 * torch.randn(count, 2, generator=rng)
    centre = middle[:, None] + velocity[:, None] * (torch.arange(FRAMES) - FRAMES / 2)[None, :, None]  # (N, T, 2)
    cells = torch.stack(torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij"), -1)
    disc = ((cells - centre[:, :, None, None]).norm(dim=-1) < 3).float()[:, None]  # (N, 1, T, H, W)
    flow = disc * velocity[:, :, None, None, None]
    return disc.repeat(1, 3, 1, 1, 1), flow + 0.1 * torch.randn(flow.shape, generator=rng), direction


def view(x: Tensor, rng: torch.Generator) -> Tensor:
    """One augmented view of each clip: shifted, so that where the disc is says nothing, brighter or darker, and noisy."""
    shifts = torch.randint(SIZE, (len(x), 2), generator=rng).tolist()
    moved = torch.stack([clip.roll(shift, (-2, -1)) for clip, shift in zip(x, shifts, strict=True)])
    brighter = 0.8 + 0.4 * torch.rand(len(x), 1, 1, 1, 1, generator=rng)
    return moved * brighter + 0.1 * torch.randn(x.shape, generator=rng)


def encoder(build: Callable[..., nn.Module], channels: int) -> nn.Sequential:
    """The first blocks of a model of torchvision, for as many channels."""
    model = build(weights=None)
    model.stem[0] = nn.Conv3d(channels, 64, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2), bias=False)
    return nn.Sequential(model.stem, model.layer1, model.layer2)


def moco(encoder: nn.Module) -> MoCo:
    """Momentum contrast for an encoder whose maps have 128 channels."""
    return MoCo(encoder, ProjectionHead(128, 128, 64), queue=64, momentum=0.9, temperature=0.1)


def train(name: str, method: nn.Module, x: Tensor, partner: Tensor | None, rng: torch.Generator) -> None:
    """Train a method; a partner is the other modality of the same clips."""
    optimiser = torch.optim.Adam(method.trainable(), lr=1e-3)
    method.train()
    for step in range(1, STEPS[name] + 1):
        chosen = torch.randperm(len(x), generator=rng)[:BATCH]
        batch = {"query": view(x[chosen], rng), "key": view(x[chosen], rng)}
        if partner is not None:
            batch["partner"] = view(partner[chosen], rng)
        loss = method.step(batch, chosen, rng)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.update()  # moves the average, fills the queue
        if step % 20 == 0 or step == STEPS[name]:
            print(f"{name}: step {step} of {STEPS[name]}, loss {loss.item():.2f}", flush=True)


@torch.no_grad()
def retrieval(encoder: nn.Module, x: Tensor, direction: Tensor) -> float:
    """The share of clips whose most similar other clip moves in the same direction, in percent."""
    encoder.eval()
    features = torch.cat([encoder(part).mean((2, 3, 4)) for part in x.split(BATCH)])
    features = normalize(features - features.mean(0), dim=1)
    nearest = (features @ features.T).fill_diagonal_(-2).argmax(1)
    return 100 * (direction[nearest] == direction).float().mean().item()


def main() -> None:
    """Train both, and say what was learned."""
    began = time.monotonic()
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    rgb, flow, direction = clips(CLIPS, rng)
    of_rgb, of_flow = encoder(r3d_18, 3), encoder(mc3_18, 2)

    def measure() -> dict[str, float]:
        return {"rgb": retrieval(of_rgb, rgb, direction), "flow": retrieval(of_flow, flow, direction)}

    before = measure()
    train("flow", moco(of_flow), flow, None, rng)
    train("rgb", CMMC(moco(of_rgb), of_flow), rgb, flow, rng)
    for name, share in measure().items():
        print(f"{name}: the nearest clip moves alike for {before[name]:.0f} % before, {share:.0f} % after; chance {100 / DIRECTIONS:.0f} %")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
