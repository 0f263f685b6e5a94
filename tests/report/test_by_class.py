"""Results class by class, by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from videossl.report.by_class import by_class, confused, matrix
from videossl.report.finished_run import Run
from videossl.report.spaces import Confusion


def test_the_best_is_set_beside_the_untrained_encoder(make_run: Callable[..., Run]) -> None:
    found = by_class(make_run((0, 1)))
    assert [one.title for one in found] == ["Nearest-neighbour retrieval, rgb+flow", "Linear probe, rgb+flow"], "fused streams alone"
    table = found[0].table
    assert [str(cell) for cell in table.head] == ["class", "videos", "untrained encoder", "mixup", "stc-mix", "difference"]
    assert found[0].pair == (4, 2) and table.head[-1].small == [("stc-mix less untrained encoder", "")]
    assert table.rows[0].cells == ["bow", 5, "0.0", "0.0", "20.0", "+20.0"], "two seeds: 2 of 10"


def test_the_most_changed_class_comes_first_and_one_that_was_not_measured_has_no_number(make_run: Callable[..., Run]) -> None:
    run = make_run()
    own = {"bow": [0, 4], "kick": [3, 4]}
    results = [
        {**file, "classes": {"rgb+flow": own if file["experiment"] == "stc-mix" else {"bow": [2, 4], "kick": [1, 4], "jump": [1, 2]}}}
        for file in run.results
        if file["task"] == "linear" and file["experiment"] != "mixup"
    ]
    (one,) = by_class(replace(run, results=results))
    rows = [row.cells for row in one.table.rows]
    assert [row[0] for row in rows] == ["kick", "jump", "bow"] and rows[0][-1] == "+50.0" and rows[2][-1] == "−50.0"
    assert rows[1][-2:] == ["–", "–"], "it has no test video of this class"


def test_baselines_alone_are_no_table(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert by_class(replace(run, results=[file for file in run.results if file["experiment"] in ("untrained", "handmade")])) == []
    assert by_class(replace(run, results=[{**file, "classes": {}} for file in run.results])) == [], "of files without hits"


def test_shades_are_shares_of_a_row() -> None:
    confusion = Confusion("mixup", "rgb", ["a", "b", "c"], np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    assert matrix(confusion)["rows"][0] == ("a", [(3, 0.75, True), (1, 0.25, False), (0, 0.0, False)])
    assert matrix(confusion)["rows"][2] == ("c", [(0, 0.0, False), (0, 0.0, False), (0, 0.0, True)]), "a class without test videos"
    assert [row.cells for row in confused(confusion).rows] == [["a", "b", "1 of 4"]]
