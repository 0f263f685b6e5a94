"""A comparison as JSON, as a page that is read back, and as text; and the script that makes them."""

from __future__ import annotations

import html
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from markupsafe import Markup
from tests.conftest import REPOSITORY
from tests.report import made
from tests.report.conftest import index, stream
from tests.report.test_page import Reader

from videossl.data import index as indices
from videossl.files import write_json
from videossl.report import charts, compared, target
from videossl.report.run import Run
from videossl.train import weights

NAMES = list(made.params()["targets"])
EVIL = '<script>alert("1")</script>\' onload=x'


def page(run: Run, name: str) -> str:
    return compared.render(target.comparison(run, name))


def data(run: Run, name: str) -> dict[str, Any]:
    return target.data(target.comparison(run, name))


def text(run: Run, name: str, section: str) -> str:
    return Reader(page(run, name)).text(section)


@pytest.mark.parametrize("name", NAMES)
def test_every_target_is_whole_and_the_same_twice(name: str) -> None:
    run = made.run(name)
    turned = replace(run, results=run.results[::-1], progress=run.progress[::-1], histories=run.histories[::-1])
    assert page(run, name) == page(turned, name), "the order of the files does not matter"
    first, second = (json.dumps(data(one, name), sort_keys=True, allow_nan=False) for one in (run, turned))
    assert first == second and json.loads(first)["target"] == name
    read = Reader(page(run, name))
    assert list(read.sections) == ["summary", "results" if "figure" not in name else "figure", "provenance", "again"]
    assert f"snakemake --cores all {name}" in read.text("again")
    claims = html.unescape(page(run, name)).lower().replace("not a reproduction", "").replace("the paper's own reproduction", "")
    assert "reproduc" not in claims
    assert compared.terminal(target.comparison(run, name)).isascii()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seeds", [(), (0,)])
def test_one_seed_and_nothing_at_all_are_pages_too(name: str, seeds: tuple[int, ...]) -> None:
    run = made.run(name, seeds)
    read = Reader(page(run, name))
    assert ("One seed (0), no spread" if seeds else "No seed recorded") in read.text("summary")
    assert "±" not in "".join(part for part in read.sections["summary"] if "stc-mix" not in part)
    json.dumps(data(run, name), allow_nan=False)
    assert compared.terminal(target.comparison(run, name))


def test_the_page_loads_nothing() -> None:
    for name in ("table2", "figure2"):
        found = page(made.run(name), name)
        assert "script" not in {tag for tag, _ in Reader(found).tags}
        assert "http:" not in found and "https:" not in found and "url(" not in found and "@import" not in found


def test_numbers_of_the_data_by_hand() -> None:
    results = [{**made.result("mixup", seed, "linear", {}), "values": {"rgb": {"accuracy": 30.0 + seed}}} for seed in (2, 0, 1)]
    found = data(made.run("table1", results=results), "table1")
    (mixup,) = [one for one in found["numbers"] if (one["experiment"], one["task"]) == ("mixup", "linear")]
    assert {key: mixup[key] for key in ("seeds", "values", "mean", "sd")} == {
        "seeds": [0, 1, 2],
        "values": [30.0, 31.0, 32.0],
        "mean": 31.0,
        "sd": 1.0,
    }
    assert (mixup["paper"], mixup["paper_dataset"], mixup["paper_method"], mixup["test_videos"]) == (49.6, "ucf101", "+ Mixup", 96)
    assert "videos 9,537 / 20" in mixup["differs"]
    (moco,) = [one for one in found["numbers"] if (one["experiment"], one["task"]) == ("moco", "linear")]
    assert (moco["values"], moco["mean"], moco["sd"], moco["paper"]) == ([], None, None, 38.2)


def test_orders_of_the_data() -> None:
    found = data(made.run("table1"), "table1")
    assert [(one["stream"], one["task"], sum(one["counts"].values()), len(one["pairs"])) for one in found["orders"]] == [
        ("rgb", "linear", 10, 10),
        ("rgb", "retrieval", 10, 10),
    ]
    for pair in found["orders"][0]["pairs"]:
        clear = abs(pair["difference"]) > 2 * pair["standard_error"]
        assert pair["verdict"] == ("not clear" if not clear else "seen" if pair["difference"] > 0 else "reversed")
        assert pair["paper_difference"] == pytest.approx(pair["paper"][0] - pair["paper"][1]) and pair["paper_difference"] > 0


def test_points_of_the_data() -> None:
    linear, retrieval = data(made.run("figure2"), "figure2")["charts"]
    stc = linear["courses"][3]
    assert stc["experiment"] == "stc-mix" and [point["epoch"] for point in stc["points"]] == [0, 10, 20, 30, 40, 50, 56, 62, 68, 74]
    assert all(point["seeds"] == [0, 1, 2] and len(point["values"]) == 3 for point in stc["points"])
    assert stc["trainings"][0] == {"experiment": "mixup", "training": "rgb", "start": 0, "stop": 50}
    assert len(linear["pairs"]) == 3 and retrieval["metric"] == "R@1"


def test_the_page_says_how_much_of_the_order_is_seen() -> None:
    results = [
        {**made.result(name, seed, "linear", {}), "values": {"rgb": {"accuracy": value + seed}}}
        for name, value in {"untrained": 20.0, "moco": 50.0, "mixup": 20.0, "videomix": 90.0}.items()
        for seed in (0, 1)
    ]
    said = text(made.run("table1", results=results), "table1", "results")
    assert "linear probe on toy: of the paper's 10 pairs in Table 1, UCF101, 1 is seen, 2 are reversed and 7 are not measured." in said
    assert "videomix over moco +7.3 +40.0 ± " in said and "✓ seen" in said and "– not measured" in said
    assert "mixup over videomix +4.1 −70.0 ± " in said and "mixup over moco +11.4 −30.0 ± " in said and said.count("✗ reversed") == 2
    assert "videomix + VideoMix 90.5 ± 0.7 90 · 91 ▲ +70.0 (±" in said and "mixup + Mixup 20.5 ± 0.7 20 · 21 ≈ +0.0 (±" in said
    assert "tested on UCF101 / toy; pretrained on UCF101 / toy; videos 9,537 / 20; epochs 200 / 50" in said


def test_what_was_not_measured_is_a_dash() -> None:
    run = made.run("table2")
    lost = [one for one in run.results if one["experiment"] != "cm-mixup"]
    fewer: list[Mapping[str, Any]] = [
        {**one, "values": {"rgb": one["values"]["rgb"]}} if one["experiment"] == "stc-mix" else one for one in lost
    ]
    said = text(replace(run, results=fewer), "table2", "results")
    assert "cm-mixup + CM mixup – 53.9 – 40.3" in said and "stc-mix + CM cutmix – 72.4 – 53.9" in said
    assert "stc-mix over cm-cutmix-stc +0.9 – – not measured" in said


def test_the_papers_rows_without_ours_are_called_so() -> None:
    said = text(made.run("table4"), "table4", "results")
    assert "CoCLR the paper’s alone – 55.9" in said and "SpeedNet" not in said.partition("Table 4 as the paper prints it")[0]
    assert "SpeedNet – K400 13.0 28.1 37.5 49.5 – – – –" in said.partition("Table 4 as the paper prints it")[2], "no modality of ours"


def test_the_setting_of_the_paper_is_said_to_be_so_and_no_more() -> None:
    run = made.run("table4")
    own = stream(queue=2048, moco=300, cmmc=100, batch=64, width=1, clip=(32, 128))
    streams = {name: {"modality": name, **own} for name in ("rgb", "flow")}
    params = {**run.params, "dataset": {"name": "ucf101"}, "streams": streams, "evaluate": {"tasks": {"retrieval": {}}}}
    video = index()[0]
    train = [replace(video, id=str(number), status="ok", split="train") for number in range(9537)]
    results = [{**one, "dataset": "ucf101"} for one in run.results]
    same = replace(run, params=params, dataset="ucf101", index=train, results=results)
    read = Reader(page(same, "table4"))
    assert "In all that is recorded the setting is the paper's." in read.text("summary")
    assert "The same setting as the paper's." in read.text("results")
    fewer = Reader(page(replace(same, index=train[1:]), "table4"))
    assert "Not a reproduction" in fewer.text("summary") and "videos 9,537 / 9,536" in fewer.text("results")
    short = {name: {**one, "train": {**one["train"], "moco": {"epochs": 299}}} for name, one in streams.items()}
    shorter = Reader(page(replace(same, params={**params, "streams": short}), "table4"))
    assert "Not a reproduction" in shorter.text("summary") and "Scale, theirs / ours: epochs 500 / 499." in shorter.text("results")


def test_names_are_escaped() -> None:
    run = made.run("mine")
    mine = {**run.params["targets"]["mine"], "experiments": [EVIL, "mixup"]}
    params = {**run.params, "targets": {EVIL: mine}, "experiments": {EVIL: {"method": "moco", "streams": ["rgb"], "mixing": EVIL}}}
    results = [{**one, "experiment": EVIL if one["experiment"] == "moco" else one["experiment"]} for one in run.results]
    progress = [{**one, "experiment": EVIL} for one in made.measured((0,))[:1]]
    odd = replace(run, params=params, results=results, progress=progress, provenance=[{EVIL: EVIL, "sha256": EVIL}], commands=[EVIL])
    for show in ("results", "progress"):
        read = Reader(page(replace(odd, params={**params, "targets": {EVIL: {**mine, "show": show}}}), EVIL))
        assert "script" not in {tag for tag, _ in read.tags} and not any("onload" in attrs for _, attrs in read.tags)
        assert all("<script>alert" in read.text(section) for section in read.sections)


def test_lines_differ_by_more_than_their_colour() -> None:
    first = page(made.run("figure2"), "figure2").split('<svg class="chart"')[1].split("</svg>")[0]
    lines = re.findall(r'<path d="[^"]*" style="fill: none;([^"]*)stroke: var\(--s(\d)\)', first)
    assert {colour for _, colour in lines} == {"0", "1", "2", "3"}
    assert len({style for style, colour in lines if "dasharray" in style}) == 3 and any("dasharray" not in style for style, _ in lines)
    assert len(set(re.findall(r'<path id="(\w+)" d="[^"]*" style="stroke: var', first))) >= 4, "a marker of its own for each"
    assert all(f">{name}</text>" in first for name in ("moco-long", "mixup-long", "stc-mix-once", "stc-mix")), "a legend"


def test_the_spread_is_a_band_in_training_and_whiskers_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = lines_of(monkeypatch, made.run("figure3"), "figure3")
    assert len(drawn) == 4 and not any(line.measured for line in drawn) and all(math.isfinite(line.spread[0]) for line in drawn)
    assert all(math.isnan(line.spread[0]) for line in lines_of(monkeypatch, made.run("figure3", (0,)), "figure3"))
    assert all(line.measured for line in lines_of(monkeypatch, made.run("figure2"), "figure2"))


def test_a_training_without_numbers_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made.run("figure3")
    lost = replace(run, histories=[one for one in run.histories if one["training"] != "rgb-1"])
    _, mixed, *_ = lines_of(monkeypatch, lost, "figure3")
    assert [epoch for epoch, number in mixed.points if math.isnan(number)] == [61.5], "51 to 62"


def lines_of(monkeypatch: pytest.MonkeyPatch, run: Run, name: str) -> list[charts.Line]:
    """The lines that all charts of a target are given."""
    drawn: list[charts.Line] = []
    monkeypatch.setattr(charts, "chart", lambda title, label, lines, stops, **more: drawn.extend(lines) or Markup(""))
    compared.render(target.comparison(run, name))
    return drawn


def test_provenance_names_every_file() -> None:
    run = made.run("figure2", provenance=[{"artefact": "mixup/0/rgb.safetensors", "sha256": "ab" * 32}])
    said = text(run, "figure2", "provenance")
    assert said.count("progress rgb-1") == 6 and said.count("progress rgb ") == 9 and "mixup/0/rgb.safetensors" in said
    assert len(data(run, "figure2")["sources"]) == len(run.progress) + len(run.results)


def test_text_for_the_terminal() -> None:
    lines = compared.terminal(target.comparison(made.run("table1"), "table1")).splitlines()
    assert lines[0] == "table1: ours beside the paper's Table 1" and max(map(len, lines)) <= 120
    (mixup,) = [line for line in lines if line.startswith("mixup ")]
    assert mixup.split()[4] == "49.6" and mixup.split()[-1] == "36.2"
    mine = compared.terminal(target.comparison(made.run("mine"), "mine"))
    assert "paper" not in mine


def test_the_script_writes_both_and_prints_the_table(tmp_path: Path, refused: Callable[..., str]) -> None:
    """Figure 3 from files as the pipeline leaves them, with the weights beside the training curves."""
    run = made.run("figure3", (0, 1))
    for one in run.histories:
        path = tmp_path / "data/models" / str(one["experiment"]) / str(one["seed"]) / f"{one['training']}.json"
        write_json(path, one["epochs"])
        weights.save(path.with_suffix(".safetensors"), {"x": torch.zeros(1)}, {"weights": {}, "data": "d", "code": "c", "params": {}})
    indices.write(tmp_path / "index.csv", index())
    out = [str(tmp_path / "report" / f"figure3.{kind}") for kind in ("json", "html")]
    histories = sorted(map(str, (tmp_path / "data/models").rglob("*.json")))
    command = [sys.executable, str(REPOSITORY / "stages/compare.py"), "--params", json.dumps(run.params), "--target", "figure3"]
    command += ["--index", str(tmp_path / "index.csv"), "--results", "--progress", "--histories", *histories, "--out", *out]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(REPOSITORY / "lib")})
    assert "rgb, (K+1)-way accuracy, percent" in done.stdout and done.stdout.splitlines()[-1] == f"figure3: {out[1]}"
    written = json.loads(Path(out[0]).read_text())
    assert written["charts"] == json.loads(json.dumps(data(run, "figure3")["charts"])) and len(written["artefacts"]) == len(histories)
    assert Path(out[1]).read_text().startswith("<!doctype html>")
    assert "no target 'figure9'" in refused("compare", *command[2:4], "--target", "figure9", *command[6:])
