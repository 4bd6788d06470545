"""Reading, checking and rewriting of SBML text."""

from __future__ import annotations

from pathlib import Path

import libsbml
import numpy as np
import pytest

import pathway_models as pm
from helpers import UNITS, from_sbml, sbml, tiny
from pathway_models._sbml import edit, units
from pathway_models._sbml import sbml as _sbml
from pathway_models.errors import InvalidValueError, ModelError
from pathway_models.modules.coupling import flatten

DECAY = "compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c"


def _second_level(body: str) -> str:
    document = libsbml.readSBMLFromString(sbml(body))
    assert document.setLevelAndVersion(2, 4)
    return str(libsbml.writeSBMLToString(document))


def _with_local(global_value: float, local_value: float) -> str:
    document = libsbml.readSBMLFromString(sbml(f"S = 1; g = {global_value}; J: S -> ; g*S"))
    local = document.getModel().getReaction("J").getKineticLaw().createLocalParameter()
    local.setId("g")
    local.setValue(local_value)
    return str(libsbml.writeSBMLToString(document))


# ---- reading -----------------------------------------------------------------------------------------------


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.xml: No such file"):
        pm.load(tmp_path / "nowhere.xml")


def test_folder_instead_of_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{tmp_path.name} holds 0 YAML files"):
        pm.load(tmp_path)


def test_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "binary.xml"
    path.write_bytes(b"\xa1\x00\x81")
    with pytest.raises(ModelError, match=r"binary\.xml: not UTF-8 text"):
        pm.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"broken_one\.xml: it is empty"),
        ("hello", "broken_one is not valid SBML"),
        ("<html></html>", r"broken_one\.xml: it is a web page"),
        (sbml(DECAY)[:400], "broken_one is not valid SBML"),
    ],
    ids=["empty", "plain text", "html", "cut off"],
)
def test_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken_one.xml"
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        pm.load(path)


def test_document_without_model_is_refused() -> None:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"/>'
    )
    with pytest.raises(ModelError, match="hollow holds no SBML model"):
        _sbml.parse(text, name="hollow")


def test_invalid_reference_gives_line_and_name() -> None:
    text = sbml(DECAY).replace('species="S"', 'species="Q"')
    with pytest.raises(ModelError, match=r"odd is not valid SBML \(line \d+\)"):
        _sbml.parse(text, name="odd")


def test_missing_value_of_a_parameter_is_named() -> None:
    text = sbml(DECAY).replace('id="k" value="1"', 'id="k"')
    with pytest.raises(ModelError, match="half: parameter 'k' has no value"):
        from_sbml(text, name="half")


def test_missing_value_with_initial_assignment_or_rule_is_fine() -> None:
    assert set(tiny("p = 1; k = 2*p; y := k; S = 3*p; S' = -k").quantities) == {"p", "k", "y", "S"}


# ---- what is in it -----------------------------------------------------------------------------------------


def test_quantities_tell_kind_role_and_unit() -> None:
    text = sbml(
        UNITS + "compartment brain = 2 litre; species A in brain; A = 3 mM; substanceOnly species B in brain; B = 4;"
        "const k = 1 mM; y := k; z = 0; z' = 1; A -> B; k"
    )
    q = _sbml.quantities(_sbml.parse(text), name="t")
    assert (q["A"].kind, q["A"].value, q["A"].unit, q["A"].amount) == ("species", 3.0, "mmol/L", False)
    assert (q["B"].value, q["B"].amount, q["B"].unit) == (4.0, True, "mmol")
    assert (q["k"].constant, q["k"].ruled) == (True, "")
    assert (q["y"].constant, q["y"].ruled) == (False, "assignment")
    assert q["z"].ruled == "rate"
    assert (q["brain"].kind, q["brain"].value, q["brain"].unit) == ("compartment", 2.0, "L")


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ("3600 second", "h"),
        ("1e-3 mole/litre", "mmol/L"),
        ("1e-6 mole/litre", "umol/L"),
        ("1e-3 mole/(litre*3600 second)", "mmol/L/h"),
        ("1e-3 mole/kilogram", "mmol/kg"),
        ("1e-3 mole/(kilogram*3600 second)", "mmol/kg/h"),
        ("1e-2 gram/litre", "mg/dL"),
        ("1e-3 kilogram/(86400 second)", "g/d"),
        ("litre", "L"),
        ("dimensionless", "dimensionless"),
    ],
)
def test_unit_text(definition: str, text: str) -> None:
    document = _sbml.parse(sbml(f"unit u = {definition}; const k = 1 u"))
    assert _sbml.quantities(document, name="t")["k"].unit == text


def test_equal_units_in_other_spelling_have_one_key() -> None:
    text = sbml("unit a = 1e-3 mole/litre; unit b = mole/metre^3; const x = 1 a; const y = 1 b")
    document = _sbml.parse(text)
    keys = [units.unit_key(document.getModel().getUnitDefinition(u)) for u in ("a", "b")]
    assert keys[0] is not None
    assert keys[0][0] == pytest.approx(keys[1][0])
    assert keys[0][1] == keys[1][1]
    assert units.unit_key(None) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (sbml("unit time_unit = 3600 second; x = 1"), 3600.0),
        (sbml("unit time_unit = second; x = 1"), 1.0),
        (sbml("x = 1"), None),
        (_second_level("x = 1"), 1.0),
        (_second_level("unit time_unit = 60 second; x = 1"), 60.0),
    ],
)
def test_time_unit(text: str, seconds: float | None) -> None:
    assert units.time_unit_seconds(_sbml.parse(text)) == seconds


def test_findings_are_empty_for_a_clean_text_and_name_what_is_wrong() -> None:
    clean = sbml(UNITS + "compartment brain = 1 litre; const k = 1 mM; y := k; y has mM")
    assert _sbml.findings(clean) == []
    found = _sbml.findings(sbml(UNITS + "compartment brain = 1 litre; const k = 1 mM; y := k; y has time_unit"))
    assert [f.severity for f in found] == ["warning"]
    assert found[0].line > 1
    assert "units" in found[0].message
    assert _sbml.findings("")[0].severity in ("fatal", "error")


# ---- rewriting ---------------------------------------------------------------------------------------------


def test_with_values_writes_each_kind() -> None:
    text = sbml("compartment c = 2; species S in c; S = 1; substanceOnly species A in c; A = 5; k = 1")
    changed = edit.with_values(text, {"c": 3.0, "S": 4.0, "A": 6.0, "k": 7.0})
    q = _sbml.quantities(_sbml.parse(changed), name="t")
    assert {k: q[k].value for k in "cSAk"} == {"c": 3.0, "S": 4.0, "A": 6.0, "k": 7.0}
    assert edit.with_values(text, {}) == text


def test_with_values_wins_over_an_initial_assignment() -> None:
    model = from_sbml(edit.with_values(sbml("p = 1; k = 2*p; S = 1; S' = -k*S"), {"k": 1.0}), name="t")
    assert model.simulate(duration=1, every=1)["S"].values[-1] == pytest.approx(np.exp(-1.0), rel=1e-5)


def test_hierarchical_documents_are_told_apart() -> None:
    root = Path(__file__).parents[2] / "sbml" / "coupled"
    assert _sbml.is_hierarchical(_sbml.parse((root / "epilepsy-comp.xml").read_text()))
    assert not _sbml.is_hierarchical(_sbml.parse((root / "epilepsy.xml").read_text()))


def test_flattening_an_unknown_submodel_is_an_error() -> None:
    root = Path(__file__).parents[2] / "sbml" / "coupled"
    text = (root / "epilepsy-comp.xml").read_text().replace('comp:modelRef="nlrp3_il1b"', 'comp:modelRef="gone"')
    with pytest.raises(ModelError, match=r"broken_parts.*"):
        flatten(libsbml.readSBMLFromString(text), name="broken_parts")


# ---- somebody's SBML: semantics ----------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["p = 1; k = 2*p; S = 3*p; S' = -k*S", "p = 1; q = p; k = 2*q; S = 3*q; S' = -k*S"])
def test_initial_assignments_follow_a_changed_parameter(body: str) -> None:
    run = tiny(body).with_parameters(p=2).simulate(duration=1, every=0.25)
    np.testing.assert_allclose(run["S"], 6 * np.exp(-4 * run.time), rtol=1e-5)


def test_changed_parameter_equals_the_value_written_in_the_file() -> None:
    changed = tiny("p = 1; k = 2*p; S = 3*p; S' = -k*S").with_parameters(p=1.7)
    fresh = tiny("p = 1.7; k = 2*p; S = 3*p; S' = -k*S")
    a, b = (m.simulate(duration=2, every=0.5)["S"].values for m in (changed, fresh))
    np.testing.assert_allclose(a, b, rtol=2e-6)


def test_original_values_return_after_a_changed_run() -> None:
    model = tiny("p = 1; k = 2*p; S = 3*p; S' = -k*S")
    first = model.simulate(duration=1, every=0.5)["S"].values
    model.with_parameters(p=5).simulate(duration=1, every=0.5)
    np.testing.assert_array_equal(model.simulate(duration=1, every=0.5)["S"].values, first)


def test_level_on_an_initially_assigned_parameter_ends_on_its_assigned_value() -> None:
    model = tiny("p = 1; k = 2*p; S = 1; S' = -k*S").with_parameters(p=2)
    run = model.simulate([pm.Level(input="k", value=0, at=1, until=2)], duration=3, every=1)
    np.testing.assert_allclose(run["S"], np.exp([0, -4, -4, -8]), rtol=1e-4)


def test_setting_an_initially_assigned_parameter_survives_export() -> None:
    model = tiny("p = 1; k = 2*p; S = 1; S' = -k*S").with_parameters(k=0.5)
    again = from_sbml(model.to_sbml(), name="again")
    for m in (model, again):
        assert m.simulate(duration=1, every=1)["S"].values[-1] == pytest.approx(np.exp(-0.5), rel=1e-5)


def test_compartment_of_size_two() -> None:
    """dS/dt as concentration is -k (amount rate k*c = 2, volume 2)."""
    run = tiny("compartment c = 2; species S in c; S = 3; k = 1; J: S -> ; k*c").simulate(duration=2, every=1)
    np.testing.assert_allclose(run["S"], [3, 2, 1], rtol=1e-6)
    half = tiny("compartment c = 2; species S in c; S = 3; k = 1; J: S -> ; k").simulate(duration=2, every=1)
    np.testing.assert_allclose(half["S"], [3, 2.5, 2], rtol=1e-6)


def test_changed_compartment_equals_the_size_written_in_the_file() -> None:
    body = "compartment c = {}; species S in c; S = 3; k = 1; J: S -> ; k"
    changed = tiny(body.format(2)).with_parameters(c=4)
    fresh = tiny(body.format(4))
    np.testing.assert_allclose(fresh.simulate(duration=2, every=1)["S"], [3, 2.75, 2.5], rtol=1e-6)
    np.testing.assert_allclose(changed.simulate(duration=2, every=1)["S"], [3, 2.75, 2.5], rtol=1e-6)


def test_amounts_and_concentrations() -> None:
    body = "compartment c = 2; substanceOnly species A in c; A = 4; species S in c; S = 1; k = 1; J: A -> S; k*A"
    run = tiny(body).simulate(duration=1, every=0.5)
    np.testing.assert_allclose(run["A"], 4 * np.exp(-run.time), rtol=1e-5)
    np.testing.assert_allclose(run["S"], 1 + 4 * (1 - np.exp(-run.time)) / 2, rtol=1e-5)


@pytest.mark.parametrize(("key", "after"), [("A", [4.0, 7.0]), ("S", [1.0, 4.0])])
def test_dose_adds_in_the_unit_of_the_state(key: str, after: list[float]) -> None:
    model = tiny("compartment c = 2; substanceOnly species A in c; A = 4; species S in c; S = 1; k = 0; A -> S; k")
    run = model.simulate([pm.Dose(input=key, amount=3, times=(1.0,))], duration=2, every=1)
    np.testing.assert_allclose(run[key].values[:2], after)


def test_event_fires_once_and_again_in_the_next_run() -> None:
    model = tiny("S = 1; k = 0; S' = k; at time > 5: S = S + 10")
    for _ in range(2):
        np.testing.assert_allclose(model.simulate(duration=10, every=2.5)["S"], [1, 1, 1, 11, 11])


@pytest.mark.parametrize("start", [4.0, 5.0, 6.0])
def test_event_fires_once_across_phases(start: float) -> None:
    model = tiny("S = 1; k = 0; S' = k; at time > 5: S = S + 10")
    run = model.simulate([pm.Level(input="k", value=1, at=start)], duration=10, every=10)
    assert run["S"].values[-1] == pytest.approx(1 + 10 + (10 - start))


def test_state_event() -> None:
    """A saw tooth: falls from 1 by 1 per unit of time, back to 1 at 0.5."""
    run = tiny("S = 1; S' = -1; at S < 0.5: S = 1").simulate(duration=1.25, every=0.25)
    np.testing.assert_allclose(run["S"].values[[0, 1, 3, 5]], [1, 0.75, 0.75, 0.75], rtol=1e-6)


def test_event_that_sets_a_parameter_does_not_leak_into_the_next_run() -> None:
    model = tiny("S = 1; k = 0; S' = k; at time > 1: k = 1")
    for _ in range(2):
        np.testing.assert_allclose(model.simulate(duration=3, every=1)["S"], [1, 1, 2, 3], atol=1e-9)


def test_local_parameter_hides_the_global_one_and_can_be_set() -> None:
    model = from_sbml(_with_local(1.0, 3.0), name="local")
    assert model.parameters["value"].to_dict() == {"g": 1.0, "J_g": 3.0}
    assert model.simulate(duration=1, every=1)["S"].values[-1] == pytest.approx(np.exp(-3), rel=1e-5)
    changed = model.with_parameters(J_g=2, g=50)
    assert changed.simulate(duration=1, every=1)["S"].values[-1] == pytest.approx(np.exp(-2), rel=1e-5)


def test_level_two_file_runs_in_seconds() -> None:
    model = from_sbml(_second_level("compartment c = 2; species S in c; S = 1; k = 1e-5; J: S -> ; k*S*c"), name="l2")
    run = model.simulate(weeks=0.1)
    assert run.time.values[-1] == pytest.approx(60480.0)
    assert run["S"].values[-1] == pytest.approx(np.exp(-0.6048), rel=1e-5)


def test_rate_rule_on_a_parameter() -> None:
    model = tiny("x = 2; k = 3; x' = -k*x")
    assert model.states == ("x",)
    run = model.simulate(duration=1, every=0.5)
    np.testing.assert_allclose(run["x"], 2 * np.exp(-3 * run.time), rtol=1e-5)
    grown = tiny("x = 2; k = 3; x' = k - x").simulate(duration=1, every=1, start="steady")
    np.testing.assert_allclose(grown["x"], [3, 3], rtol=1e-5)


@pytest.mark.parametrize(
    "body",
    ["compartment c = 1; c' = 2 - c; k = 1", "compartment c = 1; species $S in c; S = 1; S' = 2 - S"],
    ids=["compartment", "boundary species"],
)
def test_rate_rule_on_a_compartment_or_boundary_species(body: str) -> None:
    model = tiny(body)
    (state,) = model.states
    run = model.simulate(duration=1, every=0.5)
    np.testing.assert_allclose(run[state], 2 - np.exp(-run.time), rtol=1e-5)
    np.testing.assert_allclose(model.simulate(duration=1, every=1, start="steady")[state], [2, 2], rtol=1e-5)


def test_no_unit_of_time_and_weeks_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="tiny declares no unit of time"):
        tiny("S = 1; S' = -S").simulate(weeks=1)


def test_algebraic_rule_is_refused_with_its_reason() -> None:
    text = sbml("x = 1; y = 5; x' = 1").replace(
        "<listOfRules>",
        '<listOfRules><algebraicRule><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><minus/>'
        "<ci>x</ci><ci>y</ci></apply></math></algebraicRule>",
    )
    text = text.replace('id="y" value="5" constant="true"', 'id="y" value="5" constant="false"')
    with pytest.raises(pm.errors.PathwayModelsError, match="algebraic"):
        from_sbml(text, name="dae").simulate(duration=1)


def test_somebody_s_parameter_may_be_negative_where_its_sign_is_free() -> None:
    """The file gives no range; the assumed one (half to twice) is no reason to refuse a reversal potential."""
    assert tiny("E = 55; V = 0; V' = E - V").with_parameters(E=-70).settings["E"] == -70.0
