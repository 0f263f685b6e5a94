"""One number against another: a metric with its unit, the mean and spread over seeds, and the rule by which a difference is clear."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from videossl import registry

STANDARD_ERRORS = 2  # a difference is clear where it is more than this number of its standard errors
RULE = (
    "Better, worse, seen, reversed: by more than two standard errors of the difference, a rule of thumb that is not corrected for how"
    " many differences are looked at; up to one in twenty passes by chance. The errors come from the number of test videos and from the"
    " spread over seeds; one seed has no spread. Numbers of the training have the spread alone: with one seed nothing there can be judged."
)
BASELINES = {"handmade": "hand-made feature", "untrained": "untrained encoder"}
MARKS = {"better": "▲", "unclear": "≈", "worse": "▼"}
TRAINING = "training"  # stands for a task where numbers of the training itself are shown
Record = Mapping[str, Any]  # data as JSON holds it


class Measure(NamedTuple):
    """One metric by its short name. share: of the test videos, in percent, so its error is binomial too; else the seeds alone tell it."""

    name: str = ""
    unit: str = "%"
    higher: bool = True
    share: bool = True

    @property
    def heading(self) -> str:
        """The name with the unit: 'R@1, %', 'loss'."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def text(self, number: float | None) -> str:
        """`number` as it is printed, a dash for none."""
        return "–" if number is None else f"{number:.1f}" if self.unit == "%" else f"{number:.2f}"

    def show(self, value: Record) -> str:
        """Mean and, where there is one, sample standard deviation."""
        return self.text(value["mean"]) + (f" ± {self.text(value['sd'])}" if value["sd"] is not None else "")

    def difference(self, number: float, error: float | None = None) -> str:
        """'+12.0 (±7.0)': a difference with its sign and, in brackets, the threshold that follows from its error, where there is one."""
        size = self.text(abs(number))
        said = f"{'−' if number < 0 and float(size) else '+'}{size}"
        return f"{said} (±{self.text(STANDARD_ERRORS * error)})" if error is not None and math.isfinite(error) else said

    def worth(self, number: float) -> float:
        """`number`, turned round where lower is better."""
        return number if self.higher else -number


def declared(task: str) -> Mapping[str, Any]:
    """The declaration of a task; nothing where there is no such task, as in results of another version."""
    return registry.declared("tasks", task) if task in registry.names("tasks") else {}


def headline(task: str) -> str:
    """The metric that stands for a task."""
    return str(declared(task).get("headline", "accuracy"))


def measure(task: str, metric: str) -> Measure:
    """One metric of a task; of one that is not declared: a percentage of the test videos. In training nothing is better, only higher."""
    if task == TRAINING:
        return Measure(metric, "%" if metric == "accuracy" else "", share=False)
    said, short = declared(task).get("metrics", {}).get(metric, {}), declared(task).get("short", "")
    name = ", ".join(filter(None, (short, "" if short and metric == headline(task) else metric)))
    return Measure(name, said.get("unit", "%"), said.get("higher", True), said.get("error", "share") == "share")


def summarise(numbers: Mapping[int, float]) -> dict[str, Any]:
    """A value, as JSON holds it: the numbers of the seeds, in their order, with mean and sample standard deviation (n - 1).

    One seed has no spread: its "sd" is None. Without numbers the "mean" is None as well.
    """
    seeds = sorted(numbers)
    values = [numbers[seed] for seed in seeds]
    sd = statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None
    return {"seeds": seeds, "values": values, "mean": statistics.fmean(values) if values else None, "sd": sd}


NOTHING: Record = summarise({})  # the value of what was not measured


class Verdict(NamedTuple):
    """One value against another: the difference and its standard error in the unit of `measure`; better, worse or unclear."""

    difference: float
    error: float
    word: str
    measure: Measure

    def __str__(self) -> str:
        """'▲ +12.0 (±7.0)': with the sign of the word, so that it does not rest on colour."""
        return f"{MARKS[self.word]} {self.measure.difference(self.difference, self.error)}"


def compare(measure: Measure, ours: Record, base: Record, tests: int) -> Verdict | None:
    """Judge the value `ours` against `base`, by two standard errors of the difference; None where one was not measured.

    Its variance is sd² / n each where there are several seeds and, of a share of the test videos, a part from their finite
    number (binomial: p (100 - p) / tests for each of the two, with p the mean of both, so that 100 against 0 on two videos has an
    error too). A rule of thumb, on the wide side: both have the same test videos. Nothing can be said of a share
    without a number of test videos, and of any other number (a loss) with one seed on either side.
    """
    if ours["mean"] is None or base["mean"] is None:
        return None
    pooled, difference = (ours["mean"] + base["mean"]) / 2, ours["mean"] - base["mean"]
    known = tests > 0 if measure.share else None not in (ours["sd"], base["sd"])
    variance = (2 * pooled * (100 - pooled) / tests if measure.share else 0.0) if known else math.inf
    variance += sum(value["sd"] ** 2 / len(value["values"]) for value in (ours, base) if value["sd"] is not None)
    error = math.sqrt(max(variance, 0.0))
    word = "better" if measure.worth(difference) > 0 else "worse"
    return Verdict(difference, error, "unclear" if abs(difference) <= STANDARD_ERRORS * error else word, measure)


def best(numbers: Sequence[Record]) -> Record:
    """The best of the numbers of trained encoders, all of one metric; NOTHING where none is measured."""
    measured = [number for number in numbers if number["experiment"] not in BASELINES and number["values"]]
    return max(measured, key=lambda number: measure(number["task"], number["metric"]).worth(number["mean"]), default=NOTHING)


def against(baseline: str, number: Record, numbers: Sequence[Record]) -> Verdict | None:
    """A number against that of a baseline in `numbers` with the same names but for the experiment; None when either is missing."""
    names = {key: number[key] for key in ("dataset", "task", "metric", "stream")} | {"experiment": baseline}
    base = next((other for other in numbers if names.items() <= other.items()), NOTHING)
    return compare(measure(number["task"], number["metric"]), number, base, number["test_videos"])


def seeds_said(seeds: Sequence[int]) -> str:
    """The seeds, and what their number makes of a value."""
    several = f"Mean ± sample standard deviation of the seeds {', '.join(map(str, seeds))}."
    return several if len(seeds) > 1 else f"One seed ({seeds[0]}), no spread." if seeds else "No seed recorded."
