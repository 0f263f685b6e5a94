"""TV-L1 on textures that move by a known amount, and its 8-bit form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from videossl.errors import InputError
from videossl.extract import flow

FAST = {"warps": 2, "inner": 10, "outer": 5, "scales": 3}


def texture(shift: tuple[float, float], size: int = 64) -> np.ndarray:
    """A smooth texture moved by (right, down) pixels: (size, size) uint8."""
    down, right = np.mgrid[:size, :size].astype(float)
    x, y = right - shift[0], down - shift[1]
    waves = np.sin(x / 3) + np.cos(y / 4) + np.sin((x + y) / 5) + np.cos((x - 2 * y) / 7)
    return np.uint8(128 + 30 * waves)


@pytest.mark.parametrize("shift", [(2.0, 0.0), (0.0, -1.5), (1.0, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("params", [FAST, {}])
def test_a_moving_texture(shift: tuple[float, float], params: dict[str, int]) -> None:
    frames = np.stack([texture((shift[0] * t, shift[1] * t)) for t in range(3)])
    found = flow.tvl1(frames, params)
    assert found.shape == (2, 64, 64, 2) and found.dtype == np.float32
    inside = found[:, 10:-10, 10:-10]
    np.testing.assert_allclose(inside.mean(axis=(0, 1, 2)), shift, atol=0.1)
    assert np.abs(inside - np.float32(shift)).mean() < 0.2


def test_the_same_bytes_twice() -> None:
    frames = np.stack([texture((t, 0.5 * t)) for t in range(3)])
    np.testing.assert_array_equal(flow.tvl1(frames, FAST), flow.tvl1(frames, FAST))


def test_pairs_are_independent_of_what_comes_before() -> None:
    frames = np.stack([texture((t * t, 0)) for t in range(3)])
    np.testing.assert_array_equal(flow.tvl1(frames, FAST)[1:], flow.tvl1(frames[1:], FAST))


def test_settings_reach_opencv_and_none_is_its_default() -> None:
    assert flow.extractor({"warps": 2, "lambda": 0.2, "median": None})["params"] == {
        "tau": 0.25, "lambda": 0.2, "theta": 0.3, "scales": 5, "scale_step": 0.8, "warps": 2, "epsilon": 0.01,
        "inner": 30, "outer": 10, "median": 5,
    }  # fmt: skip
    frames = np.stack([texture((0, 0)), texture((3, 0))])
    assert not np.array_equal(flow.tvl1(frames, FAST), flow.tvl1(frames, {**FAST, "lambda": 0.02}))


def test_the_version_is_kept() -> None:
    import cv2

    assert flow.extractor({})["version"] == f"opencv {cv2.__version__}"


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(InputError, match="no setting 'warp': did you mean 'warps'"):
        flow.tvl1(np.zeros((2, 8, 8), np.uint8), {"warp": 2})


def test_one_frame_has_no_flow() -> None:
    with pytest.raises(InputError, match="at least two grey frames"):
        flow.tvl1(np.zeros((1, 8, 8), np.uint8), {})


def test_levels_by_hand() -> None:
    values = np.array([0, 20, -20, 1000, -1000, 10, 20 / 127, 0.4 * 20 / 127, -0.6 * 20 / 127])
    assert flow.quantise(values, 20).tolist() == [128, 255, 1, 255, 1, 192, 129, 128, 127]
    assert flow.dequantise(np.array([128, 255, 1], np.uint8), 20).tolist() == [0, 20, -20]


flows = arrays.arrays(np.float32, st.integers(1, 30), elements=st.floats(-100, 100, width=32))
bounds = st.floats(0.5, 64)


@given(flows, bounds)
def test_the_error_is_at_most_half_a_level(values: np.ndarray, bound: float) -> None:
    inside = np.clip(values.astype(float), -bound, bound)
    back = flow.dequantise(flow.quantise(values, bound), bound)
    assert np.abs(back - inside).max() <= bound / 254 * (1 + 1e-5)


@given(flows, bounds)
def test_turning_the_sign_turns_the_level_about_zero(values: np.ndarray, bound: float) -> None:
    levels, turned = flow.quantise(values, bound), flow.quantise(-values, bound)
    assert (levels.astype(int) + turned == 256).all() and levels.min() >= 1
    np.testing.assert_array_equal(flow.dequantise(turned, bound), -flow.dequantise(levels, bound))


@given(bounds)
def test_every_level_survives(bound: float) -> None:
    levels = np.arange(1, 256, dtype=np.uint8)
    np.testing.assert_array_equal(flow.quantise(flow.dequantise(levels, bound), bound), levels)
