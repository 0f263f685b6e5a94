"""The 8-bit form of flow."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from videossl.data import flow_levels


def test_levels_by_hand() -> None:
    values = np.array([0, 20, -20, 1000, -1000, 10, 20 / 127, 0.4 * 20 / 127, -0.6 * 20 / 127])
    assert flow_levels.quantise(values, 20).tolist() == [128, 255, 1, 255, 1, 192, 129, 128, 127]
    assert flow_levels.dequantise(np.array([128, 255, 1], np.uint8), 20).tolist() == [0, 20, -20]


flows = arrays.arrays(np.float32, st.integers(1, 30), elements=st.floats(-100, 100, width=32))
bounds = st.floats(0.5, 64)


@given(flows, bounds)
def test_the_error_is_at_most_half_a_level(values: np.ndarray, bound: float) -> None:
    inside = np.clip(values.astype(float), -bound, bound)
    back = flow_levels.dequantise(flow_levels.quantise(values, bound), bound)
    assert np.abs(back - inside).max() <= bound / 254 * (1 + 1e-5)


@given(flows, bounds)
def test_turning_the_sign_turns_the_level_about_zero(values: np.ndarray, bound: float) -> None:
    ahead, turned = flow_levels.quantise(values, bound), flow_levels.quantise(-values, bound)
    assert (ahead.astype(int) + turned == 256).all() and ahead.min() >= 1
    np.testing.assert_array_equal(flow_levels.dequantise(turned, bound), -flow_levels.dequantise(ahead, bound))


@given(bounds)
def test_every_level_survives(bound: float) -> None:
    every = np.arange(1, 256, dtype=np.uint8)
    np.testing.assert_array_equal(flow_levels.quantise(flow_levels.dequantise(every, bound), bound), every)
