"""Inputs of encoders and what they make of them: samples made of two, mixed or with the same tubelets, and where the maps of a late block are active.

Modalities draw their own views (`seen`, modalities/base.py); of one that draws none there is nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videossl import registry, seeding
from videossl.data import clips
from videossl.data.cache import Cache
from videossl.data.index import Row
from videossl.modalities.base import Picture, Strip, evenly
from videossl.params import recipes
from videossl.train import weights

if TYPE_CHECKING:
    from torch import Tensor

    from videossl.encoders.base import Encoder

MIXED, LOOKED_AT, STEPS = 3, 3, 5
"""Mixed samples of a stream, videos whose maps are drawn, and steps of a view that are drawn."""
CELLS = 4
"""The maps that are drawn have so many cells a side at least: those of the last block that has them, for the last of all may have one cell."""
HEAT, STRENGTH = (255, 64, 0), 0.65
"""Colour of the most active cells, and its share of a pixel there."""


class Drawing(NamedTuple):
    """Rows of pictures under a heading, by `experiment` and `stream`."""

    experiment: str
    stream: str
    about: str
    groups: list[tuple[str, list[Strip]]]
    """each with its caption"""


class Stream(NamedTuple):
    """A stream of a run whose modality draws views, with the cache that it reads."""

    name: str
    settings: Mapping[str, Any]
    module: ModuleType
    cache: Cache

    def views(self, rows: Sequence[Row], seed: int | None = None, adapt: Callable[[Any], Any] = lambda augment: augment) -> Tensor:
        """The middle clip of each video as an encoder gets it, (B, C, T, ...): augmented with draws of `seed`, as at test time without one.

        adapt: makes a method's own augmentation of the stream's.
        """
        read = [self.module.load(self.cache, row.id, self.settings, self._start(row)) for row in rows]
        batch, sizes = clips.collate(read)
        augment = adapt(self.module.augmentation(self.settings, self.cache.attrs))
        if seed is None:
            return augment.evaluate(batch, sizes)  # type: ignore[no-any-return]
        return augment.train(batch, sizes, [seeding.numpy_rng(seed, row.id, f"report/{self.name}") for row in rows])  # type: ignore[no-any-return]

    def _start(self, row: Row) -> int:
        span = self.module.span(self.settings)
        return 0 if span is None else clips.uniform_starts(self.cache.length(row.id), span, 1)[0]

    def drawn(self, view: Tensor) -> list[Picture]:
        """Some steps of a view, (C, T, ...)."""
        pictures: list[Picture] = self.module.seen(view.numpy(), self.settings)
        return [pictures[i] for i in evenly(len(pictures), STEPS)]


def streams(params: Mapping[str, Any], opened: Sequence[tuple[ModuleType, Cache]]) -> dict[str, Stream]:
    """The streams whose modality draws views, by name."""
    caches = {str(cache.attrs["modality"]): cache for _, cache in opened}
    found = {}
    for name, settings in params.get("streams", {}).items():
        module = registry.module("modalities", settings["modality"])
        cached = registry.declared("modalities", settings["modality"]).get("reads", settings["modality"])
        if cached in caches and hasattr(module, "seen"):
            found[name] = Stream(name, settings, module, caches[cached])
    return found


# Samples that are made of two.


def mixes(params: Mapping[str, Any], rows: Sequence[Row], known: Mapping[str, Stream]) -> list[Drawing]:
    """Samples mixed in the input, by each kind of mixing and stream that the experiments have, as a training draws them, and what methods
    make of a batch by themselves (`pictured`, methods/base.py).

    rows: the videos to choose from. Mixing between blocks has no picture of its own.
    """
    from videossl.mix import strategies

    found, done, seed = [], set[tuple[str, str]](), int(params["seed"])
    for experiment, recipe in params["experiments"].items():
        method = registry.module("methods", recipe["method"]) if registry.method(recipe).get("pictured") else None
        for name in recipe["streams"] if len(rows) > 1 else ():
            chosen = {key: one.value for key, one in recipes.settings(dict(params), name, recipe["method"], experiment).items()}
            mixing = chosen.get("mixing", "none")
            if name in known and mixing in strategies.INPUT and mixing != "none" and (name, mixing) not in done:
                done.add((name, mixing))
                found.append(Drawing(experiment, name, mixing, _mixed(known[name], rows[:2], chosen, seed)))
            elif name in known and method:
                found.append(Drawing(experiment, name, "", _made(known[name], rows[:MIXED], method, chosen, seed)))
    return found


def _made(stream: Stream, rows: Sequence[Row], method: ModuleType, chosen: Mapping[str, Any], seed: int) -> list[tuple[str, list[Strip]]]:
    """A batch of `rows` as the method makes it: a group for what belongs together, each clip with the video that it is of."""
    settings = {**chosen, "augment": stream.settings["augment"]}
    views = {
        name: stream.views(rows, seed + number, lambda augment: method.adapt(augment, settings))
        for number, name in enumerate(("query", "key"))
    }
    groups = []
    for caption, drawn in method.pictured(views, settings, seeding.torch_rng(seed, "report", stream.name)):
        strips = [Strip(f"{rows[row].label or '(no label)'} · {rows[row].id}", stream.drawn(clip)) for row, clip in drawn]
        groups.append((caption, strips))
    return groups


def _mixed(stream: Stream, rows: Sequence[Row], chosen: Mapping[str, Any], seed: int) -> list[tuple[str, list[Strip]]]:
    """Two videos, and the first mixed with the second as often as is shown, each with a lam of its own."""
    import torch

    from videossl.mix.strategies import mix_inputs

    views, rng = stream.views(rows, seed), seeding.torch_rng(seed, "report", stream.name)
    encoder = registry.declared("encoders", stream.settings["encoder"])
    own, other = (f"{row.label or '(no label)'} · {row.id}" for row in rows)
    groups = [("the two samples", [Strip(own, stream.drawn(views[0])), Strip(other, stream.drawn(views[1]))])]
    for _ in range(MIXED):
        mixed, lam = mix_inputs(chosen["mixing"], views, torch.tensor([1, 0]), rng, chosen.get("alpha", 1.0), dims=tuple(encoder["takes"]))
        groups.append(
            (f"lam {float(lam):.3f}", [Strip(f"{float(lam):.0%} of the first, {1 - float(lam):.0%} of the second", stream.drawn(mixed[0]))])
        )
    return groups


# Activation maps.


def activations(params: Mapping[str, Any], rows: Sequence[Row], known: Mapping[str, Stream], files: Sequence[Path]) -> list[Drawing]:
    """Draw where a late block of each trained encoder is active, over what it was given; of encoders whose maps have height and width.

    files: training curves, .../{experiment}/{seed}/{training}.json, with the weights beside them.
    """
    by_training = {(*path.parts[-3:-1], path.stem): path.with_suffix(".safetensors") for path in files}
    found = []
    for experiment, recipe in params["experiments"].items():
        for name in recipe["streams"]:
            job = recipes.chain(dict(params), experiment, name)[-1]
            path = by_training.get((job.experiment, str(params["seed"]), job.name))
            if name in known and path and len(rows):
                block, shown = _active(known[name], rows[:LOOKED_AT], path)
                found += [Drawing(experiment, name, block, shown)] if shown else []
    return found


def _active(stream: Stream, rows: Sequence[Row], path: Path) -> tuple[str, list[tuple[str, list[Strip]]]]:
    """The name of a block, and the views of `rows` with its activity over them; none where the encoder's maps are no pictures."""
    import torch

    from videossl.encoders.build import build

    channels = registry.declared("modalities", stream.settings["modality"])["channels"]
    encoder = build(stream.settings["encoder"], channels, stream.settings, 0).eval()
    if tuple(encoder.dims[-2:]) != ("height", "width"):
        return "", []
    encoder.load_state_dict(weights.load(path, f"{stream.name}/encoder."))
    groups, block = [], ""
    for row in rows:
        view = stream.views([row])
        block, maps = _late(encoder, view)
        activity = maps.mean(dim=1, keepdim=True)  # (1, 1, T', H', W'), the class-agnostic activation map of Thoker et al. (ICCV 2023)
        heat = torch.nn.functional.interpolate(activity, size=view.shape[2:], mode="trilinear")[0, 0]
        heat = (heat - heat.min()) / (heat.max() - heat.min()).clamp_min(1e-12)
        pictures = stream.module.seen(view[0].numpy(), stream.settings)
        shown = evenly(len(pictures), STEPS)
        over = [
            Picture("png", _heated(np.asarray(pictures[i].value), heat[i].numpy()), f"activity over {pictures[i].label}") for i in shown
        ]
        groups.append((f"{row.label or '(no label)'} · {row.id}", [Strip("", over)]))
    return block, groups


def _late(encoder: Encoder, view: Tensor) -> tuple[str, Tensor]:
    """The last block whose maps have CELLS cells a side, or the first, and its maps (1, C, T', H', W')."""
    import torch

    late: tuple[str, Tensor] | None = None
    with torch.no_grad():
        for name, block in encoder.named_children():
            view = block(view)
            late = (name, view) if late is None or min(view.shape[-2:]) >= CELLS else late
    assert late is not None
    return late


def _heated(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 in grey, under the colour of activity, heat (H, W) in 0..1."""
    grey = picture.astype(np.float64).mean(axis=2, keepdims=True).repeat(3, axis=2)
    share = STRENGTH * heat[..., None].astype(np.float64)
    return np.asarray((grey * (1 - share) + np.array(HEAT) * share).round().clip(0, 255), dtype=np.uint8)
