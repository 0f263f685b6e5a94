"""The pictures of docs/methods, drawn from what the code does: `python docs/pictures.py` writes them anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import one_hot

from videossl import seeding
from videossl.datasets import toy
from videossl.encoders.base import shapes
from videossl.encoders.s3d import S3D
from videossl.methods import byol, losses, simclr
from videossl.mix.cutmix import draw_box
from videossl.mix.strategies import INPUT, mix_inputs

OUT = Path(__file__).parent / "methods"
STYLE = {"font.family": "DejaVu Sans", "font.size": 9, "figure.facecolor": "white", "figure.constrained_layout.use": True}
OWN, OTHER, EDGE, PAPER = "#3b6fb6", "#e08a2e", "#5a6472", "#eef0f3"
WEIGHTS = LinearSegmentedColormap.from_list("weights", [PAPER, OWN])
VIDEOS, LAM = 4, 0.7


# Mixing in the input.


def mixed_inputs() -> Figure:
    """Frames of two toy videos, and the first mixed with the second in each way that the input can be mixed."""
    options = toy.Options(size=96, frames=12, backgrounds=8, scenes=1)
    films = [toy.film(toy.Take(label, subject, 1), options) for label, subject in (("Jump", 1), ("Wave", 5))]
    clips = torch.stack([torch.from_numpy(film.copy()).float().permute(3, 0, 1, 2) / 255 for film in films])
    rows = [("video i", clips[0]), ("video r(i)", clips[1])]
    for strategy in INPUT[1:]:
        x, lam = mix_inputs(strategy, clips, torch.tensor([1, 0]), seeding.torch_rng(3, "pictures", strategy))
        rows.append((f"{strategy}\nlam {float(lam):.2f}", x[0]))
    figure = Figure(figsize=(7.2, 6.2), dpi=100)
    for row, (axes, (name, clip)) in enumerate(zip(figure.subplots(len(rows), 6), rows, strict=True)):
        for number, place in enumerate(axes):
            place.imshow(clip[:, 2 * number].permute(1, 2, 0).clamp(0, 1).numpy())
            _bare(place)
            if row == 0:
                place.set_title(f"frame {2 * number}")
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


# Cutmix of feature maps.


def manifold_cutmix() -> Figure:
    """A box of the partner's map, and where it is put in the trained encoder's, for blocks of S3D: a plane of cells, channels and time as bars."""
    maps = shapes(S3D(width=0.25), (1, 3, 16, 64, 64))
    pairs = ((2, 2), (2, 3), (3, 4))
    figure = Figure(figsize=(7.2, 5.3), dpi=100)
    for row, (k, ell) in enumerate(pairs):
        shape1, shape2 = maps[k - 1][1:], maps[ell - 1][1:]
        box = draw_box(shape1, shape2, seeding.torch_rng(8, "pictures", row))
        cut, put = (figure.add_subplot(len(pairs), 2, 2 * row + column) for column in (1, 2))
        _map(cut, shape2, box.source)
        _map(put, shape1, box.into, f"lam = 1 - {_volume(box.into):,} / {prod(shape1):,} = {box.lam(shape1):.3f}")
        cut.set_title(f"g2, after block {ell}: the box is cut")
        put.set_title(f"g1, after block {k}: the box is put")
    return figure


def _map(place: Axes, shape: Sequence[int], spans: Sequence[tuple[int, int]], note: str = "") -> None:
    """A map (C, T, H, W) with a box: height and width as a plane, channels and time as bars beside it, all as shares of their axis."""
    ends = [(first / size, stop / size) for (first, stop), size in zip(spans, shape, strict=True)]
    (top, bottom), (left, right) = ends[2:]
    _grid(place, (0, 0), (1, 1), shape[3], shape[2])
    place.add_patch(Rectangle((left, 1 - bottom), right - left, bottom - top, facecolor=OTHER, edgecolor="none", alpha=0.9))
    place.text(0.5, -0.05, f"{shape[2]} x {shape[3]} cells", ha="center", va="top")
    for name, (first, stop), size, span, y in zip(("channels", "time"), ends, shape, spans, (0.72, 0.3), strict=False):
        _grid(place, (1.2, y), (1.1, 0.13), size if size <= 24 else 1, 1)
        place.add_patch(Rectangle((1.2 + 1.1 * first, y), 1.1 * (stop - first), 0.13, facecolor=OTHER, edgecolor="none", alpha=0.9))
        place.text(1.2, y + 0.16, f"{name} {span[0] + 1} to {span[1]} of {size}", va="bottom")
    place.text(1.2, 0.06, note, va="bottom")
    place.set(xlim=(-0.03, 2.5), ylim=(-0.17, 1.03), aspect="equal")
    _bare(place)


def _grid(place: Axes, corner: tuple[float, float], size: tuple[float, float], columns: int, rows: int) -> None:
    """A rectangle of cells."""
    x, y = (
        [start + length * i / count for i in range(count + 1)] for start, length, count in zip(corner, size, (columns, rows), strict=True)
    )
    place.add_patch(Rectangle(corner, *size, facecolor=PAPER, edgecolor="none"))
    place.vlines(x, y[0], y[-1], color=EDGE, linewidth=0.4)
    place.hlines(y, x[0], x[-1], color=EDGE, linewidth=0.4)


def _volume(spans: Sequence[tuple[int, int]]) -> int:
    return prod(stop - start for start, stop in spans)


# Targets of the losses.


def targets() -> Figure:
    """The weight of each key as a target of each query, asked of the losses: a row a query, a column a key."""
    panels = list(weights())
    figure = Figure(figsize=(7.2, 4.3), dpi=100)
    for place, (name, shares) in zip(figure.subplots(2, 3, height_ratios=(1, 2)).flat, panels, strict=True):
        _matrix(place, shares.numpy())
        place.set_title(name)
    return figure


def weights() -> Iterator[tuple[str, Tensor]]:
    """A name, and weights (queries, keys), not a number where a key counts for nothing."""
    r = torch.tensor([1, 2, 3, 0])
    own = torch.arange(VIDEOS)
    queue = torch.tensor([1, 8, 9, losses.EMPTY])  # an earlier clip of video 1, two of other videos, an empty slot
    yield "moco", _asked(lambda x: losses.mixed_cross_entropy(x, own, 1.0), losses.false_negatives(own, own, queue))
    yield f"moco, mixed, lam {LAM}", _asked(lambda x: losses.mixed_cross_entropy(x, r, LAM), losses.false_negatives(own, r, queue))
    mask = losses.false_negatives(own, own, queue)
    likeness = torch.rand(mask.shape, generator=seeding.torch_rng(0, "pictures", "mined")).masked_fill(mask, -torch.inf)
    positives = losses.neighbours(likeness, 2) | one_hot(own, mask.shape[1]).bool()
    yield "coclr, crossclr: 2 mined", _asked(lambda x: losses.multi_positive_cross_entropy(x, positives), mask)
    for name, partner, lam in (("simclr", own, 1.0), (f"simclr, mixed, lam {LAM}", r, LAM)):
        wanted, same = simclr.targets(partner, lam)
        yield name, _asked(lambda x, wanted=wanted: simclr.soft_cross_entropy(x, wanted), same)
    keys = torch.eye(VIDEOS)
    predictions = torch.zeros(VIDEOS, VIDEOS, requires_grad=True)
    byol.regression(predictions, keys, r, LAM).backward()
    shares = -predictions.grad * VIDEOS / 2  # of a row: 2 - 2 q . t
    yield f"byol, mixed, lam {LAM}", shares.masked_fill(shares == 0, torch.nan)  # what has no weight is no negative either


def _asked(loss: Any, mask: Tensor) -> Tensor:
    """The targets of a cross entropy: its gradient by a row of logits is softmax less target, over the number of rows."""
    logits = torch.zeros(mask.shape, requires_grad=True)
    loss(logits.masked_fill(mask, -torch.inf)).backward()
    softmax = torch.zeros(mask.shape).masked_fill(mask, -torch.inf).softmax(1)
    return (softmax - logits.grad * len(mask)).masked_fill(mask, torch.nan)


def _matrix(place: Axes, weights: np.ndarray) -> None:
    """Weights as a table: blue a target, grey a negative, white and crossed out what counts for nothing."""
    place.imshow(weights, cmap=WEIGHTS, vmin=0, vmax=1)
    for (row, column), weight in np.ndenumerate(weights):
        text = "×" if np.isnan(weight) else f"{weight:.2g}" if weight > 1e-6 else ""
        place.text(column, row, text, ha="center", va="center", color="white" if weight > 0.6 else "#20262e", fontsize=8)
    place.set_xticks(np.arange(-0.5, weights.shape[1]), minor=True)
    place.set_yticks(np.arange(-0.5, weights.shape[0]), minor=True)
    place.grid(which="minor", color="white", linewidth=1)
    place.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    place.set(xlabel="keys", ylabel="queries")


def _bare(place: Axes) -> None:
    """Take the ticks and the frame away."""
    place.set(xticks=[], yticks=[])
    for spine in place.spines.values():
        spine.set_visible(False)


PICTURES = {"mixed-inputs.webp": mixed_inputs, "manifold-cutmix.png": manifold_cutmix, "targets.png": targets}


def draw(folder: Path) -> None:
    """Write all pictures into a folder."""
    for name, make in PICTURES.items():
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            make().savefig(folder / name, pil_kwargs={"quality": 80} if name.endswith("webp") else {"optimize": True})


if __name__ == "__main__":
    draw(OUT)
