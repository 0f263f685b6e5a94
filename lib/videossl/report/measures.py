"""What the numbers of a task are: their titles and units, whether higher is better, and where their error comes from (tasks/NAME.yaml)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from videossl import registry

TRAINING = "training"
"""Stands for a task where numbers of the training itself are shown."""


@dataclass(frozen=True)
class Measure:
    """One metric. share: of the test videos, in percent, so that its error is binomial, too; else the seeds alone tell the error."""

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
        """Decimals that a number is given with."""
        return 1 if self.unit == "%" else 2

    def text(self, number: float | None) -> str:
        """`number` as it is printed, a dash for none."""
        return "–" if number is None else f"{number:.{self.digits}f}"

    def worth(self, number: float) -> float:
        """`number`, turned round where lower is better."""
        return number if self.higher else -number


PERCENT = Measure()
"""What is not declared."""


def declared(task: str) -> Mapping[str, Any]:
    """What a task says of itself; nothing where there is no such task, as in results of another version."""
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
    """What a number measures, in short: 'linear probe', 'R@1', 'loss'."""
    short = declared(task).get("short", "")
    return ", ".join(filter(None, (short, "" if short and metric == headline(task) else metric)))


def order(task: str) -> tuple[float, str]:
    """A key that sorts tasks by their place in tables, those that are not declared last and by name."""
    return declared(task).get("order", float("inf")), task


def units(measures: Iterable[Measure]) -> str:
    """'percent', or where units differ what each metric is given in: 'accuracy in percent, error in repetitions'."""
    listed = list(dict.fromkeys(measures))
    if len({one.unit for one in listed}) == 1:
        return listed[0].words
    return ", ".join(f"{one.name} in {one.words}" for one in listed if one.unit)
