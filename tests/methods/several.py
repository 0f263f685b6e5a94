"""Trains a few methods for some steps, in as many processes as call it; the first writes what came out. Called by test_parallel.py."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from videossl import parallel, seeding
from videossl.augment.tubelets import Drawing
from videossl.encoders.build import build, build_head
from videossl.methods.byol import BYOL
from videossl.methods.cmmc import CMMC
from videossl.methods.coclr import CoCLR
from videossl.methods.crossclr import CrosSCLR
from videossl.methods.moco import MoCo
from videossl.methods.simclr import SimCLR
from videossl.methods.supervised import Supervised
from videossl.methods.tubelets import TubeletContrast
from videossl.train import job
from videossl.train.checkpoint import Checkpoint
from videossl.train.loop import Batches, Training, fit

BATCH = 8
SHAPES = {"rgb": (3, 8, 16, 16), "flow": (2, 8, 16, 16), "joint": (3, 20, 25, 2), "motion": (3, 20, 25, 2)}


def encoder(modality: str) -> nn.Sequential:
    """ST-GCN for skeletons; for video three blocks, since each of S3D's 77 batch-norms takes the processes some milliseconds."""
    if modality in ("joint", "motion"):
        return build("st-gcn", 3, {"width": 0.25}, seeding.derive(0, modality))
    torch.manual_seed(seeding.derive(0, modality))
    channels = (SHAPES[modality][0], 8, 12, 16)
    return nn.Sequential(
        *(
            nn.Sequential(nn.Conv3d(before, after, 3, 2, 1, bias=False), nn.BatchNorm3d(after), nn.ReLU())
            for before, after in pairwise(channels)
        )
    )


def moco(modality: str, norm: str = "none", **options: object) -> MoCo:
    chosen = encoder(modality)
    head = build_head(getattr(chosen, "out_features", 16), 0, 16, 8, norm)
    return MoCo(chosen, head, queue=16, momentum=0.9, temperature=0.2, **options)  # type: ignore[arg-type]


def simclr(modality: str, **options: object) -> SimCLR:
    return SimCLR(encoder(modality), build_head(16, 0, 16, 8), 0.2, **options)  # type: ignore[arg-type]


def byol(modality: str, **options: object) -> BYOL:
    return BYOL(encoder(modality), build_head(16, 0, 16, 8), build_head(8, 1, 16, 8), 0.9, **options)  # type: ignore[arg-type]


def coclr(modality: str, other: str, **options: object) -> CoCLR:
    return CoCLR(moco(modality, **options), encoder(other), build_head(16, 1, 16, 12), topk=2, hide_own=0.5)


def tubelets(drawing: Drawing | None) -> TubeletContrast:
    return TubeletContrast(encoder("rgb"), build_head(16, 0, 16, 8), 16, 0.9, 0.2, drawing)


CASES: dict[str, tuple[str, str, Callable[[], nn.Module]]] = {
    "moco": ("rgb", "", lambda: moco("rgb")),
    "a head with batch-norm": ("rgb", "", lambda: moco("rgb", norm="batch")),
    "mixup": ("rgb", "", lambda: moco("rgb", mixing="mixup")),
    "st-cutmix, a box a sample": ("rgb", "", lambda: moco("rgb", mixing="st-cutmix", box="sample")),
    "cmmc": ("rgb", "flow", lambda: CMMC(moco("rgb"), encoder("flow"))),
    "cmmc, a box a sample": ("flow", "rgb", lambda: CMMC(moco("flow"), encoder("rgb"), box="sample")),
    "manifold mixup": ("rgb", "", lambda: CMMC(moco("rgb"), None, mixing="manifold-mixup", layers="same")),
    "cmmc of skeletons, a box a sample": ("joint", "motion", lambda: CMMC(moco("joint"), encoder("motion"), box="sample")),
    "manifold mixup of skeletons": ("joint", "", lambda: CMMC(moco("joint"), None, mixing="manifold-mixup", layers="same")),
    "other groups": ("rgb", "", lambda: moco("rgb", negatives="other-groups")),
    "crossclr": ("rgb", "flow", lambda: CrosSCLR({name: moco(name) for name in ("rgb", "flow")}, neighbours=2)),
    "simclr": ("rgb", "", lambda: simclr("rgb")),
    "simclr with mixup, a lam a sample": ("rgb", "", lambda: simclr("rgb", mixing="mixup", box="sample")),
    "simclr in cmmc, a box a sample": ("rgb", "flow", lambda: CMMC(simclr("rgb"), encoder("flow"), box="sample")),
    "byol": ("rgb", "", lambda: byol("rgb")),
    "byol of three clips with mixup, a lam a sample": ("rgb", "", lambda: byol("rgb", rho=3, mixing="mixup", box="sample")),
    "byol in cmmc": ("rgb", "flow", lambda: CMMC(byol("rgb"), encoder("flow"))),
    "coclr with mixup": ("rgb", "flow", lambda: coclr("rgb", "flow", mixing="mixup")),
    "coclr in cmmc": ("flow", "rgb", lambda: CMMC(coclr("flow", "rgb"), encoder("rgb"))),
    "tubelets": ("rgb", "", lambda: tubelets(Drawing())),
    "temporal contrast": ("rgb", "", lambda: tubelets(None)),
    "a clipped gradient": ("rgb", "", lambda: moco("rgb")),
    "supervised": ("joint", "", lambda: Supervised(encoder("joint"), 3, dropout=0.5)),  # type: ignore[arg-type]
}


def steps(case: str) -> int:
    """The queue of 16 is full after 2, and begins anew in the third. Of skeletons, whose encoder is a whole one, fewer."""
    return 2 if CASES[case][0] in ("joint", "motion") else 3


def batches(modality: str, partner: str) -> Batches:
    """One batch an epoch, so that the history has each step; rows as `train.assemble.views` shares them out."""

    def epoch(number: int, start: int = 0) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        draw = seeding.torch_rng(0, number, "views")
        shapes = {"query": SHAPES[modality], "key": SHAPES[modality]} | (
            {"partner": SHAPES[partner], "miner": SHAPES[partner]} if partner else {}
        )
        shapes |= {f"view-{number}": SHAPES[modality] for number in (1, 2, 3)}
        shapes |= {f"{view}/{name}": SHAPES[view] for view in (modality, partner) if view for name in ("query", "key")}
        whole = {name: torch.randn(BATCH, *shape, generator=draw) for name, shape in shapes.items()}
        sample = number * BATCH + torch.arange(BATCH)
        whole |= {"label": sample % 3, "group": sample // 2}
        own = parallel.own(BATCH // parallel.size())
        yield {name: rows[own] for name, rows in whole.items()}, sample[own]

    return Batches(1, epoch)


def main() -> None:
    out = Path(sys.argv[1])
    job.start({"threads": 1})
    made = {}
    for name, (modality, partner, method) in CASES.items():
        chosen = method()
        # Batch-norm over 8 nearly equal rows amplifies rounding: at 0.01, 1e-6 in the weights is 1e-2 in the loss after a few steps.
        lr = {"supervised": 0.001, "a head with batch-norm": 1e-5}.get(name, 0.01)
        most = 2.0 if name == "a clipped gradient" else None
        training = Training(steps(name), BATCH, "sgd", lr, 0.0, "constant", max_gradient=most)
        history = fit(chosen, batches(modality, partner), training, 0, Checkpoint(out / "none", math.inf), name)
        made[name] = {"losses": [row["loss"] for row in history], "state": chosen.state_dict()}
    if parallel.rank() == 0:
        torch.save(made, out / "made.pt")
    if parallel.size() > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
