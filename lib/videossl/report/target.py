"""One target of params.yaml, compared: as data and in words (as a page: compared.py). The same run gives the same bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.errors import InputError
from videossl.report import beside, courses, numbers, paper, words
from videossl.report.beside import Column, Number, Results
from videossl.report.courses import Chart
from videossl.report.numbers import PAIR_MARKS, Pair, Value, label
from videossl.report.run import Run
from videossl.report.tables import sources
from videossl.report.words import count, join_words


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
    """Compare what the target `name` of `run.params` names. Raises InputError where there is no such target."""
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
    results = target.results or Results(None, [], [], [], [], [])
    record = {
        "target": target.name,
        "show": target.show,
        "beside": target.beside or None,
        "dataset": target.run.dataset,
        "seeds": target.run.seeds,
        "lead": lead(target),
        "rule": rule(target),
        "numbers": [_number(number) for number in results.numbers],
        "orders": [
            {"stream": stream, **_column(column), "counts": tally(pairs), "pairs": [_pair(pair) for pair in pairs]}
            for stream, column, pairs in results.orders
        ],
        "paper_alone": [
            {"method": number.method, "stream": number.stream or None, **_column(number.column), "paper": number.theirs}
            for number in results.alone
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


def _number(number: Number) -> dict[str, Any]:
    return {
        "experiment": number.experiment,
        "stream": number.stream,
        **_column(number.column),
        **_value(number.ours),
        "chance": number.column.chance,
        "test_videos": number.column.tests,
        "paper": number.theirs,
        "paper_method": number.method or None,
        "differs": number.differs,
    }


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


def tally(pairs: Sequence[Pair]) -> dict[str, int]:
    """The number of pairs of each word: seen, not clear, reversed and not measured."""
    return {word: sum(pair.word == word for pair in pairs) for word in PAIR_MARKS}


def tally_said(pairs: Sequence[Pair], source: str) -> str:
    """'of the paper's 10 pairs in Table 1, 4 are seen, 5 are not clear and 1 is reversed.'"""
    said = [(word, number) for word, number in tally(pairs).items() if number or word in ("seen", "reversed")]
    parts = [f"{number or 'none'} {'are' if number > 1 else 'is'} {word}" for word, number in said]
    return f"of the paper's {count(len(pairs), 'pair')}{f' in {source}' if source else ''}, {join_words(parts)}."


def lead(target: Comparison) -> str:
    """The first sentence: how much of the paper's order is seen, or which is highest; and over which seeds."""
    if target.results:
        said = _lead_results(target, target.results)
    else:
        pairs = [pair for chart in target.charts for pair in chart.order]
        order = f"On {paper.dataset_name(target.run.dataset)}, {tally_said(pairs, target.beside)} " if pairs else ""
        said = order + end_said(next((chart for chart in target.charts if chart.order), target.charts[0]))
    return f"{said.strip() or 'Nothing was measured.'} {words.seeds_words(target.run.seeds)}."


def _lead_results(target: Comparison, results: Results) -> str:
    """The pairs of all streams, or where there are none 'stc-mix 69.0 ± 8.7 on rgb+flow (paper, at another scale, 74.0)'."""
    first = results.columns[0]
    tests = {column.dataset: column.tests for column in sorted(results.columns, key=lambda column: column.tests)}
    datasets = dict.fromkeys(column.dataset for column in results.columns)
    named = [paper.dataset_name(name) + (f" ({count(tests[name], 'test video')})" if tests[name] else "") for name in datasets]
    if results.orders:
        return f"On {join_words(named)}, {tally_said([pair for order in results.orders for pair in order.pairs], target.beside)}"
    said = []
    for number in results.numbers:
        if number.column is first and number.ours and number.experiment not in numbers.BASELINES:
            scale = ", at another scale," if number.differs else ""
            theirs = f" (paper{scale} {number.theirs:.1f})" if number.theirs is not None else ""
            said.append(f"{number.experiment} {number.ours} on {number.stream}{theirs}")
    order = f" No two rows here are in {target.beside}, so it has no order to compare." if target.beside else ""
    return f"On {named[0]}, {label(first.task, first.metric)}: {join_words(said) or 'nothing was measured'}.{order}"


def end_said(chart: Chart) -> str:
    """The experiment that is best at its last epoch, and by how much; '' where nothing was measured."""
    ends = [(course.experiment, *course.end) for course in chart.courses if course.end]
    if not ends:
        return ""
    (first, epoch, best), *others = sorted(ends, key=lambda end: -end[2].worth)
    said = f"{first} ends {chart.measure.highest} in {chart.name} ({chart.stream}): {best} after {count(epoch, 'epoch')}"
    for second, _, next_best in others[:1]:
        verdict = numbers.compare(best, next_best, chart.tests)
        said += f", {verdict} from the next, {second}, {verdict.clear}"
    return f"{said}."


def peaks_said(chart: Chart) -> list[str]:
    """The courses that are best at their last epoch, and where each other one peaks and what is left of it at the end."""
    rising = [course.experiment for course in chart.courses if course.end and course.peak == course.end]
    said = [f"{chart.measure.highest.capitalize()} at the last epoch: {join_words(rising)}."] if rising else []
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
        source = "One seed has no spread, so nothing here can be judged."
        source = "The errors come from the spread over seeds alone." if several else source
    return (
        "Seen, reversed, better, worse, clear: by more than two standard errors of the difference, a rule of thumb that is not corrected"
        f" for how many differences are looked at; up to one in twenty passes by chance. {source}"
    )


def scale_said(target: Comparison) -> str:
    """The warning that our numbers reproduce nothing, as long as anything differs; nothing where nothing of the paper stands beside."""
    of_both = [number for number in (target.results.numbers if target.results else ()) if number.method]
    if (target.charts and target.printed) or any(number.differs for number in of_both):
        return "Not a reproduction: the scale differs, as said below."
    return "In all that is recorded the setting is the paper's." if of_both else ""
