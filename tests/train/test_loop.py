"""The loop on a small regression: resumes to the same bytes, stops when the loss is no number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from videossl import seeding
from videossl.errors import InputError
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit


class Regression(nn.Module):
    """w x + noise against y; the noise comes from the step's generator. Counts its updates in a buffer."""

    def __init__(self, stop_at: int = -1) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))
        self.register_buffer("updates", torch.tensor(0))
        self.stop_at = stop_at

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        if int(self.updates) == self.stop_at:
            raise KeyboardInterrupt
        noise = 0.1 * torch.randn(len(sample), generator=rng)
        loss = ((views["x"] @ self.w + noise - views["y"]) ** 2).mean()
        return {"loss": loss, "accuracy": (loss < 1).float()}

    def update(self) -> None:
        self.updates += 1

    def trainable(self) -> list[nn.Parameter]:
        return [self.w]


def batches(scale: float = 1.0) -> Batches:
    def epoch(number: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        for step in range(4):
            x = scale * torch.randn(8, 3, generator=seeding.torch_rng(0, number, step, "x"))
            yield {"x": x, "y": x @ torch.tensor([1.0, -2.0, 3.0])}, torch.arange(8)

    return Batches(4, epoch)


TRAINING = Training(epochs=6, batch=8, optimiser="adam", lr=0.1, weight_decay=0.0, schedule="cosine")


def test_it_learns_and_reports(tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    history = fit(Regression(), batches(), TRAINING, 0, Checkpoint(tmp_path), "r", [seen.append])
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6] and seen == history
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert history[0]["lr"] > history[-1]["lr"] > 0


@pytest.mark.parametrize("stop_at", [1, 4, 11, 23])
def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    whole, parts = Regression(), Regression(stop_at)
    history = fit(whole, batches(), TRAINING, 0, Checkpoint(tmp_path / "whole"), "r")
    with pytest.raises(KeyboardInterrupt):
        fit(parts, batches(), TRAINING, 0, Checkpoint(tmp_path / "parts"), "r")
    resumed = Regression()
    assert fit(resumed, batches(), TRAINING, 0, Checkpoint(tmp_path / "parts"), "r") == history
    assert torch.equal(whole.w, resumed.w) and int(resumed.updates) == 24


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    runs = [fit(Regression(), batches(), TRAINING, seed, Checkpoint(tmp_path / str(seed)), "r") for seed in (0, 1)]
    assert runs[0] != runs[1]


def test_a_loss_that_is_no_number_stops_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the loss is (nan|inf) at epoch 1, step 1; lower the lr") as caught:
        fit(Regression(), batches(scale=1e30), TRAINING, 0, Checkpoint(tmp_path), "r")
    assert "\n" not in str(caught.value)
