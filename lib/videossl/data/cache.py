"""The HDF5 cache: one file a shard of whole videos in one modality (docs/data-contract.md).

Files are written whole, the same bytes each time, and opened anew in every process that reads them: an HDF5 handle
does not survive a fork.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from videossl import files
from videossl.errors import InputError

SCHEMA = "videossl-cache/1"
LAYOUTS: dict[str, tuple[np.dtype[Any], tuple[int | None, ...]]] = {
    "rgb": (np.dtype("uint8"), (None, None, None, 3)),
    "flow": (np.dtype("uint8"), (None, None, None, 2)),
    "joint": (np.dtype("float32"), (None, 25, 3, 2)),
}
"""Modality -> dtype and shape of a video, None for any extent; the first axis is time."""


def write_shard(
    path: str | Path,
    modality: str,
    dataset: str,
    videos: Iterable[tuple[str, np.ndarray]],
    extractor: Mapping[str, Any],
    **attrs: Any,
) -> None:
    """Write one shard.

    Args:
        path: the file, written under a temporary name and renamed when complete.
        modality: "rgb", "flow" or "joint".
        dataset: its name.
        videos: (id, array of the modality's layout) a video; taken one by one. None at all is an empty shard.
        extractor: {"name", "version", "params"} of what made the arrays; kept as JSON.
        attrs: further root attributes, such as `bound` of flow in pixels.

    Raises:
        InputError: an array that is not of the modality's layout, or an id twice.
    """
    if modality not in LAYOUTS:
        raise InputError(f"{path}: modality {modality!r} is not cached; cached are {', '.join(LAYOUTS)}")
    with files.atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(
            schema=SCHEMA,
            modality=modality,
            dataset=dataset,
            codec="raw",
            extractor=json.dumps(extractor, sort_keys=True),
            **attrs,
        )
        group = file.create_group("videos")
        ids: list[str] = []
        for id, values in videos:
            _check(path, modality, id, values)
            group.create_dataset(_name(len(ids)), data=values)
            ids.append(id)
        if len(set(ids)) < len(ids):
            raise InputError(f"{path}: a video is given twice: {next(id for id in ids if ids.count(id) > 1)}")
        file.create_dataset("ids", data=np.array(ids, object), dtype=h5py.string_dtype("utf-8"))


def _check(path: str | Path, modality: str, id: str, values: np.ndarray) -> None:
    dtype, shape = LAYOUTS[modality]
    fits = len(shape) == values.ndim and all(want in (None, have) for want, have in zip(shape, values.shape, strict=True))
    if values.dtype != dtype or not fits or 0 in values.shape:
        text = "(" + ", ".join("*" if extent is None else str(extent) for extent in shape) + ")"
        raise InputError(f"{path}: {id} is {values.dtype} {values.shape}; {modality} must be {dtype} {text}")


def _name(position: int) -> str:
    """The name of a video's dataset: ids may hold "/" and any length, positions do not."""
    return f"{position:06d}"


class Cache:
    """The videos of all shards of one modality of one dataset.

    Making one reads ids and attributes only and keeps no file open; each process opens a shard when it first reads
    from it. It can be pickled, and used on both sides of a fork.

    Raises:
        InputError: a shard that is absent, damaged, of another schema, or made otherwise than the first one.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = [Path(path) for path in paths]
        self.ids: list[str] = []
        self.attrs: dict[str, Any] = {}
        self._places: dict[str, tuple[int, str]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[int, h5py.File] = {}
        self._process = os.getpid()
        for shard, path in enumerate(self.paths):
            self._add(shard, path)

    def _add(self, shard: int, path: Path) -> None:
        """Take over the ids and attributes of one shard."""
        ids, attrs = _describe(path)
        if shard and attrs != self.attrs:
            differing = sorted(key for key in {*attrs, *self.attrs} if attrs.get(key) != self.attrs.get(key))
            raise InputError(f"{path} and {self.paths[0]} differ in {', '.join(differing)}: one is older; delete both and extract again")
        self.attrs = attrs
        for position, id in enumerate(ids):
            if id in self._places:
                raise InputError(f"{path}: {id} is in {self.paths[self._places[id][0]]} too; delete both, extract again")
            self._places[id] = shard, _name(position)
        self.ids += ids

    def __contains__(self, id: object) -> bool:
        return id in self._places

    def shape(self, id: str) -> tuple[int, ...]:
        """The shape of a video's array, time first."""
        if id not in self._shapes:
            self._shapes[id] = tuple(self._dataset(id).shape)
        return self._shapes[id]

    def length(self, id: str) -> int:
        """How many time steps a video has in this modality (flow has one less than frames)."""
        return self.shape(id)[0]

    def read(self, id: str, start: int, stop: int, step: int = 1) -> np.ndarray:
        """Time steps start, start + step, ... below stop of a video: an array of the modality's layout, from the file.

        Steps outside the video are an InputError.
        """
        if not (0 <= start < stop <= self.length(id) and step > 0):
            raise InputError(f"{id} has {self.length(id)} steps of {self.attrs['modality']}, not {start}:{stop}:{step}")
        shard, _ = self._places[id]
        try:
            return np.asarray(self._dataset(id)[start:stop:step])
        except OSError as error:
            raise _damaged(self.paths[shard], error) from error

    def _dataset(self, id: str) -> h5py.Dataset:
        if id not in self._places:
            raise InputError(f"{id} is not in the {self.attrs.get('modality', '')} cache; extract again")
        shard, name = self._places[id]
        try:
            return self._file(shard)["videos"][name]
        except (OSError, KeyError) as error:
            raise _damaged(self.paths[shard], error) from error

    def _file(self, shard: int) -> h5py.File:
        """The open file of a shard, of this process."""
        if self._process != os.getpid():
            self._files, self._process = {}, os.getpid()
        if shard not in self._files:
            self._files[shard] = h5py.File(self.paths[shard], "r")
        return self._files[shard]

    def close(self) -> None:
        """Close this process's files; the next read opens them again."""
        if self._process == os.getpid():
            for file in self._files.values():
                file.close()
        self._files = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}


def _describe(path: Path) -> tuple[list[str], dict[str, Any]]:
    """(ids, root attributes) of a shard."""
    try:
        with h5py.File(path, "r") as file:
            attrs = {key: value.item() if isinstance(value, np.generic) else value for key, value in file.attrs.items()}
            if attrs.get("schema") != SCHEMA:
                found = attrs.get("schema", "none")
                raise InputError(f"{path}: schema {found}, not {SCHEMA}; delete it and extract again")
            ids = list(file["ids"].asstr()[:])
            if len(file["videos"]) != len(ids):
                raise InputError(f"{path}: {len(ids)} ids, {len(file['videos'])} videos; delete it and extract again")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such shard; extract it first") from error
    except (OSError, KeyError) as error:
        raise _damaged(path, error) from error
    return ids, attrs


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: damaged ({' '.join(str(error).split())}); delete it and extract again")
