"""Sobol indices: the design in the unit cube, and the estimators with their bootstrap intervals.

A functional core that knows nothing of models. Rows and point estimates are those of SALib 1.6
(doi:10.21105/joss.00097).
"""

from __future__ import annotations

import operator
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._types import Brief
from ..errors import InvalidValueError, require_count
from .intervals import reach_of, resample_counts, with_interval

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_BASE_ROWS = 2**30  # points of the Sobol sequence
_CHUNK_BYTES = 256 * 2**20
_ROUNDING = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Design(Brief):
    """The points of a Sobol analysis and how they are laid out.

    Attributes:
        unit: (n * rows_per_base, parameters), read-only, each in [0, 1), dimensionless. For each base row:
            A, AB_1 .. AB_G (A with group g taken from B), with `second_order` BA_1 .. BA_G, then B.
        n: number of base rows.
        groups: what the G indices belong to: group names, or 0 .. parameters - 1 without groups.
        second_order: whether the BA rows are there.
        seed: the seed of the scrambling.

    Example:
        >>> saltelli_design(3, 8, seed=0).rows_per_base
        5
    """

    unit: Floats
    n: int
    groups: tuple[Hashable, ...]
    second_order: bool
    seed: int

    @property
    def rows_per_base(self) -> int:
        """Rows that belong to one base row: G + 2, or 2 G + 2 with second order."""
        return (2 if self.second_order else 1) * len(self.groups) + 2


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Indices(Brief):
    """Sobol indices of K outcome columns with respect to G groups, with bootstrap intervals.

    Attributes:
        S1, S1_low, S1_high: (G, K), dimensionless, first-order index and the ends of its interval.
        ST, ST_low, ST_high: (G, K), dimensionless, total index and the ends of its interval.
        S2, S2_low, S2_high: (G, G, K), dimensionless, second-order index of the pair (i, j), i < j, and NaN
            elsewhere, as in SALib; None if the design has no second order.
        S1_dummy, S1_dummy_low, S1_dummy_high, ST_dummy, ST_dummy_low, ST_dummy_high: (K,), dimensionless, what the
            estimators make of a parameter that does nothing: the covariance of A and B, and 1 less the share of A in
            the variance. Both are 0 but for noise.
        mean: (K,), in the unit of the outcome, over the used A and B rows.
        variance: (K,), in the squared unit of the outcome, over the used A and B rows.
        groups: names of the G groups, as in the design.
        confidence: probability that the intervals are meant to cover; what they do cover: docs/intervals.md.
        n_used, n_dropped: base rows used, and base rows dropped because one of their rows failed.

    Example:
        >>> design = saltelli_design(2, 8, seed=0)
        >>> sobol_indices(design.unit[:, :1], design).ST[1].tolist()
        [0.0]
    """

    S1: Floats
    S1_low: Floats
    S1_high: Floats
    ST: Floats
    ST_low: Floats
    ST_high: Floats
    S2: Floats | None = None
    S2_low: Floats | None = None
    S2_high: Floats | None = None
    S1_dummy: Floats
    S1_dummy_low: Floats
    S1_dummy_high: Floats
    ST_dummy: Floats
    ST_dummy_low: Floats
    ST_dummy_high: Floats
    mean: Floats
    variance: Floats
    groups: tuple[Hashable, ...]
    confidence: float
    n_used: int
    n_dropped: int

    def __repr__(self) -> str:
        groups, columns = self.ST.shape
        return f"Indices({groups} factors, {columns} columns, from {self.n_used} base rows)"


def saltelli_design(
    n_params: int, n: int, seed: int, *, group_of: Sequence[Hashable] | None = None, second_order: bool = False
) -> Design:
    """Lay out a scrambled Sobol sequence for first-order, total and (on request) second-order indices.

    Args:
        n_params: number of parameters.
        n: base rows, a power of two.
        seed: of the scrambling.
        group_of: the group of each of the parameters, which are swapped together; in the order of first appearance.
        second_order: whether the rows for pairs are there.

    Returns:
        n * (G + 2) rows, or n * (2 G + 2) with `second_order`, as SALib.sample.sobol lays them out.

    Raises:
        InvalidValueError: n is no power of two above 1 (the balance of the sequence is lost), there is no parameter,
            `group_of` has another length than there are parameters, or the seed is negative.

    Source:
        Saltelli et al. 2010, doi:10.1016/j.cpc.2009.09.018; scrambling: Matousek 1998, doi:10.1006/jcom.1998.0489; why
        n is a power of two: Owen 2020, arXiv:2008.08051.

    Example:
        >>> design = saltelli_design(3, 8, seed=0, group_of=["uptake", "uptake", "decay"])
        >>> design.groups, design.unit.shape
        (('uptake', 'decay'), (32, 3))
    """
    from scipy.stats import qmc  # here and not above: scipy.stats would double the import time of the package

    n, n_params = _base_rows(n), operator.index(n_params)
    labels = _labels(n_params, group_of)
    groups = tuple(dict.fromkeys(labels))
    seed = require_count("seed", seed, 0)
    _check_memory(n, n * ((2 if second_order else 1) * len(groups) + 2) * n_params)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    base = qmc.Sobol(2 * n_params, scramble=True, rng=rng).random(n)
    members = np.array([[label == group for label in labels] for group in groups])
    unit = _swap(base[:, :n_params], base[:, n_params:], members, second_order)
    unit.setflags(write=False)
    return Design(unit=unit, n=n, groups=groups, second_order=second_order, seed=seed)


def sobol_indices(
    y: npt.ArrayLike,
    design: Design,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    ok: npt.ArrayLike | None = None,
) -> Indices:
    """Estimate Sobol indices with bootstrap intervals for all outcome columns at once.

    Base rows are resampled; an interval is the estimate give or take Student's t (n_used - 1 degrees of freedom) times
    the spread of the resamples around it, for ST on the logarithmic scale. Memory: 8 * (resamples + 1) * n bytes of
    bootstrap weights, a copy of `y` if rows are dropped, and chunks of columns of about 256 MB.

    Args:
        y: (rows, K), one row per row of `design.unit`, any unit; one that is not finite drops its base row everywhere.
        design: what `saltelli_design` gives.
        resamples: of the bootstrap.
        confidence: that the intervals are meant to have, in 0..1.
        seed: of the resampling.
        ok: (rows,), False where a run failed, which drops its base row.

    Returns:
        The indices; NaN for a column without variance, whose resamples without variance do not count either.

    Raises:
        InvalidValueError: shapes do not match the design, `ok` is not boolean, `resamples` or `confidence` is out of
            range, or fewer than two base rows are left.

    Source:
        S1 Saltelli et al. 2010 and ST Jansen 1999, doi:10.1016/j.cpc.2009.09.018, doi:10.1016/S0010-4655(98)00154-4; S2
        Saltelli 2002, doi:10.1016/S0010-4655(02)00280-1; resampling Archer, Saltelli & Sobol 1997,
        doi:10.1080/00949659708811825; dummy Khorashadi Zadeh et al. 2017, doi:10.1016/j.envsoft.2017.02.001.

    Example:
        >>> design = saltelli_design(2, 256, seed=0)
        >>> y = design.unit @ [[2.0], [1.0]]
        >>> sobol_indices(y, design).ST.round(1).tolist()
        [[0.8], [0.2]]
    """
    _check_options(resamples, confidence)
    outcomes = np.asarray(y, dtype=np.float64)
    base_rows = _usable(outcomes, design, ok)
    weights = resample_counts(len(base_rows), resamples, seed)
    reach = reach_of(confidence, len(base_rows))
    width = _chunk_width(base_rows.shape[:2], len(weights))
    starts = range(0, base_rows.shape[2], width)
    parts = [_analyse(base_rows[:, :, i : i + width], design, weights, reach) for i in starts]
    return Indices(
        **{name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]},
        groups=design.groups,
        confidence=confidence,
        n_used=len(base_rows),
        n_dropped=design.n - len(base_rows),
    )


def _base_rows(n: int) -> int:
    n = require_count("n", n, 2, MOST_BASE_ROWS)
    below = 1 << n.bit_length() - 1
    if n != below:
        raise InvalidValueError(f"n = {n} base rows is not a power of two: take {below} or {2 * below}")
    return n


def _check_memory(n: int, numbers: int) -> None:
    """Say how large a design would be that does not fit into the memory of this machine, before it is laid out."""
    if not hasattr(os, "sysconf"):  # Windows does not tell
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if 8 * numbers > there:
        sizes = f"{8 * numbers >> 30} GB for the design alone; this machine has {there >> 30}"
        raise InvalidValueError(f"n = {n} base rows need {sizes}")


def _labels(n_params: int, group_of: Sequence[Hashable] | None) -> list[Hashable]:
    if n_params < 1:
        raise InvalidValueError(f"n_params = {n_params}: a design needs at least one parameter")
    labels: list[Hashable] = list(range(n_params) if group_of is None else group_of)
    if len(labels) != n_params:
        raise InvalidValueError(f"group_of names {len(labels)} groups for {n_params} parameters: name one for each")
    return labels


def _swap(a: Floats, b: Floats, members: Bools, second_order: bool) -> Floats:
    """(n, D), (n, D) and (G, D) to rows A, AB_g, [BA_g], B of each base row, (n * rows per base row, D)."""
    a_rows, b_rows = a[:, None], b[:, None]
    blocks = [a_rows, np.where(members, b_rows, a_rows)]
    if second_order:
        blocks.append(np.where(members, a_rows, b_rows))
    return np.concatenate([*blocks, b_rows], axis=1).reshape(-1, a.shape[1])


def _check_options(resamples: int, confidence: float) -> None:
    if resamples < 1:
        raise InvalidValueError(f"resamples = {resamples}: a bootstrap interval needs at least one, better 1000")
    if not 0 < confidence < 1:
        raise InvalidValueError(f"confidence = {confidence}: give a probability between 0 and 1, such as 0.95")


def _usable(y: Floats, design: Design, ok: npt.ArrayLike | None) -> Floats:
    """The base rows without a failed row, (n_used, rows per base row, K)."""
    rows = design.n * design.rows_per_base
    if y.ndim != 2 or len(y) != rows or y.shape[1] == 0:
        raise InvalidValueError(f"y has shape {y.shape}: give ({rows}, K), one row per design row, K at least 1")
    good = np.isfinite(y).all(axis=1) & _ok_mask(ok, rows)
    keep = good.reshape(design.n, -1).all(axis=1)
    if keep.sum() < 2:
        raise InvalidValueError(
            f"{rows - good.sum()} of {rows} rows failed, which leaves {keep.sum()} of {design.n} base rows; "
            "indices need at least 2: see why the rows failed, or narrow the parameter ranges"
        )
    blocks = y.reshape(design.n, design.rows_per_base, y.shape[1])
    return blocks if keep.all() else blocks[keep]


def _ok_mask(ok: npt.ArrayLike | None, rows: int) -> Bools:
    mask = np.ones(rows, dtype=np.bool_) if ok is None else np.asarray(ok)
    # Status codes, where 0 means success, would be read the wrong way round.
    if mask.dtype != np.bool_ or mask.shape != (rows,):
        raise InvalidValueError(f"ok is {mask.dtype} of shape {mask.shape}: give {rows} booleans, True for success")
    return mask


def _chunk_width(base_shape: tuple[int, ...], n_weights: int) -> int:
    """Columns whose intermediate arrays fit into the memory set aside."""
    n, rows_per_base = base_shape
    return max(1, _CHUNK_BYTES // (8 * rows_per_base * (4 * n + 4 * n_weights)))


def _analyse(base_rows: Floats, design: Design, weights: Floats, reach: float) -> dict[str, Floats]:
    """All arrays of the result for one chunk of columns, by name."""
    centre, scale, standard = _standardise(base_rows)
    sample = _weigh(standard, len(design.groups), weights)
    first = _first_order(sample)
    result = {"mean": centre + scale * sample.mean_ab[0], "variance": scale**2 * sample.variance[0]}
    if design.second_order:
        result |= _all_pairs(sample, first, reach)
    result |= _dummy(sample, reach)
    # Intervals overwrite their samples, so the pairs, which need `first`, go before.
    result |= with_interval("S1", first, reach)
    return result | with_interval("ST", _total_order(sample), reach, positive=True)


def _standardise(base_rows: Floats) -> tuple[Floats, Floats, Floats]:
    """Centre (K,), scale (K,) and (y - centre) / scale; scale 0 and zeros where a column is constant.

    The centre is the median of the A and B rows: where a few rows stand out, resamples without them keep their
    digits, and a resample of equal values has a variance of exactly zero.
    """
    centre = np.median(base_rows[:, [0, -1]], axis=(0, 1))
    deviation = base_rows - centre
    scale = np.maximum(deviation.max(axis=(0, 1)), -deviation.min(axis=(0, 1)))  # without a copy of the sizes
    scale = np.where(scale > 4 * _ROUNDING * np.abs(centre), scale, 0.0)
    deviation /= np.where(scale > 0, scale, np.inf)
    return centre, scale, deviation


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sample:
    """Standardised outcomes of n base rows and their averages in W weightings: the sample, then resamples."""

    weights: Floats  # (W, n)
    a: Floats  # (n, 1, K)
    b: Floats  # (n, 1, K)
    ab: Floats  # (n, G, K)
    ba: Floats  # (n, G, K), or (n, 0, K) without second order
    mean: Floats  # (W, K), over all rows: SALib subtracts it before anything else
    mean_ab: Floats  # (W, K), over the A and B rows
    variance: Floats  # (W, K), over the A and B rows
    divisor: Floats  # (W, 1, K), the variance, or NaN where it is lost in rounding


def _weigh(standard: Floats, n_groups: int, weights: Floats) -> _Sample:
    a, b = standard[:, :1], standard[:, -1:]
    mean_ab = _average(weights, (a + b)[:, 0] / 2)
    square = _average(weights, (a**2 + b**2)[:, 0] / 2)
    variance = np.maximum(square - mean_ab**2, 0.0)
    resolved = variance > len(standard) * _ROUNDING * square
    return _Sample(
        weights=weights,
        a=a,
        b=b,
        ab=standard[:, 1 : 1 + n_groups],
        ba=standard[:, 1 + n_groups : -1],
        mean=_average(weights, standard.mean(axis=1)),
        mean_ab=mean_ab,
        variance=variance,
        divisor=np.where(resolved, variance, np.nan)[:, None],
    )


def _average(weights: Floats, values: Floats) -> Floats:
    """Weighted averages over base rows: (W, n) and (n, ...) to (W, ...), one matrix product."""
    n = len(values)
    totals = weights @ values.reshape(n, -1)
    totals /= n
    return totals.reshape(len(weights), *values.shape[1:])


def _first_order(sample: _Sample) -> Floats:
    """(W, G, K): the mean of (B - mean) (AB - A) over the variance."""
    step = sample.ab - sample.a
    covariance = _average(sample.weights, sample.b * step)
    covariance -= sample.mean[:, None] * _average(sample.weights, step)
    covariance /= sample.divisor
    return covariance


def _total_order(sample: _Sample) -> Floats:
    """(W, G, K): half the mean of (A - AB)^2 over the variance."""
    half_square = _average(sample.weights, (sample.a - sample.ab) ** 2 / 2)
    half_square /= sample.divisor
    return half_square


def _dummy(sample: _Sample, reach: float) -> dict[str, Floats]:
    """S1 and ST of a parameter that does nothing.

    With these estimators its rows AB equal its rows A, which gives exactly 0; so they are taken in the form that keeps
    the noise of the sample.
    """
    a, b, divisor = sample.a[:, 0], sample.b[:, 0], sample.divisor[:, 0]
    mean_a, mean_b = _average(sample.weights, a), _average(sample.weights, b)
    first = (_average(sample.weights, a * b) - mean_a * mean_b) / divisor
    total = 1 - (_average(sample.weights, a**2) - mean_a**2) / divisor
    return with_interval("S1_dummy", first, reach) | with_interval("ST_dummy", total, reach)


def _second_order(sample: _Sample, first: Floats, i: int) -> Floats:
    """(W, G - 1 - i, K), pairs (i, j > i): mean of BA_i AB_j - A B over the variance, less S1_i and S1_j."""
    ba, ab = sample.ba[:, i : i + 1], sample.ab[:, i + 1 :]
    covariance = _average(sample.weights, ba * ab - sample.a * sample.b)
    covariance -= sample.mean[:, None] * _average(sample.weights, ba + ab - sample.a - sample.b)
    covariance /= sample.divisor
    covariance -= first[:, i : i + 1] + first[:, i + 1 :]
    return covariance


def _all_pairs(sample: _Sample, first: Floats, reach: float) -> dict[str, Floats]:
    n_groups, columns = first.shape[1:]
    result = {name: np.full((n_groups, n_groups, columns), np.nan) for name in ("S2", "S2_low", "S2_high")}
    for i in range(n_groups - 1):
        pairs = with_interval("S2", _second_order(sample, first, i), reach)
        for name, values in pairs.items():
            result[name][i, i + 1 :] = values
    return result
