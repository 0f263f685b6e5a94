"""The data of a target: columns, rows, the paper's numbers and scale, and where the paper's order is seen."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import made

from videossl.errors import InputError
from videossl.report import paired, paper, target_data
from videossl.report.finished_run import BASELINES, Run
from videossl.report.verdicts import RULE

NAMES = list(made.params()["targets"])
Row = tuple[dict[str, Any], ...]


def shown(run: Run, name: str) -> dict[str, Any]:
    return target_data.record(run, name)


def columns(record: dict[str, Any]) -> list[tuple[str, str, str, str | None]]:
    keys = ("dataset", "task", "metric", "paper_dataset")
    return list(dict.fromkeys(tuple(number[key] for key in keys) for number in record["numbers"]))  # type: ignore[arg-type]


def by_row(numbers: list[dict[str, Any]], key: str, stream: str | None) -> dict[str, Row]:
    here = [number for number in numbers if number["stream"] == stream]
    return {name: tuple(one for one in here if one[key] == name) for name in dict.fromkeys(one[key] for one in here)}


def rows(record: dict[str, Any], stream: str = "rgb") -> dict[str, Row]:
    """The rows of a stream by experiment, without the baselines."""
    return {name: row for name, row in by_row(record["numbers"], "experiment", stream).items() if name not in BASELINES}


def alone(record: dict[str, Any], stream: str | None) -> dict[str, Row]:
    """The rows of the paper alone, by method."""
    return by_row(record["paper_alone"], "method", stream)


def theirs(row: Row) -> tuple[float | None, ...]:
    return tuple(number["paper"] for number in row)


def linear(values: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Results of the linear probe on rgb, by experiment and seed, as they are."""
    return [
        {**made.result(name, seed, "linear", {}), "values": {"rgb": {"accuracy": value}}}
        for name, numbers in values.items()
        for seed, value in enumerate(numbers)
    ]


def order(values: dict[str, list[float]], name: str = "table1") -> dict[str, Any]:
    """The order of the linear probe."""
    found: dict[str, Any] = shown(made.run(name, results=linear(values)), name)["orders"][0]
    return found


def pair(pairs: list[dict[str, Any]], above: str, below: str) -> dict[str, Any]:
    (found,) = [one for one in pairs if (one["above"], one["below"]) == (above, below)]
    return found


KEYS = "artefacts beside charts dataset design document lead numbers orders paper_alone remarks rule seeds show sources target"
OF_NUMBERS = "chance classes dataset differs experiment mean metric paper paper_dataset paper_method sd seeds stream task test_videos train_videos values"
OF_PAIRS = "above below detectable difference level neighbours p paired paper paper_difference standard_error threshold verdict"


@pytest.mark.parametrize("name", NAMES)
def test_the_data_has_its_keys_and_is_the_same_twice(name: str) -> None:
    run = made.run(name)
    turned = replace(run, results=run.results[::-1], progress=run.progress[::-1], histories=run.histories[::-1])
    first, second = (json.dumps(shown(one, name), sort_keys=True, allow_nan=False) for one in (run, turned))
    assert first == second, "the order of the files does not matter"
    record = json.loads(first)
    assert sorted(record) == KEYS.split() and record["target"] == name and record["rule"] == RULE
    for keys, items in (
        (OF_NUMBERS, record["numbers"]),
        (OF_PAIRS, [pair for item in (*record["orders"], *record["charts"]) for pair in item["pairs"]]),
        ("counts dataset metric pairs paper_dataset stream task", record["orders"]),
        ("dataset method metric paper paper_dataset stream task", record["paper_alone"]),
        ("chance courses dataset metric pairs stream task test_videos", record["charts"]),
        ("experiment points trainings", [course for chart in record["charts"] for course in chart["courses"]]),
    ):
        assert {" ".join(sorted(item)) for item in items} <= {keys}


def test_what_is_no_finite_number_is_null() -> None:
    """Its page is in test_target_page.py."""
    run = made.run("figure3", (0,))
    broken = [{**one, "epochs": [{**row, "loss": math.nan} for row in one["epochs"]]} for one in run.histories]
    loss, accuracy = shown(replace(run, histories=broken), "figure3")["charts"]
    assert loss["courses"][0]["points"][0]["mean"] is None and accuracy["pairs"][0]["standard_error"] is None


def test_pairs_of_table_1_by_hand() -> None:
    """The paper's order of UCF101 is mixup 49.6, videomix 45.5, t-cutmix 41.7, moco 38.2, st-cutmix 19.8."""
    found = order(
        {"moco": [10.0, 12.0], "mixup": [70.0, 72.0], "t-cutmix": [41.0, 41.0], "st-cutmix": [70.5, 71.5], "videomix": [41.0, 43.0]}
    )
    assert (found["stream"], found["task"], found["paper_dataset"]) == ("rgb", "linear", "ucf101")
    words = {(pair["above"], pair["below"]): pair["verdict"] for pair in found["pairs"]}
    assert len(words) == 10
    assert words["mixup", "videomix"] == "seen" and words["t-cutmix", "moco"] == "seen"
    assert words["mixup", "st-cutmix"] == "not clear", "the same mean"
    assert words["videomix", "t-cutmix"] == "not clear", "a point of 96 videos"
    assert words["videomix", "st-cutmix"] == words["t-cutmix", "st-cutmix"] == words["moco", "st-cutmix"] == "reversed"
    assert found["counts"] == target_data.tally(found["pairs"]) == {"seen": 5, "not clear": 2, "reversed": 3, "not measured": 0}
    assert target_data.tally_said(found["pairs"]) == "the paper's 10 pairs: 5 seen, 2 not clear, 3 reversed, 0 not measured"
    first = pair(found["pairs"], "mixup", "videomix")
    assert first["paper"] == [49.6, 45.5] and first["paper_difference"] == pytest.approx(4.1)
    variance = 2 * 56.5 * 43.5 / 96 + 2 / 2 + 2 / 2
    assert first["difference"] == 29.0 and first["standard_error"] == pytest.approx(math.sqrt(variance))


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
    params = {**made.params(), "dataset": {"name": dataset, "split": split, "root": "", "options": {}}}
    test_set = paper.test_set(params, dataset)
    results = [{**made.result(name, 0, "linear", {}, test_set), "values": values} for name in names]
    run = replace(made.run("table5", results=results), params=params, dataset=test_set)
    found = shown(run, "table5")
    assert columns(found) == [(protocol if dataset == "ntu60" else "toy", "linear", "accuracy", protocol)]
    fused = rows(found, "joint+motion")
    assert [theirs(row) for row in fused.values()] == [(number,) for number in printed]
    (first,) = fused["moco-skeleton"]
    assert first["paper_method"] == "SkeletonCLR* (Baseline)" and first["values"] == [60.0]
    assert any("tested on" in text for text in first["differs"]) == (dataset == "toy")
    assert len(found["orders"][-1]["pairs"]) == 6
    assert paper.dataset_name(run.dataset) in found["lead"]


def test_neighbours_follow_the_paper_from_best_to_worst() -> None:
    found = order({name: [50.0] for name in ("moco", "mixup", "t-cutmix", "st-cutmix", "videomix")})
    neighbours = [(pair["above"], pair["below"]) for pair in found["pairs"] if pair["neighbours"]]
    assert neighbours == [("mixup", "videomix"), ("videomix", "t-cutmix"), ("t-cutmix", "moco"), ("moco", "st-cutmix")]


def test_ties_of_the_paper_are_no_pairs() -> None:
    """Flow, linear probe: CM mixup and CM cutmix (s) both have 70.4; both are neighbours of what is above and below."""
    found = shown(made.run("table2"), "table2")
    (flow,) = [one for one in found["orders"] if (one["stream"], one["task"]) == ("flow", "linear")]
    names = {frozenset((pair["above"], pair["below"])) for pair in flow["pairs"]}
    assert len(flow["pairs"]) == 20 and frozenset(("cm-mixup", "cm-cutmix-s")) not in names
    near = {(pair["above"], pair["below"]) for pair in flow["pairs"] if pair["neighbours"]}
    assert {("cm-cutmix-stc", "cm-mixup"), ("cm-cutmix-stc", "cm-cutmix-s"), ("cm-mixup", "manifold-mixup")} <= near


def test_one_seed_has_the_errors_of_the_test_videos_alone() -> None:
    found = order({"moco": [40.0], "mixup": [52.0]})
    (one,) = [pair for pair in found["pairs"] if pair["difference"] is not None]
    assert one["verdict"] == "not clear" and one["standard_error"] == pytest.approx(math.sqrt(2 * 46 * 54 / 96))
    assert order({"moco": [30.0], "mixup": [52.0]})["counts"]["seen"] == 1


def test_what_is_not_measured_is_no_verdict() -> None:
    found = order({"moco": [40.0, 41.0], "mixup": [52.0, 53.0]})
    assert found["counts"] == {"seen": 0, "not clear": 1, "reversed": 0, "not measured": 9}
    few = rows(shown(made.run("table1", results=linear({"moco": [40.0]})), "table1"))
    assert [row[0]["mean"] is None for row in few.values()] == [False, True, True, True, True]
    empty = shown(made.run("table1", results=[]), "table1")
    assert all(number["mean"] is None and number["experiment"] not in BASELINES for number in empty["numbers"])
    assert {pair["verdict"] for one in empty["orders"] for pair in one["pairs"]} == {"not measured"}
    assert empty["numbers"][0]["test_videos"] == 0 and few["mixup"][0]["test_videos"] == 96


@given(st.lists(st.integers(0, 96), min_size=10, max_size=10))
def test_every_pair_has_one_word_and_the_mirrored_numbers_the_opposite(hits: list[int]) -> None:
    names = ("moco", "mixup", "t-cutmix", "st-cutmix", "videomix")
    values = {name: [hits[2 * i] * 100 / 96, hits[2 * i + 1] * 100 / 96] for i, name in enumerate(names)}
    ours, mirrored = order(values), order({name: [100 - value for value in numbers] for name, numbers in values.items()})
    opposite = {"seen": "reversed", "reversed": "seen", "not clear": "not clear"}
    assert [opposite[pair["verdict"]] for pair in ours["pairs"]] == [pair["verdict"] for pair in mirrored["pairs"]]


def test_the_papers_name_of_an_experiment_finds_its_row() -> None:
    found = shown(made.run("table2"), "table2")
    for stream, printed in zip(("rgb", "flow", "rgb+flow"), (46.8, 66.8, 68.1), strict=True):
        (first, _) = rows(found, stream)["moco-long"]
        assert (first["paper"], first["paper_method"]) == (printed, "MoCo (Baseline)")
    of_rgb = rows(shown(made.run("table1"), "table1"))
    assert theirs(of_rgb["moco"]) == (38.2, 29.1) and theirs(of_rgb["mixup"]) == (49.6, 36.2)


def differs(record: dict[str, Any], experiment: str = "moco", stream: str = "rgb") -> list[str]:
    found: list[str] = rows(record, stream)[experiment][0]["differs"]
    return found


def test_what_differs_in_scale_is_said_of_each_row() -> None:
    run = made.run("table1")
    assert differs(shown(run, "table1"))[:2] == ["tested on UCF101 / toy", "pretrained on UCF101 / toy"]
    assert {"videos 9,537 / 20", "epochs 200 / 50"} <= set(differs(shown(run, "table1")))
    mixup = {"method": "moco", "streams": ["rgb"], "mixing": "mixup", "epochs": 60}
    found = shown(replace(run, params={**run.params, "experiments": {**run.params["experiments"], "mixup": mixup}}), "table1")
    assert "epochs 200 / 50" in differs(found, "moco") and "epochs 200 / 60" in differs(found, "mixup")


def test_epochs_are_those_of_the_whole_chain() -> None:
    found = shown(made.run("table2"), "table2")
    for experiment in ("moco-long", "stc-mix"):
        assert "epochs 500 / 74" in differs(found, experiment), "50 and 2 x 12 with stages, 74 at a stretch"


def test_table_3_has_the_papers_own_rows_by_stream() -> None:
    found = shown(made.run("table3"), "table3")
    apart = {stream: alone(found, stream) for stream in ("rgb", "flow", "rgb+flow")}
    assert list(apart["rgb"]) == ["OPN", "VCOP", "CoCLR-RGB", "CoCLR + STC-mix (RGB)"]
    assert theirs(apart["rgb"]["OPN"]) == (None, 59.6) and not apart["flow"]
    assert list(apart["rgb+flow"]) == ["ρBYOL†", "CoCLR", "CoCLR + STC-mix"]
    assert theirs(rows(found, "rgb+flow")["stc-mix"]) == (74.0, 87.5) and theirs(rows(found)["stc-mix"]) == (None, None)
    assert not found["orders"], "one row has no order"
    assert found["lead"] == "On toy (96 test videos). Mean ± sample standard deviation of the seeds 0, 1, 2."


def test_table_4_shows_all_its_metrics_and_what_has_no_stream_apart() -> None:
    found = shown(made.run("table4"), "table4")
    assert [metric for _, _, metric, _ in columns(found)] == ["R@1", "R@5", "R@10", "R@20"]
    assert theirs(rows(found, "rgb+flow")["stc-mix"]) == (58.1, 76.5, 83.4, 88.7)
    unplaced = list(alone(found, None))
    assert unplaced[:3] == ["Jigsaw", "OPN", "RL-method"] and len(unplaced) == 7
    assert {number["stream"] for number in found["paper_alone"]} == {None, "rgb+flow"}


def test_a_transfer_dataset_is_another_group_of_columns() -> None:
    """On toy stands UCF101, that the paper trains on, and on the other dataset HMDB51."""
    run = made.run("table1")
    experiments = run.params["targets"]["table1"]["experiments"]
    entry = {"name": "folder", "root": "x", "split": 1, "options": {}, "streams": ["rgb"]}
    other = made.results(experiments, ["rgb"], ["linear", "retrieval"], dataset="folder")
    both = replace(run, params={**run.params, "transfer": [entry]}, results=[*run.results, *other])
    found = shown(both, "table1")
    assert [(dataset, task, printed) for dataset, task, _, printed in columns(found)] == [
        ("toy", "linear", "ucf101"),
        ("toy", "retrieval", "ucf101"),
        ("folder", "linear", "hmdb51"),
        ("folder", "retrieval", "hmdb51"),
    ]
    assert theirs(rows(found)["moco"]) == (38.2, 29.1, 15.3, 9.8)
    assert found["lead"].startswith("On toy (96 test videos) and folder (96 test videos), the paper's 40 pairs: ")
    assert differs(found)[:2] == ["tested on UCF101 / toy", "tested on HMDB51 / folder"]
    assert [one["dataset"] for one in found["orders"]] == ["toy", "toy", "folder", "folder"]
    unmeasured = shown(replace(both, results=run.results), "table1")
    assert all(row[2]["mean"] is None for row in rows(unmeasured).values()), "a dataset without results is a column of dashes"


def test_the_papers_own_test_sets_stand_beside_themselves() -> None:
    run = made.run("table1")
    entry = {"name": "hmdb51", "root": "x", "split": 1, "options": {}, "streams": ["rgb"]}
    changed = {**run.params, "dataset": {**run.params["dataset"], "name": "ucf101"}, "transfer": [entry]}
    found = shown(replace(run, dataset="ucf101", params=changed, results=[]), "table1")
    assert all(ours == printed for ours, _, _, printed in columns(found))
    assert not any(text.startswith("tested on") for text in differs(found))


def test_a_dataset_that_is_not_measured_on_has_no_column() -> None:
    run = made.run("table1")
    entry = {"name": "hmdb51", "root": "x", "split": 1, "options": {}, "streams": ["rgb"]}
    chosen = {**run.params["evaluate"], "datasets": ["hmdb51"]}
    found = shown(replace(run, params={**run.params, "transfer": [entry], "evaluate": chosen}), "table1")
    assert {dataset for dataset, _, _, _ in columns(found)} == {"hmdb51"}


def test_crops_count_where_something_is_finetuned() -> None:
    run = made.run("table1")
    assert not any("crops" in text for text in differs(shown(run, "table1")))
    assert "crops 10 / 2" in differs(shown(made.run("table3"), "table3"), "stc-mix", "rgb+flow")


def test_a_target_of_another_name_has_no_paper_beside_it() -> None:
    found = shown(made.run("mine"), "mine")
    assert found["beside"] is None and not found["orders"] and not found["paper_alone"]
    assert [(metric, printed) for _, _, metric, printed in columns(found)] == [("accuracy", None), ("R@1", None)]
    moco = rows(found)["moco"]
    assert moco[0]["mean"] is not None and theirs(moco) == (None, None) and moco[0]["differs"] == []


def test_an_unknown_target_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no target 'table9' in the params; known: table1, table2"):
        shown(made.run("table1"), "table9")


def test_baselines_are_shown_where_they_were_measured() -> None:
    found = shown(made.run("table2"), "table2")
    first = {stream: list(by_row(found["numbers"], "experiment", stream))[:3] for stream in ("rgb", "rgb+flow")}
    assert first == {"rgb": ["handmade", "untrained", "moco-long"], "rgb+flow": ["untrained", "moco-long", "manifold-mixup"]}
    assert (found["numbers"][0]["chance"], found["numbers"][0]["test_videos"]) == (100 / 12, 96)


def test_epochs_count_all_trainings_behind_an_encoder(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert target_data.setting(run, "mixup", "rgb")["epochs"] == 6
    assert target_data.setting(run, "stc-mix", "rgb+flow")["epochs"] == 6 + 2 * 3
    odd = {**run.params["experiments"], "stc-mix": {**run.params["experiments"]["stc-mix"], "stages": 3}}
    odd_run = replace(run, params={**run.params, "experiments": odd})
    assert target_data.setting(odd_run, "stc-mix", "rgb+flow")["epochs"] == "12 and 9"
    assert "epochs" not in target_data.setting(run, "untrained", "rgb")


def test_a_share_of_the_videos_is_said_and_counts_at_its_largest_along_a_chain(make_run: Callable[..., Run]) -> None:
    """A smaller share is a part of a larger one, so an encoder has seen as many videos as the largest has."""
    run = make_run()
    recipes = run.params["experiments"]

    def videos(**shares: float) -> list[Any]:
        changed = {name: {**recipe, "videos": shares.get(name.replace("-", "_"), 1)} for name, recipe in recipes.items()}
        odd = replace(run, params={**run.params, "experiments": changed})
        return [
            odd.shares_said(["untrained", "mixup", "stc-mix"]),
            *(target_data.setting(odd, name, "rgb")["videos"] for name in ("mixup", "stc-mix")),
        ]

    assert videos() == ["", 20, 20] and run.shares_said(["mixup"]) == ""
    assert videos(mixup=0.25) == ["Share of the training videos that was read: mixup 25 %.", 5, 20]
    assert videos(mixup=0.25, stc_mix=0.05) == ["Share of the training videos that was read: mixup 25 %, stc-mix 5 %.", 5, 5]


def test_where_lower_is_better_the_papers_order_turns_round(errors: str) -> None:
    """A made-up table of errors: the paper's best is the smallest, and so is ours."""
    column = ("ucf101", errors, "error")
    errors_of = [
        paper.Row(name, {column: value}, experiment=name, modality="rgb")
        for name, value in (("moco", 40.0), ("mixup", 30.0), ("videomix", 35.0))
    ]
    table = paper.Printed("Table X", "errors", {"dataset": "ucf101"}, [column], errors_of)
    results = [
        {**made.result(name, seed, "linear", {}), "task": errors, "values": {"rgb": {"error": value + seed}}}
        for name, value in (("moco", 80.0), ("mixup", 20.0), ("videomix", 90.0))
        for seed in (0, 1)
    ]
    chosen = made.target("results", "moco mixup videomix", "rgb", errors)
    (one,) = target_data.results(made.run("table1", results=results), chosen, table)["orders"]
    assert [(pair["above"], pair["below"], pair["paper"], pair["verdict"], pair["neighbours"]) for pair in one["pairs"]] == [
        ("mixup", "videomix", [30.0, 35.0], "seen", True),
        ("mixup", "moco", [30.0, 40.0], "seen", False),
        ("videomix", "moco", [35.0, 40.0], "not clear", True),
    ]
    assert (one["pairs"][1]["paper_difference"], one["pairs"][1]["difference"]) == (-10.0, -60.0)


def test_a_stream_of_another_name_stands_beside_its_modality() -> None:
    run = made.run("table1")
    params = {**run.params, "streams": {**run.params["streams"], "small": {**run.params["streams"]["rgb"]}}}
    experiments = {
        name: {**recipe, "streams": ["small"]} for name, recipe in run.params["experiments"].items() if name in ("moco", "mixup")
    }
    small = made.target("results", "moco mixup", "small", "linear")
    other = replace(run, params={**params, "experiments": experiments}, results=[])
    found = target_data.results(other, small, paper.source()["printed"]["Table 1"])
    assert [theirs(row) for row in rows(found, "small").values()] == [(38.2,), (49.6,)]
    assert {number["stream"] for number in found["paper_alone"]} == {"small"}


def test_numbers_by_hand() -> None:
    results = [{**made.result("mixup", seed, "linear", {}), "values": {"rgb": {"accuracy": 30.0 + seed}}} for seed in (2, 0, 1)]
    found = rows(shown(made.run("table1", results=results), "table1"))
    mixup, moco = found["mixup"][0], found["moco"][0]
    assert [mixup[key] for key in ("seeds", "values", "mean", "sd")] == [[0, 1, 2], [30.0, 31.0, 32.0], 31.0, 1.0]
    assert (mixup["paper"], mixup["paper_dataset"], mixup["paper_method"], mixup["test_videos"]) == (49.6, "ucf101", "+ Mixup", 96)
    assert [moco[key] for key in ("values", "mean", "sd", "paper")] == [[], None, None, 38.2]


def test_a_pair_is_clear_above_its_threshold() -> None:
    orders = shown(made.run("table1"), "table1")["orders"]
    assert [(one["stream"], one["task"], sum(one["counts"].values()), len(one["pairs"])) for one in orders] == [
        ("rgb", "linear", 10, 10),
        ("rgb", "retrieval", 10, 10),
    ]
    for one in orders[0]["pairs"]:
        clear = abs(one["difference"]) > one["threshold"]
        assert clear == (one["p"] <= one["level"]) and one["detectable"] > one["threshold"] and one["paired"] == "unpaired"
        assert one["verdict"] == ("not clear" if not clear else "seen" if one["difference"] > 0 else "reversed")
        assert one["paper_difference"] == pytest.approx(one["paper"][0] - one["paper"][1]) and one["paper_difference"] > 0


RIGHT = {"mixup": (60, 62), "videomix": (30, 33), "t-cutmix": (29, 30), "moco": (20, 21), "st-cutmix": (10, 12)}


def with_hits(right: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    """Results of the linear probe on rgb: each experiment has the first so many of 96 test videos right, by seed."""
    return [
        {
            **made.result(name, seed, "linear", {}),
            "values": {"rgb": {"accuracy": 100 * number / 96}},
            "hits": {"videos": "96 of them", "streams": {"rgb": {"accuracy": "1" * number + "0" * (96 - number)}}},
        }
        for name, numbers in right.items()
        for seed, number in enumerate(numbers)
    ]


def test_pairs_with_hits_are_paired_over_seeds_and_videos() -> None:
    record = shown(made.run("table1", results=with_hits(RIGHT)), "table1")
    found = {(pair["above"], pair["below"]): pair for pair in record["orders"][0]["pairs"]}
    assert {pair["paired"] for pair in found.values()} == {"seeds and videos"} and not any("hits" in number for number in record["numbers"])
    one = found["mixup", "videomix"]
    table = np.zeros((2, 96))
    table[0, 30:60], table[1, 33:62] = 1, 1
    test = paired.of_seeds_and_videos(table)
    assert (one["standard_error"], one["p"]) == (test.error, test.p) and one["verdict"] == "seen"
    assert one["threshold"] == test.threshold(one["level"]) < one["detectable"] and 0.05 / 10 <= one["level"] <= 0.05
    unpaired = shown(made.run("table1", results=[{**one, "hits": {}} for one in with_hits(RIGHT)]), "table1")["orders"][0]["pairs"]
    assert {pair["paired"] for pair in unpaired} == {"unpaired"}
    assert record["orders"][0]["counts"]["seen"] > target_data.tally(unpaired)["seen"], "pairing sees more"


def test_the_levels_are_holms_over_all_pairs_of_the_target() -> None:
    """Of twenty pairs, ten of them not measured, ten count."""
    record = shown(made.run("table1", results=with_hits(RIGHT)), "table1")
    pairs = [pair for one in record["orders"] for pair in one["pairs"] if pair["verdict"] != "not measured"]
    assert [pair["level"] for pair in pairs] == paired.levels([pair["p"] for pair in pairs]) and len(pairs) == 10


def test_the_design_says_how_small_a_difference_would_be_seen() -> None:
    record = shown(made.run("table1", results=with_hits(RIGHT)), "table1")
    sizes = sorted(pair["threshold"] for pair in record["orders"][0]["pairs"])
    median = (sizes[4] + sizes[5]) / 2
    assert record["design"].startswith(
        "Compared paired over seeds and videos: 10."
        f" A difference is clear above {median:.1f} points (median; {sizes[0]:.1f} to {sizes[-1]:.1f}); with a probability of 80% one of "
    )
    one_seed = shown(made.run("table1", results=with_hits({name: numbers[:1] for name, numbers in RIGHT.items()})), "table1")
    assert one_seed["design"].startswith("Compared paired over the videos of one seed: 10. A difference is clear above ")
    assert shown(made.run("table1", results=[]), "table1")["design"] == ""
    few = [{**one, "hits": {"videos": "2", "streams": {"rgb": {"accuracy": "10"}}}} for one in with_hits({"moco": (1,), "mixup": (2,)})]
    assert "No difference could have been clear" in shown(made.run("table1", results=few), "table1")["design"]


# Figures.


def test_points_of_the_data() -> None:
    linear, retrieval = shown(made.run("figure2"), "figure2")["charts"]
    stc = linear["courses"][3]
    assert stc["experiment"] == "stc-mix" and [point["epoch"] for point in stc["points"]] == [0, 10, 20, 30, 40, 50, 56, 62, 68, 74]
    assert all(point["seeds"] == [0, 1, 2] and len(point["values"]) == 3 for point in stc["points"])
    assert stc["trainings"][0] == {"experiment": "mixup", "training": "rgb", "start": 0, "stop": 50}
    assert len(linear["pairs"]) == 3
    assert retrieval["pairs"] == [] and (retrieval["task"], retrieval["metric"]) == ("retrieval", "R@1"), "the paper says nothing of it"


def test_what_the_paper_says_of_the_ends_is_judged() -> None:
    def words(ends: dict[tuple[str, str], tuple[int, float]]) -> dict[tuple[str, str], str]:
        progress = [
            made.progress(owner, seed, training, [epoch], [value]) for (owner, training), (epoch, value) in ends.items() for seed in (0, 1)
        ]
        pairs = shown(made.run("figure2", progress=progress, results=[], histories=[]), "figure2")["charts"][0]["pairs"]
        assert all(pair["paper"] is None for pair in pairs)
        return {(pair["above"], pair["below"]): pair["verdict"] for pair in pairs}

    mixed = {("mixup", "rgb"): (50, 50.0), ("stc-mix", "rgb-2"): (12, 50.0), ("stc-mix-once", "rgb-1"): (24, 75.0)}
    assert words({("moco-long", "rgb"): (74, 25.0), ("mixup-long", "rgb"): (74, 50.0), **mixed}) == {
        ("stc-mix", "moco-long"): "seen",
        ("stc-mix", "mixup-long"): "not clear",
        ("stc-mix", "stc-mix-once"): "reversed",
    }
    assert set(words({("moco-long", "rgb"): (74, 25.0)}).values()) == {"not measured"}


def test_figure_3_by_hand() -> None:
    """Accuracy of the last epochs: moco-long 50 and 52, stc-mix 40 and 42.5; the differences 10 and 9.5 by seed have a deviation of 0.5 / 2^0.5."""

    def histories(owner: str, training: str, epochs: int, ends: tuple[float, float]) -> list[dict[str, object]]:
        rows = [[{"loss": 1.0 + seed, "accuracy": end}] * epochs for seed, end in enumerate(ends)]
        return [{"experiment": owner, "seed": seed, "training": training, "epochs": row} for seed, row in enumerate(rows)]

    found = [*histories("moco-long", "rgb", 74, (50.0, 52.0)), *histories("mixup", "rgb", 50, (30.0, 30.0))]
    found += [*histories("stc-mix", "rgb-1", 12, (35.0, 35.0)), *histories("stc-mix", "rgb-2", 12, (40.0, 42.5))]
    loss, accuracy = shown(made.run("figure3", histories=found), "figure3")["charts"]
    (one,) = accuracy["pairs"]
    assert one["verdict"] == "seen" and one["difference"] == 9.75 and one["standard_error"] == pytest.approx(0.25)
    assert loss["pairs"] == [] and [point["epoch"] for point in loss["courses"][1]["points"]] == list(range(1, 75))
    assert loss["courses"][0]["points"][0]["values"] == [1.0, 2.0]


def test_one_seed_cannot_be_judged_in_training() -> None:
    (one,) = shown(made.run("figure3", (0,)), "figure3")["charts"][1]["pairs"]
    assert one["verdict"] == "not clear" and one["standard_error"] is None and one["difference"] is not None


def test_a_number_that_no_training_has_is_no_chart() -> None:
    run = made.run("figure3")
    bare = [{**one, "epochs": [{"epoch": row["epoch"], "loss": row["loss"]} for row in one["epochs"]]} for one in run.histories]
    (chart,) = shown(replace(run, histories=bare), "figure3")["charts"]
    assert (chart["metric"], chart["pairs"]) == ("loss", []) and all(course["points"] for course in chart["courses"])


def test_the_lead_counts_the_pairs() -> None:
    lead = shown(made.run("figure2", (0,)), "figure2")["lead"]
    assert lead == "On toy, the paper's 3 pairs: 0 seen, 3 not clear, 0 reversed, 0 not measured. One seed (0), no spread."
