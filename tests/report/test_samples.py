"""Images as data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from videossl.report import samples


def decode(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_png_uri_keeps_pixels_and_shrinks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    assert np.array_equal(decode(samples.png_uri(image)), image)
    assert np.array_equal(decode(samples.png_uri(image, 20)), image)
    small = decode(samples.png_uri(image, 10))
    assert small.shape == (6, 10, 3)
    naive = image.reshape(6, 2, 10, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - naive).max() <= 1


def test_an_svg_has_no_pixels() -> None:
    assert samples.is_small(np.zeros((9, 95, 3), np.uint8)) and not samples.is_small(np.zeros((9, 96, 3), np.uint8))
    assert not samples.is_small("<svg></svg>")
