"""The benchmarks run, at tiny sizes: all tables, each row with its baseline; and go on after the last whole table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from bench import __main__ as everything
from bench import gpu, rows

ON_CPU = [name for name in everything.TABLES if name not in ("training", "epoch", "partner")]
"""Tables that are not those of `gpu` at other sizes."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(tables: dict[str, rows.Table], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--tiny", *arguments])
    rows.main("A bench.", tables)


@pytest.mark.slow
def test_all_tables_of_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(everything.TABLES, monkeypatch, "--json", str(tmp_path / "rows.json"), "--only", *ON_CPU)
    measured = {name: [rows.Row(*row) for row in table["rows"]] for name, table in json.loads((tmp_path / "rows.json").read_text()).items()}
    assert list(measured) == ON_CPU and all(measured.values())
    every = [row for table in measured.values() for row in table]
    assert all(row.value > 0 and row.ratio and row.ratio > 0 and row.baseline for row in every)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| what | value | baseline | ratio | limit |",
        "| --- | --- | --- | --- | --- |",
    ] + [rows.shown(row) for row in every]


@pytest.mark.slow
def test_a_gpus_tables_and_how_they_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tables, out = {name: gpu.at(table, gpu.PAPER) for name, table in gpu.TABLES.items()}, tmp_path / "rows.json"
    run(tables, monkeypatch, "--json", str(out))
    first = capsys.readouterr().out
    kept = json.loads(out.read_text())
    assert list(kept) == list(gpu.TABLES) and all(kept[name]["rows"] for name in kept if name != "waits" or torch.cuda.is_available())
    del kept["tvl1"], kept["forward"]
    out.write_text(json.dumps(kept))
    begun = []
    watched = {name: lambda tiny, name=name: begun.append(name) or iter(()) for name in tables}
    run(watched, monkeypatch, "--json", str(out))
    assert begun == ["tvl1", "forward"]
    again = capsys.readouterr().out
    assert "train by simclr" in again and set(again.splitlines()) < set(first.splitlines())
