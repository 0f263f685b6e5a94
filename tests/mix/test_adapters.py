"""Cutmix between a video's map and a skeleton's: by hand, cell by cell, and the paper's two cases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from videossl.errors import InputError
from videossl.mix.adapters import Patch, draw_patch, lay_out, match_rows
from videossl.mix.axes import AXES, Pair
from videossl.mix.cutmix import Box, cutmix
from videossl.mix.strategies import mix_features
from videossl.seeding import torch_rng

VIDEO, SKELETON = (832, 8, 8, 8), (64, 13, 25)  # S3D's block 4 and ST-GCN's layer 8, at the paper's sizes
NAMES = {3: ("channel", "time", "joint"), 4: ("channel", "time", "height", "width")}


def names(*shapes: tuple[int, ...]) -> Pair:
    """The names of the axes of two maps, a video's and a skeleton's."""
    one, two = (NAMES.get(len(shape)) for shape in shapes)
    return one, two


def drawn(shape1: tuple[int, ...], shape2: tuple[int, ...], rng: torch.Generator, **options: Any) -> tuple[Patch, Box]:
    return draw_patch(shape1, shape2, rng, dims=names(shape1, shape2), **options)


def test_joints_become_a_patch_row_by_row() -> None:
    """25 joints, numbered by what they hold, as 5 x 5; and a run of 6 of them, from the third, as 2 x 3."""
    joints = torch.arange(25.0).expand(2, 3, 4, 25)  # (B, C, T, V)
    whole = lay_out(joints, [Patch(((0, 25),), (5, 5))])
    assert whole.shape == (2, 3, 4, 5, 5)
    assert whole[1, 2, 3].tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14], [15, 16, 17, 18, 19], [20, 21, 22, 23, 24]]
    part = lay_out(joints, [Patch(((3, 9),), (2, 3))])
    assert part[0, 0, 0].tolist() == [[3, 4, 5], [6, 7, 8]]


def test_a_patch_becomes_joints_row_by_row() -> None:
    """A 3 x 3 crop at (1, 2) of cells that hold 10 y + x."""
    cells = (10 * torch.arange(8.0)[:, None] + torch.arange(8.0)).expand(2, 3, 4, 8, 8)
    joints = lay_out(cells, [Patch(((1, 4), (2, 5)), (9,))])
    assert joints.shape == (2, 3, 4, 9)
    assert joints[1, 2, 3].tolist() == [12, 13, 14, 22, 23, 24, 32, 33, 34]


def test_a_skeleton_in_a_video_by_hand() -> None:
    """(1, 1, 2, 2, 3) of ones takes 4 joints as 2 x 2, of which the box keeps the right column, in the left one, in the first frame."""
    g1, g2 = torch.ones(1, 1, 2, 2, 3), torch.tensor([[[[5.0, 6, 7, 8], [15, 16, 17, 18]]]])  # two frames of four joints
    box = Box(((0, 1), (0, 1), (0, 2), (0, 1)), ((0, 1), (1, 2), (0, 2), (1, 2)))
    mixed, lam = cutmix(g1, lay_out(g2, [Patch(((0, 4),), (2, 2))]), box)
    assert mixed[0, 0].tolist() == [[[16, 1, 1], [18, 1, 1]], [[1, 1, 1], [1, 1, 1]]]
    assert lam == 10 / 12


def test_a_video_in_a_skeleton_by_hand() -> None:
    """(1, 1, 1, 5) of ones takes a 2 x 2 crop as 4 joints, of which the last three come to lie on its first three."""
    g1, g2 = torch.ones(1, 1, 1, 5), torch.arange(9.0).view(1, 1, 1, 3, 3)
    patch = Patch(((1, 3), (0, 2)), (4,))  # 3, 4, 6, 7
    mixed, lam = cutmix(g1, lay_out(g2, [patch]), Box(((0, 1), (0, 1), (0, 3)), ((0, 1), (0, 1), (1, 4))))
    assert mixed[0, 0, 0].tolist() == [4, 6, 7, 1, 1]
    assert lam == 2 / 5


def naive(g1: Tensor, g2: Tensor, patch: Patch, box: Box) -> Tensor:
    """Cell by cell: which joint is which cell of the patch is counted out by hand."""
    mixed = g1.clone()
    (c0, c1), (t0, t1), *spaces = box.into
    (sc, _), (st_, _), *sources = box.source
    for c in range(c0, c1):
        for t in range(t0, t1):
            if len(spaces) == 2:  # a video is trained
                for y in range(*spaces[0]):
                    for x in range(*spaces[1]):
                        row, column = y - spaces[0][0] + sources[0][0], x - spaces[1][0] + sources[1][0]
                        joint = patch.spans[0][0] + row * patch.shape[1] + column
                        mixed[:, c, t, y, x] = g2[:, c - c0 + sc, t - t0 + st_, joint]
            else:
                width = patch.spans[1][1] - patch.spans[1][0]
                for v in range(*spaces[0]):
                    number = v - spaces[0][0] + sources[0][0]
                    y, x = patch.spans[0][0] + number // width, patch.spans[1][0] + number % width
                    mixed[:, c, t, v] = g2[:, c - c0 + sc, t - t0 + st_, y, x]
    return mixed


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), joints=st.sampled_from([4, 17, 25]), video_first=st.booleans(), data=st.data())
def test_any_patch_is_the_naive_one(seed: int, joints: int, video_first: bool, data: st.DataObject) -> None:
    size = st.integers(1, 6)
    video = tuple(data.draw(size, label="video") for _ in range(4))
    skeleton = (data.draw(size), data.draw(size), joints)
    shape1, shape2 = (video, skeleton) if video_first else (skeleton, video)
    rng = torch_rng(seed)
    g1, g2 = torch.randn(2, *shape1, generator=rng), torch.randn(2, *shape2, generator=rng)
    patch, box = drawn(shape1, shape2, rng)
    mixed, lam = cutmix(g1, lay_out(g2, [patch]), box)
    assert torch.equal(mixed, naive(g1, g2, patch, box))
    assert lam == pytest.approx(float((mixed == g1).double().mean())) and lam < 1
    for span, total in zip(patch.spans, shape2[2:], strict=True):
        assert 0 <= span[0] < span[1] <= total


def test_the_papers_two_cases() -> None:
    """All 25 joints as 5 x 5, whole, anywhere in the picture, cut over channel and time; 9 joints of a 3 x 3 crop, cut over all axes."""
    rng = torch_rng(0)
    places = set()
    for _ in range(300):
        patch, box = drawn(VIDEO, SKELETON, rng, patch=(5, 5))
        assert patch == Patch(((0, 25),), (5, 5))
        sizes = [stop - start for start, stop in box.into]
        assert sizes[0] <= 64 and sizes[1] <= 8 and sizes[2:] == [5, 5]
        assert box.source[2:] == ((0, 5), (0, 5))
        places.add((box.into[2][0], box.into[3][0]))
        patch, box = drawn(SKELETON, VIDEO, rng, patch=(3, 3))
        assert patch.shape == (9,) and all(stop - start == 3 and 0 <= start <= 5 for start, stop in patch.spans)
        sizes = [stop - start for start, stop in box.into]
        assert sizes[1] <= 8 and sizes[2] <= 9
    assert places == {(y, x) for y in range(4) for x in range(4)}
    _, box = drawn((208, 2, 4, 4), SKELETON, rng, patch=(5, 5))
    assert max(stop - start for start, stop in box.into[2:]) <= 4, "a picture that is too small for it clips it"


def test_every_place_is_equally_likely() -> None:
    rng = torch_rng(1)
    crops = Counter(drawn(SKELETON, VIDEO, rng, patch=(3, 3))[0].spans[0][0] for _ in range(3000))
    assert set(crops) == set(range(6)) and all(count == pytest.approx(500, abs=80) for count in crops.values())
    runs = Counter(drawn(VIDEO, SKELETON, rng, patch=(4, 4))[0].spans[0][0] for _ in range(3000))
    assert set(runs) == set(range(10)) and all(count == pytest.approx(300, abs=70) for count in runs.values())


def test_random_extents_take_all_sizes_that_fit_both() -> None:
    """Sides 5 sqrt(1 - u) to the nearest: 1 where 1 - u < 0.09, 5 above 0.81; u is uniform."""
    rng = torch_rng(2)
    for one, two in ((VIDEO, SKELETON), (SKELETON, VIDEO)):
        sides = Counter(drawn(one, two, rng)[0].shape for _ in range(4000))
        areas = {1: 0.09, 2: 0.16, 3: 0.24, 4: 0.32, 5: 0.19}
        found = {round(shape[0] if len(shape) == 2 else shape[0] ** 0.5): count / 4000 for shape, count in sides.items()}
        assert found == {side: pytest.approx(share, abs=0.03) for side, share in areas.items()}
    small = {drawn((8, 4, 2, 3), SKELETON, rng)[0].shape for _ in range(300)}
    assert max(shape[0] for shape in small) == 2 and max(shape[1] for shape in small) == 3, "no larger than the picture"
    assert {drawn(VIDEO, (64, 13, 17), rng)[0].shape for _ in range(300)} == {(n, n) for n in range(1, 5)}, "17 joints hold 4 x 4"


@pytest.mark.parametrize("video_first", [True, False])
def test_a_patch_a_row(video_first: bool) -> None:
    """Rows with patches of other sizes do not reach into each other; each is what it is alone."""
    shape1, shape2 = ((6, 3, 4, 4), (5, 3, 25)) if video_first else ((5, 3, 25), (6, 3, 4, 4))
    rng = torch_rng(3)
    g1, g2 = torch.randn(8, *shape1, generator=rng), torch.randn(8, *shape2, generator=rng)
    mixed, lam = mix_features("cm-cutmix", g1, g2, torch_rng(4), box="sample", dims=names(shape1, shape2))
    assert isinstance(lam, Tensor) and len(set(lam.tolist())) > 2
    again = torch_rng(4)
    for row in range(8):
        patch, box = drawn(shape1, shape2, again)
        assert torch.equal(mixed[row : row + 1], naive(g1[row : row + 1], g2[row : row + 1], patch, box))
        assert lam[row] == box.lam(shape1)


def test_no_gradient_to_the_partner_and_none_inside_the_box() -> None:
    g1, g2 = torch.randn(2, 6, 3, 4, 4, requires_grad=True), torch.randn(2, 5, 3, 25, requires_grad=True)
    mixed, lam = mix_features("cm-cutmix", g1, g2, torch_rng(0), dims=(None, NAMES[3]))
    mixed.sum().backward()  # type: ignore[no-untyped-call]
    assert g2.grad is None and g1.grad is not None
    assert float(g1.grad.mean()) == pytest.approx(lam)


def test_rows_of_bodies() -> None:
    """Samples of two bodies: their mean for one row, the one row for both, as they are for as many."""
    bodies = torch.tensor([[1.0], [3], [10], [20]])
    assert match_rows(bodies, rows=2, samples=2).tolist() == [[2], [15]]
    assert match_rows(torch.tensor([[1.0], [2]]), rows=4, samples=2).tolist() == [[1], [1], [2], [2]]
    assert match_rows(bodies, rows=4, samples=2) is bodies
    with pytest.raises(InputError, match="3 rows a sample with 2"):
        match_rows(bodies, rows=6, samples=2)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        ((VIDEO, SKELETON), {"patch": (5, 6)}, r"\(832, 8, 8, 8\) and \(64, 13, 25\), a run of joints as a patch: a patch of 5 x 6 is larger"),
        ((SKELETON, VIDEO), {"patch": (9, 1)}, r"\(64, 13, 25\) and \(832, 8, 8, 8\), a patch as a run of joints: a patch of 9 x 1 is larger"),
        ((VIDEO, SKELETON), {"axes": ("time", "channel")}, "space differs in kind, so it must be cut; add 'space'"),
        ((VIDEO, SKELETON), {"axes": ("space", "channel")}, "time is not cut, so time must be equal, not 8 and 13; add 'time'"),
        ((VIDEO, SKELETON), {"axes": ("space", "time")}, "channel is not cut, so channel must be equal, not 832 and 64; add 'channel'"),
        ((VIDEO, (64, 13)), {},
         r"\(832, 8, 8, 8\) and \(64, 13\), \(channel, time, height, width\) and \(channel, time\): both need the same axes, or an adapter.*joint into height x width"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(shapes: tuple[tuple[int, ...], tuple[int, ...]], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        drawn(*shapes, torch_rng(0), **options)
    assert "\n" not in str(error.value)
    for dims in (names(*shapes), (None, None)):
        with pytest.raises(InputError, match="cm-mixup of maps"):
            mix_features("cm-mixup", torch.zeros(2, *shapes[0]), torch.zeros(2, *shapes[1]), torch_rng(0), dims=dims)


def test_an_axis_that_is_off_is_spanned_whole() -> None:
    """Equal channels, space and time alone."""
    for _ in range(20):
        _, box = drawn((6, 8, 4, 4), (6, 13, 25), torch_rng(_), axes=("space", "time"))
        assert box.into[0] == box.source[0] == (0, 6)
    assert set(AXES) == {"space", "time", "channel"}
