"""Seeds as one value, values against each other, and the results of a task as a grid of values.

The same results give the same grids, in whatever order they come.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from videossl import registry
from videossl.errors import InputError
from videossl.report.run import Run, rank

BASELINES = {"handmade": "hand-made feature", "untrained": "untrained encoder"}
MARKS = {"better": "▲", "unclear": "≈", "worse": "▼"}
SEEN = {"better": "seen", "unclear": "not clear", "worse": "reversed"}
PAIR_MARKS = {"seen": "✓", "not clear": "≈", "reversed": "✗", "not measured": "–"}
STANDARD_ERRORS = 2
TRAINING = "training"
"""Stands for a task where numbers of the training itself are shown."""


@dataclass(frozen=True)
class Measure:
    """One metric. share: of the test videos, in percent, so that its error is binomial as well; else the seeds alone tell the error."""

    name: str = ""
    unit: str = "%"
    higher: bool = True
    share: bool = True

    @property
    def words(self) -> str:
        """The unit in words, '' where there is none."""
        return "percent" if self.unit == "%" else self.unit

    @property
    def highest(self) -> str:
        """The word for the best."""
        return "highest" if self.higher else "lowest"

    @property
    def digits(self) -> int:
        return 1 if self.unit == "%" else 2

    def text(self, number: float | None) -> str:
        """`number` as it is printed, a dash for none."""
        return "–" if number is None else f"{number:.{self.digits}f}"

    def worth(self, number: float) -> float:
        """`number`, turned round where lower is better."""
        return number if self.higher else -number


PERCENT = Measure()
"""The metric that nobody declares."""


def declared(task: str) -> Mapping[str, Any]:
    """The declaration of a task; nothing where there is no such task, as in results of another version."""
    return registry.declared("tasks", task) if task in registry.names("tasks") else {}


def measure(task: str, metric: str) -> Measure:
    """One metric of a task; of one that is not declared: a percentage of the test videos. In training nothing is better, only higher."""
    if task == TRAINING:
        return Measure(metric, "%" if metric == "accuracy" else "", share=False)
    said = declared(task).get("metrics", {}).get(metric, {})
    return Measure(metric, said.get("unit", "%"), said.get("higher", True), said.get("error", "share") == "share")


def headline(task: str) -> str:
    """The metric that stands for a task."""
    return str(declared(task).get("headline", "accuracy"))


def label(task: str, metric: str) -> str:
    """A metric in short: 'linear probe', 'R@1', 'loss'."""
    short = declared(task).get("short", "")
    return ", ".join(filter(None, (short, "" if short and metric == headline(task) else metric)))


def units(measures: Iterable[Measure]) -> str:
    """'percent', or where units differ the unit of each metric: 'accuracy in percent, error in repetitions'."""
    listed = list(dict.fromkeys(measures))
    if len({one.unit for one in listed}) == 1:
        return listed[0].words
    return ", ".join(f"{one.name} in {one.words}" for one in listed if one.unit)


@dataclass(frozen=True)
class Value:
    """The numbers of one cell, one a seed, with what they measure; `seeds` names the seeds where they are known."""

    numbers: tuple[float, ...]
    seeds: tuple[int, ...] = ()
    measure: Measure = PERCENT

    @property
    def mean(self) -> float:
        return statistics.fmean(self.numbers)

    @property
    def worth(self) -> float:
        """The mean, turned round where lower is better."""
        return self.measure.worth(self.mean)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation (n - 1); None for one seed, which has no spread."""
        return statistics.stdev(self.numbers) if len(self.numbers) > 1 else None

    @property
    def each(self) -> str:
        """The number of each seed, percentages in short; '' for one seed."""
        digits = 0 if self.measure.unit == "%" else self.measure.digits
        return " · ".join(f"{number:.{digits}f}" for number in self.numbers) if len(self.numbers) > 1 else ""

    def __str__(self) -> str:
        """Mean and, where there is one, sample standard deviation."""
        return " ± ".join(self.measure.text(number) for number in (self.mean, self.sd) if number is not None)


def by_seed(numbers: Mapping[int, float], measure: Measure) -> Value:
    """The numbers of the seeds, in their order, as one value."""
    seeds = tuple(sorted(numbers))
    return Value(tuple(numbers[seed] for seed in seeds), seeds, measure)


class Verdict(NamedTuple):
    """One value against another: the difference and the threshold in the unit of `measure`; better, worse or unclear."""

    difference: float
    threshold: float
    word: str
    measure: Measure

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return self.threshold / STANDARD_ERRORS

    @property
    def points(self) -> str:
        """The difference with its sign."""
        return points(self.difference, self.measure.digits)

    @property
    def clear(self) -> str:
        """In words, whether there is a difference."""
        if math.isinf(self.threshold):
            return "which nothing here can judge"
        return "no clear difference" if self.word == "unclear" else "a clear difference"

    def __str__(self) -> str:
        """'+1.2 ± 0.8': the difference and its standard error, where there is one."""
        return f"{self.points} ± {self.measure.text(self.error)}" if math.isfinite(self.error) else self.points


def compare(ours: Value, base: Value, tests: int) -> Verdict:
    """Judge a difference: `ours` against `base`, by two standard errors of the difference.

    Its variance is sd² / n each where there are several seeds and, of a share of the test videos, a part from their finite
    number (binomial: p (100 - p) / tests for each of the two, with p the mean of both, so that 100 against 0 on two videos has an
    error too). A rule of thumb, on the wide side: both have the same test videos. Nothing can be said of a share
    without a number of test videos, and of any other number (a loss) with one seed on either side.
    """
    measure, pooled = ours.measure, (ours.mean + base.mean) / 2
    known = tests > 0 if measure.share else None not in (ours.sd, base.sd)
    variance = (2 * pooled * (100 - pooled) / tests if measure.share else 0.0) if known else math.inf
    variance += sum(v.sd**2 / len(v.numbers) for v in (ours, base) if v.sd is not None)
    threshold = STANDARD_ERRORS * math.sqrt(max(variance, 0.0))
    unclear = abs(ours.mean - base.mean) <= threshold
    word = "unclear" if unclear else "better" if ours.worth > base.worth else "worse"
    return Verdict(ours.mean - base.mean, threshold, word, measure)


def points(number: float, digits: int = 1) -> str:
    """A difference, mostly in percentage points, with its sign; what rounds to nothing is +0.0."""
    return f"{round(number, digits) + 0.0:+.{digits}f}".replace("-", "−")


class Pair(NamedTuple):
    """Two experiments, the one that is better in the paper first; `theirs` are the paper's numbers, none where it prints none.

    verdict: ours of `above` against ours of `below`, None where one is not measured. neighbours: no third experiment that
    we have lies between them in the paper.
    """

    above: str
    below: str
    theirs: tuple[float, float] | None
    verdict: Verdict | None
    neighbours: bool = True

    @property
    def word(self) -> str:
        """The paper's order here: seen, reversed, not clear or not measured."""
        return SEEN[self.verdict.word] if self.verdict else "not measured"

    @property
    def mark(self) -> str:
        """The word as a sign, so that it does not rest on colour."""
        return PAIR_MARKS[self.word]

    def __str__(self) -> str:
        """'stc-mix above mixup (paper +2.8, here −1.0 ± 4.1)'."""
        theirs = f"paper {points(self.theirs[0] - self.theirs[1])}, " if self.theirs else ""
        return f"{self.above} above {self.below}{f' ({theirs}here {self.verdict})' if self.verdict else ''}"


@dataclass(frozen=True)
class Task:
    """The numbers of one task on one dataset: `cells[experiment, stream][metric]`."""

    dataset: str
    task: str
    metrics: Sequence[str]
    streams: Sequence[str]
    experiments: Sequence[str]
    cells: Mapping[tuple[str, str], Mapping[str, Value]]
    chance: Mapping[str, float]
    counts: Mapping[str, int]

    @property
    def title(self) -> str:
        return str(declared(self.task).get("title", self.task))

    @property
    def metric(self) -> str:
        return headline(self.task)

    @property
    def measure(self) -> Measure:
        """The headline metric."""
        return measure(self.task, self.metric)

    @property
    def trained(self) -> list[str]:
        """The experiments that are no baseline."""
        return [name for name in self.experiments if name not in BASELINES]

    def value(self, experiment: str, stream: str) -> Value | None:
        """The headline number of a cell, None when it was not measured."""
        return self.cells.get((experiment, stream), {}).get(self.metric)

    def best(self, stream: str) -> Value | None:
        """The value of the trained experiment with the best mean on `stream`."""
        values = [value for name in self.trained if (value := self.value(name, stream))]
        return max(values, key=lambda value: value.worth, default=None)

    def is_best(self, experiment: str, stream: str) -> bool:
        """True for a trained experiment that has that mean."""
        value, best = self.value(experiment, stream), self.best(stream)
        return experiment in self.trained and value is not None and best is not None and value.mean == best.mean

    def verdict(self, experiment: str, stream: str) -> Verdict | None:
        """`experiment` against the untrained encoder of the same stream; None when either is missing."""
        return self._compared(self.value(experiment, stream), self.value("untrained", stream))

    def against_handmade(self, stream: str) -> Verdict | None:
        """The best trained experiment against the hand-made feature; None when either is missing."""
        return self._compared(self.best(stream), self.value("handmade", stream))

    def _compared(self, ours: Value | None, base: Value | None) -> Verdict | None:
        return compare(ours, base, self.counts.get("test", 0)) if ours and base else None


def tasks(run: Run) -> list[Task]:
    """The results by dataset and task. Two results of the same experiment and seed raise InputError."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for result in run.results:
        groups[result["dataset"], result["task"]].append(result)
    order = {task: (declared(task).get("order", math.inf), task) for _, task in groups}
    keys = sorted(groups, key=lambda key: (key[0] != run.dataset, key[0], order[key[1]]))
    return [_task(run, dataset, task, groups[dataset, task]) for dataset, task in keys]


def _task(run: Run, dataset: str, task: str, results: Sequence[Mapping[str, Any]]) -> Task:
    for (experiment, seed), times in Counter((result["experiment"], result["seed"]) for result in results).items():
        if times > 1:
            raise InputError(f"two results of {experiment}, seed {seed} ({dataset}, {task}); give the report each seed once")
    numbers: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        for stream, metrics in result["values"].items():
            for metric, number in metrics.items():
                numbers[result["experiment"], stream][metric][int(result["seed"])] = float(number)
    known = list(declared(task).get("metrics", {}))
    return Task(
        dataset=dataset,
        task=task,
        metrics=sorted({metric for cell in numbers.values() for metric in cell}, key=lambda metric: rank(metric, known)),
        streams=sorted({stream for _, stream in numbers}, key=run.place),
        experiments=in_order(run, {experiment for experiment, _ in numbers}),
        cells={key: {metric: by_seed(seeds, measure(task, metric)) for metric, seeds in cell.items()} for key, cell in numbers.items()},
        chance=results[0].get("chance", {}),
        counts=results[0].get("counts", {}),
    )


def in_order(run: Run, experiments: Iterable[str]) -> list[str]:
    """The baselines, then as in params.yaml, then by name."""
    known = [*BASELINES, *run.params.get("experiments", {})]
    return sorted(experiments, key=lambda name: rank(name, known))
