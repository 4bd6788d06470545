"""Export to and import from other tools, and the check of files."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import antimony
import libsbml
import numpy as np
import pytest

import pathway_models as pm
from helpers import UNITS, from_sbml, main, sbml, tiny, worst
from pathway_models._sbml import files
from pathway_models._sbml.annotation import resources
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.exchange.writing import FORMATS, export
from pathway_models.models.collection import OURS
from pathway_models.models.swap import module_from, with_module
from pathway_models.simulation.phases import phases

MODULES = Path(__file__).parents[2] / "sbml" / "modules"
PLAN = [pm.Level(input="MCC950", value=1, at=24, until=200), pm.Level(input="BHB", value=3, at=48)]
EA = pm.Electroacupuncture(weeks=2, sessions_per_week=3)
SCENARIO_FORMATS = ("sbml", "sbml-l3v1", "sbml-l2v5", "antimony", "omex")


def load(path: Path) -> pm.Model:
    """What `pm.load` does with a path."""
    return from_sbml(files.model_text(path), name=path.stem)


def same(a: pm.Model, b: pm.Model, plan: list[pm.Treatment], *, duration: float, every: float) -> float:
    """Largest difference between `a` under `plan` and the exported scenario `b`, over the states of `a`."""
    ours = a.simulate(plan, duration=duration, every=every)
    return worst(ours[list(a.states)], b.simulate(duration=duration, every=every))[0]


# ---- scenarios -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", SCENARIO_FORMATS)
def test_scenario_runs_the_same_in_every_format(tmp_path: Path, format: str) -> None:
    model = pm.load("acupuncture")
    suffix = {"omex": ".omex", "antimony": ".ant"}.get(format, ".xml")
    path = pm.export(model, tmp_path / f"m{suffix}", format=format, treatments=[EA], weeks=4)
    assert same(model, load(path), [EA], duration=672, every=7) < 2e-6
    assert [f for f in pm.check(path) if f.severity in ("error", "fatal")] == []


def test_scenario_holds_levels_that_end_and_switches_at_zero(tmp_path: Path) -> None:
    model = pm.load("nlrp3_il1b").with_parameters(vagal_drive=0.2)
    plan: list[pm.Treatment] = [
        pm.Level(input="BHB", value=3, at=0, until=50),
        pm.Level(input="BHB", value=1, at=50, until=120),
        pm.Level(input="vagal_drive", value=1, at=30, until=60),
        pm.Level(input="MCC950", value=1, at=24),
    ]
    path = pm.export(model, tmp_path / "m.xml", treatments=plan, duration=200)
    again = load(path)
    assert again.quantities["BHB"].value == 3
    assert again.quantities["vagal_drive"].value == 0.2
    assert same(model, again, plan, duration=200, every=4) < 2e-6
    assert {f.severity for f in pm.check(path)} <= {"note"}


def test_events_are_persistent_and_at_known_times(tmp_path: Path) -> None:
    path = pm.export(pm.load("acupuncture"), tmp_path / "m.xml", treatments=[EA], weeks=2)
    document = libsbml.readSBMLFromFile(str(path))
    events = document.getModel().getListOfEvents()
    formulas = [libsbml.formulaToL3String(e.getTrigger().getMath()) for e in events]
    assert len(events) == 5  # the first of six sessions is in the initial value
    assert all(f.startswith("time >= ") for f in formulas)
    assert all(e.getTrigger().getPersistent() and e.getNumEventAssignments() == 1 for e in events)
    assert document.getModel().getSpecies("session").getInitialAmount() == 1.0
    assert document.getModel().getParameter("dose_session").getValue() == 1.0


def test_dose_at_zero_adds_to_the_rest_in_the_unit_of_the_state() -> None:
    model = tiny("compartment c = 2; species S in c; S = 3; k = 0.1; J: S -> ; k*S*c")
    document = libsbml.readSBMLFromString(model.sbml)
    document.getModel().getSpecies("S").setInitialAmount(6.0)
    by_amount = from_sbml(libsbml.writeSBMLToString(document), name="amounts")
    dose = pm.Dose(input="S", amount=2, times=(0.0, 5.0))
    for m in (model, by_amount):
        assert m.simulate([dose], duration=1, every=1)["S"].values[0] == 5.0


@pytest.mark.parametrize("by_amount", [False, True])
def test_exported_dose_of_somebody_s_species(tmp_path: Path, by_amount: bool) -> None:
    document = libsbml.readSBMLFromString(sbml("compartment c = 2; species S in c; S = 3; k = 0.1; J: S -> ; k*S*c"))
    if by_amount:
        document.getModel().getSpecies("S").setInitialAmount(6.0)
    model = from_sbml(libsbml.writeSBMLToString(document), name="s")
    dose = pm.Dose(input="S", amount=2, times=(0.0, 5.0))
    again = load(pm.export(model, tmp_path / "s.xml", treatments=[dose], duration=10))
    assert same(model, again, [dose], duration=10, every=1) < 1e-6


def test_initial_assignments_see_the_values_before_treatment(tmp_path: Path) -> None:
    model = tiny("p = 1; k = 2*p; S = 3*p; S' = -k*S")
    plan: list[pm.Treatment] = [pm.Level(input="p", value=5, at=0), pm.Level(input="k", value=0, at=1, until=2)]
    again = load(pm.export(model, tmp_path / "s.xml", treatments=plan, duration=3))
    assert same(model, again, plan, duration=3, every=0.5) < 1e-6


def test_level_on_a_constant_makes_it_variable(tmp_path: Path) -> None:
    document = libsbml.readSBMLFromString(sbml("const k = 1; S = 1; S' = -k*S"))
    assert document.getModel().getParameter("k").getConstant()
    model = from_sbml(libsbml.writeSBMLToString(document), name="s")
    plan: list[pm.Treatment] = [pm.Level(input="k", value=0, at=1)]
    again = load(pm.export(model, tmp_path / "s.xml", treatments=plan, duration=2))
    assert same(model, again, plan, duration=2, every=0.5) < 1e-6


def test_names_of_the_schedule_avoid_those_of_the_model(tmp_path: Path) -> None:
    model = tiny("S = 1; S' = -S; schedule_1 = 2; dose_S = 3")
    dose = pm.Dose(input="S", amount=2, times=(1.0, 2.0))
    again = load(pm.export(model, tmp_path / "s.xml", treatments=[dose], duration=3))
    assert again.quantities["dose_S"].value == 3
    assert again.quantities["dose_S_2"].value == 2
    assert same(model, again, [dose], duration=3, every=0.5) < 1e-6


def test_schedule_needs_a_length_and_has_a_limit(tmp_path: Path) -> None:
    model = tiny("S = 1; S' = -S")
    dose = pm.Dose(input="S", amount=1, times=tuple(range(1, 6000)))
    with pytest.raises(InvalidValueError, match="weeks"):
        pm.export(model, tmp_path / "s.xml", treatments=[dose])
    with pytest.raises(InvalidValueError, match="5999 switches and doses; allowed are 5000"):
        pm.export(model, tmp_path / "s.xml", treatments=[dose], duration=7000)
    with pytest.raises(UnknownNameError, match="unknown input"):
        pm.export(model, tmp_path / "s.xml", treatments=[pm.Level(input="Q", value=1)], duration=7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "format", "reason"),
    [
        ("y := rateOf(S)", "sbml-l3v1", "Level 3 Version 1 cannot hold tiny: .*MathML"),
        ("at time > 1, priority=2: S = 2", "sbml-l2v5", "Level 2 Version 5 cannot hold tiny: .*priority"),
        (
            "at time > 1, persistent=false: S = 2",
            "sbml-l2v5",
            "Level 2 Version 5 cannot hold tiny: .*[Nn]on persistent",
        ),
    ],
)
def test_older_level_is_refused_with_its_reason(tmp_path: Path, body: str, format: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        pm.export(tiny(f"S = 1; S' = -S; {body}"), tmp_path / "s.xml", format=format)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_coupled_scenario_is_the_same_flat_and_hierarchical(tmp_path: Path) -> None:
    name = next(iter(OURS.coupled))
    model = pm.load(name)
    wanted = (pm.KetogenicDiet(), pm.Electroacupuncture(), pm.treatments.KetoneEster(days=2))
    plan = [t for t in wanted if _fits(model, t)]
    assert plan
    flat = load(pm.export(model, tmp_path / "flat.xml", treatments=plan, weeks=1))
    comp = load(pm.export(model, tmp_path / "comp.xml", format="comp", treatments=plan, weeks=1))
    runs = [m.simulate(duration=168, every=7) for m in (flat, comp)]
    assert worst(runs[0][list(model.states)], runs[1])[0] < 1e-6
    assert same(model, flat, plan, duration=168, every=7) < 2e-6


def _fits(model: pm.Model, treatment: pm.Treatment) -> bool:
    try:
        phases(model, [treatment], 168.0)
    except pm.errors.PathwayModelsError:
        return False
    return True


def test_rounding_around_zero_is_not_written(tmp_path: Path) -> None:
    """A state of 1e-59 at rest would take libroadrunner's scalar tolerance to nothing."""
    for name in (*OURS.modules, *OURS.coupled):
        again = load(export(pm.load(name), tmp_path / "m.xml"))
        sizes = {s: abs(again.quantities[s].value) for s in again.states}
        assert {s: v for s, v in sizes.items() if 0 < v < 1e-12} == {}, name


def test_comp_is_for_coupled_models_of_the_library(tmp_path: Path) -> None:
    for model in (pm.load("acupuncture"), tiny("S = 1; S' = -S")):
        with pytest.raises(InvalidValueError, match="has no parts; format comp is for the coupled models"):
            pm.export(model, tmp_path / "c.xml", format="comp")


def test_annotations_survive_load_and_export(tmp_path: Path) -> None:
    for name in OURS.modules:
        once = export(pm.load(name), tmp_path / "once.xml")
        twice = export(load(once), tmp_path / "twice.xml")
        marks = [_marks(p.read_text(encoding="utf-8")) for p in (MODULES / name / "model.xml", once, twice)]
        assert marks[0]
        assert marks[0] == marks[1] == marks[2], name


def _marks(text: str) -> set[tuple[str, str, str]]:
    document = libsbml.readSBMLFromString(text)
    elements = document.getModel().getListOfAllElements()
    found = set()
    for i in range(elements.getSize()):
        element = elements.get(i)
        found |= {(element.getIdAttribute(), "SBO", element.getSBOTermID())} if element.isSetSBOTerm() else set()
        resources_ = resources(element)
        found |= {(element.getIdAttribute(), q, r) for q, rs in resources_.items() for r in rs}
    return found


# ---- writing ---------------------------------------------------------------------------------------------------


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.xml"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr("os.replace", _no_space)
    with pytest.raises(ModelError, match=r"cannot write .*m\.xml: No space left on device"):
        pm.export(tiny("S = 1; S' = -S"), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_archive_holds_what_its_manifest_names(tmp_path: Path) -> None:
    path = pm.export(pm.load("acupuncture"), tmp_path / "a.omex", format="omex", treatments=[EA], weeks=2)
    with zipfile.ZipFile(path) as archive:
        manifest = ElementTree.fromstring(archive.read("manifest.xml"))
        listed = {c.get("location", "").removeprefix("./") for c in manifest} - {"."}
        assert listed == set(archive.namelist())
        assert archive.read("figure.png").startswith(b"\x89PNG")
        assert b"publicdomain/zero" in archive.read("metadata.rdf")
        assert b"Electroacupuncture" in archive.read("README.md")
        expected = archive.read("expected.csv").decode().splitlines()
    assert expected[0].startswith("time,")
    assert len(expected) == 336 + 2


def test_archive_of_somebody_s_model_claims_no_licence(tmp_path: Path) -> None:
    model = tiny("S = 1; S' = -S")
    path = pm.export(model, tmp_path / "a.omex", format="omex", duration=5, creators=["Ada Lovelace"])
    with zipfile.ZipFile(path) as archive:
        metadata = archive.read("metadata.rdf")
        assert b"license" not in metadata
        assert b"Lovelace" in metadata
    assert load(path).states == ("S",)


def test_libsedml_and_libcombine_read_the_archive(tmp_path: Path) -> None:
    libsedml = pytest.importorskip("libsedml")
    libcombine = pytest.importorskip("libcombine")
    path = pm.export(pm.load("acupuncture"), tmp_path / "a.omex", format="omex", treatments=[EA], weeks=2)
    archive = libcombine.CombineArchive()
    assert archive.initializeFromArchive(str(path))
    assert archive.getMasterFile().getLocation().endswith("simulation.sedml")
    document = libsedml.readSedMLFromString(archive.extractEntryToString(archive.getMasterFile().getLocation()))
    assert document.getNumErrors(libsedml.LIBSEDML_SEV_ERROR) == 0
    assert document.getSimulation(0).getOutputEndTime() == 336.0


def test_tellurium_runs_the_archive_with_the_expected_values(tmp_path: Path) -> None:
    tesedml = pytest.importorskip("tellurium.sedml.tesedml")
    pytest.importorskip("matplotlib").use("Agg")
    path = pm.export(pm.load("acupuncture"), tmp_path / "a.omex", format="omex", treatments=[EA], weeks=2)
    (found,) = tesedml.executeCombineArchive(str(path), createOutputs=False).values()
    with zipfile.ZipFile(path) as archive, archive.open("expected.csv") as file:
        table = np.genfromtxt(file, delimiter=",", names=True)
    for name in ("fast_trace", "plastic_trace", "vagal_drive"):
        theirs = np.ravel(found["dataGenerators"][f"data_{name}"])
        np.testing.assert_allclose(theirs, table[name], atol=1e-6 * np.max(table[name]))


# ---- reading ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [(2, 4), (2, 5), (3, 1), (3, 2)])
def test_every_level_is_read(tmp_path: Path, level: tuple[int, int]) -> None:
    document = libsbml.readSBMLFromString(sbml("compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c"))
    assert document.setLevelAndVersion(*level, False)
    path = tmp_path / "m.xml"
    libsbml.writeSBMLToFile(document, str(path))
    np.testing.assert_allclose(load(path).simulate(duration=1, every=1)["S"], [1, np.exp(-1)], rtol=1e-5)


def test_antimony_is_read_and_may_import_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "part.ant").write_text("model part()\n S = 1; k = 2; S' = -k*S\nend\n", encoding="utf-8")
    (tmp_path / "whole.ant").write_text('import "part.ant"\nmodel whole()\n A: part()\nend\n', encoding="utf-8")
    assert load(tmp_path / "part.ant").states == ("S",)
    assert load(tmp_path / "whole.ant").states == ("A_S",)


def test_authored_antimony_of_a_module_is_read(tmp_path: Path) -> None:
    model = load(MODULES / "acupuncture" / "model.ant")
    assert set(model.states) == set(pm.load("acupuncture").states)


def test_changes_in_the_sedml_of_an_archive_are_said(tmp_path: Path) -> None:
    path = pm.export(tiny("S = 1; S' = -S"), tmp_path / "a.omex", format="omex", duration=5)
    changed = tmp_path / "b.omex"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith(".sedml"):
                change = b'<listOfChanges><changeAttribute target="x" newValue="2"/></listOfChanges></model>'
                text = text.replace(b'source="tiny.xml" />', b'source="tiny.xml">' + change)
                assert change in text
            new.writestr(name, text)
    with pytest.warns(UserWarning, match="changes its model"):
        load(changed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(path)


# ---- somebody else's module ------------------------------------------------------------------------------------

GUEST = UNITS + "ketones = 0.0072 mM; il1 = 1 dimensionless; tau = 6 time_unit; il1' = (1 dimensionless - il1)/tau"


def test_module_from_renames_ports_and_tells_their_roles(tmp_path: Path) -> None:
    path = tmp_path / "guest.xml"
    path.write_text(sbml(GUEST), encoding="utf-8")
    module = pm.exchange.module_from(path, ports={"BHB": "ketones", "IL1B": "il1"})
    assert [(p.id, p.unit, p.reference) for p in module.inputs] == [("BHB", "mmol/L", 0.0072)]
    assert [p.id for p in module.outputs] == ["IL1B"]
    assert [p.id for p in module.parameters] == ["tau"]
    assert "il1'" not in module.sbml
    with pytest.raises(UnknownNameError, match="id in guest 'ketone'; did you mean 'ketones'"):
        pm.exchange.module_from(path, ports={"BHB": "ketone"})
    with pytest.raises(InvalidValueError, match="guest uses the id 'tau' already"):
        pm.exchange.module_from(path, ports={"tau": "ketones"})


def test_a_module_of_ours_read_from_a_file_replaces_itself(tmp_path: Path) -> None:
    name = next(iter(OURS.coupled))
    replaced = "acupuncture"
    ends = [end for w in OURS.read_coupled(name).wire for end in (w.from_, w.to)]
    ports = sorted({e.split(".")[1] for e in ends if e.startswith(f"{replaced}.")})
    path = pm.export(pm.load(replaced), tmp_path / "guest.xml")
    swapped = pm.exchange.with_module(name, pm.exchange.module_from(path, ports=ports), replacing=replaced)
    original = pm.load(name)
    runs = [m.simulate([EA], weeks=1) for m in (original, swapped)]
    assert worst(runs[0][list(original.states)], runs[1])[0] < 1e-6
    assert swapped.title.endswith("acupuncture replaced by guest")


def test_the_example_of_somebody_s_module_still_has_all_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "epilepsy"
    monkeypatch.syspath_prepend(str(MODULES.parents[1] / "analyses"))
    import swap_module

    swapped = swap_module.with_theirs(name)
    assert "nlrp3_il1b__glia" not in swapped.states  # it is a port and has our name
    assert "nlrp3_il1b__NFKB" in swapped.states
    assert set(swapped.gains) == set(pm.load(name).gains)


def test_a_reduced_model_refuses_another_module() -> None:
    with pytest.raises(InvalidValueError, match="epilepsy_core is a reduced model; replace the module in the whole"):
        with_module("epilepsy_core", OURS.module("acupuncture"), replacing="acupuncture")


def test_missing_ports_are_named(tmp_path: Path) -> None:
    path = tmp_path / "guest.xml"
    path.write_text(sbml(GUEST), encoding="utf-8")
    with pytest.raises(InvalidValueError, match="guest cannot replace acupuncture: it lacks the ports acupuncture"):
        with_module(next(iter(OURS.coupled)), module_from(path, ports={"BHB": "ketones"}), replacing="acupuncture")
    with pytest.raises(UnknownNameError, match="unknown module"):
        with_module(next(iter(OURS.coupled)), module_from(path, ports={"BHB": "ketones"}), replacing="nobody")


def test_formats_are_documented() -> None:
    assert all(f"'{f}'" in str(pm.export.__doc__) for f in FORMATS)


# ---- the bare model --------------------------------------------------------------------------------------------


def test_exported_sbml_gives_the_same_trajectories(tmp_path: Path) -> None:
    model = pm.load("nlrp3_il1b").with_hypothesis("bhb_site", "both").with_parameters(vagal_drive=0.2)
    again = pm.load(pm.export(model, tmp_path / "variant.xml"))
    assert again.name == "variant"
    assert again.context is None
    a, b = (m.simulate(PLAN, duration=400, every=4) for m in (model, again))
    assert float(np.ptp(a["IL1B"].values)) > 0.05
    assert worst(a[list(model.states)], b)[0] < 1e-6


@pytest.mark.parametrize(
    ("name", "context"),
    [*((n, c) for n in OURS.modules for c in ("healthy", "epilepsy")), ("epilepsy", "epilepsy")],
)
def test_exported_sbml_is_clean_and_holds_the_settings(name: str, context: str, tmp_path: Path) -> None:
    model = pm.load(name, context=context)
    path = pm.export(model, tmp_path / "m.xml")
    again = pm.load(path)
    assert {f.severity for f in pm.check(path)} <= {"note"}
    assert again.states == model.states
    rest = model.steady_state()
    for key, q in model.quantities.items():
        if key in rest:
            assert again.quantities[key].value == pytest.approx(rest[key], rel=1e-5, abs=1e-9), key
        elif key not in model.anchors:
            np.testing.assert_equal(again.quantities[key].value, model.settings.get(key, q.value), err_msg=key)


def test_exported_coupled_model_holds_the_anchored_value(tmp_path: Path) -> None:
    """Without it, others would not find a seizure rate of 1 in the untreated state."""
    model = pm.load("epilepsy")
    again = pm.load(pm.export(model, tmp_path / "m.xml"))
    index = float(model.simulate(duration=6).pm["excitability_index"][0])
    assert again.quantities["excitability__E_untreated"].value == pytest.approx(index, rel=1e-4)


def test_exported_antimony_loads_and_gives_the_same_trajectories(tmp_path: Path) -> None:
    model = pm.load("nlrp3_il1b").with_parameters(vagal_drive=0.2)
    path = pm.export(model, tmp_path / "m.ant", format="antimony")
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyFile(str(path)) >= 0, antimony.getLastError()
    (tmp_path / "back.xml").write_text(antimony.getSBMLString(antimony.getMainModuleName()), encoding="utf-8")
    again = pm.load(tmp_path / "back.xml")
    assert again.quantities["vagal_drive"].value == 0.2
    a, b = (m.simulate(PLAN, duration=400, every=4) for m in (model, again))
    assert worst(a[list(model.states)], b)[0] < 1e-6


def test_exported_coupled_antimony_loads(tmp_path: Path) -> None:
    path = pm.export(pm.load("epilepsy"), tmp_path / "m.ant", format="antimony")
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyFile(str(path)) >= 0, antimony.getLastError()
    assert "GS_capacity = 0.62" in path.read_text(encoding="utf-8")


def test_tellurium_runs_the_authored_antimony_with_the_same_numbers() -> None:
    te = pytest.importorskip("tellurium")
    model = pm.load("nlrp3_il1b", context="healthy").with_parameters(seizure_drive=1.5)
    ours = model.simulate(duration=200, every=10, start="file")
    engine = te.loada((MODULES / "nlrp3_il1b" / "model.ant").read_text(encoding="utf-8"))
    engine.integrator.setValue("relative_tolerance", 1e-10)
    engine.integrator.setValue("absolute_tolerance", 1e-12)
    engine["seizure_drive"] = 1.5
    engine.timeCourseSelections = [s if engine.getHasOnlySubstanceUnits(s) else f"[{s}]" for s in model.states]
    theirs = np.array(engine.simulate(0, 200, 21))
    expected = np.column_stack([ours[s].values for s in model.states])
    assert float(np.ptp(ours["IL1B"].values)) > 0.1
    np.testing.assert_allclose(
        theirs / np.abs(expected).max(axis=0), expected / np.abs(expected).max(axis=0), atol=1e-6
    )


def test_export_returns_the_path_and_takes_a_text(tmp_path: Path) -> None:
    path = pm.export(tiny("k = 1; S = 2; S' = -k*S"), f"{tmp_path}/t.xml")
    assert path == tmp_path / "t.xml"
    assert pm.load(path).states == ("S",)


def test_export_of_changed_somebody_s_model(tmp_path: Path) -> None:
    model = tiny("compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c").with_parameters(k=3)
    again = pm.load(pm.export(model, tmp_path / "t.xml"))
    np.testing.assert_allclose(again.simulate(duration=1, every=1)["S"], [1, np.exp(-3)], rtol=1e-5)


def test_export_errors(tmp_path: Path) -> None:
    model = pm.load("acupuncture")
    with pytest.raises(UnknownNameError, match="unknown format 'sbm'; did you mean 'sbml'"):
        pm.export(model, tmp_path / "a.xml", format="sbm")
    with pytest.raises(ModelError, match=r"cannot write .*gone/a\.xml: No such file"):
        pm.export(model, tmp_path / "gone" / "a.xml")
    with pytest.raises(ModelError, match=r"cannot write .*: Is a directory"):
        pm.export(model, tmp_path)


# ---- check -----------------------------------------------------------------------------------------------------


def test_check_of_a_unit_error_names_line_and_formula(tmp_path: Path) -> None:
    path = tmp_path / "units.xml"
    path.write_text(sbml(UNITS + "compartment brain = 1 litre; const k = 1 mM; y := k; y has time_unit"))
    (finding,) = (f for f in pm.check(path) if f.severity == "warning")
    assert path.read_text().splitlines()[finding.line - 1].strip() == '<assignmentRule variable="y">'
    assert "unit" in finding.message


def test_check_of_a_broken_reference_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.xml"
    path.write_text(sbml("k = 1; S = 1; S' = -k*S").replace('rateRule variable="S"', 'rateRule variable="Q"'))
    found = pm.check(path)
    assert "error" in {f.severity for f in found}
    assert all(f.line > 0 and f.message for f in found)


@pytest.mark.parametrize("text", ["<sbml>", "hello"])
def test_check_of_something_that_is_no_sbml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "no.xml"
    path.write_text(text)
    assert {f.severity for f in pm.check(path)} & {"error", "fatal"}


def test_check_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.xml: No such file"):
        pm.check(tmp_path / "nowhere.xml")


@pytest.mark.parametrize(("format", "suffix"), [("omex", ".omex"), ("antimony", ".ant"), ("sbml-l2v5", ".xml")])
def test_command_checks_everything_that_load_takes(
    tmp_path: Path, format: str, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pm.export(pm.load("acupuncture"), tmp_path / f"m{suffix}", format=format, treatments=[EA], weeks=1)
    assert main(["check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"{path}: annotated with resources: ")
    assert all(line.startswith(f"{path}:") for line in lines)
