"""One number against another: a metric with its unit, the mean and spread over seeds, and the rule by which a difference is clear."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from videossl import registry
from videossl.report import paired
from videossl.report.paired import LEVEL

RULE = (
    "Better, worse, seen, reversed: p is at most 0.05. Experiments with the same seeds and test videos are compared by their paired"
    " differences, with seeds and videos drawn at random; of one seed by McNemar's exact test, which speaks of these encoders alone."
    " Where it is not known which videos were right, the comparison is unpaired, and only a larger difference is clear. Numbers of the"
    " training are paired over seeds: with one seed nothing there can be judged. The pairs of a target are corrected together for"
    " their number (Holm). Differences from a baseline are not corrected: up to one in twenty passes by chance."
)
WAYS = {
    paired.BOTH: "paired over seeds and videos",
    paired.VIDEOS: "paired over the videos of one seed",
    paired.SEEDS: "paired over seeds",
    paired.UNPAIRED: "unpaired",
}
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

    def difference(self, number: float, threshold: float | None = None) -> str:
        """'+12.0 (±7.0)': a difference with its sign and, in brackets, the threshold above which it is clear, where there is one."""
        size = self.text(abs(number))
        said = f"{'−' if number < 0 and float(size) else '+'}{size}"
        return f"{said} (±{self.text(threshold)})" if threshold is not None and math.isfinite(threshold) else said

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


class Hits(NamedTuple):
    """The test videos that a metric counts, of one seed: what names the videos, and a sign for each (1: counted, 0: not, -: not there)."""

    videos: Any
    signs: str


NOTHING: Record = summarise({})  # the value of what was not measured


class Verdict(NamedTuple):
    """One value against another: the difference in the unit of `measure`, its test, and the level at which it is judged."""

    difference: float
    test: paired.Test
    measure: Measure
    level: float = LEVEL

    @property
    def word(self) -> str:
        """Better, worse or unclear."""
        clear = self.difference and self.test.p <= self.level
        return "unclear" if not clear else "better" if self.measure.worth(self.difference) > 0 else "worse"

    @property
    def said(self) -> str:
        """'+12.0 (±7.0)'."""
        return self.measure.difference(self.difference, self.test.threshold(self.level))

    def __str__(self) -> str:
        """'▲ +12.0 (±7.0)': with the sign of the word, so that it does not rest on colour."""
        return f"{MARKS[self.word]} {self.said}"


def compare(measure: Measure, ours: Record, base: Record, tests: int) -> Verdict | None:
    """Judge the value `ours` against `base` by the strictest pairing that the two allow; None where one was not measured.

    tests: the number of test videos, for shares of them that cannot be paired.
    """
    if ours["mean"] is None or base["mean"] is None:
        return None
    same = ours["seeds"] == base["seeds"]
    apart = _apart(ours.get("hits", ()), base.get("hits", ())) if same and measure.share else None
    if apart is not None:
        test = paired.of_videos(apart[0]) if len(apart) == 1 else paired.of_seeds_and_videos(apart)
    elif same and not measure.share and None not in (ours["sd"], base["sd"]):
        test = paired.of_seeds([high - low for high, low in zip(ours["values"], base["values"], strict=True)])
    else:
        test = _unpaired(measure, ours, base, tests)
    return Verdict(ours["mean"] - base["mean"], test, measure)


def _apart(ours: Sequence[Hits], base: Sequence[Hits]) -> np.ndarray | None:
    """Our hits less theirs, (seeds, videos) int; None where they are not all of the same test videos."""
    both = [*ours, *base]
    if not ours or len(ours) != len(base) or any(hits.videos != both[0].videos for hits in both):
        return None
    signs = np.array([np.frombuffer(hits.signs.encode(), np.uint8) for hits in both])
    there = signs != ord("-")
    if not there[0].any() or (there != there[0]).any():
        return None
    counted = (signs[:, there[0]] == ord("1")).astype(int)
    return np.asarray(counted[: len(ours)] - counted[len(ours) :])


def _unpaired(measure: Measure, ours: Record, base: Record, tests: int) -> paired.Test:
    """Test the difference of two values as if they shared nothing, on the wide side.

    Its variance is sd² / n each where there are several seeds and, of a share of the test videos, a part from their finite
    number (binomial: p (100 - p) / tests for each of the two, with p the mean of both, so that 100 against 0 on two videos has an
    error too), with as many degrees of freedom. Nothing can be said of a share without a number of test videos, and of any other number (a loss) without spreads.
    """
    known = tests > 0 if measure.share else None not in (ours["sd"], base["sd"])
    if not known:
        return paired.NOTHING_KNOWN
    pooled = (ours["mean"] + base["mean"]) / 2
    binomial = [(max(2 * pooled * (100 - pooled) / tests, 0.0), float(tests))] if measure.share else []
    spread = [(value["sd"] ** 2 / len(value["values"]), len(value["values"]) - 1.0) for value in (ours, base) if value["sd"] is not None]
    return paired.unpaired(ours["mean"] - base["mean"], [*binomial, *spread])


def corrected(verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """The verdicts at the levels of Holm's correction over all of them."""
    levels = paired.levels([verdict.test.p for verdict in verdicts])
    return (verdict._replace(level=level) for verdict, level in zip(verdicts, levels, strict=True))


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
