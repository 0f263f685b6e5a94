"""The page, rendered for real and read back."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.report import made

from videossl.report import run_page
from videossl.report.films import drawn
from videossl.report.finished_run import Run
from videossl.report.spaces import Confusion, Map

MakeRun = Callable[..., Run]
SECTIONS = ["summary", "results", "curves", "samples", "gallery", "classes", "map", "index", "provenance", "again"]
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
def one_seed(make_run: MakeRun) -> str:
    """The page of a full run of one seed."""
    return run_page.render(make_run())


@pytest.fixture(scope="module")
def three_seeds(make_run: MakeRun) -> str:
    return run_page.render(make_run((0, 1, 2)))


def without_curves(make_run: MakeRun, seeds: tuple[int, ...] = (0,), **parts: Any) -> Run:
    """A full run but for its training curves, which take most of the time."""
    return make_run(seeds, **{"histories": [], **parts})


def test_a_full_page_has_all_sections_in_order(one_seed: str, three_seeds: str) -> None:
    for page in (one_seed, three_seeds):
        read = Reader(page)
        assert list(read.sections) == SECTIONS
        anchors = [attrs["href"] for tag, attrs in read.tags if tag == "a"]
        assert anchors == [f"#{name}" for name in SECTIONS[1:]]


def test_the_page_loads_nothing(one_seed: str) -> None:
    read = Reader(one_seed)
    assert not {tag for tag, _ in read.tags} & {"iframe", "object", "embed", "base", "audio", "video"}
    for tag, attrs in read.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    ids = [str(attrs["id"]) for _, attrs in read.tags if "id" in attrs]
    assert len(ids) == len(set(ids)), "those of several charts, too"
    assert {str(attrs["xlink:href"])[1:] for _, attrs in read.tags if "xlink:href" in attrs} <= set(ids)
    assert "http:" not in one_seed and "https:" not in one_seed and "url(" not in one_seed and "@import" not in one_seed
    policy = next(a["content"] or "" for t, a in read.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'") and [tag for tag, _ in read.tags].count("script") == 1
    script = one_seed.partition("<script>")[2].partition("</script>")[0]
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy, "this one alone runs"


def test_names_are_escaped(make_run: MakeRun) -> None:
    evil = '<script>alert("1")</script>\' onload=x'
    run = make_run()
    sample = {**run.samples[0], "id": evil, "label": evil}
    shown = {**run.gallery[0], "experiment": evil, "query": {**run.gallery[0]["query"], "id": evil, "label": evil}}
    odd = replace(
        run,
        params={**run.params, "experiments": {evil: run.params["experiments"]["mixup"]}},
        index=[replace(row, id=evil, label=evil, reason=f"{evil}: {evil}") for row in run.index],
        samples=[sample],
        gallery=[shown],
        confusions=[Confusion(evil, evil, [evil, "x"], np.eye(2, dtype=int))],
        maps=[Map(evil, evil, [{"id": evil, "label": evil, "split": "test"}], np.zeros((1, 2)))],
        films={evil: [np.zeros((4, 4, 3), np.uint8)] * 2},
        results=[{**result, "experiment": evil} for result in run.results[:1]],
        histories=[{**history, "experiment": evil} for history in run.histories[:1]],
        provenance=[{evil: evil, "sha256": evil}],
        versions={evil: evil},
        commands=[evil],
    )
    read = Reader(run_page.render(odd))
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert not any("onload" in attrs for _, attrs in read.tags)
    for section in SECTIONS:
        assert "<script>alert" in read.text(section), section


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun, three_seeds: str) -> None:
    run = make_run((0, 1, 2))
    again = replace(run, results=run.results[::-1], histories=run.histories[::-1])
    assert run_page.render(again) == three_seeds and three_seeds.startswith("<!doctype html>"), "in whatever order files come"


def test_seeds_and_spread_are_said(one_seed: str, three_seeds: str) -> None:
    one, three = Reader(one_seed), Reader(three_seeds)
    assert "One seed (0), no spread." in one.text("summary") and "one seed has no spread" in one.text("results")
    assert "± 0.0" not in one.text("results")
    assert "seeds 0, 1, 2." in three.text("summary")
    assert "68.0 ± 2.0 66 · 68 · 70 ▲ +21.0 (±7.7)" in three.text("results"), "each seed, and the verdict"


def test_the_summary_names_the_best_of_each_task(one_seed: str) -> None:
    summary = one_seed[one_seed.index('<section id="summary"') : one_seed.index('<section id="results"')]
    assert summary.count("<li>") == 2
    best = "best trained: stc-mix on rgb+flow, 76.0; better than the untrained encoder, +24.0 (±6.7), unpaired"
    assert f"<li>Nearest-neighbour retrieval on toy; {best}</li>" in summary
    assert one_seed.count("exact test") == 1, "the rule is said once"


def test_the_lead_counts(make_run: MakeRun) -> None:
    assert run_page.lead(make_run()) == (
        "Trained on toy: mixup, stc-mix. Videos: 20 to train on, 20 to test on, 61 dropped; labelled classes: 4. One seed (0), no spread."
    )


def test_the_lead_names_shares_of_the_videos(make_run: MakeRun) -> None:
    run = make_run()
    recipes = run.params["experiments"]
    some = replace(run, params={**run.params, "experiments": recipes | {"mixup": {**recipes["mixup"], "videos": 0.25}}})
    assert run_page.lead(some) == f"{run_page.lead(run)} Share of the training videos that was read: mixup 25 %."


def best_said(run: Run) -> str:
    """The sentence on the first task."""
    return str(run_page.task_results(run)[0]["best"])


def test_the_best_is_judged_against_what_was_measured(make_run: MakeRun) -> None:
    run = make_run()
    base = [result for result in run.results if result["experiment"] == "untrained"]
    same = [{**result, "experiment": "stc-mix"} for result in base]
    assert best_said(replace(run, results=[*base, *same])).endswith("; not clearly other than the untrained encoder, +0.0 (±6.9), unpaired")
    assert best_said(replace(run, results=same)).endswith("; no baseline to compare with")
    assert best_said(replace(run, results=base)) == "no trained encoder to compare"
    rgb = [{**result, "values": {"rgb": result["values"]["rgb"]}} for result in run.results if result["experiment"] != "mixup"]
    said = best_said(replace(run, results=rgb))
    assert "; worse than the hand-made feature, −28.0 (±" in said and "; worse than the untrained encoder, −20.0 (±" in said


def test_small_pictures_keep_their_pixels(one_seed: str, make_run: MakeRun) -> None:
    assert one_seed.count('<img class="pixels"') == 1 + 2 * 12, "a legend and two samples"
    assert 'class="smooth"' in drawn(np.zeros((9, 96, 3), np.uint8))
    assert 'class="pixels"' in drawn(np.zeros((9, 95, 3), np.uint8))
    assert drawn("<svg></svg>") == "<svg></svg>"


def test_best_trained_value_is_bold_and_baselines_are_not(one_seed: str) -> None:
    assert "<b>52.0</b>" in one_seed and "<b>70.0</b>" in one_seed and "<b>76.0</b>" in one_seed
    assert "<b>58.0</b>" not in one_seed


def test_all_metrics_are_folded(one_seed: str) -> None:
    folded = one_seed.count("<summary>All metrics of this task</summary>")
    assert folded == 1 and ">R@20, %<" in one_seed, "the linear probe has one metric alone"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: [replace(row, label="") for row in rows], "labelled classes: 0."),
        (lambda rows: [replace(row, label="bow") for row in rows], "labelled classes: 1."),
        (lambda rows: [row for row in rows if row.split == "train"], "Videos: 20 to train on, 0 to test on"),
        (lambda rows: [], "Videos: 0 to train on, 0 to test on"),
    ],
)
def test_without_results_the_page_says_what_is_needed(make_run: MakeRun, change: Callable[[Any], Any], said: str) -> None:
    run = without_curves(make_run, results=[], gallery=[])
    run = replace(run, index=change(list(run.index)))
    read = Reader(run_page.render(run))
    assert list(read.sections) == SECTIONS and said in read.text("summary")
    assert run_page.NO_TASK in read.text("summary") and run_page.NO_TASK in read.text("results")
    assert "wave/train00" in read.text("samples") and "no retrieval to show" in read.text("gallery")
    assert " ".join(run_page.terminal(run).split()) == run_page.NO_TASK


def test_an_empty_run_is_still_a_page() -> None:
    read = Reader(run_page.render(Run(params={}, dataset="folder", index=[])))
    assert list(read.sections) == SECTIONS
    assert "Trained on folder: no experiment." in read.text("summary") and "No seed recorded" in read.text("summary")
    assert "No training history" in read.text("curves") and "No results file" in read.text("provenance")


def test_the_curve_of_an_encoder_is_drawn_with_guessing(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """stc-mix on rgb: 6 + 3 + 3 epochs; guessing among 64 keys in each."""
    drawn: list[Any] = []
    monkeypatch.setattr(run_page, "draw", lambda *given: drawn.append(given) or "")
    run_page.encoders(make_run((0, 1)))
    chart, levels, names = drawn[6]
    assert (chart["stream"], chart["metric"]) == ("rgb", "loss") and [course["experiment"] for course in chart["courses"]] == ["stc-mix"]
    assert names == ["rgb (moco)", "rgb-1 (cmmc)", "rgb-2 (cmmc)"]
    own = [
        [row["loss"] for one in make_run((seed,)).histories if one["training"].startswith("rgb") for row in one["epochs"]]
        for seed in (0, 1)
    ]
    assert [point["values"] for point in chart["courses"][0]["points"]] == [list(pair) for pair in zip(*own, strict=True)]
    assert levels == [(0, 6, math.log(64)), (6, 9, math.log(64)), (9, 12, math.log(64))]
    assert [height for _, _, height in drawn[7][1]] == [100 / 64] * 3 and drawn[8][0]["metric"] == "spread" and len(drawn) == 12


def test_encoders_join_a_shared_pretraining(make_run: MakeRun, one_seed: str) -> None:
    found = run_page.encoders(make_run((0,)))
    assert [(one["experiment"], one["stream"]) for one in found] == [
        ("mixup", "rgb"),
        ("mixup", "flow"),
        ("stc-mix", "rgb"),
        ("stc-mix", "flow"),
    ]
    table = found[2]["table"]
    assert table.head == ["training", "epochs", "guessing", "loss", "accuracy", "lr", "clips", "spread"]
    assert [row.cells[:3] for row in table.rows] == [
        [name, epochs, "4.159, 1.6 %"] for name, epochs in (("rgb (moco)", 6), ("rgb-1 (cmmc)", 3), ("rgb-2 (cmmc)", 3))
    ], "ln 64: a batch of 16 and a queue of 48"
    assert table.rows[0].cells[5:] == ["0.003 → 0.003", "400 → 400", "0.5 → 0.55"]
    assert ["loss of rgb" in found[2]["charts"][0], "accuracy of rgb" in found[2]["charts"][1]] == [True, True]
    assert "guessing among the N keys" in Reader(one_seed).text("curves")
    assert "A falling loss is no evidence" in Reader(one_seed).text("curves")


def test_a_training_that_did_not_go_well_is_named_with_what_to_try(make_run: MakeRun, one_seed: str) -> None:
    assert "did not go well" not in Reader(one_seed).text("summary")
    run = make_run((0, 1))
    flat = [
        one | {"epochs": [row | {"spread": 0.07} for row in one["epochs"]]} if one["training"] == "flow" else one for one in run.histories
    ]
    read = Reader(run_page.render(replace(run, histories=flat)))
    assert "1 of the trainings did not go well" in read.text("summary")
    said = "flow of mixup: The embeddings did not spread: 0.07 at the end"
    assert read.text("curves").count(said) == 2 and "(seed 0, 1)" in read.text("curves"), "of mixup, and of stc-mix which starts from it"


def test_the_first_step_comes_first_in_the_numbers(make_run: MakeRun) -> None:
    run = make_run((0,))
    begun = [one | {"epochs": [one["epochs"][0] | {"spread, start": 0.01}, *one["epochs"][1:]]} for one in run.histories]
    table = run_page.encoders(replace(run, histories=begun))[0]["table"]
    assert table.rows[0].cells[table.head.index("spread")] == "0.01 → 0.55" and "spread, start" not in table.head


def test_several_seeds_are_a_mean_in_numbers(make_run: MakeRun) -> None:
    run = replace(
        make_run(), histories=[{"experiment": "mixup", "seed": s, "training": "rgb", "epochs": [{"loss": 1.0 + s}]} for s in (0, 1)]
    )
    (one,) = run_page.encoders(run)
    assert one["table"].rows[0].cells[3] == "1.5 ± 0.71 → 1.5 ± 0.71" and len(one["charts"]) == 1, "no accuracy, no chart of it"


def test_a_curve_without_accuracy_has_no_chart_of_it() -> None:
    run = made.run("figure3", (0,))
    bare = [
        {**one, "epochs": [{"epoch": row["epoch"], "loss": row["loss"], "cosine": row["accuracy"] / 100} for row in one["epochs"]]}
        for one in run.histories
    ]
    shown = run_page.encoders(replace(run, histories=bare))
    assert {len(one["charts"]) for one in shown} == {1} and shown[0]["table"].head[3:] == ["loss", "cosine"]


def test_a_training_of_several_streams_is_shown_for_each() -> None:
    rows = [{"epoch": 1, "loss": 4.0, "loss/joint": 1.0, "loss/motion": 3.0, "spread/joint": 0.5}]
    histories = [{"experiment": "crossclr", "seed": 0, "training": "joint+motion", "epochs": rows * 2}]
    shown = run_page.encoders(made.run("figure3", histories=histories))
    assert [(one["experiment"], one["stream"]) for one in shown] == [("crossclr", "joint"), ("crossclr", "motion")]
    assert [one["table"].rows[-1].cells[0] for one in shown] == ["joint+motion (crossclr)"] * 2
    assert [one["table"].rows[-1].cells[3:] for one in shown] == [["1 → 1", "0.5 → 0.5"], ["3 → 3"]]
    assert shown[0]["table"].rows[0].cells[3:] == ["–", "–"], "the pretraining left no curve"


def test_dropped_videos_are_counted_and_named(make_run: MakeRun, one_seed: str) -> None:
    text = Reader(one_seed).text("index")
    assert "60 × short" in text and "1 × unreadable" in text and "and 10 more" in text
    assert "short/049" in text and "short/050" not in text
    assert "broken/<b>x</b> (no frame decodes)" in text
    by_split, by_class = run_page.index_tables(make_run().index)
    assert [row.cells for row in by_split.rows] == [["train", 20, 60], ["test", 20, 1], ["all", 40, 61]]
    assert [row.cells for row in by_class.rows] == [[name, 5, 5] for name in ("bow", "jump", "kick", "wave")]
    whole = run_page.render(without_curves(make_run, index=make_run().index[:5]))
    assert "No video was dropped." in Reader(whole).text("index")


def test_files_that_are_not_used_are_counted(make_run: MakeRun, one_seed: str) -> None:
    assert "Not used" not in one_seed
    unused = {".3gp": {"count": 1200, "first": "a/<b>.3gp"}, "no suffix": {"count": 1, "first": "notes"}}
    text = Reader(run_page.render(without_curves(make_run, unused=unused))).text("index")
    assert "1,200 .3gp (the first: a/<b>.3gp); 1 no suffix (the first: notes)" in text


def test_remarks_of_tasks_stand_beside_their_numbers(make_run: MakeRun, one_seed: str) -> None:
    assert "Of these numbers" not in one_seed
    run = make_run()
    marked = replace(run, results=[run.results[0] | {"remarks": {"rgb": ["<b>not converged"]}}, *run.results[1:]])
    said = f"{run.results[0]['experiment']}, seed {run.results[0]['seed']}, rgb on {run.results[0]['dataset']}: <b>not converged"
    assert said in Reader(run_page.render(marked)).text("results") and said in run_page.terminal(marked)


def test_what_is_alike_is_named(make_run: MakeRun, one_seed: str) -> None:
    assert "Alike" not in one_seed
    rows = [replace(row, sha256="0" * 64) if number < 7 else row for number, row in enumerate(make_run().index[:40])]
    rows += [replace(row, id="x/<b>", label="WAVE") for row in rows[-1:]]
    text = Reader(run_page.render(without_curves(make_run, index=rows))).text("index")
    assert "1 × the same bytes in two classes" in text and "1 × class names that differ in case" in text and "WAVE = wave" in text
    assert f"{rows[0].id} = {rows[1].id}" in text and "and 2 more" in text


def test_samples_have_strips_and_legends(one_seed: str) -> None:
    text = Reader(one_seed).text("samples")
    assert "wave · wave/train00 · frames 0, 2, 4, 7, 9, 11" in text and "flow, rim 3.0 pixels a frame skeleton" in text
    assert '<p class="note">What the <b>colours</b> mean.</p>' in one_seed, "the words of a legend are HTML"
    assert one_seed.count('<svg class="skeleton"') == 2 * 6


def test_gallery_marks_do_not_rest_on_colour(one_seed: str) -> None:
    read = Reader(one_seed)
    assert read.text("gallery").count("✓ right") == 1 + 2 and read.text("gallery").count("✗ wrong") == 1 + 6
    assert "stc-mix, rgb+flow" in read.text("gallery") and "untrained encoder, rgb+flow" in read.text("gallery")
    classes = [name for _, attrs in read.tags for name in (attrs.get("class") or "").split()]
    assert classes.count("hit") == 2 and classes.count("miss") == 6 and classes.count("query") == 2


def test_without_labels_nothing_is_right_or_wrong(make_run: MakeRun) -> None:
    run = without_curves(make_run, results=[], confusions=[])
    bare = {**run.gallery[0], "neighbours": [{**one, "label": "", "correct": None} for one in run.gallery[0]["neighbours"]]}
    read = Reader(run_page.render(replace(run, gallery=[bare], pairs=[])))
    assert "right" not in read.text("gallery") and read.text("gallery").count("near 0.") == 4
    assert "no labelled videos on both sides" in read.text("classes")
    assert "stc-mix , rgb+flow; 40 videos" in read.text("map") and "stc-mix rgb 40 0.500 7.2" in read.text("map")


def test_each_video_is_on_the_page_once(one_seed: str) -> None:
    """As a symbol that all who show it refer to: five films, the skeleton's, and the stills that are not among them."""
    read = Reader(one_seed)
    symbols = [str(attrs["id"]) for tag, attrs in read.tags if tag == "symbol"]
    used = [str(attrs["href"])[1:] for tag, attrs in read.tags if tag == "use" and "href" in attrs]
    assert len(symbols) == len(set(symbols)) == 6 + 35 and set(used) <= set(symbols) and len(used) == 2 * 5 + 2
    assert [attrs["data-film"] for tag, attrs in read.tags if "data-film" in attrs and tag == "path"][5] == "film-10 1 56 42"


def test_experiments_are_compared_in_one_picture(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(run_page, "draw", lambda *given: drawn.append(given[0]) or "")
    shown = run_page.compared(make_run((0, 1)))
    assert [stream for stream, _ in shown] == ["rgb", "flow"] and [chart["metric"] for chart in drawn] == ["loss", "accuracy", "spread"] * 2
    assert [[len(course["points"]) for course in chart["courses"]] for chart in drawn] == [[6, 12]] * 6, "as long as each was trained"
    assert run_page.compared(replace(make_run(), histories=[])) == []


def test_provenance_has_every_results_file(one_seed: str) -> None:
    text = Reader(one_seed).text("provenance")
    assert text.count("0123456789ab") >= 8 and "clips" not in text.partition("All params")[0], "no raw JSON"
    assert "data/models/x.safetensors" in text and "torch 2.13" in text and '"temperature": 0.07' in text
    assert "make demo snakemake --cores all" in Reader(one_seed).text("again")


def test_a_task_in_other_units_is_a_page_too(make_run: MakeRun, errors: str) -> None:
    run = without_curves(make_run)
    values = {"untrained": (8.0, 8.5), "mixup": (2.0, 2.5), "stc-mix": (5.0, 5.5)}
    results = [
        {**run.results[0], "experiment": name, "seed": seed, "task": errors, "values": {"rgb": {"error": number, "distance": number}}}
        for name, pair in values.items()
        for seed, number in enumerate(pair)
    ]
    run = replace(run, results=results)
    html = run_page.render(run)
    text = Reader(html).text("results")
    assert (
        "Errors made on toy 400 labelled videos of 4 classes to train with, 400 test videos." in text
        and "error, %" in text
        and "2.25 ± 0.35" in text
        and "2.2 ± 0.4" in text
        and "distance, pixels" in text
    )
    assert "best trained: mixup on rgb, 2.2 ± 0.4; better than the untrained encoder, −6.0 (±" in Reader(html).text("summary")
    assert run_page.terminal(run).splitlines()[1].split() == ["error,", "%", "rgb"]
    assert "<b>2.2 ± 0.4</b>" in html and html.count("<b>5.") == 0


def decode(element: str) -> np.ndarray:
    head, data = element.split('src="')[1].split('"')[0].split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_picture_keeps_its_pixels_and_shrinks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 160, 3), dtype=np.uint8)
    assert np.array_equal(decode(drawn(image)), image)
    wide = np.random.default_rng(0).integers(0, 256, (12, 320, 3), dtype=np.uint8)
    small = decode(drawn(wide, "<b>"))
    assert small.shape == (6, 160, 3) and 'alt="&lt;b&gt;"' in drawn(wide, "<b>")
    naive = wide.reshape(6, 2, 160, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - naive).max() <= 1


def test_text_for_the_terminal(make_run: MakeRun) -> None:
    text = run_page.terminal(make_run((0, 1, 2)))
    assert text.isascii()
    lines = text.splitlines()
    assert lines[0] == "Nearest-neighbour retrieval on toy"
    assert lines[1].split() == ["R@1,", "%", "rgb", "flow", "rgb+flow"]
    assert lines[2].split() == ["chance", "25.0", "25.0", "25.0"]
    (stc,) = [line for line in lines[: lines.index("")] if line.startswith("stc-mix")]
    assert stc.split() == ["stc-mix", "32.0", "+-", "2.0", "*", "72.0", "+-", "2.0", "*", "78.0", "+-", "2.0"]
    assert lines[2].index("25.0") + 4 == stc.index("32.0 +- 2.0") + 11, "numbers are flush right"
    assert "best trained: stc-mix on rgb+flow, 78.0 +- 2.0; better than the untrained encoder, +24.0 (+-7.4), unpaired" in lines
    assert "* best trained" in text and max(map(len, lines)) <= 120
