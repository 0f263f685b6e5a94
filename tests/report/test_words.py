"""What is said about the numbers, on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from videossl.report import numbers, page, words
from videossl.report.run import Run

MakeRun = Callable[..., Run]


def said(run: Run) -> list[str]:
    """The phrases of the first task."""
    return [str(phrase) for phrase in words.phrases(numbers.tasks(run)[0])]


def test_the_lead_is_short_and_plain(make_run: MakeRun) -> None:
    assert words.lead(make_run()) == (
        "This run trained mixup and stc-mix on toy: 20 training videos and 20 test videos of 4 labelled classes, 61 dropped."
        " One seed (0), no spread."
    )
    assert words.lead(make_run((0, 2))).endswith(" 2 seeds (0, 2), given as mean ± sample standard deviation.")
    whole = make_run(index=[row for row in make_run().index if row.status == "ok"])
    assert "dropped" not in words.lead(whole)


def test_many_experiments_are_counted_in_the_lead(make_run: MakeRun) -> None:
    run = make_run()
    many = [{**run.results[-1], "experiment": f"m{i}"} for i in range(9)]
    assert "trained 9 experiments on toy" in words.lead(replace(run, results=many, histories=[]))


def test_phrases_by_verdict(make_run: MakeRun) -> None:
    """rgb has an unclear mixup (+2) and a worse stc-mix (-20): it stands under worse and under unclear."""
    found = words.phrases(numbers.tasks(make_run())[0])
    assert [(phrase.word, phrase.mark) for phrase in found] == [("better", "▲"), ("worse", "▼"), ("unclear", "≈"), ("handmade", "")]
    assert found[0].listed == [("flow", "stc-mix", "+25.0"), ("rgb+flow", "stc-mix", "+24.0")]
    assert found[1].listed == [("rgb", "stc-mix", "−20.0")]
    assert found[2].listed == [("rgb", "", "")]
    assert found[3].listed == [("rgb", "", "−6.0")], "70 against 62 on flow is beyond the threshold of 6.7"
    assert str(found[0]) == "better than untrained: flow +25.0, rgb+flow +24.0"


def test_nothing_better_than_untrained(make_run: MakeRun) -> None:
    run = make_run()
    base = [r for r in run.results if r["experiment"] == "untrained"]
    same = [{**r, "experiment": "stc-mix"} for r in base]
    assert said(replace(run, results=[*base, *same])) == ["no clear difference from untrained: rgb, flow, rgb+flow"]
    assert said(replace(run, results=same)) == ["no untrained encoder to compare with"]
    assert said(replace(run, results=base)) == ["no trained encoder to compare"]


def test_the_handmade_feature_beaten_everywhere(make_run: MakeRun) -> None:
    kept = [
        {**result, "values": {"flow": result["values"]["flow"]}}
        for result in make_run().results
        if result["experiment"] in ("handmade", "untrained", "stc-mix")
    ]
    assert said(make_run(results=kept))[-1] == "hand-made feature beaten wherever it was measured"


def test_the_rule_says_what_one_seed_allows(make_run: MakeRun) -> None:
    assert "a rule of thumb" in words.rule(make_run()) and words.rule(make_run()).endswith("alone: one seed, no spread.")
    assert words.rule(make_run((0, 1))).endswith("and the spread over seeds.")


def test_tasks_switched_off_is_a_reason(make_run: MakeRun) -> None:
    run = make_run(results=[])
    assert words.no_task_reason(replace(run, params={"evaluate": {"tasks": []}})) == "evaluate.tasks is empty in the params"


def test_terminal_table(make_run: MakeRun) -> None:
    text = page.terminal(make_run((0, 1, 2)))
    assert text.isascii()
    lines = text.splitlines()
    assert lines[0] == "Nearest-neighbour retrieval on toy, R@1, percent"
    assert lines[1].split() == ["experiment", "rgb", "flow", "rgb+flow"]
    assert lines[2].split() == ["chance", "25.0", "25.0", "25.0"]
    (stc,) = [line for line in lines[: lines.index("")] if line.startswith("stc-mix")]
    assert stc.split() == ["stc-mix", "32.0", "+-", "2.0", "*", "72.0", "+-", "2.0", "*", "78.0", "+-", "2.0"]
    assert lines[2].index("25.0") + 4 == stc.index("32.0 +- 2.0") + 11, "numbers are flush right"
    assert "better than untrained: flow +25.0, rgb+flow +24.0" in lines
    assert "worse than untrained: rgb -20.0; no clear difference from untrained: rgb" in lines
    assert "* best trained" in text


@pytest.mark.parametrize("shift", [-40.0, 0.0, 40.0])
def test_at_most_three_lines_of_120_characters_under_a_table(make_run: MakeRun, shift: float) -> None:
    """Six streams and long names, all better, all unclear or all worse."""
    streams = ("rgb", "flow", "joint", "motion", "rgb+flow", "joint+motion")

    def result(name: str, value: float) -> dict[str, Any]:
        values = {stream: {"accuracy": value} for stream in streams}
        counts = {"test": 400}
        return {"experiment": name, "seed": 0, "dataset": "toy", "task": "linear", "values": values, "counts": counts}

    results = [result("untrained", 50), result("handmade", 55), result("an-experiment-with-a-long-name", 50 + shift)]
    text = page.terminal(make_run(results=results))
    table, end = text.split("\n\n")
    under = table.splitlines()[2 + len(results) :]
    assert 1 <= len(under) <= 3 and max(map(len, [*under, *end.splitlines()])) <= 120
    assert all(stream in under[0] for stream in streams) and "..." not in text
