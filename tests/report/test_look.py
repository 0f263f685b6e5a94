"""The page in a real browser: nothing is wider than a phone or a desktop window."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import made

from videossl.report import compare_page, page, targets
from videossl.report.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("chromium"), reason="no `chromium` on PATH")]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--allow-file-access-from-files",
    "--virtual-time-budget=10000",
)
WIDTHS = (390, 1280)
# The page itself may run no script (its policy), so a page around it measures each frame, with all details open.
WRAPPER = """<!doctype html><body>%s<pre id="found"></pre><script>
onload = () => {
  const measure = (frame) => {
    const inside = frame.contentDocument, root = inside.documentElement;
    inside.querySelectorAll("details").forEach((one) => one.setAttribute("open", ""));
    const cut = [...inside.querySelectorAll(".scroll:has(> TABLE)")].filter((one) => one.scrollWidth > one.clientWidth);
    return {client: root.clientWidth, scroll: root.scrollWidth, tables: inside.querySelectorAll("TABLE").length, cut: cut.length};
  };
  document.getElementById("found").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measure));
};
</script>"""


def measure(folder: Path, text: str, table: str = ".beside") -> list[dict[str, Any]]:
    """The page's width inside frames of WIDTHS pixels: client and scroll width, the tables that match and how many are cut."""
    page.write(folder / "page.html", text)
    frames = "".join(f'<iframe src="page.html" width="{width}" height="800" style="border:0"></iframe>' for width in WIDTHS)
    (folder / "wrapper.html").write_text((WRAPPER % frames).replace("TABLE", table))
    command = ["chromium", *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", (folder / "wrapper.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
    assert found and found[1], done.stderr
    measured: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    assert [one["client"] for one in measured] == list(WIDTHS)
    return measured


@pytest.fixture
def wide_run(make_run: Callable[..., Run]) -> Run:
    """A run with what is widest: several seeds, long names, and the paper's numbers on many test sets."""
    run = make_run((0, 1, 2))
    finetuned = [{**result, "task": "finetune"} for result in run.results if result["task"] == "linear"]
    long = "v_" + "a_very_long_name_of_a_video" * 4
    sample = {**run.samples[0], "id": f"{long}/{long}", "label": long}
    query = {**run.gallery[0], "query": {**run.gallery[0]["query"], "id": long, "label": long}}
    return replace(run, results=[*run.results, *finetuned], samples=[sample], gallery=[query, *run.gallery])


def test_nothing_is_wider_than_the_window(wide_run: Run, tmp_path: Path) -> None:
    phone, desktop = measure(tmp_path, page.render(wide_run))
    assert phone["scroll"] <= phone["client"] and desktop["scroll"] <= desktop["client"]
    assert desktop["tables"] >= 3 and desktop["cut"] == phone["cut"] == 0, "the paper's numbers are shown in full"


@pytest.mark.parametrize("name", ["table2", "table4", "figure2", "figure3"])
def test_comparisons_are_no_wider_than_the_window(name: str, tmp_path: Path) -> None:
    for one in measure(tmp_path, compare_page.render(targets.comparison(made.run(name), name))):
        assert one["scroll"] <= one["client"]


def test_two_numbers_beside_the_papers_fit_a_phone(tmp_path: Path) -> None:
    """Name, linear probe and R@1, ours and the paper's, and the pairs: nothing is to be pushed aside."""
    text = compare_page.render(targets.comparison(made.run("table1"), "table1"))
    for table, count in ((".duo", 1), (".pairs", 4)):
        phone, desktop = measure(tmp_path, text, table)
        assert phone["tables"] == count and phone["cut"] == desktop["cut"] == 0


def test_the_measure_sees_what_is_too_wide(wide_run: Run, tmp_path: Path) -> None:
    wide = page.render(wide_run).replace("<main>", '<main><div style="width:2000px">wide</div>')
    for one in measure(tmp_path, wide):
        assert one["scroll"] >= 2000 > one["client"]
