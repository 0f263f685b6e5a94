"""The start of a training from what an earlier one left."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from videossl.errors import InputError


def take_over(method: nn.Module, state: Mapping[str, Tensor], stream: str) -> list[str]:
    """Load `state` into a method: all of it, as a method of its kind left it, or an encoder alone, under "encoder."; returns the parts loaded.

    stream: for messages. Raises InputError, loading nothing, for a tensor too many, missing, or of another shape.
    """
    own, kind = method.state_dict(), type(method).__name__
    if all(name.startswith("encoder.") for name in state):
        own = {name: tensor for name, tensor in own.items() if name.startswith("encoder.")}
    what = f"earlier weights{f' of {stream}' if stream else ''}"
    for name in [*own, *state]:
        if name not in state:
            raise InputError(f"{what}: {name} is missing; give weights of a {kind} of this encoder")
        if name not in own:
            raise InputError(f"{what}: {name} is unexpected; give weights of a {kind} of this encoder")
        if own[name].shape != state[name].shape:
            shapes = f"{tuple(state[name].shape)}, here {tuple(own[name].shape)}"
            raise InputError(f"{what}: {name} is {shapes}; use that training's encoder, width and queue")
    method.load_state_dict(dict(state), strict=False)
    return list(dict.fromkeys(name.split(".")[0] for name in own))
