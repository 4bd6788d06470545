"""Runs: repeatable, independent of how they are cut, and right at the switches."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import pathway_models as pm
from helpers import scale, tiny, worst
from pathway_models.errors import AccuracyWarning, InvalidValueError, SimulationError
from pathway_models.models.collection import OURS
from pathway_models.simulation import job as _simulate
from pathway_models.simulation.phases import phases
from pathway_models.simulation.run import output_times
from pathway_models.simulation.runner import runner
from pathway_models.simulation.values import Values

DIET = [pm.KetogenicDiet(ratio=4)]


@pytest.fixture(scope="module")
def coupled() -> pm.Model:
    return pm.load("epilepsy")


# ---- the coupled model -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def four_weeks(coupled: pm.Model) -> xr.Dataset:
    return coupled.simulate([*DIET, pm.Electroacupuncture(weeks=4)], weeks=4)


def test_one_phase_equals_28_phases(coupled: pm.Model, four_weeks: xr.Dataset) -> None:
    """An input that is set anew to the same value every day restarts the integrator and nothing else."""
    days = [pm.Level(input="amino_acids", value=1.0, at=24.0 * i, until=24.0 * (i + 1)) for i in range(28)]
    plan = [*DIET, pm.Electroacupuncture(weeks=4), *days]
    assert len(phases(coupled, plan, 672.0)) == 29  # the last one is the end itself
    assert worst(four_weeks, coupled.simulate(plan, weeks=4))[0] < 1e-6


def test_one_call_of_28_days_equals_28_calls_of_one_day(coupled: pm.Model) -> None:
    engine = runner(coupled.sbml)
    job = _simulate.make_job(
        coupled, DIET, duration=672.0, times=np.array([0.0, 672.0]), columns=coupled.states, start="auto"
    )
    assert job.origin is not None
    columns = tuple(engine.selection(c) for c in job.columns)
    ends = []
    for days in (1, 28):
        engine.set_tolerances(job.relative_tolerance, job.absolute)
        engine.begin(Values.of({**dict(job.settings), **dict(job.phases[0].levels)}), np.array(job.origin))
        times = np.linspace(0.0, 672.0, days + 1)
        pieces = [engine.advance(times[i : i + 2], columns) for i in range(days)]
        ends.append(pieces[-1][-1])
        start = pieces[0][0]
    sizes = scale(np.array([start, ends[0]]))
    assert np.max(np.abs(ends[0] - start) / sizes) > 0.5, "the diet must move something"
    assert np.max(np.abs(ends[0] - ends[1]) / sizes) < 1e-6


def test_nothing_of_a_run_survives_into_the_next(
    coupled: pm.Model, four_weeks: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run, change parameters, run, change back, run: as in a freshly loaded model, to the last bit."""
    plan = [*DIET, pm.Electroacupuncture(weeks=4)]
    other = coupled.with_hypothesis("katp_opening", "direct").with_parameters({"nlrp3_il1b.IC50_MCC950": 0.5})
    changed = other.simulate([pm.Level(input="rapamycin", value=20), pm.treatments.Fasting()], weeks=4)
    assert worst(four_weeks, changed)[0] > 0.1
    again = coupled.simulate(plan, weeks=4)
    assert worst(four_weeks, again)[0] == 0.0
    monkeypatch.setattr(_simulate, "runner", lru_cache(_simulate.Runner))
    monkeypatch.setattr(_simulate, "_rest", _simulate._rest.__wrapped__)
    fresh = coupled.simulate(plan, weeks=4)
    assert worst(fresh, again)[0] < 1e-12


def test_a_failed_run_leaves_nothing_behind(coupled: pm.Model, four_weeks: xr.Dataset) -> None:
    broken = coupled.with_parameters({"acupuncture.tau_session": 0.0})
    with pytest.raises(SimulationError):
        broken.simulate([pm.Electroacupuncture(weeks=4)], weeks=4)
    assert worst(four_weeks, coupled.simulate([*DIET, pm.Electroacupuncture(weeks=4)], weeks=4))[0] == 0.0


def test_healthy_model_rests() -> None:
    healthy = pm.load("epilepsy", context="healthy").simulate(duration=10_000, every=1000, start="file")
    for name, course in healthy.data_vars.items():
        change = np.max(np.abs(course.values - course.values[0])) / scale(course.values[:1])
        assert change < 1e-6, (name, change)


def test_untreated_epilepsy_rests_from_time_zero(coupled: pm.Model) -> None:
    run = coupled.simulate(weeks=4, every=24)
    for name, course in run.data_vars.items():
        change = np.max(np.abs(course.values - course.values[0])) / scale(course.values)
        assert change < 1e-5, (name, change)


@pytest.mark.parametrize("changes", [{}, {"weight_GABA": 0.2, "ampk_pgc1a.AICAR": 0.4}, {"kappa": 3.0}])
def test_seizure_rate_is_one_before_treatment_for_every_parameter_row(
    coupled: pm.Model, changes: dict[str, float]
) -> None:
    run = coupled.with_parameters(changes).simulate([pm.KetogenicDiet(start=1)], weeks=2, every=84)
    rate = run.pm["seizure_rate"].values
    np.testing.assert_allclose(rate[:2], 1.0, rtol=1e-5)
    assert rate[-1] < 0.9


def test_an_anchor_that_the_user_sets_stays(coupled: pm.Model) -> None:
    """As in a table of rows: a value given by name is not replaced by the anchor."""
    set_here = coupled.with_parameters({"excitability.E_untreated": 0.6}).simulate(weeks=1)
    rows = {"excitability.E_untreated": [0.6]}
    last = pm.Outcome(variable="seizure_rate", reduce="final")
    table = pm.ensemble(coupled, rows, outcomes=[last], weeks=1, execution=pm.Execution(workers=1, progress=False))
    assert float(set_here.pm["seizure_rate"][-1]) == pytest.approx(table.values[0, 0], rel=1e-5)
    assert table.values[0, 0] != pytest.approx(1.0, rel=0.01)


# ---- modules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tuple(OURS.modules))
def test_healthy_module_rests(name: str) -> None:
    run = pm.load(name, context="healthy").simulate(duration=10_000, every=1000, start="file")
    for key, course in run.data_vars.items():
        change = np.max(np.abs(course.values - course.values[0])) / scale(course.values[:1])
        assert change < 1e-6, (key, change)


def test_steady_state_equals_a_long_run() -> None:
    model = pm.load("nlrp3_il1b")
    rest = model.steady_state()
    late = model.simulate(duration=50_000, every=50_000, start="file")
    assert set(rest) == set(model.states)
    for key, value in rest.items():
        assert value == pytest.approx(float(late[key][-1]), rel=1e-5)
    assert rest["IL1B"] > 1.2, "epilepsy raises IL-1beta"


def test_the_open_loop_follows_its_inputs() -> None:
    """ln(rate/(1 ...)) by hand: E_relative = weight_GABA ln 2, logistic between the two frequencies."""
    model = pm.load("excitability").with_parameters(closed_loop=0)
    run = model.simulate([pm.Level(input="GABA", value=0.5, at=84)], weeks=1, every=42)
    q = {k: model.quantities[k].value for k in ("weight_GABA", "kappa")}
    share = model.quantities["seizure_frequency_untreated"].value / model.quantities["seizure_frequency_max"].value
    e = np.exp(q["kappa"] * q["weight_GABA"] * np.log(2.0))
    np.testing.assert_allclose(run["seizure_rate"], [1, 1, *[e / (1 + share * (e - 1))] * 3], rtol=1e-9)


# ---- what a run carries ----------------------------------------------------------------------------------------


def test_units_titles_and_record() -> None:
    model = pm.load("acupuncture").with_parameters(efficacy=0.5)
    run = model.simulate([pm.Electroacupuncture(weeks=1)], weeks=2, every=12)
    assert set(run.data_vars) == {*model.states, *model.outputs.index}
    assert run.time.attrs["units"] == "h"
    assert all(run[v].attrs["units"] == model.quantities[str(v)].unit != "" for v in run.data_vars)
    assert run["vagal_drive"].attrs["long_name"].startswith("Vagal")
    assert run.attrs["model"] == "acupuncture"
    assert run.attrs["context"] == "epilepsy"
    assert run.attrs["sbml_sha256"] == model.hash
    assert json.loads(run.attrs["settings"])["efficacy"] == 0.5
    assert run.attrs["arm"] == "electroacupuncture"
    assert run.attrs["pathway_models"] == pm.__version__
    assert set(run.attrs) >= {"libroadrunner", "relative_tolerance"}


@pytest.mark.parametrize("start", ["steady", "file"])
def test_a_run_can_be_repeated_from_its_record(start: str) -> None:
    model = pm.load("nlrp3_il1b").with_parameters(MCC950=0.3)
    plan = [pm.Level(input="vagal_drive", value=0.4, at=5.0, until=100.0)]
    run = model.simulate(plan, duration=300, every=10, start=start)
    record = run.attrs
    again = pm.load(record["model"], context=record["context"]).with_parameters(json.loads(record["settings"]))
    treatments = eval(record["treatments"], vars(pm))
    times = run.time.values
    repeated = again.simulate(treatments, duration=times[-1], every=times[1], start=record["start"])
    xr.testing.assert_identical(run, repeated)


def test_a_run_goes_through_netcdf_and_pandas(tmp_path: Path) -> None:
    run = pm.load("acupuncture").simulate([pm.Electroacupuncture(weeks=1)], weeks=1)
    assert list(run.to_dataframe().columns) == [str(v) for v in run.data_vars]
    run.to_netcdf(f"{tmp_path}/run.nc")
    back = xr.load_dataset(f"{tmp_path}/run.nc")
    assert back.attrs == run.attrs
    xr.testing.assert_equal(back, run)


# ---- phases, switches, times -----------------------------------------------------------------------------------


def test_values_at_a_switch_are_those_after_it() -> None:
    model = tiny("k = 1; S = 0; S' = 0*k; y := k")
    plan = [
        pm.Level(input="k", value=5, at=2, until=4),
        pm.Level(input="k", value=7, at=4, until=6),
        pm.Dose(input="S", amount=3, times=(0.0, 4.0)),
    ]
    run = model.simulate(plan, duration=8, every=1)
    np.testing.assert_allclose(run["y"], [1, 1, 5, 5, 7, 7, 1, 1, 1])
    np.testing.assert_allclose(run["S"], [3, 3, 3, 3, 6, 6, 6, 6, 6], atol=1e-9)


def test_an_input_returns_to_its_own_value_and_not_to_the_file_s() -> None:
    model = tiny("k = 1; y := k").with_parameters(k=3)
    run = model.simulate([pm.Level(input="k", value=5, at=1, until=2)], duration=3, every=1)
    np.testing.assert_allclose(run["y"], [3, 5, 3, 3])


def test_an_input_at_context_value_returns_to_it() -> None:
    run = pm.load("nlrp3_il1b").simulate([pm.Level(input="seizure_drive", value=0, at=24, until=48)], weeks=40)
    il1b = run["IL1B"].values
    assert il1b.min() < 0.999 * il1b[0]
    assert il1b[-1] == pytest.approx(il1b[0], rel=1e-4)


def test_phases_against_the_solution_by_hand() -> None:
    """S' = -k S with k 1, 3, 1 and a dose."""
    model = tiny("k = 1; S = 2; S' = -k*S")
    plan = [pm.Level(input="k", value=3, at=1, until=2), pm.Dose(input="S", amount=1, times=(1.5,))]
    run = model.simulate(plan, duration=3, every=0.5)
    a = 2 * np.exp(-1.0)
    b = a * np.exp(-1.5) + 1
    c = b * np.exp(-1.5)
    np.testing.assert_allclose(run["S"], [2, 2 * np.exp(-0.5), a, b, c, c * np.exp(-0.5), c * np.exp(-1)], rtol=1e-5)


@pytest.mark.parametrize("every", [0.1, 0.3, 0.7, 1.1])
def test_switches_on_the_output_grid_whatever_the_rounding(every: float) -> None:
    """n*every and the grid differ in the last bit: neither may stop the integrator or give the value before."""
    model = tiny("k = 0; S = 0; S' = 0*k; y := k")
    for n in range(1, 24):
        run = model.simulate([pm.Level(input="k", value=1, at=round(n * every, 9))], duration=25 * every, every=every)
        np.testing.assert_array_equal(run["y"].values, np.arange(26) >= n, err_msg=f"switch {n}")


def test_switches_that_differ_by_rounding_are_one() -> None:
    model = tiny("k = 1; S = 2; S' = -k*S; y := k")
    plan = [pm.Level(input="k", value=2, at=0.3), pm.Dose(input="S", amount=1, times=(0.1 + 0.2,))]
    run = model.simulate(plan, duration=1, every=0.5)
    np.testing.assert_allclose(run["S"].values[-1], (2 * np.exp(-0.3) + 1) * np.exp(-1.4), rtol=1e-5)


def test_diet_titrated_in_tenths_of_a_week_runs() -> None:
    diet = pm.KetogenicDiet(ratio=3, titration_weeks=0.7, start=0.3)
    run = pm.load("ketone_katp").simulate([diet], weeks=2, every=16.8)
    assert float(run["BHB_plasma"][-1]) > 2 * float(run["BHB_plasma"][0])


@pytest.mark.parametrize(
    ("duration", "every", "last", "count"),
    [
        (100.0, 25.0, 100.0, 5),
        (100.0, 30.0, 100.0, 5),
        (8000.0, None, 8000.0, 1335),
        (40.0, None, 40.0, 401),
        (0.3, 0.1, 0.3, 4),
    ],
)
def test_output_times(duration: float, every: float | None, last: float, count: int) -> None:
    times = output_times(pm.load("acupuncture"), duration, every)
    assert (times[0], times[-1], len(times)) == (0.0, last, count)
    assert np.all(np.diff(times) > 0)


@pytest.mark.parametrize("every", [0.0, -1.0, 101.0, np.nan, 1e-9])
def test_output_step_out_of_range(every: float) -> None:
    with pytest.raises(InvalidValueError, match="every is"):
        output_times(pm.load("acupuncture"), 100.0, every)


def test_output_grid_does_not_change_the_run() -> None:
    model = pm.load("nlrp3_il1b")
    plan = [pm.Level(input="MCC950", value=1, at=10)]
    fine, coarse = (model.simulate(plan, duration=400, every=e) for e in (1.0, 100.0))
    assert worst(coarse, fine.sel(time=coarse.time))[0] < 1e-6


# ---- errors ----------------------------------------------------------------------------------------------------


def test_start_must_be_known() -> None:
    with pytest.raises(InvalidValueError, match="start is 'rest'; allowed are 'auto', 'steady' and 'file'"):
        tiny("S = 1; S' = -S").simulate(duration=1, start="rest")


def test_a_model_that_grows_for_ever_has_no_steady_state() -> None:
    model = tiny("S = 1; T = 1; k = 0.5; S' = k; T' = -T")
    with pytest.raises(SimulationError, match="no steady state: S still moves after 640000"):
        model.simulate(duration=1, start="steady")
    with pytest.raises(SimulationError, match="no steady state"):
        model.steady_state()
    assert model.simulate(duration=2, every=2)["S"].values[-1] == pytest.approx(2)


def test_an_integrator_that_gives_up_says_when() -> None:
    with pytest.raises(SimulationError, match="the integrator gave up between 0 and 5"):
        tiny("S = 1; S' = S^2").simulate(duration=5, every=1)


def test_a_variable_that_is_not_finite_is_named_and_the_others_are_there() -> None:
    with pytest.warns(AccuracyWarning, match="not finite at some times: y"):
        run = tiny("S = 1; S' = -S; k = 0; y := S/k").simulate(duration=1, every=1)
    assert np.isinf(run["y"].values).all()
    assert run["S"].values[-1] == pytest.approx(np.exp(-1))


def test_start_from_file_and_from_rest_differ() -> None:
    model = tiny("k = 2; S = 1; S' = k - S")
    np.testing.assert_allclose(model.simulate(duration=1, every=1)["S"], [1, 2 - np.exp(-1)], rtol=1e-6)
    np.testing.assert_allclose(model.simulate(duration=1, every=1, start="steady")["S"], [2, 2], rtol=1e-6)
    np.testing.assert_allclose(model.with_parameters(k=5).steady_state()["S"], 5, rtol=1e-6)


def test_events_that_wait_do_not_reach_into_the_next_run() -> None:
    model = tiny("x = 1; k = 2; x' = 0; E: at 3 after (k > 1), t0=false: x = x + k")
    for length in (1, 5, 1, 5):
        run = model.simulate(duration=length, every=1)
        np.testing.assert_allclose(run["x"], [1, 1, 1, 3, 3, 3][: length + 1])
    last = [pm.Outcome(variable="x", reduce="final")]
    runs = pm.ensemble(model, {"k": [2.0, 0.5, 4.0]}, outcomes=last, duration=5, execution=pm.Execution(progress=False))
    np.testing.assert_allclose(runs.values[:, 0], [3, 1, 5])


def test_a_constant_that_an_event_sets_is_shown() -> None:
    run = tiny("k = 1; at time >= 2: k = 5").simulate(duration=3, every=1)
    np.testing.assert_allclose(run["k"], [1, 1, 5, 5])


@pytest.mark.parametrize(("start", "first"), [("file", 6.0), ("steady", 2.0)])
def test_a_species_that_a_rule_computes_follows_start_values_and_rest(start: str, first: float) -> None:
    model = tiny("species A, B; A = 1; B := 2*A; A' = 1 - A").with_parameters(A=3)
    run = model.simulate(duration=1, start=start)
    np.testing.assert_allclose(run["B"][[0, -1]], [first, 2 + (first - 2) * np.exp(-1)], rtol=1e-6)
