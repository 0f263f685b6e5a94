"""Weights of torchvision's models for extractors: torchvision's own, from its cache or downloaded, or a file that somebody brought."""

from __future__ import annotations

import fcntl
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videossl import files, registry, waiting
from videossl.errors import InputError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


def find(key: str, weights: str, name: str, own: Any) -> tuple[Path, str]:
    """The file that `weights` stands for, and its SHA-256: `name` is torchvision's own, which is downloaded if need be.

    key: of params, as "skeleton.weights"; own: a member of one of torchvision's enums of weights. InputErrors: a download that fails, a file
    that is not there or cannot be read, or one in torchvision's cache that is not torchvision's.
    """
    path = _own(key, own) if weights == name else Path(weights)
    try:
        digest = files.sha256(path)
    except OSError as error:
        raise InputError(f"{key}: {path} cannot be read ({error.strerror})") from error
    if weights == name and not is_own(digest, own):
        raise InputError(f"{path} is not torchvision's file: its SHA-256 starts with {digest[:8]}; delete it, and it is downloaded again")
    return path, digest


def of_video_model(name: str) -> Any:
    """torchvision's weights of Kinetics-400 of a model of torchvision.models.video; raises InputError for an unknown name."""
    from torchvision import models

    known = models.list_models(module=models.video)
    if name not in known:
        raise InputError(f"no model {name!r} in torchvision.models.video: {registry.nearest(name, known)}")
    return models.get_model_weights(name).KINETICS400_V1


def is_own(digest: str, own: Any) -> bool:
    """True where a file of that SHA-256 is torchvision's: the first eight digits end its name."""
    return digest.startswith(Path(own.url).stem.rpartition("-")[2])


def _own(key: str, own: Any) -> Path:
    """torchvision's own weights, in its cache; of several jobs that lack them one downloads, and the others wait for it."""
    import torch

    path = Path(torch.hub.get_dir(), "checkpoints", Path(own.url).name)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("w") as lock:
                with waiting.said(log, f"another process downloads {path}"):
                    fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed, or this process dies
                if not path.is_file():
                    log.info("downloading %s to %s", own.url, path)
                    own.get_state_dict(progress=False, check_hash=True)
        except Exception as error:  # of urllib, sockets, the disk, or a wrong hash
            reason = " ".join(str(error).split())
            raise InputError(
                f"torchvision's weights cannot be downloaded ({reason}); put {own.url} at {path} ($TORCH_HOME moves it), or name a file in {key}"
            ) from error
    return path


def load(model: torch.nn.Module, path: Path, fitting: str) -> None:
    """Load a state dict from a file; raises InputError, which ends with `fitting`, where it is damaged or of another model."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch answer damage with all kinds of them
        reason = str(error).strip().splitlines()[:1]
        raise InputError(f"{path} holds no weights that torch can load ({''.join(reason)[:100]}); get the file again") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} holds a {type(state).__name__}; {fitting}")
    try:
        model.load_state_dict(state)
    except Exception as error:  # names or shapes, which torch lists in as many lines
        wanted, given = (
            {str(key): getattr(value, "shape", None) for key, value in tensors.items()} for tensors in (model.state_dict(), state)
        )
        odd = sorted(key for key in {*wanted, *given} if wanted.get(key) != given.get(key))
        raise InputError(f"{path} is of another model ({len(odd)} tensors differ, such as {', '.join(odd[:2])}); {fitting}") from error
