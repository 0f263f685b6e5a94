"""Skeleton files of any format that there is: the end of a file's name says which."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videossl.data import msr_skeleton, ntu_skeleton

FORMATS = {"ntu-skeleton": ntu_skeleton, "msr-skeleton": msr_skeleton}
"""By name: modules with ENDING, JOINTS and `parse`. No two have as many joints."""

ENDINGS = tuple(module.ENDING for module in FORMATS.values())


def parse(path: str | Path) -> np.ndarray:
    """Read a skeleton file: (N, V, 3, 2) float32, metres, V joints as its format has; errors as in `parse` of the format's module.

    A name with another end is taken for NTU RGB+D's.
    """
    name = Path(path).name.lower()
    module = next((module for module in FORMATS.values() if name.endswith(module.ENDING.lower())), ntu_skeleton)
    joints: np.ndarray = module.parse(path)
    return joints


def format_of(joints: int) -> str:
    """Name the format of files whose skeletons have so many joints."""
    return next(name for name, module in FORMATS.items() if len(module.JOINTS) == joints)
