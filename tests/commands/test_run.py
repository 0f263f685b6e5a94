"""`videossl run` without the run: a preset with another split, and a run that goes on from what another found out of the same videos."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from tests.conftest import REPOSITORY

from videossl import commands
from videossl.commands import run
from videossl.data import index, ntu_skeleton
from videossl.params import fit, load, slices

PRESETS = REPOSITORY / "presets"
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
NAMES = [f"S001C00{camera}P00{performer}R001A001" for camera in (1, 2) for performer in (1, 3)]


def command(*arguments: str | Path, cwd: Path) -> None:
    """`videossl run`, of which nothing runs."""
    call = [sys.executable, "-m", "videossl", "run", *map(str, arguments), "--params-only"]
    subprocess.run(call, cwd=cwd, env=ENVIRONMENT | {"PYTHONPATH": str(REPOSITORY / "lib")}, check=True)


def script(name: str, *arguments: str | Path, cwd: Path) -> str:
    """What a script of stages/ says on stderr."""
    command = [sys.executable, str(REPOSITORY / "stages" / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def extract(run: Path) -> str:
    """The index and the one shard of joints of a run, as its rules make them; what was said."""
    chosen = load.load(run / "params.yaml")
    parts = {"index": slices.index(chosen, "ntu60"), "joint": slices.extraction(chosen, "joint", "ntu60")}
    said = script("index.py", "--params", json.dumps(parts["index"]), "--out", "data/index/ntu60.csv", cwd=run)
    shard = ("--index", "data/index/ntu60.csv", "--shard", "0", "--out", "data/cache/ntu60/joint/0.h5")
    return said + script(
        "extract.py", "--params", json.dumps(parts["joint"]), "--source", "joint", "--extractor", "skeleton", *shard, cwd=run
    )


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    """A preset for NTU RGB+D 60, and four skeletons to run it on: two performers before two cameras."""
    for number, name in enumerate(NAMES):
        joints = np.random.default_rng(number).normal(size=(20, 25, 3, 1)).astype(np.float32)
        ntu_skeleton.write(tmp_path / "ntu/nturgb+d_skeletons" / f"{name}.skeleton", joints)
    tiny: dict[str, Any] = load.written(REPOSITORY / "tests/pipeline/tiny.yaml")
    tiny["dataset"] = {"name": "ntu60", "root": "elsewhere", "split": 1, "options": {"missing": "none"}}
    tiny["cache"]["shards"] = 1
    (tmp_path / "ntu60.yaml").write_text(yaml.safe_dump(tiny))
    return tmp_path / "ntu60.yaml"


def test_the_second_protocol_extracts_nothing_again(preset: Path) -> None:
    root, first, second = preset.parent / "ntu", preset.parent / "xsub", preset.parent / "xview"
    command(preset, root, "--out", first, cwd=preset.parent)
    extract(first)
    command(preset, root, "--split", "2", "--like", "xsub", "--out", "xview", cwd=preset.parent)
    kept = "data/scratch/cache/ntu60/joint/0.h5"
    assert (second / kept).samefile(first / kept)
    code = Path(kept).with_suffix(".code")
    assert (second / code).read_text() == (first / code).read_text()
    before = (first / kept).read_bytes()

    said = extract(second)
    assert "4 of 4 videos were read before and have not changed" in said
    assert f"4 of 4 videos are as they were when {kept} was made" in said
    sides = [{row.id: row.split for row in index.read(run / "data/index/ntu60.csv")} for run in (first, second)]
    assert sides == [dict(zip(NAMES, ["train", "test"] * 2, strict=True)), dict(zip(NAMES, ["test"] * 2 + ["train"] * 2, strict=True))]
    shards = [run / "data/cache/ntu60/joint/0.h5" for run in (first, second)]
    assert shards[0].read_bytes() == shards[1].read_bytes() == (first / kept).read_bytes() == before
    journals = [(run / "data/scratch/index/ntu60.jsonl") for run in (first, second)]
    assert journals[0].read_bytes() == journals[1].read_bytes() and not journals[0].samefile(journals[1])


def test_a_shard_of_no_known_code_is_given_none(tmp_path: Path) -> None:
    """Nor is one that is there already given that of another."""
    shards = [Path(f"data/scratch/cache/ntu60/joint/{number}.h5") for number in range(3)]
    like, out = tmp_path / "like", tmp_path / "out"
    for shard in shards:
        (like / shard).parent.mkdir(parents=True, exist_ok=True)
        (like / shard).write_text("a shard")
    for shard in shards[1:]:
        (like / shard).with_suffix(".code").write_text("theirs")
    (out / shards[2]).parent.mkdir(parents=True)
    (out / shards[2]).write_text("its own shard")
    (out / shards[0]).with_suffix(".code").write_text("of one that is gone")
    run._share(like, out, shards)
    known = [path.read_text() if path.exists() else "" for path in ((out / shard).with_suffix(".code") for shard in shards)]
    assert known == ["", "theirs", ""] and (out / shards[2]).read_text() == "its own shard"


@pytest.mark.parametrize("name", ["ucf101", "ucf101-part", "toy-large"])
def test_a_split_changes_one_number_and_no_comment(name: str, tmp_path: Path) -> None:
    split = "1" if name == "toy-large" else "3"
    commands.cli.main(["run", name, "--split", split, "--out", str(tmp_path), "--params-only"], standalone_mode=False)
    before, after = (path.read_text().splitlines() for path in (PRESETS / f"{name}.yaml", tmp_path / "params.yaml"))
    assert after[0] == "# yaml-language-server: $schema=params.schema.json" and (tmp_path / "params.schema.json").is_file()
    changed = [pair for pair in zip(before[1:], after[1:], strict=True) if pair[0] != pair[1]]
    assert changed == ([] if split == "1" else [("  split: 1", "  split: 3")])


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("ucf101", ["--split=4"], "SPLIT is 4, and the splits of ucf101 are 1, 2, 3"),
        ("ucf101", ["--split=first"], "SPLIT is first, and the splits of ucf101 are"),
        ("toy-large", ["--split=2"], "SPLIT is 2, and the splits of toy are 1"),
        ("ucf101", ["--like=nowhere"], "LIKE is nowhere, in whose data/scratch nothing of ucf101 or hmdb51 is kept"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_written(
    name: str, arguments: list[str], said: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    assert said in refused("videossl", "run", name, *arguments, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_preset_without_a_split_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    short = (PRESETS / "ucf101.yaml").read_text().replace("  split: 1\n", "", 1)
    (tmp_path / "short.yaml").write_text(short)
    assert "has no place for SPLIT" in refused("videossl", "run", tmp_path / "short.yaml", "--split=2", "--out", tmp_path / "run")


def test_a_run_on_another_split_is_not_taken_for_it(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "params.yaml").write_text((PRESETS / "ucf101.yaml").read_text())
    assert "is there with split 1; give OUT" in refused("videossl", "run", "ucf101", "--split=2", "--out", tmp_path)


def test_epochs_are_fitted_to_the_number_of_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: 5 of 7 videos to train on are one step an epoch, of 35 two; the epochs of the preset are the least."""
    for count, wanted in ((5, {"moco": 1000, "cmmc": 240, "finetune": 150}), (35, {"moco": 500, "cmmc": 120, "finetune": 75})):
        root, out = tmp_path / f"videos{count}", tmp_path / f"run{count}"
        (root / "a").mkdir(parents=True)
        names = [f"{number:04d}.mp4" for number in range(count + 2)]
        for name in names:
            (root / "a" / name).touch()
        (root / "trainlist01.txt").write_text("".join(f"a/{name} 1\n" for name in names[2:]))
        (root / "testlist01.txt").write_text("".join(f"a/{name}\n" for name in names[:2]))
        commands.cli.main(["run", "folder", str(root), "--out", str(out), "--params-only"], standalone_mode=False)
        made = load.load(out / "params.yaml")
        for stream in made["streams"].values():
            assert {tag: stream["train"][tag]["epochs"] for tag in wanted} == wanted
        assert f"{count} videos to train on: epochs moco {wanted['moco']:,}, cmmc {wanted['cmmc']}" in capsys.readouterr().err
    plenty = fit.epochs(load.load(PRESETS / "folder.yaml"), 500)
    assert plenty == {"moco": 100, "cmmc": 20, "finetune": 30}


def test_videos_without_classes_are_measured_by_no_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(9):
        (tmp_path / f"{number}.mp4").touch()
    for name in ("few-clips", "folder", "folder-pose"):
        commands.cli.main(["run", name, str(tmp_path), "--out", str(tmp_path / name), "--params-only"], standalone_mode=False)
        made, whole = load.load(tmp_path / name / "params.yaml"), load.load(PRESETS / f"{name}.yaml")
        assert not made["evaluate"]["tasks"] and whole["evaluate"]["tasks"]
        assert made["evaluate"]["clips"] == whole["evaluate"]["clips"] and made["all"] == whole["all"]
        assert "the videos have no classes: no task is measured" in capsys.readouterr().err


def test_a_new_run_on_own_videos_says_first_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that goes on, and other presets, begin at once. What is measured is held by tests/test_cost.py."""
    for number in range(9):
        (tmp_path / f"videos/walk/{number}.mp4").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"videos/walk/{number}.mp4").touch()
    measured, became = [], []
    costs = {"total": {"hours": 2.5, "bytes": 3e9}}
    monkeypatch.setattr("videossl.cost.estimate.estimate", lambda folder, *rest, **quick: measured.append(folder) or ("", costs))
    monkeypatch.setattr(os, "execv", lambda path, call: became.append(call))
    out = str(tmp_path / "run")
    for arguments in (
        ["folder", str(tmp_path / "videos"), "--out", out],
        ["folder", str(tmp_path / "videos"), "--out", out],
        [out],
        ["few-clips", str(tmp_path / "videos"), "--out", str(tmp_path / "few")],
        ["folder", str(tmp_path / "videos"), "--out", str(tmp_path / "other"), "--no-estimate"],
    ):
        commands.cli.main(["run", *arguments], standalone_mode=False)
    said = capsys.readouterr().err
    assert measured == [Path(out)] and len(became) == 5
    assert (
        said.count(
            f"some 2.5 hours of work here, one job after another, and 3 GB; Ctrl-C stops it, the same command goes on; videossl cost {out}"
        )
        == 1
    )


def test_a_profile_by_its_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the site.yaml of that folder, or else the profile's own; what a person has set in the environment stays."""
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, call: became.append(call))
    monkeypatch.setenv("VIDEOSSL_SITE", "")  # so that it is afterwards as it was, whatever the command sets
    monkeypatch.chdir(tmp_path)
    for own, given, wanted in (
        (False, None, str(REPOSITORY / "profiles/slurm/site.yaml")),
        (True, None, str(tmp_path / "site.yaml")),
        (True, "elsewhere.yaml", "elsewhere.yaml"),
    ):
        monkeypatch.delenv("VIDEOSSL_SITE", raising=False)
        if own:
            (tmp_path / "site.yaml").touch()
        if given:
            monkeypatch.setenv("VIDEOSSL_SITE", given)
        commands.cli.main(["run", "toy", "--profile", "slurm"], standalone_mode=False)
        place = became[-1].index("--profile")
        assert became[-1][place + 1] == str(REPOSITORY / "profiles/slurm") and os.environ["VIDEOSSL_SITE"] == wanted
    monkeypatch.delenv("VIDEOSSL_SITE")
    commands.cli.main(["run", "toy", "--profile", "mine"], standalone_mode=False)
    assert became[-1][became[-1].index("--profile") + 1] == "mine" and "VIDEOSSL_SITE" not in os.environ


def test_make_gives_both_on() -> None:
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/done", "run", "cost", "PRESET=ntu60", "SPLIT=2", "LIKE=runs/a b"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count('--split="$SPLIT"') == 2 and '--like="$LIKE"' in done.stdout


PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
RUNS = sorted({match[1].strip() for page in PAGES for match in re.finditer(r"^ {4}videossl (run [^#\n]+)", page.read_text(), re.MULTILINE)})


def test_each_run_that_a_page_names_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds its preset, its videos and its targets, writes params that are whole, and Snakemake is called; what follows, other tests run."""
    monkeypatch.chdir(tmp_path)
    others = ("others/hmdb51", "others/ucf101", "others/diving48")
    for name in ("videos", "ucf101", "ntu", "ucfTrainTestlist", "kinetics400", "lists", *others):
        (tmp_path / "path/to" / name).mkdir(parents=True)
    for number in range(6):
        (tmp_path / "path/to/videos" / f"{number}.mp4").write_bytes(b"not read yet")
    called: list[list[str]] = []
    monkeypatch.setattr(run.os, "execv", lambda _, words: called.append(words))
    monkeypatch.setattr(run, "_say_hours", lambda *_: None)
    lines = [line for line in RUNS if "--like" not in line and "shared/" not in line]  # the first has tests above
    assert len(lines) > 12
    for line in lines:
        words = shlex.split(line.replace("/scratch/me/", "path/to/").replace("--lists ...", "--lists path/to/ucfTrainTestlist"))[1:]
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        if words[0] == "runs/toy":  # a run that goes on
            commands.cli.main(["run", "toy", "--out", "runs/toy", "--params-only"], standalone_mode=False)
        done = CliRunner().invoke(run.command, words)
        assert done.exit_code == 0, f"videossl {line}\n{done.output}{done.exception}"
        folder = next(iter((tmp_path / "runs").iterdir()))
        params, targets = load.load(folder / "params.yaml"), words[words.index("--targets") + 1].split() if "--targets" in words else []
        assert set(targets) <= {*params["targets"], "seeds"}, line
        assert called and set(targets) <= set(called.pop()), line
