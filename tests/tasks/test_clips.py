"""The clips that encoders are tested on, against a loop over videos and their frames."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tests.tasks.conftest import VIDEOS, MakeCache, MakeClips, MakeRows, clips_of

from videossl import seeding
from videossl.data.clips import uniform_starts, windows


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_are_all_clips_in_order(size: int, rgb_clips: MakeClips, rgb_videos: dict[str, np.ndarray]) -> None:
    clips = rgb_clips(stride=2, starts=partial(windows, overlap=0.4))
    batches = list(clips.batches(size))
    assert [len(clip) for clip, _ in batches[:-1]] == [size] * (len(batches) - 1) and len(batches[-1][0]) <= size
    found = iter((clip[i], sizes[i].tolist()) for clip, sizes in batches for i in range(len(clip)))
    for (id, _, _), starts in zip(VIDEOS, [[0, 2, 5], [0, 2], [0, 3, 6, 10, 13], [0, 4, 8]], strict=True):
        video = rgb_videos[id]
        for start in starts:  # windows of 7 frames that share at least 2.8, so 3 of them
            clip, (height, width) = next(found)
            assert [height, width] == list(video.shape[1:3])
            np.testing.assert_array_equal(clip[:, :height, :width].numpy(), video[[start, start + 2, start + 4, start + 6]])
    assert next(found, None) is None


def test_values_go_back_to_their_videos(rgb_clips: MakeClips) -> None:
    clips = rgb_clips(stride=2, starts=partial(windows, overlap=0.4))
    numbers = torch.arange(26.0).view(13, 2)
    parts = clips.by_video([numbers[:5], numbers[5:10], numbers[10:]])
    assert [part[:, 0].tolist() for part in parts] == [[0, 2, 4], [6, 8], [10, 12, 14, 16, 18], [20, 22, 24]]


@pytest.mark.parametrize("starts", [partial(windows, overlap=0.5), partial(uniform_starts, count=3)])
@pytest.mark.parametrize("modality", ["joint", "motion"])
def test_skeletons_are_seen_whole_and_once(modality: str, starts: partial[list[int]], make_cache: MakeCache, make_rows: MakeRows) -> None:
    videos = {id: seeding.numpy_rng(1, id).normal(size=(n, 25, 3, 2)).astype(np.float32) for id, n in (("x", 5), ("y", 40))}
    rows = make_rows([("x", "a", "train"), ("y", "b", "test")])
    clips = clips_of(make_cache("joint", videos), rows, modality, {"frames": 12}, starts)
    ((batch, _),) = clips.batches(8)
    assert batch.shape == (2, 3, 12, 25, 2) and [len(part) for part in clips.by_video([batch.flatten(1)])] == [1, 1]
