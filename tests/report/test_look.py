"""The pages in a real browser, all in one call of it: nothing is wider than a phone or a desktop window."""

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

from videossl.report import run_page, target_data, target_page
from videossl.report.finished_run import Run
from videossl.report.html_tables import write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="no `chromium` on PATH"),
]
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
TABLES = (".duo", ".pairs")
# The pages themselves may run no script (their policy), so a page around them measures each frame, with all details open.
WRAPPER = """<!doctype html><body>FRAMES<pre id="found"></pre><script>
onload = () => {
  const measure = (frame) => {
    const inside = frame.contentDocument, root = inside.documentElement;
    inside.querySelectorAll("details").forEach((one) => one.setAttribute("open", ""));
    const found = {client: root.clientWidth, scroll: root.scrollWidth};
    for (const table of TABLES) {
      const cut = [...inside.querySelectorAll(`.scroll:has(> ${table})`)].filter((one) => one.scrollWidth > one.clientWidth);
      found[table] = {count: inside.querySelectorAll(table).length, cut: cut.length};
    }
    return found;
  };
  document.getElementById("found").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measure));
};
</script>"""
COMPARISONS = ("table1", "table2", "table4", "figure2", "figure3")

Measured = dict[str, list[dict[str, Any]]]


def measure(folder: Path, pages: dict[str, str]) -> Measured:
    """Of each page, inside frames of WIDTHS pixels: client and scroll width, how many of TABLES there are and how many are cut."""
    for name, text in pages.items():
        write(folder / f"{name}.html", text)
    frames = "".join(
        f'<iframe src="{name}.html" width="{width}" height="800" style="border:0"></iframe>' for name in pages for width in WIDTHS
    )
    (folder / "wrapper.html").write_text(WRAPPER.replace("FRAMES", frames).replace("TABLES", json.dumps(TABLES)))
    command = ["chromium", *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", (folder / "wrapper.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
    assert found and found[1], done.stderr
    measured: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    assert [one["client"] for one in measured] == [*WIDTHS] * len(pages)
    return dict(zip(pages, (measured[i : i + len(WIDTHS)] for i in range(0, len(measured), len(WIDTHS))), strict=True))


def wide_run(make_run: Callable[..., Run]) -> Run:
    """A run with what is widest: several seeds, long names, and the paper's numbers on many test sets."""
    run = make_run((0, 1, 2))
    finetuned = [{**result, "task": "finetune"} for result in run.results if result["task"] == "linear"]
    long = "v_" + "a_very_long_name_of_a_video" * 4
    sample = {**run.samples[0], "id": f"{long}/{long}", "label": long}
    query = {**run.gallery[0], "query": {**run.gallery[0]["query"], "id": long, "label": long}}
    return replace(run, results=[*run.results, *finetuned], samples=[sample], gallery=[query, *run.gallery])


@pytest.fixture(scope="module")
def measured(make_run: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Measured:
    page = run_page.render(wide_run(make_run))
    too_wide = page.replace("<main>", '<main><div style="width:2000px">wide</div>')
    pages = {name: target_page.render(run, target_data.record(run, name)) for name in COMPARISONS for run in [made.run(name)]}
    return measure(tmp_path_factory.mktemp("look"), {"run": page, "too wide": too_wide, **pages})


@pytest.mark.parametrize("name", ["run", *COMPARISONS])
def test_nothing_is_wider_than_the_window(name: str, measured: Measured) -> None:
    for one in measured[name]:
        assert one["scroll"] <= one["client"]


def test_two_numbers_beside_the_papers_fit_a_phone(measured: Measured) -> None:
    """Name, linear probe and R@1, ours and the paper's, and the pairs: nothing is to be pushed aside."""
    for one in measured["table1"]:
        assert one[".duo"] == {"count": 1, "cut": 0} and one[".pairs"] == {"count": 2, "cut": 0}


def test_the_measure_sees_what_is_too_wide(measured: Measured) -> None:
    for one in measured["too wide"]:
        assert one["scroll"] >= 2000 > one["client"]
