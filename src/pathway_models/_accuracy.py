"""How exact the outcomes of an ensemble are: a few rows again, on libroadrunner, at a hundredth of the tolerances."""

from __future__ import annotations

import numpy as np

from ._plan import Plan
from ._rows import make_probe
from ._tolerances import ALLOWED_ERROR
from ._types import Array

FINER = 1e-2  # of the tolerances
LARGE = 64  # rows from which on three are run again, and not one


def outcome_errors(plan: Plan, table: Array, values: Array, ok: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """Per outcome, the largest change in the rows that are run again, in units of its spread over all rows.

    Of its size where it does not vary; NaN where no row could be run again.
    """
    good = np.flatnonzero(ok)
    if not len(good):
        return np.full(len(plan.outcomes), np.nan)
    places = np.linspace(0, len(good) - 1, 3 if len(good) >= LARGE else 1)
    rows = good[places.astype(int)]
    probe = make_probe(plan.job.scaled(FINER), plan.names, plan.outcomes, plan.limits, "roadrunner")
    gap = np.abs(probe(table[rows]).values - values[rows])
    errors = gap / _spread(values[good])
    known = ~np.isnan(errors)
    return np.where(known.any(axis=0), np.max(errors, axis=0, where=known, initial=0.0), np.nan)


def _spread(values: Array) -> Array:
    """Range of each outcome over the rows, its size where it is the same in all, 1 where that is 0."""
    known = np.isfinite(values)
    high = np.max(values, axis=0, where=known, initial=-np.inf)
    low = np.min(values, axis=0, where=known, initial=np.inf)
    size = np.max(np.abs(values), axis=0, where=known, initial=0.0)
    found = np.where(high > low, high - low, size)
    return np.asarray(np.where(found > 0, found, 1.0))


def accuracy(errors: Array) -> str:
    """The estimate in words."""
    if np.isnan(errors).all():
        return "the numerical error is not known: no row could be run again at finer tolerances"
    worst = float(np.nanmax(errors))
    hint = "; give a smaller rtol=" if worst > ALLOWED_ERROR else ""
    return f"numerical error of the outcomes up to {worst:.1g} of their spread{hint}"
