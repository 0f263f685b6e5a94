"""One table, as HTML and as text."""

from __future__ import annotations

import jinja2
from tests.report.conftest import SHA

from videossl.report import numbers, tables
from videossl.report.numbers import Value
from videossl.report.tables import Cell, Row, Table

TABLE = Table(
    "a <name>",
    ["", Cell("linear", [("toy", "")]), "n"],
    [Row(["<i>a", Cell("1.0 ± 0.5", [("▲ +2.0", "better"), ("", "")], best=True), 3], "baseline"), Row(["b", "–", ""])],
    "A <b>caption.",
    "duo",
)


def test_as_html_by_hand() -> None:
    macros = jinja2.Environment(
        loader=jinja2.FileSystemLoader("lib/videossl/report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    html = str(macros.get_template("macros.html").module.show(TABLE)).replace("\n", "")  # type: ignore[attr-defined]
    assert html == (
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


def test_a_verdict_in_small_print() -> None:
    """62 against 50 of 100 videos: two standard errors are 2 (2 * 56 * 44 / 100)^0.5 = 14.0; without a number of videos there are none."""
    ours, base = Value((62.0,)), Value((50.0,))
    assert tables.against(numbers.compare(ours, base, 100)) == [("≈ +12.0 (±14.0)", "unclear")]
    assert tables.against(numbers.compare(ours, base, 400)) == [("▲ +12.0 (±7.0)", "better")]
    assert tables.against(numbers.compare(base, ours, 400)) == [("▼ −12.0 (±7.0)", "worse")]
    assert tables.against(numbers.compare(ours, base, 0)) == [("≈ +12.0", "unclear")] and tables.against(None) == []


def test_hashes_are_short_and_whole_on_hovering() -> None:
    whole = f'<span class="hash" title="{SHA}">{SHA[:12]}</span>'
    assert tables._source("data", SHA) == whole and tables._source("code sha256", SHA) == whole
    assert tables._source("weights", [("rgb", SHA), ("<b>", SHA)]) == f"rgb {whole}<br>&lt;b&gt; {whole}"
    assert tables._source("made from", {"data": SHA}) == f"data {whole}" and tables._source("weights", []) == "–"
    assert tables._source("seed", 0) == 0 and tables._source("data", "") == "–"
