"""PEtab: what is written passes the linter, and both we and another reader of the files get our predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import pathway_models as pm
from pathway_models._sbml.native import libsbml, roadrunner
from pathway_models.errors import InvalidValueError, ModelError
from pathway_models.evidence.observations import Observation, read_observations
from pathway_models.evidence.reports import report
from pathway_models.inference.calibration import calibrate
from pathway_models.inference.petab import PetabProblem, write_petab

v2 = pytest.importorskip("petab.v2")
LONG = 50_000.0  # hours to a steady state
ALLOW = ("assumed", "fitted")


def read(made: PetabProblem) -> object:
    return v2.Problem.from_yaml(made.yaml)


def findings(made: PetabProblem) -> list[object]:
    return list(read(made).validate())


def loaded(made: PetabProblem, values: dict[str, float]) -> dict[str, float]:
    """Observation -> prediction, by `pm.load`."""
    table = pm.load(made.yaml).with_parameters(values).predictions()
    return named(made, dict(zip(table["observable"], table["prediction"], strict=True)))


def named(made: PetabProblem, numbers: dict[str, float]) -> dict[str, float]:
    return {o.name: numbers[o.id] for o in read(made).observables}


def simulated(made: PetabProblem, values: dict[str, float]) -> dict[str, float]:
    """Observation -> value of its observable, by a reader of the files that knows nothing of this library."""
    problem, found = read(made), {}
    formulas = {o.id: o.formula for o in problem.observables}
    changes = {c.id: c.changes for c in problem.conditions}
    for experiment in problem.experiments:
        engine = fine((made.yaml.parent / "model.xml").read_text())
        put(engine, {k: v for k, v in values.items() if k in engine.model.getGlobalParameterIds()})
        first, *later = experiment.sorted_periods
        due = {p.time: [c for name in p.condition_ids for c in changes[name]] for p in later}
        measured = [m for m in problem.measurements if m.experiment_id == experiment.id]
        put(
            engine,
            evaluated(engine, {c.target_id: c.target_value for n in first.condition_ids for c in changes[n]}, values),
        )
        engine.simulate(-LONG, 0, 2)
        now = 0.0
        for time in sorted({*due, *(m.time for m in measured)}):
            stop = min(time, LONG)
            if stop > now:
                engine.simulate(now, stop, 2)
            now = stop
            put(engine, evaluated(engine, {c.target_id: c.target_value for c in due.get(time, ())}, values))
            here = {m.observable_id: formulas[m.observable_id] for m in measured if m.time == time}
            found |= evaluated(engine, here, values)
    return named(made, found)


def fine(text: str) -> object:
    engine = roadrunner.RoadRunner(text)
    engine.integrator.setValue("relative_tolerance", 1e-9)
    engine.integrator.setValue("absolute_tolerance", 1e-11)
    engine.integrator.setValue("maximum_num_steps", 200_000)
    return engine


def symbol(engine: object, key: str) -> str:
    return f"[{key}]" if key in engine.model.getFloatingSpeciesIds() else key


def evaluated(engine: object, formulas: dict[str, object], values: dict[str, float]) -> dict[str, float]:
    """Formulas as they are now: all of them before anything changes."""

    def value(key: str) -> float:
        return values[key] if key in values else float(engine[symbol(engine, key)])

    return {k: float(f.subs({s: value(str(s)) for s in f.free_symbols})) for k, f in formulas.items()}


def put(engine: object, values: dict[str, float]) -> None:
    for key, value in values.items():
        engine[symbol(engine, key)] = value


def predictions(model: pm.Model, names: tuple[str, ...]) -> dict[str, float]:
    by_id = {o.id: o for o in read_observations(model)}
    return {s.observation.id: s.prediction for s in report(model, [by_id[n] for n in names]).rows}


def as_compared(model: pm.Model, numbers: dict[str, float]) -> dict[str, float]:
    """Folds back to percent changes where the observation is one."""
    by_id = {o.id: o for o in read_observations(model)}
    percent = [k for k in numbers if by_id[k].comparison == "percent_change"]
    return numbers | {k: 100 * (numbers[k] - 1) for k in percent}


CASES = {
    "ampk_pgc1a": (
        {"gain_seizure_ROS": 0.4, "gain_ROS_GSH": 0.7, "gain_BHB_GSH": 1.3},
        ["kd_gsh", "seizure_complex_i", "seizure_oxidation", "status_superoxide", "aicar_nad_4h", "aicar_nad_8h"],
    ),
    "ketone_katp": (
        {},  # the first two assumed constants, at a third of their range
        ["kd_bhb_43h", "fast_bhb_3d", "kd_glucose_4d", "clamp_cmrglc_hasselbalch", "rest_lactate", "rat_mct1"],
    ),
    "gaba_gad67": ({}, ["vigabatrin_gaba_2h", "vigabatrin_gaba_24h", "vigabatrin_gad67_24h"]),
    "nlrp3_il1b": ({}, ["epilepsy_tnf"]),
}


def changed(model: pm.Model, values: dict[str, float]) -> dict[str, float]:
    if values:
        return values
    table = model.parameters
    free = table[(table["kind"] == "assumed") & (table["distribution"] == "loguniform")].head(2)
    return {str(k): float(r["low"] ** (2 / 3) * r["high"] ** (1 / 3)) for k, r in free.iterrows()}


@pytest.mark.parametrize("name", list(CASES))
def test_linter_and_another_simulator_agree_with_us(name: str, tmp_path: Path) -> None:
    model = pm.load(name)
    values = changed(model, CASES[name][0])
    made = write_petab(model, list(values), CASES[name][1], tmp_path, allow=ALLOW)
    assert not findings(made)
    assert made.measured == tuple(CASES[name][1])
    wanted = predictions(model.with_parameters(values), made.measured)
    for got, exact in ((simulated(made, values), 1e-4), (loaded(made, values), 1e-6)):
        assert as_compared(model, got) == {k: pytest.approx(v, rel=exact, abs=exact / 10) for k, v in wanted.items()}


def numeric_fits(model: pm.Model) -> list[str]:
    """Every numeric row of use fit that is expected under the hypotheses in force."""
    rows = report(model, [o for o in read_observations(model) if o.use == "fit" and o.numeric]).rows
    return [s.observation.id for s in rows if s.expected]


@pytest.mark.parametrize(
    "name", ["acupuncture", "excitability", "ampk_pgc1a", "ketone_katp", "gaba_gad67", "nlrp3_il1b"]
)
def test_all_numeric_observations_pass_the_linter(name: str, tmp_path: Path) -> None:
    model = pm.load(name)
    wanted = numeric_fits(model)
    made = write_petab(model, list(changed(model, {})) or None, wanted, tmp_path, allow=ALLOW)
    assert not findings(made)
    assert {*made.measured, *made.left_out.index} == set(wanted)
    document = libsbml.readSBML(str(tmp_path / "model.xml"))
    document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    assert [e.getMessage() for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_WARNING] == []


def test_anchored_constants_follow_their_variable(tmp_path: Path) -> None:
    model = pm.load("excitability")
    rows = numeric_fits(model)
    values = {str(k): float(v) * 1.2 for k, v in model.parameters["value"].filter(like="weight_").head(2).items()}
    made = write_petab(model, list(values), rows, tmp_path, allow=ALLOW)
    wanted = predictions(model.with_parameters(values), made.measured)
    for got in (simulated(made, values), loaded(made, values)):
        assert as_compared(model, got) == {k: pytest.approx(v, rel=1e-4) for k, v in wanted.items()}


def test_a_coupled_model_whose_loop_is_open_while_a_rest_is_searched(tmp_path: Path) -> None:
    # in health the baseline moves when the loop closes: it must be read after that and before the diet
    model = pm.load("epilepsy")
    values = {"excitability__weight_GABA": 0.4}
    made = write_petab(model, list(values), ["kd_6hz_12d"], tmp_path, allow=ALLOW)
    assert not findings(made)
    wanted = predictions(model.with_parameters(values), made.measured)
    for got in (simulated(made, values), loaded(made, values)):
        assert got == {k: pytest.approx(v, rel=1e-4) for k, v in wanted.items()}


HEALTHY = Observation(
    id="threshold in epilepsy",
    observable="threshold_PTZ",
    hours=0,
    value=0.5,
    error=0.1,
    comparison="fold",
    baseline="healthy",
    context="epilepsy",
)


def test_a_rest_in_health_is_read_as_it_is_once_nothing_is_held(tmp_path: Path) -> None:
    model, values = pm.load("excitability"), {"weight_GABA": 0.2}
    made = write_petab(model, list(values), [HEALTHY], tmp_path, allow=ALLOW)
    assert not findings(made)
    (wanted,) = report(model.with_parameters(values), [HEALTHY]).rows
    assert wanted.prediction < 0.9  # it would be 1 were the threshold read before the context's constants are set
    for got in (simulated(made, values), loaded(made, values)):
        assert got == {HEALTHY.id: pytest.approx(wanted.prediction, rel=1e-4)}


def test_a_constant_that_is_held_at_rest_can_be_estimated(tmp_path: Path) -> None:
    model = pm.load("excitability")
    treated = replace(
        HEALTHY,
        observable="seizure_rate",
        baseline="untreated",
        hours=336.0,
        schedule=(pm.Level(input="IL1B", value=3),),
    )
    made = write_petab(model, ["exponent_IL1B_inflammation"], [treated], tmp_path, allow=ALLOW)
    assert not findings(made)
    wanted = [
        report(model.with_parameters(exponent_IL1B_inflammation=v), [treated]).rows[0].prediction for v in (0.5, 0.9)
    ]
    assert abs(wanted[1] / wanted[0] - 1) > 0.01
    assert loaded(made, {}) == {HEALTHY.id: pytest.approx(wanted[0], rel=1e-5)}
    got = simulated(made, {"fit_exponent_IL1B_inflammation": 0.9})
    assert got == {HEALTHY.id: pytest.approx(wanted[1], rel=1e-4)}


class TestTables:
    def test_errors_priors_and_ranges(self, tmp_path):
        model = pm.load("ampk_pgc1a")
        made = write_petab(model, ["gain_BHB_GSH", "gain_ROS_GSH"], ["kd_gsh"], tmp_path, allow=ALLOW)
        (observable,) = read(made).observables
        assert (observable.noise_formula, observable.noise_distribution) == (0.25, "log-normal")  # relative
        first, second = read(made).parameters
        assert (first.id, first.lb, first.ub, first.prior_distribution) == ("gain_BHB_GSH", 0.5, 1.5, "log-normal")
        mean, sd = first.prior_parameters
        assert math.exp(mean) == pytest.approx(1.2)
        assert 2 * 1.959964 * sd == pytest.approx(math.log(1.5 / 0.5))  # the range is the central 95 percent
        assert second.prior_distribution == "normal"
        assert second.prior_parameters == [0.5, pytest.approx(1 / 3.92, rel=1e-3)]
        flat = write_petab(model, ["gain_BHB_GSH"], ["kd_gsh"], tmp_path, allow=ALLOW, prior=False)
        assert read(flat).parameters[0].prior_distribution is None

    def test_objective_is_the_cost_of_calibrate(self, tmp_path):
        model, names = pm.load("ampk_pgc1a"), ["gain_seizure_ROS", "gain_ROS_GSH"]
        rows = ["seizure_complex_i", "seizure_oxidation", "status_superoxide"]
        found = calibrate(model, names, rows, allow=ALLOW, starts=1, execution=pm.Execution(workers=1, progress=False))
        made = write_petab(model, names, rows, tmp_path, allow=ALLOW)
        values, cost = dict(found.values), 0.0
        for _, row in pm.load(made.yaml).with_parameters(values).predictions().iterrows():
            assert row["distribution"] == "log-normal"
            cost += (math.log(row["prediction"] / row["measurement"]) / row["noise"]) ** 2
        for p in read(made).parameters:
            mean, sd = p.prior_parameters
            x = math.log(values[p.id]) if p.prior_distribution == "log-normal" else values[p.id]
            cost += ((x - mean) / sd) ** 2
        assert cost == pytest.approx(found.cost, rel=1e-5)

    def test_a_constant_that_one_observation_fixes_is_estimated_by_another_name(self, tmp_path):
        model = pm.load("ampk_pgc1a")
        row = next(o for o in read_observations(model) if o.id == "kd_gsh")
        fixed = replace(row, id="no_bhb", settings=(("gain_BHB_GSH", 0.5),))
        made = write_petab(model, ["gain_BHB_GSH"], [row, fixed], tmp_path, allow=ALLOW)
        assert not findings(made)
        assert [p.id for p in read(made).parameters] == ["fit_gain_BHB_GSH"]
        experiments = pm.load(made.yaml).experiments
        set_to = experiments[experiments["target"] == "gain_BHB_GSH"]["value"]
        assert set_to.to_dict() == {"experiment_1": "fit_gain_BHB_GSH", "experiment_2": "0.5"}
        wanted = report(model.with_parameters(gain_BHB_GSH=1.4), [row, fixed]).rows
        got = simulated(made, {"fit_gain_BHB_GSH": 1.4})
        assert got == {s.observation.id: pytest.approx(s.prediction, rel=1e-4) for s in wanted}


class TestLeftOut:
    def test_reasons(self, tmp_path):
        model = pm.load("nlrp3_il1b")
        rows = {o.id: o for o in read_observations(model)}
        direction = next(o for o in rows.values() if o.use == "fit" and not o.numeric and not o.expected_under)
        late = replace(rows["epilepsy_tnf"], id="late", hours=24.0)
        chosen = [rows["epilepsy_tnf"], rows["il1b_nmda_ca"], direction, late]
        made = write_petab(model, {"w_TNF_NFKB": (0.1, 0.8)}, chosen, tmp_path, allow=ALLOW)
        assert made.measured == ("epilepsy_tnf",)
        assert made.left_out["reason"].str.split(":").str[0].tolist() == [
            "peak",
            "a direction, PEtab holds numbers only",
            "a baseline in health under a treatment",
        ]
        assert (tmp_path / "left_out.tsv").read_text().count("\n") == 4

    def test_nothing_left(self, tmp_path):
        model = pm.load("nlrp3_il1b")
        with pytest.raises(InvalidValueError, match="PEtab can express none of the observations: peak"):
            write_petab(model, {"w_TNF_NFKB": (0.1, 0.8)}, ["il1b_nmda_ca"], tmp_path, allow=ALLOW)

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ModelError, match="cannot write"):
            write_petab(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], tmp_path / "file", allow=ALLOW)

    def test_measured_constants_and_rows_kept_for_tests_are_refused(self, tmp_path):
        model = pm.load("ampk_pgc1a")
        kinds = model.parameters["kind"]
        with pytest.raises(InvalidValueError, match="cannot be fitted"):
            write_petab(model, {kinds.index[kinds == "measured"][0]: (1.0, 2.0)}, ["kd_gsh"], tmp_path)
        check = next(o.id for o in read_observations(model) if o.use == "check")
        with pytest.raises(InvalidValueError, match="of use 'check'"):
            write_petab(model, ["gain_BHB_GSH"], [check], tmp_path, allow=ALLOW)
