"""Hand-made features against loops over cells and frames."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tasks.conftest import MakeCache, MakeRows

from videossl import seeding
from videossl.errors import InputError
from videossl.tasks import handmade


def cells(image: np.ndarray) -> np.ndarray:
    """Mean over each of 8 x 8 cells of an image whose sides are multiples of 8, by loops."""
    h, w = image.shape[0] // 8, image.shape[1] // 8
    return np.array([image[r * h : r * h + h, c * w : c * w + w].mean((0, 1)) for r in range(8) for c in range(8)]).ravel()


def test_rgb_is_the_mean_colour_of_each_cell(make_cache: MakeCache, make_rows: MakeRows) -> None:
    shapes = {"p": (5, 16, 24, 3), "q": (3, 32, 8, 3)}
    videos = {id: seeding.numpy_rng(0, id).integers(0, 256, shape).astype(np.uint8) for id, shape in shapes.items()}
    rows = make_rows([("q", "a", "train"), ("p", "b", "test")])
    out = handmade.features(make_cache("rgb", videos), rows, "rgb")
    assert out.shape == (2, 1, 192) and out.dtype == np.float32
    assert np.allclose(out[0, 0], cells(videos["q"].astype(float).mean(0)) / 255, atol=1e-6)
    assert np.allclose(out[1, 0], cells(videos["p"].astype(float).mean(0)) / 255, atol=1e-6)


def test_flow_is_the_mean_length_in_pixels(make_cache: MakeCache, make_rows: MakeRows) -> None:
    still = np.full((4, 16, 16, 2), 128, np.uint8)
    right_down = still.copy()
    right_down[:, :2, :2] = (128 + 127, 128 - 127)  # 10 px right, 10 px up in the first cell, at bound 10
    noise = seeding.numpy_rng(3).integers(1, 256, (6, 24, 16, 2)).astype(np.uint8)
    cache = make_cache("flow", {"s": still, "m": right_down, "n": noise}, bound=10.0)
    out = handmade.features(cache, make_rows([("s", "a", "train"), ("m", "b", "train"), ("n", "b", "test")]), "flow")
    assert out.shape == (3, 1, 64) and not out[0].any()
    assert out[1, 0, 0] == pytest.approx(200**0.5, rel=1e-5) and not out[1, 0, 1:].any()
    px = (noise.astype(float) - 128) * 10 / 127
    assert np.allclose(out[2, 0], cells(np.sqrt((px**2).sum(-1)).mean(0)[..., None]), atol=1e-4)


def test_joint_is_the_mean_position_and_motion_the_mean_change(make_cache: MakeCache, make_rows: MakeRows) -> None:
    video = seeding.numpy_rng(0).normal(size=(7, 25, 3, 2)).astype(np.float32)
    video[..., 1] = 0
    cache, rows = make_cache("joint", {"v": video}), make_rows([("v", "a", "train")])
    relative = np.stack([frame - frame[1] for frame in video[..., 0]])  # joint 2 of Kinect: the spine's middle
    out = handmade.features(cache, rows, "joint").reshape(3, 25, 2)
    assert np.allclose(out[..., 0], relative.mean(0).T, atol=1e-5) and not out[..., 1].any()
    change = np.concatenate([np.abs(np.diff(relative, axis=0)), np.zeros((1, 25, 3))])
    out = handmade.features(cache, rows, "motion").reshape(3, 25, 2)
    assert np.allclose(out[..., 0], change.mean(0).T, atol=1e-5) and not out[..., 1].any()


def test_bone_is_the_mean_vector_from_the_parent(make_cache: MakeCache, make_rows: MakeRows) -> None:
    video = seeding.numpy_rng(0).normal(size=(7, 17, 3, 2)).astype(np.float32)
    cache, rows = make_cache("joint", {"v": video}), make_rows([("v", "a", "train")])
    out = handmade.features(cache, rows, "bone", "coco").reshape(3, 17, 2)
    mean = video.mean(0)  # (17, 3, 2)
    for joint, parent in ((0, 0), (4, 2), (5, 0), (9, 7), (11, 5), (16, 14)):  # nose, ear-eye, shoulder-nose, wrist-elbow, ...
        assert np.allclose(out[:, joint], mean[joint] - mean[parent], atol=1e-5)
    with pytest.raises(InputError, match=r"have 17 joints, and the graph ntu-rgb\+d of bone has 25: set modalities\.bone\.graph to coco"):
        handmade.features(cache, rows, "bone", "ntu-rgb+d")


def test_mistakes_are_named(make_cache: MakeCache, make_rows: MakeRows, rgb_videos: dict[str, np.ndarray]) -> None:
    cache = make_cache("rgb", rgb_videos)
    with pytest.raises(InputError, match="audio"):
        handmade.features(cache, make_rows([("a/1", "a", "train")]), "audio")
    with pytest.raises(InputError, match="no usable video"):
        handmade.features(cache, [], "rgb")
