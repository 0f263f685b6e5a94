"""The page driven in a real browser: its tables are sorted and filtered, a clip is opened, a map is pointed at, two columns are compared."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.report import made
from tests.report.test_look import FLAGS

from videossl.report import run_page, target_data, target_page
from videossl.report.finished_run import Run
from videossl.report.html_tables import write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="no `chromium` on PATH"),
]
# The page's policy lets no other script run in it, so a page around it drives it through its frame, as a person would, and says what it sees.
WRAPPER = """<!doctype html><body><iframe src="page.html" width="1280" height="900"></iframe><pre id="found"></pre><script>
const pause = () => new Promise((done) => setTimeout(done, 50));
onload = async () => {
  const found = {}, page = document.querySelector("iframe"), inside = page.contentDocument, view = page.contentWindow;
  inside.querySelectorAll("details").forEach((one) => one.setAttribute("open", ""));
  const frame = inside.querySelector("#results .scroll"), table = frame.querySelector("table");
  const names = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].innerText.trim());
  const heads = [...table.tHead.rows[0].cells], press = (column) => heads[column].querySelector("button").click();
  found.before = names();
  press(1); found.down = [names(), heads[1].getAttribute("aria-sort")];
  press(1); found.up = [names(), heads[1].getAttribute("aria-sort")];
  press(0); found.words = [names(), heads[0].getAttribute("aria-sort"), heads[1].getAttribute("aria-sort")];
  const filter = frame.previousElementSibling.querySelector("input");
  filter.value = "UNTRAINED"; filter.dispatchEvent(new view.Event("input")); found.filtered = names();
  filter.value = ""; filter.dispatchEvent(new view.Event("input")); found.unfiltered = names().length;

  const clip = inside.querySelector("#gallery [data-clip]"), still = clip.querySelector("use"), moves = () => view.getComputedStyle(still).animationName;
  found.rests = moves(); clip.focus(); found.plays = moves();
  const player = inside.querySelector("dialog");
  clip.dispatchEvent(new view.MouseEvent("click", {bubbles: true})); await pause();
  found.opened = [player.open, player.querySelector("use").getAttribute("href"), player.innerText, view.getComputedStyle(player.querySelector("use")).animationName];
  player.querySelector("button").click(); found.closed = !player.open;
  clip.dispatchEvent(new view.KeyboardEvent("keydown", {key: "Enter", bubbles: true})); found.by_key = player.open; player.close();

  const point = inside.querySelector(".map path[data-class=kick]"), figure = point.closest("figure"), peek = figure.querySelector(".peek");
  point.dispatchEvent(new view.PointerEvent("pointerover", {bubbles: true}));
  found.peeked = [peek.innerText.trim(), peek.querySelector("use").getAttribute("href").slice(1), point.dataset.film.split(" ")[0]];
  const picked = figure.querySelector("select"); picked.value = "2"; picked.dispatchEvent(new view.Event("change"));
  found.bright = [...new Set([...figure.querySelectorAll("path[data-class]:not(.faded)")].map((one) => one.dataset.class))];

  const pair = inside.querySelector("[data-pair]"), [one, other] = pair.querySelectorAll("select");
  const last = () => [...pair.querySelectorAll("tbody tr")].map((row) => row.cells[row.cells.length - 1].innerText);
  found.differences = last();
  one.value = "2"; other.value = "4"; one.dispatchEvent(new view.Event("change")); found.turned = last();
  found.turned_head = pair.querySelector("thead th:last-child small").textContent;

  found.links = [...inside.querySelectorAll("a[href], use")].map((one) => one.getAttribute("href") || one.getAttribute("xlink:href")).filter((to) => !inside.getElementById(to.slice(1)));
  document.getElementById("found").textContent = JSON.stringify(found);
};
</script>"""
# axe looks at a copy of the page without its policy, for it is a script as well.
AXE = """<script>AXE_SOURCE</script><script>
onload = async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  const said = found.violations.map((one) => `${one.impact} ${one.id}: ${one.nodes.length} × ${one.nodes[0].html.slice(0, 200)}`);
  document.body.innerHTML = ""; document.body.append(Object.assign(document.createElement("pre"), {id: "found", textContent: JSON.stringify(said)}));
};
</script>"""


def seen(folder: Path, page: str, *flags: str) -> Any:
    """What the page wrote as JSON into its #found; no errors may stand in the console of the browser."""
    command = [
        "chromium",
        *FLAGS,
        *flags,
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
        (folder / page).as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1], done.stderr
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def driven(make_run: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("driven")
    write(folder / "page.html", run_page.render(make_run()))
    (folder / "wrapper.html").write_text(WRAPPER)
    found: dict[str, Any] = seen(folder, "wrapper.html")
    return found


def test_a_heading_sorts_by_numbers_or_words(driven: dict[str, Any]) -> None:
    assert driven["before"] == ["chance", "hand-made feature", "untrained encoder", "mixup", "stc-mix"]
    down = ["hand-made feature", "mixup", "untrained encoder", "stc-mix", "chance"]  # 58, 52, 50, 30, 25
    assert driven["down"] == [down, "descending"] and driven["up"] == [down[::-1], "ascending"]
    assert driven["words"] == [sorted(down), "ascending", None]


def test_a_filter_hides_rows(driven: dict[str, Any]) -> None:
    assert driven["filtered"] == ["untrained encoder"] and driven["unfiltered"] == 5


def test_a_clip_plays_and_opens(driven: dict[str, Any]) -> None:
    assert (driven["rests"], driven["plays"]) == ("none", "play"), "without the script, too"
    is_open, film, text, moves = driven["opened"]
    assert is_open and film == "#film-0" and moves == "play" and "wave" in text and "test01" in text
    assert driven["closed"] and driven["by_key"]


def test_a_map_shows_the_video_that_is_pointed_at(driven: dict[str, Any]) -> None:
    text, film, of_point = driven["peeked"]
    assert text.startswith("kick, kick/train0") and film == of_point != ""
    assert driven["bright"] == ["kick"]


def test_any_two_columns_are_compared(driven: dict[str, Any]) -> None:
    assert driven["differences"] == ["+20.0"] * 4 and driven["turned"] == ["−20.0"] * 4
    assert driven["turned_head"] == "untrained encoder less stc-mix"


def test_no_link_leads_nowhere(driven: dict[str, Any]) -> None:
    assert driven["links"] == []


@pytest.mark.skipif("AXE" not in os.environ, reason="no $AXE, the path of axe.min.js (`npm pack axe-core`)")
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["run", "table2"])
def test_axe_finds_nothing_serious(name: str, width: int, make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = made.run("table2")
    page = run_page.render(make_run()) if name == "run" else target_page.render(run, target_data.record(run, "table2"))
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace("<details>", "<details open>")
    source = Path(os.environ["AXE"]).read_text(encoding="utf-8")
    write(tmp_path / "page.html", page.replace("</body>", AXE.replace("AXE_SOURCE", source) + "</body>"))
    assert [said for said in seen(tmp_path, "page.html", f"--window-size={width},900") if said.startswith(("serious", "critical"))] == []
