"""The HDF5 cache: one file a shard of whole videos in one modality (docs/data-contract.md).

Files are written whole, the same bytes each time, sealed by a digest of themselves, and opened anew in every process
that reads them: an HDF5 handle does not survive a fork.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from videossl import files, registry
from videossl.data import jpeg
from videossl.errors import InputError

SCHEMA = "videossl-cache/2"
CODECS = ("raw", "jpeg")
SEAL = 512
"""Bytes before the HDF5 file proper, its user block: the schema and the digest of all that follows."""


class Layout(NamedTuple):
    """The cache in a modality's YAML: of a video, time first, each extent as a number, the numbers that there may be, or None for any.

    pictures: the codec jpeg can hold it. shorter: steps that a video has less than frames. jpeg: what a step takes as JPEG.
    """

    dtype: np.dtype[Any]
    shape: tuple[int | tuple[int, ...] | None, ...]
    pictures: bool
    shorter: int
    jpeg: Mapping[str, Any]


def layout(modality: str) -> Layout:
    """The layout of a cached modality; raises InputError for any other."""
    whole = registry.declared("modalities", modality)
    if "cached" not in whole:
        raise InputError(f"modality {modality!r} is not cached: it is read from the cache of {whole['reads']}")
    declared = whole["cached"]
    shape = tuple(tuple(extent) if isinstance(extent, list) else extent for extent in declared["shape"])
    pictures, shorter = bool(declared.get("pictures")), int(declared.get("shorter", 0))
    return Layout(np.dtype(declared["dtype"]), shape, pictures, shorter, declared.get("jpeg", {}))


def write_shard(
    path: str | Path,
    modality: str,
    dataset: str,
    videos: Iterable[tuple[str, str, np.ndarray | jpeg.Encoded]],
    extractor: Mapping[str, Any],
    codec: str = "raw",
    tag: str = "",
    **attrs: Any,
) -> None:
    """Write one shard.

    Args:
        path: the file, written under a temporary name and renamed when complete.
        modality: one that has a cache of its own (`layout`).
        dataset: its name.
        videos: (id, SHA-256 of the source as in the index, video) taken one by one; a video is an array of the modality's
            layout, with the codec "jpeg" what `jpeg.encode` makes of it. None at all is an empty shard.
        extractor: {"name", "version", "params"} of what made the arrays; kept as JSON.
        codec: "raw" or, for pictures, "jpeg".
        tag: of the params that it is made from (`made_from.tag`), stated in its seal.
        attrs: further root attributes, such as `bound` of flow in pixels, and `quality` of JPEG.

    Raises:
        InputError: a video that is not of the modality's layout, an id twice, or a disk that is full. No file is left.
    """
    expected = layout(modality)
    if codec not in CODECS or (codec == "jpeg" and not expected.pictures):
        raise InputError(f"{path}: no codec {codec!r} for {modality}; there are raw and, for pictures, jpeg")
    root = attributes(modality, dataset, extractor, codec, **attrs)
    with files.atomic(path) as temporary:
        with Sink(temporary) as sink, h5py.File(sink, "w", userblock_size=SEAL) as file:
            file.attrs.update(root)
            ids, sources = _write_videos(path, modality, codec, videos, file, sink)
            if len(set(ids)) < len(ids):
                raise InputError(f"{path}: a video is given twice: {next(id for id in ids if ids.count(id) > 1)}")
            for name, texts in (("ids", ids), ("sources", sources)):
                file.create_dataset(name, data=np.array(texts, object), dtype=h5py.string_dtype("utf-8"))
        _seal(temporary, tag)


def attributes(modality: str, dataset: str, extractor: Mapping[str, Any], codec: str, **attrs: Any) -> dict[str, Any]:
    """The root attributes of a shard for these arguments of `write_shard`."""
    root = {"schema": SCHEMA, "modality": modality, "dataset": dataset, "codec": codec}
    return root | {"extractor": json.dumps(extractor, sort_keys=True), **attrs}


def _write_videos(
    path: str | Path,
    modality: str,
    codec: str,
    videos: Iterable[tuple[str, str, np.ndarray | jpeg.Encoded]],
    file: h5py.File,
    sink: Sink,
) -> tuple[list[str], list[str]]:
    """Write the videos; returns their ids and sources."""
    file.create_group("videos")
    ids: list[str] = []
    sources: list[str] = []
    for id, source, video in videos:
        if isinstance(video, jpeg.Encoded) != (codec == "jpeg"):
            raise InputError(f"{path}: {id} is {'raw' if codec == 'jpeg' else 'jpeg'}, the shard {codec}")
        name = _name(len(ids))
        if isinstance(video, jpeg.Encoded):
            _check(path, modality, id, video.data.dtype, video.shape)
            file.create_dataset(f"videos/{name}", data=video.data)
            file.create_dataset(f"offsets/{name}", data=video.offsets).attrs["step"] = video.step
        else:
            _check(path, modality, id, video.dtype, video.shape)
            file.create_dataset(f"videos/{name}", data=video)
        ids.append(id)
        sources.append(source)
        sink.check()
    return ids, sources


def _check(path: str | Path, modality: str, id: str, dtype: np.dtype[Any], extents: tuple[int, ...]) -> None:
    wanted = layout(modality)
    fits = len(wanted.shape) == len(extents) and all(map(_fits, wanted.shape, extents))
    if dtype != wanted.dtype or not fits or 0 in extents:
        raise InputError(f"{path}: {id} is {dtype} {extents}; {modality} must be {wanted.dtype} ({', '.join(map(_text, wanted.shape))})")


def _fits(wanted: int | tuple[int, ...] | None, extent: int) -> bool:
    """True where an extent is as the layout has it."""
    return wanted is None or extent in (wanted if isinstance(wanted, tuple) else (wanted,))


def _text(wanted: int | tuple[int, ...] | None) -> str:
    """An extent of a layout in words."""
    return "*" if wanted is None else " or ".join(map(str, wanted)) if isinstance(wanted, tuple) else str(wanted)


def _name(position: int) -> str:
    """The name of a video's dataset: ids may hold "/" and any length, positions do not."""
    return f"{position:06d}"


class Sink(io.RawIOBase):
    """A file for HDF5 to write to; after an error it keeps in memory what else is written, and `check` and the end raise the error.

    HDF5 itself cannot close a file that it could not write: it leaks the handle and the space, and crashes at exit. Where it reads other bytes
    than it has written it crashes at once.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None
        self._unwritten: list[tuple[int, bytes]] = []  # (position, bytes) since the error

    def check(self) -> None:
        """Raise the first error of writing."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        whole, start = memoryview(data).cast("B"), self._file.tell()
        left = whole
        try:
            while left and self._error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._error = error
        if left:
            self._unwritten.append((start, bytes(whole)))
            self._file.seek(start + len(whole))
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        try:
            if self._error is None:
                self._file.truncate(size)
        except OSError as error:
            self._error = error
        return size or 0

    def readinto(self, buffer: Any) -> int | None:
        view, start = memoryview(buffer).cast("B"), self._file.tell()
        count = self._file.readinto(view) or 0
        for position, content in self._unwritten:
            first, last = max(start, position), min(start + len(view), position + len(content))
            if first < last:
                view[first - start : last - start] = content[first - position : last - position]
                count = max(count, last - start)
        self._file.seek(start + count)
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.check()


def _seal(path: Path, tag: str) -> None:
    """Write the digest of all bytes after the user block into it, and the tag."""
    with path.open("r+b") as file:
        file.seek(SEAL)
        seal = _seal_of(hashlib.file_digest(file, "sha256").hexdigest(), tag)
        file.seek(0)
        file.write(seal)


def _seal_of(digest: str, tag: str) -> bytes:
    """The user block. Shards of older versions have no tag."""
    return (f"{SCHEMA}\nsha256 {digest}\n" + (f"made from {tag}\n" if tag else "")).encode().ljust(SEAL, b"\0")


def digest(path: str | Path) -> str:
    """The hex SHA-256 that a shard's seal states. The bytes are not read. Raises InputError where there is no seal."""
    path = Path(path)
    with files.reading(path, partial(_broken, path)), path.open("rb") as file:
        seal = file.read(SEAL)
    lines = seal.rstrip(b"\0").decode("ascii", "replace").split("\n")
    stated, tag = (next((line.removeprefix(name) for line in lines if line.startswith(name)), "") for name in ("sha256 ", "made from "))
    if len(stated) != 64 or seal != _seal_of(stated, tag):
        describe(path)  # says so where the schema is another
        raise _damaged(path, "no digest in its first bytes")
    return stated


def verify(path: str | Path) -> None:
    """Read a shard whole; raises InputError where any byte is not as it was written."""
    stated = digest(path)
    with files.reading(path, partial(_broken, Path(path))), Path(path).open("rb") as file:
        file.seek(SEAL)
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != stated:
        raise _damaged(Path(path), "its bytes are not those that its digest was made of")


class Shard(NamedTuple):
    """The facts that a shard holds about itself."""

    ids: list[str]
    sources: list[str]  # SHA-256 of each, as in the index
    attrs: dict[str, Any]


def describe(path: str | Path) -> Shard:
    """Read the ids, sources and root attributes of a shard, no video; InputError as in `Cache`."""
    path = Path(path)
    with files.reading(path, partial(_broken, path)), h5py.File(path, "r") as file:
        attrs = {key: value.item() if isinstance(value, np.generic) else value for key, value in file.attrs.items()}
        if attrs.get("schema") != SCHEMA:
            schema = attrs.get("schema", "none")
            raise InputError(f"{path}: schema {schema}, not {SCHEMA}; delete it and extract again")
        ids, sources = (list(file[name].asstr()[:]) for name in ("ids", "sources"))
        if not len(file["videos"]) == len(ids) == len(sources):
            raise InputError(f"{path}: {len(ids)} ids, {len(file['videos'])} videos; delete it and extract again")
    return Shard(ids, sources, attrs)


def _broken(path: Path, error: Exception) -> InputError:
    """The error of a shard that is absent or damaged."""
    return InputError(f"{path}: no such shard; extract it first") if isinstance(error, FileNotFoundError) else _damaged(path, error)


def _damaged(path: Path, error: Exception | str) -> InputError:
    return InputError(f"{path}: damaged ({' '.join(str(error).split())}); delete it and extract again")


class Array(NamedTuple):
    """A contiguous array in a file, read without HDF5: its bytes stand at `offset`, time step by time step."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, dataset: h5py.Dataset) -> Array:
        """The array of a dataset; raises OSError where it is not contiguous (docs/data-contract.md)."""
        offset = dataset.id.get_offset()
        if offset is None:
            raise OSError(f"{dataset.name} is not contiguous")
        return cls(offset, dataset.dtype, tuple(dataset.shape))

    def read(self, file: int, start: int, stop: int, step: int) -> np.ndarray:
        """Time steps start, start + step, ... below stop, from a file descriptor; raises OSError where the file ends before."""
        values = np.empty((len(range(start, stop, step)), *self.shape[1:]), self.dtype)
        one = values[0].nbytes
        for position, piece in enumerate([values] if step == 1 else values):
            _fill(memoryview(piece).cast("B"), file, self.offset + (start + position * step) * one)
        return values


def _fill(view: memoryview, file: int, offset: int) -> None:
    """Read bytes of a file into all of `view`: Linux reads at most 2 GiB at a time."""
    while view:
        count = os.preadv(file, [view], offset)
        if not count:
            raise OSError("the file ends before its last video")
        view, offset = view[count:], offset + count


class Cache:
    """The videos of all shards of one modality of one dataset.

    Making one reads ids and attributes only and keeps no file open; each process opens a shard when it first reads
    from it. It can be pickled, and used on both sides of a fork.

    modality: the one that the shards must be of; None takes any.

    Raises:
        InputError: a shard that is absent, damaged, of another schema or modality, or made otherwise than the first one.
    """

    def __init__(self, paths: Sequence[str | Path], modality: str | None = None) -> None:
        self.paths = [Path(path) for path in paths]
        self.ids: list[str] = []
        self.attrs: dict[str, Any] = {}
        self._places: dict[str, tuple[int, str]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}  # of videos as JPEG
        self._arrays: dict[str, Array] = {}  # of other videos
        self._files: dict[int, h5py.File] = {}
        self._process = os.getpid()
        self._modality = modality
        for shard, path in enumerate(self.paths):
            self._add(shard, path)

    def _add(self, shard: int, path: Path) -> None:
        """Take over the ids and attributes of one shard."""
        ids, _, attrs = describe(path)
        held = attrs.get("modality")
        if self._modality not in (None, held):
            raise InputError(f"{path} holds {held}, not {self._modality}; delete it and extract again")
        if shard and attrs != self.attrs:
            differing = ", ".join(differences(attrs, self.attrs))
            raise InputError(f"{path} and {self.paths[0]} differ in {differing}: one is older; delete both and extract again")
        self.attrs = attrs
        for position, id in enumerate(ids):
            if id in self._places:
                raise InputError(f"{path}: {id} is also in {self.paths[self._places[id][0]]}; delete the two files, extract again")
            self._places[id] = shard, _name(position)
        self.ids += ids

    def __contains__(self, id: object) -> bool:
        return id in self._places

    @property
    def shorter(self) -> int:
        """Steps that each video has less than frames."""
        return layout(self.attrs["modality"]).shorter

    def shape(self, id: str) -> tuple[int, ...]:
        """The shape of a video's array, time first."""
        if self.attrs.get("codec") != "jpeg":
            return self._array(id).shape
        if id not in self._shapes:
            offsets = self._dataset("offsets", id)
            self._shapes[id] = len(offsets) - 1, *map(int, offsets.attrs["step"])
        return self._shapes[id]

    def length(self, id: str) -> int:
        """Count the time steps of a video in this modality (flow has one less than frames)."""
        return self.shape(id)[0]

    def read(self, id: str, start: int, stop: int, step: int = 1) -> np.ndarray:
        """Time steps start, start + step, ... below stop of a video: an array of the modality's layout, from the file.

        No byte of another step is read. Steps outside the video raise InputError.
        """
        if not (0 <= start < stop <= self.length(id) and step > 0):
            raise InputError(f"{id} has {self.length(id)} steps of {self.attrs['modality']}, not {start}:{stop}:{step}")
        shard = self._places[id][0]
        path = self.paths[shard]
        with files.reading(path, partial(_damaged, path)):
            if self.attrs.get("codec") == "jpeg":
                offsets = self._dataset("offsets", id)[start : stop + 1]
                return jpeg.decode(_pieces(self._dataset("videos", id), offsets, step), self.shape(id)[1:])
            return self._array(id).read(self._file(shard).id.get_vfd_handle(), start, stop, step)

    def _array(self, id: str) -> Array:
        """The array of a video in its file, looked up once: HDF5 takes as long to find a short clip as to read it."""
        if id not in self._arrays:
            values, path = self._dataset("videos", id), self.paths[self._places[id][0]]
            with files.reading(path, partial(_damaged, path)):
                self._arrays[id] = Array.of(values)
        return self._arrays[id]

    def stored(self, id: str) -> np.ndarray | jpeg.Encoded:
        """A video as its shard holds it, and as `write_shard` takes it."""
        values = self._dataset("videos", id)[:]
        if self.attrs["codec"] == "jpeg":
            return jpeg.Encoded(values, self._dataset("offsets", id)[:], self.shape(id)[1:])
        return np.asarray(values)

    def _dataset(self, group: str, id: str) -> h5py.Dataset:
        if id not in self._places:
            raise InputError(f"{id} is not in the {self.attrs.get('modality', '')} cache; extract again")
        shard, name = self._places[id]
        with files.reading(self.paths[shard], partial(_broken, self.paths[shard])):
            return self._file(shard)[group][name]

    def _file(self, shard: int) -> h5py.File:
        """The open file of a shard, of this process. Of many shards some are open at a time: those that were opened last."""
        if self._process != os.getpid():
            self._files, self._process = {}, os.getpid()
        if shard not in self._files:
            while len(self._files) >= open_at_a_time():
                self._files.pop(next(iter(self._files))).close()
            access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
            access.set_sieve_buf_size(0)  # else HDF5 reads 64 KiB where a step is less
            self._files[shard] = h5py.File(h5py.h5f.open(os.fsencode(self.paths[shard]), h5py.h5f.ACC_RDONLY, access))
        return self._files[shard]

    def close(self) -> None:
        """Close this process's files; the next read opens them again."""
        if self._process == os.getpid():
            for file in self._files.values():
                file.close()
        self._files = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}


@cache
def open_at_a_time() -> int:
    """The number of shards that one cache holds open: a share of the files that this process may open, for a training has several caches."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if limit == resource.RLIM_INFINITY else max(8, (limit - 64) // 8)


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The names, sorted, of the attributes in which two shards differ."""
    return sorted(key for key in {*first, *second} if first.get(key) != second.get(key))


def _pieces(values: h5py.Dataset, offsets: np.ndarray, step: int) -> list[np.ndarray]:
    """Read every `step`-th JPEG file of those between `offsets`: in one piece where they lie side by side, else one by one."""
    if step == 1:
        return np.split(values[offsets[0] : offsets[-1]], offsets[1:-1] - offsets[0])
    return [values[offsets[t] : offsets[t + 1]] for t in range(0, len(offsets) - 1, step)]
