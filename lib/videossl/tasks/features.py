"""Features of videos, and the file they are kept in (spec, Downstream). Without torch, so that what only reads them starts fast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import h5py
import numpy as np

from videossl.data.cache import Sink
from videossl.data.index import Row
from videossl.errors import InputError
from videossl.files import atomic


class Columns(TypedDict):
    """What a features file holds of V videos: ids, labels ('' unlabelled), split (train or test), (V, K, D) float32."""

    ids: list[str]
    labels: list[str]
    split: list[str]
    features: np.ndarray


@dataclass(frozen=True)
class Features:
    """Features of V videos in one modality: K clips a video, D numbers a clip. `name`: the dataset, for messages."""

    ids: list[str]
    labels: list[str]
    split: list[str]
    features: np.ndarray
    provenance: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def classes(self) -> list[str]:
        """The class names, sorted: class c of a target or a probability is the c-th."""
        return sorted(set(self.labels) - {""})

    def rows(self, split: str) -> np.ndarray:
        """Positions of the labelled videos of `split`, int64."""
        return np.array([i for i, s in enumerate(self.split) if s == split and self.labels[i]], dtype=np.int64)

    def targets(self, split: str) -> np.ndarray:
        """Class numbers of the videos of `rows(split)`, int64."""
        number = {name: c for c, name in enumerate(self.classes)}
        return np.array([number[self.labels[i]] for i in self.rows(split)], dtype=np.int64)

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
        chosen = self.features[np.asarray(positions, dtype=np.int64)]
        return Features([self.ids[i] for i in positions], labels, split, chosen, self.provenance, self.name)


def align(modalities: Sequence[Features]) -> list[Features]:
    """The videos that all modalities have, in the order of the first; labels and splits must agree, or InputError."""
    first = modalities[0]
    places = [{video: i for i, video in enumerate(one.ids)} for one in modalities]
    common = [video for video in first.ids if all(video in place for place in places)]
    aligned = [
        one if one.ids == common else one.select([place[video] for video in common]) for one, place in zip(modalities, places, strict=True)
    ]
    if any((one.labels, one.split) != (aligned[0].labels, aligned[0].split) for one in aligned):
        raise InputError(f"{first.name or 'features'}: modalities differ in labels or split; make their features again")
    return aligned


def columns(rows: Sequence[Row], features: np.ndarray) -> Columns:
    """`features` (V, K, D) with the ids, labels and split of their index rows."""
    return Columns(
        ids=[row.id for row in rows],
        labels=[row.label for row in rows],
        split=[row.split for row in rows],
        features=features,
    )


def write(
    path: str | Path,
    ids: Sequence[str],
    labels: Sequence[str],
    split: Sequence[str],
    features: np.ndarray,
    provenance: dict[str, Any],
) -> None:
    """Write a features file; equal contents are equal bytes.

    Raises InputError on shapes that do not fit, on NaN, and on a disk that is full; no file is left then.
    """
    if features.ndim != 3 or not len(ids) == len(labels) == len(split) == len(features):
        raise InputError(f"{path}: features {features.shape} of {len(ids)} ids; give (videos, clips, numbers)")
    if not np.isfinite(features).all():
        raise InputError(f"{path}: features are not all finite; the encoder's weights are broken, train it again")
    whole = Features(list(ids), list(labels), list(split), np.ascontiguousarray(features, dtype=np.float32), provenance)
    with atomic(path) as temporary, Sink(temporary) as sink, h5py.File(sink, "w") as file:
        file.attrs["provenance"] = json.dumps(provenance, sort_keys=True)
        file.attrs["sha256"] = _digest(whole)
        for name, values in (("ids", whole.ids), ("labels", whole.labels), ("split", whole.split)):
            file.create_dataset(name, data=values, dtype=h5py.string_dtype("utf-8"))
        file.create_dataset("features", data=whole.features)


def read(path: str | Path) -> Features:
    """Read a features file; one that is absent, damaged or of another form is an InputError that names it."""
    path = Path(path)
    try:
        with h5py.File(path) as file:
            ids, labels, split = (list(file[name].asstr()[:]) for name in ("ids", "labels", "split"))
            result = Features(ids, labels, split, file["features"][:], json.loads(file.attrs["provenance"]), path.stem)
            stated = file.attrs["sha256"]
    except Exception as error:  # HDF5 answers damage with all kinds of them
        raise _unreadable(path, error) from error
    if _digest(result) != stated:
        raise _unreadable(path, "a byte is not as it was written")
    return result


def _digest(features: Features) -> str:
    """The SHA-256 of all that a file of them holds: HDF5 does not notice a flipped byte, and a number rests on each."""
    text = [features.ids, features.labels, features.split, features.features.shape, features.provenance]
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    digest.update(features.features.data)
    return digest.hexdigest()


def _unreadable(path: Path, why: Exception | str) -> InputError:
    return InputError(f"cannot read features {path}: {' '.join(str(why).split())}; delete it and run again")
