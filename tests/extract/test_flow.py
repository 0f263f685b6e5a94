"""Flow of textures that move by a known amount, by each backend."""

import ast
import os
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY

from videossl.errors import InputError
from videossl.extract import flow

FAST = {"warps": 2, "inner": 10, "outer": 5, "scales": 3}


def texture(shift: tuple[float, float], size: int = 64) -> np.ndarray:
    """A smooth texture moved by (right, down) pixels: (size, size) uint8."""
    down, right = np.mgrid[:size, :size].astype(float)
    x, y = right - shift[0], down - shift[1]
    waves = np.sin(x / 3) + np.cos(y / 4) + np.sin((x + y) / 5) + np.cos((x - 2 * y) / 7)
    return np.uint8(128 + 30 * waves)


BACKENDS = [
    ("tvl1-opencv", FAST),
    ("tvl1-opencv", {}),
    ("tvl1-torch", FAST),
    ("tvl1-torch", {}),
    ("dis", {}),
    ("dis", {"preset": "ultrafast"}),
]


@pytest.mark.parametrize("shift", [(2.0, 0.0), (0.0, -1.5), (1.0, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize(("backend", "settings"), BACKENDS)
def test_a_moving_texture(shift: tuple[float, float], backend: str, settings: dict[str, int]) -> None:
    frames = np.stack([texture((shift[0] * t, shift[1] * t)) for t in range(3)])
    found = flow.compute(backend, settings, frames)
    assert found.shape == (2, 64, 64, 2) and found.dtype == np.float32
    inside = found[:, 10:-10, 10:-10]
    np.testing.assert_allclose(inside.mean(axis=(0, 1, 2)), shift, atol=0.1)
    assert np.abs(inside - np.float32(shift)).mean() < 0.2


@pytest.mark.parametrize(
    ("backend", "settings"),
    [("tvl1-opencv", FAST), ("tvl1-torch", FAST), ("tvl1-torch", {}), ("dis", {}), ("dis", {"preset": "ultrafast"})],
)
@pytest.mark.parametrize("size", [(64, 85), (24, 32)])
def test_a_pair_depends_on_nothing_else(backend: str, settings: dict[str, int], size: tuple[int, int]) -> None:
    """The same bytes again, and whatever came before; noise at 64x85 is where one DIS object used again gives another flow."""
    frames = np.random.default_rng(0).integers(0, 256, (3, *size), np.uint8)
    found = flow.compute(backend, settings, frames)
    np.testing.assert_array_equal(flow.compute(backend, settings, frames), found)
    np.testing.assert_array_equal(flow.compute(backend, settings, frames[1:]), found[1:])


@pytest.mark.parametrize("backend", ["tvl1-opencv", "dis"])
def test_every_pair_is_what_opencv_makes_of_it(backend: str) -> None:
    """Of frames shown twice, too, whose flow is not computed."""
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 56), np.uint8)[[0, 1, 1, 2, 2]]
    found = flow.compute(backend, {}, frames)
    for number, pair in enumerate(pairwise(frames)):
        method = (
            cv2.optflow.DualTVL1OpticalFlow_create()
            if backend == "tvl1-opencv"
            else cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        )
        np.testing.assert_array_equal(found[number], method.calc(*pair, None))
    assert [bool(one.any()) for one in found] == [True, False, True, False]


def test_settings_reach_opencv_and_none_is_its_default() -> None:
    made_by = flow.Flow(24, 20, {"warps": 2, "lambda": 0.2, "median": None}, "tvl1-opencv").made_by()
    assert made_by["name"] == "tvl1-opencv" and made_by["params"] == {
        "tau": 0.25, "lambda": 0.2, "theta": 0.3, "scales": 5, "scale_step": 0.8, "warps": 2, "epsilon": 0.01,
        "inner": 30, "outer": 10, "median": 5, "short_side": 24, "fps": None, "bound": 20.0,
    }  # fmt: skip
    frames = np.stack([texture((0, 0)), texture((3, 0))])
    assert not np.array_equal(flow.compute("tvl1", FAST, frames), flow.compute("tvl1", {**FAST, "lambda": 0.02}, frames))
    made_by = flow.Flow(None, 10, {}, "dis", 30).made_by()
    assert made_by["name"] == "dis" and made_by["params"] == {"preset": "medium", "short_side": None, "fps": 30, "bound": 10.0}
    assert not np.array_equal(flow.compute("dis", {"preset": "fast"}, frames), flow.compute("dis", {}, frames))


def test_versions_are_kept() -> None:
    import av

    assert flow.Flow(24, 20, {}, "tvl1-opencv").made_by()["version"] == f"av {av.__version__}, opencv {cv2.__version__}"
    made_by = flow.Flow(24, 20, {"warps": 2}, "tvl1-torch").made_by()
    assert (
        made_by["name"] == "tvl1-torch"
        and made_by["version"] == f"torch {torch.__version__}, av {av.__version__}, opencv {cv2.__version__}"
    )
    opencv = flow.Flow(24, 20, {"warps": 2}, "tvl1-opencv").made_by()
    assert made_by["params"] == opencv["params"], "one has the other's settings and defaults"


def test_tvl1_is_that_on_torch() -> None:
    assert flow.Flow(24, 20).made_by() == flow.Flow(24, 20, {}, "tvl1-torch").made_by()
    assert flow.Flow(24, 20, {}, "tvl1-opencv").made_by()["name"] == "tvl1-opencv"
    assert flow.Flow(24, 20, {}, "dis").made_by()["name"] == "dis"


@pytest.mark.parametrize(
    ("backend", "settings", "message"),
    [
        ("tvl1", {"warp": 2}, "tvl1 has no setting 'warp': did you mean 'warps'"),
        ("dis", {"warps": 2}, "dis has no setting 'warps': did you mean 'preset'"),
        ("dis", {"preset": "slow"}, "dis has no preset 'slow'; there are ultrafast, fast, medium"),
        ("tvl1-torch", {"warp": 2}, "tvl1 has no setting 'warp': did you mean 'warps'"),
        ("raft", {"update": 2}, "raft has no setting 'update': did you mean 'updates'"),
        ("farneback", {}, "no flow backend 'farneback'; there are tvl1, tvl1-torch, tvl1-opencv, dis, raft"),
    ],
)
def test_unknown_backends_and_settings(backend: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        flow.compute(backend, settings, np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(InputError, match=message):
        flow.Flow(24, 20, settings, backend).made_by()


def test_frames_too_small_for_a_backend() -> None:
    with pytest.raises(InputError, match="no flow of 9x8 pixels by these settings: ") as caught:
        flow.compute("dis", {}, np.random.default_rng(0).integers(0, 256, (2, 8, 9), np.uint8))
    assert "\n" not in str(caught.value)


def test_one_frame_has_no_flow() -> None:
    with pytest.raises(InputError, match="at least two grey frames"):
        flow.compute("tvl1", {}, np.zeros((1, 8, 8), np.uint8))


SURVIVES = """
import sys
import numpy as np
from videossl.errors import InputError
from videossl.extract import flow

rng, refused = np.random.default_rng(0), []
for preset in flow.DIS:
    for height, width in ((8, 20), (8, 40), (12, 200), (15, 79), (16, 79), (16, 80), (17, 200), (31, 256), (31, 640), (32, 640), (40, 12)):
        grey = rng.integers(0, 255, (2, height, width), np.uint8)
        try:
            assert flow.compute("dis", {"preset": preset}, grey).shape == (1, height, width, 2)
        except InputError as error:
            assert f"no flow of {width}x{height} pixels" in str(error), error
            refused.append((preset, height, width))
print(refused)
"""


def test_frames_too_low_for_their_width_are_refused_where_opencv_would_crash() -> None:
    """In a process of its own, which a crash would end."""
    done = subprocess.run(
        [sys.executable, "-c", SURVIVES], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY / "lib")}
    )
    assert done.returncode == 0, done.stderr
    refused = set(ast.literal_eval(done.stdout))
    low = {(8, 40), (12, 200), (15, 79)}
    wide = low | {(16, 80), (17, 200), (31, 256), (31, 640)}
    assert refused == {(preset, *size) for preset in flow.DIS for size in (low if preset == "medium" else wide)}
