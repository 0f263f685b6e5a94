"""Curves that went wrong, by hand and for real, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from videossl.encoders.build import build, build_head
from videossl.methods.moco import MoCo
from videossl.seeding import torch_rng
from videossl.train import diagnosis
from videossl.train.schedule import optimiser

KEYS = {"candidates": ["batch", "queue"]}
SETTINGS = {"batch": 48, "queue": 0, "lr": 0.003, "temperature": 0.1, "mixing": "mixup", "alpha": 0.2}
WELL: dict[str, Any] = {"loss": 1.5, "accuracy": 40.0, "spread": 0.6, "rank": 14.0, "positive": 0.8, "negative": 0.3}


def curve(epochs: int = 20, start: dict[str, float] | None = None, **end: float) -> list[dict[str, float]]:
    """Measures that go in a straight line from those of a training that has begun to `end`."""
    first = WELL | {"accuracy": 5.0, "spread": 0.2} | (start or {})
    last = WELL | end
    return [{key: first[key] + (last[key] - first[key]) * i / (epochs - 1) for key in WELL} | {"epoch": i + 1} for i in range(epochs)]


def test_of_a_curve_that_looks_well_nothing_is_said() -> None:
    assert diagnosis.said(curve(), KEYS, SETTINGS) == [] == diagnosis.said([], KEYS, SETTINGS)
    assert diagnosis.said([{"epoch": 1, "loss": 3.0}], {}, SETTINGS) == [], "of a method that measures its loss alone"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"spread": 0.07}, "did not spread: 0.0"),
        ({"rank": 2.0}, "few directions: an effective rank of 2."),
        ({"accuracy": 3.0}, "hardly more often than by guessing: 3."),
    ],
)
def test_what_is_wrong_is_named_with_a_way_out(end: dict[str, float], said: str) -> None:
    (text,) = diagnosis.said(curve(**end), KEYS, SETTINGS)
    assert said in text and "Try " in text and "norm: batch" in text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            SETTINGS,
            "Try more negatives (the batch is 48, the queue 0), `norm: batch` in the head, milder augmentation, more epochs, a lower lr"
            " (it is 0.003), no mixing at first or a smaller alpha (it is 0.2).",
        ),
        (
            {"batch": 16, "lr": 0.003, "temperature": 0.1, "mixing": "none", "alpha": 1.0},
            "Try more negatives (the batch is 16), `norm: batch` in the head, milder augmentation, more epochs, a lower lr (it is 0.003).",
        ),
        ({"batch": 16, "lr": 0.003, "momentum": 0.9, "rho": 2}, "Try a momentum nearer to 1 (it is 0.9), `norm: batch`"),
    ],
    ids=["moco", "simclr", "byol"],
)
def test_ways_out_are_those_that_a_method_has_with_their_values(settings: dict[str, Any], said: str) -> None:
    (text,) = diagnosis.said(curve(spread=0.07), {}, settings)
    assert said in text


def test_an_accuracy_that_falls_is_named() -> None:
    (text,) = diagnosis.said(curve(start={"accuracy": 24.0}, accuracy=8.0), KEYS, SETTINGS)
    assert text.startswith("Accuracy fell from 2") and "to 8 %" in text


def test_a_stage_that_starts_from_what_is_alike_says_so_where_it_went_wrong() -> None:
    rows = curve(spread=0.07)
    rows[0] |= {"negative, start": 0.93}
    assert "alike already, with a mean cosine of 0.93" in diagnosis.said(rows, KEYS, SETTINGS)[-1]
    well = curve()
    well[0] |= {"negative, start": 0.93}
    assert diagnosis.said(well, KEYS, SETTINGS) == []


@pytest.mark.parametrize(("batch", "norm", "lr", "wrong"), [(4, "none", 0.3, True), (24, "batch", 0.01, False)])
def test_a_bad_regime_is_named_and_a_good_one_is_not(batch: int, norm: str, lr: float, wrong: bool) -> None:
    """Batches of 4, no normalisation, thirty times the rate; the same steps in a healthy regime. Videos that differ for real: each has a place."""
    torch.manual_seed(0)
    encoder = build("st-gcn", 3, {"width": 0.0625, "graph": "coco", "partition": "paper"}, 0)
    method = MoCo(encoder, build_head(encoder.out_features, 0, 32, 16, norm), 0, 0.9, 0.1)
    places, steps = torch.randn(24, 3, 1, 17, 1, generator=torch_rng(1)), optimiser("adam", method.trainable(), lr, 0.0)
    rows = []
    for step in range(30):
        rng = torch_rng(0, step)
        sample = torch.randperm(24, generator=rng)[:batch]
        views = {name: places[sample] + 0.2 * torch.randn(batch, 3, 8, 17, 2, generator=rng) for name in ("query", "key")}
        told = method.step(views, sample, rng)
        steps.zero_grad()
        told["loss"].backward()
        steps.step()
        method.update()
        rows.append({key: value.item() * (100 if key == "accuracy" else 1) for key, value in told.items()} | {"epoch": step + 1})
    found = diagnosis.said(rows, KEYS, SETTINGS | {"batch": batch, "lr": lr})
    assert bool(found) == wrong, (found, rows[-1])
