"""Make one shard of a modality's cache: videos in parallel, one file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from videossl.data import cache, pool, video
from videossl.data.index import Row
from videossl.errors import InputError
from videossl.extract import flow, skeleton


def build(
    path: str | Path,
    rows: Sequence[Row],
    root: str | Path,
    dataset: str,
    modality: str,
    params: Mapping[str, Any],
    processes: int = 1,
    progress: bool = False,
) -> None:
    """Extract `modality` of all `rows` into the shard `path`.

    Args:
        path: the file to write.
        rows: usable rows of the index that belong to the shard.
        root: the dataset's folder.
        dataset: its name.
        modality: "rgb", "flow" or "joint".
        params: rgb: {"short_side": pixels or None}; flow: also {"bound": pixels} and any of `flow.SETTINGS`; joint: {}.
        processes: how many to extract in.
        progress: show a bar on stderr.

    Raises:
        InputError: a video that is not as the index has it, or an unknown modality or parameter.
    """
    from tqdm import tqdm

    made_by = extractor(modality, params)
    extract = partial(extract_video, root=Path(root), modality=modality, params=dict(params))
    arrays = pool.ordered(extract, rows, processes)
    bar = tqdm(arrays, total=len(rows), desc=f"{dataset} {modality}", unit="video", disable=not progress)
    attrs = {"bound": float(params["bound"])} if modality == "flow" else {}
    videos = ((row.id, values) for row, values in zip(rows, bar, strict=True))
    cache.write_shard(path, modality, dataset, videos, made_by, **attrs)


def extract_video(row: Row, root: Path, modality: str, params: Mapping[str, Any]) -> np.ndarray:
    """One video in one modality, as the cache holds it (docs/data-contract.md)."""
    if modality == "joint":
        return skeleton.joints(row, root)
    frames = video.frames(root / row.path, params.get("short_side"), grey=modality == "flow")
    if len(frames) != row.frames:
        raise InputError(
            f"{row.id}: {len(frames)} frames decode, the index has {row.frames}; make the index again"
        )
    if modality == "rgb":
        return frames
    return flow.quantise(flow.tvl1(frames, _settings(params)), params["bound"])


def extractor(modality: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a modality, for the cache: name, versions of the libraries, params."""
    if modality == "joint":
        return skeleton.extractor()
    import av
    import cv2

    size = {"short_side": params.get("short_side")}
    if modality == "rgb":
        return {"name": "frames", "version": f"av {av.__version__}, opencv {cv2.__version__}", "params": size}
    if modality == "flow":
        made_by = flow.extractor(_settings(params))
        made_by["params"] |= size | {"bound": params["bound"]}
        return made_by | {"version": f"av {av.__version__}, {made_by['version']}"}
    raise InputError(
        f"modality {modality!r} cannot be extracted; there are rgb, flow and joint (motion is read from joint)"
    )


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of TV-L1 among those of flow."""
    return {name: value for name, value in params.items() if name not in ("short_side", "bound")}
