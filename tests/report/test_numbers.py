"""Verdicts and tables of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from videossl.report import numbers
from videossl.report.numbers import Value
from videossl.report.run import Run

MakeRun = Callable[..., Run]


def test_compare_by_hand() -> None:
    verdict = numbers.compare(Value((70.0, 74.0)), Value((50.0, 52.0)), 100)
    variance = 2 * 61.5 * 38.5 / 100 + 8 / 2 + 2 / 2
    assert verdict.difference == 21.0 and verdict.word == "better"
    assert verdict.threshold == pytest.approx(2 * math.sqrt(variance))
    assert numbers.compare(Value((50.0,)), Value((53.0,)), 100).word == "unclear"
    assert numbers.compare(Value((20.0,)), Value((53.0,)), 100).word == "worse"
    assert numbers.compare(Value((99.0,)), Value((1.0,)), 0).word == "unclear", "no number of tests, no verdict"


def test_the_spread_alone_by_hand() -> None:
    """A loss: 0.30 and 0.34 against 0.20 and 0.22."""
    verdict = numbers.compare_spread(Value((0.30, 0.34)), Value((0.20, 0.22)))
    assert verdict.difference == pytest.approx(0.11) and verdict.word == "better"
    assert verdict.error == pytest.approx(math.sqrt(0.0008 / 2 + 0.0002 / 2)) and verdict.threshold == pytest.approx(2 * verdict.error)
    assert numbers.compare_spread(Value((0.9,)), Value((0.1, 0.1))).word == "unclear", "one seed has no spread"


def test_a_value_knows_its_seeds() -> None:
    value = numbers.by_seed({2: 30.0, 0: 10.0})
    assert (value.seeds, value.numbers) == ((0, 2), (10.0, 30.0))


def test_all_against_none_of_two_videos_proves_nothing() -> None:
    assert numbers.compare(Value((100.0,)), Value((0.0,)), 2).word == "unclear"
    assert numbers.compare(Value((100.0,)), Value((0.0,)), 20).word == "better"
    assert numbers.compare(Value((100.0,)), Value((100.0,)), 20).word == "unclear"


def test_the_rows_and_columns_are_in_order(make_run: MakeRun) -> None:
    found = numbers.tasks(make_run())
    assert [task.task for task in found] == ["retrieval", "linear"]
    assert found[0].modalities == ["rgb", "flow", "rgb+flow"]
    assert found[0].experiments == ["handmade", "untrained", "mixup", "stc-mix"]
    assert found[0].metrics == ["R@1", "R@5", "R@10", "R@20"]


def test_the_best_is_compared_with_the_handmade_feature(make_run: MakeRun) -> None:
    task = numbers.tasks(make_run())[0]
    rgb = task.against_handmade("rgb")
    assert task.best("rgb") == 52.0 and rgb is not None and rgb.difference == -6.0
    assert task.against_handmade("rgb+flow") is None, "there is no hand-made feature of fused modalities"
