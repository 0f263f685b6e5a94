"""The numbers of a run as one list in order, what is best, and the table of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from videossl.errors import InputError
from videossl.report import finished_run, verdicts
from videossl.report.finished_run import Run
from videossl.report.html_tables import results_table
from videossl.report.verdicts import NOTHING, Record

MakeRun = Callable[..., Run]


def distinct(listed: list[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(number[key] for number in listed))


def headlines(run: Run, metric: str = "R@1") -> list[dict[str, Any]]:
    return [number for number in finished_run.numbers(run) if number["metric"] == metric]


def one(listed: list[dict[str, Any]], experiment: str, stream: str) -> dict[str, Any]:
    (found,) = [number for number in listed if (number["experiment"], number["stream"]) == (experiment, stream)]
    return found


def test_headlines_and_losses_for_other_tools(make_run: MakeRun) -> None:
    run = make_run((0, 1))
    shown = finished_run.headlines(run)
    assert list(shown) == ["handmade", "untrained", "mixup", "stc-mix"]
    of = [
        number for number in headlines(run) if (number["experiment"], number["stream"], number["dataset"]) == ("mixup", "rgb", run.dataset)
    ]
    assert shown["mixup"][run.dataset]["retrieval"]["rgb"] == sum(of[0]["values"]) / 2 and set(shown["mixup"][run.dataset]) == {
        "retrieval",
        "linear",
    }
    rows = list(csv.DictReader(finished_run.losses(run).splitlines()))
    for history in run.histories:
        column = f"{history['experiment']}/{history['seed']}/{history['training']}"
        assert [float(row[column]) for row in rows if row[column]] == [row["loss"] for row in history["epochs"]]
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in sorted({row["epoch"] for h in run.histories for row in h["epochs"]})]


def test_numbers_are_in_order(make_run: MakeRun) -> None:
    found = finished_run.numbers(make_run())
    assert distinct(found, "task") == ["retrieval", "linear"] and distinct(found, "stream") == ["rgb", "flow", "rgb+flow"]
    assert distinct(found, "experiment") == ["handmade", "untrained", "mixup", "stc-mix"]
    assert distinct(found, "metric") == ["R@1", "R@5", "R@10", "R@20", "accuracy"]
    assert len(found) == 5 * 3 * 4, "what was not measured too"
    run = make_run((0, 1))
    assert finished_run.numbers(run) == finished_run.numbers(replace(run, results=run.results[::-1])), "whatever the order of the files"


def test_a_number_has_its_seeds_and_what_belongs_to_its_column(make_run: MakeRun) -> None:
    number = one(headlines(make_run((0, 1, 2))), "mixup", "flow")
    assert (number["values"], number["mean"], number["sd"]) == ([66.0, 68.0, 70.0], 68.0, 2.0)
    assert (number["dataset"], number["chance"], number["test_videos"]) == ("toy", 25.0, 400)
    missing = one(headlines(make_run()), "handmade", "rgb+flow")
    assert NOTHING.items() <= missing.items() and missing["test_videos"] == 400


def test_streams_are_in_the_order_of_the_params(make_run: MakeRun) -> None:
    run = make_run()
    turned = {**run.params, "streams": dict(reversed(run.params["streams"].items()))}
    assert distinct(finished_run.numbers(make_run(params=turned)), "stream") == ["flow", "rgb", "rgb+flow"]
    assert distinct(finished_run.numbers(make_run(params={})), "stream") == ["flow", "rgb", "rgb+flow"], "unknown ones by name"


def test_a_task_that_nobody_declares_stands_at_the_end(make_run: MakeRun) -> None:
    run = make_run()
    old = [{**result, "task": "a-vote"} for result in run.results if result["task"] == "linear"]
    found = finished_run.numbers(make_run(results=[*old, *run.results]))
    assert distinct(found, "task") == ["retrieval", "linear", "a-vote"]
    judged = [
        verdicts.against("untrained", one(here, "stc-mix", "flow"), here)
        for task in ("linear", "a-vote")
        for here in [[number for number in found if number["task"] == task]]
    ]
    assert judged[0] is not None and judged[1] is not None and judged[0][:2] == judged[1][:2]


def test_a_seed_given_twice_is_an_input_error(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(InputError, match=r"two results of .*, seed 0 \(toy, "):
        finished_run.numbers(replace(run, results=[*run.results, run.results[0]]))


def test_the_best_is_trained_and_is_judged_against_both_baselines(make_run: MakeRun, errors: str) -> None:
    numbers = headlines(make_run())
    best = verdicts.best([number for number in numbers if number["stream"] == "rgb"])
    assert (best["experiment"], best["mean"]) == ("mixup", 52.0), "not the hand-made 58"
    handmade, untrained = (verdicts.against(name, best, numbers) for name in ("handmade", "untrained"))
    assert handmade is not None and handmade.difference == -6.0 and untrained is not None and untrained.difference == 2.0
    assert verdicts.against("handmade", one(numbers, "stc-mix", "rgb+flow"), numbers) is None, "there is none of fused streams"
    assert verdicts.best([]) == verdicts.best([one(numbers, "untrained", "rgb")]) == NOTHING
    lower = [number | {"task": errors, "metric": "error"} for number in numbers if number["stream"] == "rgb"]
    assert verdicts.best(lower)["experiment"] == "stc-mix", "30 errors are fewer than 52"


def cells(numbers: list[dict[str, Any]], **how: Any) -> dict[str, list[str]]:
    table = results_table("name", numbers, **how)
    return {str(row.cells[0]): [str(cell) for cell in row.cells[1:]] for row in table.rows}


def test_the_table_by_stream_by_hand(make_run: MakeRun) -> None:
    numbers = headlines(make_run())
    table = results_table("name", numbers, by_stream=True)
    assert table.head == ["R@1, %", "rgb", "flow", "rgb+flow"]
    assert cells(numbers, by_stream=True) == {
        "chance": ["25.0", "25.0", "25.0"],
        "hand-made feature": ["58.0", "62.0", "–"],
        "untrained encoder": ["50.0", "45.0", "52.0"],
        "mixup": ["* 52.0", "66.0", "70.0"],
        "stc-mix": ["30.0", "* 70.0", "* 76.0"],
    }
    assert [row.style for row in table.rows] == ["baseline"] * 3 + [""] * 2
    small = [[text for text, _ in cell.small if text] for cell in table.rows[4].cells[1:]]
    assert [list(map(str, texts)) for texts in small] == [["▼ −20.0 (±6.8)"], ["▲ +25.0 (±6.9)"], ["▲ +24.0 (±6.7)"]]
    assert not any(text for cell in table.rows[2].cells[1:] for text, _ in cell.small), "a baseline has no verdict"


def test_each_seed_is_small_print_so_unequal_numbers_of_seeds_show(make_run: MakeRun) -> None:
    run = make_run((0, 1))
    fewer = [result for result in run.results if not (result["experiment"] == "mixup" and result["seed"] == 1)]
    table = results_table("name", headlines(replace(run, results=fewer)), by_stream=True)
    assert [str(cell) for cell in table.rows[3].cells[1:]] == ["* 52.0", "66.0", "70.0"] and not table.rows[3].cells[2].small[0][0]
    assert str(table.rows[4].cells[2]) == "* 71.0 ± 1.4" and table.rows[4].cells[2].small[0][0] == "70 · 72"


def test_the_table_by_metric_shows_all(make_run: MakeRun) -> None:
    numbers: list[Record] = [n | {"note": n["stream"]} for n in finished_run.numbers(make_run()) if n["task"] == "retrieval"]
    table = results_table("name", numbers)
    assert [str(head) for head in table.head] == ["", "R@1, %", "R@5, %", "R@10, %", "R@20, %"] and len(table.rows) == 1 + 4 * 3
    mixup = next(row.cells for row in table.rows if str(row.cells[0]) == "mixup" and row.cells[0].small[0][0] == "flow")
    assert [str(cell) for cell in mixup[1:]] == ["66.0", "76.0", "86.0", "96.0"]
    judged = [[str(text) for text, _ in cell.small if text] for cell in mixup[1:]]
    assert judged == [["▲ +21.0 (±6.9)"], [], [], []], "of the headline alone"


def test_lower_is_better_in_the_table(make_run: MakeRun, errors: str) -> None:
    numbers = [n | {"task": errors, "metric": "error"} for n in headlines(make_run())]
    shown = cells(numbers, by_stream=True)
    assert shown["stc-mix"][0] == "* 30.0" and shown["mixup"] == ["52.0", "* 66.0", "* 70.0"]


def test_a_column_on_few_labels_says_how_many(make_run: MakeRun) -> None:
    run = make_run()
    counts = {"train": 12, "test": 400, "classes": 4}
    few = [result | {"task": "linear-few", "counts": counts} for result in run.results if result["task"] == "linear"]
    measured = headlines(replace(run, results=[*run.results, *few]), "accuracy")
    numbers = [number for number in measured if number["stream"] == "rgb"]
    linear, linear_few = results_table("name", numbers).head[1:]
    assert linear.small == [("toy", "")] and linear_few.small == [("toy", ""), ("12 labelled videos of 4 classes", "")]
