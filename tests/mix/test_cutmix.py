from collections.abc import Sequence
from itertools import product
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videossl.errors import InputError
from videossl.mix import cutmix as module
from videossl.mix.axes import AXES, DEFAULTS, SPACE
from videossl.mix.cutmix import Box, cutmix, draw_aligned_box, draw_box, keep_mask
from videossl.seeding import torch_rng


def maps(batch: int, shape1: Sequence[int], shape2: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps in which every number occurs once, so that a value tells where it is from; g2's are negative."""
    g1 = 1.0 + torch.arange(batch * prod(shape1), dtype=torch.float64).view(batch, *shape1)
    g2 = -1.0 - torch.arange(batch * prod(shape2), dtype=torch.float64).view(batch, *shape2)
    return g1, g2


def naive(g1: torch.Tensor, g2: torch.Tensor, box: Box) -> torch.Tensor:
    """Cell by cell, by an offset from the box's corner."""
    mixed = g1.clone()
    for row in range(len(g1)):
        for cell in product(*(range(start, stop) for start, stop in box.into)):
            source = tuple(c - into[0] + from_[0] for c, into, from_ in zip(cell, box.into, box.source, strict=True))
            mixed[(row, *cell)] = g2[(row, *source)]
    return mixed


def fix_draws(monkeypatch: pytest.MonkeyPatch, share: float, centre2: list[float], centre1: list[float]) -> None:
    """Make the next box that of a known share and known centres (in [0, 1) of each axis)."""
    monkeypatch.setattr(module, "draw_lam", lambda alpha, rng: 1 - share)
    drawn = torch.tensor([centre2, centre1], dtype=torch.float64)
    monkeypatch.setattr(module.torch, "rand", lambda *size, **_: drawn.view(size))


# Each line: shapes, share of the space cut, centres in g2 and g1 (as shares of each axis), then box in g1 and
# in g2.
C, H = 0.5, 0.5
HAND = {
    "middle, nothing clipped": ((8, 8, 8, 8), (4, 4, 8, 8), 0.25, [C, C, H, H], [C, C, H, H],
        ((2, 6), (2, 6), (2, 6), (2, 6)), ((0, 4), (0, 4), (2, 6), (2, 6))),
    "g1's low edges": ((8, 8, 8, 8), (4, 4, 8, 8), 0.25, [C, C, H, H], [0, 0, 0, 0],
        ((0, 2), (0, 2), (0, 2), (0, 2)), ((2, 4), (2, 4), (4, 6), (4, 6))),
    "g1's high edges": ((8, 8, 8, 8), (4, 4, 8, 8), 0.25, [C, C, H, H], [0.99, 0.99, 0.99, 0.99],
        ((6, 8), (6, 8), (6, 8), (6, 8)), ((0, 2), (0, 2), (2, 4), (2, 4))),
    "g2's low edge, then g1's high": ((4, 4, 8, 8), (4, 4, 8, 8), 0.25, [C, C, 0, 0], [C, C, 0.99, H],
        ((0, 4), (0, 4), (7, 8), (3, 5)), ((0, 4), (0, 4), (0, 1), (0, 2))),
    "c2 > c1: both ends of the cut go": ((4, 4, 4, 4), (8, 2, 2, 2), 1.0, [C, C, H, H], [C, C, H, H],
        ((0, 4), (1, 3), (1, 3), (1, 3)), ((2, 6), (0, 2), (0, 2), (0, 2))),
    "c2 > c1: off the middle": ((4, 4, 4, 4), (8, 2, 2, 2), 1.0, [C, C, H, H], [0, C, H, H],
        ((0, 4), (1, 3), (1, 3), (1, 3)), ((4, 8), (0, 2), (0, 2), (0, 2))),
    "odd sides keep their length": ((5, 5, 5, 5), (3, 3, 5, 5), 0.36, [C, C, H, H], [C, C, H, H],
        ((1, 4), (1, 4), (1, 4), (1, 4)), ((0, 3), (0, 3), (1, 4), (1, 4))),
    "odd in even: the middle is rounded up": ((4, 4, 4, 4), (3, 3, 3, 3), 1.0, [C, C, H, H], [C, C, H, H],
        ((1, 4), (1, 4), (1, 4), (1, 4)), ((0, 3), (0, 3), (0, 3), (0, 3))),
    "size 1": ((4, 1, 1, 1), (4, 1, 1, 1), 0.01, [C, 0.99, 0, 0.99], [C, 0, 0.99, 0],
        ((0, 4), (0, 1), (0, 1), (0, 1)), ((0, 4), (0, 1), (0, 1), (0, 1))),
    "k = l, whole": ((4, 4, 4, 4), (4, 4, 4, 4), 1.0, [C, C, H, H], [C, C, H, H],
        ((0, 4),) * 4, ((0, 4),) * 4),
    "k < l: S3D's first block and its last": ((64, 16, 64, 64), (1024, 4, 4, 4), 0.25, [C, C, H, H], [C, C, H, H],
        ((0, 64), (6, 10), (31, 33), (31, 33)), ((480, 544), (0, 4), (1, 3), (1, 3))),
    "size 1 takes one cell of many": ((1, 1, 1, 1), (4, 3, 2, 5), 1.0, [C, C, H, H], [C, C, H, H],
        ((0, 1),) * 4, ((1, 2), (1, 2), (0, 1), (2, 3))),
    "g2's low and high edge": ((4, 4, 8, 8), (4, 4, 8, 8), 0.25, [C, C, 0, 0.99], [C, C, H, H],
        ((0, 4), (0, 4), (3, 5), (3, 5)), ((0, 4), (0, 4), (0, 2), (6, 8))),
    "g2's high and low edge": ((4, 4, 8, 8), (4, 4, 8, 8), 0.25, [C, C, 0.99, 0], [C, C, H, H],
        ((0, 4), (0, 4), (3, 5), (3, 5)), ((0, 4), (0, 4), (6, 8), (0, 2))),
    "a share near none is one cell": ((4, 4, 8, 8), (4, 4, 8, 8), 1e-9, [C, C, H, H], [C, C, H, H],
        ((0, 4), (0, 4), (4, 5), (4, 5)), ((0, 4), (0, 4), (4, 5), (4, 5))),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_boxes_worked_out_by_hand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape1, shape2, share, centre2, centre1, into, source = HAND[name]
    fix_draws(monkeypatch, share, centre2, centre1)
    box = draw_box(shape1, shape2, torch_rng(0))
    assert (box.into, box.source) == (into, source)


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("centre, put, taken", [(0.0, (0, 2), (2, 4)), (0.99, (6, 8), (0, 2))], ids=["low", "high"])
def test_one_edge_of_one_axis_clips_that_axis_alone(
    axis: int, centre: float, put: tuple[int, int], taken: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four cells of four around the middle of eight, but on one axis around its end: two are left there."""
    centres = [0.5] * 4
    centres[axis] = centre
    fix_draws(monkeypatch, 1.0, [0.5] * 4, centres)
    box = draw_box((8, 8, 8, 8), (4, 4, 4, 4), torch_rng(0))
    assert box.into == tuple(put if i == axis else (2, 6) for i in range(4))
    assert box.source == tuple(taken if i == axis else (0, 4) for i in range(4))
    assert box.lam((8, 8, 8, 8)) == 1 - 2 * 4**3 / 8**4


def test_a_mix_worked_out_by_hand() -> None:
    g1 = torch.tensor([[[1.0, 2, 3], [4, 5, 6]]])  # (1, 2, 3)
    g2 = torch.tensor([[[-1.0, -2], [-3, -4], [-5, -6]]])  # (1, 3, 2)
    mixed, lam = cutmix(g1, g2, Box(into=((0, 2), (2, 3)), source=((1, 3), (0, 1))))
    assert mixed.tolist() == [[[1, 2, -3], [4, 5, -5]]]
    assert lam == 4 / 6


sizes = st.integers(1, 7)
# Names for maps of 1 to 5 axes (with the batch 2-d to 6-d), where they are given, as they must be for 3 and 5.
GIVEN = {
    1: ("channel",),
    2: ("channel", "joint"),
    3: ("channel", "time", "frequency"),
    4: ("channel", "time", "joint", "body"),
    5: ("channel", "time", "height", "width", "joint"),
}


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, list[int], list[int], tuple[str, ...], tuple[str, ...] | None, int]:
    """Batch, two shapes of 1 to 5 axes, the axes cut, names or None for the default ones, and a seed; sizes are
    equal where an axis is not cut."""
    rank = draw(st.integers(1, 5))
    axes = tuple(draw(st.sets(st.sampled_from(AXES))))
    shape1 = [draw(sizes) for _ in range(rank)]
    dims = GIVEN[rank] if rank not in DEFAULTS or draw(st.booleans()) else None
    names = dims or DEFAULTS[rank]
    shape2 = [draw(sizes) if ("space" if name in SPACE else name) in axes else n for n, name in zip(shape1, names, strict=True)]
    return draw(st.integers(1, 3)), shape1, shape2, axes, dims, draw(st.integers(0, 10**6))


@settings(deadline=None)
@given(problems())
def test_any_mix(problem: tuple[int, list[int], list[int], tuple[str, ...], tuple[str, ...] | None, int]) -> None:
    batch, shape1, shape2, axes, dims, seed = problem
    g1, g2 = maps(batch, shape1, shape2)
    box = draw_box(shape1, shape2, torch_rng(seed), axes, dims=dims)
    mixed, lam = cutmix(g1, g2, box)
    mask = keep_mask(box, shape1)
    assert torch.equal(mixed, naive(g1, g2, box))
    assert torch.equal(mixed > 0, mask.expand_as(mixed)), "kept values are g1's, the others g2's"
    assert torch.equal(mixed[:, mask], g1[:, mask])
    assert lam == mask.sum().item() / mask.numel(), "lam is the counted share"
    assert 0 <= lam < 1, "no box is empty"
    assert box == draw_box(shape1, shape2, torch_rng(seed), axes, dims=dims), "the generator decides"
    for name, n, span in zip(dims or DEFAULTS[len(shape1)], shape1, box.into, strict=True):
        if ("space" if name in SPACE else name) not in axes:
            assert span == (0, n), "an axis that is off is spanned whole"


@settings(deadline=None)
@given(problems())
def test_a_box_a_sample(problem: tuple[int, list[int], list[int], tuple[str, ...], tuple[str, ...] | None, int]) -> None:
    batch, shape1, shape2, axes, dims, seed = problem
    g1, g2 = maps(batch, shape1, shape2)
    g1.requires_grad_()
    rng = torch_rng(seed)
    boxes = [draw_box(shape1, shape2, rng, axes, dims=dims) for _ in range(batch)]
    mixed, lam = cutmix(g1, g2, boxes)
    assert isinstance(lam, torch.Tensor) and lam.dtype == torch.float64 and lam.shape == (batch,)
    weights = torch.rand(mixed.shape, dtype=torch.float64, generator=rng) + 1
    (mixed * weights).sum().backward()
    for row, box in enumerate(boxes):
        expected = naive(g1.detach()[row : row + 1], g2[row : row + 1], box)
        assert torch.equal(mixed.detach()[row : row + 1], expected)
        assert lam[row] == (expected > 0).double().mean()
        assert torch.equal(g1.grad[row], weights[row] * keep_mask(box, shape1))


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_batch_order_does_not_matter(seed: int) -> None:
    g1, g2 = maps(5, (4, 3, 6, 6), (8, 2, 3, 3))
    rng = torch_rng(seed)
    box = draw_box((4, 3, 6, 6), (8, 2, 3, 3), rng)
    order = torch.randperm(5, generator=rng)
    assert torch.equal(cutmix(g1[order], g2[order], box)[0], cutmix(g1, g2, box)[0][order])
    boxes = [draw_box((4, 3, 6, 6), (8, 2, 3, 3), rng) for _ in range(5)]
    mixed, lam = cutmix(g1, g2, boxes)
    reordered, lam_reordered = cutmix(g1[order], g2[order], [boxes[i] for i in order])
    assert isinstance(lam, torch.Tensor) and isinstance(lam_reordered, torch.Tensor)
    assert torch.equal(reordered, mixed[order]) and torch.equal(lam_reordered, lam[order])


def test_gradient_reaches_what_is_kept_of_g1_only() -> None:
    g1, g2 = maps(2, (3, 4, 4), (3, 2, 2))
    g1.requires_grad_()
    g2.requires_grad_()
    box = draw_box((3, 4, 4), (3, 2, 2), torch_rng(0), dims=("channel", "time", "joint"))
    assert 0 < box.lam((3, 4, 4)) < 1
    cutmix(g1 * 1, g2 * 1, box)[0].sum().backward()
    assert g1.grad is not None and torch.equal(g1.grad, keep_mask(box, (3, 4, 4)).expand(2, -1, -1, -1).double())
    assert g2.grad is None


def test_gradient_against_finite_differences() -> None:
    box = draw_box((2, 3, 3), (2, 2, 2), torch_rng(3), dims=("channel", "time", "joint"))
    g1, g2 = torch.randn(2, 2, 3, 3, dtype=torch.float64), torch.randn(2, 2, 2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: cutmix(x, g2, box)[0], g1.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: cutmix(x, g2, box)[0] ** 3, g1)


def test_inputs_are_not_changed_and_layout_is_kept() -> None:
    g1 = torch.randn(2, 4, 3, 6, 6).contiguous(memory_format=torch.channels_last_3d)
    g2 = torch.randn(2, 8, 2, 3, 3).double()
    before, before2 = g1.clone(), g2.clone()
    mixed, _ = cutmix(g1, g2, draw_box((4, 3, 6, 6), (8, 2, 3, 3), torch_rng(0)))
    mixed.zero_()
    assert torch.equal(g1, before) and torch.equal(g2, before2) and mixed.dtype == g1.dtype
    assert mixed.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    ("shape", "dims"),
    [((1, 1, 400, 400), None), ((1, 1, 9000), ("channel", "time", "joint")), ((1, 1, 9000), ("channel", "time", "frequency"))],
)
@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9])
def test_the_drawn_share_of_the_space_is_cut(
    shape: tuple[int, ...], dims: tuple[str, ...] | None, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 - u of the cells, whether space has two axes (sides times sqrt(1 - u)) or is a run of joints or of frequencies."""
    fix_draws(monkeypatch, share, [0.5] * len(shape), [0.5] * len(shape))
    box = draw_box(shape, shape, torch_rng(0), axes=("space",), dims=dims)
    assert 1 - box.lam(shape) == pytest.approx(share, rel=0.03)


@pytest.mark.parametrize("size, side", [(4, 1), (4, 2), (5, 2), (5, 3), (4, 4), (2, 8)])
def test_no_end_of_an_axis_is_favoured(size: int, side: int) -> None:
    """How often each cell is inside, over a fine grid of centres: the same from both ends, and never
    nowhere."""
    counts = torch.zeros(size)
    grid = 10_000
    for step in range(grid):
        put, cut = module.place((0, side), (step + 0.5) / grid, size)
        assert put[1] > put[0] and put[1] - put[0] == cut[1] - cut[0]
        counts[put[0] : put[1]] += 1
    torch.testing.assert_close(counts, counts.flip(0), rtol=0, atol=1)


def test_draws_are_paired_between_ablations() -> None:
    """Runs that differ only in the axes see the same boxes where both cut, and the same generator after."""
    shape = (6, 5, 8, 8)
    boxes, states = [], []
    for axes in [("space", "time", "channel"), ("space", "time"), ("space",)]:
        rng = torch_rng(7)
        boxes.append(draw_box(shape, shape, rng, axes))
        states.append(rng.get_state())
    assert boxes[0].into[2:] == boxes[1].into[2:] == boxes[2].into[2:] != ((0, 8), (0, 8))
    assert boxes[0].into[1] == boxes[1].into[1] != boxes[2].into[1] == (0, 5)
    assert torch.equal(states[0], states[1]) and torch.equal(states[1], states[2])


def test_axes_by_name() -> None:
    """An image is (C, H, W): named so, its height is space, not time."""
    rng = torch_rng(1)
    for _ in range(20):
        box = draw_box((4, 6, 6), (4, 6, 6), rng, axes=("space",), dims=("channel", "height", "width"))
        assert box.into[0] == (0, 4)
    assert any(
        draw_box((4, 6, 6), (4, 6, 6), torch_rng(s), ("space",), dims=("channel", "height", "width")).into[1] != (0, 6) for s in range(10)
    )


@pytest.mark.parametrize("axes", [("time",), ("time", "space"), ("space",)])
@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_aligned_box(axes: tuple[str, ...], seed: int) -> None:
    shape = (3, 8, 16, 16)
    x, other = maps(2, shape, shape)
    box = draw_aligned_box(shape, torch_rng(seed), axes)
    assert box.into == box.source and box.into[0] == (0, 3)
    if "time" not in axes:
        assert box.into[1] == (0, 8)
    if "space" not in axes:
        assert box.into[2:] == ((0, 16), (0, 16))
    mixed, lam = cutmix(x, other, box)
    assert torch.equal(mixed, torch.where(keep_mask(box, shape), x, other))
    assert lam == (mixed > 0).double().mean()


def test_aligned_box_worked_out_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "draw_lam", lambda alpha, rng: 0.5)
    monkeypatch.setattr(module.torch, "rand", lambda *_, **__: torch.tensor([0.5, 0.9, 0.5, 0.0], dtype=torch.float64))
    half = draw_aligned_box((3, 8, 16, 16), torch_rng(0), ("time",))
    assert half.into == ((0, 3), (5, 8), (0, 16), (0, 16))  # 4 frames around 7.2, one clipped
    spatial = draw_aligned_box((3, 8, 16, 16), torch_rng(0), ("space",))
    assert spatial.into == ((0, 3), (0, 8), (3, 14), (0, 6))  # 16 sqrt(0.5) = 11 around 8 and 0
    both = draw_aligned_box((3, 8, 16, 16), torch_rng(0), ("time", "space"))
    assert both.into == ((0, 3), (4, 8), (2, 15), (0, 7))  # cube root: 6 of 8, 13 of 16


@settings(deadline=None)
@given(problems())
def test_an_aligned_box_of_any_rank(problem: tuple[int, list[int], list[int], tuple[str, ...], tuple[str, ...] | None, int]) -> None:
    batch, shape, _, axes, dims, seed = problem
    x, other = maps(batch, shape, shape)
    box = draw_aligned_box(shape, torch_rng(seed), axes, dims=dims)
    assert box == draw_aligned_box(shape, torch_rng(seed), axes, dims=dims) and box.into == box.source
    mixed, lam = cutmix(x, other, box)
    assert torch.equal(mixed, naive(x, other, box)) and lam == (mixed > 0).double().mean() < 1
    for name, n, span in zip(dims or DEFAULTS[len(shape)], shape, box.into, strict=True):
        if ("space" if name in SPACE else name) not in axes:
            assert span == (0, n)


def test_names_of_axes() -> None:
    """Where an axis of a group is off, shapes that differ there are refused by that name; by default maps of three axes have none."""
    default = [DEFAULTS[1], DEFAULTS[2], DEFAULTS[4]]
    for names in (*default, ("channel", "time", "joint"), ("channel", "time", "frequency"), ("channel", "time", "joint", "body")):
        shape, dims = (4,) * len(names), None if names in default else names
        for axis, name in enumerate(names):
            other = tuple(5 if i == axis else n for i, n in enumerate(shape))
            group = "space" if name in SPACE else name
            if name == "body":
                with pytest.raises(InputError, match=r"body can't be cut, so body must be equal, not 4 and 5$"):
                    draw_box(shape, other, torch_rng(0), dims=dims)
                continue
            draw_box(shape, other, torch_rng(0), dims=dims)
            with pytest.raises(InputError, match=f"{group} is not cut, so {name} must be equal, not 4 and 5; add '{group}' to the axes"):
                draw_box(shape, other, torch_rng(0), [axis for axis in AXES if axis != group], dims=dims)
    for rank in (3, 5):
        message = rf"^a map \(C, \*dims\) .* has {rank} axes, which can be several things: give dims, names out of channel, time, height"
        with pytest.raises(InputError, match=message):
            draw_box((4,) * rank, (4,) * rank, torch_rng(0))
        with pytest.raises(InputError, match=message):
            draw_aligned_box((4,) * rank, torch_rng(0), ("time",))


def test_draws_stay_on_the_cpu() -> None:
    """Whatever device new tensors are put on, nothing drawn needs a copy back."""
    with torch.device("meta"):
        box = draw_box((4, 6), (4, 6), torch_rng(0))
        aligned = draw_aligned_box((4, 6), torch_rng(0), AXES)
    assert box.cells.device == aligned.cells.device == torch.device("cpu")
    assert box == draw_box((4, 6), (4, 6), torch_rng(0))


@pytest.mark.parametrize(
    "shape1, shape2, axes, message",
    [
        ((4, 8, 8, 8), (8, 4, 4, 4), ("space",), r"\(4, 8, 8, 8\) and \(8, 4, 4, 4\).*channel"),
        ((8, 8, 8, 8), (8, 4, 4, 4), ("space", "channel"), "time is not cut.*8 and 4"),
        ((8, 8, 8, 8), (8, 4, 4, 4), ("time", "channel"), "space is not cut, so height must be equal"),
        ((8, 8, 8, 8), (8, 4, 25), AXES, r"\(8, 8, 8, 8\) and \(8, 4, 25\).*same axes"),
        ((8, 8), (8, 8), ("depth",), "axis 'depth' is unknown"),
    ],
)
def test_maps_that_can_not_be_mixed_are_named(
    shape1: tuple[int, ...], shape2: tuple[int, ...], axes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        draw_box(shape1, shape2, torch_rng(0), axes)


def test_misused_boxes_are_named() -> None:
    g1, g2 = maps(2, (4, 4), (4, 4))
    box = Box(((0, 4), (0, 2)), ((0, 4), (0, 2)))
    with pytest.raises(InputError, match="batch sizes"):
        cutmix(g1, g2[:1], box)
    with pytest.raises(InputError, match="3 boxes for a batch of 2"):
        cutmix(g1, g2, [box] * 3)
    with pytest.raises(InputError, match="does not lie within a map"):
        cutmix(g1, g2, Box(((0, 4), (3, 5)), ((0, 4), (0, 2))))
    with pytest.raises(InputError, match="not of the size"):
        cutmix(g1, g2, Box(((0, 4), (0, 2)), ((0, 4), (0, 3))))
    with pytest.raises(InputError, match="dimension 'depth' is unknown"):
        draw_box((4, 4), (4, 4), torch_rng(0), dims=("channel", "depth"))
