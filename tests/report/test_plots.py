"""Charts: where points land, and what stands around them."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videossl.report import plots


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_span_the_range_in_even_round_steps(low: float, extent: float) -> None:
    ticks = plots.nice_ticks(low, low + extent)
    slack = 1e-6 * max(1.0, abs(low), extent)
    assert ticks[0] <= low + slack and ticks[-1] >= low + extent - slack
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert 1 <= len(steps) <= 9
    assert max(steps) - min(steps) <= 1e-6 * max(1.0, abs(ticks[0]), abs(ticks[-1]))


def test_ticks_by_hand() -> None:
    assert plots.nice_ticks(0, 40) == [0, 10, 20, 30, 40]
    assert plots.nice_ticks(2.1, 4.2) == [2, 3, 4, 5]


def test_axes_map_the_corners() -> None:
    axes = plots.Axes((0, 10), (0, 5))
    assert axes.at((0, 0)) == (plots.LEFT, plots.HEIGHT - plots.BOTTOM)
    assert axes.at((10, 5)) == (plots.WIDTH - plots.RIGHT, plots.TOP)


def chain(trainings: dict[str, list[float]]) -> list[dict[str, object]]:
    """Curves by name; 64 candidates in the first training, and none that are known of the others."""
    return [
        {"name": name, "candidates": 0 if place else 64, "epochs": [{"loss": loss, "accuracy": 10 * i} for i, loss in enumerate(losses)]}
        for place, (name, losses) in enumerate(trainings.items())
    ]


def test_training_has_boundaries_seeds_and_the_level_of_guessing() -> None:
    chains = [chain({"rgb": [4.0, 3.0, 2.0], "rgb-1": [3.0, 1.0]}) for _ in range(2)]
    loss, accuracy = plots.training("<x>", chains)
    root = ET.fromstring(str(loss))
    assert root.get("aria-label") == "Loss of <x> against epochs"
    classes = [element.get("class") for element in root.iter()]
    assert classes.count("boundary") == 1
    assert classes.count("line guess") == 1
    assert classes.count("line s0") == classes.count("line s1") == 1
    assert {"rgb", "rgb-1"} <= {element.text for element in root.iter("text")}
    guess = next(element for element in root.iter("path") if element.get("class") == "line guess")
    x0, y0, x1, y1 = map(float, (guess.get("d") or "").replace("M", "").replace("L", " ").split())
    axes = plots.Axes((0, 5), (1, 5))
    assert [x0, x1] == pytest.approx([axes.at((0, 0))[0], axes.at((3, 0))[0]], abs=0.1)
    assert y0 == y1 == pytest.approx(axes.at((0, math.log(64)))[1], abs=0.1)
    ET.fromstring(str(accuracy))


def test_gaps_and_lone_points() -> None:
    gap = plots.chart("t", "y", [plots.Line([(1, 1), (2, math.nan), (3, 2), (4, 3)], "s0")], [])
    path = next(ET.fromstring(str(gap)).iter("path"))
    assert (path.get("d") or "").count("M") == 2 and (path.get("d") or "").count("L") == 1
    lone = plots.chart("t", "y", [plots.Line([(1, 1)], "s0")], [])
    assert any(element.get("class") == "dot s0" for element in ET.fromstring(str(lone)).iter("circle"))
    assert "No finite" in plots.chart("t", "y", [plots.Line([(1, math.inf)], "s0")], [])


def test_whiskers_and_markers_at_the_points() -> None:
    line = plots.Line([(0, 10), (5, math.nan), (10, 20)], "s0 d0", [2.0, 1.0, math.nan], "square")
    root = ET.fromstring(str(plots.chart("t", "y", [line], [])))
    (whisker,) = [element for element in root.iter("path") if element.get("class") == "whisker s0 d0"]
    axes = plots.Axes((0, 10), (5, 20))
    low, high = axes.at((0, 8)), axes.at((0, 12))
    assert whisker.get("d") == f"M{low[0]:.1f} {low[1]:.1f}V{high[1]:.1f}"
    dots = [element.get("transform") for element in root.iter("path") if element.get("class") == "dot s0 d0"]
    assert dots == ["translate({:.1f} {:.1f})".format(*axes.at(point)) for point in ((0, 10), (10, 20))]


def test_a_band_is_around_each_stretch_with_a_spread() -> None:
    line = plots.Line([(x, 10) for x in range(5)], "s1", [1.0, 2.0, math.nan, 1.0, 1.0])
    root = ET.fromstring(str(plots.chart("t", "y", [line], [])))
    bands = [element.get("d") or "" for element in root.iter("path") if element.get("class") == "band s1"]
    assert len(bands) == 2
    axes = plots.Axes((0, 4), (8, 12))
    corners = [axes.at(point) for point in ((0, 9), (1, 8), (1, 12), (0, 11))]
    assert bands[0] == "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "z"


def test_a_spread_is_inside_the_axes() -> None:
    line = plots.Line([(1, 10), (2, 10)], "s0", [30.0, 0.0])
    texts = [element.text for element in ET.fromstring(str(plots.chart("t", "y", [line], []))).iter("text")]
    assert "40" in texts and "-20" in texts


def test_a_stretch_without_a_name_is_a_line_alone() -> None:
    stretches = [plots.Stretch("", 0, 5), plots.Stretch("", 5, 9)]
    root = ET.fromstring(str(plots.chart("t", "y", [plots.Line([(1, 1), (9, 2)], "s0")], stretches)))
    assert [element.get("class") for element in root.iter("line")].count("boundary") == 1
    assert all(element.text for element in root.iter("text"))
