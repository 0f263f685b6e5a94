"""The share of the training videos that an experiment reads: nested, the same for all, and drawn without a look at labels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.made import row

from videossl.data import fewer
from videossl.errors import InputError

ROWS = [row(f"v{number}", "abc"[number % 3]) for number in range(40)]


def ids(share: float, seed: int = 0, rows: list[fewer.Row] = ROWS) -> list[str]:
    return [one.id for one in fewer.taken(rows, share, seed)]


@pytest.mark.parametrize(
    ("videos", "share", "read"),
    [(40, 0.25, 10), (41, 0.25, 11), (100, 0.07, 7), (100, 0.29, 29), (3, 0.01, 1), (1000, 1e-9, 1), (9, 1, 9), (7, 0.999, 7), (0, 0.5, 0)],
)
def test_the_share_is_rounded_up(videos: int, share: float, read: int) -> None:
    assert fewer.size(videos, share) == read


def test_a_smaller_share_is_a_part_of_a_larger_one_in_the_order_of_the_index() -> None:
    every = [one.id for one in ROWS]
    for small, large in ((0.05, 0.25), (0.25, 0.5), (0.5, 1)):
        assert set(ids(small)) < set(ids(large))
    for share in (0.05, 0.25, 0.5, 1):
        assert len(ids(share)) == fewer.size(40, share)
        assert ids(share) == [one for one in every if one in ids(share)]


def test_seed_and_ids_draw_it_and_nothing_else() -> None:
    relabelled = [replace(one, label="z", group="g") for one in ROWS]
    assert ids(0.25, rows=relabelled) == ids(0.25) == sorted(ids(0.25, rows=ROWS[::-1]), key=[one.id for one in ROWS].index)
    assert set(ids(0.25, seed=1)) != set(ids(0.25))
    assert ids(1, seed=1) == ids(1)


def test_too_few_are_named_with_the_way_out() -> None:
    fewer.check_batch("experiments.x.videos", 0.25, 16, "streams.rgb.train.batch", 16)
    with pytest.raises(InputError) as error:
        fewer.check_batch("experiments.x.videos", 0.25, 15, "streams.rgb.train.batch", 16)
    assert str(error.value) == (
        "experiments.x.videos is 0.25, which leaves 15 videos to train on, and streams.rgb.train.batch is 16;"
        " raise experiments.x.videos, lower experiments.x.batch, or add videos"
    )


def test_a_lost_class_is_named() -> None:
    fewer.check_classes("experiments.x.videos", 0.1, 0, ROWS[:3], ROWS)
    with pytest.raises(InputError, match=r"^experiments.x.videos is 0.1, which with seed 3 leaves no video of c to learn from; raise it"):
        fewer.check_classes("experiments.x.videos", 0.1, 3, [*ROWS[:2], row("none", "")], [*ROWS, row("none", "")])
    with pytest.raises(InputError, match=r"no video of c0, c1, c2 and 3 more to"):
        fewer.check_classes("x", 0.1, 3, [], [row(f"v{number}", f"c{number}") for number in range(6)])
