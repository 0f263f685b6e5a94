"""The page of a target, and its text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from videossl.report import beside, charts, courses, numbers, paper
from videossl.report.beside import Column, Number, Results
from videossl.report.courses import Chart
from videossl.report.numbers import BASELINES, TRAINING, Pair, Value, headline, label, points
from videossl.report.tables import Cell, Row, Table, against, ascii_only, fill, render_page
from videossl.report.target import Comparison, end_said, lead, peaks_said, rule, scale_said, tally_said

SHIFT = 0.006
"""Of the width of a chart: how far courses are drawn apart, so that whiskers do not hide each other."""
COLOURED = {"seen": "better", "reversed": "worse"}


def render(target: Comparison) -> str:
    """The page as HTML."""
    results = target.results
    return render_page(
        "target.html",
        target.run,
        target=target,
        title=f"videossl: {target.name} on {paper.dataset_name(target.run.dataset)}",
        heading=target.heading,
        lead=lead(target),
        notes=f"{scale_said(target)} {rule(target)}",
        streams=[(stream, stream_table(results, stream), _orders(target, results, stream)) for stream in results.streams]
        if results
        else [],
        printed=printed_table(results.table) if results and results.table else None,
        charts=[(chart, drawn(chart), said(target, chart), chart_table(target, chart)) for chart in target.charts],
        trainings=[(course.experiment, courses.said(target.run.params, course)) for course in target.charts[0].courses]
        if target.charts
        else [],
        scale=_figure_scale(target, target.charts[0]) if target.charts else "",
        coloured=COLOURED,
    )


def terminal(target: Comparison) -> str:
    """The comparison as ASCII text: a table a stream or chart, and what is seen in it."""
    blocks, results = [], target.results
    if results:
        units = numbers.units(column.measure for column in results.columns)
        for stream in results.streams:
            orders = [order for order in results.orders if order.stream == stream]
            tallies = [f"{label(column.task, column.metric)}, {tally_said(pairs, target.beside)}" for _, column, pairs in orders]
            blocks.append(_block(f"{stream}, {units}", stream_table(results, stream), tallies))
    for chart in target.charts:
        lines = [*said(target, chart), *(f"{pair.word}: {pair}" for pair in chart.order)]
        blocks.append(_block(f"{chart.stream}, {chart.name}, {chart.measure.words}", chart_table(target, chart), lines))
    return ascii_only("\n\n".join([f"{target.heading}\n{fill(lead(target))}", *blocks, fill(rule(target))]))


def _block(head: str, table: Table, lines: Sequence[str]) -> str:
    return "\n".join([head.removesuffix(", "), table.text(), *map(fill, lines)])


# Results.


def stream_table(results: Results, stream: str) -> Table:
    """Ours, with each seed and the difference from the untrained encoder below it, and, where the paper has such a table, theirs."""
    common, columns = results.common(stream), results.columns
    scale = f"Scale, theirs / ours: {'; '.join(common)}." if common else ""
    if results.table and not common:
        both = any(number.method for number in results.numbers if number.stream == stream)
        scale = "The same setting as the paper's." if both else f"The paper's table has none of these rows on {stream}."
    rows = [Row(["chance", *_both(results, [(column.measure.text(column.chance), "") for column in columns])], "baseline")]
    for row in results.rows(stream):
        name, method, alone = row[0].experiment, row[0].method, row[0] in results.alone
        small = (
            "the paper’s alone" if alone else "; ".join(filter(None, (method, *(text for text in row[0].differs if text not in common))))
        )
        cells = _both(results, [(_ours(number), number.column.measure.text(number.theirs)) for number in row])
        rows.append(Row([Cell(BASELINES.get(name, name), [(small, "")]), *cells], "baseline" if alone or name in BASELINES else ""))
    units = numbers.units(column.measure for column in columns)
    head = [
        (Cell(label(column.task, column.metric), [(paper.dataset_name(column.dataset), "")]), Cell("paper", [(_dataset(column), "")]))
        for column in columns
    ]
    ours = "Ours: mean ± sample standard deviation, below it each seed; one seed has no spread."
    caption = f"{units[:1].upper()}{units[1:]}{'. ' if units else ''}{ours} {scale}"
    return Table(f"results, {stream}", ["", *_both(results, head)], rows, caption, "duo")


def _ours(number: Number) -> object:
    task, column = number.column.measured, number.column
    if number.ours is None or task is None:
        return "–"
    trained = number.experiment not in BASELINES and column.metric == headline(column.task)
    return Cell(number.ours, [(number.ours.each, ""), *against(task.verdict(number.experiment, number.stream) if trained else None)])


def _dataset(column: Column) -> str:
    return paper.dataset_name(column.printed.dataset) if column.printed else ""


def _both(results: Results, cells: Sequence[tuple[object, object]]) -> list[object]:
    """Ours and theirs in turn; ours alone where there is no table of the paper."""
    return [cell for pair in cells for cell in (pair if results.table else pair[:1])]


def _orders(target: Comparison, results: Results, stream: str) -> list[tuple[str, Table]]:
    """For each column in which the paper orders rows: the tally and the pairs."""
    orders = []
    for name, column, pairs in results.orders:
        if name == stream:
            what = f"{label(column.task, column.metric)} on {paper.dataset_name(column.dataset)}"
            table = pairs_table(f"pairs, {stream}, {what}", pairs)
            orders.append((f"{what}: {tally_said(pairs, f'{target.beside}, {_dataset(column)}')}", table))
    return orders


def pairs_table(name: str, pairs: Sequence[Pair]) -> Table:
    """The paper's difference, ours, and the verdict; neighbours in the paper first."""
    rows: list[Row] = []
    for pair in sorted(pairs, key=lambda pair: not pair.neighbours):
        theirs = points(pair.theirs[0] - pair.theirs[1]) if pair.theirs else "–"
        verdict = Cell("", [(f"{pair.mark} {pair.word}", COLOURED.get(pair.word, ""))])
        style = "" if pair.neighbours else "further"
        rows.append(Row([Cell(pair.above, [(f"over {pair.below}", "")]), theirs, pair.verdict or "–", verdict], style))
    return Table(name, ["pair", "paper", "here ± se", "order"], rows, style="pairs")


def printed_table(table: paper.Table) -> Table:
    """The paper's table as it is printed, with the rows that none of ours stands for."""
    about = list(dict.fromkeys(key for row in table.rows for key in row.about))
    head = [Cell(label(column.task, column.metric), [(paper.dataset_name(column.dataset), "")]) for column in table.columns]
    rows = [
        Row([row.method, row.modality or "–", *(row.about.get(key, "–") for key in about), *map(numbers.PERCENT.text, row.values)])
        for row in table.rows
    ]
    return Table(table.number, ["method", "modality", *about, *head], rows, f"{table.title} {table.note}", left=2 + len(about))


# Figures.


def drawn(chart: Chart) -> Markup:
    """The courses with their spread, the ends of all trainings and, where it is known, chance. A training without numbers is a gap."""
    stops = sorted({span.stop for course in chart.courses for span in course.spans} or {1})
    lines, measured = [], chart.task != TRAINING
    for number, course in enumerate(chart.courses):
        apart = (number - (len(chart.courses) - 1) / 2) * SHIFT * stops[-1] if measured else 0.0
        empty = [span for span in course.spans if not any(span.start < epoch <= span.stop for epoch, _ in course.points)]
        shown = sorted([*course.points, *((span.stop - 0.5, Value((math.nan,))) for span in empty)], key=lambda point: point[0])
        spread = [math.nan if value.sd is None else value.sd for _, value in shown]
        lines.append(charts.Line([(epoch + apart, value.mean) for epoch, value in shown], number, course.experiment, spread, measured))
    levels = [charts.Level(0, stops[-1], chart.chance)] if chart.chance is not None else []
    unit = f", {chart.measure.unit}" if chart.measure.unit else ""
    return charts.chart(f"{chart.name} of {chart.stream} against epochs", f"{chart.name}{unit}", lines, stops, levels=levels)


def said(target: Comparison, chart: Chart) -> list[str]:
    """The best end and, of progress, the peaks."""
    return [text for text in (end_said(chart), *(peaks_said(chart) if target.show == "progress" else [])) if text]


def chart_table(target: Comparison, chart: Chart) -> Table:
    """Every epoch of progress; of a training the first epoch and the last of each part."""
    cells = {(course.experiment, epoch): str(value) for course in chart.courses for epoch, value in course.points}
    marks = {(course.experiment, epoch) for course in chart.courses for epoch in (1, *(span.stop for span in course.spans))}
    names = list(dict.fromkeys(name for name, _ in cells))
    epochs = sorted({epoch for name, epoch in cells if target.show == "progress" or (name, epoch) in marks})
    rows = [Row([epoch, *(cells.get((name, epoch), "–") for name in names)]) for epoch in epochs]
    return Table(f"{chart.stream}, {chart.name} in numbers", ["epoch", *names], rows, style="duo")


def _figure_scale(target: Comparison, chart: Chart) -> str:
    """The differences in scale that every course has."""
    theirs: Any = target.printed.setting if target.printed else {}
    ours = [beside.setting(target.run, course.experiment, chart.stream) for course in chart.courses]
    return "; ".join(beside.in_all([paper.differences(theirs, scale) for scale in ours]))
