"""Outcomes on curves whose numbers are known."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import pathway_models as pm
from helpers import tiny
from pathway_models.ensembles.outcomes import Outcome, reduce_courses, resolve_outcomes, times_needed
from pathway_models.errors import InvalidValueError, UnknownNameError

TIMES = np.linspace(0.0, 10.0, 11)


def _value(course: np.ndarray, before: float = 1.0, **options: object) -> float:
    return of_one(pm.Outcome(variable="x", **options), TIMES, course, before)  # type: ignore[arg-type]


def of_one(outcome: Outcome, times: np.ndarray, course: np.ndarray, before: float) -> float:
    """The number of one course."""
    return float(outcome.values(times, course[None], np.array([before]))[0])


@pytest.mark.parametrize(
    ("window", "mean"),
    [
        (4.0, 8.0),  # the mean of t over 6..10
        (2.5, 8.75),  # the window starts between two points: 7.5..10
        (0.25, 9.875),  # shorter than a step
        (10.0, 5.0),
        (99.0, 5.0),  # longer than the run
    ],
)
def test_mean_over_the_window_of_a_ramp(window: float, mean: float) -> None:
    assert _value(TIMES.copy(), window=window) == pytest.approx(mean, rel=1e-12)


def test_mean_weighs_by_time_and_not_by_points() -> None:
    times = np.array([0.0, 1.0, 1.1, 1.2, 5.0])
    course = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    mean = of_one(pm.Outcome(variable="x", window=5.0), times, course, 1.0)
    assert mean == pytest.approx(0.1 / 5.0)


def test_final_peak_trough_area() -> None:
    course = np.array([1, 3, 7, 2, 0.5, 1, 1, 1, 1, 1, 2.0])
    assert _value(course, reduce="final") == 2.0
    assert _value(course, reduce="peak") == 7.0
    assert _value(course, reduce="trough") == 0.5
    assert _value(course, reduce="area") == pytest.approx(course.sum() - 1.5)  # trapezes: both ends count half


def test_area_has_uneven_steps() -> None:
    assert of_one(pm.Outcome(variable="x", reduce="area"), np.array([0, 1, 4.0]), np.array([0, 2, 2.0]), 1.0) == 7.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_time_to_half_of_a_ramp_to_a_plateau(sign: float) -> None:
    """From 0 to 5 within 5: half the change at 2.5, between two points; falling alike."""
    course = sign * np.minimum(TIMES, 5.0)
    assert _value(course, 0.0, reduce="time_to_half", window=2.0) == pytest.approx(2.5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_at_the_time_to_half_the_interpolated_course_is_at_half_and_was_not_before(seed: int, sign: float) -> None:
    random = np.random.default_rng(seed)
    course = np.concatenate([[0.0], random.uniform(-3, 7, len(TIMES) - 4), [8.0, 8.0, 8.0]])
    time = _value(sign * course, 0.0, reduce="time_to_half", window=2.0)
    assert np.interp(time, TIMES, course) == pytest.approx(4.0)
    assert course[time > TIMES].max() < 4.0


def test_time_to_half_of_a_jump_is_the_start() -> None:
    assert _value(np.full(11, 3.0), 1.0, reduce="time_to_half", window=2.0) == 0.0


def test_time_to_half_is_the_first_crossing() -> None:
    course = np.array([0, 0, 4, 0, 0, 4, 4, 4, 4, 4, 4.0])
    assert _value(course, 0.0, reduce="time_to_half", window=2.0) == pytest.approx(1.5)


def test_relative_divides_by_the_value_before() -> None:
    course = TIMES + 2.0
    assert _value(course, 4.0, reduce="final", relative=True) == pytest.approx(3.0)
    assert _value(course, 4.0, window=4.0, relative=True) == pytest.approx(2.5)
    assert _value(course, 4.0, reduce="trough", relative=True) == pytest.approx(0.5)
    assert _value(course, 4.0, reduce="area", relative=True) == pytest.approx(7.0 / 4.0)


def test_relative_to_zero_is_not_finite_and_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _value(TIMES, 0.0, reduce="final", relative=True) == math.inf
        assert math.isnan(_value(np.zeros(11), 0.0, reduce="final", relative=True))


def test_names() -> None:
    assert pm.Outcome(variable="IL1B").name == "IL1B"
    assert pm.Outcome(variable="IL1B", reduce="time_to_half").name == "IL1B time to half"
    assert pm.Outcome(variable="IL1B", relative=True).name == "IL1B, relative to untreated"
    assert pm.Outcome(variable="IL1B", reduce="peak", label="inflammation").name == "inflammation"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"reduce": "median"}, UnknownNameError, "unknown reduction 'median'.*mean"),
        ({"window": 0.0}, InvalidValueError, "the window of x is 0"),
        ({"window": -3.0}, InvalidValueError, "the window of x is -3"),
        ({"window": math.nan}, InvalidValueError, "the window of x is nan"),
        ({"reduce": "time_to_half", "relative": True}, InvalidValueError, "time_to_half is a time"),
    ],
)
def test_errors(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pm.Outcome(variable="x", **options)  # type: ignore[arg-type]


# ---- outcomes of a model -----------------------------------------------------------------------------------


def test_default_window_is_four_weeks_or_a_third() -> None:
    model = pm.load("nlrp3_il1b")
    window = [resolve_outcomes(model, ["IL1B"], weeks * 168.0)[0].window for weeks in (24, 12, 6)]
    assert window == [672.0, 672.0, 336.0]
    assert resolve_outcomes(model, [pm.Outcome(variable="IL1B", window=5)], 2016.0)[0].window == 5
    unknown_time = tiny("S = 1; S' = -S")
    assert resolve_outcomes(unknown_time, ["S"], 1e6)[0].window == pytest.approx(1e6 / 3)


def test_names_are_resolved_and_kept() -> None:
    (o,) = resolve_outcomes(pm.load("epilepsy"), "GABA", 2016.0)
    assert (o.variable, o.name) == ("gaba_gad67__GABA", "GABA")


def test_errors_of_a_list_of_outcomes() -> None:
    model = pm.load("nlrp3_il1b")
    with pytest.raises(InvalidValueError, match="outcomes is empty"):
        resolve_outcomes(model, [], 100.0)
    with pytest.raises(InvalidValueError, match="two outcomes are called 'IL1B'"):
        resolve_outcomes(model, ["IL1B", pm.Outcome(variable="IL1B", window=3)], 100.0)
    with pytest.raises(UnknownNameError, match="unknown name in nlrp3_il1b 'IL1beta'"):
        resolve_outcomes(model, ["IL1beta"], 100.0)


def test_reduce_courses_takes_the_column_by_name() -> None:
    course = np.vstack([[2.0, 10.0], np.column_stack([TIMES, 100 - TIMES])])
    outcomes = (
        pm.Outcome(variable="b", reduce="final", relative=True),
        pm.Outcome(variable="a", reduce="peak"),
    )
    np.testing.assert_allclose(reduce_courses(outcomes, ["a", "b"], TIMES, course[None]), [[9.0, 10.0]])


def test_only_the_times_that_outcomes_look_at_are_needed() -> None:
    times = np.arange(0.0, 101.0, 10.0)
    final, mean = pm.Outcome(variable="x", reduce="final"), pm.Outcome(variable="x", window=25.0)
    assert times_needed([final], times).tolist() == [100.0]
    assert times_needed([final, mean], times).tolist() == [70.0, 80.0, 90.0, 100.0]
    assert times_needed([mean, pm.Outcome(variable="x", reduce="peak")], times).tolist() == times.tolist()

    class Own(pm.Outcome):
        pass

    assert times_needed([Own(variable="x", reduce="final")], times).tolist() == times.tolist()


def test_the_mean_of_a_window_needs_no_earlier_times() -> None:
    times = np.arange(0.0, 101.0, 10.0)
    outcome, course = pm.Outcome(variable="x", window=25.0), times**2
    few = times_needed([outcome], times)
    assert of_one(outcome, few, few**2, 0.0) == pytest.approx(of_one(outcome, times, course, 0.0), rel=1e-14)
