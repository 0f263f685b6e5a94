"""Arrays as images inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

SMALL = 96
"""Pictures are drawn about this many pixels wide at least."""


def png_uri(image: np.ndarray, width: int = 0) -> str:
    """A PNG of `image`, uint8 (h, w, 3 or 4), as a data URI; shrunk to `width` pixels if wider (0: not)."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    if width and picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=9)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def is_small(image: np.ndarray | str) -> bool:
    """Whether an image (h, w, channels) is drawn enlarged, so that its pixels should stay sharp; an SVG has none."""
    return not isinstance(image, str) and image.shape[1] < SMALL
