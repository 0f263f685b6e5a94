"""Finetuning: what is predicted of the test videos, without chance; its training is tests/methods/test_supervised.py."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from tests.tasks.conftest import VIDEOS, MakeCache, MakeClips, MakeEncoder, MakeRows, clips_of, settings

from videossl import registry
from videossl.augment.video import VideoAugment
from videossl.data.clips import windows
from videossl.errors import InputError
from videossl.methods.supervised import Supervised
from videossl.tasks import finetune
from videossl.tasks.finetune import probabilities


def naive_windows(length: int) -> list[int]:
    """Windows of 7 frames that share at least 4.2 of them, so 5: at most 2 apart."""
    number = 1
    while length - 7 > 2 * (number - 1):
        number += 1
    return [0] if number == 1 else [round((length - 7) * i / (number - 1)) for i in range(number)]


@pytest.mark.parametrize(("crops", "batch"), [(1, 5), (2, 1), (10, 5), (10, 100)])
def test_probabilities_are_the_mean_softmax_of_windows_and_crops(
    crops: int, batch: int, make_encoder: MakeEncoder, rgb_clips: MakeClips, rgb_videos: dict[str, np.ndarray]
) -> None:
    method, augment = Supervised(make_encoder(3), 3, dropout=0.5).train(), VideoAugment("rgb", 12)
    clips, state = rgb_clips(4, 2, partial(windows, overlap=0.6)), copy.deepcopy(method.state_dict())
    out = probabilities(method, augment, clips, crops, batch, "cpu")
    assert out.shape == (4, 3) and out.dtype == np.float64 and np.allclose(out.sum(1), 1)
    assert method.training and all(torch.equal(state[name], value) for name, value in method.state_dict().items())
    assert np.array_equal(out, probabilities(method, augment, clips, crops, batch, "cpu"))
    method.eval()
    numbers = []
    for v, video in enumerate(rgb_videos.values()):
        total, number = np.zeros(3), 0
        for start in naive_windows(len(video)):
            clip = torch.from_numpy(video[[start, start + 2, start + 4, start + 6]])[None]
            for crop in augment.crops(clip, torch.tensor([video.shape[1:3]]), crops):
                with torch.no_grad():
                    total += method(crop)[0].double().softmax(0).numpy()
                number += 1
        assert np.allclose(out[v], total / number, atol=1e-5)
        numbers.append(number // crops)
    assert numbers == [4, 2, 8, 5]  # videos of 12, 9, 20 and 15 frames


def test_one_crop_of_a_batch_is_made_at_a_time(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    events: list[str] = []

    class Told(VideoAugment):
        def crops(self, clips: torch.Tensor, sizes: torch.Tensor, views: int) -> Iterator[torch.Tensor]:
            for crop in super().crops(clips, sizes, views):
                events.append(f"crop of {len(crop)}")
                yield crop

    class Seen(Supervised):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            events.append("seen")
            return super().forward(x)

    probabilities(Seen(make_encoder(3), 3), Told("rgb", 12), rgb_clips(starts=partial(windows, overlap=0.0)), 10, 8, "cpu")
    windows_in_all = 3 + 3 + 5 + 4  # of 4 frames, in 12, 9, 20 and 15
    assert events == ["crop of 8", "seen"] * 10 + [f"crop of {windows_in_all - 8}", "seen"] * 10


def test_no_test_videos_are_an_error(make_encoder: MakeEncoder, rgb_clips: MakeClips) -> None:
    with pytest.raises(InputError, match="no labelled test videos"):
        probabilities(Supervised(make_encoder(3), 3), VideoAugment("rgb", 12), rgb_clips(videos=[]), 1, 1, "cpu")


def test_what_is_tested_is_the_test_videos_with_the_windows_and_crops_that_are_set(
    make_encoder: MakeEncoder, make_cache: MakeCache, make_rows: MakeRows, rgb_videos: dict[str, np.ndarray]
) -> None:
    method, rows = Supervised(make_encoder(3), 2), make_rows([VIDEOS[i] for i in (2, 0, 3, 1)])
    stream, cache = settings("rgb"), make_cache("rgb", rgb_videos)
    out = finetune.tested(method, rows, "rgb", stream, {"rgb": cache}, {"overlap": 0.5, "crops": 2}, 2, "cpu")
    assert out.shape == (4, 1, 2) and not out[[1, 3]].any()
    clips = clips_of(cache, [rows[0], rows[2]], "rgb", stream["clip"], partial(windows, overlap=0.5))
    augment = registry.module("modalities", "rgb").augmentation(stream, {})
    assert np.allclose(out[[0, 2], 0], probabilities(method, augment, clips, 2, 3, "cpu"), atol=1e-6)
