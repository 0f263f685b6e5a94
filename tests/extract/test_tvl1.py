"""TV-L1 on torch: against OpenCV's, against the motion that is known, and its GPU kernels by Triton's interpreter against the CPU's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY

from videossl.extract import flow, tvl1

FAST = {"warps": 2, "inner": 10, "outer": 5, "scales": 3}
NEEDS_TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="this torch came without Triton")


def pair(shift: tuple[float, float], size: tuple[int, int], noise: float, seed: int = 0) -> np.ndarray:
    """A smooth random texture and the same moved by (right, down), each with noise of its own: (2, H, W) uint8."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[: size[0], : size[1]].astype(float)
    waves = rng.uniform((-0.4, -0.4, 0), (0.4, 0.4, 2 * np.pi), (12, 3))

    def seen(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        grey = 128 + 18 * sum(np.sin(across * x + upright * y + phase) for across, upright, phase in waves)
        return np.clip(np.rint(grey + rng.normal(0, noise, size)), 0, 255).astype(np.uint8)

    return np.stack([seen(right, down), seen(right - shift[0], down - shift[1])])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The mean end-point error, 8 pixels from the edges."""
    return float(np.linalg.norm(one - other, axis=-1)[..., 8:-8, 8:-8].mean())


@pytest.mark.parametrize("settings", [FAST, {}], ids=["fast", "defaults"])
@pytest.mark.parametrize("noise", [0.0, 6.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 127)])
def test_it_is_opencvs_and_no_further_from_the_known_motion(size: tuple[int, int], noise: float, settings: dict[str, int]) -> None:
    pairs = [(shift, pair(shift, size, noise, seed)) for seed, shift in enumerate([(2.0, 0.0), (0.4, -1.5), (-2.6, 1.2)])]
    truth = np.stack([np.broadcast_to(np.float32(shift), (*size, 2)) for shift, _ in pairs])
    torchs, opencvs = (
        np.concatenate([flow.compute(name, settings, frames) for _, frames in pairs]) for name in ("tvl1-torch", "tvl1-opencv")
    )
    assert distance(torchs, opencvs) < 0.03
    assert distance(torchs, truth) < distance(opencvs, truth) + 0.005


@pytest.mark.parametrize(
    "settings",
    [{"lambda": 0.05}, {"tau": 0.1}, {"theta": 0.6}, {"epsilon": 0.1}, {"scale_step": 0.5}, {"median": 1}, {"median": 3}, {"scales": 1}],
    ids=str,
)
def test_each_setting_does_what_opencvs_does(settings: dict[str, float]) -> None:
    frames = pair((1.5, -1.0), (64, 64), 4.0)
    ours, opencvs, default = (
        flow.compute(name, given, frames)
        for name, given in (("tvl1-torch", FAST | settings), ("tvl1-opencv", FAST | settings), ("tvl1-opencv", FAST))
    )
    assert distance(ours, opencvs) < 0.1 * distance(default, opencvs)


def test_frames_as_small_as_a_cache_may_have() -> None:
    for size in ((1, 1), (3, 40), (17, 16)):
        found = flow.compute("tvl1-torch", {}, np.random.default_rng(0).integers(0, 256, (3, *size), np.uint8))
        assert found.shape == (2, *size, 2) and np.isfinite(found).all()


def test_a_frame_shown_twice_has_no_flow_and_takes_none_from_others() -> None:
    one, other = pair((2.0, 1.0), (48, 64), 2.0)
    found = flow.compute("tvl1-torch", FAST, np.stack([one, one, other, other, one]))
    assert not found[0].any() and not found[2].any()
    np.testing.assert_array_equal(found[1:2], flow.compute("tvl1-torch", FAST, np.stack([one, other])))


@NEEDS_TRITON
@pytest.mark.parametrize("side", [3, 5])
def test_the_network_finds_the_median(side: int) -> None:
    from videossl.extract import tvl1_gpu

    grey = torch.rand(2, 9, 13, generator=torch.Generator().manual_seed(0))
    for ours, picture in zip(tvl1_gpu.median(grey, side), grey, strict=True):
        np.testing.assert_array_equal(ours.numpy(), cv2.medianBlur(picture.numpy(), side))
    # The 0-1 principle: what puts the middle of all zeros and ones at its place does so with any values.
    count = side * side
    for values in np.random.default_rng(0).integers(0, 2, (500, count)).tolist():
        middle = sorted(values)[count // 2]
        for low, high in tvl1_gpu.network(count):
            values[low], values[high] = min(values[low], values[high]), max(values[low], values[high])
        assert values[count // 2] == middle


KERNELS = """
import torch
from videossl.extract import tvl1, tvl1_gpu

draw = torch.Generator().manual_seed(0)
now = torch.randint(0, 256, (3, 37, 53), generator=draw).float()
following = torch.stack([now[0].roll(1, 1), now[1].roll(2, 0), now[2]])
settings = tvl1.DEFAULTS | {"scales": 1, "inner": 6}
for limit, going, stopped in [(1e-3, [1.0, 1.0, 1.0], [1, 1, 0]), (45.0, [1.0, 1.0, 0.0], [0, 0, 0]), (30.0, [1.0, 1.0, 1.0], [1, 0, 0])]:
    one, two = (tvl1._Scale(now, following, torch.zeros(2, *now.shape), settings) for _ in range(2))
    data = one._linearised()
    on_cpu = one.on_cpu.iterate(data, torch.tensor(going), limit, settings)
    by_kernels = tvl1_gpu.iterate(two.u, two.q, data, two.width, torch.tensor(going), limit, settings)
    assert on_cpu.tolist() == by_kernels.tolist() == stopped, (on_cpu, by_kernels)
    assert (one.u - two.u).abs().max() < 1e-5 and (one.q - two.q).abs().max() < 1e-6 and one.u.abs().max() > 1
    assert torch.equal(two.u[:, : two.width], torch.zeros(2, two.width)), "the rows of zeros stay"
"""


@NEEDS_TRITON
def test_the_kernels_of_a_gpu_do_what_the_cpu_does() -> None:
    """By Triton's interpreter, in a process that knows of it from the start. 37 x 53 pixels take two programs a picture."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "lib"), "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", KERNELS], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_what_the_cpu_does() -> None:
    frames = np.stack([pair((2.0, 0.5), (96, 127), 4.0, seed) for seed in range(20)]).reshape(-1, 96, 127)
    now, following = torch.from_numpy(frames[:-1]), torch.from_numpy(frames[1:])
    on_gpu = tvl1.flow(now.cuda(), following.cuda(), tvl1.DEFAULTS)
    on_cpu = tvl1.flow(now, following, tvl1.DEFAULTS)
    assert (on_gpu.cpu() - on_cpu).norm(dim=1).mean() < 0.02
    assert torch.equal(on_gpu, tvl1.flow(now.cuda(), following.cuda(), tvl1.DEFAULTS)), "the same each time"
