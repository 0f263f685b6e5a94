"""Maps go by the names of their axes: sounds are no skeletons, though the numbers of their axes agree."""

import re

import pytest
import torch

from videossl.errors import InputError
from videossl.mix.adapters import draw_patch
from videossl.mix.axes import AXES, Pair, named
from videossl.mix.cutmix import draw_box
from videossl.mix.pairs import pairs
from videossl.mix.strategies import BOXES, CUTS, FEATURES, mix_features, mix_inputs
from videossl.seeding import torch_rng

AUDIO, SKELETON = ("channel", "time", "frequency"), ("channel", "time", "joint")
VIDEO, BODIES = ("channel", "time", "height", "width"), ("channel", "time", "joint", "body")
SHAPE = (6, 8, 25)
KINDS = re.escape("(6, 8, 25) and (6, 8, 25), (channel, time, frequency) and (channel, time, joint)")


@pytest.mark.parametrize("strategy", FEATURES)
def test_a_sound_is_no_skeleton(strategy: str) -> None:
    """Not even where all sizes agree; the error names both kinds, whichever is trained."""
    g1, g2 = torch.zeros(2, *SHAPE), torch.ones(2, *SHAPE)
    with pytest.raises(InputError, match=KINDS) as error:
        mix_features(strategy, g1, g2, torch_rng(0), dims=(AUDIO, SKELETON))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=re.escape("(channel, time, joint) and (channel, time, frequency)")):
        mix_features(strategy, g1, g2, torch_rng(0), dims=(SKELETON, AUDIO))
    shapes, layers = [(2, *SHAPE)], "same"
    with pytest.raises(InputError, match=f"^audio with joint: block 1 cannot be mixed with block 1: {strategy[-3:]}|{KINDS}"):
        pairs("audio with joint", shapes, shapes, AXES, layers, strategy, dims=(AUDIO, SKELETON))
    assert pairs("audio", shapes, shapes, AXES, layers, strategy, dims=(AUDIO, AUDIO)) == [(1, 1)]


@pytest.mark.parametrize(
    ("dims", "shape2"),
    [
        ((AUDIO, VIDEO), (6, 8, 5, 5)),  # no adapter yet
        ((SKELETON, ("channel", "height", "width")), (6, 5, 5)),  # time is lost
        ((SKELETON, ("height", "width", "channel", "time")), (5, 5, 6, 8)),  # in another order
        ((SKELETON, BODIES), (6, 8, 25, 2)),
    ],
)
def test_what_no_adapter_knows(dims: Pair, shape2: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="both need the same axes, or an adapter from one to the other; there are adapters of joint into"):
        draw_patch(SHAPE, shape2, torch_rng(0), dims=dims)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", FEATURES)
def test_sounds_mix_with_sounds(strategy: str, box: str) -> None:
    """As skeletons do: frequency is space."""
    shape2 = (9, 5, 17) if strategy == "cm-cutmix" else SHAPE
    g1, g2 = torch.rand(3, *SHAPE, generator=torch_rng(1)), -torch.rand(3, *shape2, generator=torch_rng(2))
    (mixed, lam), (expected, share) = (
        mix_features(strategy, g1, g2, torch_rng(3), box=box, dims=(dims, dims)) for dims in (AUDIO, SKELETON)
    )
    assert torch.equal(mixed, expected) and torch.equal(torch.as_tensor(lam), torch.as_tensor(share))
    assert not torch.equal(mixed, g1)


def test_frequency_is_cut_with_space() -> None:
    boxes = [draw_box(SHAPE, SHAPE, torch_rng(seed), ("space",), dims=AUDIO) for seed in range(20)]
    assert all(box.into[:2] == ((0, 6), (0, 8)) for box in boxes)
    assert len({box.into[2] for box in boxes}) > 10
    with pytest.raises(InputError, match="space is not cut, so frequency must be equal, not 25 and 20; add 'space' to the axes"):
        draw_box(SHAPE, (6, 8, 20), torch_rng(0), ("time", "channel"), dims=AUDIO)


def test_three_axes_need_names() -> None:
    g = torch.zeros(2, *SHAPE)
    message = re.escape("a map (C, *dims) (6, 8, 25) has 3 axes, which can be several things: give dims")
    with pytest.raises(InputError, match=message):
        mix_features("cm-cutmix", g, g, torch_rng(0))
    with pytest.raises(InputError, match=message):
        mix_features("cm-mixup", g, g, torch_rng(0), dims=(AUDIO, None))
    for strategy in CUTS:
        with pytest.raises(InputError, match=message):
            mix_inputs(strategy, g, torch.tensor([1, 0]), torch_rng(0))
    mix_features("cm-mixup", g, g, torch_rng(0))  # whole maps of one shape: nothing is cut
    mix_inputs("mixup", g, torch.tensor([1, 0]), torch_rng(0))


def test_names_that_do_not_fit() -> None:
    assert named(SHAPE, AUDIO) == AUDIO and named((6, 8, 5, 5)) == VIDEO and named((6, 8)) == ("channel", "time")
    with pytest.raises(InputError, match=re.escape("(6, 8, 25) has 3 axes, named (channel, time): give each a name of its own")):
        named(SHAPE, ("channel", "time"))
    with pytest.raises(InputError, match="dimension 'pitch' is unknown, choose of channel, time, height, width, joint, frequency, body"):
        named(SHAPE, ("channel", "time", "pitch"))
    with pytest.raises(InputError, match="give each a name of its own"):
        named(SHAPE, ("channel", "time", "time"))


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strategy", CUTS)
def test_bodies_of_a_skeleton_are_mixed_whole(strategy: str, box: str) -> None:
    """Inputs (B, C, T, V, M): joints are space, and a box spans all bodies."""
    x = torch.arange(float(4 * 3 * 6 * 25 * 2), dtype=torch.float64).view(4, 3, 6, 25, 2)
    r = torch.tensor([1, 2, 3, 0])
    mixed, lam = mix_inputs(strategy, x, r, torch_rng(2), box=box, dims=BODIES)
    kept = mixed == x
    assert torch.equal(mixed[~kept], x[r][~kept])
    assert torch.equal(kept[..., 0], kept[..., 1]) and (kept == kept[:, :1]).all(), "the same of both bodies and of all channels"
    shares = kept.double().mean((1, 2, 3, 4))
    assert torch.as_tensor(lam).expand(4).tolist() == pytest.approx(shares.tolist()) and shares.min() < 1
    times, joints = (~kept[:, 0, :, :, 0]).any(2), (~kept[:, 0, :, :, 0]).any(1)
    assert times.all() == ("time" not in CUTS[strategy]) and joints.all() == ("space" not in CUTS[strategy])
