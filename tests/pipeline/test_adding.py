"""docs/adding.md: a modality, an encoder, a method and a task, added as the page says, by their own files alone; then everything runs with them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import Workspace, copy_of_repository
from tests.pipeline.test_engines import jobs

pytestmark = pytest.mark.slow
PAGE = (REPOSITORY / "docs" / "adding.md").read_text()
BLOCK = re.compile(r"`(?P<file>lib/[\w/.]+)`:\n\n```(?:python|yaml)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = re.compile(r"^## A run with all four\n\n```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
THINGS = {
    "modality": ["lib/videossl/modalities/brightness.py", "lib/videossl/modalities/brightness.yaml"],
    "encoder": ["lib/videossl/encoders/conv_1d.py", "lib/videossl/encoders/conv_1d.yaml"],
    "method": ["lib/videossl/methods/simsiam.py", "lib/videossl/methods/simsiam.yaml"],
    "task": ["lib/videossl/tasks/knn.py", "lib/videossl/tasks/knn.yaml"],
}

FEW = {  # the tasks on few labels, beside the page's: one video of each of the three classes
    "linear-few": {"share": 0.34, "weight_decay": 0.001, "iterations": 200},
    "finetune-few": {"share": 0.34, "overlap": 0.5, "crops": 1, "experiments": []},
}


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> tuple[Workspace, dict[str, list[str]]]:
    """A copy of the repository with the page's things in it, and what git calls changed by each."""
    workspace = copy_of_repository(tmp_path_factory.mktemp("adding") / "copy", warm)
    texts = {match["file"]: match["text"] for match in BLOCK.finditer(PAGE)}
    changed = {}
    for thing, files in THINGS.items():
        for file in files:
            (workspace.path / file).write_text(texts.pop(file))
        said = workspace.call("git", "status", "--porcelain", "--untracked-files=all").stdout
        changed[thing] = said.splitlines()
        workspace.call("git", "add", "--all")
        workspace.call("git", "commit", "--quiet", "--message", f"a {thing}")
    assert not texts, f"docs/adding.md has other files, too: {', '.join(texts)}"
    params = yaml.safe_load((workspace.path / "params.yaml").read_text())
    params |= yaml.safe_load(RUN.search(PAGE)[1])  # type: ignore[index]
    params["evaluate"]["tasks"] |= FEW
    params["streams"]["brightness"]["train"]["finetune-few"] = {"epochs": 2, "batch": 3}
    (workspace.path / "params.yaml").write_text(yaml.safe_dump(params | {"seeds": [0]}, sort_keys=False))
    workspace.call("videossl", "dvc-yaml")
    workspace.snakemake("all", "compared", f"data/progress/mine/0/{params['dataset']['name']}/brightness.json")
    return workspace, changed


def test_each_thing_is_its_own_files_and_nothing_else(added: tuple[Workspace, dict[str, list[str]]]) -> None:
    _, changed = added
    assert changed == {thing: [f"?? {file}" for file in files] for thing, files in THINGS.items()}


def test_each_thing_is_short(added: tuple[Workspace, dict[str, list[str]]]) -> None:
    workspace, _ = added
    for thing, files in THINGS.items():
        lines = [line for file in files for line in (workspace.path / file).read_text().splitlines() if line.strip()]
        assert len(lines) < 120, f"{thing}: {len(lines)} lines"


def test_it_trains_is_measured_and_stands_on_the_pages(added: tuple[Workspace, dict[str, list[str]]]) -> None:
    run = added[0].path
    curve = json.loads((run / "data/models/mine/0/brightness.json").read_text())["epochs"]
    assert [row["epoch"] for row in curve] == [1, 2, 3, 4] and {"loss", "lr", "spread"} <= curve[0].keys()
    result = json.loads((run / "data/results/mine/0/toy/knn.json").read_text())
    assert result["values"]["brightness"].keys() == {"error", "accuracy"} and sum(result["values"]["brightness"].values()) == 100
    along = json.loads((run / "data/progress/mine/0/toy/brightness.json").read_text())["streams"]["brightness"]["points"]
    assert [point["epoch"] for point in along] == [2, 4] and along[-1]["knn"] == result["values"]["brightness"]
    for page, named in (("index", "Nearest neighbours&#39; vote on toy"), ("compared", "kNN")):
        text = (run / f"data/report/{page}.html").read_text()
        assert "brightness" in text and named in text


def test_few_labels_stand_beside_them(added: tuple[Workspace, dict[str, list[str]]]) -> None:
    run = added[0].path
    for experiment, task in (("mine", "linear-few"), ("untrained", "linear-few"), ("untrained", "finetune-few")):
        result = json.loads((run / f"data/results/{experiment}/0/toy/{task}.json").read_text())
        assert result["counts"] == {"train": 3, "test": 6, "classes": 3} and result["chance"] == {"accuracy": pytest.approx(100 / 3)}
    assert json.loads((run / "data/results/mine/0/toy/knn.json").read_text())["counts"]["train"] == 9
    assert len(list(run.glob("data/results/*/0/toy/finetune-few.json"))) == 1
    page = (run / "data/report/index.html").read_text()
    assert "Linear probe on few labels on toy" in page and page.count("3 labelled videos of 3 classes to train with, 6 test videos.") == 2


def test_both_engines_know_it(added: tuple[Workspace, dict[str, list[str]]]) -> None:
    workspace, _ = added
    assert "recorded" in workspace.call("videossl", "record").stdout
    assert "up to date" in workspace.call("dvc", "status").stdout
    workspace.replace("lib/videossl/methods/simsiam.py", "class SimSiam", "# changed\nclass SimSiam")
    stale = {line.split(":")[0] for line in workspace.call("dvc", "status").stdout.splitlines() if re.match(r"[\w-]+:$", line)}
    assert stale == {"train-mine"} and set(jobs(workspace).values()) == {"train", "features", "score", "report"}
    workspace.replace("lib/videossl/methods/simsiam.py", "# changed\nclass SimSiam", "class SimSiam")


def test_cost_and_docs_know_it(added: tuple[Workspace, dict[str, list[str]]], tmp_path: Path) -> None:
    workspace, _ = added
    (workspace.path / "other").mkdir()
    (workspace.path / "other/params.yaml").write_bytes((workspace.path / "params.yaml").read_bytes())
    said = workspace.call("videossl", "cost", "other", "--quick").stdout
    assert re.search(r"^train +1 ", said, re.MULTILINE) and "simsiam" in said and "knn" in said
    workspace.call("videossl", "params", "--out", "docs/params.md")
    text = (workspace.path / "docs/params.md").read_text()
    assert "numbers between the two layers of the predictor" in text and "knn" in text and "a view is multiplied by a number" in text


def test_two_processes_train_as_one(added: tuple[Workspace, dict[str, list[str]]]) -> None:
    workspace, _ = added
    curve = workspace.path / "data/models/mine/0/brightness.json"
    before = json.loads(curve.read_text())
    workspace.snakemake(str(curve.relative_to(workspace.path)), "--forcerun", "train", "--set-resources", "train:processes=2")
    for alone, together in zip(before["epochs"], json.loads(curve.read_text())["epochs"], strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], abs=1e-5) and together["spread"] == pytest.approx(alone["spread"], abs=1e-5)
