"""The trainings behind an encoder, one after the other, and numbers along them: losses, and those of tasks (P figures 2 and 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from videossl.params import recipes
from videossl.report import numbers, paper
from videossl.report.numbers import TRAINING, Measure, Pair, Value, by_seed, headline, label
from videossl.report.run import Run

Rows = Sequence[Mapping[str, Any]]
Point = tuple[str, str, int, int, float]
"""A number as it was recorded: experiment, training, epoch in it, seed, number."""


class Span(NamedTuple):
    """A training behind an encoder, and the epochs before and after it, counted from the first."""

    experiment: str
    training: str
    start: int
    stop: int


def spans(params: Mapping[str, Any], experiment: str, stream: str) -> list[Span]:
    """All trainings in order; [] where the params have no such encoder."""
    result: list[Span] = []
    for job in recipes.chain(dict(params), experiment, stream) if experiment in params.get("experiments", {}) else []:
        start = result[-1].stop if result else 0
        result.append(Span(job.experiment, job.name, start, start + recipes.epochs(dict(params), job)))
    return result


def named(params: Mapping[str, Any], experiment: str, training: str) -> str:
    """A training with its method: 'rgb-1 (cmmc)'."""
    method = params.get("experiments", {}).get(experiment, {}).get("method")
    return f"{training} ({method})" if method else training


def settings(params: Mapping[str, Any], experiment: str, stream: str) -> dict[str, Any]:
    """The values with which an experiment trains a stream; {} where the params have no such encoder."""
    if not spans(params, experiment, stream):
        return {}
    method = params["experiments"][experiment]["method"]
    return {key: setting.value for key, setting in recipes.settings(dict(params), stream, method, experiment).items()}


def candidates(params: Mapping[str, Any], experiment: str, stream: str) -> int | None:
    """The number of keys that a view is compared with, where the method names the settings that add up to it."""
    values = settings(params, experiment, stream)
    return sum(values[key] for key in recipes.method(dict(params), experiment).get("candidates", [])) or None if values else None


def streams(params: Mapping[str, Any], experiment: str, training: str) -> tuple[str, ...]:
    """The streams that a training trains; its own name where the params do not have it."""
    jobs = recipes.trainings(dict(params), experiment) if experiment in params.get("experiments", {}) else []
    return next((job.streams for job in jobs if job.name == training), (training,))


def histories(run: Run, experiment: str, stream: str, seed: int) -> list[Mapping[str, Any]]:
    """The training curves of one encoder in order, those that are there, each with its `name` and its `candidates`."""
    curves = {(one["experiment"], one["training"]): one for one in run.histories if one["seed"] == seed and one["epochs"]}
    wanted = [(span.experiment, span.training) for span in spans(run.params, experiment, stream)] or [(experiment, stream)]
    about = {key: {"name": named(run.params, *key), "candidates": candidates(run.params, key[0], stream)} for key in wanted}
    return [{**curves[key], **about[key], "epochs": of_stream(curves[key]["epochs"], stream)} for key in wanted if key in curves]


def of_stream(epochs: Rows, stream: str) -> Rows:
    """The curve of one stream: of all that a training of several measures of each, as "loss/joint", its own, as "loss"."""
    own = f"/{stream}"
    return [
        {key: value for key, value in row.items() if "/" not in key}
        | {key.removesuffix(own): value for key, value in row.items() if key.endswith(own)}
        for row in epochs
    ]


@dataclass(frozen=True)
class Course:
    """One experiment: (epochs since the first training began, the value of all seeds), by rising epochs; no points: not measured."""

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
    """Courses of one stream in one number. `task` is TRAINING or was measured on `dataset`; name: of the number.

    tests: of the dataset, 0 in training. order: the claims of the paper's text on their ends.
    """

    stream: str
    dataset: str
    task: str
    metric: str
    name: str
    chance: float | None
    tests: int
    courses: Sequence[Course]
    order: Sequence[Pair]

    @property
    def measure(self) -> Measure:
        return numbers.measure(self.task, self.metric)


def said(params: Mapping[str, Any], course: Course) -> str:
    """'rgb (moco) of mixup to 50, rgb-1 (cmmc) to 62, rgb-2 (cmmc) to 74'."""
    owners = ["" if span.experiment == course.experiment else f" of {span.experiment}" for span in course.spans]
    names = [named(params, span.experiment, span.training) for span in course.spans]
    return ", ".join(f"{name}{owner} to {span.stop}" for name, owner, span in zip(names, owners, course.spans, strict=True))


def progress(run: Run, target: Mapping[str, Any], figure: paper.Figure | None) -> Iterator[Chart]:
    """Downstream numbers along the trainings, by stream and task, on the dataset that encoders are trained on."""
    for stream in target["streams"]:
        files = [file for file in run.progress if file["dataset"] == run.dataset and stream in file["streams"]]
        first: Mapping[str, Any] = files[0]["streams"][stream] if files else {}
        for task in target["tasks"]:
            metric = headline(task)
            recorded = [
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
            chance, tests = first.get("chance", {}).get(task, {}).get(metric), first.get("counts", {}).get("test", 0)
            named = (stream, run.dataset, task, metric, label(task, metric), chance, tests)
            yield _chart(run, target, figure, named, recorded, untrained)


def training(run: Run, target: Mapping[str, Any], figure: paper.Figure | None) -> Iterator[Chart]:
    """Loss and accuracy along the trainings, by stream; a number that no training has is left out."""
    known = {key for one in run.histories for row in one["epochs"] for key in row} or {"loss", "accuracy"}
    names = {"loss": "loss", "accuracy": "accuracy"} | dict(figure.names if figure else {})
    for stream in target["streams"]:
        for metric, name in names.items():
            recorded = [
                (one["experiment"], one["training"], epoch, int(one["seed"]), float(row[metric]))
                for one in run.histories
                for epoch, row in enumerate(of_stream(one["epochs"], stream), 1)
                if metric in row
            ]
            if known & {metric, f"{metric}/{stream}"}:
                yield _chart(run, target, figure, (stream, run.dataset, TRAINING, metric, name, None, 0), recorded, {})


def _chart(
    run: Run,
    target: Mapping[str, Any],
    figure: paper.Figure | None,
    named: tuple[str, str, str, str, str, float | None, int],
    recorded: Sequence[Point],
    untrained: Mapping[int, float],
) -> Chart:
    """named: all of the chart up to its `tests`. untrained: the numbers from before the first training, by seed."""
    chart = Chart(*named, courses=[], order=[])
    by_training: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in recorded:
        by_training[point[:2]].append(point)
    courses = []
    for name in target["experiments"]:
        by_epoch: dict[int, dict[int, float]] = defaultdict(dict)
        trainings = spans(run.params, name, chart.stream)
        for span in trainings:
            for _, _, epoch, seed, number in by_training[span[:2]]:
                by_epoch[span.start + epoch][seed] = number
        if by_epoch and untrained:
            by_epoch[0] = dict(untrained)
        points = [(epoch, by_seed(by_epoch[epoch], chart.measure)) for epoch in sorted(by_epoch)]
        courses.append(Course(name, trainings, points))
    return Chart(*named, courses=courses, order=list(_order(run, figure, chart, courses)))


def _order(run: Run, figure: paper.Figure | None, chart: Chart, courses: Sequence[Course]) -> Iterator[Pair]:
    """The text's claims on the ends, in this number."""
    ends = {run.recipe(course.experiment): (course.experiment, course.end) for course in courses}
    for claim in figure.order if figure else ():
        if (claim.task, claim.metric) == (chart.task, chart.metric) and claim.above in ends and claim.below in ends:
            (above, high), (below, low) = ends[claim.above], ends[claim.below]
            yield Pair(above, below, None, numbers.compare(high[1], low[1], chart.tests) if high and low else None)
