"""One model of a table, as HTML (macros.html) and as text; the tables and the frame that all pages share.

A page loads nothing: styles are inline, pictures are data URIs, there is no script. base.html is the frame of all pages.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup
from tabulate import tabulate

from videossl.files import atomic
from videossl.report import paper
from videossl.report.numbers import BASELINES, MARKS, Verdict, in_order
from videossl.report.run import Run

LINE = 120
ASCII = str.maketrans({"±": "+-", "−": "-", "✓": "+", "✗": "x", "≈": "~", "–": "-", "ρ": "rho", "†": "", "²": "2"})


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


def against(verdict: Verdict | None) -> list[tuple[str, str]]:
    """A verdict as small print: its mark, the difference and, in brackets, the threshold, where there is one."""
    if verdict is None:
        return []
    margin = f" (±{verdict.measure.text(verdict.threshold)})" if math.isfinite(verdict.threshold) else ""
    return [(f"{MARKS[verdict.word]} {verdict.points}{margin}", verdict.word)]


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
    return page.get_template(template).render(run=run, sources=_source_tables(run), params=params, **values)


def write(path: Path, html: str) -> None:
    """Write the page whole or not at all; raises InputError when it cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def sources(run: Run) -> list[dict[str, Any]]:
    """One record a results file: what it measures and the hashes behind it."""
    files = [*run.results, *run.progress]
    order = in_order(run, {result["experiment"] for result in files})
    task = {id(file): " ".join(filter(None, (str(file["task"]), file.get("training")))) for file in files}
    ranked = sorted(files, key=lambda file: (file["dataset"], task[id(file)], order.index(file["experiment"]), int(file["seed"])))
    return [
        {key: file[key] for key in ("experiment", "seed", "dataset")}
        | {"task": task[id(file)]}
        | {key: file["provenance"].get(key, "") for key in ("data", "code")}
        | {"weights": sorted((file["provenance"].get("weights") or {}).items())}
        for file in ranked
    ]


def _source_tables(run: Run) -> list[Table]:
    """The hashes behind each results file, and the artefacts with what they were made from."""
    results = [Row([_source(key, value) for key, value in source.items()]) for source in sources(run)]
    keys = [key for key in dict.fromkeys(key for row in run.provenance for key in row) if key != "params"]
    artefacts = [Row([_source(key, row.get(key, "")) for key in keys]) for row in run.provenance]
    named = (("results", ("experiment", "seed", "dataset", "task", "data", "code", "weights"), results), ("artefacts", keys, artefacts))
    caption = "The first 12 digits of each SHA-256; all on hovering."
    return [Table(f"sources of the {name}", head, rows, caption, left=len(head)) for name, head, rows in named if rows]


def _source(key: str, value: Any) -> object:
    """A cell: a hash in short, several by their names, or the value."""
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else value
        return Markup("<br>").join(Markup("{} {}").format(name, _source("sha256", of)) for name, of in pairs) or "–"
    if value and ("sha256" in key or key in ("data", "code")):
        return Markup('<span class="hash" title="{0}">{1}</span>').format(value, str(value)[:12])
    return value if value != "" else "–"
