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


def wilson(successes: int, n: int) -> Interval:
    """A share with its 95 percent Wilson interval; NaN for nobody.

    >>> [round(v, 3) for v in wilson(28, 73)]
    [0.384, 0.281, 0.498]
    """
    from scipy.stats import binomtest

    if n <= 0:
        return math.nan, math.nan, math.nan
    low, high = binomtest(int(successes), int(n)).proportion_ci(method="wilson")
    return successes / n, float(low), float(high)


def bootstrap_interval(values: Array, statistic: Callable[..., Any], seed: int) -> Interval:
    """`statistic` (with an `axis`) of `values`, one per patient, and its 95 percent percentile bootstrap interval."""
    from scipy.stats import bootstrap

    value = float(statistic(values, axis=0)) if len(values) else math.nan
    if len(values) < 2:
        return value, value, value
    found = bootstrap((values,), statistic, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(seed))
    return value, float(found.confidence_interval.low), float(found.confidence_interval.high)


def rank_correlation(x: Array, y: Array) -> Interval:
    """Spearman's correlation with a 95 percent interval (Fisher z, variance of Bonett and Wright 2000)."""
    from scipy.stats import spearmanr

    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan, math.nan, math.nan
    rho = float(spearmanr(x, y).statistic)
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
