"""Trials on virtual patients: the statistics alone with known answers, then tiny trials on the read-out module."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import mannwhitneyu

import pathway_models as pm
from pathway_models._types import Frozen
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.experiments import loop
from pathway_models.trials import published, virtual
from pathway_models.trials.published import Arm, known_trials
from pathway_models.trials.statistics import area_under_curve, bootstrap_interval, rank_correlation, risk_ratio, wilson
from pathway_models.trials.virtual import Followed

DRUG = pm.Level(input="GABA", value=2.0)
QUICK = pm.Execution(workers=1, progress=False)


@pytest.fixture(scope="module")
def model() -> pm.Model:
    return pm.load("excitability")


@pytest.fixture(scope="module")
def patients(model: pm.Model) -> pm.trials.Population:
    return pm.population(model, 24, seed=1)


@pytest.fixture(scope="module")
def result(model: pm.Model, patients: pm.trials.Population) -> pm.trials.Trial:
    return pm.trial(model, patients, {"control": [], "drug": [DRUG]}, weeks=8, execution=QUICK)


def by_hand(counts: Sequence[Sequence[int]], *, stay: Sequence[float], base: int = 10) -> pm.trials.Trial:
    """A trial with these counts (patients x 2 arms), every baseline diary holding `base` seizures in 4 weeks."""
    n = len(counts)
    ones = np.ones(n)
    people = pm.trials.Population(
        model="none",
        seed=1,
        minimum=4.0,
        baseline_weeks=4.0,
        parameters=Frozen({"k": np.arange(n, dtype=float)}),
        age_group=("child",) * n,
        baseline_rate=ones * base,
        baseline_count=np.full(n, base),
        adherence=ones,
        drop_out_weeks=np.array(stay, dtype=float),
        drift=ones,
        luck=ones / 2,
    )
    return pm.trials.Trial(
        population=people,
        arms=("control", "diet"),
        weeks=12.0,
        window_weeks=4.0,
        ratio=np.array(counts) / base,
        counts=np.array(counts),
        assigned=np.ones((n, 2), dtype=bool),
        markers=Frozen({"marker": -np.array(counts, dtype=float)[:, 1]}),
        excluded=Frozen({}),
    )


# ---- statistics ----


def test_wilson_interval_of_a_textbook_case() -> None:
    assert_allclose(wilson(28, 73), (0.38356, 0.28055, 0.49811), atol=2e-4)
    assert all(wilson(0, n)[1] == 0.0 and wilson(n, n)[2] == 1.0 for n in range(1, 50))
    assert math.isnan(wilson(0, 0)[0])


def test_bootstrap_of_the_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    mean, low, high = bootstrap_interval(values, np.mean, 3)
    assert mean == pytest.approx(values.mean())
    assert_allclose([low, high], mean + np.array([-1.96, 1.96]) * values.std() / 20, atol=0.05)
    assert bootstrap_interval(values, np.mean, 3) == (mean, low, high)


def test_rank_correlation_is_spearmans() -> None:
    # two neighbours have changed places twice: 1 - 6*4/(5*24); atanh 0.8 = 1.0986, give or take 1.96*sqrt(1.32/2)
    x = np.arange(5.0)
    assert_allclose(rank_correlation(x, np.array([2, 1, 4, 3, 5])), (0.8, -0.4571, 0.9909), atol=1e-4)
    assert rank_correlation(x, np.exp(x)) == (1, 1, 1)
    assert math.isnan(rank_correlation(x, np.ones(5))[0])


def test_area_under_curve_is_the_mann_whitney_share() -> None:
    rng = np.random.default_rng(3)
    yes, no = rng.integers(2, 9, 30).astype(float), rng.integers(0, 7, 40).astype(float)
    marker, responded = np.concatenate([yes, no]), np.arange(70) < 30
    area, low, high = area_under_curve(marker, responded)
    assert area == pytest.approx(mannwhitneyu(yes, no).statistic / (30 * 40))
    assert 0.5 < low < area < high <= 1
    assert_allclose(area_under_curve(-marker, responded), (1 - area, 1 - high, 1 - low))


def test_delong_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    true, hits = 0.7602, 0  # of two normals one standard deviation apart
    for _ in range(300):
        marker = np.concatenate([rng.normal(1, 1, 40), rng.normal(0, 1, 60)])
        _, low, high = area_under_curve(marker, np.arange(100) < 40)
        hits += low <= true <= high
    assert 0.91 < hits / 300 < 0.98


def test_risk_ratio_and_its_zero_cell() -> None:
    assert_allclose(risk_ratio(28, 73, 4, 72), (6.904, 2.55, 18.7), rtol=0.01)
    # 3 of 20 and 0 of 30 with half an event and half a non-event added to both: 3.5 of 21 and 0.5 of 31
    assert_allclose(risk_ratio(3, 20, 0, 30), (10.3333, 0.56238, 189.868), rtol=1e-5)
    assert_allclose(risk_ratio(0, 30, 3, 20), (1 / 10.3333, 1 / 189.868, 1 / 0.56238), rtol=1e-5)


# ---- the report of a trial ----


def test_drop_outs_are_non_responders() -> None:
    table = by_hand([[10, 0], [10, 1], [12, 5], [8, 6], [10, 0]], stay=[99, 99, 99, 99, 3]).to_dataframe()
    diet = table.loc["diet"]
    assert (diet.patients, diet.completers) == (5, 4)
    assert_allclose([diet.RR50, diet.RR90, diet.seizure_free], [3 / 5, 2 / 5, 1 / 5])
    assert_allclose([diet.RR50_completers, diet.RR90_completers], [3 / 4, 2 / 4])
    assert_allclose([diet.mean_percent, diet.median_percent], [30, 30])
    assert table.loc["control", "RR50"] == 0


def test_contrasts_are_paired() -> None:
    row = by_hand([[10, 5], [20, 15], [40, 35], [8, 3]], stay=[99] * 4).contrasts().loc["diet"]
    assert_allclose([row.difference, row.difference_low, row.difference_high], -50)
    assert row.RR50_ratio > 1


def test_predictors_find_the_marker_that_made_the_response() -> None:
    made = by_hand([[10, k] for k in range(12)], stay=[99] * 12)
    table = made.predictors("diet")
    assert table.loc["marker", ["rho", "auc"]].tolist() == [1, 1]
    assert table.loc["k", "rho"] == -1
    assert table["measurable"].to_dict() == {"marker": True, "k": False}
    assert made.predictors("diet", of="model").loc["marker", "rho"] == 1


def test_nobody_completes() -> None:
    row = by_hand([[10, 5], [10, 5]], stay=[1, 1]).to_dataframe().loc["diet"]
    assert row.RR50 == 0
    assert math.isnan(row.mean_percent)


# ---- running ----


def test_rates_are_those_of_a_single_run(model: pm.Model, result: pm.trials.Trial) -> None:
    p = result.population
    i = int(np.argmax(p.adherence))
    own = model.with_parameters({k: float(v[i]) for k, v in p.parameters.items()})
    course = own.simulate([DRUG], weeks=8, every=6)["seizure_rate"]
    assert p.adherence[i] == 1.0
    assert_allclose(result.ratio[i, 1], course.where(course.time >= 4 * 168, drop=True).mean(), rtol=1e-3)
    assert_array_equal(result.ratio[:, 0], 1.0)


class OwnTreatment:
    """What a user writes: a schedule, and nothing else."""

    def schedule(self) -> list[pm.Level | pm.Dose]:
        return [pm.Level(input="GABA", value=2.0)]


def test_a_treatment_of_the_users_own_class_is_one_as_any_other(
    model: pm.Model, patients: pm.trials.Population, result: pm.trials.Trial
) -> None:
    own = pm.trial(model, patients, {"control": [], "own": OwnTreatment()}, weeks=8, execution=QUICK)
    assert_array_equal(own.ratio, result.ratio)
    followed = Followed(
        treatment=OwnTreatment(), adherence=0.5, references={"GABA": 1.0}, resolve=lambda k: k, own_age=True
    )
    assert [i.value for i in followed.schedule() if isinstance(i, pm.Level)] == [1.5]
    assert followed.name == "OwnTreatment"


def test_less_adherence_less_effect(model: pm.Model, patients: pm.trials.Population) -> None:
    arms, means = {"drug": DRUG}, []
    for adherence in (0.0, 0.4, 1.0):
        same = replace(patients, adherence=np.full(len(patients), adherence))
        means.append(pm.trial(model, same, arms, weeks=8, execution=QUICK).ratio.mean())
    assert means[0] == 1.0
    assert means[0] > means[1] > means[2]


def test_loop_gain_is_that_of_the_model(model: pm.Model, result: pm.trials.Trial) -> None:
    p = result.population
    own = model.with_parameters({k: float(v[0]) for k, v in p.parameters.items()})
    assert_allclose(
        result.markers["loop_gain"][0],
        pm.loop_gains(own, execution=pm.Execution(workers=1, progress=False))[0],
        rtol=2e-3,
    )


def test_both_engines_give_the_same_trial(model: pm.Model, patients: pm.trials.Population) -> None:
    arms: dict[str, Any] = {"control": [], "drug": [DRUG]}
    batch, reference = (
        pm.trial(model, patients, arms, weeks=8, execution=replace(QUICK, engine=engine))
        for engine in ("batch", "roadrunner")
    )
    assert_allclose(batch.ratio, reference.ratio, rtol=1e-4)
    assert_allclose(batch.markers["loop_gain"], reference.markers["loop_gain"], atol=1e-3)
    assert np.ptp(reference.ratio[:, 1]) > 0.05
    assert_array_equal(batch.counts, reference.counts)


def test_drifting_patients_reach_the_diary(
    model: pm.Model, patients: pm.trials.Population, result: pm.trials.Trial
) -> None:
    calm = replace(patients, drift=np.zeros(len(patients)))
    assert pm.trial(model, calm, {"drug": [DRUG]}, weeks=8, execution=QUICK).counts.sum() == 0
    assert result.counts.sum() > 0


def test_randomised_patients_have_one_arm(
    model: pm.Model, patients: pm.trials.Population, result: pm.trials.Trial
) -> None:
    split = pm.trial(
        model, patients, {"control": [], "drug": [DRUG]}, weeks=8, allocation="randomised", execution=QUICK
    )
    assert_array_equal(split.assigned.sum(axis=1), 1)
    assert_array_equal(split.assigned.sum(axis=0), 12)
    mine = split.assigned[:, 1]
    assert_allclose(split.ratio[mine, 1], result.ratio[mine, 1], rtol=1e-6)
    assert split.to_dataframe()["patients"].tolist() == [12, 12]
    assert len(split.patients()) == 24
    assert np.isfinite(split.contrasts().loc["drug", "difference_low"])


def test_who_fails_or_is_not_chronic_is_left_out(
    model: pm.Model, patients: pm.trials.Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flawed(study: pm.Study, rows: Mapping[str, Any], **options: Any) -> pm.ensembles.Ensemble:
        runs = pm.ensemble(study, rows, **options)
        plan = study.treatments
        values, status = runs.values.copy(), runs.status.copy()
        if not plan and len(runs.outcomes) > 1:
            values[0], status[0] = np.nan, 2
        if not plan and len(runs.outcomes) == 1:
            values[[1, 1 + len(patients)], 0] = 1.0, 1.1  # a rate that moves by more than what is imposed
        return replace(runs, values=values, status=status, messages={0: "broken"})

    monkeypatch.setattr(virtual, "ensemble", flawed)
    monkeypatch.setattr(loop, "ensemble", flawed)
    result = pm.trial(model, patients, {"drug": [DRUG]}, weeks=8, execution=QUICK)
    assert len(result.population) == len(patients) - 2
    assert "broken" in result.excluded[0]
    assert "loop gain 2.38" in result.excluded[1]
    assert "2 left out (1 run failed, 1 not chronic)" in result.summary()


def test_settings_of_the_model_win(model: pm.Model, patients: pm.trials.Population) -> None:
    fixed = pm.trial(model.with_parameters(kappa=1e-6), patients, {"drug": [DRUG]}, weeks=8, execution=QUICK)
    assert fixed.ratio.min() > 0.999


def test_summary_table_and_figure(result: pm.trials.Trial) -> None:
    assert result.summary().count("by intention to treat") == 2
    drawn = result.plot()
    assert isinstance(drawn, Figure)
    assert [t.get_text() for t in drawn.axes[0].get_legend().get_texts()] == ["control (n = 24)", "drug (n = 24)"]
    assert list(result.patients().columns)[:2] == ["patient", "arm"]


def test_followed_treatments() -> None:
    half = Followed(treatment=DRUG, adherence=0.5, references={"GABA": 1.0}, resolve=lambda k: k).schedule()
    assert half[0] == replace(DRUG, value=1.5)
    needles = pm.Electroacupuncture(sessions_per_week=5, weeks=2)
    kept = Followed(treatment=needles, adherence=0.6, references={}, resolve=lambda k: k).schedule()[0]
    assert isinstance(kept, pm.Dose)
    assert len(kept.times) == 6
    diet = pm.KetogenicDiet(age_group="child", adherence=0.5)
    references = {"carb_restriction": 0.0, "fat_ratio": 0.25}
    own = Followed(
        treatment=pm.KetogenicDiet(), adherence=0.5, references=references, resolve=lambda k: k, own_age=True
    )
    assert own.schedule() == replace(diet, age_group="reference").schedule()
    aged = Followed(treatment=diet, adherence=1.0, references=references, resolve=lambda k: k, own_age=True)
    assert "ketogenic_capacity" not in {level.input for level in aged.schedule()}


@dataclass(frozen=True)
class OwnDiet:
    """A treatment that somebody wrote: its age group has nothing to do with ours."""

    dose: float = field(default=2.0, init=False)
    age_group: str = field(default="infant", init=False)

    def schedule(self) -> list[pm.Level]:
        return [pm.Level(input="GABA", value=self.dose)]


def test_a_treatment_of_ones_own_is_followed_as_it_is() -> None:
    followed = Followed(treatment=OwnDiet(), adherence=0.5, references={"GABA": 1.0}, resolve=str, own_age=True)
    assert followed.schedule() == (pm.Level(input="GABA", value=1.5),)


@pytest.mark.parametrize(("workers", "n", "asked"), [(None, 4, 1), (2, 4, 2), (None, 5, None)])
def test_few_patients_start_no_processes_unless_asked(
    model: pm.Model, monkeypatch: pytest.MonkeyPatch, workers: int | None, n: int, asked: int | None
) -> None:
    pools = []

    def here(execution: pm.Execution, sbml: str) -> AbstractContextManager[pm.Execution]:
        pools.append(execution.workers)
        return nullcontext(QUICK)

    monkeypatch.setattr(virtual, "one_pool", here)
    monkeypatch.setattr(virtual, "FEW_ROWS", 5)
    on = pm.Execution(workers=workers, progress=False)
    pm.trial(model, pm.population(model, n), {"drug": [DRUG]}, weeks=8, execution=on)
    assert pools == [asked]


def test_one_bar_counts_the_runs_of_all_questions(model: pm.Model, capfd: pytest.CaptureFixture[str]) -> None:
    pm.trial(model, pm.population(model, 4), {"control": [], "drug": DRUG}, weeks=8, execution=pm.Execution(workers=1))
    assert set(re.findall(r"\d+/(\d+)", capfd.readouterr().err)) == {str(2 * 4 + 2 * 4)}


def test_a_gain_of_one_or_none_at_all_is_not_chronic(
    model: pm.Model, patients: pm.trials.Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = np.full(len(patients), 0.5)
    gains[:2] = 1.0, np.nan
    monkeypatch.setattr(virtual, "gains_from_rest", lambda *_: gains)
    excluded = pm.trial(model, patients, {"control": []}, weeks=8, execution=QUICK).excluded
    assert dict(excluded) == {0: "not chronic: loop gain 1.00", 1: "not chronic: loop gain nan"}


def test_who_does_not_follow_keeps_the_value_that_the_model_sets(
    model: pm.Model, patients: pm.trials.Population
) -> None:
    same = replace(patients, adherence=np.full(len(patients), 0.5))
    found = pm.trial(model.with_parameters(GABA=2.0), same, {"drug": DRUG}, weeks=8, execution=QUICK)
    assert_allclose(found.ratio, 1.0, rtol=1e-6)


def test_bad_calls_are_refused(model: pm.Model, patients: pm.trials.Population, result: pm.trials.Trial) -> None:
    with pytest.raises(InvalidValueError, match=r"arms is \{\}; give at least one"):
        pm.trial(model, patients, {}, weeks=8)
    wrong: list[tuple[Any, Any, str]] = [
        (4, {"a": []}, "patients is 4"),
        (patients, [DRUG], r"arms is \["),
        (patients, {"a": "diet"}, "arm 'a' holds 'd'"),
        (patients, {"a": None}, "arm 'a' is None"),
        (patients, {"a": [pm.KetogenicDiet]}, "no treatment"),
    ]
    for people, arms, message in wrong:
        with pytest.raises(InvalidValueError, match=message):
            pm.trial(model, people, arms, weeks=8)
    with pytest.raises(InvalidValueError, match="workers is '2'"):
        pm.trial(model, patients, {"a": []}, weeks=8, execution=pm.Execution(workers="2"))  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="length of the trial"):
        pm.trial(model, patients, {"a": []}, weeks=-1)
    with pytest.raises(InvalidValueError, match="window"):
        pm.trial(model, patients, {"a": []}, weeks=2, window_weeks=4)
    with pytest.raises(InvalidValueError, match="checkpoint is here; a trial keeps none"):
        pm.trial(model, patients, {"a": []}, weeks=8, execution=pm.Execution(checkpoint="here"))
    with pytest.raises(UnknownNameError, match="allocation"):
        pm.trial(model, patients, {"a": []}, weeks=8, allocation="both")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="arm"):
        result.predictors("diet")
    with pytest.raises(UnknownNameError, match="trial"):
        pm.trials.published_trials(model, names=["Nobody 1900"], n=5)


# ---- published trials ----


def test_published_rows_exist_and_arms_fit() -> None:
    rows = pm.evidence.evidence_table("responses")
    for name, t in known_trials().items():
        for found in t.found:
            assert found.source in rows.index, name
            assert found.arm in t.arms, name


def test_comparison_reads_the_table_and_marks_what_was_used(model: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {"control": Arm(), "diet": Arm(treatments=("level:GABA=2",))}
    small = {k: replace(known_trials()[k], arms=arms) for k in ("Neal 2008", "Sharma 2013")}
    monkeypatch.setattr(published, "known_trials", lambda: small)
    table = pm.trials.published_trials(model, n=12, execution=QUICK).set_index(["source", "statistic"])
    assert table.loc[("clinical:C003", "difference"), "observed"] == 75
    assert table.loc[("clinical:C007", "sd_percent"), "observed"] == 54
    assert "drift_neal_log_mean" in table.loc[("clinical:C002", "mean_percent"), "cited_by"]
    assert table.loc[("clinical:C004", "RR50"), "cited_by"] == ""
    assert (table["low"] <= table["predicted"]).all()
    assert (table["predicted"] <= table["high"]).all()
