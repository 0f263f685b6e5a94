"""The paper beside the run: its numbers of the same recipe, and what differs in scale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.data.index import usable
from videossl.params import recipes
from videossl.report import chains, paper
from videossl.report.numbers import Task, Value
from videossl.report.run import Run
from videossl.report.words import join_words


def setting(run: Run, experiment: str, stream: str, tasks: Iterable[str] = ()) -> dict[str, Any]:
    """The scale of pretraining, and of the test in `tasks`, of one of our numbers, by the keys of `paper.SCALE` that are known.

    For fused streams that differ, the values of all, as text.
    """
    scales = [_scale(run, experiment, part, tasks) for part in stream.split("+")]
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for scale in scales for key in scale):
        values = list(dict.fromkeys(scale.get(key, "?") for scale in scales))
        merged[key] = values[0] if len(values) == 1 else " and ".join(map(str, values))
    return merged


def _scale(run: Run, experiment: str, stream: str, tasks: Iterable[str]) -> dict[str, Any]:
    chosen = run.params.get("streams", {}).get(stream, {})
    begun = [chains.settings(run.params, job.experiment, stream) for job in chains.trainings(run.params, experiment, stream)[:1]]
    tested = [run.params.get("evaluate", {}).get("tasks", {}).get(task, {}) for task in tasks]
    scale: dict[str, Any] = {
        "dataset": paper.dataset_of(run.dataset),
        "videos": sum(row.split == "train" for row in usable(list(run.index))),
        "epochs": chains.epochs(run.params, experiment, stream),
        "frames": chosen.get("clip", {}).get("frames"),
        "resolution": chosen.get("clip", {}).get("size"),
        "width": chosen.get("width"),
        **{key: settings[key] for settings in begun for key in ("batch", "queue") if key in settings},
        **{key: task[key] for task in tested for key in paper.TESTED if key in task},
    }
    return {key: value for key, value in scale.items() if value is not None}


@dataclass(frozen=True)
class Beside:
    """A row of "the paper's numbers": ours, theirs on each test set, and what differs in scale."""

    experiment: str
    stream: str
    metric: str
    ours: Value
    theirs: Mapping[str, float]
    source: str
    differs: Sequence[str]

    @property
    def same(self) -> bool:
        """Whether nothing differs, the only case in which our number reproduces theirs."""
        return not self.differs

    @property
    def printed(self) -> str:
        """Their numbers with the test sets: '58.1 UCF101 · 27.1 HMDB51'."""
        return " · ".join(f"{number:.1f}\N{NO-BREAK SPACE}{paper.dataset_name(name)}" for name, number in self.theirs.items())


def beside(run: Run, task: Task) -> list[Beside]:
    """Our numbers with the paper's of the same recipe, modality, task and metric; the headline metric first."""
    return [
        row
        for metric in sorted(task.metrics, key=lambda metric: metric != task.metric)
        for experiment in task.trained
        for stream in task.streams
        for row in _rows(run, task, experiment, stream, metric)
    ]


def _rows(run: Run, task: Task, experiment: str, stream: str, metric: str) -> list[Beside]:
    ours = task.cells.get((experiment, stream), {}).get(metric)
    if ours is None:
        return []
    printed = list(paper.beside(paper.load(), recipe_of(run, experiment), run.modality(stream), task.dataset, task.task, metric))
    scale = setting(run, experiment, stream, [task.task])
    return [Beside(experiment, stream, metric, ours, *_theirs(entries, task, scale)) for entries in _alike(printed)]


def _alike(entries: Sequence[paper.Entry]) -> list[list[paper.Entry]]:
    """The entries by row of the paper, in order; rows with the same numbers at the same scale are one."""
    rows: dict[tuple[str, str], list[paper.Entry]] = defaultdict(list)
    for entry in entries:
        rows[entry.table, entry.method].append(entry)
    merged: dict[str, list[paper.Entry]] = defaultdict(list)
    for row in rows.values():
        merged[repr([(entry.dataset, entry.value, sorted(entry.setting.items())) for entry in row])] += row
    return list(merged.values())


def _theirs(entries: Sequence[paper.Entry], task: Task, scale: Mapping[str, Any]) -> tuple[dict[str, float], str, list[str]]:
    """Their number on each test set, where it is printed, and what differs from ours."""
    theirs = {entry.dataset: entry.value for entry in entries}
    source = list(dict.fromkeys(f"{entry.table}, {entry.method}" for entry in entries))
    differs = [] if task.dataset in theirs else [tested_on(list(theirs), task.dataset)]
    return theirs, "; ".join(source), differs + paper.differences(entries[0].setting, scale, [task.task])


def tested_on(theirs: Sequence[str], ours: str) -> str:
    """That the test sets differ, as "tested on UCF101 / toy" (theirs, ours)."""
    names = [paper.dataset_name(name) for name in (*theirs, ours)]
    return f"tested on {join_words(names[:-1])} / {names[-1]}"


def recipe_of(run: Run, experiment: str) -> str:
    """What paper.yaml calls `experiment`; its own name where the params do not say."""
    return recipes.paper_name({"experiments": {}, **run.params}, experiment)
