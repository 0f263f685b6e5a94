"""What a run left behind, as the page wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from videossl.data.index import Row
from videossl.report import paper


@dataclass(frozen=True)
class Run:
    """All that a page is made from.

    params: the active run's params.yaml; index: all rows of the dataset's index, dropped ones too.
    results: results files as read; progress: those of the encoders kept along a training.
    histories: {"experiment", "seed", "modality", "phase", "epochs": [{"loss", "accuracy" in percent, ...}]}.
    samples: {"id", "label", "frames": uint8 (n, h, w, 3), "flow": float32 (n or n - 1, h, w, 2) in pixels a
    frame or None, "joints": (n, V, 3) around the first body's origin, or None}.
    gallery: {"experiment", "modality", "query": {"id", "label", "thumb": uint8 (h, w, 3)}, "neighbours":
    [{"id", "label", "thumb", "similarity", "correct"}]}.
    provenance: rows {"artefact", "sha256", "made from", "params", ...}; versions: tool to version.
    commands: what makes the page again, one line each.
    """

    params: Mapping[str, Any]
    dataset: str
    index: Sequence[Row]
    results: Sequence[Mapping[str, Any]] = ()
    progress: Sequence[Mapping[str, Any]] = ()
    histories: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    gallery: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()


def by_test_set(run: Run) -> Run:
    """The run with its datasets under the names of their test sets (`paper.test_set`), as all numbers are told apart by."""

    def named(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [{**item, "dataset": paper.test_set(run.params, item["dataset"])} for item in items]

    return replace(run, dataset=paper.test_set(run.params, run.dataset), results=named(run.results), progress=named(run.progress))
