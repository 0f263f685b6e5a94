"""profiles/slurm: what the site's settings are made into, by the templates that Snakemake itself reads profiles with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
import yte

from tests.conftest import REPOSITORY
from tests.pipeline.conftest import ENVIRONMENT
from videossl import registry

TRAININGS = ("train", "finetune")


def extractors(**features: Any) -> set[str]:
    """The extraction rules whose modality declares `features` of the extractor."""
    declared = [registry.declared("modalities", name) for name in registry.names("modalities")]
    every = [
        {"module": name} | one
        for name, modality in zip(registry.names("modalities"), declared, strict=True)
        for one in modality.get("extractors", {}).values()
    ]
    return {one["module"] for one in every if features.items() <= one.items()}


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("VIDEOSSL_SITE", raising=False)


def profile(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: Any) -> dict[str, Any]:
    """The profile of the site as it is shipped, with `changes`; None takes a key away."""
    site = yaml.safe_load((REPOSITORY / "profiles/slurm/site.yaml").read_text()) | changes
    (folder / "site.yaml").write_text(yaml.safe_dump(site))
    monkeypatch.setenv("VIDEOSSL_SITE", str(folder / "site.yaml"))
    with (REPOSITORY / "profiles/slurm/config.yaml").open() as file:
        return dict(yte.process_yaml(file, require_use_yte=True))


def test_as_shipped_a_training_is_one_process_on_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = profile(monkeypatch, tmp_path)
    assert "None" not in str(made) and "gres" not in str(made) and "default-resources" not in made
    assert set(made["set-resources"]) == set(TRAININGS)
    for rule in TRAININGS:
        resources = made["set-resources"][rule]
        assert (resources["nodes"], resources["processes"], resources["tasks"]) == (1, 1, 1)
        assert resources["slurm_extra"] == "--signal=USR1@300"


def test_gpus_and_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = profile(monkeypatch, tmp_path, gpus=4, nodes=2, cpus=6, account=123, partition="cpu", gpu_partition="gpu", notice=90)
    assert made["default-resources"] == {"slurm_account": "123", "slurm_partition": "cpu"}
    for rule in TRAININGS:
        resources = made["set-resources"][rule]
        assert resources["gres"] == "gpu:4" and resources["slurm_partition"] == "gpu" and resources["slurm_extra"] == "--signal=USR1@90"
        assert (resources["nodes"], resources["processes"], resources["cpus_per_task"]) == (2, 4, 24)
        assert "tasks" not in resources, "the plugin would make it so many a GPU"
    on_gpus = {"features", "progress", *extractors(gpu=True)}
    assert extractors() >= {"frames", "flow", "skeleton", "pose"} and on_gpus & {"frames", "flow", "skeleton", "pose"} == {"pose"}
    for rule in on_gpus:
        assert made["set-resources"][rule] == {"gres": "gpu:1", "slurm_partition": "gpu"}
    assert set(made["set-resources"]) == {*TRAININGS, *on_gpus}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpus: 1", "account is missing"),
        ((REPOSITORY / "profiles/slurm/site.yaml").read_text() + "gpu: 1", "there is no gpu"),
        ((REPOSITORY / "profiles/slurm/site.yaml").read_text().replace("gpus: 0", "gpus: all"), "gpus is 'all', which is no whole number"),
        ((REPOSITORY / "profiles/slurm/site.yaml").read_text().replace("nodes: 1", "nodes: 0"), "no whole number of at least 1"),
        (
            (REPOSITORY / "profiles/slurm/site.yaml").read_text().replace("status: squeue", "status: sacctt"),
            "'sacctt', not squeue or sacct",
        ),
        ("gpus: [", "flow node"),
        (None, "No such file"),
    ],
    ids=["missing", "unknown", "a word", "none", "no tool", "no YAML", "absent"],
)
def test_a_mistake_in_the_sites_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    site = tmp_path / "site.yaml"
    if text:
        site.write_text(text)
    monkeypatch.setenv("VIDEOSSL_SITE", str(site))
    with (REPOSITORY / "profiles/slurm/config.yaml").open() as file, pytest.raises(SystemExit) as ended:
        yte.process_yaml(file, require_use_yte=True)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {site}: ") and said in line and line.endswith("; VIDEOSSL_SITE names another file")


def test_a_folder_that_the_plugin_would_hand_to_a_shell_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "$(touch x)"
    run.mkdir()
    shutil.copy2(REPOSITORY / "tests/pipeline/tiny.yaml", run / "params.yaml")
    command = ["snakemake", "download", "--profile", "profiles/slurm", "--directory", str(run)]
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {str(run)!r} cannot be run on Slurm")
    assert not list(run.glob(".snakemake/locks/*")), "the next call is not locked out"
