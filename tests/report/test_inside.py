"""Mixed samples and maps of encoders, from files of a small run."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.made import row, shard
from torch import nn

from videossl import registry, seeding
from videossl.data.cache import Cache
from videossl.encoders.base import Encoder
from videossl.encoders.build import build
from videossl.report import inside
from videossl.report.inside import Stream
from videossl.train import weights

ROWS = [row("bow/1", "bow"), row("<b>/2", "<b>")]
AUGMENT = {"area": [0.9, 1.0], "flip": 0.0, "jitter": [0.0] * 4, "jitter_p": 0.0, "grey_p": 0.0, "blur_p": 0.0, "blur_sigma": [0.1, 2.0]}
RGB = {
    "modality": "rgb",
    "encoder": "s3d",
    "width": 0.0625,
    "clip": {"frames": 8, "stride": 2, "size": 64},
    "augment": {**AUGMENT, "normalise": [0.45, 0.2]},
}
TRAIN = {
    "alpha": 1.0,
    "temperature": 0.1,
    "momentum": 0.5,
    "queue": 0,
    "negatives": "all",
    "batch": 2,
    "optimiser": "adam",
    "lr": 0.1,
    "schedule": "cosine",
}


def params() -> dict[str, Any]:
    streams = {"rgb": {**RGB, "head": {}, "train": {**TRAIN, "weight_decay": 0.0, "moco": {"epochs": 1}}}}
    experiment = {"method": "moco", "streams": ["rgb"]}
    experiments = {
        "moco": {**experiment, "mixing": "none"},
        "mixup": {**experiment, "mixing": "mixup"},
        "again": {**experiment, "mixing": "mixup"},
    }
    return {"seed": 0, "streams": streams, "experiments": experiments}


def known(folder: Path) -> dict[str, Stream]:
    rng = seeding.numpy_rng(0)
    videos = [(one.id, rng.integers(60, 180, (20, 48, 64, 3)).astype(np.uint8)) for one in ROWS]
    cache = Cache([shard(folder / "rgb.h5", "rgb", videos)])
    return inside.streams(params(), [(registry.module("modalities", "rgb"), cache)])


def test_a_mixed_sample_is_lam_of_the_first_and_the_rest_of_the_second(tmp_path: Path) -> None:
    (drawing,) = inside.mixes(params(), ROWS, known(tmp_path))
    assert (drawing.experiment, drawing.stream, drawing.about) == ("mixup", "rgb", "mixup"), (
        "each kind of mixing of a stream once, and not none"
    )
    (_, (first, second)), *mixed = drawing.groups
    assert (first.name, second.name) == ("bow · bow/1", "<b> · <b>/2") and len(mixed) == inside.MIXED
    lams = [float(re.fullmatch(r"lam ([\d.]+)", caption)[1]) for caption, _ in mixed]  # type: ignore[index]
    assert len(set(lams)) == len(lams) and all(0 <= lam <= 1 for lam in lams)
    for lam, (_, (strip,)) in zip(lams, mixed, strict=True):
        assert len(strip.pictures) == inside.STEPS
        for a, b, both in zip(first.pictures, second.pictures, strip.pictures, strict=True):
            expected = lam * np.asarray(a.value, float) + (1 - lam) * np.asarray(b.value, float)
            assert np.abs(expected - np.asarray(both.value, float)).max() < 1.5
    assert inside.mixes(params(), ROWS[:1], known(tmp_path)) == [], "one video has nothing to be mixed with"


def trained(folder: Path, experiment: str, scale: float) -> Path:
    """The curve's place of a training with weights beside it, those of the convolutions `scale` times as large."""
    encoder = build("s3d", 3, RGB, 0)
    path = folder / experiment / "0/rgb.safetensors"
    path.parent.mkdir(parents=True)
    weights.save(
        path, {f"rgb/encoder.{name}": tensor * scale if tensor.ndim == 5 else tensor for name, tensor in encoder.state_dict().items()}, {}
    )
    return path.with_suffix(".json")


def test_maps_are_drawn_of_the_encoders_that_left_weights(tmp_path: Path) -> None:
    files = [trained(tmp_path, "moco", 1.0), trained(tmp_path, "mixup", -1.0)]
    first, second = inside.activations(params(), ROWS, known(tmp_path), files)
    assert [(one.experiment, one.stream) for one in (first, second)] == [("moco", "rgb"), ("mixup", "rgb")] and first.about.startswith(
        "block"
    )
    assert [caption for caption, _ in first.groups] == ["bow · bow/1", "<b> · <b>/2"]
    pictures = [np.asarray(drawing.groups[0][1][0].pictures[0].value) for drawing in (first, second)]
    assert pictures[0].shape == (64, 64, 3) and (pictures[0] != pictures[1]).any(), "other weights, another map"
    again = inside.activations(params(), ROWS, known(tmp_path), files)
    np.testing.assert_array_equal(np.asarray(again[0].groups[0][1][0].pictures[0].value), pictures[0])
    assert inside.activations(params(), ROWS, known(tmp_path), []) == []


def test_the_map_is_of_the_last_block_that_has_cells_enough() -> None:
    blocks = OrderedDict((f"block{i}", nn.AvgPool3d((1, 2, 2))) for i in (1, 2, 3))
    name, maps = inside._late(Encoder(blocks, 1), torch.zeros(1, 1, 2, 16, 16))
    assert name == "block2" and maps.shape[-2:] == (4, 4)
    assert inside._late(Encoder(blocks, 1), torch.zeros(1, 1, 2, 8, 8))[0] == "block1", "none has, after the first"


def test_heat_is_a_colour_over_grey() -> None:
    heated = inside._heated(np.full((1, 2, 3), [30, 60, 90], np.uint8), np.array([[0.0, 1.0]]))
    assert heated[0, 0].tolist() == [60, 60, 60]
    assert heated[0, 1].tolist() == [round(60 * 0.35 + 0.65 * colour) for colour in (255, 64, 0)]


def test_a_pair_of_two_videos_with_the_same_tubelets_is_drawn(tmp_path: Path) -> None:
    """Query and key each by its own video; where a tubelet hides both, the pictures are one."""
    given = params()
    tubelets = {"method": "tubelets", "streams": ["rgb"], "transformations": {}, "motion": "none", "strides": [1]}
    given["experiments"] = {"tubelets": tubelets, "temporal": {**tubelets, "pair": "temporal"}}
    given["streams"]["rgb"]["train"] |= {"tubelets": {"epochs": 1}, "queue": 4}
    drawn, temporal = inside.mixes(given, ROWS, known(tmp_path))
    assert (drawn.experiment, drawn.stream, temporal.experiment) == ("tubelets", "rgb", "temporal")
    assert [caption for caption, _ in drawn.groups] == ["a pair with the same tubelets"] * 2
    names = ["bow · bow/1", "<b> · <b>/2"]
    assert [[strip.name for strip in strips] for _, strips in drawn.groups] == [names, names[::-1]]
    assert [[strip.name for strip in strips] for _, strips in temporal.groups] == [[name] * 2 for name in names]
    for _, (query, key) in drawn.groups:
        one, other = (np.stack([np.asarray(picture.value, int) for picture in strip.pictures]) for strip in (query, key))
        alike = (np.abs(one - other) <= 60).all(axis=(0, -1)).mean()  # noise elsewhere: hardly a pixel is alike in all frames
        assert alike > 0.01
