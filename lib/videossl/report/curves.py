"""Curves: the trainings behind an encoder, one after the other, with the numbers along them; and their drawing as inline SVG.

A drawing is a pure function of the numbers, made by matplotlib and coloured by the page's style sheet.
"""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from videossl.params import recipes
from videossl.report.finished_run import Run
from videossl.report.verdicts import TRAINING, Record, headline, measure, summarise
from videossl.train import diagnosis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0b6fb0", "#b04d08", "#2a7f4f", "#8a4fa3", "#7a6a12")  # in the page colour i is var(--s{i}), black that of the text
DASHES = ("-", (0, (7, 3)), (0, (2, 2.5)), (0, (9, 3, 2, 3)))
MARKERS = "osD^v"
WIDTH, HEIGHT = 4.2, 2.5  # inches of 72 units, without the legend
SHIFT = 0.006  # of the width: how far courses with whiskers are drawn apart, so that they do not hide each other
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


def spans(params: Mapping[str, Any], experiment: str, stream: str) -> list[dict[str, Any]]:
    """All trainings behind an encoder in order, {"experiment", "training", "start", "stop"}; [] where the params have no such encoder.

    start and stop: the epochs before and after it, counted from the first.
    """
    result: list[dict[str, Any]] = []
    for job in recipes.chain(dict(params), experiment, stream) if experiment in params.get("experiments", {}) else []:
        start = result[-1]["stop"] if result else 0
        stop = start + recipes.epochs(dict(params), job)
        result.append({"experiment": job.experiment, "training": job.name, "start": start, "stop": stop})
    return result


def settings(params: Mapping[str, Any], experiment: str, stream: str) -> dict[str, Any]:
    """The values with which an experiment trains a stream."""
    method = params["experiments"][experiment]["method"]
    return {key: setting.value for key, setting in recipes.settings(dict(params), stream, method, experiment).items()}


def candidates(params: Mapping[str, Any], experiment: str, stream: str) -> int:
    """The number of keys that a view of an experiment's stream is compared with, 0 where unknown."""
    return diagnosis.candidates(recipes.method(dict(params), experiment), settings(params, experiment, stream))


def training_chart(run: Run, experiments: Sequence[str], stream: str, metric: str) -> dict[str, Any]:
    """A number that trainings recorded, such as "loss", along each experiment, as a target's data holds it."""
    points = [
        (history["experiment"], history["training"], epoch, int(history["seed"]), float(row[metric]))
        for history in run.histories
        for epoch, row in enumerate(diagnosis.of_stream(history["epochs"], stream), 1)
        if metric in row
    ]
    about = {"stream": stream, "dataset": run.dataset, "task": TRAINING, "metric": metric, "chance": None, "test_videos": 0}
    return {**about, "courses": [_course(run, name, stream, points, {}) for name in experiments]}


def progress_chart(run: Run, experiments: Sequence[str], stream: str, task: str) -> dict[str, Any]:
    """The headline of a task along each experiment, on the dataset that encoders are trained on."""
    metric, files = headline(task), [file for file in run.progress if file["dataset"] == run.dataset and stream in file["streams"]]
    points = [
        (file["experiment"], file["training"], int(point["epoch"]), int(file["seed"]), float(point[task][metric]))
        for file in files
        for point in file["streams"][stream]["points"]
        if task in point
    ]
    untrained = {
        int(file["seed"]): float(file["values"][stream][metric])
        for file in run.results
        if (file["experiment"], file["dataset"], file["task"]) == ("untrained", run.dataset, task) and stream in file["values"]
    }
    first: Record = files[0]["streams"][stream] if files else {}
    chance, tests = first.get("chance", {}).get(task, {}).get(metric), first.get("counts", {}).get("test", 0)
    about = {"stream": stream, "dataset": run.dataset, "task": task, "metric": metric, "chance": chance, "test_videos": tests}
    return {**about, "courses": [_course(run, name, stream, points, untrained) for name in experiments]}


def _course(
    run: Run, experiment: str, stream: str, recorded: Sequence[tuple[str, str, int, int, float]], untrained: Mapping[int, float]
) -> dict[str, Any]:
    """One experiment along all its trainings; no points: not measured.

    recorded: experiment, training, epoch in it, seed, number. untrained: the numbers before the first training, by seed.
    """
    trainings, by_epoch = spans(run.params, experiment, stream), defaultdict[int, dict[int, float]](dict)
    starts = {(span["experiment"], span["training"]): span["start"] for span in trainings}
    for owner, training, epoch, seed, number in recorded:
        if (owner, training) in starts:
            by_epoch[starts[owner, training] + epoch][seed] = number
    if by_epoch and untrained:
        by_epoch[0] = dict(untrained)
    points = [{"epoch": epoch, **summarise(by_epoch[epoch])} for epoch in sorted(by_epoch)]
    return {"experiment": experiment, "trainings": trainings, "points": points}


# Drawing.


def draw(chart: Record, levels: Sequence[tuple[float, float, float]] = (), names: Sequence[str] = ()) -> Markup:
    """An SVG of the courses of `chart` against epochs, with a fine line where a training ends.

    levels: to compare with, as guessing: each from an epoch to another, and its height. names: of the trainings, to stand above them;
    else a legend names the experiments.
    """
    import matplotlib
    from matplotlib.figure import Figure

    courses, stops = chart["courses"], sorted({span["stop"] for course in chart["courses"] for span in course["trainings"]})
    if not any(_is_finite(point["mean"]) for course in courses for point in course["points"]):
        return Markup("<p>No finite numbers to draw.</p>")
    unit, legend = measure(chart["task"], chart["metric"]), 0.0 if names else 0.25 * math.ceil(len(courses) / 2)
    title = f"{unit.name} of {chart['stream']} against epochs: {', '.join(course['experiment'] for course in courses)}"
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS | {"svg.hashsalt": title})
        figure = Figure(figsize=(WIDTH, HEIGHT + legend))
        axes = figure.add_axes((0.14, (0.45 + legend) / (HEIGHT + legend), 0.84, (HEIGHT - 0.7) / (HEIGHT + legend)))
        for number, course in enumerate(courses):
            apart = (number - (len(courses) - 1) / 2) * SHIFT * stops[-1] if chart["task"] != TRAINING else 0.0
            _draw_course(axes, course, number, apart, chart["task"] != TRAINING)
        for start, stop, height in levels:
            axes.plot([start, stop], [height] * 2, color="black", linewidth=1.2, dashes=(7, 4))
        axes.set(xlabel="epoch", ylabel=unit.heading, xlim=(0, max(stops[-1], axes.get_xlim()[1])))
        axes.grid(axis="y", color="black", alpha=0.15)
        for stop in stops[:-1]:
            axes.axvline(stop, color="black", alpha=0.6, linewidth=0.8, linestyle=":")
        for number, (name, start, stop) in enumerate(zip(names, [0, *stops], stops, strict=False), 1):
            text = name if len(name) * 0.02 * axes.get_xlim()[1] <= stop - start else str(number)  # which has room
            axes.text((start + stop) / 2, 1.02, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)
        if not names:
            figure.legend(loc="lower center", ncols=2)
        for artist in figure.findobj():
            artist.set_clip_on(False)  # a clip path is used by its id, and ids of several charts may clash on a page
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _inline(buffer.getvalue(), title)


def _is_finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)  # JSON has None for NaN


def _draw_course(axes: Axes, course: Record, number: int, apart: float, measured: bool) -> None:
    """A line through the means, with whiskers and markers where it is `measured` at some epochs, else with a band of the spread.

    `number` gives colour, dashes and markers. What is not finite, and a training without numbers, is a gap.
    """
    spans, points = course["trainings"], course["points"]
    empty = [span["stop"] - 0.5 for span in spans if not any(span["start"] < point["epoch"] <= span["stop"] for point in points)]
    known = {point["epoch"]: (point["mean"], math.nan if point["sd"] is None else point["sd"]) for point in points}
    shown = sorted((known | dict.fromkeys(empty, (math.nan, math.nan))).items()) if points else []
    x, y = [epoch + apart for epoch, _ in shown], [mean if _is_finite(mean) else math.nan for _, (mean, _) in shown]
    spread, colour = [sd for _, (_, sd) in shown], COLOURS[number % len(COLOURS)]
    marker = MARKERS[number % len(MARKERS)] if measured or sum(map(math.isfinite, y)) == 1 else ""
    style: Any = {"color": colour, "linestyle": DASHES[number % len(DASHES)], "label": course["experiment"]}
    axes.plot(x, y, marker=marker, markersize=4, linewidth=1.6, **style)
    if measured:
        axes.errorbar(x, y, spread, color=colour, fmt="none", elinewidth=1.1, alpha=0.75)
    else:
        low, high = ([mean + sign * sd for mean, sd in zip(y, spread, strict=True)] for sign in (-1, 1))
        axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)


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
