"""Numbers along the trainings behind an encoder: those of tasks (P figure 2), and loss and accuracy in training (P figure 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from videossl.report import chains, measures, paper
from videossl.report.beside import recipe_of
from videossl.report.chains import Span
from videossl.report.compare import Pair
from videossl.report.measures import TRAINING, Measure, headline
from videossl.report.numbers import Value, by_seed, compare
from videossl.report.run import Run

Numbers = Mapping[tuple[str, str], Sequence[tuple[int, int, float]]]
"""(experiment, training) -> what is known of it, as (epoch in it, seed, number)."""


@dataclass(frozen=True)
class Course:
    """One experiment: (epochs since the first training began, the value of all seeds), by rising epochs.

    points: empty where nothing was measured.
    """

    experiment: str
    spans: Sequence[Span]
    points: Sequence[tuple[int, Value]]

    @property
    def end(self) -> tuple[int, Value] | None:
        """The last point."""
        return self.points[-1] if self.points else None

    @property
    def peak(self) -> tuple[int, Value] | None:
        """The point with the best mean, the first of equals."""
        return max(self.points, key=lambda point: point[1].worth, default=None)


@dataclass(frozen=True)
class Chart:
    """Courses of one stream in one number. `task` is TRAINING or what was measured on `dataset`; name: of the number.

    tests: of the dataset, 0 in training. order: what the paper's text says of their ends.
    """

    stream: str
    dataset: str
    task: str
    metric: str
    name: str
    chance: float | None
    tests: int
    courses: Sequence[Course] = ()
    order: Sequence[Pair] = ()

    @property
    def measure(self) -> Measure:
        """What the metric is."""
        return measures.measure(self.task, self.metric)


def progress(run: Run, target: Mapping[str, Any], figure: paper.Figure | None) -> list[Chart]:
    """Downstream numbers along the trainings, by stream and task, on the dataset that encoders are trained on."""
    result = []
    for stream in target["streams"]:
        files = [file for file in run.progress if file["dataset"] == run.dataset and stream in file["streams"]]
        for task in target["tasks"]:
            first: Mapping[str, Any] = files[0]["streams"][stream] if files else {}
            metric, tests = headline(task), first.get("counts", {}).get("test", 0)
            chance = first.get("chance", {}).get(task, {}).get(metric)
            chart = Chart(stream, run.dataset, task, metric, measures.label(task, metric), chance, tests)
            result.append(_filled(chart, run, target, figure, _measured(files, stream, task), _untrained(run, stream, task)))
    return result


def training(run: Run, target: Mapping[str, Any], figure: paper.Figure | None) -> list[Chart]:
    """Loss and accuracy along the trainings, by stream; what no training has is left out."""
    recorded = {key for one in run.histories for row in one["epochs"] for key in row} or {"loss", "accuracy"}
    names = {"loss": "loss", "accuracy": "accuracy"} | dict(figure.names if figure else {})
    return [
        _filled(Chart(stream, run.dataset, TRAINING, metric, name, None, 0), run, target, figure, _recorded(run, stream, metric), {})
        for stream in target["streams"]
        for metric, name in names.items()
        if recorded & {metric, f"{metric}/{stream}"}
    ]


def _filled(
    chart: Chart, run: Run, target: Mapping[str, Any], figure: paper.Figure | None, numbers: Numbers, start: Mapping[int, float]
) -> Chart:
    """start: the numbers from before the first training, by seed."""
    courses = [_course(run, name, chart, numbers, start) for name in target["experiments"]]
    return replace(chart, courses=courses, order=_order(run, figure, chart, courses))


def _measured(files: Sequence[Mapping[str, Any]], stream: str, task: str) -> Numbers:
    result = defaultdict(list)
    for file in files:
        for point in file["streams"][stream]["points"]:
            if task in point:
                number = float(point[task][headline(task)])
                result[file["experiment"], file["training"]].append((int(point["epoch"]), int(file["seed"]), number))
    return result


def _recorded(run: Run, stream: str, metric: str) -> Numbers:
    result = defaultdict(list)
    for one in run.histories:
        for epoch, row in enumerate(chains.of_stream(one["epochs"], stream), 1):
            if metric in row:
                result[one["experiment"], one["training"]].append((epoch, int(one["seed"]), float(row[metric])))
    return result


def _course(run: Run, name: str, chart: Chart, numbers: Numbers, start: Mapping[int, float]) -> Course:
    spans = chains.spans(run.params, name, chart.stream)
    by_epoch: dict[int, dict[int, float]] = defaultdict(dict)
    for span in spans:
        for epoch, seed, number in numbers.get((span.experiment, span.training), ()):
            by_epoch[span.start + epoch][seed] = number
    if by_epoch and start:
        by_epoch[0] = dict(start)
    return Course(name, spans, [(epoch, by_seed(by_epoch[epoch], chart.measure)) for epoch in sorted(by_epoch)])


def _untrained(run: Run, stream: str, task: str) -> dict[int, float]:
    """What the encoder gives at its initial weights, by seed."""
    wanted = ("untrained", run.dataset, task)
    files = [file for file in run.results if (file["experiment"], file["dataset"], file["task"]) == wanted]
    return {int(file["seed"]): float(file["values"][stream][headline(task)]) for file in files if stream in file["values"]}


def _order(run: Run, figure: paper.Figure | None, chart: Chart, courses: Sequence[Course]) -> list[Pair]:
    """What the text says of the ends, in this number."""
    ends = {recipe_of(run, course.experiment): (course.experiment, course.end) for course in courses}
    result = []
    for claim in figure.order if figure else ():
        if (claim.task, claim.metric) == (chart.task, chart.metric) and claim.above in ends and claim.below in ends:
            (above, high), (below, low) = ends[claim.above], ends[claim.below]
            result.append(Pair(above, below, None, compare(high[1], low[1], chart.tests) if high and low else None))
    return result
