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
from videossl.report import paper
from videossl.report.run import Run

BASELINES = {"handmade": "hand-made feature", "untrained": "untrained encoder"}
TASKS = {"retrieval": "Nearest-neighbour retrieval", "linear": "Linear probe", "finetune": "Finetuning"}
MODALITIES = ("rgb", "flow", "joint", "motion", "bone")
MARKS = {"better": "▲", "unclear": "≈", "worse": "▼"}
STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Value:
    """The numbers of one cell, mostly percentages, one a seed; `seeds` names the seeds where they are known."""

    numbers: tuple[float, ...]
    seeds: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.numbers)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation (n - 1); None for one seed, which has no spread."""
        return statistics.stdev(self.numbers) if len(self.numbers) > 1 else None

    def text(self, digits: int = 1) -> str:
        """Mean and, where there is one, sample standard deviation."""
        return f"{self.mean:.{digits}f}" if self.sd is None else f"{self.mean:.{digits}f} ± {self.sd:.{digits}f}"

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Verdict:
    """One value against another: the difference and the threshold in points, better, worse or unclear."""

    difference: float
    threshold: float
    word: str

    @property
    def mark(self) -> str:
        """The verdict as a sign, so that it does not rest on colour."""
        return MARKS[self.word]

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return self.threshold / STANDARD_ERRORS


@dataclass(frozen=True)
class Task:
    """The numbers of one task on one dataset: `cells[experiment, modality][metric]`."""

    dataset: str
    task: str
    metric: str
    metrics: Sequence[str]
    modalities: Sequence[str]
    experiments: Sequence[str]
    cells: Mapping[tuple[str, str], Mapping[str, Value]]
    chance: Mapping[str, float]
    counts: Mapping[str, int]

    def value(self, experiment: str, modality: str) -> Value | None:
        """The headline number of a cell, None when it was not measured."""
        return self.cells.get((experiment, modality), {}).get(self.metric)

    @property
    def trained(self) -> list[str]:
        """The experiments that are no baseline."""
        return [name for name in self.experiments if name not in BASELINES]

    @property
    def seeds(self) -> list[int]:
        """The numbers of seeds that come up in the cells."""
        return sorted({len(value.numbers) for cell in self.cells.values() for value in cell.values()})

    def best_value(self, modality: str) -> Value | None:
        """The value of the trained experiment with the highest mean on `modality`."""
        values = [value for name in self.trained if (value := self.value(name, modality))]
        return max(values, key=lambda value: value.mean, default=None)

    def best(self, modality: str) -> float | None:
        """The highest mean of the trained experiments on `modality`."""
        value = self.best_value(modality)
        return value.mean if value else None

    def verdict(self, experiment: str, modality: str) -> Verdict | None:
        """`experiment` against the untrained encoder of the same modality; None when either is missing."""
        ours, base = self.value(experiment, modality), self.value("untrained", modality)
        return compare(ours, base, self.counts.get("test", 0)) if ours and base else None

    def against_handmade(self, modality: str) -> Verdict | None:
        """The best trained experiment against the hand-made feature; None when either is missing."""
        ours, base = self.best_value(modality), self.value("handmade", modality)
        return compare(ours, base, self.counts.get("test", 0)) if ours and base else None


def compare(ours: Value, base: Value, tests: int) -> Verdict:
    """Whether `ours` differs from `base` by more than two standard errors of the difference.

    Its variance has a part from the finite number of test videos (binomial: p (100 - p) / tests for each of
    the two, with p the mean of both, so that 100 against 0 on two videos has an error too) and, where there are
    several seeds, sd² / n each. A rule of thumb, on the wide side: both have the same test videos. Without a
    number of test videos nothing can be said.
    """
    pooled = (ours.mean + base.mean) / 2
    return _verdict(ours, base, 2 * pooled * (100 - pooled) / tests if tests else math.inf)


def compare_spread(ours: Value, base: Value) -> Verdict:
    """The same by the spread over seeds alone, for numbers that are no share of the test videos (a loss).

    With one seed on either side nothing can be said.
    """
    return _verdict(ours, base, 0.0 if None not in (ours.sd, base.sd) else math.inf)


def _verdict(ours: Value, base: Value, variance: float) -> Verdict:
    """`variance`: of the difference, apart from the spread over seeds."""
    variance += sum(v.sd**2 / len(v.numbers) for v in (ours, base) if v.sd is not None)
    threshold = STANDARD_ERRORS * math.sqrt(max(variance, 0.0))
    difference = ours.mean - base.mean
    word = "unclear" if abs(difference) <= threshold else "better" if difference > 0 else "worse"
    return Verdict(difference, threshold, word)


def tasks(run: Run) -> list[Task]:
    """The results by dataset and task. Two results of the same experiment and seed are an InputError."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for result in run.results:
        groups[result["dataset"], result["task"]].append(result)
    order = list(TASKS)
    keys = sorted(groups, key=lambda key: (key[0] != run.dataset, key[0], *rank(key[1], order)))
    return [_task(run, dataset, task, groups[dataset, task]) for dataset, task in keys]


def _task(run: Run, dataset: str, task: str, results: Sequence[Mapping[str, Any]]) -> Task:
    _check_seeds(results)
    numbers: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for result in sorted(results, key=lambda r: int(r["seed"])):
        for modality, metrics in result["values"].items():
            for metric, number in metrics.items():
                numbers[result["experiment"], modality][metric][int(result["seed"])] = float(number)
    cells = {key: {metric: by_seed(found) for metric, found in metrics.items()} for key, metrics in numbers.items()}
    metrics = list(dict.fromkeys(metric for cell in cells.values() for metric in cell))
    first = results[0]
    return Task(
        dataset=dataset,
        task=task,
        metric=headline(task),
        metrics=sorted(metrics, key=natural),
        modalities=sorted({modality for _, modality in cells}, key=modality_rank),
        experiments=order_experiments(run, {experiment for experiment, _ in cells}),
        cells=cells,
        chance=first.get("chance", {}),
        counts=first.get("counts", {}),
    )


def by_seed(numbers: Mapping[int, float]) -> Value:
    """The numbers of the seeds, in their order, as one value."""
    seeds = tuple(sorted(numbers))
    return Value(tuple(numbers[seed] for seed in seeds), seeds)


def headline(task: str) -> str:
    """The metric that stands for a task."""
    return "R@1" if task == "retrieval" else "accuracy"


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


def rank(name: str, known: Sequence[str]) -> tuple[int, str]:
    """A key that sorts by the place in `known`, what is not there last and by name."""
    return (known.index(name) if name in known else len(known)), name


def modality_rank(modality: str) -> tuple[int, list[tuple[int, str]]]:
    """A key that sorts single modalities in the usual order, then the fused ones."""
    parts = modality.split("+")
    return len(parts), [rank(part, MODALITIES) for part in parts]


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts R@5 before R@10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def points(number: float, digits: int = 1) -> str:
    """A difference, mostly in percentage points, with its sign; what rounds to nothing is +0.0."""
    return f"{round(number, digits) + 0.0:+.{digits}f}".replace("-", "−")
