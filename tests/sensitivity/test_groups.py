"""What is varied: wires as groups, correlated parameters in one group by a copula or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.errors import InvalidValueError
from pathway_models.sensitivity.factors import assign_groups, choose, correlate

HERE: dict[str, Any] = {"duration": 1, "every": 1, "workers": 1, "progress": False}


def test_every_wire_is_a_group_with_its_gain_from_cut_to_whole() -> None:
    model = pm.load("epilepsy")
    chosen, names = assign_groups(model, choose(model, None, "wire"), "wire")
    assert [p.id for p in chosen] == list(model.gains)
    assert {(p.low, p.high, p.distribution) for p in chosen} == {(0.0, 1.0, "uniform")}
    assert len(set(names)) == len(model.gains)
    assert any(name.endswith("_to_nlrp3_il1b.BHB") for name in names)


def test_wires_need_a_coupled_model_and_gains() -> None:
    model = tiny("a = 1; y := a")
    with pytest.raises(InvalidValueError, match="no wires"):
        flat(pm.sobol, model, outcomes=["y"], n=4, groups="wire", **HERE)
    with pytest.raises(InvalidValueError, match="a is no gain"):
        flat(pm.sobol, model, outcomes=["y"], n=4, groups="wire", parameters=["a"], **HERE)


def test_a_copula_keeps_the_laws_and_has_the_correlation() -> None:
    unit = np.random.default_rng(1).random((20_000, 3))
    matrix = np.array([[1.0, 0.0, 0.7], [0.0, 1.0, 0.0], [0.7, 0.0, 1.0]])
    places = correlate(unit, matrix)
    assert_array_equal(places[:, 1], unit[:, 1])
    assert_allclose(places[:, 0], unit[:, 0], atol=1e-9)
    for j in range(3):
        assert stats.kstest(places[:, j], "uniform").pvalue > 1e-3
    assert_allclose(np.corrcoef(stats.norm.ppf(places).T), matrix, atol=0.02)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_first_of_correlated_parameters_stays_where_it_is(seed: int) -> None:
    random = np.random.default_rng(seed)
    unit = random.random((5, 3))
    assert_allclose(correlate(unit, np.corrcoef(random.standard_normal((3, 5))))[:, 0], unit[:, 0], atol=1e-7)


def test_complete_correlation_makes_one_of_two() -> None:
    unit = np.random.default_rng(1).random((50, 2))
    places = correlate(unit, np.ones((2, 2)))
    assert_allclose(places[:, 0], places[:, 1], atol=1e-6)


def test_correlated_parameters_of_one_group_have_the_analytic_share() -> None:
    """y = a + b + c, standard uniform; a and b correlated: their group has Var(a + b), c has 1/12."""
    model = tiny("a = 0; b = 0; c = 0; y := a + b + c")
    ranges = dict.fromkeys("abc", (0.0, 1.0))
    groups = {"pair": ["a", "b"], "c": ["c"]}
    copula = pm.sensitivity.GaussianCopula(correlations={("a", "b"): 0.8})
    result = flat(pm.sobol, model, outcomes=["y"], n=1024, parameters=ranges, groups=groups, copula=copula, **HERE)
    rank = 6 / np.pi * np.arcsin(0.8 / 2)  # correlation of the uniform places
    pair = 2 + 2 * rank
    assert_allclose(result.indices.ST[:, 0], np.array([pair, 1]) / (pair + 1), atol=0.02)
    assert_allclose(result.indices.S1[:, 0], np.array([pair, 1]) / (pair + 1), atol=0.02)


def test_correlated_parameters_of_different_groups_are_refused_with_the_reason() -> None:
    model = tiny("a = 1; b = 1; y := a + b")
    copula = pm.sensitivity.GaussianCopula(correlations={("a", "b"): 0.5})
    with pytest.raises(InvalidValueError, match=r"a and b are correlated \(0.5\).*cannot then be divided.*one group"):
        flat(pm.sobol, model, outcomes=["y"], n=4, copula=copula, **HERE)


@pytest.mark.parametrize(
    ("correlations", "message"),
    [
        ({("a", "b"): 1.5}, "correlation of a and b is 1.5"),
        ({("a", "a"): 0.5}, "a is correlated with itself"),
        ({("a", "b"): 0.9, ("b", "e"): 0.9, ("a", "e"): -0.9}, "contradict each other"),
        ({("a", "c"): 0.5}, "not varied: c"),
    ],
)
def test_correlations_that_make_no_sense(correlations: dict[tuple[str, str], float], message: str) -> None:
    model = tiny("a = 1; b = 1; e = 1; c = 0; y := a + b + e + c")
    groups = {"all": ["a", "b", "e"]}
    with pytest.raises(InvalidValueError, match=message):
        flat(
            pm.sobol,
            model,
            outcomes=["y"],
            n=4,
            groups=groups,
            copula=pm.sensitivity.GaussianCopula(correlations=correlations),
            **HERE,
        )
