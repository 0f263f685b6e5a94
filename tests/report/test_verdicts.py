"""Verdicts against hand-computed cases: metrics, seeds as one value, and when a difference is clear."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from videossl.report import paired, verdicts
from videossl.report.verdicts import NOTHING, Hits, Measure, Record, Verdict

PERCENT = Measure()


def value(*numbers: float) -> Record:
    return verdicts.summarise(dict(enumerate(numbers)))


def judged(ours: Record, base: Record, tests: int, measure: Measure = PERCENT) -> Verdict:
    verdict = verdicts.compare(measure, ours, base, tests)
    assert verdict is not None
    return verdict


def test_compare_by_hand() -> None:
    verdict = judged(value(70.0, 74.0), value(50.0, 52.0), 100)
    variance = 2 * 61.5 * 38.5 / 100 + 8 / 2 + 2 / 2
    assert verdict.difference == 21.0 and verdict.word == "better" and verdict.test.error == pytest.approx(math.sqrt(variance))
    assert judged(value(50.0), value(53.0), 100).word == "unclear"
    assert judged(value(20.0), value(53.0), 100).word == "worse"
    assert judged(value(99.0), value(1.0), 0).word == "unclear", "no number of tests, no verdict"
    assert verdicts.compare(PERCENT, value(50.0), NOTHING, 100) is verdicts.compare(PERCENT, NOTHING, value(50.0), 100) is None


def test_the_threshold_of_unpaired_values() -> None:
    """52 against 48 of N videos: the error is (2 * 50 * 50 / N)^0.5, so 4 points are 1.962 of them, as t at 0.975 is, at N = 1203."""
    below, above = judged(value(52.0), value(48.0), 1202), judged(value(52.0), value(48.0), 1204)
    assert below.word == "unclear" and above.word == "better" and below.test.paired == above.test.paired == "unpaired"
    assert above.test.threshold(0.05) == pytest.approx(stats.t.ppf(0.975, 1204) * math.sqrt(5000 / 1204))


def test_the_spread_alone_by_hand() -> None:
    """A loss: 0.30 and 0.34 against 0.20 and 0.23; the differences 0.10 and 0.11 by seed have a deviation of 0.01 / 2^0.5."""
    loss = verdicts.measure("training", "loss")
    verdict = judged(value(0.30, 0.34), value(0.20, 0.23), 0, loss)
    assert verdict.difference == pytest.approx(0.105) and verdict.word == "better" and verdict.test.paired == "seeds"
    assert verdict.test.error == pytest.approx(0.005)
    assert judged(value(0.9), value(0.1, 0.1), 100, loss).word == "unclear", "one seed has no spread"


def test_a_value_is_the_mean_and_sample_deviation_of_its_seeds() -> None:
    assert verdicts.summarise({2: 30.0, 0: 10.0})["seeds"] == [0, 2] and verdicts.summarise({2: 30.0, 0: 10.0})["values"] == [10.0, 30.0]
    assert value(66.0, 68.0, 70.0)["mean"] == 68.0 and value(66.0, 68.0, 70.0)["sd"] == 2.0
    assert PERCENT.show(value(1.0, 2.0, 4.0)) == "2.3 ± 1.5"
    assert PERCENT.show(value(5.0)) == "5.0" and value(5.0)["sd"] is None, "one seed has no spread"
    assert value(1.0, math.nan)["sd"] is None, "of a loss that is no number"
    assert PERCENT.show(NOTHING) == "–" and NOTHING["values"] == []


def test_all_against_none_of_two_videos_proves_nothing() -> None:
    assert judged(value(100.0), value(0.0), 2).word == "unclear"
    assert judged(value(100.0), value(0.0), 20).word == "better"
    assert judged(value(100.0), value(100.0), 20).word == "unclear"


def test_a_verdict_in_words() -> None:
    """62 against 50 of 100 videos: the threshold is 1.984 (2 * 56 * 44 / 100)^0.5 = 13.9; without a number of videos there is none."""
    ours, base = value(62.0), value(50.0)
    assert str(judged(ours, base, 100)) == "≈ +12.0 (±13.9)" and str(judged(ours, base, 400)) == "▲ +12.0 (±6.9)"
    assert str(judged(base, ours, 400)) == "▼ −12.0 (±6.9)" and str(judged(ours, base, 0)) == "≈ +12.0"
    assert PERCENT.difference(-0.04) == PERCENT.difference(0.0) == "+0.0" and PERCENT.difference(-0.06) == "−0.1"


def test_where_lower_is_better_verdicts_turn_round(errors: str) -> None:
    lower = verdicts.measure(errors, "error")
    assert lower == Measure("error", "%", higher=False, share=True)
    turned = {"better": "worse", "worse": "better", "unclear": "unclear"}
    for ours in (value(30.0), value(52.0), value(75.0, 77.0)):
        plain, other = judged(ours, value(50.0), 400), judged(ours, value(50.0), 400, lower)
        assert other.word == turned[plain.word] and other[:2] == plain[:2]


def test_an_error_that_is_no_share_is_told_by_the_seeds_alone(errors: str) -> None:
    pixels = verdicts.measure(errors, "distance")
    verdict = judged(value(1.0, 1.5), value(4.0, 4.6), 400, pixels)
    assert verdict.word == "better" and verdict.test.error == pytest.approx(0.05) and str(verdict) == "▲ −3.05 (±0.64)"
    assert pixels.show(value(1.0, 1.5)) == "1.25 ± 0.35"
    assert judged(value(1.0), value(4.0, 4.5), 400, pixels).word == "unclear"


def test_units_are_said(errors: str) -> None:
    headings = [verdicts.measure(errors, name).heading for name in ("error", "distance")]
    assert headings == ["error, %", "distance, pixels"]
    assert verdicts.measure("training", "loss").heading == "loss" and verdicts.measure("training", "accuracy").heading == "accuracy, %"
    assert verdicts.measure("linear", "accuracy").heading == "linear probe, %" and verdicts.measure("retrieval", "R@5").heading == "R@5, %"


def test_a_task_that_nobody_declares_is_a_percentage_of_the_test_videos() -> None:
    assert verdicts.measure("a-vote", "accuracy") == Measure("accuracy") and verdicts.headline("a-vote") == "accuracy"


def test_the_rule_says_what_it_allows() -> None:
    for said in ("0.05", "paired differences", "McNemar's exact test", "unpaired", "Holm", "not corrected", "with one seed nothing there"):
        assert said in verdicts.RULE
    assert f"at most {paired.LEVEL}" in verdicts.RULE
    assert verdicts.seeds_said([0]) == "One seed (0), no spread." and verdicts.seeds_said([]) == "No seed recorded."
    assert verdicts.seeds_said([0, 2]) == "Mean ± sample standard deviation of the seeds 0, 2."


def counted(*rows: str, videos: str = "a b c d e f g h i j") -> Record:
    """The value of one text of signs a seed."""
    shares = [100 * row.count("1") / (len(row) - row.count("-")) for row in rows]
    return {**value(*shares), "hits": [Hits(videos, row) for row in rows]}


def test_one_seed_is_compared_video_by_video() -> None:
    """Seven videos that ours alone has right: McNemar's p is 2 / 2^7; 7 less 1 of 8 videos are not clear: 18 / 2^8."""
    verdict = judged(counted("1111111011"), counted("0000000011"), 10)
    assert verdict.test.paired == "videos" and verdict.test.p == pytest.approx(2 / 2**7) and verdict.word == "better"
    assert str(verdict) == "▲ +70.0 (±60.0)", "six would not be: 7 are the fewest of 7"
    other = judged(counted("1111111011"), counted("0000000111"), 10)
    assert other.test.p == pytest.approx(18 / 2**8) and other.word == "unclear"


def test_a_video_that_is_not_there_does_not_count() -> None:
    verdict = judged(counted("1111111--1"), counted("0000000--1"), 10)
    assert verdict.test.p == pytest.approx(2 / 2**7) and verdict.test.videos == 8


def test_what_cannot_be_paired_is_compared_as_before() -> None:
    ours, base = counted("1111111011"), counted("0000000011")
    assert judged(ours, counted("0000000011", videos="k l m n o p q r s t"), 10).test.paired == "unpaired", "other test videos"
    assert judged(ours, counted("-000000011"), 10).test.paired == "unpaired"
    assert judged(ours, {**base, "seeds": [3]}, 10).test.paired == "unpaired", "another seed"
    for without in ({**base, "hits": []}, {key: part for key, part in base.items() if key != "hits"}):
        assert judged(ours, without, 10)[:2] == judged(value(90.0), value(20.0), 10)[:2]


def test_several_seeds_are_paired_over_both() -> None:
    rows = ("1111111011", "1111101111", "1111110111")
    verdict = judged(counted(*rows), counted(*("0000000011",) * 3), 10)
    table = np.array([[int(a) - int(b) for a, b in zip(row, "0000000011", strict=True)] for row in rows])
    assert verdict.test == paired.of_seeds_and_videos(table) and verdict.test.paired == "seeds and videos" and verdict.word == "better"
