"""Clips: starts, skeleton resampling against a naive version, batches."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.made import row, shard
from torch.utils.data import DataLoader

from videossl import seeding
from videossl.data import clips
from videossl.data.cache import Cache
from videossl.data.clips import ClipDataset, EpochSampler, Source
from videossl.errors import InputError

torch.set_num_threads(1)
sizes = st.tuples(st.integers(1, 16), st.integers(1, 4), st.integers(0, 30))


def test_span() -> None:
    assert clips.span(8, 1) == 8 and clips.span(8, 2) == 15 and clips.span(1, 5) == 1


@given(sizes, st.integers(0, 2**32))
def test_two_starts_fit_the_video(size: tuple[int, int, int], seed: int) -> None:
    frames, stride, more = size
    length = clips.span(frames, stride) + more
    for start in clips.two_starts(length, frames, stride, np.random.default_rng(seed)):
        assert start >= 0 and start + clips.span(frames, stride) <= length


def test_two_starts_are_one_half_the_time_and_uniform() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([clips.two_starts(18, 8, 1, rng) for _ in range(4000)])  # starts 0 to 10
    same = (drawn[:, 0] == drawn[:, 1]).mean()
    assert abs(same - (0.5 + 0.5 / 11)) < 0.03
    for starts in drawn.T:
        assert np.abs(np.bincount(starts, minlength=11) / 4000 - 1 / 11).max() < 0.02
    apart = drawn[drawn[:, 0] != drawn[:, 1]]
    assert abs(np.corrcoef(apart.T)[0, 1]) < 0.15  # only that they differ ties them


def test_a_video_of_exactly_one_clip() -> None:
    assert clips.two_starts(15, 8, 2, np.random.default_rng(0)) == (0, 0)
    assert clips.uniform_starts(15, 8, 2, 3) == [0, 0, 0]


@pytest.mark.parametrize("draw", [clips.two_starts, clips.one_start])
def test_a_video_that_is_too_short(draw: Any) -> None:
    with pytest.raises(InputError, match="a clip of 8 frames, stride 2, needs 15 steps, the video has 14"):
        draw(14, 8, 2, np.random.default_rng(0))


def test_uniform_starts_by_hand() -> None:
    assert clips.uniform_starts(20, 8, 1, 1) == [6]
    assert clips.uniform_starts(20, 8, 1, 2) == [0, 12]
    assert clips.uniform_starts(20, 8, 1, 4) == [0, 4, 8, 12]
    assert clips.uniform_starts(21, 8, 1, 3) == [0, 6, 13]


@given(sizes, st.integers(2, 12))
def test_uniform_starts_hold_both_ends_and_even_steps(size: tuple[int, int, int], count: int) -> None:
    frames, stride, more = size
    starts = clips.uniform_starts(clips.span(frames, stride) + more, frames, stride, count)
    assert len(starts) == count and starts[0] == 0 and starts[-1] == more
    assert np.abs(np.array(starts) - np.linspace(0, more, count)).max() <= 0.5


def test_windows_by_hand() -> None:
    assert clips.windows(8, 8, 1, 0.5) == [0]
    assert clips.windows(9, 8, 1, 0.5) == [0, 1]
    assert clips.windows(12, 8, 1, 0.5) == [0, 4]
    assert clips.windows(20, 8, 1, 0.5) == [0, 4, 8, 12]
    assert clips.windows(21, 8, 1, 0.5) == [0, 3, 6, 10, 13]
    assert clips.windows(20, 8, 1, 0.0) == [0, 6, 12]  # side by side would leave 4 frames out
    assert clips.windows(20, 8, 1, 0.75) == [0, 2, 4, 6, 8, 10, 12]
    assert clips.windows(30, 8, 2, 0.5) == [0, 5, 10, 15]  # 15 steps a window, of which half and more is 8
    assert clips.windows(180, 32, 1, 0.5) == [0, 15, 30, 44, 59, 74, 89, 104, 118, 133, 148]
    assert clips.windows(10, 8, 1, 0.99) == [0, 1, 2]  # two windows cannot share more than all but one step
    assert clips.windows(5, 1, 1, 0.5) == [0, 1, 2, 3, 4]


def test_windows_take_the_share_as_the_decimal_number_it_is() -> None:
    assert 100 * 0.07 > 7 and 10 * (1 - 0.8) < 2  # as floats
    assert clips.windows(193, 100, 1, 0.07) == [0, 93]
    assert clips.windows(12, 10, 1, 0.8) == [0, 2]


@given(sizes, st.integers(0, 300), st.integers(0, 99))
def test_windows_cover_the_video_and_share_enough_and_are_the_fewest(size: tuple[int, int, int], more: int, percent: int) -> None:
    frames, stride, _ = size
    window = clips.span(frames, stride)
    length = window + more
    starts = clips.windows(length, frames, stride, percent / 100)
    assert starts[0] == 0 and starts[-1] + window == length
    assert {step for start in starts for step in range(start, start + window)} == set(range(length))
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert all(gap == 1 or (gap > 0 and 100 * (window - gap) >= percent * window) for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) <= 1
    if len(gaps) > 1:  # one window less would have a gap of at least this somewhere, which shares too little
        wider = -(-more // (len(gaps) - 1))
        assert 100 * (window - wider) < percent * window


@pytest.mark.parametrize("overlap", [-0.1, 1.0, 2])
def test_windows_of_no_possible_overlap(overlap: float) -> None:
    with pytest.raises(InputError, match=r"evaluate\.overlap must be a share"):
        clips.windows(20, 8, 1, overlap)


def test_windows_of_a_video_that_is_too_short() -> None:
    with pytest.raises(InputError, match="a clip of 8 frames, stride 2, needs 15 steps, the video has 14"):
        clips.windows(14, 8, 2, 0.5)


# Skeletons


def naive(joints: np.ndarray, frames: int) -> np.ndarray:
    """Centring and resampling of one clip, number by number, in the order (C, T, V, M)."""
    length, bodies = len(joints), joints.shape[3]
    centred = np.zeros(joints.shape)
    for t in range(length):
        there = [bool(joints[t, :, :, m].any()) for m in range(bodies)]
        if any(there):
            origin = joints[t, 1, :, there.index(True)].astype(float)
            for m in range(bodies):
                if there[m]:
                    centred[t, :, :, m] = joints[t, :, :, m] - origin
    result = np.zeros((3, frames, 25, bodies))
    for i in range(frames):
        position = i * (length - 1) / (frames - 1) if frames > 1 else 0.0
        low = int(position)
        high, share = min(low + 1, length - 1), position - low
        for m in range(bodies):
            first, second = centred[low, :, :, m], centred[high, :, :, m]
            weight = share if first.any() and second.any() else float(share >= 0.5)
            result[:, i, :, m] = ((1 - weight) * first + weight * second).T
    return result


def skeleton(length: int, seed: int, gaps: float = 0.3) -> np.ndarray:
    """Joints with bodies missing in some frames."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(length, 25, 3, 2)).astype(np.float32)
    return joints * (rng.random((length, 1, 1, 2)) > gaps)


def load(folder: Path, joints: np.ndarray, modality: str, frames: int) -> np.ndarray:
    path = shard(folder / "j.h5", "joint", [("a", joints.astype(np.float32))])
    return clips.load_clip(Cache([path]), "a", modality, frames, 1, 0)


@pytest.mark.parametrize(("length", "frames"), [(20, 50), (50, 20), (7, 7), (1, 5), (2, 3), (9, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_joints_against_a_naive_version(tmp_path: Path, length: int, frames: int, seed: int) -> None:
    joints = skeleton(length, seed)
    joints[0, :, :, 0] = 1.0
    joints[0, 0, :, 0] = 2.0
    found = load(tmp_path, joints, "joint", frames)
    assert found.shape == (3, frames, 25, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, naive(joints, frames), atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_motion_is_the_difference_to_the_next_frame_and_zero_at_the_end(tmp_path: Path, seed: int) -> None:
    joints = skeleton(12, seed, gaps=0.0)
    position = load(tmp_path, joints, "joint", 8)
    motion = load(tmp_path, joints, "motion", 8)
    np.testing.assert_allclose(motion[:, :-1], position[:, 1:] - position[:, :-1], atol=1e-6)
    assert not motion[:, -1].any()


# By hand, from 0: each joint's parent towards the middle of the shoulders (Kinect), towards the nose (COCO).
PARENTS = {
    "ntu-rgb+d": [1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 22, 7, 24, 11],
    "ntu-rgb+d-hands": [1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 7, 7, 11, 11],
    "coco": [0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14],
}


@pytest.mark.parametrize("graph", list(PARENTS))
def test_a_bone_is_a_joint_less_its_parent(tmp_path: Path, graph: str) -> None:
    """Joint by joint and frame by frame of the joints' own clip, with bodies that come and go."""
    joints = skeleton(12, 5)[:, : len(PARENTS[graph])]
    cache = Cache([shard(tmp_path / "j.h5", "joint", [("a", joints)])])
    position, bone = (clips.load_clip(cache, "a", modality, 9, 1, 0, graph) for modality in ("joint", "bone"))
    expected = np.zeros_like(position)
    for joint, parent in enumerate(PARENTS[graph]):
        for t in range(9):
            for m in range(2):
                if position[:, t, :, m].any():
                    expected[:, t, joint, m] = position[:, t, joint, m] - position[:, t, parent, m]
    assert bone.shape == position.shape and bone.dtype == np.float32 and bone.any()
    np.testing.assert_array_equal(bone, expected)
    assert not bone[:, :, 0 if graph == "coco" else 20].any()


def test_a_bone_by_hand(tmp_path: Path) -> None:
    """The left hip hangs on the left shoulder, that on the nose."""
    joints = np.zeros((2, 17, 3, 2), np.float32)
    joints[:, 0, :, 0], joints[:, 5, :, 0], joints[:, 11, :, 0] = [0, 0.4, 0], [-0.1, 0.3, 0], [-0.05, 0, 0]
    bone = clips.load_clip(Cache([shard(tmp_path / "j.h5", "joint", [("a", joints)])]), "a", "bone", 2, 1, 0)
    np.testing.assert_allclose(bone[:, 0, 11, 0], [0.05, -0.3, 0], atol=1e-6)
    np.testing.assert_allclose(bone[:, 0, 5, 0], [-0.1, -0.1, 0], atol=1e-6)
    assert not bone[:, :, 0].any() and not bone[..., 1].any()


def test_the_middle_of_the_hips_is_the_origin_of_coco(tmp_path: Path) -> None:
    joints = skeleton(6, 0, gaps=0.0)[:, :17]
    clip = load(tmp_path, joints, "joint", 6)
    expected = joints - (joints[:, 11:12, :, :1] + joints[:, 12:13, :, :1]) / 2  # of the first body, for both
    np.testing.assert_allclose(clip, expected.transpose(2, 0, 1, 3), atol=1e-5)


@pytest.mark.parametrize(("joints", "graph", "fitting"), [(17, "ntu-rgb+d", "coco"), (25, "coco", "ntu-rgb+d or ntu-rgb+d-hands")])
def test_skeletons_of_another_graph(tmp_path: Path, joints: int, graph: str, fitting: str) -> None:
    cache = Cache([shard(tmp_path / "j.h5", "joint", [("v0", skeleton(5, 0)[:, :joints])], "mine")])
    wanted = 42 - joints
    said = f"the cached skeletons of mine have {joints} joints, and the graph {graph} of bone has {wanted}: set modalities.bone.graph to {fitting}"
    with pytest.raises(InputError, match=re.escape(said)):
        ClipDataset([row("v0")], None, [Source(cache, "bone", 5, 1, ("query", "key"), graph)], 0)


@pytest.mark.parametrize("modality", ["joint", "motion", "bone"])
def test_an_absent_body_stays_zero(tmp_path: Path, modality: str) -> None:
    joints = skeleton(12, 0, gaps=0.0)
    joints[..., 1] = 0
    clip = load(tmp_path, joints, modality, 30)
    assert not clip[..., 1].any() and clip[..., 0].any()


def test_a_body_that_comes_and_goes_neither_fades_nor_jumps(tmp_path: Path) -> None:
    joints = np.zeros((10, 25, 3, 2), np.float32)
    joints[..., 0] = np.arange(25)[None, :, None]
    joints[:5, ..., 1] = 100 + np.arange(25)[None, :, None]
    position = load(tmp_path, joints, "joint", 37)[..., 1]
    poses = {tuple(pose) for pose in position[0]}
    assert poses == {tuple([0.0] * 25), tuple(99.0 + np.arange(25))}
    assert not load(tmp_path, joints, "motion", 37).any()  # both stand still


def test_the_middle_of_the_spine_is_the_origin(tmp_path: Path) -> None:
    joints = skeleton(6, 0, gaps=0.0)
    clip = load(tmp_path, joints, "joint", 6)
    assert not clip[:, :, 1, 0].any()
    moved = joints + np.float32([1, 2, 3])[:, None]
    np.testing.assert_allclose(load(tmp_path, moved, "joint", 6), clip, atol=1e-5)


# Batches


def test_videos_are_padded_right_and_below() -> None:
    rng = np.random.default_rng(0)
    given = [rng.integers(1, 255, shape, dtype=np.uint8) for shape in [(4, 6, 8, 3), (4, 9, 5, 3)]]
    batch, sizes = clips.collate(given)
    assert batch.shape == (2, 4, 9, 8, 3) and batch.dtype == torch.uint8
    assert sizes.tolist() == [[6, 8], [9, 5]] and sizes.dtype == torch.int64
    for whole, clip in zip(batch.numpy(), given, strict=True):
        height, width = clip.shape[1:3]
        np.testing.assert_array_equal(whole[:, :height, :width], clip)
        assert not whole[:, height:].any() and not whole[:, :, width:].any()


def test_skeletons_are_stacked() -> None:
    batch, sizes = clips.collate([np.ones((3, 5, 25, 2), np.float32)] * 2)
    assert batch.shape == (2, 3, 5, 25, 2) and batch.dtype == torch.float32
    assert sizes.tolist() == [[25, 2]] * 2 and sizes.dtype == torch.int64


@pytest.fixture
def caches(tmp_path: Path) -> dict[str, Cache]:
    """Six videos whose pixels tell (video, frame)."""
    rgb = [(f"v{i}", np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None] + 20 * i, (20, 4, 4 + i, 3)))
           for i in range(6)]  # fmt: skip
    shard(tmp_path / "rgb.h5", "rgb", rgb)
    shard(tmp_path / "flow.h5", "flow", [(id, video[:19, ..., :2]) for id, video in rgb], bound=20)
    shard(tmp_path / "joint.h5", "joint", [(f"v{i}", skeleton(20, i)) for i in range(6)])
    return {name: Cache([tmp_path / f"{name}.h5"]) for name in ("rgb", "flow", "joint")}


ROWS = [row(f"v{i}", "Wave" if i % 2 else "Clap", group=f"g{i // 2}") for i in range(6)]


def pair(caches: dict[str, Cache]) -> list[Source]:
    return [
        Source(caches["rgb"], "rgb", 4, 2, ("query", "key")),
        Source(caches["flow"], "flow", 4, 1, ("partner",)),
    ]


def test_an_item_is_the_clips_its_generators_name(caches: dict[str, Cache]) -> None:
    item = ClipDataset(ROWS, {"Clap": 0, "Wave": 1}, pair(caches), seed=3)[5, 2]
    assert (item["id"], item["group"], item["label"]) == ("v2", "g1", 0) and sorted(item["clips"]) == ["key", "partner", "query"]
    first, second = clips.two_starts(20, 4, 2, seeding.numpy_rng(3, 5, "v2", "starts/rgb"))
    third = clips.one_start(19, 4, 1, seeding.numpy_rng(3, 5, "v2", "partner/flow"))
    assert item["clips"]["query"][:, 0, 0, 0].tolist() == [40 + first + 2 * t for t in range(4)]
    assert item["clips"]["key"][:, 0, 0, 0].tolist() == [40 + second + 2 * t for t in range(4)]
    assert item["clips"]["partner"][:, 0, 0, 0].tolist() == [40 + third + t for t in range(4)]


def test_skeleton_clips_are_whole_even_where_longer_than_the_video(caches: dict[str, Cache]) -> None:
    source = Source(caches["joint"], "motion", 50, 1, ("query", "key"))
    item = ClipDataset(ROWS, None, [source], seed=0)[0, 1]
    assert item["label"] == -1 and item["clips"]["query"].shape == (3, 50, 25, 2)
    np.testing.assert_array_equal(item["clips"]["query"], item["clips"]["key"])


def test_an_unlabelled_video_is_minus_one_and_an_unknown_class_an_error(caches: dict[str, Cache]) -> None:
    assert ClipDataset([row("v0")], {"Wave": 0}, pair(caches), 0)[0, 0]["label"] == -1
    with pytest.raises(InputError, match="v0: class 'Jump' is in no training video"):
        ClipDataset([row("v0", "Jump")], {"Wave": 0}, pair(caches), 0)


def test_a_video_that_no_cache_holds(caches: dict[str, Cache]) -> None:
    with pytest.raises(InputError, match="v9 is in the index and not in the rgb cache"):
        ClipDataset([row("v9", "Wave")], None, pair(caches), 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_does_not_depend_on_workers(caches: dict[str, Cache], workers: int) -> None:
    dataset = ClipDataset(ROWS, {"Clap": 0, "Wave": 1}, pair(caches), seed=0)
    dataset[0, 0]  # files are open before the workers fork
    batches = EpochSampler(6, 4, 0).epoch(7)
    loader = DataLoader(dataset, batch_sampler=batches, collate_fn=clips.collate_batch, num_workers=workers)
    (batch,) = list(loader)
    expected = clips.collate_batch([dataset[key] for key in batches[0]])
    assert batch["ids"] == expected["ids"] == [f"v{position}" for _, position in batches[0]]
    assert batch["groups"] == expected["groups"] == [f"g{position // 2}" for _, position in batches[0]]
    assert batch["labels"].tolist() == [position % 2 for _, position in batches[0]]
    assert batch["labels"].dtype == torch.int64
    for name in ("query", "key", "partner"):
        assert torch.equal(batch["clips"][name], expected["clips"][name])
        assert torch.equal(batch["sizes"][name], expected["sizes"][name])
    assert batch["sizes"]["query"].tolist() == [[4, 4 + position] for _, position in batches[0]]


def test_epochs_differ_and_repeat() -> None:
    sampler = EpochSampler(10, 3, 0)
    assert len(sampler) == 3 and [len(batch) for batch in sampler.epoch(0)] == [3, 3, 3]
    first, second = (sampler.epoch(number) for number in (0, 1))
    assert first == EpochSampler(10, 3, 0).epoch(0) != EpochSampler(10, 3, 1).epoch(0)
    orders = [[position for batch in batches for _, position in batch] for batches in (first, second)]
    assert orders[0] != orders[1] and all(len(set(order)) == 9 and set(order) <= set(range(10)) for order in orders)
    assert {epoch for batch in second for epoch, _ in batch} == {1}


def test_fewer_videos_than_a_batch() -> None:
    with pytest.raises(InputError, match="7 videos are fewer than a batch of 8"):
        EpochSampler(7, 8, 0)
