"""Shares, means, correlations and ratios with their 95 percent intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .._types import Array
from ..modules.laws import Z95
from .patients import Mask

Interval: TypeAlias = tuple[float, float, float]  # value, low, high
RESAMPLES = 1000


def wilson(successes: float, n: float) -> Interval:
    """A share with its 95 percent Wilson interval; NaN for nobody.

    >>> [round(v, 3) for v in wilson(28, 73)]
    [0.384, 0.281, 0.498]
    """
    if n <= 0:
        return math.nan, math.nan, math.nan
    share, z2 = successes / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # with nobody or everybody the end is the share itself, which rounding may miss
    return share, max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0)


def bootstrapped(values: Array, statistic: Callable[..., Any], seed: int) -> Interval:
    """`statistic` (with an `axis`) of `values`, one per patient, and its 95 percent percentile bootstrap interval."""
    if len(values) == 0:
        return math.nan, math.nan, math.nan
    stream = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = statistic(values[stream.integers(0, len(values), (RESAMPLES, len(values)))], axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(statistic(values, axis=0)), float(low), float(high)


def rank_correlation(x: Array, y: Array) -> Interval:
    """Spearman's correlation with a 95 percent interval (Fisher z, variance of Bonett and Wright 2000)."""
    from scipy.stats import rankdata

    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan, math.nan, math.nan
    rho = float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    if abs(rho) > 1 - 1e-12:
        return round(rho), round(rho), round(rho)
    half = Z95 * math.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    return rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def area_under_curve(marker: Array, responded: Mask) -> Interval:
    """Chance that a responder has the larger marker, with a 95 percent interval (DeLong 1988, doi:10.2307/2531595)."""
    from scipy.stats import rankdata

    yes, no = marker[responded], marker[~responded]
    if min(len(yes), len(no)) < 2 or np.ptp(marker) == 0:
        return math.nan, math.nan, math.nan
    ranks = rankdata(np.concatenate([yes, no]))
    below_yes = (ranks[: len(yes)] - rankdata(yes)) / len(no)
    above_no = 1 - (ranks[len(yes) :] - rankdata(no)) / len(yes)
    area = float(below_yes.mean())
    half = Z95 * math.sqrt(below_yes.var(ddof=1) / len(yes) + above_no.var(ddof=1) / len(no))
    return area, max(area - half, 0.0), min(area + half, 1.0)


def risk_ratio(a: float, n_a: float, b: float, n_b: float) -> Interval:
    """Share a/n_a over b/n_b with the 95 percent interval of Katz (half an event added where a count is 0)."""
    if min(n_a, n_b) <= 0:
        return math.nan, math.nan, math.nan
    if min(a, b) == 0:
        a, b, n_a, n_b = a + 0.5, b + 0.5, n_a + 1, n_b + 1
    ratio = (a / n_a) / (b / n_b)
    half = Z95 * math.sqrt(max(1 / a - 1 / n_a + 1 / b - 1 / n_b, 0.0))
    return ratio, ratio * math.exp(-half), ratio * math.exp(half)
