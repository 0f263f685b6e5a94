"""Results and training curves that are damaged: one line that names the file, never a page without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from videossl.errors import InputError
from videossl.report import read

RESULT = {"experiment": "mixup", "seed": 0, "dataset": "toy", "task": "linear", "values": {}, "chance": {}, "counts": {}, "provenance": {}}
PROGRESS = {"experiment": "mixup", "seed": 0, "dataset": "toy", "task": "progress", "training": "rgb", "streams": {}, "provenance": {}}
HISTORY = [{"epoch": 1, "loss": 1.5}]


@pytest.mark.parametrize(("reader", "whole"), [(read.result, RESULT), (read.progress, PROGRESS), (read.history, HISTORY)])
def test_a_damaged_file_is_named(tmp_path: Path, reader: Callable[[Path], dict[str, Any]], whole: Any) -> None:
    path = tmp_path / "mixup/0/rgb.json"
    path.parent.mkdir(parents=True)
    text = json.dumps(whole)
    path.write_text(text)
    assert reader(path)
    for damaged in (b"", text[:-9].encode(), b"null", b"{}", b"[1]", b'[{"epoch": 1}]', b"\xff" + text.encode()):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"rgb\.json.*; delete .* and run again$"):
            reader(path)
    path.unlink()
    with pytest.raises(InputError, match=r"rgb\.json: .*No such file"):
        reader(path)
