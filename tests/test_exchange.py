"""Export to and import from other tools, and the check of files."""

from __future__ import annotations

from pathlib import Path

import antimony
import numpy as np
import pytest

import pathway_models as pm
from helpers import UNITS, sbml, tiny, worst
from pathway_models._library import module_names
from pathway_models.errors import ModelError, UnknownNameError

MODULES = Path(__file__).parents[1] / "sbml" / "modules"
PLAN = [pm.Level(input="MCC950", value=1, start=24, stop=200), pm.Level(input="BHB", value=3, start=48)]


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
    [*((n, c) for n in module_names() for c in ("healthy", "epilepsy")), ("epilepsy", "epilepsy")],
)
def test_exported_sbml_is_clean_and_holds_the_settings(name: str, context: str, tmp_path: Path) -> None:
    model = pm.load(name, context=context)
    path = pm.export(model, tmp_path / "m.xml")
    again = pm.load(path)
    assert pm.check(path) == ()
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
    (finding,) = pm.check(path)
    assert finding.severity == "warning"
    assert (
        "<assignmentRule>" in path.read_text().splitlines()[finding.line - 1].replace(" variable=", ">") or finding.line
    )
    assert "unit" in finding.message


def test_check_of_a_broken_reference_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.xml"
    path.write_text(sbml("k = 1; S = 1; S' = -k*S").replace('rateRule variable="S"', 'rateRule variable="Q"'))
    found = pm.check(path)
    assert "error" in {f.severity for f in found}
    assert all(f.line > 0 and f.message for f in found)


@pytest.mark.parametrize("text", ["", "<sbml>", "hello"])
def test_check_of_something_that_is_no_sbml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "no.xml"
    path.write_text(text)
    assert {f.severity for f in pm.check(path)} & {"error", "fatal"}


def test_check_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.xml: No such file"):
        pm.check(tmp_path / "nowhere.xml")
