"""The paper beside the run: its numbers of the same recipe, and what differs in scale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videossl.data.index import usable
from videossl.params import paper_name
from videossl.report import chains, paper
from videossl.report.numbers import Task, Value
from videossl.report.run import Run
from videossl.report.words import join_words


def setting(run: Run, experiment: str, modality: str) -> dict[str, Any]:
    """The scale of pretraining of one of our numbers, by the keys of `paper.SCALE` that are known.

    For fused modalities that differ, the values of all, as text.
    """
    streams = [_stream_setting(run, experiment, part) for part in modality.split("+")]
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for stream in streams for key in stream):
        values = list(dict.fromkeys(stream.get(key, "?") for stream in streams))
        merged[key] = values[0] if len(values) == 1 else " and ".join(map(str, values))
    return merged


def _stream_setting(run: Run, experiment: str, modality: str) -> dict[str, Any]:
    chosen = run.params.get("modalities", {}).get(modality, {})
    found = {
        "dataset": "ntu60" if run.dataset in paper.PROTOCOLS.values() else run.dataset,
        "videos": sum(row.split == "train" for row in usable(list(run.index))),
        "epochs": chains.epochs(run.params, experiment, modality),
        "frames": chosen.get("clip", {}).get("frames"),
        "resolution": chosen.get("clip", {}).get("size"),
        "width": chosen.get("width"),
        "batch": chosen.get("pretrain", {}).get("batch"),
        "queue": chosen.get("moco", {}).get("queue"),
        "crops": run.params.get("evaluate", {}).get("crops"),
    }
    return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class Beside:
    """A row of "the paper's numbers": ours, theirs on each test set, and what differs in scale."""

    experiment: str
    modality: str
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
        return " · ".join(f"{number:.1f}\N{NO-BREAK SPACE}{paper.DATASETS.get(name, name)}" for name, number in self.theirs.items())


def beside(run: Run, task: Task) -> list[Beside]:
    """Our numbers with the paper's of the same recipe, modality, task and metric; the headline metric first."""
    return [
        row
        for metric in sorted(task.metrics, key=lambda metric: metric != task.metric)
        for experiment in task.trained
        for modality in task.modalities
        for row in _rows(run, task, experiment, modality, metric)
    ]


def _rows(run: Run, task: Task, experiment: str, modality: str, metric: str) -> list[Beside]:
    ours = task.cells.get((experiment, modality), {}).get(metric)
    if ours is None:
        return []
    found = list(paper.beside(paper.load(), recipe_of(run, experiment), modality, task.dataset, task.task, metric))
    scale = setting(run, experiment, modality)
    return [Beside(experiment, modality, metric, ours, *_theirs(entries, task, scale)) for entries in _alike(found)]


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
    names = [paper.DATASETS.get(name, name) for name in (*theirs, ours)]
    return f"tested on {join_words(names[:-1])} / {names[-1]}"


def recipe_of(run: Run, experiment: str) -> str:
    """What paper.yaml calls `experiment`; its own name where the params do not say."""
    return paper_name({"experiments": {}, **run.params}, experiment)
