"""Flow colours, skeletons and data URIs."""

from __future__ import annotations

import base64
import colorsys
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from videossl import graphs
from videossl.report import samples


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0.5, 12))
def test_flow_colours_are_hsv(u: float, v: float, limit: float) -> None:
    """Against the standard library's conversion, one pixel at a time."""
    colour = samples.flow_to_rgb(np.array([[u, v]]), limit)[0]
    hue = np.arctan2(v, u) / (2 * np.pi) % 1
    wanted = colorsys.hsv_to_rgb(float(hue), min(1.0, float(np.hypot(u, v)) / limit), 1.0)
    assert np.abs(colour - np.array(wanted) * 255).max() <= 0.51


def test_flow_colours_by_hand() -> None:
    flow = np.array([[0, 0], [2, 0], [-2, 0], [99, 0], [np.nan, 0]], dtype=np.float32)
    assert samples.flow_to_rgb(flow, 2.0).tolist() == [
        [255, 255, 255],
        [255, 0, 0],
        [0, 255, 255],
        [255, 0, 0],
        [255, 255, 255],
    ]


def test_flow_limit_ignores_a_few_outliers_and_keeps_stillness_pale() -> None:
    flow = np.zeros((100, 100, 2))
    assert samples.flow_limit(flow) == 0.5
    flow[..., 0] = 3.0
    flow[0, :50] = 100.0
    assert samples.flow_limit(flow) == 3.0


def test_wheel_shows_directions_as_on_the_screen() -> None:
    wheel = samples.flow_wheel(65)
    assert wheel.shape == (65, 65, 4)
    assert wheel[0, 0, 3] == 0 and wheel[32, 32].tolist() == [255, 255, 255, 255]
    right, left = wheel[32, 63], wheel[32, 1]
    assert right[0] == 255 and right[1] < 20
    assert left[0] < 20 and left[1] == 255


def decode(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_png_uri_keeps_pixels_and_shrinks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    assert np.array_equal(decode(samples.png_uri(image)), image)
    assert np.array_equal(decode(samples.png_uri(image, 20)), image)
    small = decode(samples.png_uri(image, 10))
    assert small.shape == (6, 10, 3)
    naive = image.reshape(6, 2, 10, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - naive).max() <= 1


@pytest.mark.parametrize("joints", [25, 17])
def test_left_and_right_mirror_each_other(joints: int) -> None:
    """Each bone of the left has its twin on the right; hands and feet are far from the other side."""
    bones = {frozenset(joint - 1 for joint in bone) for bone in graphs.of(joints).edges}
    sides, other = samples.LEFT[joints], samples.RIGHT[joints]
    assert not sides & other and samples.HEAD[joints] not in sides | other
    twin = dict(zip(sorted(sides), sorted(other), strict=True))
    left = {frozenset(twin.get(j, j) for j in bone) for bone in bones if sides & bone}
    assert left == {bone for bone in bones if other & bone}


def body(count: int = 25) -> np.ndarray:
    joints = np.zeros((count, 3))
    joints[:, 1] = np.linspace(-1, 1, count)
    joints[:, 0] = 0.1
    return joints


@pytest.mark.parametrize("count", [25, 17])
def test_skeleton_is_drawn_upright_inside_its_square(count: int) -> None:
    joints = body(count)
    box = samples.skeleton_box(joints[None])
    assert list(box) == pytest.approx([0.1 - 1.2, -1.2, 2.4])
    root = ET.fromstring(str(samples.skeleton_svg(joints, box, 'a "label"')))
    assert root.get("aria-label") == 'a "label"'
    lines = list(root.iter("line"))
    assert len(lines) == count - 1
    numbers = [float(line.get(key) or "nan") for line in lines for key in ("x1", "y1", "x2", "y2")]
    assert min(numbers) >= 0 and max(numbers) <= 100
    for (a, b), line in zip(graphs.of(count).edges, lines, strict=True):
        assert (float(line.get("y1") or 0) > float(line.get("y2") or 0)) == (a < b), "a higher joint is drawn higher"
    assert {line.get("class") for line in lines} == ({"left", "right", "middle"} if count == 25 else {"left", "right"})


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_absent_body_is_said(value: float) -> None:
    joints = np.full((25, 3), value)
    assert samples.skeleton_box(joints[None]) == (0.0, 0.0, 1.0)
    assert "no body" in samples.skeleton_svg(joints, (0, 0, 1), "x")


@given(st.integers(0, 300), st.integers(2, 12))
def test_evenly(count: int, wanted: int) -> None:
    positions = samples.evenly(count, wanted)
    assert positions == sorted(set(positions)) and len(positions) == min(count, wanted)
    assert not count or (positions[0], positions[-1]) == (0, count - 1 if count > 1 else 0)


def test_strips_show_the_same_moments_of_each() -> None:
    frames = np.zeros((10, 8, 8, 3), np.uint8)
    made = samples.strips(frames, np.ones((9, 8, 8, 2)), np.stack([body()] * 10), 4)
    assert made["shown"] == [0, 3, 6, 9]
    assert [len(made[key]) for key in ("frames", "flow", "skeletons")] == [4, 4, 4]
    assert made["limit"] == "1.4"
    bare = samples.strips(frames, None, None, 4)
    assert bare["flow"] == [] and bare["skeletons"] == []
    without_rgb = samples.strips(frames[:1], np.ones((9, 8, 8, 2)), None, 4)
    assert len(without_rgb["frames"]) == 1 and len(without_rgb["flow"]) == 4
