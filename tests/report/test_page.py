"""The page, rendered for real and read back."""

from __future__ import annotations

import base64
import io
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from videossl.data.index import Row
from videossl.errors import InputError
from videossl.report import charts, page, tables
from videossl.report.numbers import Value
from videossl.report.run import Run

MakeRun = Callable[..., Run]
SECTIONS = ["summary", "results", "curves", "samples", "gallery", "index", "provenance", "again"]
VOID = {"meta", "link", "img", "br", "wbr"}


class Reader(HTMLParser):
    """Sections with their text, tags with their attributes, and whether all tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.sections[dict(attrs)["id"] or ""] = []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.sections and data.strip():
            self.sections[list(self.sections)[-1]].append(" ".join(data.split()))

    def text(self, section: str) -> str:
        return " ".join(self.sections[section])


@pytest.fixture(scope="module")
def reader() -> Callable[[Run], Reader]:
    return lambda run: Reader(page.render(run))


def test_a_full_page_has_all_sections_in_order(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    for seeds in ((0,), (0, 1, 2)):
        read = reader(make_run(seeds))
        assert list(read.sections) == SECTIONS
        anchors = [attrs["href"] for tag, attrs in read.tags if tag == "a"]
        assert anchors == [f"#{name}" for name in SECTIONS[1:]]


def test_the_page_loads_nothing(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    read = reader(make_run())
    assert not {tag for tag, _ in read.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "base",
        "audio",
        "video",
    }
    for tag, attrs in read.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    html = page.render(make_run())
    ids = [str(attrs["id"]) for _, attrs in read.tags if "id" in attrs]
    assert len(ids) == len(set(ids)), "those of several charts, too"
    assert {str(attrs["xlink:href"])[1:] for _, attrs in read.tags if "xlink:href" in attrs} <= set(ids)
    assert "http:" not in html and "https:" not in html and "url(" not in html and "@import" not in html
    policy = next(a["content"] or "" for t, a in read.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_names_are_escaped(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    evil = '<script>alert("1")</script>\' onload=x'
    run = make_run()
    sample = {**run.samples[0], "id": evil, "label": evil}
    shown = {
        **run.gallery[0],
        "experiment": evil,
        "query": {**run.gallery[0]["query"], "id": evil, "label": evil},
    }
    rows = [replace(row, id=evil, label=evil, reason=f"{evil}: {evil}") for row in run.index]
    results = [{**result, "experiment": evil} for result in run.results[:1]]
    histories = [{**history, "experiment": evil, "training": evil} for history in run.histories[:1]]
    odd = replace(
        run,
        params={},
        index=rows,
        samples=[sample],
        gallery=[shown],
        results=results,
        histories=histories,
        provenance=[{evil: evil, "sha256": evil}],
        versions={evil: evil},
        commands=[evil],
    )
    read = reader(odd)
    assert "script" not in {tag for tag, _ in read.tags}
    assert not any("onload" in attrs for _, attrs in read.tags)
    for section in SECTIONS:
        assert "<script>alert" in read.text(section), section


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        tables.write(tmp_path / "new" / name, page.render(make_run((0, 1))))
    one, two = ((tmp_path / "new" / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == two and one.startswith(b"<!doctype html>")
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_the_order_of_results_does_not_matter(make_run: MakeRun) -> None:
    run = make_run((0, 1))
    assert page.render(run) == page.render(replace(run, results=list(reversed(run.results))))


def test_mean_and_sample_deviation_of_three_seeds(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    run = make_run((0, 1, 2))
    numbers = [r["values"]["flow"]["R@1"] for r in run.results if (r["experiment"], r["task"]) == ("mixup", "retrieval")]
    assert numbers == [66.0, 68.0, 70.0] and statistics.stdev(numbers) == 2.0
    text = reader(run).text("results")
    assert "68.0 ± 2.0" in text and "Mean ± sample standard deviation of 3 seeds" in text
    assert str(Value((1.0, 2.0, 4.0))) == "2.3 ± 1.5"


def test_one_seed_has_no_spread(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    read = reader(make_run())
    assert "One seed (0), no spread" in read.text("summary")
    assert "One seed, no spread." in read.text("results")
    assert "± 0.0" not in read.text("results") and "sample standard deviation of" not in read.text("results")
    assert Value((5.0,)).sd is None


def test_unequal_numbers_of_seeds_are_shown_cell_by_cell(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    run = make_run((0, 1))
    fewer = [r for r in run.results if not (r["experiment"] == "mixup" and r["seed"] == 1)]
    text = reader(replace(run, results=fewer)).text("results")
    assert "n = 1" in text and "n = 2" in text


def test_the_summary_has_a_bullet_a_task_and_only_streams_are_bold(make_run: MakeRun) -> None:
    html = page.render(make_run())
    summary = html[html.index('<section id="summary"') : html.index('<section id="results"')]
    assert summary.count("<li>") == 2 and "<strong" not in summary and "(±" not in summary
    bold = {piece.split("</b>")[0] for piece in summary.split("<b>")[1:]}
    assert bold == {"rgb", "flow", "rgb+flow"}
    assert "▲&nbsp;better than untrained: <b>flow</b> stc-mix +25.0, <b>rgb+flow</b> stc-mix +24.0</span>" in summary
    assert html.count("a rule of thumb") == 1, "the rule is said once"


def test_small_thumbnails_keep_their_pixels(make_run: MakeRun) -> None:
    html = page.render(make_run())
    assert html.count('class="strips pixels"') == 2 and html.count('class="tile query pixels"') == 2
    large = {**make_run().gallery[0]["query"], "thumb": np.zeros((90, 120, 3), np.uint8)}
    shown = [{**make_run().gallery[0], "query": large}]
    assert 'class="tile query"' in page.render(make_run(gallery=shown))


def test_best_trained_value_is_bold_and_baselines_are_not(make_run: MakeRun) -> None:
    html = page.render(make_run())
    assert "<b>52.0</b>" in html and "<b>70.0</b>" in html and "<b>76.0</b>" in html
    assert "<b>58.0</b>" not in html and "<b>66.0</b>" not in html


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: [replace(row, label="") for row in rows], "no video has a label"),
        (lambda rows: [replace(row, label="bow") for row in rows], "there is only one class (bow)"),
        (lambda rows: [row for row in rows if row.split == "train"], "there are no test videos"),
        (lambda rows: [], "the index has no usable video"),
        (lambda rows: rows, "no results file was given to the report"),
    ],
)
def test_without_results_the_page_says_why(
    make_run: MakeRun, reader: Callable[[Run], Reader], change: Callable[[Any], Any], reason: str
) -> None:
    run = make_run()
    run = replace(run, results=[], gallery=[], index=change(list(run.index)))
    read = reader(run)
    assert list(read.sections) == SECTIONS
    assert f"No supervised task was run: {reason}." in read.text("summary")
    assert f"No supervised task was run: {reason}." in read.text("results")
    assert "mixup" in read.text("curves") and "wave/train00" in read.text("samples")
    assert page.terminal(run) == f"No supervised task was run: {reason}."


def test_the_curve_of_an_encoder_is_drawn_by_seed(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """stc-mix on rgb: 6 + 3 + 3 epochs; guessing among 64 keys in each."""
    drawn = []
    monkeypatch.setattr(charts, "chart", lambda *given: drawn.append(given) or Markup(""))
    page.curves(make_run((0, 1)))
    title, label, lines, stops, names, levels = drawn[4]
    assert (title, label) == ("Loss of stc-mix, rgb against epochs", "loss")
    assert stops == [6, 9, 12] and names == ["rgb (moco)", "rgb-1 (cmmc)", "rgb-2 (cmmc)"]
    own = [
        [row["loss"] for one in make_run((seed,)).histories if one["training"].startswith("rgb") for row in one["epochs"]]
        for seed in (0, 1)
    ]
    assert [line.points for line in lines] == [list(enumerate(losses, 1)) for losses in own] and {line.number for line in lines} == {0, 1}
    assert levels == [(0, 6, math.log(64)), (6, 9, math.log(64)), (9, 12, math.log(64))]
    assert [level.height for level in drawn[5][5]] == [100 / 64] * 3


def test_an_empty_run_is_still_a_page(reader: Callable[[Run], Reader]) -> None:
    read = reader(Run(params={}, dataset="folder", index=[]))
    assert list(read.sections) == SECTIONS
    assert "This run trained no experiment" in read.text("summary")
    assert "No training history" in read.text("curves") and "No seed recorded" in read.text("summary")


def test_curves_join_a_shared_pretraining(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    found = page.curves(make_run((0, 1)))
    assert [(c.experiment, c.stream) for c in found] == [
        ("mixup", "rgb"),
        ("mixup", "flow"),
        ("stc-mix", "rgb"),
        ("stc-mix", "flow"),
    ]
    joined = found[2]
    rows = [row.cells for row in joined.table.rows]
    assert [cells[1::-1] for cells in rows] == [[seed, name] for seed in (0, 1) for name in ("rgb (moco)", "rgb-1 (cmmc)", "rgb-2 (cmmc)")]
    assert ["Loss of stc-mix" in joined.charts[0], "Accuracy of stc-mix" in joined.charts[1]] == [True, True]
    assert rows[0][6] == "4.159, 1.6 %", "ln 64: a batch of 16 and a queue of 48"
    assert rows[0][3] == "2,400" and rows[0][8] == "spread 0.500 → 0.550"
    assert "guessing among the N keys" in reader(make_run()).text("curves")


def test_dropped_videos_are_counted_and_named(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    text = reader(make_run()).text("index")
    assert "60 × short" in text and "1 × unreadable" in text and "and 10 more" in text
    assert "short/049" in text and "short/050" not in text
    assert "broken/<b>x</b> (no frame decodes)" in text
    by_split, _, by_class = page.index_tables(make_run().index)
    assert [row.cells for row in by_split.rows] == [["train", "20", "60"], ["test", "20", "1"], ["all", "40", "61"]]
    assert [row.cells for row in by_class.rows] == [[name, 5, 5] for name in ("bow", "jump", "kick", "wave")]
    assert "No video was dropped." in reader(make_run(index=make_run().index[:5])).text("index")


def test_gallery_marks_do_not_rest_on_colour(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    read = reader(make_run())
    assert read.text("gallery").count("✓ right") == 1 + 2 and read.text("gallery").count("✗ wrong") == 1 + 6
    assert "1 of the 4 neighbours shown are right" in read.text("gallery")
    classes = [name for _, attrs in read.tags for name in (attrs.get("class") or "").split()]
    assert classes.count("hit") == 2 and classes.count("miss") == 6


def test_provenance_has_every_results_file(make_run: MakeRun, reader: Callable[[Run], Reader]) -> None:
    run = make_run((0, 1))
    rows = tables.sources(run)
    assert len(rows) == len(run.results) == 16
    text = reader(run).text("provenance")
    assert text.count("0123456789ab") >= 16 and "clips" not in text, "no raw JSON"
    assert "data/models/x.safetensors" in text and "torch 2.13" in text
    assert "make demo snakemake --cores all" in reader(run).text("again")


def test_a_seed_given_twice_is_an_input_error(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(InputError, match=r"two results of .*, seed 0 \(toy, "):
        page.render(replace(run, results=[*run.results, run.results[0]]))


def test_a_task_in_other_units_is_a_page_too(make_run: MakeRun, reader: Callable[[Run], Reader], errors: str) -> None:
    run = make_run((0, 1))
    values = {"untrained": (8.0, 8.5), "mixup": (2.0, 2.5), "stc-mix": (5.0, 5.5)}
    results = [
        {**run.results[0], "experiment": name, "seed": seed, "task": errors, "values": {"rgb": {"error": number, "distance": number}}}
        for name, pair in values.items()
        for seed, number in enumerate(pair)
    ]
    text = reader(replace(run, results=results)).text("results")
    assert "Errors made on toy error, percent." in text and "2.25 ± 0.35" in text and "2.2 ± 0.4" in text
    assert "▲ better than untrained: rgb mixup −6.0" in reader(replace(run, results=results)).text("summary").replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert page.terminal(replace(run, results=results)).splitlines()[0] == "Errors made on toy, error, percent"
    html = page.render(replace(run, results=results))
    assert "<b>2.2 ± 0.4</b>" in html and html.count("<b>5.") == 0


def decode(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_png_uri_keeps_pixels_and_shrinks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    assert np.array_equal(decode(page.png_uri(image)), image)
    assert np.array_equal(decode(page.png_uri(image, 20)), image)
    small = decode(page.png_uri(image, 10))
    assert small.shape == (6, 10, 3)
    naive = image.reshape(6, 2, 10, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - naive).max() <= 1


def test_an_svg_has_no_pixels() -> None:
    assert page.is_small(np.zeros((9, 95, 3), np.uint8)) and not page.is_small(np.zeros((9, 96, 3), np.uint8))
    assert not page.is_small("<svg></svg>")


FILM = Row("a", "a.avi", "x", "train", "a", 24, 25.0, 24, 64, 48, "a.skeleton", "0", "ok", "")
ALONE = replace(FILM, id="b", path="", frames=90, steps=90, fps=0.0, width=0, height=0)


def facts(*rows: Row) -> dict[str, str]:
    return page.facts(rows)


def test_frames_after_resampling_are_said_where_they_differ() -> None:
    assert "frames after resampling" not in facts(FILM)
    resampled = facts(FILM, replace(FILM, id="c", steps=29), replace(FILM, id="d", frames=240, steps=288))
    assert resampled["frames of a video"] == "24 to 240, median 24"
    assert resampled["frames after resampling"] == "24 to 288, median 29"


def test_a_skeleton_alone_has_a_length_and_no_size() -> None:
    both = facts(FILM, ALONE)
    assert (both["frames of a video"], both["width, pixels"], both["frames a second"]) == ("24 to 90, median 57", "64", "25")
    assert both["with a skeleton"] == "2 of 2"
    assert facts(ALONE) == {"frames of a video": "90", "with a skeleton": "1 of 1"}
    assert facts() == {}
