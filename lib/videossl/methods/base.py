"""The contract of a method: its input, and the calls of the training loop and of the next training.

A method is a file of this folder. It knows tensors and nothing of files, params or datasets, so it serves in other code as it is here.
Its module has

    build(given) -> Method                     from encoders and settings; of one that trains within a framework build(given, framework)
    feasible(name, streams, settings) -> dict  optional, where its YAML says `feasible`: InputError where the encoders do not allow what is
                                               asked, else a record of what they allow; called before anything is trained. A setting
                                               that is declared as `weights` is the state dict of each stream, here and in `build` its own
    adapt(augment, settings) -> augment        optional: the augmentation of its own, made of a stream's, by the settings of a trained stream
    pictured(views, settings, rng) -> list     where its YAML says `pictured`, for the report: what its encoders are given of "query" and "key", two views of
                                               some videos by `adapt`, which it has: groups of clips that belong together, each (caption, [(the row that
                                               a clip is of, clip), ...])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from videossl.encoders.base import Encoder
from videossl.encoders.head import ProjectionHead
from videossl.methods.mixed import Mixed

Views = dict[str, Tensor]
State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Learner:
    """A stream that is trained: its encoder at initial weights, what the params set for it, and a seed for further initial weights."""

    encoder: Encoder
    settings: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Frozen:
    """An encoder that is looked at and never trained, by the name of its stream; in evaluation mode, without gradients.

    head: of a role that is declared with one, the head that was trained with it.
    """

    stream: str
    encoder: Encoder
    head: ProjectionHead | None = None


@dataclass(frozen=True)
class Given:
    """The input of a method: the streams that it trains, frozen encoders by their roles, the number of classes (0: no labels), and
    the seed of the run, for initial weights that streams do not differ in."""

    streams: Mapping[str, Learner]
    frozen: Mapping[str, Frozen] = field(default_factory=dict)
    classes: int = 0
    seed: int = 0

    @property
    def single(self) -> tuple[str, Learner]:
        """The one stream of a method that trains each alone or in turn."""
        ((name, learner),) = self.streams.items()
        return name, learner


@dataclass(frozen=True)
class Shapes:
    """A stream as `feasible` sees it: `maps`, (B, C, *dims) after each block of its encoder; `axes`, the names of C, *dims; `clip`, the shape of
    what it is given, without B; `state`, the shape of each tensor of the encoder by its name; `torchvision_names`, as `Encoder` has them."""

    maps: Sequence[tuple[int, ...]]
    axes: tuple[str, ...]
    clip: tuple[int, ...] = ()
    state: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    torchvision_names: Mapping[str, str] = field(default_factory=dict)


class Method(Protocol):
    """A method: a torch module that trains; its state_dict holds all that a resume needs.

    step: the loss of one batch. views: (B, *input) float by name, as the method's YAML has them: "query" where one stream is trained,
    "{stream}/query" where several are, a frozen encoder's by its role; "label" and "group", (B,) int64, always; sample: (B,) int64 >= 0,
    which video a row is of; rng: a CPU generator, the same in all processes. Returns scalars: "loss" with gradient, and whatever else it
    measures; of each of several streams as "{measure}/{stream}". "accuracy" is a share, and "spread" (`losses.spread`) is watched.
    update: what follows the optimiser's step; done: the share of the training's steps that are done, in (0, 1]. trainable: the parameters to
    optimise. encoders: what comes out, by stream. states: by stream, what a later training can begin from, its encoder under "encoder.";
    begin: take over such states, and say in words what.
    """

    def step(self, views: Views, sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]: ...
    def update(self, done: float = ...) -> None: ...
    def trainable(self) -> list[nn.Parameter]: ...
    def encoders(self) -> dict[str, nn.Sequential]: ...
    def states(self) -> dict[str, dict[str, Tensor]]: ...
    def begin(self, states: Mapping[str, State]) -> list[str]: ...
    def to(self, device: torch.device) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Framework(Method, Protocol):
    """A method of one stream whose views another method may mix in its place, as CMMC does.

    encoder: of the stream; mixing: its own, "none" where another mixes; mixed: the names of the views that are mixed. measure: what `step`
    returns, given these views as they were mixed and encoded, and all others, and the draws that are left, as `step` has them.
    """

    encoder: nn.Sequential
    mixing: str
    mixed: tuple[str, ...]

    def measure(
        self, mixed: Mapping[str, Mixed], views: Mapping[str, Tensor], sample: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]: ...
