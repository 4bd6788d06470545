"""Wrong input that somebody may well give: one sentence that names the argument, the value and what is allowed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import pathway_models as pm
from helpers import flat, tiny
from pathway_models._cli.text import parameters_named
from pathway_models.errors import (
    InvalidValueError,
    KeywordError,
    ModelWarning,
    PathwayModelsError,
    SimulationError,
    unknown_name,
    warn,
)
from pathway_models.evidence.observations import arrange
from pathway_models.sensitivity import analysis

MODEL = tiny("compartment c = 1; species S in c; S = 10; k = 0.1; u = 0; J: S -> ; k*S*c; y := S + u")
RANGES = {"k": (0.1, 0.2)}


class Careless:
    def schedule(self) -> Any:
        return [("u", 1)]


def sobol(**changed: Any) -> Any:
    given = {"outcomes": ["S"], "parameters": RANGES, "duration": 1, "n": 4, "workers": 1, "progress": False} | changed
    return flat(pm.sobol, given.pop("model", MODEL), given.pop("treatments", ()), **given)


def morris(**changed: Any) -> Any:
    given = {"outcomes": ["S"], "parameters": RANGES, "duration": 1, "workers": 1, "progress": False} | changed
    return flat(pm.morris, MODEL, **given)


def ensemble(rows: Any = None, **changed: Any) -> Any:
    given = {"outcomes": ["S"], "duration": 1, "workers": 1, "progress": False} | changed
    return flat(pm.ensemble, given.pop("model", MODEL), {"k": [0.1]} if rows is None else rows, **given)


# what is called, and words that the message must hold
WRONG: list[tuple[Callable[[], object], list[str]]] = [
    # numbers
    (lambda: MODEL.with_parameters(k="5 mM"), ["k is '5 mM'", "a number"]),
    (lambda: MODEL.with_parameters(k="5"), ["k is '5'", "a number"]),
    (lambda: MODEL.with_parameters(k=None), ["k is None", "a number"]),
    (lambda: MODEL.with_parameters(k=[1, 2]), ["k is [1, 2]", "a number"]),
    (lambda: MODEL.with_parameters(k=True), ["k is True", "a number"]),
    (lambda: pm.load("acupuncture").simulate(weeks="12"), ["weeks is '12'", "a number"]),  # type: ignore[arg-type]
    (lambda: MODEL.simulate(duration="12"), ["duration is '12'", "a number"]),  # type: ignore[arg-type]
    (lambda: MODEL.simulate(duration=1, every="1"), ["every is '1'", "a number"]),  # type: ignore[arg-type]
    (lambda: pm.Level(input="u", value="2 mM"), ["level of u is '2 mM'", "a number"]),  # type: ignore[arg-type]
    (lambda: pm.Level(input="u", value=1, until="3"), ["stop of u is '3'", "a number"]),  # type: ignore[arg-type]
    (lambda: pm.Level(input="u", value=1, at="3"), ["start of u is '3'", "a number"]),  # type: ignore[arg-type]
    (lambda: pm.Level(input=None, value=1), ["input of a level is None", "Level(input="]),  # type: ignore[arg-type]
    (lambda: pm.Dose(input="S", amount="1", times=(3,)), ["dose of S is '1'"]),  # type: ignore[arg-type]
    (lambda: pm.Dose(input="S", amount=1, times=3), ["times of the dose of S is 3", "list"]),  # type: ignore[arg-type]
    (lambda: pm.Dose(input="S", amount=1, times="24"), ["is '24'", "list of numbers"]),  # type: ignore[arg-type]
    (lambda: pm.Outcome(variable=5), ["variable of an outcome is 5"]),  # type: ignore[arg-type]
    # counts and seeds
    (lambda: sobol(n=8.0), ["n is 8.0", "whole numbers from 2"]),
    (lambda: sobol(n="8"), ["n is '8'", "whole numbers from 2"]),
    (lambda: sobol(n=2**40), [f"n is {2**40}", "to 1073741824"]),
    (lambda: sobol().extend("8"), ["n is '8'"]),
    (lambda: sobol(seed=None), ["seed is None", "whole numbers from 0"]),
    (lambda: sobol(seed=1.5), ["seed is 1.5"]),
    (lambda: sobol(seed="a"), ["seed is 'a'"]),
    (lambda: sobol(workers="2"), ["workers is '2'", "whole numbers from 1"]),
    (lambda: sobol(resamples=10.5), ["resamples is 10.5"]),
    (lambda: sobol(target_width=0.1, budget="all"), ["budget is 'all'"]),
    (lambda: morris(trajectories=4.0), ["trajectories is 4.0"]),
    (lambda: morris(levels="4"), ["levels is '4'"]),
    (lambda: morris(seed=None), ["seed is None"]),
    (lambda: pm.draw(MODEL, 4.0), ["number of draws is 4.0"]),  # type: ignore[arg-type]
    (lambda: pm.population(pm.load("excitability"), 4.0, seed=1), ["patients is 4.0"]),  # type: ignore[arg-type]
    (lambda: pm.population(pm.load("excitability"), 4, seed=None), ["seed is None"]),  # type: ignore[arg-type]
    # lists, ranges and groups
    (lambda: sobol(times="24"), ["times is '24'", "list of numbers"]),
    (lambda: ensemble(times=0.5), ["times is 0.5", "list of numbers"]),
    (lambda: sobol(parameters={"k": "12"}), ["range of k is '12'", "(low, high)"]),
    (lambda: sobol(parameters={"k": (1,)}), ["range of k is (1,)", "(low, high, law)"]),
    (lambda: sobol(parameters={"k": (1, "2")}), ["range of k is '2'", "a number"]),
    (
        lambda: sobol(parameters={"k": (1, 2, "cauchy")}),
        ["law of k 'cauchy'", "loguniform, normal"],
    ),
    (lambda: sobol(parameters={"k": (0, 2, "loguniform")}), ["(0, 2)", "low end above 0"]),
    (lambda: sobol(groups={"g": [1]}), ["a name in groups is 1"]),
    (lambda: sobol(times=[1, 0.5]), ["times is [1.0, 0.5]", "increase"]),
    (lambda: pm.load("acupuncture").simulate(weeks=-1), ["weeks is -1", "above 0"]),
    (lambda: pm.sobol(MODEL, factors=5), ["factors is 5", "Factors(groups="]),  # type: ignore[arg-type]
    (lambda: sobol(parameters=5), ["parameters is 5", "{name: (low, high)}"]),
    (lambda: pm.load("acupuncture").simulate(weeks=1, variables=3), ["variables is 3"]),
    (lambda: pm.load("acupuncture").simulate(weeks=1, variables=[3]), ["a name in variables is 3"]),
    (lambda: pm.load("acupuncture").with_parameters([1]), ["values is [1]"]),
    (lambda: pm.export(pm.load("acupuncture"), 3), ["path is 3"]),
    (lambda: pm.export("gaba", "x.xml"), ["model is 'gaba'"]),
    (lambda: sobol(parameters={"y": (1, 2)}), ["y of tiny is computed by a rule"]),
    (lambda: sobol(groups=5), ["groups is 5", "module, kind, wire"]),
    (lambda: sobol(groups={"g": "k"}), ["group 'g' is 'k'", "a list of names"]),
    (lambda: sobol(groups={"g": ["k"], "h": []}), ["group 'h' is []"]),
    (lambda: sobol(outcomes=5), ["outcomes is 5"]),
    (lambda: sobol(outcomes=None), ["outcomes is None"]),
    (lambda: ensemble([0.1]), ["rows is [0.1]", "a value per row"]),
    # the wrong kind of thing
    (lambda: pm.load(None), ["name is None", 'load("epilepsy")']),  # type: ignore[arg-type]
    (lambda: pm.evidence.report("epilepsy"), ["model is 'epilepsy'"]),  # type: ignore[arg-type]
    (lambda: pm.lesion("epilepsy", outcomes=["E"]), ["model is 'epilepsy'"]),  # type: ignore[arg-type]
    (lambda: pm.hypothesis_scan("epilepsy", outcomes=["E"]), ["model is 'epilepsy'"]),  # type: ignore[arg-type]
    (lambda: pm.calibrate("epilepsy", ["k"], ["x"]), ["model is 'epilepsy'"]),  # type: ignore[arg-type]
    (lambda: sobol(model="epilepsy"), ["model is 'epilepsy'", "pm.load('epilepsy')"]),
    (lambda: ensemble(model="epilepsy"), ["model is 'epilepsy'", "pm.load('epilepsy')"]),
    (lambda: pm.compare("a", [], []), ["model is 'a'", "pm.load('a')"]),  # type: ignore[arg-type]
    (lambda: MODEL.simulate(None, duration=1), ["treatments is None", "[] for none"]),  # type: ignore[arg-type]
    (lambda: MODEL.simulate([Careless()], duration=1), ["schedule of Careless is ('u', 1)"]),
    (lambda: pm.Study(MODEL, pm.KetogenicDiet()), ["treatments is Ket", "list"]),  # type: ignore[arg-type]
    (lambda: pm.Study(MODEL, "diet"), ["treatments is 'diet'", "a list"]),  # type: ignore[arg-type]
    (lambda: pm.Study(MODEL, times=24), ["times is 24", "a list"]),  # type: ignore[arg-type]
    (lambda: pm.Execution(progress="no"), ["progress is 'no'", "progress=False"]),  # type: ignore[arg-type]
    (lambda: pm.Sampling(second_order="no"), ["second_order is 'no'", "=True"]),  # type: ignore[arg-type]
    (lambda: pm.Sampling(budget=5), ["budget is 5", "target_width"]),
    (lambda: pm.calibrate(MODEL, ["k"], residuals=5), ["residuals is 5", "Residuals("]),  # type: ignore[arg-type]
    (lambda: pm.calibrate(MODEL, pm.Factors(groups="kind"), ["x"]), ["groups='kind'", "no groups or copula"]),
    (lambda: pm.inference.Residuals(prior="no"), ["prior is 'no'", "prior=True"]),  # type: ignore[arg-type]
    (lambda: pm.inference.Starts(at=5), ["at is 5", "at={"]),  # type: ignore[arg-type]
    (lambda: pm.loop_gains("epilepsy"), ["model is 'epilepsy'", "pm.load('epilepsy')"]),  # type: ignore[arg-type]
    (lambda: sobol(limits=5), ["limits is 5", "Limits("]),
    (lambda: sobol(checkpoint=5), ["checkpoint is 5", "folder"]),
    (lambda: sobol(copula=5), ["copula is 5", "GaussianCopula("]),
    (lambda: pm.calibrate(MODEL, ["k"], [5]), ["observations is 5", "Observation(id="]),  # type: ignore[list-item]
    (lambda: MODEL.simulate(duration=1).pm.plot(["S"]), ["variable is ['S']", "pm.plot('IL1B', 'GABA')"]),
]


@pytest.mark.parametrize(("call", "words"), WRONG, ids=[words[0] for _, words in WRONG])
def test_the_message_names_the_argument_and_what_is_allowed(call: Callable[[], object], words: list[str]) -> None:
    with pytest.raises(PathwayModelsError) as found:
        call()
    text = str(found.value)
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        (pm.KetogenicDiet, 4, "ratio=4"),
        (pm.Outcome, "IL1B", "variable='IL1B'"),
        (pm.Level, "BHB", "input='BHB'"),
        (pm.Electroacupuncture, 5, "sessions_per_week=5"),
        (pm.Drug, "LPS", "name='LPS'"),
        (pm.evidence.Observation, "x", "id='x'"),
    ],
)
def test_a_value_without_a_name_is_told_the_name(kind: Any, value: object, name: str) -> None:
    with pytest.raises(KeywordError, match="by name") as found:
        kind(value)
    assert f"{kind.__name__}({name})" in str(found.value)
    assert isinstance(found.value, TypeError)


def test_a_name_that_is_part_of_others_finds_them_shortest_first() -> None:
    names = [*(f"IC50_{i}" for i in range(9)), "IC50_BHB_NLRP3", "MCC950", "IC5"]
    text = str(unknown_name("parameter", "ic50", names))
    assert "did you mean 'IC50_0', 'IC50_1', 'IC50_2', 'IC50_3', 'IC50_4'" in text
    assert "'IC50_BHB_NLRP3'" in str(unknown_name("parameter", "IC50_BHB", names)).split("?")[0]


def test_parameters_that_are_named_but_in_no_group_are_refused() -> None:
    both = {"k": (0.1, 0.2), "u": (0.0, 1.0)}
    with pytest.raises(InvalidValueError, match=r"u of parameters is in no group .*'u': \['u'\]"):
        sobol(parameters=both, groups={"g": ["k"]})
    whole = sobol(parameters=both, groups={"g": ["k"], "u": ["u"]})
    assert whole.factors == ("g", "u")
    assert [p.id for p in sobol(parameters=None, groups={"g": ["k"]}).parameters] == ["k"], "no names: groups choose"


# ---- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "far"), [(5000, True), (1e300, True), (0.004, True), (25, False), (0, False)])
def test_a_value_far_outside_of_its_range_is_taken_with_a_warning(value: float, far: bool) -> None:
    """The usual value is 5 mmol/L, the range 0.04 to 20; 0 switches off and says nothing of the size."""
    model = pm.load("nlrp3_il1b")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert model.with_parameters(IC50_BHB_NLRP3=value).settings["IC50_BHB_NLRP3"] == value
    assert [w.category for w in found] == [ModelWarning] * far
    for w in found:
        assert f"IC50_BHB_NLRP3 is {value:g}, far outside of its range from 0.04 to 50" in str(w.message)
        assert w.filename == __file__, "it points at the line of the user"


def test_a_file_without_a_table_has_no_range_to_be_outside_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MODEL.with_parameters(k=1e6)


def test_values_of_our_own_observations_are_meant() -> None:
    """One of them has a gain of 1,000 times the usual."""
    model = pm.load("mtor_autophagy")
    rows = [row for row in pm.evidence.read_observations(model) if dict(row.settings).get("gain_AMPK_TSC2") == 1000]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [arrange(model, row).settings["gain_AMPK_TSC2"] for row in rows] == [1000.0] * len(rows) != []


def test_a_warning_from_outside_of_the_package_is_at_its_own_line() -> None:
    with pytest.warns(ModelWarning, match="slow") as found:
        warn("slow")
    assert found[0].filename == __file__


# ---- failures, figures, what is said before long work --------------------------------------------------------------


@pytest.mark.parametrize("formula", ["1/K", "S/(2*K)", "(S/K)^2", "ln(K)", "1/K^2"])
def test_a_run_that_fails_says_what_is_zero_below_a_fraction(formula: str) -> None:
    model = tiny(f"K = 1; S = 1; unrelated = 0; S' = -{formula} + unrelated")
    with pytest.raises(SimulationError, match=r"the model divides by K, which is 0$"):
        model.with_parameters(K=0).simulate(duration=1)


def test_a_run_that_fails_otherwise_blames_nothing() -> None:
    with pytest.raises(SimulationError) as found:
        tiny("x = 1; zero = 0; x' = x^2 + zero").simulate(duration=2)
    assert "divides" not in str(found.value)


def test_a_figure_without_names_shows_what_there_is() -> None:
    try:
        foreign = MODEL.simulate(duration=1).pm.plot()
        assert [a.get_title(loc="left") for a in foreign.axes] == ["S", "y"]
        ours = pm.load("acupuncture").simulate(weeks=1).pm.plot()
        assert len(ours.axes) == len(pm.load("acupuncture").output_ports[:9])
    finally:
        plt.close("all")


@pytest.mark.parametrize(("backend", "left"), [("inline", 0), ("agg", 1)])
def test_a_notebook_shows_a_figure_once(backend: str, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell shows what it returns, and pyplot whatever is open at its end."""
    run = MODEL.simulate(duration=1)
    plt.close("all")
    monkeypatch.setattr(matplotlib, "get_backend", lambda: backend)
    figure = run.pm.plot("S")
    assert len(plt.get_fignums()) == left
    assert len(figure.axes) == 1
    plt.close("all")


def test_large_models_are_announced_before_silent_work(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sobol(progress=True)
    assert "compiling" not in capfd.readouterr().err, "a small model takes no time"
    monkeypatch.setattr(analysis, "LARGE", 1)
    sobol(progress=True)
    assert capfd.readouterr().err.startswith("tiny: compiling it and comparing the engines before the first run")
    sobol(progress=False)
    assert capfd.readouterr().err == ""


def test_indices_are_shown_in_one_line() -> None:
    assert repr(sobol(n=8).indices) == "Indices(1 factors, 1 columns, from 8 base rows)"


# ---- laws of ranges --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["uniform", "loguniform", "normal", "lognormal"])
def test_a_range_is_sampled_by_the_law_that_was_asked_for(law: str) -> None:
    """The median of a law on a linear scale is the mean of the ends, else the geometric one."""
    result = sobol(parameters={"k": (1.0, 100.0, law)}, n=2)
    assert result.parameters[0].distribution == law
    middle = 10.0 if law.startswith("log") else 50.5
    assert result.analysis.table(result.analysis.design(2).unit[:1] * 0 + 0.5)[0, 0] == pytest.approx(middle)
    assert f"Ranges given: k 1 to 100 ({law})." in result.summary()


def test_two_numbers_are_log_uniform_above_zero_and_the_summary_says_so() -> None:
    result = sobol(parameters={"k": (0.1, 10), "u": (-1, 1)})
    assert "Ranges given: k 0.1 to 10 (loguniform) and u -1 to 1 (uniform)." in result.summary()
    assert "Ranges given" not in sobol(parameters=["k"]).summary()


def test_the_law_is_in_the_code_that_repeats_the_analysis(tmp_path: Path) -> None:
    result = sobol(parameters={"k": (0.1, 10, "normal"), "u": (-1, 1)})
    assert "factors={'k': (0.1, 10, 'normal'), 'u': (-1, 1)}" in result.analysis.code()
    asked = parameters_named(["k=0.1:10:normal", "u=-1:1"])
    assert asked == {"k": (0.1, 10.0, "normal"), "u": (-1.0, 1.0)}


def test_the_code_of_a_study_and_of_an_analysis_runs_again() -> None:
    """Classes outside of `pm` itself, numbers that are no literal, arrays, a generator."""
    treatments = (t for t in [pm.treatments.Fasting(hours=12), pm.Level(input="BHB_infusion", value=1, until=np.inf)])
    times = np.array([12, 24])
    study = pm.Study(pm.load("ketone_katp"), treatments, outcomes="BHB_plasma", duration=24, times=times)  # type: ignore[arg-type]
    pair = [p.id for p in study.model.constants if p.uncertain][:2]
    factors = pm.Factors(
        parameters=pair, groups={"g": pair}, copula=pm.sensitivity.GaussianCopula(correlations={tuple(pair): 0.5})
    )
    here = pm.Execution(workers=1, progress=False, engine="roadrunner")
    result = pm.sobol(study, n=2, factors=factors, execution=here)
    again = eval(result.analysis.code(), {"pm": pm})
    assert repr(eval(repr(study), {"pm": pm})) == repr(study)
    assert np.array_equal(again.to_dataframe()["ST"], result.to_dataframe()["ST"], equal_nan=True)


def test_what_can_be_set_can_be_varied() -> None:
    """A start value and a compartment of a file, an input of ours: none is a constant of the table."""
    model = tiny("compartment c = 2; species S in c; S = 3; J: S -> ; S")
    ranges = {"c": (1, 4, "uniform"), "S": (1, 10)}
    final = pm.Outcome(variable="S", reduce="final")
    varied = pm.sobol(
        model, outcomes=[final], duration=1, factors=ranges, n=4, execution=pm.Execution(workers=1, progress=False)
    )
    assert [(p.id, p.value, p.kind) for p in varied.parameters] == [("c", 2.0, "unknown"), ("S", 3.0, "unknown")]
    size, start = varied.analysis.table(varied.design.unit).T
    np.testing.assert_allclose(varied.runs.values[:, 0], start * np.exp(-1 / size), rtol=1e-5)
    draws = pm.draw(pm.load("nlrp3_il1b"), 4, factors={"BHB": (0.5, 2)})
    assert ((draws["BHB"] >= 0.5) & (draws["BHB"] <= 2)).all()
    with pytest.raises(InvalidValueError, match="c has no range"):
        pm.draw(model, 4, factors=["c"])
