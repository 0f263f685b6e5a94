"""Joints, motion and bones: clips, hand-made features against loops, drawings. The maths: tests/data/test_skeletons.py."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tests.made import shard

from videossl import registry, seeding, skeleton_graphs
from videossl.data.cache import Cache
from videossl.errors import InputError
from videossl.modalities import bone, joint, motion

NAMES = ("joint", "motion", "bone")
CLIP = {"clip": {"frames": 50}}


def made(folder: Path, video: np.ndarray, dataset: str = "toy") -> Cache:
    return Cache([shard(folder / "joint.h5", "joint", [("v", video)], dataset)])


def noise(frames: int = 7, joints: int = 25) -> np.ndarray:
    return seeding.numpy_rng(0).normal(size=(frames, joints, 3, 2)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_the_whole_video_even_where_longer(tmp_path: Path, name: str) -> None:
    module, cache = registry.module("modalities", name), made(tmp_path, noise(20))
    clip = module.load(cache, "v", CLIP, 0)
    assert clip.shape == module.input_shape(CLIP) == (3, 50, 25, 2) and clip.dtype == np.float32 and clip.flags.c_contiguous
    np.testing.assert_array_equal(module.load(cache, "v", CLIP, 7), clip)
    assert module.span(CLIP) is None


def test_motion_and_bone_are_made_of_the_joints_of_the_clip(tmp_path: Path) -> None:
    video = noise(9, 17)
    cache, settings = made(tmp_path, video), {"clip": {"frames": 9}, "graph": "coco"}
    position = joint.load(cache, "v", settings, 0)
    origin = (video[:, 11, :, :1] + video[:, 12, :, :1]) / 2  # the middle of the hips of the first body
    np.testing.assert_allclose(position, (video - origin[:, None]).transpose(2, 0, 1, 3), atol=1e-6)
    change = motion.load(cache, "v", settings, 0)
    np.testing.assert_allclose(change[:, :-1], np.diff(position, axis=1), atol=1e-6)
    assert not change[:, -1].any()
    vectors = bone.load(cache, "v", settings, 0)
    for place, parent in ((4, 2), (5, 0), (9, 7), (11, 5), (16, 14)):
        np.testing.assert_allclose(vectors[:, :, place], position[:, :, place] - position[:, :, parent], atol=1e-6)
    assert not vectors[:, :, 0].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("joints", "graph", "fitting"), [(17, "ntu-rgb+d", "coco"), (25, "coco", "ntu-rgb+d or ntu-rgb+d-hands")])
def test_skeletons_of_another_graph(tmp_path: Path, name: str, joints: int, graph: str, fitting: str) -> None:
    cache, module = made(tmp_path, noise(joints=joints), "mine"), registry.module("modalities", name)
    module.check(cache, {"graph": fitting.partition(" or ")[0]})
    said = (
        f"the cached skeletons of mine have {joints} joints, and the stream's graph {graph} has {42 - joints}: set its `graph` to {fitting}"
    )
    with pytest.raises(InputError, match=re.escape(said)):
        module.check(cache, {"graph": graph})
    if graph == skeleton_graphs.DEFAULT:
        with pytest.raises(InputError, match=re.escape(said)):
            module.check(cache, {})


def test_an_empty_cache_is_of_any_graph(tmp_path: Path) -> None:
    joint.check(Cache([shard(tmp_path / "joint.h5", "joint", [])]), {"graph": "coco"})


def test_joint_is_the_mean_position_and_motion_the_mean_change(tmp_path: Path) -> None:
    video = noise()
    video[..., 1] = 0
    cache = made(tmp_path, video)
    relative = np.stack([frame - frame[1] for frame in video[..., 0]])  # joint 2 of Kinect: the spine's middle
    out = joint.handmade(cache, "v", CLIP).reshape(3, 25, 2)
    assert np.allclose(out[..., 0], relative.mean(0).T, atol=1e-5) and not out[..., 1].any()
    change = np.concatenate([np.abs(np.diff(relative, axis=0)), np.zeros((1, 25, 3))])
    out = motion.handmade(cache, "v", CLIP).reshape(3, 25, 2)
    assert np.allclose(out[..., 0], change.mean(0).T, atol=1e-5) and not out[..., 1].any()


def test_bone_is_the_mean_vector_from_the_parent(tmp_path: Path) -> None:
    video = noise(joints=17)
    out = bone.handmade(made(tmp_path, video), "v", CLIP | {"graph": "coco"}).reshape(3, 17, 2)
    mean = video.mean(0)  # (17, 3, 2)
    for place, parent in ((0, 0), (4, 2), (5, 0), (9, 7), (11, 5), (16, 14)):  # nose, ear-eye, shoulder-nose, wrist-elbow, ...
        assert np.allclose(out[:, place], mean[place] - mean[parent], atol=1e-5)


# Drawing


@pytest.mark.parametrize("joints", [25, 20, 17])
def test_left_and_right_mirror_each_other(joints: int) -> None:
    """Each bone of the left has its twin on the right; hands and feet are far from the other side."""
    bones = {frozenset(place - 1 for place in pair) for pair in skeleton_graphs.of(joints).edges}
    sides, other = joint.LEFT[joints], joint.RIGHT[joints]
    assert not sides & other and joint.HEAD[joints] not in sides | other
    twin = dict(zip(sorted(sides), sorted(other), strict=True))
    left = {frozenset(twin.get(j, j) for j in pair) for pair in bones if sides & pair}
    assert left == {pair for pair in bones if other & pair}


def body(count: int = 25) -> np.ndarray:
    joints = np.zeros((count, 3))
    joints[:, 1] = np.linspace(-1, 1, count)
    joints[:, 0] = 0.1
    return joints


@pytest.mark.parametrize("count", [25, 20, 17])
def test_a_skeleton_is_drawn_upright_inside_its_square(count: int) -> None:
    joints = body(count)
    around = joint.square(joints[None])
    assert list(around) == pytest.approx([0.1 - 1.2, -1.2, 2.4])
    root = ET.fromstring(joint.svg(joints, around, 'a "label"'))
    assert root.get("aria-label") == 'a "label"'
    lines = list(root.iter("line"))
    assert len(lines) == count - 1
    numbers = [float(line.get(key) or "nan") for line in lines for key in ("x1", "y1", "x2", "y2")]
    assert min(numbers) >= 0 and max(numbers) <= 100
    for (a, b), line in zip(skeleton_graphs.of(count).edges, lines, strict=True):
        assert (float(line.get("y1") or 0) > float(line.get("y2") or 0)) == (a < b), "a higher joint is drawn higher"
    assert {line.get("class") for line in lines} == ({"left", "right", "middle"} if count != 17 else {"left", "right"})


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_absent_body_is_said(value: float) -> None:
    joints = np.full((25, 3), value)
    assert joint.square(joints[None]) == (0.0, 0.0, 1.0)
    assert "no body" in joint.svg(joints, (0, 0, 1), "x")


@pytest.mark.parametrize("count", [25, 20, 17])
def test_the_first_body_is_drawn_at_one_scale(tmp_path: Path, count: int) -> None:
    video = noise(10, count)
    video[3] = 0  # nobody
    strip = joint.pictures(made(tmp_path, video), "v", 4)
    assert strip.name == "skeleton" and [picture.label for picture in strip.pictures] == [f"skeleton, frame {i}" for i in (0, 3, 6, 9)]
    assert [picture.kind for picture in strip.pictures] == ["svg"] * 4
    assert ["no body" in str(picture.value) for picture in strip.pictures] == [False, True, False, False]
    origin = {25: [1], 20: [3], 17: [11, 12]}[count]
    first = video[..., 0]
    relative = first - first[:, origin].mean(axis=1)[:, None]
    assert strip.pictures[2].value == joint.svg(relative[6], joint.square(relative), "skeleton, frame 6")


def test_a_thumbnail_is_the_first_body_amid_the_frames_that_it_is_in(tmp_path: Path) -> None:
    video = noise(10, 20)
    video[:6] = 0  # nobody; there in 6, 7, 8 and 9
    shown = dict(zip(range(10), joint.pictures(made(tmp_path, video), "v", 10).pictures, strict=True))
    drawn = joint.thumbnail(made(tmp_path, video), "v")
    assert drawn == str(shown[8].value).replace("skeleton, frame 8", "skeleton") and drawn.count("<line") == 19
    assert "no body" in joint.thumbnail(made(tmp_path, 0 * video), "v")


def test_what_is_made_of_joints_is_not_drawn(tmp_path: Path) -> None:
    cache = made(tmp_path, noise())
    assert not motion.pictures(cache, "v", 4).pictures and not bone.pictures(cache, "v", 4).pictures
    assert "left</span> and" in joint.legend().name


def test_a_view_is_drawn_as_its_joints_are() -> None:
    """The first body of (3, T, V, 2), in one square for all steps."""
    view = np.random.default_rng(0).normal(size=(3, 4, 25, 2)).astype(np.float32)
    joints = view[..., 0].transpose(1, 2, 0)
    drawn = joint.seen(view, {})
    assert [one.value for one in drawn] == [
        joint.svg(pose, joint.square(joints), f"skeleton, step {i} of the view") for i, pose in enumerate(joints)
    ]
