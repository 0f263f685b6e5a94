"""Videos as JPEG: how they lie in the files, by another decoder, and what is lost."""

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from videossl.data import jpeg


def split(one: jpeg.Encoded) -> list[np.ndarray]:
    return np.split(one.data, one.offsets[1:-1])


def there_and_back(video: np.ndarray, quality: int) -> np.ndarray:
    one = jpeg.encode(video, quality)
    return jpeg.decode(split(one), one.step)


def drift(shape: tuple[int, ...]) -> np.ndarray:
    """Smooth values that move: (N, H, W, C) uint8 in 28 to 228."""
    t, y, x, c = np.indices(shape)
    return np.uint8(np.rint(128 + 50 * np.sin((x + t) / 9 + c) + 50 * np.cos(y / 11)))


videos = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.sampled_from([2, 3])).flatmap(
    lambda shape: arrays.arrays(np.uint8, shape, elements=st.integers(1, 255))
)


@given(videos, st.integers(1, 100))
@settings(deadline=None)
def test_any_size_comes_back_in_its_shape(video: np.ndarray, quality: int) -> None:
    one = jpeg.encode(video, quality)
    assert one.shape == video.shape and one.offsets[0] == 0 and one.offsets[-1] == len(one.data)
    assert all(file[:2].tobytes() == b"\xff\xd8" and file[-2:].tobytes() == b"\xff\xd9" for file in split(one))
    back = jpeg.decode(split(one), one.step)
    assert back.shape == video.shape and back.dtype == np.uint8
    if video.shape[3] == 2:
        assert back.min() >= 1  # 0 is no level of flow, and its mirror would be 256


@given(videos, st.integers(1, 100))
@settings(deadline=None, max_examples=50)
def test_without_opencv_the_pixels_are_the_same(video: np.ndarray, quality: int) -> None:
    one = jpeg.encode(video, quality)
    back = jpeg.decode(split(one), one.step)
    jpeg._decoder.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cv2", None)
        np.testing.assert_array_equal(jpeg.decode(split(one), one.step), back)
    jpeg._decoder.cache_clear()


@pytest.mark.parametrize(("height", "start"), [(1, 16), (16, 16), (17, 32), (128, 128)])
def test_v_lies_below_u(height: int, start: int) -> None:
    video = drift((2, height, 24, 2))
    for step, file in zip(video, split(jpeg.encode(video, 100)), strict=True):
        picture = np.asarray(Image.open(io.BytesIO(file.tobytes())))
        assert picture.shape == (start + height, 24)
        assert np.abs(picture[:height].astype(int) - step[..., 0]).max() <= 2
        assert np.abs(picture[start:].astype(int) - step[..., 1]).max() <= 2
        assert np.abs(picture[height:start].astype(int) - step[-1, :, 0]).max(initial=0) <= 2


def test_u_and_v_do_not_run_into_each_other() -> None:
    """Blocks that hold one of them alone: constant u and v of the largest difference come back exactly."""
    video = np.zeros((1, 20, 8, 2), np.uint8) + np.array([1, 255], np.uint8)
    np.testing.assert_array_equal(there_and_back(video, 50), video)


@pytest.mark.parametrize("channels", [2, 3])
def test_a_higher_quality_loses_less(channels: int) -> None:
    video = drift((3, 48, 64, channels))
    errors = [np.abs(there_and_back(video, quality).astype(int) - video).mean() for quality in (10, 50, 90, 100)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1 < errors[0]


def test_a_colour_stays_in_its_channel() -> None:
    video = np.zeros((1, 16, 16, 3), np.uint8) + np.array([200, 100, 30], np.uint8)
    assert np.abs(there_and_back(video, 95).astype(int) - video).max() <= 3


@pytest.mark.parametrize("opencv", [True, False])
@pytest.mark.parametrize(
    "file", [b"", b"no picture", b"\xff\xd8\xff\xd9", jpeg.encode(drift((1, 9, 8, 3)), 90).data.tobytes(), jpeg.encode(drift((1, 8, 8, 2)), 90).data.tobytes()]
)  # fmt: skip
def test_what_is_no_jpeg_of_that_size(monkeypatch: pytest.MonkeyPatch, opencv: bool, file: bytes) -> None:
    jpeg._decoder.cache_clear()
    if not opencv:
        monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match="no JPEG file"):
        jpeg.decode([np.frombuffer(file, np.uint8)], (8, 8, 3))
    jpeg._decoder.cache_clear()
