"""Seeds to a value, values to a table, and whether training helped.

The same results give the same tables, in whatever order they come.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.errors import InputError
from videossl.report import measures, paper
from videossl.report.measures import PERCENT, Measure, headline
from videossl.report.run import Run, rank

BASELINES = {"handmade": "hand-made feature", "untrained": "untrained encoder"}
MARKS = {"better": "▲", "unclear": "≈", "worse": "▼"}
STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Value:
    """The numbers of one cell, one a seed, with what they measure; `seeds` names the seeds where they are known."""

    numbers: tuple[float, ...]
    seeds: tuple[int, ...] = ()
    measure: Measure = PERCENT

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
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
    def each(self) -> list[str]:
        """The number of each seed, percentages in short."""
        digits = 0 if self.measure.unit == "%" else self.measure.digits
        return [f"{number:.{digits}f}" for number in self.numbers]

    def __str__(self) -> str:
        """Mean and, where there is one, sample standard deviation."""
        return " ± ".join(self.measure.text(number) for number in (self.mean, self.sd) if number is not None)


@dataclass(frozen=True)
class Verdict:
    """One value against another: the difference and the threshold in the unit of `measure`; better, worse or unclear."""

    difference: float
    threshold: float
    word: str
    measure: Measure

    @property
    def mark(self) -> str:
        """The verdict as a sign, so that it does not rest on colour."""
        return MARKS[self.word]

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return self.threshold / STANDARD_ERRORS

    @property
    def points(self) -> str:
        """The difference with its sign."""
        return points(self.difference, self.measure.digits)

    @property
    def margin(self) -> str:
        """The threshold, '' where nothing can be judged."""
        return f"±{self.measure.text(self.threshold)}" if math.isfinite(self.threshold) else ""

    def __str__(self) -> str:
        """'+1.2 ± 0.8': the difference and its standard error, where there is one."""
        return f"{self.points} ± {self.measure.text(self.error)}" if math.isfinite(self.error) else self.points


@dataclass(frozen=True)
class Task:
    """The numbers of one task on one dataset: `cells[experiment, stream][metric]`."""

    dataset: str
    task: str
    metric: str
    metrics: Sequence[str]
    streams: Sequence[str]
    experiments: Sequence[str]
    cells: Mapping[tuple[str, str], Mapping[str, Value]]
    chance: Mapping[str, float]
    counts: Mapping[str, int]

    @property
    def title(self) -> str:
        """What the task is called."""
        return str(measures.declared(self.task).get("title", self.task))

    @property
    def measure(self) -> Measure:
        """The headline metric."""
        return measures.measure(self.task, self.metric)

    def value(self, experiment: str, stream: str) -> Value | None:
        """The headline number of a cell, None when it was not measured."""
        return self.cells.get((experiment, stream), {}).get(self.metric)

    @property
    def trained(self) -> list[str]:
        """The experiments that are no baseline."""
        return [name for name in self.experiments if name not in BASELINES]

    @property
    def seeds(self) -> list[int]:
        """The numbers of seeds that come up in the cells."""
        return sorted({len(value.numbers) for cell in self.cells.values() for value in cell.values()})

    def best(self, stream: str) -> Value | None:
        """The value of the trained experiment with the best mean on `stream`."""
        values = [value for name in self.trained if (value := self.value(name, stream))]
        return max(values, key=lambda value: value.worth, default=None)

    def is_best(self, experiment: str, stream: str) -> bool:
        """Whether a trained experiment has that mean."""
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


def compare(ours: Value, base: Value, tests: int) -> Verdict:
    """Whether `ours` differs from `base` by more than two standard errors of the difference.

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


def tasks(run: Run) -> list[Task]:
    """The results by dataset and task. Two results of the same experiment and seed are an InputError."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for result in run.results:
        groups[result["dataset"], result["task"]].append(result)
    keys = sorted(groups, key=lambda key: (key[0] != run.dataset, key[0], measures.order(key[1])))
    return [_task(run, dataset, task, groups[dataset, task]) for dataset, task in keys]


def _task(run: Run, dataset: str, task: str, results: Sequence[Mapping[str, Any]]) -> Task:
    _check_seeds(results)
    numbers: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        for stream, metrics in result["values"].items():
            for metric, number in metrics.items():
                numbers[result["experiment"], stream][metric][int(result["seed"])] = float(number)
    cells = {
        key: {metric: by_seed(seeds, measures.measure(task, metric)) for metric, seeds in metrics.items()}
        for key, metrics in numbers.items()
    }
    first = results[0]
    return Task(
        dataset=dataset,
        task=task,
        metric=headline(task),
        metrics=sorted({metric for cell in cells.values() for metric in cell}, key=natural),
        streams=sorted({stream for _, stream in cells}, key=run.place),
        experiments=order_experiments(run, {experiment for experiment, _ in cells}),
        cells=cells,
        chance=first.get("chance", {}),
        counts=first.get("counts", {}),
    )


def by_seed(numbers: Mapping[int, float], measure: Measure) -> Value:
    """The numbers of the seeds, in their order, as one value."""
    seeds = tuple(sorted(numbers))
    return Value(tuple(numbers[seed] for seed in seeds), seeds, measure)


def _check_seeds(results: Iterable[Mapping[str, Any]]) -> None:
    seen: set[tuple[str, int]] = set()
    for result in results:
        key = (result["experiment"], result["seed"])
        if key in seen:
            where = f"{result['dataset']}, {result['task']}"
            raise InputError(f"two results of {key[0]}, seed {key[1]} ({where}); give the report each seed once")
        seen.add(key)


def order_experiments(run: Run, names: Iterable[str]) -> list[str]:
    """The baselines, then as in params.yaml, then as the paper builds them up, then by name."""
    known = [*BASELINES, *run.params.get("experiments", {}), *paper.experiments(paper.load())]
    return sorted(names, key=lambda name: rank(name, known))


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts R@5 before R@10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def points(number: float, digits: int = 1) -> str:
    """A difference, mostly in percentage points, with its sign; what rounds to nothing is +0.0."""
    return f"{round(number, digits) + 0.0:+.{digits}f}".replace("-", "−")
