"""A modality's part of params.yaml turned into objects: its encoder, its augmentation, its batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from videossl import graphs, parallel, seeding
from videossl.augment.skeleton import SkeletonAugment
from videossl.augment.video import VideoAugment
from videossl.data.cache import Cache
from videossl.data.clips import SKELETON, ClipDataset, EpochSampler, Source, collate_batch
from videossl.encoders import build
from videossl.encoders.base import Encoder
from videossl.errors import InputError
from videossl.methods.moco import MoCo
from videossl.train import signals
from videossl.train.loop import Batches, Views

CHANNELS = {"rgb": 3, "flow": 2, "joint": 3, "motion": 3, "bone": 3}


class Augment(Protocol):
    """A batched transform: `train` draws from one generator a sample, `evaluate` draws nothing."""

    def train(self, clips: Tensor, sizes: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor: ...
    def evaluate(self, clips: Tensor, sizes: Tensor) -> Tensor: ...


def encoder(name: str, settings: dict[str, Any], seed: int) -> Encoder:
    """The encoder of modality `name` at its initial weights: equal for equal (seed, modality)."""
    return build.build(settings["encoder"], CHANNELS[name], settings["width"], seeding.derive(seed, name, "init"), graph(settings))


def graph(settings: dict[str, Any]) -> str:
    """The name of the graph that skeletons of a modality have (graphs.GRAPHS)."""
    return str(settings.get("graph", graphs.DEFAULT))


def moco(name: str, settings: dict[str, Any], seed: int, mixing: str, box: str = "batch") -> MoCo:
    """MoCo on the encoder of modality `name` and its projection head, at their initial weights."""
    chosen = encoder(name, settings, seed)
    head = build.build_head(chosen.out_features, seeding.derive(seed, name, "init"), settings["head"]["hidden"], settings["head"]["out"])
    method = {key: value for key, value in settings["moco"].items() if key != "negatives"}
    return MoCo(chosen, head, mixing=mixing, box=box, mask_same=settings["moco"]["negatives"] != "all", **method)


def source(name: str, settings: dict[str, Any], cache: Cache, clips: tuple[str, ...]) -> Source:
    """Clips of modality `name` to draw from `cache`, under the names `clips`."""
    return Source(cache, name, settings["clip"]["frames"], settings["clip"].get("stride", 1), clips, graph(settings))


def input_shape(name: str, settings: dict[str, Any]) -> tuple[int, ...]:
    """The shape of a batch of one clip: (1, C, T, H, W), or (1, C, T, V, 2) for skeletons."""
    clip = settings["clip"]
    space = (clip["size"], clip["size"]) if "size" in clip else (graphs.GRAPHS[graph(settings)].joints, 2)
    return (1, CHANNELS[name], clip["frames"], *space)


def augmentation(name: str, settings: dict[str, Any], cache: Cache) -> VideoAugment | SkeletonAugment:
    """The augmentation of modality `name`; for flow with the bound that `cache` was quantised by."""
    chosen = settings["augment"]
    if name in SKELETON:
        return SkeletonAugment(shear=chosen["shear"], padding=chosen["padding"])
    size = settings["clip"]["size"]
    if name == "flow":
        return VideoAugment(
            "flow", size, tuple(chosen["area"]), chosen["flip"], bound=float(cache.attrs["bound"]), flow_scale=chosen["scale"]
        )
    return VideoAugment(
        "rgb",
        size,
        tuple(chosen["area"]),
        chosen["flip"],
        jitter=tuple(chosen["jitter"]),
        jitter_p=chosen["jitter_p"],
        grey_p=chosen["grey_p"],
        blur_p=chosen["blur_p"],
        blur_sigma=tuple(chosen["blur_sigma"]),
        normalise=tuple(chosen["normalise"]),
    )


def batches(
    dataset: ClipDataset,
    augments: Mapping[str, Augment],
    batch: int,
    seed: int,
    device: torch.device,
    workers: int = 0,
    negatives: str = "other-videos",
) -> Batches:
    """Batches of augmented views, `augments` by the name of the clip; the last incomplete batch of an epoch is left out.

    A view depends on (seed, epoch, video, name of the clip) alone. Labels, where there are any, are views["label"]. A sample's
    number stands for its video, with `negatives` "other-groups" for the group of its video: MoCo takes keys of one number for
    no negatives of each other. Of several processes (`parallel`) each has its rows of every batch; InputError if they do not
    come out even.
    """
    source = "groups" if negatives == "other-groups" else "ids"
    sampler = EpochSampler(len(dataset), batch, seed)
    if batch % parallel.size():
        raise InputError(f"a batch of {batch} cannot be shared by {parallel.size()} processes; choose a number of GPUs that divides it")
    own = parallel.own(batch // parallel.size())

    def epoch(number: int, start: int = 0) -> Iterator[tuple[Views, Tensor]]:
        rows = [whole[own] for whole in sampler.epoch(number)[start:]]
        items = cast(Dataset[dict[str, Any]], dataset)  # one by its methods
        loader = DataLoader(items, batch_sampler=rows, collate_fn=collate_batch, num_workers=workers, worker_init_fn=signals.ignore)
        for item in loader:
            views: Views = {"label": item["labels"].to(device)}
            for name, augment in augments.items():
                rngs = [seeding.numpy_rng(seed, number, video, f"augment/{name}") for video in item["ids"]]
                clips = item["clips"][name].to(device, non_blocking=True)
                views[name] = augment.train(clips, item["sizes"][name].to(device), rngs)
            yield views, torch.tensor([seeding.derive(0, name) for name in item[source]], device=device)

    return Batches(len(sampler.epoch(0)), epoch)


def device() -> torch.device:
    """This process's GPU (the first, unless it is one of several processes), or else the CPU.

    On a GPU convolutions are deterministic and in full float32. InputError for more processes than GPUs.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    if not torch.cuda.is_available():
        return torch.device("cpu")
    rank, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if rank >= count:
        raise InputError(f"more processes than GPUs on this machine, which has {count}; set `processes` to {count}")
    return torch.device("cuda", rank)
