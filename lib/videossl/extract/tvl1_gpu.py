"""Kernels for `tvl1` on a GPU: an iteration in two of them, and the median by a network of comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Pixels of a program."""


def iterate(
    u: Tensor, q: Tensor, data: tuple[Tensor, Tensor, Tensor], width: int, going: Tensor, limit: float, settings: Mapping[str, Any]
) -> Tensor:
    """Do as `tvl1._OnCPU.iterate`, on u (2, N + 2 W) and q (2, 2, N + 2 W) in place. The sums of a program's pixels are added in their
    order, so the same comes out each time."""
    (slopes, inverse, constant), tau, theta = data, settings["tau"], settings["theta"]
    pictures, padded = len(going), u.shape[1]
    size = len(constant) // pictures
    blocks = triton.cdiv(size, BLOCK)
    changes = u.new_zeros(2, pictures, blocks)  # before and after an iteration
    changes[0] = torch.where(going > 0, torch.inf, 0.0)[:, None]
    shared: dict[str, Any] = {"limit": limit, "padded": padded, "size": size, "width": width, "blocks": blocks}
    shared |= {"BLOCK": BLOCK, "BLOCKS": triton.next_power_of_2(blocks)}
    for number in range(settings["inner"]):
        before, after = changes[number % 2], changes[1 - number % 2]
        _change_u[blocks, pictures](u, q, slopes, inverse, constant, before, after, settings["lambda"] * theta, slopes.shape[1], **shared)
        _change_q[blocks, pictures](u, q, before, tau, tau / theta, **shared)
    return (changes[settings["inner"] % 2].sum(1) > limit).to(going.dtype)


@triton.jit  # type: ignore[untyped-decorator]
def _goes_on(changes, picture, limit, blocks, BLOCKS: tl.constexpr):  # type: ignore[no-untyped-def]
    """True where the picture changed by more than `limit` in the iteration before."""
    block = tl.arange(0, BLOCKS)
    return tl.sum(tl.load(changes + picture * blocks + block, block < blocks, 0.0)) > limit


@triton.jit  # type: ignore[untyped-decorator]
def _change_u(  # type: ignore[no-untyped-def]
    u, q, slopes, inverse, constant, before, after, cap, count, limit, padded, size, width, blocks,
    BLOCK: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    """u = v + theta div p, for a block of a picture."""
    block, picture = tl.program_id(0), tl.program_id(1)
    total = 0.0
    if _goes_on(before, picture, limit, blocks, BLOCKS):
        pixel = block * BLOCK + tl.arange(0, BLOCK)
        inside = pixel < size
        at = picture.to(tl.int64) * size + pixel
        place = at + width
        u1, u2 = tl.load(u + place, inside), tl.load(u + padded + place, inside)
        across, down = tl.load(slopes + at, inside), tl.load(slopes + count + at, inside)
        rho = tl.load(constant + at, inside) + across * u1 + down * u2
        rho = tl.minimum(tl.maximum(rho * tl.load(inverse + at, inside), -cap), cap)
        p11, p12, p21, p22 = q + place, q + padded + place, q + 2 * padded + place, q + 3 * padded + place
        change1 = tl.load(p11, inside) - tl.load(p11 - 1, inside) + tl.load(p12, inside) - tl.load(p12 - width, inside) + across * rho
        change2 = tl.load(p21, inside) - tl.load(p21 - 1, inside) + tl.load(p22, inside) - tl.load(p22 - width, inside) + down * rho
        tl.store(u + place, u1 + change1, inside)
        tl.store(u + padded + place, u2 + change2, inside)
        total = tl.sum(tl.where(inside, change1 * change1 + change2 * change2, 0.0))
    tl.store(after + picture * blocks + block, total)


@triton.jit  # type: ignore[untyped-decorator]
def _change_q(  # type: ignore[no-untyped-def]
    u, q, before, tau, slope, limit, padded, size, width, blocks, BLOCK: tl.constexpr, BLOCKS: tl.constexpr
):  # fmt: skip
    """q = theta p, from grad u, for a block of a picture."""
    block, picture = tl.program_id(0), tl.program_id(1)
    if _goes_on(before, picture, limit, blocks, BLOCKS):
        pixel = block * BLOCK + tl.arange(0, BLOCK)
        inside = pixel < size
        place = picture.to(tl.int64) * size + pixel + width
        not_last = (pixel % width) < width - 1
        not_lowest = pixel < size - width
        for component in tl.static_range(2):
            here = tl.load(u + component * padded + place, inside)
            across = tl.where(not_last, tl.load(u + component * padded + place + 1, inside) - here, 0.0)
            down = tl.where(not_lowest, tl.load(u + component * padded + place + width, inside) - here, 0.0)
            norm = 1.0 + slope * tl.sqrt(across * across + down * down)
            qx, qy = q + 2 * component * padded + place, q + (2 * component + 1) * padded + place
            tl.store(qx, (tl.load(qx, inside) + tau * across) / norm, inside)
            tl.store(qy, (tl.load(qy, inside) + tau * down) / norm, inside)


def median(x: Tensor, side: int) -> Tensor:
    """The median over side x side pixels, of (B, H, W), edges repeated."""
    half = side // 2
    padded = F.pad(x[:, None], (half,) * 4, mode="replicate")[:, 0]
    height, width = x.shape[1:]
    values = [padded[:, down : down + height, right : right + width] for down, right in product(range(side), repeat=2)]
    for low, high in network(side * side):
        values[low], values[high] = torch.minimum(values[low], values[high]), torch.maximum(values[low], values[high])
    return values[side * side // 2]


@cache
def network(count: int) -> list[tuple[int, int]]:
    """The comparisons (low, high), in order, after which the middle of `count` values is at its place: Batcher's odd-even merge sort (1968), as
    far as the middle depends on it."""
    comparisons, wanted, result = list(_sorting(count)), {count // 2}, []
    for low, high in reversed(comparisons):
        if wanted & {low, high}:
            wanted |= {low, high}
            result.append((low, high))
    return result[::-1]


def _sorting(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's comparisons of any number of values (Knuth 5.2.2, algorithm M)."""
    top = 1 << (count - 1).bit_length() - 1
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2


smooth = torch.compile(median, dynamic=True)
"""`median` as one kernel."""
