"""One target of params.yaml, compared; and what is to be seen in it, in words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from videossl.errors import InputError
from videossl.report import chains, compare, courses, numbers, paper
from videossl.report.chains import Span
from videossl.report.compare import MARKS, Column, Pair, Results, Row, Stream
from videossl.report.courses import Chart, Course
from videossl.report.measures import headline, label
from videossl.report.numbers import BASELINES, Verdict, points
from videossl.report.run import Run
from videossl.report.words import count, errors, join_words, seeds_words

AGAINST = {"better": "▲\N{NO-BREAK SPACE}better", "unclear": "≈\N{NO-BREAK SPACE}no clear difference", "worse": "▼\N{NO-BREAK SPACE}worse"}


@dataclass(frozen=True)
class Comparison:
    """A target: `results` where it shows a table, `charts` where it shows progress or training; what the paper has of it."""

    name: str
    show: str
    run: Run
    seeds: Sequence[int]
    table: paper.Table | None
    figure: paper.Figure | None
    results: Results | None
    charts: Sequence[Chart]

    @property
    def beside(self) -> str:
        """The table or figure of the paper, '' where the target's name is none."""
        source = self.table or self.figure
        return source.number if source else ""


def comparison(run: Run, name: str) -> Comparison:
    """Compare what the target `name` of `run.params` names. An InputError where there is no such target."""
    targets = run.params.get("targets", {})
    if name not in targets:
        raise InputError(f"there is no target '{name}' in the params; known: {', '.join(targets) or 'none'}")
    target = targets[name]
    number = re.sub(r"^(table|figure)(\d+)$", lambda found: f"{found[1].capitalize()} {found[2]}", name)
    table = next((table for table in paper.load() if table.number == number and target["show"] == "results"), None)
    figure = next((figure for figure in paper.figures() if figure.number == number and target["show"] != "results"), None)
    results = compare.results(run, target, table) if target["show"] == "results" else None
    along = {"progress": courses.progress, "training": courses.training}.get(target["show"])
    charts = along(run, target, figure) if along else []
    seeds = sorted({int(one["seed"]) for one in (*run.results, *run.progress, *run.histories)})
    return Comparison(name, target["show"], run, seeds, table, figure, results, charts)


def lead(found: Comparison) -> str:
    """What stands first: how much of the paper's order is seen, or which is highest; and over which seeds."""
    said = _lead_results(found, found.results) if found.results else _lead_charts(found)
    return f"{said or 'Nothing was measured.'} {seeds_words(found.seeds)}."


def _lead_charts(found: Comparison) -> str:
    pairs = [pair for chart in found.charts for pair in chart.order]
    order = f"On {paper.dataset_name(found.run.dataset)}, {tally(pairs, found.beside)}" if pairs else ""
    chosen = next((chart for chart in found.charts if chart.order), found.charts[0])
    return f"{order} {end_said(chosen)}".strip()


def _lead_results(found: Comparison, results: Results) -> str:
    first = results.columns[0]
    tests = {column.dataset: column.tests for column in sorted(results.columns, key=lambda column: column.tests)}
    datasets = dict.fromkeys(column.dataset for column in results.columns)
    named = [paper.dataset_name(name) + (f" ({count(tests[name], 'test video')})" if tests[name] else "") for name in datasets]
    where = f"On {join_words(named)}"
    if results.orders:
        return f"{where}, {tally([pair for order in results.orders for pair in order.pairs], found.beside)}"
    said = [text for stream in results.streams for text in _first_numbers(stream)]
    order = f" No two rows here are in {found.beside}, so it has no order to compare." if found.beside else ""
    return f"On {named[0]}, {label(first.task, first.metric)}: {join_words(said) or 'nothing was measured'}.{order}"


def _first_numbers(stream: Stream) -> list[str]:
    """'stc-mix 69.0 ± 8.7 on rgb+flow (paper, at another scale, 74.0)' for the rows that were measured, in the first column."""

    def theirs(row: Row) -> str:
        scale = ", at another scale," if row.differs else ""
        return f" (paper{scale} {row.theirs[0]:.1f})" if row.theirs[0] is not None else ""

    return [f"{row.name} {row.ours[0]} on {stream.name}{theirs(row)}" for row in stream.rows if row.ours[0]]


def tally(pairs: Sequence[Pair], source: str) -> str:
    """'of the paper's 10 pairs in Table 1, 4 are seen, 5 are not clear and 1 is reversed.'"""
    counts = {word: sum(pair.word == word for pair in pairs) for word in MARKS}
    said = [(word, number) for word, number in counts.items() if number or word in ("seen", "reversed")]
    parts = [f"{number or 'none'} {'are' if number > 1 else 'is'} {word}" for word, number in said]
    where = f" in {source}" if source else ""
    return f"of the paper's {count(sum(counts.values()), 'pair')}{where}, {join_words(parts)}."


def pair_said(pair: Pair) -> str:
    """'stc-mix above mixup (paper +2.8, here −1.0 ± 4.1)'."""
    theirs = f"paper {points(pair.theirs[0] - pair.theirs[1])}, " if pair.theirs else ""
    here = f" ({theirs}here {pair.verdict})" if pair.verdict else ""
    return f"{pair.above} above {pair.below}{here}"


def against_untrained(stream: Stream, experiments: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """For the headline of each dataset and task, which experiments beat the untrained encoder, and which do not."""
    result = []
    for column in columns:
        if column.measured and column.metric == headline(column.task):
            verdicts = {name: verdict for name in experiments if (verdict := column.measured.verdict(name, stream.name))}
            groups = [(text, [name for name, verdict in verdicts.items() if verdict.word == word]) for word, text in AGAINST.items()]
            said = "; ".join(f"{text}: {', '.join(names)}" for text, names in groups if names)
            what = f"{label(column.task, column.metric)} on {paper.dataset_name(column.dataset)}"
            result += [f"Against the {BASELINES['untrained']}, {what}: {said}"] if said else []
    return result


def clear(verdict: Verdict) -> str:
    """Whether a difference is one."""
    if math.isinf(verdict.threshold):
        return "which nothing here can judge"
    return "no clear difference" if verdict.word == "unclear" else "a clear difference"


def end_said(chart: Chart) -> str:
    """Which experiment is best at its last epoch, and by how much; '' where nothing was measured."""
    ends = [(course.experiment, *course.end) for course in chart.courses if course.end]
    ranked = sorted(ends, key=lambda end: -end[2].worth)
    if not ranked:
        return ""
    (first, epoch, best), *others = ranked
    said = f"{first} ends {chart.measure.highest} in {chart.name} ({chart.stream}): {best} after {count(epoch, 'epoch')}"
    for second, _, next_best in others[:1]:
        verdict = numbers.compare(best, next_best, chart.tests)
        said += f", {verdict} from the next, {second}, {clear(verdict)}"
    return f"{said}."


def peaks_said(chart: Chart) -> list[str]:
    """Which courses are best at their last epoch, and where each other one peaks and what is left of it at the end."""
    rising = [course.experiment for course in chart.courses if course.end and course.peak == course.end]
    others = [_peak_said(chart, course) for course in chart.courses if course.peak != course.end]
    return ([f"{chart.measure.highest.capitalize()} at the last epoch: {join_words(rising)}."] if rising else []) + others


def _peak_said(chart: Chart, course: Course) -> str:
    if not course.end or not course.peak:
        return ""
    (top, peak), (_, end) = course.peak, course.end
    verdict = numbers.compare(end, peak, chart.tests)
    return f"{course.experiment} peaks at epoch {top}: {peak}; its end is {verdict} from that, {clear(verdict)}."


def trainings_said(found: Comparison, course: Course) -> str:
    """'rgb (moco) of mixup to 50, rgb-1 (cmmc) to 62, rgb-2 (cmmc) to 74'."""

    def said(span: Span) -> str:
        owner = "" if span.experiment == course.experiment else f" of {span.experiment}"
        return f"{chains.named(found.run.params, span.experiment, span.training)}{owner} to {span.stop}"

    return ", ".join(map(said, course.spans))


def rule(found: Comparison) -> str:
    """How a difference is judged, and what the number of seeds allows to say."""
    several = len(found.seeds) > 1
    source = errors(several)
    if found.show == "training":
        source = (
            "The errors come from the spread over seeds alone." if several else "One seed has no spread, so nothing here can be judged."
        )
    return (
        "Seen, reversed, better, worse, clear: by more than two standard errors of the difference, a rule of thumb that is not corrected"
        f" for how many differences are looked at; up to one in twenty passes by chance. {source}"
    )


def scale_said(found: Comparison) -> str:
    """That our numbers reproduce nothing, as long as anything differs; nothing where there is nothing of the paper beside."""
    rows = [row for stream in found.results.streams for row in stream.rows if row.method] if found.results else []
    if not (rows or found.figure):
        return ""
    if found.figure or any(row.differs for row in rows):
        return "Not a reproduction: the scale differs, as said below."
    return "In all that is recorded the setting is the paper's."


def heading(found: Comparison) -> str:
    """The title of the page."""
    return f"{found.name}: ours beside the paper's {found.beside}" if found.beside else found.name


def subtitle(found: Comparison) -> str:
    """What the paper's table or figure is about."""
    source: paper.Table | paper.Figure | None = found.table or found.figure
    return source.title if source else ""
