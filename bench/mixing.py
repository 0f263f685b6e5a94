"""Cutmix of feature maps by slices, against the same by a full mask (M * g1 + (1 - M) * g2, P eq. 7 as printed), on one thread.

    python -m bench.mixing

Forward and backward, one box a batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from bench import rows
from bench.rows import Row, in_turn
from torch import Tensor

from videossl.mix.adapters import draw_patch, lay_out
from videossl.mix.cutmix import cutmix, draw_box, keep_mask
from videossl.seeding import torch_rng

NAMES = {3: ("channel", "time", "joint"), 4: ("channel", "time", "height", "width")}
# S3D at width 0.25, block by block; then its block 4 with ST-GCN's layer 8 at the paper's sizes, both ways.
SHAPES = (
    ((16, 4, 32, 32), (48, 4, 16, 16)),
    ((120, 4, 8, 8), (208, 2, 4, 4)),
    ((832, 8, 8, 8), (64, 13, 25)),
    ((64, 13, 25), (832, 8, 8, 8)),
)


def table(tiny: bool) -> Iterator[Row]:
    """A row for each pair of shapes."""
    for shape1, shape2 in SHAPES[:1] if tiny else SHAPES:
        rng = torch_rng(0, str(shape1), "bench")
        g1, g2 = torch.randn(16, *shape1, generator=rng, requires_grad=True), torch.randn(16, *shape2, generator=rng)
        names1, names2 = NAMES[len(shape1)], NAMES[len(shape2)]
        patch = None if names1 == names2 else draw_patch(shape1, shape2, rng, dims=(names1, names2))
        box = patch[1] if patch else draw_box(shape1, shape2, rng, dims=names1)

        def laid() -> Tensor:
            return lay_out(g2, [patch[0]]) if patch else g2  # noqa: B023

        def by_slices() -> Tensor:
            return cutmix(g1, laid(), box)[0]  # noqa: B023

        def by_mask() -> Tensor:
            mask, placed = keep_mask(box, shape1), torch.zeros(16, *shape1)  # noqa: B023
            into = (slice(None), *(slice(*span) for span in box.into))  # noqa: B023
            placed[into] = laid()[(slice(None), *(slice(*span) for span in box.source))]  # noqa: B023
            return mask * g1 + (~mask) * placed  # noqa: B023

        assert torch.equal(by_mask(), by_slices())
        slices, mask = in_turn(lambda: by_slices().sum().backward(), lambda: by_mask().sum().backward(), rounds=20)
        yield Row(f"cutmix {shape2} into {shape1}", 1000 * slices, "ms", f"full mask {1000 * mask:.3g}", mask / slices)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows.main(__doc__ or "", {"mixing": table})
