"""Line charts as inline SVG by matplotlib: a pure function of the numbers, coloured by the page's style sheet."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0b6fb0", "#c2570c", "#2a7f4f", "#8a4fa3", "#7a6a12")
"""As matplotlib draws them; in the page colour i is var(--s{i}), black the colour of the text."""

DASHES = ((), (7, 3), (2, 2.5), (9, 3, 2, 3))
MARKERS = "osD^v"
WIDTH, HEIGHT = 4.2, 2.5
"""Inches of 72 units, without the legend."""

SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


class Line(NamedTuple):
    """Points (x, y) joined in order; its `number` gives colour, dashes and markers. Numbers that are not finite leave a gap.

    spread: how far the numbers behind each point lie from it, up and down; nothing or NaN where they do not. It is a
    band, or whiskers where the line is `measured`, at points with markers. name: in the legend, '' for none.
    """

    points: Sequence[tuple[float, float]]
    number: int = 0
    name: str = ""
    spread: Sequence[float] = ()
    measured: bool = False


class Level(NamedTuple):
    """A level to compare with, as guessing, along the epochs from start to stop."""

    start: float
    stop: float
    height: float


def chart(
    title: str, y_label: str, lines: Sequence[Line], stops: Sequence[float], names: Sequence[str] = (), levels: Sequence[Level] = ()
) -> Markup:
    """An SVG of `lines` against epochs, with a boundary after each training but the last.

    title: for a reader who cannot see it; no two charts of a page have the same. stops: the last epoch of each training; names: theirs.
    """
    import matplotlib
    from matplotlib.figure import Figure

    if not any(math.isfinite(y) for line in lines for _, y in line.points):
        return Markup("<p>No finite numbers to draw.</p>")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        matplotlib.rcParams["svg.hashsalt"] = title
        legend = 0.2 * math.ceil(sum(bool(line.name) for line in lines) / 2)
        figure = Figure(figsize=(WIDTH, HEIGHT + legend))
        axes = figure.add_axes((0.14, (0.45 + legend) / (HEIGHT + legend), 0.84, (HEIGHT - 0.7) / (HEIGHT + legend)))
        for line in filter(lambda line: line.points, lines):
            _draw(axes, line)
        for level in levels:
            axes.plot([level.start, level.stop], [level.height] * 2, color="black", linewidth=1.2, dashes=(7, 4))
        axes.set(xlabel="epoch", ylabel=y_label, xlim=(0, max([*stops, *axes.get_xlim(), 1])))
        axes.grid(axis="y", color="black", alpha=0.15)
        _boundaries(axes, stops, names)
        if any(line.name for line in lines):
            figure.legend(loc="lower center", ncols=2)
        for artist in figure.findobj():
            artist.set_clip_on(False)  # a clip path is used by its id, and ids of several charts may clash on a page
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _inline(buffer.getvalue(), title)


def _draw(axes: Axes, line: Line) -> None:
    x, y = zip(*((x, y if math.isfinite(y) else math.nan) for x, y in line.points), strict=True)
    alone = sum(map(math.isfinite, y)) == 1
    marker = MARKERS[line.number % len(MARKERS)] if line.measured or alone else ""
    colour, dashes = COLOURS[line.number % len(COLOURS)], DASHES[line.number % len(DASHES)] if line.name else ()
    axes.plot(x, y, color=colour, marker=marker, markersize=4, linewidth=1.6, dashes=dashes or (None, None), label=line.name or None)
    if line.spread and line.measured:
        axes.errorbar(x, y, line.spread, color=colour, fmt="none", elinewidth=1.1, alpha=0.75)
    elif line.spread:
        low, high = zip(*((mean - sd, mean + sd) for mean, sd in zip(y, line.spread, strict=True)), strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)


def _boundaries(axes: Axes, stops: Sequence[float], names: Sequence[str]) -> None:
    """A fine line after each training but the last, and above each its name, or its number where that has no room."""
    for stop in stops[:-1]:
        axes.axvline(stop, color="black", alpha=0.6, linewidth=0.8, linestyle=":")
    for number, (name, start, stop) in enumerate(zip(names, [0, *stops], stops, strict=False), 1):
        text = name if len(name) * 0.02 * axes.get_xlim()[1] <= stop - start else str(number)
        axes.text((start + stop) / 2, 1.02, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)


def _inline(svg: str, title: str) -> Markup:
    """The SVG as an element of the page: no header, no ids but those that it uses, colours of the style sheet."""
    body = svg[svg.index("<svg") :]
    view = re.search(r'viewBox="[^"]*"', body)
    body = re.sub(r'<g id="[^"]*"', "<g", body[body.index(">") + 1 :])
    body = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    for number, colour in enumerate(COLOURS):
        body = body.replace(colour, f"var(--s{number})")
    body = body.replace("#000000", "currentColor").replace("'DejaVu Sans', sans-serif", "inherit")
    return Markup(f'<svg class="chart" {view[0] if view else ""} role="img" aria-label="{escape(title)}">{body}')
