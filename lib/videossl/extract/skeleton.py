"""Skeletons as the cache holds them: parsed, nothing resampled, all frames kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videossl import registry
from videossl.data import bodies, ntu_skeleton, skeleton_files
from videossl.data.index import Row
from videossl.errors import InputError


@dataclass(frozen=True)
class Skeletons:
    """Extracts (N, joints, 3, 2) float32 joints in metres; a video without a skeleton file raises InputError."""

    joints: int
    exact = False  # `shape` is an estimate

    def __call__(self, row: Row, root: Path) -> np.ndarray:
        """The joints of one video."""
        return skeleton_files.parse(root / _file(row))

    def shape(self, row: Row) -> tuple[int, ...]:
        """(N, joints, 3, 2), N by the index: the skeleton file may have a few frames less or more than its video."""
        _file(row)
        return row.frames, self.joints, 3, bodies.BODIES

    def made_by(self) -> dict[str, Any]:
        """Name, versions and params, for the cache."""
        return {"name": skeleton_files.format_of(self.joints), "version": "2", "params": {}}

    def attrs(self) -> dict[str, Any]:
        """Nothing more to know."""
        return {}


def make(params: Mapping[str, Any]) -> Skeletons:
    """The extractor of a dataset's files, which have as many joints as the YAML of the dataset says, or else Kinect v2's."""
    sizes = registry.declared("datasets", params["dataset"]["name"]).get("sizes", {})
    return Skeletons(sizes.get("joint", len(ntu_skeleton.JOINTS)))


def _file(row: Row) -> str:
    """The skeleton file of a video."""
    if not row.skeleton:
        raise InputError(f"{row.id} has no skeleton: take the streams that are made of skeletons out of the params, or add its file")
    return row.skeleton
