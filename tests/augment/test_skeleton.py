"""SkeletonAugment against loops and numpy's padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from videossl import seeding
from videossl.augment import skeleton
from videossl.augment.skeleton import SkeletonAugment
from videossl.errors import InputError
from videossl.skeleton_graphs import GRAPHS, parents


def clips(batch: int, frames: int = 12, joints: int = 25) -> tuple[Tensor, Tensor]:
    values = seeding.numpy_rng(0, batch, frames).normal(size=(batch, 3, frames, joints, 2)).astype(np.float32)
    values[..., 1] = 0  # an absent second body
    return torch.from_numpy(values), torch.tensor([[joints, 2]] * batch)


def rngs(*samples: int) -> list[np.random.Generator]:
    return [seeding.numpy_rng(7, 0, sample, "augment") for sample in samples]


def naive(clip: np.ndarray, sample: int, amplitude: float, padding: int, turn: float = 0) -> np.ndarray:
    """(3, T, V, M): each joint of each frame turned and sheared, then a window of the padded sequence."""
    u = rngs(sample)[0].random(8)
    angle = math.radians(turn * (2 * u[7] - 1))
    a, b, c, d, e, f = (amplitude * (2 * value - 1) for value in u[:6])
    matrix = np.array([[1, a, b], [c, 1, d], [e, f, 1]])
    sheared = np.zeros_like(clip)
    for t in range(clip.shape[1]):
        for joint in range(clip.shape[2]):
            for body in range(clip.shape[3]):
                x, y, z = clip[:, t, joint, body]
                turned = [x * math.cos(angle) + z * math.sin(angle), y, z * math.cos(angle) - x * math.sin(angle)]
                sheared[:, t, joint, body] = matrix @ turned
    pad = clip.shape[1] // padding
    padded = np.pad(sheared, [(0, 0), (pad, pad), (0, 0), (0, 0)], mode="symmetric")
    start = int(u[6] * (2 * pad + 1))
    return padded[:, start : start + clip.shape[1]]


@pytest.mark.parametrize(("frames", "joints", "turn"), [(12, 25, 0), (50, 25, 0), (5, 25, 45), (12, 17, 180)])
def test_a_view_is_the_naive_view(frames: int, joints: int, turn: float) -> None:
    values, sizes = clips(3, frames, joints)
    out = SkeletonAugment(0.5, 6, turn).train(values, sizes, rngs(4, 5, 6))
    assert out.shape == values.shape and out.dtype == torch.float32
    for b in range(3):
        assert np.allclose(out[b].numpy(), naive(values[b].numpy(), 4 + b, 0.5, 6, turn), atol=1e-5)


@pytest.mark.parametrize("graph", list(GRAPHS))
def test_a_view_of_bones_is_the_bones_of_the_view(graph: str) -> None:
    """Shear is linear and a crop takes whole frames, so it does not matter which is first."""

    def bones(values: Tensor) -> Tensor:
        return values - values[:, :, :, parents(GRAPHS[graph])]

    values, sizes = clips(3, 12, GRAPHS[graph].joints)
    augment = SkeletonAugment(0.5, 6, turn=90)
    torch.testing.assert_close(augment.train(bones(values), sizes, rngs(1, 2, 3)), bones(augment.train(values, sizes, rngs(1, 2, 3))))


@settings(max_examples=50, deadline=None)
@given(frames=st.integers(2, 20), data=st.data())
def test_temporal_crop_is_a_window_of_numpys_reflection(frames: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(-frames, frames))
    values, _ = clips(1, frames)
    pad = frames
    padded = np.pad(values[0].numpy(), [(0, 0), (pad, pad), (0, 0), (0, 0)], mode="symmetric")
    out = skeleton.temporal_crop(values, torch.tensor([start]))
    assert np.array_equal(out[0].numpy(), padded[:, pad + start : pad + start + frames])


def test_every_window_is_drawn() -> None:
    """12 frames, a sixth is 2: windows start at -2..2, each a fifth of the time."""
    line = torch.arange(12.0)[None, None, :, None, None].expand(2000, 3, 12, 25, 2)
    out = SkeletonAugment(shear=0, padding=6).train(line, torch.empty(0), rngs(*range(2000)))[:, 0, :, 0, 0]
    expected = {(1, 0, 0, 1), (0, 0, 1, 2), (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}
    seen = [tuple(int(value) for value in row[:4]) for row in out]
    assert set(seen) == expected
    assert all(seen.count(window) == pytest.approx(400, abs=80) for window in expected)


def test_an_absent_body_stays_zero_and_shear_stays_in_range() -> None:
    values, sizes = clips(4)
    out = SkeletonAugment(0.5, 6).train(values, sizes, rngs(*range(4)))
    assert not out[..., 1].any() and out[..., 0].any()
    unit = torch.eye(3)[None, :, None, :, None].expand(500, 3, 2, 3, 1)  # frame by frame, joint j is the unit vector j
    matrices = SkeletonAugment(0.5, 6).train(unit, sizes, rngs(*range(500)))[:, :, 0, :, 0]
    off = matrices[:, ~torch.eye(3, dtype=torch.bool)]
    assert torch.equal(matrices.diagonal(dim1=1, dim2=2), torch.ones(500, 3))
    assert off.abs().max() <= 0.5 and off.min() < -0.48 and off.max() > 0.48
    assert off.std().item() == pytest.approx(1 / 12**0.5, abs=0.02)


def test_a_turn_keeps_heights_and_distances_and_reaches_every_angle() -> None:
    """Without shear, x-z distances and y are those of the sequence; a right angle takes (x, y, z) to (z, y, -x)."""
    assert np.allclose(skeleton.about_y(np.array([np.pi / 2]))[0] @ [1.0, 2.0, 3.0], [3.0, 2.0, -1.0])
    values, sizes = clips(40)
    out = SkeletonAugment(shear=0, padding=0, turn=45).train(values, sizes, rngs(*range(40)))
    torch.testing.assert_close(out[:, 1], values[:, 1])
    torch.testing.assert_close(out[:, [0, 2]].norm(dim=1), values[:, [0, 2]].norm(dim=1))
    east = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None, None].expand(2000, 3, 2, 1, 1)
    x, _, z = SkeletonAugment(shear=0, padding=0, turn=45).train(east, sizes, rngs(*range(2000)))[:, :, 0, 0, 0].unbind(1)
    angle = torch.rad2deg(torch.atan2(-z, x))
    assert angle.min() < -44 and angle.max() > 44 and angle.abs().max() <= 45 + 1e-3
    assert angle.std().item() == pytest.approx(90 / 12**0.5, abs=1.5)


def test_a_view_is_bitwise_independent_of_the_other_samples() -> None:
    values, sizes = clips(5)
    augment = SkeletonAugment(0.5, 6)
    together = augment.train(values, sizes, rngs(*range(5)))
    for b in range(5):
        assert torch.equal(augment.train(values[b : b + 1], sizes[b : b + 1], rngs(b))[0], together[b])
    assert torch.equal(together, augment.train(values, sizes, rngs(*range(5))))


def test_the_geometry_is_the_whole_frame() -> None:
    values, sizes = clips(3)
    views, geometry = SkeletonAugment(0.5, 6).train_with_geometry(values, sizes, rngs(1, 2, 3))
    assert torch.equal(views, SkeletonAugment(0.5, 6).train(values, sizes, rngs(1, 2, 3)))
    assert geometry["box"].tolist() == [[0, 0, 1, 1]] * 3 and geometry["box"].dtype == torch.float32
    assert geometry["flip"].tolist() == [False] * 3 and geometry["flip"].dtype == torch.bool


def test_nothing_is_random_at_test_time() -> None:
    values, sizes = clips(2)
    augment = SkeletonAugment(0.5, 6)
    assert torch.equal(augment.evaluate(values, sizes), values)
    assert [torch.equal(view, values) for view in augment.crops(values, sizes, 10)] == [True]
    assert augment.without_blur() == augment


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="shear -1"):
        SkeletonAugment(shear=-1, padding=6)
    with pytest.raises(InputError, match="padding -2"):
        SkeletonAugment(shear=0.5, padding=-2)
    with pytest.raises(InputError, match="turn 200"):
        SkeletonAugment(shear=0.5, padding=6, turn=200)
