"""params.yaml: what is wrong with it is said in one line that names the key and the way out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY
from videossl import params
from videossl.errors import InputError


@pytest.fixture
def good() -> dict[str, Any]:
    return copy.deepcopy(params.load(REPOSITORY / "params.yaml"))


def put(mapping: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        mapping = mapping[parent]
    mapping[last] = value


@pytest.mark.parametrize("file", [*sorted((REPOSITORY / "presets").glob("*.yaml")), REPOSITORY / "tests/pipeline/tiny.yaml"])
def test_every_preset_is_good(file: Path) -> None:
    assert params.load(file)["experiments"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("index.max_droped", 1, "unknown key 'index.max_droped'; did you mean 'max_dropped'?"),
        ("modalities.rbg", {}, "unknown key 'modalities.rbg'; did you mean 'rgb'?"),
        ("dataset.options.sed", 1, "unknown key 'dataset.options.sed'; did you mean 'seed'?"),
        ("experiments.stc-mix.axis", [], "unknown key 'experiments.stc-mix.axis'; did you mean 'axes'?"),
        ("qqq", 1, "unknown key 'qqq'; known: dataset, index,"),
        ("index.min_frames", "17", 'index.min_frames must be a whole number, not "17"'),
        ("modalities.rgb.pretrain.lr", [1], "modalities.rgb.pretrain.lr must be a number, not [1]"),
        ("dataset.name", "ucf11", "dataset.name is 'ucf11'; did you mean 'ucf101'?"),
        ("experiments.stc-mix.mixing", "cmcutmix", "did you mean 'cm-cutmix'?"),
        ("experiments.un trained", {"modalities": ["rgb"], "mixing": "none"}, "'un trained' is no name for an experiment"),
        ("experiments.untrained", {"modalities": ["rgb"], "mixing": "none"}, "'untrained' is no name for an experiment"),
        ("experiments.$(reboot)", {"modalities": ["rgb"], "mixing": "none"}, "is no name for an experiment"),
        ("experiments.stc-mix.from", "mixdown", "experiments.stc-mix.from is 'mixdown'; did you mean 'mixup'?"),
        ("experiments.mixup.modalities", ["rgb"], "needs 'flow', which 'mixup' does not pretrain"),
        ("evaluate.finetune", ["stcmix"], "did you mean 'stc-mix'?"),
        ("index.min_frames", 15, "index.min_frames is 15, but a clip of rgb spans 15"),
        ("seeds", [1, 1], "seeds"),
        ("dataset.root", "/mine", "dataset.root of the toy dataset must be data/raw/toy"),
        ("modalities.rgb.clip.frames", 0, "modalities.rgb.clip.frames"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(good: dict[str, Any], key: str, value: Any, said: str) -> None:
    put(good, key, value)
    if key == "index.min_frames" and value == 15:
        said = "a clip of flow spans 16 frames; set it to 16"
    with pytest.raises(InputError) as caught:
        params.check(good)
    assert said in str(caught.value)
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(good: dict[str, Any]) -> None:
    del good["modalities"]["rgb"]["moco"]["queue"]
    with pytest.raises(InputError, match=r"'modalities\.rgb\.moco\.queue' is missing"):
        params.check(good)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "is not YAML"), ("a: 1\na: 2\n", "line 2: 'a' is given twice|line 1: 'a' is given twice"), ("", "must be a mapping")],
)
def test_a_broken_file(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        params.parse(text, "params.yaml")


def test_numbers_may_be_written_as_people_write_them(good: dict[str, Any]) -> None:
    text = yaml.safe_dump(good).replace("weight_decay: 1.0e-05", "weight_decay: 1e-5")
    assert "1e-5" in text
    assert params.parse(text, "x")["modalities"]["rgb"]["pretrain"]["weight_decay"] == 1e-5


def test_the_partner_is_always_the_newest(good: dict[str, Any]) -> None:
    stages = params.stages_of(good, "stc-mix")
    assert stages == [("rgb", 1), ("flow", 1), ("rgb", 2), ("flow", 2)]
    newest = {"rgb": ("mixup", "pretrain"), "flow": ("mixup", "pretrain")}
    for modality, cycle in stages:
        other = "flow" if modality == "rgb" else "rgb"
        assert params.start_of(good, "stc-mix", modality, cycle) == (newest[modality], newest[other])
        newest[modality] = ("stc-mix", f"cmmc{cycle}")


def test_a_slice_holds_what_its_rule_needs_and_no_more(good: dict[str, Any]) -> None:
    before = copy.deepcopy(params.pretrain_slice(good, "mixup", "rgb"))
    put(good, "modalities.flow.pretrain.lr", 1.0)
    put(good, "modalities.rgb.cmmc.lr", 1.0)
    put(good, "evaluate.clips", 9)
    assert params.pretrain_slice(good, "mixup", "rgb") == before
    put(good, "modalities.rgb.pretrain.lr", 1.0)
    assert params.pretrain_slice(good, "mixup", "rgb") != before


def test_fingerprint_notices_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a [1].avi").write_bytes(b"1")
    first = params.fingerprint(tmp_path)
    assert params.fingerprint(tmp_path) == first
    (tmp_path / "a [1].avi").write_bytes(b"12")
    assert params.fingerprint(tmp_path) != first
    (tmp_path / "gone.avi").symlink_to(tmp_path / "nowhere")
    second = params.fingerprint(tmp_path)
    assert second != first


def test_fingerprint_follows_linked_folders_and_takes_more_than_one(tmp_path: Path) -> None:
    for name in ("root", "elsewhere", "lists"):
        (tmp_path / name).mkdir()
    (tmp_path / "root/walk").symlink_to(tmp_path / "elsewhere")
    folders = (tmp_path / "root", tmp_path / "lists")
    seen = {params.fingerprint(*folders)}
    (tmp_path / "elsewhere/a.avi").write_bytes(b"1")
    seen.add(params.fingerprint(*folders))
    (tmp_path / "lists/trainlist01.txt").write_text("walk/a.avi 1")
    seen.add(params.fingerprint(*folders))
    assert len(seen) == 3


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot write to"):
        params.check_writable(tmp_path / "data")
