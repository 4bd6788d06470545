"""How exact the outcomes of an ensemble are: a few rows again, on libroadrunner, at a hundredth of the tolerances."""

from __future__ import annotations

import numpy as np

from ._plan import Plan
from ._rows import make_probe
from ._run import CONSTANT, floors
from ._tolerances import ALLOWED_ERROR
from ._types import Array

FINER = 1e-2  # of the tolerances
SAME = 1e-12  # of its size: an outcome that varies less is the same in all rows
LARGE = 64  # rows from which on three are run again, and not one


def outcome_errors(plan: Plan, table: Array, values: Array, ok: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """Per outcome, the largest change in the rows that are run again, in units of `_spread`; NaN where none was."""
    good = np.flatnonzero(ok)
    if not len(good):
        return np.full(len(plan.outcomes), np.nan)
    places = np.linspace(0, len(good) - 1, 3 if len(good) >= LARGE else 1)
    rows = good[places.astype(int)]
    probe = make_probe(plan.job.scaled(FINER), plan.names, plan.outcomes, plan.limits, "roadrunner")
    gap = np.abs(probe(table[rows]).values - values[rows])
    least = floors(plan.job)[[plan.job.columns.index(o.variable) for o in plan.outcomes]]
    errors = gap / np.maximum(_spread(values[good]), least)
    known = ~np.isnan(errors)
    return np.where(known.any(axis=0), np.max(errors, axis=0, where=known, initial=0.0), np.nan)


def _spread(values: Array) -> Array:
    """Range of each outcome over the rows, a thousandth of its size at least; its size where it does not vary."""
    known = np.isfinite(values)
    high = np.max(values, axis=0, where=known, initial=-np.inf)
    low = np.min(values, axis=0, where=known, initial=np.inf)
    size = np.max(np.abs(values), axis=0, where=known, initial=0.0)
    return np.asarray(np.where(high - low > SAME * size, np.maximum(high - low, CONSTANT * size), size))


def accuracy(errors: Array) -> str:
    """The estimate in words."""
    if np.isnan(errors).all():
        return "the numerical error is not known: no row could be run again at finer tolerances"
    worst = float(np.nanmax(errors))
    hint = "; give a smaller rtol=" if worst > ALLOWED_ERROR else ""
    return f"numerical error of the outcomes up to {worst:.1g} of their spread{hint}"
