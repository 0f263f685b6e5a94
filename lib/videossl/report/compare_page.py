"""A comparison as data, as a page and as text. The same comparison gives the same bytes of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from videossl.report import measures, pages, paper, plots, targets
from videossl.report.beside import setting
from videossl.report.compare import Column, Order, Pair, Results, Row, Stream
from videossl.report.courses import Chart, Course
from videossl.report.measures import TRAINING, label
from videossl.report.numbers import BASELINES, Value
from videossl.report.targets import Comparison
from videossl.report.words import aligned, ascii_only, fill

DASHES, SHIFT = 4, 0.006

# As data.


def data(found: Comparison) -> dict[str, Any]:
    """All numbers and verdicts of a comparison, as JSON can hold them: one record a number, a pair and a point."""
    shown = found.results
    streams = shown.streams if shown else []
    record = {
        "target": found.name,
        "show": found.show,
        "beside": found.beside or None,
        "dataset": found.run.dataset,
        "seeds": list(found.seeds),
        "lead": targets.lead(found),
        "rule": targets.rule(found),
        "numbers": [one for stream in streams for one in _numbers(shown, stream)] if shown else [],
        "orders": [_order(order) for stream in streams for order in stream.orders],
        "paper_alone": _alone(shown) if shown else [],
        "charts": [_chart(chart) for chart in found.charts],
        "sources": [{key: value for key, value in source.items() if key != "json"} for source in pages.result_sources(found.run)],
        "artefacts": list(found.run.provenance),
    }
    cleaned: dict[str, Any] = _finite(record)
    return cleaned


def _finite(value: Any) -> Any:
    """`value` with null for what is no finite number, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _value(value: Value | None) -> dict[str, Any]:
    if value is None:
        return {"seeds": [], "values": [], "mean": None, "sd": None}
    return {"seeds": value.seeds, "values": value.numbers, "mean": value.mean, "sd": value.sd}


def _of(column: Column) -> dict[str, Any]:
    beside = column.printed.dataset if column.printed else None
    return {"dataset": column.dataset, "task": column.task, "metric": column.metric, "paper_dataset": beside}


def _numbers(shown: Results, stream: Stream) -> list[dict[str, Any]]:
    return [
        {
            "experiment": row.name,
            "stream": stream.name,
            **_of(column),
            **_value(ours),
            "chance": column.chance,
            "test_videos": column.tests,
            "paper": theirs,
            "paper_method": row.method or None,
            "differs": row.differs,
        }
        for row in (*stream.baselines, *stream.rows)
        for column, ours, theirs in zip(shown.columns, row.ours, row.theirs, strict=True)
    ]


def _alone(shown: Results) -> list[dict[str, Any]]:
    rows = [(stream.name, row) for stream in shown.streams for row in stream.alone] + list(shown.unplaced)
    return [
        {"method": row.method, "stream": stream or None, **_of(column), "paper": theirs}
        for stream, row in rows
        for column, theirs in zip(shown.columns, row.theirs, strict=True)
    ]


def _order(order: Order) -> dict[str, Any]:
    return {"stream": order.stream, **_of(order.column), "counts": order.counts, "pairs": [_pair(pair) for pair in order.pairs]}


def _pair(pair: Pair) -> dict[str, Any]:
    verdict = pair.verdict
    return {
        "above": pair.above,
        "below": pair.below,
        "paper": pair.theirs,
        "paper_difference": pair.theirs[0] - pair.theirs[1] if pair.theirs else None,
        "difference": verdict.difference if verdict else None,
        "standard_error": verdict.error if verdict else None,
        "neighbours": pair.neighbours,
        "verdict": pair.word,
    }


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        **{key: getattr(chart, key) for key in ("stream", "dataset", "task", "metric", "chance")},
        "test_videos": chart.tests,
        "courses": [
            {
                "experiment": course.experiment,
                "trainings": [span._asdict() for span in course.spans],
                "points": [{"epoch": epoch, **_value(value)} for epoch, value in course.points],
            }
            for course in chart.courses
        ],
        "pairs": [_pair(pair) for pair in chart.order],
    }


# As charts.


def _line(chart: Chart, number: int) -> plots.Line:
    """The course of that number as a line; measured points have markers, drawn a little apart so that whiskers do not hide each other."""
    course, several = chart.courses[number], len(chart.courses)
    measured = chart.task != TRAINING
    apart = (number - (several - 1) / 2) * SHIFT * _last(chart) if measured else 0.0
    return plots.Line(
        [(epoch + apart, value.mean) for epoch, value in _gaps(course)],
        f"s{number % 5} d{number % DASHES}",
        [math.nan if value.sd is None else value.sd for _, value in _gaps(course)],
        list(plots.MARKERS)[number % len(plots.MARKERS)] if measured else "",
    )


def _gaps(course: Course) -> list[tuple[float, Value]]:
    """The points, and a gap for each training between two others of which nothing is known."""
    points: list[tuple[float, Value]] = list(course.points)
    for span in course.spans:
        if not any(span.start < epoch <= span.stop for epoch, _ in course.points):
            points.append((span.stop - 0.5, Value((math.nan,))))
    return sorted(points, key=lambda point: point[0])


def _last(chart: Chart) -> int:
    return max((span.stop for course in chart.courses for span in course.spans), default=1)


def drawn(chart: Chart) -> Markup:
    """The chart as SVG, with the starts of all trainings and, where it is known, chance."""
    bounds = sorted({0, *(span.stop for course in chart.courses for span in course.spans)})
    stretches = [plots.Stretch("", start, stop) for start, stop in itertools.pairwise(bounds)]
    chance = [plots.Line([(0.0, chart.chance), (float(_last(chart)), chart.chance)], "guess")] if chart.chance is not None else []
    lines = [_line(chart, number) for number in range(len(chart.courses))]
    unit = f", {chart.measure.unit}" if chart.measure.unit else ""
    return plots.chart(f"{chart.name} of {chart.stream} against epochs", f"{chart.name}{unit}", [*chance, *lines], stretches)


def _chart_view(found: Comparison, chart: Chart) -> dict[str, Any]:
    measured = [course for course in chart.courses if course.points]
    shown = sorted({epoch for course in measured for epoch, _ in course.points if found.show == "progress" or epoch in _marks(course)})
    cells = {(course.experiment, epoch): str(value) for course in measured for epoch, value in course.points}
    peaks = targets.peaks_said(chart) if found.show == "progress" else []
    return {
        "chart": chart,
        "svg": drawn(chart),
        "said": [targets.end_said(chart), *peaks],
        "scale": _scale(found, chart),
        "missing": [course.experiment for course in chart.courses if not course.points],
        "head": [course.experiment for course in measured],
        "rows": [(epoch, [cells.get((course.experiment, epoch), "–") for course in measured]) for epoch in shown],
    }


def _scale(found: Comparison, chart: Chart) -> list[str]:
    """What differs in scale, theirs / ours, in every course alike."""
    if found.figure is None:
        return []
    each = [paper.differences(found.figure.setting, setting(found.run, course.experiment, chart.stream)) for course in chart.courses]
    return [text for text in each[0] if all(text in differs for differs in each)]


def _marks(course: Course) -> set[int]:
    return {1, *(span.stop for span in course.spans)}


def _key(found: Comparison) -> list[tuple[Markup, str, str]]:
    """A swatch, the experiment and its trainings, for each line of the charts."""
    first = found.charts[0]
    lines = [plots.swatch(_line(first, number)) for number in range(len(first.courses))]
    return [(swatch, course.experiment, targets.trainings_said(found, course)) for swatch, course in zip(lines, first.courses, strict=True)]


# As a page.


def render(found: Comparison) -> str:
    """The page as HTML; it loads nothing."""
    names, rows = pages.artefacts(found.run)
    return pages.render(
        "compare.html",
        found=found,
        run=found.run,
        title=f"videossl: {found.name} on {paper.dataset_name(found.run.dataset)}",
        heading=targets.heading(found),
        subtitle=targets.subtitle(found),
        lead=targets.lead(found),
        rule=targets.rule(found),
        scale=targets.scale_said(found),
        results=found.results,
        streams=[_stream_view(found, found.results, stream) for stream in found.results.streams] if found.results else [],
        charts=[_chart_view(found, chart) for chart in found.charts],
        key=_key(found) if found.charts else [],
        units=measures.units(column.measure for column in found.results.columns) if found.results else "",
        pair_said=targets.pair_said,
        sources=pages.result_sources(found.run),
        artefact_names=names,
        artefacts=rows,
        params=pages.as_json(found.run.params),
    )


def _stream_view(found: Comparison, shown: Results, stream: Stream) -> dict[str, Any]:
    experiments = [row.name for row in stream.rows]
    return {
        "stream": stream,
        "untrained": targets.against_untrained(stream, experiments, shown.columns),
        "orders": [
            {
                "order": order,
                "said": targets.tally(order.pairs, f"{found.beside}, {paper.dataset_name(_of(order.column)['paper_dataset'])}"),
                "named": {word: [targets.pair_said(pair) for pair in order.named(word)] for word in order.counts},
            }
            for order in stream.orders
        ],
    }


# As text.


def terminal(found: Comparison) -> str:
    """The comparison as ASCII text: a table a stream or chart, and what is seen in it."""
    blocks = [_text_stream(found, found.results, stream) for stream in found.results.streams] if found.results else []
    blocks += [_text_chart(found, chart) for chart in found.charts]
    return ascii_only("\n\n".join([f"{targets.heading(found)}\n{fill(targets.lead(found))}", *blocks, fill(targets.rule(found))]))


def _text_stream(found: Comparison, shown: Results, stream: Stream) -> str:
    head = [(f"{column.dataset} {label(column.task, column.metric)}", "paper") for column in shown.columns]
    rows = [_text_row(shown, "", head), _text_row(shown, "chance", [(column.measure.text(column.chance), "") for column in shown.columns])]
    rows += [
        _text_row(shown, BASELINES.get(row.name, row.name), _text_cells(shown, row))
        for row in (*stream.baselines, *stream.rows, *stream.alone)
    ]
    said = [f"{label(order.column.task, order.column.metric)}, {targets.tally(order.pairs, found.beside)}" for order in stream.orders]
    units = measures.units(column.measure for column in shown.columns)
    return "\n".join([_joined(stream.name, units), *aligned(rows), *map(fill, said)])


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _text_row(shown: Results, name: str, cells: Sequence[tuple[str, str]]) -> list[str]:
    """Ours and, where the paper has such a table, theirs."""
    return [name, *(text for cell in cells for text in (cell if shown.table else cell[:1]))]


def _text_cells(shown: Results, row: Row) -> list[tuple[str, str]]:
    return [
        (str(ours or "-"), column.measure.text(theirs)) for column, ours, theirs in zip(shown.columns, row.ours, row.theirs, strict=True)
    ]


def _text_chart(found: Comparison, chart: Chart) -> str:
    view = _chart_view(found, chart)
    rows: Sequence[Sequence[str]] = [["epoch", *view["head"]], *([str(epoch), *cells] for epoch, cells in view["rows"])]
    order = [f"{pair.word}: {targets.pair_said(pair)}" for pair in chart.order]
    head = _joined(chart.stream, chart.name, chart.measure.words)
    return "\n".join([head, *aligned(rows), *(fill(text) for text in (*view["said"], *order) if text)])
