"""Cross-modal manifold cutmix between two encoders of torchvision, with nothing of the pipeline: `python docs/examples/cmmc.py`, a minute on 2 cores.

Clips are made up: a disc moves in one of eight directions before a random wall. RGB sees the frames, flow the displacements. Flow is trained first,
by MoCo alone; then RGB by CMMC, with parts of flow's feature maps cut into its own. No label is used. At the end each clip looks for the most
similar of the others: how often both move in the same direction, before and after.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision.models.video import r3d_18

from videossl.encoders.head import ProjectionHead
from videossl.methods.cmmc import CMMC
from videossl.methods.moco import MoCo

CLIPS, FRAMES, SIZE, DIRECTIONS, BATCH = 128, 6, 24, 8, 16
STEPS = {"flow": 24, "rgb": 32}
Clip = tuple[Tensor, Tensor, Tensor]


def clips(count: int, rng: torch.Generator) -> Clip:
    """RGB (N, 3, T, H, W) and flow (N, 2, T, H, W), float, and the direction (N,) of each clip."""
    direction = torch.arange(count) % DIRECTIONS
    angle = direction * (2 * math.pi / DIRECTIONS)
    step = 1.5 * torch.stack([angle.sin(), angle.cos()], 1)  # pixels a frame, down and right
    start = SIZE / 2 + 3 * torch.randn(count, 2, generator=rng)
    place = start[:, None] + step[:, None] * (torch.arange(FRAMES) - FRAMES / 2)[None, :, None]  # (N, T, 2)
    grid = torch.stack(torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij"), -1)
    disc = ((grid - place[:, :, None, None]).norm(dim=-1) < 4).float()[:, None]  # (N, 1, T, H, W)
    wall = torch.rand(count, 3, 1, SIZE // 4, SIZE // 4, generator=rng).repeat_interleave(4, 3).repeat_interleave(4, 4)
    colour = torch.rand(count, 3, 1, 1, 1, generator=rng)
    rgb = wall * (1 - disc) + colour * disc
    flow = disc * step[:, :, None, None, None]
    return rgb - 0.5, flow + 0.1 * torch.randn(flow.shape, generator=rng), direction


def views(x: Tensor, rng: torch.Generator) -> Tensor:
    """One augmented view of each clip: shifted, and noisy."""
    down, right = torch.randint(-3, 4, (2,), generator=rng).tolist()
    moved = torch.roll(x, (down, right), (-2, -1))
    return moved * (0.8 + 0.4 * torch.rand(len(x), x.shape[1], 1, 1, 1, generator=rng)) + 0.05 * torch.randn(x.shape, generator=rng)


def encoder(channels: int) -> nn.Sequential:
    """The blocks of torchvision's R3D-18, for as many channels."""
    model = r3d_18(weights=None)
    model.stem[0] = nn.Conv3d(channels, 64, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2), bias=False)
    return nn.Sequential(model.stem, model.layer1, model.layer2, model.layer3)


def momentum_contrast(encoder: nn.Module) -> MoCo:
    """A query encoder with its moving average and a queue."""
    return MoCo(encoder, ProjectionHead(256, 256, 64), queue=64, momentum=0.9, temperature=0.1)


def train(name: str, method: nn.Module, x: Tensor, partner: Tensor | None, rng: torch.Generator) -> None:
    """Train a method on all clips."""
    optimiser = torch.optim.Adam(method.trainable(), lr=1e-3)
    method.train()
    for step in range(STEPS[name]):
        chosen = torch.randperm(len(x), generator=rng)[:BATCH]
        batch = {"query": views(x[chosen], rng), "key": views(x[chosen], rng)}
        batch |= {"partner": views(partner[chosen], rng)} if partner is not None else {}
        loss = method.step(batch, chosen, rng)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.update()
        if step % 8 == 7:
            print(f"{name}: step {step + 1} of {STEPS[name]}, loss {loss.item():.2f}", flush=True)


@torch.no_grad()
def retrieval(encoder: nn.Module, x: Tensor, direction: Tensor) -> float:
    """The share of clips whose most similar other clip moves in the same direction, in percent."""
    encoder.eval()
    features = torch.cat([encoder(part).mean((2, 3, 4)) for part in x.split(BATCH)])
    features = normalize(features - features.mean(0), dim=1)
    alike = features @ features.T
    nearest = alike.fill_diagonal_(-2).argmax(1)
    return 100 * (direction[nearest] == direction).float().mean().item()


def main() -> None:
    """Train both, and say what was learned."""
    began = time.monotonic()
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    rgb, flow, direction = clips(CLIPS, rng)
    of_rgb, of_flow = encoder(3), encoder(2)
    before = retrieval(of_rgb, rgb, direction), retrieval(of_flow, flow, direction)
    train("flow", momentum_contrast(of_flow), flow, None, rng)
    train("rgb", CMMC(momentum_contrast(of_rgb), of_flow), rgb, flow, rng)
    after = retrieval(of_rgb, rgb, direction), retrieval(of_flow, flow, direction)
    for name, untrained, trained in zip(("rgb", "flow"), before, after, strict=True):
        print(f"{name}: {untrained:.0f} % of nearest clips move alike before, {trained:.0f} % after; chance {100 / DIRECTIONS:.0f} %")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
