"""Bootstrap intervals of statistics of base rows: resampling, and how far an interval reaches.

Student's t times the spread of the resamples holds the true index more often than their percentiles do, where base rows
are few: measured in benchmarks/interval_coverage.py, published in docs/intervals.md.
"""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def resample_counts(n: int, resamples: int, seed: int) -> Floats:
    """How often each base row is drawn, (1 + resamples, n); the first row is the sample itself."""
    # The spawn key keeps this stream apart from the scrambling of a design with the same seed.
    rng = np.random.default_rng(np.random.SeedSequence(operator.index(seed), spawn_key=(1,)))
    counts = np.ones((1 + resamples, n))
    for row in counts[1:]:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    return counts


def reach_of(confidence: float, n: int) -> float:
    """How many spreads an interval reaches to either side: the quantile of Student's t with n - 1 degrees of freedom.

    >>> round(reach_of(0.95, 32), 2)
    2.04
    """
    from scipy.special import stdtrit  # here and not above: scipy would double the import time of the package

    return float(stdtrit(n - 1, (1 + confidence) / 2))


def with_interval(name: str, samples: Floats, reach: float, *, positive: bool = False) -> dict[str, Floats]:
    """The estimate, samples[0], and `reach` times the spread of the resampled rest, which is overwritten, around it.

    What cannot be negative has its interval on the logarithmic scale: its estimates are skewed, and with few base rows
    too small more often than too large. A resample of 0 has no logarithm; then the interval begins at 0.
    """
    estimate, resampled = samples[0].copy(), samples[1:]
    if not positive:
        resampled -= estimate
        width = reach * _spread(resampled)
        return {name: estimate, f"{name}_low": estimate - width, f"{name}_high": estimate + width}
    touches_zero = (resampled == 0).any(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        resampled /= estimate
        factor = np.where(estimate == 0, 1.0, np.exp(reach * _spread(np.log(resampled, out=resampled))))
        low = np.where(touches_zero, 0.0, estimate / factor)
        return {name: estimate, f"{name}_low": low, f"{name}_high": estimate * factor}


def _spread(steps: Floats) -> Floats:
    """Root of the mean square of what is finite along the first axis; NaN where nothing is."""
    finite = np.isfinite(steps)
    count = finite.sum(axis=0)
    squares = np.square(steps, out=steps).sum(axis=0, where=finite)
    mean: Floats = np.divide(squares, count, out=np.full(count.shape, np.nan), where=count > 0)
    return np.sqrt(mean)
