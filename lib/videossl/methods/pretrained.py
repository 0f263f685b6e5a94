"""Weights from elsewhere: an encoder as somebody else trained it, to be measured, finetuned, or trained on by another method."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.methods.base import Given, Shapes, State, Views

log = logging.getLogger(__name__)

WRAPPED = "module."
"""The beginning of names in files that DistributedDataParallel saved."""
COUNTER = "num_batches_tracked"
"""A tensor of batch-norm that old files lack; no result rests on it."""


class Pretrained(nn.Module):
    """An encoder that takes over `weights`, a state dict of another layout, and is trained no further.

    names: how names begin there, and how here, as {"backbone.": ""} (`matched`). Raises InputError, loading nothing, unless all of the encoder
    is there in its shape; what the file has beside it, as a layer for classes, is named in the log.
    """

    def __init__(self, encoder: Encoder, weights: State, names: Mapping[str, str] | None = None, stream: str = "") -> None:
        super().__init__()
        self.encoder, self.stream = encoder, stream
        shapes = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
        state, left = matched(weights, shapes, names or encoder.torchvision_names, stream)
        encoder.load_state_dict(state, strict=False)
        log.info("%s: %s", stream or "encoder", said(state, left))

    def step(self, views: Views, sample: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Nothing: there is no loss. Raises RuntimeError."""
        raise RuntimeError("a method that trains nothing has no steps")

    def update(self, done: float = 0.0) -> None:
        """Nothing follows a step that there is not."""

    def trainable(self) -> list[nn.Parameter]:
        """No parameters."""
        return []

    def encoders(self) -> dict[str, nn.Sequential]:
        """The encoder, by the name of its stream."""
        return {self.stream: self.encoder}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """The encoder alone."""
        return {self.stream: {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}}

    def begin(self, states: Mapping[str, State]) -> list[str]:
        """Refuse earlier weights: these come from elsewhere. Raises InputError."""
        raise InputError("a method with weights from elsewhere begins from no training; leave `from` out")


def matched(
    weights: State, shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, str], stream: str = ""
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of an encoder, by its own names, of `weights`, and the names there of those that it does not have.

    shapes: of the encoder's tensors. A name loses "module." at its head, and then what `names` says of how it begins, the longest first; of
    several tensors that come to one name InputError is raised, as for one that is missing or of another shape. Tensors are converted to float32.
    """
    state: dict[str, Tensor] = {}
    left = []
    for name, tensor in weights.items():
        own = _renamed(name.removeprefix(WRAPPED), names)
        if own in state:
            raise InputError(f"{_of(stream)}: two tensors of the file come to {own}, {name} the second; mend `names`")
        if own in shapes:
            state[own] = tensor
        else:
            left.append(name)
    missing = [name for name in shapes if name not in state and not name.endswith(COUNTER)]
    if missing:
        some = f"; it has {', '.join(left[:3])}, and {max(0, len(left) - 3)} more" if left else ""
        raise InputError(
            f"{_of(stream)}: {len(missing)} of {len(shapes)} tensors of the encoder are not in the file, such as {missing[0]}{some};"
            " say in `names` how names begin in the file and how here, or choose its encoder"
        )
    for name, tensor in state.items():
        if tuple(tensor.shape) != shapes[name]:
            raise InputError(
                f"{_of(stream)}: {name} is {tuple(tensor.shape)} in the file, here {shapes[name]};"
                " set the stream's modality, encoder and width to those of the file"
            )
    return {name: tensor.to(torch.float32) if tensor.is_floating_point() else tensor for name, tensor in state.items()}, left


def _renamed(name: str, names: Mapping[str, str]) -> str:
    begins = max((begin for begin in names if name.startswith(begin)), key=len, default=None)
    return name if begins is None else names[begins] + name.removeprefix(begins)


def _of(stream: str) -> str:
    return f"weights from elsewhere{f' for {stream}' if stream else ''}"


def said(state: State, left: list[str]) -> str:
    """Say in words how much is taken, and what is left out."""
    beside = f"; left out: {', '.join(left[:6])}{f' and {len(left) - 6} more' if len(left) > 6 else ''}" if left else ""
    return f"{len(state)} tensors are taken{beside}"


def feasible(name: str, streams: Mapping[str, Shapes], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Record how much each stream's encoder takes of its weights, and what is left out; raises InputError where they do not fit.

    name: of the experiment, for messages; settings: `weights`, a state dict by stream, and `names`.
    """
    taken = {}
    for stream, shapes in streams.items():
        try:
            state, left = matched(settings["weights"][stream], shapes.state, settings["names"] or shapes.torchvision_names, stream)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        log.info("%s: %s", stream, said(state, left))
        taken[stream] = {"tensors": len(state), "left": left}
    return {"taken": taken}


def build(given: Given) -> Pretrained:
    """An encoder of one stream with weights from elsewhere."""
    name, learner = given.single
    return Pretrained(learner.encoder, learner.settings["weights"], learner.settings["names"], name)
