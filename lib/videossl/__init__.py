"""videossl: self-supervised learning from video, from raw files to a report.

>>> import videossl
>>> model = videossl.load("runs/mine/mixup/rgb")  # or a file of weights, or "torchvision:r3d_18"
>>> for row in model.embed("clip.avi"):
...     print(row.start_s, row.end_s, row.features.shape)
0.0 0.467 (64,)
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Load torch when it is first asked for something that needs it. Not by a statement: else each job would depend on that code (`job_code`)."""
    if name == "load":
        return importlib.import_module("videossl.use.load").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
