"""Tubelets: the cases that can be computed by hand, and what holds of any draw."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from videossl.augment import tubelets
from videossl.augment.tubelets import Drawing, Tubelet
from videossl.errors import InputError

SIDES = (64, 112)


def tubelet(size: tuple[int, int] = (4, 4), centre: tuple[float, float] = (8, 8), frames: int = 3, **changes: object) -> Tubelet:
    """A rectangle of (height, width) that stands still, cut above and left, wholly opaque."""
    still = np.broadcast_to(np.array(centre, float), (frames, 2))
    one = Tubelet(0, 0, 0, *size, "rectangle", 0.5, still, np.broadcast_to(np.eye(2), (frames, 2, 2)), np.ones(frames))
    return one._replace(**changes)  # type: ignore[arg-type]


def pasted(clip: Tensor, patch: Tensor, *many: Tubelet) -> Tensor:
    """One clip with tubelets of `patch`'s pictures on it."""
    return tubelets.paste(clip[None], tubelets.cut(patch, many, 8)[None], [many])[0]


# Paths.


def test_a_linear_path_between_its_keyframes() -> None:
    path = tubelets.between(np.array([0, 6, 15]), np.array([[10, 20], [40, 50], [40, 14]]), 16)
    assert path.shape == (16, 2) and path[3].tolist() == [25, 35] and path[12].tolist() == [40, 26]


def test_transformations_between_their_keyframes() -> None:
    angles = tubelets.between(np.array([0, 6, 15]), np.array([[0.0], [60], [-30]]), 16)
    scales = tubelets.between(np.array([0, 6, 15]), np.array([[1.0], [0.5], [1.5]]), 16)
    assert angles[[3, 12], 0].tolist() == [30, 0]
    np.testing.assert_allclose(scales[[3, 12], 0], [0.75, 1.1667], atol=5e-5)


def test_the_smoothing_of_an_impulse() -> None:
    impulse = np.zeros((48, 1))
    impulse[24] = 1
    smooth = tubelets.smoothed(impulse)[:, 0]
    np.testing.assert_allclose(smooth[[24, 16, 0]], [0.049870, 0.030248, 0.000932], atol=5e-7)
    assert math.isclose(smooth.sum(), 1)


def test_the_points_of_sixteen_frames() -> None:
    line = np.stack([np.arange(48.0)] * 2, axis=1)
    path = tubelets.non_linear(line, 47, np.array([0, 5]), 16)
    smooth = tubelets.smoothed(line)
    at = [0, 3, 6, 9, 13, 16, 19, 22, 25, 28, 31, 34, 38, 41, 44, 47]
    expected = (smooth[at] - smooth.min(0)) / np.ptp(smooth, axis=0) * 47 + [0, 5]
    np.testing.assert_allclose(path, expected)


@pytest.mark.parametrize("side", SIDES)
def test_linear_paths_stay_in_the_frame_and_within_a_step(side: int) -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        centres = tubelets.linear_centres(rng, side)
        assert ((centres >= 0) & (centres <= side)).all() and (np.abs(np.diff(centres, axis=0)) <= 80 * side / 112).all()


@pytest.mark.parametrize("side", SIDES)
def test_non_linear_paths_stay_in_the_frame_and_fill_their_extent(side: int) -> None:
    low, high = (11, 51) if side == 64 else (20, 89)
    for seed in range(200):
        (one,) = Drawing(1, "non-linear").draw(np.random.default_rng(seed), 16, side)
        assert ((one.centres >= 0) & (one.centres < side)).all()
        points = Drawing(1, "non-linear").draw(np.random.default_rng(seed), tubelets.POINTS, side)[0].centres
        assert (low - 1e-9 <= np.ptp(points, axis=0)).all() and (np.ptp(points, axis=0) <= high + 1e-9).all()
        assert np.allclose(np.ptp(points, axis=0), np.ptp(points, axis=0)[0]), "one extent for both axes"


def test_keyframes_are_the_ends_and_each_other_frame_as_likely() -> None:
    drawn = np.stack([tubelets.keyframes(np.random.default_rng(seed), 6) for seed in range(4000)])
    assert (drawn[:, 0] == 0).all() and (drawn[:, 2] == 5).all()
    counts = np.bincount(drawn[:, 1], minlength=6)
    assert counts[[0, 5]].tolist() == [0, 0] and (np.abs(counts[1:5] - 1000) < 5 * math.sqrt(750)).all()


# Transformations.


def test_shear_scale_and_rotation_of_a_point() -> None:
    def moved(point: tuple[float, float], **change: float) -> list[float]:
        values = {"w": 1.0, "h": 1.0, "r": 0.0, "s": 0.0, "degrees": 0.0} | change
        return (tubelets.matrices(np.array([list(values.values())]))[0] @ point).round(6).tolist()  # type: ignore[no-any-return]

    assert moved((1, 0), r=1, s=1) == [1, 1] and moved((0, 1), r=1, s=1) == [1, 2]
    assert moved((1, 0), degrees=90) == [0, 1], "clockwise as seen: to the right becomes down"
    assert moved((1, 1), w=0.5, h=1.5) == [0.5, 1.5]
    assert moved((1, 0), w=2, r=0, s=1, degrees=90) == [-2, 2], "scaled, sheared to (2, 2), turned"


def test_the_first_frame_is_untransformed_and_shears_keep_areas() -> None:
    for seed, transforms in itertools.product(range(50), [("rotation",), ("shear",), ("scale", "shear", "rotation")]):
        for one in Drawing(2, "linear", transforms).draw(np.random.default_rng(seed), 8, 64):
            assert np.allclose(one.transform[0], np.eye(2))
            if "scale" not in transforms:
                assert np.allclose(np.linalg.det(one.transform), 1)


def test_other_transformations_leave_a_draw_as_it_is() -> None:
    """Each kind is drawn whether it is used or not, so ablations differ in nothing else."""
    plain, turned = (Drawing(2, "linear", kinds).draw(np.random.default_rng(3), 8, 64) for kinds in ((), ("rotation",)))
    for one, other in zip(plain, turned, strict=True):
        assert np.array_equal(one.centres, other.centres) and np.array_equal(one.opacity, other.opacity) and one[:7] == other[:7]
        assert not np.allclose(one.transform[-1], other.transform[-1])


# Masks and patches.


def test_the_share_that_a_mask_covers() -> None:
    shares = [tubelets.mask(shape, 64, 64).mean() for shape in tubelets.SHAPES]
    assert [round(share, 3) for share in shares] == [1, 0.782, 0.485]
    large = [tubelets.mask(shape, 1000, 1000).mean() for shape in tubelets.SHAPES]
    np.testing.assert_allclose(large, [1, math.pi / 4, 0.5], atol=2e-3)


def test_a_soft_edge_falls_from_where_it_begins() -> None:
    soft = tubelets.mask("rectangle", 100, 100, 0.3)
    assert (
        soft[50, 50] == 1 and soft[50, 80] == 1 and math.isclose(soft[50, 90], 0.5) and math.isclose(soft[10, 50], 0.5) and soft[0, 0] == 0
    )


def test_patches_lie_wholly_inside_and_the_largest_comes_first() -> None:
    sizes = set()
    for seed in range(300):
        drawn = Drawing(3).draw(np.random.default_rng(seed), 8, 64)
        areas = [one.height * one.width for one in drawn]
        assert areas == sorted(areas, reverse=True)
        for one in drawn:
            assert 0 <= one.frame < 8 and one.top + one.height <= 64 and one.left + one.width <= 64 and min(one.top, one.left) >= 0
            assert one.opacity.min() >= 0.8 and one.opacity.max() <= 1
            sizes |= {one.height, one.width}
    assert (min(sizes), max(sizes)) == (9, 37)


# Pasting.


def test_two_pastes_on_one_pixel() -> None:
    """200 at 0.9 on 100 is 190; then 0 at 1, by a smaller patch, is 0."""
    grey, bright, black = (torch.full((3, 3, 16, 16), float(level)) for level in (100, 200, 0))
    first = pasted(grey, bright, tubelet(opacity=np.full(3, 0.9)))
    assert first[0, 0, 7, 7] == pytest.approx(190) and first[0, 0, 0, 0] == 100
    assert pasted(first, black, tubelet((2, 2)))[0, 0, 7, 7] == 0


def test_a_patch_at_whole_pixels_is_copied_and_cut_at_the_edge() -> None:
    rng = torch.Generator().manual_seed(0)
    clip, source = torch.rand(3, 3, 16, 16, generator=rng), torch.rand(3, 3, 16, 16, generator=rng)
    result = pasted(clip, source, tubelet((4, 6), centre=(1, 14), frame=1, top=2, left=3))
    expected = clip.clone()
    expected[:, :, 12:16, 0:4] = source[:, 1:2, 2:6, 5:9]
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_a_turned_patch_is_the_picture_turned() -> None:
    source = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    turn = np.broadcast_to(tubelets.matrices(np.array([[1.0, 1, 0, 0, 90]])), (3, 2, 2))
    result = pasted(torch.zeros(3, 3, 16, 16), source, tubelet((4, 4), transform=turn))
    torch.testing.assert_close(result[:, :, 6:10, 6:10], source[:, :1, :4, :4].rot90(-1, (2, 3)).expand(-1, 3, -1, -1), rtol=0, atol=1e-5)


def test_half_a_pixel_blends_neighbours_and_leaves_no_dark_rim() -> None:
    """A white patch on white stays white: it is warped times its mask."""
    white = torch.ones(3, 3, 16, 16)
    result = pasted(white, white, tubelet((5, 4), centre=(7.3, 8.6)))
    torch.testing.assert_close(result, white, rtol=0, atol=1e-6)


@pytest.mark.parametrize("motion", tubelets.MOTIONS)
def test_both_clips_have_the_same_tubelets(motion: str) -> None:
    """Less their backgrounds they are equal where alpha is 1; elsewhere each keeps its own; no batch changes a row; the clips stay."""
    rng = torch.Generator().manual_seed(1)
    query, key = torch.rand(3, 3, 8, 64, 64, generator=rng), torch.rand(3, 3, 8, 64, 64, generator=rng)
    before = query.clone(), key.clone()
    drawing = Drawing(2, motion, ("scale", "shear", "rotation"))
    v1, v2 = tubelets.paired(query, key, drawing, [np.random.default_rng(seed) for seed in range(3)])
    assert torch.equal(query, before[0]) and torch.equal(key, before[1])
    # The remaining share of the background, (1 - alpha) over both tubelets, from a paste on other clips.
    many = [drawing.draw(np.random.default_rng(seed), 8, 64) for seed in range(3)]
    patches = torch.stack([tubelets.cut(clip, one, 37) for clip, one in zip(query, many, strict=True)])
    left = tubelets.paste(torch.ones_like(query), patches, many) - tubelets.paste(torch.zeros_like(query), patches, many)
    torch.testing.assert_close(v1 - query * left, v2 - key * left, rtol=0, atol=1e-5)
    assert (left < 0.3).any()
    covered = tubelets.paste(torch.zeros_like(query), patches[:, :, -1:].expand_as(patches), many)  # in place of pictures their shares
    assert torch.equal(v1[covered == 0], query[covered == 0]) and (covered == 0).float().mean() > 0.3
    (alone, _) = tubelets.paired(query[1:2], key[1:2], drawing, [np.random.default_rng(1)])
    torch.testing.assert_close(alone[0], v1[1], rtol=0, atol=1e-6)


def test_without_motion_a_tubelet_stands() -> None:
    (one,) = Drawing(1, "none").draw(np.random.default_rng(0), 8, 64)
    assert (one.centres == one.centres[0]).all()


@pytest.mark.parametrize(
    "make, line",
    [
        (lambda: Drawing(0), "tubelets: 0 of them; give 1 or more"),
        (lambda: Drawing(motion="curved"), "tubelets: motion 'curved'; choose none, linear, non-linear"),
        (lambda: Drawing(transforms=("zoom",)), "tubelets: transformation zoom; choose of scale, shear, rotation"),
        (lambda: Drawing().draw(np.random.default_rng(0), 2, 64), "tubelets: clips of 2 frames, and a path has 3 keyframes"),
        (lambda: Drawing().draw(np.random.default_rng(0), 8, 3), "tubelets: a patch of 16 px of 112 is none in frames of 3 px"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(make: object, line: str) -> None:
    with pytest.raises(InputError) as error:
        make()  # type: ignore[operator]
    assert str(error.value).startswith(line) and "\n" not in str(error.value)
