"""The training loop that every method shares."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from videossl import parallel, seeding
from videossl.errors import InputError, Interrupted
from videossl.methods.base import Method, Views
from videossl.train import schedule, stop_signals
from videossl.train.checkpoint import Checkpoint
from videossl.train.diagnosis import at_start
from videossl.train.run_record import Record

log = logging.getLogger(__name__)

LOOKS = {"cpu": 1, "cuda": 16}
"""Steps after which their measures are looked at, with signals and due checkpoints. A look waits for the device, which on a GPU is behind."""

COLLAPSED, PATIENCE = 1e-4, 50
"""Features have collapsed when the embeddings of a batch lie this close together (`losses.spread`) for that number of steps on end."""

History = list[dict[str, float]]


@dataclass(frozen=True)
class Training:
    """The length and speed of a training (params/schema.yaml, loop)."""

    epochs: int
    batch: int
    optimiser: str
    lr: float
    weight_decay: float
    schedule: str | Sequence[float]
    warmup: float = 0.0
    decay_norms: bool = True
    accumulate: int = 1
    """Batches of a step of the optimiser, fewer in the last one of an epoch. A method's averages and queues move after each batch."""
    max_gradient: float | None = None
    """The norm that the gradient of a step, of all parameters together, is scaled down to where it is larger."""
    precision: str = "float32"
    """`bf16` computes what autocast lets in bfloat16; `tf32` is set for the process (`assemble.device`)."""


class Epochs(Protocol):
    """The batches of epoch `number` from batch `start` on."""

    def __call__(self, number: int, start: int = 0) -> Iterator[tuple[Views, Tensor]]: ...


@dataclass(frozen=True)
class Batches:
    """The batches of each epoch: `epoch(e, start)` yields (views, sample numbers) for each of the `steps` from `start` on; `close` ends what reads
    them."""

    steps: int
    epoch: Epochs
    close: Callable[[], Any] = lambda: None


class Watcher(Protocol):
    """A watcher is called after every epoch, and may be called again after a resume. TensorBoard is a watcher, and so is the keeper of encoders."""

    def __call__(self, row: dict[str, float]) -> None: ...


@dataclass
class Position:
    """The state of a training: its complete epochs, steps (batches) into the next, their summed measures, steps on end without spread, and the
    measures of its first step."""

    history: History = field(default_factory=list)
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    flat: int = 0
    start: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"epoch {len(self.history) + 1}, step {self.step}"


def fit(
    method: Method,
    batches: Batches,
    training: Training,
    seed: int,
    checkpoint: Checkpoint,
    name: str,
    watchers: Sequence[Watcher] = (),
    record: Record | None = None,
    stop: stop_signals.Stop | None = None,
) -> History:
    """Train `method`; returns one row an epoch: epoch, loss, lr, and what else the method measures in a step, such as accuracy (in percent),
    spread, and of a method that trains several streams `loss/{stream}`, ...; the first row also what they were in the first step, before
    anything was learned, as `loss, start`.

    Goes on from the newest sound state of `checkpoint`, and writes one when it is due and when `stop` has noted a signal. The
    result is the same bytes as without the interruption: each draw comes from a generator of its own (seed, epoch, step), the
    learning rate from the position, and all else from the state. Several processes (`parallel`) train as one; the first of
    them writes, and is to be given the watchers. Raises Interrupted after a signal, and InputError, in this and every later attempt, when the loss is no
    longer a finite number or the features have collapsed.
    """
    checkpoint.check_not_given_up()
    fitting = _Fitting(method, batches, training, seed, checkpoint, name, record or Record(None, ""))
    at, stop = fitting.at, stop or stop_signals.Stop()
    try:
        while len(at.history) < training.epochs:
            fitting.epoch(stop)
            row = fitting.row()
            for watch in watchers:
                watch(row)
            at.history.append(row)
            at.step, at.totals = 0, {}
    finally:
        batches.close()
    fitting.end()
    return at.history


class _Done(NamedTuple):
    """A step that is done, or that the device still works at: its measures, (M,) float64 on the device, when it began and ended, its clips in
    all processes, and the seconds that its batch was waited for."""

    measures: Tensor
    begun: Any
    ended: Any
    clips: int
    waited: float


class _Fitting:
    """The objects that one call of `fit` works on."""

    def __init__(
        self, method: Method, batches: Batches, training: Training, seed: int, checkpoint: Checkpoint, name: str, record: Record
    ) -> None:
        self.method, self.batches, self.training, self.seed = method, batches, training, seed
        self.checkpoint, self.name, self.record = checkpoint, name, record
        assert isinstance(method, nn.Module)
        parallel.synchronise(method)
        self.optimiser = schedule.optimiser(
            training.optimiser, method.trainable(), training.lr, training.weight_decay, training.decay_norms
        )
        self.unseen: list[_Done] = []  # steps whose measures nobody has looked at
        self.keys: list[str] = []  # of their measures
        self.at = self._resume()
        self.saved = self._steps()  # after how many steps there is a checkpoint
        self.record.begin(self.saved)
        self.learner = _shared(method)

    def epoch(self, stop: stop_signals.Stop) -> None:
        """The rest of the epoch that has begun."""
        from tqdm import tqdm

        self.method.train()
        at, steps, started = self.at, self.batches.steps, time.perf_counter()
        title = f"{self.name} {len(at.history) + 1}/{self.training.epochs}"
        hidden = parallel.rank() > 0 or not sys.stderr.isatty()
        first, clips = at.step, 0
        bar = tqdm(total=steps, initial=first, desc=title, unit="step", leave=False, disable=hidden)
        ready = time.perf_counter()
        for views, sample in self._batches(first, stop):
            waited = time.perf_counter() - ready
            begun = _now(sample.device)
            measures = self._step(views, sample)
            clips += len(sample) * parallel.size()
            self.unseen.append(_Done(measures, begun, _now(sample.device), len(sample) * parallel.size(), waited))
            bar.update()
            if self._is_to_look(stop):
                stopped, due = self._look(stop)
                rate = clips / (time.perf_counter() - started)
                bar.set_postfix_str(f"{self._said()}, {rate:.0f} clips/s", refresh=False)
                self._keep(stopped, due, stop)
            ready = time.perf_counter()
        bar.close()
        if clips:
            log.info("%s: %s, %.0f clips/s", title.replace(self.name, f"{self.name} epoch"), self._said(), rate)

    def _batches(self, first: int, stop: stop_signals.Stop) -> Iterator[tuple[Views, Tensor]]:
        """The batches of the epoch from step `first`. A signal while this process waits for one stops it soon, since none may ever come. Of several
        processes each goes on to the step after which they stop together."""
        batches = iter(self.batches.epoch(len(self.at.history), first))
        while True:
            try:
                with stop.soon() if parallel.size() == 1 else contextlib.nullcontext():
                    batch = next(batches, None)
            except stop_signals.StopAtOnce:
                if self.unseen:
                    self._look(stop)
                self._stop(stop.name)
            if batch is None:
                return
            yield batch

    def _stop(self, which: str) -> NoReturn:
        """Write a checkpoint, and end."""
        self._save()
        raise Interrupted(f"{self.name}: stopped by {which} at {self.at}; the same command goes on from there")

    def end(self) -> None:
        """Write the last state, unless it is there or none is ever due: a signal may also come after the training."""
        if self.saved != self._steps() and math.isfinite(self.checkpoint.minutes):
            self._save()

    def row(self) -> dict[str, float]:
        """The epoch in numbers."""
        means = {key: self._mean(key) * _scale(key) for key in self.at.totals}
        first = {key: means.pop(key) for key in ("loss", "accuracy") if key in means}
        row = {"epoch": len(self.at.history) + 1, **first, "lr": self._lr(self.batches.steps - 1), **means}
        return row | ({} if self.at.history else {at_start(key): value * _scale(key) for key, value in self.at.start.items()})

    def _step(self, views: Views, sample: Tensor) -> Tensor:
        """One batch, and with the last one of its group a step of the optimiser; returns its measures, (M,) float64 on the device."""
        at, accumulate = self.at, self.training.accumulate
        first = at.step - at.step % accumulate
        count = min(accumulate, self.batches.steps - first)
        for group in self.optimiser.param_groups:
            group["lr"] = self._lr(at.step)
        with torch.autocast(sample.device.type, torch.bfloat16, enabled=self.training.precision == "bf16"):
            measures = self.learner(views, sample, seeding.torch_rng(self.seed, len(at.history), at.step, "mix"))
        if at.step == first:
            self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(measures["loss"] / count if count > 1 else measures["loss"])
        at.step += 1
        if at.step == first + count:
            if self.training.max_gradient is not None:  # of the mean over batches and processes; nothing waits for the device
                nn.utils.clip_grad_norm_(self.method.trainable(), self.training.max_gradient)
            self.optimiser.step()
        self.method.update((len(at.history) + at.step / self.batches.steps) / self.training.epochs)
        self.keys = list(measures)
        return torch.stack([value.detach().double() for value in measures.values()])

    def _is_to_look(self, stop: stop_signals.Stop) -> bool:
        """True after some steps, and at the end of an epoch; of a process alone also where a signal came or a checkpoint is due."""
        if self.at.step == self.batches.steps or len(self.unseen) == LOOKS.get(self.unseen[0].measures.device.type, 1):
            return True
        return parallel.size() == 1 and (bool(stop.name) or self.checkpoint.due())

    def _look(self, stop: stop_signals.Stop) -> tuple[bool, bool]:
        """Count the steps since the last look; returns what all processes agree on: whether to `stop`, and whether a checkpoint is `due`."""
        values = torch.stack([step.measures for step in self.unseen])
        rows, stopped, due = _agreed(values, bool(stop.name), parallel.rank() == 0 and self.checkpoint.due())
        steps, self.unseen = self.unseen, []
        for ahead, (step, row) in enumerate(zip(steps, rows, strict=True), 1 - len(steps)):
            self.record.step(self._steps() + ahead, step.clips, _seconds(step.begun, step.ended), step.waited)
            self._count(dict(zip(self.keys, row, strict=True)), self.at.step + ahead)
        return stopped, due

    def _count(self, measured: dict[str, float], number: int) -> None:
        """Add a step's measures to the epoch's; end the training where they say that it leads nowhere. number: of the step in its epoch."""
        at = self.at
        for key, value in measured.items():
            at.totals[key] = at.totals.get(key, 0.0) + value
        if not at.start:
            at.start = dict(measured)
        at.flat = at.flat + 1 if measured.get("spread", 1.0) < COLLAPSED else 0
        where = replace(at, step=number)
        if not math.isfinite(measured["loss"]):
            broken = _streams(measured, "loss", lambda loss: not math.isfinite(loss))
            self._give_up(f"the loss{broken} is {measured['loss']}", f"lower the lr ({self.training.lr}), or look at the data", where)
        if at.flat >= PATIENCE:
            flat = _streams(measured, "spread", lambda spread: spread < COLLAPSED)
            what = f"the features{flat} have collapsed, no two embeddings differed by more than noise in the last {PATIENCE} steps"
            self._give_up(what, f"lower the lr ({self.training.lr}), raise the batch, the queue or the temperature, or augment more", where)

    def _keep(self, stopped: bool, due: bool, stop: stop_signals.Stop) -> None:
        """Write a checkpoint if it is due, but none over a good one while there is no spread; stop if a signal said so."""
        if stopped:
            self._stop(stop.name or "a signal")  # that another process had
        if due and not self.at.flat:
            self._save()

    def _save(self) -> None:
        at = self.at
        if not torch.stack([parameter.isfinite().all() for parameter in self.method.trainable()]).all():
            self._give_up("weights are no longer finite numbers", f"lower the lr ({self.training.lr}), or look at the data", at)
        if parallel.rank() == 0:
            state = {
                "method": self.method.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "gradients": [parameter.grad for parameter in self.method.trainable()] if self._is_within_a_step() else [],
                "position": vars(at),
                "generators": _generators(),
            }
            self.checkpoint.save(state, self._steps())
            self.record.write()
        self.saved = self._steps()
        if parallel.size() > 1:
            dist.barrier()  # no process ends before the state is written

    def _resume(self) -> Position:
        state = self.checkpoint.load()
        at = Position(**state["position"]) if state else Position()
        reached = torch.tensor([len(at.history), at.step], device=self.method.trainable()[0].device)
        if len({tuple(row) for row in parallel.gather(reached[None]).tolist()}) > 1:
            raise InputError(f"{self.name}: not all processes see the same checkpoints in {self.checkpoint.folder}; run again")
        if not state:
            return at
        self.method.load_state_dict(state["method"])
        self.optimiser.load_state_dict(state["optimiser"])
        for parameter, gradient in zip(self.method.trainable(), state["gradients"], strict=False):
            parameter.grad = gradient if gradient is None else gradient.to(parameter.device)
        _set_generators(state["generators"])
        log.info("%s: goes on after epoch %d, step %d of %d", self.name, len(at.history), at.step, self.batches.steps)
        return at

    def _is_within_a_step(self) -> bool:
        """True where a step of the optimiser has some of its batches."""
        return self.at.step % self.training.accumulate > 0 and self.at.step < self.batches.steps

    def _give_up(self, what: str, way_out: str, at: Position) -> None:
        """End this training, in all processes, with one line; so do later attempts."""
        newest = self.checkpoint.newest()
        good = f"the last good checkpoint is {newest}" if newest else "no checkpoint was written before"
        reason = f"{self.name}: {what}, at {at}; {good}; {way_out}"
        if parallel.rank() == 0:
            self.checkpoint.give_up(reason)
        raise InputError(reason)

    def _lr(self, step: int) -> float:
        done = (len(self.at.history) + step / self.batches.steps) / self.training.epochs
        return self.training.lr * schedule.factor(self.training.schedule, done, self.training.warmup)

    def _steps(self) -> int:
        """Steps of the optimiser so far."""
        return len(self.at.history) * self.batches.steps + self.at.step

    def _said(self) -> str:
        """The epoch so far, in words."""
        accuracy = f", accuracy {100 * self._mean('accuracy'):.1f} %" if "accuracy" in self.at.totals else ""
        return f"loss {self._mean('loss'):.3f}{accuracy}"

    def _mean(self, key: str) -> float:
        return self.at.totals[key] / max(self.at.step, 1)


def _measure(key: str) -> str:
    """Name a measure without its stream."""
    return key.split("/")[0]


def _scale(key: str) -> float:
    """The factor of a measure in a row: accuracy is in percent there."""
    return 100.0 if _measure(key) == "accuracy" else 1.0


def _streams(measured: dict[str, float], measure: str, wrong: Callable[[float], bool]) -> str:
    """' of joint' where a method has the `measure` of each stream, and this one's is wrong; '' where it has one for all."""
    streams = [key.split("/")[1] for key, value in measured.items() if key.startswith(f"{measure}/") and wrong(value)]
    return f" of {' and '.join(streams)}" if streams else ""


class _Called(nn.Module):
    """A method whose forward pass is its step, for wrappers that call the module."""

    def __init__(self, method: nn.Module) -> None:
        super().__init__()
        self.method = method

    def forward(self, views: Views, sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        measures: dict[str, Tensor] = self.method.step(views, sample, rng)  # type: ignore[operator]
        return measures


def _shared(method: Any) -> Any:
    """The module that is called for a step: with several processes, one whose gradients are averaged over them."""
    if parallel.size() == 1:
        return method.step
    device = next(iter(method.parameters())).device
    # Kernels of one cell have two strides for one memory; torch would warn of them in each process.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    with warnings.catch_warnings():  # torch 2.15 has a new name for broadcast_buffers, 2.11 does not know it
        warnings.simplefilter("ignore", FutureWarning)
        # Buffers are equal in all processes: statistics are of the whole batch, queues of all keys.
        return nn.parallel.DistributedDataParallel(
            _Called(method), device_ids=[device] if device.type == "cuda" else None, broadcast_buffers=False
        )


def _agreed(values: Tensor, stop: bool, due: bool) -> tuple[list[list[float]], bool, bool]:
    """Average the measures (steps, M) over all processes; whether one of them has to stop, or to write a checkpoint."""
    if parallel.size() == 1:
        return values.tolist(), stop, due
    whole = torch.cat([values.flatten(), values.new_tensor([float(stop), float(due)])])
    dist.all_reduce(whole)
    *means, stops, dues = (whole / parallel.size()).tolist()
    width = values.shape[1]
    return [means[first : first + width] for first in range(0, len(means), width)], stops > 0, dues > 0


def _generators() -> dict[str, Tensor]:
    """The states of torch's own generators. No method here draws from them; one that a user writes may."""
    return {"cpu": torch.get_rng_state()} | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def _set_generators(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _now(device: torch.device) -> Any:
    """A moment: of the host's clock, or an event of the GPU's."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _seconds(begun: Any, ended: Any) -> float:
    """Seconds between two moments; a GPU's must have passed."""
    return ended - begun if isinstance(begun, float) else float(begun.elapsed_time(ended)) / 1000
