"""Films as symbols, decoded again."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from videossl.report.films import Reel


def frames(shape: tuple[int, int], count: int) -> list[np.ndarray]:
    return [np.full((*shape, 3), 20 * i + 10, np.uint8) for i in range(count)]


@pytest.mark.parametrize(("shape", "width", "height"), [((48, 64), 64, 48), ((96, 256), 128, 48)])
def test_frames_lie_side_by_side_and_are_shrunk(shape: tuple[int, int], width: int, height: int) -> None:
    reel = Reel({"a": frames(shape, 5)}, {})
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(reel.symbols.split("base64,")[1].split('"')[0]))))
    assert strip.shape == (height, 5 * width, 3)
    centres = strip[height // 2, width // 2 :: width].astype(int)
    assert np.abs(centres - np.arange(10, 110, 20)[:, None]).max() <= 4
    assert reel.name("a") == f"film-0 5 {width} {height}" and f'viewBox="0 0 {width} {height}"' in reel.show("a", "x")


def test_a_film_moves_and_a_still_does_not() -> None:
    reel = Reel({"a": frames((8, 8), 3)}, {"a": frames((8, 8), 1)[0], "b": frames((8, 8), 1)[0]})
    assert reel.symbols.count("<symbol") == 2, "a video that has a film needs no still"
    assert "data-clip" in reel.show("a", "x") and "--n:3;--rest:1" in reel.show("a", "x") and "data-clip" not in reel.show("b", "x")
    assert reel.show("c", "x") == reel.name("c") == "", "of what is not there, nothing"


def test_drawings_lie_side_by_side_and_names_are_escaped() -> None:
    reel = Reel({"<a>": ['<svg class="skeleton" viewBox="0 0 100 100"></svg>'] * 2}, {})
    assert '<svg x="0" width="100" height="100" class' in reel.symbols and '<svg x="100" width="100"' in reel.symbols
    assert 'aria-label="&lt;b&gt;"' in reel.show("<a>", "<b>")
