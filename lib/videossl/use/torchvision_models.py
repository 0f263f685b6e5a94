"""Models of torchvision that were trained on Kinetics-400 with labels, as encoders: the layer before the classes, their own preprocessing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from videossl.extract import torchvision_weights
from videossl.extract.frames import Frames
from videossl.files import TORCHVISION
from videossl.use.model import Model, Reading

HEADS = ("fc", "head", "classifier")
"""The names of the last layers, which are left out."""
TESTED = re.compile(r"frame_rate=([\d.]+)`, `clips_per_video=(\d+)`,? and `clip_len=(\d+)")
"""The words in which torchvision says of weights which clips their numbers were measured on."""


class Headless(nn.Module):
    """A model without its last layer, in the form of an encoder: views (B, 3, T, H, W) -> features (B, D), which need no pooling."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        setattr(model, next(name for name in HEADS if hasattr(model, name)), nn.Identity())
        self.model = model

    def forward(self, views: Tensor) -> Tensor:
        """Features (B, D)."""
        features: Tensor = self.model(views)
        return features

    def pool(self, features: Tensor) -> Tensor:
        """The features as they are."""
        return features


@dataclass(frozen=True)
class OwnTransform:
    """The transform of weights as an augmentation that only tests: resize, centre crop, normalisation."""

    transform: Any

    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor:
        """Pictures (B, T, H, W, 3) uint8, padded right and below, true `sizes` (B, 2) -> (B, 3, T, S, S) float32."""
        cut = (clip[:, :height, :width] for clip, (height, width) in zip(clips, sizes.tolist(), strict=True))
        return torch.stack([self.transform(clip.permute(0, 3, 1, 2)) for clip in cut])


def model(text: str, clips: int | None, device: str | None) -> Model:
    """The encoder of "torchvision:MODEL", with torchvision's weights from its cache, or of "torchvision:MODEL:FILE".

    Clips have the frames and the rate that torchvision tests the model with. Raises InputError for an unknown model, and weights that are not
    there and cannot be downloaded, are damaged, or of another model.
    """
    from torchvision import models

    name, _, file = text.removeprefix(TORCHVISION).partition(":")
    own = torchvision_weights.of_video_model(name)
    rate, number, length = TESTED.search(" ".join(own.meta["_docs"].split())).groups()  # type: ignore[union-attr]
    path, _ = torchvision_weights.find(text, file or own.name, own.name, own)
    network = models.get_model(name)
    torchvision_weights.load(network, path, f"give a state dict of torchvision's {name}: {TORCHVISION}{name}:FILE")
    transform = own.transforms()
    settings = {"modality": "rgb", "encoder": name, "clip": {"frames": int(length), "stride": 1, "size": transform.crop_size[0]}}
    reading = Reading("rgb", Frames(None, float(rate)))
    made_from = {"script": text, "versions": {"torchvision": own.url.rpartition("/")[2]}}
    augment: Any = OwnTransform(transform)
    return Model(text, "rgb", Headless(network), settings, reading, augment, clips or int(number), made_from).on(device)
