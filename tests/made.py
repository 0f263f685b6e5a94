"""Rows of an index, shards of a cache and a file of sound, made up: what tests start from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np

from videossl.data.cache import write_shard
from videossl.data.index import Row


def row(id: str, label: str = "", split: str = "train", **changes: Any) -> Row:
    """A usable video of 20 frames of 32 x 32, 25 a second, a source of its own."""
    fields = {"path": f"{id}.avi", "group": id, "frames": 20, "fps": 25.0, "steps": 20, "width": 32, "height": 32, "skeleton": ""}
    return Row(id=id, label=label, split=split, **fields | {"sha256": sha256(id), "status": "ok", "reason": ""} | changes)


def sha256(id: str) -> str:
    """What stands for the hash of a video that there is not."""
    return hashlib.sha256(id.encode()).hexdigest()


def shard(path: Path, modality: str, videos: Iterable[tuple[str, np.ndarray]], dataset: str = "toy", **attrs: Any) -> Path:
    """A shard of `videos` (id, array); returns its path."""
    extractor = {"name": "test", "version": "1", "params": {}}
    write_shard(path, modality, dataset, ((id, sha256(id), array) for id, array in videos), extractor, **attrs)
    return path


def sound(path: Path) -> None:
    """A file of a tenth of a second of silence, without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
