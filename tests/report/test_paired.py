"""Paired tests: by hand, against scipy and plain loops, and how often they are wrong where nothing differs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from videossl import seeding
from videossl.report import paired

TABLES = (
    st.integers(2, 5)
    .flatmap(lambda seeds: st.lists(st.lists(st.integers(-1, 1), min_size=seeds, max_size=seeds), min_size=1, max_size=12))
    .map(lambda rows: np.array(rows).T)
)


@pytest.mark.parametrize("freedom", [1.0, 1.3, 2.0, 4.0, 7.7, 97.0, 5000.5, math.inf])
def test_the_t_distribution_is_scipys(freedom: float) -> None:
    for t in (0.0, 0.001, 0.5, 1.0, 2.0, 5.0, 20.0):
        assert paired.two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-8)
    for share in (0.8, 0.975, 0.9975, 1 - 0.05 / 248, 1 - 1e-6):
        assert paired.quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-8)


@pytest.mark.parametrize("trials", [1, 5, 6, 20, 999, 10_000])
def test_the_tail_of_coins_is_scipys(trials: int) -> None:
    for hits in {0, 1, trials // 3, trials // 2 + 1, trials}:
        assert paired.binomial_tail(hits, trials) == pytest.approx(stats.binom.sf(hits - 1, trials, 0.5), rel=1e-8, abs=1e-200)


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=60), st.sampled_from([0.05, 0.05 / 10, 0.05 / 124]))
def test_mcnemar_is_scipys_and_its_threshold_says_the_same(row: list[int], level: float) -> None:
    differences = np.array(row)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    test = paired.of_videos(differences)
    assert test.p == pytest.approx(stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0)
    assert (abs(100 * differences.mean()) > test.threshold(level) + 1e-9) == (test.p <= level)


def test_of_few_videos_the_smallest_difference_is_what_could_be_seen_at_all() -> None:
    """Five of one side have p = 2 / 2^5 = 0.0625, six 0.03125."""
    assert [paired.fewest(discordant, 0.05) for discordant in (0, 5, 6, 7, 8, 9)] == [6, 6, 6, 7, 8, 7]
    assert paired.of_videos(np.array([1, 0, 0, -1])).threshold(0.05) == 100 * 5 / 4


def by_loops(differences: np.ndarray) -> tuple[float, float]:
    """Error and degrees of freedom, sum by sum."""
    rows = [[100.0 * value for value in row] + [100.0, -100.0] for row in differences.tolist()]
    s, v = len(rows), len(rows[0])
    mean = sum(map(sum, rows)) / (s * v)
    of_seed, of_video = [sum(row) / v for row in rows], [sum(row[j] for row in rows) / s for j in range(v)]
    seeds = v * sum((each - mean) ** 2 for each in of_seed) / (s - 1)
    videos = s * sum((each - mean) ** 2 for each in of_video) / (v - 1)
    rest = sum((rows[i][j] - of_seed[i] - of_video[j] + mean) ** 2 for i in range(s) for j in range(v)) / ((s - 1) * (v - 1))
    a, b = max(seeds, rest), max(videos - rest, 0.0)
    return math.sqrt((a + b) / (s * v)) * v / (v - 2), (a + b) ** 2 / (a * a / (s - 1) + b * b / (v - 1))


@given(TABLES)
def test_seeds_and_videos_against_loops(differences: np.ndarray) -> None:
    test, turned = paired.of_seeds_and_videos(differences), paired.of_seeds_and_videos(-differences)
    assert (test.error, test.freedom) == pytest.approx(by_loops(differences)) and turned[:3] == pytest.approx(test[:3])
    assert min(len(differences) - 1, differences.shape[1] + 1) <= test.freedom + 1e-9
    difference = abs(100 * differences.mean())
    assert (test.p <= 0.05) == (difference > test.threshold(0.05)) or difference == pytest.approx(test.threshold(0.05))


def test_seeds_that_all_say_the_same_are_an_error_of_the_videos_alone() -> None:
    """Three of eight videos ours alone, in each of four seeds: the variance of 1 1 1 0 0 0 0 0 1 -1 is (5 - 0.9) / 9, over 10 videos."""
    differences = np.tile([1, 1, 1, 0, 0, 0, 0, 0], (4, 1))
    test = paired.of_seeds_and_videos(differences)
    assert test.error == pytest.approx(100 * math.sqrt(4.1 / 9 / 10) * 10 / 8) and test.freedom == pytest.approx(9)
    assert test.p == pytest.approx(2 * stats.t.sf(37.5 / test.error, 9))


def test_all_against_none_of_two_videos_proves_nothing() -> None:
    assert paired.of_seeds_and_videos(np.ones((5, 2))).p > 0.05 > paired.of_seeds_and_videos(np.ones((5, 20))).p


def test_seeds_alone_are_scipys_paired_t() -> None:
    ours, base = [0.30, 0.34, 0.29], [0.20, 0.22, 0.25]
    test = paired.of_seeds([high - low for high, low in zip(ours, base, strict=True)])
    assert test.p == pytest.approx(stats.ttest_rel(ours, base).pvalue) and test.freedom == 2
    assert paired.of_seeds([0.0, 0.0]).p == 1 and paired.of_seeds([1.0, 1.0]).p == 0
    assert paired.student(math.nan, 1.0, 3.0, paired.SEEDS).p == 1


def test_unpaired_is_welchs() -> None:
    ours, base = [0.30, 0.34, 0.29], [0.20, 0.22]
    parts = [(np.var(each, ddof=1) / len(each), len(each) - 1.0) for each in (ours, base)]
    assert paired.unpaired(np.mean(ours) - np.mean(base), parts).p == pytest.approx(stats.ttest_ind(ours, base, equal_var=False).pvalue)


def holm(p: list[float], level: float) -> list[bool]:
    """Holm's steps, as he gives them."""
    rejected = [False] * len(p)
    for step, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[place] > level / (len(p) - step):
            break
        rejected[place] = True
    return rejected


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.0125, 0.02, 0.05 / 3, 0.025, 0.04, 0.05, 0.3, 1.0]), max_size=8))
def test_levels_are_holms(p: list[float]) -> None:
    assert [value <= level for value, level in zip(p, paired.levels(p), strict=True)] == holm(p, 0.05)


def test_levels_by_hand() -> None:
    """Of 0.001, 0.02 and 0.9 the first has to meet 0.05 / 3, the second, behind it, 0.05 / 2, and the third, behind both, 0.05."""
    assert paired.levels([0.3]) == [0.05] and paired.levels([0.5, 0.5]) == [0.025, 0.025]
    assert paired.levels([0.02, 0.9, 0.001]) == pytest.approx([0.05 / 2, 0.05, 0.05 / 3])


def drawn(rng: np.random.Generator, seeds: int, seed_effect: float, video_effect: float, effect: float = 0.0) -> np.ndarray:
    """Differences (seeds, 96) of two experiments: videos are easy or hard for both, seeds good or bad for both, and each for one alone."""
    level = rng.normal(0, 1.5, 96) + rng.normal(0, 0.5, (seeds, 1))
    sides = []
    for shift in (effect / 2, -effect / 2):
        own = rng.normal(0, seed_effect, (seeds, 1)) + rng.normal(0, video_effect, 96)
        sides.append(rng.random((seeds, 96)) < 1 / (1 + np.exp(-2 * (level + own + shift))))
    return sides[0].astype(int) - sides[1].astype(int)


@pytest.mark.parametrize(
    ("seeds", "seed_effect", "video_effect"), [(2, 0.3, 0.7), (3, 0.3, 0.0), (5, 0.0, 1.0), (5, 0.3, 0.7), (5, 1.0, 0.3)]
)
def test_where_nothing_differs_about_one_in_twenty_is_clear(seeds: int, seed_effect: float, video_effect: float) -> None:
    rng = seeding.numpy_rng(0, seeds, str(seed_effect), str(video_effect))
    clear = [paired.of_seeds_and_videos(drawn(rng, seeds, seed_effect, video_effect)).p <= 0.05 for _ in range(1000)]
    assert sum(clear) <= 50 + 3 * math.sqrt(47.5)


def test_a_difference_that_is_called_detectable_is_found() -> None:
    rng = seeding.numpy_rng(0, "power")
    tests = [(paired.of_seeds_and_videos(table), table.mean()) for table in (drawn(rng, 5, 0.3, 0.5, 0.75) for _ in range(400))]
    detectable, difference = np.mean([test.detectable(0.05) for test, _ in tests]), 100 * np.mean([mean for _, mean in tests])
    assert difference == pytest.approx(detectable, abs=1), "so the effect is as large as it says"
    assert 0.7 < np.mean([test.p <= 0.05 for test, _ in tests]) < 0.9
