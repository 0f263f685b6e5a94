"""The paper's tables with ours in them: columns, rows, and where the paper's order is seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import made

from videossl.errors import InputError
from videossl.report import beside, paper, target
from videossl.report.beside import Number, Order, Results
from videossl.report.numbers import BASELINES
from videossl.report.run import Run, by_test_set


def shown(run: Run, name: str) -> Results:
    found = target.comparison(run, name).results
    assert found is not None
    return found


def rows(results: Results, stream: str = "rgb", alone: bool = False) -> dict[str, tuple[Number, ...]]:
    """The rows of a stream by experiment, without the baselines; or those of the paper alone."""
    shown = {row[0].experiment: row for row in results.rows(stream) if row[0].experiment not in BASELINES}
    return {name: row for name, row in shown.items() if (row[0] in results.alone) == alone}


def theirs(row: tuple[Number, ...]) -> tuple[float | None, ...]:
    return tuple(number.theirs for number in row)


def own(results: Results, row: tuple[Number, ...]) -> list[str]:
    """The differences in scale beyond those of all rows."""
    return [text for text in row[0].differs if text not in results.common(row[0].stream)]


def linear(values: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Results of the linear probe on rgb, by experiment and seed, as they are."""
    return [
        {**made.result(name, seed, "linear", {}), "values": {"rgb": {"accuracy": value}}}
        for name, numbers in values.items()
        for seed, value in enumerate(numbers)
    ]


def order(values: dict[str, list[float]], name: str = "table1") -> Order:
    """The order of the linear probe."""
    return shown(made.run(name, results=linear(values)), name).orders[0]


def test_pairs_of_table_1_by_hand() -> None:
    """The paper's order of UCF101 is mixup 49.6, videomix 45.5, t-cutmix 41.7, moco 38.2, st-cutmix 19.8."""
    found = order(
        {"moco": [20.0, 24.0], "mixup": [60.0, 64.0], "t-cutmix": [40.0, 40.0], "st-cutmix": [61.0, 63.0], "videomix": [40.0, 44.0]}
    )
    assert (found.stream, found.column.task, found.column.printed and found.column.printed.dataset) == ("rgb", "linear", "ucf101")
    words = {(pair.above, pair.below): pair.word for pair in found.pairs}
    assert len(words) == 10
    assert words["mixup", "videomix"] == "seen" and words["t-cutmix", "moco"] == "seen"
    assert words["mixup", "st-cutmix"] == "not clear", "the same mean"
    assert words["videomix", "t-cutmix"] == "not clear", "two points of 96 videos"
    assert words["videomix", "st-cutmix"] == words["t-cutmix", "st-cutmix"] == words["moco", "st-cutmix"] == "reversed"
    assert target.tally(found.pairs) == {"seen": 5, "not clear": 2, "reversed": 3, "not measured": 0}
    (pair,) = [pair for pair in found.pairs if (pair.above, pair.below) == ("mixup", "videomix")]
    assert pair.verdict is not None and pair.theirs == (49.6, 45.5)
    variance = 2 * 52.0 * 48.0 / 96 + 8 / 2 + 8 / 2
    assert pair.verdict.difference == 20.0 and pair.verdict.error == pytest.approx(math.sqrt(variance))


@pytest.mark.parametrize(
    ("dataset", "split", "protocol", "printed"),
    [
        ("ntu60", 1, "ntu60-xsub", [70.1, 72.5, 74.5, 75.2]),
        ("ntu60", 2, "ntu60-xview", [77.2, 79.1, 82.1, 83.1]),
        ("toy", 1, "ntu60-xsub", [70.1, 72.5, 74.5, 75.2]),
        ("toy", 2, "ntu60-xview", [77.2, 79.1, 82.1, 83.1]),
    ],
)
def test_a_run_on_a_protocol_stands_beside_that_protocol(dataset: str, split: int, protocol: str, printed: list[float]) -> None:
    """Table 5 has cross-subject and cross-view side by side; a run is on one of them."""
    names = ["moco-skeleton", "cmmc-skeleton", "crossclr", "crossclr-cmmc"]
    values = {"joint": {"accuracy": 50.0}, "motion": {"accuracy": 50.0}, "joint+motion": {"accuracy": 60.0}}
    results = [{**made.result(name, 0, "linear", {}, dataset), "values": values} for name in names]
    params = {**made.params(), "dataset": {"name": dataset, "split": split, "root": "", "options": {}}}
    run = by_test_set(replace(made.run("table5", results=results), params=params, dataset=dataset))
    found = target.comparison(run, "table5")
    assert found.results is not None
    (column,) = found.results.columns
    assert column.printed is not None and column.printed.dataset == protocol
    assert column.dataset == (protocol if dataset == "ntu60" else "toy")
    fused = rows(found.results, "joint+motion")
    assert [row[0].theirs for row in fused.values()] == printed
    assert fused["moco-skeleton"][0].method == "SkeletonCLR* (Baseline)"
    tested = [text for text in fused["moco-skeleton"][0].differs if "tested on" in text]
    assert bool(tested) == (dataset == "toy")
    assert len(found.results.orders[-1].pairs) == 6
    assert paper.dataset_name(run.dataset) in target.lead(found)


def test_neighbours_follow_the_paper_from_best_to_worst() -> None:
    found = order({name: [50.0] for name in ("moco", "mixup", "t-cutmix", "st-cutmix", "videomix")})
    neighbours = [(pair.above, pair.below) for pair in found.pairs if pair.neighbours]
    assert neighbours == [("mixup", "videomix"), ("videomix", "t-cutmix"), ("t-cutmix", "moco"), ("moco", "st-cutmix")]


def test_ties_of_the_paper_are_no_pairs() -> None:
    """Flow, linear probe: CM mixup and CM cutmix (s) both have 70.4; both are neighbours of what is above and below."""
    found = shown(made.run("table2"), "table2")
    (flow,) = [one for one in found.orders if one.stream == "flow" and one.column.task == "linear"]
    names = {frozenset((pair.above, pair.below)) for pair in flow.pairs}
    assert len(flow.pairs) == 20 and frozenset(("cm-mixup", "cm-cutmix-s")) not in names
    near = {(pair.above, pair.below) for pair in flow.pairs if pair.neighbours}
    assert {("cm-cutmix-stc", "cm-mixup"), ("cm-cutmix-stc", "cm-cutmix-s"), ("cm-mixup", "manifold-mixup")} <= near


def test_one_seed_has_the_errors_of_the_test_videos_alone() -> None:
    found = order({"moco": [40.0], "mixup": [52.0]})
    (pair,) = [pair for pair in found.pairs if pair.verdict]
    assert pair.word == "not clear" and pair.verdict is not None
    assert pair.verdict.error == pytest.approx(math.sqrt(2 * 46 * 54 / 96))
    assert target.tally(order({"moco": [30.0], "mixup": [52.0]}).pairs)["seen"] == 1


def test_what_is_not_measured_is_no_verdict() -> None:
    found = order({"moco": [40.0, 41.0], "mixup": [52.0, 53.0]})
    assert target.tally(found.pairs) == {"seen": 0, "not clear": 1, "reversed": 0, "not measured": 9}
    few = rows(shown(made.run("table1", results=linear({"moco": [40.0]})), "table1"))
    assert [row[0].ours is None for row in few.values()] == [False, True, True, True, True]
    empty = shown(made.run("table1", results=[]), "table1")
    assert all(number.ours is None and number.experiment not in BASELINES for number in empty.numbers)
    assert {pair.word for one in empty.orders for pair in one.pairs} == {"not measured"}


@given(st.lists(st.integers(0, 96), min_size=10, max_size=10))
def test_every_pair_has_one_word_and_the_mirrored_numbers_the_opposite(hits: list[int]) -> None:
    names = ("moco", "mixup", "t-cutmix", "st-cutmix", "videomix")
    values = {name: [hits[2 * i] * 100 / 96, hits[2 * i + 1] * 100 / 96] for i, name in enumerate(names)}
    ours, mirrored = order(values), order({name: [100 - value for value in numbers] for name, numbers in values.items()})
    opposite = {"seen": "reversed", "reversed": "seen", "not clear": "not clear"}
    assert [opposite[pair.word] for pair in ours.pairs] == [pair.word for pair in mirrored.pairs]


def test_the_papers_name_of_an_experiment_finds_its_row() -> None:
    found = shown(made.run("table2"), "table2")
    for stream, printed in zip(found.streams, (46.8, 66.8, 68.1), strict=True):
        (first, _) = rows(found, stream)["moco-long"]
        assert (first.theirs, first.method) == (printed, "MoCo (Baseline)")
    of_rgb = rows(shown(made.run("table1"), "table1"))
    assert theirs(of_rgb["moco"]) == (38.2, 29.1) and theirs(of_rgb["mixup"]) == (49.6, 36.2)


def test_scale_is_said_once_where_it_is_common() -> None:
    run = made.run("table1")
    found = shown(run, "table1")
    assert found.common("rgb")[0] == "tested on UCF101 / toy" and "epochs 200 / 50" in found.common("rgb")
    assert all(own(found, row) == [] for row in rows(found).values())
    mixup = {"method": "moco", "streams": ["rgb"], "mixing": "mixup", "epochs": 60}
    found = shown(replace(run, params={**run.params, "experiments": {**run.params["experiments"], "mixup": mixup}}), "table1")
    assert not any(text.startswith("epochs") for text in found.common("rgb"))
    assert [own(found, rows(found)[name]) for name in ("moco", "mixup")] == [["epochs 200 / 50"], ["epochs 200 / 60"]]


def test_epochs_are_those_of_the_whole_chain() -> None:
    assert "epochs 500 / 74" in shown(made.run("table2"), "table2").common("rgb"), "50 and 2 x 12 with stages, 74 at a stretch"


def test_table_3_has_the_papers_own_rows_by_stream() -> None:
    found = shown(made.run("table3"), "table3")
    alone = {stream: rows(found, stream, alone=True) for stream in found.streams}
    assert list(alone["rgb"]) == ["OPN", "VCOP", "CoCLR-RGB", "CoCLR + STC-mix (RGB)"]
    assert theirs(alone["rgb"]["OPN"]) == (None, 59.6) and not alone["flow"]
    assert list(alone["rgb+flow"]) == ["ρBYOL†", "CoCLR", "CoCLR + STC-mix"]
    assert theirs(rows(found, "rgb+flow")["stc-mix"]) == (74.0, 87.5) and theirs(rows(found)["stc-mix"]) == (None, None)
    assert not found.orders, "one row has no order"
    assert all(number.ours is None for number in found.alone)


def test_table_4_shows_all_its_metrics_and_what_has_no_stream_apart() -> None:
    found = shown(made.run("table4"), "table4")
    assert [column.metric for column in found.columns] == ["R@1", "R@5", "R@10", "R@20"]
    assert theirs(rows(found, "rgb+flow")["stc-mix"]) == (58.1, 76.5, 83.4, 88.7)
    unplaced = list(dict.fromkeys(number.method for number in found.alone if number.stream == ""))
    assert unplaced[:3] == ["Jigsaw", "OPN", "RL-method"] and len(unplaced) == 7
    assert {number.stream for number in found.alone} == {"", "rgb+flow"}


def test_a_transfer_dataset_is_another_group_of_columns() -> None:
    """On toy stands UCF101, that the paper trains on, and on the other dataset HMDB51."""
    run = made.run("table1")
    experiments = run.params["targets"]["table1"]["experiments"]
    entry = {"name": "folder", "root": "x", "split": 1, "options": {}, "streams": ["rgb"]}
    other = made.results(experiments, ["rgb"], ["linear", "retrieval"], dataset="folder")
    both = replace(run, params={**run.params, "transfer": [entry]}, results=[*run.results, *other])
    found = shown(both, "table1")
    columns = [(column.dataset, column.task, column.printed.dataset if column.printed else None) for column in found.columns]
    assert columns == [
        ("toy", "linear", "ucf101"),
        ("toy", "retrieval", "ucf101"),
        ("folder", "linear", "hmdb51"),
        ("folder", "retrieval", "hmdb51"),
    ]
    assert theirs(rows(found)["moco"]) == (38.2, 29.1, 15.3, 9.8)
    lead = target.lead(target.comparison(both, "table1"))
    assert lead.startswith("On toy (96 test videos) and folder (96 test videos), of the paper's 40 pairs in Table 1, ")
    assert found.common("rgb")[:2] == ["tested on UCF101 / toy", "tested on HMDB51 / folder"]
    assert [one.column.dataset for one in found.orders] == ["toy", "toy", "folder", "folder"]
    unmeasured = shown(replace(both, results=run.results), "table1")
    assert all(row[2].ours is None for row in rows(unmeasured).values()), "a dataset without results is a column of dashes"


def test_the_papers_own_test_sets_stand_beside_themselves() -> None:
    run = made.run("table1")
    entry = {"name": "hmdb51", "root": "x", "split": 1, "options": {}, "streams": ["rgb"]}
    changed = {**run.params, "dataset": {**run.params["dataset"], "name": "ucf101"}, "transfer": [entry]}
    found = shown(replace(run, dataset="ucf101", params=changed, results=[]), "table1")
    assert all(column.printed and column.printed.dataset == column.dataset for column in found.columns)
    assert not any(text.startswith("tested on") for text in found.common("rgb"))


def test_a_dataset_that_is_not_measured_on_has_no_column() -> None:
    run = made.run("table1")
    entry = {"name": "hmdb51", "root": "x", "split": 1, "options": {}, "streams": ["rgb"]}
    chosen = {**run.params["evaluate"], "datasets": ["hmdb51"]}
    found = shown(replace(run, params={**run.params, "transfer": [entry], "evaluate": chosen}), "table1")
    assert {column.dataset for column in found.columns} == {"hmdb51"}


def test_crops_count_where_something_is_finetuned() -> None:
    run = made.run("table1")
    assert not any("crops" in text for text in shown(run, "table1").common("rgb"))


def test_a_target_of_another_name_has_no_paper_beside_it() -> None:
    found = target.comparison(made.run("mine"), "mine")
    assert found.printed is None and found.beside == "" and found.results is not None
    assert [column.metric for column in found.results.columns] == ["accuracy", "R@1"]
    assert not found.results.orders and not found.results.alone
    moco = rows(found.results)["moco"]
    assert moco[0].ours is not None and theirs(moco) == (None, None)


def test_an_unknown_target_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no target 'table9' in the params; known: table1, table2"):
        target.comparison(made.run("table1"), "table9")


def test_baselines_are_shown_where_they_were_measured() -> None:
    found = shown(made.run("table2"), "table2")
    first = {stream: [row[0].experiment for row in found.rows(stream)][:3] for stream in found.streams}
    assert first["rgb"] == ["handmade", "untrained", "moco-long"] and first["rgb+flow"] == ["untrained", "moco-long", "manifold-mixup"]
    column = found.columns[0]
    assert column.chance == 100 / 12 and column.tests == 96


def test_a_stream_without_rows_beside_the_paper_has_no_scale() -> None:
    assert shown(made.run("mine"), "mine").common("rgb") == []


def test_epochs_count_all_trainings_behind_an_encoder(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert beside.setting(run, "mixup", "rgb")["epochs"] == 6
    assert beside.setting(run, "stc-mix", "rgb+flow")["epochs"] == 6 + 2 * 3
    odd = {**run.params["experiments"], "stc-mix": {**run.params["experiments"]["stc-mix"], "stages": 3}}
    odd_run = replace(run, params={**run.params, "experiments": odd})
    assert beside.setting(odd_run, "stc-mix", "rgb+flow")["epochs"] == "12 and 9"
    assert "epochs" not in beside.setting(run, "untrained", "rgb")


def test_where_lower_is_better_the_papers_order_turns_round(errors: str) -> None:
    """A made-up table of errors: the paper's best is the smallest, and so is ours."""
    column = paper.Column("ucf101", errors, "error")
    errors_of = [
        paper.Row(name, [value], experiment=name, modality="rgb") for name, value in (("moco", 40.0), ("mixup", 30.0), ("videomix", 35.0))
    ]
    table = paper.Table("Table X", "errors", [column], errors_of, {"dataset": "ucf101"})
    results = [
        {**made.result(name, seed, "linear", {}), "task": errors, "values": {"rgb": {"error": value + seed}}}
        for name, value in (("moco", 80.0), ("mixup", 20.0), ("videomix", 90.0))
        for seed in (0, 1)
    ]
    found = beside.results(made.run("table1", results=results), made.target("results", "moco mixup videomix", "rgb", errors), table)
    (one,) = found.orders
    assert [(pair.above, pair.below, pair.theirs, pair.word, pair.neighbours) for pair in one.pairs] == [
        ("mixup", "videomix", (30.0, 35.0), "seen", True),
        ("mixup", "moco", (30.0, 40.0), "seen", False),
        ("videomix", "moco", (35.0, 40.0), "not clear", True),
    ]
    assert str(one.pairs[1]).startswith("mixup above moco (paper −10.0, here −60.0 ± ")


def test_a_stream_of_another_name_stands_beside_its_modality() -> None:
    run = made.run("table1")
    params = {**run.params, "streams": {**run.params["streams"], "small": {**run.params["streams"]["rgb"]}}}
    experiments = {
        name: {**recipe, "streams": ["small"]} for name, recipe in run.params["experiments"].items() if name in ("moco", "mixup")
    }
    small = made.target("results", "moco mixup", "small", "linear")
    found = beside.results(replace(run, params={**params, "experiments": experiments}, results=[]), small, paper.tables()[0])
    assert [theirs(row) for row in rows(found, "small").values()] == [(38.2,), (49.6,)] and {number.stream for number in found.alone} == {
        "small"
    }
