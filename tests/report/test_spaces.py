"""What features say, against the plain way to compute it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from videossl import seeding
from videossl.methods import losses
from videossl.report import spaces
from videossl.report.spaces import Space
from videossl.tasks.features import Features

CLASSES = ("bow", "kick", "wave")


def made(count: int = 60, labels: bool = True, splits: bool = True) -> Features:
    """Features (count, 2, 6) of videos in three groups, by turns to train and to test."""
    rng = seeding.numpy_rng(0)
    classes = [CLASSES[i % 3] for i in range(count)]
    centres = rng.normal(size=(3, 6))
    values = centres[np.arange(count) % 3, None] + rng.normal(0, 2.0, (count, 2, 6))
    split = ["test" if i % 4 == 3 and splits else "train" for i in range(count)]
    return Features([f"v{i}" for i in range(count)], classes if labels else [""] * count, split, values.astype(np.float32))


def space(**given: bool) -> Space:
    features = made(**given)
    return Space("mixup", {"rgb": features, "flow": replace(features, features=features.features[..., ::-1] * [1, 2, 3, 1, 1, 1])})


def naive(space: Space) -> np.ndarray:
    """All similarities, (Q, G)."""
    total = np.zeros((len(space.queries), len(space.gallery)))
    for features in space.streams.values():
        values = features.features.astype(np.float64).mean(axis=1)
        values -= values[space.gallery].mean(axis=0)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        cosines = values[space.queries] @ values[space.gallery].T
        total += cosines / cosines.std(axis=1, keepdims=True) / 2
    return total


def test_the_confusion_counts_the_classes_of_the_nearest() -> None:
    one = space()
    found, labels = spaces.confusion(one), np.array(one.videos.labels)
    counts = np.zeros((3, 3), dtype=int)
    for query, row in zip(one.queries, naive(one), strict=True):
        counts[CLASSES.index(labels[query]), CLASSES.index(labels[one.gallery[row.argmax()]])] += 1
    assert found.classes == list(CLASSES) and found.counts.tolist() == counts.tolist() and 0 < np.trace(counts) < counts.sum() == 15


def test_the_worst_confusions_come_first() -> None:
    found = spaces.Confusion("mixup", "rgb", list(CLASSES), np.array([[3, 1, 0], [4, 2, 0], [0, 0, 5]]))
    assert found.worst(5) == [("kick", "bow", 4, 6), ("bow", "kick", 1, 4)] and found.worst(1) == [("kick", "bow", 4, 6)]


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = spaces.confusion(space()).counts, spaces.pairs(space())
    monkeypatch.setattr(spaces, "AT_ONCE", 7)
    assert spaces.confusion(space()).counts.tolist() == whole[0].tolist()
    assert [pair["videos"] for pair in spaces.pairs(space())] == [pair["videos"] for pair in whole[1]]


@pytest.mark.parametrize(("splits", "asked", "searched"), [(True, 15, 45), (False, 60, 60)])
def test_without_labels_there_are_neighbours_and_none_is_right(splits: bool, asked: int, searched: int) -> None:
    one = space(labels=False, splits=splits)
    assert not one.labelled and (len(one.queries), len(one.gallery)) == (asked, searched)
    found = spaces.neighbours(one)
    assert len(found) == spaces.QUERIES
    for item in found:
        near = item["neighbours"]
        assert len(near) == spaces.NEIGHBOURS and {tile["correct"] for tile in near} == {None}
        assert item["query"]["id"] not in {tile["id"] for tile in near}, "a video is not its own neighbour"
        assert [tile["similarity"] for tile in near] == sorted((tile["similarity"] for tile in near), reverse=True)


def test_the_nearest_pairs_are_found_on_either_side_of_the_split() -> None:
    features = made()
    values = features.features.copy()
    values[7], values[20] = values[4], values[33]  # a test video like a training video, and two training videos
    found = spaces.pairs(Space("mixup", {"rgb": replace(features, features=values)}))
    assert [{tile["id"] for tile in pair["videos"]} for pair in found[:2]] in (
        [{"v4", "v7"}, {"v20", "v33"}],
        [{"v20", "v33"}, {"v4", "v7"}],
    )
    assert found[0]["similarity"] == pytest.approx(1) and len(found) == spaces.PAIRS
    every = [tile["id"] for pair in found for tile in pair["videos"]]
    assert len(every) == len(set(every))
    sides = {frozenset(tile["id"] for tile in pair["videos"]): {tile["split"] for tile in pair["videos"]} for pair in found}
    assert sides[frozenset({"v4", "v7"})] == {"train", "test"}


def test_spread_and_rank_are_those_of_the_training() -> None:
    features = made()
    units = torch.nn.functional.normalize(torch.from_numpy(features.features).mean(1), dim=1)
    found = spaces.spread_and_rank(features)
    assert found == pytest.approx((float(losses.spread(units)), float(losses.effective_rank(units))), rel=1e-4)
    same = replace(features, features=np.ones_like(features.features))
    assert spaces.spread_and_rank(same) == pytest.approx((0, 1), abs=1e-5)


def test_a_map_is_the_same_each_time_and_keeps_classes_together() -> None:
    first, again = spaces.mapped(space()), spaces.mapped(space())
    assert first.xy.tobytes() == again.xy.tobytes() and first.xy.shape == (60, 2) and first.xy.min() == 0 and first.xy.max() == 1
    label = np.array([tile["label"] for tile in first.tiles])
    apart = np.linalg.norm(first.xy[:, None] - first.xy[None], axis=2)
    same = (label[:, None] == label[None]) & ~np.eye(60, dtype=bool)
    assert apart[same].mean() < 0.85 * apart[label[:, None] != label[None]].mean()


@pytest.mark.parametrize("count", [2, 3, 9])
def test_a_map_of_few_videos(count: int) -> None:
    found = spaces.mapped(space(count=count))
    assert found.xy.shape == (count, 2) and np.isfinite(found.xy).all()


def test_of_many_videos_an_even_choice_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "COMPARED", 6)
    one = space()
    labels, counts = np.array(one.videos.labels), spaces.confusion(one).counts
    chosen = one.queries[np.linspace(0, 14, 6).round().astype(int)]
    assert counts.sum(axis=1).tolist() == [(labels[chosen] == name).sum() for name in CLASSES]


def test_of_many_videos_a_map_shows_an_even_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "ON_MAP", 12)
    assert [tile["id"] for tile in spaces.mapped(space()).tiles] == [f"v{round(i * 59 / 11)}" for i in range(12)]
