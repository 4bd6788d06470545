"""`pm.sobol` on SBML files with known indices, its reproducibility, failed rows, groups, laws and its tables."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import antimony
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from SALib.analyze import sobol as salib_analyze
from scipy import stats

import pathway_models as pm
from helpers import flat
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.modules.laws import sample

ISHIGAMI = "model ishigami()\n x1 = {0}; x2 = {0}; x3 = {0}; y := sin(x1) + 7*sin(x2)^2 + 0.1*x3^4*sin(x1)\nend"
G_WEIGHTS = (0.0, 1.0, 4.5, 9.0)
SOBOL_G = (
    "model sobol_g()\n"
    + "\n".join(f" x{i} = 0.5" for i in range(4))
    + "\n y := "
    + "*".join(f"(abs(4*x{i} - 2) + {a})/(1 + {a})" for i, a in enumerate(G_WEIGHTS))
    + "\nend"
)
LINEAR = "model linear()\n a = 2; b = 3; c = 0; d = -1; e = 5; constant_ := 7; y := a + b; z := a*b + 4*e\nend"
PARTLY = "model partly()\n k = 0; a = 1; b = 1; y := a*sqrt(k) + b; z := a + b\nend"  # no number for k < 0
HERE: dict[str, Any] = {"duration": 1, "every": 1, "workers": 1, "progress": False}
ARRAYS = ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high")


def model_of(text: str, folder: Path) -> pm.Model:
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()
    name = antimony.getMainModuleName()
    path = folder / f"{name}.xml"
    path.write_text(antimony.getSBMLString(name), encoding="utf-8")
    return pm.load(path)


def assert_same_bits(one: pm.sensitivity.SobolResult, two: pm.sensitivity.SobolResult) -> None:
    assert_array_equal(one.design.unit, two.design.unit)
    assert_array_equal(one.runs.values, two.runs.values)
    assert_array_equal(one.runs.status, two.runs.status)
    for name in ARRAYS:
        assert_array_equal(getattr(one.indices, name), getattr(two.indices, name))


@pytest.fixture
def linear(tmp_path: Path) -> pm.Model:
    return model_of(LINEAR, tmp_path)


# ---- functions with known indices --------------------------------------------------------------------------


def test_ishigami_has_its_analytic_indices(tmp_path: Path) -> None:
    """Ishigami & Homma 1990, doi:10.1109/ISUMA.1990.151285, as an SBML file."""
    model = model_of(ISHIGAMI.format(0), tmp_path)
    bounds = (-math.pi, math.pi)
    result = flat(
        pm.sobol,
        model,
        outcomes=["y"],
        n=1024,
        parameters={f"x{i}": bounds for i in (1, 2, 3)},
        second_order=True,
        **HERE,
    )
    v1, v2, v13 = (1 + 0.1 * math.pi**4 / 5) ** 2 / 2, 49 / 8, 8 * 0.1**2 * math.pi**8 / 225
    total = v1 + v2 + v13
    assert_allclose(result.indices.S1[:, 0], np.array([v1, v2, 0]) / total, atol=0.03)
    assert_allclose(result.indices.ST[:, 0], np.array([v1 + v13, v2, v13]) / total, atol=0.03)
    assert_allclose(result.indices.variance, total, rtol=0.05)
    pairs = result.second_order().set_index(["a", "b"])["S2"]
    assert_allclose(pairs["x1", "x3"], v13 / total, atol=0.06)
    assert_allclose([pairs["x1", "x2"], pairs["x2", "x3"]], 0, atol=0.06)
    assert {p.distribution for p in result.parameters} == {"uniform"}


def test_sobol_g_has_its_analytic_indices(tmp_path: Path) -> None:
    """Saltelli & Sobol 1995: each factor alone has the variance 1/(3 (1 + a)^2)."""
    model = model_of(SOBOL_G, tmp_path)
    result = flat(pm.sobol, model, outcomes=["y"], n=1024, parameters={f"x{i}": (0, 1) for i in range(4)}, **HERE)
    own = 1 / (3 * (1 + np.array(G_WEIGHTS)) ** 2)
    variance = np.prod(1 + own) - 1
    assert_allclose(result.indices.S1[:, 0], own / variance, atol=0.03)
    assert_allclose(result.indices.ST[:, 0], own * np.prod(1 + own) / (1 + own) / variance, atol=0.03)
    assert_allclose(result.indices.mean, 1, atol=0.01)
    for name in ("S1", "ST"):
        low, value, high = (getattr(result.indices, name + end)[:, 0] for end in ("_low", "", "_high"))
        assert (low < value).all()
        assert (value < high).all()


def test_a_range_below_zero_may_be_given_for_any_constant_of_a_foreign_file(tmp_path: Path) -> None:
    """The file says nothing of what is allowed; the value in it, 0.1, does not either."""
    model = model_of(ISHIGAMI.format(0.1), tmp_path)
    parameters = {f"x{i}": (-math.pi, math.pi) for i in (1, 2, 3)}
    result = flat(pm.sobol, model, outcomes=["y"], n=64, parameters=parameters, **HERE)
    other = flat(pm.sobol, model_of(ISHIGAMI.format(0), tmp_path), outcomes=["y"], n=64, parameters=parameters, **HERE)
    assert_array_equal(result.runs.values, other.runs.values)


# ---- the same seed, the same result ------------------------------------------------------------------------


def test_same_seed_same_bits_on_one_and_two_processes() -> None:
    model = pm.load("acupuncture")
    options: dict[str, Any] = {
        "outcomes": ["vagal_drive", "plastic_trace"],
        "n": 8,
        "seed": 5,
        "parameters": ["gain_vagal", "tau_session"],
        "weeks": 2,
        "progress": False,
    }
    arms = [pm.Electroacupuncture()]
    one = flat(pm.sobol, model, arms, workers=1, **options)
    assert_same_bits(one, flat(pm.sobol, model, arms, workers=1, **options))
    assert_same_bits(one, flat(pm.sobol, model, arms, workers=2, **options))


def test_the_coupled_model_gives_the_same_bits_on_two_processes_and_takes_gains() -> None:
    model = pm.load("epilepsy")
    gain = next(g for g in model.gains if g.endswith("nlrp3_il1b__BHB"))
    options: dict[str, Any] = {
        "outcomes": ["seizure_rate", "IL1B"],
        "n": 2,
        "parameters": {gain: (0, 1)},
        "weeks": 1,
        "progress": False,
    }
    arms = [pm.KetogenicDiet()]
    one = flat(pm.sobol, model, arms, workers=1, **options)
    assert_same_bits(one, flat(pm.sobol, model, arms, workers=2, **options))
    assert one.runs.ok.all()
    assert len(np.unique(one.runs.values[:, 1])) == 4, "IL-1beta must follow the gain of its BHB wire"
    assert (one.model, one.arm, one.factors) == ("epilepsy", "ketogenic_diet", (gain,))
    assert one.parameters[0].distribution == "uniform"


def test_another_seed_gives_another_result_and_zero_is_a_seed(linear: pm.Model) -> None:
    results = [flat(pm.sobol, linear, outcomes=["y"], n=16, seed=seed, **HERE) for seed in (0, 1, 0)]
    assert_same_bits(results[0], results[2])
    assert not np.array_equal(results[0].runs.values, results[1].runs.values)
    assert not np.array_equal(results[0].indices.S1, results[1].indices.S1)
    assert results[0].design.seed == 0


# ---- failed rows -------------------------------------------------------------------------------------------


def test_failed_rows_drop_their_base_row_and_nothing_else(tmp_path: Path) -> None:
    model = model_of(PARTLY, tmp_path)
    ranges = {"k": (-0.2, 1.0), "a": (0.5, 2.0), "b": (0.5, 2.0)}
    result = flat(pm.sobol, model, outcomes=["y", "z"], n=64, seed=3, parameters=ranges, **HERE)
    k = -0.2 + 1.2 * result.design.unit[:, 0]
    assert_array_equal(result.runs.ok, k >= 0)
    failed = int(np.sum(k < 0))
    assert 0 < failed < len(k) / 2
    assert {result.runs.messages[i] for i in np.flatnonzero(k < 0)} == {"y is not finite"}
    assert np.isnan(result.runs.values[k < 0, 0]).all()
    assert np.isfinite(result.runs.values[k >= 0]).all()

    kept = (k >= 0).reshape(64, -1).all(axis=1)
    rows = np.repeat(kept, result.design.rows_per_base)
    design = dataclasses.replace(result.design, n=int(kept.sum()), unit=result.design.unit[rows])
    expected = pm.sensitivity.sobol_indices(result.runs.values[rows], design, seed=3)
    assert (result.indices.n_used, result.indices.n_dropped) == (kept.sum(), 64 - kept.sum())
    for name in ARRAYS:
        assert_array_equal(getattr(result.indices, name), getattr(expected, name))

    lines = result.summary().splitlines()
    assert f"{len(k) - failed} of {len(k)} runs succeeded on libroadrunner (compiling takes longer" in lines[0]
    assert f"; {failed} failed" in lines[0]
    assert "y is not finite" in lines[0]
    assert lines[1].startswith(f"{64 - kept.sum()} of 64 base rows were dropped because a run in them failed")


def test_too_few_rows_left_is_an_error_of_this_library(tmp_path: Path) -> None:
    model = model_of(PARTLY, tmp_path)
    with pytest.raises(InvalidValueError, match="y is not finite"):
        flat(pm.sobol, model, outcomes=["y"], n=4, parameters={"k": (-2.0, -1.0)}, **HERE)


# ---- what is varied ----------------------------------------------------------------------------------------


def test_constants_of_a_foreign_file_go_from_half_to_twice(linear: pm.Model) -> None:
    result = flat(pm.sobol, linear, outcomes=["y"], n=16, **HERE)
    assert [(p.id, p.low, p.high, p.distribution) for p in result.parameters] == [
        ("a", 1.0, 4.0, "loguniform"),
        ("b", 1.5, 6.0, "loguniform"),
        ("e", 2.5, 10.0, "loguniform"),
    ]
    a, b, _ = (value * 4**u / 2 for value, u in zip((2, 3, 5), result.design.unit.T, strict=True))
    assert_allclose(result.runs.values[:, 0], a + b)
    assert result.indices.ST[2, 0] == 0


def test_own_models_vary_what_their_tables_give_a_range() -> None:
    model = pm.load("acupuncture")
    result = pm.sobol(
        model,
        [pm.Electroacupuncture()],
        outcomes=["vagal_drive"],
        weeks=1,
        n=2,
        execution=pm.Execution(workers=1, progress=False),
    )
    table = model.parameters
    assert set(result.factors) == set(table.index[table["distribution"] != "fixed"])
    assert result.runs.values.shape == (2 * (len(result.factors) + 2), 1)
    for p in result.parameters:
        assert (p.low, p.high) == (table.loc[p.id, "low"], table.loc[p.id, "high"])


def test_an_anchored_parameter_is_not_varied_unless_named() -> None:
    model = pm.load("excitability")
    anchored = next(iter(model.anchors))
    options: dict[str, Any] = {"outcomes": ["seizure_rate"], "n": 2, "weeks": 1, "workers": 1, "progress": False}
    assert not set(model.anchors) & set(flat(pm.sobol, model, **options).factors)
    assert flat(pm.sobol, model, parameters={anchored: (0.5, 1.5)}, **options).factors == (anchored,)


def test_given_ranges_are_log_uniform_above_zero_and_uniform_else(linear: pm.Model) -> None:
    ranges = {"a": (0.1, 10.0), "c": (-1.0, 1.0), "b": (0.0, 4.0)}
    result = flat(pm.sobol, linear, outcomes=["a", "b", "c"], n=8, parameters=ranges, **HERE)
    assert [p.distribution for p in result.parameters] == ["loguniform", "uniform", "uniform"]
    u = result.design.unit
    expected = [stats.loguniform(0.1, 10).ppf(u[:, 0]), stats.uniform(0, 4).ppf(u[:, 2]), 2 * u[:, 1] - 1]
    assert_allclose(result.runs.values, np.column_stack(expected), atol=1e-12)


@pytest.mark.parametrize(
    ("law", "exact"),
    [
        ("uniform", stats.uniform(0.5, 1.5)),
        ("loguniform", stats.loguniform(0.5, 2.0)),
        ("normal", stats.norm(1.25, 0.75 / stats.norm.ppf(0.975))),
        ("lognormal", stats.lognorm(math.log(2) / stats.norm.ppf(0.975), scale=1.0)),
    ],
)
def test_laws_have_the_quantiles_of_scipy(law: str, exact: Any) -> None:
    """low and high are the ends of every law; normal ones are cut there, at their 2.5 and 97.5 percentiles."""
    p = pm.models.Parameter(id="k", value=1, unit="", kind="assumed", low=0.5, high=2.0, distribution=law)
    unit = np.array([1e-6, 0.025, 0.1, 0.5, 0.9, 0.975, 1 - 1e-6])
    quantile = 0.025 + 0.95 * unit if "normal" in law else unit
    assert_allclose(sample(p, unit), exact.ppf(quantile), rtol=1e-9)
    assert_allclose(sample(p, np.array([0.0, 1.0])), [0.5, 2.0], rtol=1e-9)
    assert np.isfinite(sample(p, np.array([0.0]))).all()


# ---- groups ------------------------------------------------------------------------------------------------


def test_a_mapping_groups_parameters_and_leaves_the_rest_alone(linear: pm.Model) -> None:
    result = flat(pm.sobol, linear, outcomes=["y", "z"], n=64, groups={"first": ["a", "e"], "second": ["b"]}, **HERE)
    assert result.factors == ("first", "second")
    assert [p.id for p in result.parameters] == ["a", "b", "e"]
    assert len(result.runs.values) == 64 * 4
    rows = result.design.unit.reshape(64, 4, 3)
    assert_array_equal(rows[:, 1][:, [0, 2]], rows[:, 3][:, [0, 2]])
    assert_array_equal(rows[:, 1][:, 1], rows[:, 0][:, 1])

    alone = flat(pm.sobol, linear, outcomes=["z"], n=8, groups={"only": ["a", "b"]}, **HERE)
    a, b = (value * 4**u / 2 for value, u in zip((2, 3), alone.design.unit.T, strict=True))
    assert_allclose(alone.runs.values[:, 0], a * b + 20)


def test_groups_by_kind_of_evidence() -> None:
    model = pm.load("acupuncture")
    options: dict[str, Any] = {"outcomes": ["vagal_drive"], "n": 4, "weeks": 1, "workers": 1, "progress": False}
    result = flat(pm.sobol, model, [pm.Electroacupuncture()], groups="kind", **options)
    table = model.parameters
    varied = table[table["distribution"] != "fixed"]
    assert set(result.factors) == set(varied["kind"])
    assert len(result.factors) > 1
    assert len(result.runs.values) == 4 * (len(result.factors) + 2)


def test_groups_by_module() -> None:
    model = pm.load("acupuncture")
    options: dict[str, Any] = {"outcomes": ["vagal_drive"], "n": 4, "weeks": 1, "workers": 1, "progress": False}
    result = flat(pm.sobol, model, [pm.Electroacupuncture()], groups="module", **options)
    assert result.factors == ("acupuncture",)

    coupled = pm.load("epilepsy")
    names = ["tau_session", "nlrp3_il1b.k_import_NFKB", coupled.gains[0], "acupuncture.gain_vagal"]
    ranges = dict.fromkeys(names, (0.5, 1.5))
    options["outcomes"], options["n"], options["weeks"] = ["seizure_rate"], 2, 0.1
    assert flat(pm.sobol, coupled, groups="module", parameters=ranges, **options).factors == (
        "acupuncture",
        "nlrp3_il1b",
        "wires",
    )


def test_a_parameter_in_two_groups_is_refused(linear: pm.Model) -> None:
    with pytest.raises(InvalidValueError, match="groups name a twice"):
        flat(pm.sobol, linear, outcomes=["y"], n=4, groups={"first": ["a"], "second": ["a", "b"]}, **HERE)


# ---- tables, SALib, words ----------------------------------------------------------------------------------


def test_the_table_is_complete_and_sorted_by_total_index(linear: pm.Model) -> None:
    result = flat(pm.sobol, linear, outcomes=["z", "y"], n=32, **HERE)
    frame = result.to_dataframe()
    assert list(frame.columns) == ["outcome", "factor", *ARRAYS]
    assert frame["outcome"].tolist() == ["z"] * 3 + ["y"] * 3
    assert list(frame.index) == list(range(6))
    for k, name in enumerate(("z", "y")):
        part = frame[frame["outcome"] == name]
        assert part["ST"].is_monotonic_decreasing
        assert sorted(part["factor"]) == ["a", "b", "e"]
        by_factor = part.set_index("factor")
        for array in ARRAYS:
            assert_array_equal(by_factor.loc[list(result.factors), array], getattr(result.indices, array)[:, k])
    assert frame["factor"].tolist()[0] != frame["factor"].tolist()[3], "each outcome has an order of its own"


def test_second_order_must_be_asked_for(linear: pm.Model) -> None:
    with pytest.raises(InvalidValueError, match="second_order=True"):
        flat(pm.sobol, linear, outcomes=["y"], n=4, **HERE).second_order()


def test_second_order_has_one_row_per_outcome_and_pair(linear: pm.Model) -> None:
    result = flat(pm.sobol, linear, outcomes=["y", "z"], n=32, second_order=True, **HERE)
    frame = result.second_order()
    assert len(result.runs.values) == 32 * 8
    assert list(frame.columns) == ["outcome", "a", "b", "S2", "S2_low", "S2_high"]
    pairs = [("a", "b"), ("a", "e"), ("b", "e")]
    assert list(frame[["outcome", "a", "b"]].itertuples(index=False, name=None)) == [
        (outcome, *pair) for outcome in ("y", "z") for pair in pairs
    ]
    assert result.indices.S2 is not None
    assert frame["S2"].iloc[4] == result.indices.S2[0, 2, 1]
    assert (frame["S2_low"] <= frame["S2_high"]).all()


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("groups", [None, {"first": ["a", "e"], "second": ["b"]}])
def test_salib_makes_the_same_of_the_runs(linear: pm.Model, groups: Any, second_order: bool) -> None:
    result = flat(pm.sobol, linear, outcomes=["y", "z"], n=64, groups=groups, second_order=second_order, **HERE)
    problem, y = result.to_salib()
    assert problem["names"] == list(result.factors)
    assert len(problem["bounds"]) == problem["num_vars"] == len(result.factors)
    for k in range(2):
        other = salib_analyze.analyze(problem, y[:, k], calc_second_order=second_order, num_resamples=2, seed=1)
        for name in ("S1", "ST", *(["S2"] if second_order else [])):
            assert_allclose(getattr(result.indices, name)[..., k], other[name], atol=1e-10)


def test_the_summary_names_the_leaders_and_whether_n_suffices(linear: pm.Model) -> None:
    few = flat(pm.sobol, linear, outcomes=["y"], n=4, **HERE)
    lines = few.summary().splitlines()
    assert lines[0].startswith("linear, none: 20 of 20 runs succeeded on libroadrunner (fewer than 64 rows); ")
    assert len(lines) == 3
    leader = few.to_dataframe()["factor"][0]
    assert lines[2].startswith(f"y: {leader} (ST {few.to_dataframe()['ST'][0]:.2f} +/- ")
    total, high = few.indices.ST[:, 0], few.indices.ST_high[:, 0]
    acts = total > 0
    needed = 4 * np.max(np.log(high[acts] / total[acts]) / np.arcsinh(0.1 / total[acts])) ** 2
    enough = 2 ** math.ceil(math.log2(max(needed, 1024)))
    assert lines[2].endswith(f"N = 4 is too small for a ranking, about {enough:,} would do.")
    many = flat(pm.sobol, linear, outcomes=["y"], n=1024, **HERE)
    assert many.summary().endswith("N suffices for a ranking.")
    assert "dropped" not in many.summary()


def test_a_result_shows_itself_in_a_line(linear: pm.Model) -> None:
    result = flat(pm.sobol, linear, outcomes=["y", "z"], n=4, **HERE)
    assert repr(result) == "SobolResult(linear, none: 3 factors, N = 4, outcomes y, z)"
    screen = flat(pm.morris, linear, outcomes=["y"], trajectories=2, **HERE)
    assert repr(screen) == "MorrisResult(linear, none: 3 factors, 2 trajectories, outcomes y)"
    assert (
        "(20 taken over from before)." in result.extend(8, execution=pm.Execution(workers=1, progress=False)).summary()
    )


def test_the_summary_says_what_does_not_vary(linear: pm.Model) -> None:
    result = flat(pm.sobol, linear, outcomes=["constant_", "y"], n=4, **HERE)
    lines = result.summary().splitlines()
    assert lines[2] == "constant_: does not vary, so it has no indices."
    assert lines[3].startswith("y: ")
    assert np.isnan(result.indices.ST[:, 0]).all()


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 100}, "n = 100 .* take 64 or 128"),
        ({"n": 0}, "n is 0"),
        ({"n": 1}, "n is 1"),
        ({"seed": -1}, "seed"),
        ({"resamples": 0}, "resamples"),
        ({"target_width": 0.0}, "target width is 0"),
        ({"budget": 0}, "budget is 0"),
        ({"second_order": "no"}, "second_order is 'no'"),
        ({"parameters": []}, "not empty"),
        ({"parameters": {}}, "not empty"),
        ({"parameters": "a"}, "list of names"),
        ({"parameters": ["a", "a"]}, "a twice"),
        ({"parameters": ["c"]}, r"c has no range; give parameters=\{'c': \(low, high\)\}"),
        ({"parameters": {"a": (2.0, 1.0)}}, "low must be below high"),
        ({"parameters": {"a": (1.0, 1.0)}}, "low must be below high"),
        ({"parameters": {"a": (float("nan"), 1.0)}}, "finite"),
        ({"parameters": {"a": (1.0, float("inf"))}}, "finite"),
        ({"parameters": {"a": 1.0}}, r"give \(low, high\)"),
        ({"parameters": {"a": (1.0, 2.0, 3.0)}}, r"give \(low, high\)"),
        ({"parameters": {"y": (1, 2)}}, "y of linear is computed by a rule"),
        ({"groups": {}}, "groups"),
        ({"groups": {"first": ["a", "c"]}}, "not varied: c"),
        ({"parameters": ["a", "b"], "groups": {"first": ["a"]}}, "b of parameters is in no group"),
        ({"workers": 0}, "workers is 0"),
        ({"outcomes": []}, "outcomes is empty"),
        ({"outcomes": ["y", "y"]}, "two outcomes"),
    ],
    ids=str,
)
def test_values_that_make_no_sense(linear: pm.Model, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        flat(pm.sobol, linear, **{"outcomes": ["y"], "n": 4, **HERE, **options})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"parameters": ["aa"]}, "aa"),
        ({"parameters": {"aa": (1, 2)}}, "aa"),
        ({"groups": "colour"}, "colour"),
        ({"groups": {"first": ["aa"]}}, "aa"),
        ({"outcomes": ["nothing"]}, "nothing"),
    ],
    ids=str,
)
def test_unknown_names(linear: pm.Model, options: dict[str, Any], name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"'{name}'"):
        flat(pm.sobol, linear, **{"outcomes": ["y"], "n": 4, **HERE, **options})


@pytest.mark.parametrize("seed", range(3))
def test_a_range_outside_of_what_is_allowed_is_refused_for_every_seed(seed: int) -> None:
    model = pm.load("nlrp3_il1b")
    options: dict[str, Any] = {"outcomes": ["IL1B"], "n": 2, "weeks": 0.1, "workers": 1, "progress": False}
    with pytest.raises(InvalidValueError, match="k_import_NFKB"):
        flat(pm.sobol, model, parameters={"k_import_NFKB": (-0.01, 5)}, seed=seed, **options)


def test_a_model_without_ranges_says_what_to_do(tmp_path: Path) -> None:
    model = model_of(ISHIGAMI.format(0), tmp_path)
    with pytest.raises(InvalidValueError, match=r"no parameter with a range; give parameters=\{name: \(low, high\)\}"):
        flat(pm.sobol, model, outcomes=["y"], n=4, **HERE)
