"""What a job depends on of the code: its script, what that imports, and the files of the things that it uses; no more and no less."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.faults import WITHOUT_TORCH
from tests.pipeline.conftest import ENVIRONMENT
from videossl import job_code, registry
from videossl.commands import dvc_yaml
from videossl.params import load

SCRIPTS = sorted(path.name for path in (REPOSITORY / "stages").glob("*.py"))
JOBS = ("download", "index", "measurable", "extract", "feasible", "train", "features", "finetune", "score", "progress", "report", "compare")
"""The scripts that rules call."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_closure_is_what_python_finds(script: str) -> None:
    """Against the standard library's own module finder, which reads byte code."""
    finder = ModuleFinder([str(REPOSITORY / "lib")])
    finder.run_script(str(REPOSITORY / "stages" / script))
    found = {Path(module.__file__).resolve() for module in finder.modules.values() if module.__file__}
    ours = {REPOSITORY / path for path in job_code.closure(f"stages/{script}") if path.endswith(".py")}
    assert {path for path in found if path.is_relative_to(REPOSITORY / "lib") or path.parent.name == "stages"} == ours


@pytest.mark.parametrize("script", ["train.py", "report.py", "index.py"])
def test_the_closure_holds_all_that_a_run_imports(script: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = ['x', '--help']\ntry: runpy.run_path({str(REPOSITORY / 'stages' / script)!r}, run_name='__main__')\n"
        "except SystemExit: pass\nprint([m.__file__ for n, m in sys.modules.items() if n.startswith('videossl')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {Path(path) for path in eval(done.stderr.strip().splitlines()[-1])}
    assert loaded
    assert loaded <= {REPOSITORY / path for path in job_code.closure(f"stages/{script}")}


def test_what_needs_no_torch_does_not_load_it() -> None:
    """Nor at work, as the tests of the pipeline hold (tests/faults.py)."""
    program = (
        "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(f'stages.{name}'); print(name, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *WITHOUT_TORCH], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert set(done.stdout.splitlines()) == {f"{name} False" for name in WITHOUT_TORCH}


def things() -> dict[str, str]:
    """All files of all things, with whose they are."""
    return {file: f"{kind} {name}" for kind in registry.KINDS for name in registry.names(kind) for file in registry.files(kind, name)}


@pytest.mark.parametrize("script", JOBS)
def test_a_script_that_rules_call_holds_no_file_of_any_thing(script: str) -> None:
    """They are in the closures that they are given to, so a change of one makes nothing stale that does not use it."""
    assert not {file: things()[file] for file in job_code.closure(f"stages/{script}.py") if file in things()}


def test_a_closure_holds_the_things_that_it_is_given_and_what_they_import() -> None:
    """CrosSCLR is made of MoCo, which is not made of it; CMMC is of the framework that it is given."""

    def methods(name: str, *framework: str) -> set[str]:
        part = {"method": name} | dict(zip(["framework"], framework, strict=False))
        return {Path(file).name for file in job_code.closure("stages/train.py", *registry.used(part)) if file in things()}

    assert methods("moco") == {"moco.py", "moco.yaml"}
    assert methods("supervised") == {"supervised.py", "supervised.yaml"}
    assert methods("cmmc") == methods("cmmc", "moco") == {"cmmc.py", "cmmc.yaml", "moco.py", "moco.yaml"}
    assert methods("crossclr") == {"crossclr.py", "crossclr.yaml", "moco.py"}


def test_extractions_do_not_depend_on_each_other() -> None:
    closures = {
        name: job_code.closure("stages/extract.py", f"lib/videossl/extract/{name}.py") for name in ("frames", "flow", "skeleton", "pose")
    }
    assert "lib/videossl/extract/flow.py" in closures["flow"]
    assert not [name for name in ("frames", "skeleton", "pose") if "lib/videossl/extract/flow.py" in closures[name]]
    assert [name for name, files in closures.items() if "lib/videossl/extract/pose.py" in files] == ["pose"]


def test_data_files_beside_a_module_belong_to_it() -> None:
    assert "lib/videossl/report/paper.yaml" in job_code.closure("stages/report.py")
    assert any(path.endswith(".html") for path in job_code.closure("stages/report.py"))


def test_the_digest_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "lib").mkdir()
    script = tmp_path / "stages/a.py"
    script.write_text("import json\n")
    monkeypatch.setattr(job_code, "ROOT", tmp_path)
    job_code.closure.cache_clear()
    first = job_code.digest("stages/a.py")
    script.write_text("import json  # changed\n")
    assert job_code.digest("stages/a.py") != first
    job_code.closure.cache_clear()


# Which jobs a change of one thing makes stale, by hand: in the rules as Snakemake sees them, and in dvc.yaml.

STREAMS = ("rgb", "flow", "joint", "motion")
MIXUP = {f"mixup/0/{stream}" for stream in STREAMS}
VIDEO = {"stc-mix/0/rgb-1", "stc-mix/0/flow-1", "stc-mix/0/rgb-2", "once/0/rgb-1"}
SKELETON = {"stc-mix-skeleton/0/joint-1", "stc-mix-skeleton/0/motion-1"}
TOGETHER = {"crossclr/0/joint+motion"}
FEASIBLE = {"stc-mix", "stc-mix-skeleton", "once"}
MEASURED = {
    "untrained": STREAMS,
    "handmade": STREAMS,
    "mixup": STREAMS,
    "stc-mix": STREAMS[:2],
    "crossclr": STREAMS[2:],
    "once": STREAMS[:2],
}
FINETUNED = {"untrained": STREAMS, "stc-mix": STREAMS[:2]}


def models(*trainings: set[str], feasible: set[str] | None = None) -> set[str]:
    files = {f"data/models/{training}.safetensors" for training in set().union(*trainings)}
    return files | {f"data/models/{experiment}/feasible.json" for experiment in feasible or ()}


def measured(*streams: str) -> set[str]:
    """Features of `streams`, and what they predict once they are finetuned."""
    files = {f"data/features/{name}/0/{stream}/toy.h5" for name, own in MEASURED.items() for stream in own if stream in streams}
    return files | {
        f"data/features/{name}/0/{stream}/toy.finetune.h5" for name, own in FINETUNED.items() for stream in own if stream in streams
    }


def trained_of(*streams: str) -> set[str]:
    """Trainings that see one of `streams`, as a partner, too, and what looks at their encoders before or along the way."""
    chosen = {training for training in MIXUP if training.split("/")[-1] in streams}
    video, skeleton = bool({"rgb", "flow"} & set(streams)), bool({"joint", "motion"} & set(streams))
    chosen |= (VIDEO if video else set()) | (SKELETON | TOGETHER if skeleton else set())
    feasible = ({"stc-mix", "once"} if video else set()) | ({"stc-mix-skeleton"} if skeleton else set())
    progress = {f"data/progress/{name}" for name in ("mixup/0/toy/rgb.json", "once/0/toy/rgb-1.json") if "rgb" in streams}
    return models(chosen, feasible=feasible) | progress


REPORT = {"data/report/index.html", "data/report/table2.json", "data/report/figure2.json"}
SHARDS = {cached: {f"data/cache/toy/{cached}/{shard}.h5" for shard in ("0000", "0001")} for cached in ("rgb", "flow", "joint")}

STALE: dict[str, tuple[set[str], set[str]]] = {  # a file -> the jobs, by their first output, and the stages of dvc.yaml
    # CMMC trains by MoCo and CrosSCLR is made of it, so its change rightly is one of theirs, and all trainings of this run are by one of the three.
    "methods/moco.py": (
        models(MIXUP, VIDEO, SKELETON, TOGETHER, feasible=FEASIBLE),
        {"train-mixup", "feasible-stc-mix", "train-stc-mix", "feasible-stc-mix-skeleton", "train-stc-mix-skeleton", "train-crossclr"},
    ),
    # CMMC trains by MoCo, as it declares. The pages take from it what it says of itself, such as among how many keys a query is told apart.
    "methods/moco.yaml": (
        models(MIXUP, VIDEO, SKELETON, feasible=FEASIBLE) | REPORT,
        {"train-mixup", "feasible-stc-mix", "train-stc-mix", "feasible-stc-mix-skeleton", "train-stc-mix-skeleton", "report"},
    ),
    "methods/cmmc.py": (
        models(VIDEO, SKELETON, feasible=FEASIBLE),
        {"feasible-stc-mix", "train-stc-mix", "feasible-stc-mix-skeleton", "train-stc-mix-skeleton"},
    ),
    "methods/crossclr.py": (models(TOGETHER), {"train-crossclr"}),
    "methods/supervised.py": (
        {f"data/features/{name}/0/{stream}/toy.finetune.h5" for name, streams in FINETUNED.items() for stream in streams},
        {"evaluate-untrained", "evaluate-stc-mix"},
    ),
    "encoders/s3d.py": (
        trained_of("rgb", "flow") | measured("rgb", "flow") | {"data/report/index.html"},
        {
            "report",
            "train-mixup",
            "feasible-stc-mix",
            "train-stc-mix",
            *(f"evaluate-{name}" for name in ("untrained", "handmade", "mixup", "stc-mix")),
        },
    ),
    "modalities/motion.py": (
        (trained_of("motion") | measured("motion") | REPORT),
        {"train-mixup", "feasible-stc-mix-skeleton", "train-stc-mix-skeleton", "train-crossclr", "report"}
        | {f"evaluate-{name}" for name in ("untrained", "handmade", "mixup", "crossclr")},
    ),
    "extract/skeleton.py": (SHARDS["joint"], {"skeleton"}),
    "datasets/toy.py": ({"data/raw/toy", "data/index/toy.csv"}, {"download", "index"}),
}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> dict[str, set[str]]:
    """The code of every job of seed 0 of the smallest run, by its first output, as Snakemake sees it."""
    run = tmp_path_factory.mktemp("run")
    shutil.copy2(REPOSITORY / "tests/pipeline/tiny.yaml", run / "params.yaml")
    command = ["python", str(REPOSITORY / "tests/pipeline/plan.py"), "all", "table2", "figure2", "--forceall", "--workflow-profile", "none"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(run)]
    done = subprocess.run(command, env=ENVIRONMENT | warm, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^ +input: (.+)\n +output: ([^,\n]+)", done.stdout, re.M)
    assert len(found) > 50
    inside = f"{os.path.relpath(REPOSITORY, run)}/"
    code = {output: {file.removeprefix(inside) for file in inputs.split(", ")} for inputs, output in found}
    return {output: files for output, files in code.items() if "/1/" not in output}


@pytest.mark.parametrize("file", STALE)
def test_a_change_of_a_thing_makes_those_jobs_stale_that_use_it(jobs: dict[str, set[str]], file: str) -> None:
    assert {output for output, files in jobs.items() if f"lib/videossl/{file}" in files} == STALE[file][0]


@pytest.mark.parametrize("file", STALE)
def test_a_change_of_a_thing_makes_those_stages_stale_that_use_it(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    stages = dvc_yaml.stages(load.load("tests/pipeline/tiny.yaml"))
    assert {name for name, stage in stages.items() if f"lib/videossl/{file}" in stage.written()["deps"]} == STALE[file][1]


@pytest.mark.parametrize("name", ["moco", "cmmc", "crossclr", "supervised"])
def test_the_digest_that_a_job_records_changes_with_its_method_alone(
    jobs: dict[str, set[str]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a copy of the code, where one method's file is changed."""
    for folder in ("lib", "stages"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(job_code, "ROOT", tmp_path)
    monkeypatch.setattr(job_code, "LIBRARY", tmp_path / "lib")
    job_code.closure.cache_clear()
    given = {output: sorted(file for file in files if file.endswith((".py", ".yaml"))) for output, files in jobs.items()}
    before = {output: job_code.digest(*files) for output, files in given.items()}
    with (tmp_path / f"lib/videossl/methods/{name}.py").open("a") as method:
        method.write("# changed\n")
    changed = {output for output, files in given.items() if job_code.digest(*files) != before[output]}
    job_code.closure.cache_clear()
    assert changed == STALE[f"methods/{name}.py"][0]


# The reading of imports, against Python's own parser.

ODD = '''
"""A docstring that says
import videossl.not_this
"""
import videossl.a as x, videossl.b  # import videossl.nor_this
from videossl.c import (  # (two)
    d,  # ) of them
    e as f,
)
from videossl.g import h, \\
    i
TEXT = "# no comment, \\" nor an end"; QUOTES = '"""'
def late():
    import videossl.j
    try:
        from videossl.k import l
    except ImportError: pass
from . import relative
from .near import by
RAW = r"\\\\"
import os
LAST = \'\'\'
from videossl import neither
\'\'\'
'''


def parsed(text: str) -> list[str]:
    """The names that a source imports, by Python's parser."""
    result = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            result += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            result += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return sorted(result)


def test_imports_are_those_that_python_parses(tmp_path: Path) -> None:
    """Of each source of the repository, and of what could be mistaken. Relative imports, which the sources do not have, name nothing of it."""
    odd = tmp_path / "odd.py"
    odd.write_text(ODD)
    sources = [odd, *(path for folder in ("lib", "stages", "tests", "bench") for path in (REPOSITORY / folder).rglob("*.py"))]
    for path in sources:
        names = [name for name in job_code._names(path) if not name.startswith(".")]
        assert sorted(names) == parsed(path.read_text(encoding="utf-8")), path
    assert len(sources) > 300 and "videossl.e" not in parsed(ODD) and "videossl.c.e" in parsed(ODD)
