"""Videos of a cache held in the memory of a GPU, as uint8, so that clips are gathered where they are worked at and nothing is read."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videossl.data.clips import Source, Videos
from videossl.errors import InputError, is_out_of_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

log = logging.getLogger(__name__)

GIGABYTE = 10**9


class Resident:
    """Some videos of a cache of pictures on a device. It is read as the `Cache` is, by this process alone, and gives tensors there.

    Raises InputError where they are more than the device's free memory.
    """

    def __init__(self, cache: Videos, ids: Iterable[str], device: torch.device) -> None:
        import torch

        self.attrs, self.shorter = cache.attrs, cache.shorter
        shapes = {id: cache.shape(id) for id in ids}
        total = sum(map(math.prod, shapes.values()))
        try:
            values = torch.empty(total, dtype=torch.uint8, device=device)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise InputError(f"{total / GIGABYTE:.1f} GB of frames are more than the GPU has free; lower `resident`") from error
            raise
        self._videos: dict[str, Tensor] = {}
        start = 0
        for id, shape in shapes.items():
            self._videos[id] = values[start : start + math.prod(shape)].view(shape)
            self._videos[id].copy_(torch.from_numpy(cache.read(id, 0, shape[0])))
            start += math.prod(shape)

    def __contains__(self, id: object) -> bool:
        return id in self._videos

    def shape(self, id: str) -> tuple[int, ...]:
        """The shape of a video, time first."""
        return tuple(self._videos[id].shape)

    def length(self, id: str) -> int:
        """Count the time steps of a video."""
        return len(self._videos[id])

    def read(self, id: str, start: int, stop: int, step: int = 1) -> Tensor:
        """Time steps start, start + step, ... below stop of a video, (T, H, W, C) uint8; nothing is copied. Steps outside raise InputError."""
        if not (0 <= start < stop <= self.length(id) and step > 0):
            raise InputError(f"{id} has {self.length(id)} steps of {self.attrs['modality']}, not {start}:{stop}:{step}")
        return self._videos[id][start:stop:step]


def held(sources: Sequence[Source], ids: Sequence[str], device: torch.device, gigabytes: float) -> list[Source]:
    """The sources, with caches of pictures held on `device` where the videos `ids` of all of them take at most `gigabytes` there, in 10^9 bytes.

    Videos of a cache with JPEG count as the frames that they are decoded to. Says in the log what is held, or why it is not.
    """
    if not gigabytes or not ids:
        return list(sources)
    # By what is in them: a training depends on its modalities' files alone, and motion is read from joints.
    pictures = {_modality(source): source.cache for source in sources if source.cache.read(ids[0], 0, 1).dtype == np.uint8}
    if not pictures:
        return list(sources)
    size = sum(math.prod(cache.shape(id)) for cache in pictures.values() for id in ids) / GIGABYTE
    names = " and ".join(pictures)
    if size > gigabytes:
        log.warning("%.3g GB of %s do not fit the %g GB of `resident`: clips are read as they are needed", size, names, gigabytes)
        return list(sources)
    log.info("%.3g GB of %s are held on the %s", size, names, device.type)
    here = {name: Resident(cache, ids, device) for name, cache in pictures.items()}
    return [source._replace(cache=here.get(_modality(source), source.cache)) for source in sources]


def _modality(source: Source) -> str:
    return str(source.cache.attrs["modality"])
