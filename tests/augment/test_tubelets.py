"""Tubelets drawn and pasted: the cases that can be computed by hand, and what holds of any draw."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from videossl.augment import pasting, tubelets
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
    return pasting.layer(pasting.cut(patch[None], [many], 8), [many], clip.shape[-1]).on(clip[None])[0]


def mask(shape: str, height: int, width: int, soft: float = 0.5) -> Tensor:
    """The mask of one patch, (height, width)."""
    side = max(height, width)
    return pasting.masks([[tubelet((height, width), shape=shape, soft=soft)]], side)[0, 0, :height, :width]


def limits(*kinds: str) -> dict[str, tuple[float, float]]:
    """Kinds of transformation, with what they are drawn between by default."""
    return {kind: tubelets.LIMITS[kind] for kind in kinds}


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
        for one in Drawing(2, "linear", limits(*transforms)).draw(np.random.default_rng(seed), 8, 64):
            assert np.allclose(one.transform[0], np.eye(2))
            if "scale" not in transforms:
                assert np.allclose(np.linalg.det(one.transform), 1)


def test_other_transformations_leave_a_draw_as_it_is() -> None:
    """Each kind is drawn whether it is used or not, so ablations differ in nothing else."""
    plain, turned = (Drawing(2, "linear", limits(*kinds)).draw(np.random.default_rng(3), 8, 64) for kinds in ((), ("rotation",)))
    for one, other in zip(plain, turned, strict=True):
        assert np.array_equal(one.centres, other.centres) and np.array_equal(one.opacity, other.opacity) and one[:7] == other[:7]
        assert not np.allclose(one.transform[-1], other.transform[-1])


# Masks and patches.


def test_the_share_that_a_mask_covers() -> None:
    shares = [mask(shape, 64, 64).mean() for shape in tubelets.SHAPES]
    assert [round(float(share), 3) for share in shares] == [1, 0.782, 0.485]
    large = [mask(shape, 1000, 1000).mean() for shape in tubelets.SHAPES]
    np.testing.assert_allclose(large, [1, math.pi / 4, 0.5], atol=2e-3)


def test_a_soft_edge_falls_from_where_it_begins() -> None:
    soft = mask("rectangle", 100, 100, 0.3)
    assert [round(float(soft[at]), 5) for at in ((50, 50), (50, 80), (50, 90), (10, 50), (0, 0))] == [1, 1, 0.5, 0.5, 0]
    tall = mask("ellipse", 100, 40)
    assert tall[50, 1] == 1 and tall[50, 0] == 0 and tall[1, 20] == 1 and tall[0, 20] == 0, "sides of its own"


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
    drawing = Drawing(2, motion, limits("scale", "shear", "rotation"))
    v1, v2 = pasting.paired(query, key, drawing, [np.random.default_rng(seed) for seed in range(3)])
    assert torch.equal(query, before[0]) and torch.equal(key, before[1])
    # The remaining share of the background, (1 - alpha) over both tubelets, from a paste on other clips.
    many = [drawing.draw(np.random.default_rng(seed), 8, 64) for seed in range(3)]
    left = pasting.layer(pasting.cut(query, many, 37), many, 64).left.expand_as(query)
    torch.testing.assert_close(v1 - query * left, v2 - key * left, rtol=0, atol=1e-5)
    assert (left < 0.3).any()
    assert torch.equal(v1[left == 1], query[left == 1]) and (left == 1).float().mean() > 0.3, "bytes are left alone"
    (alone, _) = pasting.paired(query[1:2], key[1:2], drawing, [np.random.default_rng(1)])
    torch.testing.assert_close(alone[0], v1[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("motion", tubelets.MOTIONS)
@pytest.mark.parametrize("released", [(), ("patches", "transformations")])
def test_a_batch_at_a_time_is_one_tubelet_after_the_other(motion: str, released: tuple[str, ...]) -> None:
    """What a GPU does and what a CPU does, of paths that leave the frame too."""
    clips = torch.rand(4, 3, 6, 40, 40, generator=torch.Generator().manual_seed(2))
    drawing = Drawing(3, motion, limits("shear", "rotation") | {"scale": (0.5, 4)}, released=released)
    many = [drawing.draw(np.random.default_rng(seed), 6, 40) for seed in range(4)]
    patches = pasting.cut(clips, many, 40)
    for one, other in zip(pasting._at_once(patches, many, 40), pasting._one_by_one(patches, many, 40), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=5e-5)


def test_a_batch_of_patches_is_cut_as_one_by_one() -> None:
    clips = torch.rand(3, 3, 6, 40, 40, generator=torch.Generator().manual_seed(3))
    many = [Drawing(2).draw(np.random.default_rng(seed), 6, 40) for seed in range(3)]
    patches = pasting.cut(clips, many, 23)
    for clip, several, found in zip(clips, many, patches, strict=True):
        for one, patch in zip(several, found, strict=True):
            share = mask(one.shape, one.height, one.width, one.soft)
            picture = clip[:, one.frame, one.top : one.top + one.height, one.left : one.left + one.width] * share
            torch.testing.assert_close(patch[:, : one.height, : one.width], torch.cat([picture, share[None]]), rtol=0, atol=1e-6)
            assert not patch[:, one.height :].any() and not patch[:, :, one.width :].any()


def test_patches_are_of_the_query() -> None:
    """Of a bright query on a dark key all that is pasted is bright: the query stays as it is."""
    query, key = (torch.full((2, 3, 8, 64, 64), level) for level in (0.8, 0.2))
    v1, v2 = pasting.paired(query, key, Drawing(), [np.random.default_rng(seed) for seed in range(2)])
    torch.testing.assert_close(v1, query, rtol=0, atol=1e-5)
    assert v2.min() == pytest.approx(0.2, abs=1e-6) and v2.max() > 0.7 and v2.max() <= 0.8 + 1e-5


def between_about(values: object, low: float, high: float, share: float = 0.02) -> bool:
    """True where values lie within low to high, and come near to both ends."""
    drawn, room = np.asarray(values, float).ravel(), share * (high - low)
    return low - 1e-9 <= drawn.min() <= low + room and high - room <= drawn.max() <= high + 1e-9


def test_draws_have_the_ranges_and_shares_of_the_text() -> None:
    """Of 112 px, by the numbers of the thesis and of the code; the middle one of three keyframes holds a value that was drawn."""
    one = [Drawing(1, transforms=limits("scale", "shear", "rotation")).draw(np.random.default_rng(seed), 3, 112)[0] for seed in range(3000)]
    assert between_about([(t.height, t.width) for t in one], 16, 64) and between_about([t.opacity for t in one], 0.8, 1)
    counts = [sum(t.shape == shape for t in one) / 3000 for shape in ("rectangle", "ellipse", "rhombus")]
    assert np.abs(np.array(counts) - [0.5, 0.35, 0.15]).max() < 0.04
    soft = [t.soft for t in one if t.soft != 0.5]
    assert abs(len(soft) / 3000 - 0.5) < 0.04 and between_about(soft, 0.30, 0.45)
    scales = [Drawing(1, transforms=limits("scale")).draw(np.random.default_rng(seed), 3, 112)[0].transform[1:] for seed in range(500)]
    assert between_about([np.diagonal(matrix) for several in scales for matrix in several], 0.5, 1.5)
    shears = [
        Drawing(1, transforms=limits("shear")).draw(np.random.default_rng(seed), 3, 112)[0].transform[1:, 0, 1] for seed in range(500)
    ]
    assert between_about(shears, -1.5, 1.5)
    turned = [Drawing(1).draw(np.random.default_rng(seed), 3, 112)[0].transform[1:] for seed in range(500)]
    assert between_about(np.degrees([np.arctan2(matrix[1, 0], matrix[0, 0]) for several in turned for matrix in several]), -90, 90)
    extents = [np.ptp(Drawing(1).draw(np.random.default_rng(seed), 48, 112)[0].centres, axis=0) for seed in range(500)]
    assert between_about(extents, 20, 89)
    steps = np.stack([np.abs(np.diff(tubelets.linear_centres(np.random.default_rng(seed), 112), axis=0)[0]) for seed in range(3000)])
    start, delta, place = np.random.default_rng(0).random((3, 200_000)) * [[112], [40], [1]] + [[0], [40], [0]]
    low, high = np.maximum(start - delta, 0), np.minimum(start + delta, 112)
    naive = np.abs(low + (high - low) * place - start)
    assert steps.max() > 77 and all(abs((steps > far).mean() - (naive > far).mean()) < 0.02 for far in (10, 20, 40, 60))


def test_released_transformations_have_none_to_two_inner_keyframes() -> None:
    """Bends of a rotation between frames, where gaps are gone through evenly."""
    bends = []
    for seed in range(800):
        rng = np.random.default_rng(seed)
        turn = Drawing(1, "linear", limits("rotation"), released=("transformations",))._walk(rng, 64)[:, 4]
        second = np.abs(np.diff(turn, 2)) > 1e-9
        if second.sum() <= 2:
            bends.append(int(second.sum()))
    shares = np.bincount(bends, minlength=3) / len(bends)
    weights = np.array([0.5 * 0.7, 0.3 * 0.7**2, 0.2 * 0.7**3])  # all gaps even
    assert np.abs(shares - weights / weights.sum()).max() < 0.07


def test_released_scales_of_long_clips_stay_above_nothing() -> None:
    drawing = Drawing(1, "none", limits("scale"), released=("transformations",))
    scales = np.stack(
        [np.diagonal(drawing.draw(np.random.default_rng(seed), 64, 112)[0].transform, axis1=1, axis2=2) for seed in range(200)]
    )
    assert between_about(scales, 0.5, 1.5)


def test_without_motion_a_tubelet_stands() -> None:
    (one,) = Drawing(1, "none").draw(np.random.default_rng(0), 8, 64)
    assert (one.centres == one.centres[0]).all()


def test_randomly_scaled_crops_jump_and_change_their_size_alike_along_both_axes() -> None:
    (one,) = Drawing(1, "crops", limits("rotation")).draw(np.random.default_rng(0), 64, 64)
    scales = one.transform[:, 0, 0]
    assert np.allclose(one.transform, scales[:, None, None] * np.eye(2)) and scales.min() < 0.6 and scales.max() > 1.4
    assert np.abs(np.diff(one.centres, axis=0)).mean() > 15 and (one.centres >= 0).all() and (one.centres <= 64).all()


# As released.


def test_released_patches_have_the_code_s_sides_and_lie_where_the_tubelet_is() -> None:
    drawn = [Drawing(1, "none", released=("patches",)).draw(np.random.default_rng(seed), 8, 112)[0] for seed in range(2000)]
    extents = np.array([(one.height, one.width) for one in drawn])
    assert extents.min() in (9, 10, 11) and extents.max() in range(100, 109)
    for one in drawn:
        middle = np.array([one.left + one.width / 2, one.top + one.height / 2])
        inside = (one.centres[0] > extents.max() / 2) & (one.centres[0] < 112 - extents.max() / 2)
        assert (np.abs(middle - one.centres[0])[inside] <= 0.5 + 1e-9).all()
        assert min(one.top, one.left) >= 0 and one.top + one.height <= 112 and one.left + one.width <= 112


def test_released_transformations_are_a_walk() -> None:
    """At most 6 degrees a frame between keyframes, evenly gone through or not; shear along x, y or both; the first frame as it is."""
    degrees, ends, both = [], [], []
    for seed in range(600):
        (one,) = Drawing(1, "linear", limits("rotation"), released=("transformations",)).draw(np.random.default_rng(seed), 16, 112)
        turn = np.degrees(np.arctan2(one.transform[:, 1, 0], one.transform[:, 0, 0]))
        degrees.append(np.abs(np.diff(np.unwrap(turn, period=360))).max())
        ends.append(turn[-1])
        (one,) = Drawing(1, "linear", limits("shear"), released=("transformations",)).draw(np.random.default_rng(seed), 16, 112)
        assert np.allclose(one.transform[0], np.eye(2)) and abs(one.transform[-1, 0, 1]) <= 0.066 * 15
        both.append((one.transform[-1, 0, 1] != 0, one.transform[-1, 1, 0] != 0))
    assert max(degrees) <= 12 + 1e-6 and max(np.abs(ends)) <= 90 and np.abs(ends).max() > 80, "a gap that speeds up ends at twice its speed"
    assert all(abs(both.count(kind) / 600 - 1 / 3) < 0.08 for kind in ((True, False), (False, True), (True, True)))
    even = np.mean([one <= 6 + 1e-6 for one in degrees])
    assert 0.6 < even < 0.95


# Colour.


def test_colours_by_hand() -> None:
    """Each with a probability of 0.2; brightness shifts by at most 32 levels, contrast scales by e^0.2, greys keep their hue."""
    changes = pasting.colours([np.random.default_rng(seed) for seed in range(4000)])
    still = (np.abs(changes[:, :, :3] - np.eye(3)).max((1, 2)) < 1e-9) & (np.abs(changes[:, :, 3]).max(1) < 1e-12)
    assert abs(still.mean() - 0.8**3) < 0.03
    grey = changes[:, :, :3] @ np.ones(3)
    np.testing.assert_allclose(grey, grey[:, :1].repeat(3, 1), atol=1e-9)
    assert abs((np.abs(grey[:, 0] - 1) > 1e-9).mean() - 0.2) < 0.03 and math.isclose(grey.max(), math.exp(0.2), rel_tol=0.01)
    shifts = changes[:, 0, 3] / grey[:, 0]
    assert abs((shifts != 0).mean() - 0.2) < 0.03 and 0.97 < np.abs(shifts).max() / (32 / 255) <= 1 + 1e-9
    turned = changes[:, :, :3] / grey[:, :1, None]
    i, q = (np.array([0.5959, -0.2746, -0.3213]), np.array([0.2115, -0.5227, 0.3112]))
    red = turned @ [1.0, 0, 0]
    degrees = np.degrees(np.arctan2(red @ q, red @ i) - np.arctan2(q[0], i[0]))
    assert between_about(degrees, -24, 24) and abs((np.abs(degrees) > 1e-6).mean() - 0.2) < 0.03
    chroma = np.hypot(red @ i, red @ q) / np.hypot(i[0], q[0])
    assert between_about(chroma, math.exp(-0.1), math.exp(0.1))


def test_recoloured_clips_by_hand() -> None:
    """0.5 shifted by 0.1 and scaled by 2 is 1.2, and clamped 1; 0.1 becomes 0.4."""
    clips = torch.tensor([0.5, 0.1]).view(2, 1, 1, 1, 1).expand(2, 3, 2, 4, 4)
    change = np.concatenate([2 * np.eye(3), np.full((3, 1), 0.2)], axis=1)
    found = pasting.recoloured(clips, np.stack([change] * 2), ((0.5, 0.4, 0.3), (0.5, 0.5, 0.25)))
    expected = torch.tensor([[1, 1.2, 2.8], [-0.2, 0, 0.4]]).view(2, 3, 1, 1, 1).expand_as(clips)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "make, line",
    [
        (lambda: Drawing(0), "tubelets: 0 of them; give 1 or more"),
        (lambda: Drawing(motion="curved"), "tubelets: motion 'curved'; choose none, linear, non-linear"),
        (lambda: Drawing(transforms={"zoom": (0, 1)}), "tubelets: transformation zoom; choose of scale, shear, rotation"),
        (lambda: Drawing(transforms={"scale": (0, 1)}), "tubelets: scale from 0 to 1; give the least first, above 0"),
        (lambda: Drawing(transforms={"shear": (1, -1)}), "tubelets: shear from 1 to -1; give the least first"),
        (lambda: Drawing(released=("loss",)), "tubelets: released loss; choose of patches, transformations"),
        (lambda: Drawing(patch=(16, 120)), "tubelets: patches of 16 to 120 px in a frame of 112; give 1 to 112, the least first"),
        (lambda: Drawing(patch=(64, 16)), "tubelets: patches of 64 to 16 px in a frame of 112; give 1 to 112, the least first"),
        (lambda: Drawing().draw(np.random.default_rng(0), 2, 64), "tubelets: clips of 2 frames, and a path has 3 keyframes"),
        (lambda: Drawing().draw(np.random.default_rng(0), 8, 3), "tubelets: a patch of 16 px of 112 is none in frames of 3 px"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(make: object, line: str) -> None:
    with pytest.raises(InputError) as error:
        make()  # type: ignore[operator]
    assert str(error.value).startswith(line) and "\n" not in str(error.value)
