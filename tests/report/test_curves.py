"""Curves: the trainings behind an encoder and the numbers along them; where points land in a drawing, and that it fits into a page."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.report import made

from videossl.params import recipes
from videossl.report import curves, target_data
from videossl.train.diagnosis import of_stream

Numbers = dict[tuple[str, str], list[tuple[list[int], list[float]]]]


def figure2(linear: Numbers, untrained: list[float]) -> dict[str, Any]:
    """Figure 2's linear probe from hand-made points: by training, for each seed its epochs and numbers."""
    progress = [
        made.progress(owner, seed, training, epochs, values)
        for (owner, training), seeds in linear.items()
        for seed, (epochs, values) in enumerate(seeds)
    ]
    results = [made.result("untrained", seed, "linear", {"rgb": value}) for seed, value in enumerate(untrained)]
    run = made.run("figure2", progress=progress, results=results, histories=[])
    return curves.progress_chart(run, run.params["targets"]["figure2"]["experiments"], "rgb", "linear")


def test_epochs_are_counted_along_the_chain() -> None:
    chart = figure2(
        {
            ("mixup", "rgb"): [([25, 50], [25.0, 50.0]), ([25, 50], [50.0, 75.0])],
            ("stc-mix", "rgb-1"): [([12], [75.0]), ([12], [75.0])],
            ("stc-mix", "rgb-2"): [([6, 12], [50.0, 25.0]), ([6, 12], [50.0, 50.0])],
        },
        [12.5, 25.0],
    )
    by_name = {course["experiment"]: course for course in chart["courses"]}
    assert [(point["epoch"], point["values"]) for point in by_name["stc-mix"]["points"]] == [
        (0, [12.5, 25.0]),
        (25, [25.0, 50.0]),
        (50, [50.0, 75.0]),
        (62, [75.0, 75.0]),
        (68, [50.0, 50.0]),
        (74, [25.0, 50.0]),
    ]
    spans = [tuple(span.values()) for span in by_name["stc-mix"]["trainings"]]
    assert spans == [("mixup", "rgb", 0, 50), ("stc-mix", "rgb-1", 50, 62), ("stc-mix", "rgb-2", 62, 74)]
    shared = [point["epoch"] for point in by_name["stc-mix-once"]["points"]]
    assert shared == [0, 25, 50], "it shares the pretraining, and has no more of its own"
    assert by_name["moco-long"]["points"] == [], "the untrained encoder alone is no course"
    assert chart["chance"] == 100 / 12 and chart["test_videos"] == 96


def test_without_the_untrained_encoder_there_is_no_epoch_0() -> None:
    chart = figure2({("mixup-long", "rgb"): [([10, 74], [25.0, 50.0])]}, [])
    assert [point["epoch"] for point in chart["courses"][1]["points"]] == [10, 74]


def test_seeds_that_lack_a_point_are_left_out_of_it() -> None:
    chart = figure2({("mixup-long", "rgb"): [([10, 74], [25.0, 50.0]), ([10], [50.0])]}, [])
    first, last = chart["courses"][1]["points"]
    assert (first["seeds"], first["values"]) == ([0, 1], [25.0, 50.0]) and (last["seeds"], last["sd"]) == ([0], None)


def test_an_experiment_that_does_not_train_the_stream_has_no_course() -> None:
    run = made.run("figure2")
    narrow = {**run.params["experiments"], "mixup-long": {"method": "moco", "streams": ["flow"], "mixing": "mixup"}}
    chart = curves.progress_chart(replace(run, params={**run.params, "experiments": narrow}), ["moco-long", "mixup-long"], "rgb", "linear")
    assert chart["courses"][1] == {"experiment": "mixup-long", "trainings": [], "points": []}
    assert "mixup-long" in curves.draw(chart), "the other one is drawn"


def stop(params: Mapping[str, Any], experiment: str, stream: str) -> int:
    return int(curves.spans(params, experiment, stream)[-1]["stop"])


def test_chains_of_the_params() -> None:
    params = made.params()
    assert stop(params, "stc-mix-once", "rgb") == 74 and stop(params, "stc-mix-once", "flow") == 50
    assert stop(params, "moco-long", "flow") == 74 and curves.spans(params, "untrained", "rgb") == []
    assert curves.spans({}, "stc-mix", "rgb") == [] and curves.spans(params, "stc-mix", "joint") == []


def test_a_chain_of_three_experiments_counts_all_its_epochs() -> None:
    """P appendix 3.ii: 100 epochs each view, 100 of CMMC, 100 of mining."""
    both = {"streams": ["joint", "motion"], "epochs": 100}
    experiments = {
        "moco": both | {"method": "moco", "mixing": "none"},
        "cmmc": {**made.params()["experiments"]["stc-mix"], **both, "from": "moco", "stages": 2},
        "crossclr": both | {"method": "crossclr", "from": "cmmc", "neighbours": 1},
    }
    params = {**made.params(), "experiments": experiments}
    found = [tuple(span.values()) for span in curves.spans(params, "crossclr", "motion")]
    assert found == [("moco", "motion", 0, 100), ("cmmc", "motion-1", 100, 200), ("crossclr", "joint+motion", 200, 300)]
    assert stop(params, "crossclr", "joint") == 300


def test_candidates_are_the_settings_that_the_method_names(monkeypatch: pytest.MonkeyPatch) -> None:
    params = made.params()
    for stream in params["streams"].values():
        stream["train"] = {**stream["train"], "queue": 48}
    assert curves.candidates(params, "moco", "rgb") == curves.candidates(params, "crossclr", "motion") == 16 + 48
    monkeypatch.setattr(recipes, "method", lambda params, experiment: {"trains": "alone"})
    assert curves.candidates(params, "moco", "rgb") == 0, "of a method that names none nothing is said"


def together(joint: float, motion: float) -> list[dict[str, float]]:
    """The curve of a training of both streams: two epochs, with measures of each and of both."""
    own = {"loss/joint": joint, "loss/motion": motion, "accuracy/joint": 10 * joint, "accuracy/motion": 10 * motion}
    return [{"epoch": epoch, "loss": joint + motion, "lr": 0.1, "spread/joint": 0.5, **own} for epoch in (1, 2)]


def test_a_training_of_several_streams_has_a_curve_of_each() -> None:
    rows = together(1.0, 3.0)
    assert of_stream(rows, "joint")[0] == {"epoch": 1, "loss": 1.0, "lr": 0.1, "accuracy": 10.0, "spread": 0.5}
    assert of_stream(rows, "motion")[1] == {"epoch": 2, "loss": 3.0, "lr": 0.1, "accuracy": 30.0}
    assert of_stream(rows, "bone")[0] == {"epoch": 1, "loss": 4.0, "lr": 0.1}, "what is measured of all streams is everyone's"
    mined = made.target("training", "crossclr", "joint motion", "")
    histories = [
        {"experiment": "crossclr", "seed": seed, "training": "joint+motion", "epochs": together(1.0 + seed, 3.0 + seed)} for seed in (0, 1)
    ]
    run = made.run("figure3", params={**made.params(), "targets": {"mine": mined}}, histories=histories)
    charts = target_data.record(run, "mine")["charts"]
    assert [(chart["stream"], chart["metric"]) for chart in charts] == [
        (stream, name) for stream in ("joint", "motion") for name in ("loss", "accuracy")
    ]
    ends = [chart["courses"][0]["points"][-1] for chart in charts]
    assert [(end["epoch"], end["values"]) for end in ends] == [(62, [1.0, 2.0]), (62, [10.0, 20.0]), (62, [3.0, 4.0]), (62, [30.0, 40.0])]


# Drawing.


def chart(points: Sequence[tuple[float, float]], spread: Sequence[float] = (), *, task: str = "training", stops: Sequence[int] = ()) -> Any:
    """One experiment along trainings that end at `stops`."""
    stops = stops or [int(max((x for x, _ in points), default=1))]
    spans = [{"experiment": "a", "training": "t", "start": start, "stop": end} for start, end in zip([0, *stops], stops, strict=False)]
    sds = spread or [math.nan] * len(points)
    values = [{"epoch": x, "mean": y, "sd": None if math.isnan(sd) else sd} for (x, y), sd in zip(points, sds, strict=True)]
    about = {"stream": "rgb", "task": task, "metric": "loss" if task == "training" else "accuracy"}
    return {**about, "courses": [{"experiment": "a", "trainings": spans, "points": values}]}


def drawn(svg: str) -> ET.Element:
    """The element with the namespaces that a page gives it."""
    return ET.fromstring(str(svg).replace("<svg ", '<svg xmlns:xlink="x" ', 1))


def paths(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """The lines of a colour of the style sheet, as points of the viewBox."""
    found = [
        e.get("d") or ""
        for e in drawn(svg).iter("path")
        if f"stroke: {colour}" in (e.get("style") or "") and "fill: none" in (e.get("style") or "")
    ]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path)] for path in found if path]


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in drawn(svg).iter("text")]


def test_points_and_levels_land_in_proportion() -> None:
    """A level at the height of the second of three points, and from epoch 0 to its x."""
    svg = curves.draw(chart([(1, 4.0), (2, 3.0), (4, 1.0)]), [(0, 2, 3.0)], ["t"])
    (line,) = paths(svg, "var(--s0)")
    (x1, y1), (x2, y2), (x4, y4) = line
    assert (x4 - x2) == pytest.approx(2 * (x2 - x1), abs=1e-3) and (y4 - y2) == pytest.approx(2 * (y2 - y1), abs=1e-3)
    assert y1 < y2 < y4, "the y axis of SVG points down"
    flat = [path for path in paths(svg, "currentColor") if len(path) == 2 and path[0][1] == path[1][1] == pytest.approx(y2, abs=1e-3)]
    level = [path for path in flat if path[1][0] < x4]
    assert len(level) == 1 and level[0][1][0] == pytest.approx(x2, abs=1e-3) and level[0][0][0] == pytest.approx(2 * x1 - x2, abs=1e-3)


def test_trainings_have_boundaries_and_names_that_fit() -> None:
    points = [(x, float(x % 7)) for x in range(1, 41)]
    plain = paths(curves.draw(chart(points), (), ["t"]), "currentColor")
    svg = curves.draw(chart(points, stops=[37, 38, 40]), (), ["rgb (moco)", "a long name", "rgb-2"])
    assert len(paths(svg, "currentColor")) == len(plain) + 2
    assert {"rgb (moco)", "2", "3", "epoch", "loss"} <= set(texts(svg)), "a name without room is a number"
    assert "a" not in texts(svg) and "a" in texts(curves.draw(chart(points))), "without names of trainings a legend"


def test_gaps_and_lone_points() -> None:
    gap = curves.draw(chart([(1, 1), (2, math.nan), (3, 2), (4, 3)]), (), ["t"])
    assert [len(path) for path in paths(gap, "var(--s0)")] == [3], "1, and from 3 to 4"
    (path,) = [e.get("d") or "" for e in drawn(gap).iter("path") if "stroke: var(--s0)" in (e.get("style") or "")]
    assert path.count("L") == 1
    lone = [e for e in drawn(curves.draw(chart([(1, 1), (2, math.nan)]), (), ["t"])).iter("use") if "var(--s0)" in (e.get("style") or "")]
    assert len(lone) == 1, "a marker"
    for nothing in ([], [(1, math.inf)]):
        assert "No finite numbers" in curves.draw(chart(nothing))


def test_a_training_without_numbers_is_a_gap() -> None:
    points = [(x, float(x)) for x in (1, 2, 3, 7, 8, 9)]
    (path,) = [
        e.get("d") or ""
        for e in drawn(curves.draw(chart(points, stops=[3, 6, 9]), (), list("abc"))).iter("path")
        if "stroke: var(--s0)" in (e.get("style") or "") and "fill: none" in (e.get("style") or "")
    ]
    assert path.count("M") == 2, "from 3 to 7 there is no line"


def test_whiskers_reach_as_far_as_the_spread() -> None:
    given = chart([(0, 10), (5, math.nan), (10, 20), (12, 30)], [2.0, 1.0, math.nan, 5.0], task="linear")
    svg = curves.draw(given)
    (curve, *_), whiskers = paths(svg, "var(--s0)"), [path for path in paths(svg, "var(--s0)") if path[0][0] == path[1][0]]
    scale = (curve[-1][1] - curve[-2][1]) / 10
    reach = sorted(abs(low - high) / abs(scale) for (_, low), (_, high) in whiskers)
    assert reach == pytest.approx([4.0, 10.0], abs=1e-3), "none where there is no spread"
    assert not bands(svg)


def bands(svg: str) -> list[ET.Element]:
    return [e for e in drawn(svg).iter() if "fill: var(--s0); fill-opacity" in (e.get("style") or "")]


def test_a_band_is_around_the_curve_of_a_training() -> None:
    def band(spread: list[float]) -> int:
        return len(bands(curves.draw(chart([(x, 10) for x in range(5)], spread))))

    assert band([1.0, 2.0, math.nan, 1.0, 1.0]) == 2 and band([1.0] * 5) == 1 and band([math.nan] * 5) == 0


def test_a_spread_is_inside_the_axes() -> None:
    assert {"40", "−20"} <= set(texts(curves.draw(chart([(1, 10), (2, 10)], [30.0, 0.0]))))


def test_a_drawing_fits_into_a_page() -> None:
    """Names are text; nothing is loaded, clipped or dated; no two charts share an id; the same numbers give the same bytes."""

    def four(name: str) -> Any:
        one = chart([(1, 1), (2, 2)], [0.1, 0.1], task="linear")
        return one | {"courses": [one["courses"][0] | {"experiment": f"$x_{n}$ <b>&{name}"} for n in range(4)]}

    first, second = (curves.draw(four(name), [(0, 2, 1)]) for name in "ab")
    assert first == curves.draw(four("a"), [(0, 2, 1)])
    assert (drawn(first).get("aria-label") or "").startswith("linear probe of rgb against epochs: $x_0$ <b>&a, ")
    assert {"$x_0$ <b>&a", "linear probe, %"} <= set(texts(first))
    for part in ("http", "url(", "<style", "<metadata", "<!--", "<b>", "#000000", *curves.COLOURS):
        assert part not in first, part
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    assert all(f"var(--s{n})" in first for n in range(4)) and "currentColor" in first


def test_lines_differ_by_more_than_their_colour() -> None:
    run = made.run("figure2")
    first = curves.draw(curves.progress_chart(run, run.params["targets"]["figure2"]["experiments"], "rgb", "linear"))
    lines = re.findall(r'<path d="[^"]*" style="fill: none;([^"]*)stroke: var\(--s(\d)\)', first)
    assert {colour for _, colour in lines} == {"0", "1", "2", "3"}
    assert len({style for style, colour in lines if "dasharray" in style}) == 3 and any("dasharray" not in style for style, _ in lines)
    assert len(set(re.findall(r'<path id="(\w+)" d="[^"]*" style="stroke: var', first))) >= 4, "a marker of its own for each"
    assert all(f">{name}</text>" in first for name in ("moco-long", "mixup-long", "stc-mix-once", "stc-mix")), "a legend"
