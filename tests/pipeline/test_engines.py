"""Two engines, one pipeline: Snakemake and DVC agree on what there is, what is stale, and what is made."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
import yaml
from tests.pipeline.conftest import Workspace, write_video

pytestmark = pytest.mark.slow

# Which DVC stage each rule belongs to: named by its experiment, a pretraining also by its modality.
STAGE_OF = {
    "pretrain": "train-{}-{}",
    "cmmc": "train-{}",
    "mining": "train-{}",
    "mixable": "mixable-{}",
    "features": "evaluate-{}",
    "retrieval": "evaluate-{}",
    "linear": "evaluate-{}",
    "finetune": "evaluate-{}",
    "finetune_scores": "evaluate-{}",
}


def summary(workspace: Workspace) -> list[dict[str, str]]:
    """Snakemake's own account of every output: rule, inputs, plan."""
    lines = [line.split("\t") for line in workspace.call("snakemake", "--detailed-summary").stdout.splitlines() if "\t" in line]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def stage_of(rule: str, output: str) -> str:
    parts = output.split("/")
    return STAGE_OF.get(rule, rule).format(*([parts[2], *parts[4:5]] if rule in STAGE_OF else []))


def dvc_stages(workspace: Workspace) -> dict[str, dict]:
    return yaml.safe_load((workspace.path / "dvc.yaml").read_text())["stages"]


def dvc_edges(workspace: Workspace) -> set[tuple[str, str]]:
    stages = dvc_stages(workspace)
    owners = [(next(iter(out)), name) for name, stage in stages.items() for out in stage["outs"]]
    return {
        (owner, name)
        for name, stage in stages.items()
        for dep in stage["deps"]
        for out, owner in owners
        if dep == out or out.startswith(f"{dep}/") or dep.startswith(f"{out}/")
    }


def test_the_two_graphs_agree_and_code_is_named_as_it_is_imported(finished: Workspace) -> None:
    rows = summary(finished)
    made_by = {row["output_file"]: stage_of(row["rule"], row["output_file"]) for row in rows}
    snakemake_edges = {
        (made_by[source], made_by[row["output_file"]])
        for row in rows
        for source in row["input-file(s)"].split(",")
        if source in made_by and made_by[source] != made_by[row["output_file"]]
    }
    assert snakemake_edges == dvc_edges(finished)
    outs = [next(iter(out)) for stage in dvc_stages(finished).values() for out in stage["outs"]]
    assert all(any(path == out or path.startswith(f"{out}/") for out in outs) for path in made_by), "an output that DVC does not track"
    assert_code_is_the_import_closure(finished, rows)


def assert_code_is_the_import_closure(run: Workspace, rows: list[dict[str, str]]) -> None:
    """In the rules as Snakemake sees them and in dvc.yaml, against a closure by the standard library's module finder."""

    @cache
    def closure(script: str) -> set[str]:
        finder = ModuleFinder([str(run.path / "lib")])
        finder.run_script(str(run.path / "stages" / script))
        files = {Path(module.__file__).resolve() for module in finder.modules.values() if module.__file__}
        root = run.path.resolve()
        return {str(file.relative_to(root)) for file in files if file.is_relative_to(root)}

    wanted: dict[str, set[str]] = {}
    for row in rows:
        sources = {path for path in row["input-file(s)"].split(",") if path.endswith(".py")}
        assert sources == closure(f"{row['rule']}.py"), row["rule"]
        wanted.setdefault(stage_of(row["rule"], row["output_file"]), set()).update(sources)
    for name, stage in dvc_stages(run).items():
        assert {dep for dep in stage["deps"] if dep.endswith(".py")} == wanted[name], name


def test_a_recorded_run_leaves_both_engines_nothing_to_do(finished: Workspace) -> None:
    assert "Nothing to be done" in finished.snakemake("-n")
    assert "up to date" in finished.call("dvc", "status").stdout
    assert "up to date" in finished.call("dvc", "repro").stdout


def planned(workspace: Workspace, target: str = "all") -> set[str]:
    """The stages that Snakemake would run."""
    text = workspace.call("snakemake", target, "-n", "--quiet", "host").stdout
    jobs = (re.match(r"(?:local)?rule (\w+):.*?output: ([^,\n]*)", job, re.S) for job in re.split(r"\n(?=(?:local)?rule )", text))
    return {stage_of(job[1], job[2]) for job in jobs if job and job[1] != "all"}


def changed(workspace: Workspace) -> set[str]:
    """The stages that DVC calls changed, before anything has run again."""
    return set(json.loads(workspace.call("dvc", "status", "--json").stdout))


def with_what_follows(stages: set[str], edges: set[tuple[str, str]]) -> set[str]:
    more = stages | {name for owner, name in edges if owner in stages}
    return stages if more == stages else with_what_follows(more, edges)


CHANGES = {
    "a param of one modality": ("params.yaml", "augment: {area: [0.75, 1.0], flip: 0.5, scale: 4.0}", "augment: {area: [0.75, 1.0], flip: 0.5, scale: 5.0}",
        {"train-mixup-flow", "train-stc-mix", "evaluate-untrained", "evaluate-handmade", "evaluate-mixup", "evaluate-stc-mix", "report"}),
    "a param of one experiment": ("params.yaml", "stages: 2\n    box: batch", "stages: 2\n    box: sample", {"train-stc-mix-skeleton", "report"}),
    "the number of stages": ("params.yaml", "stages: 2\n    box: batch", "stages: 4\n    box: batch", {"train-stc-mix-skeleton", "report"}),
    "a param of extraction": ("params.yaml", "bound: 20", "bound: 10", {"flow", "report"}),
    "a param of evaluation": ("params.yaml", "iterations: 20", "iterations: 30",
        {"evaluate-untrained", "evaluate-handmade", "evaluate-mixup", "evaluate-stc-mix", "evaluate-crossclr", "report"}),
    "a script": ("stages/flow.py", "def main()", "# changed\ndef main()", {"flow"}),
    "a module of one phase": ("lib/videossl/methods/cmmc.py", "class CMMC", "# changed\nclass CMMC", {"train-stc-mix", "train-stc-mix-skeleton"}),
    "a module of training": ("lib/videossl/methods/losses.py", "from __future__", "# changed\nfrom __future__",
        {"train-mixup-rgb", "train-mixup-flow", "train-mixup-joint", "train-mixup-motion", "mixable-stc-mix", "mixable-stc-mix-skeleton", "train-stc-mix", "train-stc-mix-skeleton", "train-crossclr", "evaluate-untrained", "evaluate-handmade", "evaluate-mixup",
         "evaluate-stc-mix", "evaluate-crossclr"}),
    "a module of the report": ("lib/videossl/report/plots.py", "from __future__", "# changed\nfrom __future__", {"report"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_the_same_stages_stale(finished: Workspace, name: str) -> None:
    file, old, new, wanted = CHANGES[name]
    finished.replace(file, old, new)
    assert changed(finished) == wanted
    assert planned(finished) == with_what_follows(wanted, dvc_edges(finished))


def test_a_changed_video_of_the_users_own_is_noticed_by_both(fresh: Workspace, tmp_path: Path) -> None:
    """Another video under the same name: both engines want a new index, and neither without a change."""
    own = tmp_path / "own"
    for name in ("jump/a.avi", "jump/b.avi", "walk/a.avi", "walk/b.avi"):
        write_video(own / name, 12)
    params = (fresh.path / "params.yaml").read_text()
    start, stop = params.index("dataset:"), params.index("transfer:")
    dataset = f"dataset:\n  name: folder\n  root: {own}\n  split: 1\n  options: {{test_share: 0.5, seed: 0}}\n"
    (fresh.path / "params.yaml").write_text(params[:start] + dataset + params[stop:])
    fresh.call("python", "stages/sync.py")
    fresh.snakemake("data/index/folder.csv")
    fresh.call("dvc", "commit", "--force", "--quiet", "download", "index")
    assert "Nothing to be done" in fresh.snakemake("data/index/folder.csv", "-n")
    assert "up to date" in fresh.call("dvc", "status", "index").stdout
    write_video(own / "walk/a.avi", 14)
    assert planned(fresh, "data/index/folder.csv") == {"index"}
    assert "index" in json.loads(fresh.call("dvc", "status", "--json", "index").stdout)


def test_the_target_seeds_adds_what_the_first_run_lacks(finished: Workspace) -> None:
    text = finished.call("snakemake", "seeds", "-n", "--quiet", "host").stdout
    outputs = re.findall(r"output: ([^,\n]*)", text)
    assert outputs and all("/1/" in output or output == "data/report/seeds.html" for output in outputs)


def test_a_change_is_made_to_the_same_bytes_by_both(finished: Workspace, finished_run: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    shutil.copytree(finished_run.path, other.path, symlinks=True)
    before = finished.weights()
    for workspace in (finished, other):
        workspace.replace("params.yaml", "neighbours: 1, epochs: 1", "neighbours: 1, epochs: 2")
    finished.snakemake()
    other.call("dvc", "repro")
    after = finished.weights()
    assert after == other.weights()
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {path for path in after if "/crossclr/" in path}
    for page in ("data/report/index.html", "data/results/crossclr/0/toy/linear.json"):
        assert (finished.path / page).read_bytes() == (other.path / page).read_bytes()
    assert "Nothing to be done" in other.snakemake("-n")
    made = times(finished)
    (finished.path / "dvc.lock").unlink()
    finished.call("python", "stages/record.py")
    assert times(finished) == made, "Snakemake judges files above 1 MB by their times"
    locks = [yaml.safe_load((workspace.path / "dvc.lock").read_text()) for workspace in (finished, other)]
    assert locks[0] == locks[1], "the same stages, in whatever order"
    assert "up to date" in finished.call("dvc", "status").stdout


def times(workspace: Workspace) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in workspace.path.glob("data/**/*") if path.is_file()}


def test_record_refuses_while_work_is_left(finished: Workspace) -> None:
    lock = (finished.path / "dvc.lock").read_bytes()
    finished.replace("params.yaml", "iterations: 20", "iterations: 30")
    done = finished.call("python", "stages/record.py", ok=False)
    assert done.returncode == 2
    assert done.stdout == "error: work is left to do; run `snakemake --cores all` first (`snakemake -n` says what)\n"
    finished.replace("params.yaml", "  crossclr:", "  second:")
    finished.replace("params.yaml", "stc-mix, crossclr]", "stc-mix, second]")
    done = finished.call("python", "stages/record.py", ok=False)
    assert done.returncode == 2
    assert done.stdout == "error: dvc.yaml is out of date; run `make dvc.yaml`\n"
    assert (finished.path / "dvc.lock").read_bytes() == lock
