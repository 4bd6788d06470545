"""States that become tiny and come back, start at 0 or switch by the clock; tolerances asked for; errors told."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.errors import AccuracyWarning, InvalidValueError, UnknownNameError
from pathway_models.simulation.tolerances import LADDER

PREY = "x = {x}; y = 1; x' = x*(1 - y); y' = y*(x - 1)"
VIRUS = "T = 4e8; I = 0; V = {v}; T' = -2.7e-5*T*V; I' = 2.7e-5*T*V - 4*I; V' = 1.2e-2*I - 3*V"
DOSED = "k1 = 1; k2 = 2; A = 0; B = 0; A' = -k1*A; B' = k1*A - k2*B; at time >= 1: A = {a}"
EPIDEMIC = "S = 0.999; I = 0.001; m = 0.005; S' = m - 3*S*I - m*S; I' = 3*S*I - I - m*I"
DAILY = "S = 0; a = 1; k = 0.1; S' = piecewise(a, time - 24*floor(time/24) < 1, 0) - k*S"
Right = Callable[[float, np.ndarray[Any, Any]], list[float]]


def final(model: pm.Model, name: str, duration: float, engine: str, **how: Any) -> float:
    """The last value of a variable, from a single run or from an ensemble of one row that keeps the last time only."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", AccuracyWarning)
        if engine == "simulate":
            return float(model.simulate(duration=duration, every=duration, **how)[name][-1])
        some = next(k for k, q in model.quantities.items() if q.kind == "parameter" and not q.ruled)
        rows = {some: [model.quantities[some].value]}
        last = pm.Outcome(variable=name, reduce="final")
        runs = flat(pm.ensemble, model, rows, outcomes=[last], duration=duration, engine=engine, progress=False, **how)
        return float(runs.values[0, 0])


def exactly(right: Right, start: list[float], duration: float, index: int) -> float:
    return float(solve_ivp(right, (0, duration), start, method="LSODA", rtol=1e-12, atol=1e-30).y[index, -1])


@pytest.mark.parametrize("engine", ["simulate", "roadrunner", "batch"])
@pytest.mark.parametrize("x", [8.0, 15.0, 25.0])
def test_prey_that_falls_to_a_billionth_comes_back(x: float, engine: str) -> None:
    right = exactly(lambda _, y: [y[0] * (1 - y[1]), y[1] * (y[0] - 1)], [x, 1], 100, 0)
    model = tiny(PREY.format(x=x) + "; unused = 1")
    assert_allclose(final(model, "x", 100, engine), right, rtol=1e-3, atol=1e-5 * x)


@pytest.mark.parametrize("engine", ["simulate", "roadrunner", "batch"])
@pytest.mark.parametrize("v", [0.093, 1e-4, 1e-7, 1e-12])
def test_a_seed_beside_a_large_pool_grows(v: float, engine: str) -> None:
    right = exactly(
        lambda _, y: [-2.7e-5 * y[0] * y[2], 2.7e-5 * y[0] * y[2] - 4 * y[1], 1.2e-2 * y[1] - 3 * y[2]],
        [4e8, 0, v],
        2,
        2,
    )
    assert_allclose(final(tiny(VIRUS.format(v=v) + "; unused = 1"), "V", 2, engine), right, rtol=1e-5)


@pytest.mark.parametrize("engine", ["simulate", "roadrunner"])
@pytest.mark.parametrize("a", [1.0, 1e-9, 1e-20])
def test_a_body_that_is_empty_until_a_dose_is_followed_in_any_unit(a: float, engine: str) -> None:
    right = a * (np.exp(-4) - np.exp(-8))
    assert_allclose(final(tiny(DOSED.format(a=a)), "B", 5, engine), right, rtol=1e-5)


def test_epidemics_that_come_again_run() -> None:
    run = tiny(EPIDEMIC).simulate(duration=500)
    assert_allclose(run["S"][-1] + run["I"][-1], 1 - run["I"].integrate("time") / 500, atol=0.7)
    assert float(run["I"].min()) > 0


# ---- inputs that switch by themselves ------------------------------------------------------------------------------


def daily(days: int, a: float = 1.0, k: float = 0.1) -> float:
    return float(sum(a * (1 - np.exp(-k)) / k * np.exp(-k * (24 * days - 24 * i - 1)) for i in range(days)))


@pytest.mark.parametrize("engine", ["simulate", "roadrunner", "auto"])
def test_an_infusion_of_an_hour_a_day_is_never_stepped_over(engine: str) -> None:
    assert_allclose(final(tiny(DAILY), "S", 240, engine), daily(10), rtol=1e-5)


def test_every_row_has_its_own_switches() -> None:
    model = tiny("x = 0; on = 100; w = 0.5; x' = piecewise(1, time >= on && time < on + w, 0)")
    rows = {"on": [1.0, 500.3, 998.0], "w": [0.25, 0.5, 1.0]}
    last = pm.Outcome(variable="x", reduce="final")
    runs = pm.ensemble(model, rows, outcomes=[last], duration=1000, execution=pm.Execution(progress=False))
    assert_allclose(runs.values[:, 0], rows["w"], rtol=1e-6)


def test_a_narrow_smooth_pulse_is_met() -> None:
    model = tiny("x = 0; x' = exp(-((time - 500)/0.1)^2)")
    assert_allclose(final(model, "x", 1000, "simulate"), 0.1 * np.sqrt(np.pi), rtol=1e-4)


CLOCK = "compartment C = 1; species c in C; c = 0; J: -> c; 1; a = 400; "


@pytest.mark.filterwarnings("ignore::pathway_models.errors.AccuracyWarning")
@pytest.mark.parametrize(
    ("body", "plan", "right"),
    [
        ("a = 500; Q' = max(0, 1 - abs(time - a)/4)", [], 4),
        ("a = 100.3; u := min(1, max(0, 8 - abs(time - a))); Q' = u", [], 15),
        (f"{CLOCK}Q' = piecewise(1, c > a && c < a + 1, 0)", [], 1),
        (f"{CLOCK}at (c > a && c < a + 0.001): Q = Q + 1", [], 1),
        ("c = 0; c' = piecewise(1, time < 50, 2); Q' = piecewise(1, c > 700 && c < 702, 0)", [], 1),
        ("c = 0; r = 1; c' = r; Q' = piecewise(1, c > 500 && c < 504, 0)", [("r", 2.0)], 2),
        ("b = 1.1; a = 5; at time > 20: a = 633*b; Q' = exp(-((time - a)/2)^2)", [], 4 * np.sqrt(np.pi)),
    ],
)
def test_ramps_and_clocks_of_any_kind_are_met(body: str, plan: list[tuple[str, float]], right: float) -> None:
    levels = [pm.Level(input=k, value=v, at=20) for k, v in plan]
    run = tiny(f"Q = 0; {body}").simulate(levels, duration=1000, every=1000)
    assert_allclose(run["Q"][-1], right, rtol=1e-3)


def test_a_condition_on_time_and_a_state_bounds_the_step_and_says_so() -> None:
    model = tiny("x = 0; y = 1; y' = 0*y; x' = piecewise(1, (time > 500*y) && (time < 503*y), 0)")
    with pytest.warns(AccuracyWarning, match="the step of the solver is at most 1"):
        pm.ensemble(model, {"x": [0.0]}, outcomes=["x"], duration=1000, execution=pm.Execution(progress=False))
    with pytest.warns(AccuracyWarning, match="the step of the solver is at most 1"):
        run = model.simulate(duration=1000)
    assert_allclose(run["x"][-1], 3, rtol=1e-4)


def test_a_level_moves_the_times_at_which_an_input_switches() -> None:
    model = tiny("x = 0; on = 900; x' = piecewise(1, time >= on && time < on + 0.5, 0)")
    run = model.simulate([pm.Level(input="on", value=700.25, at=600, until=800)], duration=1000, every=1000)
    assert_allclose(run["x"][-1], 1.0, rtol=1e-6)


def test_rows_of_an_input_that_switches_go_to_libroadrunner() -> None:
    model = tiny("x = 0; a = 1; x' = a*exp(-((time - 500)/0.1)^2)")
    last = [pm.Outcome(variable="x", reduce="final")]
    runs = pm.ensemble(
        model, {"a": np.ones(6000)}, outcomes=last, duration=1000, execution=pm.Execution(progress=False)
    )
    assert runs.engine == "roadrunner"
    assert_allclose(runs.values[0, 0], 0.1 * np.sqrt(np.pi), rtol=1e-4)
    with pytest.raises(InvalidValueError, match="its inputs switch or change quickly by themselves"):
        pm.ensemble(
            model, {"a": [1.0]}, outcomes=last, duration=1000, execution=pm.Execution(progress=False, engine="batch")
        )


# ---- tolerances that are asked for ---------------------------------------------------------------------------------


def test_tolerances_are_those_of_the_user_and_on_record() -> None:
    model = tiny("compartment C = 2; species S in C; S = 3; k = 1; J: S -> ; C*k*S")
    run = model.simulate(duration=1, rtol=1e-3, atol={"S": 1e-5})
    assert run.attrs["relative_tolerance"] == "0.001"
    assert json.loads(run.attrs["absolute_tolerance"]) == {"S": 1e-5}
    runs = pm.ensemble(
        model, {"k": [1.0]}, outcomes=["S"], duration=1, execution=pm.Execution(progress=False, rtol=1e-4, atol=1e-6)
    )
    assert (runs.relative_tolerance, runs.absolute_tolerance) == (1e-4, {"S": 1e-6})
    assert "relative tolerance 0.0001" in runs.report()


@pytest.mark.parametrize("analysis", ["sobol", "morris"])
def test_analyses_take_tolerances(analysis: str) -> None:
    how = {"n": 4} if analysis == "sobol" else {"trajectories": 2}
    model = tiny("S = 3; k = 1; g = 2; S' = -k*g*S")
    execution = pm.Execution(rtol=1e-5, atol=1e-9, workers=1, progress=False)
    found = getattr(pm, analysis)(model, outcomes=["S"], duration=1, execution=execution, **how)
    assert (found.runs.relative_tolerance, found.runs.absolute_tolerance) == (1e-5, {"S": 1e-9})


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"rtol": 0}, InvalidValueError, "rtol is 0; allowed is 1e-14 to 0.1"),
        ({"rtol": "1e-6"}, InvalidValueError, "rtol is '1e-6'; allowed is a number"),
        ({"atol": -1.0}, InvalidValueError, "atol is -1"),
        ({"atol": {"S": 0.0}}, InvalidValueError, "atol of S is 0"),
        ({"atol": {"Q": 1.0}}, UnknownNameError, r"unknown state \(atol\) 'Q'"),
    ],
)
def test_tolerances_that_make_no_sense_are_refused(how: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tiny("S = 1; S' = -S").simulate(duration=1, **how)


# ---- errors that are told ------------------------------------------------------------------------------------------


def test_the_numerical_error_is_about_the_true_one_or_above() -> None:
    model = tiny("x = 1; v = 0; x' = v; v' = -x")
    for rtol in (1e-8, 1e-5):
        run = model.simulate(duration=60, rtol=rtol, atol=rtol * 1e-3)
        true = float(np.abs(run["x"] - np.cos(run["time"])).max()) / 2
        assert 0.9 * true < float(run["x"].attrs["numerical_error"]) < 1e4 * true


def test_a_run_that_is_not_exact_warns() -> None:
    with pytest.warns(AccuracyWarning, match="the numerical error of x and 1 more is .* percent of its range"):
        tiny(PREY.format(x=15)).simulate(duration=100, rtol=1e-2, atol=1e-3)
    model = tiny(PREY.format(x=15) + "; k = 1")
    with pytest.warns(AccuracyWarning, match="numerical error of the outcomes up to .* of their spread"):
        pm.ensemble(
            model,
            {"x": [14.0, 15.0]},
            outcomes=["x"],
            duration=100,
            execution=pm.Execution(progress=False, rtol=1e-2, atol=1e-3),
        )


def test_a_population_below_zero_warns() -> None:
    with pytest.warns(AccuracyWarning, match="below 0 at some times: S"):
        tiny("compartment C = 1; species S in C; S = 1; J: S -> ; C*2").simulate(duration=1)


def test_one_variable_that_is_not_finite_costs_no_other_one() -> None:
    model = tiny("S = 1; k = 1; S' = -k*S; share := (1 - S)/(1 - S)")
    with pytest.warns(AccuracyWarning, match="not finite at some times: share"):
        run = model.simulate(duration=1, every=1)
    assert_allclose(run["S"], [1, np.exp(-1)], rtol=1e-6)
    assert np.isnan(run["share"][0])
    assert float(run["share"][1]) == 1
    runs = pm.ensemble(model, {"k": [1.0]}, outcomes=["S"], duration=1, execution=pm.Execution(progress=False))
    assert runs.ok.all()
    peak = pm.Outcome(variable="share", reduce="peak")
    failed = pm.ensemble(model, {"k": [1.0]}, outcomes=[peak], duration=1, execution=pm.Execution(progress=False))
    assert failed.messages == {0: "share is not finite"}
    assert not failed.ok.any()
    both = pm.ensemble(
        model, {"k": [1.0, 2.0]}, outcomes=["S", peak], duration=1, execution=pm.Execution(progress=False)
    )
    assert np.isnan(both.values[:, 1]).all()
    assert np.isfinite(both.values[:, 0]).all()


@pytest.mark.parametrize("engine", ["roadrunner", "batch"])
def test_a_long_oscillation_runs_to_its_end_without_output_points(engine: str) -> None:
    model = tiny("x = 1; y = 0; w = 6; x' = w*y; y' = -w*x")
    assert_allclose(final(model, "x", 500, engine), np.cos(3000), atol=1e-3)


@pytest.mark.parametrize("engine", ["roadrunner", "batch"])
def test_populations_below_zero_in_an_ensemble_are_told(engine: str) -> None:
    model = tiny("compartment C = 1; species S in C; S = 1; k = 2; J: S -> ; C*k")
    last = [pm.Outcome(variable="S", reduce="final")]
    with pytest.warns(AccuracyWarning, match="S final: below 0 in some rows"):
        pm.ensemble(
            model, {"k": [0.5, 2.0]}, outcomes=last, duration=1, execution=pm.Execution(progress=False, engine=engine)
        )


def test_a_run_that_fails_at_first_is_tried_again_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from pathway_models.simulation import job as _simulate

    real = _simulate.run_job

    def stumbles(job: Any, row: Any = (), attempt: Any = None, **how: Any) -> Any:
        if attempt in LADDER[:2] and job.relative_tolerance == 5e-9:
            raise pm.errors.SimulationError("stumbled")
        return real(job, row, attempt, **how)

    monkeypatch.setattr(_simulate, "run_job", stumbles)
    with pytest.warns(AccuracyWarning, match="attempt 3 .* after: stumbled"):
        run = tiny("S = 1; S' = -S").simulate(duration=1, every=1)
    assert_allclose(run["S"][-1], np.exp(-1), rtol=1e-6)
    assert "attempt 3" in run.attrs["retried"]


def test_events_in_the_search_for_rest_are_told() -> None:
    with pytest.warns(AccuracyWarning, match="it has events"):
        tiny("S = 0; k = 1; S' = k - S; at time >= 5: k = 2").simulate(duration=1, start="steady")


# ---- what else can be asked for ------------------------------------------------------------------------------------


def test_constants_fixed_species_and_fluxes_can_be_asked_for() -> None:
    model = tiny("compartment C = 1; species S in C, $B in C; S = 1; B = 2; k = 3; J: S -> ; C*k*S*B")
    run = model.simulate(duration=1, every=1, variables=["J", "k", "B"])
    assert_allclose(run["J"], 6 * run["S"], rtol=1e-9)
    assert_allclose([run["k"][0], run["B"][1]], [3, 2])


def test_a_level_on_a_fixed_species_and_its_return() -> None:
    model = tiny("compartment C = 2; const species B in C; species S in C; B = 2; S = 0; J: -> S; C*B")
    plan = [pm.Level(input="B", value=5, at=1, until=2)]
    run = model.simulate(plan, duration=3, every=1)
    assert_allclose(run["S"], [0, 2, 7, 9], rtol=1e-6)
    runs = pm.ensemble(
        model,
        {"S": [0.0, 1.0]},
        plan,
        outcomes=["S"],
        duration=3,
        execution=pm.Execution(progress=False, engine="batch"),
    )
    assert runs.ok.all()
