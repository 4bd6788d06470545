"""Wires, flattening, and a module alone against the same module in the coupled model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import libsbml
import numpy as np
import pytest
import roadrunner
import xarray as xr

import pathway_models as pm
from helpers import UNITS, from_sbml, tiny_module, worst
from pathway_models._sbml import sbml
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.models.collection import OURS
from pathway_models.modules.coupling import SharedInput, Wire, couple, flatten
from pathway_models.modules.module import Module

COUPLED = Path(__file__).parents[2] / "sbml" / "coupled"
SENDER = tiny_module(
    "sender",
    "substanceOnly species X in brain; X has dimensionless; X = 1 dimensionless; const tau = 5 time_unit;"
    "X' = (2 dimensionless - X)/tau; Y := 3 dimensionless*X; Y has dimensionless; C := 2 mM; C has mM",
    outputs=("X", "Y", "C"),
)
RECEIVER = tiny_module(
    "receiver",
    "var feed = 1.5 dimensionless; var level_C = 0.5 mM; const tau = 3 time_unit;"
    "substanceOnly species Z in brain; Z has dimensionless; Z = 1.5 dimensionless; Z' = (feed - Z)/tau;"
    "W := 2 dimensionless*feed; W has dimensionless; V := level_C; V has mM",
    inputs=("feed", "level_C"),
    outputs=("Z", "W", "V"),
)
DRIVE = SharedInput(id="drive", title="a drive", reference=1.0, low=0.0, high=3.0)
Y_TO_FEED = Wire(source="sender.Y", target="receiver.feed")


def _coupled(
    *wires: Wire, modules: Sequence[Module] = (SENDER, RECEIVER), shared: Sequence[SharedInput] = ()
) -> pm.Model:
    return from_sbml(flatten(couple("pair", "a pair", modules, wires, shared), name="pair"), name="pair")


def _run(model: pm.Model, **gains: float) -> xr.Dataset:
    return model.with_parameters(gains).simulate(duration=10, every=1)


# ---- wires on tiny modules -----------------------------------------------------------------------------------


def test_gain_one_equals_the_source_and_the_receiver_follows() -> None:
    run = _run(_coupled(Y_TO_FEED))
    np.testing.assert_allclose(run["receiver__feed"], run["sender__Y"], rtol=1e-12)
    x = 2 - np.exp(-run.time / 5)
    np.testing.assert_allclose(run["sender__Y"], 3 * x, rtol=1e-5)
    # Z' = (3 X - Z)/3 with X = 2 - exp(-t/5), Z(0) = 1.5: 6 - 7.5 exp(-t/5) + 3 exp(-t/3)
    np.testing.assert_allclose(
        run["receiver__Z"], 6 - 7.5 * np.exp(-run.time / 5) + 3 * np.exp(-run.time / 3), rtol=1e-5
    )


def test_gain_zero_leaves_the_input_at_its_reference() -> None:
    run = _run(_coupled(Y_TO_FEED), gain_Y_to_receiver__feed=0)
    np.testing.assert_array_equal(run["receiver__feed"], np.full(11, 1.5))
    np.testing.assert_allclose(run["receiver__Z"], np.full(11, 1.5), rtol=1e-12)
    np.testing.assert_allclose(run["sender__X"], 2 - np.exp(-run.time / 5), rtol=1e-5)


def test_gain_between_mixes_source_and_reference() -> None:
    run = _run(_coupled(Y_TO_FEED), gain_Y_to_receiver__feed=0.25)
    np.testing.assert_allclose(run["receiver__feed"], 1.5 + 0.25 * (run["sender__Y"] - 1.5), rtol=1e-12)


def test_scale_multiplies_the_source() -> None:
    run = _run(_coupled(Wire(source="sender.Y", target="receiver.feed", scale=0.5)))
    np.testing.assert_allclose(run["receiver__feed"], 0.5 * run["sender__Y"], rtol=1e-12)


def test_wire_of_a_concentration_keeps_its_unit() -> None:
    model = _coupled(Wire(source="sender.C", target="receiver.level_C"))
    assert model.quantities["receiver__level_C"].unit == "mmol/L"
    np.testing.assert_allclose(_run(model)["receiver__V"], 2.0)
    assert sbml.findings(model.sbml) == []


def test_shared_input_drives_modules() -> None:
    model = _coupled(Wire(source="drive", target="receiver.feed"), shared=[DRIVE])
    np.testing.assert_allclose(_run(model)["receiver__feed"], 1.0)
    run = model.simulate([pm.Level(input="drive", value=2.5, at=5)], duration=10, every=5)
    np.testing.assert_allclose(run["receiver__feed"], [1, 2.5, 2.5])


def test_one_source_may_drive_two_inputs() -> None:
    other = tiny_module("other", "var feed = 7 dimensionless; W := feed; W has dimensionless", inputs=["feed"])
    wires = (Y_TO_FEED, Wire(source="sender.Y", target="other.feed"))
    run = _run(_coupled(*wires, modules=[SENDER, RECEIVER, other]), gain_Y_to_other__feed=0)
    np.testing.assert_allclose(run["receiver__feed"], run["sender__Y"])
    np.testing.assert_array_equal(run["other__feed"], np.full(11, 7.0))


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("sender.X_", "receiver.feed", r"unknown wire source 'sender.X_'; did you mean 'sender.X'.*receiver\.W"),
        ("nobody.X", "receiver.feed", "unknown wire source 'nobody.X'"),
        ("sender.tau", "receiver.feed", "unknown wire source 'sender.tau'"),
        ("drive_", "receiver.feed", "unknown wire source 'drive_'; did you mean 'drive'"),
        ("sender.Y", "receiver.food", "unknown wire target 'receiver.food'; did you mean 'receiver.feed'"),
        ("sender.Y", "receiver.tau", "unknown wire target 'receiver.tau'"),
        ("sender.Y", "feed", "unknown wire target 'feed'"),
    ],
)
def test_unknown_wire_is_named(source: str, target: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        _coupled(Wire(source=source, target=target), shared=[DRIVE])


@pytest.mark.parametrize(
    ("source", "target", "units"),
    [
        ("sender.Y", "receiver.level_C", "'dimensionless' does not fit 'mmol/L'"),
        ("sender.C", "receiver.feed", "'mmol/L' does not fit 'dimensionless'"),
        ("drive", "receiver.level_C", "'dimensionless' does not fit 'mmol/L'"),
    ],
)
def test_wrong_unit_is_named(source: str, target: str, units: str) -> None:
    with pytest.raises(InvalidValueError, match=f"wire {source} -> {target}: unit {units}"):
        _coupled(Wire(source=source, target=target), shared=[DRIVE])


def _joined(*, gains: tuple[float, float] = (1.0, 1.0), **second: object) -> float:
    """receiver.feed (reference 1.5) driven by Y (3 X) and X, at the start, where X is 1."""
    joined = Wire(source="sender.X", target="receiver.feed", **second)  # type: ignore[arg-type]
    model = _coupled(Y_TO_FEED, joined).with_parameters({Y_TO_FEED.gain: gains[0], joined.gain: gains[1]})
    return float(model.simulate(duration=1, every=1, start="file", variables=["receiver__feed"])["receiver__feed"][0])


def test_wires_into_one_input_add_their_effects() -> None:
    """1.5 + g1 (3 - 1.5) + g2 (X - reference), the reference being the input's unless the wire has its own."""
    assert _joined(combine="sum") == pytest.approx(1.5 + 1.5 - 0.5)
    assert _joined(combine="sum", reference=0.25, gains=(1.0, 0.5)) == pytest.approx(1.5 + 1.5 + 0.5 * 0.75)
    assert _joined(combine="sum", gains=(0.0, 0.0)) == 1.5


def test_or_multiply_them() -> None:
    """1.5 (1 + g1 (3/1.5 - 1)) (1 + g2 (X/reference - 1))."""
    assert _joined(combine="product") == pytest.approx(1.5 * 2 / 1.5)
    assert _joined(combine="product", reference=0.5, scale=2.0, gains=(0.5, 1.0)) == pytest.approx(1.5 * 1.5 * 4)
    assert _joined(combine="product", gains=(0.0, 0.0)) == 1.5


def test_a_factor_may_have_a_unit_of_its_own_if_it_has_a_reference_of_its_own() -> None:
    """The relative change of X multiplies a level in mM."""
    level = Wire(source="sender.C", target="receiver.level_C")
    wires = (level, Wire(source="sender.X", target="receiver.level_C", combine="product", reference=0.5))
    assert sbml.findings(_coupled(*wires).sbml) == []
    with pytest.raises(InvalidValueError, match="unit 'dimensionless' does not fit 'mmol/L'"):
        _coupled(wires[0], replace(wires[1], reference=None))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({}, r"several wires drive receiver\.feed \(sender\.Y, sender\.X\): write combine"),
        ({"source": "sender.Y", "combine": "sum"}, "two wires from one source"),
        ({"combine": "product", "reference": 0.0}, "a reference of 0"),
    ],
)
def test_wires_that_cannot_share_an_input(second: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        _coupled(Y_TO_FEED, Wire(**{"source": "sender.X", "target": "receiver.feed", **second}))  # type: ignore[arg-type]


def _relay(name: str) -> Module:
    body = "var i = 1 dimensionless; m := i; m has dimensionless; o := 2 dimensionless*m; o has dimensionless"
    return tiny_module(name, body, inputs=["i"], outputs=["o"])


def test_loop_through_assignments_alone_names_the_circle() -> None:
    wires = [Wire(source="p.o", target="q.i"), Wire(source="q.o", target="p.i")]
    with pytest.raises(InvalidValueError, match="loop through assignments alone") as error:
        _coupled(*wires, modules=[_relay("p"), _relay("q")])
    assert all(part in str(error.value) for part in ("p.i", "p.m", "p.o", "q.i", "q.m", "q.o"))


def test_loop_through_the_rate_of_a_reaction_is_found() -> None:
    body = "i = 1; S = 1; J: S -> ; i*S; o := J"
    with pytest.raises(InvalidValueError, match=r"loop through assignments alone: .*p\.J"):
        _coupled(Wire(source="p.o", target="p.i"), modules=[tiny_module("p", body, inputs=["i"], outputs=["o"])])


def test_loop_onto_itself_is_found() -> None:
    with pytest.raises(InvalidValueError, match=r"loop through assignments alone: .*p\.i"):
        _coupled(Wire(source="p.o", target="p.i"), modules=[_relay("p")])


def test_loop_through_a_state_is_allowed() -> None:
    """Z relaxes to what it feeds back: Z' = (Z - Z)/tau keeps it at rest."""
    run = _run(_coupled(Wire(source="receiver.Z", target="receiver.feed"), modules=[RECEIVER]))
    np.testing.assert_allclose(run["receiver__Z"], 1.5, rtol=1e-12)


def test_a_module_whose_name_begins_with_another_s() -> None:
    longer = tiny_module("sender_two", "var feed = 7 dimensionless; W := feed; W has dimensionless", inputs=["feed"])
    run = _run(_coupled(Wire(source="sender.Y", target="sender_two.feed"), modules=[SENDER, longer]))
    np.testing.assert_allclose(run["sender_two__feed"], run["sender__Y"])


def test_modules_with_other_units_of_time_do_not_couple() -> None:
    """Hours and seconds in one flat model would be wrong by 3600 without a word."""
    seconds = tiny_module(
        "seconds",
        "var feed = 1 dimensionless; const tau = 3 second; substanceOnly species Z in brain; Z has dimensionless;"
        "Z = 1 dimensionless; Z' = (feed - Z)/tau",
        inputs=["feed"],
        units=UNITS.replace("3600 second", "1 second"),
    )
    with pytest.raises(InvalidValueError, match="seconds"):
        _coupled(Wire(source="sender.Y", target="seconds.feed"), modules=[SENDER, seconds])


# ---- the coupled model of the library --------------------------------------------------------------------------


each_coupled = pytest.mark.parametrize("name", tuple(OURS.coupled))
each_in_parts = pytest.mark.parametrize("name", [n for n in OURS.coupled if not OURS.read_coupled(n).reduction])


@cache
def _parts(name: str = "epilepsy") -> tuple[list[Module], list[Wire], list[SharedInput]]:
    return OURS.parts(name)


def test_the_core_has_all_modules_and_wires_of_epilepsy() -> None:
    assert OURS.lineage("epilepsy_core") == ("epilepsy", "epilepsy_core")
    assert _parts("epilepsy_core") == _parts("epilepsy")
    assert {m.name for m in _parts()[0]} == set(OURS.modules)


@each_coupled
def test_flat_ids_are_module_and_id(name: str) -> None:
    modules, wires, shared = _parts(name)
    model = pm.load(name)
    own = {w.gain for w in wires} | {s.id for s in shared}
    expected = {f"{m.name}__{k}" for m in modules for k in sbml.quantities(sbml.parse(m.sbml), name=m.name)}
    assert set(model.quantities) == own | expected
    assert set(model.gains) == {w.gain for w in wires}


@each_in_parts
def test_flat_text_and_comp_text_have_no_findings(name: str) -> None:
    """Notes say which other simulators cannot read a file; the hierarchical one may have warnings as well."""
    assert {f.severity for f in pm.check(COUPLED / f"{name}.xml")} <= {"note"}
    assert {f.severity for f in pm.check(COUPLED / f"{name}-comp.xml")} <= {"warning", "note"}


@each_coupled
def test_every_wired_input_has_the_module_s_reference_and_unit(name: str) -> None:
    modules, wires, _ = _parts(name)
    model = pm.load(name)
    ports = {f"{m.name}.{p.id}": p for m in modules for p in m.inputs}
    for wire in wires:
        q = model.quantities[wire.target.replace(".", "__")]
        assert (q.unit, q.ruled) == (ports[wire.target].unit, "assignment")


def test_comp_document_flattened_by_libsbml_gives_the_same_simulation() -> None:
    """libSBML's own flattening, without our renaming: the same course of every state from the same start."""
    document = libsbml.readSBMLFromString((COUPLED / "epilepsy-comp.xml").read_text(encoding="utf-8"))
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    assert document.convert(properties) == libsbml.LIBSBML_OPERATION_SUCCESS
    engine = roadrunner.RoadRunner(libsbml.writeSBMLToString(document))
    engine.integrator.setValue("relative_tolerance", 1e-10)
    engine.integrator.setValue("absolute_tolerance", 1e-14)
    engine["carb_restriction"] = 0.9
    engine["fat_ratio"] = 4.0
    engine["seizure_drive"] = 1.0
    model = pm.load("epilepsy", context="healthy").with_parameters(seizure_drive=1.0)
    levels = [pm.Level(input="carb_restriction", value=0.9), pm.Level(input="fat_ratio", value=4.0)]
    ours = model.simulate(levels, duration=336, every=24, start="file")[list(model.states)]
    names = {s: _renamed(s, set(engine.model.getFloatingSpeciesIds())) for s in model.states}
    selection = [n if engine.getHasOnlySubstanceUnits(n) else f"[{n}]" for n in names.values()]
    engine.timeCourseSelections = selection
    theirs = xr.Dataset(dict(zip(names, (("time", c) for c in np.array(engine.simulate(0, 336, 15)).T), strict=True)))
    assert float(np.ptp(ours["ketone_katp__BHB_plasma"].values)) > 1
    assert worst(ours, theirs)[0] < 1e-6, worst(ours, theirs)


def _renamed(name: str, known: set[str]) -> str:
    """An exposed output has the parent's id in libSBML's flat text."""
    module, port = name.split("__", 1)
    return name if name in known else f"port_{module}_{port}"


# On inputs that no wire drives: the diet reaches several modules and is cut with the wires.
TREATMENTS: dict[str, list[pm.Treatment]] = {
    "ketone_katp": [pm.treatments.Fasting(hours=60, start_hours=84), pm.treatments.KetoneEster(days=2, start_days=18)],
    "ampk_pgc1a": [pm.Level(input="AICAR", value=0.5, at=100, until=300)],
    "gaba_gad67": [pm.Level(input="vigabatrin", value=1, at=24)],
    "nlrp3_il1b": [pm.Level(input="MCC950", value=1, at=24, until=400)],
    "mtor_autophagy": [pm.Level(input="rapamycin", value=20, at=48)],
    "acupuncture": [pm.Electroacupuncture(weeks=2)],
    "gut_brain": [pm.Level(input="fibre", value=1, at=24, until=400)],
    "serotonin": [pm.Level(input="SSRI", value=0.02, at=24, until=400)],
    "bdnf_trkb": [pm.Level(input="BDNF_added", value=2, at=24, until=400)],
    "safety": [pm.Level(input="valproate", value=1, at=24), pm.Dose(input="protein_meal", amount=1, times=(24,))],
}

FINE = 1e-10  # relative tolerance: what two runs of the same equations may differ by


def _excitability(prefix: str) -> list[pm.Treatment]:
    """Most of its inputs are wired in the coupled model: provoked seizures, and a level on a parameter."""
    return [
        pm.Level(input=f"{prefix}acute_seizures", value=2, at=24, until=200),
        pm.Level(input=f"{prefix}E_untreated", value=0.7, at=24, until=500),
    ]


@cache
def _cut() -> xr.Dataset:
    model = pm.load("epilepsy")
    plan = [t for group in TREATMENTS.values() for t in group] + _excitability("excitability__")
    return model.with_parameters(dict.fromkeys(model.gains, 0.0)).simulate(plan, weeks=3, rtol=FINE)


@pytest.mark.parametrize("name", tuple(OURS.modules))
def test_module_alone_equals_module_in_the_coupled_model_with_all_gains_zero(name: str) -> None:
    model = pm.load(name)
    disease = {k: 0 for k in ("seizure_drive", "injury") if k in model.inputs.index}
    model = model.with_parameters(disease)  # their wires are cut as well
    alone = model.simulate(TREATMENTS.get(name) or _excitability(""), weeks=3, rtol=FINE)
    moved = max(float(np.ptp(alone[v].values)) for v in alone.data_vars)
    assert moved > 1e-3, "the treatment must do something"
    assert worst(alone, _cut(), f"{name}__")[0] < 1e-6, worst(alone, _cut(), f"{name}__")


def _rules(model: pm.Model) -> dict[str, str]:
    document = sbml.parse(model.sbml)  # held: libSBML frees the rules with it
    return {r.getVariable(): libsbml.formulaToL3String(r.getMath()) for r in document.getModel().getListOfRules()}


@each_in_parts
def test_comp_file_loads_as_the_flat_file(name: str) -> None:
    comp, flat = pm.load(COUPLED / f"{name}-comp.xml"), pm.load(COUPLED / f"{name}.xml")
    assert comp.states == flat.states
    assert [*map(repr, comp.quantities.values())] == [*map(repr, flat.quantities.values())]  # NaN equals NaN
    rules = [_rules(m) for m in (comp, flat)]
    assert rules[0] == rules[1]


@each_in_parts
def test_committed_files_are_what_the_modules_give(name: str) -> None:
    modules, wires, shared = _parts(name)
    document = couple(name, OURS.read_coupled(name).title, modules, wires, shared)
    assert libsbml.writeSBMLToString(document) == (COUPLED / f"{name}-comp.xml").read_text(encoding="utf-8")
