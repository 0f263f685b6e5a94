"""Numbers along the trainings behind an encoder: downstream accuracy (P figure 2), loss and (K+1)-way accuracy (P figure 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.report import chains, paper
from videossl.report.beside import recipe_of
from videossl.report.compare import Pair
from videossl.report.numbers import Value, Verdict, by_seed, compare, compare_spread, headline
from videossl.report.run import Run

Spans = Sequence[tuple[str, str, int, int]]


@dataclass(frozen=True)
class Course:
    """One experiment: (epochs since the first training began, the value of all seeds), by rising epochs.

    spans: its trainings as (owner, phase, first epoch, last epoch). points: empty where nothing was measured.
    """

    experiment: str
    spans: Spans
    points: Sequence[tuple[int, Value]]

    @property
    def end(self) -> tuple[int, Value] | None:
        """The last point."""
        return self.points[-1] if self.points else None

    @property
    def peak(self) -> tuple[int, Value] | None:
        """The point with the highest mean, the first of equals."""
        return max(self.points, key=lambda point: point[1].mean, default=None)


@dataclass(frozen=True)
class Chart:
    """Courses of one stream in one number. `task` is `training` or what was measured on `dataset`.

    tests: of the dataset, 0 in training. order: what the paper's text says of their ends.
    """

    stream: str
    dataset: str
    task: str
    metric: str
    chance: float | None
    tests: int
    courses: Sequence[Course]
    order: Sequence[Pair]

    def verdict(self, ours: Value, base: Value) -> Verdict:
        """Two values of this chart compared."""
        return _verdict(self.task, self.tests, ours, base)


def progress(run: Run, target: Mapping[str, Any], figure: paper.Figure | None) -> list[Chart]:
    """Downstream numbers along the trainings, by stream and task, on the dataset that encoders are trained on."""
    result = []
    for stream in target["modalities"]:
        files = [found for found in run.progress if (found["dataset"], found["modality"]) == (run.dataset, stream)]
        for task in target["tasks"]:
            untrained = {(0, seed): number for seed, number in _untrained(run, stream, task).items()}
            courses = [_course(run, name, stream, untrained, _measured(files, task)) for name in target["experiments"]]
            first: Mapping[str, Any] = next(iter(files), {})
            chance = first.get("chance", {}).get(task, {}).get(headline(task))
            tests = first.get("counts", {}).get("test", 0)
            order = _order(run, figure, courses, task, headline(task), tests)
            result.append(Chart(stream, run.dataset, task, headline(task), chance, tests, courses, order))
    return result


def training(run: Run, target: Mapping[str, Any], figure: paper.Figure | None) -> list[Chart]:
    """Loss and (K+1)-way accuracy along the trainings, by stream."""
    result = []
    for stream in target["modalities"]:
        files = [found for found in run.histories if found["modality"] == stream]
        for metric in ("loss", "accuracy"):
            courses = [_course(run, name, stream, {}, _recorded(files, metric)) for name in target["experiments"]]
            order = _order(run, figure, courses, "training", metric, 0)
            result.append(Chart(stream, run.dataset, "training", metric, None, 0, courses, order))
    return result


Found = Callable[[str, str], Iterable[tuple[int, int, float]]]
"""What is known of one training (owner, phase): (epoch in it, seed, number)."""


def _measured(files: Sequence[Mapping[str, Any]], task: str) -> Found:
    def found(owner: str, phase: str) -> Iterable[tuple[int, int, float]]:
        for one in files:
            if (one["experiment"], one["phase"]) == (owner, phase):
                for point in one["points"]:
                    if task in point:
                        yield int(point["epoch"]), int(one["seed"]), float(point[task][headline(task)])

    return found


def _recorded(files: Sequence[Mapping[str, Any]], metric: str) -> Found:
    def found(owner: str, phase: str) -> Iterable[tuple[int, int, float]]:
        for one in files:
            if (one["experiment"], one["phase"]) == (owner, phase):
                for epoch, row in enumerate(one["epochs"], 1):
                    yield epoch, int(one["seed"]), float(row[metric])

    return found


def _course(run: Run, name: str, stream: str, start: Mapping[tuple[int, int], float], found: Found) -> Course:
    """start: numbers by (epoch, seed) from before the first training."""
    spans = chains.spans(run.params, name, stream)
    by_epoch: dict[int, dict[int, float]] = defaultdict(dict)
    later = {(before + epoch, seed): number for owner, phase, before, _ in spans for epoch, seed, number in found(owner, phase)}
    for (epoch, seed), number in ({**start, **later} if later else {}).items():
        by_epoch[epoch][seed] = number
    return Course(name, spans, [(epoch, by_seed(by_epoch[epoch])) for epoch in sorted(by_epoch)])


def _untrained(run: Run, stream: str, task: str) -> dict[int, float]:
    """What the encoder gives at its initial weights, by seed."""
    wanted = ("untrained", run.dataset, task)
    files = [found for found in run.results if (found["experiment"], found["dataset"], found["task"]) == wanted]
    return {int(found["seed"]): float(found["values"][stream][headline(task)]) for found in files if stream in found["values"]}


def _order(run: Run, figure: paper.Figure | None, courses: Sequence[Course], task: str, metric: str, tests: int) -> list[Pair]:
    """What the text says of the ends: of the linear probe or of training; it says nothing of retrieval."""
    if figure is None or task == "retrieval":
        return []
    ends = {recipe_of(run, course.experiment): (course.experiment, course.end) for course in courses}
    result = []
    for claim in figure.order:
        if claim.metric == metric and claim.above in ends and claim.below in ends:
            (above, high), (below, low) = ends[claim.above], ends[claim.below]
            result.append(Pair(above, below, None, _verdict(task, tests, high[1], low[1]) if high and low else None))
    return result


def _verdict(task: str, tests: int, ours: Value, base: Value) -> Verdict:
    return compare_spread(ours, base) if task == "training" else compare(ours, base, tests)
