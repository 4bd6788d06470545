"""What models of the SBML Test Suite and of public collections taught us: each test is a file that once went wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import antimony
import libsbml
import numpy as np
import pytest

import pathway_models as pm
from helpers import UNITS, sbml, tiny
from pathway_models._sbml import antimony as _exchange_antimony
from pathway_models._sbml.native import roadrunner
from pathway_models.errors import ModelError
from pathway_models.simulation import runner

XHTML = "http://www.w3.org/1999/xhtml"
MATHML = "http://www.w3.org/1998/Math/MathML"


def written(folder: Path, text: str, name: str = "theirs.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_model_with_an_id_called_reset_leaves_other_models_alone() -> None:
    """libroadrunner makes ids attributes of its class, methods or not (Test Suite case 00952)."""
    before = tiny("S = 1; S' = -S")
    tiny("reset = 2; S = 1; S' = -reset*S; simulate = 1; getValue = 3").simulate(duration=1, every=1)
    np.testing.assert_allclose(before.simulate(duration=1, every=1)["S"], [1, np.exp(-1)], rtol=1e-6)
    after = tiny("compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c; reset = 1")
    np.testing.assert_allclose(after.simulate(duration=1, every=1)["S"], [1, np.exp(-1)], rtol=1e-6)
    option = roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES
    assert not roadrunner.Config.getValue(option)  # whoever uses libroadrunner beside us keeps its attributes


def test_species_with_an_assignment_rule_are_not_integrated() -> None:
    """Case 00029, and 00092 with a rate rule beside it."""
    body = "compartment c = 1; species A in c, B in c, R in c; A = 1; R = 2; R' = -R; B := 3*A; k = 1; J: A -> ; k*A"
    run = tiny(body).simulate(duration=1, every=1)
    assert [float(run[k][-1]) for k in ("A", "B", "R")] == pytest.approx(np.exp(-1) * np.array([1, 3, 2]), rel=1e-6)
    assert set(runner.runner(tiny(body).sbml).vector) == {"A", "R"}


def test_a_large_rate_rule_does_not_loosen_small_species() -> None:
    """Case 00066: a constant that grows from 1e6 beside species of 1e-6."""
    body = "compartment c = 1; species A in c; A = 1e-6; K = 1e6; K' = 1e6; k = 1; J: A -> ; k*A"
    run = tiny(body).simulate(duration=1, every=0.25)
    np.testing.assert_allclose(run["A"], 1e-6 * np.exp(-run["time"]), rtol=1e-6)


def test_a_small_state_that_starts_at_zero_is_right() -> None:
    """BIOMD0000000583: a cell type that starts at 0 and stays at ten beside others of a million."""
    body = "compartment c = 1; species A in c, B in c; A = 1e6; B = 0; k = 1e-5; d = 20; J: A -> B; k*A; K: B -> ; d*B"
    run = tiny(body).simulate(duration=1, every=0.05)
    t, k, d = run["time"].values, 1e-5, 20.0
    exact = 1e6 * k / (d - k) * (np.exp(-k * t) - np.exp(-d * t))
    np.testing.assert_allclose(run["B"], exact, rtol=2e-6, atol=1e-9)


def test_units_that_do_not_agree_do_not_keep_an_old_level_from_a_newer_one(tmp_path: Path) -> None:
    """BIOMD0000000207: a unit error in Level 2 (it was never one in libroadrunner)."""
    body = UNITS + "compartment c = 2 litre; species S in c; S = 1 mM; const k = 1 mM; J: S -> ; k*S"
    document = libsbml.readSBMLFromString(sbml(body))
    assert document.setLevelAndVersion(2, 3, False)
    model = pm.load(written(tmp_path, libsbml.writeSBMLToString(document)))
    again = pm.load(pm.export(model, tmp_path / "new.xml"))
    assert libsbml.readSBMLFromString(again.sbml).getVersion() == 2
    np.testing.assert_allclose(again.simulate(duration=1, every=1)["S"], model.simulate(duration=1, every=1)["S"])


def test_notes_that_antimony_cannot_read_back_are_left_out() -> None:
    """BIOMD0000000613: notes that spell out notes."""
    core = "http://www.sbml.org/sbml/level3/version1/core"
    spelled = (
        f"&lt;notes xmlns=&quot;{core}&quot;&gt;&lt;body xmlns=&quot;{XHTML}&quot;&gt;x&lt;/body&gt;&lt;/notes&gt;"
    )
    notes = f'<notes><body xmlns="{XHTML}"><p>{spelled}</p></body></notes>'
    text = sbml("S = 1; S' = -S").replace("<listOfParameters>", f"{notes}<listOfParameters>", 1)
    antimony.clearPreviousLoads()
    assert antimony.loadSBMLString(text) >= 0
    alone = antimony.getAntimonyString(antimony.getMainModuleName())
    assert antimony.loadAntimonyString(alone) < 0  # else this test has lost its reason
    made = _exchange_antimony.to_antimony(text, "theirs")
    assert "S' = -S" in made
    assert _exchange_antimony.from_antimony(made, Path("theirs.ant"))


def test_ids_that_antimony_renames_are_said() -> None:
    """BIOMD0000000727 has a species DNA, which is a word of Antimony."""
    text = sbml("compartment c = 1; species S in c; S = 1; k = 1; J: S -> ; k*S*c")
    renamed = text.replace('id="S"', 'id="DNA"').replace('species="S"', 'species="DNA"').replace("> S <", "> DNA <")
    with pytest.warns(UserWarning, match="theirs: antimony renames DNA, words"):
        made = _exchange_antimony.to_antimony(renamed, "theirs")
    assert "DNA_" in made
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _exchange_antimony.to_antimony(text, "theirs")


@pytest.mark.parametrize(
    "formula", ["(a^b)^c", "(a^b)^(b^c)", "a^(b^c)", "((a^b)^c)^b", "c*(a^b)^c + b", "-(-a)", "a - (-(-b))", "(-a)^2"]
)
@pytest.mark.parametrize("level", [(3, 2), (2, 4)])
def test_antimony_keeps_powers_of_powers_and_signs_of_signs(formula: str, level: tuple[int, int]) -> None:
    """antimony writes (a^b)^c as a^b^c and reads that as a^(b^c): our own autoreceptor was off by a thousandth."""
    text = sbml(f"a = 1.7; b = 2.3; c = 1.3; x := {formula}; S = 1; S' = -x*S; R = 1; J: R -> ; x*R")
    document = libsbml.readSBMLFromString(text)
    assert document.setLevelAndVersion(*level, False)
    text = libsbml.writeSBMLToString(document)
    back = _exchange_antimony.from_antimony(_exchange_antimony.to_antimony(text, "theirs"), Path("theirs.ant"))
    wanted, found = (roadrunner.RoadRunner(t).getValue("x") for t in (text, back))
    assert found == pytest.approx(wanted, rel=1e-14)


def test_missing_value_beside_an_algebraic_rule_names_the_rule(tmp_path: Path) -> None:
    """Case 01567: the value would follow from a rule that nobody solves here."""
    rule = f'<algebraicRule><math xmlns="{MATHML}"><ci>k</ci></math></algebraicRule>'
    text = sbml("S = 1; S' = -S; k = 1").replace("<listOfRules>", f"<listOfRules>{rule}")
    text = text.replace('<parameter id="k" value="1" constant="true"', '<parameter id="k" constant="false"')
    with pytest.raises(ModelError, match="'k' has no value; algebraic rules are not solved"):
        pm.load(written(tmp_path, text))


def test_refused_older_level_points_to_the_newest_and_the_newest_does_not(tmp_path: Path) -> None:
    model = tiny("S = 1; S' = -S; at time > 1, priority=2: S = 2")
    with pytest.raises(ModelError, match="write sbml instead"):
        pm.export(model, tmp_path / "a.xml", format="sbml-l2v5")
