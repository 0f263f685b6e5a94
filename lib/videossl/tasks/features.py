"""Features of videos, and the file that keeps them (docs/methods/tasks.md). Without torch, so that a reader of features starts fast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import h5py
import numpy as np

from videossl.data.cache import Sink
from videossl.data.index import CLASS, Label, Row
from videossl.errors import InputError
from videossl.files import atomic, reading

CHUNK = 2**28
"""Bytes that tasks compute with at once; what is smaller is computed as a whole."""


class Columns(TypedDict):
    """A features file of V videos: ids, classes ('' unlabelled), split (train or test), (V, K, D) float32; further labels by their
    names, as JSON ('' none)."""

    ids: list[str]
    labels: list[str]
    split: list[str]
    features: np.ndarray
    further: list[str]


@dataclass(frozen=True)
class Features:
    """Features of V videos in one stream: K clips a video, D numbers a clip.

    labels: class names. name: the dataset, for messages. further: as in `Columns`, or empty where no video has further labels.
    """

    ids: list[str]
    labels: list[str]
    split: list[str]
    features: np.ndarray
    provenance: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    further: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The class names, sorted: class c of a target or a probability is the c-th."""
        return sorted(set(self.labels) - {""})

    def rows(self, split: str) -> np.ndarray:
        """Positions of the videos of `split` that have a class, int64."""
        return self.labelled(split, CLASS)

    def targets(self, split: str) -> np.ndarray:
        """Class numbers of the videos of `rows(split)`, int64."""
        number = {name: c for c, name in enumerate(self.classes)}
        return np.array([number[self.labels[i]] for i in self.rows(split)], dtype=np.int64)

    def of(self, name: str) -> list[Label | None]:
        """The label `name` of each video, `class` or a further one; None where a video has none."""
        if name == CLASS:
            return [label or None for label in self.labels]
        return [labels.get(name) for labels in self.further_labels()]

    def labelled(self, split: str, name: str) -> np.ndarray:
        """Positions of the videos of `split` that have the label `name`, int64."""
        labels = self.of(name)
        return np.array([i for i, s in enumerate(self.split) if s == split and labels[i] is not None], dtype=np.int64)

    def further_labels(self) -> list[Mapping[str, Label]]:
        """The further labels of each video by their names."""
        return [json.loads(text) if text else {} for text in self.further or [""] * len(self.ids)]

    def chunks(self, positions: np.ndarray) -> Iterator[np.ndarray]:
        """Features (v, K, D) float32 of the videos at `positions`, in chunks of at most CHUNK bytes in float64, and of at least one video."""
        step = max(1, CHUNK // (8 * self.features.shape[1] * self.features.shape[2]))
        for start in range(0, len(positions), step):
            yield self.features[positions[start : start + step]]

    def check(self) -> None:
        """Raise InputError unless there are two classes, and training and test videos to measure with."""
        for missing, what in (
            (len(self.classes) < 2, f"{len(self.classes)} classes among its labels, two are needed"),
            (not len(self.rows("test")), "no labelled test videos"),
            (not len(self.rows("train")), "no labelled training videos"),
        ):
            if missing:
                raise InputError(f"{self.name or 'dataset'}: {what}; set evaluate.tasks: [] to measure nothing")

    def select(self, positions: Sequence[int]) -> Features:
        """The videos at `positions`, in that order."""
        labels, split = [self.labels[i] for i in positions], [self.split[i] for i in positions]
        further = [self.further[i] for i in positions] if self.further else []
        features = self.features[np.asarray(positions, dtype=np.int64)]
        return Features([self.ids[i] for i in positions], labels, split, features, self.provenance, self.name, further)


def align(streams: Sequence[Features]) -> list[Features]:
    """The videos that all streams have, in the order of the first; labels and splits must agree, else InputError is raised."""
    first = streams[0]
    places = [{video: i for i, video in enumerate(each.ids)} for each in streams]
    common = [video for video in first.ids if all(video in place for place in places)]
    aligned = [
        each if each.ids == common else each.select([place[video] for video in common]) for each, place in zip(streams, places, strict=True)
    ]
    if any((each.labels, each.split, each.further) != (aligned[0].labels, aligned[0].split, aligned[0].further) for each in aligned):
        raise InputError(f"{first.name or 'features'}: streams differ in labels or split; make their features again")
    return aligned


def columns(rows: Sequence[Row], features: np.ndarray) -> Columns:
    """`features` (V, K, D) with the ids, labels and split of their index rows."""
    return Columns(
        ids=[row.id for row in rows],
        labels=[row.label for row in rows],
        split=[row.split for row in rows],
        features=features,
        further=[json.dumps(dict(row.labels), sort_keys=True) if row.labels else "" for row in rows],
    )


def write(
    path: str | Path,
    ids: Sequence[str],
    labels: Sequence[str],
    split: Sequence[str],
    features: np.ndarray,
    provenance: dict[str, Any],
    further: Sequence[str] = (),
) -> None:
    """Write a features file; equal contents are equal bytes. further: of each video, as in `Columns`; it is left out where all are empty.

    Raises InputError on shapes that do not fit, on NaN, and on a disk that is full; no file is left then.
    """
    if features.ndim != 3 or not len(ids) == len(labels) == len(split) == len(features):
        raise InputError(f"{path}: features {features.shape} of {len(ids)} ids; give (videos, clips, numbers)")
    if not np.isfinite(features).all():
        raise InputError(f"{path}: features are not all finite; the encoder's weights are broken, train it again")
    if further and len(further) != len(ids):
        raise InputError(f"{path}: further labels of {len(further)} videos for {len(ids)} ids; give them for each video")
    values = np.ascontiguousarray(features, dtype=np.float32)
    whole = Features(list(ids), list(labels), list(split), values, provenance, further=list(further) if any(further) else [])
    with atomic(path) as temporary, Sink(temporary) as sink, h5py.File(sink, "w") as file:
        file.attrs["provenance"] = json.dumps(provenance, sort_keys=True)
        file.attrs["sha256"] = _digest(whole)
        for name in ("ids", "labels", "split", *(["further"] if whole.further else [])):
            file.create_dataset(name, data=getattr(whole, name), dtype=h5py.string_dtype("utf-8"))
        file.create_dataset("features", data=whole.features)


def read(path: str | Path) -> Features:
    """Read a features file; one that is absent, damaged or of another form raises InputError that names it."""
    path = Path(path)
    with reading(path, partial(_unreadable, path)), h5py.File(path) as file:
        ids, labels, split, further = (_texts(file, name) for name in ("ids", "labels", "split", "further"))
        result = Features(ids, labels, split, file["features"][:], json.loads(file.attrs["provenance"]), path.stem, further)
        stated = file.attrs["sha256"]
    if _digest(result) != stated:
        raise _unreadable(path, "a byte is not as it was written")
    return result


def _texts(file: h5py.File, name: str) -> list[str]:
    """The texts of a dataset; further labels may be left out."""
    return [] if name == "further" and name not in file else list(file[name].asstr()[:])


def _digest(features: Features) -> str:
    """The SHA-256 of all that a file of features holds: HDF5 does not notice a flipped byte, and numbers rest on each byte."""
    text = [features.ids, features.labels, features.split, features.features.shape, features.provenance]
    text += [features.further] if features.further else []
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    digest.update(features.features.data)
    return digest.hexdigest()


def _unreadable(path: Path, why: Exception | str) -> InputError:
    return InputError(f"cannot read features {path}: {' '.join(str(why).split())}; delete it and run again")
