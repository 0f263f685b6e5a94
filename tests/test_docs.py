"""The page for users with encoders of their own: its code runs as it stands there, prints what it says and trains."""

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "mixing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


def blocks() -> Iterator[tuple[str, str]]:
    """Each block of code, and what the page says that it prints."""
    for match in BLOCK.finditer(PAGE.read_text()):
        yield match[1], match[2] or ""


def state(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in encoder.state_dict().items()}


def changed(encoder: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}


def test_the_code_on_mixing_runs_and_trains() -> None:
    """In one namespace from top to bottom, as a reader would. A block that leaves a new loss has trained rgb, every
    parameter of it, and left flow as it was, buffers too."""
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    loss, steps = None, 0
    for number, (code, printed) in enumerate(blocks(), 1):
        before = {name: state(names[name]) for name in ("rgb", "flow") if name in names}
        with redirect_stdout(StringIO()) as output:
            exec(compile(code, f"{PAGE.name}, block {number}", "exec"), names)
        assert output.getvalue() == printed
        if names.get("loss") is not loss:
            loss, steps = names["loss"], steps + 1
            assert loss.isfinite()
            assert changed(names["rgb"], before["rgb"]) >= {name for name, _ in names["rgb"].named_parameters()}
            assert not changed(names["flow"], before["flow"])
    assert steps == 2, "one step of one's own, one with MoCo and CMMC"
    assert names["moco"].queue_ptr == 8 and isinstance(names["lam"], float)
