"""RGB and flow: clips, hand-made features against loops, drawings."""

from __future__ import annotations

import colorsys
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.made import shard

from videossl import registry, seeding
from videossl.data import clips, pictures
from videossl.data.cache import Cache
from videossl.errors import InputError
from videossl.modalities import flow, rgb
from videossl.modalities.base import Strip, evenly

CLIP = {"clip": {"frames": 3, "stride": 2, "size": 32}}


def made(folder: Path, modality: str, video: np.ndarray, **attrs: float) -> Cache:
    return Cache([shard(folder / f"{modality}.h5", modality, [("v", video)], **attrs)])


def cells(image: np.ndarray) -> np.ndarray:
    """Mean over each of 8 x 8 cells of an image whose sides are multiples of 8, by loops."""
    h, w = image.shape[0] // 8, image.shape[1] // 8
    return np.array([image[r * h : r * h + h, c * w : c * w + w].mean((0, 1)) for r in range(8) for c in range(8)]).ravel()


@pytest.mark.parametrize(("name", "channels"), [("rgb", 3), ("flow", 2)])
def test_a_clip_is_some_steps_of_the_video(tmp_path: Path, name: str, channels: int) -> None:
    video = seeding.numpy_rng(0).integers(1, 256, (9, 4, 6, channels)).astype(np.uint8)
    cache, module = made(tmp_path, name, video, **({"bound": 20.0} if name == "flow" else {})), registry.module("modalities", name)
    np.testing.assert_array_equal(module.load(cache, "v", CLIP, 3), video[[3, 5, 7]])
    assert module.span(CLIP) == 5
    with pytest.raises(InputError, match="v has 9 steps"):
        module.load(cache, "v", CLIP, 5)


@pytest.mark.parametrize("shape", [(5, 16, 24, 3), (3, 32, 8, 3)])
def test_rgb_is_the_mean_colour_of_each_cell(tmp_path: Path, shape: tuple[int, ...]) -> None:
    video = seeding.numpy_rng(0).integers(0, 256, shape).astype(np.uint8)
    out = rgb.handmade(made(tmp_path, "rgb", video), "v", CLIP)
    assert out.shape == (192,) and np.allclose(out, cells(video.astype(float).mean(0)) / 255, atol=1e-6)


def test_flow_is_the_mean_length_in_pixels(tmp_path: Path) -> None:
    still = np.full((4, 16, 16, 2), 128, np.uint8)
    assert not flow.handmade(made(tmp_path, "flow", still, bound=10.0), "v", CLIP).any()
    still[:, :2, :2] = (128 + 127, 128 - 127)  # 10 px right, 10 px up in the first cell, at bound 10
    out = flow.handmade(made(tmp_path, "flow", still, bound=10.0), "v", CLIP)
    assert out.shape == (64,) and out[0] == pytest.approx(200**0.5, rel=1e-5) and not out[1:].any()
    noise = seeding.numpy_rng(3).integers(1, 256, (6, 24, 16, 2)).astype(np.uint8)
    px = (noise.astype(float) - 128) * 10 / 127
    out = flow.handmade(made(tmp_path, "flow", noise, bound=10.0), "v", CLIP)
    assert np.allclose(out, cells(np.sqrt((px**2).sum(-1)).mean(0)[..., None]), atol=1e-4)


@pytest.mark.parametrize(("module", "channels"), [(rgb, 3), (flow, 2)])
def test_a_long_video_is_never_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, channels: int) -> None:
    """Hours of video are gigabytes. The feature is the same to the bit, whatever is read at a time."""
    name = module.__name__.rpartition(".")[2]
    video = seeding.numpy_rng(0).integers(1, 256, (2000, 32, 32, channels), dtype=np.uint8)
    cache = made(tmp_path, name, video, **({"bound": 20.0} if name == "flow" else {}))
    whole = module.handmade(cache, "v", CLIP)
    monkeypatch.setattr(pictures, "BLOCK", video.nbytes // 30)
    for read in (lambda: module.handmade(cache, "v", CLIP), lambda: module.pictures(cache, "v", 6)):
        tracemalloc.start()
        result = read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < video.nbytes / 2, "of the bytes as they lie there, and floats are 4 or 8 times as many"
        assert isinstance(result, Strip) or np.array_equal(result, whole)


# Drawing


@given(st.integers(0, 300), st.integers(2, 12))
def test_evenly(count: int, wanted: int) -> None:
    positions = evenly(count, wanted)
    assert positions == sorted(set(positions)) and len(positions) == min(count, wanted)
    assert not count or (positions[0], positions[-1]) == (0, count - 1 if count > 1 else 0)


def test_frames_and_flow_show_the_same_moments(tmp_path: Path) -> None:
    frames = seeding.numpy_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    levels = np.full((9, 8, 8, 2), 128 + 5, np.uint8)  # at bound 25.4 one pixel a frame in each direction
    one, two = rgb.pictures(made(tmp_path, "rgb", frames), "v", 4), flow.pictures(made(tmp_path, "flow", levels, bound=25.4), "v", 4)
    assert (one.name, two.name) == ("frames", "flow, rim 1.4 pixels a frame")
    assert [picture.label for picture in one.pictures] == ["frame 0", "frame 3", "frame 6", "frame 9"]
    assert [picture.label for picture in two.pictures] == ["flow at frame 0", "flow at frame 3", "flow at frame 6", "flow at frame 9"]
    assert {picture.kind for picture in (*one.pictures, *two.pictures)} == {"png"}
    for picture, shown in zip(one.pictures, (0, 3, 6, 9), strict=True):
        np.testing.assert_array_equal(picture.value, frames[shown])
    for picture in two.pictures:
        np.testing.assert_array_equal(picture.value, flow.colours(np.ones((8, 8, 2)), 2**0.5))


def test_a_thumbnail_is_the_frame_in_the_middle(tmp_path: Path) -> None:
    frames = seeding.numpy_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    np.testing.assert_array_equal(rgb.thumbnail(made(tmp_path, "rgb", frames), "v"), frames[5])


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0.5, 12))
def test_flow_colours_are_hsv(u: float, v: float, limit: float) -> None:
    """Against the standard library's conversion, one pixel at a time."""
    colour = flow.colours(np.array([[u, v]]), limit)[0]
    hue = np.arctan2(v, u) / (2 * np.pi) % 1
    wanted = colorsys.hsv_to_rgb(float(hue), min(1.0, float(np.hypot(u, v)) / limit), 1.0)
    assert np.abs(colour - np.array(wanted) * 255).max() <= 0.51


def test_flow_colours_by_hand() -> None:
    values = np.array([[0, 0], [2, 0], [-2, 0], [99, 0], [np.nan, 0]], dtype=np.float32)
    assert flow.colours(values, 2.0).tolist() == [
        [255, 255, 255],
        [255, 0, 0],
        [0, 255, 255],
        [255, 0, 0],
        [255, 255, 255],
    ]


def test_full_colour_ignores_a_few_outliers_and_keeps_stillness_pale() -> None:
    values = np.zeros((100, 100, 2))
    assert flow.full_colour(values) == 0.5
    values[..., 0] = 3.0
    values[0, :50] = 100.0
    assert flow.full_colour(values) == 3.0


def test_the_wheel_shows_directions_as_on_the_screen() -> None:
    wheel = flow.wheel(65)
    assert wheel.shape == (65, 65, 4)
    assert wheel[0, 0, 3] == 0 and wheel[32, 32].tolist() == [255, 255, 255, 255]
    right, left = wheel[32, 63], wheel[32, 1]
    assert right[0] == 255 and right[1] < 20
    assert left[0] < 20 and left[1] == 255
    (picture,) = flow.legend().pictures
    assert picture.kind == "png" and np.array_equal(picture.value, flow.wheel())


@pytest.mark.parametrize("normalise", [[0.45, 0.2], [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]])
def test_a_view_of_frames_is_drawn_in_its_colours_again(tmp_path: Path, normalise: list[Any]) -> None:
    """What evaluation makes of a video of the view's own size is the video."""
    video = seeding.numpy_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    augment = {"area": [0.6, 1.0], "flip": 0.5, "jitter": [0.1] * 4, "jitter_p": 0, "grey_p": 0, "blur_p": 0, "blur_sigma": [0.1, 2]}
    settings = {"clip": {"frames": 3, "stride": 1, "size": 32}, "augment": augment | {"normalise": normalise}}
    cache = made(tmp_path, "rgb", video)
    batch, sizes = clips.collate([rgb.load(cache, "v", settings, 0)])
    view = rgb.augmentation(settings, cache.attrs).evaluate(batch, sizes)[0].numpy()
    drawn = rgb.seen(view, settings)
    assert (
        len(drawn) == 3
        and max(np.abs(np.asarray(one.value).astype(int) - frame).max() for one, frame in zip(drawn, video, strict=True)) <= 1
    )


def test_a_view_of_flow_is_drawn_as_flow_is() -> None:
    view = seeding.numpy_rng(0).normal(size=(2, 4, 8, 8)).astype(np.float32)
    drawn, pixels = flow.seen(view, {"augment": {"scale": 4.0}}), view.transpose(1, 2, 3, 0) * 4
    assert [
        np.abs(np.asarray(one.value).astype(int) - flow.colours(step, flow.full_colour(pixels))).max()
        for one, step in zip(drawn, pixels, strict=True)
    ] == [0] * 4


@pytest.mark.parametrize(("said", "expected"), [({}, False), ({"zero_mean": False}, False), ({"zero_mean": True}, True)])
def test_the_camera_s_motion_is_taken_off_flow_where_the_settings_say_so(said: dict[str, bool], expected: bool) -> None:
    settings = CLIP | {"augment": {"area": [0.5, 1.0], "flip": 0.5, "scale": 4.0, **said}}
    assert flow.augmentation(settings, {"bound": 20}).zero_mean is expected
