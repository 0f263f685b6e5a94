"""Looks at the files of a run before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.params.made import detected

from videossl.errors import InputError
from videossl.params import load, preflight, run_plan
from videossl.params.recipes import Params


def test_weights_that_a_person_brought_are_seen_to_change(good: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = load.check(detected(good, weights="./mine/w.pth"))
    assert run_plan.brought_weights(checked) == {"skeleton": "mine/w.pth"} and run_plan.brought_weights(load.check(detected(good))) == {}
    with pytest.raises(
        InputError, match=r"skeleton\.weights names mine/w\.pth, and there is no such file; paths are relative to the folder"
    ):
        preflight.check_weights(checked)
    (tmp_path / "mine").mkdir()
    prints = []
    for content in ("a", "bc"):
        (tmp_path / "mine/w.pth").write_text(content)
        preflight.check_weights(checked)
        prints.append(run_plan.fingerprint(*run_plan.brought_weights(checked).values()))
    assert prints[0] != prints[1]


def test_an_extractor_may_need_what_no_stream_asks_for(good: Params) -> None:
    """Weights for joints are no matter where no stream is read from joints."""
    ucf101 = load.load(REPOSITORY / "presets/ucf101.yaml") | {"skeleton": {"backend": "keypoint-rcnn", "weights": "nowhere.pth"}}
    preflight.check_weights(load.check(ucf101))


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot write to"):
        preflight.check_writable(tmp_path / "data")
