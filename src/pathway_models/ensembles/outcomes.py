"""Outcome: one number per run, taken from the time course of one variable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from .._types import Array
from ..errors import InvalidValueError, Named, require_kind, require_range, unknown_name
from ..models.model import Model
from ..modules.flat import SECONDS_PER_WEEK
from ..simulation.job import Course

Reduction = Literal["mean", "final", "peak", "trough", "area", "time_to_half"]
DEFAULT_WINDOW_WEEKS = 4.0


@dataclass(frozen=True, kw_only=True)
class Outcome(Named):
    """A number per run: how the course of `variable` is reduced.

    `reduce` is 'mean' (over the last `window` of the run; default 4 weeks, or a third of a shorter run), 'final',
    'peak' (largest), 'trough' (smallest), 'area' (time integral) or 'time_to_half' (of the change between the start
    and the mean at the end). `window` is in model time. With `relative` the value (for 'area' its mean) is divided by
    the one before treatment. Unit: that of the variable, times model time for 'area', model time for 'time_to_half'.
    Raises `UnknownNameError` for another reduction and `InvalidValueError` for a window that is not positive.

    >>> Outcome(variable="IL1B", reduce="peak", relative=True).name
    'IL1B peak, relative to untreated'
    """

    variable: str
    reduce: Reduction = "mean"
    window: float | None = None
    relative: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        require_kind("the variable of an outcome", self.variable, str, 'Outcome(variable="IL1B")')
        if self.reduce not in get_args(Reduction):
            raise unknown_name("reduction", self.reduce, get_args(Reduction))
        if self.window is not None:
            require_range(f"the window of {self.variable}", self.window, np.nextafter(0, 1), np.inf)
        if self.relative and self.reduce == "time_to_half":
            raise InvalidValueError("time_to_half is a time; it cannot be relative to the value before treatment")

    @property
    def name(self) -> str:
        """The label, or one made from the settings."""
        how = "" if self.reduce == "mean" else f" {self.reduce.replace('_', ' ')}"
        return self.label or self.variable + how + (", relative to untreated" if self.relative else "")

    def value(self, times: Array, course: Array, before: float) -> float:
        """The number for one course (values at `times`), `before` being the value before treatment."""
        number = self._reduced(times, course, before)
        if not self.relative:
            return number
        span = times[-1] - times[0] if self.reduce == "area" else 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.float64(number) / (before * span))

    def _reduced(self, times: Array, course: Array, before: float) -> float:
        if self.reduce == "final":
            return float(course[-1])
        if self.reduce == "peak":
            return float(np.max(course))
        if self.reduce == "trough":
            return float(np.min(course))
        if self.reduce == "area":
            return float(np.trapezoid(course, times))
        end = _mean_of_last(times, course, self.window or 0.0)
        return end if self.reduce == "mean" else _time_to(times, course, (before + end) / 2, end >= before)


@dataclass(frozen=True, kw_only=True)
class ValueAt(Outcome):
    """The value of a variable at the time `at` (model time), interpolated between output points.

    >>> bool(ValueAt(variable="x", at=0.5).value(np.array([0.0, 1.0]), np.array([2.0, 4.0]), 2.0) == 3)
    True
    """

    at: float = 0.0

    def _reduced(self, times: Array, course: Array, before: float) -> float:
        return float(np.interp(self.at, times, course))


def values_at(outcomes: Sequence[Outcome], times: Sequence[float]) -> tuple[ValueAt, ...]:
    """The courses behind `outcomes` at `times`: all times of the first variable, then of the next.

    A variable that is asked for both as it is and relative to untreated gives two courses.
    """
    kinds = dict.fromkeys((o.variable, o.relative) for o in outcomes)
    return tuple(ValueAt(variable=v, relative=r, at=float(t)) for v, r in kinds for t in times)


def _mean_of_last(times: Array, course: Array, window: float) -> float:
    """Time average over the last `window`, exact between output points."""
    start = max(times[-1] - window, times[0])
    inside = times > start
    t = np.concatenate([[start], times[inside]])
    y = np.concatenate([[np.interp(start, times, course)], course[inside]])
    return float(np.trapezoid(y, t) / (t[-1] - t[0])) if t[-1] > t[0] else float(course[-1])


def _time_to(times: Array, course: Array, level: float, rising: bool) -> float:
    """First time at which the course reaches `level`, interpolated; NaN if it never does."""
    reached = course >= level if rising else course <= level
    if not reached.any():
        return float("nan")
    i = int(np.argmax(reached))
    if i == 0:
        return float(times[0])
    low, high = course[i - 1], course[i]
    share = 1.0 if high == low else (level - low) / (high - low)
    return float(times[i - 1] + share * (times[i] - times[i - 1]))


def resolve_outcomes(model: Model, outcomes: Sequence[str | Outcome], duration: float) -> tuple[Outcome, ...]:
    """Outcomes as objects with SBML ids, a window in model time, and the name that the user gave.

    Raises `InvalidValueError` for an empty list or two outcomes of one name, `UnknownNameError` for a variable
    that is not there.
    """
    if isinstance(outcomes, str | Outcome):
        outcomes = [outcomes]
    require_kind("outcomes", outcomes, Iterable, "outcomes=['seizure_rate']")
    outcomes = list(outcomes)
    if not outcomes:
        raise InvalidValueError("outcomes is empty; name at least one variable, e.g. outcomes=['seizure_rate']")
    items = [o if isinstance(o, Outcome) else Outcome(variable=o) for o in outcomes]
    names = [o.name for o in items]
    double = sorted({n for n in names if names.count(n) > 1})
    if double:
        raise InvalidValueError(f"two outcomes are called {double[0]!r}; give them labels")
    window = duration / 3
    if model.time_unit_seconds:
        window = min(window, DEFAULT_WINDOW_WEEKS * SECONDS_PER_WEEK / model.time_unit_seconds)
    return tuple(replace(o, variable=model.resolve(o.variable), window=o.window or window, label=o.name) for o in items)


def times_needed(outcomes: Sequence[Outcome], times: Array) -> Array:
    """The end of `times` that the outcomes look at: the last one for 'final', the window for 'mean', else all."""
    since = min(_looks_back_to(o, times) for o in outcomes)
    return times[max(int(np.searchsorted(times, since, side="right")) - 1, 0) :]


def _looks_back_to(outcome: Outcome, times: Array) -> float:
    if type(outcome) is Outcome and outcome.reduce == "final":
        return float(times[-1])
    if type(outcome) is Outcome and outcome.reduce == "mean":
        return float(times[-1]) - (outcome.window or 0.0)
    return float(times[0])


def reduce_course(outcomes: Sequence[Outcome], columns: Sequence[str], times: Array, course: Course) -> Array:
    """One number per outcome from a course whose columns are named `columns`."""
    index = {c: i for i, c in enumerate(columns)}
    return np.array(
        [o.value(times, course.values[:, index[o.variable]], float(course.before[index[o.variable]])) for o in outcomes]
    )
