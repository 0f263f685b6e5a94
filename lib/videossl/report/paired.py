"""Tests of a difference between two experiments, paired where they share seeds and test videos (docs/comparisons.md).

Shapes: S seeds, V test videos. Differences are in percent of the test videos, or in the unit of the metric.
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

LEVEL = 0.05  # of a test, or of all tests that are corrected together
POWER = 0.8  # at which a design is said to see a difference
BOTH, VIDEOS, SEEDS, UNPAIRED = "seeds and videos", "videos", "seeds", "unpaired"  # what is paired
NORMAL = statistics.NormalDist()


class Test(NamedTuple):
    """A test of a difference: its standard error, the degrees of freedom of that (inf: a normal distribution) and the p-value, two-sided.

    paired: over what. discordant, videos: of McNemar's test, the videos that one side alone counts, and all.
    """

    error: float
    freedom: float
    p: float
    paired: str
    discordant: int = 0
    videos: int = 0

    def threshold(self, level: float) -> float:
        """The largest difference that is not clear at this level: a difference is clear exactly where it is above."""
        if self.paired == VIDEOS:
            return 100 * (fewest(self.discordant, level) - 1) / self.videos
        return quantile(1 - level / 2, self.freedom) * self.error

    def detectable(self, level: float) -> float:
        """The difference that a design with this error sees with a probability of POWER."""
        return self.threshold(level) + quantile(POWER, self.freedom) * self.error


NOTHING_KNOWN = Test(math.inf, math.inf, 1.0, UNPAIRED)


# The tests.


def of_seeds_and_videos(differences: np.ndarray) -> Test:
    """Test the mean of (S, V) int -1, 0 or 1: what one side counts less what the other counts, by seed and test video; S >= 2.

    Both are drawn at random, as readers and cases are in studies of radiology: the variance of the mean is
    (max(MS_seeds, MS_rest) + max(MS_videos - MS_rest, 0)) / S V, with Satterthwaite's degrees of freedom. Two made-up videos,
    one for each side, keep a few videos from proving much.
    """
    seeds, real = differences.shape
    table = np.concatenate([100.0 * differences, np.full((seeds, 1), 100.0), np.full((seeds, 1), -100.0)], axis=1)
    videos, mean = real + 2, table.mean()
    by_seed, by_video = table.mean(axis=1), table.mean(axis=0)
    rest = float(np.square(table - by_seed[:, None] - by_video + mean).sum()) / ((seeds - 1) * (videos - 1))
    of_seeds = max(videos * float(np.square(by_seed - mean).sum()) / (seeds - 1), rest)
    of_videos = max(seeds * float(np.square(by_video - mean).sum()) / (videos - 1) - rest, 0.0)
    freedom = (of_seeds + of_videos) ** 2 / (of_seeds**2 / (seeds - 1) + of_videos**2 / (videos - 1))
    error = math.sqrt((of_seeds + of_videos) / (seeds * videos)) * videos / real  # of the mean over the real videos
    return student(100.0 * float(differences.mean()), error, freedom, BOTH)


def of_videos(differences: np.ndarray) -> Test:
    """McNemar's exact test of the mean of (V,) int -1, 0 or 1: of the videos that one side alone counts, half are to be expected for each."""
    discordant, ours = int(np.count_nonzero(differences)), int(np.count_nonzero(differences > 0))
    tail = binomial_tail(max(ours, discordant - ours), discordant)
    at_least = max(discordant, fewest(0, LEVEL))  # of fewer nothing can be seen, so no design rests on them
    return Test(100 * math.sqrt(at_least) / len(differences), math.inf, min(1.0, 2 * tail), VIDEOS, discordant, len(differences))


def of_seeds(differences: Sequence[float]) -> Test:
    """A t-test of the mean of paired differences, one a seed; two seeds at least."""
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return student(statistics.fmean(differences), error, len(differences) - 1, SEEDS)


def unpaired(difference: float, variances: Sequence[tuple[float, float]]) -> Test:
    """A test by the parts of the variance of the difference, each with its degrees of freedom (Welch)."""
    variance = sum(part for part, _ in variances)
    spread = sum(part**2 / freedom for part, freedom in variances if part)
    return student(difference, math.sqrt(variance), variance**2 / spread if spread else math.inf, UNPAIRED)


def student(difference: float, error: float, freedom: float, paired: str) -> Test:
    """A test by a t distribution. Without an error, a difference of 0 has p = 1, and any other p = 0. Of what is no number p is 1."""
    if not math.isfinite(difference):
        return NOTHING_KNOWN
    return Test(error, freedom, two_sided(abs(difference) / error, freedom) if error else float(not difference), paired)


def levels(p: Sequence[float], level: float = LEVEL) -> list[float]:
    """The level that each of several p-values has to meet by Holm's correction: it is rejected exactly where it is at most that.

    That is level / (M - R) of M values, with R the number that Holm rejects if this one is the largest.
    """

    def rejected(others: list[float]) -> int:
        return next((place for place, value in enumerate(others) if value > level / (len(p) - place)), len(others))

    order = sorted(p)
    places = [order.index(value) for value in p]
    return [level / (len(p) - rejected(order[:place] + order[place + 1 :])) for place in places]


# Distributions, without scipy: it is no dependency of a run.


def binomial_tail(hits: int, trials: int) -> float:
    """The probability of `hits` or more of `trials` fair coins."""
    return incomplete_beta(hits, trials - hits + 1, 0.5) if hits else 1.0


@lru_cache(maxsize=4096)
def fewest(discordant: int, level: float) -> int:
    """The smallest surplus of one side that McNemar's test calls clear, of so many discordant videos.

    Of so few that none would be clear: the fewest videos that would be, all of one side.
    """
    alone = next(count for count in itertools.count(1) if 2 * 0.5**count <= level)
    if discordant < alone:
        return alone
    hits = bisect.bisect_left(range(discordant + 1), True, discordant // 2, key=lambda hits: 2 * binomial_tail(hits, discordant) <= level)
    return 2 * hits - discordant


def two_sided(t: float, freedom: float) -> float:
    """The probability of |t| or more by Student's distribution; inf: by the normal distribution."""
    if math.isinf(freedom):
        return math.erfc(t / math.sqrt(2))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@lru_cache(maxsize=4096)
def quantile(share: float, freedom: float) -> float:
    """The value that a `share` above a half of Student's distribution lies below.

    By Newton's steps in logarithms of value and tail, in which the tail is concave: they come down to the value from above.
    """
    value, tail = NORMAL.inv_cdf(share), 2 * (1 - share)
    if math.isinf(freedom):
        return value
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    for _ in range(100):
        p = two_sided(value, freedom)
        slope = 2 * scale * (1 + value * value / freedom) ** (-(freedom + 1) / 2) * value / p
        step = math.log(p / tail) / slope
        value *= math.exp(step)
        if abs(step) < 1e-12:
            break
    return value


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for x from 0 to 1."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    return _fraction(a, b, x) if x <= (a + 1) / (a + b + 2) else 1 - _fraction(b, a, 1 - x)


def _fraction(a: float, b: float, x: float) -> float:
    """I_x(a, b) by its continued fraction (Lentz), which is quick for x below its mean."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, 100_000):
        m, odd = divmod(step, 2)
        place = (a + step - 1) * (a + step)
        term = (-(a + m) * (a + b + m) if odd else m * (b - m)) * x / place
        lower = 1 / (1 + term * lower)
        upper = 1 + term / upper
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-15:
            break
    return front / value
