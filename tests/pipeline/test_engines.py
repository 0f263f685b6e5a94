"""Two engines, one pipeline: Snakemake and DVC agree on what there is, what is stale, and what is made."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import zipfile
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import Workspace, copy_of_run, notes_of, write_video

from videossl.params import load

pytestmark = pytest.mark.slow

# Which DVC stage each rule belongs to: named by its experiment.
STAGE_OF = {"train": "train-{}", "feasible": "feasible-{}", "features": "evaluate-{}", "finetune": "evaluate-{}", "score": "evaluate-{}"}
SCRIPTS = dict.fromkeys(("frames", "flow", "skeleton"), "extract")
"""The script of rules that do not bear its name."""


def summary(workspace: Workspace) -> list[dict[str, str]]:
    """Snakemake's own account of every output: rule, inputs, plan."""
    lines = [line.split("\t") for line in workspace.call("snakemake", "--detailed-summary").stdout.splitlines() if "\t" in line]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def stage_of(rule: str, output: str) -> str:
    return STAGE_OF[rule].format(output.split("/")[2]) if rule in STAGE_OF else rule


def dvc_stages(workspace: Workspace) -> dict[str, dict[str, Any]]:
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
    assert_weights_are_named_one_by_one(finished, rows)
    outs = [next(iter(out)) for stage in dvc_stages(finished).values() for out in stage["outs"]]
    assert all(any(path == out or path.startswith(f"{out}/") for out in outs) for path in made_by), "an output that DVC does not track"
    assert_code_is_the_import_closure(finished, rows)


def assert_weights_are_named_one_by_one(run: Workspace, rows: list[dict[str, str]]) -> None:
    """A stage of DVC rests on the weights that its jobs begin from, and on no others of an experiment: one stream's do not make it stale by
    another's."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        stage = stage_of(row["rule"], row["output_file"])
        weights = {path for path in row["input-file(s)"].split(",") if path.endswith(".safetensors")}
        own = {other["output_file"] for other in rows if stage_of(other["rule"], other["output_file"]) == stage}
        wanted.setdefault(stage, set()).update(weights - own)
    for name, stage in dvc_stages(run).items():
        named = {dep for dep in stage["deps"] if dep.startswith("data/models/") and not dep.endswith(".json")}
        assert name == "report" or named == wanted[name], name


def assert_code_is_the_import_closure(run: Workspace, rows: list[dict[str, str]]) -> None:
    """In the rules as Snakemake sees them and in dvc.yaml, against a closure by the standard library's module finder; and the YAMLs of the
    things that a job uses, as they are read off params.yaml here."""
    params = load.load(run.path / "params.yaml")

    @cache
    def closure(script: str, modules: tuple[str, ...]) -> set[str]:
        finder = ModuleFinder([str(run.path / "lib")])
        finder.run_script(str(run.path / "stages" / script))
        for module in modules:
            finder.import_hook(f"videossl.{module}")
        files = {Path(module.__file__).resolve() for module in finder.modules.values() if module.__file__}
        root = run.path.resolve()
        return {str(file.relative_to(root)) for file in files if file.is_relative_to(root)}

    wanted: dict[str, set[str]] = {}
    for row in rows:
        used = things(params, row["rule"], row["output_file"])
        named = {path for path in row["input-file(s)"].split(",") if path.endswith((".py", ".yaml"))}
        modules = tuple(sorted(name.replace("/", ".") for name in used.modules))
        sources = closure(f"{SCRIPTS.get(row['rule'], row['rule'])}.py", modules)
        assert {path for path in named if path.endswith(".py")} == sources, row
        assert {path for path in named if is_of_a_thing(path)} == {f"lib/videossl/{name}.yaml" for name in used.yamls}, row
        wanted.setdefault(stage_of(row["rule"], row["output_file"]), set()).update(named)
    for name, stage in dvc_stages(run).items():
        assert {dep for dep in stage["deps"] if dep.endswith((".py", ".yaml"))} == wanted[name], name


KINDS = ("datasets", "modalities", "encoders", "methods", "tasks")


def is_of_a_thing(path: str) -> bool:
    """Whether it is the YAML of one of the five kinds."""
    return path.startswith(tuple(f"lib/videossl/{kind}/" for kind in KINDS)) and path.endswith(".yaml")


class Used(NamedTuple):
    """What a job uses, as paths below lib/videossl without suffix."""

    modules: set[str]
    yamls: set[str]


def things(params: dict[str, Any], rule: str, output: str) -> Used:
    """What a job of the tiny run uses, as somebody would say it who reads params.yaml. Its streams have the names of their modalities."""
    _, _, *parts = output.split("/")
    recipe = params["experiments"].get(parts[0], {})
    modules = {f"tasks/{task}" for task in {"score": [parts[-1].split(".")[0]], "finetune": ["finetune"]}.get(rule, [])}
    modules |= {f"methods/{recipe['method']}"} if rule in ("train", "feasible") else set()
    modules |= {"methods/moco"} if "methods/cmmc" in modules else set()  # the framework that it trains by
    modules |= {"methods/supervised"} if rule == "finetune" else set()
    modules |= {"datasets/toy"} if rule in ("download", "index") else set()
    modules |= {f"tasks/{task}" for task in params["evaluate"]["tasks"]} if rule == "report" else set()
    streams = {"train": recipe.get("streams", []), "feasible": recipe.get("streams", []), "report": list(params["streams"])}.get(rule, [])
    streams = [parts[2]] if rule in ("features", "finetune") else streams
    if rule == "train" and recipe["method"] == "moco":
        streams = [parts[2].split(".")[0]]
    seen = {f"modalities/{stream}" for stream in streams}
    modules |= seen | {f"encoders/{params['streams'][stream]['encoder'].replace('-', '_')}" for stream in streams}
    yamls = modules | ({f"tasks/{task}" for task in params["evaluate"]["tasks"]} if rule == "measurable" else set())
    yamls |= {f"methods/{method}" for method in ("moco", "cmmc", "crossclr")} if rule == "report" else set()
    if rule in SCRIPTS:
        of_files = {"datasets/toy"} if rule == "skeleton" else set()  # which says how many joints its skeleton files have
        return Used({f"extract/{rule}"}, {f"modalities/{parts[1]}"} | of_files)
    return Used(modules, yamls)


def test_no_job_reads_code_that_it_does_not_depend_on(finished: Workspace, finished_run: Workspace) -> None:
    """Modules and YAMLs, as each process noted them while it ran."""
    inputs = {row["output_file"]: set(row["input-file(s)"].split(",")) for row in summary(finished)}
    seen = set()
    for note in map(Path.read_text, sorted(notes_of(finished_run).iterdir())):
        arguments, read = json.loads(note).values()
        out = dict(itertools.pairwise(arguments)).get("--out")
        if out in inputs and Path(arguments[0]).name != "launch.py":
            assert set(read) <= inputs[out], f"{out}: {sorted(set(read) - inputs[out])}"
            seen.add(Path(arguments[0]).stem)
    assert seen == {"download", "index", "measurable", "extract", "feasible", "train", "features", "finetune", "score", "report"}


def test_a_recorded_run_leaves_both_engines_nothing_to_do(finished: Workspace) -> None:
    assert "Nothing to be done" in finished.snakemake("-n")
    assert "up to date" in finished.call("dvc", "status").stdout
    assert "up to date" in finished.call("dvc", "repro").stdout


def test_dvc_shows_numbers_and_curves(finished: Workspace) -> None:
    (shown,) = json.loads(finished.call("dvc", "metrics", "show", "--json").stdout).values()  # of the workspace
    shown = shown["data"]["data/report/index.json"]["data"]
    measured = json.loads((finished.path / "data/results/mixup/0/toy/linear.json").read_text())["values"]
    assert shown["mixup"]["toy"]["linear"] == {stream: metrics["accuracy"] for stream, metrics in measured.items()}
    drawn = json.loads(finished.call("dvc", "plots", "show", "--json").stdout)
    (chart,) = drawn["data"]["loss of mixup"]
    values = chart["content"]["data"]["values"]
    epochs = json.loads((finished.path / "data/models/mixup/0/joint.json").read_text())["epochs"]
    of_joint = [float(value["mixup/0/joint"]) for value in values if value["field"] == "mixup/0/joint" and value["mixup/0/joint"]]
    assert "errors" not in drawn and of_joint == [row["loss"] for row in epochs]


def test_snakemakes_own_report_holds_the_pages(finished: Workspace, tmp_path: Path) -> None:
    finished.call("snakemake", "all", "table2", "--touch", "--cores", "1")
    finished.call("snakemake", "--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        pages = [name for name in archive.namelist() if name.endswith("index.html") and "/data/" in name]
        assert any(b"STC-mix" in archive.read(name) or b"mixup" in archive.read(name) for name in pages), archive.namelist()


def jobs(workspace: Workspace, target: str = "all") -> dict[str, str]:
    """Rule by first output, of all that Snakemake would run."""
    text = workspace.call("python", str(REPOSITORY / "tests/pipeline/plan.py"), target, "--quiet", "host").stdout
    found = (re.match(r"(?:local)?rule (\w+):.*?output: ([^,\n]*)", job, re.S) for job in re.split(r"\n(?=(?:local)?rule )", text))
    return {job[2]: job[1] for job in found if job and job[1] != "all"}


def planned(workspace: Workspace, target: str = "all") -> set[str]:
    """The stages that Snakemake would run."""
    return {stage_of(rule, output) for output, rule in jobs(workspace, target).items()}


def changed(workspace: Workspace) -> set[str]:
    """The stages that DVC calls changed, before anything has run again."""
    return set(json.loads(workspace.call("dvc", "status", "--json").stdout))


def with_what_follows(stages: set[str], edges: set[tuple[str, str]]) -> set[str]:
    more = stages | {name for owner, name in edges if owner in stages}
    return stages if more == stages else with_what_follows(more, edges)


class Change(NamedTuple):
    """An edit, the stages that DVC then calls stale, and, where that is coarser than Snakemake's jobs, the outputs of those."""

    file: str
    old: str
    new: str
    stages: set[str]
    outputs: tuple[str, ...] = ()


def marked(file: str, stages: set[str], *outputs: str, old: str = "from __future__") -> Change:
    """A comment in a file."""
    return Change(file, old, f"# changed\n{old}", stages, outputs)


CMMC = {"feasible-stc-mix", "feasible-stc-mix-skeleton", "train-stc-mix", "train-stc-mix-skeleton"}
TRAININGS = {"train-mixup", "train-crossclr"} | CMMC
EVALUATIONS = {f"evaluate-{experiment}" for experiment in ("untrained", "handmade", "mixup", "stc-mix", "crossclr")}
FINETUNED = ("data/features/*/0/*/toy.finetune.h5", "data/results/*/0/toy/finetune.json")
PAGE = "data/report/index.html"
BEHIND_CMMC = ("data/models/stc-mix*/feasible.json", "data/models/stc-mix*/0/*-?.safetensors", "data/models/crossclr/0/joint+motion.safetensors",
    "data/features/stc-mix/0/*/*.h5", "data/features/crossclr/0/*/*.h5", "data/results/stc-mix/0/toy/*.json", "data/results/crossclr/0/toy/*.json", PAGE)  # fmt: skip
BEHIND_CROSSCLR = (
    "data/models/crossclr/0/joint+motion.safetensors",
    "data/features/crossclr/0/*/*.h5",
    "data/results/crossclr/0/toy/*.json",
    PAGE,
)
BEHIND_FLOW = ("data/cache/toy/flow/*.h5", "data/models/mixup/0/flow.safetensors", "data/models/stc-mix/0/*-?.safetensors", "data/features/*/0/flow/*.h5",
    "data/features/stc-mix/0/rgb/*.h5", *(f"data/results/{experiment}/0/toy/*.json" for experiment in ("untrained", "handmade", "mixup", "stc-mix")), PAGE)  # fmt: skip

CHANGES = {
    "a param of one stream": Change("params.yaml", "augment: {area: [0.75, 1.0], flip: 0.5, scale: 4.0}", "augment: {area: [0.75, 1.0], flip: 0.5, scale: 5.0}",
        {"train-mixup", "train-stc-mix", "evaluate-untrained", "evaluate-handmade", "evaluate-mixup", "evaluate-stc-mix", "report"},
        BEHIND_FLOW[1:]),
    "a param of one experiment": Change("params.yaml", "stages: 2\n    box: batch", "stages: 2\n    box: sample", {"train-stc-mix-skeleton", "report"}),
    "the number of stages": Change("params.yaml", "stages: 2\n    box: batch", "stages: 4\n    box: batch", {"train-stc-mix-skeleton", "report"}),
    "a param of extraction": Change("params.yaml", "bound: 20", "bound: 10", {"flow", "report"}, BEHIND_FLOW),
    "a param of evaluation": Change("params.yaml", "iterations: 20", "iterations: 30", EVALUATIONS | {"measurable", "report"},
        ("data/index/toy.measurable.json", "data/results/*/0/toy/linear.json", PAGE)),
    "a script": marked("stages/extract.py", {"frames", "flow", "skeleton"}, old="def main()"),
    "an extractor": marked("lib/videossl/extract/flow.py", {"flow"}, *BEHIND_FLOW),
    "a method": marked("lib/videossl/methods/cmmc.py", CMMC, *BEHIND_CMMC, old="class CMMC"),
    "a method on all": marked("lib/videossl/methods/crossclr.py", {"train-crossclr"}, *BEHIND_CROSSCLR),
    "a method that others are made of": marked("lib/videossl/methods/moco.py", TRAININGS),
    "what a method says of itself": marked("lib/videossl/methods/cmmc.yaml", CMMC | {"report"}, *BEHIND_CMMC, old="about: "),
    "the method that a task trains by": marked("lib/videossl/methods/supervised.py", {"evaluate-untrained", "evaluate-stc-mix"}, *FINETUNED, PAGE),
    "a module of training": marked("lib/videossl/methods/losses.py", TRAININGS),
    "a task": marked("lib/videossl/tasks/linear.py", EVALUATIONS | {"report"}, "data/results/*/0/toy/linear.json", PAGE),
    "a modality": marked("lib/videossl/modalities/motion.py",
        {"train-mixup", "feasible-stc-mix-skeleton", "train-stc-mix-skeleton", "train-crossclr", "report"} | EVALUATIONS - {"evaluate-stc-mix"},
        "data/models/mixup/0/motion.safetensors", "data/models/stc-mix-skeleton/feasible.json", "data/models/stc-mix-skeleton/0/*-?.safetensors",
        "data/features/*/0/motion/*.h5", *(f"data/results/{experiment}/0/toy/*.json" for experiment in ("untrained", "handmade", "mixup")), *BEHIND_CROSSCLR),
    "an encoder": marked("lib/videossl/encoders/s3d.py",
        {"train-mixup", "feasible-stc-mix", "train-stc-mix", "report"} | EVALUATIONS - {"evaluate-crossclr"},
        "data/models/mixup/0/rgb.safetensors", "data/models/mixup/0/flow.safetensors", "data/models/stc-mix/feasible.json", "data/models/stc-mix/0/*-?.safetensors",
        "data/features/*/0/rgb/*.h5", "data/features/*/0/flow/*.h5",
        *(f"data/results/{experiment}/0/toy/*.json" for experiment in ("untrained", "handmade", "mixup", "stc-mix")), PAGE),
    "a module of the report": marked("lib/videossl/report/curves.py", {"report"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_the_same_stages_stale(finished: Workspace, name: str) -> None:
    file, old, new, wanted, outputs = CHANGES[name]
    finished.replace(file, old, new)
    assert changed(finished) == wanted
    runs = jobs(finished)
    stages = {stage_of(rule, output) for output, rule in runs.items()}
    follow = with_what_follows(wanted, dvc_edges(finished))
    if outputs:
        there = {str(path.relative_to(finished.path)) for pattern in outputs for path in finished.path.glob(pattern)}
        assert set(runs) == there, "the jobs, and what follows from them, exactly"
        assert wanted <= stages <= follow
    else:
        assert stages == follow


def test_a_changed_video_of_the_users_own_is_noticed_by_both(fresh: Workspace, tmp_path: Path) -> None:
    """Another video under the same name: both engines want a new index, and neither without a change."""
    own = tmp_path / "own"
    for name in ("jump/a.avi", "jump/b.avi", "walk/a.avi", "walk/b.avi"):
        write_video(own / name, 12)
    params = (fresh.path / "params.yaml").read_text()
    start, stop = params.index("dataset:"), params.index("transfer:")
    dataset = f"dataset:\n  name: folder\n  root: {own}\n  split: 1\n  options: {{test_share: 0.5, seed: 0}}\n"
    (fresh.path / "params.yaml").write_text(params[:start] + dataset + params[stop:])
    fresh.call("videossl", "dvc-yaml")
    fresh.snakemake("data/index/folder.csv")
    fresh.call("dvc", "commit", "--force", "--quiet", "download", "index")
    assert "Nothing to be done" in fresh.snakemake("data/index/folder.csv", "-n")
    assert "up to date" in fresh.call("dvc", "status", "index").stdout
    write_video(own / "walk/a.avi", 14)
    assert planned(fresh, "data/index/folder.csv") == {"index"}
    assert "index" in json.loads(fresh.call("dvc", "status", "--json", "index").stdout)


def test_the_target_seeds_adds_what_the_first_run_lacks(finished: Workspace) -> None:
    outputs = jobs(finished, "seeds")
    assert outputs and all("/1/" in output or output == "data/report/seeds.html" for output in outputs)


def test_a_change_is_made_to_the_same_bytes_by_both(finished: Workspace, finished_run: Workspace, tmp_path: Path) -> None:
    other = copy_of_run(finished_run, tmp_path / "other")
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
    finished.call("videossl", "record")
    assert times(finished) == made, "Snakemake judges files above 1 MB by their times"
    locks = [yaml.safe_load((workspace.path / "dvc.lock").read_text()) for workspace in (finished, other)]
    assert locks[0] == locks[1], "the same stages, in whatever order"
    assert "up to date" in finished.call("dvc", "status").stdout


def times(workspace: Workspace) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in workspace.path.glob("data/**/*") if path.is_file()}


def test_record_refuses_while_work_is_left(finished: Workspace) -> None:
    lock = (finished.path / "dvc.lock").read_bytes()
    finished.replace("params.yaml", "iterations: 20", "iterations: 30")
    done = finished.call("videossl", "record", ok=False)
    assert done.returncode == 2
    assert done.stdout == "error: work is left to do; run `snakemake --cores all` first (`snakemake -n` says what)\n"
    finished.replace("params.yaml", "  crossclr:", "  second:")
    finished.replace("params.yaml", "stc-mix, crossclr]", "stc-mix, second]")
    done = finished.call("videossl", "record", ok=False)
    assert done.returncode == 2
    assert done.stdout == "error: dvc.yaml is out of date; run `make dvc.yaml`\n"
    assert (finished.path / "dvc.lock").read_bytes() == lock


def test_a_folder_without_git_is_told_how_to_go_on(finished: Workspace) -> None:
    """As from a zip. DVC itself says no more than that it is no git repository."""
    shutil.rmtree(finished.path / ".git")
    assert "is not a git repository" in finished.call("dvc", "status", ok=False).stdout
    done = finished.call("videossl", "record", ok=False)
    way_out = f"{finished.path} is no git repository, as from a zip; call once: dvc config --local core.no_scm true"
    assert done.returncode == 2 and done.stdout == f"error: {way_out}\n"
    finished.call("dvc", "config", "--local", "core.no_scm", "true")
    finished.call("videossl", "record")
    assert "up to date" in finished.call("dvc", "status").stdout
