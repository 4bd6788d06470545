"""PEtab problems as models: nominal values, bounds, experiments, measurements beside what the model computes."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import pathway_models as pm
from helpers import sbml
from pathway_models._formulas.expression import formula
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.models.petab_files import Row
from pathway_models.models.petab_read import with_bounds

DECAY = "compartment c = 2; species S in c; S = 3; k = 9; dose = 0; S' = dose - k*S; twice := 2*S"
YAML = """format_version: 1
parameter_file: parameters.tsv
problems:
  - sbml_files: [model.xml]
    condition_files: [conditions.tsv]
    observable_files: [observables.tsv]
    measurement_files: [measurements.tsv]
"""
V1 = {
    "map.tsv": "petabEntityId modelEntityId\nk r.k\n",
    "problem.yaml": YAML,
    "parameters.tsv": """parameterId parameterScale lowerBound upperBound nominalValue estimate
k log10 0.01 100 0.5 1
dose lin -1 4 0.25 0
gain log 0.1 10 2 1
sd lin 0 1 0.1 1
""",
    "conditions.tsv": "conditionId S\nas_is NaN\nhigh 8\n",
    "observables.tsv": "observableId observableFormula noiseFormula observableTransformation\n"
    "seen observableParameter1_seen*twice+log(exp(1)) noiseParameter1_seen*S log10\nplain S 0.5 lin\n",
    "measurements.tsv": """observableId simulationConditionId time measurement observableParameters noiseParameters
seen as_is 2 7 gain sd
seen high 1 9 1.5 0.2
plain as_is 0 3
plain high inf 0.4
""",
}
V2 = {
    "problem.yaml": """format_version: 2.0.0
parameter_files: [parameters.tsv]
condition_files: [conditions.tsv]
experiment_files: [experiments.tsv]
observable_files: [observables.tsv]
measurement_files: [measurements.tsv]
model_files: {model: {location: model.xml, language: sbml}}
""",
    "parameters.tsv": "parameterId lowerBound upperBound nominalValue estimate priorDistribution priorParameters\n"
    "k 0.01 100 0.5 true log-uniform 0.01;100\ngain 0.1 10 2 true\n",
    "conditions.tsv": "conditionId targetId targetValue\non dose 2*k\noff dose 1-dose\nadd S S+3\ndouble S 3*gain\n",
    "experiments.tsv": "experimentId time conditionId\nrun 3 off\nrun 0 double\nrun 1 on\nrun 2 add\nrun 1 add\n",
    "observables.tsv": "observableId observableFormula noiseFormula observablePlaceholders\nseen a*S 0.1*seen a\n",
    "measurements.tsv": "observableId experimentId time measurement observableParameters\n"
    "seen run 0.5 1 gain\nseen run 1 1 gain\nseen run 4 1 1\nseen  2 1 1\n",
}


def written(folder: Path, files: Mapping[str, str], model: str = DECAY) -> Path:
    """The problem in a folder; blanks in tables stand for tabs."""
    folder.mkdir(exist_ok=True)
    (folder / "model.xml").write_text(sbml(model))
    for name, text in files.items():
        (folder / name).write_text(text.replace(" ", "\t") if name.endswith(".tsv") else text)
    return folder / "problem.yaml"


def changed(files: Mapping[str, str], name: str, old: str, new: str) -> dict[str, str]:
    assert old in files[name]
    return {**files, name: files[name].replace(old, new)}


def test_the_model_has_nominal_values_and_the_bounds_on_their_scale(tmp_path: Path) -> None:
    model = pm.load(written(tmp_path, V1))
    table = model.parameters
    assert (model.name, dict(model.settings)) == ("problem", {"k": 0.5, "dose": 0.25})
    assert list(table.loc["k", ["value", "low", "high", "distribution", "kind"]]) == [
        0.5,
        0.01,
        100,
        "loguniform",
        "unknown",
    ]
    assert list(table.loc["dose", ["value", "low", "high", "distribution"]]) == [0.25, -1, 4, "uniform"]
    assert "does not estimate" in table.loc["dose", "note"]


def test_predictions_stand_beside_the_measurements(tmp_path: Path) -> None:
    model = pm.load(written(tmp_path, V1))
    table = model.predictions()

    def state(start: float, time: float) -> float:
        return 0.5 + (start - 0.5) * math.exp(-0.5 * time)

    seen = [2 * 2 * state(3, 2) + 1, 1.5 * 2 * state(8, 1) + 1]
    noise = [0.1 * state(3, 2), 0.2 * state(8, 1), 0.5, 0.5]
    np.testing.assert_allclose(table["prediction"], [*seen, 3, 0.5], rtol=1e-6)
    np.testing.assert_allclose(table["noise"], noise, rtol=1e-6)
    assert list(table["measurement"]) == [7, 9, 3, 0.4]
    assert list(table["distribution"]) == ["log10-normal", "log10-normal", "normal", "normal"]
    assert list(table["experiment"]) == ["as_is", "high", "as_is", "high"]
    assert list(model.predictions(["high"]).index) == [1, 3]


def test_changed_parameters_change_the_predictions(tmp_path: Path) -> None:
    model = pm.load(written(tmp_path, V1)).with_parameters(k=2.0)
    np.testing.assert_allclose(model.predictions()["prediction"].iloc[3], 0.125, rtol=1e-6)


def test_an_experiment_is_what_simulate_takes(tmp_path: Path) -> None:
    variant, schedule = pm.load(written(tmp_path, V1)).experiment("high")
    run = variant.simulate(schedule, duration=1)
    assert (float(run["S"][0]), schedule) == (8, [])
    assert float(run["S"][-1]) == pytest.approx(0.5 + 7.5 * math.exp(-0.5), rel=1e-6)


def test_start_values_of_version_1_are_as_if_written_in_the_file(tmp_path: Path) -> None:
    """Initial assignments follow the values of a condition, but for what the condition sets itself."""
    files = {
        **changed(V1, "conditions.tsv", V1["conditions.tsv"], "conditionId k S B\nas_is 4 \nhigh gain 5\n"),
        "observables.tsv": "observableId observableFormula noiseFormula\nplain S+100*B 1\n",
        "measurements.tsv": "observableId simulationConditionId time measurement\nplain as_is 0 1\nplain high 0 1\n",
    }
    model = pm.load(written(tmp_path, files, "species S, B; k = 9; dose = 1; S = 3*k; B = k; S' = dose; B' = dose"))
    assert list(model.predictions()["prediction"]) == [12 + 400, 5 + 200]


def test_a_nominal_value_replaces_an_initial_assignment_and_others_follow_it(tmp_path: Path) -> None:
    files = changed(V1, "conditions.tsv", "conditionId S\nas_is NaN\nhigh 8\n", "conditionId\nas_is\nhigh\n")
    path = written(tmp_path, files, "species S; q = 1; k = 2*q; dose = 0; S = 3*k; S' = dose - k*S; twice := 2*S")
    assert pm.load(path).predictions()["prediction"].iloc[2] == 3 * 0.5


def test_a_condition_sets_what_only_formulas_know(tmp_path: Path) -> None:
    files = changed(V1, "conditions.tsv", V1["conditions.tsv"], "conditionId gain S\nas_is 2 5\nhigh sd 8\n")
    files = changed(files, "parameters.tsv", "gain log 0.1 10 2 1\n", "")
    files = changed(files, "measurements.tsv", "seen high 1 9 1.5 0.2", "seen high 0 9 gain 0.2")
    table = pm.load(written(tmp_path, files)).predictions()
    assert table["prediction"].iloc[1] == pytest.approx(0.1 * 2 * 8 + 1, rel=1e-9)


def test_a_source_in_the_model_file_wins_over_the_table() -> None:
    known = pm.models.Parameter(id="k", value=1, unit="", kind="measured", low=0.9, high=1.1, distribution="normal")
    row = Row(cells={"lowerBound": "0", "upperBound": "9"}, where="parameters.tsv:2")
    assert with_bounds(known, row, 2) == known


def test_a_parameter_may_have_its_value_in_the_tables_only(tmp_path: Path) -> None:
    files = changed(V1, "conditions.tsv", V1["conditions.tsv"], "conditionId more\nas_is 2\nhigh 3\n")
    path = written(tmp_path, files, DECAY + "; more = 1; lost = 1; sum := more + lost")
    text = (tmp_path / "model.xml").read_text()
    for key in ("k", "more"):
        text = re.sub(rf'(<parameter id="{key}") value="[^"]*"', r"\1", text)
    (tmp_path / "model.xml").write_text(text)
    model = pm.load(path)
    starts = [model.experiment(name)[0].parameters.loc[["k", "more"], "value"].to_list() for name in ("as_is", "high")]
    assert starts == [[0.5, 2], [0.5, 3]]


def test_a_preequilibration_ends_at_rest_and_the_condition_starts_there(tmp_path: Path) -> None:
    files = {
        **V1,
        "conditions.tsv": "conditionId dose S A\nbefore 2 NaN NaN\nafter 0 NaN 7\n",
        "observables.tsv": "observableId observableFormula noiseFormula\nplain S+100*A+1000*dose 1\n",
        "measurements.tsv": "observableId preequilibrationConditionId simulationConditionId time measurement\n"
        "plain before after 0 1\nplain before after 2 1\nplain  after 0 1\nplain  after inf 1\n",
    }
    model = pm.load(written(tmp_path, files, "species S, A; k = 9; dose = 0; S = 3; A = 1; S' = dose - k*S; A' = -k*A"))
    table = model.predictions()
    assert list(table["experiment"]) == ["before>after", "before>after", "after", "after"]
    np.testing.assert_allclose(table["prediction"], [704, 704 * math.exp(-1), 703, 0], rtol=1e-6, atol=1e-6)
    assert (
        list(model.experiments.loc["before>after", "time"])
        == [-math.inf, 0, 0][: len(model.experiments.loc["before>after"])]
    )


def test_periods_of_version_2_become_levels_and_doses(tmp_path: Path) -> None:
    model = pm.load(written(tmp_path, V2))
    variant, schedule = model.experiment("run")
    assert schedule == [
        pm.Level(input="dose", value=1.0, at=1.0, until=3.0),
        pm.Level(input="dose", value=0.0, at=3.0),
        pm.Dose(input="S", amount=3.0, times=(1.0, 2.0)),
    ]
    assert float(variant.simulate(schedule, duration=4)["S"][0]) == 6
    at_1 = 6 * math.exp(-0.5) + 3
    at_2 = 2 + (at_1 - 2) * math.exp(-0.5) + 3
    at_4 = (2 + (at_2 - 2) * math.exp(-0.5)) * math.exp(-0.5)
    expected = [2 * 6 * math.exp(-0.25), 2 * at_1, at_4, 3 * math.exp(-1)]
    np.testing.assert_allclose(model.predictions()["prediction"], expected, rtol=1e-6)
    np.testing.assert_allclose(model.predictions()["noise"], [0.1 * v for v in expected], rtol=1e-6)
    assert list(model.parameters.loc["k", ["low", "high", "distribution"]]) == [0.01, 100, "loguniform"]


def test_start_values_of_version_2_come_after_initial_assignments(tmp_path: Path) -> None:
    files = {
        **changed(V2, "experiments.tsv", V2["experiments.tsv"], "experimentId time conditionId\nrun 0 on\n"),
        "conditions.tsv": "conditionId targetId targetValue\non k 4\n",
        "parameters.tsv": "parameterId nominalValue estimate\ngain 2 false\n",
        "measurements.tsv": "observableId experimentId time measurement observableParameters\nseen run 0 1 k\n",
    }
    model = pm.load(written(tmp_path, files, "species S; k = 9; S = 3*k; dose = 0; S' = dose"))
    assert list(model.predictions()["prediction"]) == [4 * 27]


def test_a_mapping_table_may_only_describe(tmp_path: Path) -> None:
    files = changed(V2, "problem.yaml", "model_files", "mapping_files: [map.tsv]\nmodel_files")
    path = written(tmp_path, {**files, "map.tsv": "petabEntityId modelEntityId name\non  on_switch\nk k rate\n"})
    assert len(pm.load(path).measurements) == 4


def test_a_period_at_minus_infinity_lasts_until_the_model_rests(tmp_path: Path) -> None:
    files = changed(
        V2, "experiments.tsv", V2["experiments.tsv"], "experimentId time conditionId\nrun -inf on\nrun 0 add\n"
    )
    table = pm.load(written(tmp_path, files)).predictions()
    np.testing.assert_allclose(table["prediction"].iloc[1], 2 * (2 + 3 * math.exp(-0.5)), rtol=1e-6)


def test_the_inline_problems_have_no_findings_of_the_reference_library(tmp_path: Path) -> None:
    v1, v2 = pytest.importorskip("petab.v1"), pytest.importorskip("petab.v2")
    assert not v1.lint_problem(v1.Problem.from_yaml(str(written(tmp_path / "1", V1))))
    assert list(v2.Problem.from_yaml(written(tmp_path / "2", V2)).validate()) == []


FORMULAS = [
    "-2^2", "2^3^2", "2^-1*x", "a-b-x", "a/b/x", "-a*b^2", "log(8,2)+ln(a)+log(b)", "log10(a)*log2(b)", "1e-3+0.5e1",
    "piecewise(1/z, z>0, 7)", "piecewise(a, x<a && a<x, b, x<a || a<x, 9)", "piecewise(a, x<b, b, x<a, 9)",
    "min(a,b)*max(a,x)", "!(a<x)",
    "pow(a,b)-sqrt(x)*abs(-x)", "sign(-x)*exp(a)*tanh(b)", "a<=b", "+a - -b",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_mean_what_the_reference_library_reads_in_them(text: str) -> None:
    sympify = pytest.importorskip("petab.v2.math").sympify_petab
    values = {"a": 1.5, "b": 2.0, "x": 0.7, "z": 0.0}
    expression = sympify(text)
    found = expression.subs({symbol: values[symbol.name] for symbol in expression.free_symbols})
    expected = float(bool(found) if found.is_Boolean else found)
    assert float(formula(text).at(values)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("problem.yaml", "format_version: 1", "format_version: 3", "problem.yaml: format_version is 3; allowed are 1"),
        ("problem.yaml", "format_version: 1", "version: 1", "problem.yaml is no PEtab problem: it lacks format"),
        ("problem.yaml", "problems:", "problems: [", r"problem.yaml is not valid YAML \(line \d+\)"),
        ("problem.yaml", "[model.xml]", "[model.xml, b.xml]", "sbml_files names 2 files; allowed is one model"),
        ("problem.yaml", "[model.xml]", "[http://x.org/m.xml]", "only files are read"),
        ("problem.yaml", "problems:", "extensions: {sciml: {}}\nproblems:", "needs the PEtab extension 'sciml'"),
        ("problem.yaml", "problems:", "mapping_files: [map.tsv]\nproblems:", "tsv:2: modelEntityId is 'r.k'; allowed"),
        ("problem.yaml", "[observables.tsv]", "[none.tsv]", "cannot read .*none.tsv: No such file"),
        ("problem.yaml", "[observables.tsv]", "7", "observable_files is 7; allowed is the name of a file"),
        ("parameters.tsv", "nominalValue", "value", None),
        ("parameters.tsv", "parameterId", "id", "parameters.tsv lacks the column parameterId; it has id"),
        ("parameters.tsv", "log10", "log2", r"parameters.tsv:2: parameterScale is 'log2'; allowed are .*log10"),
        ("parameters.tsv", "0.5", "half", r"parameters.tsv:2: nominalValue is 'half'; allowed are numbers"),
        ("parameters.tsv", "0.01", "0", r"parameters.tsv:2: lowerBound is 0 on a logarithmic scale"),
        ("parameters.tsv", "gain", "k", r"parameters.tsv:4: parameterId is 'k'; allowed is an id that is in no other"),
        ("parameters.tsv", "gain", "twice", r"parameters.tsv:4: parameterId is 'twice', which the model computes"),
        ("conditions.tsv", " S", " X", r"conditions.tsv:2: 'X' is set, which is not in the model"),
        ("conditions.tsv", " S", " twice", r"conditions.tsv:2: twice is set, which a rule of the model computes"),
        ("conditions.tsv", "8", "8+", r"conditions.tsv:3: S: the formula '8\+' cannot be read"),
        ("conditions.tsv", "8", "x", "the value 'x' of S names 'x', which is neither in the model"),
        ("observables.tsv", "*twice", "*thrice", r"observables.tsv:2: observableFormula names 'thrice'"),
        ("observables.tsv", "log(", "lg(", r"observables.tsv:2: observableFormula: .* calls 'lg'; allowed are abs"),
        ("measurements.tsv", "seen high", "seen low", r"tsv:3: simulationConditionId is 'low'; allowed are as_is"),
        ("measurements.tsv", "seen high", "saw high", r"tsv:3: observableId is 'saw'; allowed are seen, plain"),
        ("measurements.tsv", "1.5", "", r"measurements.tsv:3: observableParameters has 0 values; .* of seen takes 1"),
        ("measurements.tsv", "inf", "-1", r"measurements.tsv:5: time is '-1'; allowed are numbers from 0, and inf"),
        ("measurements.tsv", "gain sd", "gain sd 1 2", r"measurements.tsv:2: 8 cells in a table of 6 columns"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line_and_what_is_allowed(
    name: str, old: str, new: str, says: str | None, tmp_path: Path
) -> None:
    path = written(tmp_path, changed(V1, name, old, new))
    if says is None:  # an optional column: the values of the file are in use
        assert dict(pm.load(path).settings) == {}
        return
    with pytest.raises(ModelError, match=says) as caught:
        pm.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("problem.yaml", "language: sbml", "language: pysb", "the language of the model is 'pysb'; allowed is 'sbml'"),
        (
            "problem.yaml",
            "model_files: {",
            "model_files: {two: {}, ",
            "model_files has 2 entries; allowed is one model",
        ),
        ("conditions.tsv", "off dose", "on dose", r"conditions.tsv:3: targetId is 'dose', which on sets a second"),
        ("experiments.tsv", "run 3 off", "run 1 off", r"sets dose a second time at 1"),
        ("experiments.tsv", "run 3 off", "run 3 of", r"experiments.tsv:2: conditionId is 'of'; allowed are on, off"),
        ("measurements.tsv", "seen run 4", "seen ran 4", r"measurements.tsv:4: experimentId is 'ran'; allowed are run"),
    ],
)
def test_a_bad_problem_of_version_2_is_refused_by_name(
    name: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=says):
        pm.load(written(tmp_path, changed(V2, name, old, new)))


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("experiments.tsv", "run 3 off", "run 3 double", "time 3 sets the state S to '3.gain'; allowed is to add"),
        ("conditions.tsv", "dose 1-dose", "dose S", "the value 'S' of dose names S, which is no constant"),
        ("experiments.tsv", "run 0 double", "run 0.5 double", "starts at 0.5; allowed are -inf .* and 0"),
    ],
)
def test_what_levels_and_doses_cannot_express_is_refused_when_it_is_asked_for(
    name: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    model = pm.load(written(tmp_path, changed(V2, name, old, new)))
    with pytest.raises(ModelError, match=says):
        model.experiment("run")


def test_a_folder_with_one_problem_is_loaded_and_two_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, V1)
    assert len(pm.load(tmp_path).measurements) == 4
    with pytest.raises(InvalidValueError, match=r"problem.yaml names its model itself; model='a' is for archives"):
        pm.load(path, model="a")
    (tmp_path / "second.yml").write_text(path.read_text())
    with pytest.raises(ModelError, match=r"holds 2 YAML files; allowed is one PEtab problem: problem.yaml, second.yml"):
        pm.load(tmp_path)


def test_unknown_experiments_are_named_and_a_model_without_any_has_empty_tables(tmp_path: Path) -> None:
    model = pm.load(written(tmp_path, V1))
    with pytest.raises(UnknownNameError, match="unknown experiment of problem 'hihg'; did you mean 'high'"):
        model.predictions(["hihg"])
    other = pm.load("acupuncture")
    assert (len(other.measurements), len(other.experiments), len(other.predictions())) == (0, 0, 0)
    with pytest.raises(UnknownNameError, match="unknown experiment of acupuncture"):
        other.experiment("high")


def test_experiments_travel_between_processes_and_models_compare(tmp_path: Path) -> None:
    first, second = pm.load(written(tmp_path, V1)), pm.load(written(tmp_path, V1))
    assert first.experiment_set == second.experiment_set == pickle.loads(pickle.dumps(first.experiment_set))
    assert first == second


def test_our_own_scenario_is_read_back_with_its_schedule_and_ranges(tmp_path: Path) -> None:
    plan = [pm.Level(input="BHB", value=3, at=2, until=50), pm.Level(input="MCC950", value=1, at=24)]
    model = pm.load("nlrp3_il1b")
    again = pm.load(pm.export(model, tmp_path, format="petab", treatments=plan, duration=100))
    _, schedule = again.experiment("scenario")
    assert {(s.input, s.value, s.at) for s in schedule} == {("BHB", 3, 2), ("BHB", 0.0074, 50), ("MCC950", 1, 24)}
    table = again.predictions()
    scale = table.groupby("observable")["measurement"].transform(lambda v: v.abs().max())
    assert (abs(table["prediction"] - table["measurement"]) < 1e-6 * scale).all()
    ranged = model.parameters[model.parameters["distribution"] != "fixed"].index
    assert list(again.parameters.loc[ranged, "low"]) == list(model.parameters.loc[ranged, "low"])


def test_our_own_calibration_is_read_back_and_predicts_what_was_calibrated(tmp_path: Path) -> None:
    made = pm.inference.write_petab(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], tmp_path, allow=["assumed"])
    table = pm.load(made.yaml).predictions()
    predicted = pm.evidence.report(pm.load("ampk_pgc1a")).to_dataframe().set_index("id").loc["kd_gsh", "prediction"]
    assert float(table["prediction"].iloc[0]) == pytest.approx(predicted, rel=1e-4)
