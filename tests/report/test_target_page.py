"""The page of a target, read back, and its text; and the script that makes both and the data."""

from __future__ import annotations

import html
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import REPOSITORY
from tests.report import made
from tests.report.conftest import index, stream
from tests.report.test_run_page import Reader

from videossl.data import index as indices
from videossl.files import write_json
from videossl.report import paired, paper, target_data, target_page
from videossl.report.finished_run import Run
from videossl.train import weights

NAMES = list(made.params()["targets"])
EVIL = '<script>alert("1")</script>\' onload=x'


def page(run: Run, name: str) -> str:
    return target_page.render(run, target_data.record(run, name))


def terminal(run: Run, name: str) -> str:
    return target_page.terminal(target_data.record(run, name))


def text(run: Run, name: str, section: str) -> str:
    return Reader(page(run, name)).text(section)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages of all targets, three seeds each."""
    return {name: page(made.run(name), name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_target_is_a_page(name: str, pages: dict[str, str]) -> None:
    read = Reader(pages[name])
    assert list(read.sections) == ["summary", "results" if "figure" not in name else "figure", "provenance", "again"]
    assert f"snakemake --cores all {name}" in read.text("again")
    claims = html.unescape(pages[name]).lower().replace("not a reproduction", "").replace("the paper's own reproduction", "")
    assert "reproduc" not in claims
    assert terminal(made.run(name), name).isascii()


@pytest.mark.parametrize("name", ["table2", "figure2", "figure3"])
def test_the_same_run_gives_the_same_bytes(name: str, pages: dict[str, str]) -> None:
    run = made.run(name)
    turned = replace(run, results=run.results[::-1], progress=run.progress[::-1], histories=run.histories[::-1])
    assert page(turned, name) == pages[name], "the order of the files does not matter"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seeds", [(), (0,)])
def test_one_seed_and_nothing_at_all_are_pages_too(name: str, seeds: tuple[int, ...]) -> None:
    run = made.run(name, seeds)
    read = Reader(page(run, name))
    assert ("One seed (0), no spread" if seeds else "No seed recorded") in read.text("summary")
    assert "±" not in read.text("summary") and terminal(run, name)


def test_the_page_loads_nothing(pages: dict[str, str]) -> None:
    for name in ("table2", "figure2"):
        assert [tag for tag, _ in Reader(pages[name]).tags].count("script") == 1
        assert not any(sign in pages[name] for sign in ("http:", "https:", "url(", "@import"))


def test_the_page_says_how_much_of_the_order_is_seen() -> None:
    results = [
        {**made.result(name, seed, "linear", {}), "values": {"rgb": {"accuracy": value + seed}}}
        for name, value in {"untrained": 20.0, "moco": 50.0, "mixup": 20.0, "videomix": 90.0}.items()
        for seed in (0, 1)
    ]
    run = made.run("table1", results=results)
    said = text(run, "table1", "results")
    assert "rgb, linear probe on toy, the paper's 10 pairs: 1 seen, 0 not clear, 2 reversed, 7 not measured" in said
    assert "videomix over moco +7.3 +40.0 (±" in said and "✓ seen" in said and "– not measured" in said
    assert "mixup over videomix +4.1 −70.0 (±" in said and "mixup over moco +11.4 −30.0 (±" in said and said.count("✗ reversed") == 2
    assert "videomix + VideoMix 90.5 ± 0.7 90 · 91 ▲ +70.0 (±" in said and "mixup + Mixup 20.5 ± 0.7 20 · 21 ≈ +0.0 (±" in said
    assert "linear probe, % toy paper UCF101" in said
    summary = text(run, "table1", "summary")
    assert "Not a reproduction: the scale differs, theirs / ours: tested on UCF101 / toy; pretrained on UCF101 / toy; videos" in summary


def test_the_page_says_how_numbers_are_compared_and_what_would_have_been_seen() -> None:
    """Ours 62 of 96 right and untrained the first 40 of these, of one seed: 22 alone, none of theirs; ten of 22 would be clear."""

    def result(name: str, right: int) -> dict[str, Any]:
        hits = {"videos": "96 of them", "streams": {"rgb": {"accuracy": "1" * right + "0" * (96 - right)}}}
        return {**made.result(name, 0, "linear", {}), "values": {"rgb": {"accuracy": 100 * right / 96}}, "hits": hits}

    run = made.run("table1", results=[result(name, right) for name, right in (("untrained", 40), ("moco", 62), ("mixup", 70))])
    threshold = paired.of_videos(np.repeat([1, 0], [22, 74])).threshold(0.05)
    assert f"▲ +22.9 (±{threshold:.1f})" in text(run, "table1", "results")
    said = "Compared paired over the videos of one seed: 1. A difference is clear above 7.3 points (median; 7.3 to 7.3)"
    assert said in text(run, "table1", "summary") and "McNemar's exact test" in text(run, "table1", "summary")
    assert said.split(".")[0] in terminal(run, "table1").replace("\n", " ")


def test_neighbours_of_the_paper_stand_first(pages: dict[str, str]) -> None:
    said = Reader(pages["table1"]).text("results")
    places = [said.index(f"{above} over {below}") for above, below in (("mixup", "videomix"), ("moco", "st-cutmix"), ("mixup", "t-cutmix"))]
    assert places == sorted(places) and '<tr class="further">' in pages["table1"]


def test_what_was_not_measured_is_a_dash() -> None:
    run = made.run("table2")
    lost = [one for one in run.results if one["experiment"] != "cm-mixup"]
    fewer: list[Mapping[str, Any]] = [
        {**one, "values": {"rgb": one["values"]["rgb"]}} if one["experiment"] == "stc-mix" else one for one in lost
    ]
    said = text(replace(run, results=fewer), "table2", "results")
    assert "cm-mixup + CM mixup – 53.9 – 40.3" in said and "stc-mix + CM cutmix – 72.4 – 53.9" in said
    assert "stc-mix over cm-cutmix-stc +0.9 – – not measured" in said


def test_the_papers_rows_without_ours_are_called_so(pages: dict[str, str]) -> None:
    said, _, printed = Reader(pages["table4"]).text("results").partition("Table 4 as the paper prints it")
    assert "CoCLR the paper’s alone – 55.9" in said and "SpeedNet" not in said
    assert "SpeedNet – K400 13.0 28.1 37.5 49.5 – – – –" in printed, "no modality of ours"


def test_rows_of_the_paper_may_share_a_name() -> None:
    """Table 2 has four rows of "+ CM cutmix" on each stream."""
    few = made.target("results", "moco-long", "rgb", "linear retrieval")
    run = made.run("table2", params={**made.params(), "targets": {"table2": few}})
    said = text(run, "table2", "results")
    assert [f"+ CM cutmix the paper’s alone – {number}" in said for number in (54.6, 55.1, 55.2, 55.8)] == [True] * 4


def test_each_difference_in_scale_is_said_once() -> None:
    run = made.run("table1")
    mixup = {"method": "moco", "streams": ["rgb"], "mixing": "mixup", "epochs": 60}
    said = text(replace(run, params={**run.params, "experiments": {**run.params["experiments"], "mixup": mixup}}), "table1", "summary")
    assert said.count("videos 9,537 / 20;") == 1 and "epochs 200 / 50;" in said and "epochs 200 / 60" in said
    assert "Not a reproduction" not in text(made.run("mine"), "mine", "summary"), "nothing of the paper stands beside it"


def test_the_setting_of_the_paper_is_said_to_be_so_and_no_more() -> None:
    run = made.run("table4")
    own = stream(queue=2048, moco=300, cmmc=100, batch=64, width=1, clip=(32, 128))
    streams = {name: {"modality": name, **own} for name in ("rgb", "flow")}
    params = {**run.params, "dataset": {"name": "ucf101"}, "streams": streams, "evaluate": {"tasks": {"retrieval": {}}}}
    video = index()[0]
    train = [replace(video, id=str(number), status="ok", split="train") for number in range(9537)]
    results = [{**one, "dataset": "ucf101"} for one in run.results]
    same = replace(run, params=params, dataset="ucf101", index=train, results=results)

    def said(run: Run) -> str:
        return target_page.scale_said(run, target_data.record(run, "table4"), paper.source()["printed"]["Table 4"])

    assert said(same) == "In all that is recorded the setting is the paper's." and said(same) in text(same, "table4", "summary")
    assert said(replace(same, index=train[1:])) == "Not a reproduction: the scale differs, theirs / ours: videos 9,537 / 9,536."
    short = {name: {**one, "train": {**one["train"], "moco": {"epochs": 299}}} for name, one in streams.items()}
    shorter = replace(same, params={**params, "streams": short})
    assert said(shorter) == "Not a reproduction: the scale differs, theirs / ours: epochs 500 / 499."


def test_names_are_escaped() -> None:
    run = made.run("mine")
    mine = {**run.params["targets"]["mine"], "experiments": [EVIL, "mixup"]}
    params = {**run.params, "targets": {EVIL: mine}, "experiments": {EVIL: {"method": "moco", "streams": ["rgb"], "mixing": EVIL}}}
    results = [{**one, "experiment": EVIL if one["experiment"] == "moco" else one["experiment"]} for one in run.results]
    progress = [{**one, "experiment": EVIL} for one in made.measured((0,))[:1]]
    odd = replace(run, params=params, results=results, progress=progress, provenance=[{EVIL: EVIL, "sha256": EVIL}], commands=[EVIL])
    for show in ("results", "progress"):
        read = Reader(page(replace(odd, params={**params, "targets": {EVIL: {**mine, "show": show}}}), EVIL))
        assert [tag for tag, _ in read.tags].count("script") == 1 and not any("onload" in attrs for _, attrs in read.tags)
        assert all("<script>alert" in read.text(section) for section in read.sections if section != "summary")


def test_a_figure_has_its_curves_its_pairs_and_the_papers_words(pages: dict[str, str]) -> None:
    said = Reader(pages["figure2"]).text("figure")
    assert pages["figure2"].count('<svg class="chart"') == 2 and "rgb, linear probe in numbers epoch moco-long" in said
    assert "stc-mix : rgb of mixup to 50, rgb-1 of stc-mix to 62, rgb-2 of stc-mix to 74" in said
    assert "rgb, linear probe on toy, the paper's 3 pairs: 0 seen, 3 not clear, 0 reversed, 0 not measured pair paper here order" in said
    assert "stc-mix over moco-long – +0.7 (±23.4) ≈ not clear" in said and "Mixing makes training faster." in said
    assert "whiskers" in said and "epoch 0 is the untrained encoder" in said and "long dashes chance" in said
    third = Reader(pages["figure3"])
    assert "a band" in third.text("figure") and "a higher loss and a lower accuracy are no worse features" in third.text("figure")
    assert "Not a reproduction" in third.text("summary") and "epochs not stated / 74" in third.text("summary")


def test_the_numbers_of_a_chart_are_folded(pages: dict[str, str]) -> None:
    run = made.run("figure3")
    loss, accuracy = target_page.parts(target_data.record(run, "figure3"))
    assert [row.cells[0] for row in loss["table"].rows] == [1, 50, 62, 74], "the first epoch, and the last of each training"
    assert (loss["title"], accuracy["title"], loss["table"].head) == ("rgb, loss", "rgb, accuracy", ["epoch", "moco-long", "stc-mix"])
    linear, _ = target_page.parts(target_data.record(made.run("figure2"), "figure2"))
    assert [row.cells[0] for row in linear["table"].rows] == [0, 10, 20, 30, 40, 50, 56, 60, 62, 68, 70, 74], "every epoch"
    assert linear["table"].rows[-1].cells[-1] == "51.0 ± 8.1" and linear["table"].rows[-2].cells[-1] == "–"


def test_losses_that_are_no_numbers_are_a_page_too() -> None:
    run = made.run("figure3")
    first = [{**one, "epochs": [{**one["epochs"][0], "loss": math.nan}, *one["epochs"][1:]]} for one in run.histories]
    shown = page(replace(run, histories=first), "figure3")
    assert "No finite numbers to draw" not in shown and ">1</th><td>nan" not in shown and '<th scope="row">1</th><td>–</td>' in shown
    none = [{**one, "epochs": [{**row, "loss": math.nan} for row in one["epochs"]]} for one in run.histories]
    assert page(replace(run, histories=none), "figure3").count("No finite numbers to draw") == 1


def test_provenance_names_every_file() -> None:
    run = made.run("figure2", provenance=[{"artefact": "mixup/0/rgb.safetensors", "sha256": "ab" * 32}])
    said = text(run, "figure2", "provenance")
    assert said.count("progress rgb-1") == 6 and said.count("progress rgb ") == 9 and "mixup/0/rgb.safetensors" in said
    assert len(target_data.record(run, "figure2")["sources"]) == len(run.progress) + len(run.results)


def test_remarks_of_tasks_stand_beside_their_numbers() -> None:
    run = made.run("table1")
    marked = replace(run, results=[run.results[0] | {"remarks": {"rgb": ["not converged"]}}, *run.results[1:]])
    assert "rgb on toy: not converged" in text(marked, "table1", "results") and "rgb on toy: not converged" in terminal(marked, "table1")


def test_text_for_the_terminal() -> None:
    lines = terminal(made.run("table1"), "table1").splitlines()
    assert lines[0] == "table1: ours beside the paper's Table 1" and max(map(len, lines)) <= 120
    (mixup,) = [line for line in lines if line.startswith("mixup ")]
    assert mixup.split()[4] == "49.6" and mixup.split()[-1] == "36.2"
    assert "rgb, linear probe on toy, the paper's 10 pairs: 0 seen, 10 not clear, 0 reversed, 0 not measured" in lines
    assert "paper" not in terminal(made.run("mine"), "mine")


def test_the_script_writes_both_and_prints_the_table(tmp_path: Path, refused: Callable[..., str]) -> None:
    """Figure 3 from files as the pipeline leaves them, with the weights beside the training curves."""
    run = made.run("figure3", (0, 1))
    for one in run.histories:
        path = tmp_path / "data/models" / str(one["experiment"]) / str(one["seed"]) / f"{one['training']}.json"
        write_json(path, {"epochs": one["epochs"], "provenance": {}})
        weights.save(path.with_suffix(".safetensors"), {"x": torch.zeros(1)}, {"weights": {}, "data": "d", "code": "c", "params": {}})
    indices.write(tmp_path / "index.csv", index())
    out = [str(tmp_path / "report" / f"figure3.{kind}") for kind in ("json", "html")]
    histories = sorted(map(str, (tmp_path / "data/models").rglob("*.json")))
    command = [sys.executable, str(REPOSITORY / "stages/compare.py"), "--params", json.dumps(run.params), "--target", "figure3"]
    command += ["--index", str(tmp_path / "index.csv"), "--results", "--progress", "--histories", *histories, "--out", *out]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(REPOSITORY / "lib")})
    assert "rgb, accuracy" in done.stdout and done.stdout.splitlines()[-1] == f"figure3: {out[1]}"
    written = json.loads(Path(out[0]).read_text())
    assert written["charts"] == target_data.record(run, "figure3")["charts"] and len(written["artefacts"]) == len(histories)
    assert Path(out[1]).read_text().startswith("<!doctype html>")
    assert "no target 'figure9'" in refused("compare", *command[2:4], "--target", "figure9", *command[6:])
