"""Charts: where points land, what stands around them, and that they fit into a page."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from videossl.report import charts
from videossl.report.charts import Level, Line


def drawn(svg: str) -> ET.Element:
    """The element with the namespaces that a page gives it."""
    return ET.fromstring(str(svg).replace("<svg ", '<svg xmlns:xlink="x" ', 1))


def paths(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """The lines of a colour of the style sheet, as points of the viewBox."""
    found = [
        e.get("d") or ""
        for e in drawn(svg).iter("path")
        if f"stroke: {colour}" in (e.get("style") or "") and "fill: none" in (e.get("style") or "")
    ]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path)] for path in found if path]


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in drawn(svg).iter("text")]


def test_points_and_levels_land_in_proportion() -> None:
    """A level at the height of the second of three points, and from epoch 0 to its x."""
    svg = charts.chart("t", "loss", [Line([(1, 4.0), (2, 3.0), (4, 1.0)])], [4], levels=[Level(0, 2, 3.0)])
    (line,) = paths(svg, "var(--s0)")
    (x1, y1), (x2, y2), (x4, y4) = line
    assert (x4 - x2) == pytest.approx(2 * (x2 - x1), abs=1e-3) and (y4 - y2) == pytest.approx(2 * (y2 - y1), abs=1e-3)
    assert y1 < y2 < y4, "the y axis of SVG points down"
    flat = [path for path in paths(svg, "currentColor") if len(path) == 2 and path[0][1] == path[1][1] == pytest.approx(y2, abs=1e-3)]
    level = [path for path in flat if path[1][0] < x4]
    assert len(level) == 1 and level[0][1][0] == pytest.approx(x2, abs=1e-3) and level[0][0][0] == pytest.approx(2 * x1 - x2, abs=1e-3)


def test_trainings_have_boundaries_and_names_that_fit() -> None:
    lines = [Line([(x, float(x % 7)) for x in range(1, 41)])]
    plain = paths(charts.chart("t", "loss", lines, [40]), "currentColor")
    svg = charts.chart("t", "loss", lines, [37, 38, 40], ["rgb (moco)", "a long name", "rgb-2"])
    assert len(paths(svg, "currentColor")) == len(plain) + 2
    assert {"rgb (moco)", "2", "3", "epoch", "loss"} <= set(texts(svg)), "a name without room is a number"


def test_gaps_and_lone_points() -> None:
    gap = charts.chart("t", "y", [Line([(1, 1), (2, math.nan), (3, 2), (4, 3)])], [4])
    (path,) = [
        e.get("d") or ""
        for e in drawn(gap).iter("path")
        if "stroke: var(--s0)" in (e.get("style") or "") and "fill: none" in (e.get("style") or "")
    ]
    assert path.count("L") == 1, "from 3 to 4"
    lone = [
        e for e in drawn(charts.chart("t", "y", [Line([(1, 1), (2, math.nan)])], [2])).iter("use") if "var(--s0)" in (e.get("style") or "")
    ]
    assert len(lone) == 1, "a marker"
    for nothing in ([], [Line([])], [Line([(1, math.inf)])]):
        assert "No finite numbers" in charts.chart("t", "y", nothing, [1])


def test_whiskers_reach_as_far_as_the_spread() -> None:
    line = Line([(0, 10), (5, math.nan), (10, 20), (12, 30)], 0, "a", [2.0, 1.0, math.nan, 5.0], measured=True)
    svg = charts.chart("t", "y", [line], [12])
    (curve, *_), whiskers = paths(svg, "var(--s0)"), [path for path in paths(svg, "var(--s0)") if path[0][0] == path[1][0]]
    scale = (curve[-1][1] - curve[-2][1]) / 10
    reach = sorted(abs(low - high) / abs(scale) for (_, low), (_, high) in whiskers)
    assert reach == pytest.approx([4.0, 10.0], abs=1e-3), "none where there is no spread"


def test_a_band_is_around_a_line_that_is_not_measured() -> None:
    def bands(spread: list[float]) -> list[ET.Element]:
        svg = charts.chart("t", "y", [Line([(x, 10) for x in range(5)], 1, "a", spread)], [4])
        return [e for e in drawn(svg).iter() if "fill: var(--s1); fill-opacity" in (e.get("style") or "")]

    assert len(bands([1.0, 2.0, math.nan, 1.0, 1.0])) == 2 and len(bands([1.0] * 5)) == 1 and not bands([math.nan] * 5)


def test_a_spread_is_inside_the_axes() -> None:
    svg = charts.chart("t", "y", [Line([(1, 10), (2, 10)], 0, "a", [30.0, 0.0])], [2])
    assert {"40", "−20"} <= set(texts(svg))


def test_a_chart_fits_into_a_page() -> None:
    """Names are text; nothing is loaded, clipped or dated; no two charts share an id; the same numbers give the same bytes."""
    lines = [Line([(1, 1), (2, 2)], n, f"$x_{n}$ <b>&", [0.1, 0.1], measured=True) for n in range(4)]
    first, second = (charts.chart(f"<{title}>", "$y$ <i>", lines, [1, 2], ["<u>", "v"], [Level(0, 2, 1)]) for title in "ab")
    assert first == charts.chart("<a>", "$y$ <i>", lines, [1, 2], ["<u>", "v"], [Level(0, 2, 1)])
    assert drawn(first).get("aria-label") == "<a>" and {"$x_0$ <b>&", "$y$ <i>"} <= set(texts(first))
    for part in ("http", "url(", "<style", "<metadata", "<!--", "<b>", "#000000", *charts.COLOURS):
        assert part not in first, part
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    assert all(f"var(--s{n})" in first for n in range(4)) and "currentColor" in first
