"""PEtab: what is written passes the linter, and another reader of the files gets our predictions."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pathway_models as pm
from helpers import tiny
from pathway_models._sbml.native import libsbml, roadrunner
from pathway_models.errors import InvalidValueError, ModelError
from pathway_models.evidence.observations import read_observations
from pathway_models.evidence.report import report
from pathway_models.inference.calibrate import calibrate
from pathway_models.inference.petab import PetabProblem, write_petab

petab = pytest.importorskip("petab.v1")
LONG = 50_000.0  # hours to a steady state


def read(made: PetabProblem) -> object:
    return petab.Problem.from_yaml(str(made.yaml))


def simulated(made: PetabProblem, values: dict[str, float]) -> dict[str, float]:
    """Observation -> value of its observable, by a reader of the files that knows nothing of this library."""
    problem = read(made)
    text = (made.yaml.parent / "model.xml").read_text()
    found = {}
    for _, m in problem.measurement_df.iterrows():
        engine = start(text)
        apply(engine, problem, m["preequilibrationConditionId"], values)
        engine.simulate(0, LONG, 2)
        state = {k: engine[k] for k in keys(engine)}
        engine = start(text)
        apply(engine, problem, m["simulationConditionId"], values)
        for key, value in state.items():
            engine[key] = value
        stop = float(m["time"]) if math.isfinite(m["time"]) else LONG
        if stop:
            engine.simulate(0, stop, 2)
        formula = str(problem.observable_df.loc[m["observableId"], "observableFormula"])
        names = {k: symbol(engine, k) for k in re.findall(r"[A-Za-z_]\w*", formula) if k != "abs"}
        found[m["datasetId"]] = eval(formula, {"abs": abs}, names)
    return found


def start(text: str) -> object:
    engine = roadrunner.RoadRunner(text)
    engine.integrator.setValue("relative_tolerance", 1e-9)
    engine.integrator.setValue("absolute_tolerance", 1e-11)
    engine.integrator.setValue("maximum_num_steps", 200_000)
    return engine


def keys(engine: object) -> list[str]:
    return [f"[{k}]" for k in engine.model.getFloatingSpeciesIds()] + list(engine.model.getRateRuleSymbols())


def symbol(engine: object, key: str) -> float:
    return float(engine[f"[{key}]" if key in engine.model.getFloatingSpeciesIds() else key])


def apply(engine: object, problem: object, condition: str, values: dict[str, float]) -> None:
    """Estimated parameters, then what the condition says, by number or by the name of an estimated parameter."""
    for key, value in values.items():
        if key in engine.model.getGlobalParameterIds():
            engine[key] = value
    for key, cell in problem.condition_df.loc[condition].items():
        if key != "conditionName":
            engine[key] = values[cell] if cell in values else float(cell)


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
        {"gain_seizure_ROS": 0.4, "K_pAMPK_NAD": 1.6, "gain_BHB_GSH": 1.3},
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
    made = write_petab(model, list(values), CASES[name][1], tmp_path, allow=("assumed", "fitted"))
    assert not petab.lint_problem(read(made))
    assert made.measured == tuple(CASES[name][1])
    wanted = predictions(model.with_parameters(values), made.measured)
    got = as_compared(model, simulated(made, values))
    for key, value in wanted.items():
        assert got[key] == pytest.approx(value, rel=1e-4, abs=1e-5), key


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
    made = write_petab(model, list(changed(model, {})) or None, wanted, tmp_path, allow=("assumed", "fitted"))
    assert not petab.lint_problem(read(made))
    assert {*made.measured, *made.left_out.index} == set(wanted)
    document = libsbml.readSBML(str(tmp_path / "model.xml"))
    document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    assert [e.getMessage() for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_WARNING] == []


def test_anchored_constants_follow_their_variable(tmp_path: Path) -> None:
    model = pm.load("excitability")
    rows = numeric_fits(model)
    values = {str(k): float(v) * 1.2 for k, v in model.parameters["value"].filter(like="weight_").head(2).items()}
    made = write_petab(model, list(values), rows, tmp_path, allow=("assumed", "fitted"))
    got = as_compared(model, simulated(made, values))
    for key, value in predictions(model.with_parameters(values), made.measured).items():
        assert got[key] == pytest.approx(value, rel=1e-4), key


def test_a_coupled_model_whose_loop_is_open_while_a_rest_is_searched(tmp_path: Path) -> None:
    # in health the baseline moves when the loop closes: it must be read after that and before the diet
    model = pm.load("epilepsy_core")
    values = {"excitability__weight_GABA": 0.4}
    made = write_petab(model, list(values), ["kd_6hz_12d"], tmp_path, allow=("assumed", "fitted"))
    assert not petab.lint_problem(read(made))
    got = simulated(made, values)
    assert got == {
        k: pytest.approx(v, rel=1e-4) for k, v in predictions(model.with_parameters(values), made.measured).items()
    }


class TestTables:
    def test_errors_priors_and_ranges(self, tmp_path):
        model = pm.load("ampk_pgc1a")
        made = write_petab(model, ["gain_BHB_GSH", "gain_ROS_GSH"], ["kd_gsh"], tmp_path, allow=("assumed", "fitted"))
        problem = read(made)
        assert problem.measurement_df["noiseParameters"].tolist() == [0.25]  # relative: a logarithm is measured
        table = problem.parameter_df
        assert table.loc["gain_BHB_GSH", ["parameterScale", "lowerBound", "upperBound"]].tolist() == ["log10", 0.5, 1.5]
        assert table.loc["gain_ROS_GSH", "parameterScale"] == "lin"
        mean, sd = map(float, table.loc["gain_ROS_GSH", "objectivePriorParameters"].split(";"))
        assert (mean, sd) == (0.5, pytest.approx(1 / 3.92, rel=1e-3))
        for _, row in table.iterrows():
            ends = row[["lowerBound", "upperBound"]].to_numpy(dtype=float)
            low, high = np.log10(ends) if row["parameterScale"] == "log10" else ends
            _, sd = map(float, row["objectivePriorParameters"].split(";"))
            assert high - low == pytest.approx(2 * 1.959964 * sd)  # the range is the central 95 percent
        flat = write_petab(model, ["gain_BHB_GSH"], ["kd_gsh"], tmp_path, allow=("assumed", "fitted"), prior=False)
        assert "objectivePriorType" not in read(flat).parameter_df

    def test_objective_is_the_cost_of_calibrate(self, tmp_path):
        model, names = pm.load("ampk_pgc1a"), ["gain_seizure_ROS", "gain_ROS_complex_I"]
        rows = ["seizure_complex_i", "seizure_oxidation", "status_superoxide"]
        found = calibrate(model, names, rows, allow=("assumed", "fitted"), starts=1, workers=1, progress=False)
        made = write_petab(model, names, rows, tmp_path, allow=("assumed", "fitted"))
        problem, values = read(made), dict(found.values)
        got = simulated(made, values)
        data = 0.0
        for _, m in problem.measurement_df.iterrows():
            assert problem.observable_df.loc[m["observableId"], "observableTransformation"] == "log"
            data += (math.log(got[m["datasetId"]] / m["measurement"]) / float(m["noiseParameters"])) ** 2
        priors = 0.0
        for key, row in problem.parameter_df.iterrows():
            mean, sd = map(float, row["objectivePriorParameters"].split(";"))
            x = math.log10(values[key]) if row["parameterScale"] == "log10" else values[key]
            priors += ((x - mean) / sd) ** 2
        assert data + priors == pytest.approx(found.cost, rel=1e-3)

    def test_a_constant_that_one_observation_fixes_is_estimated_by_another_name(self, tmp_path):
        model = pm.load("ampk_pgc1a")
        rows = read_observations(model)
        row = next(o for o in rows if o.id == "kd_gsh")
        fixed = replace(row, id="no_bhb", settings=(("gain_BHB_GSH", 0.5),))
        made = write_petab(model, ["gain_BHB_GSH"], [row, fixed], tmp_path, allow=("assumed", "fitted"))
        problem = read(made)
        assert not petab.lint_problem(problem)
        assert list(problem.parameter_df.index) == ["fit_gain_BHB_GSH"]
        assert problem.condition_df["gain_BHB_GSH"].tolist() == ["fit_gain_BHB_GSH"] * 2 + ["0.5"] * 2
        got = simulated(made, {"fit_gain_BHB_GSH": 1.4})
        wanted = report(model.with_parameters(gain_BHB_GSH=1.4), [row, fixed]).rows
        assert got == {s.observation.id: pytest.approx(s.prediction, rel=1e-4) for s in wanted}


class TestLeftOut:
    def test_reasons(self, tmp_path):
        model = pm.load("nlrp3_il1b")
        rows = {o.id: o for o in read_observations(model)}
        direction = next(o for o in rows.values() if o.use == "fit" and not o.numeric and not o.expected_under)
        late = replace(rows["epilepsy_tnf"], id="late", hours=24.0)
        chosen = [rows["epilepsy_tnf"], rows["il1b_nmda_ca"], direction, late]
        made = write_petab(model, {"w_seizure_NFKB": (0.1, 1.0)}, chosen, tmp_path, allow=("assumed", "fitted"))
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
            write_petab(model, {"w_seizure_NFKB": (0.1, 1.0)}, ["il1b_nmda_ca"], tmp_path, allow=("assumed", "fitted"))

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ModelError, match="cannot write"):
            write_petab(
                pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], tmp_path / "file", allow=("assumed", "fitted")
            )

    def test_measured_constants_and_rows_kept_for_tests_are_refused(self, tmp_path):
        model = pm.load("ampk_pgc1a")
        kinds = model.parameters["kind"]
        with pytest.raises(InvalidValueError, match="cannot be fitted"):
            write_petab(model, {kinds.index[kinds == "measured"][0]: (1.0, 2.0)}, ["kd_gsh"], tmp_path)
        check = next(o.id for o in read_observations(model) if o.use == "check")
        with pytest.raises(InvalidValueError, match="of use 'check'"):
            write_petab(model, ["gain_BHB_GSH"], [check], tmp_path, allow=("assumed", "fitted"))


# ---- scenarios, version 2 ----------------------------------------------------------------------------------------

EA = pm.Electroacupuncture(weeks=2, sessions_per_week=3)
STEPS = [
    pm.Level(input="BHB", value=3, at=0, until=50),
    pm.Level(input="BHB", value=1, at=50, until=120),
    pm.Level(input="MCC950", value=1, at=24),
]


LATE = [pm.Level(input="BHB", value=3, at=50, until=120)]  # nothing at 0, where the experiment begins all the same


@pytest.mark.parametrize(
    ("name", "plan"), [("acupuncture", [EA]), ("nlrp3_il1b", STEPS), ("nlrp3_il1b", []), ("nlrp3_il1b", LATE)]
)
def test_scenario_of_version_2_has_no_findings_and_petab_makes_the_same_run_of_it(
    name: str, plan: list[pm.Treatment], tmp_path: Path
) -> None:
    converters = pytest.importorskip("petab.v2.converters")
    from petab import v2

    folder = pm.export(pm.load(name), tmp_path / "p", format="petab", interventions=plan, weeks=2)
    problem = v2.Problem.from_yaml(folder / "problem.yaml")
    assert list(problem.validate()) == []
    converter = converters.ExperimentsToSbmlConverter(problem)
    sbml = converter.convert().model.sbml_model
    sbml.getParameter(converter.get_experiment_indicator("scenario")).setValue(1.0)
    engine = start(libsbml.writeSBMLToString(sbml.getSBMLDocument()))
    table = problem.measurement_df
    for observable, rows in table.groupby("observableId"):
        key = str(problem.observable_df.loc[observable, "observableFormula"])
        engine.resetAll()
        engine.timeCourseSelections = [f"[{key}]" if key in engine.model.getFloatingSpeciesIds() else key]
        got = np.ravel(engine.simulate(times=list(rows["time"])))
        np.testing.assert_allclose(got, rows["measurement"], atol=2e-6 * max(1.0, rows["measurement"].abs().max()))
    assert len(table) == 49 * len(problem.observables)
    assert problem.experiments[0].periods[0].time == 0


def test_scenario_keeps_what_initial_assignments_saw_before_treatment(tmp_path: Path) -> None:
    model = tiny("p = 1; k = 2*p; S = 3*p; S' = -k*S")
    plan = [pm.Level(input="p", value=5, at=0), pm.Level(input="k", value=0, at=1, until=2)]
    folder = pm.export(model, tmp_path, format="petab", interventions=plan, duration=3)
    rest = pm.load(folder / "model.xml").quantities
    assert (rest["S"].value, rest["k"].value, rest["p"].value) == (3, 2, 1)
    conditions = (folder / "conditions.tsv").read_text().splitlines()[1:]
    assert conditions == ["condition_1\tp\t5.0", "condition_2\tk\t0.0", "condition_3\tk\t2.0"]
    assert (folder / "experiments.tsv").read_text().splitlines()[1:] == [
        "scenario\t0.0\tcondition_1",
        "scenario\t1.0\tcondition_2",
        "scenario\t2.0\tcondition_3",
    ]


def test_scenario_does_not_overwrite_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelError, match="cannot write"):
        pm.export(pm.load("acupuncture"), tmp_path / "file", format="petab", weeks=1)
    assert (tmp_path / "file").read_text() == "mine"
