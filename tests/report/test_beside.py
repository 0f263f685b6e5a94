"""The paper beside a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from videossl.report import beside, numbers
from videossl.report.run import Run

MakeRun = Callable[..., Run]


def test_rows_have_the_headline_first_and_name_their_test_sets(make_run: MakeRun) -> None:
    run = make_run()
    shuffled = [
        {**result, "values": {m: dict(sorted(v.items())) for m, v in result["values"].items()}} for result in run.results
    ]  # as JSON with sorted keys has them: R@1, R@10, R@20, R@5
    rows = beside.beside(replace(run, results=shuffled), numbers.tasks(replace(run, results=shuffled))[0])
    assert list(dict.fromkeys(row.metric for row in rows)) == ["R@1", "R@5", "R@10", "R@20"]
    (fused,) = [row for row in rows if (row.experiment, row.stream, row.metric) == ("stc-mix", "rgb+flow", "R@1")]
    assert fused.source == "Table 2, + CM cutmix; Table 4, STC-mix", "the same numbers at the same scale are one row"
    assert fused.printed == "58.1\N{NO-BREAK SPACE}UCF101 · 27.1\N{NO-BREAK SPACE}HMDB51"
    assert fused.theirs == {"ucf101": 58.1, "hmdb51": 27.1} and not fused.same


def test_the_papers_name_of_an_experiment_is_looked_up(make_run: MakeRun) -> None:
    """moco-long stands for the paper's MoCo: of table 1 with 200 epochs, of table 2 with 500."""
    run = make_run()
    recipe = {"method": "moco", "streams": ["rgb"], "mixing": "none", "epochs": 12, "paper": "moco"}
    renamed = [{**one, "experiment": "moco-long"} for one in run.results if one["experiment"] == "mixup"]
    run = replace(run, params={**run.params, "experiments": {"moco-long": recipe}}, results=renamed)
    rows = [row for row in beside.beside(run, numbers.tasks(run)[1]) if row.stream == "rgb"]
    assert [(row.source, row.theirs["ucf101"]) for row in rows] == [("Table 1, MoCo", 38.2), ("Table 2, MoCo (Baseline)", 46.8)]
    assert ["epochs 200 / 12" in row.differs for row in rows] == [True, False] and "epochs 500 / 12" in rows[1].differs


def test_epochs_count_all_trainings_behind_an_encoder(make_run: MakeRun) -> None:
    run = make_run()
    assert beside.setting(run, "mixup", "rgb")["epochs"] == 6
    assert beside.setting(run, "stc-mix", "rgb+flow")["epochs"] == 6 + 2 * 3
    odd = {**run.params["experiments"], "stc-mix": {**run.params["experiments"]["stc-mix"], "stages": 3}}
    odd_run = replace(run, params={**run.params, "experiments": odd})
    assert beside.setting(odd_run, "stc-mix", "rgb+flow")["epochs"] == "12 and 9"
    assert "epochs" not in beside.setting(run, "untrained", "rgb")
