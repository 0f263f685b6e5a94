"""One target of params.yaml, compared: as data, as a page and as text. The same comparison gives the same bytes of each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from videossl.errors import InputError
from videossl.report import beside, charts, courses, numbers, paper, words
from videossl.report.beside import Column, Order, Results, Stream
from videossl.report.courses import Chart, Course
from videossl.report.numbers import BASELINES, PAIR_MARKS, TRAINING, Pair, Value, headline, label, points
from videossl.report.run import Run
from videossl.report.tables import Cell, Row, Table, ascii_only, fill, render_page, sources
from videossl.report.words import count, join_words

SHIFT = 0.006
"""Of the width of a chart: how far courses are drawn apart, so that whiskers do not hide each other."""
AGAINST = {"better": "▲\N{NO-BREAK SPACE}better", "unclear": "≈\N{NO-BREAK SPACE}no clear difference", "worse": "▼\N{NO-BREAK SPACE}worse"}
COLOURED = {"seen": "better", "reversed": "worse"}


@dataclass(frozen=True)
class Comparison:
    """A target: `results` where it shows a table, `charts` where it shows progress or training; `printed` is the paper's."""

    name: str
    show: str
    run: Run
    printed: paper.Table | paper.Figure | None
    results: Results | None
    charts: Sequence[Chart]

    @property
    def beside(self) -> str:
        """The table or figure of the paper, '' where the target's name is none."""
        return self.printed.number if self.printed else ""

    @property
    def heading(self) -> str:
        return f"{self.name}: ours beside the paper's {self.beside}" if self.beside else self.name


def comparison(run: Run, name: str) -> Comparison:
    """Compare what the target `name` of `run.params` names. An InputError where there is no such target."""
    targets = run.params.get("targets", {})
    if name not in targets:
        raise InputError(f"there is no target '{name}' in the params; known: {', '.join(targets) or 'none'}")
    target, show = targets[name], targets[name]["show"]
    number = re.sub(r"^(table|figure)(\d+)$", lambda word: f"{word[1].capitalize()} {word[2]}", name)
    if show == "results":
        table = next((table for table in paper.tables() if table.number == number), None)
        return Comparison(name, show, run, table, beside.results(run, target, table), [])
    figure = next((figure for figure in paper.figures() if figure.number == number), None)
    along = {"progress": courses.progress, "training": courses.training}[show]
    return Comparison(name, show, run, figure, None, list(along(run, target, figure)))


# As data.


def data(target: Comparison) -> dict[str, Any]:
    """All numbers and verdicts of a comparison, as JSON can hold them: one record a number, a pair and a point."""
    streams, columns = (target.results.streams, target.results.columns) if target.results else ([], [])
    alone = [(stream.name, row) for stream in streams for row in stream.alone] + list(target.results.unplaced if target.results else ())
    record = {
        "target": target.name,
        "show": target.show,
        "beside": target.beside or None,
        "dataset": target.run.dataset,
        "seeds": target.run.seeds,
        "lead": lead(target),
        "rule": rule(target),
        "numbers": [
            {
                "experiment": row.name,
                "stream": stream.name,
                **_column(column),
                **_value(ours),
                "chance": column.chance,
                "test_videos": column.tests,
                "paper": theirs,
                "paper_method": row.method or None,
                "differs": row.differs,
            }
            for stream in streams
            for row in (*stream.baselines, *stream.rows)
            for column, ours, theirs in zip(columns, row.ours, row.theirs, strict=True)
        ],
        "orders": [
            {"stream": order.stream, **_column(order.column), "counts": order.tally, "pairs": [_pair(pair) for pair in order.pairs]}
            for stream in streams
            for order in stream.orders
        ],
        "paper_alone": [
            {"method": row.method, "stream": stream or None, **_column(column), "paper": theirs}
            for stream, row in alone
            for column, theirs in zip(columns, row.theirs, strict=True)
        ],
        "charts": [_chart(chart) for chart in target.charts],
        "sources": sources(target.run),
        "artefacts": list(target.run.provenance),
    }
    return {key: _finite(value) for key, value in record.items()}


def _finite(value: Any) -> Any:
    """`value` with null for what is no finite number, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _value(value: Value | None) -> dict[str, Any]:
    shown = value or Value(())
    return {"seeds": shown.seeds, "values": shown.numbers, "mean": value and value.mean, "sd": value and value.sd}


def _column(column: Column) -> dict[str, Any]:
    printed = column.printed.dataset if column.printed else None
    return {"dataset": column.dataset, "task": column.task, "metric": column.metric, "paper_dataset": printed}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "above": pair.above,
        "below": pair.below,
        "paper": pair.theirs,
        "paper_difference": pair.theirs and pair.theirs[0] - pair.theirs[1],
        "difference": pair.verdict and pair.verdict.difference,
        "standard_error": pair.verdict and pair.verdict.error,
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


# In words.


def lead(target: Comparison) -> str:
    """The first sentence: how much of the paper's order is seen, or which is highest; and over which seeds."""
    said = _lead_results(target, target.results) if target.results else _lead_charts(target)
    return f"{said or 'Nothing was measured.'} {words.seeds_words(target.run.seeds)}."


def _lead_charts(target: Comparison) -> str:
    pairs = [pair for chart in target.charts for pair in chart.order]
    order = f"On {paper.dataset_name(target.run.dataset)}, {tally(pairs, target.beside)}" if pairs else ""
    shown = next((chart for chart in target.charts if chart.order), target.charts[0])
    return f"{order} {end_said(shown)}".strip()


def _lead_results(target: Comparison, results: Results) -> str:
    """The pairs of all streams, or where there are none 'stc-mix 69.0 ± 8.7 on rgb+flow (paper, at another scale, 74.0)'."""
    first = results.columns[0]
    tests = {column.dataset: column.tests for column in sorted(results.columns, key=lambda column: column.tests)}
    datasets = dict.fromkeys(column.dataset for column in results.columns)
    named = [paper.dataset_name(name) + (f" ({count(tests[name], 'test video')})" if tests[name] else "") for name in datasets]
    if results.orders:
        return f"On {join_words(named)}, {tally([pair for order in results.orders for pair in order.pairs], target.beside)}"
    said = []
    for stream in results.streams:
        for row in stream.rows:
            scale = ", at another scale," if row.differs else ""
            theirs = f" (paper{scale} {row.theirs[0]:.1f})" if row.theirs[0] is not None else ""
            said += [f"{row.name} {row.ours[0]} on {stream.name}{theirs}"] if row.ours[0] else []
    order = f" No two rows here are in {target.beside}, so it has no order to compare." if target.beside else ""
    return f"On {named[0]}, {label(first.task, first.metric)}: {join_words(said) or 'nothing was measured'}.{order}"


def tally(pairs: Sequence[Pair], source: str) -> str:
    """'of the paper's 10 pairs in Table 1, 4 are seen, 5 are not clear and 1 is reversed.'"""
    counts = {word: sum(pair.word == word for pair in pairs) for word in PAIR_MARKS}
    said = [(word, number) for word, number in counts.items() if number or word in COLOURED]
    parts = [f"{number or 'none'} {'are' if number > 1 else 'is'} {word}" for word, number in said]
    return f"of the paper's {count(len(pairs), 'pair')}{f' in {source}' if source else ''}, {join_words(parts)}."


def end_said(chart: Chart) -> str:
    """The experiment that is best at its last epoch, and by how much; '' where nothing was measured."""
    ends = [(course.experiment, *course.end) for course in chart.courses if course.end]
    ranked = sorted(ends, key=lambda end: -end[2].worth)
    if not ranked:
        return ""
    (first, epoch, best), *others = ranked
    said = f"{first} ends {_highest(chart)} in {chart.name} ({chart.stream}): {best} after {count(epoch, 'epoch')}"
    for second, _, next_best in others[:1]:
        verdict = numbers.compare(best, next_best, chart.tests)
        said += f", {verdict} from the next, {second}, {verdict.clear}"
    return f"{said}."


def _highest(chart: Chart) -> str:
    return "highest" if chart.measure.higher else "lowest"


def peaks_said(chart: Chart) -> list[str]:
    """The courses that are best at their last epoch, and where each other one peaks and what is left of it at the end."""
    rising = [course.experiment for course in chart.courses if course.end and course.peak == course.end]
    said = [f"{_highest(chart).capitalize()} at the last epoch: {join_words(rising)}."] if rising else []
    for course in chart.courses:
        if course.end and course.peak and course.peak != course.end:
            verdict = numbers.compare(course.end[1], course.peak[1], chart.tests)
            peak = f"{course.experiment} peaks at epoch {course.peak[0]}: {course.peak[1]}"
            said.append(f"{peak}; its end is {verdict} from that, {verdict.clear}.")
    return said


def rule(target: Comparison) -> str:
    """The way in which a difference is judged, and what the number of seeds allows to say."""
    several = len(target.run.seeds) > 1
    source = words.errors(several)
    if target.show == "training":
        source = (
            "The errors come from the spread over seeds alone." if several else "One seed has no spread, so nothing here can be judged."
        )
    return (
        "Seen, reversed, better, worse, clear: by more than two standard errors of the difference, a rule of thumb that is not corrected"
        f" for how many differences are looked at; up to one in twenty passes by chance. {source}"
    )


def scale_said(target: Comparison) -> str:
    """Our numbers reproduce nothing, as long as anything differs; nothing where there is nothing of the paper beside."""
    rows = [row for stream in target.results.streams for row in stream.rows if row.method] if target.results else []
    if target.charts and target.printed or any(row.differs for row in rows):
        return "Not a reproduction: the scale differs, as said below."
    return "In all that is recorded the setting is the paper's." if rows else ""


def against_untrained(stream: Stream, columns: Sequence[Column]) -> list[str]:
    """For the headline of each dataset and task, which experiments beat the untrained encoder, and which do not."""
    said = []
    for column in columns:
        if column.measured and column.metric == headline(column.task):
            verdicts = {row.name: verdict for row in stream.rows if (verdict := column.measured.verdict(row.name, stream.name))}
            groups = {text: [name for name, verdict in verdicts.items() if verdict.word == word] for word, text in AGAINST.items()}
            listed = "; ".join(f"{text}: {', '.join(names)}" for text, names in groups.items() if names)
            what = f"{label(column.task, column.metric)} on {paper.dataset_name(column.dataset)}"
            said += [f"Against the {BASELINES['untrained']}, {what}: {listed}."] if listed else []
    return said


# As tables.


def stream_table(target: Comparison, results: Results, stream: Stream) -> Table:
    """Ours and, where the paper has such a table, theirs: a column each."""
    several = len(target.run.seeds) > 1
    beside_it = "The same setting as the paper's." if any(row.method for row in stream.rows) else ""
    beside_it = beside_it or f"The paper's table has none of these rows on {stream.name}."
    scale = f"Scale, theirs / ours: {'; '.join(stream.common)}." if stream.common else beside_it if results.table else ""
    spread = " ± sample standard deviation, below it each seed" if several else " of one seed, no spread"
    units = numbers.units(column.measure for column in results.columns)
    chance = [Cell(column.measure.text(column.chance)) for column in results.columns]
    rows = (
        [Row(["chance", *_both(results, chance, ["" for _ in chance])], "baseline")]
        if any(column.chance is not None for column in results.columns)
        else []
    )
    for row in (*stream.baselines, *stream.rows, *stream.alone):
        own = [text for text in row.differs if text not in stream.common]
        small = "; ".join(filter(None, (row.method if row in stream.rows else "", *own)))
        if row in stream.alone:
            small = "; ".join(["the paper’s alone", *(f"{key} {value}" for key, value in row.about.items())])
        cells = [Cell(ours, [(ours.each, "")]) if ours else "–" for ours in row.ours]
        theirs = [column.measure.text(number) for column, number in zip(results.columns, row.theirs, strict=True)]
        style = "baseline" if row not in stream.rows else ""
        style += " first-trained" if row in (*stream.rows[:1], *stream.alone[:1]) else ""
        rows.append(Row([Cell(BASELINES.get(row.name, row.name), [(small, "")]), *_both(results, cells, theirs)], style))
    here = [Cell(label(column.task, column.metric), [(paper.dataset_name(column.dataset), "")]) for column in results.columns]
    printed = [Cell("paper", [(paper.dataset_name(column.printed.dataset) if column.printed else "", "")]) for column in results.columns]
    caption = f"{_sentence(units)}Ours: mean{spread}. {scale}"
    return Table(f"results, {stream.name}", ["", *_both(results, here, printed)], rows, caption, "duo")


def _both(results: Results, ours: Sequence[object], theirs: Sequence[object]) -> list[object]:
    """Ours and theirs in turn; ours alone where there is no table of the paper."""
    return [cell for pair in zip(ours, theirs, strict=True) for cell in (pair if results.table else pair[:1])]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}. " if text else ""


def unplaced_table(target: Comparison, results: Results) -> Table:
    """The paper's rows on a modality that is not stated or not shown."""
    head = [
        Cell(label(column.task, column.metric), [(paper.dataset_name(column.printed.dataset) if column.printed else "", "")])
        for column in results.columns
    ]
    rows = [
        Row([row.name, modality or "–", *(column.measure.text(number) for column, number in zip(results.columns, row.theirs, strict=True))])
        for modality, row in results.unplaced
    ]
    caption = f"Rows of {target.beside} that no experiment here stands for, on a modality that is not stated or not shown above."
    return Table("the paper's rows alone", ["method", "modality", *head], rows, caption, "duo", left=2)


def pairs_table(name: str, pairs: Sequence[Pair]) -> Table:
    """The paper's difference, ours, and the verdict; neighbours in the paper first."""
    ranked = sorted(pairs, key=lambda pair: not pair.neighbours)
    rows = [
        Row(
            [
                Cell(pair.above, [(f"over {pair.below}", "")]),
                points(pair.theirs[0] - pair.theirs[1]) if pair.theirs else "–",
                pair.verdict or "–",
                Cell("", [(f"{pair.mark} {pair.word}", COLOURED.get(pair.word, ""))]),
            ],
            "first-trained" if place and pair.neighbours < ranked[place - 1].neighbours else "",
        )
        for place, pair in enumerate(ranked)
    ]
    return Table(name, ["pair", "paper", "here ± se", "order"], rows, "", "pairs")


def chart_table(target: Comparison, chart: Chart) -> Table:
    """Every epoch of progress; of a training the first epoch and the last of each part."""
    measured = [course for course in chart.courses if course.points]
    marks = {course.experiment: {1, *(span.stop for span in course.spans)} for course in measured}
    cells = {(course.experiment, epoch): str(value) for course in measured for epoch, value in course.points}
    shown = sorted({epoch for name, epoch in cells if target.show == "progress" or epoch in marks[name]})
    rows = [Row([epoch, *(cells.get((course.experiment, epoch), "–") for course in measured)]) for epoch in shown]
    return Table(f"{chart.stream}, {chart.name} in numbers", ["epoch", *(course.experiment for course in measured)], rows, "", "duo")


# As charts.


def drawn(chart: Chart) -> Markup:
    """The courses with their spread, the ends of all trainings and, where it is known, chance."""
    stops = sorted({span.stop for course in chart.courses for span in course.spans} or {1})
    lines, measured = [], chart.task != TRAINING
    for number, course in enumerate(chart.courses):
        apart = (number - (len(chart.courses) - 1) / 2) * SHIFT * stops[-1] if measured else 0.0
        gaps = [
            (span.stop - 0.5, Value((math.nan,))) for span in course.spans if not any(span.start < x <= span.stop for x, _ in course.points)
        ]
        shown = sorted([*course.points, *gaps], key=lambda point: point[0])
        spread = [math.nan if value.sd is None else value.sd for _, value in shown]
        lines.append(charts.Line([(x + apart, value.mean) for x, value in shown], number, course.experiment, spread, measured))
    levels = [charts.Level(0, stops[-1], chart.chance)] if chart.chance is not None else []
    unit = f", {chart.measure.unit}" if chart.measure.unit else ""
    return charts.chart(f"{chart.name} of {chart.stream} against epochs", f"{chart.name}{unit}", lines, stops, levels=levels)


def trainings_said(target: Comparison, course: Course) -> str:
    """'rgb (moco) of mixup to 50, rgb-1 (cmmc) to 62, rgb-2 (cmmc) to 74'."""
    said = []
    for span in course.spans:
        owner = "" if span.experiment == course.experiment else f" of {span.experiment}"
        said.append(f"{courses.named(target.run.params, span.experiment, span.training)}{owner} to {span.stop}")
    return ", ".join(said)


def _said(target: Comparison, chart: Chart) -> list[str]:
    return [text for text in (end_said(chart), *(peaks_said(chart) if target.show == "progress" else [])) if text]


def _figure_scale(target: Comparison, chart: Chart) -> list[str]:
    """The differences in scale that every course has."""
    setting = target.printed.setting if target.printed else {}
    return beside.in_all(
        [paper.differences(setting, beside.setting(target.run, course.experiment, chart.stream)) for course in chart.courses]
    )


# As a page and as text.


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
        streams=[_stream_view(target, results, stream) for stream in results.streams] if results else [],
        unplaced=unplaced_table(target, results) if results and results.unplaced else None,
        charts=[(chart, drawn(chart), _said(target, chart), chart_table(target, chart)) for chart in target.charts],
        trainings=[(course.experiment, trainings_said(target, course)) for course in target.charts[0].courses] if target.charts else [],
        scale="; ".join(_figure_scale(target, target.charts[0])) if target.charts else "",
        coloured=COLOURED,
    )


def _stream_view(target: Comparison, results: Results, stream: Stream) -> tuple[Stream, Table, list[str], list[tuple[str, Table]]]:
    def said(order: Order) -> str:
        column = order.column
        printed = f", {paper.dataset_name(column.printed.dataset)}" if column.printed else ""
        return f"{label(column.task, column.metric)} on {paper.dataset_name(column.dataset)}: {tally(order.pairs, target.beside + printed)}"

    orders = [
        (said(order), pairs_table(f"pairs, {stream.name}, {order.column.task}, {order.column.metric}, {order.column.dataset}", order.pairs))
        for order in stream.orders
    ]
    return stream, stream_table(target, results, stream), against_untrained(stream, results.columns), orders


def terminal(target: Comparison) -> str:
    """The comparison as ASCII text: a table a stream or chart, and what is seen in it."""
    blocks = []
    for stream in target.results.streams if target.results else []:
        columns = target.results.columns if target.results else []
        said = [f"{label(order.column.task, order.column.metric)}, {tally(order.pairs, target.beside)}" for order in stream.orders]
        head = ", ".join(filter(None, (stream.name, numbers.units(column.measure for column in columns))))
        blocks.append([head, stream_table(target, target.results, stream).text(), *map(fill, said)])
    for chart in target.charts:
        head = ", ".join(filter(None, (chart.stream, chart.name, chart.measure.words)))
        said = [*_said(target, chart), *(f"{pair.word}: {pair}" for pair in chart.order)]
        blocks.append([head, chart_table(target, chart).text(), *map(fill, said)])
    texts = [f"{target.heading}\n{fill(lead(target))}", *map("\n".join, blocks), fill(rule(target))]
    return ascii_only("\n\n".join(texts))
