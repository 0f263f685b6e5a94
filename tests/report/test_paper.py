"""The paper's tables as data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.conftest import REPOSITORY

from videossl.errors import InputError
from videossl.report import paper


@pytest.fixture(scope="module")
def tables() -> dict[str, paper.Printed]:
    return {number: table for number, table in paper.source()["printed"].items() if table.rows}


@pytest.mark.parametrize(
    ("number", "method", "modality", "values"),
    [
        ("Table 1", "+ ST cutmix", "rgb", [19.8, 14.3, 32.6, 14.3]),
        ("Table 2", "MoCo (Baseline)", "flow", [66.8, 30.3, 45.2, 20.8]),
        ("Table 3", "OPN", "rgb", [None, None, 59.6, 23.8]),
        ("Table 3", "CoCLR + STC-mix", "rgb+flow", [74.7, 40.8, 87.9, 59.0]),
        ("Table 4", "STC-mix", "rgb+flow", [58.1, 76.5, 83.4, 88.7, 27.1, 50.7, 65.1, 77.1]),
        ("Table 5", "CMMC (2s-Skeleton)", "joint+motion", [75.2, 83.1]),
        ("Table 6", "STC-mix", "rgb+joint", [91.4, 95.1]),
        ("Table 7", "STC-mix†", "rgb+flow", [96.9, 75.4]),
    ],
)
def test_rows_are_those_of_the_source(
    tables: dict[str, paper.Printed], number: str, method: str, modality: str, values: list[float | None]
) -> None:
    (row,) = [r for r in tables[number].rows if (r.method, r.modality) == (method, modality)]
    assert list(row.values.values()) == values


def test_table_2_ends_each_modality_with_stc_mix(tables: dict[str, paper.Printed]) -> None:
    found = {row.modality: list(row.values.values()) for row in tables["Table 2"].rows if row.experiment == "stc-mix"}
    assert found == {
        "rgb": [55.8, 28.3, 42.8, 19.1],
        "flow": [72.4, 34.9, 53.9, 23.1],
        "rgb+flow": [74.0, 38.1, 58.1, 27.1],
    }


def test_all_tables_are_there_in_full(tables: dict[str, paper.Printed]) -> None:
    counts = {number: len(table.rows) for number, table in tables.items() if number.startswith("Table")}
    assert counts == {f"Table {i}": n for i, n in enumerate((5, 21, 8, 9, 9, 7, 11), 1)}


def test_the_poster_repeats_the_paper(tables: dict[str, paper.Printed]) -> None:
    """Two transcriptions of the same numbers, each printed in both sources, guard each other."""

    poster = {
        name: {tuple(row["values"]) for row in rows}
        for name, rows in yaml.safe_load((REPOSITORY / "tests/report/poster.yaml").read_text(encoding="utf-8")).items()
    }

    def flat(number: str) -> set[tuple[float | None, ...]]:
        return {tuple(row.values.values()) for row in tables[number].rows}

    assert poster["strategies"] <= flat("Table 2")
    assert poster["skeletons"] == flat("Table 5")
    assert poster["classification"] == flat("Table 3")
    assert poster["retrieval"] == {tuple(row.values.values())[:4] for row in tables["Table 4"].rows}
    assert {values[0] for values in poster["RGB and pose"]} == {values[0] for values in flat("Table 6")}


def test_numbers_are_percentages_and_recall_grows_with_k(tables: dict[str, paper.Printed]) -> None:
    for table in tables.values():
        for row in table.rows:
            assert all(value is None or 0 < value < 100 for value in row.values.values()), (table.number, row)
    for row in tables["Table 4"].rows:
        for part in (list(row.values.values())[:4], list(row.values.values())[4:]):
            numbers = [value for value in part if value is not None]
            assert numbers == sorted(numbers), row


def test_what_the_figures_show_is_said_of_known_recipes() -> None:
    two, three = (figure for figure in paper.source()["printed"].values() if not figure.rows)
    assert (two.number, three.number) == ("Figure 2", "Figure 3") and len(two.found) == 4 and len(three.found) == 2
    assert [(claim["above"], claim["below"]) for claim in two.order] == [
        ("stc-mix", "moco"),
        ("stc-mix", "mixup"),
        ("stc-mix", "stc-mix-once"),
    ]
    assert [list(claim.values()) for claim in three.order] == [["moco", "stc-mix", "training", "accuracy"]]
    assert two.setting["epochs"] == 500 and three.setting["epochs"] is None


def test_differences_of_scale() -> None:
    theirs = {"dataset": "ucf101", "videos": 9537, "epochs": None, "width": 1.0}
    ours = {"dataset": "toy", "videos": 9537, "epochs": 12, "width": 1}
    assert paper.differences(theirs, ours) == ["pretrained on UCF101 / toy", "epochs not stated / 12"]
    assert paper.differences({"queue": 2048}, {}) == ["queue 2,048 / not recorded"]
    assert paper.differences({"epochs": None}, {}) == ["epochs not stated / not recorded"]
    assert paper.differences({"width": 1.0}, {"width": 1}) == []


def test_a_damaged_file_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "paper.yaml"
    with pytest.raises(InputError, match="restore"):
        paper.source(path)
    path.write_text("tables: [{number: T, title: t, setting: {}, columns: [], rows: [{method: m, values: [1]}]}]\nfigures: []")
    with pytest.raises(InputError, match="1 values for 0 columns"):
        paper.source(path)
