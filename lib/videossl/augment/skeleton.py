"""Views of skeleton sequences: turn, shear and temporal crop, the same for all frames and bodies (P 4.2; docs/methods/modalities.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from videossl.errors import InputError

DRAWS = 8  # uniform numbers a view, all drawn always: six for the shear, one for the crop's start, one for the turn


@dataclass(frozen=True)
class SkeletonAugment:
    """Augmentation of joint, motion or bone clips: float32 (B, 3, T, V, M), in and out, of any graph, on any device.

    shear: amplitude; the off-diagonals of the matrix on (x, y, z) are uniform in [-shear, shear]. padding: T // padding
    frames are added by reflection at both ends, the end frame repeated, before a window of T is drawn; 0 draws none.
    turn: degrees; before the shear the whole sequence is turned about y by an angle uniform in [-turn, turn] (ours:
    docs/methods/modalities.md).
    `sizes` (V, M of each sample) is taken for the same call as VideoAugment's; nothing depends on it.
    """

    shear: float
    padding: int
    turn: float = 0

    def __post_init__(self) -> None:
        if self.shear < 0 or self.padding < 0:
            raise InputError(f"augment shear {self.shear}, padding {self.padding}: neither can be negative")
        if not 0 <= self.turn <= 180:
            raise InputError(f"augment turn {self.turn}: degrees from 0 to 180")

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        """One random view of each sequence, all draws for sample b from `rngs[b]`."""
        return self.train_with_geometry(clips, sizes, rngs)[0]

    def train_with_geometry(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, dict[str, Tensor]]:
        """The same views as `train` makes with `rngs`, and the geometry that videos' views have.

        These are "box" (B, 4) float32, the whole frame, and "flip" (B,) bool, never. The crop in time is left out: it reflects frames at the ends, so a view has no single span.
        """
        draws = np.stack([rng.random(DRAWS) for rng in rngs])
        matrix = np.tile(np.eye(3), (len(draws), 1, 1))
        matrix[:, ~np.eye(3, dtype=bool)] = self.shear * (2 * draws[:, :6] - 1)
        if self.turn:
            matrix = matrix @ about_y(np.deg2rad(self.turn) * (2 * draws[:, 7] - 1))
        length = clips.shape[2]
        pad = length // self.padding if self.padding else 0
        start = np.floor(draws[:, 6] * (2 * pad + 1)).astype(np.int64) - pad
        box = torch.tensor([0.0, 0.0, 1.0, 1.0], device=clips.device).expand(len(clips), 4)
        geometry = {"box": box, "flip": torch.zeros(len(clips), dtype=torch.bool, device=clips.device)}
        return temporal_crop(transform(clips, torch.from_numpy(matrix)), torch.from_numpy(start)), geometry

    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor:
        """The sequences as they are: nothing is random at test time."""
        return clips

    def crops(self, clips: Tensor, sizes: Tensor, views: int) -> Iterator[Tensor]:
        """The one test-time view of a skeleton, whatever `views` is for videos."""
        yield clips

    def without_blur(self) -> SkeletonAugment:
        """Itself: skeletons are not blurred."""
        return self


def about_y(angle: np.ndarray) -> np.ndarray:
    """Matrices that turn (x, y, z) about y: (B,) radians -> (B, 3, 3); a right angle takes z to x and x to -z."""
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, 0, 0] = matrix[:, 2, 2] = np.cos(angle)
    matrix[:, 0, 2] = np.sin(angle)
    matrix[:, 2, 0] = -np.sin(angle)
    return matrix


def transform(clips: Tensor, matrix: Tensor) -> Tensor:
    """Coordinates of clips times a matrix a sample: (B, 3, T, V, M), (B, 3, 3) -> (B, 3, T, V, M), out_i = sum_j matrix_ij in_j."""
    a = matrix.to(clips, non_blocking=True)[..., None, None, None]
    return a[:, :, 0] * clips[:, 0:1] + a[:, :, 1] * clips[:, 1:2] + a[:, :, 2] * clips[:, 2:3]


def temporal_crop(clips: Tensor, start: Tensor) -> Tensor:
    """Window of T frames from `start` (B,) in -T..T of clips that go on by reflection at both ends.

    (B, C, T, V, M) -> the same shape; the end frames are repeated, as in CrosSCLR's code (numpy's pad mode "symmetric").
    """
    t = clips.shape[2]
    frame = start[:, None] + torch.arange(t)
    frame = torch.where(frame < 0, -1 - frame, frame)
    frame = torch.where(frame < t, frame, 2 * t - 1 - frame)
    index = frame.to(clips.device, non_blocking=True)[:, None, :, None, None].expand_as(clips)
    return clips.gather(2, index)
