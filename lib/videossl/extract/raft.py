"""Optical flow by RAFT (Teed and Deng, ECCV 2020), torchvision's, with its weights or others of the same network."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from videossl.errors import InputError
from videossl.extract import torchvision_weights

DEFAULTS: dict[str, Any] = {"model": "large", "updates": 12}
SMALLEST = 128  # pixels of a side
AT_ONCE = {"cpu": 1, "cuda": 32}  # pairs


def find_weights(model: str, weights: str) -> tuple[Path, str]:
    """The file that `flow.weights` stands for, and its SHA-256; `torchvision` is torchvision's own (`torchvision_weights.find`)."""
    from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights

    own = {"large": Raft_Large_Weights.DEFAULT, "small": Raft_Small_Weights.DEFAULT}[model]
    return torchvision_weights.find("flow.weights", weights, "torchvision", own)


def untrained(model: str) -> torch.nn.Module:
    """RAFT as torchvision builds it, in evaluation mode; its weights are random."""
    from torchvision.models import optical_flow

    network: torch.nn.Module = getattr(optical_flow, f"raft_{model}")(weights=None, progress=False)
    return network.eval()


@cache
def network(model: str, path: str, digest: str) -> torch.nn.Module:
    """RAFT with the weights in `path`, whose SHA-256 is `digest`, on the GPU if there is one; made once in each process. Without a digest it is untrained."""
    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = True, False
    result = untrained(model)
    if digest:
        torchvision_weights.load(result, Path(path), f"flow.weights must be a state dict of torchvision's raft_{model}")
    return result.to("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def flow(pictures: np.ndarray, raft: torch.nn.Module, updates: int) -> np.ndarray:
    """The flow between consecutive frames of a video, (N, H, W) or (N, H, W, 3) uint8: (N - 1, H, W, 2) float32, right and down, pixels.

    Sides are filled up to multiples of 8 by repeating the last pixels. Raises InputError for frames smaller than RAFT takes.
    """
    height, width = pictures.shape[1:3]
    if min(height, width) < SMALLEST:
        raise InputError(f"no flow of {width}x{height} pixels by raft: it takes {SMALLEST} at least; raise cache.short_side")
    device = next(raft.parameters()).device
    colour = torch.from_numpy(pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, axis=3)).permute(0, 3, 1, 2)
    result = np.zeros((len(pictures) - 1, height, width, 2), np.float32)
    moving = [number for number in range(len(result)) if not np.array_equal(pictures[number], pictures[number + 1])]
    count = AT_ONCE[device.type]
    for pairs in (moving[first : first + count] for first in range(0, len(moving), count)):
        now, following = (_seen(colour[[number + ahead for number in pairs]].to(device)) for ahead in (0, 1))
        found = raft(now, following, num_flow_updates=updates)[-1]
        result[pairs] = found[..., :height, :width].permute(0, 2, 3, 1).cpu().numpy()
    return result


def _seen(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, H, W) uint8 as RAFT was trained on them: in [-1, 1], sides filled up."""
    height, width = pictures.shape[2:]
    return F.pad(pictures / 127.5 - 1, (0, -width % 8, 0, -height % 8), mode="replicate")
