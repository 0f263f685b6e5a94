"""Verdicts and tables of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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

    def loss(*values: float) -> Value:
        return Value(values, measure=numbers.measure("training", "loss"))

    verdict = numbers.compare(loss(0.30, 0.34), loss(0.20, 0.22), 0)
    assert verdict.difference == pytest.approx(0.11) and verdict.word == "better"
    assert verdict.error == pytest.approx(math.sqrt(0.0008 / 2 + 0.0002 / 2)) and verdict.threshold == pytest.approx(2 * verdict.error)
    assert numbers.compare(loss(0.9), loss(0.1, 0.1), 100).word == "unclear", "one seed has no spread"


def test_a_value_knows_its_seeds() -> None:
    value = numbers.by_seed({2: 30.0, 0: 10.0}, numbers.PERCENT)
    assert (value.seeds, value.numbers) == ((0, 2), (10.0, 30.0))


def test_all_against_none_of_two_videos_proves_nothing() -> None:
    assert numbers.compare(Value((100.0,)), Value((0.0,)), 2).word == "unclear"
    assert numbers.compare(Value((100.0,)), Value((0.0,)), 20).word == "better"
    assert numbers.compare(Value((100.0,)), Value((100.0,)), 20).word == "unclear"


def test_the_rows_and_columns_are_in_order(make_run: MakeRun) -> None:
    found = numbers.tasks(make_run())
    assert [task.task for task in found] == ["retrieval", "linear"]
    assert found[0].streams == ["rgb", "flow", "rgb+flow"]
    assert found[0].experiments == ["handmade", "untrained", "mixup", "stc-mix"]
    assert found[0].metrics == ["R@1", "R@5", "R@10", "R@20"]


def test_the_best_is_compared_with_the_handmade_feature(make_run: MakeRun) -> None:
    task = numbers.tasks(make_run())[0]
    rgb = task.against_handmade("rgb")
    best = task.best("rgb")
    assert best is not None and best.mean == 52.0 and rgb is not None and rgb.difference == -6.0
    assert task.against_handmade("rgb+flow") is None, "there is no hand-made feature of fused streams"


def wrong(make_run: MakeRun, task: str, metric: str = "error") -> list[dict[str, Any]]:
    """The results of retrieval as those of a task in which lower is better."""
    return [
        {
            **one,
            "task": task,
            "values": {stream: {metric: values["R@1"]} for stream, values in one["values"].items()},
            "chance": {metric: 90.0},
        }
        for one in make_run((0, 1)).results
        if one["task"] == "retrieval"
    ]


def test_where_lower_is_better_verdicts_turn_round(make_run: MakeRun, errors: str) -> None:
    """The numbers of retrieval, read as errors: what was better is worse, and the best is the smallest."""
    (higher,) = [task for task in numbers.tasks(make_run((0, 1))) if task.task == "retrieval"]
    (lower,) = numbers.tasks(make_run(results=wrong(make_run, errors)))
    assert (lower.title, lower.metric, lower.measure.highest) == ("Errors made", "error", "lowest")
    turned = {"better": "worse", "worse": "better", "unclear": "unclear"}
    for stream in higher.streams:
        for name in higher.trained:
            one, other = higher.verdict(name, stream), lower.verdict(name, stream)
            assert one is not None and other is not None and other.word == turned[one.word] and other.difference == one.difference
    assert lower.is_best("stc-mix", "rgb") and not higher.is_best("stc-mix", "rgb"), "31 against 53"
    against = lower.against_handmade("flow")
    assert against is not None and (against.word, against.points) == ("unclear", "+4.0"), "the smallest, 67 of mixup"


def test_an_error_that_is_no_share_is_told_by_the_seeds_alone(make_run: MakeRun, errors: str) -> None:
    of_pixels = numbers.measure(errors, "distance")
    one, other = (Value(pair, measure=of_pixels) for pair in ((1.0, 1.5), (4.0, 4.5)))
    verdict = numbers.compare(one, other, 400)
    assert verdict.word == "better" and verdict.error == pytest.approx(math.sqrt(2 * 0.125 / 2)) and str(verdict) == "−3.00 ± 0.35"
    assert str(one) == "1.25 ± 0.35" and one.each == "1.00 · 1.50"
    assert numbers.compare(Value((1.0,), measure=of_pixels), other, 400).word == "unclear"


def test_units_are_said(make_run: MakeRun, errors: str) -> None:
    shown = [numbers.measure(errors, "error"), numbers.measure(errors, "distance")]
    assert numbers.units(shown[:1]) == "percent" and numbers.units(shown) == "error in percent, distance in pixels"
    assert numbers.units([numbers.measure("training", "loss")]) == ""


def test_a_task_that_nobody_declares_stands_under_its_own_name_at_the_end(make_run: MakeRun) -> None:
    run = make_run()
    old = [{**one, "task": "a-vote"} for one in run.results if one["task"] == "linear"]
    found = numbers.tasks(make_run(results=[*old, *run.results]))
    assert [(task.title, task.metric) for task in found[1:]] == [("Linear probe", "accuracy"), ("a-vote", "accuracy")]
    assert found[2].verdict("stc-mix", "flow") == found[1].verdict("stc-mix", "flow")


def test_streams_are_in_the_order_of_the_params(make_run: MakeRun) -> None:
    run = make_run()
    turned = {**run.params, "streams": dict(reversed(run.params["streams"].items()))}
    assert numbers.tasks(make_run(params=turned))[0].streams == ["flow", "rgb", "rgb+flow"]
    assert numbers.tasks(make_run(params={}))[0].streams == ["flow", "rgb", "rgb+flow"], "unknown ones by name"
