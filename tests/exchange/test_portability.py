"""The portability profile, annotation coverage and cures of `check`."""

from __future__ import annotations

import warnings
from pathlib import Path

import antimony
import numpy as np
import pytest

import pathway_models as pm
from helpers import UNITS, from_sbml, sbml, tiny
from pathway_models._sbml import findings
from pathway_models._sbml.findings import Finding
from pathway_models.errors import ModelWarning
from pathway_models.exchange import portability

MATHML = "http://www.w3.org/1998/Math/MathML"
MOVING = "S = 1; S' = -S;"


def remarks(body: str) -> dict[str, Finding]:
    """Remarks on an Antimony body by their first words."""
    return {r.message.split(":")[0].split(" (")[0]: r for r in portability.portability_remarks(sbml(body))}


@pytest.mark.parametrize(
    ("body", "construct", "severity"),
    [
        (MOVING + "at 2 after time > 1: S = 2", "events with delay", "note"),
        (MOVING + "at time > 1, priority=3: S = 2", "events with priority", "note"),
        (MOVING + "at time > 1, persistent=false: S = 2", "events that are not persistent", "note"),
        (MOVING + "at time >= 0, t0=false: S = 2", "events that may fire at time 0", "note"),
        (MOVING + "k = 1; at time > 1: S = 2, k = 3", "events with several assignments", "note"),
        ("S = 1; k = 1; J: S -> ; piecewise(k*S, S > 0.5, 0)", "piecewise in kinetic laws", "note"),
        (MOVING + "y := delay(S, 1)", "delay", "warning"),
        (MOVING + "y := rateOf(S)", "rateOf", "note"),
        (MOVING + "y := factorial(3)", "factorial", "note"),
        ("compartment c = 1; c' = 1; species S in c; S = 1", "compartments that change in time", "note"),
        ("n = 1; n' = 1; S = 1; k = 1; J: n S -> ; k*S", "stoichiometry that changes in time", "note"),
        ("k = 1; y := k", "nothing that moves", "note"),
        (MOVING, "Level 3 Version 2", "note"),
    ],
)
def test_construct_is_found_with_its_tools_and_cure(body: str, construct: str, severity: str) -> None:
    found = remarks(body)
    remark = next(r for key, r in found.items() if key.startswith(construct))
    assert remark.severity == severity
    assert remark.line > 0
    assert remark.cure
    assert any(tool in remark.message for tool in ("COPASI", "AMICI", "libroadrunner", "SimBiology", "SBMLToolkit"))


def test_plain_model_in_an_older_level_has_no_remark() -> None:
    text = (
        sbml(MOVING)
        .replace('level="3" version="2"', 'level="3" version="1"')
        .replace("level3/version2", "level3/version1")
    )
    assert list(portability.portability_remarks(text)) == []


def test_algebraic_rule_and_fast_reaction_are_warnings() -> None:
    rule = f'<algebraicRule><math xmlns="{MATHML}"><ci>S</ci></math></algebraicRule>'
    text = sbml("k = 1; S = 1; J: S -> ; k*S; x = 1; x' = 1").replace("<listOfRules>", f"<listOfRules>{rule}")
    text = text.replace('level="3" version="2"', 'level="3" version="1"').replace("level3/version2", "level3/version1")
    text = text.replace('<reaction id="J"', '<reaction id="J" fast="true"')
    found = {r.message.split(" (")[0].split(":")[0]: r.severity for r in portability.portability_remarks(text)}
    assert found == {"algebraic rules": "warning", "fast reactions": "warning"}


@pytest.mark.parametrize(
    ("package", "version", "construct", "tool"),
    [
        ("distrib", "level3/version1/distrib/version1", "random distributions", "AMICI"),
        ("fbc", "level3/version1/fbc/version2", "flux bounds", "SBMLToolkit"),
    ],
)
def test_packages_are_named(package: str, version: str, construct: str, tool: str) -> None:
    namespace = f'xmlns:{package}="http://www.sbml.org/sbml/{version}" {package}:required="false"'
    strict = ' fbc:strict="false"' if package == "fbc" else ""
    text = sbml(MOVING).replace("<sbml ", f"<sbml {namespace} ", 1).replace("<model ", f"<model{strict} ", 1)
    (found,) = (r for r in portability.portability_remarks(text) if r.message.startswith(construct))
    assert tool in found.message


def test_submodels_are_named_with_what_other_tools_do() -> None:
    part = antimony_sbml("model part()\n S = 1; S' = -S\nend\nmodel whole()\n A: part()\nend\n")
    (found,) = (r for r in portability.portability_remarks(part) if r.message.startswith("submodels"))
    assert "(A): SimBiology" in found.message
    assert "flattens" in found.cure


def antimony_sbml(text: str) -> str:
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0
    return str(antimony.getCompSBMLString("whole"))


def test_many_of_one_construct_are_one_remark() -> None:
    body = MOVING + "".join(f"at time > {i}, priority={i}: S = {i};" for i in range(1, 9))
    assert "and 3 more" in remarks(body)["events with priority"].message


def test_annotation_remarks_count_what_is_bare() -> None:
    text = sbml('compartment c = 1; species A in c, B in c; A = 1; B = 1; A identity "https://identifiers.org/CHEBI:1"')
    found = {r.message for r in portability.annotation_remarks(text)}
    assert found == {"1 of 2 species have no annotation (B)", "1 of 1 compartments have no annotation (c)"}


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("There must not be circular dependencies", "circle"),
        ("the units of the math", "units|parameter"),
        ("the 'sboTerm' attribute", "branch"),
        ("something nobody has seen", "section"),
    ],
)
def test_cure_of_a_finding(message: str, word: str) -> None:
    assert any(w in findings.cure(message) for w in word.split("|"))


def test_a_finding_says_what_is_wrong_here_and_not_the_rule() -> None:
    general = "As a principle of best modeling practice, units should be declared."
    here = "The <parameter> with the id 'x' does not have a 'units' attribute."
    rule = f"{general}\nReference: L3V2 Section 4.7.3"
    assert findings.case(f"{rule}\n {here}\n") == f"{here[:-1]} (L3V2 Section 4.7.3)"
    assert findings.case(rule) == " ".join(rule.split())
    assert findings.case("XML content is not well-formed.") == "XML content is not well-formed."


def test_check_puts_the_worst_first_and_gives_cures(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    path.write_text(sbml(UNITS + "compartment brain = 1 litre; const k = 1 mM; y := k; y has time_unit; y2 := 1"))
    found = pm.check(path)
    ranks = ["fatal", "error", "warning", "note"]
    assert [ranks.index(f.severity) for f in found] == sorted(ranks.index(f.severity) for f in found)
    assert {f.severity for f in found} == {"warning", "note"}
    assert all(f.cure for f in found)


# ---- what an export says -----------------------------------------------------------------------------------

FACTOR = "compartment c = 1; species S in c; S = 1; f = 2; k = 1; J: S -> ; k*S*c"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (MOVING + "at time > 1: S = 2", "MxlPy 0.64 and sbmltoodepy drop all events"),
        (MOVING + "at time > 1, priority=3: S = 2", "SimBiology ignores the priority of events"),
        ("S = 1; k = 1; J: S -> ; piecewise(k*S, S > 0.5, 0)", "SimBiology ignores piecewise in kinetic laws"),
        ("n = 1; n' = 1; S = 1; k = 1; J: n S -> ; k*S", "COPASI does not follow a stoichiometry that changes"),
    ],
)
def test_an_export_names_the_tool_and_what_it_drops(body: str, said: str, tmp_path: Path) -> None:
    with pytest.warns(ModelWarning, match=said) as caught:
        pm.export(tiny(body), tmp_path / "m.xml")
    assert len(caught) == 1


def test_an_export_that_every_tool_runs_says_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pm.export(tiny(MOVING), tmp_path / "m.xml")


def test_copasi_ignores_conversion_factors(tmp_path: Path) -> None:
    """The reason of the warning: 1 - exp(-2) of the species is gone, and COPASI says 1 - exp(-1)."""
    basico = pytest.importorskip("basico")
    text = sbml(FACTOR).replace('<species id="S"', '<species conversionFactor="f" id="S"')
    model = from_sbml(text.replace('"f" value="2" constant="false"', '"f" value="2" constant="true"'), name="theirs")
    with pytest.warns(ModelWarning, match=r"COPASI 4\.48 ignores conversion factors"):
        path = pm.export(model, tmp_path / "m.xml")
    assert float(model.simulate(duration=1, every=1)["S"][-1]) == pytest.approx(np.exp(-2), rel=1e-5)
    handle = basico.load_model(str(path))
    course = basico.run_time_course(duration=1, intervals=1, model=handle)
    basico.remove_datamodel(handle)
    assert float(course["S"].iloc[-1]) == pytest.approx(np.exp(-1), rel=1e-4)


def test_antimony_loses_our_ranges_and_says_so(tmp_path: Path) -> None:
    with pytest.warns(ModelWarning, match="Antimony keeps no annotations of others: ranges"):
        pm.export(pm.load("acupuncture"), tmp_path / "m.ant", format="antimony")
