"""Names, variants and tables of a model."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

import pathway_models as pm
from helpers import tiny
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.models.collection import OURS


@pytest.fixture(scope="module")
def coupled() -> pm.Model:
    return pm.load("epilepsy")


@pytest.fixture(scope="module")
def nlrp3() -> pm.Model:
    return pm.load("nlrp3_il1b")


# ---- loading -----------------------------------------------------------------------------------------------


def test_available_names_every_model() -> None:
    titles = pm.available()
    assert set(titles) == {*OURS.coupled, *OURS.modules}
    assert len(tuple(OURS.modules)) == 11
    assert tuple(OURS.coupled) == ("epilepsy", "epilepsy_core")
    assert all(len(t) > 10 for t in titles.values())


def test_unknown_model_and_context_are_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'nlrp3'; did you mean 'nlrp3_il1b'"):
        pm.load("nlrp3")
    with pytest.raises(UnknownNameError, match="unknown context of nlrp3_il1b 'epilepsia'; did you mean 'epilepsy'"):
        pm.load("nlrp3_il1b", context="epilepsia")


# ---- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("nlrp3_il1b__IL1B", "nlrp3_il1b__IL1B"),  # the id
        ("nlrp3_il1b.IL1B", "nlrp3_il1b__IL1B"),  # module.id
        ("AMPK", "ampk_pgc1a__pAMPK"),  # an alias
        ("BHB", "ketone_katp__BHB_plasma"),  # an alias, although three modules have an input of that name
        ("CMRglc", "ketone_katp__CMRglc"),  # an output before the input of the same name
        ("tau_session", "acupuncture__tau_session"),  # the last part
        ("rapamycin", "mtor_autophagy__rapamycin"),  # an input
        ("seizure_drive", "seizure_drive"),  # the shared input before those that it drives
        ("mito_capacity", "ketone_katp__mito_capacity"),  # a wired input: one module has it
        ("gain_OXPHOS_to_ketone_katp__mito_capacity", "gain_OXPHOS_to_ketone_katp__mito_capacity"),
    ],
)
def test_resolve(coupled: pm.Model, name: str, key: str) -> None:
    assert coupled.resolve(name) == key


def test_resolve_in_a_module(nlrp3: pm.Model) -> None:
    assert nlrp3.resolve("IL1B") == "IL1B"
    with pytest.raises(UnknownNameError, match="did you mean"):
        nlrp3.resolve("nlrp3_il1b.IL1B_")


def test_ambiguous_name_lists_the_candidates(coupled: pm.Model) -> None:
    with pytest.raises(UnknownNameError, match=r"\(ambiguous\) name in epilepsy 'EA_drive'") as error:
        coupled.resolve("EA_drive")
    for module in ("ampk_pgc1a", "gaba_gad67", "mtor_autophagy"):
        assert f"{module}.EA_drive" in str(error.value)
    assert "gain_" not in str(error.value)


@pytest.mark.parametrize("name", ["MTORC", "", "nlrp3_il1b.IL1Q"])
def test_unknown_name(coupled: pm.Model, name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown name in epilepsy '{name}'") as error:
        coupled.resolve(name)
    if name == "MTORC":
        assert "did you mean 'MTORC1'" in str(error.value)


# ---- parameters --------------------------------------------------------------------------------------------


def test_with_parameters_gives_a_new_model(nlrp3: pm.Model) -> None:
    changed = nlrp3.with_parameters(IC50_MCC950=0.5)
    assert changed.parameters.loc["IC50_MCC950", "value"] == 0.5
    assert "IC50_MCC950" not in nlrp3.settings
    assert changed.sbml is nlrp3.sbml
    with pytest.raises(dataclasses.FrozenInstanceError):
        nlrp3.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        changed.settings["IC50_MCC950"] = 1.0  # type: ignore[index]


def test_later_values_win_and_earlier_ones_stay(nlrp3: pm.Model) -> None:
    changed = nlrp3.with_parameters(IC50_MCC950=0.5, MCC950=1).with_parameters(IC50_MCC950=0.7)
    assert (changed.settings["IC50_MCC950"], changed.settings["MCC950"]) == (0.7, 1.0)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("IC50_MCC950", -1, InvalidValueError, "IC50_MCC950 is -1; allowed are values of 0 and more"),
        ("IC50_MCC950", math.nan, InvalidValueError, "IC50_MCC950 is nan; allowed are finite numbers"),
        ("IC50_MCC950", math.inf, InvalidValueError, "IC50_MCC950 is inf"),
        ("MCC950", 11, InvalidValueError, "MCC950 is 11; allowed is 0 to 10"),
        ("IL1B", 2, InvalidValueError, "IL1B of nlrp3_il1b is a state, and runs start at the rest"),
        ("CASP1_activity", 2, InvalidValueError, "computed by a rule"),
        ("IC50_MCC95", 1, UnknownNameError, "did you mean 'IC50_MCC950'"),
    ],
)
def test_with_parameters_errors(nlrp3: pm.Model, name: str, value: float, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nlrp3.with_parameters({name: value})


def test_wired_input_cannot_be_set(coupled: pm.Model) -> None:
    with pytest.raises(InvalidValueError, match="nlrp3_il1b__BHB of epilepsy is computed"):
        coupled.with_parameters({"nlrp3_il1b.BHB": 1})


def test_tables(coupled: pm.Model) -> None:
    table = coupled.parameters
    assert table.index.is_unique
    assert set(coupled.gains) == set(table.index[table["kind"] == "gain"])
    for p in coupled.constants:
        q = coupled.quantities[p.id]
        assert (q.value, q.unit, q.kind) == (p.value, p.unit, "parameter")
    inputs = coupled.inputs
    assert set(inputs["role"]) == {"level", "dose"}
    assert set(inputs.index[inputs["role"] == "dose"]) <= set(coupled.states)
    assert ((inputs["low"] <= inputs["reference"]) & (inputs["reference"] <= inputs["high"])).all()
    assert set(coupled.outputs.index) <= set(coupled.quantities)


# ---- hypotheses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["epilepsy", *OURS.modules])
def test_every_alternative_sets_constants_that_the_model_has(name: str) -> None:
    model = pm.load(name)
    assert len({h.id for h in model.hypothesis_set}) == len(model.hypothesis_set)
    for h in model.hypothesis_set:
        assert h.default in h.alternatives
        assert len(h.alternatives) > 1
        for key, alternative in h.alternatives.items():
            changed = model.with_hypothesis(h.id, key)
            assert dict(changed.settings) == {**model.settings, **alternative.settings}
            model.with_parameters(alternative.settings)  # raises for a name or value that cannot be set


@pytest.mark.parametrize("name", tuple(OURS.modules))
def test_the_default_alternative_is_what_the_file_holds(name: str) -> None:
    model = pm.load(name)
    for h in model.hypothesis_set:
        for key, value in h.alternatives[h.default].settings.items():
            assert model.quantities[key].value == value, (h.id, key)


def test_with_hypothesis_errors(coupled: pm.Model) -> None:
    with pytest.raises(UnknownNameError, match="unknown hypothesis of epilepsy 'efficac'; did you mean 'efficacy'"):
        coupled.with_hypothesis("efficac", "weak")
    with pytest.raises(UnknownNameError, match=r"unknown alternative of hypothesis efficacy 'strong'.*vns_like"):
        coupled.with_hypothesis("efficacy", "strong")


def test_a_hypothesis_changes_the_run() -> None:
    model = pm.load("acupuncture")
    plan = [pm.Electroacupuncture(weeks=1)]
    peak = {
        k: float(model.with_hypothesis("efficacy", k).simulate(plan, weeks=1)["vagal_drive"].max())
        for k in ("null", "weak", "vns_like")
    }
    assert peak["null"] == 0
    assert peak["weak"] / peak["vns_like"] == pytest.approx(0.345 / 1.5, rel=1e-9)


# ---- contexts ----------------------------------------------------------------------------------------------


def test_contexts_differ_by_drive_and_overlay(coupled: pm.Model) -> None:
    healthy = pm.load("epilepsy", context="healthy")
    assert (healthy.context, dict(healthy.settings), dict(healthy.anchors)) == ("healthy", {}, {})
    assert coupled.settings["seizure_drive"] == 1.0
    assert coupled.settings["gaba_gad67__GS_capacity"] == 0.62
    assert dict(coupled.anchors) == {
        "excitability__E_untreated": "excitability__excitability_index",
        "excitability__IL1B_untreated": "excitability__IL1B",
        "excitability__SPROUTING_untreated": "excitability__SPROUTING",
    }
    assert dict(healthy.with_context("epilepsy").settings) == dict(coupled.settings)
    assert dict(coupled.with_context("healthy").settings) == {}


def test_other_settings_stay_in_another_context(coupled: pm.Model) -> None:
    changed = coupled.with_parameters({"rapamycin": 2, "gaba_gad67.GS_capacity": 0.5}).with_context("healthy")
    assert dict(changed.settings) == {"mtor_autophagy__rapamycin": 2.0, "gaba_gad67__GS_capacity": 0.5}
    assert changed.with_context("epilepsy").settings["gaba_gad67__GS_capacity"] == 0.5


def test_constants_of_a_context_are_over_the_overlay(coupled: pm.Model) -> None:
    cortex = coupled.with_context("epilepsy_cortex")
    assert cortex.settings["gaba_gad67__GS_capacity"] == 1.0
    assert cortex.settings["gaba_gad67__PAG_activity"] == coupled.settings["gaba_gad67__PAG_activity"]


def test_unknown_context(coupled: pm.Model) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown context of epilepsy 'ill'.*epilepsy, .*healthy"):
        coupled.with_context("ill")
    with pytest.raises(UnknownNameError, match="unknown context of tiny"):
        tiny("x = 1").with_context("healthy")


# ---- length of a run ---------------------------------------------------------------------------------------


def test_duration_in_the_unit_of_the_model(nlrp3: pm.Model) -> None:
    assert nlrp3.duration(2, None) == 336.0
    assert nlrp3.duration(None, 5.5) == 5.5
    assert nlrp3.duration(None, None) == 12 * 168.0
    assert tiny("unit time_unit = 60 second; x = 1").duration(1, None) == pytest.approx(10080)


@pytest.mark.parametrize(
    ("weeks", "duration"), [(1, 5), (0, None), (-1, None), (math.nan, None), (None, 0), (None, math.inf)]
)
def test_duration_errors(nlrp3: pm.Model, weeks: float | None, duration: float | None) -> None:
    with pytest.raises(
        InvalidValueError, match=r"weeks=\.\.\. or duration=|(weeks|duration) is .*; allowed are finite values above 0"
    ):
        nlrp3.duration(weeks, duration)


def test_a_model_from_elsewhere_has_no_usual_length() -> None:
    with pytest.raises(InvalidValueError, match=r"weeks=\.\.\. or duration="):
        tiny("x = 1").duration(None, None)


def test_hash_is_that_of_the_text(nlrp3: pm.Model) -> None:
    assert nlrp3.hash == nlrp3.with_parameters(IC50_MCC950=0.5).hash
    assert nlrp3.hash != pm.load("acupuncture").hash
    assert len(nlrp3.hash) == 16


def test_somebody_s_model_has_unsourced_parameters() -> None:
    model = tiny("k = 2; z = 0; p = 3*k; y := k; S = 1; S' = -k*S")
    table = model.parameters
    assert list(table.index) == ["k", "z"]
    assert set(table["kind"]) == {"unknown"}
    assert (table.loc["k", "low"], table.loc["k", "high"], table.loc["k", "distribution"]) == (1, 4, "loguniform")
    assert table.loc["z", "distribution"] == "fixed"
    assert json.loads(model.simulate(duration=1).attrs["settings"]) == {}
