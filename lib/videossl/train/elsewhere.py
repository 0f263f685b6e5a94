"""Weights from elsewhere: the state dict in a file that somebody brought, or of a model of torchvision.

A setting of a method that its YAML declares as `weights` names them; the method is given what they hold.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from videossl import registry
from videossl.errors import InputError
from videossl.extract import torchvision_weights
from videossl.files import TORCHVISION

log = logging.getLogger(__name__)

NESTED = ("state_dict", "model_state_dict", "model")
"""The names under which checkpoints keep their weights, for a file that holds several state dicts."""


Files = dict[str, dict[str, Path]]
"""The file of each stream's weights, by the setting that names it."""


def files(part: Mapping[str, Any]) -> Files:
    """The files that a slice of params with `settings` by stream names; {} for a method that is given no weights. Errors as of `file`."""
    declared = registry.method(part).get("settings", {})
    keys = [key for key, setting in declared.items() if setting.get("weights")]
    return {key: {name: file(_own(settings[key], name), key) for name, settings in part["settings"].items()} for key in keys}


def states(paths: Mapping[str, Mapping[str, Path]]) -> dict[str, dict[str, dict[str, Tensor]]]:
    """The state dict in each of `files`. Errors as of `load`."""
    return {key: {name: load(path) for name, path in own.items()} for key, own in paths.items()}


def _own(weights: str | Mapping[str, str], stream: str) -> str:
    return weights if isinstance(weights, str) else weights[stream]


def file(weights: str, key: str) -> Path:
    """The file that `weights` stands for: "torchvision:MODEL" is torchvision's own of Kinetics-400, downloaded if need be.

    key: of params, for messages. Raises InputError for an unknown model, and a file that is not there or cannot be had.
    """
    if not weights.startswith(TORCHVISION):
        if not Path(weights).is_file():
            raise InputError(f"{key}: there is no file {weights}; paths are relative to the folder of params.yaml")
        return Path(weights)
    own = torchvision_weights.of_video_model(weights.removeprefix(TORCHVISION))
    return torchvision_weights.find(key, own.name, own.name, own)[0]


def load(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of torch or safetensors, at the top or one level down, as in a checkpoint.

    Nothing but tensors and plain values is unpickled. Raises InputError for a file that is damaged, holds more than that, or no state dict.
    """
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip, safetensors and torch answer damage with all kinds of them
        reason = "".join(str(error).strip().splitlines()[:1])[:120]
        raise InputError(
            f"{path} holds no weights that can be loaded ({reason}); give a plain state dict, as torch.save writes it"
        ) from error
    below = dict(content) if isinstance(content, Mapping) else {}
    states: dict[str, Any] = {str(key): state for key, state in ({"": content} | below).items() if _is_state(state)}
    only = next(iter(states)) if len(states) == 1 else None
    chosen = next((key for key in ("", *NESTED) if key in states), only)
    if chosen is None:
        inside = ", ".join(map(str, states or below))[:120] if isinstance(content, Mapping) else type(content).__name__
        raise InputError(f"{path} holds {inside or 'nothing'} and not one state dict; save that alone")
    if chosen:
        log.info("%s: its %s", path, chosen)
    return dict(states[chosen])


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and bool(content) and all(isinstance(value, Tensor) for value in content.values())
