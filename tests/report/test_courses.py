"""Numbers along the trainings: where points land, whose they are, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.report import made

from videossl.report import chains, targets
from videossl.report.courses import Chart
from videossl.report.run import Run


def charts(run: Run, name: str) -> list[Chart]:
    return list(targets.comparison(run, name).charts)


def figure2(linear: dict[tuple[str, str], list[tuple[list[int], list[float]]]], untrained: list[float]) -> Chart:
    """Figure 2's linear probe from hand-made points: by training, for each seed its epochs and numbers."""
    progress = [
        made.progress(owner, seed, phase, epochs, values)
        for (owner, phase), seeds in linear.items()
        for seed, (epochs, values) in enumerate(seeds)
    ]
    results = [made.result("untrained", seed, "linear", {"rgb": value}) for seed, value in enumerate(untrained)]
    return charts(made.run("figure2", progress=progress, results=results, histories=[]), "figure2")[0]


def test_epochs_are_counted_along_the_chain() -> None:
    chart = figure2(
        {
            ("mixup", "pretrain"): [([25, 50], [25.0, 50.0]), ([25, 50], [50.0, 75.0])],
            ("stc-mix", "cmmc1"): [([12], [75.0]), ([12], [75.0])],
            ("stc-mix", "cmmc2"): [([6, 12], [50.0, 25.0]), ([6, 12], [50.0, 50.0])],
        },
        [12.5, 25.0],
    )
    by_name = {course.experiment: course for course in chart.courses}
    points = [(epoch, value.numbers) for epoch, value in by_name["stc-mix"].points]
    assert points == [(0, (12.5, 25.0)), (25, (25.0, 50.0)), (50, (50.0, 75.0)), (62, (75.0, 75.0)), (68, (50.0, 50.0)), (74, (25.0, 50.0))]
    assert by_name["stc-mix"].spans == [("mixup", "pretrain", 0, 50), ("stc-mix", "cmmc1", 50, 62), ("stc-mix", "cmmc2", 62, 74)]
    assert by_name["stc-mix"].peak == (62, by_name["stc-mix"].points[3][1]) and by_name["stc-mix"].end == by_name["stc-mix"].points[-1]
    assert [epoch for epoch, _ in by_name["stc-mix-once"].points] == [0, 25, 50], "it shares the pretraining, and has no more of its own"
    assert by_name["moco-long"].points == [], "the untrained encoder alone is no course"
    assert chart.chance == 100 / 12 and chart.tests == 96


def test_without_the_untrained_encoder_there_is_no_epoch_0() -> None:
    chart = figure2({("mixup-long", "pretrain"): [([10, 74], [25.0, 50.0])]}, [])
    assert [epoch for epoch, _ in chart.courses[1].points] == [10, 74]


def test_seeds_that_lack_a_point_are_left_out_of_it() -> None:
    chart = figure2({("mixup-long", "pretrain"): [([10, 74], [25.0, 50.0]), ([10], [50.0])]}, [])
    (_, first), (_, last) = chart.courses[1].points
    assert (first.seeds, first.numbers) == ((0, 1), (25.0, 50.0)) and (last.seeds, last.sd) == ((0,), None)


def test_what_the_paper_says_of_the_ends_is_judged() -> None:
    def flat(value: float) -> list[tuple[list[int], list[float]]]:
        return [([74], [value]), ([74], [value])]

    stages = {
        ("mixup", "pretrain"): [([50], [50.0])] * 2,
        ("stc-mix", "cmmc2"): [([12], [50.0])] * 2,
        ("stc-mix-once", "cmmc1"): [([24], [75.0])] * 2,
    }
    chart = figure2({("moco-long", "pretrain"): flat(25.0), ("mixup-long", "pretrain"): flat(50.0), **stages}, [])
    words = {(pair.above, pair.below): pair.word for pair in chart.order}
    assert words == {("stc-mix", "moco-long"): "seen", ("stc-mix", "mixup-long"): "not clear", ("stc-mix", "stc-mix-once"): "reversed"}
    assert all(pair.theirs is None for pair in chart.order)
    missing = figure2({("moco-long", "pretrain"): flat(25.0)}, [])
    assert {pair.word for pair in missing.order} == {"not measured"}


def test_the_paper_says_nothing_of_retrieval_in_figure_2() -> None:
    linear, retrieval = charts(made.run("figure2"), "figure2")
    assert len(linear.order) == 3 and retrieval.order == [] and (retrieval.task, retrieval.metric) == ("retrieval", "R@1")


def test_figure_3_by_hand() -> None:
    """Accuracy of the last epochs: moco-long 50 and 52, stc-mix 40 and 44; the error is of the seeds alone."""

    def histories(owner: str, phase: str, epochs: int, ends: tuple[float, float]) -> list[dict[str, object]]:
        return [
            {
                "experiment": owner,
                "seed": seed,
                "modality": "rgb",
                "phase": phase,
                "epochs": [{"loss": 1.0 + seed, "accuracy": end}] * epochs,
            }
            for seed, end in enumerate(ends)
        ]

    found = [*histories("moco-long", "pretrain", 74, (50.0, 52.0)), *histories("mixup", "pretrain", 50, (30.0, 30.0))]
    found += [*histories("stc-mix", "cmmc1", 12, (35.0, 35.0)), *histories("stc-mix", "cmmc2", 12, (40.0, 44.0))]
    loss, accuracy = charts(made.run("figure3", histories=found), "figure3")
    (pair,) = accuracy.order
    assert pair.verdict is not None and pair.word == "seen" and pair.verdict.difference == 9.0
    assert pair.verdict.error == pytest.approx((2 / 2 + 8 / 2) ** 0.5)
    assert loss.order == [] and [epoch for epoch, _ in loss.courses[1].points] == list(range(1, 75))
    assert loss.courses[0].points[0][1].numbers == (1.0, 2.0)


def test_one_seed_cannot_be_judged_in_training() -> None:
    found = targets.comparison(made.run("figure3", (0,)), "figure3")
    assert [pair.word for pair in found.charts[1].order] == ["not clear"]
    assert "One seed has no spread, so nothing here can be judged." in targets.rule(found)
    assert "which nothing here can judge" in targets.end_said(found.charts[1])


def test_the_ends_in_words() -> None:
    chart = figure2(
        {("moco-long", "pretrain"): [([37, 74], [50.0, 25.0])] * 2, ("mixup-long", "pretrain"): [([37, 74], [25.0, 75.0])] * 2}, []
    )
    error = (2 * 50 * 50 / 96) ** 0.5
    assert targets.end_said(chart) == (
        f"mixup-long ends highest in linear probe (rgb): 75.0 ± 0.0 after 74 epochs, +50.0 ± {error:.1f} from the next, moco-long, a clear difference."
    )
    error = (2 * 37.5 * 62.5 / 96) ** 0.5
    assert targets.peaks_said(chart) == [
        "Highest at the last epoch: mixup-long.",
        f"moco-long peaks at epoch 37: 50.0 ± 0.0; its end is −25.0 ± {error:.1f} from that, a clear difference.",
    ]


def test_an_experiment_that_does_not_train_the_stream_has_no_course() -> None:
    run = made.run("figure2")
    narrow = {**run.params["experiments"], "mixup-long": {"modalities": ["flow"], "mixing": "mixup"}}
    chart = charts(replace(run, params={**run.params, "experiments": narrow}), "figure2")[0]
    assert chart.courses[1].spans == [] and chart.courses[1].points == []


def test_chains_of_the_params() -> None:
    params = made.params()
    assert chains.epochs(params, "stc-mix-once", "rgb") == 74 and chains.epochs(params, "stc-mix-once", "flow") == 50
    assert chains.epochs(params, "moco-long", "flow") == 74 and chains.epochs(params, "untrained", "rgb") is None
    assert chains.trainings({}, "stc-mix", "rgb") == [] and chains.trainings(params, "stc-mix", "joint") == []


def test_a_chain_of_three_phases_counts_all_its_epochs() -> None:
    """P appendix 3.ii: 100 epochs each view, 100 of CMMC, 100 of mining."""
    both = {"modalities": ["joint", "motion"], "epochs": 100}
    recipes = {"moco": both, "cmmc": both | {"from": "moco", "stages": 2}, "crossclr": both | {"from": "cmmc", "neighbours": 1}}
    found = chains.spans({"experiments": recipes}, "crossclr", "motion")
    assert found == [("moco", "pretrain", 0, 100), ("cmmc", "cmmc1", 100, 200), ("crossclr", "mining", 200, 300)]
    assert chains.epochs({"experiments": recipes}, "crossclr", "joint") == 300


def test_histories_of_an_experiment_that_the_params_lack_are_its_own() -> None:
    run = made.run("figure3", params={})
    found = chains.histories(run, "stc-mix", "rgb", 1)
    assert [(one["phase"], one["seed"]) for one in found] == [("cmmc1", 1), ("cmmc2", 1)]
    assert [one["experiment"] for one in chains.histories(made.run("figure3"), "stc-mix", "rgb", 2)] == ["mixup", "stc-mix", "stc-mix"]
