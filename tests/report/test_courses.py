"""Numbers along the trainings: where points land, whose they are, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.report import made

from videossl.params import recipes
from videossl.report import compared, courses, page, target
from videossl.report.courses import Chart
from videossl.report.run import Run


def charts(run: Run, name: str) -> list[Chart]:
    return list(target.comparison(run, name).charts)


def figure2(linear: dict[tuple[str, str], list[tuple[list[int], list[float]]]], untrained: list[float]) -> Chart:
    """Figure 2's linear probe from hand-made points: by training, for each seed its epochs and numbers."""
    progress = [
        made.progress(owner, seed, training, epochs, values)
        for (owner, training), seeds in linear.items()
        for seed, (epochs, values) in enumerate(seeds)
    ]
    results = [made.result("untrained", seed, "linear", {"rgb": value}) for seed, value in enumerate(untrained)]
    return charts(made.run("figure2", progress=progress, results=results, histories=[]), "figure2")[0]


def test_epochs_are_counted_along_the_chain() -> None:
    chart = figure2(
        {
            ("mixup", "rgb"): [([25, 50], [25.0, 50.0]), ([25, 50], [50.0, 75.0])],
            ("stc-mix", "rgb-1"): [([12], [75.0]), ([12], [75.0])],
            ("stc-mix", "rgb-2"): [([6, 12], [50.0, 25.0]), ([6, 12], [50.0, 50.0])],
        },
        [12.5, 25.0],
    )
    by_name = {course.experiment: course for course in chart.courses}
    points = [(epoch, value.numbers) for epoch, value in by_name["stc-mix"].points]
    assert points == [(0, (12.5, 25.0)), (25, (25.0, 50.0)), (50, (50.0, 75.0)), (62, (75.0, 75.0)), (68, (50.0, 50.0)), (74, (25.0, 50.0))]
    assert by_name["stc-mix"].spans == [("mixup", "rgb", 0, 50), ("stc-mix", "rgb-1", 50, 62), ("stc-mix", "rgb-2", 62, 74)]
    assert by_name["stc-mix"].peak == (62, by_name["stc-mix"].points[3][1]) and by_name["stc-mix"].end == by_name["stc-mix"].points[-1]
    assert [epoch for epoch, _ in by_name["stc-mix-once"].points] == [0, 25, 50], "it shares the pretraining, and has no more of its own"
    assert by_name["moco-long"].points == [], "the untrained encoder alone is no course"
    assert chart.chance == 100 / 12 and chart.tests == 96


def test_without_the_untrained_encoder_there_is_no_epoch_0() -> None:
    chart = figure2({("mixup-long", "rgb"): [([10, 74], [25.0, 50.0])]}, [])
    assert [epoch for epoch, _ in chart.courses[1].points] == [10, 74]


def test_seeds_that_lack_a_point_are_left_out_of_it() -> None:
    chart = figure2({("mixup-long", "rgb"): [([10, 74], [25.0, 50.0]), ([10], [50.0])]}, [])
    (_, first), (_, last) = chart.courses[1].points
    assert (first.seeds, first.numbers) == ((0, 1), (25.0, 50.0)) and (last.seeds, last.sd) == ((0,), None)


def test_what_the_paper_says_of_the_ends_is_judged() -> None:
    def flat(value: float) -> list[tuple[list[int], list[float]]]:
        return [([74], [value]), ([74], [value])]

    stages = {
        ("mixup", "rgb"): [([50], [50.0])] * 2,
        ("stc-mix", "rgb-2"): [([12], [50.0])] * 2,
        ("stc-mix-once", "rgb-1"): [([24], [75.0])] * 2,
    }
    chart = figure2({("moco-long", "rgb"): flat(25.0), ("mixup-long", "rgb"): flat(50.0), **stages}, [])
    words = {(pair.above, pair.below): pair.word for pair in chart.order}
    assert words == {("stc-mix", "moco-long"): "seen", ("stc-mix", "mixup-long"): "not clear", ("stc-mix", "stc-mix-once"): "reversed"}
    assert all(pair.theirs is None for pair in chart.order)
    missing = figure2({("moco-long", "rgb"): flat(25.0)}, [])
    assert {pair.word for pair in missing.order} == {"not measured"}


def test_the_paper_says_nothing_of_retrieval_in_figure_2() -> None:
    linear, retrieval = charts(made.run("figure2"), "figure2")
    assert len(linear.order) == 3 and retrieval.order == [] and (retrieval.task, retrieval.metric) == ("retrieval", "R@1")


def test_figure_3_by_hand() -> None:
    """Accuracy of the last epochs: moco-long 50 and 52, stc-mix 40 and 44; the error is of the seeds alone."""

    def histories(owner: str, training: str, epochs: int, ends: tuple[float, float]) -> list[dict[str, object]]:
        return [
            {
                "experiment": owner,
                "seed": seed,
                "training": training,
                "epochs": [{"loss": 1.0 + seed, "accuracy": end}] * epochs,
            }
            for seed, end in enumerate(ends)
        ]

    found = [*histories("moco-long", "rgb", 74, (50.0, 52.0)), *histories("mixup", "rgb", 50, (30.0, 30.0))]
    found += [*histories("stc-mix", "rgb-1", 12, (35.0, 35.0)), *histories("stc-mix", "rgb-2", 12, (40.0, 44.0))]
    loss, accuracy = charts(made.run("figure3", histories=found), "figure3")
    (pair,) = accuracy.order
    assert pair.verdict is not None and pair.word == "seen" and pair.verdict.difference == 9.0
    assert pair.verdict.error == pytest.approx((2 / 2 + 8 / 2) ** 0.5)
    assert loss.order == [] and [epoch for epoch, _ in loss.courses[1].points] == list(range(1, 75))
    assert loss.courses[0].points[0][1].numbers == (1.0, 2.0)


def test_one_seed_cannot_be_judged_in_training() -> None:
    found = target.comparison(made.run("figure3", (0,)), "figure3")
    assert [pair.word for pair in found.charts[1].order] == ["not clear"]
    assert "One seed has no spread, so nothing here can be judged." in target.rule(found)
    assert "which nothing here can judge" in target.end_said(found.charts[1])


def test_the_ends_in_words() -> None:
    chart = figure2({("moco-long", "rgb"): [([37, 74], [50.0, 25.0])] * 2, ("mixup-long", "rgb"): [([37, 74], [25.0, 75.0])] * 2}, [])
    error = (2 * 50 * 50 / 96) ** 0.5
    assert target.end_said(chart) == (
        f"mixup-long ends highest in linear probe (rgb): 75.0 ± 0.0 after 74 epochs, +50.0 ± {error:.1f} from the next, moco-long, a clear difference."
    )
    error = (2 * 37.5 * 62.5 / 96) ** 0.5
    assert target.peaks_said(chart) == [
        "Highest at the last epoch: mixup-long.",
        f"moco-long peaks at epoch 37: 50.0 ± 0.0; its end is −25.0 ± {error:.1f} from that, a clear difference.",
    ]


def test_an_experiment_that_does_not_train_the_stream_has_no_course() -> None:
    run = made.run("figure2")
    narrow = {**run.params["experiments"], "mixup-long": {"method": "moco", "streams": ["flow"], "mixing": "mixup"}}
    chart = charts(replace(run, params={**run.params, "experiments": narrow}), "figure2")[0]
    assert chart.courses[1].spans == [] and chart.courses[1].points == []


def test_chains_of_the_params() -> None:
    params = made.params()
    assert courses.spans(params, "stc-mix-once", "rgb")[-1].stop == 74 and courses.spans(params, "stc-mix-once", "flow")[-1].stop == 50
    assert courses.spans(params, "moco-long", "flow")[-1].stop == 74 and courses.spans(params, "untrained", "rgb") == []
    assert courses.spans({}, "stc-mix", "rgb") == [] and courses.spans(params, "stc-mix", "joint") == []


def test_a_chain_of_three_experiments_counts_all_its_epochs() -> None:
    """P appendix 3.ii: 100 epochs each view, 100 of CMMC, 100 of mining."""
    both = {"streams": ["joint", "motion"], "epochs": 100}
    experiments = {
        "moco": both | {"method": "moco", "mixing": "none"},
        "cmmc": {**made.params()["experiments"]["stc-mix"], **both, "from": "moco", "stages": 2},
        "crossclr": both | {"method": "crossclr", "from": "cmmc", "neighbours": 1},
    }
    params = {**made.params(), "experiments": experiments}
    found = courses.spans(params, "crossclr", "motion")
    assert found == [("moco", "motion", 0, 100), ("cmmc", "motion-1", 100, 200), ("crossclr", "joint+motion", 200, 300)]
    assert courses.spans(params, "crossclr", "joint")[-1].stop == 300


def test_histories_of_an_experiment_that_the_params_lack_are_its_own() -> None:
    """Which streams they train is not known then, so each training is a chain of its own."""
    run = made.run("figure3", params={})
    assert courses.streams({}, "stc-mix", "rgb-1") == ("rgb-1",)
    found = [one for name in ("rgb-1", "rgb-2") for one in courses.histories(run, "stc-mix", name, 1)]
    assert [(one["training"], one["seed"], one["name"]) for one in found] == [("rgb-1", 1, "rgb-1"), ("rgb-2", 1, "rgb-2")]
    assert [one["experiment"] for one in courses.histories(made.run("figure3"), "stc-mix", "rgb", 2)] == ["mixup", "stc-mix", "stc-mix"]


def test_candidates_are_the_settings_that_the_method_names(monkeypatch: pytest.MonkeyPatch) -> None:
    params = made.params()
    for stream in params["streams"].values():
        stream["train"] = {**stream["train"], "queue": 48}
    assert courses.candidates(params, "moco", "rgb") == courses.candidates(params, "crossclr", "motion") == 16 + 48
    assert courses.candidates(params, "moco", "joint") is None and courses.candidates({}, "moco", "rgb") is None
    monkeypatch.setattr(recipes, "method", lambda params, experiment: {"trains": "alone"})
    assert courses.candidates(params, "moco", "rgb") is None, "of a method that names none nothing is said"


def together(joint: float, motion: float) -> list[dict[str, float]]:
    """The curve of a training of both streams: two epochs, with measures of each and of both."""
    own = {"loss/joint": joint, "loss/motion": motion, "accuracy/joint": 10 * joint, "accuracy/motion": 10 * motion}
    return [{"epoch": epoch, "loss": joint + motion, "lr": 0.1, "spread/joint": 0.5, **own} for epoch in (1, 2)]


def test_a_training_of_several_streams_has_a_curve_of_each() -> None:
    rows = together(1.0, 3.0)
    assert courses.of_stream(rows, "joint")[0] == {"epoch": 1, "loss": 1.0, "lr": 0.1, "accuracy": 10.0, "spread": 0.5}
    assert courses.of_stream(rows, "motion")[1] == {"epoch": 2, "loss": 3.0, "lr": 0.1, "accuracy": 30.0}
    assert courses.of_stream(rows, "bone")[0] == {"epoch": 1, "loss": 4.0, "lr": 0.1}, "what is measured of all streams is everyone's"

    mined = made.target("training", "crossclr", "joint motion", "")
    params = {**made.params(), "targets": {"mine": mined}}
    curves = [
        {"experiment": "crossclr", "seed": seed, "training": "joint+motion", "epochs": together(1.0 + seed, 3.0 + seed)} for seed in (0, 1)
    ]
    shown = charts(replace(made.run("figure3"), params=params, histories=curves), "mine")
    assert [(chart.stream, chart.name) for chart in shown] == [
        (stream, name) for stream in ("joint", "motion") for name in ("loss", "accuracy")
    ]
    ends = [course.end for chart in shown for course in chart.courses]
    assert [end and (end[0], end[1].numbers) for end in ends] == [
        (62, (1.0, 2.0)),
        (62, (10.0, 20.0)),
        (62, (3.0, 4.0)),
        (62, (30.0, 40.0)),
    ]
    on_page = page.curves(replace(made.run("figure3"), histories=curves))
    assert [(one.experiment, one.stream) for one in on_page] == [("crossclr", "joint"), ("crossclr", "motion")]
    assert [row.cells[4] for row in on_page[1].table.rows] == ["3.000 → 3.000", "4.000 → 4.000"]
    assert [row.cells[8] for row in on_page[0].table.rows] == ["spread 0.500 → 0.500"] * 2 and on_page[1].table.rows[0].cells[8] == ""
    assert on_page[0].table.rows[0].cells[0] == "joint+motion (crossclr)"


def test_a_curve_without_accuracy_has_no_chart_of_it() -> None:
    run = made.run("figure3")
    bare = [
        {**one, "epochs": [{"epoch": row["epoch"], "loss": row["loss"], "cosine": row["accuracy"] / 100} for row in one["epochs"]]}
        for one in run.histories
    ]
    (chart,) = charts(replace(run, histories=bare), "figure3")
    assert (chart.name, chart.order) == ("loss", []) and all(course.end for course in chart.courses)
    shown = page.curves(replace(run, histories=bare))
    assert {len(one.charts) for one in shown} == {1}
    _, _, _, clips, _, accuracy, _, rate, more = shown[0].table.rows[0].cells
    assert (accuracy, rate, clips) == ("–", "–", "–") and str(more).startswith("cosine 0.0")
    assert "Accuracy of" not in page.render(replace(run, histories=bare))
    assert compared.render(target.comparison(replace(run, histories=bare), "figure3"))


def test_lower_is_better_along_a_training(errors: str) -> None:
    """A course is best where its error is smallest, and so is the first of them."""
    linear = {("moco-long", "rgb"): [([37, 74], [25.0, 50.0])], ("mixup-long", "rgb"): [([37, 74], [50.0, 25.0])]}
    progress = [
        {
            **one,
            "streams": {"rgb": {**one["streams"]["rgb"], "points": [{**p, errors: {"error": p["linear"]["accuracy"]}} for p in points]}},
        }
        for (owner, training), seeds in linear.items()
        for one in [made.progress(owner, 0, training, *seeds[0])]
        for points in [one["streams"]["rgb"]["points"]]
    ]
    params = {**made.params(), "targets": {"mine": made.target("progress", "moco-long mixup-long", "rgb", errors)}}
    (chart,) = charts(replace(made.run("figure2", progress=progress, results=[], histories=[]), params=params), "mine")
    assert target.end_said(chart).startswith("mixup-long ends lowest in error (rgb): 25.0 after 74 epochs, −25.0 ± ")
    said = target.peaks_said(chart)
    assert said[0] == "Lowest at the last epoch: mixup-long." and said[1].startswith(
        "moco-long peaks at epoch 37: 25.0; its end is +25.0 ± "
    )
