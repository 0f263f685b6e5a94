"""The tables of tubelet contrast as data, and a target beside one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata
from tests.conftest import REPOSITORY
from tests.report import made
from tests.report.test_run_page import Reader
from tests.report.test_target_data import alone, columns, rows, shown, theirs

from videossl.params import load
from videossl.report import paper, target_data, target_page
from videossl.report.finished_run import Run

PRESETS = ("mini-kinetics-tubelets", "kinetics400-tubelets")
COUNTING = ("ucf-rc", "counting", "mean error")


@pytest.fixture(scope="module")
def tables() -> dict[str, paper.Printed]:
    return dict(paper.source(paper.SOURCES["tubelets-"])["printed"])


def values(table: paper.Printed) -> dict[str, list[float | None]]:
    """The numbers of a table by method; the last of several of one name."""
    return {row.method: list(row.values.values()) for row in table.rows}


ABLATION = {"static": "48.2 28.2 40.1 84.1", "non-linear": "63.0 45.6 47.5 90.3", "tubelets": "65.5 48.0 47.9 90.9"}
BY_RECIPE = {
    "Table 5.2": {"temporal": "57.5 29.5 44.2 84.8", **ABLATION},
    "Table 5.3": {"static": ABLATION["static"], "linear": "55.5 34.6 45.3 88.5", "non-linear": ABLATION["non-linear"]},
    "Table 5.4": {
        "non-linear": "63.0 45.6 47.5 90.5",
        "scale": "65.1 46.5 47.0 90.5",
        "shear": "65.2 47.5 47.3 90.9",
        "tubelets": ABLATION["tubelets"],
    },
    "Table 5.5": {"one-tubelet": "62.0 39.5 47.1 89.5", "tubelets": ABLATION["tubelets"], "three-tubelets": "66.5 46.0 47.5 90.9"},
    "Table 5.6": {"temporal": "58.9 19.7 87.1 90.8", "tubelets": "30.0 34.1 91.0 92.8"},
    "Table C.3": {"": "61.4", "temporal": "64.1", "tubelets": "64.8"},
    "Table C.5": {
        "non-linear": "63.0 45.6",
        "scale": "65.1 46.5",
        "shear": "65.2 47.5",
        "tubelets": "65.5 48.0",
        "scale-shear": "65.2 46.0",
        "rotation-scale": "65.4 46.9",
        "rotation-shear": "65.3 45.7",
        "all-transformations": "65.6 46.0",
    },
    "Table C.6": {
        "non-linear": "63.0 45.6",
        "scale-less": "65.6 45.3",
        "scale": "65.1 46.5",
        "scale-more": "65.6 46.0",
        "shear-least": "64.4 47.5",
        "shear-less": "65.2 48.0",
        "shear": "65.2 47.5",
        "rotation-less": "65.2 49.3",
        "tubelets": "65.5 48.0",
        "rotation-more": "65.6 49.6",
    },
    "Table C.7": {"crops": "59.5 37.5 44.8 87.0", "tubelets": ABLATION["tubelets"]},
}


@pytest.mark.parametrize("number", BY_RECIPE)
def test_rows_by_recipe_are_those_of_the_source(tables: dict[str, paper.Printed], number: str) -> None:
    found = {row.experiment: list(row.values.values()) for row in tables[number].rows}
    assert found == {name: [float(value) for value in printed.split()] for name, printed in BY_RECIPE[number].items()}
    assert {row.modality for row in tables[number].rows} == {"rgb"}


def test_rows_of_other_methods_are_those_of_the_source(tables: dict[str, paper.Printed]) -> None:
    standard = values(tables["Table 5.7"])
    assert standard["GDT"] == [89.3, 60.0] and standard["This chapter†"] == [90.7, 65.0] and standard["This chapter"] == [91.0, 64.1]
    other = [(row.method, row.about["network"], *row.values.values()) for row in tables["Table C.2"].rows]
    assert other[0] == ("SpeedNet", "I3D", 66.7, 43.7) and other[4] == ("This chapter†", "I3D", 89.5, 64.0)
    assert other[15:] == [
        ("MSCL", "R3D-18", 90.7, 62.3),
        ("MaCLR", "R3D-18", 91.3, 62.1),
        ("This chapter†", "R3D-18", 88.8, 62.0),
        ("This chapter", "R3D-18", 90.1, 63.3),
    ]
    diving = {"Supervised": [84.5], "None": [81.1], "Temporal contrast (baseline)": [82.4], "This chapter†": [89.4], "This chapter": [89.0]}
    assert values(tables["Table C.1"]) == diving


def test_all_tables_are_there_in_full(tables: dict[str, paper.Printed]) -> None:
    counts = {number: len(table.rows) for number, table in tables.items()}
    numbers = "Table 5.2, Table 5.3, Table 5.4, Table 5.5, Table 5.6, Table 5.7, Table 5.8, Table C.1, Table C.2, Table C.3, Table C.5, Table C.6, Table C.7"
    assert counts == dict(zip(numbers.split(", "), (4, 3, 4, 3, 2, 13, 15, 5, 19, 3, 8, 10, 2), strict=True)) | {"Figure 5.6": 0}
    assert all(table.document == "thesis" and "no datasets of this project" in table.note for table in tables.values())
    names = [f"{prefix}{table.target}" for prefix, path in paper.SOURCES.items() for table in paper.source(path)["printed"].values()]
    assert len(set(names)) == len(names) and {"table1", "tubelets-table5.2", "tubelets-tableC.7", "tubelets-figure5.6"} <= set(names)
    assert [paper.printed(name) for name in ("table5.2", "tubelets-table1", "mine")] == [None] * 3


def of_severe(table: paper.Printed, *, larger_error_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """The means of table 5.8, and its mean ranks, by row: equal numbers share the better rank."""
    eight = np.array([list(row.values.values())[:8] for row in table.rows], float)
    counting = table.columns.index(COUNTING)
    worth = eight.copy()
    worth[:, counting] *= 1 if larger_error_first else -1
    eight[:, counting] = 100 * (1 - eight[:, counting])
    return eight.mean(axis=1), np.mean([rankdata(-column, "min") for column in worth.T], axis=0)


def test_means_and_ranks_of_the_benchmark_and_the_slips_in_them(tables: dict[str, paper.Printed]) -> None:
    table = tables["Table 5.8"]
    methods = [row.method for row in table.rows]
    printed = np.array([list(row.values.values())[8:] for row in table.rows], float)
    means, as_printed = of_severe(table, larger_error_first=True)
    _, right = of_severe(table, larger_error_first=False)
    apart = np.abs(means - printed[:, 0]) > 0.0501
    assert [method for method, slip in zip(methods, apart, strict=True) if slip] == ["VideoMAE"]
    assert round(float(means[methods.index("VideoMAE")]), 1) == 58.8
    assert np.abs(as_printed - printed[:, 1]).max() <= 0.0501, "with the larger error of counting first"
    assert right.tolist() == printed[:, 2].tolist()
    best = {method: float(rank) for method, rank in zip(methods, right, strict=True)}
    assert [best[method] for method in ("This chapter", "This chapter†", "Supervised")] == [3.75, 5.0, 2.375]
    assert [text in table.note for text in ("58.8, not 58.1", "larger error of counting ranks first", "+19.6 over TCLR")] == [True] * 3


def test_the_slips_of_the_text_are_said_where_the_table_is(tables: dict[str, paper.Printed]) -> None:
    standard, severe = values(tables["Table 5.7"]), values(tables["Table 5.8"])

    def over(numbers: dict[str, list[float | None]], other: str, column: int) -> float:
        ours, base = numbers["This chapter"][column], numbers[other][column]
        return round((ours or 0) - (base or 0), 1)

    assert over(standard, "FAME", 1) == 10.6 and "+9.6 over FAME; the table gives 10.6" in tables["Table 5.7"].note
    assert over(severe, "TCLR", 4) == 19.4 and "the table gives 19.4" in tables["Table 5.8"].note
    static = {number: tables[number].rows[place] for number, place in (("Table 5.3", 2), ("Table 5.4", 0))}
    assert [list(row.values.values())[3] for row in static.values()] == [90.3, 90.5] and "which has 90.3" in tables["Table 5.4"].note


def test_each_recipe_of_the_tables_is_in_a_preset(tables: dict[str, paper.Printed]) -> None:
    recipes = {name for preset in PRESETS for name in load.load(REPOSITORY / f"presets/{preset}.yaml")["experiments"]}
    assert {row.experiment for table in tables.values() for row in table.rows} - {""} <= recipes


def of_preset(name: str, target: str, accuracy: float = 40.0, **evaluate: Any) -> Run:
    """A run of a preset that measured what `target` names, on 96 test videos: each experiment a point above the one before."""
    params = load.load(REPOSITORY / f"presets/{name}.yaml")
    params = {**params, "evaluate": {**params["evaluate"], **evaluate}}
    chosen, results = params["targets"][target], []
    for place, experiment in enumerate(["untrained", *chosen["experiments"]]):
        for dataset in params["evaluate"]["datasets"]:
            for task in chosen["tasks"]:
                numbers = {stream: {"accuracy": accuracy + place} for stream in chosen["streams"]}
                results.append({**made.result(experiment, 0, "linear", {}, dataset), "task": task, "values": numbers})
    return replace(made.run("table1"), params=params, dataset=params["dataset"]["name"], results=results)


def test_a_target_stands_beside_the_table_that_it_is_named_after() -> None:
    run = of_preset(PRESETS[0], "tubelets-table5.2")
    found = shown(run, "tubelets-table5.2")
    assert (found["beside"], found["document"]) == ("Table 5.2", "thesis")
    few = [
        (dataset, "finetune-few", "accuracy", beside) for dataset, beside in (("ucf101", "ucf101"), ("hmdb51", None), ("diving48", None))
    ]
    assert columns(found) == few, "HMDB51 and Diving48 stand beside nothing, since UCF101 has its own"
    assert [row[0]["paper"] for row in rows(found).values()] == [57.5, 48.2, 63.0, 65.5]
    (order,) = found["orders"]
    assert len(order["pairs"]) == 6 and "and Diving48 (96 test videos), the thesis's 6 pairs: " in found["lead"]
    assert [row[0]["differs"] for row in rows(found).values()] == [["videos 85,000 / 20"]] * 4, "all else is the thesis's"


def test_the_page_speaks_of_the_thesis() -> None:
    run = of_preset(PRESETS[0], "tubelets-table5.2")
    record = target_data.record(run, "tubelets-table5.2")
    read = Reader(target_page.render(run, record))
    summary, results = read.text("summary"), read.text("results")
    assert "Table 5.2 of the thesis: Tubelet contrast beside temporal contrast" in summary and "paper" not in summary
    assert "thesis UCF101" in results and "Table 5.2 as the thesis prints it" in results and "SSv2-Sub" in results
    assert target_page.terminal(record).startswith("tubelets-table5.2: ours beside the thesis's Table 5.2")
    assert "the paper" not in target_page.terminal(record)


def test_numbers_of_counting_and_both_ranks_are_printed() -> None:
    run = of_preset(PRESETS[1], "tubelets-table5.8")
    read = Reader(target_page.render(run, target_data.record(run, "tubelets-table5.8"))).text("results")
    assert "This chapter rgb R(2+1)D-18 60.2 92.8 65.7 47.0 80.1 91.0 0.150 10.3 66.5 4.1 3.75" in read
    assert "VideoMAE – ViT-B 69.7 85.1 77.2 27.5 37.0 78.5 0.172 12.6 58.1 8.3 8.75" in read


@pytest.mark.parametrize(("name", "printed"), [(PRESETS[0], [90.7, 65.0]), (PRESETS[1], [91.0, 64.1])])
def test_of_two_rows_of_a_recipe_the_one_with_the_nearest_setting_stands_beside(name: str, printed: list[float]) -> None:
    found = shown(of_preset(name, "tubelets-table5.7"), "tubelets-table5.7")
    (row,) = rows(found).values()
    assert theirs(row)[:2] == tuple(printed) and row[0]["differs"][0].startswith("videos ")
    other = "This chapter" if name == PRESETS[0] else "This chapter†"
    assert other in alone(found, "rgb") and "VideoMoCo" in alone(found, "rgb"), "the other row is the thesis's alone"


def test_encoders_stand_beside_the_rows_of_their_own() -> None:
    found = shown(of_preset(PRESETS[0], "tubelets-tableC.2"), "tubelets-tableC.2")
    assert {stream: theirs(*rows(found, stream).values())[:2] for stream in ("i3d", "r3d")} == {"i3d": (89.5, 64.0), "r3d": (88.8, 62.0)}
    assert {number["paper_method"] for number in found["numbers"] if number["experiment"] == "tubelets-encoders"} == {"This chapter†"}
    assert list(alone(found, "i3d")) == ["SpeedNet", "DSM", "BE", "FAME", "This chapter"]
    assert next(iter(alone(found, "r3d"))) == "VideoMoCo" and "SpeedNet" not in alone(found, "r3d")


def test_kinetics_itself_stands_beside_table_c3() -> None:
    """It is measured on where evaluate.datasets names it, and the target is added."""
    run = of_preset(PRESETS[1], "tubelets-tableC.1", datasets=["kinetics400", "ucf101"])
    targets = {"tubelets-tableC.3": run.params["targets"]["tubelets-tableC.1"]}
    found = shown(replace(run, params={**run.params, "targets": targets}), "tubelets-tableC.3")
    assert [(dataset, beside) for dataset, _, _, beside in columns(found)] == [("kinetics400", "kinetics400"), ("ucf101", None)]
    assert [row[0]["paper"] for row in rows(found).values()] == [64.1, 64.8]


def test_a_figure_of_results_has_the_words_and_no_numbers_beside() -> None:
    run = of_preset(PRESETS[1], "tubelets-figure5.6")
    record = target_data.record(run, "tubelets-figure5.6")
    assert record["beside"] == "Figure 5.6" and not record["orders"] and not record["paper_alone"]
    read = Reader(target_page.render(run, record)).text("results")
    assert "The thesis’s words on Figure 5.6" in read and "as the thesis prints it" not in read
    assert "Share of the training videos that was read: tubelets-5 5 %" in record["lead"]


def test_a_small_run_stands_beside_the_thesis_and_says_what_differs() -> None:
    """Toy and S3D: nothing of the test sets is the same, so the first one stands beside."""
    params = made.params()
    recipes = {name: {"method": "moco", "streams": ["rgb"], "mixing": "none"} for name in ("temporal", "tubelets")}
    chosen = made.target("results", "temporal tubelets", "rgb", "finetune-few")
    params = {**params, "experiments": recipes, "targets": {"tubelets-table5.2": chosen}}
    results = [{**made.result(name, 0, "linear", {"rgb": 50.0}), "task": "finetune-few"} for name in recipes]
    found = shown(replace(made.run("table1"), params=params, results=results), "tubelets-table5.2")
    assert [theirs(row) for row in rows(found).values()] == [(57.5,), (65.5,)]
    differs = rows(found)["temporal"][0]["differs"]
    assert differs[:2] == ["tested on UCF101 / toy", "pretrained on Mini-Kinetics / toy"]
    assert "encoder r2plus1d-18 / not recorded" in differs
