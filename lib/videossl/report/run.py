"""What a run left behind, as the page wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from videossl.data.index import Row
from videossl.modalities.base import Strip
from videossl.report import paper


@dataclass(frozen=True)
class Run:
    """All that a page is made from.

    params: the active run's params.yaml; index: all rows of the dataset's index, dropped ones too.
    results: results files as read; progress: those of the encoders kept along a training.
    histories: {"experiment", "seed", "training", "epochs": [{"epoch", "loss", ...}]}.
    samples: {"id", "label", "shown": positions in the video, "strips": its pictures in each modality}; legends: how to read them.
    gallery: {"experiment", "stream", "query": {"id", "label", "thumb": uint8 (h, w, 3)}, "neighbours":
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
    legends: Sequence[Strip] = ()
    gallery: Sequence[Mapping[str, Any]] = ()
    provenance: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()

    def modality(self, stream: str) -> str:
        """The modality of a stream; of several fused ones, joined by "+" as they are."""
        streams = self.params.get("streams", {})
        return "+".join(streams.get(part, {}).get("modality", part) for part in stream.split("+"))

    def place(self, stream: str) -> tuple[int, list[tuple[int, str]]]:
        """A key that sorts streams as in the params, then the fused ones."""
        parts = stream.split("+")
        return len(parts), [rank(part, list(self.params.get("streams", {}))) for part in parts]


def rank(name: str, known: Sequence[str]) -> tuple[int, str]:
    """A key that sorts by the place in `known`, what is not there last and by name."""
    return (known.index(name) if name in known else len(known)), name


def by_test_set(run: Run) -> Run:
    """The run with its datasets under the names of their test sets (`paper.test_set`), as all numbers are told apart by."""

    def named(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [{**item, "dataset": paper.test_set(run.params, item["dataset"])} for item in items]

    return replace(run, dataset=paper.test_set(run.params, run.dataset), results=named(run.results), progress=named(run.progress))
