"""Virtual patients: laws of their draws, sources of every constant, the diary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from pathway_models._files.data import facts
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.trials.patients import (
    POPULATION,
    drifts,
    patients_file,
    seizure_counts,
)


@pytest.fixture(scope="module")
def model() -> pm.Model:
    return pm.load("excitability")


def spread_luck(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


def test_every_measured_constant_equals_its_row() -> None:
    rows = pm.evidence.evidence_table("measurements")
    for name, a in facts(POPULATION).items():
        if a.kind == "measured":
            assert float(rows.loc[a.source, "value"]) == a.value, name


def test_drop_out_meets_both_published_years() -> None:
    shape, scale = facts(POPULATION)["drop_out_shape"].value, facts(POPULATION)["drop_out_scale"].value
    assert_allclose(np.exp(-((np.array([1.0, 2.0]) / scale) ** shape)), [0.457, 0.292], atol=0.005)


def test_ketogenic_spread_follows_from_its_row() -> None:
    row = pm.evidence.evidence_table("responses").loc["clinical:C052"]
    variation = float(row["error"]) * np.sqrt(18) / float(row["value"])
    assert_allclose(np.sqrt(np.log(1 + variation**2)), facts(POPULATION)["ketogenic_capacity_log_sd"].value, atol=0.01)


@pytest.mark.parametrize("rate", [0.5, 8.0, 60.0])
def test_diary_has_the_mean_and_the_published_spread(rate: float) -> None:
    luck = spread_luck(20_000)
    month = 30 / 7
    counts = seizure_counts(np.full(len(luck), rate * 28 / 30), month, luck)  # `rate` per month of 30 days
    assert_allclose(counts.mean(), rate, rtol=0.01)
    assert_allclose(counts.std(), max(rate**0.75, rate**0.5), rtol=0.02)


def test_months_of_a_diary_are_independent() -> None:
    luck = spread_luck(20_000)
    counts = seizure_counts(np.full(len(luck), 20.0), 3 * 30 / 7, luck)
    assert_allclose(counts.var(), 3 * (20 * 30 / 28) ** 1.5, rtol=0.03)


def test_diary_without_seizures_is_empty() -> None:
    assert_array_equal(seizure_counts(np.zeros(3), 4, np.array([0.01, 0.5, 0.99])), 0)


@pytest.mark.parametrize("weeks", [1, 4])
def test_diary_holds_so_many_seizures_a_day_and_no_more(weeks: int) -> None:
    most = facts(POPULATION)["diary_cap"].value * 7 * weeks
    rates = np.array([0.9, 1000.0]) * most * 4 / weeks
    below, above = seizure_counts(rates, weeks, np.array([0.5, 0.5]))
    assert 0.5 * most < below < most
    assert above == most


def test_entry_rule_and_baseline_length(model: pm.Model) -> None:
    patients = pm.population(model, 200, seed=3, enrolment=pm.trials.Enrolment(minimum=10, baseline_weeks=8))
    assert patients.baseline_count.min() >= 20
    assert (patients.minimum, patients.baseline_weeks) == (10, 8)
    assert patients.baseline_rate.min() < 10  # some got in by luck: regression to the mean


def test_without_entry_rule_rates_follow_the_published_lognormal(model: pm.Model) -> None:
    patients = pm.population(model, 4000, seed=3, enrolment=pm.trials.Enrolment(minimum=0, baseline_weeks=104))
    logs = np.log(patients.baseline_rate * 30 / 28)
    assert_allclose([np.median(logs), logs.std()], [1.2267, 1.1457], atol=0.06)


def test_who_had_no_seizure_is_not_enrolled_as_there_is_no_percent_of_it(model: pm.Model) -> None:
    entry = pm.trials.Enrolment(minimum=0, baseline_weeks=1)
    assert pm.population(model, 200, seed=3, enrolment=entry).baseline_count.min() == 1


def test_control_arm_of_neal_is_met_by_its_drift(model: pm.Model) -> None:
    p = pm.population(model, 4000, seed=5, drift="neal", vary=[], enrolment=pm.trials.Enrolment(minimum=28))
    percent = 100 * seizure_counts(p.baseline_rate * p.drift, 4, p.luck) / p.baseline_count
    assert_allclose(percent.mean(), 136.9, atol=8)
    assert_allclose(100 * (percent <= 50).mean(), 8.2, atol=2)


def test_same_seed_same_patients_and_streams_do_not_mix(model: pm.Model) -> None:
    a, b = pm.population(model, 20, seed=7), pm.population(model, 20, seed=7)
    assert a.to_dataframe().equals(b.to_dataframe())
    c = pm.population(
        model, 20, seed=7, vary=["kappa"], adherence=0.5, enrolment=pm.trials.Enrolment(age_group="adult")
    )
    assert_array_equal(a.baseline_count, c.baseline_count)
    assert_array_equal(a.drop_out_weeks, c.drop_out_weeks)
    assert not np.array_equal(a.baseline_rate, pm.population(model, 20, seed=8).baseline_rate)


def test_parameters_stay_in_their_ranges_and_obey_the_model(model: pm.Model) -> None:
    patients = pm.population(model, 50, seed=1)
    by_id = {p.id: p for p in model.constants}
    assert set(patients.parameters) >= {k.split(".")[1] for k in patients_file().varied if k.startswith("excitability")}
    for key, values in patients.parameters.items():
        if key != "seizure_frequency_untreated":  # the patient's own, by the entry rule
            assert values.min() >= (by_id[key].low or 0.0)
            assert values.max() <= (by_id[key].high or np.inf)
    assert_allclose(patients.parameters["seizure_frequency_untreated"] * 672, patients.baseline_rate)
    assert "kappa" not in pm.population(model.with_parameters(kappa=2.0), 5, seed=1).parameters


def test_adherence_lies_on_its_steps(model: pm.Model) -> None:
    drawn = pm.population(model, 300, seed=1).adherence
    assert set(drawn) <= {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}
    assert_allclose(drawn.mean(), 0.8, atol=0.03)


def test_age_groups_are_mixed_by_share(model: pm.Model) -> None:
    ages = pm.population(
        model, 400, seed=1, enrolment=pm.trials.Enrolment(age_group={"child": 0.75, "adult": 0.25})
    ).age_group
    assert_allclose(ages.count("child") / 400, 0.75, atol=0.06)


def test_drifts_and_drop_out_can_be_switched_off(model: pm.Model) -> None:
    patients = pm.population(model, 30, seed=1, drift="none", drop_out=False)
    assert_array_equal(patients.drift, 1.0)
    assert np.isinf(patients.drop_out_weeks).all()
    assert_allclose((pm.population(model, 2000, seed=1, drift="sharma").drift == 0).mean(), 0.077, atol=0.02)
    assert drifts()["pooled"].log_mean == pytest.approx((0.50 + 0.24) / 2)


def test_subset_keeps_everything_together(model: pm.Model) -> None:
    patients = pm.population(model, 10, seed=1)
    keep = np.arange(10) % 3 == 0
    small = patients.subset(keep)
    assert len(small) == 4
    assert small.to_dataframe().reset_index(drop=True).equals(patients.to_dataframe()[keep].reset_index(drop=True))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"minimum": 500.0}, InvalidValueError, "entry rule"),
        ({"minimum": 400.0}, InvalidValueError, "lower minimum"),
        ({"baseline_weeks": 0.0}, InvalidValueError, "baseline"),
        ({"adherence": 1.5}, InvalidValueError, "adherence"),
        ({"age_group": {"child": 0.5}}, InvalidValueError, "add up"),
        ({"age_group": "infant"}, UnknownNameError, "age group"),
        ({"drift": "up"}, UnknownNameError, "drift"),
        ({"vary": "kappa"}, InvalidValueError, "list"),
        ({"vary": ["closed_loop"]}, UnknownNameError, "range"),
        ({"n": 2.5}, InvalidValueError, "patients is 2.5"),
        ({"seed": -1}, InvalidValueError, "seed is -1"),
    ],
)
def test_bad_values_are_refused(
    model: pm.Model, options: dict[str, object], error: type[Exception], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathway_models.trials.patients.LARGEST_DRAW", 4000)
    entry = {k: options.pop(k) for k in ("minimum", "baseline_weeks", "age_group") if k in options}
    given: dict[str, Any] = {"n": 50, "seed": 1, **options}
    with pytest.raises(error, match=text):
        pm.population(model, enrolment=pm.trials.Enrolment(**entry), **given)  # type: ignore[arg-type]
