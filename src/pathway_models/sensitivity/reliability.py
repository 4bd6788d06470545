"""How far Sobol indices are to be trusted: more base rows, failed rows, and where in the ranges they lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InvalidValueError
from .indices import Bools, Design, Floats, Indices, sobol_indices

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_N = 8  # of the trace over N
GOOD = 90  # percent of the 95 percent intervals that have to hold the true index of every factor


class Held(NamedTuple):
    """Percent of 95 percent intervals that held the true index: mean of the factors, and the worst of them."""

    mean: int
    worst: int


# By N, the least of S1, ST and all cases: benchmarks/interval_coverage.py, 200 seeds, published in docs/intervals.md.
HELD = {
    32: Held(88, 76),
    64: Held(91, 64),
    128: Held(93, 41),
    256: Held(93, 82),
    512: Held(95, 88),
    1024: Held(98, 93),
}
HELD_HEAVY = {  # of outcomes with a heavy tail
    32: Held(89, 81),
    64: Held(91, 66),
    128: Held(91, 52),
    256: Held(92, 85),
    512: Held(96, 89),
    1024: Held(95, 82),
}
ENOUGH = min(n for n in HELD if all(held.worst >= GOOD for size, held in HELD.items() if size >= n))


def measured_at(n: int) -> int:
    """The N of the table that is nearest to n base rows, by ratio.

    >>> measured_at(8), measured_at(250), measured_at(5000)
    (32, 256, 1024)
    """
    return min(HELD, key=lambda size: abs(math.log(size / n)))


@dataclass(frozen=True, kw_only=True, eq=False)
class FailureBounds:
    """Ends between which ST lies if the failed runs had values in the range of the others.

    Attributes:
        ST_low: (groups, outcomes), dimensionless, the lower end.
        ST_high: (groups, outcomes), dimensionless, the upper end.

    Example:
        >>> bounds = FailureBounds(ST_low=np.array([[0.4]]), ST_high=np.array([[0.7]]))
        >>> round(bounds.largest_shift(np.array([[0.5]])), 6)
        0.2
    """

    ST_low: Floats
    ST_high: Floats

    def largest_shift(self, total: Floats) -> float:
        """Largest change of an index that the failed runs could make.

        Args:
            total: ST (groups, outcomes), dimensionless.
        """
        with np.errstate(invalid="ignore"):
            gaps = np.maximum(self.ST_high - total, total - self.ST_low)
        return float(np.nanmax(gaps, initial=0.0))


def failure_bounds(y: Floats, design: Design, ok: Bools) -> FailureBounds:
    """Bounds of the ST that the whole design would give, whatever the failed runs within the range of the others.

    Shapes: `y` (rows, K), `ok` (rows,). Nothing is assumed but that a failed run has a value between the smallest and
    the largest value seen: its step (A - AB)^2 lies between 0 and the squared range, and so on for the variance.

    >>> from pathway_models.sensitivity import saltelli_design
    >>> design = saltelli_design(2, 64, seed=0)
    >>> y = design.unit @ [[2.0], [1.0]]
    >>> bounds = failure_bounds(y, design, np.arange(len(y)) != 5)
    >>> (bounds.ST_high > bounds.ST_low)[:, 0].tolist()  # row 5 belongs to the first parameter
    [True, False]
    """
    good = ok & np.isfinite(y).all(axis=1)
    low, high = y[good].min(axis=0), y[good].max(axis=0)
    rows = np.where(good[:, None], y, 0.0).reshape(design.n, design.rows_per_base, -1)
    known = good.reshape(design.n, -1)
    groups = slice(1, 1 + len(design.groups))
    smallest, largest = _variance_bounds(rows[:, [0, -1]], known[:, [0, -1]], low, high)
    both = known[:, :1] & known[:, groups]
    steps = np.where(both[:, :, None], (rows[:, :1] - rows[:, groups]) ** 2 / 2, 0.0).mean(axis=0)
    unknown = (1 - both.mean(axis=0))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return FailureBounds(ST_low=steps / largest, ST_high=(steps + unknown * (high - low) ** 2 / 2) / smallest)


def _variance_bounds(rows: Floats, known: Bools, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Smallest and largest variance of the A and B rows, the unknown ones being anywhere in the range."""
    values = rows[known]
    mean, variance, share = values.mean(axis=0), values.var(axis=0), float(known.mean())
    if share == 1.0:
        return variance, variance
    # the unknown rows, split between both ends of the range, have mean d and variance (high - d)(d - low)
    d = np.clip((low + high - 2 * share * mean) / (2 - 2 * share), low, high)
    spread = (high - d) * (d - low) + share * (mean - d) ** 2
    return share * variance, share * variance + (1 - share) * spread


def trace(
    y: Floats, design: Design, *, ok: Bools, resamples: int, confidence: float, seed: int
) -> Iterator[tuple[int, Indices]]:
    """Indices of the first 8, 16, ... base rows up to all: each is the design of that N.

    What cannot be estimated, because too few base rows are left, is left out.
    """
    n = SMALLEST_N
    while n <= design.n:
        rows = n * design.rows_per_base
        part = replace(design, n=n, unit=design.unit[:rows])
        with suppress(InvalidValueError):
            yield n, sobol_indices(y[:rows], part, resamples=resamples, confidence=confidence, seed=seed, ok=ok[:rows])
        n *= 2


def widest(indices: Indices) -> float:
    """Width of the widest interval of ST; NaN if nothing varies."""
    width = indices.ST_high - indices.ST_low
    return float(np.nanmax(width)) if np.isfinite(width).any() else float("nan")


def where_failed(unit: Floats, ok: Bools, names: Sequence[str]) -> pd.DataFrame:
    """Places (0 to 1) of failed and good rows in the range of each parameter, those that differ most first.

    `distance` is that of Kolmogorov and Smirnov between the two, 0 to 1.
    """
    import pandas as pd
    from scipy.stats import ks_2samp

    failed, good = unit[~ok], unit[ok]
    rows = []
    for j, name in enumerate(names):
        distance = float("nan")
        if len(failed) and len(good):
            distance = float(ks_2samp(failed[:, j], good[:, j], method="asymp").statistic)
        places = [float(x[:, j].mean()) if len(x) else float("nan") for x in (failed, good)]
        rows.append((name, *places, distance))
    frame = pd.DataFrame(rows, columns=["parameter", "failed", "good", "distance"])
    return frame.sort_values("distance", ascending=False, ignore_index=True)
