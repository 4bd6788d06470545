"""How exact the outcomes of an ensemble are: a few rows again, on libroadrunner, at a hundredth of the tolerances."""

from __future__ import annotations

import numpy as np

from .._types import Array
from ..simulation.run import CONSTANT, NEGATIVE, floors
from ..simulation.runner import runner
from ..simulation.tolerances import ALLOWED_ERROR
from .plan import Plan
from .rows import make_probe

FINER = 1e-2  # of the tolerances
SAME = 1e-12  # of its size: an outcome that varies less is the same in all rows
LARGE = 64  # rows from which on three are run again, and not one


def outcome_errors(plan: Plan, table: Array, values: Array, ok: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """Per outcome, the largest change in the rows that are run again, in units of `_spread`; NaN where none was."""
    good = np.flatnonzero(ok)
    if not len(good):
        return np.full(len(plan.outcomes), np.nan)
    spread = _spread(values[good])
    filled = np.where(np.isfinite(values[good]), values[good], 0.0)
    odd = np.argsort(np.max(np.abs(filled - np.median(filled, axis=0)) / spread, axis=1))
    rows = good[odd[[0, -2, -1] if len(good) >= LARGE else [-1]]]  # those at the edge are the most likely to be off
    probe = make_probe(plan.job.scaled(FINER), plan.outcomes, plan.limits, "roadrunner")
    gap = np.abs(probe(table[rows]).values - values[rows])
    least = floors(plan.job)[[plan.job.columns.index(o.variable) for o in plan.outcomes]]
    errors = gap / np.maximum(spread, least)
    known = ~np.isnan(errors)
    return np.where(known.any(axis=0), np.max(errors, axis=0, where=known, initial=0.0), np.nan)


def _spread(values: Array) -> Array:
    """Range of each outcome over the rows, a thousandth of its size at least; its size where it does not vary."""
    known = np.isfinite(values)
    high = np.max(values, axis=0, where=known, initial=-np.inf)
    low = np.min(values, axis=0, where=known, initial=np.inf)
    size = np.max(np.abs(values), axis=0, where=known, initial=0.0)
    found = np.where(high - low > SAME * size, np.maximum(high - low, CONSTANT * size), size)
    return np.asarray(np.where(found > 0, found, 1.0))


def below_zero(plan: Plan, values: Array) -> list[str]:
    """Outcomes that are a population's, of a model that starts without negative ones, and lie below 0 in a row."""
    known, start = plan.model.quantities, runner(plan.job.sbml).start.values(plan.model.settings)
    found = []
    for outcome, column in zip(plan.outcomes, values.T, strict=True):
        q, finite = known.get(outcome.variable), column[np.isfinite(column)]
        counted = q is not None and q.kind == "species" and start[outcome.variable] >= 0
        plain = outcome.reduce in ("final", "mean", "trough") and not outcome.relative
        if counted and plain and len(finite) and finite.min() < -NEGATIVE * np.abs(finite).max():
            found.append(outcome.name)
    return found


def accuracy(errors: Array) -> str:
    """The estimate in words."""
    if np.isnan(errors).all():
        return "the numerical error is not known: no row could be run again at finer tolerances"
    worst = float(np.nanmax(errors))
    hint = "; give a smaller rtol=" if worst > ALLOWED_ERROR else ""
    return f"numerical error of the outcomes up to {worst:.1g} of their spread{hint}"
