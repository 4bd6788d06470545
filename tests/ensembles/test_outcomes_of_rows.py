"""Outcomes of many rows at once are, to the last bit, what the definition of each gives for one row."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathway_models.ensembles.outcomes import Outcome, Reduction, ValueAt, reduce_courses
from pathway_models.errors import InvalidValueError


def defined(outcome: Outcome, times: np.ndarray, course: np.ndarray, before: float) -> float:
    """The number of one row, as it is defined."""
    if isinstance(outcome, ValueAt):
        number = np.interp(outcome.at, times, course)
    elif outcome.reduce == "area":
        number = np.trapezoid(course, times)
    elif outcome.reduce in ("final", "peak", "trough"):
        number = {"final": course[-1], "peak": np.max(course), "trough": np.min(course)}[outcome.reduce]
    else:
        assert outcome.window is not None
        number = end = mean_of_last(times, course, outcome.window)
        if outcome.reduce == "time_to_half":
            number = time_to(times, course, (before + end) / 2, rising=bool(end >= before))
    span = times[-1] - times[0] if outcome.reduce == "area" else 1.0
    with np.errstate(all="ignore"):
        return float(np.float64(number) / (before * span) if outcome.relative else number)


def mean_of_last(times: np.ndarray, course: np.ndarray, window: float) -> float:
    start = max(times[-1] - window, times[0])
    t = np.concatenate([[start], times[times > start]])
    y = np.concatenate([[np.interp(start, times, course)], course[times > start]])
    return float(np.trapezoid(y, t) / (t[-1] - t[0])) if len(t) > 1 else float(course[-1])


def time_to(times: np.ndarray, course: np.ndarray, level: float, *, rising: bool) -> float:
    for i in range(len(times)):
        if course[i] >= level if rising else course[i] <= level:
            if i == 0:
                return float(times[0])
            share = 1.0 if course[i] == course[i - 1] else (level - course[i - 1]) / (course[i] - course[i - 1])
            return float(times[i - 1] + share * (times[i] - times[i - 1]))
    return math.nan


@st.composite
def cases(draw: Any) -> tuple[Outcome, np.ndarray, np.ndarray]:
    count, rows = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    times = np.cumsum(draw(st.sampled_from([np.ones(count), random.uniform(0.1, 10, count)])))
    # small whole numbers, which meet each other, among others; in some rows what is no number
    courses = np.where(
        random.random((rows, 1 + count, 2)) < draw(st.sampled_from([0, 0.3, 1])),
        random.integers(-2, 3, (rows, 1 + count, 2)),
        random.normal(0, 100, (rows, 1 + count, 2)),
    )
    courses[random.random(courses.shape) < draw(st.sampled_from([0, 0.03]))] = math.nan
    relative = draw(st.booleans())
    kind = draw(st.sampled_from([*get_args(Reduction), "at"]))
    if kind == "at":
        outcome: Outcome = ValueAt(
            variable="x", at=draw(st.one_of(st.floats(0, 400), st.sampled_from(times.tolist()))), relative=relative
        )
    else:
        relative = relative and kind != "time_to_half"
        outcome = Outcome(
            variable="x",
            reduce=kind,
            window=draw(st.one_of(st.floats(0.01, 400), st.integers(1, 40).map(float))),
            relative=relative,
        )
    return outcome, times, courses


@given(cases(), st.permutations(range(3)))
@settings(max_examples=400, deadline=None)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_the_numbers_of_rows_are_those_of_each_row(
    case: tuple[Outcome, np.ndarray, np.ndarray], order: list[int]
) -> None:
    outcome, times, courses = case
    # however they lie in memory
    lying = np.ascontiguousarray(courses.transpose(order)).transpose(np.argsort(order))
    found = reduce_courses([outcome], ["other", "x"], times, lying)[:, 0]
    expected = [defined(outcome, times, c[1:, 1].copy(), float(c[0, 1])) for c in courses]
    np.testing.assert_array_equal(found, expected)


def test_a_row_does_not_see_the_others() -> None:
    random = np.random.default_rng(1)
    times, courses = np.linspace(0, 10, 337), random.normal(size=(256, 338, 1))
    outcomes = [Outcome(variable="x", reduce=r, window=3.3, label=r) for r in get_args(Reduction)]
    together = reduce_courses(outcomes, ["x"], times, courses)
    alone = [reduce_courses(outcomes, ["x"], times, courses[i : i + 1])[0] for i in range(256)]
    np.testing.assert_array_equal(together, alone)


def test_an_outcome_gives_one_number_per_row() -> None:
    class Largest(Outcome):
        def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
            return np.max(courses)

    for rows in (1, 3):
        with pytest.raises(InvalidValueError, match=rf"x has values of shape \(\) for {rows} rows"):
            reduce_courses([Largest(variable="x")], ["x"], np.zeros(2), np.zeros((rows, 3, 1)))
