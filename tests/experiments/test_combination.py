"""Four arms and the interaction on three scales."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.experiments.arms import SCALES

A, B = pm.Level(input="a", value=1), pm.Level(input="b", value=3)


def _compare(model: pm.Model, a: object = A, b: object = B, outcomes: object = ("y",)) -> pm.experiments.Comparison:
    return pm.compare(pm.Study(model, outcomes=outcomes, duration=9, every=1), a, b)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def saturating() -> pm.experiments.Comparison:
    """none 8, a 4, b 2, both 8/5: less than multiplicative."""
    return _compare(tiny("a = 0; b = 0; y := 8/(1 + a + b)", name="saturating"))


def test_independence_is_zero_on_the_log_scale_and_for_bliss() -> None:
    arms = _compare(tiny("a = 0; b = 0; y := 8*exp(-a/2)*exp(-b/4)"))
    row = arms.interaction.loc["y"]
    assert row["log_additive"] == pytest.approx(0, abs=1e-12)
    assert row["bliss"] == pytest.approx(0, abs=1e-12)
    assert row["hsa"] == pytest.approx(-0.5)  # b alone is stronger (-0.75); a adds -0.5


def test_independence_through_states() -> None:
    """Two first-order losses act on one pool: fold changes of S at a fixed time multiply."""
    model = tiny("a = 0; b = 0; S = 5; S' = -0.1*(a + b)*S")
    outcome = pm.Outcome(variable="S", reduce="final")
    assert _compare(model, outcomes=[outcome]).interaction.loc["S final", "log_additive"] == pytest.approx(0, abs=1e-5)


def test_table_of_arms(saturating: pm.experiments.Comparison) -> None:
    assert saturating.arms == ("none", "a", "b", "a+b")
    assert saturating.table["y"].to_dict() == pytest.approx({"none": 8, "a": 4, "b": 2, "a+b": 1.6})


def test_interaction_by_hand(saturating: pm.experiments.Comparison) -> None:
    row = saturating.interaction.loc["y"]
    assert list(saturating.interaction.columns) == list(SCALES) == ["log_additive", "bliss", "hsa"]
    assert row["log_additive"] == pytest.approx(math.log(0.2) - math.log(0.5) - math.log(0.25))
    assert row["bliss"] == pytest.approx(0.5 * 0.25 - 0.2)
    assert row["hsa"] == pytest.approx(math.log(0.2) - math.log(0.25))


def test_synergy_has_the_opposite_signs() -> None:
    row = _compare(tiny("a = 0; b = 0; y := 8*exp(-a/2 - b/4 - a*b/3)")).interaction.loc["y"]
    assert row["log_additive"] == pytest.approx(-1.0)
    assert row["bliss"] == pytest.approx(math.exp(-1.25) - math.exp(-2.25))


def test_bliss_does_not_apply_where_an_arm_rises() -> None:
    row = _compare(tiny("a = 0; b = 0; y := 2*exp(a - b/6)")).interaction.loc["y"]
    assert math.isnan(row["bliss"])
    assert row["log_additive"] == pytest.approx(0, abs=1e-12)
    assert row["hsa"] == pytest.approx(-0.5)  # a alone (+1) is the stronger one


@pytest.mark.parametrize("body", ["a = 0; b = 0; y := a*b", "a = 0; b = 0; y := -1 - a"])
def test_no_interaction_without_positive_values(body: str) -> None:
    assert _compare(tiny(body)).interaction.loc["y"].isna().all()


def test_runs_hold_four_courses(saturating: pm.experiments.Comparison) -> None:
    assert saturating.runs["y"].dims == ("arm", "time")
    assert list(saturating.runs["arm"].values) == list(saturating.arms)
    np.testing.assert_allclose(saturating.runs["y"].sel(arm="a+b"), 1.6)
    assert saturating.runs.attrs["arm"] == "a+b"


def test_to_dataframe_joins_arms_and_interaction(saturating: pm.experiments.Comparison) -> None:
    frame = saturating.to_dataframe()
    assert list(frame.columns) == [*saturating.arms, *(f"interaction_{s}" for s in SCALES)]
    assert frame.index.name == "outcome"
    assert frame.loc["y", "a"] == pytest.approx(4)


def test_names_of_arms() -> None:
    model = tiny("a = 0; b = 0; c = 0; y := 8/(1 + a + b + c)")
    first, second = pm.Level(input="a", value=1, until=3), pm.Level(input="a", value=2, at=3)
    assert _compare(model, first, second).arms == ("none", "a (a)", "a (b)", "a (a)+a (b)")
    assert _compare(model, [A, pm.Level(input="c", value=1)], B).arms == ("none", "a+c", "b", "a+c+b")


def test_two_treatments_on_one_input_clash() -> None:
    model = tiny("a = 0; b = 0; y := 8/(1 + a + b)")
    with pytest.raises(InvalidValueError, match="two levels on a overlap"):
        _compare(model, A, pm.Level(input="a", value=2))


@pytest.mark.parametrize("empty", [([], B), (A, [])])
def test_an_empty_arm_is_an_error(empty: tuple[object, object]) -> None:
    with pytest.raises(InvalidValueError, match="compare needs two treatments"):
        _compare(tiny("a = 0; b = 0; y := a + b"), *empty)


def test_unknown_outcome_and_no_outcome() -> None:
    model = tiny("a = 0; b = 0; y := a + b")
    with pytest.raises(UnknownNameError, match="'z'"):
        _compare(model, outcomes=["z"])
    with pytest.raises(InvalidValueError, match="outcomes is empty"):
        _compare(model, outcomes=[])


def test_default_outcomes() -> None:
    arms = pm.compare(tiny("a = 0; b = 0; S = 1; T = 2; S' = -S; T' = -a*T + b"), A, B, duration=1)
    assert [o.variable for o in arms.outcomes] == ["S", "T"]
    model = pm.load("excitability")
    levels = (pm.Level(input="GABA", value=1.2), pm.Level(input="KATP", value=1.5))
    arms = flat(pm.compare, model, *levels, weeks=1)
    assert [o.name for o in arms.outcomes] == ["seizure_rate"]


def test_each_arm_is_the_run_of_its_treatments() -> None:
    model = pm.load("nlrp3_il1b")
    a, b = pm.Level(input="vagal_drive", value=0.5), pm.Level(input="MCC950", value=0.1)
    arms = pm.compare(model, a, b, weeks=2, outcomes=["IL1B"])
    for arm, plan in zip(arms.arms, ([], [a], [b], [a, b]), strict=True):
        run = model.simulate(plan, weeks=2)
        np.testing.assert_array_equal(arms.runs["IL1B"].sel(arm=arm).values, run["IL1B"].values)
    assert len(set(arms.table["IL1B"])) == 4
