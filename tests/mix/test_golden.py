"""Numbers of the code before axes had names: the same seeds draw the same boxes, blocks and shares, and as many numbers."""

from typing import Any

import pytest
import torch
from torch import Tensor

from videossl.mix.adapters import draw_patch
from videossl.mix.axes import AXES
from videossl.mix.cutmix import draw_aligned_box, draw_box
from videossl.mix.pairs import Layers
from videossl.mix.strategies import mix_features, mix_inputs
from videossl.seeding import torch_rng

NAMES = {2: ("channel", "time"), 3: ("channel", "time", "joint"), 4: ("channel", "time", "height", "width")}
VIDEO, SKELETON = (32, 8, 8, 8), (16, 13, 25)
R = torch.tensor([2, 0, 3, 1])


def after(rng: torch.Generator) -> int:
    """The next number drawn, which depends on how many were drawn before."""
    return int(torch.randint(10**6, (), generator=rng))


def whole(*shape: int) -> Tensor:
    """Every number once."""
    return torch.arange(float(torch.Size(shape).numel()), dtype=torch.float64).view(shape)


def total(mixed: Tensor) -> float:
    """A sum in which places weigh 1 to 7, exact for whole numbers."""
    return float((mixed.flatten() * (1 + torch.arange(mixed.numel(), dtype=torch.float64) % 7)).sum())


BOXES = [
    ((8, 6), (5, 9), AXES, 0, ((0, 3), (0, 6)), ((2, 5), (3, 9)), 48492),
    ((6, 7, 25), (9, 5, 25), AXES, 1, ((0, 6), (1, 6), (16, 25)), ((3, 9), (0, 5), (8, 17)), 356632),
    ((6, 7, 25), (6, 5, 17), ("space", "time"), 2, ((0, 6), (1, 6), (20, 25)), ((0, 6), (0, 5), (8, 13)), 472727),
    ((4, 8, 9, 7), (6, 3, 5, 5), AXES, 3, ((0, 4), (3, 6), (5, 8), (3, 6)), ((0, 4), (0, 3), (0, 3), (1, 4)), 946899),
    ((4, 8, 9, 7), (6, 8, 9, 7), ("channel",), 4, ((0, 4), (0, 8), (0, 9), (0, 7)), ((2, 6), (0, 8), (0, 9), (0, 7)), 847034),
]  # fmt: skip


@pytest.mark.parametrize(("shape1", "shape2", "axes", "seed", "into", "source", "then"), BOXES)
def test_boxes(shape1: Any, shape2: Any, axes: Any, seed: int, into: Any, source: Any, then: int) -> None:
    rng = torch_rng(seed)
    box = draw_box(shape1, shape2, rng, axes, 0.7, NAMES[len(shape1)])
    assert (box.into, box.source, after(rng)) == (into, source, then)
    if len(shape1) != 3:
        assert draw_box(shape1, shape2, torch_rng(seed), axes, 0.7) == box, "the default names"


ALIGNED = [
    (("time",), 0, ((0, 3), (6, 13), (0, 32), (0, 32)), 48492),
    (("time", "space"), 1, ((0, 3), (0, 14), (10, 32), (0, 24)), 634312),
    (("space",), 2, ((0, 3), (0, 16), (7, 32), (16, 32)), 258526),
]


@pytest.mark.parametrize(("axes", "seed", "into", "then"), ALIGNED)
def test_aligned_boxes(axes: Any, seed: int, into: Any, then: int) -> None:
    for dims in (None, NAMES[4]):
        rng = torch_rng(seed)
        assert draw_aligned_box((3, 16, 32, 32), rng, axes, dims=dims).into == into and after(rng) == then


PATCHES = [
    (VIDEO, SKELETON, "random", 0, ((0, 9),), (3, 3), ((1, 17), (0, 8), (6, 8), (5, 8)), ((0, 16), (3, 11), (0, 2), (0, 3)), 393834),
    (SKELETON, VIDEO, "random", 1, ((3, 8), (1, 6)), (25,), ((0, 16), (9, 13), (0, 25)), ((7, 23), (0, 4), (0, 25)), 183425),
    (VIDEO, SKELETON, (5, 5), 2, ((0, 25),), (5, 5), ((23, 32), (0, 8), (3, 8), (0, 5)), ((0, 9), (2, 10), (0, 5), (0, 5)), 991513),
    (SKELETON, VIDEO, (3, 3), 3, ((1, 4), (2, 5)), (9,), ((0, 16), (3, 11), (14, 23)), ((5, 21), (0, 8), (0, 9)), 57351),
]  # fmt: skip


@pytest.mark.parametrize(("shape1", "shape2", "patch", "seed", "spans", "laid", "into", "source", "then"), PATCHES)
def test_patches(shape1: Any, shape2: Any, patch: Any, seed: int, spans: Any, laid: Any, into: Any, source: Any, then: int) -> None:
    rng = torch_rng(seed)
    cut, box = draw_patch(shape1, shape2, rng, patch=patch, dims=(NAMES[len(shape1)], NAMES[len(shape2)]))
    assert (cut.spans, cut.shape, box.into, box.source, after(rng)) == (spans, laid, into, source, then)


DRAWN = [
    ("random", (5, 5), None, [(1, 1), (3, 4), (2, 5), (4, 5), (1, 5), (2, 5)], 701713),
    ("random", (5, 10), None, [(1, 2), (3, 10), (2, 5), (4, 9), (1, 6), (2, 8)], 701713),
    ("random", (10, 5), None, [(6, 3), (3, 4), (2, 3), (9, 5), (6, 4), (7, 5)], 701713),
    ("random", (5, 5), (4, 2), [(4, 4), (2, 2), (4, 4), (2, 4), (4, 4), (2, 4)], 701713),
    ("same", (5, 10), None, [(1, 1), (3, 3), (2, 2), (4, 4), (1, 1), (2, 2)], 701713),
    ("same", (5, 5), (3,), [(3, 3)] * 6, 701713),
    ((4, 8), (5, 10), None, [(4, 8)] * 6, 260525),
]


@pytest.mark.parametrize(("layers", "depths", "blocks", "drawn", "then"), DRAWN)
def test_layers(layers: Any, depths: tuple[int, int], blocks: Any, drawn: list[tuple[int, int]], then: int) -> None:
    rng, chosen = torch_rng(5), Layers("here", layers, depths, blocks)
    assert [chosen.draw(rng) for _ in range(6)] == drawn and after(rng) == then
    assert set(drawn) <= set(chosen.pairs())


INPUTS = [
    ("none", "batch", 2649604.0, 1.0, 932919),
    ("none", "sample", 2649604.0, 1.0, 932919),
    ("mixup", "batch", 2648394.6267333524, 0.16015745371716675, 270863),
    ("mixup", "sample", 3164158.203806721, [0.16015745371716675, 0.9989603780665527, 0.9653374368729903, 0.9210014430129705], 750560),
    ("t-cutmix", "batch", 2647876.0, 0.5, 307259),
    ("t-cutmix", "sample", 2648740.0, [0.5, 0.75, 0.75, 0.5], 457124),
    ("st-cutmix", "batch", 2658532.0, 0.6666666666666666, 307259),
    ("st-cutmix", "sample", 2688196.0, [0.6666666666666666, 0.8333333333333334, 0.9166666666666666, 0.75], 457124),
    ("videomix", "batch", 2658820.0, 0.5555555555555556, 307259),
    ("videomix", "sample", 2706340.0, [0.5555555555555556, 0.75, 0.8333333333333334, 0.6666666666666666], 457124),
]


@pytest.mark.parametrize(("strategy", "box", "value", "lam", "then"), INPUTS)
def test_inputs(strategy: str, box: str, value: float, lam: Any, then: int) -> None:
    rng = torch_rng(6)
    mixed, share = mix_inputs(strategy, whole(4, 2, 4, 6, 6), R, rng, 0.7, box)
    check(mixed, share, rng, value, lam, then, exact="cutmix" in strategy)


FEATURES = [
    ("cm-cutmix", (2, 4, 6, 6), (3, 2, 5, 3), "batch", 2598294.0, 0.9861111111111112, 858990),
    ("cm-cutmix", (2, 4, 6, 6), (3, 2, 5, 3), "sample", 2522337.0, [0.9861111111111112, 0.9861111111111112, 0.9166666666666666, 0.9861111111111112], 234996),
    ("cm-cutmix", (6, 7, 25), (9, 5, 25), "batch", 30353508.0, 0.9314285714285714, 712310),
    ("cm-cutmix", (6, 7, 25), (9, 5, 25), "sample", 25244542.0, [0.9314285714285714, 0.7333333333333333, 0.7714285714285715, 0.9714285714285714], 460033),
    ("cm-cutmix", VIDEO, SKELETON, "batch", 8253276781.0, 0.96875, 69950),
    ("cm-cutmix", VIDEO, SKELETON, "sample", 8126364826.0, [0.96875, 0.964111328125, 0.953125, 0.9619140625], 190145),
    ("cm-cutmix", SKELETON, VIDEO, "batch", 486695940.0, 0.9015384615384615, 69950),
    ("cm-cutmix", SKELETON, VIDEO, "sample", 480628051.0, [0.9015384615384615, 0.8892307692307693, 0.8892307692307693, 0.8892307692307693], 190145),
    ("cm-mixup", (2, 4, 6, 6), (2, 4, 6, 6), "batch", 1335372.299224827, 0.7522098829378931, 929141),
    ("cm-mixup", (2, 4, 6, 6), (2, 4, 6, 6), "sample", 1160241.7576547782, [0.7522098829378931, 0.3382242209962293, 0.9986579216177084, 0.678089252574275], 923034),
    ("manifold-mixup", (6, 7, 25), (6, 7, 25), "batch", 17796003.592164453, 0.7522098829378931, 929141),
    ("manifold-mixup", (6, 7, 25), (6, 7, 25), "sample", 15463018.748910822, [0.7522098829378931, 0.3382242209962293, 0.9986579216177084, 0.678089252574275], 923034),
]  # fmt: skip


@pytest.mark.parametrize(("strategy", "shape1", "shape2", "box", "value", "lam", "then"), FEATURES)
def test_features(strategy: str, shape1: Any, shape2: Any, box: str, value: float, lam: Any, then: int) -> None:
    rng, dims = torch_rng(8), (NAMES[len(shape1)], NAMES[len(shape2)])
    mixed, share = mix_features(strategy, whole(4, *shape1), -1 - whole(4, *shape2), rng, AXES, 0.7, box, dims=dims)
    check(mixed, share, rng, value, lam, then, exact="cutmix" in strategy)


def check(mixed: Tensor, share: float | Tensor, rng: torch.Generator, value: float, lam: Any, then: int, exact: bool) -> None:
    assert total(mixed) == (value if exact else pytest.approx(value, rel=1e-12))
    assert (share.tolist() if isinstance(share, Tensor) else share) == lam
    assert after(rng) == then
