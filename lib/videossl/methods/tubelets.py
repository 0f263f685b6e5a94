"""Tubelet contrast (Thoker, Doughty, Snoek, ICCV 2023) and temporal contrast, its baseline, on MoCo (docs/methods/tubelets.md).

The views come cropped, in 0..1 and with their own colours (`adapt`). Here the key clips move on to the queries of other videos, the same
tubelets go on both (`augment.tubelets`, `augment.pasting`), and one draw of colours after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from videossl import parallel, seeding
from videossl.augment import pasting
from videossl.augment.tubelets import SIDE, Drawing, scaled
from videossl.augment.video import Level, VideoAugment
from videossl.encoders.build import build_head
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError
from videossl.methods.base import Given, Shapes
from videossl.methods.moco import MoCo


class TubeletContrast(MoCo):
    """MoCo whose pairs are made of the batch, and whose negatives are the queue alone (eq. 5.1).

    encoder, head, queue, momentum, temperature, stream: of `MoCo`. drawing: the kind of tubelets; None for temporal contrast, two clips of one
    video. normalise: mean and deviation, of all colours or of each, that clips are normalised by in the end.
    """

    def __init__(
        self,
        encoder: nn.Sequential,
        head: ProjectionHead | nn.Linear,
        queue: int,
        momentum: float,
        temperature: float,
        drawing: Drawing | None,
        normalise: tuple[Level, Level] = (0.5, 0.25),
        stream: str = "",
    ) -> None:
        super().__init__(encoder, head, queue, momentum, temperature, negatives="queue", stream=stream)
        self.drawing, self.normalise = drawing, normalise

    def step(self, views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch (eq. 5.1).

        views: "query" and "key", (B, 3, T, S, S) float in 0..1, of `adapt`'s augmentation; sample, rng and what is returned: as of `MoCo`.
        """
        partner, clips = pairs(views["query"], views["key"], self.drawing, self.normalise, rng)
        return super().step(clips, parallel.exchange(sample, partner), rng)  # the ids of the keys, which the queue keeps


@torch.no_grad()
def pairs(
    query: Tensor, key: Tensor, drawing: Drawing | None, normalise: tuple[Level, Level], rng: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """The pairs of a batch, as they go into the encoders.

    query, key: (B, 3, T, S, S) float in 0..1, two clips of each video, this process's rows; drawing, normalise: as of `TubeletContrast`;
    rng: a CPU generator, the same in all processes. Returns the row of the whole batch that each key is of, (B,) int64 on the CPU, and
    "query" and "key". Raises InputError for a batch of one.
    """
    count = len(query) * parallel.size()
    seed = int(torch.randint(2**62, (), generator=rng))
    rows = range(count)[parallel.own(len(query))]

    def generators(purpose: str) -> list[Any]:
        return [seeding.numpy_rng(seed, row, purpose) for row in rows]

    if drawing is None:
        partner, colours = torch.arange(count), [pasting.colours(generators(f"colours/{name}")) for name in ("query", "key")]
    else:
        if count < 2:
            raise InputError(f"tubelets: a batch of {count}, and a pair is of two videos; set batch to 2 or more")
        partner = (torch.arange(count) + 1 + int(torch.randint(count - 1, (), generator=rng))) % count  # no video is its own
        query, key = pasting.paired(query, parallel.exchange(key, partner), drawing, generators("tubelets"))
        colours = [pasting.colours(generators("colours"))] * 2
    clips = (pasting.recoloured(clip, changes, normalise) for clip, changes in zip((query, key), colours, strict=True))
    return partner, dict(zip(("query", "key"), clips, strict=True))


def build(given: Given) -> TubeletContrast:
    """Tubelet contrast of one stream, or temporal contrast."""
    name, learner = given.single
    settings, encoder = learner.settings, learner.encoder
    head = build_head(encoder.out_features, learner.seed, **settings["head"])
    contrast = {key: settings[key] for key in ("queue", "momentum", "temperature")}
    return TubeletContrast(
        encoder, head, **contrast, drawing=drawing(settings), normalise=tuple(settings["augment"]["normalise"]), stream=name
    )


def pictured(views: Mapping[str, Tensor], settings: Mapping[str, Any], rng: torch.Generator) -> list[tuple[str, list[tuple[int, Tensor]]]]:
    """The pairs of a batch of `views`, "query" and "key" of `adapt`'s augmentation, each clip with the row that it is of; settings: as `build`'s."""
    partner, clips = pairs(views["query"], views["key"], drawing(settings), tuple(settings["augment"]["normalise"]), rng)
    caption = "a pair of one video" if settings["pair"] == "temporal" else "a pair with the same tubelets"
    return [
        (caption, [(row, query), (int(partner[row]), key)])
        for row, (query, key) in enumerate(zip(clips["query"], clips["key"], strict=True))
    ]


def drawing(settings: Mapping[str, Any]) -> Drawing | None:
    """The kind of tubelets that `settings` ask for, None for temporal contrast."""
    if settings["pair"] == "temporal":
        return None
    transforms = {name: (float(low), float(high)) for name, (low, high) in settings["transformations"].items()}
    low, high = settings["patch"]
    return Drawing(settings["count"], settings["motion"], transforms, (low, high), tuple(settings["released"]))


def adapt(augment: Any, settings: Mapping[str, Any]) -> Any:
    """`augment`, its crops by the short sides of `settings`, and its colours left for later: values are in 0..1."""
    if not isinstance(augment, VideoAugment):
        return augment  # a frozen encoder's, or what `feasible` refuses
    squares = tuple(SIDE / side for side in settings["short_sides"])
    return replace(augment, squares=squares, jitter_p=0.0, grey_p=0.0, blur_p=0.0, normalise=(0.0, 1.0))


def feasible(name: str, streams: Mapping[str, Shapes], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Raise InputError where a stream's clips hold no tubelets. A batch has two videos at least, whatever the method (params).

    name: begins the message; streams, settings: of what is to be trained. Returns the size in px of patches of each stream.
    """
    found, patches = drawing(settings), {}
    for stream, shapes in streams.items():
        channels, frames, side = shapes.clip[:3]
        if (channels, shapes.axes) != (3, ("channel", "time", "height", "width")):
            raise InputError(f"{name} trains {stream}, whose clips are no pictures in three colours; tubelets are cut from those of rgb")
        if found is not None:
            found.check(frames, side)
            patches[stream] = [scaled(extent, side) for extent in found.sides]
    return {"patches": patches}
