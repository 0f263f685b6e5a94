"""One model of a table, as HTML (tables.html) and as text; and the frame that all pages share (frame.html).

A page loads nothing: styles are inline, pictures are data URIs, there is no script.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from tabulate import tabulate

from videossl.files import atomic
from videossl.report import paper
from videossl.report.finished_run import BASELINES, Run

LINE = 120
ASCII = str.maketrans(
    {"±": "+-", "−": "-", "✓": "+", "✗": "x", "≈": "~", "▲": "+", "▼": "-", "–": "-", "→": "->", "ρ": "rho", "†": "", "²": "2"}
)


class Cell(NamedTuple):
    """A cell: its text, lines of small print below it, each with its class, and whether it is the best of its kind."""

    text: object
    small: Sequence[tuple[object, str]] = ()
    best: bool = False

    def __str__(self) -> str:
        return f"* {self.text}" if self.best else str(self.text)


class Row(NamedTuple):
    """A row of cells, the first of them its name; style: class of the row."""

    cells: Sequence[object]
    style: str = ""


class Table(NamedTuple):
    """A table with the `name` that a reader who cannot see it is told; left: the number of columns that hold words."""

    name: str
    head: Sequence[object]
    rows: Sequence[Row]
    caption: str = ""
    style: str = ""
    left: int = 1

    def text(self) -> str:
        """The table as text, without small print but for that of the head, which stands below it."""
        head = ["\n".join([str(cell), *(str(small) for small, _ in getattr(cell, "small", ()))]) for cell in self.head]
        align = ["left"] * self.left + ["right"] * (len(head) - self.left)
        rows = [[ascii_only(str(cell)) for cell in row.cells] for row in self.rows]
        return str(tabulate(rows, list(map(ascii_only, head)), "plain", colalign=align, headersalign=align, disable_numparse=True))


def fill(text: str) -> str:
    """`text` in lines of at most LINE characters."""
    return textwrap.fill(text, LINE, break_on_hyphens=False)


def ascii_only(text: str) -> str:
    """`text` for a terminal that knows no other signs."""
    return text.translate(ASCII).encode("ascii", "replace").decode()


def render_page(template: str, run: Run, **values: Any) -> str:
    """`template`, a file beside this module, as HTML; names in `values` are escaped, and one that it does not know is an error."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    page = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page.globals |= {"baselines": BASELINES, "dataset_name": paper.dataset_name}
    params = json.dumps(run.params, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return page.get_template(template).render(run=run, params=params, **values)


def write(path: Path, html: str) -> None:
    """Write the page whole or not at all; raises InputError when it cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
