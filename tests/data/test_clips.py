"""Clips: starts, the times of several sources, batches."""

import itertools
from functools import partial
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
from videossl.data.cache import Cache, write_shard
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
    for start in clips.two_starts(length, clips.span(frames, stride), np.random.default_rng(seed)):
        assert start >= 0 and start + clips.span(frames, stride) <= length


def test_two_starts_are_one_half_the_time_and_uniform() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([clips.two_starts(18, 8, rng) for _ in range(4000)])  # starts 0 to 10
    same = (drawn[:, 0] == drawn[:, 1]).mean()
    assert abs(same - (0.5 + 0.5 / 11)) < 0.03
    for starts in drawn.T:
        assert np.abs(np.bincount(starts, minlength=11) / 4000 - 1 / 11).max() < 0.02
    apart = drawn[drawn[:, 0] != drawn[:, 1]]
    assert abs(np.corrcoef(apart.T)[0, 1]) < 0.15  # only that they differ ties them


def test_a_video_of_exactly_one_clip() -> None:
    assert clips.two_starts(15, 15, np.random.default_rng(0)) == (0, 0)
    assert clips.uniform_starts(15, 15, 3) == [0, 0, 0]


@pytest.mark.parametrize("draw", [clips.two_starts, clips.one_start, lambda *given: clips.several_starts(*given[:2], 3, given[2])])
def test_a_video_that_is_too_short(draw: Any) -> None:
    with pytest.raises(InputError, match=r"a clip covers 15 steps, and the video has 14; raise index\.min_frames"):
        draw(14, 15, np.random.default_rng(0))


def test_uniform_starts_by_hand() -> None:
    assert clips.uniform_starts(20, 8, 1) == [6]
    assert clips.uniform_starts(20, 8, 2) == [0, 12]
    assert clips.uniform_starts(20, 8, 4) == [0, 4, 8, 12]
    assert clips.uniform_starts(21, 8, 3) == [0, 6, 13]


@given(sizes, st.integers(2, 12))
def test_uniform_starts_hold_both_ends_and_even_steps(size: tuple[int, int, int], count: int) -> None:
    frames, stride, more = size
    starts = clips.uniform_starts(clips.span(frames, stride) + more, clips.span(frames, stride), count)
    assert len(starts) == count and starts[0] == 0 and starts[-1] == more
    assert np.abs(np.array(starts) - np.linspace(0, more, count)).max() <= 0.5


def test_windows_by_hand() -> None:
    assert clips.windows(8, 8, 0.5) == [0]
    assert clips.windows(9, 8, 0.5) == [0, 1]
    assert clips.windows(12, 8, 0.5) == [0, 4]
    assert clips.windows(20, 8, 0.5) == [0, 4, 8, 12]
    assert clips.windows(21, 8, 0.5) == [0, 3, 6, 10, 13]
    assert clips.windows(20, 8, 0.0) == [0, 6, 12]  # side by side would leave 4 frames out
    assert clips.windows(20, 8, 0.75) == [0, 2, 4, 6, 8, 10, 12]
    assert clips.windows(30, 15, 0.5) == [0, 5, 10, 15]  # 15 steps a window, of which half and more is 8
    assert clips.windows(180, 32, 0.5) == [0, 15, 30, 44, 59, 74, 89, 104, 118, 133, 148]
    assert clips.windows(10, 8, 0.99) == [0, 1, 2]  # two windows cannot share more than all but one step
    assert clips.windows(5, 1, 0.5) == [0, 1, 2, 3, 4]


def test_windows_take_the_share_as_the_decimal_number_it_is() -> None:
    assert 100 * 0.07 > 7 and 10 * (1 - 0.8) < 2  # as floats
    assert clips.windows(193, 100, 0.07) == [0, 93]
    assert clips.windows(12, 10, 0.8) == [0, 2]


@given(sizes, st.integers(0, 300), st.integers(0, 99))
def test_windows_cover_the_video_and_share_enough_and_are_the_fewest(size: tuple[int, int, int], more: int, percent: int) -> None:
    frames, stride, _ = size
    window = clips.span(frames, stride)
    length = window + more
    starts = clips.windows(length, window, percent / 100)
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
    with pytest.raises(InputError, match="the overlap must be a share from 0 to below 1"):
        clips.windows(20, 8, overlap)


def test_windows_of_a_video_that_is_too_short() -> None:
    with pytest.raises(InputError, match=r"a clip covers 15 steps, and the video has 14; raise index\.min_frames"):
        clips.windows(14, 15, 0.5)


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


def test_clips_without_space_are_stacked() -> None:
    batch, sizes = clips.collate([np.ones((1, 7), np.float32)] * 3)
    assert batch.shape == (3, 1, 7) and sizes.shape == (3, 0)


@pytest.fixture
def caches(tmp_path: Path) -> dict[str, Cache]:
    """Six videos whose pixels tell (video, frame)."""
    rgb = [(f"v{i}", np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None] + 20 * i, (20, 4, 4 + i, 3)))
           for i in range(6)]  # fmt: skip
    shard(tmp_path / "rgb.h5", "rgb", rgb)
    shard(tmp_path / "flow.h5", "flow", [(id, video[:19, ..., :2]) for id, video in rgb], bound=20)
    return {name: Cache([tmp_path / f"{name}.h5"]) for name in ("rgb", "flow")}


ROWS = [row(f"v{i}", "Wave" if i % 2 else "Clap", group=f"g{i // 2}") for i in range(6)]


def read(frames: int, stride: int, cache: Cache, video: str, start: int) -> np.ndarray:
    return cache.read(video, start, start + clips.span(frames, stride), stride)


def source(cache: Cache, stream: str, frames: int, stride: int, *names: str) -> Source:
    return Source(cache, stream, names, partial(read, frames, stride), clips.span(frames, stride))


def pair(caches: dict[str, Cache]) -> list[Source]:
    return [source(caches["rgb"], "rgb", 4, 2, "query", "key"), source(caches["flow"], "flow", 4, 1, "partner")]


def test_an_item_is_the_clips_its_generators_name(caches: dict[str, Cache]) -> None:
    item = ClipDataset(ROWS, {"Clap": 0, "Wave": 1}, pair(caches), seed=3)[5, 2]
    assert (item["id"], item["group"], item["label"]) == ("v2", "g1", 0) and sorted(item["clips"]) == ["key", "partner", "query"]
    first, second = clips.two_starts(20, 7, seeding.numpy_rng(3, 5, "v2", "starts/rgb"))
    third = clips.one_start(19, 4, seeding.numpy_rng(3, 5, "v2", "partner/flow"))
    assert item["clips"]["query"][:, 0, 0, 0].tolist() == [40 + first + 2 * t for t in range(4)]
    assert item["clips"]["key"][:, 0, 0, 0].tolist() == [40 + second + 2 * t for t in range(4)]
    assert item["clips"]["partner"][:, 0, 0, 0].tolist() == [40 + third + t for t in range(4)]


def test_starts_are_those_of_the_first_release(tmp_path: Path) -> None:
    """Of seed 3, two epochs of six videos of 20 to 25 frames: query, key, partner. Written by the code of 0.1.0."""
    rgb = [(f"v{i}", np.broadcast_to(np.arange(20 + i, dtype=np.uint8)[:, None, None, None], (20 + i, 4, 4, 3))) for i in range(6)]
    flow = [(id, video[:-1, ..., :2]) for id, video in rgb]
    made = {"rgb": shard(tmp_path / "rgb.h5", "rgb", rgb), "flow": shard(tmp_path / "flow.h5", "flow", flow, bound=20)}
    dataset = ClipDataset([row(id) for id, _ in rgb], None, pair({name: Cache([path]) for name, path in made.items()}), 3)
    items = [dataset[epoch, position]["clips"] for epoch in (0, 1) for position in range(6)]
    found = [[int(item[name][0, 0, 0, 0]) for name in ("query", "key", "partner")] for item in items]
    assert found == [
        [2, 2, 15], [7, 7, 13], [10, 14, 11], [3, 9, 2], [13, 8, 15], [11, 14, 6],
        [3, 3, 8], [6, 11, 12], [13, 14, 8], [0, 0, 9], [10, 10, 12], [9, 9, 6],
    ]  # fmt: skip


def test_three_clips_are_drawn_each_for_itself(caches: dict[str, Cache]) -> None:
    dataset = ClipDataset(ROWS[:1], None, [source(caches["rgb"], "rgb", 4, 1, "a", "b", "c")], 0)
    found = np.array([[int(dataset[epoch, 0]["clips"][name][0, 0, 0, 0]) for name in "abc"] for epoch in range(1000)])
    assert tuple(found[7]) == clips.several_starts(20, 4, 3, seeding.numpy_rng(0, 7, "v0", "starts/rgb"))
    for starts in found.T:
        assert np.abs(np.bincount(starts, minlength=17) / 1000 - 1 / 17).max() < 0.03
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.1


def test_paces_are_drawn_evenly_for_each_clip_and_their_starts_apart(tmp_path: Path) -> None:
    """Of videos of 21 steps, clips of 3 frames 1, 2 or 10 apart; of one of 5 steps those that fit."""
    ids = [f"v{n}" for n in range(600)]
    ramp = np.broadcast_to(np.arange(21, dtype=np.uint8)[:, None, None, None], (21, 8, 8, 3))
    videos = [(id, "", ramp[:5] if id == "v0" else ramp) for id in ids]
    write_shard(tmp_path / "a.h5", "rgb", "toy", videos, {}, codec="raw")
    paces = tuple((partial(read, 3, stride), clips.span(3, stride)) for stride in (1, 2, 10))
    given = source(Cache([tmp_path / "a.h5"]), "rgb", 3, 1, "query", "key")._replace(paces=paces)
    data = ClipDataset([row(id) for id in ids], None, [given], 0)
    steps = np.array([[data[0, n]["clips"][name][:, 0, 0, 0] for name in ("query", "key")] for n in range(1, 600)], int)
    strides, starts = steps[..., 1] - steps[..., 0], steps[..., 0]
    assert (strides == steps[..., 2] - steps[..., 1]).all()
    assert all(abs((strides == stride).mean() - 1 / 3) < 0.06 for stride in (1, 2, 10))
    assert abs(np.corrcoef(strides.T)[0, 1]) < 0.15 and (starts[strides == 10] == 0).all()
    assert starts[strides == 2].max() == 16 and starts[strides == 1].max() == 18, "each within its own span"
    assert abs((starts[:, 0] == starts[:, 1]).mean() - (1 / 9 + 4 / 9 / 19)) < 0.05, "no half with one start"
    short = {int(np.diff(data[epoch, 0]["clips"]["query"][:, 0, 0, 0].astype(int))[0]) for epoch in range(40)}
    assert short == {1, 2}
    with pytest.raises(InputError, match="clips of rgb of several paces cannot begin together with others; choose one pace"):
        ClipDataset([row("v1")], None, [given], 0, together=True)


def test_whole_sequences_have_nothing_to_draw(caches: dict[str, Cache]) -> None:
    starts: list[int] = []

    def load(cache: Cache, video: str, start: int) -> np.ndarray:
        starts.append(start)
        return cache.read(video, 0, cache.length(video))

    for together in (False, True):
        item = ClipDataset(ROWS, None, [Source(caches["rgb"], "rgb", ("a", "b", "c"), load, None)], 0, together, spans=True)[0, 1]
        assert item["label"] == -1 and item["spans"] == dict.fromkeys("abc", (0.0, 0.8))  # 20 frames, 25 a second
    assert starts == [0] * 6


# Times of several sources


class Track:
    """A cache of numbers, one a step: when the step is, by its place. `lengths`: steps of each video."""

    def __init__(self, lengths: dict[str, int], shorter: int = 0) -> None:
        self.lengths, self.shorter = lengths, shorter
        self.attrs = {"modality": "track"}

    def __contains__(self, id: object) -> bool:
        return id in self.lengths

    def length(self, id: str) -> int:
        return self.lengths[id]


def begin(cache: Any, video: str, start: int) -> np.ndarray:
    """A "clip" that is its start alone."""
    assert 0 <= start < cache.length(video)
    return np.array([[start]], np.float32)


def track(cache: Track, name: str, span: int, *names: str, rate: float | None = None) -> Source:
    return Source(cache, name, names, begin, span, rate)  # type: ignore[arg-type]


LENGTHS = {"long": 300, "short": 64, "odd": 101}
TIMED = [row(id, frames=frames, steps=frames, fps=30.0) for id, frames in LENGTHS.items()]


@pytest.mark.parametrize("names", [("query",), ("query", "key"), ("a", "b", "c")])
@pytest.mark.parametrize("rate", [None, 10.0])
def test_clips_drawn_together_begin_at_one_time(names: tuple[str, ...], rate: float | None) -> None:
    """Frames at 30 a second, the flow between them, and a track at 10 a second, to half a step of each."""
    coarse = Track({id: round(frames / 3) for id, frames in LENGTHS.items()})
    given = [(Track(LENGTHS), "rgb", 16), (Track({id: n - 1 for id, n in LENGTHS.items()}, shorter=1), "flow", 16), (coarse, "track", 12)]
    sources = [track(cache, name, span, *(f"{name}/{clip}" for clip in names), rate=rate if name == "track" else None)
               for cache, name, span in given]  # fmt: skip
    dataset = ClipDataset(TIMED, None, sources, 0, together=True)
    pairs = []
    for epoch in range(200):
        for position, video in enumerate(TIMED):
            item = dataset[epoch, position]["clips"]
            track_rate = rate or coarse.length(video.id) / (video.frames / 30)
            for name in names:
                rgb, flow, slow = (int(item[f"{source}/{name}"][0, 0]) for source in ("rgb", "flow", "track"))
                assert rgb == flow and abs(rgb / 30 - slow / track_rate) <= 0.5 / 30 + 0.5 / track_rate + 1e-9
                assert rgb + 16 <= video.frames and slow + 12 <= coarse.length(video.id)
            pairs.append([int(item[f"rgb/{name}"][0, 0]) for name in names])
    drawn = np.array(pairs[::3])  # of the long video, whose latest start is that of the track: 100 - 12 steps, 264 frames
    assert drawn.min() < 10 and 254 < drawn.max() <= 264
    if len(names) == 2:
        assert abs((drawn[:, 0] == drawn[:, 1]).mean() - 0.5) < 0.1, "half the time one for both, as without other sources"
    if len(names) == 3:
        assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.2


def test_times_drawn_together_by_hand() -> None:
    rng = seeding.numpy_rng(4, 2, "long", "starts/together")
    share = rng.random(1)[0]
    fast, slow = track(Track({"long": 300}), "rgb", 30, "query"), track(Track({"long": 100}), "track", 50, "partner")
    item = ClipDataset(TIMED[:1], None, [fast, slow], 4, together=True)[2, 0]
    seconds = share * 5  # of 10; the longest clip, of 50 steps at 10 a second, covers 5
    assert [int(item["clips"][name][0, 0]) for name in ("query", "partner")] == [round(seconds * 30), round(seconds * 10)]


@pytest.mark.parametrize("together", [False, True])
def test_spans_are_seconds(together: bool) -> None:
    lengths = {id: n - 1 for id, n in LENGTHS.items()}
    sources = [track(Track(LENGTHS), "rgb", 16, "query", "key"), track(Track(lengths, shorter=1), "flow", 15, "partner")]
    sources += [track(Track(dict.fromkeys(LENGTHS, 999)), "own", 20, "timed", rate=100.0)]
    dataset = ClipDataset(TIMED, None, sources, 0, together=together, spans=True)
    items = [dataset[0, position] for position in range(3)]
    for item in items:
        for name in ("query", "key", "partner"):  # 15 flows are between 16 frames
            start = item["clips"][name][0, 0] / 30
            assert item["spans"][name] == pytest.approx((start, start + 16 / 30))
        start = item["clips"]["timed"][0, 0] / 100
        assert item["spans"]["timed"] == pytest.approx((start, start + 0.2))
    batch = clips.collate_batch(items)
    assert {name: (tuple(spans.shape), spans.dtype) for name, spans in batch["spans"].items()} == dict.fromkeys(
        ("query", "key", "partner", "timed"), ((3, 2), torch.float64)
    )
    assert batch["spans"]["key"].tolist() == [list(item["spans"]["key"]) for item in items]
    assert "spans" not in clips.collate_batch([ClipDataset(TIMED, None, sources, 0)[0, 0]])


def test_where_the_rate_is_unknown_seconds_are_steps_of_the_first_source() -> None:
    unknown = [row("a", frames=50, fps=0.0)]
    first, second = track(Track({"a": 40}), "one", 10, "query"), track(Track({"a": 80}), "two", 10, "partner")
    item = ClipDataset(unknown, None, [first, second], 0, together=True, spans=True)[0, 0]
    one, two = (int(item["clips"][name][0, 0]) for name in ("query", "partner"))
    assert abs(2 * one - two) <= 1 and item["spans"] == {"query": (one, one + 10), "partner": (two / 2, two / 2 + 5)}


def test_a_clip_that_is_longer_than_its_video_is_told_when_drawn_together() -> None:
    sources = [track(Track(LENGTHS), "rgb", 16, "query"), track(Track(dict.fromkeys(LENGTHS, 20)), "track", 21, "partner")]
    with pytest.raises(InputError, match="a clip covers 21 steps, and the video has 20"):
        ClipDataset(TIMED, None, sources, 0, together=True)[0, 0]


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
