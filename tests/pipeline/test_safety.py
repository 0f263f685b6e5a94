"""What a person writes in params.yaml, or names a folder, reaches no shell; what comes from outside is never unpickled nor leaves its folder."""

from __future__ import annotations

import ast
import copy
import dataclasses
import itertools
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from tests.conftest import REPOSITORY
from tests.made import row
from tests.pipeline.conftest import ENVIRONMENT, write_video

from videossl import commands, registry
from videossl.commands import dvc_yaml
from videossl.data import index, listing
from videossl.errors import InputError
from videossl.extract import shard
from videossl.extract.frames import Frames
from videossl.params import load

ODD = "-a 'q' \"d\" $(touch ran) `touch ran`; touch ran & %s {x} {dataset} {{y}} ${dataset.name} \\${z} $$ [1] * ? ~ \\ # é: !x\n- line"
"""A folder's name with all that a shell, make, Snakemake, DVC, YAML or argparse might take for its own."""

RULES = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "stages").glob("*.smk"))]


def odd_run(**changes: Any) -> dict[str, Any]:
    """The tiny params with a dataset in an odd place."""
    run: dict[str, Any] = load.written(REPOSITORY / "tests/pipeline/tiny.yaml")
    run["dataset"] = {"name": "folder", "root": f"/videos/{ODD}", "split": 1, "options": {"group": "(.*)/"}}
    run["experiments"]["mixup"]["paper"] = ODD
    return run | changes


def test_odd_folders_through_make_and_snakemake(tmp_path: Path) -> None:
    """From `make run ROOT=... LISTS=... OUT=...` to the index: every name arrives as it is, and nothing of it is run."""
    root, lists, out = tmp_path / ODD, tmp_path / f"{ODD} lists", tmp_path / f"{ODD} run".translate({ord(brace): None for brace in "{}"})
    for name in ("g01", "g02"):
        write_video(root / f"UCF-101/Wave/v_Wave_{name}_c01.avi", 20)
    lists.mkdir()
    (lists / "trainlist01.txt").write_text("Wave/v_Wave_g01_c01.avi 1\n")
    (lists / "testlist01.txt").write_text("Wave/v_Wave_g02_c01.avi\n")
    given = ["PRESET=ucf101-part", f"ROOT={root}", f"LISTS={lists}", f"OUT={out}", "CORES=1", "TARGETS=data/index/ucf101.csv"]
    done = subprocess.run(
        ["make", "-C", str(REPOSITORY), "-o", ".venv/done", "run", *given], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert load.load(out / "params.yaml")["dataset"] | {"split": 0} == {
        "name": "ucf101",
        "root": str(root),
        "split": 0,
        "options": {"lists": str(lists)},
    }
    assert [(one.id, one.split) for one in index.read(out / "data/index/ucf101.csv")] == [
        ("Wave/v_Wave_g01_c01", "train"),
        ("Wave/v_Wave_g02_c01", "test"),
    ]
    assert not [*tmp_path.rglob("ran"), *REPOSITORY.glob("ran")]


def snakemake(run: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["snakemake", *arguments, "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(run)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)


def test_a_run_in_a_folder_with_braces_is_refused(tmp_path: Path) -> None:
    """Snakemake would look for the locks of other folders, too, or fail with a traceback."""
    run = tmp_path / "{run}"
    run.mkdir()
    (run / "params.yaml").write_text(yaml.safe_dump(odd_run()))
    done = snakemake(run, "--cores", "1")
    assert done.returncode == 2
    said = f"error: {run} has braces in its name, which Snakemake takes for a wildcard; choose another --directory"
    assert done.stderr.splitlines()[-1] == said and not (run / "data").exists()


def test_every_job_gets_its_params_as_they_are(tmp_path: Path) -> None:
    """Of all rules, by the shell commands that Snakemake would run: no brace of a value is taken for a wildcard, no quote ends a text."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(odd_run()))
    done = snakemake(tmp_path, "all", "figure2", "-n", "-p", "--quiet", "host")
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("Shell command: ") and " --params " in line:
            words = shlex.split(line)
            script = next(Path(word).stem for word in words if word.endswith(".py") and Path(word).name != "launch.py")
            options = dict(itertools.pairwise(words))
            slices = json.loads(options["--params"])
            what = options.get("--source") or options.get("--task") or slices.get("method")
            found.setdefault(" ".join(filter(None, [script, what])), []).append(slices)
    scripts = {
        "download",
        "index",
        "extract rgb",
        "extract flow",
        "train moco",
        "train cmmc",
        "features",
        "score linear",
        "finetune finetune",
    }
    assert scripts | {"progress", "report"} <= set(found)
    roots = [one["dataset"]["root"] for several in found.values() for one in several if "dataset" in one]
    assert len(roots) > 6 and set(roots) == {f"/videos/{ODD}"}
    recipes = [one["experiments"]["mixup"] for name in ("report", "compare") for one in found[name]]
    assert {one["paper"] for one in recipes} == {ODD}


@pytest.mark.parametrize("what", ["experiments", "targets"])
@pytest.mark.parametrize(
    "name",
    ["a b", "a'b", 'a"b', "$(reboot)", "`reboot`", "a;b", "a\n", "\na", "a\nb", "-a", "--all", "..", ".", "../a", "/a", "a/b", "a%b", "{a}", "a{x}b",
     "", "A", "é", "a\0", "~", "a_b", "a.", "a..b", ".a", "a.json/b", 3, True, None],
)  # fmt: skip
def test_a_name_of_an_experiment_or_target_is_plain_or_refused(what: str, name: Any) -> None:
    """They become names of folders, rules and stages."""
    run = odd_run()
    run[what][name] = copy.deepcopy(run[what]["mixup" if what == "experiments" else "mine"])
    with pytest.raises(InputError, match="is no name for"):
        load.check(run)


def test_a_target_may_be_called_as_a_table_is() -> None:
    run = odd_run()
    run["targets"] |= dict.fromkeys(("tubelets-table5.2", "tubelets-tableC.1", "1.0.0"), run["targets"]["mine"])
    assert len(load.check(run)["targets"]) == len(run["targets"])


@pytest.mark.parametrize("value", ["toy\n", "../toy", "$(reboot)", "folder;", ""])
def test_a_dataset_is_one_of_those_there_are(value: Any) -> None:
    for changes in (
        {"dataset": value},
        {"dataset": {"name": value}},
        {"transfer": [{"name": value, "streams": ["rgb"]}]},
        {"all": [value]},
        {"evaluate": odd_run()["evaluate"] | {"datasets": [value]}},
    ):
        with pytest.raises(InputError, match=r"is '|names '"):
            load.check(odd_run(**changes))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0, "2; reboot", True])
@pytest.mark.parametrize("key", ["epochs", "batch"])
def test_a_number_is_a_number(key: str, value: Any) -> None:
    run = odd_run()
    train = run["streams"]["joint"]["train"]
    run["streams"]["joint"]["train"] = train | {"moco": train.get("moco", {}) | {key: value}}
    with pytest.raises(InputError, match=rf"streams\.\w+\.train\.moco\.{key} must be a whole number, not "):
        load.check(run)
    run = odd_run()
    run["flow"]["bound"] = value
    if value != 2.0:
        with pytest.raises(InputError, match=r"flow\.bound must be a number, not "):
            load.check(run)


@pytest.mark.parametrize("name", ["folder", "ucf101"])
def test_a_preset_takes_every_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = [ODD, "a'b", 'a"b', "a\nb", "a\tb", " a ", "a: b", "a # b", "{a}", "%s", "a\u2028b", "-a", "~", "\U0001f600\n"]
    for number, text in enumerate(odd):
        (tmp_path / text / "hmdb51").mkdir(parents=True)
        for video in range(8):
            (tmp_path / text / "hmdb51" / f"{video}.avi").touch()
        monkeypatch.chdir(tmp_path)
        out = tmp_path / f"run {number}"
        given = [f"--{key}={text}" for key in ("lists", "transfer") if name == "ucf101"]
        commands.cli.main(["run", *given, f"--out={out}", "--params-only", "--", name, text], standalone_mode=False)
        made = load.load(out / "params.yaml")
        assert made["dataset"]["root"] == str(tmp_path / text)
        if name == "ucf101":
            assert made["dataset"]["options"]["lists"] == str(tmp_path / text)
            assert made["transfer"][0]["root"] == str(tmp_path / text / "hmdb51")


def test_dvc_sees_the_folder_and_calls_nothing_but_snakemake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC would fill in ${...}; its commands hold no word that a person wrote but names, which are plain."""
    monkeypatch.chdir(REPOSITORY)  # what a stage depends on is found from there
    run = load.check(odd_run())
    Repo.init(str(tmp_path), no_scm=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(run))
    (tmp_path / "dvc.yaml").write_text(dvc_yaml.text(run, run))
    stages = {stage.name: stage for stage in Repo(str(tmp_path)).index.stages}
    assert f"/videos/{ODD}" in [dep.def_path for dep in stages["index"].deps]
    assert all(re.fullmatch(r"snakemake( [\w./-]+)+ --allowed-rules( [\w-]+)+ # rules \w+", stage.cmd) for stage in stages.values())


def placeholders() -> Iterator[tuple[str, str]]:
    """(file, what stands between braces) of all that Snakemake fills into a shell command."""
    for file in RULES:
        for found in re.findall(r"\{((?:input|output|params|log|wildcards|resources|threads)\b[^{}]*)\}", file.read_text()):
            yield file.name, found


def test_all_that_reaches_a_shell_is_quoted_or_plain() -> None:
    """Files and params are quoted; wildcards are held to plain names by the Snakefile; the rest are numbers."""
    constrained = set(
        re.findall(r"^    (\w+)=", (REPOSITORY / "Snakefile").read_text().split("wildcard_constraints:")[1].split("\n\n")[0], re.M)
    )
    assert constrained == {"dataset", "shard", "seed", "stream", "experiment", "training", "task"}
    seen = 0
    for file, found in placeholders():
        kind, _, name = found.partition(".")
        seen += 1
        if kind == "wildcards":
            assert name in constrained, f"{file}: {found}"
        elif kind not in ("threads", "resources"):
            assert found.endswith(":q"), f"{file}: {{{found}}} is not quoted"
    assert seen > 50
    for file in RULES:
        assert not re.search(r"^ +slice=(?!as_json\(|lambda )", file.read_text(), re.M), f"{file.name}: Snakemake fills in a text"


# What is never called, on any file: it would run, or write, what somebody else put there.
UNSAFE = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "joblib.load",
          "shutil.unpack_archive", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle"}  # fmt: skip


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """(dotted name, call) of all calls in a file, `import a as b` undone."""
    tree = ast.parse(file.read_text())
    names = {
        alias.asname or alias.name: f"{getattr(node, 'module', None) or ''}.{alias.name}".lstrip(".")
        if isinstance(node, ast.ImportFrom)
        else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield f"{names.get(first, first)}{dot}{rest}", node


def is_unsafe(name: str, call: ast.Call) -> bool:
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    loaders = [ast.unparse(argument) for argument in call.args[1:2]] + [given.get("Loader", "")]
    return (
        name in UNSAFE
        or name.endswith((".extractall", "zipfile.ZipFile.extract"))
        or (name == "torch.load" and given.get("weights_only") != "True")
        or (name in ("numpy.load", "np.load") and given.get("allow_pickle", "False") != "False")
        or (name == "yaml.load" and not set(loaders) & {"_Loader", "_LOADER", "yaml.SafeLoader"})
        or (name.startswith("subprocess.") and given.get("shell", "False") != "False")
    )


def test_nothing_from_outside_is_run() -> None:
    """No unpickling, no code in YAML, no shell but Snakemake's, no archive unpacked by a call that follows its names."""
    files = [*(REPOSITORY / "lib").rglob("*.py"), *(REPOSITORY / "stages").glob("*.py")]
    found = [
        f"{file.relative_to(REPOSITORY)}:{call.lineno}: {name}" for file in files for name, call in calls(file) if is_unsafe(name, call)
    ]
    assert len(files) > 100 and not found
    assert issubclass(load._Loader, yaml.SafeLoader)
    assert registry._LOADER in (yaml.SafeLoader, yaml.CSafeLoader)


@pytest.mark.parametrize(
    "code",
    ["import pickle as p\np.load(f)", "from pickle import loads\nloads(b)", "import torch\ntorch.load(f)", "import torch\ntorch.load(f, weights_only=False)",
     "import numpy as np\nnp.load(f, allow_pickle=True)", "import yaml\nyaml.load(t, yaml.Loader)", "import yaml\nyaml.load(t)", "import os\nos.system(c)",
     "import subprocess\nsubprocess.run(c, shell=True)", "import tarfile\ntarfile.open(f).extractall()", "eval(t)"],
)  # fmt: skip
def test_what_is_unsafe_is_seen(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.py").write_text(code)
    assert any(is_unsafe(name, call) for name, call in calls(tmp_path / "a.py"))


def test_params_cannot_run_code(tmp_path: Path) -> None:
    text = f"dataset: !!python/object/apply:os.mkdir ['{tmp_path / 'ran'}']\n"
    with pytest.raises(InputError, match="is not YAML: could not determine a constructor"):
        load.parse(text, "params.yaml")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("place", ["../secret.avi", "/etc/passwd", "a/../../secret.avi"])
def test_a_name_in_a_list_or_an_index_stays_in_the_dataset(tmp_path: Path, place: str) -> None:
    (tmp_path / "list.txt").write_text(f"{place.removesuffix('.avi')}.avi 1\n")
    with pytest.raises(InputError, match=r"list\.txt:1: .* must lie below the dataset's folder"):
        listing.read_list(tmp_path / "list.txt")
    for changes in ({"path": place}, {"skeleton": place}):
        index.write(tmp_path / "index.csv", [dataclasses.replace(row("a", "x"), **changes)])
        with pytest.raises(InputError, match=r"a: .* does not lie in the dataset's folder; make the index again"):
            shard.build(tmp_path / "a.h5", "rgb", "x", index.read(tmp_path / "index.csv"), tmp_path, Frames(32))
    assert not (tmp_path / "a.h5").exists()
