"""The vicious circle: its gain, both rests, what leads to chronic seizures, what ends them, and the gate of ketosis."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

import pathway_models as pm
from helpers import at_rest, tiny
from pathway_models.errors import InvalidValueError, ModelError
from pathway_models.experiments import loop
from pathway_models.models.collection import OURS

READOUT = "excitability"
BURDEN = ("burden", "inflammation", "barrier_leak", "neuronal_loss", "remodelling")
REST = 20_000.0
DAY, WEEK = 24.0, 168.0


@cache
def readout(context: str = "epilepsy", **hypotheses: str) -> pm.Model:
    model = pm.load(READOUT, context=context)
    for name, alternative in hypotheses.items():
        model = model.with_hypothesis(name, alternative)
    return model


def gain(model: pm.Model) -> float:
    return float(pm.loop_gains(model, execution=pm.Execution(workers=1, progress=False))[0])


def late_rate(model: pm.Model, treatments: list[pm.Treatment], hours: float = REST) -> float:
    return float(model.simulate(treatments, duration=hours, every=hours)["seizure_rate"][-1])


def status(hours: float) -> xr.Dataset:
    """Provoked seizures in a healthy brain, followed for a year."""
    plan = [pm.Drug(name="status_epilepticus", hours=hours)]
    return readout("healthy").simulate(plan, duration=52 * WEEK, every=WEEK)


# ---- gain --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [READOUT, *OURS.coupled])
def test_the_untreated_state_is_stable(name: str) -> None:
    assert 0 < gain(pm.load(name)) < 1


def test_pathways_add_to_the_gain_of_the_read_out() -> None:
    alone, core = (gain(pm.load(name)) for name in (READOUT, "epilepsy_core"))
    assert core > 1.5 * alone


def test_the_gain_by_hand() -> None:
    """Without pathways: what the burden does to remodelling, which the rate follows in proportion.

    The burden's drive has the slope 1/2 at 1, inflammation and leak follow it in proportion, and reversible remodelling
    has the slope 2 K^2/(1 + K^2) there; the structural share does not heal and has no slope. The rate saturates a
    little at the untreated state already.
    """
    model = readout(adenosine="none")
    q = {k: model.quantities[k].value for k in ("share_structural", "K_remodelling")}
    share = model.quantities["seizure_frequency_untreated"].value / model.quantities["seizure_frequency_max"].value
    slope = 0.5 * (1 - q["share_structural"]) * 2 * q["K_remodelling"] ** 2 / (1 + q["K_remodelling"] ** 2)
    assert gain(model) == pytest.approx(slope * (1 - share), rel=1e-3)


def test_gliosis_adds_to_the_gain() -> None:
    """Remodelled circuits hold more adenosine kinase: less adenosine, more excitability, a higher rate."""
    assert gain(readout(adenosine="none")) < gain(readout()) < 1.2 * gain(readout(adenosine="none"))


def test_the_gain_grows_with_what_can_heal() -> None:
    structural, half, reversible = (gain(readout(remodelling=a)) for a in ("structural", "half", "reversible"))
    assert structural < half < reversible < 1


def test_the_gain_is_that_of_the_settings_whatever_constant_comes_first() -> None:
    model = readout().with_parameters(share_structural=0.9)
    turned = replace(model, constants=sorted(model.constants, key=lambda p: p.id != "share_structural"))
    assert gain(turned) == pytest.approx(gain(model), rel=1e-6)


def test_both_rests_are_run_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], loop.ensemble

    def seen(study: pm.Study, rows: Any, *, execution: pm.Execution | None = None) -> pm.ensembles.Ensemble:
        asked.append(execution)
        return real(study, rows, execution=execution)

    monkeypatch.setattr(loop, "ensemble", seen)
    on = pm.Execution(workers=1, progress=False, engine="roadrunner")
    pm.loop_gains(readout(), execution=on)
    assert asked == [on, on]
    with pytest.raises(InvalidValueError, match="checkpoint is here; a loop gain keeps none"):
        pm.loop_gains(readout(), execution=pm.Execution(checkpoint="here"))


def test_a_row_that_lacks_one_anchor_at_rest_has_no_gain() -> None:
    rest = {v: np.ones(3) for v in readout().anchors.values()}
    rest["IL1B"][1] = np.nan
    on = pm.Execution(workers=1, progress=False)
    gains = loop.gains_from_rest(readout(), {"weight_GABA": np.ones(3)}, rest, on)
    assert np.isnan(gains).tolist() == [False, True, False]


def test_a_model_without_a_loop_is_refused() -> None:
    for model in (pm.load("gaba_gad67"), pm.load(READOUT, context="healthy"), tiny("S = 1; S' = -S")):
        with pytest.raises(ModelError, match="has no feedback loop"):
            gain(model)


@pytest.mark.parametrize("alternative", ["structural", "half", "reversible"])
@pytest.mark.parametrize("change", [0.99, 1.01])
def test_a_small_effect_grows_by_one_over_one_minus_the_gain(alternative: str, change: float) -> None:
    model = readout(remodelling=alternative)
    gaba: list[pm.Treatment] = [pm.Level(input="GABA", value=change)]
    closed = math.log(late_rate(model, gaba, 2 * REST))
    opened = math.log(late_rate(model.with_parameters(closed_loop=0), gaba, 2 * REST))
    assert closed / opened == pytest.approx(1 / (1 - gain(model)), rel=0.01)


def test_the_coupled_circle_amplifies_by_its_gain() -> None:
    """The same in the core, with pathways in the circle: a small change of the weightless part of the index."""
    model = pm.load("epilepsy_core")
    anchors = at_rest(model, tuple(model.anchors))
    shift = {"excitability__E_untreated": anchors["excitability__E_untreated"] + 0.002}
    plan: list[pm.Treatment] = [pm.Level(input=k, value=v) for k, v in shift.items()]
    rate = "excitability__seizure_rate"
    closed, opened = (
        math.log(float(m.simulate(plan, duration=REST, every=REST)[rate][-1]))
        for m in (model, model.with_parameters({"excitability.closed_loop": 0}))
    )
    assert closed / opened == pytest.approx(1 / (1 - gain(model)), rel=0.02)


def test_open_and_closed_are_a_hypothesis() -> None:
    """Open, the kappa of patients and no loop: the effect is there at once and does not grow."""
    model = readout(feedback="open")
    calm: list[pm.Treatment] = [pm.Level(input="EA_proconvulsant", value=-0.2)]
    run = model.simulate(calm, duration=REST, every=REST / 4)["seizure_rate"]
    assert float(run[0]) == pytest.approx(math.exp(-0.2 * model.settings["kappa"]), rel=0.01)
    np.testing.assert_allclose(run, float(run[0]), rtol=1e-6)


# ---- rests -------------------------------------------------------------------------------------------------


def test_untreated_epilepsy_rests_at_one() -> None:
    model = readout()
    rest = at_rest(model, (*BURDEN, "seizure_rate", "seizure_activity"))
    assert rest == pytest.approx(dict.fromkeys(rest, 1.0), abs=1e-9)
    run = model.simulate(weeks=52, every=WEEK)
    for name in rest:
        np.testing.assert_allclose(run[name], 1.0, rtol=1e-6)


def test_health_has_no_seizures() -> None:
    """Exactly: the rate is a product with the remodelling, which is 0."""
    run = readout("healthy").simulate(weeks=52, every=WEEK)
    for name in (*BURDEN, "seizure_rate", "seizure_activity"):
        assert float(abs(run[name]).max()) == 0.0


def test_epilepsy_comes_back_after_a_small_push() -> None:
    push = [pm.Dose(input=k, amount=0.1, times=(0.0,)) for k in BURDEN if k != "neuronal_loss"]
    run = readout().simulate(push, duration=REST, every=REST / 10)["seizure_rate"]
    assert float(run[0]) > 1.05
    assert float(run[-1]) == pytest.approx(1.0, abs=1e-4)


def test_an_imposed_rate_acts_in_the_open_loop_only() -> None:
    more: list[pm.Treatment] = [pm.Level(input="seizure_drive", value=2.0)]
    closed = readout().simulate(more, duration=REST, every=REST / 2)
    np.testing.assert_allclose(closed["burden"], 1.0, rtol=1e-6)
    opened = readout(feedback="open").simulate(more, duration=REST, every=REST / 2)
    assert float(opened["burden"][-1]) == pytest.approx(2.0, rel=1e-5)


# ---- status epilepticus ------------------------------------------------------------------------------------


def test_a_short_status_leaves_next_to_nothing() -> None:
    """Four hours; six already cost a fifth of what can be lost."""
    run = status(4)
    assert float(run["burden"].max()) > 0
    assert float(run["neuronal_loss"][-1]) < 0.1
    assert float(run["seizure_rate"].sel(time=slice(8 * WEEK, None)).max()) < 0.02


def test_a_long_status_leads_to_chronic_seizures() -> None:
    """The healthy index is below that of untreated epilepsy, so the new rest is below 1; neurons are lost for good."""
    run = status(24)
    assert float(run["neuronal_loss"][-1]) > 0.95
    late = run["seizure_rate"].sel(time=slice(26 * WEEK, None))
    assert float(late.min()) > 0.2
    assert float(late[-1]) == pytest.approx(float(late[0]), rel=0.05)


def test_the_border_is_a_threshold() -> None:
    """More hours of status never leave less; between 4 and 24 h the outcome changes more than tenfold."""
    late = [float(status(h)["seizure_rate"][-1]) for h in (2, 4, 12, 24, 48)]
    assert np.all(np.diff(late) > -1e-6)
    assert late[3] > 10 * late[1]
    assert late[4] < 1.1 * late[3]


def test_lost_neurons_stay_lost() -> None:
    loss = status(24)["neuronal_loss"].values
    assert np.all(np.diff(loss) > -1e-6)


def test_a_drug_in_the_latent_period_prevents_seizures() -> None:
    """Less IL-1beta in the days after status: less inflammation, less loss (nlrp3_il1b:r050)."""
    model = readout("healthy")
    plan: list[pm.Treatment] = [pm.Drug(name="status_epilepticus", hours=12)]
    treated = [*plan, pm.Level(input="IL1B", value=0.2, until=2 * WEEK)]
    alone, helped = (model.simulate(p, weeks=26, every=WEEK) for p in (plan, treated))
    assert float(helped["neuronal_loss"][-1]) < 0.5 * float(alone["neuronal_loss"][-1])
    assert float(helped["seizure_rate"][-1]) < 0.5 * float(alone["seizure_rate"][-1])


@pytest.mark.parametrize(("arm", "low", "high"), [(0.05, 0.0, 0.01), (0.2, 0.01, 0.2), (2.0, 1.01, 1.1)])
def test_lasting_change_needs_the_plc_gamma_arm(arm: float, low: float, high: float) -> None:
    """Its absence stops it, more of it than in health adds little; early, before the loss saturates."""
    alone = readout("healthy").simulate([pm.Drug(name="status_epilepticus")], duration=2 * DAY)["neuronal_loss"]
    plan = [pm.Drug(name="status_epilepticus"), pm.Level(input="PLCG", value=arm)]
    moved = readout("healthy").simulate(plan, duration=2 * DAY)["neuronal_loss"]
    assert low <= float(moved[-1] / alone[-1]) <= high


@pytest.mark.parametrize("reading", ["needed", "not_needed"])
@pytest.mark.parametrize("blocker", ["TRKB_inhibitor", "pY816_peptide"])
def test_trkb_blocked_after_status_prevents_epilepsy(blocker: str, reading: str) -> None:
    """bdnf_trkb:br28, br29: two weeks of it, fewer recurrent seizures later; not where inflammation alone decides."""
    anchors = at_rest(pm.load("epilepsy"), tuple(pm.load("epilepsy").anchors))
    model = pm.load("epilepsy", context="healthy").with_parameters(anchors)
    model = model.with_hypothesis("plcg_epileptogenesis", reading)
    plan: list[pm.Treatment] = [pm.Drug(name="status_epilepticus")]
    treated = [*plan, pm.Level(input=blocker, value=9.0, at=DAY, until=DAY + 2 * WEEK)]
    alone, helped = (
        float(model.simulate(p, weeks=12, every=WEEK)["excitability__seizure_rate"][-1]) for p in (plan, treated)
    )
    assert alone > 0.1
    assert (helped < 0.2 * alone) if reading == "needed" else (helped > 0.9 * alone)


# ---- remission ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alternative", "lasting"), [("reversible", True), ("half", False), ("structural", False)])
def test_what_heals_decides_whether_a_remission_lasts(alternative: str, lasting: bool) -> None:
    """clinical:C116 against clinical:C059: half a year of strong treatment, then none for three years."""
    strong: list[pm.Treatment] = [pm.Level(input="EA_proconvulsant", value=-1.7, until=26 * WEEK)]
    run = readout(remodelling=alternative).simulate(strong, duration=182 * WEEK, every=WEEK)["seizure_rate"]
    assert float(run.sel(time=26 * WEEK - WEEK)) < 0.2
    assert float(run[-1]) == pytest.approx(0.0 if lasting else 1.0, abs=1e-3)


def test_a_treatment_above_the_border_does_not_end_it() -> None:
    weak: list[pm.Treatment] = [pm.Level(input="EA_proconvulsant", value=-0.1, until=26 * WEEK)]
    run = readout(remodelling="reversible").simulate(weak, duration=182 * WEEK, every=WEEK)["seizure_rate"]
    assert float(run.min()) < 0.9
    assert float(run[-1]) == pytest.approx(1.0, abs=1e-3)


# ---- adenosine and memory ----------------------------------------------------------------------------------

KETOSIS = {"BHB": 1.6, "glucose": 3.65}  # brain ketones and plasma glucose of a 4:1 diet


def in_ketosis(until: float | None = None) -> list[pm.Treatment]:
    return [pm.Level(input=k, value=v, until=until) for k, v in KETOSIS.items()]


@cache
def gate() -> xr.Dataset:
    """Twenty days of ketosis in health, and four days after it."""
    return readout("healthy").simulate(in_ketosis(20 * DAY), duration=24 * DAY, every=1.0)


@pytest.mark.parametrize(("day", "share"), [(2, 0.16), (5, 0.355), (12, 0.65), (19, 0.811)])
def test_the_kinase_falls_with_its_half_life(day: int, share: float) -> None:
    """clinical:P096: one protein of 7.9 days in vivo; less early than late, but not nothing on days 2 and 5."""
    by_hand = 1 - 2 ** (-day * DAY / readout().quantities["t_half_ADK"].value)
    full = readout().quantities["fall_ADK_ketosis"].value * float(gate()["ketosis"].sel(time=day * DAY))
    found = (1 - float(gate()["ADK_diet"].sel(time=day * DAY))) / full
    assert found == pytest.approx(by_hand, abs=1e-4)
    assert found == pytest.approx(share, abs=0.01)


def test_its_effect_goes_at_once() -> None:
    """clinical:C109, C127, C130: an AND gate; the kinase is still low, the ketosis is gone."""
    run = gate()
    assert float(run["E_A1"].sel(time=20 * DAY - 1)) < -0.04
    assert float(run["E_A1"].sel(time=20 * DAY)) == pytest.approx(0.0, abs=1e-9)
    assert float(run["ADK_diet"].sel(time=20 * DAY + 4)) < 0.75


def test_glucose_undoes_it_while_ketones_stay() -> None:
    """clinical:C127: three times the resting glucose takes back most of what adenosine does."""
    plan = [*in_ketosis(), pm.Level(input="glucose", value=15.0, at=20 * DAY)]
    plan[1] = pm.Level(input="glucose", value=3.65, until=20 * DAY)
    run = readout("healthy").simulate(plan, duration=21 * DAY, every=DAY)["E_A1"]
    assert float(run.sel(time=21 * DAY)) > 0.4 * float(run.sel(time=19 * DAY))


@pytest.mark.parametrize("receptors", [1.0, 0.5, 0.0])
def test_adenosine_needs_a1_receptors(receptors: float) -> None:
    """clinical:C137 to C139: in proportion, and nothing of it without them."""
    model = readout("healthy")
    rest = [pm.Level(input="A1R", value=receptors)]
    effects = [model.simulate([*rest, *p], duration=20 * DAY, every=20 * DAY)["E_A1"][-1] for p in ([], in_ketosis())]
    whole = model.simulate(in_ketosis(), duration=20 * DAY, every=20 * DAY)["E_A1"][-1]
    assert float(effects[1] - effects[0]) == pytest.approx(receptors * float(whole), rel=1e-6, abs=1e-12)


def test_without_adenosine_ketones_do_next_to_nothing_here() -> None:
    """What is left is the memory: methylation still sees adenosine, receptors or not."""
    model = readout(adenosine="none", memory="none")
    run = model.simulate(in_ketosis(), weeks=8, every=WEEK)
    np.testing.assert_allclose(run["threshold_PTZ"], 1.0, rtol=1e-6)


@pytest.mark.parametrize("memory", ["methylation", "none"])
def test_methylation_keeps_a_part_of_the_benefit_for_months(memory: str) -> None:
    """clinical:C116: 24 weeks of ketosis, then none; with it more is left after 12 weeks, nothing after years."""
    run = readout(memory=memory).simulate(in_ketosis(24 * WEEK), duration=150 * WEEK, every=WEEK)["seizure_rate"]
    left = float((1 - run.sel(time=36 * WEEK)) / (1 - run.sel(time=23 * WEEK)))
    assert (left > 0.15) if memory == "methylation" else (left < 0.1)
    assert float(run[-1]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("duration", [0.5, 1.0, 3.0])
def test_years_of_disease_add_to_the_lasting_share(duration: float) -> None:
    """As 1 - exp(-years/constant)."""
    model = readout().with_parameters(disease_duration=duration)
    assert at_rest(model, ("lasting",))["lasting"] == pytest.approx(1 - 0.5**duration)


def test_years_of_disease_leave_less_to_heal() -> None:
    late, middle, early = (gain(readout().with_parameters(disease_duration=d)) for d in (3.0, 1.0, 0.5))
    assert late < middle < early


# ---- interictal activity -----------------------------------------------------------------------------------


def test_interictal_activity_is_what_others_feel() -> None:
    """Rest 0 in health and 1 in untreated epilepsy, less change than the rate, and most of what other modules feel."""
    run = readout().simulate([pm.Level(input="GABA", value=5.0)], duration=REST, every=REST)
    rate, spikes, felt = (float(run[k][-1]) for k in ("seizure_rate", "interictal", "seizure_activity"))
    assert spikes == pytest.approx(2 * rate / (1 + rate), rel=1e-3)
    assert rate < spikes < 1
    assert felt == pytest.approx(spikes, rel=0.05)
