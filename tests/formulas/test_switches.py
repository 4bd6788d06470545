"""Times at which the inputs of a model switch by themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers import sbml
from pathway_models._formulas.start import start_values
from pathway_models._formulas.switches import Found, clocks
from pathway_models.errors import InvalidValueError


def found(body: str, stop: float, **given: float) -> Found:
    text = sbml(body)
    return clocks(text).times(start_values(text).values(given), stop)


def rate(formula: str, stop: float, **given: float) -> Found:
    return found(f"a = 1; w = 0.5; P = 24; D = 3; x = 0; x' = {formula}", stop, **given)


DAILY = tuple(float(24 * day + hour) for day in range(4) for hour in (0, 1))[1:]


@pytest.mark.parametrize(
    ("formula", "stop", "times"),
    [
        ("piecewise(a, rem(time, 24) < 1, 0)", 96, DAILY),
        ("piecewise(1, time >= 101.1 && time < 101.1 + w, 0)", 1000, (101.1, 101.6)),
        ("piecewise(a, time - floor(time/P)*P < D, 0)", 72, (3, 24, 27, 48, 51)),
        ("piecewise(1, rem(rem(time, 168), 24) < 1, 0)", 96, DAILY),
        ("piecewise(1, rem(2*time + 1, 6) < 3 || !(time > 7), 0)", 9, (1, 2.5, 4, 5.5, 7, 8.5)),
        ("piecewise(1, time < 5, 2, time < 10, exp(-time))", 50, (5, 10)),
        ("piecewise(1, quotient(time, 3) == 2, 0)", 10, (3, 6, 9)),
        ("ceil(time/3) + floor(-time/3)", 10, (3, 6, 9)),
        ("piecewise(1, max(0, 5 - time) < 2, 0)", 10, (3, 5)),
        ("piecewise(1, abs(time - 5) < 2, 0)", 10, (3, 5, 7)),
        ("piecewise(1, min(time, 10 - time, a) >= 0.5, 0)", 10, (0.5, 1, 5, 9, 9.5)),
        ("piecewise(1, time > 5 && time < 5, 0)", 5, ()),  # at the end is not within
        ("piecewise(1, time > 0.7, 0)", 1000, (0.7,)),  # not the number next to it
        ("time * a", 10, ()),
    ],
)
def test_conditions_straight_in_time_are_solved_exactly(formula: str, stop: float, times: tuple[float, ...]) -> None:
    assert rate(formula, stop) == Found(times=times, longest_step=None, reasons=())


@pytest.mark.parametrize(
    ("formula", "stop", "times"),
    [
        ("piecewise(1, time^2 < 2, 0)", 10, [math.sqrt(2)]),
        ("piecewise(1, sin(time) > 0.9999, 0)", 6, [math.asin(0.9999), math.pi - math.asin(0.9999)]),
        (
            "piecewise(1, sin(time) > 0.999999999999, 0)",
            6,
            [math.pi / 2 + s * math.acos(0.999999999999) for s in (-1, 1)],
        ),
        (
            "floor(3*sin(time))",
            6.2,
            [*(f(math.asin(k / 3)) for f in (float, lambda a: math.pi - a) for k in (1, 2)), math.pi]
            + [math.pi + math.asin(k / 3) for k in (1, 2)]
            + [2 * math.pi - math.asin(k / 3) for k in (1, 2)],
        ),
        ("piecewise(1, rem(time, 24)^2 < 4, 0)", 72, [2, 24, 26, 48, 50]),
    ],
)
def test_conditions_on_curves_are_bisected(formula: str, stop: float, times: list[float]) -> None:
    result = rate(formula, stop)
    levels = 2 if formula.startswith("floor") else 0  # a maximum of exactly 3 may or may not count
    own = [t for t in result.times if not (levels and min(abs(t - k * math.pi / 2) for k in (1, 3)) < 1e-3)]
    assert own == pytest.approx(sorted(times), rel=1e-9)
    assert result.longest_step is None


def test_values_given_move_the_times() -> None:
    assert rate("piecewise(1, time >= w && time < 2*w, 0)", 9, w=2).times == (2, 4)


def test_names_lead_to_time_through_rules_laws_functions_and_clocks() -> None:
    body = "compartment C = 1; species S in C; S = 1; lag = 2; z := time - lag; y := z > 1; J: S -> ; k*S*y; k = 1"
    assert found(body, 10).times == (3,)
    assert found("t = 1; t' = 2*r; r = 0.5; x = 0; x' = piecewise(1, t > 5, 0)", 10).times == (4,)
    assert found("x = 0; at time >= 5: x = 1", 10).times == (5,)
    assert clocks(sbml("x = 0; late = 3; at time >= late: x = 1")).reads == ("late",)


def test_what_does_not_use_time_costs_nothing() -> None:
    nothing = clocks(sbml("x = 1; x' = -x; y := piecewise(1, x < 0.5, 0); at x < 0.1: x = 1"))
    assert nothing.none
    assert nothing.times({}, 10) == Found(times=(), longest_step=None, reasons=())
    assert clocks(sbml("x = 1; x' = time")).none


@pytest.mark.parametrize(
    "body",
    [
        "last = 0; x = 0; x' = piecewise(1, time - last > 2, 0); at x > 5: last = time",
        "x = 1; x' = -piecewise(1, x > time, 0)",
        "x = 0; x' = piecewise(1, delay(floor(time), 3) > 2, 0)",
        "t = 0; t' = 1; x = 0; x' = piecewise(1, t > 12, 0); at t >= 24: t = 0",
    ],
)
def test_conditions_on_time_and_on_what_changes_bound_the_step(body: str) -> None:
    result = found(body, 100)
    assert result.longest_step == 0.1
    assert result.reasons[0] == "the rate of x has a condition on, or a function of, time and what changes"


@pytest.mark.parametrize(
    ("formula", "stop", "middle", "width"),
    [
        ("exp(-((time - 500)/0.1)^2)", 1_000, 500, 0.117),
        ("3 - a*exp(-((time - 500.123)/0.1)^2)", 1_000, 500.123, 0.117),
        ("exp(-((time - 33333.3)/1)^2)", 1_000_000, 33333.3, 1.17),
        ("1/(1 + exp((time - 70)/0.05))", 100, 70, 0.2),
    ],
)
def test_a_narrow_pulse_is_cut_as_finely_as_it_varies(formula: str, stop: float, middle: float, width: float) -> None:
    result = rate(formula, stop)
    times = np.array(result.times)
    assert times[0] < middle - 2 * width < middle + 2 * width < times[-1]
    assert np.diff(times).max() <= 1.01 * width
    assert len(times) < 20
    assert result.longest_step is None


def test_many_narrow_pulses_bound_the_step() -> None:
    result = rate("exp(-((rem(time, 1) - 0.5)/0.001)^2)", 3_000)
    assert result.longest_step == pytest.approx(0.03)  # never below a hundred-thousandth of the run
    assert result.reasons == ("the rate of x has a function of time that varies within 0.0012",)


def test_an_oscillation_bounds_the_step_only_in_a_long_run() -> None:
    assert rate("1 + sin(2*pi*time/24)", 48).longest_step is None
    long = rate("1 + sin(2*pi*time/24)", 10_000)
    assert long.longest_step == pytest.approx(24 / math.pi, rel=0.01)
    assert long.times == ()


def test_what_decays_from_a_switch_on_needs_no_bound() -> None:
    result = rate("exp(-rem(time, 24)/0.2)", 96)
    assert result == Found(times=(24, 48, 72), longest_step=None, reasons=())


def test_an_output_that_varies_fast_needs_no_step() -> None:
    body = "x = 1; x' = -x; y := 1 + sin(time/0.001)"
    assert clocks(sbml(body)).none
    assert not clocks(sbml(body.replace("-x", "-x*y"))).none


def test_a_compartment_that_oscillates_bounds_the_step() -> None:
    body = "compartment C; C := 2 + sin(10*time); species S in C; S = 1; J: S -> ; 1"
    assert found(body, 100).longest_step == pytest.approx(0.2, rel=0.01)


def test_too_many_switches_bound_the_step() -> None:
    result = rate("floor(time/0.001)", 1_000)
    assert result == Found(times=(), longest_step=0.01, reasons=("the rate of x jumps more than 100,000 times",))
    assert len(rate("floor(time/0.02)", 1_000).times) == 49_999


def test_a_long_table_of_conditions_is_no_deep_recursion() -> None:
    pieces = ", ".join(f"{i}, time < {i}" for i in range(1, 1_500))
    assert rate(f"piecewise({pieces}, 0)", 2_000).times == tuple(float(i) for i in range(1, 1_500))


def test_the_end_is_a_positive_time() -> None:
    with pytest.raises(InvalidValueError, match="the end is 0"):
        rate("floor(time)", 0)
