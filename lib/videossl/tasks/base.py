"""The contract of a task: the functions of its module, and the kinds of label.

A task is a YAML and a module of this folder. It turns features of videos into numbers. Its module has

    predict(features, settings) -> Any              what one stream says of the test videos; made once, used alone and fused
    measure(predictions, features) -> dict          the metrics of the streams whose predictions are given, one or several, fused
    hits(predictions, features) -> dict             of metrics that are shares of the test videos: metric -> the videos that it counts,
                                                    (V_test,) bool in the order of the features; `scores` makes the percentage of it. It
                                                    may stand in the place of `measure`, or be left out: then numbers are not compared
                                                    video by video
    chance(features) -> dict                        the same metrics of an answer that knows nothing
    work(counts, settings) -> float                 how many pieces of work `predict` and `measure` are of one stream; `videossl cost` times a piece
    remarks(predictions) -> list[str]               what a reader of these numbers must know, a sentence each; may be left out

`settings` are the task's own, as its YAML declares them. A task with the setting `share` is given that share of the labelled training videos (few),
without a line in its module. Videos of fused streams are the same, in the same order. The YAML says
`label`, the kind of label that it needs, and `given`: features, or encoder. A task that is given an encoder trains it by the `method`
that it names; `features` are then what its module makes of the trained encoder:

    tested(method, rows, stream, settings, caches, chosen, classes, device) -> (V, 1, D) float
                                                    predictions for the videos `rows`, zeros for those of training; settings: of the
                                                    stream; chosen: of the task
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from videossl import registry

if TYPE_CHECKING:
    import numpy as np

    from videossl.tasks.features import Features

CLASS = "class"
"""The kind of label that is one class name a video."""

VALUES: dict[str, tuple[type, ...]] = {"several": (list,), "number": (int, float), "order": (int, float)}
"""Kind of a further label -> what the value of a video is."""


@dataclass(frozen=True)
class Counts:
    """The size of a task: labelled videos, classes, clips of a video, and numbers that stand for a clip."""

    train: int
    test: int
    classes: int
    clips: int
    numbers: int


class Task(Protocol):
    """The module of a task, as above: what each has."""

    def predict(self, features: Features, settings: Mapping[str, Any]) -> Any: ...
    def chance(self, features: Features) -> dict[str, float]: ...
    def work(self, counts: Counts, settings: Mapping[str, Any]) -> float: ...


def load(name: str) -> Task:
    """The module of the task `name`; it loads what the task needs, torch or not. Raises InputError where there is no such task."""
    return cast(Task, registry.module("tasks", name))


class Scores(NamedTuple):
    """The numbers of a task by metric; and of metrics that are shares of the test videos, as far as the task says, the videos that they count:
    (V_test,) bool, the test videos that have its kind of label."""

    numbers: dict[str, float]
    hits: dict[str, np.ndarray]


def scores(task: Task, predictions: Sequence[Any], features: Features) -> Scores:
    """The metrics of the streams whose predictions are given, one or several, fused."""
    hits = task.hits(predictions, features) if hasattr(task, "hits") else {}
    shares = {metric: 100 * float(counted.mean()) for metric, counted in hits.items()}
    return Scores(shares | (task.measure(predictions, features) if hasattr(task, "measure") else {}), hits)


def remarks(task: Task, predictions: Sequence[Any]) -> list[str]:
    """Sentences of the task on numbers from `predictions`."""
    return list(task.remarks(predictions)) if hasattr(task, "remarks") else []


def is_labelled(kind: str, label: str, further: Mapping[str, Any]) -> bool:
    """True where a video has a label of that kind: `label` is its class name, `further` its other labels by name."""
    return bool(label) if kind == CLASS else any(isinstance(value, VALUES[kind]) for value in further.values())
