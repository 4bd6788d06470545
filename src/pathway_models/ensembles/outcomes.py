"""Outcome: one number per run, taken from the time course of one variable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from .._types import Array
from ..errors import InvalidValueError, Named, require_kind, require_range, unknown_name
from ..models.model import Model
from ..modules.flat import SECONDS_PER_WEEK

Reduction = Literal["mean", "final", "peak", "trough", "area", "time_to_half"]
DEFAULT_WINDOW_WEEKS = 4.0


@dataclass(frozen=True, kw_only=True)
class Outcome(Named):
    """A number per run, taken from the course of one variable.

    Unit: that of the variable, times model time for 'area', model time for 'time_to_half'; none if `relative`.

    Attributes:
        variable: an id, or a name as in `Model.resolve`.
        reduce: 'mean' (over the last `window` of the run), 'final', 'peak' (largest), 'trough' (smallest), 'area' (time
            integral) or 'time_to_half' (of the change between the start and the mean at the end).
        window: in model time (None: 4 weeks, or a third of a shorter run).
        relative: whether the value (for 'area' its mean) is divided by the one before treatment.
        label: a name of your own.

    Raises:
        UnknownNameError: another reduction.
        InvalidValueError: a window that is not positive, a time relative to a value.

    Example:
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

    def values(self, times: Array, courses: Array, before: Array) -> Array:
        """The number of each row; a class of your own gives another one here.

        Args:
            times: the output times, in model time.
            courses: values of the variable (rows x times).
            before: its values before treatment, one per row.

        Returns:
            A number per row, which depends on that row alone; what cannot be said is NaN.

        Example:
            >>> Outcome(variable="x", reduce="peak").values(np.arange(3), np.array([[1.0, 5.0, 2.0]]), np.array([1.0]))
            array([5.])
        """
        with np.errstate(all="ignore"):
            numbers = self._reduced(times, courses, before)
            span = times[-1] - times[0] if self.reduce == "area" else 1.0
            return numbers / (before * span) if self.relative else numbers

    def _reduced(self, times: Array, courses: Array, before: Array) -> Array:
        if self.reduce == "final":
            return np.asarray(courses[:, -1])
        if self.reduce == "peak":
            return np.asarray(np.max(courses, axis=1))
        if self.reduce == "trough":
            return np.asarray(np.min(courses, axis=1))
        if self.reduce == "area":
            return _integrals(times, courses)
        end = _means_of_last(times, courses, self.window or 0.0)
        return end if self.reduce == "mean" else _times_to(times, courses, (before + end) / 2, end >= before)


@dataclass(frozen=True, kw_only=True)
class ValueAt(Outcome):
    """The value of a variable at the time `at` (model time), interpolated between output points.

    >>> ValueAt(variable="x", at=0.5).values(np.array([0.0, 1.0]), np.array([[2.0, 4.0]]), np.array([2.0]))
    array([3.])
    """

    at: float = 0.0

    def _reduced(self, times: Array, courses: Array, before: Array) -> Array:
        return _interpolated(times, courses, self.at)


def values_at(outcomes: Sequence[Outcome], times: Sequence[float]) -> tuple[ValueAt, ...]:
    """The courses behind `outcomes` at `times`: all times of the first variable, then of the next.

    A variable that is asked for both as it is and relative to untreated gives two courses.
    """
    kinds = dict.fromkeys((o.variable, o.relative) for o in outcomes)
    return tuple(ValueAt(variable=v, relative=r, at=float(t)) for v, r in kinds for t in times)


def _interpolated(times: Array, courses: Array, at: float) -> Array:
    """Each row at the time `at`; its first or last value outside of the times."""
    i = int(np.searchsorted(times, at, side="right")) - 1
    if i < 0 or i + 1 >= len(times) or times[i] == at:
        return np.asarray(courses[:, max(i, 0)])
    slopes = (courses[:, i + 1] - courses[:, i]) / (times[i + 1] - times[i])
    return np.asarray(slopes * (at - times[i]) + courses[:, i])


def _means_of_last(times: Array, courses: Array, window: float) -> Array:
    """Time averages over the last `window`, exact between output points."""
    start = max(times[-1] - window, times[0])
    if start >= times[-1]:
        return np.asarray(courses[:, -1])
    inside = times > start
    t = np.concatenate([[start], times[inside]])
    y = np.column_stack([_interpolated(times, courses, start), courses[:, inside]])
    return np.asarray(_integrals(t, y) / (t[-1] - t[0]))


def _integrals(times: Array, courses: Array) -> Array:
    """Of each row. numpy sums a row in another order where rows do not lie one after the other in memory."""
    return np.asarray(np.trapezoid(np.ascontiguousarray(courses), times))


def _times_to(times: Array, courses: Array, levels: Array, rising: np.ndarray[Any, np.dtype[np.bool_]]) -> Array:
    """First time at which each row reaches its level, interpolated; NaN if it never does."""
    reached = np.where(rising[:, None], courses >= levels[:, None], courses <= levels[:, None])
    rows, i = np.arange(len(courses)), np.argmax(reached, axis=1)
    low, high = courses[rows, i - 1], courses[rows, i]
    between = times[i - 1] + (levels - low) / (high - low) * (times[i] - times[i - 1])
    return np.where(reached.any(axis=1), np.where(i == 0, times[0], between), np.nan)


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


def reduce_courses(outcomes: Sequence[Outcome], columns: Sequence[str], times: Array, courses: Array) -> Array:
    """Numbers (rows x outcomes) from courses (rows x (before treatment, then `times`) x `columns`)."""
    places = {c: i for i, c in enumerate(columns)}
    numbers = np.empty((len(courses), len(outcomes)))
    for k, outcome in enumerate(outcomes):
        course = courses[:, :, places[outcome.variable]]
        found = outcome.values(times, course[:, 1:], course[:, 0])
        if np.shape(found) != (len(courses),):
            raise InvalidValueError(
                f"{outcome.name} has values of shape {np.shape(found)} for {len(courses)} rows; allowed is one per row"
            )
        numbers[:, k] = found
    return numbers
