"""The records of artefacts, read while a run is planned: of whole files, of those that were cut, and of what states nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.made import row, shard
from videossl import files, made_from
from videossl.data import index
from videossl.tasks import features
from videossl.train import weights

RECORD: dict[str, Any] = {
    "script": "stages/x.py",
    "code": "c" * 64,
    "params": {"dataset": {"name": "é", "root": "/here"}, "x": {"y": [1, None, "<&>"]}},
}
TAG = made_from.tag(RECORD["params"])


def of_index(path: Path) -> None:
    index.write(path, [row("a", "walk"), row("b", "run")])
    files.write_json(path.with_suffix(".json"), {"bytes": path.stat().st_size, "provenance": {"tag": TAG}})


WRITERS: dict[str, Callable[[Path], object]] = {
    "w.safetensors": lambda path: weights.save(path, {"a": torch.arange(5.0), "b": torch.zeros(0)}, RECORD),
    "f.h5": lambda path: features.write(path, ["a"], ["walk"], ["test"], np.ones((1, 2, 3), np.float32), RECORD),
    "s.h5": lambda path: shard(path, "rgb", [("a", np.ones((2, 8, 8, 3), np.uint8))], tag=TAG),
    "r.json": lambda path: files.write_json(path, {"values": {"x": 1.0}, "provenance": RECORD}),
    "p.html": lambda path: path.write_text(made_from.in_page("<!doctype html>\n<html>\n<head>\n</head>\n<p>é</p>\n</html>", RECORD)),
    "i.csv": of_index,
}
"""The writer of each form of artefact."""


@pytest.mark.parametrize("name", WRITERS)
def test_what_an_artefact_states_and_that_it_is_cut(name: str, tmp_path: Path) -> None:
    """At every length: a file has the record or is cut, and is whole at none but its own."""
    path = tmp_path / name
    WRITERS[name](path)
    said = made_from.stated(path)
    assert said == ({"tag": TAG} if name in ("s.h5", "i.csv") else RECORD)
    asked = RECORD["script"], RECORD["code"], RECORD["params"]
    assert not made_from.differs(path, *asked)
    assert made_from.differs(path, "stages/x.py", "c" * 64, {"x": {"y": [2]}})
    assert made_from.differs(path, "stages/x.py", "d" * 64, RECORD["params"]) == (said == RECORD)
    whole = path.read_bytes()
    lengths = range(len(whole)) if len(whole) < 3000 else [*range(0, 700), *range(700, len(whole), 97), *range(len(whole) - 20, len(whole))]
    for length in lengths:
        os.truncate(path, length)
        assert made_from.differs(path, *asked), length
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.json", "[1, 2]\n"),
        ("r.json", '{"values": {}}\n'),
        ("r.json", '{"provenance": [1]}\n'),
        ("p.html", "<html></html>"),
        ("i.csv", "id\n"),
        ("x.txt", "x"),
    ],
)
def test_what_states_nothing_differs_from_nothing(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert not made_from.differs(tmp_path / name, "stages/x.py", "", {})
    assert not made_from.differs(tmp_path / "absent" / name, "stages/x.py", "", {})


def test_weights_and_shards_of_others_state_nothing(tmp_path: Path) -> None:
    """Their headers are whole; whoever reads them says what they lack."""
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors")
    shard(tmp_path / "s.h5", "rgb", [("a", np.ones((2, 8, 8, 3), np.uint8))])
    for name in ("w.safetensors", "s.h5"):
        assert made_from.stated(tmp_path / name) == {}


def test_a_page_states_what_json_and_html_would_take_for_their_own(tmp_path: Path) -> None:
    record = {"params": {"a": "</head>\"'&quot;<b> é\n"}}
    (tmp_path / "p.html").write_text(made_from.in_page("<html><head></head></html>", record), encoding="utf-8")
    assert made_from.stated(tmp_path / "p.html") == json.loads(json.dumps(record))
