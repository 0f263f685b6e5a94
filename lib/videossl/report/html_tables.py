"""One model of a table, as HTML (tables.html) and as text; the table of results; and the frame that all pages share (frame.html).

A page loads nothing: styles are inline, pictures are data URIs. Its one script (page.js) is inline and named by its hash in the page's
policy, so that no other runs; the page is whole without it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup
from tabulate import tabulate

from videossl.files import atomic
from videossl.report import paper
from videossl.report.finished_run import Run
from videossl.report.verdicts import BASELINES, Record, against, best, declared, headline, measure

LINE = 120
SEEDS = "Mean ± sample standard deviation, below it the number of each seed; one seed has no spread."
SCRIPT = "page.js"
ASCII = str.maketrans({"±": "+-", "−": "-", "–": "-", "ρ": "rho", "†": "", "²": "2"})


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


def results_table(name: str, numbers: Sequence[Record], caption: str = "", *, by_stream: bool = False, beside: str = "") -> Table:
    """Numbers by experiment and by metric, or of one metric `by_stream`. beside: the document, if any, whose number is beside each.

    A number's "note" is small print of its row; "alone" counts the rows of the paper that none of ours is beside.
    """
    columns, rows = defaultdict[Any, list[Record]](list), defaultdict[Any, list[Record]](list)
    for number in numbers:
        columns[number["stream"] if by_stream else (number["dataset"], number["task"], number["metric"])].append(number)
        rows[number["experiment"], number.get("note", ""), number.get("alone")].append(number)
    corner = measure(numbers[0]["task"], numbers[0]["metric"]).heading if by_stream and numbers else ""
    heads, chances = list[object]([corner]), list[object](["chance"])
    for first, *_ in columns.values():
        unit = measure(first["task"], first["metric"])
        small = [
            paper.dataset_name(first["dataset"]),
            *([labels_said(first)] if "share" in declared(first["task"]).get("settings", {}) else []),
        ]
        heads.append(first["stream"] if by_stream else Cell(unit.heading, [(said, "") for said in small if said]))
        heads += [Cell(beside, [(paper.dataset_name(first["paper_dataset"] or ""), "")])] if beside else []
        chances += [unit.text(first["chance"]), ""] if beside else [unit.text(first["chance"])]
    made, bests = [Row(chances, "baseline")], [best(column)["mean"] for column in columns.values()]
    for (experiment, note, alone), row in rows.items():
        cells: list[object] = [Cell(BASELINES.get(experiment, experiment), [(note, "")])]
        for number, mean in zip(row, bests, strict=True):
            cells.append(_cell(number, numbers, mean))
            cells += [measure(number["task"], number["metric"]).text(number["paper"])] if beside else []
        made.append(Row(cells, "baseline" if experiment in BASELINES or alone is not None else ""))
    return Table(name, heads, made, caption, "duo")


def labels_said(number: Record) -> str:
    """'12 labelled videos of 3 classes': what a number was fitted to; nothing where its results do not say it."""
    of_classes = f" of {number['classes']:,} classes" if number.get("classes") else ""
    return f"{number['train_videos']:,} labelled videos{of_classes}" if number.get("train_videos") else ""


def _cell(number: Record, numbers: Sequence[Record], best: float | None) -> Cell:
    """A value, below it the number of each seed where there are several, and of a trained headline the verdict against untrained."""
    unit, trained = measure(number["task"], number["metric"]), number["experiment"] not in BASELINES
    each = " · ".join(f"{value:.0f}" if unit.unit == "%" else unit.text(value) for value in number["values"])
    verdict = against("untrained", number, numbers) if trained and number["metric"] == headline(number["task"]) else None
    small = [(each if number["sd"] is not None else "", ""), (verdict or "", verdict.word if verdict else "")]
    return Cell(unit.show(number), small, trained and number["mean"] is not None and number["mean"] == best)


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
    script = Path(__file__).with_name(SCRIPT).read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page.globals |= {
        "baselines": BASELINES,
        "dataset_name": paper.dataset_name,
        "script": Markup(script),
        "script_hash": f"sha256-{allowed}",
    }
    params = json.dumps(run.params, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return page.get_template(template).render(run=run, params=params, **values)


def write(path: Path, html: str) -> None:
    """Write the page whole or not at all; raises InputError when it cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
