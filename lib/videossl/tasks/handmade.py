"""Features nobody trained: the baseline `handmade`, what the pixels say without an encoder (toy.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from videossl.data.cache import Cache
from videossl.data.clips import SKELETON, check_graph, load_clip
from videossl.data.index import Row
from videossl.errors import InputError

GRID = 8  # cells a side of the grid that frames are averaged on


def features(cache: Cache, rows: Sequence[Row], modality: str, graph: str = "") -> np.ndarray:
    """Features (V, 1, D) float32 of whole videos.

    rgb: mean colour in 0..1 on an 8 x 8 grid, D 192. flow: mean length of the flow, px a frame, D 64. joint: mean
    position relative to the graph's origin; motion: mean |change to the next frame|; bone: mean vector from the joint's
    parent to it; in the cache's unit, D = 3 x joints x bodies. `graph` as in `load_clip`.
    """
    if modality not in ("rgb", "flow", *SKELETON):
        raise InputError(f"hand-made features of {modality!r}: there are some for rgb, flow, {', '.join(SKELETON)}")
    if not rows:
        raise InputError(f"features of {modality}: the index has no usable video; see its column `reason`")
    check_graph(cache, modality, graph)
    return np.stack([_video(cache, row.id, modality, graph) for row in rows])[:, None].astype(np.float32)


def _video(cache: Cache, video: str, modality: str, graph: str) -> np.ndarray:
    length = cache.length(video)
    if modality in SKELETON:
        clip = load_clip(cache, video, modality, length, 1, 0, graph)  # (3, T, V, M)
        clip = np.abs(clip) if modality == "motion" else clip
        return np.asarray(clip.mean(axis=1, dtype=np.float64).ravel())
    frames = cache.read(video, 0, length)
    if modality == "rgb":
        return grid_mean(frames.mean(axis=0) / 255)
    flow = (frames.astype(np.float32) - 128) * (float(cache.attrs["bound"]) / 127)
    return grid_mean(np.linalg.norm(flow, axis=-1).mean(axis=0, dtype=np.float64)[..., None])


def grid_mean(image: np.ndarray) -> np.ndarray:
    """Mean of (H, W, C) over the cells of an 8 x 8 grid, flat (64 C,), cell by cell from the top left."""
    cells = F.adaptive_avg_pool2d(torch.from_numpy(image).permute(2, 0, 1), GRID)
    return cells.permute(1, 2, 0).reshape(-1).numpy()
