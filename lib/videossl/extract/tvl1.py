"""TV-L1 optical flow on torch, for many pairs of frames at once: Sanchez Perez, Meinhardt-Llopis, Facciolo (IPOL 2013), as OpenCV computes it.

Names and equations are those of IPOL: u the flow, v its auxiliary, p = (p11, p12), (p21, p22) the dual variable of each component. A pair's
flow does not depend on the pairs beside it. Where it departs from OpenCV: warps read pictures at exact positions, not at multiples of 1/32
pixel; where there is no gradient v is u.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

DEFAULTS: dict[str, float] = {
    "tau": 0.25,
    "lambda": 0.15,
    "theta": 0.3,
    "scales": 5,
    "scale_step": 0.8,
    "warps": 5,
    "epsilon": 0.01,
    "inner": 30,
    "outer": 10,
    "median": 5,
}
"""OpenCV's settings and their defaults."""

SMALLEST = 16
"""Pixels of a side below which OpenCV makes no further scale."""

FLAT = torch.finfo(torch.float32).eps
"""A squared gradient up to this is none."""


@torch.inference_mode()
def flow(now: Tensor, following: Tensor, settings: Mapping[str, Any] = DEFAULTS) -> Tensor:
    """The flow from `now` to `following`, (B, H, W) uint8 or float32 in [0, 255]: (B, 2, H, W) float32, right and down, pixels.

    settings: all of `DEFAULTS`.
    """
    pyramid, step = [torch.stack([now, following]).float()], float(settings["scale_step"])
    while len(pyramid) < settings["scales"]:
        smaller = _resize(pyramid[-1], [round(side * step) for side in pyramid[-1].shape[-2:]], step)
        if min(smaller.shape[-2:]) < SMALLEST:
            break
        pyramid.append(smaller)
    u = torch.zeros_like(pyramid[-1])
    for pictures in reversed(pyramid):
        size = list(pictures.shape[-2:])
        u = u if list(u.shape[-2:]) == size else _resize(u, size) / step
        u = _Scale(pictures[0], pictures[1], u, settings).solve()
    return u.transpose(0, 1).contiguous()


def _resize(x: Tensor, size: list[int], scale: float | None = None) -> Tensor:
    """Bilinear, pixels as areas, without a low-pass: by `scale` where it is given, cut to `size`."""
    result: Tensor = torch.ops.aten.upsample_bilinear2d(x, size, False, scale, scale)
    return result


class _Scale:
    """IPOL's procedure on one scale of the pyramid.

    Planes lie one behind the other, N = B H W values, with a row of zeros before and after them: the neighbour to the right is one value on,
    that below is one row on. The last column of p11, p21 and the last row of p12, p22 are always 0, so that no value leaks from row to row
    or from picture to picture. What is kept of p is q = theta p.
    """

    def __init__(self, now: Tensor, following: Tensor, u: Tensor, settings: Mapping[str, Any]) -> None:
        self.settings, self.now = settings, now
        self.pictures, self.height, self.width = now.shape
        self.limit = settings["epsilon"] ** 2 * self.height * self.width  # of the summed squared change of u in an iteration
        self.surface = torch.stack([following, *_gradient(following)], 1)  # I1 and its gradient: (B, 3, H, W)
        padded = now.numel() + 2 * self.width
        self.u = now.new_zeros(2, padded)
        self.middle(self.u).copy_(u)
        self.q = now.new_zeros(2, 2, padded)  # component of u, direction
        self.on_cpu = None if now.is_cuda else _OnCPU(self.u, self.q, now.shape)

    def middle(self, padded: Tensor) -> Tensor:
        """The planes of a tensor without the rows of zeros: (..., B, H, W), a view."""
        return padded[..., self.width : -self.width].view(*padded.shape[:-1], self.pictures, self.height, self.width)

    def solve(self) -> Tensor:
        """The flow, (2, B, H, W)."""
        for _ in range(self.settings["warps"]):
            data = self._linearised()
            going = self.now.new_ones(self.pictures)  # 1 for a pair whose flow still changes, else 0
            for _ in range(self.settings["outer"]):
                if self.settings["median"] > 1:
                    self._smooth(going)
                going = self._inner(data, going)
                if not going.any():
                    break
        return self.middle(self.u).clone()

    def _linearised(self) -> tuple[Tensor, Tensor, Tensor]:
        """The parts of an iteration that stay until the next warp: the gradient of the warped I1, (2, N); -1 / its square, and the constant part of rho,
        (N,) each."""
        u = self.middle(self.u)
        warped, *gradient = _warp(self.surface, u).unbind(1)
        slopes = torch.stack(gradient)
        square = slopes.square().sum(0)
        constant = warped - self.now - (slopes * u).sum(0)
        return slopes.flatten(1), torch.where(square > FLAT, -1 / square, 0).flatten(), constant.flatten()

    def _smooth(self, going: Tensor) -> None:
        """The median of u, where it still changes."""
        u, side = self.middle(self.u), int(self.settings["median"])
        if u.is_cuda:
            from videossl.extract import tvl1_gpu

            smoothed = tvl1_gpu.smooth(u.flatten(0, 1), side).view_as(u)
            u.copy_(torch.where(going[:, None, None] > 0, smoothed, u))
            return
        for component, picture in product(range(2), going.nonzero()[:, 0].tolist()):
            plane = u[component, picture]
            plane.copy_(torch.from_numpy(cv2.medianBlur(plane.numpy(), side)))

    def _inner(self, data: tuple[Tensor, Tensor, Tensor], going: Tensor) -> Tensor:
        """The inner iterations; returns which pairs still change."""
        if self.on_cpu:
            return self.on_cpu.iterate(data, going, self.limit, self.settings)
        from videossl.extract import tvl1_gpu

        return tvl1_gpu.iterate(self.u, self.q, data, self.width, going, self.limit, self.settings)


class _OnCPU:
    """Iterations on the CPU: views of u and q, and room for what an iteration computes, made once."""

    def __init__(self, u: Tensor, q: Tensor, shape: torch.Size) -> None:
        self.pictures, width, count = shape[0], shape[2], shape.numel()
        self.here, self.right, self.below = (u[:, width + ahead :][:, :count] for ahead in (0, 1, width))
        (self.x, self.left), (self.y, self.above) = (
            (q[:, axis, width:][:, :count], q[:, axis, width - back :][:, :count]) for axis, back in ((0, 1), (1, width))
        )
        mask = u.new_ones(2, *shape)  # 0 where there is no neighbour to the right, and none below
        mask[0, :, :, -1], mask[1, :, -1] = 0, 0
        self.mask = mask.flatten(1)
        self.change, self.across, self.down, self.norm = u.new_empty(4, 2, count)

    def iterate(self, data: tuple[Tensor, Tensor, Tensor], going: Tensor, limit: float, settings: Mapping[str, Any]) -> Tensor:
        """The `inner` iterations of v, u and p (IPOL algorithm 1, lines 8 to 10), each of the pairs whose u changed by more than `limit` in the
        one before; returns which pairs still change, (B,). data: as of `_Scale._linearised`."""
        (slopes, inverse, constant), tau, theta = data, settings["tau"], settings["theta"]
        here, x, y, change, across, down, norm = self.here, self.x, self.y, self.change, self.across, self.down, self.norm
        (slope_x, slope_y), (u1, u2), rho, cap = slopes, here, norm[0], settings["lambda"] * theta
        squares = norm.view(2, self.pictures, -1)
        step, to_right, to_below = self._steps(going)
        for _ in range(settings["inner"]):
            # v - u = rho / |grad I1|^2 held within lambda theta, along the gradient
            torch.addcmul(constant, slope_x, u1, out=rho).addcmul_(slope_y, u2).mul_(inverse).clamp_(-cap, cap)
            # u = v + theta div p
            torch.sub(x, self.left, out=change).add_(y).sub_(self.above).addcmul_(slopes, rho)
            if self.pictures > 1:
                change.mul_(step)
            here.add_(change)
            # p = (p + tau / theta grad u) / (1 + tau / theta |grad u|); of a pair that goes on no more grad u counts as 0
            torch.sub(self.right, here, out=across).mul_(to_right)
            torch.sub(self.below, here, out=down).mul_(to_below)
            torch.mul(across, across, out=norm).addcmul_(down, down).sqrt_().mul_(tau / theta).add_(1)
            x.add_(across, alpha=tau).div_(norm)
            y.add_(down, alpha=tau).div_(norm)
            torch.mul(change, change, out=norm)
            still = going * (squares.sum((0, 2)) > limit)
            if not still.equal(going):
                going = still
                if not going.any():
                    break
                step, to_right, to_below = self._steps(going)
        return going

    def _steps(self, going: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 for each pixel of the pairs that go on, else 0; the same, 0 where there is no neighbour to the right; and none below: (N,)."""
        step = going.repeat_interleave(self.mask.shape[1] // self.pictures)
        to_right, to_below = self.mask * step
        return step, to_right, to_below


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down, at the edges half of the one-sided ones."""
    padded = F.pad(x[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    return (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2


def _warp(x: Tensor, u: Tensor) -> Tensor:
    """x (B, C, H, W) at the places to which u (2, B, H, W) points, bicubic; 0 beyond the edges."""
    height, width = x.shape[-2:]
    across = (torch.arange(width, device=x.device) + u[0]) * (2 / max(1, width - 1)) - 1
    down = (torch.arange(height, device=x.device)[:, None] + u[1]) * (2 / max(1, height - 1)) - 1
    return F.grid_sample(x, torch.stack([across, down], -1), mode="bicubic", padding_mode="zeros", align_corners=True)
