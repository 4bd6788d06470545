"""Conditioning on experiments: laws of the likelihood, moves that keep the prior, samplers that agree, ranks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import pathway_models as pm
from helpers import tiny
from pathway_models._types import Array
from pathway_models.errors import InvalidValueError
from pathway_models.evidence.observations import Observation
from pathway_models.inference import Likelihood, posterior
from pathway_models.inference.likelihood import NO_ERROR, experiments
from pathway_models.inference.posterior import EXACT, quantiles, row_weights
from pathway_models.inference.prior import Places, Prior
from pathway_models.inference.tempering import effective, propose, sample

QUIET = pm.Execution(workers=1, progress=False)


def direction(comparison: str, **more: object) -> Observation:
    return Observation(
        **{"id": comparison, "observable": "S", "hours": 1.0, "baseline": "self"} | more, comparison=comparison
    )  # type: ignore[arg-type]


def number(value: float, error: float | None = None, **more: object) -> Observation:
    return Observation(**{"id": "n", "observable": "S", "hours": 1.0, "value": value, "error": error} | more)  # type: ignore[arg-type]


# ---- the likelihood ----------------------------------------------------------------------------------------------


def test_chances_of_directions_add_up_and_follow_the_change() -> None:
    likelihood = Likelihood()
    percent = np.linspace(-90, 400, 99)
    chances = likelihood.probabilities(percent)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)
    up, down, none = chances.T
    assert np.all(np.diff(up) >= 0)
    assert np.all(np.diff(down) <= 0)
    assert none.argmax() == np.abs(percent).argmin()
    assert chances.min() >= likelihood.floor * min(likelihood.frequencies) * (1 - 1e-12)


def test_a_double_and_a_half_are_equally_large() -> None:
    even = Likelihood(frequencies=(0.4, 0.4, 0.2))
    up, down, _ = even.probabilities(np.array([100.0, -50.0])).T
    assert up[0] == pytest.approx(down[1])


def test_a_number_has_its_error_and_the_discrepancy() -> None:
    row = number(200.0, 20.0, comparison="percent_change", baseline="self")
    at, width = Likelihood(discrepancy=0.3).location(row)
    assert at == pytest.approx(math.log(3))
    assert width == pytest.approx(math.hypot(20 / 300, 0.3))
    assert Likelihood().location(number(2.0)) == (pytest.approx(math.log(2)), NO_ERROR)


def test_the_density_of_a_number_integrates_to_one() -> None:
    likelihood = Likelihood()
    grid = np.linspace(-60, 60, 20001)
    density = [
        float(np.exp(likelihood.logs([number(math.exp(x), 0.3 * math.exp(x))], np.array([[2.0]]))[0, 0])) for x in grid
    ]
    inside = np.abs(grid) < 6  # beyond, a fold counts as a thousandth
    assert np.trapezoid(np.array(density)[inside], grid[inside]) == pytest.approx(1.0, abs=0.02)


def test_a_published_number_lies_in_the_middle_of_what_is_predicted_to_equal_it() -> None:
    likelihood, row = Likelihood(), number(3.0, 0.5)
    below = likelihood.below(row, 3.0 * np.exp(np.linspace(-4, 4, 41)))
    assert below[20] == pytest.approx(0.5)
    assert np.all(np.diff(below) < 0)
    np.testing.assert_allclose(below + below[::-1], 1.0)
    slope = -np.gradient(below, 0.2)[1:-1]  # by the prediction, which is the density of the row
    density = np.exp(likelihood.logs([row], 3.0 * np.exp(np.linspace(-4, 4, 41))[:, None])[1:-1, 0])
    np.testing.assert_allclose(slope, density, atol=0.12 * density.max())
    assert np.isnan(likelihood.below(row, np.array([np.nan]))[0])


def test_a_failed_run_is_improbable_and_not_impossible() -> None:
    rows = [direction("up"), number(3.0)]
    failed, far = Likelihood().logs(rows, np.array([[np.nan, np.nan], [-99.0, 1e9]]))
    assert np.all(failed < far)
    assert np.all(np.isfinite(failed))


def test_rows_of_one_experiment_never_weigh_more_than_two() -> None:
    likelihood = Likelihood()
    weights = likelihood.weights([0, 1, 1, *[2] * 50])
    assert weights[0] == 1.0
    assert weights[1:3].sum() == pytest.approx(2 / 1.5)
    assert 1.9 < weights[3:].sum() < 2.0
    assert replace(likelihood, correlation=1.0).weights([0, 0, 0]).sum() == pytest.approx(1.0)


def test_rows_that_share_a_work_through_a_third_are_one_experiment() -> None:
    model = pm.load("acupuncture")
    rows = pm.evidence.read_observations(model)
    a, b = next((r, s) for r in rows for s in rows if not set(r.source) & set(s.source))
    bridge = replace(a, id="bridge", source=(*a.source, *b.source))
    alone, joined = experiments(model, [a, b]), experiments(model, [a, b, bridge])
    assert alone[0] != alone[1]
    assert joined[0] == joined[1] == joined[2]
    assert len(set(experiments(model, [replace(a, id=k, source=()) for k in "xyz"]))) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [("threshold", 0.0), ("softness", -1.0), ("floor", 1.0), ("correlation", 2.0), ("frequencies", (0.5, 0.5, 0.5))],
)
def test_constants_out_of_range_are_named(field: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=field if field != "frequencies" else "frequencies of directions"):
        Likelihood(**{field: value})  # type: ignore[arg-type]


# ---- the prior and its moves -------------------------------------------------------------------------------------


def test_an_alternative_sets_what_the_default_leaves_to_its_law() -> None:
    prior = Prior(pm.load("acupuncture"))
    rng = np.random.default_rng(5)
    places = prior.draw(400, rng)
    table = dict(zip(prior.names, prior.table(places).T, strict=True))
    for j, h in enumerate(prior.hypotheses):
        drawn = {p.id for p in prior.parameters}
        for k, (name, alternative) in enumerate(h.alternatives.items()):
            under = places.readings[:, j, 0] == k
            for key, value in alternative.settings.items():
                if name != h.default or key not in drawn:
                    assert np.all(table[key][under] == value)
                else:
                    assert np.unique(table[key][under]).size > 10


@pytest.mark.parametrize("whole", [True, False])
def test_moves_keep_the_prior(whole: bool) -> None:
    prior = Prior(pm.load("nlrp3_il1b"))
    rng = np.random.default_rng(6)
    start = prior.draw(4000, rng)
    moved = propose(prior, start, 0.6, whole, rng)
    assert not np.array_equal(moved.scores, start.scores)
    assert stats.kstest(moved.scores.ravel(), "norm").pvalue > 1e-3
    for j, h in enumerate(prior.hypotheses):
        counts = np.bincount(moved.readings[:, j, 0], minlength=len(h.alternatives))
        assert stats.chisquare(counts).pvalue > 1e-4
    there, back = (np.corrcoef(a.scores[:, 0], b.scores[:, 0])[0, 1] for a, b in ((start, moved), (moved, start)))
    assert there == pytest.approx(back)


def test_readers_agree_as_often_as_those_of_one_flat_share_and_moves_keep_that() -> None:
    prior = Prior(pm.load("acupuncture"), readers=5)
    rng = np.random.default_rng(8)
    places = prior.draw(4000, rng)
    for _ in range(4):
        for j, h in enumerate(prior.hypotheses):
            count = len(h.alternatives)
            for a, b in ((0, 1), (2, 4)):
                same = np.sum(places.readings[:, j, a] == places.readings[:, j, b])
                assert stats.binomtest(int(same), 4000, 2 / (count + 1)).pvalue > 1e-4
            assert stats.chisquare(np.bincount(places.readings[:, j, 3], minlength=count)).pvalue > 1e-4
        places = propose(prior, places, 0.5, True, rng)


def test_the_next_reader_follows_the_others() -> None:
    prior = Prior(pm.load("acupuncture"), readers=7)
    rng = np.random.default_rng(3)
    places = replace(prior.draw(3000, rng), readings=np.zeros((3000, len(prior.hypotheses), 7), dtype=np.intp))
    for j, h in enumerate(prior.hypotheses):
        right = 8 / (len(h.alternatives) + 7)
        np.testing.assert_allclose(prior.shares(places, j)[:, 0], right)
        follows = np.sum(prior.next_reader(places, rng).readings[:, j, 0] == 0)
        assert stats.binomtest(int(follows), 3000, right).pvalue > 1e-4


def test_each_of_contradicting_experiments_finds_its_reading() -> None:
    """Two against two: one reading fits half of them whatever it is, a share fits all and stays in the middle."""
    many = Prior(pm.load("acupuncture"), readers=4)
    wants = np.array([0, 0, 1, 1])
    place = [h.id for h in many.hypotheses].index("high_frequency")

    def evaluate(places: Places) -> tuple[Array, Array]:
        logs = np.where(places.readings[:, place] == wants, math.log(0.9), math.log(0.1))
        return logs, logs.sum(axis=1)

    found = sample(many, evaluate, n=1500, rng=np.random.default_rng(4), sweeps=6)
    weights, places = found.weights(found.predictions.sum(axis=1))[0], found.places
    fits = weights @ (places.readings[:, place] == wants)
    assert np.all(fits > 0.75)
    assert weights @ many.shares(places, place)[:, 0] == pytest.approx(0.5, abs=0.05)


# ---- the sampler -------------------------------------------------------------------------------------------------


def normal_problem() -> tuple[Prior, np.ndarray, float]:
    """Two scores of acupuncture seen with an error: everything is known in closed form."""
    prior = Prior(pm.load("acupuncture"))
    return prior, np.array([1.5, -0.5]), 0.4


def test_the_sampler_finds_the_posterior_and_the_evidence_of_a_normal_problem() -> None:
    prior, seen, error = normal_problem()

    def evaluate(places: Places) -> tuple[np.ndarray, np.ndarray]:
        predictions = places.scores[:, :2]
        return predictions, stats.norm.logpdf(predictions, seen, error).sum(axis=1)

    archive = sample(prior, evaluate, n=2000, rng=np.random.default_rng(1), sweeps=10)
    weights, evidence = archive.weights(stats.norm.logpdf(archive.predictions, seen, error).sum(axis=1))
    spread = math.sqrt(error**2 / (1 + error**2))
    means = weights @ archive.predictions
    np.testing.assert_allclose(means, seen / (1 + error**2), atol=0.06)
    np.testing.assert_allclose(np.sqrt(weights @ (archive.predictions - means) ** 2), spread, rtol=0.08)
    assert evidence == pytest.approx(stats.norm.logpdf(seen, 0, math.sqrt(1 + error**2)).sum(), abs=0.1)
    plain, nothing = archive.weights(np.zeros(len(archive.mixture)))
    assert nothing == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(plain @ archive.places.scores[:, :2], 0, atol=0.08)
    assert len(archive.steps) > 1


def test_ranks_of_truths_are_uniform() -> None:
    """Simulation-based calibration (Talts 2018, arXiv:1804.06788): truths from the prior, data from the truths."""
    prior, _, error = normal_problem()
    rng = np.random.default_rng(2)
    truths = prior.draw(120, rng).scores[:, :2]
    ranks = []
    for truth in truths:
        seen = truth + error * rng.standard_normal(2)

        def evaluate(places: Places, seen: np.ndarray = seen) -> tuple[np.ndarray, np.ndarray]:
            predictions = places.scores[:, :2]
            return predictions, stats.norm.logpdf(predictions, seen, error).sum(axis=1)

        archive = sample(prior, evaluate, n=150, rng=rng, sweeps=6)
        weights, _ = archive.weights(stats.norm.logpdf(archive.predictions, seen, error).sum(axis=1))
        ranks.append(weights @ (archive.predictions < truth))
    assert stats.kstest(np.array(ranks).ravel(), "uniform").pvalue > 1e-3


def test_two_seeds_and_plain_importance_sampling_agree_on_a_module() -> None:
    model = pm.load("acupuncture")
    one, other = (posterior(model, n=300, sweeps=6, seed=s, execution=QUIET) for s in (1, 2))
    assert one.log_evidence == pytest.approx(other.log_evidence, abs=0.3)
    assert np.abs(one.readings()["posterior"] - other.readings()["posterior"]).max() < 0.1
    rng, prior = np.random.default_rng(9), one.prior
    predictor = pm.evidence.predictions.Predictor(model, one.rows, QUIET, names=prior.names, usual=EXACT, count=3000)
    places = prior.draw(3000, rng)
    logs = one.likelihood.logs(one.rows, predictor(prior.table(places)))
    total = logs @ row_weights(one.likelihood, one.experiment, logs)
    assert one.log_evidence == pytest.approx(float(logsumexp(total)) - math.log(3000), abs=0.3)
    weights = np.exp(total - logsumexp(total))
    assert effective(weights) > 300
    for j, h in enumerate(prior.hypotheses):
        plain = np.bincount(places.readings[:, j, 0], weights=weights, minlength=len(h.alternatives))
        mine = one.readings().query("hypothesis == @h.id")["posterior"].to_numpy()
        np.testing.assert_allclose(mine, plain, atol=0.1)


# ---- what it says ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> pm.inference.Posterior:
    return posterior(pm.load("acupuncture"), n=200, sweeps=4, execution=QUIET)


def test_the_same_seed_gives_the_same_draws(found: pm.inference.Posterior) -> None:
    again = posterior(pm.load("acupuncture"), n=200, sweeps=4, execution=QUIET)
    np.testing.assert_array_equal(found.weights, again.weights)


def test_weights_under_the_same_likelihood_are_the_same(found: pm.inference.Posterior) -> None:
    np.testing.assert_array_equal(found.under(Likelihood()).weights, found.weights)
    flat = found.under(Likelihood(floor=0.999))
    assert np.abs(flat.readings()["posterior"] - flat.readings()["prior"]).max() < 0.06


def test_left_out_rows_are_scored_without_their_experiment(found: pm.inference.Posterior) -> None:
    table = found.held_out()
    first = found.rows[0]
    rest = [o for o, e in zip(found.rows, found.experiment, strict=True) if e != found.experiment[0]]
    without = posterior(pm.load("acupuncture"), rest, n=400, sweeps=6, seed=3, execution=QUIET)
    predictor = pm.evidence.predictions.Predictor(
        found.model, [first], QUIET, names=found.prior.names, usual=EXACT, count=1000
    )
    logs = found.likelihood.logs([first], predictor(found.prior.table(without.archive.places)))[:, 0]
    assert table.loc[first.id, "posterior"] == pytest.approx(math.log(without.weights @ np.exp(logs)), abs=0.1)
    assert table.loc[first.id, "default"] == found.likelihood.logs([first], found.default[None, :1])[0, 0]


def test_an_experiment_that_is_left_out_has_no_say_in_its_score(found: pm.inference.Posterior) -> None:
    table = found.held_out()
    for i, row in enumerate(found.rows):
        others = [k for k, e in enumerate(found.experiment) if e != found.experiment[i]]
        weights, _ = found.archive.weights(found.logs[:, others] @ found.shares[others])
        assert table.loc[row.id, "posterior"] == pytest.approx(math.log(weights @ np.exp(found.logs[:, i])))


def test_with_shares_each_row_is_predicted_under_the_readings_of_its_experiment() -> None:
    made = posterior(pm.load("acupuncture"), n=64, sweeps=2, shares=True, execution=QUIET)
    some = made.archive.places.take(np.arange(0, len(made.weights), 9))
    assert made.prior.readers == len(set(made.experiment))
    for i, row in enumerate(made.rows):
        predictor = pm.evidence.predictions.Predictor(
            made.model, [row], QUIET, names=made.prior.names, usual=EXACT, count=1000
        )
        alone = predictor(made.prior.table(some, reader=made.experiment[i]))[:, 0]
        np.testing.assert_allclose(made.archive.predictions[::9, i], alone, rtol=1e-3, atol=1e-3)


def test_what_no_draw_moves_weighs_nothing(found: pm.inference.Posterior) -> None:
    still = np.ptp(found.logs, axis=0) < 1e-3
    assert still.any()
    assert np.all(found.shares[still] == 0)
    assert f"{still.sum()} move under no draw" in found.summary()


def test_draws_run_as_an_ensemble(found: pm.inference.Posterior) -> None:
    columns = found.draws(8)
    runs = pm.ensemble(
        found.model, columns, [pm.Electroacupuncture(weeks=1)], outcomes=["vagal_drive"], weeks=1, execution=QUIET
    )
    assert runs.counts == {"ok": 8}
    np.testing.assert_array_equal(found.draws(8)["gain_vagal"], columns["gain_vagal"])


def test_quantiles_of_equal_weights_are_plain_ones() -> None:
    values = np.random.default_rng(1).normal(size=2001)
    levels = (0.05, 0.5, 0.95)
    plain = np.quantile(values, levels)
    np.testing.assert_allclose(quantiles(values, np.full(2001, 1 / 2001), levels), plain, atol=0.01)


def test_what_cannot_be_conditioned_is_said_by_name() -> None:
    with pytest.raises(InvalidValueError, match="epilepsy couples modules"):
        posterior(pm.load("epilepsy"))
    with pytest.raises(InvalidValueError, match="has no observations"):
        posterior(pm.load("acupuncture"), [])
    with pytest.raises(InvalidValueError, match="number of draws"):
        posterior(pm.load("acupuncture"), n=3)


def test_a_file_from_elsewhere_finds_the_rate_that_made_its_numbers() -> None:
    model = tiny("S = 1; k = 2; S' = -k*S")
    assert Prior(model).names == ("k",)
    rows = [number(math.exp(-1.5 * t), 0.001, id=f"{t}", hours=t) for t in (0.5, 1.0, 2.0)]
    found = posterior(model, rows, n=200, sweeps=4, likelihood=Likelihood(discrepancy=0.02), execution=QUIET)
    low, middle, high = found.constants().loc["k", ["posterior 5%", "posterior 50%", "posterior 95%"]]
    assert low < 1.5 < high
    assert middle == pytest.approx(1.5, rel=0.05)
    assert found.constants().loc["k", "narrowing"] < 0.2


@pytest.mark.parametrize("name", pm.Library().modules)
def test_every_experiment_runs_under_every_draw(name: str) -> None:
    model = pm.load(name)
    rows, prior = pm.evidence.read_observations(model), Prior(model)
    predictor = pm.evidence.predictions.Predictor(model, rows, QUIET, names=prior.names, usual=EXACT, count=256)
    found = predictor(prior.table(prior.draw(64, np.random.default_rng(11))))
    failed = {rows[i].id: why for i, why in predictor.failures.items()}
    assert not failed
    assert [rows[i].id for i in np.flatnonzero(~np.isfinite(found).all(axis=0))] == []
