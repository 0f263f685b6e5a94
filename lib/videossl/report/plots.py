"""Line charts as inline SVG: a pure function of the numbers, coloured by the page's style sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 42, 8, 20, 34
"""The chart and its margins, in the units of its viewBox (about a pixel on a phone)."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points (x, y) joined in order; `style` holds classes of the style sheet.

    spread: how far the numbers behind each point lie from it, up and down; nothing or NaN where they do not. It is a
    band, or whiskers where the line has a `marker`, one of MARKERS, at its points.
    """

    points: Sequence[Point]
    style: str
    spread: Sequence[float] = ()
    marker: str = ""

    @property
    def reach(self) -> list[Point]:
        """The points and the ends of the spread, those that are finite."""
        ends = [(x, y + side * s) for (x, y), s in zip(self.points, self.spread, strict=False) for side in (-1, 1)]
        return [point for point in (*self.points, *ends) if all(map(math.isfinite, point))]


@dataclass(frozen=True)
class Stretch:
    """A stretch of the x axis, epochs after `start` up to and with `stop`; its name may be empty."""

    name: str
    start: float
    stop: float


@dataclass(frozen=True)
class Axes:
    """The ranges that are drawn; maps numbers to the viewBox."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, point: Point) -> Point:
        """Where a point of the data is drawn."""
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (point[1] - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def training(name: str, chains: Sequence[Sequence[Mapping[str, Any]]]) -> list[Markup]:
    """The charts of loss and, where it is measured, accuracy against the epochs of one encoder, all its trainings in a row.

    chains: for each seed its curves in order, {"name", "candidates", "epochs": [{"loss", "accuracy", ...}]}. Guessing among N
    candidates costs ln N and is right in 100 / N percent.
    """
    longest = max(chains, key=lambda chain: sum(len(history["epochs"]) for history in chain))
    stops = list(itertools.accumulate(len(history["epochs"]) for history in longest))
    stretches = [Stretch(one["name"], stop - len(one["epochs"]), stop) for one, stop in zip(longest, stops, strict=True)]
    known = [(stretch, n) for stretch, one in zip(stretches, longest, strict=True) if (n := one["candidates"])]
    guessed = {"loss": math.log, "accuracy": lambda n: 100 / n}
    return [
        chart(
            f"{key.capitalize()} of {name} against epochs",
            label,
            [Line([(stretch.start, guessed[key](n)), (stretch.stop, guessed[key](n))], "guess") for stretch, n in known]
            + [Line(_series(chain, key), f"s{number % 5}") for number, chain in enumerate(chains)],
            stretches,
            from_zero=key == "accuracy",
        )
        for key, label in (("loss", "loss"), ("accuracy", "accuracy, %"))
        if any(key in row for chain in chains for history in chain for row in history["epochs"])
    ]


def _series(chain: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    """(epochs since the start of the first training, value); an epoch without the key is a gap."""
    rows = [row for history in chain for row in history["epochs"]]
    return [(float(number), float(row.get(key, math.nan))) for number, row in enumerate(rows, 1)]


def chart(title: str, y_label: str, lines: Sequence[Line], stretches: Sequence[Stretch], from_zero: bool = False) -> Markup:
    """An SVG of `lines` against epochs, with the boundaries of the stretches. Numbers that are not finite leave a gap.

    title: what a reader who cannot see it is told. from_zero: the y axis starts at 0.
    """
    points = [point for line in lines for point in line.reach]
    if not points:
        return Markup("<p>No finite numbers to draw.</p>")
    ticks = nice_ticks(min([y for _, y in points] + [0.0] * from_zero), max(y for _, y in points))
    axes = Axes((0.0, max([x for x, _ in points] + [s.stop for s in stretches] + [1.0])), (ticks[0], ticks[-1]))
    drawn = [part for draw in (_spread, _line, _markers) for part in (draw(axes, line) for line in lines)]
    body = Markup("").join([_grid(axes, ticks), _boundaries(axes, stretches), *drawn])
    labels = Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">epoch</text>{}').format(
        (LEFT + WIDTH - RIGHT) / 2,
        HEIGHT - 3,
        Markup('<text class="axis" transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            (TOP + HEIGHT - BOTTOM) / 2, y_label
        ),
    )
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(WIDTH, HEIGHT, title, body, labels)


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that span low to high, about `wanted` of them."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / (wanted - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _grid(axes: Axes, ticks: Sequence[float]) -> Markup:
    rows = [
        Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>{}').format(
            *axes.at((axes.x[0], y)),
            *axes.at((axes.x[1], y)),
            _text(LEFT - 5, axes.at((0, y))[1] + 3.5, f"{y:g}", "end"),
        )
        for y in ticks
    ]
    epochs = [x for x in nice_ticks(0, axes.x[1], 6) if x <= axes.x[1] and x == int(x)]
    return Markup("").join(rows + [_text(axes.at((x, 0))[0], HEIGHT - BOTTOM + 14, f"{x:g}", "middle") for x in epochs])


def _boundaries(axes: Axes, stretches: Sequence[Stretch]) -> Markup:
    parts = []
    for number, stretch in enumerate(stretches):
        start, stop = axes.at((stretch.start, 0))[0], axes.at((stretch.stop, 0))[0]
        if number:
            parts.append(
                Markup('<line class="boundary" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"/>').format(start, TOP - 12, HEIGHT - BOTTOM)
            )
        fits = 5.6 * len(stretch.name) <= stop - start
        if stretch.name:
            parts.append(_text((start + stop) / 2, TOP - 6, stretch.name if fits else str(number + 1), "middle"))
    return Markup("").join(parts)


def _line(axes: Axes, line: Line) -> Markup:
    """One path; a lone point becomes a dot."""
    finite = [axes.at(point) if all(map(math.isfinite, point)) else None for point in line.points]
    path, pen_down = "", False
    for at in finite:
        path += f"{'L' if pen_down else 'M'}{at[0]:.1f} {at[1]:.1f}" if at else ""
        pen_down = at is not None
    drawn = [at for at in finite if at]
    if len(drawn) == 1 and not line.marker:
        return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(line.style, *drawn[0])
    return Markup('<path class="line {}" d="{}"/>').format(line.style, path)


MARKERS = {
    "circle": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "square": "M-2.7 -2.7h5.4v5.4h-5.4z",
    "diamond": "M0 -3.8L3.8 0L0 3.8L-3.8 0z",
    "triangle": "M0 -3.6L3.6 2.8L-3.6 2.8z",
    "down": "M0 3.6L3.6 -2.8L-3.6 -2.8z",
}
"""Shapes around (0, 0), so that lines differ by more than their colour."""


def swatch(line: Line) -> Markup:
    """A short piece of a line for the key."""
    marker = (
        Markup('<path class="dot {}" transform="translate(17 4)" d="{}"/>').format(line.style, MARKERS[line.marker]) if line.marker else ""
    )
    return Markup('<svg viewBox="0 0 34 8" aria-hidden="true"><path class="line {}" d="M0 4H34"/>{}</svg>').format(line.style, marker)


def _markers(axes: Axes, line: Line) -> Markup:
    places = [axes.at(point) for point in line.points if line.marker and all(map(math.isfinite, point))]
    return Markup("").join(
        Markup('<path class="dot {}" transform="translate({:.1f} {:.1f})" d="{}"/>').format(line.style, *at, MARKERS[line.marker])
        for at in places
    )


def _spread(axes: Axes, line: Line) -> Markup:
    """The band, one for each stretch of points that have a spread, or the whiskers."""
    stretches: list[list[tuple[Point, Point]]] = [[]]
    for (x, y), spread in zip(line.points, line.spread, strict=False):
        if math.isfinite(x + y + spread):
            stretches[-1].append((axes.at((x, y - spread)), axes.at((x, y + spread))))
        elif stretches[-1]:
            stretches.append([])
    if line.marker:
        whisker = Markup('<path class="whisker {}" d="M{:.1f} {:.1f}V{:.1f}"/>')
        return Markup("").join(whisker.format(line.style, *low, high[1]) for stretch in stretches for low, high in stretch)
    return Markup("").join(_band(line.style, stretch) for stretch in stretches if len(stretch) > 1)


def _band(style: str, stretch: Sequence[tuple[Point, Point]]) -> Markup:
    around = [low for low, _ in stretch] + [high for _, high in reversed(stretch)]
    return Markup('<path class="band {}" d="M{}z"/>').format(style, "L".join(f"{x:.1f} {y:.1f}" for x, y in around))


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)
