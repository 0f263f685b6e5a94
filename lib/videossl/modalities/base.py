"""The contract of a modality: the functions of its module, and its pictures for the report.

A modality is a file of this folder, with its declaration beside it. `settings` is a stream's part of params.yaml (clip, augment, and what
its encoder has, such as the graph); `attrs` are the cache's root attributes. Only augmentation and hand-made features load torch.

    load(cache, video, settings, start) -> array        one clip from step `start`, as `data.clips.collate` takes it
    check(cache, settings)                               InputError where the cache is not what the settings want
    span(settings) -> int | None                         steps of the cache that a clip covers; None: a clip is the whole video
    augmentation(settings, attrs) -> augment             a batched transform: train, train_with_geometry, evaluate, crops
    input_shape(settings) -> (C, T, ...)                 one sample as an encoder gets it
    handmade(cache, video, settings) -> (D,) float       a feature of the whole video that nobody trained
    pictures(cache, video, count) -> Strip               at most `count` moments of a video, for the report
    legend() -> Strip                                    optional: how to read the pictures; its name is HTML
    seen(view, settings) -> [Picture]                    optional: a view (C, T, ...) float as an encoder gets it, step by step
    thumbnail(cache, video) -> (H, W, 3) uint8 or SVG    optional: one picture that shows what the video is about

What reads another modality's cache is drawn there: its `pictures` are none.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np


class Picture(NamedTuple):
    """One picture: a "png" is an array (H, W, 3 or 4) uint8, an "svg" the text of its element."""

    kind: Literal["png", "svg"]
    value: np.ndarray | str
    label: str  # in words, for those who do not see it


class Strip(NamedTuple):
    """Pictures in a row, with the words that stand above it."""

    name: str
    pictures: list[Picture]


def evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` positions of range(count), evenly spaced, the first and the last included."""
    if count <= 0:
        return []
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())]
