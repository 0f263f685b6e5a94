"""The say of an experiment's features on videos without a task: who is near whom, which classes are taken for which, a map, spread and rank.

V videos, Q of them asked about, G that are searched, C classes, D numbers a video.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from videossl.tasks import cosines
from videossl.tasks import features as encoded
from videossl.tasks.features import Features

QUERIES, NEIGHBOURS, PAIRS = 4, 5, 6
"""Videos that are asked about, those that are shown of each, and pairs that are shown."""
ON_MAP, COMPARED = 300, 4000
"""Videos of a map, and those that are counted, or of which all pairs are looked at; of more an even choice."""
AT_ONCE = 512
"""Videos that are asked about at once."""


@dataclass(frozen=True)
class Space:
    """The features of all streams of an experiment, of the same videos in the same order."""

    experiment: str
    streams: Mapping[str, Features]

    @property
    def name(self) -> str:
        """The streams, as fused ones are named."""
        return "+".join(self.streams)

    @property
    def videos(self) -> Features:
        """Ids, labels and splits, which all streams share."""
        return next(iter(self.streams.values()))

    @property
    def labelled(self) -> bool:
        """True where classes can be told apart: two of them, and labelled videos on both sides of the split."""
        return len(self.videos.classes) > 1 and all(len(self.videos.rows(split)) for split in ("train", "test"))

    @cached_property
    def queries(self) -> np.ndarray:
        """Positions of the videos asked about, (Q,): as in retrieval the labelled test videos; without labels the test videos, or all."""
        return self.videos.rows("test") if self.labelled else self._side("test")

    @cached_property
    def gallery(self) -> np.ndarray:
        """Positions of the videos that are searched, (G,): the labelled training videos; without labels the training videos, or all."""
        return self.videos.rows("train") if self.labelled else self._side("train")

    def _side(self, split: str) -> np.ndarray:
        splits = np.array(self.videos.split)
        both = {"train", "test"} <= set(splits.tolist())
        return np.flatnonzero(splits == split) if both else np.arange(len(splits))

    @cached_property
    def cosines(self) -> list[cosines.Cosines]:
        """The cosines of queries and gallery in each stream."""
        return [cosines.Cosines(features, self.queries, self.gallery) for features in self.streams.values()]

    def similarities(self, asked: np.ndarray) -> np.ndarray:
        """Of the queries at the places `asked`: (n, G) float64, as retrieval ranks by; a video is not near to itself."""
        fused = cosines.fused([each.of(asked) for each in self.cosines])
        return np.asarray(np.where(self.queries[asked][:, None] == self.gallery, -np.inf, fused))

    def points(self, chosen: np.ndarray) -> np.ndarray:
        """Centred features of length 1 of the videos at `chosen`, those of fused streams side by side: (n, D) float64."""
        each = [cosines.Cosines(features, chosen, self.gallery).units for features in self.streams.values()]
        return np.asarray(np.concatenate(each, axis=1) / len(each) ** 0.5)


def read(paths: Sequence[Path]) -> list[Space]:
    """One space an experiment from .../{experiment}/{seed}/{stream}/{dataset}.h5; of at least two videos."""
    by_experiment: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_experiment[path.parts[-4]].append(path)
    spaces = []
    for experiment, files in by_experiment.items():
        aligned = encoded.align([encoded.read(path) for path in files])
        spaces.append(Space(experiment, dict(zip((path.parent.name for path in files), aligned, strict=True))))
    return [space for space in spaces if len(space.videos.ids) > 1]


def evenly(positions: np.ndarray, wanted: int) -> np.ndarray:
    """At most `wanted` of the positions, evenly spaced, the first and the last included."""
    places = np.unique(np.linspace(0, len(positions) - 1, min(len(positions), wanted)).round().astype(int))
    return np.asarray(positions[places])


# Neighbours.


def neighbours(space: Space) -> list[dict[str, Any]]:
    """A few videos with those nearest to them, as `Run.gallery` has them."""
    asked = evenly(np.arange(len(space.queries)), QUERIES)
    found = []
    for place, row in zip(asked, space.similarities(asked), strict=True):
        query, nearest = int(space.queries[place]), np.argsort(-row, kind="stable")[:NEIGHBOURS]
        near = [
            _tile(space, int(space.gallery[i])) | {"similarity": float(row[i]), "correct": _same(space, query, int(space.gallery[i]))}
            for i in nearest
            if np.isfinite(row[i])
        ]
        found.append({"experiment": space.experiment, "stream": space.name, "query": _tile(space, query), "neighbours": near})
    return found


def _tile(space: Space, video: int) -> dict[str, Any]:
    return {"id": space.videos.ids[video], "label": space.videos.labels[video]}


def _same(space: Space, one: int, other: int) -> bool | None:
    """True where two videos have the same class; None where one has none."""
    labels = space.videos.labels[one], space.videos.labels[other]
    return labels[0] == labels[1] if all(labels) else None


class Confusion(NamedTuple):
    """Counts of how often a test video of a class (row) has its nearest training video in a class (column): counts (C, C) int."""

    experiment: str
    stream: str
    classes: list[str]
    counts: np.ndarray

    def worst(self, wanted: int) -> list[tuple[str, str, int, int]]:
        """The pairs that are confused most: class, taken for, how often, of how many."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:wanted]
        cells = [divmod(int(place), len(self.classes)) for place in order]
        return [(self.classes[i], self.classes[j], int(wrong[i, j]), int(self.counts[i].sum())) for i, j in cells if wrong[i, j]]


def confusion(space: Space) -> Confusion:
    """Count which classes are taken for which by the nearest training video: its diagonal is R@1, where it is of all. For a space that is `labelled`."""
    classes = space.videos.classes
    number = {name: i for i, name in enumerate(classes)}
    label = np.array([number.get(name, -1) for name in space.videos.labels])
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for asked, rows in _blocks(space):
        taken = label[space.gallery[rows.argmax(axis=1)]]
        np.add.at(counts, (label[space.queries[asked]], taken), 1)
    return Confusion(space.experiment, space.name, classes, counts)


def _blocks(space: Space) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """COMPARED queries at most, some at once: their places and similarities (n, G)."""
    every = evenly(np.arange(len(space.queries)), COMPARED)
    for start in range(0, len(every), AT_ONCE):
        asked = every[start : start + AT_ONCE]
        yield asked, space.similarities(asked)


def pairs(space: Space) -> list[dict[str, Any]]:
    """The videos that are nearest to each other, whichever side of the split they are on: {"videos": two tiles with "split", "similarity", "correct"}.

    Each video is in one pair at most, so that one that lies everywhere does not fill them all.
    """
    chosen = evenly(np.arange(len(space.videos.ids)), COMPARED)
    points = space.points(chosen)
    nearest, value = np.empty(len(chosen), dtype=int), np.empty(len(chosen))
    for start in range(0, len(chosen), AT_ONCE):
        rows = points[start : start + AT_ONCE] @ points.T
        rows[np.arange(len(rows)), start + np.arange(len(rows))] = -np.inf
        nearest[start : start + AT_ONCE], value[start : start + AT_ONCE] = rows.argmax(axis=1), rows.max(axis=1)
    found, used = list[dict[str, Any]](), set[int]()
    for place in np.argsort(-value, kind="stable").tolist():
        both = place, int(nearest[place])
        if len(found) < PAIRS and not used & set(both):
            used.update(both)
            a, b = (int(chosen[one]) for one in both)
            tiles = [_tile(space, one) | {"split": space.videos.split[one]} for one in (a, b)]
            found.append({"videos": tiles, "similarity": float(value[place]), "correct": _same(space, a, b)})
    return found


# The space as a whole.


def spread_and_rank(features: Features) -> tuple[float, float]:
    """Of features averaged over clips: the spread of those of length 1, 0 to 1, and the effective number of directions, as in a training's curve."""
    chosen = evenly(np.arange(len(features.ids)), COMPARED)
    average = features.features[chosen].astype(np.float64).mean(axis=1)
    units = average / np.maximum(np.linalg.norm(average, axis=1, keepdims=True), 1e-12)
    shares = np.linalg.svd(units, compute_uv=False)
    shares = shares[shares > 0] / max(shares.sum(), 1e-12)
    return float(1 - np.square(units.mean(axis=0)).sum()), float(np.exp(-(shares * np.log(shares)).sum()))


class Map(NamedTuple):
    """Videos as points: near each other where their features are. tiles: {"id", "label", "split"}; xy: (n, 2) in 0..1."""

    experiment: str
    stream: str
    tiles: list[dict[str, Any]]
    xy: np.ndarray


def mapped(space: Space) -> Map:
    """Lay out an even choice of the videos by t-SNE from their first two principal components; the same features give the same map."""
    chosen = evenly(np.arange(len(space.videos.ids)), ON_MAP)
    xy = _embedded(space.points(chosen))
    low, high = xy.min(axis=0), xy.max(axis=0)
    tiles = [_tile(space, int(i)) | {"split": space.videos.split[i]} for i in chosen]
    return Map(space.experiment, space.name, tiles, (xy - low) / np.maximum(high - low, 1e-9))


def _embedded(points: np.ndarray) -> np.ndarray:
    """(n, D) -> (n, 2). On one thread: sums of several are added in an order of their own, and t-SNE makes much of little."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        if len(points) < 8:  # too few for neighbourhoods
            flat = PCA(min(2, *points.shape), svd_solver="full").fit_transform(points)
            return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
        perplexity = min(30.0, (len(points) - 1) / 4)
        return np.asarray(TSNE(init="pca", perplexity=perplexity, max_iter=500, random_state=0).fit_transform(points), dtype=np.float64)
