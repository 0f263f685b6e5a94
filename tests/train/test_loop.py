"""The loop on a small regression: resumes to the same bytes, stops when the loss is no number or features collapse."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from videossl import seeding
from videossl.encoders.head import ProjectionHead
from videossl.errors import InputError, Interrupted
from videossl.methods.moco import MoCo
from videossl.train import loop
from videossl.train.checkpoint import Checkpoint
from videossl.train.diagnosis import at_start
from videossl.train.loop import Batches, Training, fit
from videossl.train.run_record import Record
from videossl.train.stop_signals import heeded


class Regression(nn.Module):
    """w x + noise against y; the noise comes from the step's generator. Counts its updates in a buffer."""

    def __init__(self, stop_at: int = -1, then: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.then = then
        self.w = nn.Parameter(torch.zeros(3))
        self.register_buffer("updates", torch.tensor(0))
        self.stop_at = stop_at

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        if int(self.updates) == self.stop_at:
            if self.then is None:
                raise KeyError("killed")
            self.then()
        noise = 0.1 * torch.randn(len(sample), generator=rng)
        loss = ((views["x"] @ self.w + noise - views["y"]) ** 2).mean()
        return {"loss": loss, "accuracy": (loss < 1).float()}

    def update(self, done: float = 0.0) -> None:
        self.updates += 1

    def trainable(self) -> list[nn.Parameter]:
        return [self.w]

    def encoders(self) -> dict[str, nn.Module]:
        return {"rgb": self}

    def states(self) -> dict[str, dict[str, Tensor]]:
        return {"rgb": self.state_dict()}


def batches(scale: float = 1.0) -> Batches:
    def epoch(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        for step in range(start, 4):
            x = scale * torch.randn(8, 3, generator=seeding.torch_rng(0, number, step, "x"))
            yield {"x": x, "y": x @ torch.tensor([1.0, -2.0, 3.0])}, torch.arange(8)

    return Batches(4, epoch)


TRAINING = Training(epochs=6, batch=8, optimiser="adam", lr=0.1, weight_decay=0.0, schedule="cosine")


def test_it_learns_and_reports(tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    history = fit(Regression(), batches(), TRAINING, 0, Checkpoint(tmp_path), "r", [seen.append])
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6] and seen == history
    assert [list(row) for row in history] == [["epoch", "loss", "accuracy", "lr", *(at_start(key) for key in ("loss", "accuracy"))]] + [
        ["epoch", "loss", "accuracy", "lr"]
    ] * 5
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert history[0]["lr"] > history[-1]["lr"] > 0


class Measured(Regression):
    """Measures its loss, and what else it is given: a number for each step."""

    def __init__(self, **others: list[float]) -> None:
        super().__init__()
        self.others = others

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        others = {name.replace("_of_", "/"): torch.tensor(values[int(self.updates)]) for name, values in self.others.items()}
        return others | {"loss": super().step(views, sample, rng)["loss"]}


def test_a_method_that_measures_its_loss_alone_trains(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As one without classes or keys has no accuracy, and one without embeddings no spread."""
    with caplog.at_level(logging.INFO):
        history = fit(Measured(), batches(), TRAINING, 0, Checkpoint(tmp_path / "alone"), "r")
    assert [list(row) for row in history] == [["epoch", "loss", "lr", "loss, start"]] + [["epoch", "loss", "lr"]] * 5
    whole = fit(Regression(), batches(), TRAINING, 0, Checkpoint(tmp_path / "whole"), "r")
    assert [row["loss"] for row in history] == [row["loss"] for row in whole]
    assert "r epoch 6/6: loss " in caplog.text and "accuracy" not in caplog.text


def test_whatever_a_method_measures_is_in_the_history(tmp_path: Path) -> None:
    """The mean over the epoch; accuracies in percent, of a stream, too; epoch, loss and accuracy first."""
    steps = [float(step) for step in range(8)]
    method = Measured(energy=steps, accuracy_of_joint=[step / 8 for step in steps], energy_of_joint=steps[::-1])
    history = fit(method, batches(), dataclasses.replace(TRAINING, epochs=2), 0, Checkpoint(tmp_path), "r")
    assert list(history[1]) == ["epoch", "loss", "lr", "energy", "accuracy/joint", "energy/joint"]
    assert {key: history[0][key] for key in history[0].keys() - history[1].keys()} == {
        "loss, start": pytest.approx(history[0]["loss, start"]),
        "energy, start": 0.0,
        "accuracy, start/joint": 0.0,
        "energy, start/joint": 7.0,
    }
    assert [(row["energy"], row["accuracy/joint"], row["energy/joint"]) for row in history] == [(1.5, 18.75, 5.5), (5.5, 68.75, 1.5)]


@pytest.mark.parametrize("minutes", [0, 1e9], ids=["every step", "on signals alone"])
@pytest.mark.parametrize("stop_at", [1, 4, 11, 23])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_stopped_by_a_signal_and_gone_on_with_ends_in_the_same_bytes(
    tmp_path: Path, stop_at: int, minutes: float, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    """Within an epoch, at its end, in the last step: the step is done, the next attempt begins with the one after it."""
    whole, resumed = Regression(), Regression()
    history = fit(whole, batches(), TRAINING, 0, Checkpoint(tmp_path / "whole", 1e9), "r")
    assert [path.name[:10] for path in tmp_path.glob("whole/*")] == ["000000024."], "none was due but the last"
    assert fit(Regression(), batches(), TRAINING, 0, Checkpoint(tmp_path / "never", math.inf), "r") == history
    assert not (tmp_path / "never").exists()
    checkpoint = Checkpoint(tmp_path / "parts", minutes)
    before = signal.getsignal(number)
    said = rf"r: stopped by {number.name} at epoch {stop_at // 4 + 1}, step {stop_at % 4 + 1}; the same"
    struck = Regression(stop_at, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match=said), heeded() as stop:
        fit(struck, batches(), TRAINING, 0, checkpoint, "r", stop=stop)
    assert signal.getsignal(number) is before
    newest = checkpoint.newest()
    assert newest is not None and newest.name.startswith(f"{stop_at + 1:09d}.")
    with caplog.at_level(logging.INFO):
        assert fit(resumed, batches(), TRAINING, 0, checkpoint, "r") == history
    assert f"r: goes on after epoch {stop_at // 4}, step {stop_at % 4 + 1} of 4" in caplog.text
    assert torch.equal(whole.w, resumed.w) and int(resumed.updates) == 24


class Plain(Regression):
    """Without noise, so that a batch is the sum of its parts."""

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        super().step(views, sample, rng)
        return {"loss": ((views["x"] @ self.w - views["y"]) ** 2).mean()}


@pytest.mark.parametrize(("accumulate", "groups"), [(2, [2, 2]), (3, [3, 1]), (4, [4]), (9, [4])])
def test_batches_of_one_step_of_the_optimiser_are_one_large_batch(tmp_path: Path, accumulate: int, groups: list[int]) -> None:
    """The last step of an epoch has what is left."""

    def large(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        parts = [views for views, _ in batches().epoch(number)]
        for count in groups[start:]:
            whole, parts = parts[:count], parts[count:]
            yield {key: torch.cat([views[key] for views in whole]) for key in ("x", "y")}, torch.arange(8 * count)

    by_parts, at_once = Plain(), Plain()
    training = dataclasses.replace(TRAINING, schedule="constant")
    fit(by_parts, batches(), dataclasses.replace(training, accumulate=accumulate), 0, Checkpoint(tmp_path / "parts"), "r")
    fit(at_once, Batches(len(groups), large), training, 0, Checkpoint(tmp_path / "once"), "r")
    assert torch.allclose(by_parts.w, at_once.w, atol=1e-6) and int(by_parts.updates) == 24
    each = Plain()
    fit(each, batches(), training, 0, Checkpoint(tmp_path / "each"), "r")
    assert not torch.allclose(by_parts.w, each.w, atol=1e-3)


class Affine(Plain):
    """Two parameters, a slope and a level."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return super().step(views | {"y": views["y"] - self.level}, sample, rng)

    def trainable(self) -> list[nn.Parameter]:
        return [self.w, self.level]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_gradient_is_clipped_once_a_step_over_all_parameters_together(tmp_path: Path, accumulate: int) -> None:
    """Against the same by hand: of a step of several batches their mean gradient is clipped, and a small one is left as it is."""
    training = dataclasses.replace(TRAINING, optimiser="sgd", lr=0.02, schedule="constant", accumulate=accumulate)
    clipped, weights, velocity, norms = Affine(), torch.zeros(4), torch.zeros(4), []
    fit(clipped, batches(), dataclasses.replace(training, max_gradient=5.0), 0, Checkpoint(tmp_path / "clipped"), "r")
    for number in range(training.epochs):
        parts = [(torch.cat([views["x"], torch.ones(8, 1)], 1), views["y"]) for views, _ in batches().epoch(number)]
        for group in (parts[first : first + accumulate] for first in range(0, len(parts), accumulate)):
            gradient = torch.stack([2 / 8 * x.T @ (x @ weights - y) for x, y in group]).mean(0)
            norms.append(float(gradient.norm()))
            velocity = 0.9 * velocity + gradient * min(1.0, 5.0 / norms[-1])
            weights = weights - training.lr * velocity
    assert min(norms) < 5 < max(norms)
    assert torch.allclose(torch.cat([clipped.w, clipped.level]), weights, atol=1e-5)


def test_a_gradient_below_the_largest_is_left_to_the_byte(tmp_path: Path) -> None:
    free, bounded = Affine(), Affine()
    fit(free, batches(), TRAINING, 0, Checkpoint(tmp_path / "free"), "r")
    fit(bounded, batches(), dataclasses.replace(TRAINING, max_gradient=1e6), 0, Checkpoint(tmp_path / "bounded"), "r")
    assert torch.equal(free.w, bounded.w) and torch.equal(free.level, bounded.level)


@pytest.mark.parametrize("stop_at", [0, 1, 2, 3, 9, 23])
def test_stopped_within_a_step_of_several_batches_ends_in_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    training = dataclasses.replace(TRAINING, accumulate=3, max_gradient=1.0)
    whole, resumed = Regression(), Regression()
    history = fit(whole, batches(), training, 0, Checkpoint(tmp_path / "whole", 1e9), "r")
    struck, checkpoint = Regression(stop_at, lambda: os.kill(os.getpid(), signal.SIGTERM)), Checkpoint(tmp_path / "parts", 1e9)
    with pytest.raises(Interrupted), heeded() as stop:
        fit(struck, batches(), training, 0, checkpoint, "r", stop=stop)
    assert fit(resumed, batches(), training, 0, checkpoint, "r") == history and torch.equal(whole.w, resumed.w)


@pytest.mark.parametrize("stop_at", [1, 4, 23])
def test_killed_and_gone_on_with_from_the_last_checkpoint(tmp_path: Path, stop_at: int) -> None:
    """What dies between checkpoints loses the steps since the last; with a damaged one, since the one before."""
    whole, parts = Regression(), Regression(stop_at)
    history = fit(whole, batches(), TRAINING, 0, Checkpoint(tmp_path / "whole"), "r")
    checkpoint = Checkpoint(tmp_path / "parts", 0)
    with pytest.raises(KeyError):
        fit(parts, batches(), TRAINING, 0, checkpoint, "r")
    newest = checkpoint.newest()
    assert newest is not None and newest.name.startswith(f"{stop_at:09d}.")
    newest.write_bytes(newest.read_bytes()[:-9])
    resumed = Regression()
    assert fit(resumed, batches(), TRAINING, 0, checkpoint, "r") == history
    assert torch.equal(whole.w, resumed.w) and int(resumed.updates) == 24


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures are looked at after three steps, as on a GPU after more."""
    monkeypatch.setitem(loop.LOOKS, "cpu", 3)


def test_measures_that_are_looked_at_seldom_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(folder: str) -> tuple[list[dict[str, float]], Tensor, dict[str, Any]]:
        method, record = Spread([0.5, 0.25, 0.75, 1.0]), Record(None, "")
        history = fit(method, batches(), TRAINING, 0, Checkpoint(tmp_path / folder, 1e9), "r", record=record)
        return history, method.w, record.entry

    often = trained("often")
    monkeypatch.setitem(loop.LOOKS, "cpu", 3)
    seldom = trained("seldom")
    assert seldom[0] == often[0] and torch.equal(seldom[1], often[1])
    assert [seldom[2][key] for key in ("from_step", "to_step", "clips")] == [often[2][key] for key in ("from_step", "to_step", "clips")]


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize("stop_at", [1, 4, 11, 23])
def test_a_signal_between_looks_is_heeded_after_the_step(tmp_path: Path, stop_at: int) -> None:
    whole, resumed = Regression(), Regression()
    history = fit(whole, batches(), TRAINING, 0, Checkpoint(tmp_path / "whole", 1e9), "r")
    struck, checkpoint = Regression(stop_at, lambda: os.kill(os.getpid(), signal.SIGTERM)), Checkpoint(tmp_path / "parts", 1e9)
    with pytest.raises(Interrupted, match=f"at epoch {stop_at // 4 + 1}, step {stop_at % 4 + 1};"), heeded() as stop:
        fit(struck, batches(), TRAINING, 0, checkpoint, "r", stop=stop)
    assert fit(resumed, batches(), TRAINING, 0, checkpoint, "r") == history and torch.equal(whole.w, resumed.w)


@pytest.mark.usefixtures("seldom")
def test_what_goes_wrong_between_looks_is_named_with_its_step(tmp_path: Path) -> None:
    """It is seen some steps later, and no checkpoint has it."""
    broken, flat = Measured(energy=[0.0] * 99), Spread([0.5] * 5 + [1e-6])
    broken.step = lambda *given: {"loss": Regression.step(broken, *given)["loss"] * (math.nan if int(broken.updates) == 4 else 1)}  # type: ignore[method-assign]
    with pytest.raises(InputError, match="the loss is nan, at epoch 2, step 1; no checkpoint was written before"):
        fit(broken, batches(), TRAINING, 0, Checkpoint(tmp_path / "broken", 1e9), "r")
    assert int(broken.updates) == 7, "seen at the end of three steps"
    with pytest.raises(InputError, match="at epoch 14, step 3"):
        fit(flat, batches(), dataclasses.replace(TRAINING, epochs=30), 0, Checkpoint(tmp_path / "flat", 1e9), "r")


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    runs = [fit(Regression(), batches(), TRAINING, seed, Checkpoint(tmp_path / str(seed)), "r") for seed in (0, 1)]
    assert runs[0] != runs[1]


def test_a_method_that_draws_from_torchs_own_generator_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    class Careless(Regression):
        def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
            return super().step({"x": views["x"], "y": views["y"] + torch.randn(8)}, sample, rng)

    torch.manual_seed(5)
    whole = fit(Careless(), batches(), TRAINING, 0, Checkpoint(tmp_path / "whole"), "r")
    torch.manual_seed(5)
    with pytest.raises(KeyError):
        fit(Careless(stop_at=6), batches(), TRAINING, 0, Checkpoint(tmp_path / "parts", 0), "r")
    torch.manual_seed(6)
    assert fit(Careless(), batches(), TRAINING, 0, Checkpoint(tmp_path / "parts", 0), "r") == whole


def test_a_loss_that_is_no_number_stops_with_one_line_and_for_good(tmp_path: Path) -> None:
    """It names the step, the last good checkpoint and what to try; another attempt says the same at once."""

    class Breaks(Regression):
        def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
            measures = super().step(views, sample, rng)
            return measures | {"loss": measures["loss"] * (float("nan") if int(self.updates) == 6 else 1)}

    checkpoint = Checkpoint(tmp_path, 0)
    with pytest.raises(InputError) as caught:
        fit(Breaks(), batches(), TRAINING, 0, checkpoint, "r")
    newest = checkpoint.newest()
    said = f"r: the loss is nan, at epoch 2, step 3; the last good checkpoint is {newest}; lower the lr (0.1), or look at the data"
    assert str(caught.value) == said and newest is not None and newest.name.startswith("000000006.")
    state = checkpoint.load()
    assert state is not None and bool(state["method"]["w"].isfinite().all())
    with pytest.raises(InputError, match=rf"^{re.escape(said)}; to go on from the last checkpoint all the same, delete .*stopped.json$"):
        fit(Regression(), batches(), TRAINING, 0, checkpoint, "r")
    (tmp_path / "stopped.json").unlink()
    assert len(fit(Regression(), batches(), TRAINING, 0, checkpoint, "r")) == 6, "and goes on where it is told to"


def test_weights_that_are_no_numbers_never_become_a_checkpoint(tmp_path: Path) -> None:
    """A gradient may overflow where the loss does not."""

    class Overflows(Regression):
        def update(self, done: float = 0.0) -> None:
            super().update(done)
            if int(self.updates) == 3:
                self.w.data[1] = float("inf")

    checkpoint = Checkpoint(tmp_path, 0)
    with pytest.raises(
        InputError, match=r"weights are no longer finite numbers, at epoch 1, step 3; the last good checkpoint is .*000000002\."
    ):
        fit(Overflows(), batches(), TRAINING, 0, checkpoint, "r")


class Spread(Regression):
    """Tells a spread of its embeddings: that of `told`, step by step, then the last of it."""

    def __init__(self, told: list[float]) -> None:
        super().__init__()
        self.told = told

    def step(self, views: dict[str, Tensor], sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        spread = self.told[min(int(self.updates), len(self.told) - 1)]
        return super().step(views, sample, rng) | {"spread": torch.tensor(spread)}


def test_collapsed_features_stop_the_training(tmp_path: Path) -> None:
    """Fifty steps on end; while there is no spread no checkpoint takes the place of a good one."""
    checkpoint, long = Checkpoint(tmp_path, 0), dataclasses.replace(TRAINING, epochs=30)
    with pytest.raises(
        InputError, match=r"r: the features have collapsed, .* last 50 steps, at epoch 14, step 3; the last good .*000000005\..*"
    ):
        fit(Spread([0.5] * 5 + [1e-6]), batches(), long, 0, checkpoint, "r")
    with pytest.raises(InputError, match="collapsed"):
        fit(Spread([0.5]), batches(), long, 0, checkpoint, "r")


def test_a_passing_lack_of_spread_does_not(tmp_path: Path) -> None:
    """49 steps are not 50, and the count survives an interruption."""
    long = dataclasses.replace(TRAINING, epochs=30)
    told = [0.0] * 49 + [0.5] + [0.0] * 49 + [0.5]
    history = fit(Spread(told), batches(), long, 0, Checkpoint(tmp_path / "a"), "r")
    assert history[0]["spread"] == 0 and history[-1]["spread"] == 0.5
    stopped = Spread([0.5, 0.0])
    stopped.stop_at, stopped.then = 30, lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Interrupted), heeded() as stop:
        fit(stopped, batches(), long, 0, Checkpoint(tmp_path / "b"), "r", stop=stop)
    with pytest.raises(InputError, match="at epoch 13, step 3"):
        fit(Spread([0.5, 0.0]), batches(), long, 0, Checkpoint(tmp_path / "b"), "r")


def test_an_encoder_whose_features_are_all_one_is_a_collapse(tmp_path: Path) -> None:
    """What it looks like in MoCo: a head that answers the same to everything."""
    encoder = nn.Sequential(nn.Conv1d(3, 4, 1))
    method = MoCo(encoder, ProjectionHead(4, 4, 4), queue=8, momentum=0.9, temperature=0.1)
    nn.init.zeros_(method.head.out.weight)

    def epoch(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        rng = seeding.torch_rng(0, number)
        yield {name: torch.randn(8, 3, 5, generator=rng) for name in ("query", "key")}, torch.arange(8)

    stuck = dataclasses.replace(TRAINING, lr=0.0, epochs=60)
    with pytest.raises(
        InputError, match=r"no two embeddings differed by more than noise .* at epoch 50, step 1; no checkpoint was written"
    ):
        fit(method, Batches(1, epoch), stuck, 0, Checkpoint(tmp_path), "r")
