"""One table, as HTML and as text; records with hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from tests.conftest import REPOSITORY
from tests.report.conftest import SHA

from videossl.report import html_tables
from videossl.report.html_tables import Cell, Row, Table

TABLE = Table(
    "a <name>",
    ["", Cell("linear", [("toy", "")]), "n"],
    [Row(["<i>a", Cell("1.0 ± 0.5", [("▲ +2.0", "better"), ("", "")], best=True), 3], "baseline"), Row(["b", "–", ""])],
    "A <b>caption.",
    "duo",
)


def macros() -> Any:
    loader = jinja2.FileSystemLoader(REPOSITORY / "lib/videossl/report")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("tables.html").module


def test_as_html_by_hand() -> None:
    assert str(macros().show(TABLE)).replace("\n", "") == (
        '<div class="scroll" tabindex="0" role="region" aria-label="a &lt;name&gt;"><table class="duo">'
        "<caption><span>A &lt;b&gt;caption.</span></caption>"
        '<thead><tr><th scope="col" class="words"></th><th scope="col">linear<small>toy</small></th><th scope="col">n</th></tr></thead>'
        '<tbody><tr class="baseline"><th scope="row">&lt;i&gt;a</th><td><b>1.0 ± 0.5</b><small class="better">▲ +2.0</small></td><td>3</td></tr>'
        '<tr><th scope="row">b</th><td>–</td><td></td></tr></tbody></table></div>'
    )


def test_as_text_by_hand() -> None:
    lines = TABLE.text().splitlines()
    assert [line.split() for line in lines] == [["linear", "n"], ["toy"], ["<i>a", "*", "1.0", "+-", "0.5", "3"], ["b", "-"]]
    assert lines[2].index("0.5") + 3 == lines[3].index("-") + 1, "numbers are flush right"


def test_hashes_are_short_and_whole_on_hovering() -> None:
    def shown(key: str, value: object) -> str:
        return str(macros().hash(key, value))

    whole = f'<span class="hash" title="{SHA}">{SHA[:12]}</span>'
    assert shown("data", SHA) == shown("code sha256", SHA) == whole
    assert shown("weights", [("rgb", SHA), ("<b>", SHA)]) == f"rgb {whole}<br>&lt;b&gt; {whole}"
    assert shown("made from", {"data": SHA}) == f"data {whole}" and shown("weights", []) == "–"
    assert shown("seed", 0) == "0" and shown("data", "") == "–" and shown("experiment", "a<b") == "a&lt;b"


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    html_tables.write(tmp_path / "new/a.html", "±")
    assert (tmp_path / "new/a.html").read_text(encoding="utf-8") == "±" and len(list((tmp_path / "new").iterdir())) == 1
